"""The Assistants API v2, threads and runs, wherever it is still served (openai.md 1.2, 2)."""

import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

from app.clients.http import PartnerSession, Reply, Timeouts
from app.clients.openai_errors import ASSISTANTS_TABLE, unexpected
from app.clients.openai_transport import (
    Caller,
    Exhausted,
    JsonObject,
    OpenAiTransport,
    count_in,
    decoded,
    document,
    events,
    id_of,
    is_stream,
    objects_in,
)
from app.domain.answers import Answer, Deadline, Question, Usage
from app.domain.failures import AskError, Failure

_RUN = "thread.run."
_OPENING = frozenset({"thread.run.created", "thread.run.queued", "thread.run.in_progress"})
_MESSAGE_ENDED = frozenset({"thread.message.completed", "thread.message.incomplete"})
# Compared with what a document holds, which may be anything, and not everything fits into a set.
_MAY_SPEAK = ("completed", "incomplete", "cancelled")
_ENDED = (*_MAY_SPEAK, "failed", "expired", "requires_action")  # the last one waits for tools we do not have
_ENDED_EVENTS = frozenset(_RUN + status for status in _ENDED)
_PAGE_SIZE = 100


class AssistantsTransport(OpenAiTransport):
    """Calls the Assistants API and notices when it is gone as a whole."""

    def __init__(
        self, session: PartnerSession, base_url: str, timeouts: Timeouts, exhausted: Exhausted | None = None
    ) -> None:
        super().__init__(session, base_url, timeouts, ASSISTANTS_TABLE, {"OpenAI-Beta": "assistants=v2"}, exhausted)

    def open(self, caller: Caller, method: str, path: str, body: JsonObject | None = None) -> Reply:
        """Send a request (OpenAiTransport.open).

        An answer that may mean that the API is gone is believed only where the list of assistants is missing too.
        """
        try:
            return super().open(caller, method, path, body)
        except AskError as error:
            if error.api_gone:
                error.api_gone = self._is_gone(caller)
            raise

    def _is_gone(self, caller: Caller) -> bool:
        try:
            super().open(caller, "GET", "/assistants?limit=1").finish()
        except AskError as error:
            if error.status is None:
                raise  # no answer: nothing is known
            return error.api_gone
        return False


