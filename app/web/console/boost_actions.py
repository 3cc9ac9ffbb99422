"""Boosts, as operators add and void them on the page of an account."""

import re
from datetime import date

from flask import Blueprint, request
from werkzeug.wrappers import Response as BaseResponse

from app.domain.audit_log import Operation
from app.domain.boosts import BOOST_KEY, MOST_REQUESTS, BoostUnknown
from app.web.console.account import known_account
from app.web.console.account_actions import act
from app.web.console.pages import ActionRefused
from app.web.console.rooms import Room


def add_boost_actions(console: Blueprint, room: Room) -> None:
    """Add the routes to the console's blueprint."""
    boosts = room.flows.accounts.boosts

    @console.post("/accounts/<int:account_id>/boosts")
    def add_boost(account_id: int) -> BaseResponse:
        account = known_account(room, account_id)
        key, requests, expires = (request.form.get(name, "").strip() for name in ("key", "requests", "expires"))

        def change() -> None:
            if not BOOST_KEY.fullmatch(key):
                raise ActionRefused("account.boost_key_wrong")
            if not boosts.add(account, key, _number(requests), _day(expires)):
                raise ActionRefused("account.boost_known")

        detail = " · ".join(filter(None, (requests[:12], key[:64], expires[:10])))
        return act(room, Operation.BOOST_ADDED, account_id, change, detail)

    @console.post("/accounts/<int:account_id>/boosts/void")
    def void_boost(account_id: int) -> BaseResponse:
        account = known_account(room, account_id)
        key = request.form.get("key", "")

        def change() -> None:
            try:
                boosts.void(account, key)
            except BoostUnknown:
                raise ActionRefused("account.boost_gone") from None

        return act(room, Operation.BOOST_VOIDED, account_id, change, key[:64])


def _number(text: str) -> int:
    if not re.fullmatch("[0-9]{1,10}", text) or not 1 <= int(text) <= MOST_REQUESTS:
        raise ActionRefused("account.boost_number_wrong")
    return int(text)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise ActionRefused("account.boost_day_wrong") from None
