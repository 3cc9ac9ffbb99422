"""Reading a request's body, never more of it than the route allows."""

from typing import IO

from werkzeug import Request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

# A sender that is cut off in the middle of its body sees a broken connection instead of our 413. So a body that is too
# long is read to its end, and forgotten, as far as this.
_READ_AND_FORGOTTEN = 8 * 1024 * 1024
_CHUNK = 64 * 1024


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
