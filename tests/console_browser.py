"""A browser before the operators' console, without a socket."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from html import unescape
from typing import Self

from flask import Flask
from flask.testing import FlaskClient
from jinja2.bccache import Bucket, BytecodeCache
from redis import Redis
from werkzeug.test import TestResponse

from app.domain.accounts import Locale
from app.domain.service_state import ServiceState
from app.web.deps import ConsoleFlows
from tests.builders import a_state
from tests.consoles import PASSWORD, USERNAME, console_flows
from tests.webhooks import Door


class _Compiled(BytecodeCache):
    """Templates that were compiled for one application, for all others of the run."""

    def __init__(self) -> None:
        self._code: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._code:
            bucket.bytecode_from_string(self._code[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._code[bucket.key] = bucket.bytecode_to_string()


_COMPILED = _Compiled()


@dataclass
class Console:
    """The console over a Redis, and one browser before it.

    address: of the browser. Every request is one of a person who reads pages, unless `headers` say otherwise.
    """

    redis: Redis
    public_url: str = "http://127.0.0.1:8000"
    default_locale: Locale = "pt"
    flows: ConsoleFlows | None = None
    state: ServiceState = field(default_factory=a_state)
    address: str = "203.0.113.7"
    base_url: str = "http://localhost"
    client: FlaskClient = field(init=False)
    app: Flask = field(init=False)

    def __post_init__(self) -> None:
        self.flows = self.flows or console_flows(self.redis)
        door = Door(
            public_url=self.public_url,
            default_locale=self.default_locale,
            console=self.flows,
            state=self.state,
        )
        self.app = door.app()
        self.app.jinja_env.bytecode_cache = _COMPILED
        self.client = self.app.test_client()

    def other_browser(self, address: str = "198.51.100.9") -> "Console":
        """Another browser before the same application."""
        other = replace(self, address=address)
        other.app, other.client = self.app, self.app.test_client()
        return other

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> TestResponse:
        """Look at a page."""
        return self._send("GET", path, headers)

    def post(
        self, path: str, fields: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> TestResponse:
        """Send a form with the token of this browser's session."""
        return self._send("POST", path, headers, {"csrf_token": self.token(), **(fields or {})})

    def post_without_token(self, path: str, fields: Mapping[str, str] | None = None) -> TestResponse:
        """Send a form as a foreign page would."""
        return self._send("POST", path, None, dict(fields or {}))

    def token(self) -> str:
        """What the forms of this browser's pages hold: it is in every page, that of an error too."""
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.get("/console/no-such-page-or-login").text)
        if found is None:
            found = re.search(r'name="csrf_token" value="([^"]+)"', self.get("/console/login").text)
        assert found
        return unescape(found[1])

    def log_in(self, username: str = USERNAME, password: str = PASSWORD, **fields: str) -> TestResponse:
        """Send the login's form."""
        return self.post("/console/login", {"username": username, "password": password, **fields})

    def logged_in(self) -> Self:
        """This browser, after the login."""
        assert self.log_in().status_code == 303
        return self

    def is_logged_in(self) -> bool:
        """Whether this browser may look at the first page."""
        answer = self.get("/console/")
        assert answer.status_code in (200, 302)
        return answer.status_code == 200

    def _send(
        self, method: str, path: str, headers: Mapping[str, str] | None, fields: Mapping[str, str] | None = None
    ) -> TestResponse:
        given = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", **(headers or {})}
        return self.client.open(
            path,
            method=method,
            headers=given,
            data=fields,
            buffered=True,
            base_url=self.base_url,
            environ_base={"REMOTE_ADDR": self.address},
        )
