"""Where a bot may be continued, and which addresses are an account's own."""

import re
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.return_url import (
    AddressInvalid,
    ContinueUrl,
    Origin,
    ReturnUrlRefused,
    account_origin,
    continue_url,
    expected_audiences,
)

TEMPLATE = "https://{subdomain}.kommo.com"
ACME = Origin("https", "acme.kommo.com", 443)
LOCAL = Origin("http", "127.0.0.1", 8100)
GOOD = "https://acme.kommo.com/api/v4/salesbot/321/continue/123"
PATH = "/api/v4/salesbot/321/continue/123"


@pytest.mark.parametrize(
    ("template", "subdomain", "origin"),
    [
        pytest.param(TEMPLATE, "acme", "https://acme.kommo.com", id="the default template"),
        pytest.param(TEMPLATE, "31000001", "https://31000001.kommo.com", id="a subdomain of digits"),
        pytest.param(TEMPLATE, "Acme", "https://acme.kommo.com", id="capitals in the subdomain"),
        pytest.param("HTTPS://{subdomain}.Kommo.COM/", "acme", "https://acme.kommo.com", id="capitals in the template"),
        pytest.param("https://{subdomain}.kommo.com:443", "acme", "https://acme.kommo.com", id="its default port"),
        pytest.param("http://{subdomain}.localhost:80", "acme", "http://acme.localhost", id="default port of http"),
        pytest.param("http://{subdomain}.localhost:443", "a", "http://a.localhost:443", id="another scheme's port"),
        pytest.param("http://127.0.0.1:8100", "acme", "http://127.0.0.1:8100", id="no place for it"),
        pytest.param("http://127.0.0.1:8100", "any thing", "http://127.0.0.1:8100", id="no place, so not looked at"),
        pytest.param("http://127.0.0.1:{subdomain}", "9301", "http://127.0.0.1:9301", id="the port"),
        pytest.param("http://127.0.0.1:93{subdomain}", "01", "http://127.0.0.1:9301", id="a part of the port"),
        pytest.param("http://127.0.0.{subdomain}:9000", "7", "http://127.0.0.7:9000", id="a part of an address"),
        pytest.param("http://{subdomain}:9000", "localhost", "http://localhost:9000", id="the host"),
        pytest.param("http://[::1]:{subdomain}", "9301", "http://[::1]:9301", id="the port of an IPv6 address"),
        pytest.param("https://{subdomain}.{subdomain}.example", "a", "https://a.a.example", id="twice"),
    ],
)
def test_an_account_has_the_origin_that_the_template_gives_its_subdomain(
    template: str, subdomain: str, origin: str
) -> None:
    assert str(account_origin(template, subdomain)) == origin


@pytest.mark.parametrize(
    ("template", "subdomain"),
    [
        pytest.param(TEMPLATE, "", id="empty subdomain"),
        pytest.param(TEMPLATE, "evil.example/", id="a subdomain that ends the host"),
        pytest.param(TEMPLATE, "evil.example#", id="a subdomain that begins a fragment"),
        pytest.param(TEMPLATE, "user@evil", id="a subdomain with user info"),
        pytest.param(TEMPLATE, "acme\n", id="a line break"),
        pytest.param(TEMPLATE, "acmé", id="no ASCII"),
        pytest.param(TEMPLATE, "\N{KELVIN SIGN}ommo", id="a letter that lower() makes ASCII"),
        pytest.param(TEMPLATE, "a" * 64, id="too long for a label"),
        pytest.param("http://127.0.0.1:{subdomain}", "acme", id="letters as the port"),
        pytest.param("http://127.0.0.1:{subdomain}", "65536", id="a port that is none"),
        pytest.param("http://127.0.0.1:{subdomain}", "0", id="port 0"),
        pytest.param("ftp://{subdomain}.kommo.com", "acme", id="another scheme"),
        pytest.param("{subdomain}.kommo.com", "acme", id="no scheme"),
        pytest.param("https://user@{subdomain}.kommo.com", "acme", id="user info in the template"),
        pytest.param("https://{subdomain}.kommo.com/base", "acme", id="a path in the template"),
        pytest.param("https://{subdomain}.kommo.com?a=1", "acme", id="a query in the template"),
        pytest.param("https://{subdomain}.kommo.com.", "acme", id="a trailing dot"),
        pytest.param("", "acme", id="an empty template"),
    ],
)
def test_what_makes_no_address_is_refused_without_repeating_it(template: str, subdomain: str) -> None:
    with pytest.raises(AddressInvalid) as refused:
        account_origin(template, subdomain)
    assert len(subdomain) < 3 or subdomain not in str(refused.value)


