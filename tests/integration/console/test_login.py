"""Who gets into the console, and for how long."""

import re
from http.cookies import SimpleCookie
from urllib.parse import quote

import pytest
import redis
import time_machine
from werkzeug.test import TestResponse

from app.domain.operator_sessions import IDLE_SECONDS, LONGEST_SECONDS
from app.services.operators import MOST_OF_STRANGERS, MOST_WRONG, LoginLocked, Visitor, WrongPassword
from app.storage import keys
from app.storage.operator_sessions import LOCKED_SECONDS
from app.web.console.passwords import TooManyChecks
from tests.console_browser import Console
from tests.consoles import PASSWORD, SECRET_KEY, USERNAME, console_flows
from tests.redis_contents import everything_in
from tests.webhooks import Door

SESSION_COOKIE = "bytegpt_console"
NOON = "2026-11-22T12:00:00Z"


def cookie(answer: TestResponse, name: str = SESSION_COOKIE) -> dict[str, str]:
    """What the answer sets of a cookie: its value and what it says beside."""
    for line in answer.headers.getlist("Set-Cookie"):
        parsed = SimpleCookie(line)
        if name in parsed:
            return {"value": parsed[name].value, **{key: str(value) for key, value in parsed[name].items()}}
    return {}


def problem(answer: TestResponse) -> str:
    found = re.search(r'role="alert"[^>]*>([^<]*)<', answer.text)
    return found[1] if found else ""


def guess(console: Console, times: int = MOST_WRONG, username: str = USERNAME) -> TestResponse:
    for number in range(times):
        answer = console.log_in(username, f"wrong {number}")
    return answer


def test_the_right_name_and_password_open_the_console(console: Console) -> None:
    assert not console.is_logged_in()
    answer = console.log_in()
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console/")
    assert console.is_logged_in()


WRONG = [
    pytest.param(USERNAME, "wrong", id="another password"),
    pytest.param("bia", PASSWORD, id="another name"),
    pytest.param("bia", "wrong", id="both"),
    pytest.param(USERNAME, "", id="no password"),
    pytest.param("", "", id="nothing"),
    pytest.param(USERNAME.upper(), PASSWORD, id="the name in capitals"),
    pytest.param(USERNAME, PASSWORD + " ", id="a blank too many"),
    pytest.param("\ud83d".encode("utf-16", "surrogatepass").decode("utf-16", "replace"), "\x00", id="odd characters"),
]


@pytest.mark.parametrize(("username", "password"), WRONG)
def test_whatever_is_wrong_is_told_alike(console: Console, username: str, password: str) -> None:
    answer = console.log_in(username, password)
    assert (answer.status_code, problem(answer)) == (401, "Usuário ou senha incorretos.")
    assert not console.is_logged_in()


def test_a_wrong_name_costs_a_look_at_the_password_too(redis_client: redis.Redis) -> None:
    looked_at = []

    def is_password(password: str) -> bool:
        looked_at.append(password)
        return False

    flows = console_flows(redis_client, is_password=is_password)
    console = Console(redis_client, flows=flows)
    console.log_in("nobody", "one")
    console.log_in(USERNAME, "two")
    assert looked_at == ["one", "two"]


def test_the_form_keeps_the_name_and_not_the_password(console: Console) -> None:
    answer = console.log_in('ana"><script>', "secret that was typed")
    assert 'value="ana&#34;&gt;&lt;script&gt;"' in answer.text
    assert "secret that was typed" not in answer.text


# --- ten times ---------------------------------------------------------------------------------------------------


def test_the_tenth_wrong_password_locks_the_login_for_minutes_and_says_so(console: Console) -> None:
    before = guess(console, MOST_WRONG - 1)
    assert before.status_code == 401
    tenth = guess(console, 1)
    assert (tenth.status_code, tenth.headers["Retry-After"]) == (429, str(LOCKED_SECONDS))
    assert (
        problem(tenth) == "Senhas erradas demais: o acesso está bloqueado por 5 minutos. Depois disso, tente de novo."
    )
    right = console.log_in()
    assert right.status_code == 429
    assert 0 < int(right.headers["Retry-After"]) <= LOCKED_SECONDS
    assert not console.is_logged_in()


def test_whoever_goes_on_trying_does_not_make_the_lock_longer(console: Console, redis_client: redis.Redis) -> None:
    guess(console, MOST_WRONG)
    (name,) = redis_client.keys(keys.login_attempts("address", "")[:-32] + "*")
    redis_client.expire(name, 7)
    guess(console, 3)
    assert 0 < redis_client.ttl(name) <= 7


