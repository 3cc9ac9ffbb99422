"""Answers that whoever has them need not be sent again."""

from flask import Response, request


def sent_once(response: Response, etag: str) -> Response:
    """Tag the answer, and leave its body out where the sender of the present request has it.

    If-Match is not looked at: it guards changes, and here nothing can be changed.
    """
    response.set_etag(etag)
    response.make_conditional({name: value for name, value in request.environ.items() if name != "HTTP_IF_MATCH"})
    return response
