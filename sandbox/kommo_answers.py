"""Answers of the simulated Kommo: resources and errors (kommo.md 8)."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from aiohttp import web

from sandbox.kommo_accounts import ADMIN_USER, Account, Note
from sandbox.kommo_chat import Person
from sandbox.kommo_validation import Refusal

PROBLEM = "application/problem+json"


def hal(body: dict[str, Any]) -> web.Response:
    """An answer of the API."""
    return web.json_response(body, content_type="application/hal+json")


def problem(status: int, detail: str, more: dict[str, Any] | None = None) -> web.Response:
    """An error of the API (kommo.md 8.8)."""
    body = {
        **(more or {}),
        "title": HTTPStatus(status).phrase,
        "type": f"https://httpstatus.es/{status}",
        "status": status,
        "detail": detail,
    }
    return web.json_response(body, status=status, content_type=PROBLEM)


def invalid(refusals: Sequence[Refusal]) -> web.Response:
    """400 with the validation errors, grouped by the element they are about."""
    by_request: dict[str, list[dict[str, str]]] = {}
    for refusal in refusals:
        entry = {"code": refusal.code, "path": refusal.path, "detail": refusal.detail}
        by_request.setdefault(refusal.request_id, []).append(entry)
    errors = [{"request_id": request_id, "errors": entries} for request_id, entries in by_request.items()]
    return problem(400, "Request validation failed", {"validation-errors": errors})


def oauth_refused(hint: str) -> web.Response:
    """400 of the token endpoint; the hint says why."""
    return problem(400, "Required parameters are missing or not valid.", {"hint": hint})


def refused(status: int, retry_after: int | None = None) -> web.Response:
    """What Kommo answers with this error status whatever was asked; the kind of body differs (kommo.md 8.8)."""
    if status == 403:
        return web.Response(status=403, text="403 Forbidden")
    if status in (502, 503, 504):
        page = f"<html><body><h1>{status} {HTTPStatus(status).phrase}</h1></body></html>"
        response = web.Response(status=status, text=page, content_type="text/html")
    elif status == 400:
        response = invalid([Refusal("InvalidType", "data", "This value should be of type array.")])
    else:
        more: dict[str, Any] = {"trace_id": "0af7651916cd43dd8448eb211c80319c"} if status == 500 else {}
        more |= {"retry_after": retry_after} if retry_after is not None else {}
        response = problem(status, HTTPStatus(status).phrase, more)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def lead_body(account: Account, person: Person, with_contacts: bool) -> dict[str, Any]:
    """A lead as `GET /api/v4/leads/{id}` shows it (kommo.md 8.2)."""
    contacts = {"contacts": [{"id": person.contact_id, "is_main": True}]} if with_contacts else {}
    return {
        "id": person.lead_id,
        "name": f"Lead #{person.lead_id}",
        "responsible_user_id": ADMIN_USER,
        "status_id": 142_001,
        "pipeline_id": 7_001,
        "account_id": account.account_id,
        "custom_fields_values": None,
        "_links": {"self": {"href": f"{account.url}/api/v4/leads/{person.lead_id}"}},
        "_embedded": {"tags": [], **contacts},
    }


def user_body(account: Account, user_id: int) -> dict[str, Any]:
    """A user as `GET /api/v4/users/{id}` shows it to administrators."""
    return {
        "id": user_id,
        "name": f"User {user_id}",
        "lang": "pt",
        "rights": {"is_admin": user_id == ADMIN_USER, "is_free": False, "is_active": True},
        "_links": {"self": {"href": f"{account.url}/api/v4/users/{user_id}"}},
    }


def account_body(account: Account, user_id: int) -> dict[str, Any]:
    """An account as `GET /api/v4/account` shows it (kommo.md 8.1)."""
    return {
        "id": account.account_id,
        "name": account.name,
        "subdomain": account.subdomain,
        "current_user_id": user_id,
        "country": "BR",
        "currency": "BRL",
        "_links": {"self": {"href": f"{account.url}/api/v4/account"}},
    }


def contact_body(account: Account, person: Person) -> dict[str, Any]:
    """A contact as `GET /api/v4/contacts/{id}` shows it (kommo.md 8.2)."""
    phone = [{"field_id": 1, "field_name": "Phone", "field_code": "PHONE", "values": [{"value": person.phone}]}]
    return {
        "id": person.contact_id,
        "name": person.name,
        "account_id": account.account_id,
        "custom_fields_values": phone if person.phone else None,
        "_links": {"self": {"href": f"{account.url}/api/v4/contacts/{person.contact_id}"}},
    }


def note_body(account: Account, note: Note) -> dict[str, Any]:
    """A note as the request that added it shows it (kommo.md 8.3)."""
    href = f"{account.url}/api/v4/leads/{note.lead_id}/notes/{note.note_id}"
    return {
        "id": note.note_id,
        "entity_id": note.lead_id,
        "request_id": note.request_id,
        "_links": {"self": {"href": href}},
    }
