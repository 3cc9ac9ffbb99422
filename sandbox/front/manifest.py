"""What Kommo's upload checks in a manifest.json (kommo.md 7.2, 7.3, 7.6)."""

from collections.abc import Iterator, Mapping
from typing import Any

_LANGUAGES = frozenset(("en", "es", "pt", "tr", "id"))
_PAIRS = ("lcard", "ccard", "comcard", "llist", "clist", "tlist")
_LOCATIONS = frozenset(
    (
        "settings", "advanced_settings", "salesbot_designer", "digital_pipeline", "card_sdk", "catalogs",
        "lead_sources", "sms", "mobile_card", "website_chat_button", "widget_page", "ai_agent", "everywhere",
        *(f"{pair}-{number}" for pair in _PAIRS for number in (0, 1)),
    )
)  # fmt: skip
# A location that needs a part of its own in the manifest.
_PARTS = {
    "settings": "settings",
    "salesbot_designer": "salesbot_designer",
    "advanced_settings": "advanced",
    "digital_pipeline": "dp",
}
_SETTING_TYPES = frozenset(("text", "pass", "users", "users_lp", "custom"))
_FIELD_TYPES = frozenset(("text", "numeric", "url"))


def manifest_refusals(manifest: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong, one sentence each."""
    widget = manifest.get("widget")
    if not isinstance(widget, dict):
        return ['"widget" field is required in manifest.json']
    refusals = [*_widget_refusals(widget), *_location_refusals(manifest)]
    return refusals or [*_setting_refusals(manifest), *_designer_refusals(manifest)]


def _widget_refusals(widget: Mapping[str, Any]) -> Iterator[str]:
    for name in ("name", "description", "short_description"):
        if not isinstance(widget.get(name), str):
            yield f'"widget.{name}" field is required in manifest.json'
    if widget.get("interface_version") != 2 or isinstance(widget["interface_version"], bool):
        yield '"widget.interface_version" must be 2'
    if widget.get("installation") is not True:
        yield '"widget.installation" must be true, otherwise the widget cannot be installed'
    locale = widget.get("locale")
    if not isinstance(locale, list) or not locale or set(locale) - _LANGUAGES:
        yield f'"widget.locale" must be a list out of {", ".join(sorted(_LANGUAGES))}'
    if not isinstance(widget.get("version", "1.0.0"), str):
        yield '"widget.version" must be a text'


def _location_refusals(manifest: Mapping[str, Any]) -> Iterator[str]:
    locations = manifest.get("locations")
    if not isinstance(locations, list) or not locations:
        yield '"locations" field is required in manifest.json'
        return
    for unknown in [location for location in locations if location not in _LOCATIONS]:
        yield f"the location {unknown!r} does not exist"
    for pair in _PAIRS:
        if {f"{pair}-0", f"{pair}-1"} <= set(locations):
            yield f"{pair}-0 and {pair}-1 cannot be used together"
    for location, part in _PARTS.items():
        if location in locations and not isinstance(manifest.get(part), dict):
            yield f'"{part}" field is required in manifest.json'


def _setting_refusals(manifest: Mapping[str, Any]) -> Iterator[str]:
    for code, setting in manifest.get("settings", {}).items():
        if not isinstance(setting.get("name"), str) or setting.get("type") not in _SETTING_TYPES:
            yield f'"settings.{code}" needs a name and one of the types {", ".join(sorted(_SETTING_TYPES))}'
        if setting.get("type") == "custom" and "settings" not in manifest["locations"]:
            yield f'"settings.{code}" is custom, which needs the location settings'


def _designer_refusals(manifest: Mapping[str, Any]) -> Iterator[str]:
    for code, handler in manifest.get("salesbot_designer", {}).items():
        if code == "logo":
            continue
        if not isinstance(handler, dict) or not isinstance(handler.get("name"), str):
            yield f'"salesbot_designer.{code}" needs a name'
            continue
        for name, field in handler.get("settings", {}).items():
            if not isinstance(field.get("name"), str) or field.get("type") not in _FIELD_TYPES:
                yield f'"salesbot_designer.{code}.settings.{name}" needs a name and a type'
