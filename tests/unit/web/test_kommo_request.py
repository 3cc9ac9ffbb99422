"""How a body becomes fields: the form that Kommo sends, the JSON that its documents draw, and all that is neither."""

import json
import re
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.webhook import WebhookData
from app.web.kommo_request import BodyRefused, Fields, read_fields, read_parts
from tests.webhooks import MESSAGE, RETURN_URL, some_form, some_json

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


def read(body: bytes | str, mimetype: str = FORM) -> Fields:
    return read_fields(read_parts(body.encode() if isinstance(body, str) else body, mimetype))


def read_form(**overrides: Any) -> Fields:
    return read(urlencode(some_form(token="t", **overrides)))


def read_json(data: Any = None, **overrides: Any) -> Fields:
    return read(json.dumps(some_json(data, token="t", **overrides)), JSON)


def complaints(body: bytes | str, mimetype: str = FORM) -> dict[str, list[str]]:
    with pytest.raises(BodyRefused) as refused:
        read(body, mimetype)
    assert all(texts and all(texts) for texts in refused.value.fields.values())
    return refused.value.fields


def test_a_form_is_read_as_kommo_sends_it() -> None:
    body = (
        "token=a.b.c&data%5Bmessage%5D=Ol%C3%A1+mundo%21&data%5Binstructions%5D=Seja+breve&data%5Bcontact_id%5D=5551"
        "&data%5Bcontact_name%5D=Ana&data%5Blead_id%5D=77&data%5Borigin%5D=waba&data%5Bhandler%5D=ai_reply"
        "&data%5Bfrom%5D=widget&return_url=https%3A%2F%2Facme.kommo.com%2Fapi%2Fv4%2Fsalesbot%2F321%2Fcontinue%2F123"
    )
    assert read_parts(body.encode(), FORM).token == "a.b.c"
    assert read(body) == Fields(
        RETURN_URL, WebhookData("Olá mundo!", "Seja breve", "5551", "Ana", "77", "waba", "ai_reply")
    )


def test_json_is_read_as_the_documents_draw_it() -> None:
    assert read_json({"message": "Oi", "contact_id": 5551, "from": "widget"}) == Fields(
        RETURN_URL, WebhookData("Oi", contact_id="5551")
    )


@pytest.mark.parametrize(
    "mimetype", ["application/x-www-form-urlencoded", "", "text/plain", "application/octet-stream", "application/xml"]
)
def test_what_is_not_called_json_is_a_form(mimetype: str) -> None:
    assert read(urlencode(some_form(token="t")), mimetype).data.message == MESSAGE


@pytest.mark.parametrize("mimetype", ["application/json", "application/vnd.api+json"])
def test_what_is_called_json_is_json(mimetype: str) -> None:
    assert read(json.dumps(some_json(token="t")), mimetype).data.message == MESSAGE


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b"a+b%20c", "a b c", id="spaces"),
        pytest.param(b"1%2B1", "1+1", id="a plus"),
        pytest.param(b"a%26b%3Dc", "a&b=c", id="separators"),
        pytest.param(b"a;b", "a;b", id="a semicolon separates nothing"),
        pytest.param(b"100%", "100%", id="a lone per cent sign"),
        pytest.param(b"%F0%9F%98%80", "😀", id="an emoji"),
        pytest.param("não".encode(), "não", id="unescaped UTF-8"),
        pytest.param(b"a%FFb", "a\ufffdb", id="an invalid byte"),
        pytest.param(b"a\xffb", "a\ufffdb", id="an invalid byte, unescaped"),
        pytest.param(b"%C3\xc3\xa9%A9", "\ufffdé\ufffd", id="halves of a letter around one that is not escaped"),
        pytest.param(b"a%ED%A0%80b", "a\ufffd\ufffd\ufffdb", id="a surrogate in UTF-8"),
        pytest.param(b"a%00b", "ab", id="a NUL"),
        pytest.param(b"%0D%0A+x+%0A", "\r\n x \n", id="white space is the client's own"),
        pytest.param(b"", "", id="empty"),
        pytest.param(b"%7B%7Bmessage_text%7D%7D", "{{message_text}}", id="a placeholder"),
    ],
)
def test_the_message_of_a_form_is_decoded(body: bytes, message: str) -> None:
    assert read(b"return_url=x&data[message]=" + body).data.message == message


