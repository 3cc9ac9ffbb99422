"""How long what clients and assistants wrote is kept (LGPD, article 15)."""

DEFAULT_DAYS = 30
MOST_DAYS = 400

# A turn without texts is kept for 30 days from its end (storage/turns.py); nobody needs to find it any longer.
TURN_DAYS = 31

_DAY_MS = 24 * 3600 * 1000


def erased_before(now_ms: int, days: int) -> int:
    """The texts of turns that were accepted before this moment are due; both in milliseconds since the epoch."""
    return now_ms - days * _DAY_MS


def ended_before(now_ms: int) -> int:
    """Turns that were accepted before this moment end with their texts; both in milliseconds since the epoch."""
    return now_ms - TURN_DAYS * _DAY_MS
