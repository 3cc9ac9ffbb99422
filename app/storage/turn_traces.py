"""What turns have left elsewhere, read from their records: at OpenAI, and in the set of open ones."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from redis import Redis

from app.domain.forgetting import Deletion, Fate, Kind, Remote, left_by_turn
from app.storage import keys


def traces(redis: "Redis", request_ids: Sequence[str]) -> dict[str, tuple[Remote, ...]]:
    """What these turns have left at OpenAI."""
    pipeline = redis.pipeline(transaction=False)
    for turn_id in request_ids:
        pipeline.hmget(keys.turn(turn_id), "api", "conversation_id", "answer_id")
        pipeline.lrange(keys.turn_steps(turn_id), 0, -1)
    answers = pipeline.execute()
    return {
        turn_id: left_by_turn(
            _text(api), _text(conversation_id), _text(answer_id), [json.loads(step) for step in steps]
        )
        for turn_id, (api, conversation_id, answer_id), steps in zip(
            request_ids, answers[::2], answers[1::2], strict=True
        )
    }


def deletions_in(work: Mapping[bytes, bytes]) -> tuple[Deletion, ...]:
    """What is written down, where a contact is being forgotten, of what stands of it at OpenAI."""
    return tuple(_deletion(name.decode(), told.decode()) for name, told in work.items() if name.startswith(b"openai:"))


def open_turns_of(redis: "Redis", account_id: int) -> dict[str, Any]:
    """The lines of an account's open turns, by the turns' ids. Looks at every open turn of the service."""
    ids = [turn_id.decode() for turn_id in cast("list[bytes]", redis.zrange(keys.open_turns(), 0, -1))]
    pipeline = redis.pipeline(transaction=False)
    for turn_id in ids:
        pipeline.hmget(keys.turn(turn_id), "account_id", "line")
    found = zip(ids, pipeline.execute(), strict=True)
    return {turn_id: line for turn_id, (owner, line) in found if owner == str(account_id).encode()}


def _deletion(name: str, told: str) -> Deletion:
    _, kind, remote_id = name.split(":", 2)
    fate, _, reason = told.partition(":")
    return Deletion(Remote(Kind(kind), remote_id), Fate(fate), reason)


def _text(value: bytes | None) -> str | None:
    return value.decode() if value else None
