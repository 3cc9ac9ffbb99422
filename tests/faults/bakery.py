"""A company with a bot at a service of its own, whose processes a test starts, stops, kills and freezes."""

from http.client import HTTPConnection, HTTPException

from app.childprocess import ChildProcess
from app.domain.turn import Timing
from app.storage.presence import RedisPresence
from sandbox.flows import recommended_flow
from sandbox.kommo_chat import Client
from sandbox.kommo_webhook import SentWebhook
from sandbox.stack import Stack
from tests.faults.evidence import Witness
from tests.waiting import wait_until

# Long against what a worker needs to start on a busy machine.
TURN_SECONDS = 30
LEASE = Timing(turn=TURN_SECONDS, patience=TURN_SECONDS).lease
SETTINGS = {"TURN_DEADLINE": str(TURN_SECONDS), "DELIVERY_PATIENCE": str(TURN_SECONDS)}
PATIENCE = 20.0


class Bakery:
    """A company under test, the service around it, and what its clients say."""

    def __init__(self, stack: Stack, web: ChildProcess | None = None) -> None:
        """web: of the service, where it runs already."""
        self.stack = stack
        self.company = stack.add_company("Padaria", plan="bakery")
        self.company.kommo.add_bot(recommended_flow(stack.door))
        self.witness = Witness(stack, self.company)
        self.web: ChildProcess
        self._workers: list[ChildProcess] = []
        if web is None:
            self.start_web()
        else:
            self.web = web

    def start_web(self) -> None:
        """Start the web process; wait until it takes webhooks."""
        (self.web,) = self.stack.start("web")
        wait_until(self._takes_webhooks, PATIENCE)

    def _takes_webhooks(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self.stack.port, timeout=2)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def worker(self) -> ChildProcess:
        """One more worker that is ready to answer."""
        presence = RedisPresence(self.stack.redis)
        before = set(presence.living())
        (worker,) = self.stack.start("worker")
        self._workers.append(worker)
        wait_until(lambda: set(presence.living()) - before, PATIENCE)
        return worker

    def close(self) -> None:
        """Leave the service to another company: without workers, and OpenAI without faults."""
        for worker in self._workers:
            worker.kill_group()
            worker.wait(PATIENCE)
        self.stack.openai.clear_faults()

    def log_of(self, process: ChildProcess) -> str:
        """What this process has printed."""
        (log,) = [file for file in self.stack.log_files if f"-{process.pid}-" in file.read_text()]
        return log.read_text()

    def client(self, number: int = 1) -> Client:
        """A new client."""
        return self.company.kommo.client(f"Cliente {number}")

    def say(self, client: Client, text: str) -> SentWebhook:
        """Write a message, and see that it is accepted."""
        client.say(text)
        webhook = client.webhooks[-1].wait()
        assert webhook.accepted
        return webhook

    def wait_for_step(self, webhook: SentWebhook, name: str) -> None:
        """Return when this has happened to a turn."""
        wait_until(lambda: self.witness.step_at(webhook, name), PATIENCE)

    def wait_until_openai_answers(self, webhook: SentWebhook) -> None:
        """Return when OpenAI has begun to answer, and the books know which answer it is.

        Not before: whoever takes over a turn whose answer nobody noted has to ask again.
        """
        self.wait_for_step(webhook, "answer_begun")

    def wait_for_the_end(self) -> None:
        """Return when no turn is open."""
        wait_until(lambda: not self.witness.open_turns(), PATIENCE)


def reply(text: str, number: int = 1) -> str:
    """What the company's assistant says to a client's message of this number."""
    return f"[Padaria] Mensagem {number}: {text}"
