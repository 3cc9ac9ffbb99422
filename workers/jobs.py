"""The functions that RQ calls. Their names stand in jobs that wait in Redis: see app/jobqueue.py."""

from workers import runtime


def answer(request_id: str) -> dict[str, str]:
    """Bring one turn to its end. What is returned is shown on the RQ dashboard."""
    return runtime.current().answer(request_id)
