import datetime
import json
import socket
import ssl
import time
from collections.abc import Iterator
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from app.clients.http import PartnerSession
from app.clients.kommo import KommoClient
from app.domain.answers import Deadline
from app.domain.delivery import CallOutcome, Verdict
from app.services.ports import Crm
from tests.unit.clients.raw_server import RawServer, Script, endless, hangs, resets, says

HOST = "https://acme.kommo.com"
RETURN_URL = f"{HOST}/api/v4/salesbot/7/continue/9"
TOKEN = "the-access-token"
BODY = {"data": {"status": "success", "reply": "Olá 👋"}}
NOW = 1_800_000_000.0


@pytest.fixture
def client() -> Iterator[KommoClient]:
    with PartnerSession(2) as session:
        yield KommoClient({"default": session}, connect_timeout=5.0, read_timeout=5.0)


def soon(seconds: float = 20.0) -> Deadline:
    return Deadline(time.time() + seconds)


def continued(client: Crm, origin: str = HOST, deadline: Deadline | None = None) -> CallOutcome:
    return client.continue_bot(f"{origin}/api/v4/salesbot/7/continue/9", BODY, TOKEN, deadline or soon(), "default")


@responses.activate
def test_the_continue_call_carries_body_and_token(client: KommoClient) -> None:
    responses.post(RETURN_URL, status=202)
    assert continued(client) == CallOutcome(Verdict.ACCEPTED, 202)
    request = responses.calls[0].request
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert request.headers["Content-Type"] == "application/json"
    assert json.loads(request.body or "") == BODY


@responses.activate
def test_a_note_is_written_as_a_list_of_one(client: KommoClient) -> None:
    responses.post(f"{HOST}/api/v4/leads/55/notes", status=200, json={"_embedded": {"notes": [{"id": 1}]}})
    outcome = client.add_note(HOST, 55, "Falha", "r1", TOKEN, soon(), "default")
    assert outcome == CallOutcome(Verdict.ACCEPTED, 200)
    assert json.loads(responses.calls[0].request.body or "") == [
        {
            "note_type": "common",
            "params": {"text": "Falha"},
            "request_id": "r1",
            "is_need_to_trigger_digital_pipeline": False,
        }
    ]


STATUSES = [
    *((status, Verdict.ACCEPTED, False) for status in (200, 201, 202, 204)),
    *((status, Verdict.GIVEN_UP, False) for status in (301, 302, 303, 304, 307, 308)),
    (400, Verdict.BODY_REFUSED, False),
    (401, Verdict.TOKEN_REFUSED, False),
    (404, Verdict.NOT_WAITING, False),
    *((status, Verdict.GIVEN_UP, False) for status in (402, 403, 405, 409, 410, 413, 422, 451)),
    (429, Verdict.TRY_LATER, False),
    *((status, Verdict.TRY_LATER, True) for status in (500, 502, 503, 504, 520)),
]


@pytest.mark.parametrize(("status", "verdict", "maybe_arrived"), STATUSES)
@pytest.mark.parametrize(
    "body", [b"", b"<html>403 Forbidden</html>", b'{"title": "x", "detail": "secret"}', b"[" * 9999]
)
@responses.activate
def test_a_status_means_one_thing_whatever_the_body(
    client: KommoClient, status: int, verdict: Verdict, maybe_arrived: bool, body: bytes
) -> None:
    responses.post(RETURN_URL, status=status, body=body, headers={"Location": f"{HOST}/elsewhere"})
    assert continued(client) == CallOutcome(verdict, status, maybe_arrived=maybe_arrived)
    assert len(responses.calls) == 1


def in_seconds(seconds: float) -> str:
    return format_datetime(datetime.datetime.fromtimestamp(NOW + seconds, datetime.UTC), usegmt=True)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "body", "wait"),
    [
        pytest.param("7", {"retry_after": 300}, 7.0, id="the header first"),
        pytest.param("0.5", {}, 0.5, id="fractions"),
        pytest.param(in_seconds(90), {}, 90.0, id="a date"),
        pytest.param(in_seconds(-90), {}, 0.0, id="a date that has passed"),
        pytest.param(None, {"retry_after": 300}, 300.0, id="the body of a 429"),
        pytest.param(None, {"retry_after": "300"}, 300.0, id="the body as text"),
        pytest.param("soon", {"retry_after": 300}, 300.0, id="a header that says nothing"),
        pytest.param("-5", {"retry_after": -5}, None, id="negative"),
        pytest.param("nan", {"retry_after": True}, None, id="no number"),
        pytest.param("9" * 400, {"retry_after": [1]}, None, id="no sensible number"),
        pytest.param("Mon, 99 Foo 99999 99:99:99 GMT", "text", None, id="no such date"),
        pytest.param(None, {}, None, id="nothing"),
    ],
)
@responses.activate
def test_the_wait_that_kommo_asks_for_is_told(
    client: KommoClient, status: int, header: str | None, body: Any, wait: float | None
) -> None:
    responses.post(RETURN_URL, status=status, json=body, headers={} if header is None else {"Retry-After": header})
    deadline = Deadline(NOW + 20, lambda: NOW)
    assert continued(client, deadline=deadline).retry_after == wait


