"""Every setting of ByteGPT, read once from the environment (contract 2). Only entry points read it.

One field below is one setting: its name, its default, its meaning and how its text is read. The table in the README
is printed from the same fields (config/reference.py).
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, Literal, cast

from dotenv import dotenv_values
from environs import Env, EnvValidationError

from app.domain.accounts import Locale
from config import readers
from config.readers import Egress, Reader

OpenAiApi = Literal["auto", "assistants", "responses"]

CALLBACK_PATH = "/kommo/oauth/callback"


class ConfigError(Exception):
    """Settings are missing or wrong. The message names every one of them and repeats none of their values.

    problems: one for each of them, beginning with its name; empty where it is something else than a setting.
    """

    def __init__(self, message: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Definition:
    """One setting as its field in Settings describes it.

    default: its text, read like a given one. absent: the value where it is not set and has no default.
    default_shown: what the README says in place of the default.
    """

    name: str
    meaning: str
    read: Reader[Any]
    default: str | None
    absent: Any
    default_shown: str | None


def _setting(
    name: str,
    meaning: str,
    read: Reader[Any],
    default: str | None = None,
    *,
    absent: Any = None,
    default_shown: str | None = None,
    secret: bool = False,
) -> Any:
    definition = Definition(name, meaning, read, default, absent, default_shown)
    return field(metadata={"definition": definition}, repr=not secret)


_LOCALLY_GENERATED = "generated without `REDIS_URL`, else required"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one process. repr() shows no secret.

    Where REDIS_URL is not set, redis_url, secret_key, encryption_keys and the admin's fields may be None or empty:
    config.local fills them for an installation on one machine.
    """

    redis_url: str | None = _setting(
        "REDIS_URL",
        "`redis://`, `rediss://`, `unix://`, or `redis+sentinel://host:port,host:port/service/db`",
        readers.redis_url,
        default_shown="none: embedded",
        secret=True,
    )
    data_dir: Path = _setting(
        "BYTEGPT_DATA_DIR",
        "data of the embedded Redis and generated secrets of an installation on one machine",
        readers.directory,
        "./.bytegpt",
    )
    secret_key: str | None = _setting(
        "SECRET_KEY",
        "signs the console's sessions",
        readers.text,
        default_shown=_LOCALLY_GENERATED,
        secret=True,
    )
    encryption_keys: tuple[str, ...] = _setting(
        "ENCRYPTION_KEYS",
        "Fernet keys, separated by commas: the first encrypts, all decrypt",
        readers.fernet_keys,
        absent=(),
        default_shown=_LOCALLY_GENERATED,
        secret=True,
    )
    public_url: str = _setting(
        "PUBLIC_URL",
        "where Kommo reaches the service; the expected `aud` of its tokens is built from it",
        readers.origin,
        "http://127.0.0.1:8000",
    )
    port: int = _setting("PORT", "port that gunicorn listens on", readers.whole_number(1, 65535), "8000")
    bind: str = _setting("BIND", "address that gunicorn listens on", readers.host_to_bind, "127.0.0.1")
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = _setting(
        "TRUSTED_PROXIES",
        "addresses and networks of proxies before gunicorn, separated by commas: where a request comes from is what "
        "their `X-Forwarded-For` says",
        readers.networks,
        "127.0.0.1,::1",
    )
    kommo_client_id: str | None = _setting(
        "KOMMO_CLIENT_ID", "id of a public integration, one for all accounts", readers.text
    )
    kommo_client_secrets: tuple[str, ...] = _setting(
        "KOMMO_CLIENT_SECRET",
        "its secret; `new,old` while it is being changed",
        readers.secrets_list,
        absent=(),
        secret=True,
    )
    kommo_redirect_uri: str | None = _setting(
        "KOMMO_REDIRECT_URI",
        "redirect URI of the integrations, to the letter as it is configured in Kommo; without it `PUBLIC_URL` with "
        "`/kommo/oauth/callback`",
        readers.redirect_uri,
    )
    kommo_base_url: str = _setting(
        "KOMMO_BASE_URL",
        "template of an account's address; `{subdomain}` may stand anywhere or be left out",
        readers.account_address,
        "https://{subdomain}.kommo.com",
    )
    openai_base_url: str = _setting(
        "OPENAI_BASE_URL", "OpenAI or any compatible server", readers.http_url, "https://api.openai.com/v1"
    )
    openai_api: OpenAiApi = _setting(
        "OPENAI_API",
        "which API assistants are asked through: `auto` decides by their id, `assistants` and `responses` override",
        readers.one_of("auto", "assistants", "responses"),
        "auto",
    )
    admin_username: str | None = _setting(
        "ADMIN_USERNAME", "who may log in to the console", readers.text, default_shown=_LOCALLY_GENERATED
    )
    admin_password_hash: str | None = _setting(
        "ADMIN_PASSWORD_HASH",
        "hash of that password, made by `bytegpt admin hash-password`",
        readers.password_hash,
        default_shown=_LOCALLY_GENERATED,
        secret=True,
    )
    web_processes: int = _setting(
        "WEB_PROCESSES", "processes that take webhooks, 8 threads each", readers.whole_number(1, 64), "2"
    )
    worker_processes: int = _setting("WORKER_PROCESSES", "processes that answer", readers.whole_number(1, 64), "1")
    worker_concurrency: int = _setting(
        "WORKER_CONCURRENCY", "turns in flight per worker process", readers.whole_number(1, 5000), "100"
    )
    turn_deadline: float = _setting(
        "TURN_DEADLINE",
        "seconds from the webhook to the continue call at the latest, from 5",
        readers.number(least=5),
        "50",
    )
    delivery_patience: float = _setting(
        "DELIVERY_PATIENCE",
        "seconds from the webhook for which an answer that exists is offered to a Kommo that is slow, down or "
        "rate-limited; less than `TURN_DEADLINE` is accepted, it gives such answers up sooner",
        readers.number(),
        "120",
    )
    openai_connect_timeout: float = _setting("OPENAI_CONNECT_TIMEOUT", "seconds to reach OpenAI", readers.number(), "5")
    openai_read_timeout: float = _setting(
        "OPENAI_READ_TIMEOUT", "seconds of silence from OpenAI at the longest, from 1", readers.number(least=1), "30"
    )
    kommo_rate: float = _setting("KOMMO_RATE", "calls a second to Kommo from one public address", readers.number(), "6")
    kommo_account_rate: float = _setting(
        "KOMMO_ACCOUNT_RATE", "calls a second to Kommo for one account", readers.number(), "5"
    )
    kommo_egress: tuple[Egress, ...] = _setting(
        "KOMMO_EGRESS",
        "name of the public address that this machine's calls to Kommo leave from; machines that share an address "
        "share the name. `name=IP,name=IP` spreads calls over several local addresses",
        readers.egress,
        "default",
    )
    default_timezone: str = _setting(
        "DEFAULT_TIMEZONE",
        "where the month begins for an account without its own",
        readers.time_zone,
        "America/Sao_Paulo",
    )
    default_locale: Locale = _setting(
        "DEFAULT_LOCALE",
        "language of texts for an account without its own: `pt`, `es`, `en`",
        readers.one_of("pt", "es", "en"),
        "pt",
    )
    log_level: str = _setting(
        "LOG_LEVEL",
        "`DEBUG`, `INFO`, `WARNING` or `ERROR`",
        readers.one_of("DEBUG", "INFO", "WARNING", "ERROR", case=str.upper),
        "INFO",
    )
    log_format: Literal["json", "console"] = _setting(
        "LOG_FORMAT", "`json`, or `console` for people", readers.one_of("json", "console"), "json"
    )
    sentry_dsn: str | None = _setting(
        "SENTRY_DSN", "where unexpected errors are reported", readers.sentry_dsn, secret=True
    )

    @property
    def redirect_uri(self) -> str:
        """Where Kommo brings codes: the same for every integration."""
        return self.kommo_redirect_uri or f"{self.public_url}{CALLBACK_PATH}"


