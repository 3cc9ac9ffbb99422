"""What is sent to the widget's API, and what the flows say to it, as answers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from flask import request

from app.domain.account_changes import InvalidFields
from app.domain.accounts import AccountUnknown, ChangedMeanwhile
from app.domain.company_settings import SettingsForm
from app.schemas.company import read_settings_form
from app.web.body import limited_body
from app.web.errors import Refusal

# The longest instructions (256,000 characters) with each letter escaped.
BODY_LIMIT = 2 * 1024 * 1024


def sent_form(*, may_be_missing: bool) -> SettingsForm:
    """The settings in the body of the present request. Raises Refusal.

    may_be_missing: no body at all stands for none of them.
    """
    body = limited_body(request, BODY_LIMIT)
    with refusals():
        return read_settings_form({} if may_be_missing and not body else _decoded(body))


@contextmanager
def refusals() -> Iterator[None]:
    """Tell what the flows raise as what the caller is answered."""
    try:
        yield
    except InvalidFields as invalid:
        raise Refusal(400, "fields", fields=invalid.fields) from None
    except AccountUnknown:
        raise Refusal(404, "account_removed", "account_not_installed") from None
    except ChangedMeanwhile:
        raise Refusal(503, "changed_all_the_time", retry_after=1) from None


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise InvalidFields({"body": ["Must be a JSON object."]}) from None


def _no_number(_name: str) -> NoReturn:
    """Refuse NaN and the infinities, which JSON does not have."""
    raise ValueError
