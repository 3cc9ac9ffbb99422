"""The pictures that a widget must bring (kommo.md 7.4)."""

import struct
from collections.abc import Collection, Iterator, Mapping

MAX_BYTES = 300 * 1024
SIZES = {
    "logo_main.png": (400, 272),
    "logo_medium.png": (240, 84),
    "logo.png": (130, 100),
    "logo_small.png": (108, 108),
    "logo_min.png": (84, 84),
}
DIGITAL_PIPELINE = ("logo_dp.png", (174, 109))
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def picture_refusals(files: Mapping[str, bytes], locations: Collection[str]) -> Iterator[str]:
    """What is wrong with the pictures, one sentence each."""
    wanted = dict(SIZES)
    if "digital_pipeline" in locations:
        wanted.update([DIGITAL_PIPELINE])
    for name, (width, height) in wanted.items():
        content = files.get(f"images/{name}")
        if content is None:
            yield f"images/{name} is missing."
        elif _size(content) != (width, height):
            yield f"images/{name} must be a PNG of {width} x {height}."
        elif len(content) > MAX_BYTES:
            yield f"images/{name} is larger than 300 KB."


def _size(content: bytes) -> tuple[int, int] | None:
    if not content.startswith(_SIGNATURE) or len(content) < 24:
        return None
    width, height = struct.unpack(">II", content[16:24])
    return width, height