def definitions() -> Iterator[tuple[str, Definition]]:
    """The name of each field of Settings, with its definition, in the order of the README."""
    for one in fields(Settings):
        yield one.name, cast(Definition, one.metadata["definition"])


def load_settings(
    environ: Mapping[str, str] | None = None, *, dotenv: Path | None = Path(".env"), redis_required: bool = False
) -> Settings:
    """Read and check every setting. An empty value counts as not set.

    environ: the process's own environment when None.
    dotenv: a file for development; what stands in the environment wins. It may be missing, None reads none.
    redis_required: REDIS_URL may not be left out (the processes of the Procfile).
    Raises ConfigError with all that is wrong.
    """
    given = {**_read_dotenv(dotenv), **(os.environ if environ is None else environ)}
    present = {name: value.strip() for name, value in given.items() if value.strip()}
    reader = _Reader(present)
    values = {attribute: reader.value_of(definition) for attribute, definition in definitions()}
    problems = {**_missing(present, redis_required=redis_required), **reader.problems()}
    if problems:
        lines = tuple(f"{name} {problem}" for name, problem in sorted(problems.items()))
        raise ConfigError("\n  ".join(["These settings are missing or wrong:", *lines]), lines)
    return Settings(**values)


def _read_dotenv(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    # Not interpolated: a password hash holds dollar signs.
    return {name: value for name, value in dotenv_values(path, interpolate=False).items() if value is not None}


class _Reader(Env):
    """environs over a mapping of our own: it collects every problem instead of stopping at the first."""

    def __init__(self, given: Mapping[str, str]) -> None:
        super().__init__(eager=False)
        self._given = given
        self.add_parser("setting", lambda value, read: read(value))

    def value_of(self, definition: Definition) -> Any:
        if definition.name not in self._given and definition.default is None:
            return definition.absent
        return self.setting(definition.name, default=definition.default, read=definition.read)

    def problems(self) -> dict[str, str]:
        try:
            self.seal()
        except EnvValidationError as error:
            messages = cast(Mapping[str, list[str]], error.error_messages)
            return {name: "; ".join(found) for name, found in messages.items()}
        return {}

    def _get_value(self, env_key: str, default: Any) -> Any:
        return self._given.get(env_key, default)


# What an installation on one machine generates for itself, and every other one must set.
_REQUIRED_WITH_REDIS = {
    "SECRET_KEY": "is not set: any long random text",
    "ENCRYPTION_KEYS": "is not set: a Fernet key (32 random bytes as URL-safe base64)",
    "ADMIN_USERNAME": "is not set: the name for the console's login",
    "ADMIN_PASSWORD_HASH": "is not set: `bytegpt admin hash-password` makes it",
}
_PAIRS = (("KOMMO_CLIENT_ID", "KOMMO_CLIENT_SECRET"), ("ADMIN_USERNAME", "ADMIN_PASSWORD_HASH"))


def _missing(present: Mapping[str, str], *, redis_required: bool) -> dict[str, str]:
    problems = {}
    for pair in _PAIRS:
        for name, other in (pair, pair[::-1]):
            if other in present:
                problems[name] = f"is not set, but {other} is: set both or neither"
    if redis_required:
        problems["REDIS_URL"] = "is not set: the address of Redis (`bytegpt up` brings its own, this command does not)"
    if redis_required or "REDIS_URL" in present:
        problems |= _REQUIRED_WITH_REDIS
    return {name: problem for name, problem in problems.items() if name not in present}
