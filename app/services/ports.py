"""What the flows need from outside, named by use. Adapters in app/storage and app/clients fill them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from app.domain.accounts import Account
from app.domain.answers import Answer, Deadline, Question
from app.domain.assistants import Api, Profile
from app.domain.audit import Recomputed
from app.domain.audit_log import AuditEntry, AuditPage
from app.domain.batches import Batch
from app.domain.delivery import CallOutcome, Verdict
from app.domain.failures import Failure
from app.domain.forgetting import Deletion, Forgotten, Remote
from app.domain.kommo_hooks import Hook
from app.domain.notes import DueNote
from app.domain.oauth_tokens import KommoAccount, OAuthIntegration
from app.domain.oauth_tokens import Tokens as PairOfTokens
from app.domain.operator_sessions import OperatorSession
from app.domain.plans import Plan, When
from app.domain.quota import Counters, Entry
from app.domain.replays import EndedBadly, Replay, ReplayStatus
from app.domain.turn import AcceptResult, Advanced, Change, Departure, Hold, NewTurn, Status, Turn
from app.domain.turn_search import FoundTurn, TurnPage, Wanted
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

    def continue_bot(
        self, return_url: str, body: dict[str, Any], access_token: str, deadline: Deadline, egress: str
    ) -> CallOutcome:
        """POST the continue call once, from this address. return_url has been validated and rebuilt by the caller."""

    def add_note(
        self, origin: str, lead_id: int, text: str, note_key: str, access_token: str, deadline: Deadline, egress: str
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


class AccountsByVersion(Protocol):
    """Account records, for those who know which version is true. Raises StoreUnavailable."""

    def at(self, account_id: int, version: int) -> Account | None:
        """The account as it is in this version or a later one, None where it is not installed any more."""


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
    failure: how the account's turns would fail, None where nothing speaks against them. reason: a word for why.
    api_gone: the Assistants API, which the id is asked through, has ended.
    """

    warnings: tuple[str, ...] = ()
    imported_profile: Profile | None = None
    failure: Failure | None = None
    reason: str | None = None
    api_gone: bool = False


class OpenAiSetup(Protocol):
    """Free calls around the setting up of an account. Each raises AskError, as Engine does."""

    def check_key(self, api_key: str, deadline: Deadline) -> None:
        """Return when OpenAI accepts the key."""

    def import_profile(self, assistant_id: str, api_key: str, deadline: Deadline) -> Profile:
        """Copy an assistant's definition from the Assistants API as a sleeping profile."""

    def discard_conversation(self, api: Api, conversation_id: str, api_key: str, deadline: Deadline) -> None:
        """Delete a conversation (a thread) with what stands in it."""


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

    def advance(self, hold: Hold, turn: Turn, change: Change) -> Advanced:
        """Change a held turn. Raises TurnLost, and GateClosed where the change was to pass a gate that is closed.

        A change that closes the turn may be told only, and raise neither.
        """

    def begun(self, hold: Hold, attempt: int, answer_id: str, gate: str | None = None) -> None:
        """Remember which response or run will hold the answer of a turn that is asking.

        attempt: its number. gate: fingerprint of a key that OpenAI has begun to answer again. It may be told only: a
        turn that is lost finds out later.
        """


class Gates(Protocol):
    """While a key is told to wait, no worker sends with it. Raises StoreUnavailable."""

    def name(self, api_key: str) -> str:
        """The fingerprint by which the gate of this key is known."""

    def enter(self, gate: str, request_id: str) -> bool:
        """Pass the gate with a turn. Returns whether it watches what comes of it. Raises GateClosed."""

    def close(self, gate: str, seconds: float, reason: Failure, account_id: int | None = None) -> None:
        """Let nobody pass for so many seconds, and then one at a time until OpenAI answers one.

        account_id: whose key it is, for people who look; None where it is not known.
        """

    def free(self, gate: str, request_id: str) -> None:
        """What came of a turn that passed tells nothing about the key."""


class Pace(Protocol):
    """The pace of calls to Kommo. Raises StoreUnavailable."""

    def departure(self, account_id: int, *, ahead: bool = False, within: float = 0.02) -> Departure | None:
        """The moment of one call that is no continue call; None where others go first or it is not near.

        ahead: the call goes before continue calls that wait. within: how many seconds are near.
        """

    def hold(self, account_id: int, seconds: float) -> None:
        """Let no call leave for this account for so many seconds."""


