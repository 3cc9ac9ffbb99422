"""The pictures of the package are the ones that the repository draws."""

import struct
import zlib

import pytest

from app.domain.widget_package.images import LOGOS, TOUR_IMAGE
from widget.draw_images import ROOT, names, picture, png

SIZES = {f"package/{name}": size for name, size in LOGOS.items()} | {"tour/tour_1.png": TOUR_IMAGE}


def pixels(content: bytes) -> list[bytes]:
    """The rows of a PNG as the script writes it: one IDAT, no filters. Compression may differ between machines."""
    width, height = struct.unpack(">II", content[16:24])
    length = struct.unpack(">I", content[33:37])[0]
    assert content[37:41] == b"IDAT"
    lines = zlib.decompress(content[41 : 41 + length])
    assert len(lines) == height * (1 + 3 * width)
    return [lines[start + 1 : start + 1 + 3 * width] for start in range(0, len(lines), 1 + 3 * width)]


def test_there_is_one_for_each_place() -> None:
    assert set(names()) == SIZES.keys() == {path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.png")}


@pytest.mark.parametrize("name", names())
def test_the_committed_picture_is_the_drawn_one(name: str) -> None:
    drawn = picture(name)
    assert (len(drawn[0]), len(drawn)) == SIZES[name]
    assert pixels((ROOT / name).read_bytes()) == pixels(png(drawn))


@pytest.mark.parametrize("name", names())
def test_nothing_is_drawn_in_the_margin(name: str) -> None:
    drawn = picture(name)
    ground = drawn[0][0]
    edges = [*drawn[:10], *drawn[-10:], *(row[:10] for row in drawn), *(row[-10:] for row in drawn)]
    assert {pixel for row in edges for pixel in row} == {ground}
    assert len({pixel for row in drawn for pixel in row}) > 3
