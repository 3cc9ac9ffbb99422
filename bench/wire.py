"""What one turn looks like on the wire, as recorded from the real service between the simulated partners.

Everything that is compared sends these requests and gets these answers; only the number of the turn differs. Standard
library only: the environment of the peers reads it too.
"""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

# The number of a turn stands in the client's text and comes back in the assistant's: always so many digits, so that the
# sizes of all messages are those of the recording.
RECORDED_NUMBER = b"#0000000"
NUMBER = re.compile(rb"#(\d{7})")
MESSAGE = "Pedido {number}: boa tarde, vocês ainda entregam hoje no Água Verde, e quanto fica o frete?"
ANSWER = (
    "Sobre o pedido {number}: entregamos hoje no Água Verde até as 20h. O frete fica em R$ 9,90 e é grátis acima de "
    "R$ 120,00. Se quiser, já separo tudo e envio o link de pagamento por aqui mesmo; o prazo conta a partir da "
    "confirmação. Posso ajudar com mais alguma coisa?"
)
INSTRUCTIONS = (
    "Você é a assistente da padaria Doce Manhã, em Curitiba. Responda em português, com simpatia e em poucas frases. "
    "Entregamos de terça a domingo, das 8h às 20h, nos bairros Água Verde, Batel, Centro e Portão. Não prometa "
    "descontos. Se não souber a resposta, diga que uma pessoa da equipe vai responder em seguida."
)


def told(number: int) -> str:
    """The number of a turn as it stands in texts."""
    return f"#{number:07d}"


@dataclass(frozen=True, slots=True)
class Recording:
    """One turn of a client who has written before.

    question, reply: bodies of POST /v1/responses and of the continue call, as the service sends them.
    conversation, accepted: the answers to POST /v1/conversations and to the continue call, all their bytes as latin-1.
    answer: the streamed answer in the same way, one text for each moment at which something is sent.
    """

    question: dict[str, Any]
    reply: dict[str, Any]
    conversation: str
    accepted: str
    answer: list[str]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        return cls(**json.loads(path.read_text()))

    def save(self, path: Path) -> None:
        """Keep it for other processes."""
        path.write_text(json.dumps(asdict(self)))
