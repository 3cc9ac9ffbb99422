"""What is handed to whoever asked for data to be deleted: what was deleted where, and what remains and why."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from app.domain.accounts import Account
from app.domain.forgetting import Deletion, Fate, Forgotten
from app.services.reporting import iso

_COPIES = {
    "what": "copies of Redis: its append-only file, snapshots, replicas and your backups",
    "why": "they hold what was deleted, sealed, until they are rewritten or thrown away",
}
_OPENAI_LOGS = {
    "what": "OpenAI's own logs against abuse",
    "why": "OpenAI keeps them for up to 30 days, and nothing can delete them before",
}
_KOMMO = {"what": "the chat, the contact and its leads in Kommo", "why": "they are the company's own, in its CRM"}
_OF_CONTACT = (
    {
        "what": "the turns, without texts and without what leads to the contact",
        "why": "accounting; until 30 days from their end",
    },
    {"what": "the ledger", "why": "accounting: it holds ids of turns and numbers of requests; 400 days"},
    {
        "what": "sums of usage, in which the contact is one of all others",
        "why": "accounting: they say what the company was charged; 400 days",
    },
    {
        "what": "hashes of the addresses where the contact's bots waited",
        "why": "a webhook that comes twice must be known; 72 hours from each",
    },
    _KOMMO,
    _OPENAI_LOGS,
    _COPIES,
)
_LOG = {"what": "the log of what operators did, with the account's id", "why": "accountability; 400 days"}


def contact_receipt(account_id: int, contact: str, forgotten: Forgotten, now_ms: int) -> dict[str, Any]:
    """The receipt for a contact. contact: as it was named by whoever asked. now_ms: when the work ended."""
    return {
        "account_id": account_id,
        "contact": contact,
        "begun_at": iso(forgotten.begun_at),
        "ended_at": iso(now_ms),
        "complete": not forgotten.undone,
        "here": {name: forgotten.counts.get(name, 0) for name in _COUNTED},
        "at_openai": _at_openai(forgotten.deletions),
        "remains": list(_OF_CONTACT),
    }


_COUNTED = ("turns", "messages", "answers", "conversations", "counters", "usage_days")


def account_receipt(account: Account, begun_at: int, removed: Mapping[str, int], now_ms: int) -> dict[str, Any]:
    """The receipt for an account. removed: what was removed, by kind; what was at OpenAI begins with `openai:`."""
    at_openai = {name.removeprefix("openai:"): count for name, count in removed.items() if name.startswith("openai:")}
    here = {name: count for name, count in sorted(removed.items()) if not name.startswith("openai:")}
    return {
        "account_id": account.account_id,
        "subdomain": account.subdomain,
        "begun_at": iso(begun_at),
        "ended_at": iso(now_ms),
        "complete": True,
        "here": {**here, "account": 1},
        "at_openai": dict(sorted(at_openai.items())),
        "remains": list(_of_account(account, at_openai)),
    }


def _of_account(account: Account, at_openai: Mapping[str, int]) -> Iterable[dict[str, str]]:
    if not at_openai:
        yield {
            "what": "conversations and responses at OpenAI",
            "why": "they belong to the company's own project there; --at-openai deletes them, while its key is stored",
        }
    if account.client_id is not None:
        yield {
            "what": "the secret of the private integration, if no other account uses it",
            "why": "bots that still run are told that the account is gone; 7 days",
        }
    yield from (_LOG, _KOMMO, _OPENAI_LOGS, _COPIES)


def _at_openai(deletions: Iterable[Deletion]) -> dict[str, Any]:
    found = sorted(deletions, key=lambda one: (one.remote.kind, one.remote.id))
    return {
        "counts": dict(Counter(f"{one.remote.kind} {one.fate}" for one in found)),
        "deleted": [_named(one) for one in found if one.fate is Fate.DELETED],
        "not_found": [_named(one) for one in found if one.fate is Fate.NOT_FOUND],
        "refused": [{**_named(one), "reason": one.reason} for one in found if not one.done],
    }


def _named(deletion: Deletion) -> dict[str, str]:
    return {"kind": deletion.remote.kind.value, "id": deletion.remote.id}
