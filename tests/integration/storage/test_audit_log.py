"""The audit log in Redis."""

import pytest
import redis

from app.domain.audit_log import AuditEntry, Operation, Outcome
from app.storage import audit_log, keys
from app.storage.audit_log import RedisAuditLog

FULL = AuditEntry(
    1_795_302_453_123, "ana", "2001:db8::/64", Operation.JOB_DELETED, Outcome.REFUSED, 31000001, "019a", "basico → pro"
)
BARE = AuditEntry(1_795_302_453_124, "ana", "192.0.2.1", Operation.LOGIN)


def test_lines_come_back_as_they_were_written_newest_first(redis_client: redis.Redis) -> None:
    log = RedisAuditLog(redis_client)
    assert log.page(None, 10).entries == []
    for entry in (FULL, BARE):
        log.write(entry)
    page = log.page(None, 10)
    assert (page.entries, page.older) == ([BARE, FULL], None)


def test_pages_join_without_a_gap_while_the_log_grows(redis_client: redis.Redis) -> None:
    log = RedisAuditLog(redis_client)
    for number in range(7):
        log.write(AuditEntry(number, "ana", "", Operation.LOGIN))
    first = log.page(None, 3)
    log.write(AuditEntry(7, "ana", "", Operation.LOGIN))
    second = log.page(first.older, 3)
    third = log.page(second.older, 3)
    assert [[entry.at for entry in page.entries] for page in (first, second, third)] == [[6, 5, 4], [3, 2, 1], [0]]
    assert third.older is None


def test_a_page_that_is_just_full_has_no_page_after_it(redis_client: redis.Redis) -> None:
    log = RedisAuditLog(redis_client)
    for number in range(3):
        log.write(AuditEntry(number, "ana", "", Operation.LOGIN))
    assert log.page(None, 3).older is None


def test_what_is_too_old_goes(redis_client: redis.Redis) -> None:
    log = RedisAuditLog(redis_client)
    now, _ = redis_client.time()
    too_old = (now - 401 * 86400) * 1000
    for number in range(200):  # Redis lets go of whole nodes of a stream, a hundred lines each
        redis_client.xadd(keys.audit_log(), {"old": number}, id=f"{too_old}-{number + 1}")
    log.write(AuditEntry(now * 1000, "ana", "", Operation.LOGIN))
    assert redis_client.xlen(keys.audit_log()) <= 101
    assert [entry.at for entry in log.page(None, 1).entries] == [now * 1000]


def test_the_log_never_grows_beyond_its_cap_by_more_than_a_node(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "MOST_KEPT", 150)
    log = RedisAuditLog(redis_client)
    for number in range(600):
        log.write(AuditEntry(number, "ana", "", Operation.LOGIN))
    kept = redis_client.xlen(keys.audit_log())
    assert 150 <= kept <= 250
    assert [entry.at for entry in log.page(None, 2).entries] == [599, 598]


@pytest.mark.parametrize("cursor", ["", "x", "5", "5-", "-5", "5-5-5", "+", "-"])
def test_what_is_no_cursor_is_refused(redis_client: redis.Redis, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        RedisAuditLog(redis_client).page(cursor, 10)
