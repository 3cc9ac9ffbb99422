import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.channel_text import channel_text

CASES = [
    pytest.param("**negrito**", "*negrito*", "negrito", id="bold"),
    pytest.param("__negrito__", "*negrito*", "negrito", id="bold with underscores"),
    pytest.param("um *itálico* só", "um _itálico_ só", "um itálico só", id="italic"),
    pytest.param("***os dois***", "_*os dois*_", "os dois", id="bold and italic"),
    pytest.param("~~R$ 50~~ R$ 40", "~R$ 50~ R$ 40", "R$ 50 R$ 40", id="strike"),
    pytest.param("use `PIX`", "use ```PIX```", "use PIX", id="code in a line"),
    pytest.param("```python\na = 1\nb = 2\n```", "```a = 1\nb = 2```", "a = 1\nb = 2", id="code block"),
    pytest.param("# Título\nTexto", "*Título*\nTexto", "Título\nTexto", id="heading"),
    pytest.param("## **Título** forte", "*Título forte*", "Título forte", id="bold inside a heading is one bold"),
    pytest.param("* um\n* dois", "- um\n- dois", "- um\n- dois", id="stars as list"),
    pytest.param("+ um\n+ dois", "- um\n- dois", "- um\n- dois", id="pluses as list"),
    pytest.param("- um\n    - dois", "- um\n  - dois", "- um\n  - dois", id="list in a list"),
    pytest.param("1. um\n2. dois", "1. um\n2. dois", "1. um\n2. dois", id="numbered list"),
    pytest.param("1) *um*\n2) dois", "1) _um_\n2) dois", "1) um\n2) dois", id="numbers with brackets"),
    pytest.param("2. dois\n3. *três*", "2. dois\n3. _três_", "2. dois\n3. três", id="a list from 2"),
    pytest.param("1. um\n\n1. *um*", "1. um\n\n1. _um_", "1. um\n\n1. um", id="numbers stay as written"),
    pytest.param("- [x] feito", "- [x] feito", "- [x] feito", id="task list"),
    pytest.param("> citação\n> segunda", "> citação\n> segunda", "citação\nsegunda", id="quote"),
    pytest.param("[nosso site](https://x.com/a)", *["nosso site (https://x.com/a)"] * 2, id="link"),
    pytest.param("[https://x.com/](https://x.com)", *["https://x.com"] * 2, id="link that shows itself"),
    pytest.param("[x.com](https://x.com)", *["https://x.com"] * 2, id="link that shows its host"),
    pytest.param("<https://x.com/a_b_c>", *["https://x.com/a_b_c"] * 2, id="bare link in brackets"),
    pytest.param("[a@b.com](mailto:a@b.com)", *["a@b.com"] * 2, id="mail address"),
    pytest.param("![foto](https://x.com/f.png)", *["foto (https://x.com/f.png)"] * 2, id="image"),
    pytest.param("[São Paulo](https://x.com/São_Paulo)", *["São Paulo (https://x.com/São_Paulo)"] * 2, id="accents"),
    pytest.param("a\n---\nb", "a\n\nb", "a\n\nb", id="a rule is a gap"),
    pytest.param(
        "| Plano | Preço |\n|---|--:|\n| Pro | **R$ 9** |",
        "*Plano | Preço*\nPro | *R$ 9*",
        "Plano | Preço\nPro | R$ 9",
        id="table",
    ),
    pytest.param("|a|\n|-|\n|b|c|", *["|a|\n|-|\n|b|c|"] * 2, id="a table that would lose a cell stays text"),
    pytest.param("**um\ndois**", "*um*\n*dois*", "um\ndois", id="a mark ends with its line"),
    pytest.param("**https://x.com/a**", *["https://x.com/a"] * 2, id="no mark at the end of an address"),
    pytest.param("这是**重点**内容", *["这是重点内容"] * 2, id="no mark inside a word"),
    pytest.param(r"\*literal\* e 5\_6", *["*literal* e 5_6"] * 2, id="escaped marks"),
]


@pytest.mark.parametrize(("markdown", "whatsapp", "plain"), CASES)
def test_each_channel_shows_what_it_can(markdown: str, whatsapp: str, plain: str) -> None:
    assert channel_text(markdown, "whatsapp") == whatsapp
    assert channel_text(markdown, "instagram") == plain


@pytest.mark.parametrize(
    ("origin", "shown"),
    [("whatsapp", "*a*"), ("waba", "*a*"), (" WABA ", "*a*"), ("telegram", "a"), ("", "a"), (None, "a")],
)
def test_only_whatsapp_has_marks(origin: str | None, shown: str) -> None:
    assert channel_text("**a**", origin) == shown


SURVIVING = [
    "5 * 3 * 2 = 30",
    "5*3*2 = 30 e 10*2=20",
    "2**3 + 4**5",
    "R$ 5* por mês\n*sujeito a mudança",
    "snake_case_name e __init",
    "https://x.com/a_b_c/_d_/e~~f~~g?h_i=1",
    "(https://x.com/_a_)",
    "> 50 kg: frete grátis",
    ">= 18 anos",
    "#hashtag e #1",
    "-10 °C, +55 11 91234-5678",
    "10~20 pessoas, ~~",
    "<b>html</b> &amp; <br> &copy;",
    "[1]: https://x.com",
    "a [ref] e [x] e ][",
    "**sem fim",
    "`sem fim",
    "[texto](https://x.com",
    "Total\n===",
    "👨‍👩‍👧 *",
    "*שלום עולם",
    "| a | b",
    "12:30 - 14:00 | seg a sex",
    "foo(bar[0], *args)",
    "3 < 5 > 2",
]


