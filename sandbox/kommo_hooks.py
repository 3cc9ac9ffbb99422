"""The hooks of OAuth as Kommo sends them: one GET, 3 seconds, whatever the answer, never again (kommo.md 5.2, 5.4)."""

import http.client
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

HOOK_SECONDS = 3.0
USER_AGENT = "amoService-oAuth-Code-Sender/1.0"


@dataclass(frozen=True, slots=True)
class SentHook:
    """A hook and what became of it. status, body: None where no answer came in time, which was `seconds` after."""

    url: str
    query: Mapping[str, str] = field(repr=False)
    status: int | None
    body: str | None = field(repr=False)
    seconds: float


def send_hook(url: str, query: Mapping[str, str]) -> SentHook:
    """Call an address of an integration once. Not through aiohttp: that sends a GET again whose answer is cut off."""
    began = time.monotonic()
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=HOOK_SECONDS)
    status, body = None, None
    try:
        connection.request("GET", f"{parts.path}?{urlencode(query)}", headers={"User-Agent": USER_AGENT})
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace")
        status = answer.status
    except (OSError, http.client.HTTPException):
        pass  # Kommo does not look at the answer either
    finally:
        connection.close()
    return SentHook(url, dict(query), status, body, time.monotonic() - began)
