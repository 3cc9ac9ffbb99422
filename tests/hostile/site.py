"""A whole site under attack: an operator who has logged in, turns that ended well and badly, boosts, jobs, a batch."""

import itertools
import random
import re
import signal
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask.testing import FlaskClient
from rq import Queue
from rq.serializers import JSONSerializer
from werkzeug.test import TestResponse
from werkzeug.wrappers import Response

from app.domain.turn import CLOSED
from app.services.reporting import Reporting
from app.services.usage_reporting import UsageReporting
from app.storage import keys
from app.storage.ledger import RedisLedger
from app.storage.turns import RedisTurns
from app.storage.usage import RedisUsage
from app.web.widget_caller import TOKEN_HEADER
from sandbox.stack import Stack
from tests.builders import TIMING
from tests.consoles import PASSWORD, USERNAME
from tests.hostile.good_requests import Good
from tests.hostile.recorder import ASIDE, LOGGED_IN
from tests.hostile.spoiling import Pairs, Request, written
from tests.hostile.target import FORM_TYPE, Target
from tests.jobs_of_rq import say
from tests.waiting import wait_until

PLAN = "hostil"
JOB = "job-0"
PATIENCE = 30.0
_NO_ATTACK = {ASIDE: True}
# Only operators see it, and it has little to show: what is older than all that was ever written down.
_ANY_PAGE = "/console/log?older_than=1-0"


