"""What stands in the pictures of bots, in three languages. What the widget itself says comes from its i18n files."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from app.domain.accounts import Locale


@dataclass(frozen=True, slots=True)
class Words:
    """Words of one language. tasks: what the step of each handler of sandbox.flows is told to do."""

    trigger: str
    trigger_text: str
    widget: str
    one_request: str
    tasks: Mapping[str, str]
    pause: str
    pause_text: str
    message: str
    condition: str
    yes: str
    no: str
    end: str
    team_goes_on: str
    message_is: str
    person: str
    calling: str
    part: str
    asks: str
    waits: str
    goes_to: str
    when: str
    otherwise: str
    or_: str
    shows: str
    leaves_by: str
    client: str
    bot: str
    note: str
    question: str
    answer: str
    when_answered: str
    when_failed: str
    titles: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class WidgetWords:
    """What the widget calls its step and the exits of it."""

    step: str
    exits: Mapping[str, str]


@cache
def widget_words(locale: Locale) -> WidgetWords:
    """The words of widget/package/i18n, as Kommo's designer shows them."""
    texts = json.loads(files("widget").joinpath("package", "i18n", f"{locale}.json").read_text("utf-8"))["salesbot"]
    return WidgetWords(texts["handler_name"], {"success": texts["exit_success"], "fail": texts["exit_fail"]})


WORDS: dict[Locale, Words] = {
    "pt": Words(
        trigger="Gatilho",
        trigger_text="O cliente envia a primeira mensagem",
        widget="Widget",
        one_request="1 requisição",
        tasks={
            "ask_name": "Instruções: cumprimente e pergunte o nome.",
            "ask_product": "Instruções: pergunte qual produto interessa.",
            "product_details": "Instruções: explique o produto escolhido.",
        },
        pause="Pausa",
        pause_text="Até receber uma mensagem",
        message="Mensagem",
        condition="Condição",
        yes="Sim",
        no="Não",
        end="Fim do bot",
        team_goes_on="A equipe continua a conversa",
        message_is="A mensagem do cliente é",
        person="atendente",
        calling="Certo! Vou chamar alguém da equipe.",
        part="Parte",
        asks="Envia ao ByteGPT:",
        waits="Espera a resposta do ByteGPT.",
        goes_to="Segue na parte",
        when="Se",
        otherwise="Senão,",
        or_="ou",
        shows="Mostra ao cliente",
        leaves_by="Sai por",
        client="Cliente",
        bot="Bot",
        note="Nota no lead, só a equipe vê",
        question="Vocês entregam no sábado?",
        answer="Sim! Entregamos aos sábados, das 8h às 14h.",
        when_answered="Quando dá certo",
        when_failed="Quando falha",
        titles={
            "loop": "O bot que responde a todas as mensagens: gatilho, passo do ByteGPT, pausa, e de volta ao passo",
            "inside": "O que o passo do ByteGPT faz por dentro: pergunta, espera, mostra a resposta e sai",
            "three-steps": "Um bot com três passos do ByteGPT: três requisições",
            "handover": "O bot que passa a conversa para uma pessoa, a pedido do cliente ou quando a resposta falha",
            "chat": "O que o cliente lê quando a resposta chega e quando ela falha, e a nota que a equipe recebe",
        },
    ),
    "es": Words(
        trigger="Disparador",
        trigger_text="El cliente envía el primer mensaje",
        widget="Widget",
        one_request="1 solicitud",
        tasks={
            "ask_name": "Instrucciones: salude y pregunte el nombre.",
            "ask_product": "Instrucciones: pregunte qué producto interesa.",
            "product_details": "Instrucciones: explique el producto elegido.",
        },
        pause="Pausa",
        pause_text="Hasta recibir un mensaje",
        message="Mensaje",
        condition="Condición",
        yes="Sí",
        no="No",
        end="Fin del bot",
        team_goes_on="El equipo sigue la conversación",
        message_is="El mensaje del cliente es",
        person="agente",
        calling="¡Claro! Voy a llamar a alguien del equipo.",
        part="Parte",
        asks="Envía a ByteGPT:",
        waits="Espera la respuesta de ByteGPT.",
        goes_to="Sigue en la parte",
        when="Si",
        otherwise="Si no,",
        or_="o",
        shows="Muestra al cliente",
        leaves_by="Sale por",
        client="Cliente",
        bot="Bot",
        note="Nota en el lead, solo la ve el equipo",
        question="¿Entregan los sábados?",
        answer="¡Sí! Entregamos los sábados de 8:00 a 14:00.",
        when_answered="Cuando sale bien",
        when_failed="Cuando falla",
        titles={
            "loop": "El bot que responde a todos los mensajes: disparador, paso de ByteGPT, pausa, y de vuelta al paso",
            "inside": "Lo que hace por dentro el paso de ByteGPT: pregunta, espera, muestra la respuesta y sale",
            "three-steps": "Un bot con tres pasos de ByteGPT: tres solicitudes",
            "handover": "El bot que pasa la conversación a una persona, si el cliente lo pide o si la respuesta falla",
            "chat": "Lo que lee el cliente cuando la respuesta llega y cuando falla, y la nota que recibe el equipo",
        },
    ),
    "en": Words(
        trigger="Trigger",
        trigger_text="The client sends the first message",
        widget="Widget",
        one_request="1 request",
        tasks={
            "ask_name": "Instructions: greet, and ask for the name.",
            "ask_product": "Instructions: ask which product is wanted.",
            "product_details": "Instructions: explain the chosen product.",
        },
        pause="Pause",
        pause_text="Until a message is received",
        message="Message",
        condition="Condition",
        yes="Yes",
        no="No",
        end="End of the bot",
        team_goes_on="Your team goes on",
        message_is="The client's message is",
        person="person",
        calling="Of course! I am calling somebody from our team.",
        part="Part",
        asks="Sends to ByteGPT:",
        waits="Waits for ByteGPT's answer.",
        goes_to="Goes on in part",
        when="If",
        otherwise="Otherwise,",
        or_="or",
        shows="Shows the client",
        leaves_by="Leaves by",
        client="Client",
        bot="Bot",
        note="Note on the lead, seen by your team only",
        question="Do you deliver on Saturdays?",
        answer="Yes! We deliver on Saturdays from 8 am to 2 pm.",
        when_answered="When it works",
        when_failed="When it fails",
        titles={
            "loop": "The bot that answers every message: trigger, ByteGPT step, pause, and back to the step",
            "inside": "What the ByteGPT step does inside: ask, wait, show the answer, and leave",
            "three-steps": "A bot with three steps of ByteGPT: three requests",
            "handover": "The bot that hands over to a person, if the client asks for it or if the answer fails",
            "chat": "What the client reads when the answer arrives and when it fails, and the note that your team gets",
        },
    ),
}
