"""Where errors are reported beside the log: Sentry, where SENTRY_DSN is set and its package is installed."""

from importlib import import_module
from typing import Literal

Process = Literal["web", "worker", "up", "command"]


def start_error_reports(dsn: str | None, process: Process) -> None:
    """Report what this process logs as an error from now on; nothing without a DSN. Called after configure_logs."""
    if dsn is not None:
        import_module("config.sentry").start(dsn, process)


def report_error(dsn: str | None, error: BaseException) -> None:
    """Report the error that ends a command; nothing without a DSN. Waits up to two seconds until it has been sent."""
    if dsn is not None:
        start_error_reports(dsn, "command")
        import_module("config.sentry").report(error)
