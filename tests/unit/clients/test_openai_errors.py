import time
from dataclasses import dataclass
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clients.http import Fault, NetworkFault
from app.clients.openai_errors import (
    ASSISTANTS_TABLE,
    NETWORK_TABLE,
    RESPONSES_TABLE,
    Reported,
    Table,
    from_network,
    from_report,
    reported,
    retry_after,
    unexpected,
)
from app.domain.failures import AskError, ConversationTrouble, Failure

NOW = 1_800_000_000.0
INVALID = "invalid_request_error"
BOTH = (RESPONSES_TABLE, ASSISTANTS_TABLE)
RESPONSES = (RESPONSES_TABLE,)
ASSISTANTS = (ASSISTANTS_TABLE,)
RATE_SENTENCE = (
    "Rate limit reached for gpt-6-luna in organization org-x on tokens per min (TPM): Limit 30000, Used 29000, "
    "Requested 2000. Please try again in 1.146s. Visit https://platform.openai.com/account/rate-limits to learn more."
)
TOO_LARGE_SENTENCE = "Request too large for gpt-6-luna in organization org-x on tokens per min (TPM): Limit 1."
QUOTA_SENTENCE = "You exceeded your current quota, please check your plan and billing details. For more information ..."
NOT_ACTIVE_SENTENCE = "Your account is not active, please check your billing details on our website."
NO_CREDIT_SENTENCE = (
    "You have no credits remaining. Add credits to continue using the API at https://platform.openai.com"
)


@dataclass(frozen=True)
class Meaning:
    """The part of an AskError that decides what happens."""

    failure: Failure
    retryable: bool = False
    trouble: ConversationTrouble | None = None
    maybe_processed: bool = False
    api_gone: bool = False


QUOTA = Meaning(Failure.OPENAI_QUOTA)
RATE = Meaning(Failure.OPENAI_QUOTA, retryable=True)
KEY = Meaning(Failure.OPENAI_AUTHENTICATION)
NO_ASSISTANT = Meaning(Failure.ASSISTANT_NOT_FOUND)
UNEXPECTED = Meaning(Failure.OPENAI_UNEXPECTED)
BUSY = Meaning(Failure.OPENAI_UNEXPECTED, retryable=True)
UNSURE = Meaning(Failure.OPENAI_UNEXPECTED, retryable=True, maybe_processed=True)
LOST = Meaning(Failure.OPENAI_UNEXPECTED, trouble=ConversationTrouble.LOST)
LOCKED = Meaning(Failure.OPENAI_UNEXPECTED, retryable=True, trouble=ConversationTrouble.LOCKED)
TOO_LONG = Meaning(Failure.OPENAI_UNEXPECTED, trouble=ConversationTrouble.TOO_LONG)
GONE = Meaning(Failure.OPENAI_UNEXPECTED, api_gone=True)


def meaning(error: AskError) -> Meaning:
    return Meaning(error.failure, error.retryable, error.trouble, error.maybe_processed, error.api_gone)


def judged(table: Table, error: Reported) -> AskError:
    return from_report(table, error, {}, NOW)


