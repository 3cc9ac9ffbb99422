"""What people of a company read on a lead: why a turn failed and what to do, and how much of the plan is used.

The documented text of a failure is Portuguese and stays so in every locale: it is what they look up. Cause and remedy
are in the language of the account; the Portuguese ones follow mission, document 2.
"""

from dataclasses import dataclass

from app.domain.accounts import Locale
from app.domain.failures import TEXTS, Failure
from app.domain.help_pages import help_path


@dataclass(frozen=True, slots=True)
class _Advice:
    """Why it happened, and what somebody in the company can do."""

    cause: str
    remedy: str


@dataclass(frozen=True, slots=True)
class _Words:
    """The words around them. used takes the mark in percent and two numbers of requests."""

    cause: str
    remedy: str
    page: str
    request: str
    used: str
    used_up: str


_WORDS: dict[Locale, _Words] = {
    "pt": _Words(
        cause="Causa",
        remedy="O que fazer",
        page="Como resolver",
        request="Requisição",
        used="ByteGPT: {mark} % das requisições deste mês foram usadas ({used} de {limit}).",
        used_up="Até o limite aumentar ou o mês virar, os clientes recebem o texto de falha em vez de uma resposta.",
    ),
    "es": _Words(
        cause="Causa",
        remedy="Qué hacer",
        page="Cómo resolverlo",
        request="Solicitud",
        used="ByteGPT: se usó el {mark} % de las solicitudes de este mes ({used} de {limit}).",
        used_up="Hasta que suba el límite o cambie el mes, los clientes reciben el texto de fallo y no una respuesta.",
    ),
    "en": _Words(
        cause="Cause",
        remedy="What to do",
        page="How to solve it",
        request="Request",
        used="ByteGPT: {mark} % of this month's requests are used ({used} of {limit}).",
        used_up="Until the limit rises or the month ends, clients get the failure text instead of an answer.",
    ),
}

_PT: dict[Failure, _Advice] = {
    Failure.OPENAI_TIMEOUT: _Advice(
        "A requisição à OpenAI demorou mais que o limite de tempo: lentidão ou sobrecarga na OpenAI, "
        "não uma falha do ByteGPT.",
        "Aguarde e tente novamente; veja a página de status da OpenAI.",
    ),
    Failure.OPENAI_AUTHENTICATION: _Advice(
        "Há um problema com a chave de API informada.",
        "Verifique se a chave nas configurações do ByteGPT está correta e ainda é válida; se não, gere outra na OpenAI "
        "e atualize o ByteGPT.",
    ),
    Failure.ASSISTANT_NOT_FOUND: _Advice(
        "O Assistant ID das configurações não é o de um assistente válido na OpenAI.",
        "Compare o ID com o que a OpenAI mostra; se não existir, crie um novo assistente e atualize o ByteGPT.",
    ),
    Failure.OPENAI_QUOTA: _Advice(
        "O uso passou do limite que a OpenAI concede à sua conta na OpenAI.",
        "Verifique o uso e o limite na sua conta da OpenAI e aumente o plano de lá.",
    ),
    Failure.OPENAI_CONNECTION: _Advice(
        "Problema de rede ou de firewall entre o ByteGPT e a OpenAI.",
        "Verifique a conexão e se nenhum firewall bloqueia a OpenAI.",
    ),
    Failure.OPENAI_UNEXPECTED: _Advice(
        "Falha temporária na OpenAI, ou uma resposta incompatível com o que o ByteGPT espera.",
        "Aguarde e tente novamente; se continuar, fale com o suporte da OpenAI.",
    ),
    Failure.PLAN_QUOTA: _Advice(
        "As requisições do plano do ByteGPT deste mês acabaram. O limite é do ByteGPT, não da OpenAI.",
        "Aumente o plano ou compre requisições extras (boost) no ByteGPT; no dia 1º o plano se renova.",
    ),
    Failure.CONTACT_LIMIT: _Advice(
        "Este contato chegou ao limite diário de requisições por contato.",
        "Aguarde até amanhã, ou aumente o limite diário por contato nas configurações do ByteGPT.",
    ),
    Failure.NO_MESSAGE: _Advice(
        "A mensagem do cliente não tinha texto (um áudio ou uma imagem, por exemplo).",
        "Peça ao cliente que escreva; se ele escreveu, verifique se o passo do Salesbot envia o texto da mensagem.",
    ),
    Failure.BUSY: _Advice(
        "O ByteGPT não conseguiu perguntar à OpenAI a tempo: a lentidão foi do ByteGPT, não da OpenAI.",
        "Tente novamente; se continuar, fale com o suporte do ByteGPT.",
    ),
    Failure.ACCOUNT_PAUSED: _Advice(
        "O ByteGPT está pausado para esta conta.",
        "Fale com o suporte do ByteGPT para reativar a conta.",
    ),
}

