"""Restarting everything under load, one process after the other, as an upgrade does: `python -m tests.faults.rolling`.

Two `bytegpt web` behind nginx with deploy/nginx.conf, and two workers. Each is told to stop, and started anew when it
has ended, as systemd does it; then it is the next one's turn.
"""

import logging
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import click

from app.childprocess import ChildProcess
from sandbox.stack import DOOR, Stack, free_port
from tests.faults.soak.books import NOTHING, Books
from tests.faults.soak.crew import STOP_SECONDS, Crew
from tests.faults.soak.endurance import quiet
from tests.faults.soak.marks import Tally
from tests.faults.soak.scene import PATIENCE_SECONDS, SETTINGS, TURN_SECONDS, Scene, companies_of, kommo, openai
from tests.waiting import wait_until

CONFIG = Path(__file__).parents[2] / "deploy/nginx.conf"
MACHINES = 2


@dataclass(frozen=True, slots=True)
class Rolled:
    """What came of it. slowest: seconds until the slowest webhook was answered. tally: tried counts restarts."""

    webs: int
    workers: int
    slowest: float
    tally: Tally


def why_no_nginx() -> str | None:
    """Why this cannot be tried here."""
    return None if _nginx() else "needs nginx (Debian: apt-get install nginx-light)"


def rolled(directory: Path, rate: float, seconds: float, seed: int) -> Rolled:
    """Restart everything for so long, while so many webhooks come in a second."""
    with _scene(directory, rate) as scene:
        dice = Random(seed)
        webs = workers = 0
        with scene.under_load(dice) as load:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                for crew in scene.crews:
                    scene.mark()
                    _restart_web(crew)
                    webs += 1
                    scene.mark()
                    _restart_worker(crew)
                    workers += 1
            wait_until(lambda: load.answered_since(scene.marks[-1].at), PATIENCE_SECONDS)
        quiet(scene)
        tally = scene.books.look(load.said, scene.marks, NOTHING)
        if tally.refused:
            tally.breaches.append(f"{tally.refused} webhooks were refused")
        tally.breaches += [told for crew in scene.crews for told in crew.died_alone()]
        return Rolled(webs, workers, max(said.webhook.latency or 0.0 for said in load.said), tally)


def _restart_web(crew: Crew) -> None:
    crew.door.send_signal(signal.SIGTERM)
    crew.door.wait(STOP_SECONDS)
    crew.open_door()
    crew.wait_until_ready()


def _restart_worker(crew: Crew) -> None:
    (hand,) = crew.hands
    hand.process.send_signal(signal.SIGTERM)
    hand.process.wait(STOP_SECONDS)
    crew.replace(hand)
    crew.wait_until_ready()


@contextmanager
def _scene(directory: Path, rate: float) -> Iterator[Scene]:
    front = free_port()
    with ExitStack() as context:
        settings = {**SETTINGS, "PUBLIC_URL": f"http://127.0.0.1:{front}"}
        stack = context.enter_context(Stack(directory, settings=settings, kommo=kommo(), openai=openai()))
        ports = [free_port() for _ in range(MACHINES)]
        crews = [Crew(stack, 1, {"PORT": str(port)}) for port in ports]
        companies = companies_of(stack)
        for crew in crews:
            context.callback(crew.stop)
            crew.start()
        context.enter_context(_running_nginx(directory, front, ports))
        books = Books(stack, companies, TURN_SECONDS)
        yield Scene(stack, crews, companies, books, rate, doors=[f"http://127.0.0.1:{front}{DOOR}"])


@contextmanager
def _running_nginx(directory: Path, port: int, upstream: Sequence[int]) -> Iterator[None]:
    config = directory / "nginx.conf"
    config.write_text(rendered(CONFIG.read_text(), directory, port, upstream))
    with (directory / "nginx.out").open("wb") as output:
        nginx = ChildProcess([_nginx() or "", "-p", str(directory), "-c", str(config)], output=output)
    try:
        wait_until((directory / "nginx.pid").exists)
        yield
    finally:
        nginx.send_signal(signal.SIGTERM)
        nginx.wait(STOP_SECONDS)


def rendered(config: str, directory: Path, port: int, upstream: Sequence[int]) -> str:
    """The configuration that operators get, with these addresses and files, and without TLS."""
    _, server = config.split("server {\n    listen 80;")
    _, _, secure = server.partition("server {\n")
    head = config.partition("server {\n    listen 80;")[0]
    secure = re.sub(r"^ *(ssl_\w+|listen \[::\]).*\n", "", secure, flags=re.MULTILINE)
    secure = re.sub(r"listen 443[^;]*;", f"listen 127.0.0.1:{port};", secure)
    servers = iter(upstream)
    head = re.sub(r"server 127\.0\.0\.1:\d+", lambda _: f"server 127.0.0.1:{next(servers)}", head)
    http = f"{head}server {{\n{secure}".replace("/var/log/nginx", str(directory))
    temporary = "".join(
        f"{kind}_temp_path {directory};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"daemon off;\npid {directory}/nginx.pid;\nerror_log {directory}/error.log;\n"
        f"events {{}}\nhttp {{\n{temporary}{http}}}\n"
    )


def _nginx() -> str | None:
    # Debian has it where only root's PATH leads.
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


@click.command()
@click.option("--seconds", default=120.0, show_default=True, help="For how long.")
@click.option("--rate", default=20.0, show_default=True, help="Webhooks a second.")
@click.option("--seed", default=1, show_default=True, help="Of who writes what.")
def main(seconds: float, rate: float, seed: int) -> None:
    """Restart web and workers one after the other under load."""
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    if why := why_no_nginx():
        raise click.ClickException(why)
    version = subprocess.run([_nginx() or "", "-v"], capture_output=True, text=True, check=True).stderr.strip()
    with tempfile.TemporaryDirectory(prefix="rolling-") as directory:
        found = rolled(Path(directory), rate, seconds, seed)
    tally = found.tally
    click.echo(f"{version}; {rate:g} webhooks a second for {seconds:g} s, seed {seed}")
    for name, value in (
        ("restarts of web", found.webs),
        ("restarts of a worker", found.workers),
        ("turns in flight at the restarts", tally.in_flight),
        ("webhooks accepted", tally.turns),
        ("webhooks refused", tally.refused),
        ("turns lost", tally.lost),
        ("turns doubled", tally.doubled),
        ("turns mischarged", tally.mischarged),
        ("turns late", tally.late),
        ("turns told a failure", tally.failed),
        ("slowest webhook, s", f"{found.slowest:.2f}"),
        ("next turn answered after, s, at most", f"{max(tally.next_answered):.1f}"),
    ):
        click.echo(f"| {name:<38} | {value:>6} |")
    for breach in tally.breaches[:20]:
        click.echo(breach, err=True)
    sys.exit(1 if tally.breaches else 0)


if __name__ == "__main__":
    main()