@pytest.mark.parametrize(
    ("received", "origin", "rebuilt"),
    [
        pytest.param(GOOD, ACME, GOOD, id="as Kommo sends it"),
        pytest.param(GOOD + "/", ACME, GOOD, id="a trailing slash is dropped"),
        pytest.param(GOOD.replace(".com/", ".com:443/"), ACME, GOOD, id="the default port is dropped"),
        pytest.param(GOOD.replace("acme", "ACME"), ACME, GOOD, id="the host has no case"),
        pytest.param(f"http://127.0.0.1:8100{PATH}", LOCAL, f"http://127.0.0.1:8100{PATH}", id="a local Kommo"),
        pytest.param(
            f"http://[::1]:8100{PATH}", Origin("http", "[::1]", 8100), f"http://[::1]:8100{PATH}", id="an IPv6 Kommo"
        ),
    ],
)
def test_an_own_continue_url_is_rebuilt_in_its_one_form(received: str, origin: Origin, rebuilt: str) -> None:
    assert str(continue_url(received, origin, "salesbot")) == rebuilt


def test_a_continue_url_is_known_by_its_parts() -> None:
    assert continue_url(GOOD, ACME, None) == ContinueUrl(ACME, "salesbot", "321", "123")


@pytest.mark.parametrize(
    ("kind", "bot_type", "allowed"),
    [
        ("salesbot", "salesbot", True),
        ("marketingbot", "marketingbot", True),
        ("salesbot", None, True),
        ("marketingbot", None, True),
        ("salesbot", "marketingbot", False),
        ("marketingbot", "salesbot", False),
        ("salesbot", "", False),
        ("salesbot", "SALESBOT", False),
    ],
)
def test_the_kind_of_bot_is_the_tokens_where_it_names_one(kind: str, bot_type: str | None, allowed: bool) -> None:
    received = GOOD.replace("salesbot", kind)
    if allowed:
        assert continue_url(received, ACME, bot_type).kind == kind
    else:
        with pytest.raises(ReturnUrlRefused, match="bot_type"):
            continue_url(received, ACME, bot_type)


