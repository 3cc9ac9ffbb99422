"""What Kommo's moderation asks of script.js and style.css (kommo.md 7.7), and what we ask of them ourselves."""

import re
from collections.abc import Iterator, Sequence

# Our own prefix: nothing outside the widget may change its looks.
STYLE_ROOT = ".bytegpt"
# The address that stands in the source until the archive is built (RFC 2606: it leads nowhere).
UNBUILT_ADDRESS = "https://bytegpt.invalid"
LONGEST_LINE = 400

_ALWAYS = ("render", "init", "bind_actions", "settings", "onSave", "destroy", "contacts", "leads", "todo")
_BY_LOCATION = {
    "advanced_settings": ("advancedSettings",),
    "salesbot_designer": ("salesbotDesignerSettings", "onSalesbotDesignerSave"),
    "digital_pipeline": ("dpSettings",),
}
# What must not stand in a script, and why.
_FORBIDDEN = (
    (r"\beval\s*\(|\bnew\s+Function\b|\bset(?:Timeout|Interval)\s*\(\s*['\"`]", "runs text as code"),
    (r"\bconsole\s*\.\s*(?!trace\b)\w+", "writes to the console; only console.trace in a catch is allowed"),
    (r"\basync\s*:\s*false\b", "makes a synchronous request"),
    (r"createElement\(\s*['\"`]script|\bgetScript\s*\(|\bdocument\s*\.\s*write", "loads a script of its own"),
    (r"\.click\(\s*\)|\.trigger\(\s*['\"`]click", "clicks by itself"),
    (r"\.(?:inner|outer)HTML\b|\binsertAdjacentHTML\b|\.html\(|\bparseHTML\b", "reads text as HTML"),
    (r"\bdebugger\b", "stops in the debugger"),
)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
# The end of what a block of CSS belongs to: a selector, or an at-rule.
_HEAD = re.compile(r"([^{};]+)\{")


def script_messages(source: str, locations: Sequence[str]) -> Iterator[str]:
    """Messages about a script for these locations."""
    code = _COMMENT.sub("", source)
    if not re.match(r"\s*define\(", code):
        yield "script.js: must be an AMD module that begins with define("
    for pattern, reason in _FORBIDDEN:
        if re.search(pattern, code):
            yield f"script.js: {reason}"
    if any(len(line) > LONGEST_LINE for line in source.splitlines()):
        yield f"script.js: has a line of more than {LONGEST_LINE} characters; minified code is refused"
    needed = (*_ALWAYS, *(name for location in locations for name in _BY_LOCATION.get(location, ())))
    for name in needed:
        if not re.search(rf"\b{name}\s*:", code):
            yield f"script.js: the callback {name} is missing"
    if UNBUILT_ADDRESS in source:
        yield f"script.js: the address of the service is still {UNBUILT_ADDRESS}"


def style_messages(source: str) -> Iterator[str]:
    """Messages about a stylesheet."""
    css = _COMMENT.sub("", source)
    if "@import" in css:
        yield "style.css: @import loads another stylesheet"
    for head in _HEAD.findall(css):
        for selector in head.split(","):
            if not head.strip().startswith("@") and STYLE_ROOT not in selector:
                yield f"style.css: the selector {selector.strip()} reaches outside {STYLE_ROOT}"


def unloaded_style(script: str) -> Iterator[str]:
    """The message about a stylesheet that the script does not load with the widget's version behind it."""
    if "/style.css?v=" not in script:
        yield "style.css: script.js does not load it with ?v= and the version, which clears what browsers keep"
