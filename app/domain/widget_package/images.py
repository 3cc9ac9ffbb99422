"""What Kommo asks of the images of a widget (kommo.md 7.4)."""

import struct
from collections.abc import Iterator, Sequence

from app.domain.widget_package.files import Files

MAX_BYTES = 300 * 1024
# Width and height in pixels.
LOGOS = {
    "images/logo_main.png": (400, 272),
    "images/logo_medium.png": (240, 84),
    "images/logo.png": (130, 100),
    "images/logo_small.png": (108, 108),
    "images/logo_min.png": (84, 84),
}
PIPELINE_LOGO = {"images/logo_dp.png": (174, 109)}
TOUR_IMAGE = (1188, 616)

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def image_sizes(locations: Sequence[str], tour: Sequence[str]) -> dict[str, tuple[int, int]]:
    """The images that a widget in these locations needs, with their sizes. tour: names of those of its tour."""
    pipeline = PIPELINE_LOGO if "digital_pipeline" in locations else {}
    return {**LOGOS, **pipeline, **dict.fromkeys(tour, TOUR_IMAGE)}


def image_messages(files: Files, sizes: dict[str, tuple[int, int]]) -> Iterator[str]:
    """Messages about images that are missing, of another size, or too large."""
    for name, (width, height) in sizes.items():
        content = files.get(name)
        if content is None:
            yield f"{name}: is missing"
        elif not content.startswith(_SIGNATURE):
            yield f"{name}: is not a PNG image"
        elif _size(content) != (width, height):
            yield f"{name}: must be {width} x {height} pixels, not {' x '.join(map(str, _size(content)))}"
        elif len(content) > MAX_BYTES:
            yield f"{name}: is larger than {MAX_BYTES // 1024} KB"


def _size(content: bytes) -> tuple[int, int]:
    """Width and height as the header says, which follows the signature."""
    if len(content) < 24:
        return 0, 0
    width, height = struct.unpack(">II", content[16:24])
    return width, height