@pytest.mark.parametrize(
    ("written", "message"),
    [
        pytest.param(r'"a\u00e9"', "aé", id="an escape"),
        pytest.param(r'"\ud83d\ude00"', "😀", id="a surrogate pair"),
        pytest.param(r'"a\ud83d"', "a\ufffd", id="half a pair"),
        pytest.param(r'"\ude00\ud83d"', "\ufffd\ufffd", id="a pair the wrong way round"),
        pytest.param(r'"a\u0000b"', "ab", id="a NUL"),
        pytest.param('""', "", id="empty"),
    ],
)
def test_the_message_of_json_is_text_that_every_store_takes(written: str, message: str) -> None:
    assert read(f'{{"return_url": "x", "data": {{"message": {written}}}}}', JSON).data.message == message


def test_invalid_utf_8_in_json_loses_no_message() -> None:
    assert read(b'{"return_url": "x", "data": {"message": "a\xffb"}}', JSON).data.message == "a\ufffdb"


def test_data_may_be_json_in_one_field_of_a_form() -> None:
    body = urlencode({"return_url": RETURN_URL, "data": json.dumps({"message": "Oi", "contact_id": 5})})
    assert read(body).data == WebhookData("Oi", contact_id="5")


def test_an_empty_data_field_beside_the_real_ones_says_nothing() -> None:
    assert read(urlencode([("return_url", "x"), ("data", ""), ("data[message]", "Oi")])).data.message == "Oi"


HINTS = ("instructions", "contact_id", "contact_name", "lead_id", "origin", "handler")


@pytest.mark.parametrize("name", HINTS)
@pytest.mark.parametrize("value", ["", "  ", "{{contact.id}}", " {{contact.id}}\n", "{{}}", "\0"])
def test_a_hint_that_is_empty_or_a_placeholder_is_absent(name: str, value: str) -> None:
    assert getattr(read_form(**{f"data__{name}": value}).data, name) is None


@pytest.mark.parametrize("name", HINTS)
@pytest.mark.parametrize("value", [None, True, 1.5, [], ["x"], {"a": "b"}], ids=repr)
def test_a_hint_of_a_strange_type_never_loses_the_message(name: str, value: object) -> None:
    read_data = read_json({"message": "Oi", name: value}).data
    assert read_data == WebhookData("Oi")


@pytest.mark.parametrize("name", HINTS)
def test_a_hint_may_be_a_whole_number(name: str) -> None:
    assert getattr(read_json({"message": "Oi", name: 5551}).data, name) == "5551"


@pytest.mark.parametrize("name", HINTS)
def test_a_hint_is_trimmed_and_cleaned(name: str) -> None:
    assert getattr(read_json({"message": "Oi", name: " a\0\ud800b "}).data, name) == "a\ufffdb"


def test_text_around_a_placeholder_is_kept() -> None:
    assert read_form(data__instructions="Fale com {{contact.name}}").data.instructions == "Fale com {{contact.name}}"


@pytest.mark.parametrize(("name", "longest"), [("contact_name", 255), ("origin", 64), ("handler", 64), ("lead_id", 64)])
def test_a_hint_that_is_too_long_is_cut(name: str, longest: int) -> None:
    assert getattr(read_form(**{f"data__{name}": "é" * 300}).data, name) == "é" * longest
    assert getattr(read_json({"message": "Oi", name: 10**300}).data, name) == str(10**300)[:longest]


@pytest.mark.parametrize("name", ["instructions", "contact_id"])
def test_what_must_not_be_cut_is_kept_whole(name: str) -> None:
    assert getattr(read_form(**{f"data__{name}": "é" * 5000}).data, name) == "é" * 5000


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        pytest.param("", {"return_url", "data.message"}, id="nothing"),
        pytest.param("message[add][0][text]=Oi", {"return_url", "data.message"}, id="another webhook of Kommo"),
        pytest.param("data[message]=Oi", {"return_url"}, id="no return_url"),
        pytest.param("data[message]=Oi&return_url=", {"return_url"}, id="an empty return_url"),
        pytest.param("return_url=x", {"data.message"}, id="no data"),
        pytest.param("return_url=x&data[contact_id]=5", {"data.message"}, id="no message"),
        pytest.param("return_url=x&message=Oi", {"data.message"}, id="a message outside data"),
        pytest.param("return_url=x&data[Message]=Oi", {"data.message"}, id="capitals"),
        pytest.param("return_url=x&data[message][text]=Oi", {"data.message"}, id="a message deeper down"),
        pytest.param("return_url=x&data[message][]=Oi", {"data.message"}, id="a list of messages"),
        pytest.param("return_url=x&data=Oi", {"data"}, id="data that is text"),
        pytest.param("return_url=x&data=[]", {"data"}, id="data that is a list"),
        pytest.param("return_url=x&data={}", {"data.message"}, id="data without a message"),
        pytest.param('return_url=x&data={"message":"a"}&data[message]=b', {"data"}, id="data in both forms"),
        pytest.param('return_url=x&data={"message":"a","message":"b"}', {"data"}, id="a message twice in JSON"),
        pytest.param("return_url=x&data[message]=a&data[message]=b", {"data.message"}, id="a message twice"),
        pytest.param("return_url=x&data[message]=a&data%5Bmessage%5D=a", {"data.message"}, id="twice, escaped once"),
        pytest.param("return_url=x&return_url=x&data[message]=a", {"return_url"}, id="return_url twice"),
        pytest.param("token=a&token=a&return_url=x&data[message]=a", {"token"}, id="a token twice"),
        pytest.param("data[origin]=a&data[origin]=b&return_url=x&data[message]=a", {"data.origin"}, id="a hint twice"),
        pytest.param("&".join(f"f{n}=1" for n in range(65)), {"body"}, id="65 fields"),
        pytest.param("&" * 64, {"body"}, id="64 separators"),
    ],
)
def test_a_form_that_lacks_something_is_refused_by_field(body: str, fields: set[str]) -> None:
    assert complaints(body).keys() == fields


