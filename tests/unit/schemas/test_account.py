"""The JSON of accounts at the edge: strict about types, clear by field, silent about values."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.account_changes import AccountChange, InvalidFields
from app.schemas.account import read_account_change, read_new_account, read_settings_change
from app.schemas.fields import UNNAMED

FULL = {
    "account_id": 31000001,
    "subdomain": "acme",
    "client_id": "0b0123f4-aaaa-bbbb-cccc-0123456789ab",
    "client_secret": "s3cretOfTheIntegration",
    "access_token": "eyJ0eXAi.long.lived",
    "openai_api_key": "sk-proj-abcdefghijkl",
    "assistant_id": "asst_abc123",
    "profile": {"model": "gpt-6-luna", "instructions": "Be kind.\n", "vector_store_ids": ["vs_1"], "temperature": None},
    "plan": "basico",
    "timezone": "America/Sao_Paulo",
    "locale": "pt",
    "failure_text": "Já falamos com você.",
    "contact_daily_limit": None,
    "reply_mode": "data",
    "weights": {"ai_reply": 1, "ai_summary": 2},
}


def errors_of(body: object) -> dict[str, list[str]]:
    with pytest.raises(InvalidFields) as caught:
        read_account_change(31000001, body)
    return caught.value.fields


def test_the_contract_s_example_is_read_whole() -> None:
    account_id, change = read_new_account(FULL)
    assert account_id == 31000001
    expected = {name: value for name, value in FULL.items() if name != "account_id"}
    expected["profile"] = {**FULL["profile"], "instructions": "Be kind."}  # type: ignore[dict-item]
    assert change == expected


def test_only_what_was_sent_is_in_a_change() -> None:
    assert read_account_change(1, {"locale": "es"}) == {"locale": "es"}
    assert read_account_change(1, {}) == {}


@pytest.mark.parametrize("account_id", [7, "7", "07"], ids=["number", "numeric string", "zero in front"])
def test_an_account_id_is_a_number_however_it_is_written(account_id: object) -> None:
    assert read_new_account({"account_id": account_id, "subdomain": "acme"})[0] == 7


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("acme", "acme"),
        ("ACME", "acme"),
        (" acme ", "acme"),
        ("acme\n", "acme"),
        ("12345", "12345"),
        ("a-1", "a-1"),
        ("x" * 63, "x" * 63),
    ],
    ids=["plain", "capitals", "white space", "line end", "digits only", "hyphen", "longest"],
)
def test_a_subdomain_is_read_in_small_letters(given: str, read: str) -> None:
    assert read_account_change(1, {"subdomain": given}) == {"subdomain": read}


@pytest.mark.parametrize(
    ("name", "given", "read"),
    [
        ("assistant_id", "", None),
        ("assistant_id", "  ", None),
        ("assistant_id", " asst_1 ", "asst_1"),
        ("assistant_id", "not an id", "not an id"),
        ("failure_text", "", None),
        ("openai_api_key", " sk-1 ", "sk-1"),
        ("openai_api_key", "another-kind", "another-kind"),
        ("openai_api_key", "sk-…wxyz", "sk-…wxyz"),
        ("openai_api_key", None, None),
        ("access_token", "…wxyz", "…wxyz"),
        ("contact_daily_limit", 1, 1),
        ("weights", {}, {}),
        ("plan", "Basico", "basico"),
        ("client_id", None, None),
        ("profile", None, None),
        ("profile", {"temperature": 2}, {"temperature": 2.0}),
        ("profile", {"temperature": 0.5}, {"temperature": 0.5}),
        ("profile", {"instructions": ""}, {"instructions": ""}),
    ],
)
def test_values_are_read_as_people_mean_them(name: str, given: object, read: object) -> None:
    assert read_account_change(1, {name: given}) == {name: read}


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("account_id", True, "account_id"),
        ("account_id", 0, "account_id"),
        ("account_id", -1, "account_id"),
        ("account_id", 1.0, "account_id"),
        ("account_id", "1.0", "account_id"),
        ("account_id", "٣", "account_id"),
        ("account_id", "9" * 5000, "account_id"),
        ("account_id", None, "account_id"),
        ("subdomain", "", "subdomain"),
        ("subdomain", "acme.kommo.com", "subdomain"),
        ("subdomain", "https://acme", "subdomain"),
        ("subdomain", "-acme", "subdomain"),
        ("subdomain", "ac me", "subdomain"),
        ("subdomain", "çacme", "subdomain"),
        ("subdomain", "x" * 64, "subdomain"),
        ("subdomain", None, "subdomain"),
        ("client_id", "a:b", "client_id"),
        ("client_id", "", "client_id"),
        ("client_secret", "", "client_secret"),
        ("client_secret", None, "client_secret"),
        ("access_token", "two words", "access_token"),
        ("openai_api_key", "", "openai_api_key"),
        ("openai_api_key", "sk-a\nb", "openai_api_key"),
        ("openai_api_key", "sk-ä", "openai_api_key"),
        ("openai_api_key", 5, "openai_api_key"),
        ("assistant_id", 5, "assistant_id"),
        ("assistant_id", "x" * 201, "assistant_id"),
        ("assistant_id", "asst_\ud800", "assistant_id"),
        ("failure_text", "a\0b", "failure_text"),
        ("failure_text", ["a"], "failure_text"),
        ("profile", [], "profile"),
        ("profile", "gpt", "profile"),
        ("profile", {"model": ""}, "profile.model"),
        ("profile", {"model": None}, "profile.model"),
        ("profile", {"instructions": None}, "profile.instructions"),
        ("profile", {"vector_store_ids": "vs_1"}, "profile.vector_store_ids"),
        ("profile", {"vector_store_ids": ["vs_1", 2]}, "profile.vector_store_ids.1"),
        ("profile", {"temperature": 2.1}, "profile.temperature"),
        ("profile", {"temperature": -0.1}, "profile.temperature"),
        ("profile", {"temperature": "1"}, "profile.temperature"),
        ("profile", {"temperature": True}, "profile.temperature"),
        ("profile", {"temperature": float("nan")}, "profile.temperature"),
        ("profile", {"temperature": 10**400}, "profile.temperature"),
        ("plan", "", "plan"),
        ("plan", "plano básico", "plan"),
        ("plan", "x" * 41, "plan"),
        ("plan", None, "plan"),
        ("timezone", "Sao_Paulo", "timezone"),
        ("timezone", "America", "timezone"),
        ("timezone", "../../etc/passwd", "timezone"),
        ("timezone", "", "timezone"),
        ("timezone", None, "timezone"),
        ("locale", "fr", "locale"),
        ("locale", "PT", "locale"),
        ("contact_daily_limit", 0, "contact_daily_limit"),
        ("contact_weekly_limit", 0, "contact_weekly_limit"),
        ("contact_monthly_limit", "5", "contact_monthly_limit"),
        ("contact_daily_limit", "5", "contact_daily_limit"),
        ("contact_daily_limit", 1.0, "contact_daily_limit"),
        ("contact_daily_limit", True, "contact_daily_limit"),
        ("reply_mode", "text", "reply_mode"),
        ("weights", [], "weights"),
        ("weights", None, "weights"),
        ("weights", {"ai": 0}, "weights"),
        ("weights", {"ai": True}, "weights"),
        ("weights", {"ai": "2"}, "weights"),
        ("weights", {"ai": 1.5}, "weights"),
        ("weights", {"": 1}, "weights"),
    ],
)
def test_a_wrong_value_is_refused_under_its_field_s_name(field: str, value: object, named: str) -> None:
    assert list(errors_of({field: value})) == [named]


def test_every_wrong_field_is_named_at_once() -> None:
    assert set(errors_of({"locale": "fr", "plan": 5, "nonsense": 1, "profile": {"temperature": 9}})) == {
        "locale",
        "plan",
        "nonsense",
        "profile.temperature",
    }


@pytest.mark.parametrize(
    ("body", "name", "hint"),
    [
        ({"asistant_id": "x"}, "asistant_id", "Unknown field. Did you mean assistant_id?"),
        ({"entirely_else": "x"}, "entirely_else", "Unknown field."),
        ({"paused": True}, "paused", "Use bytegpt account pause, or resume."),
        ({"version": 3}, "version", "Counted by ByteGPT: leave it out."),
        ({"profile": {"source": "manual"}}, "profile.source", "Decided by ByteGPT: leave it out."),
        ({"profile": {"modle": "x"}}, "profile.modle", "Unknown field. Did you mean model?"),
    ],
)
def test_an_unknown_field_is_refused_with_a_hint(body: object, name: str, hint: str) -> None:
    assert errors_of(body) == {name: [hint]}


@pytest.mark.parametrize("body", [[], "text", 5, None, True], ids=repr)
def test_only_an_object_is_an_account(body: object) -> None:
    assert errors_of(body) == {"body": ["Must be a JSON object."]}
    with pytest.raises(InvalidFields):
        read_new_account(body)
    with pytest.raises(InvalidFields):
        read_settings_change(body)


@pytest.mark.parametrize("missing", ["account_id", "subdomain"])
def test_a_new_account_says_which_and_where_it_is(missing: str) -> None:
    body = {name: value for name, value in FULL.items() if name != missing}
    with pytest.raises(InvalidFields) as caught:
        read_new_account(body)
    assert list(caught.value.fields) == [missing]


def test_a_new_profile_needs_a_model_and_a_changed_one_does_not() -> None:
    with pytest.raises(InvalidFields) as caught:
        read_new_account({**FULL, "profile": {"instructions": "x"}})
    assert list(caught.value.fields) == ["profile.model"]
    assert read_account_change(1, {"profile": {"instructions": "x"}}) == {"profile": {"instructions": "x"}}


def test_an_account_keeps_its_id() -> None:
    assert read_account_change(7, {"account_id": "7", "locale": "en"}) == {"locale": "en"}
    assert list(errors_of({"account_id": 2})) == ["account_id"]


@pytest.mark.parametrize(
    "name", ["account_id", "subdomain", "client_id", "client_secret", "access_token", "plan", "weights"]
)
def test_a_company_cannot_change_what_only_operators_may(name: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        read_settings_change({name: FULL[name], "locale": "es"})
    assert caught.value.fields == {name: ["Only an operator of ByteGPT can change this."]}


def test_a_company_changes_its_settings_in_part() -> None:
    assert read_settings_change({"openai_api_key": "sk-…mnop", "assistant_id": "pmpt_1"}) == {
        "openai_api_key": "sk-…mnop",
        "assistant_id": "pmpt_1",
    }


SECRET = "sk-THISisASECRETvalue0123456789"


@pytest.mark.parametrize(
    "body",
    [
        {SECRET: 1},
        {"profile": {SECRET: 1}},
        {"profile": SECRET},
        {"profile": {"temperature": SECRET}},
        {"weights": {SECRET: 0}},
        {"weights": SECRET},
        {"openai_api_key": f"{SECRET} "[:-1] + "\n" + SECRET},
        {"client_id": f"{SECRET}:"},
        {"locale": SECRET},
        {"timezone": SECRET},
        {"reply_mode": SECRET},
        {"account_id": SECRET},
        {"contact_daily_limit": SECRET},
    ],
    ids=lambda body: json.dumps(body).replace(SECRET, "*"),
)
def test_no_message_repeats_what_was_sent(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidFields) as caught:
        read_account_change(1, body)
    assert SECRET not in str(caught.value)
    assert SECRET not in json.dumps(caught.value.fields)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(body=st.dictionaries(st.sampled_from([*FULL, "source", "x"]), json_values, max_size=4))
def test_whatever_is_sent_is_either_read_or_refused_by_field(body: dict[str, Any]) -> None:
    try:
        outcome: AccountChange | dict[str, list[str]] = read_account_change(1, body)
    except InvalidFields as error:
        outcome = error.fields
    assert {name.split(".")[0] for name in outcome} <= {*body, UNNAMED}