class Tokens(Protocol):
    """The tokens with which Kommo is called."""

    def current(self, account: Account) -> str | None:
        """The access token as it stands, None when the account has none."""

    def renewed(self, account: Account, refused: str) -> str | None:
        """Another token after Kommo refused this one; None when there is none to be had (a long-lived token)."""


class TokenEndpoint(Protocol):
    """Where Kommo gives tokens. Both raise GrantRefused and TokensUnavailable; origin: the account's address."""

    def exchange_code(self, origin: str, integration: OAuthIntegration, code: str, deadline: Deadline) -> PairOfTokens:
        """The tokens for the code of an installation, which works once and for 20 minutes."""

    def refresh(
        self, origin: str, integration: OAuthIntegration, refresh_token: str, deadline: Deadline
    ) -> PairOfTokens:
        """New tokens for a refresh token."""


class AccountLookUp(Protocol):
    """Whose a token is. Every method is one call, and raises AccessRefused and KommoUnavailable.

    origin: the address that is called and gets the token: an account's own, or the shared API host.
    """

    def account(self, origin: str, access_token: str, deadline: Deadline) -> KommoAccount:
        """The account that this access token opens."""

    def account_of_refresh_token(self, origin: str, refresh_token: str, deadline: Deadline) -> KommoAccount:
        """The account of this refresh token, which is not used up."""

    def is_administrator(self, origin: str, user_id: int, access_token: str, deadline: Deadline) -> bool | None:
        """Whether the user who gave this token administrates the account; None where Kommo does not say."""


class UnfinishedHooks(Protocol):
    """Hooks of Kommo whose work is not done yet, sealed. Raises StoreUnavailable."""

    def add(self, hook: Hook, seconds: float) -> str | None:
        """Keep a hook, due in so many seconds, and return its name; None where there are too many already."""

    def take(self) -> tuple[str, Hook] | None:
        """A hook that is due, by its name; None when there is none. It comes back unless it is ended or postponed."""

    def postpone(self, name: str, seconds: float) -> None:
        """Let it be due again in so many seconds."""

    def end(self, name: str) -> None:
        """Forget it."""


class TokenChecks(Protocol):
    """When the tokens of which account are looked at next. Raises StoreUnavailable."""

    def enlist(self, account_ids: Iterable[int], within: float) -> None:
        """Give every account that has no time yet one of its own, at random within so many seconds from now."""

    def take(self) -> int | None:
        """An account whose time has come; None when there is none. It comes back unless it is put off or dropped."""

    def put_off(self, account_id: int, seconds: float) -> None:
        """Look at it again in so many seconds."""

    def drop(self, account_id: int) -> None:
        """Never look at it again."""


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


class Replays(Protocol):
    """Running closed turns again. Raises StoreUnavailable."""

    def replay(self, replay: Replay) -> ReplayStatus:
        """Charge and queue the turn again, or only offer its answer again, unless it is not what was judged."""

    def badly_ended(self, account_id: int, since: int, until: int, most: int | None = None) -> list[tuple[int, str]]:
        """The turns accepted in a span of milliseconds that failed or could not be delivered, oldest first.

        Each with its acceptance; most: of them at the most, the oldest.
        """

    def ends_of(self, request_ids: Sequence[str], *, untold: bool) -> Iterator[EndedBadly]:
        """When each ended badly, read as it is asked for; without those that cannot be run again.

        untold: without those whose bot was told the failure.
        """


class Batches(Protocol):
    """Many turns that are to be run again. Raises StoreUnavailable."""

    def add(
        self, account_id: int, since: int, until: int, request_ids: Sequence[str], by: str, *, untold: bool
    ) -> Batch:
        """Keep a wish of an operator; since and until in milliseconds, at least one turn."""

    def get(self, account_id: int, batch_id: str) -> Batch | None:
        """The batch as it stands, None when it is unknown."""

    def newest(self, most: int) -> list[Batch]:
        """The last ones that were begun."""

    def results(self, batch: Batch, most: int) -> list[tuple[str, str]]:
        """The last results, newest first: id of a turn, and what it became."""

    def ask_to_stop(self, batch: Batch) -> None:
        """Let no further turn of it be begun."""

    def take(self, token: str, seconds: float) -> Batch | None:
        """The batch that is to be worked on, for so many seconds; None where there is none, or others work on it."""

    def prolong(self, token: str, seconds: float) -> bool:
        """Go on for so many seconds; False where somebody else works on it by now."""

    def release(self, token: str) -> None:
        """Let others take it."""

    def left(self, batch: Batch) -> list[str]:
        """Ids of its turns of which no result is known, in their order."""

    def record(self, batch: Batch, request_id: str, became: str) -> None:
        """Write down what became of a turn."""

    def end(self, batch: Batch) -> None:
        """It is over."""