@pytest.mark.parametrize("text", SURVIVING)
@pytest.mark.parametrize("origin", ["whatsapp", "facebook"])
def test_what_is_no_markdown_is_not_touched(text: str, origin: str) -> None:
    assert channel_text(text, origin) == text


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("um\ndois\n\n\n**três**", "um\ndois\n\n\n*três*"),
        ("um  \n**dois**", "um\n*dois*"),
        ("um\r\n\r\n**dois**\r\n", "um\n\n*dois*"),
        ("Itens:\n- a\n- b\nFim", "Itens:\n- a\n- b\nFim"),
        ("- a\n  *b*\n- c", "- a\n  _b_\n- c"),
        ("Itens:\n\n- a\n\n- b\n\nFim", "Itens:\n\n- a\n\n- b\n\nFim"),
        ("    recuado\n    *dois*", "recuado\n_dois_"),
    ],
    ids=[
        "blank lines",
        "hard break",
        "CRLF",
        "list without gaps",
        "lines of an item",
        "list with gaps",
        "indentation is no code",
    ],
)
def test_line_breaks_are_kept(markdown: str, shown: str) -> None:
    assert channel_text(markdown, "whatsapp") == shown


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("Aberto até 18h【4:0†horários.pdf】.", "Aberto até 18h."),
        ("Sim 【1†source】【2†source】, claro", "Sim, claro"),
        ("Sim【4:0†sour", "Sim"),
        ("【a【b】c", "c"),
        ("[Baixe o PDF](sandbox:/mnt/data/a.pdf) aqui", "Baixe o PDF aqui"),
        ("[Baixe](sandbox:/mnt/data/meu arquivo (1).pdf).", "Baixe."),
        ("![gráfico](sandbox:/mnt/data/a.png)", "gráfico"),
        ("[**Baixe**](sandbox:/mnt/data/a.pdf)", "*Baixe*"),
        ("Veja sandbox:/mnt/data/a.pdf.", "Veja."),
        ("Veja (sandbox:/mnt/data/a.pdf) já", "Veja já"),
        ("Veja `sandbox:/mnt/data/a.pdf` já", "Veja já"),
        ("[Baixe](sandbox:/mnt/da", "Baixe"),
        ("[sandbox:/mnt/a](sandbox:/mnt/a)", ""),
        ("<sandbox:/mnt/a>", ""),
        ("sand**box:/mnt/a**", ""),
        ("o modo sandbox: um teste", "o modo sandbox: um teste"),
    ],
)
def test_marks_of_the_provider_are_taken_out(markdown: str, shown: str) -> None:
    assert channel_text(markdown, "waba") == shown


@pytest.mark.parametrize("text", ["```Olá mundo\nlinha dois", "```\nOlá mundo", "```Olá", "~~~ Olá mundo"])
def test_words_of_a_half_written_code_block_are_shown(text: str) -> None:
    assert words(channel_text(text, "telegram")) == words(text)


LONG_ROWS = ["[", "![", "[[a] ", "[[a](x) ", "[a](x) ", "*a_", "`a``", "- a\n", "> a\n", "【", "[x](sandbox:"]


@pytest.mark.parametrize("row", LONG_ROWS)
def test_a_model_gone_astray_holds_up_nobody(row: str) -> None:
    started = time.process_time()
    channel_text(row * (40_000 // len(row)) + "](x)", "whatsapp")
    # A tenth of this where it was measured; the parser alone takes 5 to 8 seconds for rows of brackets.
    assert time.process_time() - started < 4.0


NO_MARKDOWN = st.text(st.characters(exclude_characters="*_`~#>+-|[]<\\【】", exclude_categories=["Cs"])).filter(
    lambda text: not re.search(r"^[ \t]*\d+[.)]|sandbox:", text, re.MULTILINE | re.IGNORECASE)
)


@given(NO_MARKDOWN)
@example("linha um\r\n\r\n  linha dois  \n\n\n\tfim ")
def test_text_without_markdown_comes_back_byte_for_byte(text: str) -> None:
    assert channel_text(text, "whatsapp") == text
    assert channel_text(text, "other") == text


MARKDOWN_PIECES = [
    *"*_~#>+-|[]!<`\\()=:.&; \n\t",
    "**",
    "~~",
    "```",
    "\n\n",
    "1. ",
    "- ",
    "| - |\n",
    "a",
    "5",
    "olá",
    "é",
]
MARKDOWN = st.lists(st.sampled_from(MARKDOWN_PIECES), max_size=60).map("".join)


def words(text: str) -> str:
    return "".join(character for character in text if character.isalnum())


@given(MARKDOWN | st.text(), st.sampled_from(["whatsapp", "telegram"]))
@example("> " * 300 + "fundo", "telegram")
@example("- " * 300 + "fundo", "telegram")
@example("*" * 3000 + "a" + "*" * 3000, "whatsapp")
@example("[" * 300 + "a" + "](x)" * 300, "whatsapp")
def test_no_letter_or_digit_is_lost_or_moved(text: str, origin: str) -> None:
    shown = words(channel_text(text, origin))
    written = words(text)
    # A language named behind a code fence is not shown, nor is the address of a link twice.
    if "```" not in text and "~~~" not in text and "](" not in text:
        assert shown == written
    else:
        letters = iter(written)
        assert all(letter in letters for letter in shown)


@given(
    st.lists(st.sampled_from([*MARKDOWN_PIECES, "【", "】", "sandbox:/", "(sandbox:/", "x"]), max_size=40).map("".join)
)
def test_no_citation_mark_or_sandbox_address_is_left(text: str) -> None:
    shown = channel_text(text, "whatsapp")
    assert not re.search("【[^】]*】", shown)
    assert "sandbox:/" not in shown
