"""What the door remembers of accounts and secrets: quick when nothing changed, right when something did."""

from dataclasses import replace

import pytest
import redis

from app.domain.acceptance import AccountChanged
from app.domain.accounts import AccountUnknown
from app.services.intake import Intake
from app.storage.accounts import RedisAccounts
from app.storage.integrations import IntegrationSecrets
from app.storage.remembered import SECONDS, AccountsByVersion, CurrentDirectory, RememberedDirectory, directories
from app.storage.sealing import Sealer
from app.storage.turns import RedisTurns
from tests.builders import ENCRYPTION_KEY, TIMING, a_webhook, an_account

CLIENT_ID = "0b0123f4-1111-2222-3333-444444444444"


class Memory:
    """Both directories over one account, with a clock in the hands of the test."""

    def __init__(self, client: redis.Redis) -> None:
        self.now = 0.0
        sealer = Sealer([ENCRYPTION_KEY])
        self.accounts = RedisAccounts(client, sealer)
        self.account = self.accounts.add(an_account(client_id=CLIENT_ID), "first-secret")
        secrets = IntegrationSecrets(client, sealer)
        self.intake = Intake(RedisTurns(client, sealer, TIMING), TIMING)
        self.remembered: RememberedDirectory
        self.current: CurrentDirectory
        self.remembered, self.current = directories(self.accounts, secrets, lambda: self.now)

    def rotate(self) -> None:
        self.account = self.accounts.replace(self.account, self.account.version, "second-secret")


@pytest.fixture
def memory(redis_client: redis.Redis) -> Memory:
    return Memory(redis_client)


def test_what_is_remembered_is_not_looked_up_again(memory: Memory, redis_client: redis.Redis) -> None:
    first = memory.remembered.account(31000001)
    secrets = memory.remembered.secrets_of(CLIENT_ID)
    redis_client.flushall()
    assert memory.remembered.account(31000001) == first
    assert memory.remembered.secrets_of(CLIENT_ID) == secrets == ["first-secret"]
    assert memory.current.account(31000001) is None


def test_memory_lasts_for_seconds_only(memory: Memory) -> None:
    memory.remembered.secrets_of(CLIENT_ID)
    memory.rotate()
    memory.now = SECONDS - 0.1
    assert memory.remembered.secrets_of(CLIENT_ID) == ["first-secret"]
    memory.now = SECONDS + 0.1
    assert memory.remembered.secrets_of(CLIENT_ID) == ["second-secret", "first-secret"]


def test_a_fresh_look_mends_the_memory(memory: Memory) -> None:
    memory.remembered.secrets_of(CLIENT_ID)
    memory.rotate()
    assert memory.current.secrets_of(CLIENT_ID) == ["second-secret", "first-secret"]
    assert memory.remembered.secrets_of(CLIENT_ID) == ["second-secret", "first-secret"]


def test_nobody_is_remembered_as_missing(memory: Memory) -> None:
    assert memory.remembered.account(7) is None
    memory.accounts.add(an_account(account_id=7))
    assert memory.remembered.account(7) is not None


def test_an_account_that_took_its_access_back_is_not_installed(memory: Memory) -> None:
    revoked = memory.accounts.replace(replace(memory.account, access="revoked"), memory.account.version)
    assert memory.remembered.account(31000001) is None
    assert memory.current.account(31000001) is None
    memory.accounts.replace(replace(revoked, access="granted"), revoked.version)
    assert memory.remembered.account(31000001) is not None


def test_a_lost_token_leaves_an_account_installed(memory: Memory) -> None:
    memory.accounts.replace(replace(memory.account, access="lost"), memory.account.version)
    assert memory.current.account(31000001) is not None


def test_what_is_remembered_of_an_account_ends_with_its_access(memory: Memory) -> None:
    seen = memory.remembered.account(31000001)
    assert seen is not None
    memory.accounts.replace(replace(memory.account, access="revoked"), memory.account.version)
    with pytest.raises(AccountChanged):
        memory.intake.accept(seen, a_webhook())


def test_an_account_that_changed_is_not_accepted_from_memory(memory: Memory) -> None:
    seen = memory.remembered.account(31000001)
    assert seen is not None
    memory.accounts.replace(replace(memory.account, paused=True), memory.account.version)
    with pytest.raises(AccountChanged):
        memory.intake.accept(seen, a_webhook())
    fresh = memory.current.account(31000001)
    assert fresh is not None
    assert memory.intake.accept(fresh, a_webhook()).status == "accepted"


def test_an_account_that_was_removed_is_not_accepted_from_memory(memory: Memory) -> None:
    seen = memory.remembered.account(31000001)
    assert seen is not None
    memory.accounts.remove(31000001)
    with pytest.raises(AccountUnknown):
        memory.intake.accept(seen, a_webhook())


def test_an_account_is_read_again_only_when_its_version_has_changed(memory: Memory, redis_client: redis.Redis) -> None:
    known = AccountsByVersion(memory.accounts)
    first = known.at(31000001, memory.account.version)
    assert first == memory.account
    changed = memory.accounts.replace(replace(memory.account, paused=True), memory.account.version)
    assert known.at(31000001, first.version) is first
    assert known.at(31000001, changed.version) == changed
    redis_client.flushall()
    assert known.at(31000001, changed.version) == changed


def test_a_later_account_than_was_asked_for_is_told_as_it_is(memory: Memory) -> None:
    known = AccountsByVersion(memory.accounts)
    version = memory.account.version
    changed = memory.accounts.replace(replace(memory.account, paused=True), version)
    assert known.at(31000001, version) == changed


def test_an_account_that_was_removed_is_forgotten(memory: Memory) -> None:
    known = AccountsByVersion(memory.accounts)
    version = memory.account.version
    known.at(31000001, version)
    memory.accounts.remove(31000001)
    assert known.at(31000001, version + 1) is None
    again = memory.accounts.add(an_account())
    assert known.at(31000001, again.version) == again
