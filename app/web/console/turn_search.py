"""What an operator wants to find, read from the form above the list of turns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import TypeVar

from app.domain.account_list import searched_id, searched_name
from app.domain.turn_search import Ending, Wanted
from app.domain.webhook import contact_key, is_id
from app.web.deps import AccountFlows

# The fields of the form, and of the addresses of further pages.
FIELDS = ("q", "account", "lead", "contact", "ending", "since", "until")
_LONGEST = 200
# Addresses that begin alike; one that is written to its end is among the first.
_ALIKE = 5

Read = TypeVar("Read")


class NotUnderstood(ValueError):
    """A field holds what it cannot hold. The message is the last part of the key of a text that says why."""


@dataclass(frozen=True, slots=True)
class Search:
    """values: as they were typed. problems: why a field was not understood, by field."""

    values: Mapping[str, str]
    wanted: Wanted
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def asked(self) -> dict[str, str]:
        """What the address of a further page repeats."""
        return {name: value for name, value in self.values.items() if value}


def read_search(args: Mapping[str, str], accounts: AccountFlows, zone: tzinfo) -> Search:
    """The wish that a form tells. Raises StoreUnavailable."""
    values = {name: args.get(name, "").strip()[:_LONGEST] for name in FIELDS}
    problems: dict[str, str] = {}

    def read(name: str, reader: Callable[[str], Read]) -> Read | None:
        try:
            return reader(values[name]) if values[name] else None
        except NotUnderstood as error:
            problems[name] = str(error)
            return None

    wanted = Wanted(
        account_id=read("account", lambda text: account_id_of(text, accounts)),
        lead_id=read("lead", _lead_id),
        line=read("contact", contact_key),
        ending=read("ending", _ending),
        since=read("since", lambda text: moment_of(text, zone)),
        until=read("until", lambda text: moment_of(text, zone, at_its_end=True)),
    )
    if wanted.since is not None and wanted.until is not None and wanted.since > wanted.until:
        problems["until"] = "span"
    return Search(values, wanted, problems)


def account_id_of(text: str, accounts: AccountFlows) -> int:
    """The account of an id or an address. Raises NotUnderstood for an address that no account has."""
    account_id = searched_id(text)
    if account_id is not None:
        return account_id
    name = searched_name(text)
    alike = accounts.page(name, None, _ALIKE).accounts if name else ()
    found = next((account for account in alike if account.subdomain == name), None)
    if found is None:
        raise NotUnderstood("account")
    return found.account_id


def moment_of(text: str, zone: tzinfo, *, at_its_end: bool = False) -> int:
    """A moment as browsers write it, `2026-11-22T10:00`, in milliseconds since the epoch. Raises NotUnderstood.

    at_its_end: the last millisecond of the minute, or second, that it names.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise NotUnderstood("moment") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    milliseconds = int(moment.timestamp() * 1000)
    if at_its_end:
        milliseconds += 999 if moment.second else 59_999
    try:
        # Pages and the audit log tell it in both.
        datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone(zone)
    except (ValueError, OverflowError):
        raise NotUnderstood("year") from None
    return milliseconds


def _lead_id(text: str) -> int:
    if not is_id(text):
        raise NotUnderstood("lead")
    return int(text)


def _ending(text: str) -> Ending:
    try:
        return Ending(text)
    except ValueError:
        raise NotUnderstood("ending") from None
