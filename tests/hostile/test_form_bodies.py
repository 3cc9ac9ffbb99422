"""Bodies of webhooks that were made to break a parser, at the door with a genuine token and at the parser alone."""

import random
import time
from contextlib import suppress
from urllib.parse import quote, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from app.web.admission import BODY_LIMIT
from app.web.kommo_request import MOST_FORM_FIELDS, BodyRefused, read_fields, read_parts
from sandbox.stack import Company
from tests.hostile.tally import FORM_BODIES, taken, tried
from tests.hostile.target import FORM_TYPE, Target, effort

# Seconds of a processor in which any body that the door takes is read.
SOON = 2.0
# What a mutation puts in: what parsers of forms, of PHP keys, of escapes and of UTF-8 look for.
DICTIONARY = (
    *(
        b"&",
        b"=",
        b";",
        b"+",
        b"%",
        b"%%",
        b"%0",
        b"%00",
        b"%0d%0a",
        b"%ff",
        b"%C3",
        b"%c0%80",
        b"%ed%a0%80",
        b"%u0041",
    ),
    *(b"[", b"]", b"[]", b"[[", b"]]", b"%5B", b"%5d", b"data", b"data[", b"data[message]", b"data[message][]", b"[0]"),
    *(
        b"token=",
        b"return_url=",
        b"\0",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\xc3\x28",
        b"\xf0\x9f",
        b"{{",
        b"}}",
        b"&" * 70,
    ),
    *(b"data={", b'data={"message":', b"__proto__", b"message[text]=", b"\r\n", b"--x\r\n", b"A" * 3000, b"[a]" * 500),
)


def body_of(target: Target, company: Company, rest: bytes) -> bytes:
    """A body with everything that Kommo vouches for, and this."""
    sent = {"token": target.door_token(company), "return_url": target.return_url(company)}
    return urlencode(sent).encode() + b"&" + rest


def posted(target: Target, body: bytes, content_type: str = FORM_TYPE) -> TestResponse:
    """The answer of the door."""
    tried(FORM_BODIES)
    answer = target.client().post("/kommo/salesbot", data=body, content_type=content_type)
    if answer.status_code == 200:
        taken(FORM_BODIES)
    return answer


@pytest.mark.parametrize(
    ("rest", "status"),
    [
        pytest.param(b"data[message]=Oi", 200, id="as Kommo sends it"),
        pytest.param(b"data%5Bmessage%5D=Oi", 200, id="brackets escaped"),
        pytest.param(b"data[message]=Oi&data[message]" + b"[a]" * 9000 + b"=1", 200, id="9000 levels beside it"),
        pytest.param(b"data[message]" + b"[a]" * 9000 + b"=1", 400, id="9000 levels in its place"),
        pytest.param(b"data[message][text]=Oi", 400, id="nested"),
        pytest.param(b"data[message][]=a&data[message][]=b", 400, id="a list"),
        pytest.param(b"data[message]=a&data[message]=b", 400, id="twice"),
        pytest.param(b"data[message]=a&data%5Bmessage]=b", 400, id="twice in two spellings"),
        pytest.param(b"data[message]=a&token=b", 400, id="another token"),
        pytest.param(b"data[message]=a&return_url=b", 400, id="another return_url"),
        pytest.param(b"data[message=a", 400, id="a bracket that is not closed"),
        pytest.param(b"data.message=a&data_message=a&DATA[MESSAGE]=a", 400, id="what PHP would make of it"),
        pytest.param(b"data[message]", 200, id="no sign of equality"),
        pytest.param(b"data[message]==a=b=", 200, id="many signs of equality"),
        pytest.param(b"data[message]=%zz%1%", 200, id="broken escapes"),
        pytest.param(b"data[message]=%ff%fe%c0%80%ed%a0%80", 200, id="no UTF-8, escaped"),
        pytest.param(b"data[message]=\xff\xfe\xc0\x80", 200, id="no UTF-8, raw"),
        pytest.param(b"data[message]=%00%00", 200, id="NUL and nothing else"),
        pytest.param(b"data[message%00]=a", 400, id="NUL in a key"),
        pytest.param(b"\xef\xbb\xbfdata[message]=a", 400, id="a byte order mark before the key"),
        pytest.param(b"data[message]=a;data[message]=b", 200, id="semicolons do not separate"),
        pytest.param(b"data[message]=a&&&&", 200, id="empty fields"),
        pytest.param(b"&" * MOST_FORM_FIELDS + b"data[message]=a", 400, id="too many empty fields"),
        pytest.param(b"data[message]=a&" + b"k=v&" * MOST_FORM_FIELDS, 400, id="too many fields"),
        pytest.param(b"data[message]=" + b"%61" * 20_000, 200, id="20000 escapes"),
        pytest.param(b"data[message]=" + b"a" * BODY_LIMIT, 413, id="too long"),
        pytest.param(b"data[message]=a&" + b"k" * 50_000 + b"=v", 200, id="a key of 50000 letters"),
        pytest.param(b"data=" + quote('{"message":"Oi"}').encode(), 200, id="data as JSON in one field"),
        pytest.param(b"data=" + quote("[" * 9000).encode(), 400, id="deep JSON in one field"),
        pytest.param(b"data=" + quote('{"message":"a","message":"b"}').encode(), 400, id="a JSON key twice"),
        pytest.param(b"data=" + quote('{"message":1e999999}').encode(), 400, id="an endless number"),
    ],
)  # fmt: skip
def test_the_door_takes_a_crooked_form_or_says_what_is_wrong(target: Target, rest: bytes, status: int) -> None:
    company = target.next_company()
    began = time.thread_time()
    answer = posted(target, body_of(target, company, rest))
    assert time.thread_time() - began < SOON
    assert answer.status_code == status, answer.data
    assert ("fields" in answer.get_json().get("error", {})) == (status == 400)


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        pytest.param(f"{FORM_TYPE}; charset=utf-16", 200, id="a charset that is not looked at"),
        pytest.param(f"{FORM_TYPE}; charset=nonsense; boundary=x", 200, id="parameters that mean nothing"),
        pytest.param("", 200, id="none"),
        pytest.param("text/plain", 200, id="text"),
        pytest.param("nonsense", 200, id="no media type"),
        pytest.param("application/json", 400, id="JSON that is none"),
        pytest.param("application/problem+json", 400, id="a kind of JSON that is none"),
        pytest.param("multipart/form-data; boundary=x", 400, id="multipart"),
    ],
)
def test_the_type_of_a_body_opens_no_second_parser(target: Target, content_type: str, status: int) -> None:
    body = body_of(target, target.next_company(), b"data[message]=Oi")
    answer = posted(target, body, content_type)
    assert answer.status_code == status


