"""Records one turn of the real service between the simulated partners (bench/wire.py)."""

import json
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.domain.assistants import Profile
from bench.wire import ANSWER, INSTRUCTIONS, MESSAGE, Recording, told
from sandbox.flows import recommended_flow
from sandbox.openai_answers import Asked
from sandbox.openai_server import OpenAISimulator
from sandbox.stack import Company, Stack

PROFILE = Profile(model="gpt-6-luna", instructions=INSTRUCTIONS)
# The pieces of an answer leave the simulator one by one only if there is time between them.
BETWEEN_PIECES = 0.005
PATIENCE = 20.0


def record(directory: Path, pieces: int) -> Recording:
    """Let a client write three times to the whole service. pieces: in how many the text of an answer is streamed."""
    openai = OpenAISimulator(answerer=_assistant)
    with Stack(directory, openai=openai) as stack:
        company = stack.add_company("Bench", profile=PROFILE)
        company.kommo.add_bot(recommended_flow(stack.door))
        stack.start("web")
        (worker,) = stack.start("worker")
        stack.wait_until_ready()
        client = company.kommo.client("Ana")
        client.ask(MESSAGE.format(number=told(0)), PATIENCE)
        client.ask(MESSAGE.format(number=told(0)), PATIENCE)
        question = next(call.body for call in reversed(openai.calls) if call.path == "/responses")
        reply = stack.kommo.continues[-1].body
        # Somebody else continues the bot of the third message.
        worker.send_signal(signal.SIGTERM)
        worker.wait(PATIENCE)
        client.say(MESSAGE.format(number=told(0)))
        waiting = client.webhooks[-1].wait(PATIENCE)
        openai.configure(deltas=pieces, total=BETWEEN_PIECES * (pieces + 1))
        return Recording(
            question=question,
            reply=reply,
            conversation=_asked(openai, company, "/conversations", {}),
            accepted=_exchanged(waiting.return_url, reply, company.account.secrets.access_token or ""),
            answer=_parts(_asked(openai, company, "/responses", question)),
        )


def _assistant(asked: Asked) -> str:
    return ANSWER.format(number=told(0)) if "Pedido" in asked.message else asked.message


def _asked(openai: OpenAISimulator, company: Company, path: str, body: Mapping[str, Any]) -> str:
    return _exchanged(openai.url + path, body, company.account.secrets.openai_api_key or "")


def _exchanged(url: str, body: Mapping[str, Any], token: str) -> str:
    """The whole answer to a POST, head included, of a connection that stays open."""
    place, content = urlsplit(url), json.dumps(body).encode()
    head = (
        f"POST {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    with socket.create_connection((place.hostname, place.port), PATIENCE) as connection:
        connection.sendall(head.encode() + content)
        answer = b""
        while not _complete(answer):
            piece = connection.recv(65536)
            if not piece:
                raise ConnectionError(f"{place.path} broke off")
            answer += piece
    status = answer.split(b" ", 2)[1]
    if not status.startswith(b"2"):
        raise ConnectionError(f"{place.path} was answered with {status.decode()}")
    return answer.decode("latin-1")


def _complete(answer: bytes) -> bool:
    head, gap, body = answer.partition(b"\r\n\r\n")
    if not gap:
        return False
    if b"chunked" in head:
        return body.endswith(b"0\r\n\r\n")
    return len(body) >= int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])


def _parts(answer: str) -> list[str]:
    """A chunked answer, cut before every chunk but the first; the empty last one goes with the one before it."""
    head, _, body = answer.partition("\r\n\r\n")
    chunks = []
    while body:
        length = int(body.partition("\r\n")[0], 16)
        end = body.index("\r\n") + 2 + length + 2
        chunks.append(body[:end])
        body = body[end:]
    first, *middle, last, nothing = chunks
    return [f"{head}\r\n\r\n{first}", *middle, last + nothing]
