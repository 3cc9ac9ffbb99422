"""`bytegpt web`: in a module that imports little, because what it starts takes its place."""

import os
import sys

import click

from app.cli.port import check_port_is_free
from config.settings import load_settings


@click.command()
def web() -> None:
    """Run gunicorn with WEB_PROCESSES processes; it replaces this process."""
    settings = load_settings(redis_required=True)
    check_port_is_free(settings)
    os.execv(
        sys.executable, [sys.executable, "-m", "gunicorn", "-c", "python:config.gunicorn", "app.web.wsgi:create()"]
    )
