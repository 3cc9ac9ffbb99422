"""Installed, renamed, revoked: Kommo's hooks over real sockets against real processes, and every forgery of them."""

import hashlib
import hmac
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.domain.accounts import Account, Secrets
from app.domain.assistants import Profile
from app.storage import keys
from app.web.oauth_state import States
from sandbox.flows import recommended_flow
from sandbox.kommo_accounts import Account as KommoAccount
from sandbox.kommo_faults import Route, reset, slow, status
from sandbox.kommo_hooks import HOOK_SECONDS, send_hook
from sandbox.kommo_jwt import TokenStyle
from sandbox.kommo_server import KommoSimulator
from sandbox.kommo_webhook import WebhookStyle
from sandbox.stack import Stack
from tests.functional.shop import PATIENCE, Shop, accepted
from tests.oauth_flows import Flows, later
from tests.redis_contents import everything_in
from tests.waiting import wait_until

Query = dict[str, str]
# What every process says of itself and counts, and what is gone by itself in a moment.
NOT_COMPARED = (
    b"rq:",
    b"bytegpt:worker",
    b"bytegpt:metrics",
    b"bytegpt:last_success",
    b"bytegpt:minute:",
    b"bytegpt:token_checks",
    b"bytegpt:pace:",
    b"bytegpt:lock:",
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The service with a public integration whose hooks lead to it."""
    kommo = KommoSimulator(rate=None)
    public = kommo.public_integration
    settings = {"KOMMO_CLIENT_ID": public.client_id, "KOMMO_CLIENT_SECRET": public.secret}
    directory: Path = tmp_path_factory.mktemp("oauth")
    with Stack(directory, kommo=kommo, settings=settings) as stack:
        public.redirect_uri, public.revoked_uri = stack.callback, stack.revoked
        stack.start("web", "worker")
        stack.wait_until_ready()
        yield stack


@pytest.fixture(scope="module")
def flows(stack: Stack) -> Iterator[Flows]:
    """What a worker does about hooks that could not be finished."""
    flows = Flows(stack.redis, stack.sealer, stack.kommo, stack.callback, later)
    with flows.session:
        yield flows


class Installed(Shop):
    """A company that was installed through OAuth; its settings were there before, or are filled in after."""

    def __init__(self, stack: Stack, name: str, **options: Any) -> None:
        super().__init__(stack, name, client_id=None, secrets=Secrets(f"sk-{name}-0123456789abcdef"), **options)
        stack.openai.add_key(self.key, name)
        self.kommo.integration = stack.kommo.public_integration
        self.installed = stack.kommo.install(self.kommo)
        assert self.installed.status == 200


def an_account(stack: Stack, name: str = "Acme") -> KommoAccount:
    """An account at Kommo that nobody here knows yet."""
    return stack.kommo.add_account(name, private=False)


def stored(stack: Stack, account: KommoAccount) -> Account | None:
    return stack.accounts.get(account.account_id)


def known(stack: Stack, account: KommoAccount) -> Account:
    found = stored(stack, account)
    assert found is not None
    return found


def dump(stack: Stack) -> Mapping[bytes, object]:
    """Everything that stands in Redis and lasts."""
    names = [name for name in stack.redis.keys("*") if isinstance(name, bytes) and not name.startswith(NOT_COMPARED)]
    return {name: stack.redis.dump(name) for name in names}


def lines(stack: Stack) -> list[dict[str, Any]]:
    """What the log says of hooks."""
    found = [line for log in stack.log_files for line in log.read_text().splitlines() if '"kommo_hook"' in line]
    return [json.loads(line) for line in found]


@contextmanager
def nothing_happens(stack: Stack) -> Iterator[list[dict[str, Any]]]:
    """Whatever is done inside changes nothing in Redis, and is told in one line; that line, when it is over."""
    before, told = dump(stack), len(lines(stack))
    line: list[dict[str, Any]] = []
    yield line
    wait_until(lambda: len(lines(stack)) > told)
    assert dump(stack) == before
    line += lines(stack)[told:]
    assert len(line) == 1


# --- installed ------------------------------------------------------------------------------------------------------


def test_an_installation_makes_an_account_like_an_operators(stack: Stack) -> None:
    account = an_account(stack)
    sent = stack.kommo.install(account)
    assert sent.status == 200
    assert sent.seconds < HOOK_SECONDS
    found = known(stack, account)
    assert found == Account(
        account.account_id,
        account.subdomain,
        version=found.version,
        tokens_given_at=found.tokens_given_at,
        secrets=found.secrets,
    )
    assert account.tokens.access_of(found.secrets.access_token or "") is not None
    assert lines(stack)[-1]["outcome"] == "installed"


def test_from_an_installation_to_the_first_answer(stack: Stack) -> None:
    account = an_account(stack, "Padaria")
    stack.kommo.install(account)
    stack.openai.add_key("sk-padaria-0123456789abcdef", "Padaria")
    found = known(stack, account)
    secrets = replace(found.secrets, openai_api_key="sk-padaria-0123456789abcdef")
    profile = Profile(model="gpt-6-luna", instructions="Padaria.")
    stack.accounts.replace(replace(found, profile=profile, secrets=secrets), found.version)
    account.add_bot(recommended_flow(stack.door))
    client = account.client("Ana")
    client.say("Oi")
    accepted(client.webhooks[0])
    wait_until(lambda: client.replies, PATIENCE)
    assert "Oi" in client.replies[0]


def test_an_account_that_is_there_keeps_settings_plan_and_boosts(stack: Stack) -> None:
    shop = Shop(stack, "mantida", plan="teste", failure_text="Já falamos.", weights={"ai": 2})
    shop.kommo.integration.redirect_uri = stack.callback
    before = shop.account
    assert stack.kommo.install(shop.kommo).status == 200
    after = shop.account
    assert after == replace(
        before, version=before.version + 1, tokens_given_at=after.tokens_given_at, secrets=after.secrets
    )
    assert after.secrets.openai_api_key == before.secrets.openai_api_key
    assert after.secrets.refresh_token is not None
    assert shop.turn(shop.asked("Oi"))["status"] == "delivered"


def test_several_integrations_are_told_apart_by_their_id(stack: Stack) -> None:
    shops = [Shop(stack, f"privada-{number}") for number in range(2)]
    for shop in shops:
        shop.kommo.integration.redirect_uri = stack.callback
        assert stack.kommo.install(shop.kommo).status == 200
    assert [shop.account.client_id for shop in shops] == [shop.kommo.integration.client_id for shop in shops]
    assert [shop.turn(shop.asked("Oi"))["status"] for shop in shops] == ["delivered"] * 2


def test_an_administrator_comes_back_from_the_window_once(stack: Stack) -> None:
    account = an_account(stack)
    state = States(stack.environment["SECRET_KEY"], lambda *_: True).new(account.integration.client_id)
    assert stack.kommo.install(account, state=state).status == 200
    before = known(stack, account)
    with nothing_happens(stack) as line:
        assert stack.kommo.install(account, state=state).status == 403
    assert line[0]["reason"] == "state_used"
    assert known(stack, account) == before


def test_a_user_who_may_not_continue_bots_does_not_replace_an_administrator(stack: Stack) -> None:
    account = an_account(stack)
    stack.kommo.install(account)
    with nothing_happens(stack) as line:
        assert stack.kommo.install(account, admin=False).status == 403
    assert line[0]["outcome"] == "not_administrator"


def test_a_kommo_that_is_slower_than_its_own_patience_is_waited_for(stack: Stack) -> None:
    account = an_account(stack)
    account.faults.add(slow(3.5), Route.TOKEN)
    sent = stack.kommo.install(account)
    assert sent.status == 202
    assert sent.seconds < HOOK_SECONDS
    wait_until(lambda: stored(stack, account), PATIENCE)


@pytest.mark.parametrize(
    ("route", "kept"), [(Route.TOKEN, "code-"), (Route.ACCOUNT, "tokens-")], ids=["the exchange", "the account"]
)
def test_what_kommo_does_not_answer_now_is_finished_later(stack: Stack, flows: Flows, route: Route, kept: str) -> None:
    account = an_account(stack)
    account.faults.add(status(503), route)
    sent = stack.kommo.install(account)
    assert sent.status == 202
    assert stored(stack, account) is None
    names: Any = stack.redis.zrange(keys.unfinished_hooks(), 0, -1)
    assert [name.decode().startswith(kept) for name in names] == [True]
    assert sent.query["code"].encode() not in everything_in(stack.redis)
    assert flows.hooks.resume_one()
    assert account.tokens.access_of(known(stack, account).secrets.access_token or "") is not None
    assert stack.redis.keys("bytegpt:hook*") == []


def test_a_code_whose_answer_was_lost_is_tried_again_and_then_told_to_be_used_up(stack: Stack, flows: Flows) -> None:
    account = an_account(stack)
    account.faults.add(reset(after_effect=True), Route.TOKEN)
    assert stack.kommo.install(account).status == 202
    assert flows.hooks.resume_one()
    assert stored(stack, account) is None
    assert stack.redis.keys("bytegpt:hook*") == []
    assert stack.kommo.install(account).status == 200


def test_no_code_no_token_and_no_secret_stands_in_the_logs(stack: Stack) -> None:
    account = an_account(stack)
    sent = stack.kommo.install(account)
    secrets = known(stack, account).secrets
    found = "".join(log.read_text() for log in stack.log_files)
    for secret in (sent.query["code"], secrets.access_token, secrets.refresh_token, account.integration.secret):
        assert secret
        assert secret not in found
    assert str(account.account_id) in found


# --- forged installations -------------------------------------------------------------------------------------------


def foreign(host: str) -> Callable[[Stack, KommoAccount], Query]:
    def query(_stack: Stack, account: KommoAccount) -> Query:
        return {**account.install_query(), "referer": host.replace("PORT", account.subdomain)}

    return query


def of_another_account(stack: Stack, account: KommoAccount) -> Query:
    return {**account.install_query(), "referer": an_account(stack).host}


def of_another_integration(stack: Stack, account: KommoAccount) -> Query:
    private = Shop(stack, f"alheia-{time.monotonic_ns()}")
    return {**account.install_query(), "client_id": private.kommo.integration.client_id}


def used(stack: Stack, account: KommoAccount) -> Query:
    query = stack.kommo.install(account).query
    return dict(query)


def revoked_before(stack: Stack, account: KommoAccount) -> Query:
    query = account.install_query()
    account.tokens.revoke(account.integration.client_id)
    return query


FORGED: dict[str, tuple[Callable[[Stack, KommoAccount], Query], int, str]] = {
    "a made-up code": (lambda _, account: {**account.install_query(), "code": "def502" + "0" * 64}, 403, "http 400"),
    "a used code": (used, 403, "http 400"),
    "a code that was taken back": (revoked_before, 403, "http 400"),
    "a code of another account": (of_another_account, 403, "http 400"),
    "a code of another integration": (of_another_integration, 403, "http 400"),
    "an unknown integration": (
        lambda _, account: {**account.install_query(), "client_id": "0b0123f4-9999"},
        403,
        "integration_unknown",
    ),
    "a forged state": (lambda _, account: account.install_query(state="eyJhbGciOiJub25lIn0.e30."), 403, "state_forged"),
    "no code": (lambda _, account: {**account.install_query(), "code": ""}, 400, "code"),
    "no address": (lambda _, account: {**account.install_query(), "referer": ""}, 400, "referer"),
    "a foreign host": (foreign("evil.example"), 403, "foreign_host"),
    "a host that begins well": (foreign("127.0.0.1.evil.example:PORT"), 403, "foreign_host"),
    "a host that ends well": (foreign("evil.example.127.0.0.1:PORT"), 403, "foreign_host"),
    "another address of this machine": (foreign("127.0.0.2:PORT"), 403, "foreign_host"),
    "its other name": (foreign("localhost:PORT"), 403, "foreign_host"),
    "user info": (foreign("127.0.0.1:PORT@evil.example"), 403, "foreign_host"),
    "user info before it": (foreign("evil.example@127.0.0.1:PORT"), 403, "foreign_host"),
    "a port that is none": (foreign("127.0.0.1:99999"), 403, "foreign_host"),
    "a path": (foreign("127.0.0.1:PORT/x"), 403, "foreign_host"),
    "a scheme": (foreign("https://127.0.0.1:PORT"), 403, "foreign_host"),
    "a line break": (foreign("127.0.0.1:PORT\r\nX: y"), 403, "foreign_host"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_installation_changes_nothing_and_is_told_once(stack: Stack, name: str) -> None:
    forge, answer, reason = FORGED[name]
    query = forge(stack, an_account(stack))
    with nothing_happens(stack) as line:
        assert send_hook(stack.callback, query).status == answer
    (told,) = line
    assert reason == (f"http {told['http_status']}" if told["outcome"] == "code_refused" else told["reason"])


def test_nothing_is_sent_to_a_foreign_host(stack: Stack) -> None:
    """A listener that the referer names hears nothing: neither the secret nor the code, not even a connection."""
    account = an_account(stack)
    with socket.create_server(("127.0.0.2", 0)) as listener:
        listener.settimeout(0.2)
        host, port = listener.getsockname()
        for referer in (f"{host}:{port}", f"127.0.0.1:{account.subdomain}@{host}:{port}", f"{host}:{port}#127.0.0.1"):
            assert send_hook(stack.callback, {**account.install_query(), "referer": referer}).status == 403
        with pytest.raises(TimeoutError):
            listener.accept()
    assert [call for call in stack.kommo.calls if call.account_id == account.account_id] == []


# --- revoked --------------------------------------------------------------------------------------------------------


def status_of_a_webhook(account: KommoAccount, stack: Stack) -> int | None:
    return account.send_webhook(stack.door, {"message": "Oi"}).wait(PATIENCE).status


def test_a_revocation_is_confirmed_and_webhooks_get_404_until_it_is_installed_again(stack: Stack) -> None:
    shop = Installed(stack, "revogada", failure_text="Já falamos.")
    assert shop.turn(shop.asked("Oi"))["status"] == "delivered"
    sent = stack.kommo.uninstall(shop.kommo)
    assert sent is not None
    assert (sent.status, json.loads(sent.body or "")) == (200, {"status": "done"})
    revoked = shop.account
    assert revoked.access == "revoked"
    assert (revoked.failure_text, revoked.secrets.openai_api_key) == ("Já falamos.", shop.key)
    assert status_of_a_webhook(shop.kommo, stack) == 404
    assert shop.usage()["used"] == 1
    for _ in range(3):
        with nothing_happens(stack) as line:
            assert send_hook(stack.revoked, sent.query).status == 200
        assert line[0]["outcome"] == "revoked_before"
    assert shop.account == revoked
    assert stack.kommo.install(shop.kommo).status == 200
    assert (shop.account.access, shop.account.failure_text) == ("granted", "Já falamos.")
    assert shop.turn(shop.asked("Oi"))["status"] == "delivered"


def test_a_replay_after_a_new_installation_changes_nothing(stack: Stack) -> None:
    account = an_account(stack)
    stack.kommo.install(account)
    sent = stack.kommo.uninstall(account)
    assert sent is not None
    stack.kommo.install(account)
    with nothing_happens(stack) as line:
        assert send_hook(stack.revoked, sent.query).status == 202
    assert line[0]["outcome"] == "access_still_granted"
    assert known(stack, account).access == "granted"


def test_a_private_account_with_a_long_lived_token_is_revoked_as_well(stack: Stack) -> None:
    shop = Shop(stack, "privada-revogada")
    shop.kommo.integration.revoked_uri = stack.revoked
    sent = stack.kommo.uninstall(shop.kommo)
    assert sent is not None
    assert sent.status == 200
    assert shop.account.access == "revoked"
    assert status_of_a_webhook(shop.kommo, stack) == 404


def test_a_revocation_that_kommo_does_not_confirm_now_is_confirmed_later(stack: Stack, flows: Flows) -> None:
    account = an_account(stack)
    stack.kommo.install(account)
    account.faults.add(status(503), Route.ACCOUNT)
    sent = stack.kommo.uninstall(account)
    assert sent is not None
    assert sent.status == 202
    assert known(stack, account).access == "granted"
    assert flows.hooks.resume_one()
    assert known(stack, account).access == "revoked"
    assert stack.redis.keys("bytegpt:hook*") == []


def signed(client_id: str, account_id: object, secret: str) -> Query:
    message = f"{client_id}|{account_id}".encode()
    signature = hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
    return {"client_uuid": client_id, "account_id": str(account_id), "signature": signature}


def of_its_owner(stack: Stack, account: KommoAccount) -> Query:
    """Whoever owns a private integration can sign for any account: it counts for its own only."""
    private = Shop(stack, f"dona-{time.monotonic_ns()}").kommo.integration
    return signed(private.client_id, account.account_id, private.secret)


FORGED_REVOCATIONS: dict[str, tuple[Callable[[Stack, KommoAccount], Query], int, str]] = {
    "a wrong signature": (lambda _, account: {**account.revocation_query(), "signature": "0" * 64}, 403, "signature"),
    "a signature for another account": (
        lambda stack, account: {**an_account(stack).revocation_query(), "account_id": str(account.account_id)},
        403,
        "signature",
    ),
    "another secret": (
        lambda _, account: signed(account.integration.client_id, account.account_id, "guessed"),
        403,
        "signature",
    ),
    "an unknown integration": (
        lambda _, account: signed("0b0123f4-9999", account.account_id, account.integration.secret),
        403,
        "integration_unknown",
    ),
    "another integration's owner": (of_its_owner, 200, "other_integration"),
    "an unknown account": (
        lambda _, account: signed(account.integration.client_id, 7, account.integration.secret),
        200,
        "account_unknown",
    ),
    "no signature": (lambda _, account: {**account.revocation_query(), "signature": ""}, 400, "signature"),
    "access that is still granted": (lambda _, account: account.revocation_query(), 202, "access_still_granted"),
}


@pytest.mark.parametrize("name", FORGED_REVOCATIONS)
def test_a_forged_revocation_changes_nothing_and_is_told_once(stack: Stack, name: str) -> None:
    forge, answer, reason = FORGED_REVOCATIONS[name]
    account = an_account(stack)
    stack.kommo.install(account)
    query = forge(stack, account)
    with nothing_happens(stack) as line:
        assert send_hook(stack.revoked, query).status == answer
    (told,) = line
    assert reason == (told["reason"] if told["outcome"] == "refused" else told["outcome"])
    assert known(stack, account).access == "granted"


# --- tokens on the way ----------------------------------------------------------------------------------------------


def refreshes(shop: Shop) -> int:
    account_id = shop.kommo.account_id
    return len(
        [
            call
            for call in shop.stack.kommo.calls
            if call.route is Route.TOKEN
            and call.account_id == account_id
            and call.body["grant_type"] == "refresh_token"
        ]
    )


def test_twenty_messages_with_an_expired_token_make_one_refresh_and_are_all_answered(stack: Stack) -> None:
    shop = Installed(stack, "vinte")
    shop.kommo.tokens.expire_access()
    clients = [shop.client(f"Cliente {number}") for number in range(20)]
    for client in clients:
        client.say("Oi")
    turns = [shop.turn(accepted(client.webhooks[0])) for client in clients]
    assert [turn["status"] for turn in turns] == ["delivered"] * 20
    assert refreshes(shop) == 1


def test_a_refresh_whose_answer_is_lost_on_the_way_leaves_the_account_answering(stack: Stack) -> None:
    shop = Installed(stack, "perdida")
    shop.kommo.tokens.expire_access()
    shop.kommo.faults.add(reset(after_effect=True), Route.TOKEN)
    assert shop.turn(shop.asked("Oi"))["status"] == "delivered"
    shop.kommo.tokens.expire_access()
    assert shop.turn(shop.asked("Oi de novo"))["status"] == "delivered"


# --- renamed --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("installed", [True, False], ids=["oauth", "long-lived token"])
def test_the_first_message_after_a_renaming_is_answered(stack: Stack, installed: bool) -> None:
    shop = Installed(stack, "renomeada") if installed else Shop(stack, "renomeada-privada")
    assert shop.turn(shop.asked("Oi"))["status"] == "delivered"
    old = shop.account.subdomain
    stack.kommo.rename(shop.kommo)
    webhook = shop.asked("E agora?")
    assert webhook.latency is not None
    assert webhook.latency < 2.0
    assert shop.turn(webhook)["status"] == "delivered"
    assert shop.account.subdomain == shop.kommo.subdomain != old


def test_messages_that_come_together_after_a_renaming_are_all_answered(stack: Stack) -> None:
    shop = Installed(stack, "renomeada-junto")
    clients = [shop.client(f"Cliente {number}") for number in range(6)]
    stack.kommo.rename(shop.kommo)
    before = len(stack.kommo.calls)
    for client in clients:
        client.say("Oi")
    assert [shop.turn(accepted(client.webhooks[0]))["status"] for client in clients] == ["delivered"] * 6
    looks = [call for call in stack.kommo.calls[before:] if call.route is Route.SUBDOMAIN]
    assert len(looks) == 1


def test_an_address_that_kommo_does_not_confirm_stays_refused(stack: Stack) -> None:
    shop, other = Installed(stack, "vizinha"), an_account(stack)
    before = shop.account
    webhook = shop.kommo.send_webhook(stack.door, {"message": "Oi"}, style=elsewhere(other.url)).wait(PATIENCE)
    assert webhook.status == 403
    assert shop.account == before


def elsewhere(url: str) -> WebhookStyle:
    return WebhookStyle(
        token=TokenStyle(claims={"iss": url}), fields={"return_url": f"{url}/api/v4/salesbot/1/continue/1"}
    )


def test_a_user_who_declines_changes_nothing_and_reads_so(stack: Stack) -> None:
    with nothing_happens(stack) as line:
        sent = send_hook(stack.callback, {"error": "access_denied"})
    assert sent.status == 403
    assert "Nada foi alterado" in (sent.body or "")
    assert line[0]["reason"] == "declined"