FOREIGN = [
    "http://acme.kommo.com",
    "https://other.kommo.com",
    "https://evil.example",
    "https://kommo.com",
    "https://acme.kommo.com.evil.example",
    "https://evilacme.kommo.com",
    "https://acme.kommo.com.",
    "https://acme.kommo.com:8443",
    "https://acme.kommo.com:80",
    "https://acme.kommo.com:",
    "https://acme.kommo.com:0443",
    "https://acme.kommo.com:443443",
    "https://acme.kommo.com:443@evil.example",
    "https://acme.kommo.com@evil.example",
    "https://evil.example@acme.kommo.com",
    "https://user:secret@acme.kommo.com",
    "https://@acme.kommo.com",
    "https://acme.kommo.com\\@evil.example",
    "https://evil.example\\.acme.kommo.com",
    "https:\\\\acme.kommo.com",
    "https://evil.example#.acme.kommo.com",
    "https://evil.example?.acme.kommo.com",
    "https://acme%2ekommo.com",
    "https://acme.kommo.com%00.evil.example",
    "https://acme.kommo.com\t",
    "https://acme\t.kommo.com",
    "https://acme.kommo.com\n",
    "\nhttps://acme.kommo.com",
    " https://acme.kommo.com",
    "https://acme.kommo.com ",
    "https:// acme.kommo.com",
    "https://acme..kommo.com",
    "https://xn--cme-8cd.kommo.com",
    "https://127.0.0.1",
    "https://2130706433",
    "https://[::1]",
    "https://[acme.kommo.com]",
    "https://[::ffff:127.0.0.1]",
    "https:///acme.kommo.com",
    "https:/acme.kommo.com",
    "//acme.kommo.com",
    "acme.kommo.com",
    "ftp://acme.kommo.com",
    "file://acme.kommo.com",
    "javascript://acme.kommo.com",
    "https+unix://acme.kommo.com",
    "https://",
    "",
]


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_foreign_or_crooked_origin_is_refused(origin: str) -> None:
    with pytest.raises(ReturnUrlRefused):
        continue_url(f"{origin}{PATH}", ACME, "salesbot")


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("\N{LATIN SMALL LETTER ALPHA}cme.kommo.com", id="a Latin alpha"),
        pytest.param("\N{CYRILLIC SMALL LETTER A}cme.kommo.com", id="a Cyrillic a"),
        pytest.param("acme.\N{KELVIN SIGN}ommo.com", id="the Kelvin sign"),
        pytest.param("acme\N{IDEOGRAPHIC FULL STOP}kommo.com", id="an ideographic full stop"),
        pytest.param("\N{FULLWIDTH LATIN SMALL LETTER A}cme.kommo.com", id="a full-width letter"),
        pytest.param("acme.kommo.com\N{ZERO WIDTH SPACE}", id="a zero-width space"),
    ],
)
def test_letters_that_some_parsers_take_for_ascii_are_refused(host: str) -> None:
    with pytest.raises(ReturnUrlRefused, match="not_ascii"):
        continue_url(f"https://{host}{PATH}", ACME, "salesbot")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("", id="none"),
        pytest.param("/", id="the root"),
        pytest.param(PATH + "//", id="two trailing slashes"),
        pytest.param(PATH + "\n", id="a line break at the end"),
        pytest.param(PATH + "/\n", id="a line break after the slash"),
        pytest.param(PATH + "\r\nX-Header: 1", id="a header"),
        pytest.param(PATH + "?a=1", id="a query"),
        pytest.param(PATH + "?", id="an empty query"),
        pytest.param(PATH + "#top", id="a fragment"),
        pytest.param(PATH + "#", id="an empty fragment"),
        pytest.param(PATH + ";a=1", id="a path parameter"),
        pytest.param(PATH + "%2f", id="an escaped slash"),
        pytest.param(PATH + "%0a", id="an escaped line break"),
        pytest.param(PATH + "/../../leads", id="dots after it"),
        pytest.param("/api/v4/leads/../salesbot/321/continue/123", id="dots in it"),
        pytest.param("/api/v4/%2e%2e/salesbot/321/continue/123", id="escaped dots"),
        pytest.param("//api/v4/salesbot/321/continue/123", id="two leading slashes"),
        pytest.param("/x/api/v4/salesbot/321/continue/123", id="something before it"),
        pytest.param("/api/v2/salesbot/321/continue/123", id="another version"),
        pytest.param("/API/V4/salesbot/321/continue/123", id="capitals"),
        pytest.param("/api/v4/salesbots/321/continue/123", id="another kind"),
        pytest.param("/api/v4/leads/321", id="another resource"),
        pytest.param("/api/v4/salesbot/321/continue/", id="no continue id"),
        pytest.param("/api/v4/salesbot//continue/123", id="no bot id"),
        pytest.param("/api/v4/salesbot/-1/continue/123", id="a sign"),
        pytest.param("/api/v4/salesbot/3a/continue/123", id="letters in an id"),
        pytest.param(f"/api/v4/salesbot/{'1' * 21}/continue/123", id="21 digits"),
        pytest.param(f"/api/v4/salesbot/321/continue/{'1' * 21}", id="21 digits at the end"),
        pytest.param("/api/v4/salesbot/321/continue/123\t", id="a tab"),
        pytest.param("/api/v4/salesbot/321\\continue/123", id="a backslash"),
        pytest.param("/api/v4/salesbot/321/continue/123\x00", id="a NUL"),
    ],
)
def test_a_path_that_continues_no_bot_is_refused(path: str) -> None:
    with pytest.raises(ReturnUrlRefused):
        continue_url(f"https://acme.kommo.com{path}", ACME, None)


def test_digits_of_other_scripts_are_no_digits() -> None:
    with pytest.raises(ReturnUrlRefused):
        continue_url(GOOD.replace("321", "٣٢١"), ACME, None)


def test_ids_of_20_digits_are_accepted() -> None:
    received = f"https://acme.kommo.com/api/v4/salesbot/{'9' * 20}/continue/{'8' * 20}"
    assert str(continue_url(received, ACME, None)) == received


def test_500_characters_are_too_long() -> None:
    with pytest.raises(ReturnUrlRefused, match="too_long"):
        continue_url(GOOD + "/" * (500 - len(GOOD)), ACME, None)


def test_a_refusal_never_repeats_the_url() -> None:
    with pytest.raises(ReturnUrlRefused) as refused:
        continue_url("https://evil.example/secret-of-a-client", ACME, None)
    assert "secret" not in str(refused.value)


