"""Values for tests: valid ones by default, with what a test cares about said by the test."""

import time
from dataclasses import replace
from typing import Any

from cryptography.fernet import Fernet

from app.domain.accounts import Account, Secrets
from app.domain.return_url import ContinueUrl, Origin
from app.domain.service_state import RedisState, ServiceState, Work, WorkerLoad
from app.domain.turn import NewTurn, Timing, new_request_id
from app.domain.webhook import TokenClaims, Webhook, WebhookData

ENCRYPTION_KEY = Fernet.generate_key().decode()
NOW_MS = 1_763_775_600_000  # 2025-11-21 22:40 in São Paulo
TIMING = Timing(turn=50.0, patience=120.0)


def an_account(**overrides: Any) -> Account:
    """A company that can be answered."""
    account = Account(
        31000001,
        "acme",
        assistant_id="asst_acme",
        secrets=Secrets(openai_api_key="sk-acme-0123456789abcdef", access_token="token-of-acme"),
    )
    return replace(account, **overrides)


def a_new_turn(account: Account, **overrides: Any) -> NewTurn:
    """A turn about to be accepted for that account, as stored."""
    request_id = new_request_id(NOW_MS)
    turn = NewTurn(
        request_id=request_id,
        account_id=account.account_id,
        account_version=account.version,
        accepted_at=NOW_MS,
        deadline_at=NOW_MS + 50_000,
        period="2025-11",
        day="2025-11-21",
        hour=22,
        weight=1,
        return_url=f"https://acme.kommo.com/api/v4/salesbot/1/continue/{int(request_id[-12:], 16)}",
        line="contact-1",
        handler="ai_reply",
        origin="whatsapp",
        note_lead_id=7,
        message="Quanto custa?",
        instructions="Seja breve.",
    )
    return replace(turn, **overrides)


def a_webhook(**data: Any) -> Webhook:
    """A verified webhook of the account 31000001."""
    said = {"message": "Quanto custa?", "contact_id": "1", "origin": "whatsapp", **data}
    origin = Origin("https", "acme.kommo.com", 443)
    claims = TokenClaims(31000001, "client", origin, "acme", "2", "7", "salesbot")
    return Webhook(claims, WebhookData(**said), ContinueUrl(origin, "salesbot", "1", str(time.time_ns())))


def a_state(redis: dict[str, Any] | None = None, work: dict[str, Any] | None = None, **overrides: Any) -> ServiceState:
    """A service that is well and has nothing to do."""
    calm = Work(
        queued=0,
        oldest=None,
        ready=0,
        open=0,
        unattended=0,
        gates_closed=0,
        notes=0,
        notes_late=0,
        hooks=0,
    )
    well = RedisState(
        version=(7, 2, 4),
        server="redis 7.2.4",
        mode="standalone",
        role="master",
        ahead=0.0,
        memory=100_000_000,
        memory_limit=1_000_000_000,
        memory_of_machine=8_000_000_000,
        eviction="noeviction",
        evicted=0,
        clients=12,
        append_only=True,
        writes_kept=True,
    )
    state = ServiceState(
        redis=replace(well, **(redis or {})),
        work=replace(calm, **(work or {})),
        workers=(WorkerLoad("worker-1", 100, 7),),
        access={"granted": 3, "lost": 0, "revoked": 0},
    )
    return replace(state, **overrides)
