"""Ways to spoil a good request, one for each kind of hostile input; they can be put on top of each other."""

import json
import random
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tests.hostile.odd_values import (
    BODIES,
    BROKEN_UTF8,
    DEEP,
    FORM_TYPE,
    HEADER_VALUES,
    HEADERS,
    LINE_BREAKS,
    METHODS,
    NULS,
    NUMBERS,
    OVERSIZED,
    TRAVERSALS,
    TYPES,
    UNICODE,
)

Pairs = tuple[tuple[bytes, bytes], ...]
# The most that ways on top of each other make of a request: an oversized body forty times over, twice, is 15 GB.
MOST_BYTES = 40_000_000
# What a form may hold as it is.
_PLAIN = f"{string.ascii_letters}{string.digits}_.-~/".encode()


@dataclass(frozen=True, slots=True)
class Request:
    """places, query, form: as they arrive, decoded once. body: in place of the form. headers may hold any character."""

    method: str
    places: Mapping[str, bytes]
    query: Pairs = ()
    form: Pairs = ()
    json: Mapping[str, object] | None = None
    body: bytes | None = None
    content_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def sent_body(self) -> bytes:
        """What stands behind the headers."""
        if self.body is not None:
            return self.body
        if self.json is not None:
            return json.dumps(self.json).encode()
        return written(self.form)

    @property
    def sent_type(self) -> str:
        """What the header says of the body."""
        if self.content_type is not None:
            return self.content_type
        return "application/json" if self.json is not None else FORM_TYPE


def written(pairs: Pairs) -> bytes:
    """A form or a query."""
    return b"&".join(_quoted(key) + b"=" + _quoted(value) for key, value in pairs)


def _quoted(text: bytes) -> bytes:
    """As urllib's quote_from_bytes writes it, which takes seconds for what is oversized."""
    odd = set(text.translate(None, _PLAIN))
    for byte in sorted(odd, key=b"%".__contains__, reverse=True):  # "%" first: it stands in what the others become
        text = text.replace(bytes((byte,)), b"%%%02X" % byte)
    return text


def _put(request: Request, chance: random.Random, values: tuple[bytes, ...]) -> Request:
    """One of the values in one place of the request, or in all of them, in its keys too."""
    value = chance.choice(values)
    places = {name: value if chance.random() < 0.7 else old for name, old in request.places.items()}
    what = chance.randrange(4)
    if what == 0 and places:
        return replace(request, places=places)
    if what == 1 and request.json is not None:
        return replace(request, json=_in_json(request.json, chance, value.decode("utf-8", "surrogateescape")))
    if what == 2:
        return replace(request, query=(*_in_pairs(request.query, chance, value), (value, value)))
    return replace(request, query=_in_pairs(request.query, chance, value), form=_in_pairs(request.form, chance, value))


def _in_pairs(pairs: Pairs, chance: random.Random, value: bytes) -> Pairs:
    """In one of them, which leaves the others good, or in most."""
    if pairs and chance.random() < 0.5:
        at = chance.randrange(len(pairs))
        return (*pairs[:at], (pairs[at][0], value), *pairs[at + 1 :])
    return tuple((key, value if chance.random() < 0.6 else old) for key, old in pairs)


def _in_json(told: Mapping[str, object], chance: random.Random, text: str) -> Mapping[str, object]:
    odd: list[object] = [text, float("nan"), -1, 10**40, 1e308, None, True, [], {}, [text] * 300, {text: text}, [[]]]
    return {key: chance.choice(odd) if chance.random() < 0.4 else old for key, old in told.items()}


def _with_another_method(request: Request, chance: random.Random) -> Request:
    return replace(request, method=chance.choice(METHODS))


def _with_keys_twice(request: Request, chance: random.Random) -> Request:
    def twice(pairs: Pairs) -> Pairs:
        size = sum(len(key) + len(old) for key, old in pairs)
        if size > MOST_BYTES // 2:
            return pairs
        more = tuple((key.upper() if chance.random() < 0.2 else key, old[::-1] or b"x") for key, old in pairs)
        return (*pairs, *more) if chance.random() < 0.8 else (*more, *pairs * min(40, MOST_BYTES // max(size, 1)))

    if request.json is None:
        return replace(request, query=twice(request.query), form=twice(request.form))
    told = json.dumps(request.json)
    return replace(request, query=twice(request.query), body=f'{told[:-1]},{told[1:-1]},"a":1,"a":2}}'.encode())


def _oversized(request: Request, chance: random.Random) -> Request:
    size = chance.choice(OVERSIZED)
    filler = b"a" * size if chance.random() < 0.5 else b"a=b&" * (size // 4)
    if request.json is not None and chance.random() < 0.5:
        return replace(request, body=json.dumps({**request.json, "failure_text": "a" * size}).encode())
    return replace(request, form=(*request.form, (b"filler", filler)))


def _deep(request: Request, chance: random.Random) -> Request:
    body = chance.choice(DEEP)
    content_type = chance.choice(("application/json", FORM_TYPE))
    query: Pairs = ((b"a" + b"[a]" * 500, b"1"),) if chance.random() < 0.5 else request.query
    return replace(request, query=query, body=body, content_type=content_type)


def _of_another_type(request: Request, chance: random.Random) -> Request:
    body = chance.choice((None, *BODIES))
    return replace(request, content_type=chance.choice(TYPES), body=body if body is not None else request.sent_body)


def _with_odd_headers(request: Request, chance: random.Random) -> Request:
    chosen = {chance.choice(HEADERS): chance.choice(HEADER_VALUES) for _ in range(chance.randrange(1, 4))}
    return replace(request, headers={**request.headers, **chosen})


def _with_broken_headers(request: Request, chance: random.Random) -> Request:
    value = chance.choice(LINE_BREAKS).decode("latin-1")
    return replace(request, headers={**request.headers, chance.choice(HEADERS[:-1]): value})


def _without_parts(request: Request, chance: random.Random) -> Request:
    def some(pairs: Pairs) -> Pairs:
        return tuple(pair for pair in pairs if chance.random() < 0.5)

    told = {key: value for key, value in (request.json or {}).items() if chance.random() < 0.5}
    return replace(
        request, query=some(request.query), form=some(request.form), json=None if request.json is None else told
    )


def _putting(values: tuple[bytes, ...]) -> "Spoil":
    return lambda request, chance: _put(request, chance, values)


Spoil = Callable[[Request, random.Random], Request]
SPOILS: Mapping[str, Spoil] = {
    "wrong methods": _with_another_method,
    "duplicate keys": _with_keys_twice,
    "oversized bodies": _oversized,
    "deep nesting": _deep,
    "invalid UTF-8": _putting(BROKEN_UTF8),
    "NUL bytes": _putting(NULS),
    "line breaks in values": _putting(LINE_BREAKS),
    "line breaks in headers": _with_broken_headers,
    "odd headers": _with_odd_headers,
    "wrong content types": _of_another_type,
    "huge, negative and odd numbers": _putting(NUMBERS),
    "unicode and markup": _putting(UNICODE),
    "path traversal": _putting(TRAVERSALS),
    "missing parts": _without_parts,
}
