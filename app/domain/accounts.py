"""A company's account as the rest of ByteGPT sees it (contract 3)."""

from dataclasses import dataclass, field
from typing import Literal
from zoneinfo import ZoneInfo

from app.domain.assistants import Profile
from app.domain.plans import DEFAULT_PLAN
from app.domain.retention import DEFAULT_DAYS

Locale = Literal["pt", "es", "en"]
ReplyMode = Literal["data", "handlers"]
Access = Literal["granted", "lost", "revoked"]
LOCALES: tuple[Locale, ...] = ("pt", "es", "en")
REPLY_MODES: tuple[ReplyMode, ...] = ("data", "handlers")
ACCESSES: tuple[Access, ...] = ("granted", "lost", "revoked")

# What a client reads when the company has written no text of its own: polite, and promising nothing.
DEFAULT_FAILURE_TEXTS: dict[Locale, str] = {
    "pt": "Desculpe, não consegui responder agora. Em breve alguém da nossa equipe falará com você.",
    "es": "Disculpe, no pude responder en este momento. En breve alguien de nuestro equipo hablará con usted.",
    "en": "Sorry, I could not answer just now. Someone from our team will get back to you soon.",
}


@dataclass(frozen=True, slots=True)
class Secrets:
    """What must never be shown, logged or stored unencrypted.

    access_token: a private integration's long-lived token, or the current one of OAuth.
    refresh_token: None with a long-lived token, which cannot be refreshed.
    previous_refresh_token: the one before it, which goes on working at Kommo until its successor has been used.
    """

    openai_api_key: str | None = field(default=None, repr=False)
    access_token: str | None = field(default=None, repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    previous_refresh_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Account:
    """One installed company.

    version counts every change of the record; who accepts a turn with an older one must read again.
    client_id: its private integration, None for the public one of the settings.
    plan: the one of the present month. next_plan: the one it will have from its next month on, None for the same.
    failure_text: what the client reads when the answer fails, None for the default of the locale.
    contact_daily_limit and the like: requests of one contact a day, a week from Monday, a month; None for no limit.
    alert_marks: per cent of the month's limit that the company wants to be told of, beside 80 and 100.
    weights: requests charged per handler code; a code that is not listed costs 1.
    access: what Kommo says of our tokens. `lost`: it takes none of them any more, so answers cannot be delivered until
        the integration is installed again. `revoked`: the company has taken the access back, and the account counts as
        not installed.
    tokens_given_at: when Kommo gave the refresh token, in seconds since the epoch; None where there is none.
    retention_days: how long the texts of a closed turn are kept.
    removing: it is being removed: it counts as not installed, and only its open turns still need it. Whoever changes
        the account cannot change this.
    """

    account_id: int
    subdomain: str
    version: int = 0
    client_id: str | None = None
    assistant_id: str | None = None
    profile: Profile | None = None
    plan: str = DEFAULT_PLAN
    next_plan: str | None = None
    timezone: str = "America/Sao_Paulo"
    locale: Locale = "pt"
    failure_text: str | None = None
    contact_daily_limit: int | None = None
    contact_weekly_limit: int | None = None
    contact_monthly_limit: int | None = None
    alert_marks: tuple[int, ...] = ()
    reply_mode: ReplyMode = "data"
    weights: dict[str, int] = field(default_factory=dict)
    paused: bool = False
    access: Access = "granted"
    tokens_given_at: int | None = None
    retention_days: int = DEFAULT_DAYS
    removing: bool = False
    secrets: Secrets = field(default_factory=Secrets)

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which the account's months and days begin."""
        return ZoneInfo(self.timezone)

    @property
    def shown_failure_text(self) -> str:
        """What the client reads when the answer fails; never empty."""
        return self.failure_text or DEFAULT_FAILURE_TEXTS[self.locale]

    def weight_of(self, handler: str | None) -> int:
        """Requests that one turn of this handler costs, at least 1."""
        return self.weights.get(handler or "", 1)


class AccountUnknown(Exception):
    """No account with this id is stored."""

    def __init__(self, account_id: int) -> None:
        super().__init__(f"account {account_id} is not known")
        self.account_id = account_id


class AccountExists(Exception):
    """An account with this id is already stored. removing: and is being removed."""

    def __init__(self, account_id: int, *, removing: bool = False) -> None:
        being_removed = f"is being removed: finish that with bytegpt account remove {account_id}"
        super().__init__(f"account {account_id} {being_removed if removing else 'exists already'}")
        self.account_id = account_id


class ChangedMeanwhile(Exception):
    """Someone else changed the account after it was read: read it again."""

    def __init__(self, account_id: int) -> None:
        super().__init__(f"account {account_id} was changed by someone else at the same time")
        self.account_id = account_id


def masked(secret: str | None) -> str | None:
    """A secret as people may see it: `sk-…wxyz`, or `…` alone where it is too short to show a part of."""
    if secret is None:
        return None
    prefix = "sk-" if secret.startswith("sk-") else ""
    return f"{prefix}…{secret[-4:]}" if len(secret) >= 12 else f"{prefix}…"
