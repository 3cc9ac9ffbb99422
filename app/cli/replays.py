"""`bytegpt turn replay`: run turns again that failed or could not be delivered."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click

from app.cli.output import print_json, print_table, print_turn, print_warnings
from app.cli.problems import told
from app.cli.progress import EVERY_SECONDS, progress
from app.cli.wiring import open_store, reporting_of
from app.domain.accounts import AccountUnknown
from app.domain.replays import Again
from app.domain.turn import CLOSED, Status, Timing, Turn
from app.services.ports import Accounts
from app.services.replaying import Outcome, Replayed, Replaying
from app.services.reporting import Reporting
from app.storage.replays import RedisReplays
from app.storage.turns import RedisTurns

# Who wants it, as the turn's steps tell.
BY = "cli"
_TOLD_BEFORE = (
    "its bot was told the failure and has most likely gone on: the answer is obtained and charged, but Kommo may not "
    "take it any more (it then ends as not_waiting)"
)


@dataclass(frozen=True, slots=True)
class _Flows:
    replaying: Replaying
    reporting: Reporting
    accounts: Accounts


@click.command()
@click.argument("request_id", required=False)
@click.option("--account", "account_id", type=click.IntRange(min=1), help="With --failed-between: whose turns.")
@click.option(
    "--failed-between",
    "span",
    nargs=2,
    metavar="FROM TO",
    help="All that ended badly then: 2026-11-22T10:00, in the account's time zone unless an offset stands there.",
)
@click.option("--untold", is_flag=True, help="With --failed-between: leave out those whose bot was told the failure.")
@click.option("--no-wait", is_flag=True, help="Do not wait for the outcome.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def replay(
    request_id: str | None,
    account_id: int | None,
    span: tuple[str, str] | None,
    untold: bool,
    no_wait: bool,
    as_json: bool,
) -> int:
    """Run a turn again that failed, or hand over an answer that Kommo did not take; tell what becomes of it.

    A turn that failed (one of the six, or busy) is charged anew in the present month, and costs nothing if it fails
    again. Where an answer exists and could not be delivered, only the call to Kommo is made again: nothing is asked and
    nothing is charged. An answered turn that was delivered is never run again, and of two replays at once one is done.

    A bot that was told the failure has gone on: its turn is run and charged all the same, and then most likely ends as
    not_waiting, because Kommo takes no second answer. A warning says so.

    --failed-between finds only turns that ended since this service keeps lists of them: those that had ended before the
    update to this version are run again by REQUEST_ID.

    Exit code 0: answered, and delivered or not waited for any more. 1: it cannot be run again, ended badly again, or is
    still open; of several turns, if this holds of any.
    """
    if (request_id is None) == (span is None) or (span is None) != (account_id is None):
        raise click.UsageError("Name a REQUEST_ID, or --account ID and --failed-between FROM TO.")
    if span is None and untold:
        raise click.UsageError("--untold goes with --failed-between.")
    if span is not None and no_wait:
        raise click.UsageError("Several turns are run a few at a time, so --no-wait is for one alone.")
    with told(), _open() as flows:
        if span is not None and account_id is not None:
            return _several(flows, account_id, span, untold, as_json)
        return _one(flows, request_id or "", no_wait, as_json)


def _one(flows: _Flows, request_id: str, no_wait: bool, as_json: bool) -> int:
    begun = flows.replaying.replay(request_id, BY)
    warnings = [_TOLD_BEFORE] if begun.told_before else []
    print_warnings(warnings)
    tell = progress()
    if not no_wait:
        flows.replaying.outcome(request_id, lambda turn, waited: tell(f"{turn.status} for {waited:.0f} s"))
    document = {**flows.reporting.turn(request_id), "replayed": begun.again, "warnings": warnings}
    if as_json:
        print_json(document)
    else:
        print_turn({name: value for name, value in document.items() if name != "warnings"})
        click.echo(f"\n{_sentence(begun, document)}")
    return 0 if no_wait or _went_well(Status(document["status"]), document["error_code"]) else 1


def _several(flows: _Flows, account_id: int, span: tuple[str, str], untold: bool, as_json: bool) -> int:
    account = flows.accounts.get(account_id)
    if account is None:
        raise AccountUnknown(account_id)
    since, until = (_moment(text, account.zone) for text in span)
    if since > until:
        raise click.UsageError("FROM is later than TO.")
    turns = flows.replaying.ended_badly(account_id, since, until, untold=untold).turns
    click.echo(f"{len(turns)} turn(s) to run again", err=True)
    outcomes = []
    told_at = time.monotonic()
    for outcome in flows.replaying.replay_all([turn.request_id for turn in turns], BY):
        outcomes.append(outcome)
        if time.monotonic() - told_at >= EVERY_SECONDS:
            told_at = time.monotonic()
            click.echo(f"{len(outcomes)} of {len(turns)}", err=True)
    rows = [_row(outcome) for outcome in outcomes]
    counts = Counter(row["became"] for row in rows)
    if as_json:
        print_json({"account_id": account_id, "turns": rows, "summary": dict(counts)})
    else:
        print_table(("REQUEST_ID", "BECAME", "REQUESTS"), [tuple(row.values()) for row in rows])
        click.echo("\n" + (", ".join(f"{name}: {number}" for name, number in counts.items()) or "nothing to do"))
    return 0 if all(_is_well(outcome.turn) for outcome in outcomes) else 1


def _row(outcome: Outcome) -> dict[str, Any]:
    turn = outcome.turn
    requests = turn.weight if turn and not turn.error_code else 0
    return {"request_id": outcome.request_id, "became": outcome.became, "requests": requests}


def _is_well(turn: Turn | None) -> bool:
    return turn is not None and _went_well(turn.status, turn.error_code)


def _went_well(status: Status, error_code: str | None) -> bool:
    return error_code is None and status in (Status.DELIVERED, Status.NOT_WAITING)


def _sentence(begun: Replayed, document: dict[str, Any]) -> str:
    status, error_code, requests = Status(document["status"]), document["error_code"], document["requests"]
    if status not in CLOSED:
        return (
            "It is in work: `bytegpt turn show` tells what becomes of it. (`bytegpt doctor` says whether workers live.)"
        )
    if error_code:
        return f"It failed again ({error_code}) and cost nothing."
    charged = f"charged {requests}" if begun.again is Again.ANSWER else "charged nothing more"
    ends = {
        Status.DELIVERED: "Answered and delivered",
        Status.NOT_WAITING: "Answered, but its bot no longer waits",
        Status.UNDELIVERABLE: "Answered, but Kommo did not take it",
    }
    return f"{ends[status]}; {charged}."


def _moment(text: str, zone: ZoneInfo) -> int:
    """Milliseconds since the epoch."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"{text!r} is no moment: write it as 2026-11-22T10:00.") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return int(moment.timestamp() * 1000)


@contextmanager
def _open() -> Iterator[_Flows]:
    with open_store() as store:
        timing = Timing(store.settings.turn_deadline, store.settings.delivery_patience)
        turns = RedisTurns(store.redis, store.sealer, timing)
        replaying = Replaying(turns, store.accounts, RedisReplays(store.redis, timing), timing)
        yield _Flows(replaying, reporting_of(store), store.accounts)