class Site(Target):
    """shown: the company that console, door and widget are attacked with. Hooks of Kommo come from another one.

    So nothing but a request of its own may change what is stored of the first one, however late a hook is worked off.
    """

    def __init__(self, stack: Stack) -> None:
        stack.add_plan(PLAN, 10**9)
        super().__init__(stack, 1)
        (self.shown,) = self.companies
        self.hooked = stack.kommo.add_account("Hooked", private=False)
        turns = RedisTurns(stack.redis, stack.sealer, TIMING)
        self.reporting = Reporting(
            stack.accounts, RedisLedger(stack.redis), turns, UsageReporting(RedisUsage(stack.redis), b"key")
        )
        self._addresses = itertools.count(1)
        self._queue = Queue("others", connection=stack.redis, serializer=JSONSerializer)
        self.operator = self.app.test_client()
        self.token = ""
        self._in_doubt = False
        self._furnish()

    @property
    def account_id(self) -> int:
        """Of the company that is attacked."""
        return self.shown.kommo.account_id

    def log_in(self) -> None:
        """Let the operator in, whatever attempts were made before."""
        for key in self.stack.redis.keys("bytegpt:login_attempts:*"):
            self.stack.redis.delete(key)
        self.operator = self.app.test_client()
        form = {"username": USERNAME, "password": PASSWORD, "csrf_token": self._token_of("/console/login")}
        address = {"REMOTE_ADDR": f"10.1.{next(self._addresses) // 250 % 250}.9", **_NO_ATTACK}
        answer = self.operator.post("/console/login", data=form, environ_base=address)
        assert answer.status_code == 303, answer.data
        self.token = self._token_of(_ANY_PAGE)
        self._in_doubt = False

    def put_back(self) -> None:
        """What attacks on the console have taken away: the operator's session, and a job of RQ."""
        if self._in_doubt:
            page = self._look(_ANY_PAGE)
            if page.status_code == 200:
                self.token = _token_in(page.text)
            else:
                self.log_in()
        self._in_doubt = False
        if not self.stack.redis.exists(f"rq:job:{JOB}"):
            self._queue.enqueue(say, job_id=JOB)

    def request(self, name: str, good: Good) -> Request:
        """The good request of a route, without what Kommo or a session vouch for."""
        return Request(
            name.partition(" ")[0],
            {place: self._filled(value).encode() for place, value in good.places.items()},
            self._pairs(good.query),
            self._pairs(good.form),
            good.json,
        )

    def vouched(self, path: str, request: Request) -> Request:
        """The same with a genuine token, signature or session."""
        company = self.shown
        headers = dict(request.headers)
        form, query = request.form, request.query
        if path == "/kommo/salesbot":
            form = (*form, *_encoded({"token": self.door_token(company), "return_url": self.return_url(company)}))
        elif path.startswith("/widget/"):
            headers |= {TOKEN_HEADER: self.widget_token(company), "Origin": company.kommo.url}
        elif path == "/kommo/oauth/callback":
            query = (*query, *_encoded(self.hooked.install_query()))
        elif path == "/kommo/oauth/revoked":
            query = (*query, *_encoded(self.hooked.revocation_query()))
        elif path.startswith("/console"):
            headers["X-CSRFToken"] = self.token
        return replace(request, headers=headers, form=form, query=query)

    def send(self, path: str, request: Request, *, genuine: bool) -> TestResponse:
        """Send a request as a server hands it over: nothing tidies it up on its way."""
        client: FlaskClient = self.operator if genuine else self.client()
        raw = _raw_path(path, request.places)
        environ: dict[str, Any] = {"PATH_INFO": raw.decode("latin-1"), "QUERY_STRING": written(request.query).decode()}
        # Header values with line breaks or beyond latin-1 are refused by the client and not by the application.
        environ |= {f"HTTP_{key.upper().replace('-', '_')}": value for key, value in request.headers.items()}
        if path.startswith("/console/login") and not genuine:
            environ["REMOTE_ADDR"] = f"10.2.0.{next(self._addresses) % 250}"
        if genuine and path.startswith("/console"):
            environ[LOGGED_IN] = True
        body = request.sent_body
        answer = client.open(
            "/", method=request.method, data=body, content_type=request.sent_type, environ_overrides=environ
        )
        self._in_doubt |= genuine and "Set-Cookie" in answer.headers
        return answer

    def books(self) -> tuple[object, ...]:
        """The account, its counters, its ledger's length and last entry, its boosts, and the plans."""
        period = self.reporting.ledger.period_now(self.shown.account.zone)
        pipe = self.stack.redis.pipeline()
        pipe.hgetall(keys.account(self.account_id))
        pipe.hgetall(keys.quota(self.account_id, period))
        pipe.xlen(keys.ledger(self.account_id, period))
        pipe.xrevrange(keys.ledger(self.account_id, period), count=1)
        pipe.hgetall(keys.boost_records(self.account_id))
        pipe.hgetall(keys.boost_left(self.account_id))
        pipe.hgetall(keys.plans())
        return tuple(pipe.execute())

    def differences(self) -> Mapping[str, object]:
        """Between the counters of the month and what its ledger says."""
        found: Mapping[str, object] = self.reporting.audit(self.account_id, None, rebuild=False)["differences"]
        return found

    def _furnish(self) -> None:
        """One turn that was answered, one that failed, one that is open, a boost, and a batch that runs no more."""
        account = self.stack.accounts.get(self.account_id)
        assert account is not None
        self.stack.accounts.replace(replace(account, plan=PLAN), account.version)
        self.log_in()
        (worker,) = self.stack.start("worker")
        answered = self._turn()
        self.stack.openai.fault("unauthorized", times=1, key=self.shown.account.secrets.openai_api_key)
        failed = self._turn()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE)
        self.stack.openai.clear_faults()
        self.places = {
            "account": str(self.account_id),
            "subdomain": self.shown.kommo.subdomain,
            "integration": self.shown.kommo.integration.client_id,
            "period": self.reporting.ledger.period_now(self.shown.account.zone),
            "entry": "9999999999999-0",
            "plan": PLAN,
            "answered": answered,
            "failed": failed,
            "job": JOB,
            "queue": "others",
            "username": USERNAME,
            "password": PASSWORD,
            "batch": "",
        }
        self.put_back()
        query = self.hooked.install_query()
        installed = self.client().get("/kommo/oauth/callback", query_string=query, environ_base=_NO_ATTACK)
        assert installed.status_code == 200, installed.text
        kinds = {entry["kind"] for entry in self.reporting.entries(self.account_id, None)}
        assert {"settle", "release"} <= kinds
        form = {"account": str(self.account_id), "since": "2026-01-01T00:00", "until": "2099-01-01T00:00"}
        begun = self.operator.post(
            "/console/replays", data=form, headers={"X-CSRFToken": self.token}, environ_base=_NO_ATTACK
        )
        self.places["batch"] = re.findall(r"[0-9a-f]{12}$", begun.headers["Location"])[0]

    def _turn(self) -> str:
        """Let the door take a message, and wait until it is closed; its id."""
        form = {
            "token": self.door_token(self.shown),
            "return_url": self.return_url(self.shown),
            "data[message]": "Oi",
            "data[contact_id]": "5",
            "data[lead_id]": "7",
        }
        accepted = self.client().post("/kommo/salesbot", data=form, content_type=FORM_TYPE, environ_base=_NO_ATTACK)
        request_id: str = accepted.get_json()["request_id"]
        wait_until(lambda: self.reporting.turn(request_id)["status"] in CLOSED, PATIENCE)
        return request_id

    def _token_of(self, path: str) -> str:
        return _token_in(self._look(path).text)

    def _look(self, path: str) -> TestResponse:
        return self.operator.get(path, headers={"Accept": "text/html"}, environ_base=_NO_ATTACK)

    def _filled(self, value: str) -> str:
        return value.format_map(self.places)

    def _pairs(self, fields: Mapping[str, str]) -> Pairs:
        return _encoded({key: self._filled(value) for key, value in fields.items()})


def may_have_changed(good: Good, answer: Response, *, genuine: bool) -> bool:
    """Whether an answer says that something was done, on a route that does something."""
    return good.changes and genuine and answer.status_code < 400


def chance_of(seed: int) -> random.Random:
    """The same choices for the same seed."""
    return random.Random(seed)


def _token_in(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found, page
    return found[1]


def _raw_path(path: str, places: Mapping[str, bytes]) -> bytes:
    raw = path.encode()
    for name, value in places.items():
        raw = raw.replace(b"{%s}" % name.encode(), value)
    return raw


def _encoded(fields: Mapping[str, str]) -> Pairs:
    return tuple((key.encode(), value.encode()) for key, value in fields.items())
