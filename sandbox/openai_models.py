"""The models that the simulated OpenAI serves."""

from typing import Any

from aiohttp import web

from sandbox import openai_errors
from sandbox.openai_wire import json_answer

routes = web.RouteTableDef()

# openai.md 1.4 and 7: what exists on 2026-11-21, and until when.
MODELS: dict[str, str | None] = {
    "gpt-6.2-astra": None,
    "gpt-6.2-sol": None,
    "gpt-6.1-sol": None,
    "gpt-6.1-terra": None,
    "gpt-6-astra": None,
    "gpt-6-sol": None,
    "gpt-6-luna": None,
    "gpt-5.6-sol": None,
    "gpt-5.6-terra": None,
    "gpt-5.6-luna": None,
    "gpt-5.5": None,
    "gpt-5.4": None,
    "gpt-5.4-mini": None,
    "gpt-5.4-nano": "2027-04-01",
    "gpt-5.2": None,
    "gpt-5.1": "2027-04-01",
    "gpt-5": "2026-12-11",
    "gpt-5-mini": "2026-12-11",
    "gpt-5-nano": "2026-12-11",
    "o3": "2026-12-11",
    "gpt-4.1": "2027-01-14",
    "gpt-4.1-mini": "2027-01-14",
    "gpt-4o": "2027-01-14",
    "gpt-4o-mini": "2027-01-14",
}
# openai.md 3.1 says "reasoning models such as gpt-5.6"; the older ones are known to do the same.
REFUSE_TEMPERATURE = frozenset(model for model in MODELS if model.startswith(("gpt-5", "gpt-6", "o3")))


def model_wire(name: str) -> dict[str, Any]:
    """One entry of GET /models."""
    return {
        "id": name,
        "object": "model",
        "created": 1_780_000_000,
        "owned_by": "system",
        "shutdown_date": MODELS[name],
    }


@routes.get("/v1/models")
async def list_models(_request: web.Request) -> web.Response:
    """Every model; the free way to check a key."""
    return json_answer({"object": "list", "data": [model_wire(name) for name in MODELS]})


@routes.get("/v1/models/{model}")
async def retrieve_model(request: web.Request) -> web.Response:
    """One model."""
    name = request.match_info["model"]
    if name not in MODELS:
        raise openai_errors.model_not_found(name)
    return json_answer(model_wire(name))
