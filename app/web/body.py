"""Reading a request's body, never more of it than the route allows."""

import re
from typing import IO, TYPE_CHECKING

from werkzeug import Request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

# A sender that is cut off in the middle of its body sees a broken connection instead of our 413. So a body that is too
# long is read to its end, and forgotten, as far as this.
_READ_AND_FORGOTTEN = 8 * 1024 * 1024
_CHUNK = 64 * 1024
_FORM = "application/x-www-form-urlencoded"
_LENGTH = re.compile(r"[0-9]{1,9}")


def usual_form(environ: "WSGIEnvironment", limit: int) -> bytes | None:
    """The body of a plain form that announces no more than limit (bytes); None for all else, of which nothing is read.

    Spares nearly every webhook werkzeug's request, which costs as much as taking the form apart.
    Raises ClientDisconnected where less came than was announced.
    """
    announced = environ.get("CONTENT_LENGTH", "")
    if environ.get("CONTENT_TYPE") != _FORM or "HTTP_TRANSFER_ENCODING" in environ or not _LENGTH.fullmatch(announced):
        return None
    length = int(announced)
    return _exactly(environ["wsgi.input"], length) if length <= limit else None


def limited_body(request: Request, limit: int) -> bytes:
    """The whole body, sent with a length or in chunks.

    Werkzeug's own limit cuts a longer body without a length off at the limit and calls it complete (3.1), as it does
    with one whose sender went away under a server that sets `wsgi.input_terminated`; so both are looked at here.
    Raises RequestEntityTooLarge above limit (bytes), ClientDisconnected where less came than was announced.
    """
    announced = request.content_length
    if announced is not None and announced <= limit:
        return _exactly(request.environ["wsgi.input"], announced)
    request.max_content_length = _READ_AND_FORGOTTEN
    body = bytearray()
    received = 0
    while chunk := request.stream.read(_CHUNK):
        received += len(chunk)
        if received <= limit:
            body += chunk
    if received > limit:
        raise RequestEntityTooLarge
    if announced is not None:
        raise ClientDisconnected
    return bytes(body)


def _exactly(stream: IO[bytes], length: int) -> bytes:
    body = b""
    while len(body) < length:
        chunk = stream.read(length - len(body))
        if not chunk:
            raise ClientDisconnected
        body += chunk
    return body
