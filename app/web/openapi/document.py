"""The OpenAPI document of the public routes, made from the routes of the application and the schemas of its bodies.

A route without a description, or a description without a route, is an error: neither can be forgotten.
"""

import re
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import Any, cast

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import Schema
from werkzeug.routing import Map, Rule

from app.schemas.company import DEFINITION, FormSchema
from app.schemas.fields import StrictSchema
from app.web.console.addresses import in_console
from app.web.kommo_request import BodySchema, DataSchema
from app.web.observing import HEADER
from app.web.openapi.kommo import kommo_operations
from app.web.openapi.operations import Json, Operation
from app.web.openapi.service import SERVICE_OPERATIONS
from app.web.openapi.widget import SCHEME, SECURITY_SCHEME, widget_operations

OPENAPI_VERSION = "3.1.0"
_PLACE = re.compile(r"<(?:\w+:)?(\w+)>")
_TOKEN: Json = {
    "type": "string",
    "description": "JWT, HS512, signed with the secret of the integration that its `client_uuid` names.",
}
_STATUS: Json = {
    "type": "object",
    "properties": {
        "can_change": {"type": "boolean", "description": "Whether this user may."},
        "paused": {"type": "boolean"},
        "asked_through": {"enum": ["assistants", "responses", None]},
        "missing": {"type": "array", "items": {"enum": ["openai_api_key", "assistant", "kommo_token"]}},
        "default_failure_text": {"type": "string", "description": "What clients read while failure_text is null."},
    },
    "required": ["can_change", "paused", "asked_through", "missing", "default_failure_text"],
    "additionalProperties": False,
}

_NOT_LOOKED_AT: Json = {"description": "May come back as it was shown, and is not looked at."}


class _Converter(OpenAPIConverter):
    """Says of our schemas what apispec cannot know."""

    def schema2jsonschema(self, schema: Schema) -> Json:
        found: Json = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call] # of apispec, which has few types
        if isinstance(schema, StrictSchema):
            found["additionalProperties"] = False
        return found

    def field2write_only(self, field: Any, **kwargs: Any) -> Json:  # noqa: ARG002 - apispec's signature
        return {}  # marshmallow calls every field so that reads in a way of its own

    def field2pattern(self, field: Any, **kwargs: Any) -> Json:
        pattern: Json = super().field2pattern(field, **kwargs)
        if "pattern" not in pattern:
            return pattern
        # Python's end of the text, and the start at which it matches anyhow, as JSON Schema writes them.
        return {"pattern": f"^(?:{pattern['pattern'].removesuffix(chr(92) + 'Z')})$"}


class _Plugin(MarshmallowPlugin):
    Converter = _Converter


def document(routes: Map, public_url: str) -> Json:
    """The document. routes: of the application. Raises LookupError where routes and descriptions differ."""
    plugin = _Plugin(schema_name_resolver=lambda _schema: "")  # each schema where it is used
    spec = APISpec(
        title="ByteGPT",
        version=version("bytegpt"),
        openapi_version=OPENAPI_VERSION,
        plugins=[plugin],
        info={"description": _ABOUT, "license": {"name": "MIT", "identifier": "MIT"}},
        servers=[{"url": public_url}],
    )
    spec.components.security_scheme(SCHEME, SECURITY_SCHEME)
    operations = dict(_operations(cast("_Converter", plugin.converter)))
    for rule, method in public_routes(routes):
        spec.path(path=path_of(rule), operations={method.lower(): _told(operations.pop((method, rule.rule)))})
    if operations:
        raise LookupError(f"described, but no routes: {sorted(operations)}")
    found: Json = spec.to_dict()
    return found


def public_routes(routes: Map) -> Iterator[tuple[Rule, str]]:
    """What is open to Kommo, companies and machines, with each method but HEAD, which is GET without a body."""
    for rule in routes.iter_rules():
        if not in_console(rule.rule):
            yield from ((rule, method) for method in sorted(rule.methods or ()) if method != "HEAD")


def path_of(rule: Rule) -> str:
    """The path of a rule as OpenAPI writes it."""
    return _PLACE.sub(r"{\1}", rule.rule)


_ABOUT = (
    "What Kommo, its pages, browsers and machines may call. Every answer carries "
    f"`{HEADER}`, the one that was sent or a new one. A method that a route does not have is answered 405, and a fault "
    "of ours 500, both in JSON."
)


def _operations(converter: _Converter) -> Iterable[tuple[tuple[str, str], Operation]]:
    settings = converter.schema2jsonschema(FormSchema(partial=True))
    yield from kommo_operations(_json_webhook(converter), _form_webhook(converter)).items()
    yield from widget_operations(_sent(settings), _shown(settings)).items()
    yield from SERVICE_OPERATIONS.items()


def _json_webhook(converter: _Converter) -> Json:
    found = converter.schema2jsonschema(BodySchema())
    return {
        **found,
        "properties": {"token": _TOKEN, **found["properties"]},
        "required": ["token", *found["required"]],
    }


def _form_webhook(converter: _Converter) -> Json:
    """The same as Kommo really sends it: with the keys of PHP."""
    outer, inner = converter.schema2jsonschema(BodySchema()), converter.schema2jsonschema(DataSchema())
    properties = {"token": _TOKEN, "return_url": outer["properties"]["return_url"]}
    for name, schema in inner["properties"].items():
        properties[f"data[{name}]"] = {**schema, "type": "string"}
        properties[f"data[{name}]"].pop("default", None)
    return {"type": "object", "properties": properties, "required": ["token", "return_url", "data[message]"]}


def _sent(settings: Json) -> Json:
    """What may be sent of the settings: any part of them, and any part of a profile that is stored."""
    profile = {name: value for name, value in settings["properties"]["profile"].items() if name != "required"}
    profile["description"] = "A new one needs its model."
    return {**settings, "properties": {**settings["properties"], "profile": profile, "status": _NOT_LOOKED_AT}}


def _shown(settings: Json) -> Json:
    """What is shown of the settings: all that may be sent back, with nothing left out."""
    properties = {name: schema for name, schema in settings["properties"].items() if name != DEFINITION}
    profile = properties["profile"]
    properties |= {"profile": {**profile, "required": sorted(profile["properties"])}, "status": _STATUS}
    return {**settings, "properties": properties, "required": sorted(properties)}


def _told(operation: Operation) -> Json:
    told: Json = {
        "summary": operation.summary,
        "responses": {str(status): answer for status, answer in sorted(operation.answers.items())},
    }
    if operation.description:
        told["description"] = operation.description
    if operation.parameters:
        told["parameters"] = list(operation.parameters)
    if operation.body is not None:
        told["requestBody"] = operation.body
    if operation.security:
        told["security"] = [{name: []} for name in operation.security]
    return told
