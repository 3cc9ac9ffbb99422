"""What `bytegpt doctor` says of one account: its record, Kommo, OpenAI and its plan."""

from collections.abc import Iterator

from app.domain.accounts import Account, masked
from app.domain.checkup import Finding, failed, ok, warning
from app.domain.failures import TEXTS, Failure
from app.domain.note_texts import remedy as remedy_of
from app.domain.oauth_tokens import expires_at
from app.domain.quota import Counters, remaining
from app.domain.return_url import AddressInvalid, account_origin

_DAY = 24 * 3600.0
SOON_DAYS = 30
# Kommo takes a refresh token for three months after it was given (kommo.md 5.3); it is used every four weeks.
OLD_REFRESH_TOKEN_DAYS = 60
NEARLY_USED_UP = 0.8

_INSTALL_AGAIN = "Install the integration in Kommo again, or save another access_token."
# What Kommo answers about the account or about us, whatever the token: what it means, what to do, and its key.
_REFUSALS = {
    "402": ("the company has not paid for its Kommo account.", "The company must pay Kommo.", "token.unpaid"),
    "403": (
        "Kommo blocks this machine, or the token may not read the account.",
        "Ask Kommo's support to unblock it.",
        "token.blocked",
    ),
    "429": (
        "Kommo asks for fewer calls.",
        "Try again in a minute; lower KOMMO_RATE if that stays so.",
        "token.too_many_calls",
    ),
}
_NO_ROOM = "no_room_in_the_rate"


def of_record(account: Account) -> Finding:
    """What the record itself says."""
    what, told = "account", f"{account.account_id} ({account.subdomain})"
    if account.access == "revoked":
        found = failed(what, f"{told}: the company has taken its access back.", _INSTALL_AGAIN)
        return found.saying("account.revoked", account=told)
    if account.paused:
        found = warning(what, f"{told} is paused.", f"`bytegpt account resume {account.account_id}`")
        return found.saying("account.paused", account=told)
    return ok(what, told).saying("account.known", account=told)


def no_token() -> Finding:
    """Nothing to call Kommo with."""
    return failed(
        "kommo token", "none is stored.", "Install the integration in Kommo, or save an access_token."
    ).saying("token.none")


def of_kommo(account: Account, template: str, refused: int | None, now: float) -> Iterator[Finding]:
    """Kommo has said yes or no to the account's tokens. refused: the status of its no. now: seconds since the epoch."""
    address = _address(account, template)
    if refused not in (None, 401):
        remedy = "Ask the company for its new address and save it, or remove the account."
        found = failed("kommo address", f"{address} is no account any more (status {refused}).", remedy)
        yield found.saying("address.gone", address=address, status=str(refused))
        return
    yield ok("kommo address", address).saying("address.known", address=address)
    if refused:
        yield failed("kommo token", "Kommo takes none of its tokens.", _INSTALL_AGAIN).saying("token.refused")
    elif account.secrets.refresh_token is None:
        yield _long_lived(expires_at(account.secrets.access_token or ""), now)
    else:
        yield _refreshed(account.tokens_given_at, now)


def _long_lived(end: float | None, now: float) -> Finding:
    if end is None:
        return ok("kommo token", "accepted").saying("token.accepted")
    days = (end - now) / _DAY
    if days < SOON_DAYS:
        return warning(
            "kommo token", f"accepted, and ends in {days:.0f} days.", "Make another one in Kommo and save it."
        ).saying("token.ends", days=round(days))
    return ok("kommo token", f"accepted, for another {days:.0f} days").saying("token.lasts", days=round(days))


def _refreshed(given_at: int | None, now: float) -> Finding:
    days = (now - given_at) / _DAY if given_at else 0.0
    if days > OLD_REFRESH_TOKEN_DAYS:
        return warning(
            "kommo token",
            f"accepted, and {days:.0f} days old.",
            "Does a worker live? It renews tokens every four weeks.",
        ).saying("token.old", days=round(days))
    return ok("kommo token", "accepted, and renewed by itself").saying("token.renewed")


