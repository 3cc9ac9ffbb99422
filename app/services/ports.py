"""What the flows need from outside, named by use. Adapters in app/storage and app/clients fill them."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from app.domain.accounts import Account
from app.domain.answers import Answer, Conversation, Deadline, Question
from app.domain.assistants import Profile
from app.domain.audit import Recomputed
from app.domain.delivery import CallOutcome
from app.domain.failures import Failure
from app.domain.notes import DueNote
from app.domain.plans import Plan, When
from app.domain.quota import Counters, Entry
from app.domain.turn import AcceptResult, Change, Hold, NewTurn, Turn
from app.domain.usage_figures import DayFigures, Minute


class Engine(Protocol):
    """One OpenAI API. Every method raises AskError and nothing else for whatever OpenAI or the network does.

    Each call is cut to what is left of its deadline; a deadline that passes is OPENAI_TIMEOUT.
    """

    def open_conversation(self, api_key: str, deadline: Deadline) -> str:
        """Create an empty conversation (a thread) and return its id."""

    def ask(
        self,
        question: Question,
        conversation_id: str,
        api_key: str,
        deadline: Deadline,
        answer_id_known: Callable[[str], None],
    ) -> Answer:
        """Send the question once and wait for its answer.

        answer_id_known is called with the response or run id as soon as OpenAI has told it, before the wait for
        the answer goes on: the caller stores it, so that a lost attempt can be found again.
        Retries nothing: that is the caller's.
        """

    def find(
        self,
        question: Question,
        conversation_id: str,
        answer_id: str | None,
        after_item: str | None,
        api_key: str,
        deadline: Deadline,
        answer_id_known: Callable[[str], None],
    ) -> Answer | None:
        """Look for what an earlier attempt at this question left at OpenAI; wait for it where it still runs.

        answer_id: the response or run of that attempt where it got that far.
        after_item: the newest item of the conversation that is older than this question (Responses; None: all are
        newer). A client may write the same text twice, so only items after it can be ours.
        Returns the answer when there is one, None when the question may be sent again with `ask`. Where the question
        stands in the conversation without an answer, this asks for the answer without adding the question again.
        """


class Crm(Protocol):
    """Kommo. No method raises for what Kommo or the network does: the outcome says it."""

    def continue_bot(self, return_url: str, body: dict[str, Any], access_token: str, deadline: Deadline) -> CallOutcome:
        """POST the continue call once. return_url has been validated and rebuilt by the caller."""

    def add_note(
        self, origin: str, lead_id: int, text: str, note_key: str, access_token: str, deadline: Deadline
    ) -> CallOutcome:
        """Write a common note on a lead (kommo.md 8.3). origin: scheme, host and port of the account's address."""


class Accounts(Protocol):
    """The account records. Every method raises StoreUnavailable where the store cannot be asked."""

    def get(self, account_id: int) -> Account | None:
        """The account as it is now, None where it is not installed."""

    def add(self, account: Account, client_secret: str | None = None) -> Account:
        """Store a new account and return it with its first version.

        client_secret: the secret of its private integration (account.client_id); it becomes the newest one.
        Raises AccountExists.
        """

    def replace(self, account: Account, expected_version: int, client_secret: str | None = None) -> Account:
        """Store the account in place of the version that was read, and return it with its new version.

        Its plans stay what they are: PlanChange changes them.
        client_secret: as in add; None leaves the integration's secrets as they are.
        Raises AccountUnknown, and ChangedMeanwhile where the version is not the expected one any more.
        """

    def remove(self, account_id: int) -> None:
        """Remove the account, and its private integration with the last account of it. Raises AccountUnknown."""

    def page(self, after: int = 0, size: int = 100) -> tuple[Account, ...]:
        """The next accounts by id, above the id `after`; empty at the end."""


class Integrations(Protocol):
    """The secrets that Kommo signs with. `of` raises StoreUnavailable where the store cannot be asked."""

    def of(self, client_id: str) -> list[str]:
        """The integration's secrets, newest first, every one of them valid; empty for one that is not known."""


class Plans(Protocol):
    """The plans on sale. Every method raises StoreUnavailable where the store cannot be asked."""

    def get(self, name: str) -> Plan:
        """The plan of this name. Raises PlanUnknown."""


class PlanChange(Protocol):
    """How an account changes to another plan (contract 7)."""

    def apply(self, account_id: int, plan: str, when: When) -> None:
        """Let the account have this plan, which exists, from now or from its next month on.

        The change, its entry in the ledger and the account's new version are one step.
        Raises AccountUnknown and StoreUnavailable.
        """


@dataclass(frozen=True, slots=True)
class SetupFindings:
    """What a look at OpenAI says about an account's settings.

    warnings: sentences for the operator, one for each thing that will not work; no secret stands in them.
    imported_profile: the assistant's definition where the Assistants API gave it (source `imported`, not active).
    failure: how the account's turns would fail, None where nothing speaks against them.
    """

    warnings: tuple[str, ...] = ()
    imported_profile: Profile | None = None
    failure: Failure | None = None


