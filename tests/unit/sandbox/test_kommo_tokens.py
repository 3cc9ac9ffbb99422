"""Codes and tokens with their lifetimes, rotation and overlap (kommo.md 5)."""

import jwt
import pytest

from sandbox.kommo_tokens import Integration, TokenBook, TokenRefused

DAY = 24 * 60 * 60


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(clock: Clock) -> TokenBook:
    return TokenBook(31000001, "api.example.com", clock)


INTEGRATION = Integration(redirect_uri="https://bot.example.com/cb")
PRIVATE = Integration()
ID = INTEGRATION.client_id


def pair(book: TokenBook) -> tuple[str, str]:
    return book.exchange_code(book.issue_code(INTEGRATION, 5, admin=True), ID)


def test_a_code_is_exchanged_once(book: TokenBook) -> None:
    code = book.issue_code(INTEGRATION, 5, admin=False)
    access, _ = book.exchange_code(code, ID)
    found = book.access_of(access)
    assert found is not None
    assert (found.client_id, found.user_id, found.admin, found.long_lived) == (ID, 5, False, False)
    with pytest.raises(TokenRefused, match="has been revoked"):
        book.exchange_code(code, ID)


def test_a_code_lives_20_minutes(book: TokenBook, clock: Clock) -> None:
    young, old = (book.issue_code(INTEGRATION, 5, admin=True) for _ in range(2))
    clock.now += 20 * 60 - 1
    book.exchange_code(young, ID)
    clock.now += 1
    with pytest.raises(TokenRefused, match="has expired"):
        book.exchange_code(old, ID)


@pytest.mark.parametrize("client_id", [PRIVATE.client_id, "unknown"], ids=["private", "unknown"])
def test_a_code_serves_its_own_integration_only(book: TokenBook, client_id: str) -> None:
    code = book.issue_code(INTEGRATION, 5, admin=True)
    with pytest.raises(TokenRefused, match="Cannot decrypt"):
        book.exchange_code(code, client_id)


def test_an_unknown_code_is_refused(book: TokenBook) -> None:
    with pytest.raises(TokenRefused, match="Cannot decrypt"):
        book.exchange_code("x", ID)


def test_an_access_token_lives_24_hours(book: TokenBook, clock: Clock) -> None:
    access, _ = pair(book)
    clock.now += DAY - 1
    assert book.access_of(access)
    clock.now += 1
    assert book.access_of(access) is None


def test_an_access_token_is_a_jwt_that_names_the_shared_host(book: TokenBook) -> None:
    claims = jwt.decode(pair(book)[0], options={"verify_signature": False, "verify_exp": False})
    assert (claims["api_domain"], claims["account_id"], claims["aud"]) == ("api.example.com", 31000001, ID)
    assert claims["exp"] - claims["iat"] == DAY


def test_a_refresh_token_lives_three_months(book: TokenBook, clock: Clock) -> None:
    _, refresh = pair(book)
    clock.now += 90 * DAY
    with pytest.raises(TokenRefused):
        book.refresh(refresh, ID)


def test_refreshing_rotates_both_tokens(book: TokenBook) -> None:
    access, refresh = pair(book)
    newer_access, newer = book.refresh(refresh, ID)
    assert len({access, newer_access, refresh, newer}) == 4
    assert book.access_of(newer_access)


def test_the_previous_refresh_token_works_until_the_new_one_has_been_used(book: TokenBook) -> None:
    _, first = pair(book)
    book.refresh(first, ID)  # the answer is lost
    _, second = book.refresh(first, ID)
    _, third = book.refresh(second, ID)
    assert not book.knows_refresh(first)
    with pytest.raises(TokenRefused, match="has been revoked"):
        book.refresh(first, ID)
    assert book.knows_refresh(second)
    assert book.knows_refresh(third)


def test_of_two_successors_the_used_one_ends_the_other(book: TokenBook) -> None:
    _, first = pair(book)
    _, lost = book.refresh(first, ID)
    _, kept = book.refresh(first, ID)
    book.refresh(kept, ID)
    assert not book.knows_refresh(lost)


def test_without_overlap_a_used_refresh_token_is_over(book: TokenBook) -> None:
    book.overlap = False
    _, first = pair(book)
    _, second = book.refresh(first, ID)
    assert not book.knows_refresh(first)
    assert book.knows_refresh(second)


def test_a_refresh_token_serves_its_own_integration_only(book: TokenBook) -> None:
    with pytest.raises(TokenRefused):
        book.refresh(pair(book)[1], PRIVATE.client_id)


def test_revoking_ends_everything_of_one_integration(book: TokenBook) -> None:
    access, refresh = pair(book)
    code = book.issue_code(INTEGRATION, 5, admin=True)
    other = book.issue_long_lived(PRIVATE, 5, DAY)
    book.revoke(ID)
    assert book.access_of(access) is None
    assert not book.knows_refresh(refresh)
    with pytest.raises(TokenRefused):
        book.exchange_code(code, ID)
    assert book.access_of(other)


def test_expiring_access_spares_refresh_and_long_lived_tokens(book: TokenBook) -> None:
    access, refresh = pair(book)
    lasting = book.issue_long_lived(PRIVATE, 5, DAY)
    book.expire_access()
    assert book.access_of(access) is None
    assert book.access_of(lasting)
    assert book.knows_refresh(refresh)


@pytest.mark.parametrize("integration", [INTEGRATION, Integration(public=True)], ids=["redirect URI", "public"])
def test_long_lived_tokens_need_a_private_integration_without_redirect_uri(
    book: TokenBook, integration: Integration
) -> None:
    with pytest.raises(ValueError, match="redirect URI"):
        book.issue_long_lived(integration, 5, DAY)


def test_a_long_lived_token_ends_on_its_date(book: TokenBook, clock: Clock) -> None:
    token = book.issue_long_lived(PRIVATE, 5, 10 * DAY)
    clock.now += 10 * DAY
    assert book.access_of(token) is None


def test_a_changed_secret_leaves_the_previous_one_known() -> None:
    integration = Integration()
    before = integration.secret
    integration.change_secret()
    assert integration.previous_secret == before != integration.secret
    assert before not in repr(integration)
    assert integration.secret not in repr(integration)