# What an accepted URL looks like, said a second way: no letter of the attacker's choice is left in it.
ONLY_FORM = re.compile(r"https://acme\.kommo\.com/api/v4/(?:salesbot|marketingbot)/[0-9]{1,20}/continue/[0-9]{1,20}\Z")
CROOKED = st.text(alphabet=string.ascii_letters + string.digits + ":/@.?#%\\[]-_\t\n\r\x00 é。", max_size=40)


@given(cut=st.integers(0, len(GOOD)), inserted=CROOKED, dropped=st.integers(0, 20))
@example(cut=len(GOOD), inserted="\n", dropped=0)
@example(cut=22, inserted="@evil.example", dropped=0)
def test_whatever_is_put_into_a_url_it_stays_on_the_accounts_own_host(cut: int, inserted: str, dropped: int) -> None:
    received = GOOD[:cut] + inserted + GOOD[cut + dropped :]
    try:
        accepted = str(continue_url(received, ACME, None))
    except ReturnUrlRefused:
        return
    assert ONLY_FORM.match(accepted)
    assert accepted == received.removesuffix("/").replace(":443/", "/").lower()


@given(st.text(max_size=600))
def test_any_text_is_accepted_or_refused_and_nothing_else(received: str) -> None:
    try:
        accepted = continue_url(received, ACME, None)
    except ReturnUrlRefused:
        return
    assert ONLY_FORM.match(str(accepted))


IDS = st.text(alphabet="0123456789", min_size=1, max_size=20)


@given(
    kind=st.sampled_from(["salesbot", "marketingbot"]), bot_id=IDS, continue_id=IDS, slash=st.sampled_from(["", "/"])
)
def test_every_continue_url_of_the_account_is_accepted_and_rebuilding_it_changes_nothing(
    kind: str, bot_id: str, continue_id: str, slash: str
) -> None:
    received = f"https://acme.kommo.com/api/v4/{kind}/{bot_id}/continue/{continue_id}"
    once = continue_url(received + slash, ACME, kind)
    assert str(once) == received
    assert continue_url(str(once), ACME, kind) == once


@given(
    scheme=st.sampled_from(["http", "https", "HTTPS"]),
    host=st.sampled_from(["acme.kommo.com", "ACME.localhost", "127.0.0.1", "[::1]"]),
    port=st.integers(1, 65535),
)
def test_an_origin_written_and_read_again_is_the_same(scheme: str, host: str, port: int) -> None:
    origin = Origin.parse(f"{scheme}://{host}:{port}")
    assert origin.port == port
    assert Origin.parse(str(origin)) == origin


@given(st.text(max_size=70))
def test_no_subdomain_leaves_the_templates_domain(subdomain: str) -> None:
    try:
        origin = account_origin(TEMPLATE, subdomain)
    except AddressInvalid:
        return
    assert origin == Origin("https", f"{subdomain.lower()}.kommo.com", 443)
    assert origin.host.count(".") == 2


@pytest.mark.parametrize(
    ("public_url", "audiences"),
    [
        pytest.param(
            "https://bot.example.com", {"https://bot.example.com", "https://bot.example.com:443"}, id="no port"
        ),
        pytest.param(
            "https://bot.example.com:8443",
            {"https://bot.example.com", "https://bot.example.com:8443"},
            id="a port of its own",
        ),
        pytest.param("http://127.0.0.1:8000", {"http://127.0.0.1", "http://127.0.0.1:8000"}, id="the default"),
        pytest.param(
            "https://bot.example.com/base/", {"https://bot.example.com", "https://bot.example.com:443"}, id="a path"
        ),
        pytest.param(
            "https://Bot.Example.com",
            {
                "https://bot.example.com",
                "https://bot.example.com:443",
                "https://Bot.Example.com",
                "https://Bot.Example.com:443",
            },
            id="capitals",
        ),
    ],
)
def test_the_audience_is_scheme_and_host_with_or_without_the_port(public_url: str, audiences: set[str]) -> None:
    assert set(expected_audiences(public_url)) == audiences


@pytest.mark.parametrize(
    "public_url",
    ["", "bot.example.com", "https://", "ftp://bot.example.com", "https://u@bot.example.com", "https://b:99999"],
)
def test_a_public_url_that_is_no_address_is_refused(public_url: str) -> None:
    with pytest.raises(AddressInvalid):
        expected_audiences(public_url)
