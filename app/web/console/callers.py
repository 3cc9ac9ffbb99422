"""Where a request really comes from, for counting attempts and for the audit log."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from flask import Request

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

# What a provider gives to one customer of IPv6.
_ONE_CUSTOMER = 64


def caller(request: Request, proxies: Sequence[Network]) -> str:
    """The caller's address; of IPv6 the network of one customer, who has more addresses than can be counted.

    X-Forwarded-For counts only from a trusted proxy: its last entry that is none of these is what the outermost of
    them has seen. Whatever stands before that may be invented.
    """
    found = _read(request.remote_addr or "")
    forwarded = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
    while found is not None and forwarded and any(found in proxy for proxy in proxies):
        nearer = _read(forwarded.pop())
        if nearer is None:
            break
        found = nearer
    if isinstance(found, IPv6Address):
        return str(ip_network((found, _ONE_CUSTOMER), strict=False))
    return str(found or "")


def _read(text: str) -> Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found
