"""Whether the web process can listen where the settings say."""

import errno
import socket

import click

from config.settings import Settings


def check_port_is_free(settings: Settings) -> None:
    """Raise click.ClickException, which says what to do, where the web process could not listen."""
    family = socket.AF_INET6 if ":" in settings.bind else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.bind, settings.port))
        except OSError as error:
            raise click.ClickException(_why_it_cannot_listen(settings, error)) from None


def _why_it_cannot_listen(settings: Settings, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {settings.port} on {settings.bind} is in use by another process: stop that one, "
            "or set PORT to another number"
        )
    return f"cannot listen on port {settings.port} of {settings.bind} ({error.strerror}): see PORT and BIND"