_ES: dict[Failure, _Advice] = {
    Failure.OPENAI_TIMEOUT: _Advice(
        "La solicitud a OpenAI tardó más que el límite de tiempo: lentitud o sobrecarga en OpenAI, "
        "no un fallo de ByteGPT.",
        "Espere e inténtelo de nuevo; mire la página de estado de OpenAI.",
    ),
    Failure.OPENAI_AUTHENTICATION: _Advice(
        "Hay un problema con la clave de API indicada.",
        "Compruebe que la clave en la configuración de ByteGPT es correcta y sigue siendo válida; si no, genere otra "
        "en OpenAI y actualice ByteGPT.",
    ),
    Failure.ASSISTANT_NOT_FOUND: _Advice(
        "El Assistant ID de la configuración no es el de un asistente válido en OpenAI.",
        "Compare el ID con el que muestra OpenAI; si no existe, cree un asistente nuevo y actualice ByteGPT.",
    ),
    Failure.OPENAI_QUOTA: _Advice(
        "El uso superó el límite que OpenAI concede a su cuenta de OpenAI.",
        "Compruebe el uso y el límite en su cuenta de OpenAI y amplíe el plan de allí.",
    ),
    Failure.OPENAI_CONNECTION: _Advice(
        "Problema de red o de firewall entre ByteGPT y OpenAI.",
        "Compruebe la conexión y que ningún firewall bloquee OpenAI.",
    ),
    Failure.OPENAI_UNEXPECTED: _Advice(
        "Fallo temporal en OpenAI, o una respuesta incompatible con lo que ByteGPT espera.",
        "Espere e inténtelo de nuevo; si continúa, contacte con el soporte de OpenAI.",
    ),
    Failure.PLAN_QUOTA: _Advice(
        "Se acabaron las solicitudes del plan de ByteGPT de este mes. El límite es de ByteGPT, no de OpenAI.",
        "Amplíe el plan o compre solicitudes extra (boost) en ByteGPT; el día 1 el plan se renueva.",
    ),
    Failure.CONTACT_LIMIT: _Advice(
        "Este contacto llegó al límite diario de solicitudes por contacto.",
        "Espere hasta mañana, o suba el límite diario por contacto en la configuración de ByteGPT.",
    ),
    Failure.NO_MESSAGE: _Advice(
        "El mensaje del cliente no tenía texto (un audio o una imagen, por ejemplo).",
        "Pida al cliente que escriba; si escribió, compruebe que el paso del Salesbot envía el texto del mensaje.",
    ),
    Failure.BUSY: _Advice(
        "ByteGPT no pudo preguntar a OpenAI a tiempo: la lentitud fue de ByteGPT, no de OpenAI.",
        "Inténtelo de nuevo; si continúa, contacte con el soporte de ByteGPT.",
    ),
    Failure.ACCOUNT_PAUSED: _Advice(
        "ByteGPT está en pausa para esta cuenta.",
        "Contacte con el soporte de ByteGPT para reactivar la cuenta.",
    ),
}