def test_64_fields_are_read() -> None:
    body = urlencode({"return_url": "x", "data[message]": "Oi", **{f"f{n}": "1" for n in range(62)}})
    assert read(body).data.message == "Oi"


def test_deeper_and_unknown_fields_are_left_alone() -> None:
    extra = {"data[a][b]": "1", "data[message][x]": "2", "data[message": "3", "x" * 5000: "4", "data[]": "5", "": "6"}
    assert read(urlencode({**some_form(token="t"), **extra})).data == WebhookData(MESSAGE, contact_id="5551")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        pytest.param("", {"body"}, id="nothing"),
        pytest.param("token=t", {"body"}, id="a form"),
        pytest.param("[]", {"body"}, id="a list"),
        pytest.param('"text"', {"body"}, id="a text"),
        pytest.param("null", {"body"}, id="null"),
        pytest.param('{"a": 1', {"body"}, id="cut short"),
        pytest.param('{"a": 1} {}', {"body"}, id="more behind it"),
        pytest.param('{"a": 1, "a": 1}', {"body"}, id="a key twice"),
        pytest.param('{"data": {"message": "a", "message": "b"}}', {"body"}, id="a key twice, deeper"),
        pytest.param('{"a": NaN}', {"body"}, id="NaN"),
        pytest.param('{"a": -Infinity}', {"body"}, id="infinity"),
        pytest.param('{"a": ' + "9" * 5000 + "}", {"body"}, id="5000 digits"),
        pytest.param("[" * 60000, {"body"}, id="60000 levels"),
        pytest.param('{"a":' * 10000, {"body"}, id="10000 objects"),
        pytest.param("{}", {"return_url", "data.message"}, id="empty"),
        pytest.param('{"return_url": "x"}', {"data.message"}, id="no data"),
        pytest.param('{"return_url": "x", "data": null}', {"data"}, id="data null"),
        pytest.param('{"return_url": "x", "data": []}', {"data"}, id="data a list"),
        pytest.param('{"return_url": "x", "data": "{}"}', {"data"}, id="data a text"),
        pytest.param('{"return_url": "x", "data": {}}', {"data.message"}, id="no message"),
        pytest.param('{"return_url": "x", "data": {"message": null}}', {"data.message"}, id="message null"),
        pytest.param('{"return_url": "x", "data": {"message": 5}}', {"data.message"}, id="message a number"),
        pytest.param('{"return_url": "x", "data": {"message": ["a"]}}', {"data.message"}, id="message a list"),
        pytest.param('{"return_url": null, "data": {"message": "a"}}', {"return_url"}, id="return_url null"),
        pytest.param('{"return_url": 5, "data": {"message": "a"}}', {"return_url"}, id="return_url a number"),
        pytest.param('{"return_url": ["x"], "data": {"message": "a"}}', {"return_url"}, id="return_url a list"),
        pytest.param('{"return_url": "", "data": {"message": "a"}}', {"return_url"}, id="return_url empty"),
    ],
)
def test_json_that_lacks_something_is_refused_by_field(body: str, fields: set[str]) -> None:
    assert complaints(body, JSON).keys() == fields


