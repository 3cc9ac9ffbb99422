"""`bytegpt up` and `worker`: the processes of the service."""

import http.client
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import click

from app.cli.port import check_port_is_free
from app.cli.supervisor import Program, Supervisor
from app.storage.embedded import EmbeddedRedis, EmbeddedRedisError
from config.error_reports import start_error_reports
from config.local import console_login, environment, with_local_secrets
from config.logs import configure_logs
from config.settings import Settings, load_settings

# gunicorn's graceful timeout (config/gunicorn.py) and a little more.
_WEB_STOP_SECONDS = 15.0
# What a worker needs beyond its turns' own deadlines to write down how they ended.
_WORKER_MARGIN_SECONDS = 15.0
_PROBE_SECONDS = 0.5
_HINT_AFTER_SECONDS = 20.0


@click.command()
def up() -> int:
    """Run everything on this machine until Ctrl-C: web, workers, and Redis where REDIS_URL is not set.

    The first Ctrl-C or SIGTERM stops in order: web, then the workers, which finish what they hold, then Redis. A
    second Ctrl-C stops at once.
    """
    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    start_error_reports(settings.sentry_dsn, "up")
    check_port_is_free(settings)
    # Until the supervisor listens, SIGTERM ends us like Ctrl-C: through every `with`.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with _with_redis(settings) as complete:
            return _supervise_all(complete)
    except EmbeddedRedisError as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:  # before the supervisor has taken over
        return 0


@click.command()
def worker() -> int:
    """Run the workers: one in this process, or WORKER_PROCESSES children that are restarted when they die."""
    settings = load_settings(redis_required=True)
    configure_logs(settings.log_level, settings.log_format)
    start_error_reports(settings.sentry_dsn, "worker")
    if settings.worker_processes > 1:
        return Supervisor([_workers(settings, os.environ)]).run()
    from workers.run import main as run_worker

    return run_worker(settings)


def _supervise_all(settings: Settings) -> int:
    children = {**os.environ, **environment(settings)}
    door = Program("web", _bytegpt("web"), children, _WEB_STOP_SECONDS)
    return Supervisor(
        [[door], _workers(settings, children)],
        is_ready=_Readiness(settings),
        when_ready=lambda: click.echo(_ready_line(settings)),
    ).run()


def _workers(settings: Settings, environ: Mapping[str, str]) -> list[Program]:
    """One child per worker process; each is told that it is the only one and so runs in its own process."""
    stop_seconds = max(settings.turn_deadline, settings.delivery_patience) + _WORKER_MARGIN_SECONDS
    alone = {**environ, "WORKER_PROCESSES": "1"}
    return [
        Program(f"worker {number}", _bytegpt("worker"), alone, stop_seconds)
        for number in range(1, settings.worker_processes + 1)
    ]


def _bytegpt(command: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "app.cli.main", command)


@contextmanager
def _with_redis(settings: Settings) -> Iterator[Settings]:
    if settings.redis_url is not None:
        yield settings
        return
    with EmbeddedRedis(settings.data_dir) as server:
        yield with_local_secrets(settings, server.url)


def _local_address(settings: Settings) -> str:
    """Where this machine reaches what listens on BIND."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.bind, settings.bind)  # noqa: S104


def _url(settings: Settings) -> str:
    host = _local_address(settings)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _ready_line(settings: Settings) -> str:
    return (
        f"ByteGPT is ready: {_url(settings)} (webhooks: {settings.public_url}/kommo/salesbot; "
        f"console: {_url(settings)}/console/, {console_login(settings)}; Ctrl-C stops it)"
    )


class _Readiness:
    """Asks /readyz, and says once that it takes long."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._hint_at: float | None = time.monotonic() + _HINT_AFTER_SECONDS

    def __call__(self) -> bool:
        connection = http.client.HTTPConnection(
            _local_address(self._settings), self._settings.port, timeout=_PROBE_SECONDS
        )
        try:
            connection.request("GET", "/readyz")
            ready = connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            ready = False
        finally:
            connection.close()
        if not ready and self._hint_at is not None and time.monotonic() > self._hint_at:
            self._hint_at = None
            click.echo(f"ByteGPT is not ready yet: {_url(self._settings)}/readyz says why", err=True)
        return ready
