"""What Kommo asks of a manifest.json (kommo.md 1.2, 7.2, 7.3, 7.6)."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

LOCALES = ("en", "es", "pt", "tr", "id")
TEXT_FIELDS = ("name", "description", "short_description")
MOST_TOUR_IMAGES = 5

# One of each pair: the number says whether the widget also stands in the right panel.
_PANELS = ("lcard", "ccard", "comcard", "llist", "clist", "tlist")
_OTHER_LOCATIONS = (
    "settings",
    "advanced_settings",
    "salesbot_designer",
    "digital_pipeline",
    "card_sdk",
    "catalogs",
    "lead_sources",
    "sms",
    "mobile_card",
    "website_chat_button",
    "widget_page",
    "ai_agent",
    "everywhere",
)
_LOCATIONS = frozenset((*_OTHER_LOCATIONS, *(f"{panel}-{number}" for panel in _PANELS for number in (0, 1))))
# A location and the part of the manifest that belongs to it.
_PARTS = {
    "settings": "settings",
    "advanced_settings": "advanced",
    "salesbot_designer": "salesbot_designer",
    "digital_pipeline": "dp",
    "sms": "sms",
    "mobile_card": "mobile",
    "widget_page": "left_menu",
}
_SETTING_TYPES = ("text", "pass", "users", "users_lp", "custom")
_DESIGNER_TYPES = ("text", "numeric", "url")
_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")
_CODE = re.compile(r"[a-z][a-z0-9_]*")


def manifest_messages(manifest: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong, one message each; where the basis is wrong, what builds on it is not looked at."""
    found = [*_generated_fields(manifest), *_widget(manifest.get("widget")), *_locations(manifest)]
    return found or [*_settings(manifest), *_advanced(manifest), *_designer(manifest), *_tour(manifest)]


def locales_of(manifest: Mapping[str, Any]) -> list[str]:
    """The languages of a manifest that has no messages."""
    return list(manifest["widget"]["locale"])


