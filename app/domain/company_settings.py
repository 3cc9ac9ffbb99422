"""What a company sends of its settings in the widget, and by what it is known that they have not changed meanwhile."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from app.domain.account_changes import InvalidFields, SettingsChange
from app.domain.accounts import Account

MARK_IS_OURS = "Decided by ByteGPT: leave it out, or send it back as it was shown."

# Versions are positive whole numbers that JSON keeps exactly.
LARGEST_VERSION = 2**53 - 1


@dataclass(frozen=True, slots=True)
class SettingsForm:
    """The settings that a company sends.

    version: the one that its form shows, None where it does not say.
    profile_marks: what it sends back of the fields of a profile that are ours to decide (`source`, `active`).
    left_behind: the kinds of tools that a pasted assistant has and its profile cannot have.
    """

    change: SettingsChange
    version: int | None = None
    profile_marks: Mapping[str, str | bool] = field(default_factory=dict)
    left_behind: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing would be changed by it."""
        return not self.change and not self.profile_marks


class SettingsStale(Exception):
    """The settings are not any more what the form shows. account: as it is now."""

    def __init__(self, account: Account) -> None:
        super().__init__(f"the settings of account {account.account_id} were changed meanwhile")
        self.account = account


def settings_version(account: Account, key: bytes) -> int:
    """A number that stands for what people have set; equal settings have equal ones.

    Unlike the version of the account's record it stays when tokens are refreshed, the plan changes or a definition is
    imported, so none of these makes anybody lose what they have just typed. key: keys the hash, since settings hold
    a secret.
    """
    profile = account.profile if account.profile is not None and account.profile.source == "manual" else None
    settings = (
        account.secrets.openai_api_key,
        account.assistant_id,
        None if profile is None else asdict(profile),
        account.timezone,
        account.locale,
        account.failure_text,
        account.contact_daily_limit,
        account.contact_weekly_limit,
        account.contact_monthly_limit,
        account.alert_marks,
        account.reply_mode,
    )
    written = json.dumps(["settings", account.account_id, settings]).encode()
    digest = hmac.new(key, written, hashlib.sha256).digest()
    return int.from_bytes(digest[:8], "big") % LARGEST_VERSION + 1


def refuse_changed_marks(account: Account, marks: Mapping[str, str | bool]) -> None:
    """Raise InvalidFields where what is ours to decide comes back otherwise than it was shown."""
    profile = account.profile
    shown = {} if profile is None else {"source": profile.source, "active": profile.active}
    wrong = [name for name, value in marks.items() if shown.get(name) != value]
    if wrong:
        raise InvalidFields({f"profile.{name}": [MARK_IS_OURS] for name in wrong})