class AssistantsEngine:
    """Port `Engine` over threads and runs. What we put there carries our request id, by which it is found again."""

    def __init__(
        self,
        session: PartnerSession,
        base_url: str,
        connect_timeout: float,
        read_timeout: float,
        poll_interval: float = 0.7,
        exhausted: Exhausted | None = None,
    ) -> None:
        """base_url: with its `/v1`. Times in seconds; read_timeout is the longest silence.

        exhausted: told of a key that has nothing left of a limit, and for how many seconds.
        """
        timeouts = Timeouts(connect_timeout, read_timeout)
        self._transport = AssistantsTransport(session, base_url, timeouts, exhausted)
        self._poll_interval = poll_interval

    def open_conversation(self, api_key: str, deadline: Deadline) -> str:
        """Create an empty thread and return its id."""
        return id_of(self._transport.fetch(Caller(api_key, deadline), "POST", "/threads", {}))

    def ask(
        self,
        question: Question,
        conversation_id: str,
        api_key: str,
        deadline: Deadline,
        answer_id_known: Callable[[str], None],
    ) -> Answer:
        """Send the question once and wait for its answer (port `Engine`).

        The message is in the thread as soon as the run has been created, whatever becomes of the run: after any
        failure from then on `find` must come before another `ask`.
        """
        caller = Caller(api_key, deadline, question.request_id)
        return self._run(request_body(question), conversation_id, caller, answer_id_known)

    def find(
        self,
        question: Question,
        conversation_id: str,
        answer_id: str | None,
        after_item: str | None,  # noqa: ARG002 - of the port; Responses needs it
        api_key: str,
        deadline: Deadline,
        answer_id_known: Callable[[str], None],
    ) -> Answer | None:
        """Look for what an earlier attempt at this question left (port `Engine`)."""
        caller = Caller(api_key, deadline, question.request_id)
        run = self._earlier_run(conversation_id, answer_id, caller)
        if run is not None:
            run = self._ended_run(run, conversation_id, caller)
            texts = self._texts_of(id_of(run), conversation_id, caller) if run.get("status") in _MAY_SPEAK else []
            if texts or run.get("status") in ("completed", "incomplete", "requires_action"):
                return self._concluded(run, texts, conversation_id, caller, output_seen=True)
        if not self._question_stands(conversation_id, caller):
            return None
        return self._run(request_body(question, stands=True), conversation_id, caller, answer_id_known)

    def _run(self, body: JsonObject, thread_id: str, caller: Caller, answer_id_known: Callable[[str], None]) -> Answer:
        texts: list[str] = []
        output_seen = False
        with self._transport.exchange(caller, "POST", f"{_thread(thread_id)}/runs", body) as reply:
            if is_stream(reply):
                run, texts, output_seen = self._streamed(reply, caller, answer_id_known)
            else:
                # A compatible server that does not stream answers at once and wants to be polled.
                run = document(reply)
                answer_id_known(id_of(run))
        run = self._ended_run(run, thread_id, caller)
        if not texts and run.get("status") in _MAY_SPEAK:
            texts = self._texts_of(id_of(run), thread_id, caller)
        return self._concluded(run, texts, thread_id, caller, output_seen)

    def _streamed(
        self, reply: Reply, caller: Caller, answer_id_known: Callable[[str], None]
    ) -> tuple[JsonObject, list[str], bool]:
        """Follow a stream to the run's end: the run, what it said, and whether any of it was seen."""
        run_id: str | None = None
        texts: list[str] = []
        output_seen = False
        for event in events(reply):
            if event.name == "thread.message.delta":
                if not output_seen:
                    reply.read_rarely()
                output_seen = True
            elif event.name in _OPENING and run_id is None:
                run_id = id_of(decoded(event.data))
                answer_id_known(run_id)
            elif event.name in _MESSAGE_ENDED:
                texts += _texts([decoded(event.data)], run_id)
                output_seen = True
            elif event.name in _ENDED_EVENTS:
                reply.finish()
                run = decoded(event.data) | {"status": event.name.removeprefix(_RUN)}
                return run, texts, output_seen
            elif event.name == "error":
                raise self._transport.error_in(decoded(event.data), caller, output_seen)
        raise unexpected("stream_cut")

    def _concluded(
        self, run: JsonObject, texts: Iterable[str], thread_id: str, caller: Caller, output_seen: bool
    ) -> Answer:
        """The answer of a run that has ended, or the error it ended with (openai.md 2.4)."""
        text = "\n\n".join(texts)
        status = run.get("status")
        if text and status in _MAY_SPEAK:
            model = run.get("model")
            known_model = model if isinstance(model, str) else None
            return Answer(text, id_of(run), model=known_model, usage=_usage(run.get("usage")))
        if status == "failed":
            raise self._transport.error_in(run.get("last_error"), caller, output_seen)
        if status == "expired":
            raise AskError(Failure.OPENAI_TIMEOUT, maybe_processed=True, code="run_expired")
        if status == "requires_action":
            self._cancel(run, thread_id, caller)
            raise unexpected("unknown_tool_call")
        raise unexpected("empty_answer" if status == "completed" else f"run_{status}")

    def _cancel(self, run: JsonObject, thread_id: str, caller: Caller) -> None:
        """Ask OpenAI to end a run, which would lock its thread for ten minutes."""
        try:
            self._transport.fetch(caller, "POST", f"{_thread(thread_id)}/runs/{quote(id_of(run), safe='')}/cancel")
        except AskError:
            return  # the turn fails for its own reason; a thread that stays locked is replaced by the caller

    def _earlier_run(self, thread_id: str, run_id: str | None, caller: Caller) -> JsonObject | None:
        """The newest run of this question, by its id or by our mark on it."""
        if run_id is not None:
            try:
                return self._transport.fetch(caller, "GET", f"{_thread(thread_id)}/runs/{quote(run_id, safe='')}")
            except AskError as error:
                if error.status != 404 or error.trouble is not None or error.api_gone:
                    raise
        runs = self._transport.fetch(caller, "GET", f"{_thread(thread_id)}/runs?order=desc&limit={_PAGE_SIZE}")
        return next((run for run in objects_in(runs.get("data")) if _is_marked(run, caller)), None)

    def _ended_run(self, run: JsonObject, thread_id: str, caller: Caller) -> JsonObject:
        """Wait until a run has ended. It goes on when its connection is lost, so all the time left is given to it."""
        path = f"{_thread(thread_id)}/runs/{quote(id_of(run), safe='')}"
        while run.get("status") not in _ENDED:
            if caller.deadline.left() <= self._poll_interval:
                raise AskError(Failure.OPENAI_TIMEOUT, maybe_processed=True, code="deadline")
            time.sleep(self._poll_interval)
            run = self._transport.fetch(caller, "GET", path)
        return run

    def _texts_of(self, run_id: str, thread_id: str, caller: Caller) -> list[str]:
        """What a run said, read from its thread."""
        query = f"run_id={quote(run_id, safe='')}&order=asc&limit={_PAGE_SIZE}"
        messages = self._transport.fetch(caller, "GET", f"{_thread(thread_id)}/messages?{query}")
        return _texts(objects_in(messages.get("data")), run_id)

    def _question_stands(self, thread_id: str, caller: Caller) -> bool:
        """Whether the newest message that a client wrote in a thread is this question."""
        page = self._transport.fetch(caller, "GET", f"{_thread(thread_id)}/messages?order=desc&limit={_PAGE_SIZE}")
        from_client = (message for message in objects_in(page.get("data")) if message.get("role") == "user")
        newest = next(from_client, None)
        return newest is not None and _is_marked(newest, caller)