class TurnSearch(Protocol):
    """Looking for turns. Raises StoreUnavailable."""

    def page(self, wanted: Wanted, older_than: str | None, size: int) -> TurnPage:
        """The newest turns that fit, or those behind the cursor of another page; ValueError for what is no cursor."""

    def all(self, wanted: Wanted) -> Iterator[FoundTurn]:
        """All that fit, newest first."""

    def one(self, request_id: str) -> FoundTurn | None:
        """The turn of this id, None when it is unknown or no longer kept."""


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


class OpenAiDeletion(Protocol):
    """Deleting at OpenAI. Every method raises AskError; False, and None of items, where there was nothing."""

    def items(
        self, conversation_id: str, after: str | None, api_key: str, deadline: Deadline
    ) -> tuple[str, ...] | None:
        """Ids of a conversation's items, oldest first, behind the one that is named; a page of them at most."""

    def delete_item(self, conversation_id: str, item_id: str, api_key: str, deadline: Deadline) -> bool:
        """Take an item out of a conversation."""

    def delete_conversation(self, conversation_id: str, api_key: str, deadline: Deadline) -> bool:
        """Delete a conversation, without its items."""

    def delete_response(self, response_id: str, api_key: str, deadline: Deadline) -> bool:
        """Delete a response."""

    def delete_thread(self, thread_id: str, api_key: str, deadline: Deadline) -> bool:
        """Delete a thread with all that is in it."""


class ContactMemory(Protocol):
    """What is stored of one contact, known by its conversation key within an account. Raises StoreUnavailable.

    How far it is forgotten is written down with every step, so that whoever was interrupted goes on from there.
    """

    def open_turns(self, account_id: int, line: str) -> int:
        """How many turns of the contact are not closed."""

    def begin(self, account_id: int, line: str) -> bool:
        """Take its conversation away, so that the next message begins another; False while a turn uses it."""

    def turns(self, account_id: int, line: str) -> Iterator[tuple[list[str], int, int]]:
        """Ids of its turns, page by page, with how many turns of the account were looked at, and of how many."""

    def erase_turns(self, account_id: int, line: str, request_ids: Sequence[str]) -> None:
        """Take texts, and all that leads to the contact, out of these turns where they are closed."""

    def erase_counters(self, account_id: int, line: str) -> None:
        """Delete what counts its requests for limits, and count it among all others in the figures of usage."""

    def record(self, account_id: int, line: str, deletion: Deletion) -> None:
        """Write down what became of something at OpenAI."""

    def forgotten(self, account_id: int, line: str) -> Forgotten:
        """How far it is forgotten by now."""

    def end(self, account_id: int, line: str) -> None:
        """Nothing is left to do."""


class Removals(Protocol):
    """Taking an account away, step by step; what each step removes here is counted with it. Raises StoreUnavailable."""

    def begin(self, account_id: int) -> int:
        """Let the account count as not installed from now on; when that was, in milliseconds. Raises AccountUnknown."""

    def open_turns(self, account_id: int) -> int:
        """How many of its turns are not closed."""

    def conversations(self, account_id: int) -> Iterator[tuple[str, tuple[Remote, ...]]]:
        """What is known at OpenAI of one contact at a time, by its conversation key, beside what its turns left."""

    def remove_conversations(self, account_id: int, line: str) -> None:
        """Forget what `conversations` has told of one contact."""

    def turns(self, account_id: int) -> Iterator[tuple[list[str], int]]:
        """Ids of its turns, page by page; and how many of them there are still."""

    def left_at_openai(self, request_ids: Sequence[str]) -> dict[str, tuple[Remote, ...]]:
        """What each of these turns has left at OpenAI."""

    def remove_turns(self, account_id: int, request_ids: Sequence[str]) -> None:
        """Delete these turns."""

    def count(self, account_id: int, deletions: Sequence[Deletion]) -> None:
        """Count what is gone at OpenAI."""

    def remove_rest(self, account_id: int) -> Iterator[tuple[int, int]]:
        """Delete everything else but the account itself; how many keys of all were looked at, and of how many."""

    def finish(self, account_id: int) -> Mapping[str, int]:
        """Delete the account itself. Returns what was removed in all, by kind."""


