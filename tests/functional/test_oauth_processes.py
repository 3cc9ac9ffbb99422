"""Installations and the life of the web process: stopped in order, or killed, it loses no tokens."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.childprocess import ChildProcess
from app.domain.accounts import Account
from app.storage import keys
from sandbox.kommo_accounts import Account as KommoAccount
from sandbox.kommo_faults import Route, hang, slow
from sandbox.kommo_server import KommoSimulator
from sandbox.stack import Stack
from tests.functional.shop import PATIENCE
from tests.oauth_flows import Flows, later
from tests.waiting import wait_until


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A service of its own: its web process does not live long."""
    kommo = KommoSimulator(rate=None)
    public = kommo.public_integration
    settings = {"KOMMO_CLIENT_ID": public.client_id, "KOMMO_CLIENT_SECRET": public.secret}
    with Stack(tmp_path, kommo=kommo, settings=settings) as stack:
        public.redirect_uri = stack.callback
        yield stack


@pytest.fixture
def web(stack: Stack) -> ChildProcess:
    web, _ = stack.start("web", "worker")
    stack.wait_until_ready()
    return web


def stored(stack: Stack, account: KommoAccount) -> Account | None:
    return stack.accounts.get(account.account_id)


def test_a_web_process_that_is_stopped_finishes_the_installation_that_it_has_begun(
    stack: Stack, web: ChildProcess
) -> None:
    account = stack.kommo.add_account("Acme", private=False)
    account.faults.add(slow(4.0), Route.TOKEN)
    assert stack.kommo.install(account).status == 202
    web.send_signal(signal.SIGTERM)
    assert web.wait(PATIENCE)
    assert web.returncode == 0
    found = stored(stack, account)
    assert found is not None
    assert account.tokens.access_of(found.secrets.access_token or "") is not None


def test_tokens_of_a_web_process_that_is_killed_are_taken_over_by_a_worker(stack: Stack, web: ChildProcess) -> None:
    account = stack.kommo.add_account("Acme", private=False)
    account.faults.add(hang(), Route.ACCOUNT)
    assert stack.kommo.install(account).status == 202
    wait_until(lambda: stack.redis.zcard(keys.unfinished_hooks()))
    web.kill_group()
    assert web.wait(PATIENCE)
    assert stored(stack, account) is None
    flows = Flows(stack.redis, stack.sealer, stack.kommo, stack.callback, later)
    with flows.session:
        assert flows.hooks.resume_one()
    found = stored(stack, account)
    assert found is not None
    assert account.tokens.access_of(found.secrets.access_token or "") is not None
    assert stack.redis.keys("bytegpt:hook*") == []
