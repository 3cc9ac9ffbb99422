"""The figures of usage for commands, exports and pages (issue 3; mission, documents 3 to 5)."""

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from app.domain.accounts import Account
from app.domain.spans import days_of, span_of
from app.services.ports import UsageFigures
from app.services.usage_documents import minute_document, rate_documents, summary_document, usage_document

_PSEUDONYM_LENGTH = 16


@dataclass(frozen=True, slots=True)
class UsageReporting:
    """Reads, and changes nothing. Every method raises StoreUnavailable.

    pseudonym_key: keys the hash that stands for a contact; with another key the same contact has another one.
    """

    figures: UsageFigures
    pseudonym_key: bytes

    def of(self, account: Account, period: str) -> dict[str, Any]:
        """What an account's month, `YYYY-MM`, says (usage_documents.py), with the rate at which OpenAI was asked."""
        account_id = account.account_id
        days = self.figures.days(account_id, days_of(period))
        document = usage_document(period, days, lambda contact: self.pseudonym(account_id, contact))
        minutes = self.figures.minutes(account_id, *span_of(period, account.zone))
        return {**document, "rate": rate_documents(minutes, days)}

    def summary(self, account: Account, period: str) -> dict[str, Any]:
        """What an operator looks at of an account's month: cheaper than `of`, and without contacts."""
        return summary_document(period, list(self.figures.days(account.account_id, days_of(period))))

    def minutes(self, account: Account, period: str) -> Iterator[dict[str, Any]]:
        """The minutes of a month in which OpenAI was asked, oldest first: what the rate figures are made of."""
        for minute in self.figures.minutes(account.account_id, *span_of(period, account.zone)):
            yield minute_document(minute)

    def pseudonym(self, account_id: int, contact: str) -> str:
        """What stands for a contact, by its conversation key, where figures leave the service: 16 hex digits."""
        named = f"usage contact {account_id} {contact}".encode()
        return hmac.new(self.pseudonym_key, named, hashlib.sha256).hexdigest()[:_PSEUDONYM_LENGTH]
