"""Draws the widget's pictures: `python -m widget.draw_images` writes them anew (sizes: kommo.md 7.2, 7.4).

A speech bubble that holds one byte, eight bits, beside the name where there is room. Standard library only.
"""

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import hypot
from pathlib import Path

ROOT = Path(__file__).parent

Colour = tuple[int, int, int]
Picture = Sequence[Sequence[Colour]]

_GROUND: Colour = (43, 36, 107)
_BUBBLE: Colour = (255, 255, 255)
_SET_BIT: Colour = (21, 178, 140)
_CLEAR_BIT: Colour = (203, 199, 230)

# "G" in ASCII: 0100 0111.
_BYTE = "01000111"
_NAME = "ByteGPT"
# Letters of 5 x 7 squares; what hangs below the line has two rows more.
_LETTERS = {
    "B": ("####.", "#...#", "#...#", "####.", "#...#", "#...#", "####."),
    "y": (".....", ".....", "#...#", "#...#", "#...#", ".####", "....#", "....#", ".###."),
    "t": (".#...", ".#...", "####.", ".#...", ".#...", ".#..#", "..##."),
    "e": (".....", ".....", ".###.", "#...#", "#####", "#....", ".###."),
    "G": (".###.", "#...#", "#....", "#.###", "#...#", "#...#", ".###."),
    "P": ("####.", "#...#", "#...#", "####.", "#....", "#....", "#...."),
    "T": ("#####", "..#..", "..#..", "..#..", "..#..", "..#..", "..#.."),
}
_ADVANCE = 6
_NAME_COLUMNS = _ADVANCE * len(_NAME) - 1


@dataclass(frozen=True, slots=True)
class _Shape:
    """box: left, top, right and bottom. coverage: how much of the pixel around (x, y) is covered, 0 to 1."""

    box: tuple[float, float, float, float]
    coverage: Callable[[float, float], float]
    colour: Colour


@dataclass(frozen=True, slots=True)
class _Layout:
    """Pixels. bubble: left, top and width of the mark; name: left, top and size of a letter's square, None without."""

    size: tuple[int, int]
    bubble: tuple[float, float, float]
    name: tuple[float, float, float] | None = None


# By their place below this folder.
_LAYOUTS = {
    "package/images/logo_main.png": _Layout((400, 272), (145, 44, 110), (77, 198, 6)),
    "package/images/logo_medium.png": _Layout((240, 84), (18, 18, 50), (86, 29, 3.25)),
    "package/images/logo.png": _Layout((130, 100), (30, 18, 70)),
    "package/images/logo_small.png": _Layout((108, 108), (18, 21, 72)),
    "package/images/logo_min.png": _Layout((84, 84), (14, 16, 56)),
    "tour/tour_1.png": _Layout((1188, 616), (454, 110, 280), (389, 430, 10)),
}


def picture(name: str) -> Picture:
    """The rows of pixels of one of the pictures."""
    layout = _LAYOUTS[name]
    width, height = layout.size
    rows = [[_GROUND] * width for _ in range(height)]
    for shape in _shapes(layout):
        _paint(rows, shape)
    return rows


def names() -> tuple[str, ...]:
    """Every picture there is."""
    return tuple(_LAYOUTS)


def png(rows: Picture) -> bytes:
    """The file of a picture: 8 bits a channel, no transparency."""
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 2, 0, 0, 0)
    lines = b"".join(b"\0" + bytes(channel for pixel in row for channel in pixel) for row in rows)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _paint(rows: list[list[Colour]], shape: _Shape) -> None:
    left, top, right, bottom = shape.box
    for y in range(int(top) - 1, int(bottom) + 2):
        for x in range(int(left) - 1, int(right) + 2):
            rows[y][x] = _mixed(rows[y][x], shape.colour, shape.coverage(x + 0.5, y + 0.5))


def _mixed(below: Colour, above: Colour, share: float) -> Colour:
    red, green, blue = (round(one + (other - one) * share) for one, other in zip(below, above, strict=True))
    return red, green, blue


def _shapes(layout: _Layout) -> Iterator[_Shape]:
    left, top, width = layout.bubble
    height = width * 0.72
    yield _rounded(left, top, width, height, width * 0.16, _BUBBLE)
    yield _tail(left + width * 0.2, top + height - 1, width * 0.2)
    step = width * 0.19
    side = step * 0.72
    first_x, first_y = left + width / 2 - step * 1.5, top + height / 2 - step / 2
    for place, bit in enumerate(_BYTE):
        x, y = first_x + place % 4 * step, first_y + place // 4 * step
        colour = _SET_BIT if bit == "1" else _CLEAR_BIT
        yield _rounded(x - side / 2, y - side / 2, side, side, step * 0.2, colour)
    if layout.name is not None:
        yield from _name(*layout.name)


def _name(left: float, top: float, side: float) -> Iterator[_Shape]:
    for place, letter in enumerate(_NAME):
        for row, line in enumerate(_LETTERS[letter]):
            for column, mark in enumerate(line):
                if mark == "#":
                    x, y = left + (place * _ADVANCE + column) * side, top + row * side
                    yield _rounded(x, y, side, side, side * 0.12, _BUBBLE)


def _rounded(left: float, top: float, width: float, height: float, radius: float, colour: Colour) -> _Shape:
    centre_x, centre_y = left + width / 2, top + height / 2

    def coverage(x: float, y: float) -> float:
        across = max(abs(x - centre_x) - width / 2 + radius, 0.0)
        down = max(abs(y - centre_y) - height / 2 + radius, 0.0)
        return min(max(radius + 0.5 - hypot(across, down), 0.0), 1.0)

    return _Shape((left, top, left + width, top + height), coverage, colour)


def _tail(left: float, top: float, size: float) -> _Shape:
    """A triangle that hangs from the bubble and points to the lower left."""

    def coverage(x: float, y: float) -> float:
        depth = y - top
        if not 0 <= depth <= size:
            return 0.0
        return min(max(x - left + 0.5, 0.0), 1.0) * min(max(left + size - depth - x + 0.5, 0.0), 1.0)

    return _Shape((left, top, left + size, top + size), coverage, _BUBBLE)


def main() -> None:
    """Write every picture into the package."""
    for name in names():
        (ROOT / name).write_bytes(png(picture(name)))


if __name__ == "__main__":
    main()
