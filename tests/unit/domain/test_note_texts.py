import pytest

from app.domain.accounts import LOCALES, Locale
from app.domain.failures import TEXTS, Failure
from app.domain.note_texts import alert_text, cause, failure_note, remedy
from app.domain.quota import MARKS


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("failure", Failure)
def test_a_note_says_what_why_and_what_to_do(failure: Failure, locale: Locale) -> None:
    first, *rest = failure_note(failure, locale, "0123abcd", "https://bot.test").splitlines()
    assert first == f"ByteGPT: {TEXTS[failure]}"
    page = f"https://bot.test/help/errors/{failure}?lang={locale}"
    said = [cause(failure, locale), remedy(failure, locale), page, "0123abcd"]
    assert [line.split(": ", 1)[1] for line in rest] == said


@pytest.mark.parametrize("said", [cause, remedy])
def test_no_two_failures_are_explained_alike(said: object) -> None:
    assert callable(said)
    texts = [said(failure, locale) for failure in Failure for locale in LOCALES]
    assert len(set(texts)) == len(Failure) * len(LOCALES)
    assert all(text.endswith(".") for text in texts)


# Mission, document 2: cause and remedy of each message.
MISSION = [
    (Failure.OPENAI_TIMEOUT, ["limite de tempo", "lentidão ou sobrecarga", "não uma falha do ByteGPT"]),
    (Failure.OPENAI_TIMEOUT, ["Aguarde e tente novamente", "página de status da OpenAI"]),
    (Failure.OPENAI_AUTHENTICATION, ["chave de API", "configurações do ByteGPT", "válida", "atualize o ByteGPT"]),
    (Failure.ASSISTANT_NOT_FOUND, ["não é o de um assistente válido", "Compare o ID", "crie um novo assistente"]),
    (Failure.OPENAI_QUOTA, ["passou do limite", "que a OpenAI concede", "Verifique o uso e o limite", "plano"]),
    (Failure.OPENAI_CONNECTION, ["rede ou de firewall", "Verifique a conexão", "nenhum firewall bloqueia a OpenAI"]),
    (Failure.OPENAI_UNEXPECTED, ["Falha temporária na OpenAI", "incompatível", "suporte da OpenAI"]),
]


@pytest.mark.parametrize(("failure", "phrases"), MISSION)
def test_the_portuguese_words_are_those_of_the_documents(failure: Failure, phrases: list[str]) -> None:
    note = failure_note(failure, "pt", "r1", "https://bot.test")
    assert [phrase for phrase in phrases if phrase not in note] == []


@pytest.mark.parametrize("locale", LOCALES)
def test_the_plan_limit_sends_nobody_to_openai(locale: Locale) -> None:
    assert "OpenAI" not in remedy(Failure.PLAN_QUOTA, locale)
    assert "ByteGPT" in remedy(Failure.PLAN_QUOTA, locale)


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("mark", MARKS)
def test_an_alert_names_its_mark_and_the_figures(mark: int, locale: Locale) -> None:
    text = alert_text(mark, 4021, 5000, locale)
    assert f"{mark} %" in text
    assert "4021" in text
    assert "5000" in text
    assert ("80 %" in text) is (mark == 80)
