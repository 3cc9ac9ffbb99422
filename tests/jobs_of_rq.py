"""Functions that tests let RQ run."""


def say(*_texts: str, **_named: str) -> str:
    """Do nothing, and return a text that nobody may read."""
    return "a result that holds a client's text"


def fail(*texts: str, **_named: str) -> None:
    """Fail with the texts in the message."""
    raise RuntimeError(f"could not say {texts}\nand more of it: {texts}")
