"""The turns of one company on a real Redis, with the clock of the service in the hands of the test."""

from collections.abc import Callable
from typing import Any, cast

import redis
from structlog.testing import capture_logs

from app.domain.answers import Conversation
from app.domain.failures import Failure
from app.domain.plans import Plan
from app.domain.turn import DECIDED, UNDECIDED, AcceptStatus, Advanced, Change, Hold, NewTurn, Park, Status, Taken
from app.jobqueue import turn_queue
from app.storage import keys
from app.storage.accounts import RedisAccounts
from app.storage.gates import RedisGates
from app.storage.ledger import RedisLedger
from app.storage.pacing import KommoPace
from app.storage.plans import RedisPlans
from app.storage.sealing import Sealer
from app.storage.taking import RedisTaking
from app.storage.turn_record import conversation_of
from app.storage.turns import RedisTurns
from tests.builders import ENCRYPTION_KEY, NOW_MS, TIMING, a_new_turn, an_account

PERIOD = "2025-11"
GATE = "fingerprint"
# Every call may leave at once.
NO_PACE = KommoPace(("default",), rate=100_000.0, account_rate=100_000.0)
# One call may leave, and no other one as long as a test takes.
ONE_CALL = KommoPace(("default",), rate=0.001, account_rate=0.001)

ANSWERED = Change(expect=UNDECIDED, status=Status.ANSWERED, charge="settle", sealed={"answer": "Custa 5 reais."})
FAILED = Change(expect=UNDECIDED, status=Status.FAILED, charge="release", fields={"error_code": Failure.OPENAI_TIMEOUT})
DELIVERED = Change(expect=DECIDED, status=Status.DELIVERED, close=True)
LEAVE = Change(expect=DECIDED, leave=True)
ASKING = Change(expect=UNDECIDED, status=Status.ASKING, gate=GATE)


class Clock:
    """The service's clock in the hands of a test."""

    def __init__(self) -> None:
        self.seconds = NOW_MS / 1000

    def __call__(self) -> float:
        return self.seconds

    @property
    def milliseconds(self) -> int:
        """The same as the store counts."""
        return int(self.seconds * 1000)


