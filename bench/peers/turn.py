"""The job of every peer: ask OpenAI, read the streamed answer to its end, continue the bot. The same bytes as ours.

It is what anyone would write with requests, on its fast path: one session for each thread, kept alive, which does not
look for proxies; no retries, no quota, no record of the turn.

Whatever imports it runs at its best throughput. Hundreds of threads that wait for the interpreter's lock wake up every
5 ms to ask for it, and once they have fallen behind they do little else: of bare threads 64 turns a second were seen
where 300 are possible, of Dramatiq 15 and 290. Rarer asking keeps them steady, so that they can be compared with; on a
busy machine it lengthens their p99.
"""

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import requests

from bench.wire import MESSAGE, Recording, told

OPENAI = os.environ["OPENAI_BASE_URL"]
KOMMO = os.environ["KOMMO_BASE_URL"]
RECORDING = Recording.load(Path(os.environ["BENCH_RECORDING"]))
# Seconds to connect, and of silence.
TIMEOUTS = (5.0, 30.0)
OPENAI_HEADERS = {"Authorization": "Bearer sk-bench-0123456789abcdef0123456789", "Accept": "text/event-stream"}
KOMMO_HEADERS = {"Authorization": "Bearer token-of-the-account", "Accept": "application/json"}

sys.setswitchinterval(0.1)

_local = threading.local()


def session() -> requests.Session:
    """That of this thread."""
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
        _local.session.trust_env = False
    found: requests.Session = _local.session
    return found


def arguments(number: int) -> tuple[str, str, str]:
    """What the job of a turn is called with."""
    return (
        MESSAGE.format(number=told(number)),
        f"conv_{number:024x}",
        f"{KOMMO}/api/v4/salesbot/1/continue/{number}",
    )


def answer(message: str, conversation: str, return_url: str) -> None:
    """Bring one turn to its end. Raises requests.RequestException."""
    asked = session().post(
        f"{OPENAI}/responses", json=question(message, conversation), headers=OPENAI_HEADERS, timeout=TIMEOUTS
    )
    asked.raise_for_status()
    told_kommo = session().post(return_url, json=reply(asked.content), headers=KOMMO_HEADERS, timeout=TIMEOUTS)
    told_kommo.raise_for_status()


def question(message: str, conversation: str) -> dict[str, Any]:
    """The body of POST /responses."""
    asked = RECORDING.question
    return {**asked, "conversation": conversation, "input": [{**asked["input"][0], "content": message}]}


def reply(stream: bytes) -> dict[str, Any]:
    """The body of the continue call to an answer that was streamed; its text stands in the last event."""
    event = json.loads(stream[stream.rindex(b"\ndata: ") + len(b"\ndata: ") :])
    text = event["response"]["output"][0]["content"][0]["text"]
    return {**RECORDING.reply, "data": {**RECORDING.reply["data"], "reply": text}}
