"""What the widget is shown of a company's settings, and of a test of them (contract 8)."""

from collections.abc import Sequence
from typing import Any

from app.domain.accounts import DEFAULT_FAILURE_TEXTS, Account, Locale
from app.domain.failures import TEXTS
from app.domain.widget_texts import check_remedy
from app.schemas.account_view import shown_settings
from app.services.company_settings import SettingsState
from app.services.settings_check import Checked


def settings_document(account: Account, state: SettingsState, *, can_change: bool) -> dict[str, Any]:
    """The settings, which may come back, and what is said of them beside. can_change: whether this user may."""
    return {
        **shown_settings(account),
        "version": state.version,
        "status": {
            "can_change": can_change,
            "paused": account.paused,
            "asked_through": state.asked_through,
            "missing": list(state.missing),
            # What clients read while failure_text is null.
            "default_failure_text": DEFAULT_FAILURE_TEXTS[account.locale],
        },
    }


def check_document(checked: Checked, left_behind: Sequence[str], locale: Locale) -> dict[str, Any]:
    """The outcome of a test: the documented text of the failure, and what to do in this language."""
    failure = checked.failure
    return {
        "ok": failure is None,
        "error_code": failure,
        "error": TEXTS[failure] if failure else None,
        "remedy": check_remedy(failure, checked.reason, locale) if failure else None,
        "reason": checked.reason,
        "assistants_api_gone": checked.api_gone,
        "left_behind": list(left_behind),
        "reply": checked.reply,
    }
