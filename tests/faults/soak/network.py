"""Two machines with addresses of their own, each with web and workers, on one Redis.

Network namespaces, and a bridge between them.
"""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

from app.storage.embedded import EmbeddedRedis
from sandbox.kommo_jwt import TokenStyle
from sandbox.kommo_server import KommoSimulator
from sandbox.kommo_webhook import WebhookStyle
from sandbox.openai_server import OpenAISimulator
from sandbox.stack import DOOR, Stack
from tests.faults.soak.books import Allowed, Books
from tests.faults.soak.crew import Crew
from tests.faults.soak.kind import Kind
from tests.faults.soak.scene import SETTINGS, TURN_SECONDS, Scene, companies_of

# Of documentation and benchmarks (RFC 2544): no machine's own network.
NETWORK = "198.19.7"
HUB = f"{NETWORK}.1"
PORT = "8000"
PUBLIC_URL = "http://bot.example.com"
LONGEST_CUT = 8.0


class HubRedis(EmbeddedRedis):
    """A server that both machines reach."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir, tcp=True, arguments=["--bind", f"127.0.0.1 {HUB}"])

    @property
    def url(self) -> str:
        """For REDIS_URL."""
        return f"redis://:{self._password}@{HUB}:{self._port}/0"


class Machine:
    """A network namespace with one address, behind a bridge that it can be cut off from; a context manager."""

    def __init__(self, bridge: str, number: int) -> None:
        self.address = f"{NETWORK}.{number + 2}"
        self._bridge = bridge
        self._name = f"{bridge}-{number}"
        self._cable = f"{bridge}v{number}"

    def __enter__(self) -> "Machine":
        ip("netns", "add", self._name)
        ip("link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", self._name)
        ip("link", "set", self._cable, "master", self._bridge, "up")
        ip("-n", self._name, "link", "set", "lo", "up")
        ip("-n", self._name, "address", "add", f"{self.address}/24", "dev", "eth0")
        ip("-n", self._name, "link", "set", "eth0", "up")
        return self

    def __exit__(self, *_: object) -> None:
        ip("netns", "delete", self._name)

    @property
    def inside(self) -> tuple[str, ...]:
        """The command line that runs what follows it on this machine."""
        return ("ip", "netns", "exec", self._name)

    def cut_off(self) -> None:
        """Let every packet from and to it be lost."""
        ip("link", "set", self._cable, "nomaster")

    def join(self) -> None:
        """Let packets pass again."""
        ip("link", "set", self._cable, "master", self._bridge)


def ip(*arguments: str) -> None:
    """Run iproute2."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def why_no_network() -> str | None:
    """Why no machines can be made here."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("ip") is None:
        return "needs Linux, iproute2, and root to make network namespaces"
    return None


@contextmanager
def _bridge() -> Iterator[str]:
    name = f"bg{secrets.token_hex(3)}"
    ip("link", "add", name, "type", "bridge")
    try:
        ip("address", "add", f"{HUB}/24", "dev", name)
        ip("link", "set", name, "up")
        yield name
    finally:
        ip("link", "delete", name)


@contextmanager
def network_scene(directory: Path, rate: float) -> Iterator[Scene]:
    """Two machines with two workers each; Redis and the partners stand on a third one."""
    with ExitStack() as context:
        bridge = context.enter_context(_bridge())
        machines = [context.enter_context(Machine(bridge, number)) for number in range(2)]
        stack = Stack(
            directory,
            settings={**SETTINGS, "PUBLIC_URL": PUBLIC_URL, "PORT": PORT},
            kommo=KommoSimulator(rate=None, host=HUB),
            openai=OpenAISimulator(calls_kept=1000, host=HUB),
            server=HubRedis(directory / "redis"),
        )
        context.enter_context(stack)
        crews = [Crew(stack, 2, {"BIND": machine.address}, machine.inside) for machine in machines]
        companies = companies_of(stack)
        for crew in crews:
            context.callback(crew.stop)
            crew.start()
        yield Scene(
            stack,
            crews,
            companies,
            Books(stack, companies, TURN_SECONDS),
            rate,
            style=WebhookStyle(token=TokenStyle(claims={"aud": PUBLIC_URL})),
            doors=[f"http://{machine.address}:{PORT}{DOOR}" for machine in machines],
            machines=machines,
        )


def cut_off(scene: Scene, dice: Random) -> None:
    machine = dice.choice(scene.machines)
    scene.mark()
    machine.cut_off()
    scene.linger(dice, LONGEST_CUT)
    machine.join()


# Whoever is cut off is cut off from OpenAI, too, and cannot know that it is not to blame.
CUT_OFF = Allowed(failures=True)

NETWORKED = (
    Kind(
        "machine-cut-off",
        "one of two machines cut off, up to 8 s",
        cut_off,
        10,
        2,
        2.0,
        CUT_OFF,
        network_scene,
        why_no_network,
    ),
)
