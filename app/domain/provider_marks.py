"""What OpenAI's tools leave in an answer that means nothing to a client: citation marks and sandbox links."""

import re

_CITATION = re.compile(r"[ \t]*【[^】]*】")
# A mark that was cut off with the end of the answer, such as 【4:0†sour.
_CUT_CITATION = re.compile(r"[ \t]*【\d+(?::\d+)?†[^\s】]*\Z")

# [text](sandbox:/mnt/data/a.pdf), also as an image, without its closing bracket, and with brackets inside.
_SANDBOX_LINK = re.compile(
    r"!?\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\([ \t]*<?sandbox:(?:[^()\n]|\([^()\n]*\))*(?:\)|$)",
    re.IGNORECASE | re.MULTILINE,
)
# The address alone, with whatever was put around it; a full stop after it is not a part of it.
_SANDBOX_ADDRESS = re.compile(
    r"[ \t]*(?:\([ \t]*sandbox:/[^\s()]*(?:\([^\s()]*\)[^\s()]*)*[ \t]*\)|`?<?sandbox:/[^\s)\]>`]*(?<![.,;:!?])>?`?)",
    re.IGNORECASE,
)


def without_provider_marks(text: str) -> str:
    """The text without `【…】` and without `sandbox:/…`; of a link to the sandbox its text stays.

    A text that has neither comes back as it is.
    """
    if "【" in text:
        # Behind the last 】 nothing can match; not to look there keeps a row of 【 from costing its square.
        last = text.rfind("】") + 1
        text = _CUT_CITATION.sub("", _CITATION.sub("", text[:last]) + text[last:])
    if "sandbox:" in text.lower():
        text = _SANDBOX_ADDRESS.sub("", _SANDBOX_LINK.sub(r"\1", text))
    return text
