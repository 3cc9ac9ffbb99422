"""An account as people may see it: its secrets masked (contract 3)."""

from typing import Any

from app.domain.accounts import Account, masked
from app.domain.assistants import Profile


def shown_settings(account: Account) -> dict[str, Any]:
    """What a company sees of its settings, and may send back; a masked key that comes back means unchanged."""
    return {
        "openai_api_key": masked(account.secrets.openai_api_key),
        "assistant_id": account.assistant_id,
        "profile": _shown_profile(account.profile),
        "timezone": account.timezone,
        "locale": account.locale,
        "failure_text": account.failure_text,
        "contact_daily_limit": account.contact_daily_limit,
        "contact_weekly_limit": account.contact_weekly_limit,
        "contact_monthly_limit": account.contact_monthly_limit,
        "alert_marks": list(account.alert_marks),
        "reply_mode": account.reply_mode,
    }


def shown_account(account: Account, client_secret: str | None) -> dict[str, Any]:
    """What an operator sees of an account. client_secret: the newest of its private integration, unmasked."""
    return {
        "account_id": account.account_id,
        "subdomain": account.subdomain,
        "paused": account.paused,
        "plan": account.plan,
        "next_plan": account.next_plan,
        "client_id": account.client_id,
        "client_secret": masked(client_secret),
        "access_token": masked(account.secrets.access_token),
        "access": account.access,
        **shown_settings(account),
        "weights": account.weights,
        "retention_days": account.retention_days,
        "removing": account.removing,
        "version": account.version,
    }


def _shown_profile(profile: Profile | None) -> dict[str, Any] | None:
    if profile is None:
        return None
    return {
        "model": profile.model,
        "instructions": profile.instructions,
        "vector_store_ids": list(profile.vector_store_ids),
        "temperature": profile.temperature,
        "source": profile.source,
        "active": profile.active,
    }
