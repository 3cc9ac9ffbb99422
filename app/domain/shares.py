"""How the threads of one worker process are shared between accounts."""

import math
from collections.abc import Mapping

# An account may hold so many times what is free: one alone takes eight ninths of a process and leaves a ninth for
# others; two take eight seventeenths each. What is left free shrinks as more accounts share it, and is never nothing
# because of one of them (dynamic thresholds, Choudhury and Hahne 1998).
SHARE = 8


def crowded(held: Mapping[int, int], free: int, most: int) -> dict[int, int]:
    """How many more threads those accounts may take that could meet their limit.

    held: threads that each account has now. free: threads that nobody has.
    most: how many are given away at once, at most eight; an account that is not named may have all of them.
    """
    allowed = {account_id: _more(threads, free) for account_id, threads in held.items()}
    return {account_id: more for account_id, more in allowed.items() if more < most}


def _more(threads: int, free: int) -> int:
    """How many more may be taken one by one, each while the account has less than SHARE times what is free."""
    return max(0, math.ceil((SHARE * (free + 1) - threads + 1) / (SHARE + 1)) - 1)