def handlers_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The handlers of the Salesbot step by code; `logo` stands beside them."""
    return {code: part for code, part in manifest.get("salesbot_designer", {}).items() if code != "logo"}


def text_paths(manifest: Mapping[str, Any]) -> list[str]:
    """The paths of texts that a manifest without messages names, such as `widget.name`."""
    paths = [manifest["widget"][name] for name in TEXT_FIELDS]
    paths += [setting["name"] for setting in manifest.get("settings", {}).values()]
    paths += [manifest["advanced"]["title"]] if "advanced" in manifest else []
    paths += [manifest["tour"]["tour_description"]] if "tour" in manifest else []
    for handler in handlers_of(manifest).values():
        paths += [handler["name"], *(field["name"] for field in handler["settings"].values())]
    return paths


def named_images(manifest: Mapping[str, Any]) -> list[str]:
    """The images that a manifest without messages names itself, as they are called in the archive."""
    images = manifest.get("tour", {}).get("tour_images", {})
    return [path.lstrip("/") for paths in images.values() for path in paths]


def _generated_fields(manifest: Mapping[str, Any]) -> Iterator[str]:
    widget = manifest.get("widget")
    for name in ("code", "key"):
        if name in manifest or (isinstance(widget, dict) and name in widget):
            yield f"manifest.json: {name} must be left out; Kommo generates it"


def _widget(widget: object) -> Iterator[str]:
    if not isinstance(widget, dict):
        yield "manifest.json: widget is missing or not an object"
        return
    for name in TEXT_FIELDS:
        if not _is_path(widget.get(name)):
            yield f"manifest.json: widget.{name} must be the path of a text, such as widget.{name}"
    if not isinstance(widget.get("version"), str) or not _VERSION.fullmatch(widget["version"]):
        yield "manifest.json: widget.version must be a text of three numbers, such as 1.0.0"
    if type(widget.get("interface_version")) is not int or widget["interface_version"] != 2:
        yield "manifest.json: widget.interface_version must be the number 2"
    if widget.get("installation") is not True:
        yield "manifest.json: widget.installation must be true, otherwise nobody can install the widget"
    if not isinstance(widget.get("init_once", False), bool):
        yield "manifest.json: widget.init_once must be true or false"
    yield from _locale(widget.get("locale"))
    yield from _support(widget.get("support", {}))


def _locale(locale: object) -> Iterator[str]:
    if not isinstance(locale, list) or not locale or len(set(map(str, locale))) != len(locale):
        yield "manifest.json: widget.locale must be a list of different languages"
    elif any(one not in LOCALES for one in locale):
        yield f"manifest.json: widget.locale may name only {', '.join(LOCALES)}"


def _support(support: object) -> Iterator[str]:
    if not isinstance(support, dict) or set(support) - {"link", "email"}:
        yield "manifest.json: widget.support may hold a link and an email"
        return
    if not str(support.get("link", "https://")).startswith("https://"):
        yield "manifest.json: widget.support.link must begin with https://"
    if "@" not in str(support.get("email", "@")):
        yield "manifest.json: widget.support.email must be an e-mail address"


def _locations(manifest: Mapping[str, Any]) -> Iterator[str]:
    locations = manifest.get("locations")
    if not isinstance(locations, list) or not locations:
        yield "manifest.json: locations must be a list of at least one location"
        return
    names = [str(location) for location in locations]
    yield from (f"manifest.json: locations: {name} does not exist" for name in names if name not in _LOCATIONS)
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"manifest.json: locations: {name} stands twice"
    for panel in _PANELS:
        if {f"{panel}-0", f"{panel}-1"} <= set(names):
            yield f"manifest.json: locations: {panel}-0 and {panel}-1 exclude each other"
    yield from _parts(manifest, names)


def _parts(manifest: Mapping[str, Any], locations: list[str]) -> Iterator[str]:
    for location, part in _PARTS.items():
        if location in locations and (not isinstance(manifest.get(part), dict) or not manifest[part]):
            yield f"manifest.json: the location {location} needs the part {part}"
        if location not in locations and part in manifest:
            yield f"manifest.json: the part {part} needs the location {location}"


def _settings(manifest: Mapping[str, Any]) -> Iterator[str]:
    for code, setting in manifest.get("settings", {}).items():
        where = f"manifest.json: settings.{code}"
        if not isinstance(setting, dict) or not _is_path(setting.get("name")):
            yield f"{where} needs a name, the path of a text"
        elif setting.get("type") not in _SETTING_TYPES:
            yield f"{where}.type must be one of {', '.join(_SETTING_TYPES)}"
        elif not isinstance(setting.get("required", False), bool):
            yield f"{where}.required must be true or false"


def _advanced(manifest: Mapping[str, Any]) -> Iterator[str]:
    if "advanced" in manifest and not _is_path(manifest["advanced"].get("title")):
        yield "manifest.json: advanced.title must be the path of a text"


def _designer(manifest: Mapping[str, Any]) -> Iterator[str]:
    handlers = handlers_of(manifest)
    if "salesbot_designer" in manifest and not handlers:
        yield "manifest.json: salesbot_designer needs a handler"
    for code, handler in handlers.items():
        where = f"manifest.json: salesbot_designer.{code}"
        if not _CODE.fullmatch(code):
            yield f"{where}: a handler's code has small letters, digits and _"
        elif not isinstance(handler, dict) or not _is_path(handler.get("name")):
            yield f"{where} needs a name, the path of a text"
        elif not isinstance(handler.get("settings"), dict):
            yield f"{where} needs settings, an object that may be empty"
        else:
            yield from _designer_fields(where, handler["settings"])


def _designer_fields(where: str, fields: Mapping[str, Any]) -> Iterator[str]:
    for name, field in fields.items():
        if not isinstance(field, dict) or not _is_path(field.get("name")):
            yield f"{where}.settings.{name} needs a name, the path of a text"
        elif field.get("type") not in _DESIGNER_TYPES:
            yield f"{where}.settings.{name}.type must be one of {', '.join(_DESIGNER_TYPES)}"
        elif not isinstance(field.get("default_value"), str) or not field["default_value"]:
            yield f"{where}.settings.{name} needs a default_value, or no bot with this step can be saved"


def _tour(manifest: Mapping[str, Any]) -> Iterator[str]:
    if "tour" not in manifest:
        return
    tour = manifest["tour"]
    images = tour.get("tour_images") if isinstance(tour, dict) else None
    if not isinstance(images, dict) or tour.get("is_tour") is not True or not _is_path(tour.get("tour_description")):
        yield "manifest.json: tour needs is_tour: true, tour_images and tour_description, the path of a text"
        return
    for locale in manifest["widget"]["locale"]:
        paths = images.get(locale)
        if not isinstance(paths, list) or not 1 <= len(paths) <= MOST_TOUR_IMAGES:
            yield f"manifest.json: tour.tour_images.{locale} must name 1 to {MOST_TOUR_IMAGES} images"


def _is_path(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)+", value) is not None
