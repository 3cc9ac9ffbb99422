"""Pictures in SVG for the guides: boxes, texts and arrows, on a ground of their own, in colours for light and dark."""

from collections.abc import Sequence
from html import escape

# Pixels. A letter is taken for wider than it is in most fonts, so that no text leaves its box.
FONT_SIZE = 15
LINE_HEIGHT = 20
_LETTER_WIDTH = 0.58 * FONT_SIZE

Point = tuple[float, float]

_STYLE = """
text { font: 15px system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; fill: #1d2733; }
.strong { font-weight: 600; }
.soft { fill: #566373; }
.code { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: 13px; }
.on { fill: #ffffff; font-weight: 600; }
.ground { fill: #ffffff; }
.box { fill: #f6f8fb; stroke: #b4c0cf; stroke-width: 1.5; }
.widget, .bot { fill: #3b3291; }
.pause { fill: #8a5a00; }
.message, .client { fill: #0b6b53; }
.condition { fill: #1a5fb4; }
.start, .end, .note { fill: #566373; }
.bubble { fill: #e4f3ee; stroke: #9cc9bb; }
.bubble.bot { fill: #eae8f8; stroke: #b9b3e3; }
.bubble.note { fill: #fff6dc; stroke: #dcc178; }
.port { fill: #ffffff; stroke: #566373; stroke-width: 2; }
.line { fill: none; stroke: #566373; stroke-width: 2; }
.head { fill: #566373; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6ebf2; }
  .soft { fill: #a3b1c2; }
  .on { fill: #ffffff; }
  .ground { fill: #12171e; }
  .box { fill: #1c242e; stroke: #4a5a6d; }
  .widget, .bot { fill: #5a4fc4; }
  .pause { fill: #97660a; }
  .message, .client { fill: #12805f; }
  .condition { fill: #2b6fc4; }
  .start, .end, .note { fill: #58677a; }
  .bubble { fill: #16352c; stroke: #2f6a57; }
  .bubble.bot { fill: #27234f; stroke: #5a4fc4; }
  .bubble.note { fill: #3a3115; stroke: #7d6a2c; }
  .port { fill: #12171e; stroke: #a3b1c2; }
  .line { stroke: #a3b1c2; }
  .head { fill: #a3b1c2; }
}
"""


def wrapped(text: str, width: float) -> list[str]:
    """The text in lines that fit into so many pixels; line breaks of the text stay."""
    most = max(1, int(width / _LETTER_WIDTH))
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if line and len(longer) > most:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return lines


def text_width(text: str) -> float:
    """Pixels that a line may take."""
    return len(text) * _LETTER_WIDTH


class Picture:
    """What is drawn, in the order in which it is drawn; its height follows from that."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._bottom = 0.0
        self._parts: list[str] = []

    def box(self, at: Point, size: Point, look: str = "box", round_by: float = 8) -> None:
        """A rectangle with round corners. at: its upper left corner."""
        (x, y), (width, height) = at, size
        self._bottom = max(self._bottom, y + height)
        self._parts.append(
            f'<rect class="{look}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{round_by:g}"/>'
        )

    def text(self, at: Point, lines: Sequence[str], look: str = "", anchor: str = "start") -> None:
        """Lines below each other. at: on the first one's base line, its start, middle or end, as anchor says."""
        for number, line in enumerate(lines):
            place = f'x="{at[0]:g}" y="{at[1] + number * LINE_HEIGHT:g}" text-anchor="{anchor}"'
            self._parts.append(f'<text class="{look}" {place}>{escape(line, quote=False)}</text>')

    def port(self, at: Point) -> None:
        """The dot where an arrow leaves a box."""
        self._parts.append(f'<circle class="port" cx="{at[0]:g}" cy="{at[1]:g}" r="5"/>')

    def arrow(self, *points: Point) -> None:
        """A line through the points, with a head at the last one. Its pieces are level or upright."""
        (x, y), (before_x, before_y) = points[-1], points[-2]
        back_x, back_y = _sign(before_x - x), _sign(before_y - y)
        line = " ".join(f"{px:g},{py:g}" for px, py in (*points[:-1], (x + 7 * back_x, y + 7 * back_y)))
        side_x, side_y = 5 * abs(back_y), 5 * abs(back_x)
        corners = [
            (x, y),
            (x + 9 * back_x + side_x, y + 9 * back_y + side_y),
            (x + 9 * back_x - side_x, y + 9 * back_y - side_y),
        ]
        head = " ".join(f"{px:g},{py:g}" for px, py in corners)
        self._bottom = max(self._bottom, *(point[1] for point in points))
        self._parts.append(f'<polyline class="line" points="{line}"/><polygon class="head" points="{head}"/>')

    def svg(self, title: str) -> str:
        """The whole file. title: what the picture shows, for who does not see it."""
        height = self._bottom + 16
        size = f'width="{self.width}" height="{height:g}" viewBox="0 0 {self.width} {height:g}"'
        return "\n".join(
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>',
                f"<title>{escape(title, quote=False)}</title>",
                f"<style>{_STYLE}</style>",
                f'<rect class="ground" width="{self.width}" height="{height:g}" rx="12"/>',
                *self._parts,
                "</svg>\n",
            )
        )


def _sign(number: float) -> int:
    return (number > 0) - (number < 0)