def request_body(question: Question, stands: bool = False) -> JsonObject:
    """The body of POST /threads/{id}/runs. stands: the question is in the thread, and only its answer is missing."""
    mark = {"request_id": question.request_id}
    body: JsonObject = {"assistant_id": question.assistant.assistant_id, "metadata": mark, "stream": True}
    if question.step_instructions:
        body["additional_instructions"] = question.step_instructions
    if not stands:
        body["additional_messages"] = [{"role": "user", "content": question.text, "metadata": mark}]
    return body


def _thread(thread_id: str) -> str:
    return f"/threads/{quote(thread_id, safe='')}"


def _is_marked(value: JsonObject, caller: Caller) -> bool:
    """Whether a run or message was made for this request."""
    match value:
        case {"metadata": {"request_id": str(request_id)}}:
            return request_id == caller.request_id
        case _:
            return False


def _texts(messages: Iterable[JsonObject], run_id: str | None) -> list[str]:
    """What the messages of one run say, without its empty ones."""
    ours = (message for message in messages if message.get("role") == "assistant" and message.get("run_id") == run_id)
    texts = ("".join(map(_part_text, objects_in(message.get("content")))).strip() for message in ours)
    return [text for text in texts if text]


def _part_text(part: JsonObject) -> str:
    match part:
        case {"type": "text", "text": {"value": str(value)} as text}:
            for annotation in objects_in(text.get("annotations")):
                # Each names the passage that stands for it in the text, `【13†source】` for one (openai.md 2.2).
                mark = annotation.get("text")
                if isinstance(mark, str) and mark:
                    value = value.replace(mark, "")
            return value
        case {"type": "refusal", "refusal": str(refusal)}:
            return refusal
        case _:
            return ""


def _usage(value: Any) -> Usage | None:
    match value:
        case {"prompt_tokens": int(given), "completion_tokens": int(produced)}:
            # The migration guide spells the first one without its s (openai.md 2.2).
            details = value.get("prompt_token_details") or value.get("prompt_tokens_details")
            cached = count_in(details, "cached_tokens")
            reasoning = count_in(value.get("completion_tokens_details"), "reasoning_tokens")
            return Usage(input=given, cached=cached, output=produced, reasoning=reasoning)
        case _:
            return None
