"""`GET /openapi.json`: what the public routes take and answer, for machines; open to everybody."""

import hashlib
import json
from functools import cache

from flask import Blueprint, Response, current_app

from app.web.cached import sent_once
from app.web.openapi.document import document
from app.web.openapi.service import DOCUMENT_PATH

# It changes with a new version of ByteGPT only.
CACHE_CONTROL = "public, max-age=3600"


def openapi_blueprint(public_url: str) -> Blueprint:
    """The document's blueprint. It is made at the first look, when all routes are there."""
    blueprint = Blueprint("openapi", __name__)

    @cache
    def body() -> bytes:
        return json.dumps(document(current_app.url_map, public_url), separators=(",", ":")).encode()

    @blueprint.get(DOCUMENT_PATH)
    def show() -> Response:
        response = Response(body(), content_type="application/json", headers={"Cache-Control": CACHE_CONTROL})
        return sent_once(response, hashlib.sha256(body()).hexdigest()[:32])

    return blueprint