# Every row of openai.md 4.2, and those of 2.6, 3.4, 3.5. Each: tables, status, type, code, message, meaning.
REFUSALS = [
    pytest.param(BOTH, 400, INVALID, "missing_required_parameter", "...", UNEXPECTED, id="400 missing parameter"),
    pytest.param(BOTH, 400, INVALID, "unsupported_parameter", "...", UNEXPECTED, id="400 unsupported parameter"),
    pytest.param(BOTH, 400, INVALID, None, "Unsupported parameter: 'temperature'", UNEXPECTED, id="400 without code"),
    pytest.param(BOTH, 400, INVALID, "string_above_max_length", "string too long", UNEXPECTED, id="400 too long"),
    pytest.param(BOTH, 422, INVALID, None, "unprocessable", UNEXPECTED, id="422"),
    pytest.param(BOTH, 418, None, None, "", UNEXPECTED, id="418"),
    pytest.param(BOTH, 302, None, None, "", UNEXPECTED, id="a redirect"),
    pytest.param(BOTH, 400, INVALID, "context_length_exceeded", "Your input exceeds", TOO_LONG, id="400 context"),
    pytest.param(RESPONSES, 400, INVALID, "conversation_locked", "Another process", LOCKED, id="400 locked"),
    pytest.param(
        ASSISTANTS,
        400,
        INVALID,
        None,
        "Thread thread_X already has an active run run_Y.",
        LOCKED,
        id="400 active run, new run",
    ),
    pytest.param(
        ASSISTANTS,
        400,
        INVALID,
        None,
        "Can't add messages to thread_X while a run run_Y is active.",
        LOCKED,
        id="400 active run, new message",
    ),
    pytest.param(BOTH, 401, INVALID, "invalid_api_key", "Incorrect API key provided: sk-**", KEY, id="401 wrong key"),
    pytest.param(BOTH, 401, INVALID, None, "You didn't provide an API key.", KEY, id="401 no key"),
    pytest.param(BOTH, 401, INVALID, "mismatched_organization", "header should match", KEY, id="401 organization"),
    pytest.param(BOTH, 401, None, "ip_not_authorized", "", KEY, id="401 address"),
    pytest.param(BOTH, 401, None, None, "", KEY, id="401 without a body"),
    pytest.param(
        BOTH, 403, "request_forbidden", "unsupported_country_region_territory", "Country", KEY, id="403 region"
    ),
    pytest.param(BOTH, 403, INVALID, "model_not_found", "Project `p` does not have access", KEY, id="403 model"),
    pytest.param(BOTH, 403, INVALID, None, "You are not allowed to sample", KEY, id="403 permission"),
    pytest.param(BOTH, 403, "billing_not_active", "billing_not_active", NOT_ACTIVE_SENTENCE, QUOTA, id="403 billing"),
    pytest.param(BOTH, 403, INVALID, "misalignment_policy_violation", "", UNEXPECTED, id="403 policy"),
    pytest.param(RESPONSES, 404, INVALID, None, "Prompt with id 'pmpt_X' not found.", NO_ASSISTANT, id="404 prompt"),
    pytest.param(ASSISTANTS, 404, INVALID, None, "No assistant found with id 'asst_X'.", NO_ASSISTANT, id="404 asst"),
    pytest.param(
        RESPONSES, 404, INVALID, None, "Conversation with id 'conv_X' not found.", LOST, id="404 conversation"
    ),
    pytest.param(ASSISTANTS, 404, INVALID, None, "No thread found with id 'thread_X'.", LOST, id="404 thread"),
    pytest.param(ASSISTANTS, 404, INVALID, None, "No run found with id 'run_X'.", UNEXPECTED, id="404 run"),
    pytest.param(BOTH, 404, INVALID, "model_not_found", "The model `X` does not exist", UNEXPECTED, id="404 model"),
    pytest.param(RESPONSES, 404, INVALID, None, "Invalid URL (POST /v1/responses)", UNEXPECTED, id="404 unknown path"),
    pytest.param(ASSISTANTS, 404, INVALID, None, "Invalid URL (POST /v1/threads)", GONE, id="404 removed path"),
    pytest.param(ASSISTANTS, 404, None, None, "", GONE, id="404 without a body"),
    pytest.param(BOTH, 408, None, None, "", BUSY, id="408"),
    pytest.param(BOTH, 409, None, None, "", BUSY, id="409"),
    pytest.param(BOTH, 429, "tokens", "rate_limit_exceeded", RATE_SENTENCE, RATE, id="429 tokens"),
    pytest.param(BOTH, 429, "requests", "rate_limit_exceeded", RATE_SENTENCE, RATE, id="429 requests"),
    pytest.param(BOTH, 429, INVALID, "rate_limit_exceeded", "exceeded the rate limit", RATE, id="429 of Assistants"),
    pytest.param(BOTH, 429, "rate_limit_error", "slow_down", "Slow down", RATE, id="429 slow down"),
    pytest.param(BOTH, 429, None, None, "", RATE, id="429 without a body"),
    pytest.param(BOTH, 429, "tokens", "rate_limit_exceeded", TOO_LARGE_SENTENCE, UNEXPECTED, id="429 too large"),
    pytest.param(BOTH, 429, "tokens", None, TOO_LARGE_SENTENCE, UNEXPECTED, id="429 too large without code"),
    pytest.param(BOTH, 429, "insufficient_quota", "credit_balance_exhausted", "", QUOTA, id="429 no credit"),
    pytest.param(BOTH, 429, "insufficient_quota", "insufficient_quota", QUOTA_SENTENCE, QUOTA, id="429 old quota"),
    pytest.param(BOTH, 429, "insufficient_quota", "organization_spend_limit_exceeded", "", QUOTA, id="429 org spend"),
    pytest.param(BOTH, 429, "insufficient_quota", "project_spend_limit_exceeded", "", QUOTA, id="429 project spend"),
    pytest.param(BOTH, 429, "insufficient_quota", "organization_usage_limit_exceeded", "", QUOTA, id="429 usage"),
    pytest.param(BOTH, 429, "insufficient_quota", "a_new_code_of_that_family", "", QUOTA, id="429 new code"),
    pytest.param(BOTH, 429, "billing_not_active", "billing_not_active", "", QUOTA, id="429 inactive"),
    pytest.param(BOTH, 429, None, None, QUOTA_SENTENCE, QUOTA, id="429 quota by its sentence"),
    pytest.param(BOTH, 429, INVALID, "billing_hard_limit_reached", "", QUOTA, id="429 hard limit"),
    pytest.param(BOTH, 400, INVALID, "billing_hard_limit_reached", "", QUOTA, id="400 hard limit"),
    pytest.param(BOTH, 500, "server_error", None, "The server had an error", UNSURE, id="500"),
    pytest.param(BOTH, 500, "server_error", "server_error", "The server had an error", UNSURE, id="500 with code"),
    pytest.param(BOTH, 502, None, None, "", UNSURE, id="502 of a gateway"),
    pytest.param(BOTH, 504, None, None, "", UNSURE, id="504 of a gateway"),
    pytest.param(BOTH, 524, None, None, "", UNSURE, id="524 of a gateway"),
    pytest.param(BOTH, 503, "service_unavailable_error", "server_is_overloaded", "", BUSY, id="503 overloaded"),
    pytest.param(BOTH, 503, None, None, "The engine is currently overloaded", UNSURE, id="503 of old"),
]


