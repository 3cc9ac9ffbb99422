import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.cutting import cut, width

FAMILY = "👨‍👩‍👧"  # three people and two joiners
FLAG = "🇧🇷"
TONED = "👍🏽"


@pytest.mark.parametrize(
    ("text", "limit", "messages"),
    [
        pytest.param("um dois", 20, ["um dois"], id="what fits stays whole"),
        pytest.param("um. dois.\n\ntrês. quatro.", 20, ["um. dois.", "três. quatro."], id="paragraphs first"),
        pytest.param("um\r\n\r\ndois três", 8, ["um", "dois", "três"], id="CRLF"),
        pytest.param("um dois. três quatro.", 14, ["um dois.", "três quatro."], id="then sentences"),
        pytest.param("(um dois!) três quatro", 14, ["(um dois!)", "três quatro"], id="a sentence with its bracket"),
        pytest.param("- um dois\n- três dez", 14, ["- um dois", "- três dez"], id="lines end like sentences"),
        pytest.param("a\n1. b c d e f g", 8, ["a", "1. b c d", "e f g"], id="a list number is no sentence"),
        pytest.param("um dois três", 9, ["um dois", "três"], id="then words"),
        pytest.param("abcdefghij", 4, ["abcd", "efgh", "ij"], id="then anywhere"),
        pytest.param("你好。世界你好。", 5, ["你好。", "世界你好。"], id="text without spaces"),
        pytest.param("ee\u0301" * 2, 2, ["e", "e\u0301", "e", "e\u0301"], id="accents stay on their letters"),
        pytest.param(FLAG * 2, 7, [FLAG, FLAG], id="flags stay whole"),
        pytest.param(FAMILY * 2, 12, [FAMILY, FAMILY], id="joined emoji stay whole"),
        pytest.param(TONED * 2, 7, [TONED, TONED], id="skin tones stay on"),
        pytest.param(FAMILY, 4, ["👨‍", "👩‍", "👧"], id="an emoji too wide for a message is cut"),
        pytest.param(" \n\t ", 5, [], id="white space is no message"),
    ],
)
def test_a_text_is_cut_where_it_hurts_least(text: str, limit: int, messages: list[str]) -> None:
    assert cut(text, limit, 5) == messages


def test_a_text_that_does_not_fit_ends_with_an_ellipsis() -> None:
    assert cut("um dois três quatro", 5, 2) == ["um", "dois…"]
    assert cut("abcdefghij", 4, 1) == ["abc…"]


def test_small_paragraphs_share_a_message_when_all_would_not_fit_otherwise() -> None:
    text = "\n\n".join(f"parágrafo {number}" for number in range(10))
    messages = cut(text, 60, 3)
    assert " ".join(messages).split() == text.split()


TEXTS = st.text(st.sampled_from("ab .\n!é…{}😀👍🏽🇧🇷\u0301\u200d\u3000。*")) | st.text(
    st.characters(exclude_categories=["Cs"])
)
LIMITS = st.integers(min_value=3, max_value=40)
MOST = st.integers(min_value=1, max_value=6)


@given(TEXTS, LIMITS, MOST)
def test_limits_hold_for_any_text(text: str, limit: int, most: int) -> None:
    messages = cut(text, limit, most)
    assert len(messages) <= most
    assert bool(messages) == bool(text.strip())
    for message in messages:
        assert message.strip() == message != ""
        assert len(message) <= width(message) <= limit


@given(TEXTS, LIMITS, MOST)
def test_nothing_but_white_space_is_lost_unless_the_end_says_so(text: str, limit: int, most: int) -> None:
    messages = cut(text, limit, most)
    kept = "".join("".join(messages).split())
    written = "".join(text.split())
    assert kept == written or (kept.endswith("…") and written.startswith(kept[:-1]))


@given(st.lists(st.text("abcdé", min_size=1, max_size=8), min_size=1, max_size=40), st.integers(10, 60))
def test_words_shorter_than_a_message_are_never_cut(words: list[str], limit: int) -> None:
    assert " ".join(cut(" ".join(words), limit, 1000)).split() == words


@given(st.text(st.sampled_from("aé\u0301\u0327\ufe0f"), max_size=60))
def test_no_message_begins_with_a_combining_mark_that_had_a_letter(text: str) -> None:
    text = "a" + text
    clusters = max(len(cluster) for cluster in clusters_of(text))
    for message in cut(text, max(2, clusters), 1000)[1:]:
        assert not unicodedata.combining(message[0])


def clusters_of(text: str) -> list[str]:
    clusters: list[str] = []
    for character in text:
        if unicodedata.category(character).startswith("M"):
            clusters[-1] += character
        else:
            clusters.append(character)
    return clusters
