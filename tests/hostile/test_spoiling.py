"""The spoiling itself: whatever is put on top of what, a request stays small enough for the machine that sends it."""

import random
from itertools import product
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile.odd_values import OVERSIZED
from tests.hostile.spoiling import MOST_BYTES, SPOILS, Request, written

GROWING = ("oversized bodies", "duplicate keys")
PAIRS = ((b"account[id]", b"1"), (b"leads[status][0][id]", b"2"))


@pytest.mark.parametrize("kinds", [*product(GROWING, repeat=3)], ids=" + ".join)
def test_ways_to_spoil_a_request_on_top_of_each_other_do_not_fill_the_memory(kinds: tuple[str, ...]) -> None:
    sizes = []
    for seed in range(60):
        chance = random.Random(seed)
        request = Request("POST", {}, query=PAIRS, form=PAIRS)
        for kind in kinds:
            request = SPOILS[kind](request, chance)
        sizes.append(sum(len(key) + len(value) for key, value in (*request.query, *request.form)))
    assert max(sizes) < 2 * MOST_BYTES
    assert max(sizes) > (max(OVERSIZED) if "oversized bodies" in kinds else 100)


@given(st.lists(st.tuples(st.binary(), st.binary())))
def test_a_form_is_written_as_the_library_writes_it(pairs: list[tuple[bytes, bytes]]) -> None:
    quoted = (f"{quote_from_bytes(key)}={quote_from_bytes(value)}" for key, value in pairs)
    assert written(tuple(pairs)).decode() == "&".join(quoted)