def test_multipart_is_refused() -> None:
    body = '--x\r\nContent-Disposition: form-data; name="token"\r\n\r\nt\r\n--x--'
    assert complaints(body, "multipart/form-data").keys() == {"body"}


@pytest.mark.parametrize(
    ("body", "mimetype"),
    [
        ("return_url=secret&return_url=secret", FORM),
        ("data=secret&return_url=secret", FORM),
        ('{"return_url": ["secret"], "data": {"message": ["secret"]}}', JSON),
        ('{"secret', JSON),
    ],
)
def test_a_refusal_never_repeats_a_value(body: str, mimetype: str) -> None:
    with pytest.raises(BodyRefused) as refused:
        read(body, mimetype)
    assert "secret" not in f"{refused.value!r} {refused.value} {refused.value.fields}"


def test_no_text_of_a_client_stands_in_the_repr_of_the_parts() -> None:
    parts = read_parts(urlencode({"token": "secret", "return_url": "secret", "data[message]": "secret"}).encode(), FORM)
    assert "secret" not in repr(parts)


NAMES = st.sampled_from(
    ["token", "return_url", "data", *[f"data[{name}]" for name in ("message", "contact_id", "handler", "a][b")]]
)
SURROGATE = re.compile("[\ud800-\udfff]")


def is_storable(text: str | None) -> bool:
    return text is None or ("\0" not in text and SURROGATE.search(text) is None)


@given(body=st.binary(max_size=400), mimetype=st.sampled_from([FORM, JSON, "", "multipart/form-data", "text/plain"]))
@example(body=b"data[message]=%", mimetype=FORM)
@example(body=b"\xef\xbb\xbf{}", mimetype=JSON)
def test_any_bytes_are_read_or_refused_and_nothing_else(body: bytes, mimetype: str) -> None:
    try:
        fields = read(body, mimetype)
    except BodyRefused:
        return
    assert is_storable(fields.data.message)


@given(pairs=st.lists(st.tuples(NAMES, st.text(st.characters(), max_size=30)), max_size=8))
def test_any_form_of_known_names_is_read_or_refused(pairs: list[tuple[str, str]]) -> None:
    body = "&".join(f"{quote_plus(name)}={quote_plus(value, errors='surrogatepass')}" for name, value in pairs)
    names = [name for name, _ in pairs]
    try:
        fields = read(body)
    except BodyRefused:
        return
    assert names.count("return_url") == 1
    assert "data" in names or names.count("data[message]") == 1
    assert is_storable(fields.data.message)
    assert is_storable(fields.data.contact_id)


NEARLY = st.text("datamesgoknhrcilu_%5Bb5Dd[]=&+ é\0", max_size=40)


@given(
    st.lists(
        st.sampled_from(["token=a", "data[message]=b+c", "data%5Bmessage%5D=%C3%A9", "data%5bhandler%5d=x"]) | NEARLY
    )
)
@example(["data%255Bmessage%255D=x", "+token=y", "data[message]"])
def test_a_form_is_taken_apart_as_the_standard_library_does_it(pairs: list[str]) -> None:
    body = "&".join(pairs)
    names = {"token": "token", **{f"data[{name}]": name for name in ("message", *HINTS)}}
    expected: dict[str, str] = {}
    for key, value in parse_qsl(body, keep_blank_values=True):
        if key in (*expected, "data", "return_url"):
            return
        expected[key] = value
    try:
        parts = read_parts(body.encode(), FORM)
    except BodyRefused:
        assert body.count("&") >= 64
        return
    assert {"token": parts.token, **parts.data} == {
        "token": None,
        **{names[key]: value for key, value in expected.items() if key in names},
    }


def json_values(numbers: st.SearchStrategy[float]) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.none() | st.booleans() | st.integers() | numbers | st.text(st.characters(), max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    )


@given(st.dictionaries(st.sampled_from(["token", "return_url", "data", "x"]), json_values(st.floats())))
def test_any_json_is_read_or_refused(body: dict[str, Any]) -> None:
    try:
        fields = read(json.dumps(body), JSON)
    except BodyRefused:
        return
    assert fields.return_url == body["return_url"]


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(
    message=st.text(st.characters(), max_size=50), hints=st.dictionaries(st.sampled_from(HINTS), json_values(FINITE))
)
def test_no_hint_loses_a_message(message: str, hints: dict[str, Any]) -> None:
    data = read_json({**hints, "message": message}).data
    assert data.message == SURROGATE.sub("\ufffd", json.loads(json.dumps(message)).replace("\0", ""))
    assert all(is_storable(getattr(data, name)) for name in HINTS)
