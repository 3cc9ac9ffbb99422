"""What a person reads at the end of Kommo's OAuth window: what happened, and what to do next."""

from dataclasses import dataclass
from enum import StrEnum

from app.domain.accounts import Locale


class Ending(StrEnum):
    """How an installation ends as its page tells it."""

    INSTALLED = "installed"
    GOING_ON = "going_on"
    DECLINED = "declined"
    CODE_REFUSED = "code_refused"
    NOT_ADMINISTRATOR = "not_administrator"
    STATE_REFUSED = "state_refused"
    NOT_OURS = "not_ours"
    NO_WINDOW = "no_window"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Said:
    """The words of one page."""

    title: str
    what_happened: str
    what_next: str


TEXTS: dict[Locale, dict[Ending, Said]] = {
    "pt": {
        Ending.INSTALLED: Said(
            "ByteGPT conectado",
            "A sua conta da Kommo está conectada ao ByteGPT.",
            "Volte à Kommo, abra as configurações do widget ByteGPT e informe a chave de API da OpenAI e o "
            "Assistant ID. Você já pode fechar esta página.",
        ),
        Ending.GOING_ON: Said(
            "Conexão em andamento",
            "A Kommo ainda não respondeu. Continuamos tentando durante 20 minutos, mesmo com esta página fechada.",
            "Espere alguns minutos e abra as configurações do widget ByteGPT na Kommo. Se a conta ainda não estiver "
            "conectada, desinstale a integração e instale-a de novo.",
        ),
        Ending.DECLINED: Said(
            "Acesso não concedido",
            "O acesso à conta foi recusado na janela da Kommo. Nada foi alterado.",
            "Para usar o ByteGPT, um administrador da conta precisa permitir o acesso.",
        ),
        Ending.CODE_REFUSED: Said(
            "A conexão não foi concluída",
            "A Kommo não aceitou o código desta autorização: ele vale uma única vez e por 20 minutos. "
            "Nada foi alterado.",
            "Abra a integração na Kommo e instale-a de novo.",
        ),
        Ending.NOT_ADMINISTRATOR: Said(
            "É preciso ser administrador",
            "Só um administrador da conta pode conectar o ByteGPT. O acesso que já existia continua valendo.",
            "Peça a um administrador da sua conta da Kommo que faça a conexão.",
        ),
        Ending.STATE_REFUSED: Said(
            "Este link não vale mais",
            "O link de conexão vale uma única vez e por 15 minutos. Nada foi alterado.",
            "Volte à página de onde você veio e comece de novo.",
        ),
        Ending.NOT_OURS: Said(
            "Não foi possível conectar",
            "Este endereço não veio de uma instalação do ByteGPT na Kommo. Nada foi alterado.",
            "Abra a integração na Kommo e instale-a por lá.",
        ),
        Ending.NO_WINDOW: Said(
            "Não há janela de autorização",
            "Este servidor do ByteGPT não conhece o endereço da janela de autorização da Kommo.",
            "Abra a integração na Kommo e instale-a por lá.",
        ),
        Ending.UNAVAILABLE: Said(
            "ByteGPT indisponível no momento",
            "Não conseguimos concluir a conexão agora. Nada foi alterado.",
            "Espere um minuto e instale a integração de novo na Kommo.",
        ),
    },
    "es": {
        Ending.INSTALLED: Said(
            "ByteGPT conectado",
            "Su cuenta de Kommo está conectada a ByteGPT.",
            "Vuelva a Kommo, abra la configuración del widget ByteGPT e indique la clave de API de OpenAI y el "
            "Assistant ID. Ya puede cerrar esta página.",
        ),
        Ending.GOING_ON: Said(
            "Conexión en curso",
            "Kommo todavía no ha respondido. Seguimos intentándolo durante 20 minutos, aunque cierre esta página.",
            "Espere unos minutos y abra la configuración del widget ByteGPT en Kommo. Si la cuenta aún no está "
            "conectada, desinstale la integración e instálela de nuevo.",
        ),
        Ending.DECLINED: Said(
            "Acceso no concedido",
            "El acceso a la cuenta se rechazó en la ventana de Kommo. No se ha cambiado nada.",
            "Para usar ByteGPT, un administrador de la cuenta tiene que permitir el acceso.",
        ),
        Ending.CODE_REFUSED: Said(
            "La conexión no se completó",
            "Kommo no aceptó el código de esta autorización: vale una sola vez y durante 20 minutos. "
            "No se ha cambiado nada.",
            "Abra la integración en Kommo e instálela de nuevo.",
        ),
        Ending.NOT_ADMINISTRATOR: Said(
            "Hace falta ser administrador",
            "Solo un administrador de la cuenta puede conectar ByteGPT. El acceso que ya existía sigue siendo válido.",
            "Pida a un administrador de su cuenta de Kommo que haga la conexión.",
        ),
        Ending.STATE_REFUSED: Said(
            "Este enlace ya no es válido",
            "El enlace de conexión vale una sola vez y durante 15 minutos. No se ha cambiado nada.",
            "Vuelva a la página de la que vino y empiece de nuevo.",
        ),
        Ending.NOT_OURS: Said(
            "No se pudo conectar",
            "Esta dirección no viene de una instalación de ByteGPT en Kommo. No se ha cambiado nada.",
            "Abra la integración en Kommo e instálela desde allí.",
        ),
        Ending.NO_WINDOW: Said(
            "No hay ventana de autorización",
            "Este servidor de ByteGPT no conoce la dirección de la ventana de autorización de Kommo.",
            "Abra la integración en Kommo e instálela desde allí.",
        ),
        Ending.UNAVAILABLE: Said(
            "ByteGPT no está disponible en este momento",
            "No pudimos completar la conexión ahora. No se ha cambiado nada.",
            "Espere un minuto e instale de nuevo la integración en Kommo.",
        ),
    },
    "en": {
        Ending.INSTALLED: Said(
            "ByteGPT is connected",
            "Your Kommo account is connected to ByteGPT.",
            "Go back to Kommo, open the settings of the ByteGPT widget and enter the OpenAI API key and the "
            "Assistant ID. You can close this page.",
        ),
        Ending.GOING_ON: Said(
            "Still connecting",
            "Kommo has not answered yet. We go on trying for 20 minutes, also when this page is closed.",
            "Wait some minutes and open the settings of the ByteGPT widget in Kommo. If the account is not connected "
            "by then, uninstall the integration and install it again.",
        ),
        Ending.DECLINED: Said(
            "Access was not granted",
            "Access to the account was declined in Kommo's window. Nothing was changed.",
            "To use ByteGPT, an administrator of the account has to allow the access.",
        ),
        Ending.CODE_REFUSED: Said(
            "The connection was not completed",
            "Kommo did not accept the code of this authorization: it works once and for 20 minutes. "
            "Nothing was changed.",
            "Open the integration in Kommo and install it again.",
        ),
        Ending.NOT_ADMINISTRATOR: Said(
            "Only for administrators",
            "Only an administrator of the account can connect ByteGPT. The access that was there is still valid.",
            "Ask an administrator of your Kommo account to connect it.",
        ),
        Ending.STATE_REFUSED: Said(
            "This link is no longer valid",
            "The link works once and for 15 minutes. Nothing was changed.",
            "Go back to the page that you came from and begin again.",
        ),
        Ending.NOT_OURS: Said(
            "Could not connect",
            "This address does not come from an installation of ByteGPT in Kommo. Nothing was changed.",
            "Open the integration in Kommo and install it there.",
        ),
        Ending.NO_WINDOW: Said(
            "There is no authorization window",
            "This ByteGPT server does not know the address of Kommo's authorization window.",
            "Open the integration in Kommo and install it there.",
        ),
        Ending.UNAVAILABLE: Said(
            "ByteGPT is not available at the moment",
            "We could not complete the connection now. Nothing was changed.",
            "Wait a minute and install the integration in Kommo again.",
        ),
    },
}
