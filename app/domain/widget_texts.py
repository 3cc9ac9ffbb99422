"""What the widget's API says to people of a company: why it refuses, and what to do after a failed test.

The documented texts of failures are not here: they are Portuguese in every locale (app/domain/failures.py).
"""

from app.domain.accounts import Locale
from app.domain.failures import Failure
from app.domain.note_texts import remedy

# By the code of the error in the answer.
_MESSAGES: dict[Locale, dict[str, str]] = {
    "pt": {
        "unauthorized": "A Kommo não confirmou quem está pedindo. Recarregue a página e tente de novo.",
        "token_used": "Este pedido já tinha sido enviado. Recarregue a página e tente de novo.",
        "forbidden": "Esta página não tem acesso às configurações desta conta.",
        "admin_required": "Só um administrador da conta na Kommo pode fazer isto.",
        "account_not_installed": "O ByteGPT não está instalado nesta conta. Instale a integração na Kommo.",
        "invalid_request": "Há algo errado no que foi enviado. Corrija os campos indicados.",
        "settings_changed": "Outra pessoa mudou as configurações enquanto você editava, e nada foi salvo. Confira os "
        "valores atuais e salve de novo.",
        "too_large": "O que foi enviado é grande demais. Reduza as instruções.",
        "too_many_requests": "Muitos pedidos em pouco tempo. Aguarde um minuto e tente de novo.",
        "unavailable": "O ByteGPT está ocupado agora, e nada foi salvo. Tente de novo em instantes.",
        "internal_error": "Ocorreu um erro no ByteGPT. Tente de novo; se continuar, fale com o suporte do ByteGPT.",
    },
    "es": {
        "unauthorized": "Kommo no confirmó quién hace la petición. Recargue la página e inténtelo de nuevo.",
        "token_used": "Esta petición ya se había enviado. Recargue la página e inténtelo de nuevo.",
        "forbidden": "Esta página no tiene acceso a la configuración de esta cuenta.",
        "admin_required": "Solo un administrador de la cuenta en Kommo puede hacer esto.",
        "account_not_installed": "ByteGPT no está instalado en esta cuenta. Instale la integración en Kommo.",
        "invalid_request": "Hay algo incorrecto en lo que se envió. Corrija los campos indicados.",
        "settings_changed": "Otra persona cambió la configuración mientras usted la editaba, y no se guardó nada. "
        "Revise los valores actuales y guarde de nuevo.",
        "too_large": "Lo que se envió es demasiado grande. Reduzca las instrucciones.",
        "too_many_requests": "Demasiadas peticiones en poco tiempo. Espere un minuto e inténtelo de nuevo.",
        "unavailable": "ByteGPT está ocupado ahora, y no se guardó nada. Inténtelo de nuevo en unos instantes.",
        "internal_error": "Ocurrió un error en ByteGPT. Inténtelo de nuevo; si continúa, contacte con el soporte de "
        "ByteGPT.",
    },
    "en": {
        "unauthorized": "Kommo did not confirm who is asking. Reload the page and try again.",
        "token_used": "This request had already been sent. Reload the page and try again.",
        "forbidden": "This page has no access to the settings of this account.",
        "admin_required": "Only an administrator of the account in Kommo can do this.",
        "account_not_installed": "ByteGPT is not installed in this account. Install the integration in Kommo.",
        "invalid_request": "Something in what was sent is wrong. Correct the fields that are named.",
        "settings_changed": "Someone else changed the settings while you were editing, and nothing was saved. Check "
        "the present values and save again.",
        "too_large": "What was sent is too large. Shorten the instructions.",
        "too_many_requests": "Too many requests in a short time. Wait a minute and try again.",
        "unavailable": "ByteGPT is busy just now, and nothing was saved. Try again in a moment.",
        "internal_error": "An error occurred in ByteGPT. Try again; if it persists, contact ByteGPT's support.",
    },
}

# By the reason of a failed test, where it says more than its failure does.
_REMEDIES: dict[Locale, dict[str, str]] = {
    "pt": {
        "no_key_saved": "Informe a chave de API da OpenAI; ela começa com sk-.",
        "no_valid_id_saved": "Informe o Assistant ID como a OpenAI o mostra (começa com asst_ ou pmpt_), ou preencha o "
        "modelo e as instruções.",
        "api_closed_and_no_profile": "A OpenAI encerrou a Assistants API e não lê mais este Assistant ID. Informe o "
        "modelo e as instruções, ou cole o JSON do assistente.",
        "model_not_found": "O modelo não existe ou a chave de API não tem acesso a ele. Escolha outro em "
        "“Modelo e instruções”, ou libere este no projeto da OpenAI.",
    },
    "es": {
        "no_key_saved": "Indique la clave de API de OpenAI; empieza por sk-.",
        "no_valid_id_saved": "Indique el Assistant ID tal como lo muestra OpenAI (empieza por asst_ o pmpt_), o "
        "complete el modelo y las instrucciones.",
        "api_closed_and_no_profile": "OpenAI cerró la Assistants API y ya no lee este Assistant ID. Indique el "
        "modelo y las instrucciones, o pegue el JSON del asistente.",
        "model_not_found": "El modelo no existe o la clave de API no tiene acceso a él. Elija otro en "
        "“Modelo e instrucciones”, o habilite este en el proyecto de OpenAI.",
    },
    "en": {
        "no_key_saved": "Enter the API key of OpenAI; it begins with sk-.",
        "no_valid_id_saved": "Enter the Assistant ID as OpenAI shows it (it begins with asst_ or pmpt_), or fill in "
        "model and instructions.",
        "api_closed_and_no_profile": "OpenAI has closed the Assistants API and no longer reads this Assistant ID. "
        "Enter the model and the instructions, or paste the assistant's JSON.",
        "model_not_found": "The model does not exist or the API key has no access to it. Choose another under "
        "“Model and instructions”, or allow this one in the OpenAI project.",
    },
}


def message(code: str, locale: Locale) -> str:
    """Why a request was refused, and what to do, by the code of the error."""
    texts = _MESSAGES[locale]
    return texts.get(code, texts["internal_error"])


def check_remedy(failure: Failure, reason: str | None, locale: Locale) -> str:
    """What somebody in the company can do about a test that failed."""
    return _REMEDIES[locale].get(reason or "", remedy(failure, locale))