@pytest.mark.parametrize(("tables", "status", "kind", "code", "message", "expected"), REFUSALS)
def test_a_refusal_means_what_the_reference_says(
    tables: tuple[Table, ...], status: int, kind: str | None, code: str | None, message: str, expected: Meaning
) -> None:
    for table in tables:
        error = judged(table, Reported(status, code, kind, message))
        assert meaning(error) == expected
        assert error.status == status


# What fails inside a stream, a response or a run has been taken on, so traces of it are looked for.
@pytest.mark.parametrize(
    ("code", "kind", "message", "failure", "retryable", "trouble"),
    [
        pytest.param("server_error", None, "Sorry", Failure.OPENAI_UNEXPECTED, True, None, id="server error"),
        pytest.param(None, "server_error", "Sorry", Failure.OPENAI_UNEXPECTED, True, None, id="server error by type"),
        pytest.param("server_is_overloaded", None, "", Failure.OPENAI_UNEXPECTED, True, None, id="overloaded"),
        pytest.param("rate_limit_exceeded", None, RATE_SENTENCE, Failure.OPENAI_QUOTA, True, None, id="rate"),
        pytest.param("slow_down", "rate_limit_error", "", Failure.OPENAI_QUOTA, True, None, id="slow down"),
        pytest.param(
            "rate_limit_exceeded", None, QUOTA_SENTENCE, Failure.OPENAI_QUOTA, False, None, id="quota as rate"
        ),
        pytest.param(
            "rate_limit_exceeded", None, NOT_ACTIVE_SENTENCE, Failure.OPENAI_QUOTA, False, None, id="inactive as rate"
        ),
        pytest.param(
            "rate_limit_exceeded", None, NO_CREDIT_SENTENCE, Failure.OPENAI_QUOTA, False, None, id="credit as rate"
        ),
        pytest.param(
            "rate_limit_exceeded", None, TOO_LARGE_SENTENCE, Failure.OPENAI_UNEXPECTED, False, None, id="too large"
        ),
        pytest.param("credit_balance_exhausted", None, "", Failure.OPENAI_QUOTA, False, None, id="credit"),
        pytest.param("insufficient_quota", "insufficient_quota", "", Failure.OPENAI_QUOTA, False, None, id="quota"),
        pytest.param("invalid_api_key", None, "", Failure.OPENAI_AUTHENTICATION, False, None, id="key"),
        pytest.param("ip_not_authorized", None, "", Failure.OPENAI_AUTHENTICATION, False, None, id="address"),
        pytest.param(
            "unsupported_country_region_territory", None, "", Failure.OPENAI_AUTHENTICATION, False, None, id="region"
        ),
        pytest.param(
            "context_length_exceeded",
            None,
            "",
            Failure.OPENAI_UNEXPECTED,
            False,
            ConversationTrouble.TOO_LONG,
            id="context",
        ),
        pytest.param(
            "conversation_locked", None, "", Failure.OPENAI_UNEXPECTED, True, ConversationTrouble.LOCKED, id="locked"
        ),
        pytest.param("invalid_prompt", None, "", Failure.OPENAI_UNEXPECTED, False, None, id="invalid prompt"),
        pytest.param("bio_policy", None, "", Failure.OPENAI_UNEXPECTED, False, None, id="policy"),
        pytest.param("vector_store_timeout", None, "", Failure.OPENAI_UNEXPECTED, False, None, id="vector store"),
        pytest.param(
            "misalignment_policy_violation", None, "", Failure.OPENAI_UNEXPECTED, False, None, id="misalignment"
        ),
        pytest.param(None, None, "", Failure.OPENAI_UNEXPECTED, False, None, id="nothing said"),
    ],
)
def test_what_fails_inside_an_answer_means_the_same(
    code: str | None,
    kind: str | None,
    message: str,
    failure: Failure,
    retryable: bool,
    trouble: ConversationTrouble | None,
) -> None:
    expected = Meaning(failure, retryable, trouble, maybe_processed=True)
    for table in BOTH:
        assert meaning(judged(table, Reported(None, code, kind, message))) == expected


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429, 500, 503, None])
@pytest.mark.parametrize("code", ["insufficient_quota", "credit_balance_exhausted", "billing_hard_limit_reached"])
def test_spent_credit_comes_before_any_status(status: int | None, code: str) -> None:
    for table in BOTH:
        error = judged(table, Reported(status, code, INVALID, RATE_SENTENCE))
        assert (error.failure, error.retryable) == (Failure.OPENAI_QUOTA, False)