@pytest.mark.parametrize("status", [202, 400, 401, 403, 404])
@responses.activate
def test_no_wait_is_told_where_waiting_changes_nothing(client: KommoClient, status: int) -> None:
    responses.post(RETURN_URL, status=status, json={"retry_after": 300}, headers={"Retry-After": "7"})
    assert continued(client).retry_after is None


def problem(*errors: Any) -> dict[str, Any]:
    return {"validation-errors": [{"request_id": "0", "errors": list(errors)}], "title": "Bad Request", "status": 400}


TOO_LONG = {"code": "TooLong", "path": "execute_handlers.params.value", "detail": "the client's own words"}


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        pytest.param(problem(TOO_LONG), "TooLong execute_handlers.params.value", id="code and path"),
        pytest.param(problem(TOO_LONG, {"code": "TooFew"}), "TooLong execute_handlers.params.value; TooFew", id="two"),
        pytest.param(problem({"code": "Unsupported handler code"}), "Unsupported handler code", id="code of words"),
        pytest.param(problem({"code": "A", "path": "Olá, João"}), "A", id="a path that may be a text of ours"),
        pytest.param(problem({"code": "x" * 200}, {"path": "a"}, None, "b", {"code": 1}), "", id="no codes"),
        pytest.param(problem(*[{"code": "A"}] * 50), "; ".join("A" * 10), id="many"),
        pytest.param({"validation-errors": {"errors": 1}}, "", id="other shape"),
        pytest.param({"validation-errors": [None, {"errors": None}]}, "", id="other shape within"),
        pytest.param([], "", id="a list"),
    ],
)
@responses.activate
def test_a_refused_body_is_explained_with_codes_only(client: KommoClient, body: Any, detail: str) -> None:
    responses.post(RETURN_URL, status=400, json=body)
    assert continued(client) == CallOutcome(Verdict.BODY_REFUSED, 400, detail=detail)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["validation-errors", "errors", "code", "path", "retry_after"]), inner, max_size=4
        )
    ),
)


@given(st.sampled_from([400, 429, 500]), JSON.map(json.dumps) | st.text(), st.text(st.characters(codec="latin-1")))
def test_no_answer_makes_the_client_raise(status: int, body: str, header: str) -> None:
    header = header.replace("\r", "").replace("\n", "").strip()
    with responses.RequestsMock() as mock, PartnerSession(1) as session:
        mock.post(RETURN_URL, status=status, body=body.encode(), headers={"Retry-After": header})
        outcome = continued(KommoClient({"default": session}, 5.0, 5.0))
    assert outcome.status == status
    assert outcome.retry_after is None or outcome.retry_after >= 0


@pytest.mark.parametrize("token", ["", "two words", "line\r\nX-Other: 1", "não-ascii", "nul\x00"])
@responses.activate
def test_what_cannot_be_a_token_is_never_sent(client: KommoClient, token: str) -> None:
    outcome = client.continue_bot(RETURN_URL, BODY, token, soon(), "default")
    assert outcome == CallOutcome(Verdict.TOKEN_REFUSED, detail="malformed_token")
    assert len(responses.calls) == 0


@responses.activate
def test_nothing_is_sent_when_no_time_is_left(client: KommoClient) -> None:
    outcome = continued(client, deadline=soon(-1))
    assert outcome == CallOutcome(Verdict.TRY_LATER, detail="no_time")
    assert len(responses.calls) == 0


