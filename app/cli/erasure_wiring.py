"""What the commands that delete data work with, built from the settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.cli.wiring import Store, open_store
from app.clients.http import PartnerSession
from app.clients.openai_deletion import OpenAiDeletion
from app.services.forgetting import Forgetting
from app.services.removing import Removing
from app.storage.contact_memory import RedisContactMemory
from app.storage.presence import RedisPresence
from app.storage.removals import RedisRemovals

# Beyond what a turn may take, for its worker to be lost and for another one to take it over.
_MARGIN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Erasure:
    """The flows that delete. patience: seconds in which every open turn ends if a worker lives."""

    forgetting: Forgetting
    removing: Removing
    store: Store
    patience: float


@contextmanager
def open_erasure() -> Iterator[Erasure]:
    """The flows over the store of open_store."""
    with open_store() as store, PartnerSession(pool_size=1) as session:
        settings = store.settings
        deletion = OpenAiDeletion(
            session, settings.openai_base_url, settings.openai_connect_timeout, settings.openai_read_timeout
        )
        yield Erasure(
            Forgetting(store.accounts, RedisContactMemory(store.redis, store.sealer), deletion),
            Removing(
                store.accounts,
                RedisRemovals(store.redis, store.accounts),
                deletion,
                RedisPresence(store.redis).living,
            ),
            store,
            max(settings.turn_deadline, settings.delivery_patience) + _MARGIN_SECONDS,
        )
