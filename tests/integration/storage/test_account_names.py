"""Accounts by their names, page by page, on a real Redis."""

from dataclasses import replace

import pytest
import redis

from app.storage import keys
from app.storage.account_names import AccountNames
from app.storage.accounts import RedisAccounts
from app.storage.sealing import Sealer
from tests.builders import ENCRYPTION_KEY, an_account


class Book:
    """Accounts and their index. added: by subdomain, in the order of adding."""

    def __init__(self, client: redis.Redis) -> None:
        self.redis = client
        self.accounts = RedisAccounts(client, Sealer([ENCRYPTION_KEY]))
        self.names = AccountNames(client, self.accounts)

    def add(self, *subdomains: str) -> None:
        for subdomain in subdomains:
            self.accounts.add(an_account(account_id=1000 + self.redis.scard(keys.accounts()), subdomain=subdomain))

    def read(self, beginning: str = "", size: int = 2) -> list[list[str]]:
        """Every page, by the names on it."""
        pages, after = [], None
        while True:
            page = self.names.page(beginning, after, size)
            pages.append([account.subdomain for account in page.accounts])
            if page.after is None:
                return pages
            after = page.after


@pytest.fixture
def book(redis_client: redis.Redis) -> Book:
    return Book(redis_client)


def test_accounts_come_in_the_order_of_their_names(book: Book) -> None:
    assert book.read() == [[]]
    book.add("moto", "acme", "zebra", "bolo", "acme-2")
    assert book.read() == [["acme", "acme-2"], ["bolo", "moto"], ["zebra"]]
    assert book.read(size=5) == [["acme", "acme-2", "bolo", "moto", "zebra"]]


def test_names_are_found_by_how_they_begin(book: Book) -> None:
    book.add("acme", "acme-2", "acm", "bacme", "acmf", "a_b", "a-b", "ab0", "abz")
    assert book.read("acme", 10) == [["acme", "acme-2"]]
    assert book.read("ac", 2) == [["acm", "acme"], ["acme-2", "acmf"]]
    assert book.read("a_", 10) == [["a_b"]]
    assert book.read("nobody", 10) == [[]]


def test_two_accounts_of_one_name_are_both_found(book: Book) -> None:
    book.add("acme", "acme", "acme")
    assert book.read() == [["acme", "acme"], ["acme"]]


def test_a_cursor_of_something_else_leads_nowhere_wrong(book: Book) -> None:
    book.add("acme", "bolo", "zebra")
    assert [one.subdomain for one in book.names.page("b", "a", 9).accounts] == ["bolo"]
    assert [one.subdomain for one in book.names.page("b", "zz", 9).accounts] == []
    assert [one.subdomain for one in book.names.page("", "\x00[+(", 9).accounts] == ["acme", "bolo", "zebra"]


def test_a_renamed_account_is_found_by_its_new_name_only(book: Book) -> None:
    book.add("acme")
    account = book.accounts.get(1000)
    assert account is not None
    renamed = book.accounts.replace(replace(account, subdomain="newer"), account.version)
    assert (book.read("acme"), book.read("newer")) == ([[]], [["newer"]])
    book.accounts.replace(replace(renamed, paused=True), renamed.version)
    assert book.read() == [["newer"]]


def test_a_removed_account_is_found_no_more(book: Book) -> None:
    book.add("acme", "bolo")
    book.accounts.remove(1000)
    assert book.read() == [["bolo"]]
    assert book.redis.zrange(keys.account_names(), 0, -1) == [b"bolo 1001"]


def test_accounts_from_before_the_index_get_into_it(book: Book) -> None:
    book.add(*(f"shop-{number:03d}" for number in range(7)))
    book.redis.delete(keys.account_names())
    assert book.read("shop-00", 3) == [
        ["shop-000", "shop-001", "shop-002"],
        ["shop-003", "shop-004", "shop-005"],
        ["shop-006"],
    ]
    assert book.redis.zcard(keys.account_names()) == 7
