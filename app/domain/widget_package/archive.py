"""The archive of the widget: the address of the service written into it, and the same bytes every time."""

import io
import json
import zipfile

from app.domain.return_url import AddressInvalid, Origin
from app.domain.widget_package.files import MANIFEST, SCRIPT, Files, read_object
from app.domain.widget_package.sources import UNBUILT_ADDRESS

# As it stands in the source, once.
_PLACE = f"const PUBLIC_URL = '{UNBUILT_ADDRESS}';"
# The earliest time that an archive can name.
_TIME = (1980, 1, 1, 0, 0, 0)
_READABLE_BY_ALL = 0o644 << 16
_TOUR_IMAGE = "images/tour_1.png"
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class PackageDamaged(Exception):
    """The source of the widget is not as it was delivered; str() tells what to look at."""


def service_address(text: str) -> str:
    """The address of the service as the widget names it. Raises AddressInvalid, whose text says what is wanted.

    Kommo's pages come over https, so a browser lets their scripts call nothing else, this machine apart.
    """
    try:
        origin = Origin.parse(text)
    except AddressInvalid:
        raise AddressInvalid("it must have the form https://bot.example.com, without a path") from None
    if origin.scheme != "https" and origin.host not in _LOOPBACK:
        raise AddressInvalid("it must begin with https://: browsers refuse http from Kommo's pages")
    return str(origin)


def with_address(source: Files, address: str) -> dict[str, bytes]:
    """The files with the address of the service in them. Raises PackageDamaged."""
    script = source.get(SCRIPT, b"").decode()
    if script.count(_PLACE) != 1:
        raise PackageDamaged(f"{SCRIPT} has not exactly one line {_PLACE}")
    return {**source, SCRIPT: script.replace(_PLACE, f"const PUBLIC_URL = '{address}';").encode()}


def with_tour(source: Files, image: bytes) -> dict[str, bytes]:
    """The files with a tour of one image, the same for every language.

    Kommo's documents contradict each other about whether a widget needs one (kommo.md 7.2).
    """
    manifest = read_object(source[MANIFEST])
    manifest["tour"] = {
        "is_tour": True,
        "tour_images": {locale: [f"/{_TOUR_IMAGE}"] for locale in manifest["widget"]["locale"]},
        "tour_description": "widget.tour_description",
    }
    return {**source, MANIFEST: f"{json.dumps(manifest, indent=2)}\n".encode(), _TOUR_IMAGE: image}


def archive(files: Files) -> bytes:
    """A zip of the files in its root. Equal files make equal bytes wherever zlib is the same."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as opened:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.external_attr = _READABLE_BY_ALL
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, wherever it is made
            opened.writestr(entry, files[name])
    return made.getvalue()