class Store:
    """The turn store of one company, and more of them if a test wants; each with a plan of so many requests."""

    def __init__(self, client: redis.Redis, requests: int = 3, pace: KommoPace = NO_PACE) -> None:
        self.redis = client
        self.clock = Clock()
        self.sealer = Sealer([ENCRYPTION_KEY])
        self.turns = RedisTurns(client, self.sealer, TIMING, self.clock, pace)
        self.pace = pace
        self.taking = self.worker("worker-1")
        self.gates = RedisGates(client, self.clock)
        self.accounts = RedisAccounts(client, self.sealer)
        self.ledger = RedisLedger(client, self.clock)
        RedisPlans(client).set(Plan("small", requests))
        self.account = self.accounts.add(an_account(plan="small"))

    def worker(self, name: str) -> RedisTaking:
        """What a worker process of this name takes its turns with."""
        return RedisTaking(self.redis, self.sealer, TIMING, self.pace, name, self.clock)

    def accept(self, account_id: int = 31000001, **overrides: Any) -> NewTurn:
        """A turn that was accepted, of another company where one is named."""
        account = self.account
        if account_id != account.account_id:
            account = self.accounts.get(account_id) or self.accounts.add(
                an_account(account_id=account_id, subdomain=f"company-{account_id}", plan="small")
            )
        new = a_new_turn(account, accepted_at=self.clock.milliseconds, **overrides)
        assert self.turns.accept(new).status is AcceptStatus.ACCEPTED
        return new

    def take(self, new: NewTurn, token: str = "worker-1") -> Taken:
        """A certain turn in the hands of a worker."""
        raw = self.taking.one(Hold(new.request_id, token))
        assert raw is not None
        return self.taking.read(raw)

    def next(self, most: int = 8) -> list[Taken]:
        """What comes from the queue for so many free threads."""
        return [self.taking.read(raw) for raw in self.taking.queued(most, {}).turns]

    def departing(self, most: int = 8) -> list[Taken]:
        """The turns whose continue calls leave now."""
        return [self.taking.read(raw) for raw in self.taking.departing(most, {}).turns]

    def overdue(self, most: int = 8) -> list[Taken]:
        """The turns that are to be told about at once."""
        return [self.taking.read(raw) for raw in self.taking.due(most).overdue]

    def sweep(self) -> list[str]:
        """The ids of the turns whose worker was lost; nothing must be overdue."""
        swept = self.taking.due(8)
        assert swept.overdue == ()
        return list(swept.lost)

    def advance(self, taken: Taken, change: Change) -> int:
        """Change a held turn; what remains of the plan."""
        return self.changed(taken, change).remaining

    def changed(self, taken: Taken, change: Change) -> Advanced:
        """Change a held turn, known as it stands."""
        advanced = self.turns.advance(taken.hold, self.turns.read(taken.hold.request_id) or taken.turn, change)
        self.turns.collect_answers()  # what is told is there
        return advanced

    def begun(self, taken: Taken, answer_id: str, attempt: int = 1) -> None:
        """OpenAI has begun to answer a held turn."""
        self.turns.begun(taken.hold, attempt, answer_id)
        self.turns.collect_answers()

    def told_in_vain(self, taken: Taken, tell: Callable[[], object]) -> bool:
        """Whether what is told and not waited for came from somebody who has lost the turn."""
        with capture_logs() as logs:
            tell()
            self.turns.collect_answers()
        return {"event": "turn_lost", "turn_id": taken.hold.request_id, "log_level": "info"} in logs

    def finish(self, new: NewTurn, decision: Change = ANSWERED) -> None:
        """Bring a turn to its end."""
        taken = self.take(new)
        self.advance(taken, decision)
        self.advance(taken, DELIVERED)

    def park(self, taken: Taken, seconds: float, gate: str | None = None) -> None:
        """Let a held turn wait for so long, in the line of a gate where one is named."""
        park = Park(self.clock.milliseconds + int(seconds * 1000), gate)
        expect = UNDECIDED if gate else DECIDED
        fields: dict[str, str | int] = {"gated": Failure.OPENAI_QUOTA} if gate else {}
        self.advance(taken, Change(expect=expect, fields=fields, park=park))

    def counters(self) -> tuple[int, int, int]:
        """allowance, used, reserved"""
        found = self.ledger.counters(self.account, PERIOD)
        return found.allowance, found.used, found.reserved

    def kinds(self) -> list[tuple[str, int]]:
        """The ledger as kind and requests."""
        return [(entry.kind, entry.requests) for entry in self.ledger.entries(self.account.account_id, PERIOD)]

    def queued(self) -> list[str]:
        """The turns on RQ's queue, as RQ itself reads the jobs."""
        return [job.args[0] for job in turn_queue(self.redis).jobs]

    def conversation(self, line: str = "contact-1") -> Conversation | None:
        """What is known of the conversation of a client."""
        found = self.redis.hgetall(keys.conversation(self.account.account_id, line))
        return conversation_of(cast("dict[bytes, bytes]", found))

    def steps(self, new: NewTurn) -> list[str]:
        """What happened to a turn."""
        return [step["step"] for step in self.turns.steps(new.request_id)]

    def look_at(self, new: NewTurn) -> float:
        """In how many seconds the sweep looks at an open turn."""
        moment = self.redis.zscore(keys.open_turns(), new.request_id)
        assert moment is not None
        return float(moment) / 1000 - self.clock()


def dump(client: redis.Redis) -> dict[bytes, bytes | None]:
    """Everything that stands in Redis."""
    return {key: client.dump(key) for key in client.scan_iter()}