class Texts(Protocol):
    """What clients and assistants wrote, in closed turns. Raises StoreUnavailable."""

    def retention(self) -> Iterator[tuple[int, int]]:
        """Every account by its id, and for how many days it keeps texts."""

    def erase(self, account_id: int, before: int) -> int:
        """Erase the texts of turns accepted before a moment, in milliseconds; returns in how many turns."""

    def unlist(self, account_id: int, before: int) -> None:
        """List no turns any more that were accepted before a moment, in milliseconds, as far as texts are erased."""

    def unlist_everywhere(self, before: int) -> None:
        """Take turns that were accepted before a moment, in milliseconds, off the lists of all accounts together."""


class AuditLog(Protocol):
    """What operators have done. Raises StoreUnavailable."""

    def write(self, entry: AuditEntry) -> None:
        """Add a line."""

    def page(self, older_than: str | None, size: int) -> AuditPage:
        """The newest lines, or those that follow the cursor of another page."""


class OperatorSessions(Protocol):
    """Who is logged in to the console. Raises StoreUnavailable."""

    def add(self, session: OperatorSession) -> str:
        """Begin a session and return its id, which nobody can guess."""

    def get(self, session_id: str) -> OperatorSession | None:
        """The session, None when it was ended or is unknown."""

    def keep(self, session_id: str, session: OperatorSession) -> None:
        """Store what has changed of a session, unless it was ended meanwhile."""

    def end(self, session_id: str) -> None:
        """Forget the session."""


@dataclass(frozen=True, slots=True)
class AttemptCounter:
    """Attempts to log in that are counted together: those of one `whose` of a `kind`; most: until they are locked.

    of_everybody: it counts more people than the one who tries, so a success does not set it to nothing.
    """

    kind: str
    whose: str
    most: int
    of_everybody: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """Whether an attempt may be made. locked_seconds: for how long it may not, 0 where it may.

    last: the next one may not, unless this one succeeds.
    """

    locked_seconds: float
    last: bool


class LoginAttempts(Protocol):
    """How often wrong passwords were tried lately. Raises StoreUnavailable. locks_for: seconds."""

    locks_for: int

    def begin(self, counters: Sequence[AttemptCounter]) -> Attempt:
        """Count one more attempt in each of these."""

    def forget(self, counters: Sequence[AttemptCounter]) -> None:
        """Count from nothing again."""


class Meter(Protocol):
    """Counts what happens, in memory: no method waits for anything or raises. Times are seconds."""

    def webhook(self, outcome: str, seconds: float) -> None:
        """A webhook was answered."""

    def request(self, route: str, status: int) -> None:
        """A request was answered. route: as the code writes it, never the path that somebody asked for."""

    def accepted(self, refusal: Failure | None) -> None:
        """A turn was accepted; refusal: why it was not charged."""

    def answered(self) -> None:
        """An answer was stored."""

    def failed(self, failure: Failure) -> None:
        """A turn will have no answer."""

    def called_first(self, seconds: float, added: float) -> None:
        """The first continue call of a turn leaves, so long after its acceptance. added: without OpenAI's time."""

    def continued(self, verdict: Verdict, seconds: float) -> None:
        """A continue call was made."""

    def closed(self, status: Status) -> None:
        """A turn is over."""

    def noted(self, verdict: Verdict) -> None:
        """A note on a lead was sent."""

    def asked(self, api: Api, call: str, outcome: str, seconds: float) -> None:
        """A call to OpenAI for a turn has ended. call, outcome: as domain/service_metrics.py lists them."""


class MetricStore(Protocol):
    """What all processes of the service have counted together. Raises StoreUnavailable."""

    def add(self, source: str, number: int, counted: Mapping[str, int]) -> None:
        """Add what a process has counted. number: of this batch of the source; one that was added is passed over."""

    def totals(self) -> dict[str, int]:
        """All that was counted, by the fields of domain/metrics.py."""
