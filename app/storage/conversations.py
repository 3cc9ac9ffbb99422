"""Which conversation at OpenAI belongs to which client of which company."""

from typing import cast

from redis import Redis

from app.domain.answers import Conversation
from app.domain.assistants import Api
from app.storage import keys
from app.storage.availability import availability


class RedisConversations:
    """The memory of who talks where; the texts themselves are at OpenAI. Raises StoreUnavailable.

    It is written by the turns that use them, in one step with their own records (turns.py, advance).
    """

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    def of(self, account_id: int, line: str) -> Conversation | None:
        """The conversation of this client, None when there is none yet."""
        with availability():
            found = cast("dict[bytes, bytes]", self._redis.hgetall(keys.conversation(account_id, line)))
        if not found:
            return None
        last_item = found.get(b"last_item")
        return Conversation(
            Api(found[b"api"].decode()), found[b"conversation_id"].decode(), last_item.decode() if last_item else None
        )
