"""The application under attack: as it is delivered, over a real Redis, between the simulated partners."""

import itertools
import json
from collections.abc import Iterable
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings

from app.services.metering import Counting
from app.web.factory import create_app
from app.web.wsgi import deps_of
from config.settings import load_settings
from sandbox.stack import Company, Stack
from tests.hostile.recorder import Recorder
from tests.redis_contents import everything_in
from tests.webhooks import a_token, some_claims

FORM_TYPE = "application/x-www-form-urlencoded"
# Shorter texts stand in an answer by accident.
TELLING = 8
_SECRET_SETTINGS = ("SECRET_KEY", "ENCRYPTION_KEYS", "KOMMO_CLIENT_SECRET")
_QUIET = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much, HealthCheck.large_base_example)


def effort(share: float = 1.0) -> settings:
    """As many examples as the run's profile says, or a share of them where one takes long."""
    whole = settings().max_examples
    return settings(max_examples=max(1, round(whole * share)), suppress_health_check=_QUIET)


class Target:
    """An application and the companies that it serves, with the secrets that must stay its own."""

    def __init__(self, stack: Stack, companies: int) -> None:
        self.stack = stack
        self.companies = [stack.add_company(f"Company {number}") for number in range(companies)]
        loaded = load_settings(stack.environment, dotenv=None, redis_required=True)
        self.app: Flask = create_app(deps_of(loaded, Counting()))
        self.app.wsgi_app = Recorder(self.app)  # type: ignore[method-assign] # where Flask takes WSGI middleware
        self._turns = itertools.count(1)
        of_companies = [secret for company in self.companies for secret in _secrets_of(company)]
        self._secrets = [*of_companies, *(stack.environment.get(name) for name in _SECRET_SETTINGS)]

    def client(self) -> FlaskClient:
        """A client of the application, without cookies."""
        return self.app.test_client(use_cookies=False)

    def next_company(self) -> Company:
        """One company after the other: each may do only so much in a minute."""
        return self.companies[next(self._turns) % len(self.companies)]

    def claims(self, company: Company, **claims: Any) -> dict[str, Any]:
        """What Kommo says in a token of this company."""
        ours = {
            "iss": company.kommo.url,
            "aud": self.stack.url,
            "account_id": company.kommo.account_id,
            "subdomain": company.kommo.subdomain,
            "client_uuid": company.kommo.integration.client_id,
        }
        return some_claims(**{**ours, **claims})

    def door_token(self, company: Company, **claims: Any) -> str:
        """A genuine token of a webhook, but for these claims."""
        return a_token(self.claims(company, **claims), secret=company.kommo.integration.secret)

    def widget_token(self, company: Company, **claims: Any) -> str:
        """A genuine token of an administrator's page, but for these claims."""
        said = self.claims(company, **{"is_admin": True, "user_id": 9, "jti": f"n{next(self._turns)}", **claims})
        return a_token(said, secret=company.kommo.integration.secret, algorithm="HS256", digest="sha256")

    def return_url(self, company: Company) -> str:
        """Where a bot of this company waits; another one at each call."""
        return f"{company.kommo.url}/api/v4/salesbot/1/continue/{next(self._turns)}"

    def contents(self) -> bytes:
        """Everything in Redis."""
        return everything_in(self.stack.redis)

    def assert_silent(self, answer: bytes, sent: Iterable[str] = ()) -> None:
        """No secret stands in an answer, and none of the texts that were sent."""
        told = answer.decode(errors="replace")
        found = [secret for secret in self._secrets if secret and secret in told]
        assert not found, "an answer tells a secret"
        repeated = [text for text in sent if len(text) >= TELLING and (text in told or json.dumps(text)[1:-1] in told)]
        assert not repeated, f"an answer repeats what was sent: {repeated}"


def texts_in(value: object) -> list[str]:
    """Every text that somewhere stands in a JSON value. Keys are left out: a refusal names the field that is wrong."""
    match value:
        case str():
            return [value]
        case dict():
            return [text for part in value.values() for text in texts_in(part)]
        case list():
            return [text for part in value for text in texts_in(part)]
        case _:
            return []


def _secrets_of(company: Company) -> list[str]:
    stored = company.account.secrets
    found = (company.kommo.integration.secret, stored.openai_api_key, stored.access_token)
    return [secret for secret in found if secret]
