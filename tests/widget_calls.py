"""The widget's API as Kommo's pages call it, and an office behind it that works from memory.

Every builder takes overrides; ABSENT takes a field out.
"""

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from werkzeug.test import TestResponse

from app.domain.accounts import Account, AccountUnknown
from app.domain.assistants import Api
from app.services.administration import Administration, Defaults
from app.services.company_settings import CompanySettings
from app.services.ports import Integrations, PlanChange, Plans
from app.services.settings_check import SettingsCheck
from app.services.setup_look import SetupLook
from app.web.deps import WidgetFlows
from tests.builders import an_account
from tests.unit.services.openai_in_memory import FakeSetup
from tests.unit.services.ports_in_memory import Clock, FakeAccounts, FakeEngine, FakeGates, answers
from tests.webhooks import ABSENT, ACCOUNT_ID, CLIENT_ID, ISSUER, PUBLIC_URL, Door, Json, a_token

SETTINGS, CHECK, USAGE = "/widget/settings", "/widget/check", "/widget/usage"
CHANGE = {"failure_text": "Um momento."}
CHANGING: tuple[tuple[str, str, Any], ...] = (("PUT", SETTINGS, CHANGE), ("POST", CHECK, {}))
CALLS = (*CHANGING, ("GET", SETTINGS, None), ("GET", USAGE, None))

any_call = pytest.mark.parametrize(("method", "path", "body"), CALLS, ids=str)
changing_call = pytest.mark.parametrize(("method", "path", "body"), CHANGING, ids=str)

USER_ID = 9001001
VERSION_KEY = b"key of the tests"


def some_widget_claims(**overrides: Any) -> Json:
    """The claims of kommo.md 6, of an administrator, with a lifetime of 30 minutes from now."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": PUBLIC_URL,
        "jti": secrets.token_hex(16),
        "iat": now,
        "nbf": now,
        "exp": now + 1800,
        "account_id": ACCOUNT_ID,
        "user_id": USER_ID,
        "subdomain": "acme",
        "client_uuid": CLIENT_ID,
        "is_admin": True,
    }
    return {name: value for name, value in {**claims, **overrides}.items() if value is not ABSENT}


def a_widget_token(claims: Json | None = None, **options: Any) -> str:
    """A signed token; a new one at each call."""
    said = some_widget_claims() if claims is None else claims
    return a_token(said, **{"algorithm": "HS256", "digest": "sha256", **options})


@dataclass
class Office:
    """The widget's flows over memory. usages: what was asked of them; waits: what the next callers are told to wait."""

    stored: dict[int, Account]
    setup: FakeSetup = field(default_factory=FakeSetup)
    engine: FakeEngine = field(default_factory=FakeEngine)
    usages: list[tuple[int, str | None]] = field(default_factory=list)
    waits: list[int] = field(default_factory=list)
    counted: list[tuple[int, str, int]] = field(default_factory=list)
    used: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.accounts = FakeAccounts(self.stored)
        self.gates = FakeGates(Clock())
        administration = Administration(
            self.accounts,
            cast("Integrations", None),
            cast("Plans", None),
            cast("PlanChange", None),
            SetupLook(self.setup),
            Defaults(),
        )
        engines = {Api.RESPONSES: self.engine, Api.ASSISTANTS: self.engine}
        tests = SettingsCheck(engines, self.setup, self.gates, "auto", b"key")
        self.settings = CompanySettings(administration, tests, "auto", VERSION_KEY)

    @property
    def flows(self) -> WidgetFlows:
        return WidgetFlows(self.settings, self._usage, self._first_use, self._seconds_to_wait)

    def _usage(self, account_id: int, period: str | None) -> dict[str, Any]:
        if account_id not in self.stored:
            raise AccountUnknown(account_id)
        self.usages.append((account_id, period))
        return {"account_id": account_id, "period": period or "2026-11", "used": 3}

    def _first_use(self, account_id: int, token: str, expires: float) -> bool:
        assert expires > time.time()
        if (account_id, token) in self.used:
            return False
        self.used.append((account_id, token))
        return True

    def _seconds_to_wait(self, account_id: int, what: str, most: int) -> int:
        self.counted.append((account_id, what, most))
        return self.waits.pop(0) if self.waits else 0


class Page:
    """A page of Kommo in which the widget runs; the account is complete and answers."""

    def __init__(self, account: Account | None = None, **door: Any) -> None:
        stored = {ACCOUNT_ID: account or an_account(assistant_id="asst_acme")}
        self.office = Office(stored)
        self.door = Door(accounts=stored, widget=self.office.flows, **door)
        self.client = self.door.client()
        self.office.engine.script = list(answers("Olá!"))

    @property
    def account(self) -> Account:
        """As it is stored now."""
        return self.office.stored[ACCOUNT_ID]

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        origin: str | None = ISSUER,
        headers: Mapping[str, str] | None = None,
        **claims: Any,
    ) -> TestResponse:
        """One request; a body that is no bytes goes as JSON. token: None for a good one with these claims, "" for none.

        origin: None where the browser names none.
        """
        sent = {"Content-Type": "application/json"} if body is not None else {}
        given = a_widget_token(some_widget_claims(**claims)) if token is None else token
        if given:
            sent["X-Auth-Token"] = given
        if origin is not None:
            sent["Origin"] = origin
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.open(path, method=method, data=data, headers={**sent, **(headers or {})})

    def is_as_before(self, before: Account) -> bool:
        """Whether nothing was changed, counted or used up, and nobody at OpenAI was asked."""
        office = self.office
        asked = (office.engine.opened, office.setup.calls, office.used, office.counted)
        return self.account == before and asked == (0, [], [], [])


def error_of(answer: TestResponse) -> Any:
    """What stands in the error of an answer."""
    assert answer.content_type == "application/json"
    return answer.get_json()["error"]


def code_of(answer: TestResponse) -> tuple[int, str]:
    """The status and the code of a refusal."""
    return answer.status_code, error_of(answer)["code"]