def of_silent_kommo(account: Account, template: str, detail: str) -> Iterator[Finding]:
    """Kommo has said neither yes nor no. detail: as in KommoUnavailable."""
    try:
        address = _address(account, template)
    except AddressInvalid:
        remedy = "See its subdomain, and KOMMO_BASE_URL."
        found = failed("kommo address", f"{account.subdomain} makes none.", remedy)
        yield found.saying("address.impossible", subdomain=account.subdomain)
        return
    if detail == _NO_ROOM:
        found = warning("kommo token", "not asked: Kommo's rate had no room.", "Try again in a minute.")
        yield found.saying("token.no_room")
    elif detail.isdigit():
        yield ok("kommo address", address).saying("address.known", address=address)
        unknown = (f"Kommo answers with status {detail}.", "Try again in a minute.", "token.status")
        told, remedy, key = _REFUSALS.get(detail, unknown)
        found = (failed if detail in ("402", "403") else warning)("kommo token", told, remedy)
        yield found.saying(key, status=detail)
    else:
        remedy = "Does the account still exist? Does a firewall of this machine stand in the way?"
        found = failed("kommo address", f"{address} cannot be reached ({detail}).", remedy)
        yield found.saying("address.unreachable", address=address, detail=detail)


def _address(account: Account, template: str) -> str:
    return str(account_origin(template, account.subdomain))


def of_openai(
    account: Account, failure: Failure | None, reason: str | None, api_gone: bool, characters: int
) -> Iterator[Finding]:
    """A trial of the account's settings at OpenAI: its key, its assistant, and one dry question.

    failure, reason, api_gone: as the trial found them. characters: of the answer. What came after the step that failed
    was not tried.
    """
    key = account.secrets.openai_api_key
    if not key:
        yield _failure("openai key", Failure.OPENAI_AUTHENTICATION, "none is saved")
    elif failure is Failure.OPENAI_AUTHENTICATION:
        yield _failure("openai key", failure, reason)
    elif failure:
        yield ok("openai key", f"{masked(key)} is saved").saying("key.saved", masked=masked(key) or "")
    else:
        yield ok("openai key", f"{masked(key)} is accepted").saying("key.accepted", masked=masked(key) or "")
    yield _assistant(account, failure, reason, api_gone)
    if failure is None:
        yield ok("dry run", f"answered with {characters} characters").saying("dry_run.answered", characters=characters)
    elif _is_of_the_assistant(failure, api_gone) or failure is Failure.OPENAI_AUTHENTICATION:
        found = warning("dry run", "not tried.", "Mend what failed above, and run this again.")
        yield found.saying("dry_run.not_tried")
    else:
        yield _failure("dry run", failure, reason)


def _assistant(account: Account, failure: Failure | None, reason: str | None, api_gone: bool) -> Finding:
    what = "assistant"
    if failure is not None and _is_of_the_assistant(failure, api_gone):
        return _failure(what, failure, reason)
    if failure is not None:
        found = warning(what, "not looked at to the end.", "Mend what failed here, and run this again.")
        return found.saying("assistant.not_seen")
    if api_gone:
        return warning(
            what,
            "OpenAI's Assistants API has ended; the imported profile answers.",
            "Look at it, and save it as a profile of your own.",
        ).saying("assistant.api_gone")
    profile = f"a profile with {account.profile.model}" if account.profile else ""
    found = ok(what, " and ".join(filter(None, (account.assistant_id, profile))))
    names = (account.assistant_id, account.profile.model if account.profile else None)
    return found.saying("assistant.known", names=" · ".join(filter(None, names)))


def _is_of_the_assistant(failure: Failure, api_gone: bool) -> bool:
    return failure is Failure.ASSISTANT_NOT_FOUND or (failure is Failure.OPENAI_UNEXPECTED and api_gone)


def _failure(what: str, failure: Failure, reason: str | None) -> Finding:
    """A documented failure, with the advice that the company gets, too."""
    found = failed(what, f"{TEXTS[failure]} ({reason or failure}).", remedy_of(failure, "en"))
    return found.saying("failure", failure, text=TEXTS[failure], reason=reason or failure)


def of_plan(account: Account, counters: Counters) -> Finding:
    """What is left of the month."""
    what, limit = "plan", counters.allowance + counters.boosts
    left = remaining(counters.allowance, counters.boosts, counters.used, counters.reserved)
    told = f"{counters.plan}: {left} of {limit} requests are left this month"
    remedy = f"`bytegpt account set-plan {account.account_id} NAME` or `bytegpt boost add {account.account_id}`"
    if left == 0:
        found = failed(what, f"{told}.", remedy)
    else:
        found = warning(what, f"{told}.", remedy) if limit - left >= NEARLY_USED_UP * limit else ok(what, told)
    return found.saying("plan.left", plan=counters.plan, left=left, limit=limit)
