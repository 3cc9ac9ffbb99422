"""A plain client for the simulated OpenAI, for its own tests."""

import json
from typing import Any

import requests

from tests.waiting import wait_until

Event = tuple[str, Any]


class Caller:
    """Calls one simulator with one key."""

    def __init__(self, url: str, key: str | None = "sk-proj-acme-0001", beta: str | None = "assistants=v2") -> None:
        self.url = url
        self.session = requests.Session()
        self.session.headers.update({"Authorization": f"Bearer {key}"} if key else {})
        self.session.headers.update({"OpenAI-Beta": beta} if beta else {})

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.session.get(self.url + path, params=query, timeout=10)

    def delete(self, path: str) -> requests.Response:
        return self.session.delete(self.url + path, timeout=10)

    def post(self, path: str, timeout: float = 10, **body: Any) -> requests.Response:
        """A streamed answer is left unread, so that the test decides how much of it is taken."""
        return self.session.post(self.url + path, json=body, timeout=timeout, stream=bool(body.get("stream")))

    def answer(self, message: str, **body: Any) -> requests.Response:
        return self.post("/responses", **{"model": "gpt-6-luna", "input": message, **body})

    def conversation(self) -> str:
        return str(self.post("/conversations").json()["id"])

    def thread(self, *messages: str) -> str:
        said = [{"role": "user", "content": message} for message in messages]
        return str(self.post("/threads", messages=said).json()["id"])

    def run(self, thread_id: str, **body: Any) -> requests.Response:
        return self.post(f"/threads/{thread_id}/runs", **{"assistant_id": "asst_acme", **body})

    def ended_run(self, thread_id: str, run_id: str) -> Any:
        """The run once it has ended or wants something."""
        seen: list[Any] = []

        def ended() -> bool:
            seen.append(self.get(f"/threads/{thread_id}/runs/{run_id}").json())
            return seen[-1]["status"] not in {"queued", "in_progress", "cancelling"}

        wait_until(ended)
        return seen[-1]


def events_of(response: requests.Response) -> list[Event]:
    """The events of a whole stream."""
    assert response.status_code == 200, response.text
    return events_in(response.content)


class Begun:
    """A stream that has begun and is read no further for now."""

    def __init__(self, response: requests.Response) -> None:
        self._response = response
        # Kept: urllib3 closes the connection when a reader that has begun is thrown away.
        self._chunks = response.iter_content(256)
        self._first = next(self._chunks)

    def rest(self) -> list[Event]:
        """Read to the end; all events, those of the beginning too."""
        return events_in(self._first + b"".join(self._chunks))

    def leave(self) -> None:
        """Close the connection."""
        self._response.close()


def events_in(stream: bytes) -> list[Event]:
    """The events of a stream as it was received; `[DONE]` is left as it is."""
    return [_event(frame) for frame in stream.decode().removesuffix("\n\n").split("\n\n")]


def _event(frame: str) -> Event:
    name, data = frame.split("\n")
    assert name.startswith("event: ")
    assert data.startswith("data: ")
    text = data.removeprefix("data: ")
    return name.removeprefix("event: "), text if text == "[DONE]" else json.loads(text)


def error_of(response: requests.Response) -> tuple[int, str | None, str | None, str | None]:
    """Status, type, code and param of a refusal."""
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return response.status_code, error["type"], error["code"], error["param"]


def text_of(response: dict[str, Any]) -> str:
    """The visible text of a response."""
    messages = [item for item in response["output"] if item["type"] == "message"]
    return "".join(part["text"] for item in messages for part in item["content"] if part["type"] == "output_text")
