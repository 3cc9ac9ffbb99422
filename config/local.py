"""What an installation on one machine, without REDIS_URL, generates for itself once and keeps."""

import base64
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from werkzeug.security import generate_password_hash

from config.settings import ConfigError, Settings

SECRETS_FILE = "secrets.json"


@dataclass(frozen=True, slots=True)
class LocalSecrets:
    """The generated secrets. admin_password is kept in the clear: its file is where the operator reads it."""

    secret_key: str = field(repr=False)
    encryption_key: str = field(repr=False)
    admin_username: str
    admin_password: str = field(repr=False)
    admin_password_hash: str = field(repr=False)


def local_secrets(data_dir: Path) -> LocalSecrets:
    """The secrets of this installation: made on the first call, the same ever after.

    They stand in data_dir/secrets.json, which only its owner may read. Two processes that come first at the same
    time get the same ones. Raises ConfigError for a file that is not ours or cannot be read.
    """
    path = data_dir / SECRETS_FILE
    if not path.exists():
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        _create(path, json.dumps(asdict(_generated()), indent=2) + "\n")
    try:
        return LocalSecrets(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"{path} cannot be read as generated secrets ({type(error).__name__}): bring back its last good copy. "
            "What was stored with its encryption key is lost without it"
        ) from None


def with_local_secrets(settings: Settings, redis_url: str) -> Settings:
    """These settings with that Redis and, where they say none, the secrets of this installation."""
    generated = local_secrets(settings.data_dir)
    return replace(
        settings,
        redis_url=redis_url,
        secret_key=settings.secret_key or generated.secret_key,
        encryption_keys=settings.encryption_keys or (generated.encryption_key,),
        admin_username=settings.admin_username or generated.admin_username,
        admin_password_hash=settings.admin_password_hash or generated.admin_password_hash,
    )


def console_login(settings: Settings) -> str:
    """Who may log in to the console of complete settings, and where the password is to be found, in words.

    A generated password is not told itself: what is printed here may end in a log.
    """
    path = settings.data_dir / SECRETS_FILE
    generated = path.exists() and local_secrets(settings.data_dir).admin_password_hash == settings.admin_password_hash
    where = f"password: admin_password in {path}" if generated else "the password that ADMIN_PASSWORD_HASH was made of"
    return f"user {settings.admin_username}, {where}"


def environment(settings: Settings) -> Mapping[str, str]:
    """The generated part of complete settings as the environment of a child process."""
    return {
        "REDIS_URL": settings.redis_url or "",
        "SECRET_KEY": settings.secret_key or "",
        "ENCRYPTION_KEYS": ",".join(settings.encryption_keys),
        "ADMIN_USERNAME": settings.admin_username or "",
        "ADMIN_PASSWORD_HASH": settings.admin_password_hash or "",
    }


def _generated() -> LocalSecrets:
    password = secrets.token_urlsafe(12)
    return LocalSecrets(
        secret_key=secrets.token_urlsafe(32),
        encryption_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        admin_username="admin",
        admin_password=password,
        admin_password_hash=generate_password_hash(password),
    )


def _create(path: Path, text: str) -> None:
    """Write the whole file under its name at once, unless another process has been first."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
