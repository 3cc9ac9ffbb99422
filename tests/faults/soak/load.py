"""What clients write while things break: webhooks of several companies and conversations, without a pause."""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from sandbox.kommo_server import KommoSimulator
from sandbox.kommo_webhook import SentWebhook, WebhookStyle
from sandbox.stack import Company

# Few enough for lines to form now and then, and enough for most turns to run beside each other.
CONTACTS = 40
WEBHOOK_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Said:
    """One message of a client, and the webhook that came of it."""

    company: Company
    text: str
    webhook: SentWebhook


class Load(threading.Thread):
    """Sends webhooks at a rate from `start` to `stop`, each to one of the doors."""

    def __init__(
        self,
        kommo: KommoSimulator,
        companies: Sequence[Company],
        doors: Sequence[str],
        rate: float,
        dice: Random,
        numbers: Iterator[int],
        style: WebhookStyle | None = None,
    ) -> None:
        """numbers: of the messages; none may come twice."""
        super().__init__(name="load", daemon=True)
        self.said: list[Said] = []
        self._kommo = kommo
        self._companies = companies
        self._doors = doors
        self._rate = rate
        self._dice = dice
        self._numbers = numbers
        self._style = style
        self._unanswered: list[Said] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def run(self) -> None:
        """Send until `stop`; a moment that was missed is made up for, as clients do not wait for each other."""
        began, sent = time.monotonic(), 0
        while not self._ended.wait(max(0.0, began + sent / self._rate - time.monotonic())):
            self._send(next(self._numbers))
            sent += 1

    def stop(self) -> None:
        """Send no more, and wait for the outcome of every webhook."""
        self._ended.set()
        self.join()
        for said in self.said:
            said.webhook.wait(WEBHOOK_SECONDS)

    def in_flight(self) -> int:
        """How many accepted turns have no accepted continue call yet."""
        with self._lock:
            self._unanswered = [each for each in self._unanswered if not self._is_over(each.webhook)]
            return sum(each.webhook.accepted for each in self._unanswered)

    def answered_since(self, moment: float) -> bool:
        """Whether a message that was sent after a moment (seconds since the epoch) has its answer."""
        with self._lock:
            later = [each for each in self.said if each.webhook.sent_at >= moment]
        return any(self._kommo.accepted_continues(each.webhook.return_url) for each in later)

    def _is_over(self, webhook: SentWebhook) -> bool:
        refused = webhook.error is not None or webhook.status not in (None, 200)
        return refused or bool(self._kommo.accepted_continues(webhook.return_url))

    def _send(self, number: int) -> None:
        company = self._dice.choice(self._companies)
        text = f"pergunta {number} de {company.project}"
        contact = f"{self._dice.randrange(CONTACTS)}"
        data = {"message": text, "contact_id": contact, "origin": "whatsapp"}
        webhook = company.kommo.send_webhook(self._dice.choice(self._doors), data, self._style)
        said = Said(company, text, webhook)
        with self._lock:
            self.said.append(said)
            self._unanswered.append(said)
