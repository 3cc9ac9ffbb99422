"""Requests made from the OpenAPI document, right and wrong ones: no 500, and no answer that is not documented.

Most of them come with a genuine token, so that more than the lock is tried.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.domain.accounts import LOCALES
from app.web.openapi.document import document
from app.web.widget_caller import TOKEN_HEADER
from tests.hostile.target import Target, effort, texts_in
from tests.webhooks import PUBLIC_URL, Door

DOCUMENT = document(Door().app().url_map, PUBLIC_URL)
# Words that stand in an answer because we say them: in the document, and on the page for an address that is wrong.
_WRITTEN = json.dumps(DOCUMENT) + "".join(
    Door().app().test_client().get(f"/help/errors/nothing?lang={language}").text for language in LOCALES
)
ROUTES = [(method.upper(), path) for path, operations in DOCUMENT["paths"].items() for method in operations]
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# Of the examples of a run: each is a request to an application that does all it does.
SHARE = 0.1
# A request by somebody whose token is genuine, by somebody else.
GENUINE = st.sampled_from([True, True, True, False])


@pytest.fixture(scope="module")
def operations(target: Target) -> Callable[[str, str], APIOperation[Any, Any, Any, Any]]:
    schema = schemathesis.openapi.from_wsgi("/openapi.json", target.app)
    return lambda method, path: schema[path][method]


def with_genuine_parts(case: Case[Any], target: Target) -> None:
    """Put what Kommo vouches for into a generated request."""
    company = target.next_company()
    if case.path.startswith("/widget/"):
        case.headers[TOKEN_HEADER] = target.widget_token(company)
        case.headers["Origin"] = company.kommo.url
    elif case.path == "/kommo/salesbot" and isinstance(case.body, dict):
        case.body |= {"token": target.door_token(company), "return_url": target.return_url(company)}
    elif case.path == "/kommo/oauth/callback":
        case.query |= company.kommo.install_query()
    elif case.path == "/kommo/oauth/revoked":
        # Always of the same one: Kommo still grants the access, so the first one is looked into for two seconds.
        case.query |= target.companies[0].kommo.revocation_query()


@pytest.mark.generated
@pytest.mark.parametrize("mode", GenerationMode, ids=str)
@pytest.mark.parametrize(("method", "path"), ROUTES, ids=lambda part: part)
def test_a_generated_request_is_answered_as_documented(
    target: Target,
    operations: Callable[[str, str], APIOperation[Any, Any, Any, Any]],
    method: str,
    path: str,
    mode: GenerationMode,
) -> None:
    operation = operations(method, path)
    if mode.is_negative and not operation.body and not list(operation.iter_parameters()):
        mode = GenerationMode.POSITIVE  # nothing can be wrong with it

    @effort(SHARE)
    @given(operation.as_strategy(generation_mode=mode), GENUINE)
    def attack(case: Case[Any], genuine: bool) -> None:
        sent = [text for text in texts_in([case.query, case.body, case.path_parameters]) if text not in _WRITTEN]
        if genuine:
            with_genuine_parts(case, target)
        answer = case.call()
        assert answer.status_code != 500
        case.validate_response(answer, checks=CHECKS)
        target.assert_silent(answer.content, sent if answer.status_code >= 400 else ())

    attack()
