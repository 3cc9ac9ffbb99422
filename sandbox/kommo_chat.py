"""Clients who write on a chat channel, what they see, and the bot that answers them (kommo.md 1.9, 2.4)."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from sandbox.kommo_bot import BotRun, Continuation, Listen, Request, Show
from sandbox.kommo_design import Block, BotKind
from sandbox.kommo_webhook import SentWebhook

Trigger = Literal["every_message", "new_conversation"]
WhilePaused = Literal["lost", "queued"]
Who = Literal["client", "bot", "human"]


@dataclass(frozen=True, slots=True)
class Bot:
    """A saved bot.

    trigger: what starts it while it does not run: any message, or only the first one of the conversation.
    while_paused: what becomes of messages that come in a `widget_request`: Kommo loses them for the bot (kommo.md
    2.4), `queued` hands them over one by one as soon as the bot listens again.
    """

    bot_id: int
    blocks: tuple[Block, ...]
    kind: BotKind = "salesbot"
    trigger: Trigger = "every_message"
    while_paused: WhilePaused = "lost"


@dataclass(frozen=True, slots=True)
class Line:
    """One message of a chat as the client sees it. time: seconds since the epoch."""

    who: Who
    text: str
    time: float
    buttons: tuple[str, ...] = ()


class Delivery(StrEnum):
    """What became of a client's message."""

    STARTED = "started the bot"
    RESUMED = "resumed the bot"
    QUEUED = "waits for the bot"
    LOST = "lost: the bot is paused"
    IGNORED = "ignored: nothing starts the bot"


class State(StrEnum):
    """What the client's bot does."""

    IDLE = "not running"
    LISTENING = "waiting for a message"
    PAUSED = "waiting to be continued"


@dataclass(frozen=True, slots=True)
class Person:
    """A contact with its one lead."""

    contact_id: int
    lead_id: int
    name: str
    phone: str | None


