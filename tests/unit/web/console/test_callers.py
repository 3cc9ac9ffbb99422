"""Where a request comes from, as attempts to log in are counted."""

from ipaddress import ip_network

import pytest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from app.web.console.callers import caller

PROXIES = [ip_network("127.0.0.1"), ip_network("10.0.0.0/8"), ip_network("::1")]

CALLERS = [
    pytest.param("203.0.113.7", None, "203.0.113.7", id="nobody between us: the peer"),
    pytest.param("203.0.113.7", "198.51.100.1", "203.0.113.7", id="a stranger's word counts for nothing"),
    pytest.param("127.0.0.1", "203.0.113.7", "203.0.113.7", id="a trusted proxy's word counts"),
    pytest.param("127.0.0.1", "198.51.100.1, 203.0.113.7", "203.0.113.7", id="what it has seen itself stands last"),
    pytest.param("127.0.0.1", "203.0.113.7, 10.2.3.4", "203.0.113.7", id="the nearer of two proxies is passed over"),
    pytest.param("127.0.0.1", "198.51.100.1, 203.0.113.7, 10.2.3.4", "203.0.113.7", id="and what may be invented"),
    pytest.param("127.0.0.1", None, "127.0.0.1", id="somebody on this machine"),
    pytest.param("127.0.0.1", "10.2.3.4", "10.2.3.4", id="somebody where the proxies are"),
    pytest.param("127.0.0.1", "unknown", "127.0.0.1", id="a word that is no address"),
    pytest.param("127.0.0.1", "203.0.113.7, <script>", "127.0.0.1", id="however much stands before it"),
    pytest.param("::1", "203.0.113.7", "203.0.113.7", id="a proxy that speaks IPv6"),
    pytest.param("::ffff:127.0.0.1", "203.0.113.7", "203.0.113.7", id="or IPv4 in its clothes"),
    pytest.param("2001:db8:1:2:3:4:5:6", None, "2001:db8:1:2::/64", id="of IPv6 all that one customer has"),
    pytest.param("", None, "", id="a socket without addresses"),
]


@pytest.mark.parametrize(("peer", "forwarded", "expected"), CALLERS)
def test_the_caller(peer: str, forwarded: str | None, expected: str) -> None:
    headers = [] if forwarded is None else [("X-Forwarded-For", forwarded)]
    builder = EnvironBuilder(headers=headers, environ_base={"REMOTE_ADDR": peer})
    assert caller(Request(builder.get_environ()), PROXIES) == expected  # type: ignore[arg-type] # Flask's is one of these