@given(
    st.integers(min_value=100, max_value=999) | st.none(),
    st.text(max_size=30) | st.none(),
    st.text(max_size=30) | st.none(),
    st.text(max_size=80),
)
def test_every_error_has_a_meaning_and_none_carries_its_text(
    status: int | None, code: str | None, kind: str | None, message: str
) -> None:
    for table in BOTH:
        error = judged(table, Reported(status, code, kind, f"{message} Olá, meu CPF é 123"))
        assert isinstance(error.failure, Failure)
        assert "CPF" not in repr(error)
        assert error.code is not None
        assert error.code.isascii()


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault.NO_TIME, Meaning(Failure.OPENAI_TIMEOUT)),
        (Fault.UNREACHABLE, Meaning(Failure.OPENAI_CONNECTION, retryable=True)),
        (Fault.DROPPED, Meaning(Failure.OPENAI_CONNECTION, retryable=True, maybe_processed=True)),
        (Fault.SILENT, Meaning(Failure.OPENAI_TIMEOUT, maybe_processed=True)),
        (Fault.CUT, Meaning(Failure.OPENAI_UNEXPECTED, maybe_processed=True)),
        (Fault.TOO_LARGE, Meaning(Failure.OPENAI_UNEXPECTED, maybe_processed=True)),
    ],
)
def test_a_fault_of_the_network_means(fault: Fault, expected: Meaning) -> None:
    error = from_network(NetworkFault(fault, "our_word"))
    assert meaning(error) == expected
    assert error.code == "our_word"


def test_every_fault_of_the_network_has_a_row() -> None:
    assert set(NETWORK_TABLE) == set(Fault)


