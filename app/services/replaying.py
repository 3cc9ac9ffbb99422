"""Running turns again that failed or could not be delivered (contract 1)."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from app.domain.accounts import Account, AccountUnknown
from app.domain.quota import contact_limits, day_of, period_of
from app.domain.replays import (
    Again,
    BadTurns,
    NotReplayable,
    Obstacle,
    Replay,
    ReplayStatus,
    failure_was_told,
    looks_first,
    obstacle_at,
    what_again,
)
from app.domain.spans import hour_of
from app.domain.turn import CLOSED, Timing, Turn
from app.services.ports import Accounts, Replays, TurnArchive
from app.services.reporting import TurnUnknown

# So many are open at once of those that are replayed together: none of them waits for long, and the account's own new
# turns stand behind no more than these.
AT_ONCE = 20
LOOK_SECONDS = 0.1
# Beyond what a turn may take, for its worker to be lost and for another one to take it over.
MARGIN_SECONDS = 10.0
# How often turn and account are read again because somebody changed them in between.
TRIES = 5
_OBSTACLES = {
    ReplayStatus.TEXTS_GONE: Obstacle.TEXTS_GONE,
    ReplayStatus.PLAN_QUOTA: Obstacle.PLAN_QUOTA,
    ReplayStatus.CONTACT_LIMIT: Obstacle.CONTACT_LIMIT,
}

NOT_RUN, IN_WORK = "not_run:", "in_work"

# Told where a turn stands that is waited for, and since how many seconds.
Told = Callable[[Turn, float], None]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What was begun. told_before: its bot was told the failure and has most likely gone on."""

    request_id: str
    again: Again
    told_before: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one of several. turn: as it stands, closed unless it took too long; None where it was not run.

    obstacle: why it was not.
    """

    request_id: str
    turn: Turn | None = None
    obstacle: Obstacle | None = None

    @property
    def became(self) -> str:
        """One word for it: an error code, a status, `in_work`, or `not_run:` and the obstacle."""
        if self.turn is None:
            return f"{NOT_RUN}{self.obstacle}"
        if self.turn.status not in CLOSED:
            return IN_WORK
        return self.turn.error_code or self.turn.status


@dataclass(frozen=True, slots=True)
class Replaying:
    """The flow. clock: seconds since the epoch; it alone decides about months and days."""

    turns: TurnArchive
    accounts: Accounts
    replays: Replays
    timing: Timing
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    @property
    def patience(self) -> float:
        """Seconds in which a turn that was run again is over, if a worker lives."""
        return max(self.timing.turn, self.timing.patience) + MARGIN_SECONDS

    def replay(self, request_id: str, by: str) -> Replayed:
        """Run a turn again, or hand an answer over again that exists; charged as at an acceptance, or not at all.

        by: who wants it, for the turn's steps. Raises TurnUnknown, NotReplayable and StoreUnavailable.
        """
        for _ in range(TRIES):
            judged = self._judged(request_id, by)
            status = self.replays.replay(judged)
            if status in _OBSTACLES:
                raise NotReplayable(request_id, _OBSTACLES[status])
            if status is ReplayStatus.REPLAYED:
                return Replayed(request_id, judged.again, failure_was_told(judged.turn))
        raise NotReplayable(request_id, Obstacle.OPEN)

    def outcome(self, request_id: str, told: Told) -> Turn:
        """The turn as soon as it is over, or as it stands when that takes longer than it may (patience).

        Its time counts from the moment it was run again, however late somebody begins to wait.
        Raises TurnUnknown and StoreUnavailable.
        """
        while True:
            turn = self._read(request_id)
            waited = self.clock() - turn.begun_at / 1000
            if turn.status in CLOSED or waited > self.patience:
                return turn
            told(turn, waited)
            self.sleep(LOOK_SECONDS)

    def ended_badly(
        self,
        account_id: int,
        since: int,
        until: int,
        *,
        untold: bool = False,
        most: int | None = None,
        most_looked_at: int | None = None,
    ) -> BadTurns:
        """The turns that failed, or could not be delivered, in a span of milliseconds.

        untold: without those whose bots were told the failure and have gone on. most: of them at the most.
        most_looked_at: to find them, for somebody who waits.
        Raises AccountUnknown and StoreUnavailable.
        """
        if self.accounts.get(account_id) is None:
            raise AccountUnknown(account_id)
        # What ended in the span may have been accepted before it.
        accepted_since = since - int(self.patience * 1000)
        places = self.replays.badly_ended(account_id, accepted_since, until, most_looked_at)
        found = self.replays.ends_of([request_id for _, request_id in places], untold=untold)
        wanted = list(islice((turn for turn in found if since <= turn.at <= until), most))
        return BadTurns(wanted, places[-1][0] if places and len(places) == most_looked_at else None)

    def replay_all(self, request_ids: Iterable[str], by: str, waited_for: Iterable[str] = ()) -> Iterator[Outcome]:
        """Run turns again, a few at once, and tell of each when it is over.

        waited_for: those that were begun before and are told of with the others.
        What cannot be run is told with its obstacle. When the plan is used up, nothing more is tried: the rest is
        told so. Raises StoreUnavailable; what has been begun then goes on.
        """
        begun: deque[str] = deque(waited_for)
        used_up = False
        for request_id in request_ids:
            if used_up:
                yield Outcome(request_id, obstacle=Obstacle.PLAN_QUOTA)
                continue
            try:
                self.replay(request_id, by)
                begun.append(request_id)
            except NotReplayable as error:
                used_up = error.obstacle is Obstacle.PLAN_QUOTA
                yield Outcome(request_id, obstacle=error.obstacle)
            except TurnUnknown:
                # Its time ended while others were run.
                yield Outcome(request_id, obstacle=Obstacle.TEXTS_GONE)
            while len(begun) >= AT_ONCE:
                yield self._ended(begun.popleft())
        while begun:
            yield self._ended(begun.popleft())

    def _ended(self, request_id: str) -> Outcome:
        try:
            return Outcome(request_id, turn=self.outcome(request_id, lambda _turn, _waited: None))
        except TurnUnknown:
            return Outcome(request_id, obstacle=Obstacle.TEXTS_GONE)

    def _judged(self, request_id: str, by: str) -> Replay:
        turn = self._read(request_id)
        again = what_again(turn)
        account = self.accounts.get(turn.account_id)
        obstacle = obstacle_at(account, again)
        if account is None or obstacle:
            raise NotReplayable(request_id, obstacle or Obstacle.NOT_INSTALLED)
        return self._of_now(turn, again, account, by)

    def _of_now(self, turn: Turn, again: Again, account: Account, by: str) -> Replay:
        now = self.clock()
        moment = datetime.fromtimestamp(now, UTC)
        limits = (account.contact_daily_limit, account.contact_weekly_limit, account.contact_monthly_limit)
        return Replay(
            turn=turn,
            again=again,
            account_version=account.version,
            at=int(now * 1000),
            deadline_at=int((now + self.timing.turn) * 1000),
            period=period_of(moment, account.zone),
            day=day_of(moment, account.zone),
            hour=hour_of(moment, account.zone),
            contact_limits=contact_limits(moment, account.zone, *limits) if turn.line is not None else (),
            look_first=looks_first(turn),
            by=by,
        )

    def _read(self, request_id: str) -> Turn:
        turn = self.turns.read(request_id)
        if turn is None:
            raise TurnUnknown(request_id)
        return turn