class OpenAiSetup(Protocol):
    """Free calls that change nothing at OpenAI. Both raise AskError, as Engine does."""

    def check_key(self, api_key: str, deadline: Deadline) -> None:
        """Return when OpenAI accepts the key."""

    def import_profile(self, assistant_id: str, api_key: str, deadline: Deadline) -> Profile:
        """Copy an assistant's definition from the Assistants API as a sleeping profile."""


class SetupCheck(Protocol):
    """A look at OpenAI with a company's own key, when its settings are saved."""

    def look(self, assistant_id: str | None, api_key: str) -> SetupFindings:
        """See whether the key is accepted and the assistant is there. Ends within 10 seconds and raises nothing.

        assistant_id: None where the account is answered from a profile of its own; then only the key is tried.
        """


class TurnStore(Protocol):
    """The turns. Every method raises StoreUnavailable when Redis is away."""

    def accept(self, new: NewTurn) -> AcceptResult:
        """Accept a turn in one atomic step, or say why not."""

    def take(self, hold: Hold) -> Turn | None:
        """Hold a turn; None when it is closed, unknown, or another worker holds it."""

    def advance(self, hold: Hold, turn: Turn, change: Change) -> int:
        """Change a held turn; returns the requests that remain in its month. Raises TurnLost."""


class Conversations(Protocol):
    """Which conversation at OpenAI belongs to which client. Raises StoreUnavailable."""

    def of(self, account_id: int, line: str) -> Conversation | None:
        """The conversation of this client, None when there is none yet."""


class Gates(Protocol):
    """While a key is told to wait, no worker sends with it. Raises StoreUnavailable."""

    def closed(self, api_key: str) -> tuple[float, Failure]:
        """Seconds for which nothing may be sent with this key, and why; 0 when the gate is open."""

    def close(self, api_key: str, seconds: float, reason: Failure) -> None:
        """Close the gate of this key for so many seconds."""


class Pace(Protocol):
    """The pace of calls to Kommo. Raises StoreUnavailable."""

    def account_wait(self, account_id: int, longest: float) -> float | None:
        """Seconds until the moment reserved in the account's own pace; None when more than `longest` away."""

    def egress_wait(self, longest: float) -> float | None:
        """Seconds until the moment reserved for one call among all accounts; None when more than `longest` away."""


class Tokens(Protocol):
    """The tokens with which Kommo is called."""

    def current(self, account: Account) -> str | None:
        """The access token as it stands, None when the account has none."""

    def renewed(self, account: Account, refused: str) -> str | None:
        """Another token after Kommo refused this one; None when there is none to be had (a long-lived token)."""


class ProfileSwitch(Protocol):
    """What happens when OpenAI's Assistants API is gone (contract 3.1)."""

    def wake_profile(self, account: Account) -> Profile | None:
        """Activate the imported profile of the account and say so in its record; None when it has none."""


class TurnReader(Protocol):
    """Turns, to look at. Raises StoreUnavailable."""

    def read(self, request_id: str) -> Turn | None:
        """The turn as it stands, None when it is unknown or no longer kept."""


class Notes(Protocol):
    """The outbox of notes. Raises StoreUnavailable."""

    def take(self) -> DueNote | None:
        """A note that is due, None when there is none."""

    def postpone(self, note: DueNote, seconds: float) -> None:
        """Try this note again in so many seconds."""

    def end(self, note: DueNote, step: str, **details: Any) -> None:
        """Forget the note and tell in the turn's steps what became of it."""


class TurnArchive(TurnReader, Protocol):
    """Turns and their stories. Raises StoreUnavailable."""

    def steps(self, request_id: str) -> list[dict[str, Any]]:
        """What happened to the turn, oldest first: `at` in milliseconds, `step`, details."""

    def newest_first(self, account_id: int) -> Iterator[Turn]:
        """The turns of an account that are still kept."""


class Ledger(Protocol):
    """The ledger and its counters, to look at. Raises StoreUnavailable."""

    def period_now(self, zone: ZoneInfo) -> str:
        """The month that it is where an account lives."""

    def counters(self, account: Account, period: str) -> Counters:
        """The counters of a month."""

    def entries(self, account_id: int, period: str) -> Iterator[Entry]:
        """The entries of a month, oldest first."""

    def stored(self, account_id: int, period: str) -> Recomputed:
        """The counters of a month as they are stored."""

    def rebuild(self, account_id: int, period: str, right: Recomputed) -> None:
        """Put the counters of a month to what its ledger says."""


class UsageFigures(Protocol):
    """The figures of usage, to look at. Raises StoreUnavailable."""

    def days(self, account_id: int, days: Iterable[str]) -> list[DayFigures]:
        """The figures of those of these days, `YYYY-MM-DD`, on which anything happened, in the same order."""

    def minutes(self, account_id: int, begin: datetime, end: datetime) -> Iterator[Minute]:
        """The minutes from `begin` up to but not including `end` in which anything was sent, oldest first."""


class Locks(Protocol):
    """Short exclusive work across all processes. Raises StoreUnavailable."""

    def tried(self, name: str, seconds: float) -> AbstractContextManager[bool]:
        """Whether the lock was free; then it is ours until the block ends, or so many seconds have passed."""