def ok_head(status: str, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode()


@pytest.mark.parametrize(
    ("script", "detail"),
    [
        pytest.param(resets, "dropped", id="reset after the request"),
        pytest.param(says(b""), "dropped", id="closed without an answer"),
        pytest.param(says(b"HTTP/1.1 2"), "cut", id="closed within the head"),
        pytest.param(says(b"SSH-2.0-OpenSSH\r\n\r\n"), "cut", id="not HTTP"),
    ],
)
def test_a_lost_connection_leaves_it_open_whether_kommo_acted(client: KommoClient, script: Script, detail: str) -> None:
    with RawServer(script) as server:
        assert continued(client, server.origin) == CallOutcome(Verdict.TRY_LATER, maybe_arrived=True, detail=detail)
        assert len(server.requests) == 1


def test_a_silent_kommo_is_waited_for_until_the_read_timeout() -> None:
    with RawServer(hangs) as server, PartnerSession(1) as session:
        outcome = continued(KommoClient({"default": session}, 5.0, 0.2), server.origin)
        assert outcome == CallOutcome(Verdict.TRY_LATER, maybe_arrived=True, detail="silent")


def test_no_wait_goes_past_the_deadline(client: KommoClient) -> None:
    with RawServer(hangs) as server:
        started = time.monotonic()
        outcome = continued(client, server.origin, soon(0.3))
        assert time.monotonic() - started < 3.0
    assert outcome == CallOutcome(Verdict.TRY_LATER, maybe_arrived=True, detail="deadline")


def test_a_refused_connection_sent_nothing(client: KommoClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    outcome = continued(client, f"http://127.0.0.1:{port}")
    assert (outcome.verdict, outcome.status, outcome.maybe_arrived) == (Verdict.TRY_LATER, None, False)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 64 + ".invalid"], ids=["unknown", "malformed"])
def test_a_host_without_address_is_tried_later(client: KommoClient, host: str) -> None:
    outcome = continued(client, f"http://{host}")
    assert (outcome.verdict, outcome.status, outcome.maybe_arrived) == (Verdict.TRY_LATER, None, False)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
def test_a_redirect_is_not_followed(client: KommoClient, status: str) -> None:
    with RawServer(says(ok_head("202 Accepted", "Content-Length: 0"))) as elsewhere:
        head = ok_head(status, f"Location: {elsewhere.origin}/x", "Content-Length: 0")
        with RawServer(says(head)) as server:
            outcome = continued(client, server.origin)
        assert outcome == CallOutcome(Verdict.GIVEN_UP, int(status[:3]))
        assert elsewhere.requests == []


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("202 Accepted", Verdict.ACCEPTED),
        ("302 Found", Verdict.GIVEN_UP),
        ("400 Bad Request", Verdict.BODY_REFUSED),
        ("404 Not Found", Verdict.NOT_WAITING),
        ("429 Too Many Requests", Verdict.TRY_LATER),
        ("500 Error", Verdict.TRY_LATER),
    ],
)
def test_an_endless_body_is_not_read_to_its_end(client: KommoClient, status: str, verdict: Verdict) -> None:
    with RawServer(endless(ok_head(status, "Location: /x", "Content-Type: text/html"))) as server:
        outcome = continued(client, server.origin)
    assert (outcome.verdict, outcome.status) == (verdict, int(status[:3]))


@pytest.mark.parametrize("status", ["202 Accepted", "400 Bad Request", "429 Too Many Requests"])
def test_a_body_that_breaks_off_takes_nothing_from_the_status(client: KommoClient, status: str) -> None:
    with RawServer(says(ok_head(status, "Content-Length: 500") + b'{"validation')) as server:
        assert continued(client, server.origin).status == int(status[:3])


def test_a_certificate_of_nobody_known_is_not_spoken_to(client: KommoClient, tmp_path: Path) -> None:
    with RawServer(says(ok_head("202 Accepted", "Content-Length: 0")), self_signed(tmp_path)) as server:
        outcome = continued(client, server.origin)
        assert outcome == CallOutcome(Verdict.TRY_LATER, detail="tls")
        assert server.requests == []


def test_a_connection_is_used_again() -> None:
    def answers_twice(connection: socket.socket, over: Any) -> None:
        connection.sendall(ok_head("202 Accepted", "Content-Length: 0"))
        connection.recv(65536)
        connection.sendall(ok_head("404 Not Found", "Content-Length: 2") + b"{}")

    with RawServer(answers_twice) as server, PartnerSession(1) as session:
        client = KommoClient({"default": session}, 5.0, 5.0)
        verdicts = [continued(client, server.origin).verdict for _ in range(2)]
        assert verdicts == [Verdict.ACCEPTED, Verdict.NOT_WAITING]
        assert len(server.requests) == 1  # the second came over the same connection


@pytest.mark.parametrize(
    "error",
    [requests.ConnectionError, requests.ConnectTimeout, requests.ReadTimeout, OSError],
    ids=lambda e: e.__name__,
)
@responses.activate
def test_no_token_and_no_text_stands_in_an_outcome(client: KommoClient, error: type[Exception]) -> None:
    responses.post(RETURN_URL, body=error(f"{TOKEN} Olá"))
    outcome = continued(client)
    assert outcome.verdict is Verdict.TRY_LATER
    assert TOKEN not in repr(outcome)
    assert "Olá" not in repr(outcome)


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context