_EN: dict[Failure, _Advice] = {
    Failure.OPENAI_TIMEOUT: _Advice(
        "The request to OpenAI took longer than the time limit: slowness or overload at OpenAI, not a fault of "
        "ByteGPT.",
        "Wait and try again; look at OpenAI's status page.",
    ),
    Failure.OPENAI_AUTHENTICATION: _Advice(
        "There is a problem with the API key supplied.",
        "Check that the key in ByteGPT's settings is right and still valid; if not, generate a new one at OpenAI and "
        "update ByteGPT.",
    ),
    Failure.ASSISTANT_NOT_FOUND: _Advice(
        "The Assistant ID in the settings is not that of a valid assistant at OpenAI.",
        "Compare the ID with the one OpenAI shows; if there is none, create a new assistant and update ByteGPT.",
    ),
    Failure.OPENAI_QUOTA: _Advice(
        "Usage passed the limit that OpenAI grants your OpenAI account.",
        "Check usage and limit in your OpenAI account and upgrade the plan there.",
    ),
    Failure.OPENAI_CONNECTION: _Advice(
        "A network or firewall problem between ByteGPT and OpenAI.",
        "Check the connection, and that no firewall blocks OpenAI.",
    ),
    Failure.OPENAI_UNEXPECTED: _Advice(
        "A temporary failure at OpenAI, or an answer incompatible with what ByteGPT expects.",
        "Wait and try again; if it persists, contact OpenAI's support.",
    ),
    Failure.PLAN_QUOTA: _Advice(
        "This month's requests of the ByteGPT plan are used up. The limit is ByteGPT's, not OpenAI's.",
        "Take a larger plan or buy extra requests (boost) from ByteGPT; the plan is renewed on the 1st.",
    ),
    Failure.CONTACT_LIMIT: _Advice(
        "This contact reached the daily limit of requests per contact.",
        "Wait until tomorrow, or raise the daily limit per contact in ByteGPT's settings.",
    ),
    Failure.NO_MESSAGE: _Advice(
        "The client's message had no text (a voice message or an image, for example).",
        "Ask the client to write; if they did, check that the Salesbot step sends the text of the message.",
    ),
    Failure.BUSY: _Advice(
        "ByteGPT could not ask OpenAI in time: the slowness was ByteGPT's, not OpenAI's.",
        "Try again; if it persists, contact ByteGPT's support.",
    ),
    Failure.ACCOUNT_PAUSED: _Advice(
        "ByteGPT is paused for this account.",
        "Contact ByteGPT's support to have the account resumed.",
    ),
}

_ADVICE: dict[Locale, dict[Failure, _Advice]] = {"pt": _PT, "es": _ES, "en": _EN}


def cause(failure: Failure, locale: Locale) -> str:
    """Why it happened, in one or two sentences."""
    return _ADVICE[locale][failure].cause


def remedy(failure: Failure, locale: Locale) -> str:
    """What somebody in the company can do about it, in one or two sentences."""
    return _ADVICE[locale][failure].remedy


def failure_note(failure: Failure, locale: Locale, request_id: str, public_url: str) -> str:
    """The note on a lead after a failed turn: the documented text, cause, remedy, and the request to look up.

    public_url: where the page that explains more can be read.
    """
    words = _WORDS[locale]
    return "\n".join(
        (
            f"ByteGPT: {TEXTS[failure]}",
            f"{words.cause}: {cause(failure, locale)}",
            f"{words.remedy}: {remedy(failure, locale)}",
            f"{words.page}: {public_url}{help_path(failure, locale)}",
            f"{words.request}: {request_id}",
        )
    )


def alert_text(mark: int, used: int, limit: int, locale: Locale) -> str:
    """What is said when usage crosses so many per cent of the month's limit, allowance and boosts."""
    words = _WORDS[locale]
    text = words.used.format(mark=mark, used=used, limit=limit)
    return f"{text} {words.used_up}" if mark == 100 else text