def test_when_the_lock_ends_the_login_opens(console: Console, redis_client: redis.Redis) -> None:
    guess(console, MOST_WRONG)
    locks = redis_client.keys(keys.login_attempts("*", "")[:-32] + "*")
    assert {
        LOCKED_SECONDS - 5 < redis_client.ttl(name) <= LOCKED_SECONDS for name in locks if b"strangers" not in name
    } == {True}
    redis_client.delete(*locks)  # as Redis does it then
    assert console.log_in().status_code == 303


def test_a_right_password_in_between_sets_the_count_to_nothing(console: Console) -> None:
    guess(console, MOST_WRONG - 1)
    assert console.log_in().status_code == 303
    stranger = console.other_browser(console.address)
    assert guess(stranger, MOST_WRONG - 1).status_code == 401


def test_an_address_is_locked_whatever_names_it_tries(console: Console) -> None:
    for number in range(MOST_WRONG):
        answer = console.log_in(f"name {number}", "wrong")
    assert answer.status_code == 429
    assert console.log_in(f"name {MOST_WRONG}", "wrong").status_code == 429
    assert console.other_browser("198.51.100.9").log_in().status_code == 303


def test_a_name_is_locked_from_whatever_addresses_it_is_tried(console: Console) -> None:
    for number in range(MOST_WRONG):
        answer = console.other_browser(f"198.51.100.{number}").log_in(USERNAME, "wrong")
    assert answer.status_code == 429
    assert console.log_in().status_code == 429
    assert console.log_in("another name", "wrong").status_code == 401


def test_all_strangers_together_have_a_limit_too(operator: Console) -> None:
    operator.post("/console/logout")
    assert operator.flows
    last = MOST_OF_STRANGERS - 1  # the operator was the first
    for number in range(1, MOST_OF_STRANGERS):
        with pytest.raises(LoginLocked if number == last else WrongPassword):
            operator.flows.operators.log_in(f"name {number}", "wrong", Visitor(f"198.51.100.{number}"))
    assert operator.other_browser("192.0.2.1").log_in().status_code == 429
    assert operator.log_in().status_code == 303


def test_strangers_who_guess_do_not_lock_out_a_browser_that_was_let_in_before(operator: Console) -> None:
    operator.post("/console/logout")
    for number in range(MOST_WRONG):
        operator.other_browser(f"198.51.100.{number}").log_in(USERNAME, "wrong")
    assert operator.other_browser("192.0.2.1").log_in().status_code == 429
    assert operator.log_in().status_code == 303


def test_a_browser_that_was_let_in_before_has_ten_guesses_of_its_own(operator: Console) -> None:
    operator.post("/console/logout")
    assert guess(operator, MOST_WRONG).status_code == 429
    assert operator.log_in().status_code == 429
    assert operator.other_browser("192.0.2.1").log_in().status_code == 303


def test_a_mark_of_a_browser_that_is_not_ours_counts_for_nothing(console: Console) -> None:
    for number, mark in enumerate(("x", "WyJ4IiwieSJd.awKAkQ.nkQGdFNLTw-UJg76ctXUagU54-Q", "")):
        stranger = console.other_browser(f"198.51.100.{number}")
        stranger.client.set_cookie("bytegpt_known", mark, path="/console/login")
        assert guess(stranger, MOST_WRONG, f"name {number}").status_code == 429
        assert stranger.log_in(f"another name {number}", "wrong").status_code == 429


def test_a_mark_given_for_an_old_password_counts_for_nothing(operator: Console, redis_client: redis.Redis) -> None:
    mark = operator.client.get_cookie("bytegpt_known", path="/console/login")
    assert mark is not None
    changed = Console(redis_client, flows=console_flows(redis_client, of_password="a new one"))
    changed.client.set_cookie("bytegpt_known", mark.value, path="/console/login")
    for number in range(MOST_WRONG):
        changed.other_browser(f"198.51.100.{number}").log_in(USERNAME, "wrong")
    assert changed.log_in(USERNAME, "a new one").status_code == 429


