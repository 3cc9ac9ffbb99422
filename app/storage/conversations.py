"""Which conversation at OpenAI belongs to which client of which company."""

from typing import cast

from redis import Redis

from app.domain.answers import Conversation
from app.domain.assistants import Api
from app.storage import keys
from app.storage.availability import availability


class RedisConversations:
    """The memory of who talks where; the texts themselves are at OpenAI. Raises StoreUnavailable."""

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

    def remember(self, account_id: int, line: str, conversation: Conversation) -> None:
        """Replace what is known of this client's conversation."""
        fields = ["api", conversation.api, "conversation_id", conversation.conversation_id]
        if conversation.last_item:
            fields += ["last_item", conversation.last_item]
        key = keys.conversation(account_id, line)
        with availability():
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.delete(key)
            pipeline.hset(key, items=fields)
            pipeline.execute()
