"""Where the help page of a message stands, below PUBLIC_URL."""

from app.domain.accounts import Locale
from app.domain.failures import Failure


def help_path(failure: Failure, locale: Locale) -> str:
    """The path and query of the page that explains a failure in a language."""
    return f"/help/errors/{failure}?lang={locale}"


def help_index_path(locale: Locale) -> str:
    """The path and query of the page that lists all messages in a language."""
    return f"/help?lang={locale}"
