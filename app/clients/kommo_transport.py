"""How Kommo is spoken to: JSON out, and whatever it answers read with care."""

import json
import re
from collections.abc import Mapping
from typing import Any

from app.clients.http import Fault, NetworkFault, PartnerSession, Reply, Timeouts
from app.domain.answers import Deadline

JsonObject = dict[str, Any]

# Kommo's own documents are far smaller; a page of HTML that stands in for one may not be.
_LARGEST_DOCUMENT = 64 * 1024
# What can be sent as a bearer token at all: an invalid header would be repeated in an exception's text.
SENDABLE_TOKEN = re.compile(r"[!-~]+\Z")
# Faults after which Kommo may have acted on the request all the same.
MAYBE_ARRIVED = frozenset({Fault.DROPPED, Fault.SILENT, Fault.CUT})


class KommoTransport:
    """Sends requests to Kommo, each of them once."""

    def __init__(self, session: PartnerSession, connect_timeout: float, read_timeout: float) -> None:
        """connect_timeout: seconds for name, TCP and TLS together. read_timeout: the longest silence, in seconds."""
        self._session = session
        self._timeouts = Timeouts(connect=connect_timeout, silence=read_timeout)

    def post(self, url: str, body: Any, deadline: Deadline, access_token: str | None = None) -> Reply:
        """POST a JSON body; return the answer as soon as its head is there, whatever its status.

        access_token: a SENDABLE_TOKEN; None for a call that carries none. The caller closes the answer.
        Raises NetworkFault.
        """
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if access_token is not None:
            headers["Authorization"] = f"Bearer {access_token}"
        return self._session.call(
            "POST",
            url,
            headers=headers,
            timeouts=self._timeouts,
            deadline=deadline,
            body=json.dumps(body).encode("ascii"),
        )

    def get(self, url: str, credential: Mapping[str, str], deadline: Deadline) -> Reply:
        """GET a document; the answer as from post.

        credential: the header that says who asks, its value a SENDABLE_TOKEN, after `Bearer ` where it needs that.
        """
        headers = {"Accept": "application/json", **credential}
        return self._session.call("GET", url, headers=headers, timeouts=self._timeouts, deadline=deadline)


def document(reply: Reply) -> JsonObject:
    """The JSON object that an answer consists of; empty where it is anything else, too long or broken off.

    Kommo answers errors with JSON, plain text or HTML (kommo.md 8.8); the status says what matters.
    """
    try:
        found = json.loads(reply.body(_LARGEST_DOCUMENT))
    except (NetworkFault, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
