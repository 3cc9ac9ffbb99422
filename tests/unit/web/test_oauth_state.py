"""The state of an OAuth window: signed, for one integration, for a quarter of an hour, for one use."""

import jwt
import pytest

from app.web.oauth_state import SECONDS, StateRefused, States


class Used:
    def __init__(self) -> None:
        self.nonces: dict[str, int] = {}

    def __call__(self, nonce: str, seconds: int) -> bool:
        fresh = nonce not in self.nonces
        self.nonces[nonce] = seconds
        return fresh


class Clock:
    now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def used() -> Used:
    return Used()


@pytest.fixture
def states(used: Used, clock: Clock) -> States:
    return States("secret key", used, clock)


def refusal(states: States, state: str, client_id: str = "integration") -> str:
    with pytest.raises(StateRefused) as refused:
        states.take(state, client_id)
    return refused.value.reason


def test_a_state_is_taken_once_and_remembered_for_its_lifetime(states: States, used: Used) -> None:
    state = states.new("integration")
    states.take(state, "integration")
    assert list(used.nonces.values()) == [SECONDS]
    assert refusal(states, state) == "state_used"


def test_no_two_states_are_equal(states: States) -> None:
    assert states.new("integration") != states.new("integration")


def test_a_state_ends(states: States, clock: Clock, used: Used) -> None:
    state, other = states.new("integration"), states.new("integration")
    clock.now += SECONDS - 1
    states.take(state, "integration")
    clock.now += 1
    assert refusal(states, other) == "state_expired"
    assert len(used.nonces) == 1


def test_a_state_serves_its_own_integration_only(states: States, used: Used) -> None:
    assert refusal(states, states.new("another")) == "state_of_another_integration"
    assert used.nonces == {}


@pytest.mark.parametrize("key", ["secret key", b"secret key".ljust(64, b"\0"), "other" * 10])
@pytest.mark.parametrize("algorithm", ["HS256", "HS512"])
def test_what_another_key_signed_is_no_state(states: States, key: str | bytes, algorithm: str) -> None:
    claims = {"exp": 2**40, "jti": "1", "client_id": "integration"}
    secret = key if isinstance(key, bytes) else key.encode().ljust(64, b"\0")
    assert refusal(states, jwt.encode(claims, secret, algorithm)) == "state_forged"


@pytest.mark.parametrize("missing", ["exp", "jti", "client_id"])
def test_a_state_without_one_of_its_claims_is_none(states: States, missing: str) -> None:
    claims = {"exp": 2**40, "jti": "1", "client_id": "integration"}
    del claims[missing]
    assert refusal(states, jwt.encode(claims, states._key, "HS256")) == "state_forged"


@pytest.mark.parametrize("state", ["", "x", "a.b.c", "é", "eyJhbGciOiJub25lIn0.e30."])
def test_nonsense_is_no_state(states: States, state: str) -> None:
    assert refusal(states, state) == "state_forged"


def test_an_unsigned_state_is_none(states: States) -> None:
    claims = {"exp": 2**40, "jti": "1", "client_id": "integration"}
    assert refusal(states, jwt.encode(claims, "", "none")) == "state_forged"
