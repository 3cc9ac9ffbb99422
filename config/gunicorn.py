"""gunicorn's configuration: `bytegpt web` runs `gunicorn -c python:config.gunicorn`. Its names are gunicorn's."""

import logging
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker

from app.one_core import OneCore
from config.logs import configure_logs
from config.settings import load_settings

_settings = load_settings(redis_required=True)


class _OurLogs(Logger):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's own lines through our handler; there is no access log."""

    def setup(self, cfg: object) -> None:
        """Called in the master before its workers are forked, and again on reload."""
        self.cfg = cfg
        self._access_log_enabled = False
        configure_logs(_settings.log_level, _settings.log_format)
        self.error_log.propagate = True
        self.error_log.setLevel(logging.NOTSET)

    def exception(self, msg: str, *args: object, **kwargs: Any) -> None:
        """What gunicorn could not do, and why."""
        if isinstance(sys.exception(), BlockingIOError):  # app/web/gunicorn_worker.py, SOME_OF_THE_ANSWER_MS
            self.info("hung up on somebody who did not read the answer")
        else:
            super().exception(msg, *args, **kwargs)


def on_starting(_arbiter: object) -> None:
    """Load the code before the port is opened: what comes then is answered at once, and processes share the memory.

    Nothing is connected or started by it; the application itself is made in each process.
    """
    import_module("app.web.wsgi")


def post_fork(_arbiter: object, worker: Worker) -> None:
    """In each process, before its threads."""
    OneCore(worker.age).start()


bind = f"[{_settings.bind}]:{_settings.port}" if ":" in _settings.bind else f"{_settings.bind}:{_settings.port}"
workers = _settings.web_processes
worker_class = "app.web.gunicorn_worker.Worker"
threads = 8
timeout = 30
graceful_timeout = 10
# Kommo's proxies keep connections open; longer than this they only hold a slot.
keepalive = 5
accesslog = None
logger_class = _OurLogs
# X-Forwarded-* counts from these only.
forwarded_allow_ips = ",".join(map(str, _settings.trusted_proxies))
# A heartbeat file on a slow disk would make gunicorn kill healthy processes.
worker_tmp_dir = "/dev/shm" if sys.platform == "linux" and Path("/dev/shm").is_dir() else None  # noqa: S108
# The control socket stands at one place per user: two installations would meet there.
control_socket_disable = True