def mutated(body: bytes, seed: int, times: int) -> bytes:
    """The body with pieces put in, taken out, turned round and repeated."""
    chance = random.Random(seed)
    for _ in range(times):
        at, end = sorted((chance.randrange(len(body) + 1), chance.randrange(len(body) + 1)))
        end = min(end, at + 40)
        match chance.randrange(5):
            case 0:
                body = body[:at] + chance.choice(DICTIONARY) + body[at:]
            case 1:
                body = body[:at] + body[end:]
            case 2:
                body = body[:at] + body[at:end] * chance.randrange(2, 30) + body[end:]
            case 3:
                body = body[:at] + chance.randbytes(end - at) + body[end:]
            case _:
                body = body[:at] + body[at:end][::-1] + body[end:]
    return body[:BODY_LIMIT]


@effort()
@given(seed=st.integers(0, 2**64), times=st.integers(1, 12))
@example(seed=0, times=0)
def test_the_door_answers_any_mutation_of_a_good_body(target: Target, seed: int, times: int) -> None:
    company = target.next_company()
    body = mutated(body_of(target, company, b"data[message]=Oi&data[contact_id]=5&data[origin]=waba"), seed, times)
    answer = posted(target, body)
    assert answer.status_code in (200, 400, 401, 403), answer.data
    assert answer.status_code == 200 or times
    target.assert_silent(answer.data)


@effort(3)
@given(seed=st.integers(0, 2**64), times=st.integers(1, 40), mimetype=st.sampled_from((FORM_TYPE, "application/json")))
def test_the_parser_reads_or_refuses_any_mutation_soon(seed: int, times: int, mimetype: str) -> None:
    tried(FORM_BODIES)
    seeds = {
        FORM_TYPE: b"token=a.b.c&return_url=https%3A%2F%2Facme.kommo.com%2F1&data[message]=Ol%C3%A1&data[handler]=x",
        "application/json": b'{"token":"a.b.c","return_url":"https://x","data":{"message":"Ol\\u00e1","contact_id":5}}',
    }
    body = mutated(seeds[mimetype], seed, times)
    began = time.thread_time()
    with suppress(BodyRefused):
        fields = read_fields(read_parts(body, mimetype))
        taken(FORM_BODIES)
        assert fields.return_url
        assert "\0" not in fields.data.message
        fields.data.message.encode()  # no half of a surrogate pair is left
    assert time.thread_time() - began < SOON