def test_an_answer_that_makes_no_sense_is_unexpected() -> None:
    error = unexpected("stream_cut")
    assert meaning(error) == Meaning(Failure.OPENAI_UNEXPECTED, maybe_processed=True)
    assert error.code == "stream_cut"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(
            {"error": {"code": "a", "type": "b", "message": "c"}}, Reported(None, "a", "b", "c"), id="envelope"
        ),
        pytest.param(
            {"type": "error", "error": {"code": "a", "type": "b", "message": "c"}, "sequence_number": 2},
            Reported(None, "a", "b", "c"),
            id="nested event",
        ),
        pytest.param({"type": "error", "code": "a", "message": "c"}, Reported(None, "a", None, "c"), id="flat event"),
        pytest.param({"code": "a", "message": "c"}, Reported(None, "a", None, "c"), id="of a run"),
        pytest.param({"code": 5, "message": None, "type": ["x"]}, Reported(None), id="other types"),
        pytest.param({"error": "gone"}, Reported(None), id="a text for an error"),
        pytest.param(None, Reported(None), id="nothing"),
        pytest.param([1], Reported(None), id="a list"),
    ],
)
def test_an_error_is_read_in_every_shape_it_comes_in(value: object, expected: Reported) -> None:
    assert reported(value) == expected


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        pytest.param({"retry-after-ms": "2000", "retry-after": "9"}, "", 2.0, id="milliseconds first"),
        pytest.param({"retry-after": "56"}, RATE_SENTENCE, 56.0, id="the header before the message"),
        pytest.param({"retry-after": "0.5"}, "", 0.5, id="a fraction"),
        pytest.param({"retry-after": formatdate(NOW + 30, usegmt=True)}, "", 30.0, id="a date"),
        pytest.param({"retry-after": formatdate(NOW - 30, usegmt=True)}, "", 0.0, id="a date that is past"),
        pytest.param({}, RATE_SENTENCE, 1.146, id="seconds in the message"),
        pytest.param({}, "... Please try again in 20s.", 20.0, id="whole seconds in the message"),
        pytest.param({}, "Please try again in 6m0s.", 360.0, id="minutes in the message"),
        pytest.param({}, "Please try again in 1h30m0s. Visit", 5400.0, id="hours in the message"),
        pytest.param({}, "Please try again in 818ms.", 0.818, id="milliseconds in the message"),
        pytest.param({"retry-after": "soon"}, "Please try again in 2s", 2.0, id="a header that says nothing"),
        pytest.param({"retry-after": "-1"}, "", None, id="a negative number"),
        pytest.param({"retry-after": "nan"}, "", None, id="no number"),
        pytest.param({"retry-after": "inf"}, "", None, id="no end"),
        pytest.param({"retry-after-ms": ""}, "", None, id="an empty header"),
        pytest.param({}, "Please try again later.", None, id="a message without a time"),
        pytest.param({}, "", None, id="nothing"),
    ],
)
def test_the_time_to_wait_is_read_wherever_it_stands(
    headers: dict[str, str], message: str, seconds: float | None
) -> None:
    assert retry_after(headers, message, NOW) == pytest.approx(seconds)


def test_only_the_message_of_a_rate_limit_is_read_for_a_time() -> None:
    said = "Please try again in 20s"
    assert judged(RESPONSES_TABLE, Reported(429, "rate_limit_exceeded", None, said)).retry_after == 20.0
    assert judged(RESPONSES_TABLE, Reported(500, "server_error", None, said)).retry_after is None


def test_an_error_names_openais_request_and_code() -> None:
    error = from_report(
        RESPONSES_TABLE, Reported(500, None, "server_error"), {"x-request-id": "req_1", "retry-after": "3"}, time.time()
    )
    assert (error.provider_request_id, error.code, error.retry_after) == ("req_1", "server_error", 3.0)
    assert from_report(RESPONSES_TABLE, Reported(502), {}, NOW).code == "http_502"
    odd = Reported(400, "a code with blanks and a text", INVALID)
    assert from_report(RESPONSES_TABLE, odd, {"x-request-id": "a b"}, NOW).code == INVALID
