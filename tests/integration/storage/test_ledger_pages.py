"""The ledger page by page, newest first, on a real Redis."""

import pytest
import redis

from tests.integration.turn_store import ANSWERED, FAILED, PERIOD, Store

ID = 31000001


def test_a_ledger_is_read_from_its_newest_end(redis_client: redis.Redis) -> None:
    store = Store(redis_client, requests=20)
    for number in range(6):
        store.finish(store.accept(), FAILED if number % 2 else ANSWERED)
    kinds, after = [], None
    sizes = []
    while True:
        page = store.ledger.page(ID, PERIOD, after, 5)
        kinds += [entry.kind for entry in page.entries]
        sizes.append(len(page.entries))
        after = page.older
        if after is None:
            break
    assert kinds == [entry.kind for entry in store.ledger.entries(ID, PERIOD)][::-1]
    assert sizes == [5, 5, 3]
    assert store.ledger.page(ID, "2020-01", None, 5).entries == []


@pytest.mark.parametrize("cursor", ["", "x", "1", "1-", "-", "+", "(1-1", "1-1 2", "²-1", "1-1\n"])
def test_what_is_no_cursor_is_refused(redis_client: redis.Redis, cursor: str) -> None:
    with pytest.raises(ValueError, match="no cursor"):
        Store(redis_client).ledger.page(ID, PERIOD, cursor, 5)
