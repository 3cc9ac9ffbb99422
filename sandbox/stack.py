"""The whole service on this machine: real web and worker processes and a real Redis, between the simulated partners."""

import os
import random
import secrets
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from cryptography.fernet import Fernet
from redis import Redis

from app.childprocess import ChildProcess
from app.domain.accounts import Account, Secrets
from app.domain.assistants import Profile
from app.domain.plans import Plan
from app.storage.accounts import RedisAccounts
from app.storage.connection import connect
from app.storage.embedded import EmbeddedRedis
from app.storage.plans import RedisPlans
from app.storage.sealing import Sealer
from sandbox.kommo_accounts import Account as KommoAccount
from sandbox.kommo_server import KommoSimulator
from sandbox.openai_server import OpenAISimulator

READY_SECONDS = 30.0
DOOR = "/kommo/salesbot"


class Company:
    """A company in all three places: its Kommo account, its project at OpenAI, and its account at ByteGPT."""

    def __init__(self, kommo: KommoAccount, account: Account, project: str) -> None:
        self.kommo = kommo
        self.account = account
        self.project = project


class Stack:
    """Redis, the simulated partners, and processes of ByteGPT that are started when they are asked for.

    settings: environment variables over the ones that point to the simulated partners.
    Everything it started is gone when the context ends. Logs of the processes stand in `directory`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        settings: Mapping[str, str] | None = None,
        kommo: KommoSimulator | None = None,
        openai: OpenAISimulator | None = None,
        server: EmbeddedRedis | None = None,
    ) -> None:
        """server: another Redis than one of its own in `directory`."""
        self.directory = directory
        self.kommo = kommo or KommoSimulator(rate=None)
        self.openai = openai or OpenAISimulator()
        self.server = server or EmbeddedRedis(directory / "redis")
        self.port = free_port()
        self.redis: Redis
        self.accounts: RedisAccounts
        self.environment: dict[str, str] = {}
        self._settings = dict(settings or {})
        self._context = ExitStack()
        self._children: list[ChildProcess] = []
        self._logs: list[IO[bytes]] = []

    def __enter__(self) -> Self:
        with ExitStack() as context:
            for part in (self.server, self.kommo, self.openai):
                context.enter_context(part)
            context.callback(self._end_children)
            self.environment = self._environment()
            self.redis = context.enter_context(connect(self.server.url, for_web=False, max_connections=8))
            self.accounts = RedisAccounts(self.redis, self.sealer)
            self._context = context.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._context.close()

    @property
    def url(self) -> str:
        """Where the web process listens; also PUBLIC_URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def door(self) -> str:
        """Where webhooks go."""
        return self.url + DOOR

    @property
    def callback(self) -> str:
        """Where codes go: the redirect URI of integrations that are installed through OAuth."""
        return f"{self.url}/kommo/oauth/callback"

    @property
    def revoked(self) -> str:
        """Where Kommo says that an account has taken its access back."""
        return f"{self.url}/kommo/oauth/revoked"

    @property
    def sealer(self) -> Sealer:
        """Reads what the service has sealed."""
        return Sealer(self.environment["ENCRYPTION_KEYS"].split(","))

    @property
    def log_files(self) -> list[Path]:
        """What the processes have printed."""
        return sorted(self.directory.glob("*.log"))

    def start(self, *commands: str) -> list[ChildProcess]:
        """Start `bytegpt` commands, each as a process; all of web and worker are up when `wait_until_ready` returns."""
        children = []
        for command in commands:
            log = (self.directory / f"{len(self._children)}-{command}.log").open("wb")
            self._logs.append(log)
            children.append(ChildProcess(self.argv(command), environment=self.environment, output=log))
            self._children.append(children[-1])
        return children

    def argv(self, *arguments: str) -> list[str]:
        """The command line of a `bytegpt` command."""
        return [sys.executable, "-m", "app.cli.main", *arguments]

    def wait_until_ready(self, seconds: float = READY_SECONDS) -> None:
        """Return when web answers, Redis is there and a worker lives. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._is_ready():
                return
            time.sleep(0.05)
        raise TimeoutError(f"the service is not ready after {seconds} s; its logs are in {self.directory}")

    def add_plan(self, name: str, requests: int) -> None:
        """Put a plan on sale."""
        RedisPlans(self.redis).set(Plan(name, requests))

    def add_company(self, name: str, **fields: Any) -> Company:
        """A company whose messages can be answered. fields: of domain.accounts.Account, over a working set.

        Its assistant is a profile; with `profile=None` and an `assistant_id` (`asst_…`, `pmpt_…`) it is what that says.
        """
        kommo = self.kommo.add_account(name)
        key = f"sk-{secrets.token_urlsafe(24)}"
        self.openai.add_key(key, name)
        account = Account(
            kommo.account_id,
            kommo.subdomain,
            client_id=kommo.integration.client_id,
            profile=Profile(model="gpt-6-luna", instructions=f"Assistant of {name}."),
            secrets=Secrets(openai_api_key=key, access_token=kommo.long_lived_token()),
        )
        account = replace(account, **fields)
        self._add_assistant(account, name)
        return Company(kommo, self.accounts.add(account, kommo.integration.secret), name)

    def _add_assistant(self, account: Account, project: str) -> None:
        given = account.assistant_id or ""
        if given.startswith("asst_"):
            self.openai.add_assistant(given, project, instructions=f"Assistant of {project}.")
        elif given.startswith("pmpt_"):
            self.openai.add_prompt(given, project, instructions=f"Assistant of {project}.")

    def _environment(self) -> dict[str, str]:
        return {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ},
            "REDIS_URL": self.server.url,
            "SECRET_KEY": secrets.token_urlsafe(32),
            "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
            "ADMIN_USERNAME": "admin",
            # Of no password. `bytegpt doctor` tries some at it, which takes seconds where the hash is a strong one.
            "ADMIN_PASSWORD_HASH": "pbkdf2:sha256:1$unused$00",
            "PUBLIC_URL": self.url,
            "PORT": str(self.port),
            "WEB_PROCESSES": "1",
            "KOMMO_BASE_URL": self.kommo.base_url,
            "KOMMO_REDIRECT_URI": self.callback,
            "KOMMO_RATE": "200",
            "KOMMO_ACCOUNT_RATE": "200",
            "OPENAI_BASE_URL": self.openai.url,
            **self._settings,
        }

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:  # noqa: S310 - our own address
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _end_children(self) -> None:
        for child in self._children:
            child.kill_group()
        for child in self._children:
            child.wait(10)
        for log in self._logs:
            log.close()


def free_port() -> int:
    """A port below the range from which the system gives ports to whoever asks for any."""
    for port in random.sample(range(20000, 30000), 100):
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
    raise RuntimeError("no port between 20000 and 30000 is free")
