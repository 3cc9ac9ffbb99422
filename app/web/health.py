"""Whether the process lives, and whether the service can do its work (contract 8)."""

from flask import Blueprint, Response

from app.domain.acceptance import StoreUnavailable
from app.web.deps import WebDeps
from app.web.errors import json_response


def health_blueprint(deps: WebDeps) -> Blueprint:
    """`/healthz` and `/readyz`: open to everybody, and telling nothing about accounts."""
    health = Blueprint("health", __name__)

    @health.get("/healthz")
    def alive() -> Response:
        return json_response({"status": "alive"})

    @health.get("/readyz")
    def ready() -> Response:
        try:
            reasons = list(deps.readiness())
        except StoreUnavailable:
            reasons = ["Redis does not answer"]
        if reasons:
            return json_response({"status": "not_ready", "reasons": reasons}, 503)
        return json_response({"status": "ready"})

    return health
