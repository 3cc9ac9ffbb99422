"""Whether settings that can be read also make sense: what `bytegpt doctor` says of them."""

import base64
import math
from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from werkzeug.security import check_password_hash

from app.domain.checkup import Finding, failed, ok, warning
from config.settings import ConfigError, Settings

_LEAST_CHARACTERS = 32
# Bits of chance in each character of a text and each byte of a key; what people type or copy from examples has less.
_LEAST_IN_A_TEXT, _LEAST_IN_A_KEY = 3.0, 4.0
_PASSWORDS_OF_EXAMPLES = ("admin", "password", "senha", "secret", "changeme", "bytegpt", "123456", "12345678")
# Kommo blocks an address that calls more often (kommo.md 8.8).
_MOST_KOMMO_CALLS = 7.0


def of_wrong_settings(error: ConfigError) -> Iterator[Finding]:
    """One finding for each setting that is missing or wrong."""
    for line in error.problems or (str(error),):
        yield failed("settings", f"{line}.", "Set it in the environment of every process; the README lists them.")


def of_settings(settings: Settings) -> Iterator[Finding]:
    """What can be said without asking anybody."""
    yield ok("settings", "complete")
    yield _public_url(settings.public_url)
    yield _partner("KOMMO_BASE_URL", settings.kommo_base_url)
    yield _partner("OPENAI_BASE_URL", settings.openai_base_url)
    yield _secret_key(settings.secret_key or "")
    yield _encryption_keys(settings.encryption_keys)
    yield _console(settings.admin_username or "", settings.admin_password_hash or "")
    yield _kommo_rate(settings.kommo_rate)
    yield _times(settings)


def _public_url(url: str) -> Finding:
    if _is_local(url):
        return warning("PUBLIC_URL", "names this machine.", "Set the https:// address at which Kommo reaches you.")
    if not url.startswith("https://"):
        return failed("PUBLIC_URL", "is not https.", "Kommo's tokens must not travel in the clear: use https://.")
    return ok("PUBLIC_URL", url)


def _partner(name: str, url: str) -> Finding:
    if _is_local(url):
        return warning(name, "names this machine.", "Leave it out, unless a simulated partner is what you want.")
    if not url.startswith("https://"):
        return failed(name, "is not https.", "Keys and tokens would travel in the clear: use https://.")
    return ok(name, url)


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _secret_key(key: str) -> Finding:
    remedy = "Set a long random text; logins of the console end when it changes."
    if len(key) < _LEAST_CHARACTERS:
        return warning("SECRET_KEY", f"has {len(key)} characters, fewer than {_LEAST_CHARACTERS}.", remedy)
    if _spread(key.encode()) < _LEAST_IN_A_TEXT:
        return failed("SECRET_KEY", "can be guessed.", remedy)
    return ok("SECRET_KEY", "long enough")


def _encryption_keys(keys: tuple[str, ...]) -> Finding:
    if any(_spread(base64.urlsafe_b64decode(key)) < _LEAST_IN_A_KEY for key in keys):
        return failed(
            "ENCRYPTION_KEYS",
            "one of them can be guessed.",
            "Put a random one in front; take the old one out once every account was saved again.",
        )
    return ok("ENCRYPTION_KEYS", f"{len(keys)}, none of them guessable")


def _spread(data: bytes) -> float:
    """Bits of chance in a byte of it, by how often each value occurs. 32 random bytes have 4.6 or more."""
    return -sum(count / len(data) * math.log2(count / len(data)) for count in Counter(data).values())


def _console(username: str, password_hash: str) -> Finding:
    if any(check_password_hash(password_hash, guess) for guess in (username, *_PASSWORDS_OF_EXAMPLES)):
        remedy = "Make another: `bytegpt admin hash-password`."
        return failed("ADMIN_PASSWORD_HASH", "anybody guesses this password.", remedy)
    return ok("ADMIN_PASSWORD_HASH", "no password of an example")


def _kommo_rate(rate: float) -> Finding:
    if rate > _MOST_KOMMO_CALLS:
        return warning(
            "KOMMO_RATE",
            f"{rate:g} calls a second are more than Kommo allows one address.",
            f"Set at most {_MOST_KOMMO_CALLS:g}, and spread calls over addresses with KOMMO_EGRESS.",
        )
    return ok("KOMMO_RATE", f"{rate:g} a second")


def _times(settings: Settings) -> Finding:
    longest = settings.openai_connect_timeout + settings.openai_read_timeout
    if longest >= settings.turn_deadline:
        return warning(
            "TURN_DEADLINE",
            f"{settings.turn_deadline:g} s end before OpenAI's silence does ({longest:g} s).",
            "Raise it, or lower OPENAI_READ_TIMEOUT: such turns end without a second try.",
        )
    return ok("TURN_DEADLINE", f"{settings.turn_deadline:g} s")
