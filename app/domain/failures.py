"""Why a turn got no answer: the codes, the exact texts, and the error that carries them inside."""

from dataclasses import dataclass
from enum import StrEnum


class Failure(StrEnum):
    """Every reason for which a turn ends without an answer (contract 6).

    The value is the `error_code` of the continue call, of `turn show` and of the metrics.
    """

    OPENAI_TIMEOUT = "openai_timeout"
    OPENAI_AUTHENTICATION = "openai_authentication"
    ASSISTANT_NOT_FOUND = "assistant_not_found"
    OPENAI_QUOTA = "openai_quota"
    OPENAI_CONNECTION = "openai_connection"
    OPENAI_UNEXPECTED = "openai_unexpected"
    PLAN_QUOTA = "plan_quota"
    CONTACT_LIMIT = "contact_limit"
    NO_MESSAGE = "no_message"
    BUSY = "busy"
    ACCOUNT_PAUSED = "account_paused"


TEXTS: dict[Failure, str] = {
    # Mission, document 2: exact to the letter.
    Failure.OPENAI_TIMEOUT: "ERRO OpenAi Limite de tempo atingido. OpenAI está com lentidão",
    Failure.OPENAI_AUTHENTICATION: "Falha na Autenticação da API",
    Failure.ASSISTANT_NOT_FOUND: "Assistant ID Inválido",
    Failure.OPENAI_QUOTA: "Limite de Quota Excedido",
    Failure.OPENAI_CONNECTION: "Erro de Conexão",
    Failure.OPENAI_UNEXPECTED: "Resposta Inesperada da OpenAI",
    # Contract 6: ours, so that nobody looks in the wrong account.
    Failure.PLAN_QUOTA: "Limite de requisições do plano ByteGPT atingido",
    Failure.CONTACT_LIMIT: "Limite diário de requisições deste contato atingido",
    Failure.NO_MESSAGE: "Mensagem sem texto",
    Failure.BUSY: "ByteGPT sobrecarregado. Tente novamente",
    Failure.ACCOUNT_PAUSED: "ByteGPT pausado para esta conta",
}

# The six of mission, document 2: they put a note on the lead.
OPENAI_FAILURES = frozenset(failure for failure in Failure if failure.value.startswith(("openai_", "assistant_")))


class ConversationTrouble(StrEnum):
    """Why a conversation at OpenAI cannot go on; each is answered once from a fresh one (contract 6)."""

    LOST = "lost"
    LOCKED = "locked"
    TOO_LONG = "too_long"


@dataclass(slots=True)
class AskError(Exception):
    """One attempt to ask OpenAI did not bring an answer.

    Raised by the engines in app/clients only; every judgement about an error of OpenAI is made there, in one
    translation table. It never carries a text of OpenAI's or of the client.

    failure: what the client is told if this stays the last word.
    retryable: the same question may be sent again within the turn.
    retry_after: seconds that OpenAI asked this key to wait, None when it named no time.
    trouble: the conversation must be waited for or replaced.
    api_gone: the whole Assistants API answers 404 (openai.md 1.2).
    maybe_processed: nothing proves that OpenAI did not act on the request (openai.md 6.2), so what it may have left
        is looked for before the question is sent again.
    status: the HTTP status, None when there was none.
    code: OpenAI's `error.code` or `error.type`, or our own word for what was seen, for the turn's steps.
    provider_request_id: OpenAI's x-request-id, None when there was none.
    """

    failure: Failure
    retryable: bool = False
    retry_after: float | None = None
    trouble: ConversationTrouble | None = None
    api_gone: bool = False
    maybe_processed: bool = False
    status: int | None = None
    code: str | None = None
    provider_request_id: str | None = None

    def __str__(self) -> str:
        return f"{self.failure} (status {self.status}, code {self.code})"