class Client:
    """A person who writes to an account. Usable from any thread.

    name, contact_id, lead_id: as the account knows them. origin: kind of channel.
    """

    def __init__(
        self,
        person: Person,
        origin: str,
        values: Mapping[str, str | None],
        bot: Bot,
        call_widget: Callable[["Client", Request], int],
        lock: threading.RLock,
    ) -> None:
        """values: of this client's placeholders. call_widget sends a webhook and answers its continue id."""
        self.name = person.name
        self.contact_id = person.contact_id
        self.lead_id = person.lead_id
        self.origin = origin
        self.bot = bot
        self._values = values
        self._call_widget = call_widget
        self._changed = threading.Condition(lock)
        self._lines: list[Line] = []
        self._webhooks: list[SentWebhook] = []
        self._read = 0
        self._run: BotRun | None = None
        self._state = State.IDLE
        self._continue_id: int | None = None
        self._waiting_texts: deque[str] = deque()
        self._ended: list[str] = []

    def __repr__(self) -> str:
        return f"<Client {self.name!r} on {self.origin}, contact {self.contact_id}: bot {self.state}>"

    @property
    def transcript(self) -> list[Line]:
        """Everything that stands in the chat, oldest first."""
        with self._changed:
            return list(self._lines)

    @property
    def replies(self) -> list[str]:
        """The texts of the bot, oldest first."""
        return [line.text for line in self.transcript if line.who == "bot"]

    @property
    def webhooks(self) -> list[SentWebhook]:
        """What was sent to widgets because of this client, oldest first."""
        with self._changed:
            return list(self._webhooks)

    @property
    def state(self) -> State:
        """What the bot does now."""
        with self._changed:
            return self._state

    @property
    def ended(self) -> list[str]:
        """Why each run of the bot ended, oldest first."""
        with self._changed:
            return list(self._ended)

    def say(self, text: str) -> Delivery:
        """Write a message; an empty one is a voice message or a picture (kommo.md 2.2)."""
        with self._changed:
            self._write("client", text)
            return self._deliver(text)

    def ask(self, text: str, timeout: float = 10) -> list[str]:
        """Write a message, wait until the bot has been continued, and return what it showed because of it.

        Raises RuntimeError when the message does not reach the bot, TimeoutError after so many seconds.
        """
        with self._changed:
            seen = len(self._lines) + 1
            delivery = self.say(text)
            if delivery in (Delivery.LOST, Delivery.IGNORED):
                raise RuntimeError(f"the message did not reach the bot: {delivery}")
            self._wait(lambda: self._state is not State.PAUSED, timeout, "the bot to be continued")
            self._read = len(self._lines)
            return [line.text for line in self._lines[seen:] if line.who == "bot"]

    def wait_for_reply(self, timeout: float = 10) -> str:
        """The bot's next text that no earlier wait has returned. Raises TimeoutError after so many seconds."""
        return self.wait_for_replies(1, timeout)[0]

    def wait_for_replies(self, count: int, timeout: float = 10) -> list[str]:
        """The bot's next texts that no earlier wait has returned. Raises TimeoutError after so many seconds."""
        with self._changed:
            self._wait(lambda: len(self._unread()) >= count, timeout, f"{count} texts of the bot")
            taken = self._unread()[:count]
            self._read = taken[-1] + 1
            return [self._lines[index].text for index in taken]

    def wait_for_state(self, state: State, timeout: float = 10) -> None:
        """Block until the bot is in this state. Raises TimeoutError after so many seconds."""
        with self._changed:
            self._wait(lambda: self._state is state, timeout, f"the bot to be {state}")

    def human_takes_over(self, text: str | None = None) -> None:
        """A person of the company writes: the bot stops, and its pause can no longer be continued (kommo.md 11)."""
        with self._changed:
            if self._run is not None:
                self._run.stop("a human took over")
                self._end_run()
            self._waiting_texts.clear()
            if text is not None:
                self._write("human", text)
            self._changed.notify_all()

    # --- what the account calls ---------------------------------------------------------------------------------

    def note_webhook(self, webhook: SentWebhook) -> None:
        """Remember a webhook that was sent because of this client."""
        with self._changed:
            self._webhooks.append(webhook)

    def resume(self, continue_id: int, continuation: Continuation) -> bool:
        """Continue the bot where it pauses; False where it does not wait for this call (any more)."""
        with self._changed:
            if self._state is not State.PAUSED or self._continue_id != continue_id:
                return False
            self._drive(continuation)
            return True

    # --- the bot ------------------------------------------------------------------------------------------------

    def _deliver(self, text: str) -> Delivery:
        if self._run is None:
            if self._ended and self.bot.trigger == "new_conversation":
                return Delivery.IGNORED
            self._run = BotRun(self.bot.blocks, self._values, text)
            self._drive(None)
            return Delivery.STARTED
        if self._state is State.LISTENING:
            self._drive(text)
            return Delivery.RESUMED
        if self.bot.while_paused == "queued":
            self._waiting_texts.append(text)
            return Delivery.QUEUED
        return Delivery.LOST

    def _drive(self, given: str | Continuation | None) -> None:
        """Let the bot run until it waits for something from outside."""
        run = self._run
        if run is None:
            raise RuntimeError("no bot runs")
        effect = run.send(given)
        while isinstance(effect, Show) or (isinstance(effect, Listen) and self._waiting_texts):
            if isinstance(effect, Show):
                self._write("bot", effect.text, effect.buttons)
            effect = run.send(self._waiting_texts.popleft() if isinstance(effect, Listen) else None)
        if isinstance(effect, Request):
            self._state = State.PAUSED
            self._continue_id = self._call_widget(self, effect)
        elif isinstance(effect, Listen):
            self._state = State.LISTENING
        else:
            self._end_run()
            if self._waiting_texts:
                self._deliver(self._waiting_texts.popleft())
        self._changed.notify_all()

    def _end_run(self) -> None:
        if self._run is not None:
            self._ended.append(self._run.ended or "")
        self._run, self._state, self._continue_id = None, State.IDLE, None

    def _write(self, who: Who, text: str, buttons: tuple[str, ...] = ()) -> None:
        self._lines.append(Line(who, text, time.time(), buttons))
        self._changed.notify_all()

    def _unread(self) -> list[int]:
        return [index for index in range(self._read, len(self._lines)) if self._lines[index].who == "bot"]

    def _wait(self, holds: Callable[[], bool], timeout: float, what: str) -> None:
        if not self._changed.wait_for(holds, timeout):
            last = self._webhooks[-1] if self._webhooks else None
            outcome = f"; last webhook: {last.status or last.error or 'no answer yet'}" if last else ""
            raise TimeoutError(f"waited {timeout} s for {what}: the bot is {self._state}{outcome}")
