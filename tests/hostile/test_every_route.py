"""Every route of the application, each with every kind of hostile input, without and with a session or token.

No request may hang, end in a 5xx or a traceback (recorder.py), tell a secret, start a header, run a script, leave the
console's lock open, or change an account or its ledger without saying that it did.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from app.web.console.guard import OPEN_ENDPOINTS
from sandbox.kommo_server import KommoSimulator
from sandbox.stack import Stack
from tests.consoles import USERNAME, password_hash
from tests.functional.shop import REDIRECT_URI
from tests.hostile.good_requests import GOOD, routes_of
from tests.hostile.site import Site, chance_of, may_have_changed
from tests.hostile.spoiling import SPOILS, Request
from tests.hostile.target import effort
from tests.webhooks import Door

# Of the examples of a run, for each of some sixty routes.
SHARE = 0.2
# Addresses of the console that answer whoever comes.
OPEN = ("/console/login", "/console/preferences", "/console/static/")
PASSWD = b"root:x:0:0"
SCRIPT = b"<script>alert(1)"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    kommo = KommoSimulator(rate=None, public_redirect_uri=REDIRECT_URI)
    settings = {
        "KOMMO_CLIENT_ID": kommo.public_integration.client_id,
        "KOMMO_CLIENT_SECRET": kommo.public_integration.secret,
        "KOMMO_REDIRECT_URI": REDIRECT_URI,
        "OPENAI_READ_TIMEOUT": "2",
        "ADMIN_USERNAME": USERNAME,
        "ADMIN_PASSWORD_HASH": password_hash(),
    }
    with Stack(tmp_path_factory.mktemp("site"), settings=settings, kommo=kommo) as stack:
        yield Site(stack)


def test_no_route_is_left_out() -> None:
    """Say in good_requests.py what a good request of a new route is: that is all it takes to have it attacked."""
    assert set(GOOD) == set(routes_of(Door().app()))


def test_what_is_open_here_is_what_is_open_in_the_guard() -> None:
    app = Door().app()
    rules = {rule.rule.partition("<")[0] for rule in app.url_map.iter_rules() if rule.endpoint in OPEN_ENDPOINTS}
    assert rules == set(OPEN)


@pytest.mark.parametrize("name", GOOD)
def test_the_request_that_is_spoilt_is_a_good_one(site: Site, name: str) -> None:
    site.put_back()
    answer = send_good(site, name)
    assert answer.status_code == GOOD[name].status, answer.data
    assert site.differences() == {}


def send_good(site: Site, name: str) -> TestResponse:
    path = name.partition(" ")[2]
    request = site.vouched(path, site.request(name, GOOD[name]))
    headers = {**request.headers, "Accept": "text/html"} if path.startswith("/console") else request.headers
    return site.send(path, replace(request, headers=headers), genuine=True)


@pytest.mark.parametrize("name", GOOD)
def test_a_route_outlives_every_kind_of_hostile_input(site: Site, name: str) -> None:
    for number, kind in enumerate(SPOILS):
        for genuine in (False, True):
            attack(site, name, [kind], seed=number, genuine=genuine)
    assert site.differences() == {}


@pytest.mark.generated
@pytest.mark.parametrize("name", GOOD)
def test_a_route_outlives_any_mixture_of_hostile_inputs(site: Site, name: str) -> None:
    @effort(SHARE)
    @given(
        kinds=st.lists(st.sampled_from(sorted(SPOILS)), min_size=1, max_size=3),
        seed=st.integers(0, 2**64),
        genuine=st.sampled_from([True, True, True, False]),
    )
    def mixture(kinds: list[str], seed: int, genuine: bool) -> None:
        attack(site, name, kinds, seed=seed, genuine=genuine)

    mixture()
    assert site.differences() == {}


def attack(site: Site, name: str, kinds: list[str], *, seed: int, genuine: bool) -> None:
    """Spoil a good request, send it, and look at the answer and at the books."""
    path = name.partition(" ")[2]
    chance = chance_of(seed)
    good = GOOD[name]
    if genuine and path.startswith("/console"):
        site.put_back()
    request = site.request(name, good)
    # What Kommo or a session vouch for is mostly left whole, so that more than the lock is tried.
    vouched_last = chance.random() < 0.8
    if genuine and not vouched_last:
        request = site.vouched(path, request)
    for kind in kinds:
        request = SPOILS[kind](request, chance)
    if genuine and vouched_last:
        request = site.vouched(path, request)
    before = site.books()
    answer = site.send(path, request, genuine=genuine)
    assert_harmless(site, path, request, answer, genuine=genuine)
    if not may_have_changed(good, answer, genuine=genuine):
        assert site.books() == before, f"{name} has changed an account or a ledger"


def assert_harmless(site: Site, path: str, request: Request, answer: TestResponse, *, genuine: bool) -> None:
    """Nothing in the answer helps or harms a stranger."""
    assert not any(character in value for _, value in answer.headers for character in "\r\n\0")
    assert "X-Injected" not in answer.headers
    assert PASSWD not in answer.data
    if answer.mimetype == "text/html":
        assert SCRIPT not in answer.data
    in_console = path.startswith("/console")
    assert "Set-Cookie" not in answer.headers or in_console
    where = answer.headers.get("Location", "")
    assert "evil.example" not in where.partition("?")[0]
    assert answer.status_code not in (301, 307, 308), "nobody is sent elsewhere because of a path"
    if in_console and where:
        assert where.startswith("/console/"), where
    if in_console and not genuine and not path.startswith(OPEN):
        assert answer.status_code >= 300, f"{request.method} {path} is open to strangers"
    if answer.content_type == "application/json" and answer.data:
        assert answer.get_json() is not None
    site.assert_silent(answer.data)