def test_processes_count_together(redis_client: redis.Redis) -> None:
    one, two = Console(redis_client), Console(redis_client)
    guess(one, MOST_WRONG // 2)
    assert guess(two, MOST_WRONG // 2).status_code == 429


def test_behind_a_proxy_it_is_the_callers_address_that_is_locked(redis_client: redis.Redis) -> None:
    console = Console(redis_client, address="127.0.0.1")

    def log_in_from(address: str, username: str, password: str) -> int:
        fields = {"username": username, "password": password}
        return console.post("/console/login", fields, {"X-Forwarded-For": f"198.51.100.1, {address}"}).status_code

    assert {log_in_from("203.0.113.7", f"name {number}", "wrong") for number in range(MOST_WRONG)} == {401, 429}
    assert log_in_from("203.0.113.7", "another", "wrong") == 429
    assert log_in_from("203.0.113.8", USERNAME, PASSWORD) == 303


def test_no_guess_is_stored_or_shown_in_the_log(console: Console, redis_client: redis.Redis) -> None:
    for number in range(MOST_WRONG):
        console.log_in("my-password-typed-as-name", f"a secret guess {number}")
    stored = everything_in(redis_client)
    assert b"login_attempts" in stored
    assert b"my-password" not in stored
    assert b"secret guess" not in stored


def test_a_login_that_would_hold_up_webhooks_is_told_to_wait(redis_client: redis.Redis) -> None:
    def busy(_password: str) -> bool:
        raise TooManyChecks

    console = Console(redis_client, flows=console_flows(redis_client, is_password=busy))
    answer = console.log_in()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert problem(answer).startswith("Há muitas tentativas de acesso ao mesmo tempo.")


# --- the session -------------------------------------------------------------------------------------------------


def test_the_cookie_of_a_session_is_for_the_console_and_out_of_reach_for_scripts(console: Console) -> None:
    set_by = cookie(console.log_in())
    assert (set_by["path"], set_by["samesite"], set_by["httponly"]) == ("/console", "Strict", "True")
    assert (set_by["domain"], set_by["secure"], set_by["max-age"], set_by["expires"]) == ("", "", "", "")


def test_over_https_every_cookie_travels_over_https_only(redis_client: redis.Redis) -> None:
    console = Console(redis_client, public_url="https://bot.example.com", base_url="https://bot.example.com")
    logged_in = console.log_in()
    looked = console.post("/console/preferences", {"theme": "dark"})
    for answer, name in ((logged_in, SESSION_COOKIE), (logged_in, "bytegpt_known"), (looked, "bytegpt_look")):
        assert cookie(answer, name)["secure"] == "True", name
    assert console.is_logged_in()


def test_no_other_route_reads_sets_or_varies_by_the_cookie(operator: Console) -> None:
    for path in ("/healthz", "/readyz", "/help", "/kommo/oauth/start", "/no/such/page"):
        answer = operator.get(path)
        assert "Set-Cookie" not in answer.headers
        assert "Cookie" not in answer.headers.get("Vary", "")


def test_a_login_begins_a_session_of_its_own(console: Console, redis_client: redis.Redis) -> None:
    before = cookie(console.get("/console/login"))["value"]
    first = cookie(console.log_in())["value"]
    token_before = console.token()
    console.post("/console/logout")
    second = cookie(console.log_in())["value"]
    assert len({before, first, second}) == 3
    planted = console.other_browser()
    planted.client.set_cookie(SESSION_COOKIE, before, path="/console")
    assert not planted.is_logged_in()
    # Neither does a token of the session before it work in it.
    answer = console._send("POST", "/console/preferences", None, {"csrf_token": token_before, "theme": "dark"})
    assert answer.status_code == 400


def test_a_session_is_over_everywhere_when_its_operator_logs_out(operator: Console) -> None:
    held = operator.client.get_cookie(SESSION_COOKIE, path="/console")
    assert held is not None
    thief = operator.other_browser()
    thief.client.set_cookie(SESSION_COOKIE, held.value, path="/console")
    assert thief.is_logged_in()
    answer = operator.post("/console/logout")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console/login")
    assert "Você saiu do console." in operator.get("/console/login").text
    assert not operator.is_logged_in()
    assert not thief.is_logged_in()


def test_a_logout_needs_a_form(operator: Console) -> None:
    assert operator.get("/console/logout").status_code == 405
    assert operator.is_logged_in()


def test_a_new_password_ends_every_session(operator: Console, redis_client: redis.Redis) -> None:
    held = operator.client.get_cookie(SESSION_COOKIE, path="/console")
    assert held is not None
    for flows in (
        console_flows(redis_client, of_password="a new one"),
        console_flows(redis_client, username="bia"),
        console_flows(redis_client, secret_key="another key"),
    ):
        restarted = Console(redis_client, flows=flows)
        restarted.client.set_cookie(SESSION_COOKIE, held.value, path="/console")
        assert not restarted.is_logged_in()


def test_a_cookie_that_we_did_not_sign_is_nobodys(operator: Console) -> None:
    held = operator.client.get_cookie(SESSION_COOKIE, path="/console")
    assert held is not None
    for forged in (
        held.value[:-2] + "AA",
        "eyJpZCI6IngifQ." + held.value.partition(".")[2],
        held.value.split(".")[0],
        "x",
    ):
        stranger = operator.other_browser()
        stranger.client.set_cookie(SESSION_COOKIE, forged, path="/console")
        assert not stranger.is_logged_in()


def test_whoever_reads_redis_cannot_become_an_operator(operator: Console, redis_client: redis.Redis) -> None:
    with operator.client.session_transaction(path="/console/") as session:
        session_id = session["id"]
    assert session_id.encode() not in everything_in(redis_client)
    assert SECRET_KEY.encode() not in everything_in(redis_client)


def test_half_an_hour_without_use_ends_a_session(console: Console) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        console.logged_in()
        clock.shift(IDLE_SECONDS - 1)
        assert console.is_logged_in()
        clock.shift(IDLE_SECONDS - 1)
        assert console.is_logged_in()
        clock.shift(IDLE_SECONDS)
        answer = console.get("/console/log")
        assert (answer.status_code, answer.headers["Location"]) == (302, "/console/login?next=/console/log")
        assert "Sua sessão terminou. Entre de novo para continuar." in console.get("/console/login").text
        clock.shift(-IDLE_SECONDS)
        assert not console.is_logged_in()


def test_a_page_that_refreshes_itself_does_not_keep_a_session_alive(console: Console) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        console.logged_in()
        for _ in range(3):
            clock.shift(IDLE_SECONDS // 3 - 1)
            assert console.get("/console/", {"X-Console-Refresh": "1"}).status_code == 200
        clock.shift(10)
        answer = console.get("/console/", {"X-Console-Refresh": "1"})
        assert (answer.status_code, answer.get_json()) == (401, {"error": {"code": "unauthorized"}})


def test_twelve_hours_end_a_session_however_much_it_is_used(console: Console) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        console.logged_in()
        for _ in range(LONGEST_SECONDS // 1200 - 1):
            clock.shift(1200)
            assert console.is_logged_in()
        clock.shift(1200)
        assert not console.is_logged_in()


def test_redis_forgets_a_session_that_is_over(operator: Console, redis_client: redis.Redis) -> None:
    (name,) = redis_client.keys(keys.operator_session("*"))
    assert 0 < redis_client.ttl(name) <= IDLE_SECONDS


# --- where it leads ----------------------------------------------------------------------------------------------


def test_the_login_leads_to_the_page_that_was_asked_for(console: Console) -> None:
    asked = console.get("/console/rq/0/view/workers")
    assert (asked.status_code, asked.headers["Location"]) == (302, "/console/login?next=/console/rq/0/view/workers")
    form = console.get(asked.headers["Location"])
    assert '<input type="hidden" name="next" value="/console/rq/0/view/workers">' in form.text
    assert console.log_in(next="/console/rq/0/view/workers").headers["Location"] == "/console/rq/0/view/workers"


def test_a_wrong_password_does_not_forget_it(console: Console) -> None:
    answer = console.log_in(USERNAME, "wrong", next="/console/log")
    assert '<input type="hidden" name="next" value="/console/log">' in answer.text


ELSEWHERE = [
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example",
    "/help",
    "/console/login",
    "javascript:alert(1)",
]


@pytest.mark.parametrize("target", ELSEWHERE)
def test_the_login_leads_nowhere_else(console: Console, target: str) -> None:
    form = console.get(f"/console/login?next={quote(target)}")
    assert '<input type="hidden" name="next" value="/console/">' in form.text
    assert console.log_in(next=target).headers["Location"] == "/console/"
    assert console.get(f"/console/login?next={quote(target)}").headers["Location"] == "/console/"


def test_whoever_is_logged_in_is_not_asked_again(operator: Console) -> None:
    answer = operator.get("/console/login?next=/console/log")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/console/log")


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_link_on_another_site_does_not_end_the_session_it_arrives_without(console: Console, site: str) -> None:
    answer = console.get("/console/login?next=/console/log", {"Sec-Fetch-Site": site})
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    assert '<meta http-equiv="refresh" content="0; url=/console/login?next=/console/log">' in answer.text
    again = console.get("/console/login?next=/console/log", {"Sec-Fetch-Site": "same-origin"})
    assert '<input id="password"' in again.text


def test_where_redis_is_away_the_page_says_so() -> None:
    client = Door().app().test_client()
    session = {"Cookie": client.get("/console/login").headers["Set-Cookie"].partition(";")[0]}
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/console/login", headers=session).text)
    assert token
    fields = {"username": USERNAME, "password": PASSWORD, "csrf_token": token[1]}
    answer = client.post("/console/login", data=fields, headers={"Accept": "text/html"})
    assert answer.status_code == 503
    assert "O Redis não responde" in answer.text
    assert PASSWORD not in answer.text
