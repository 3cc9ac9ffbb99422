"""The prices of OpenAI as they stand in the file beside this module."""

import tomllib
from decimal import Decimal
from functools import cache
from pathlib import Path

from app.domain.prices import PriceBook, PricesInvalid, price_book
from config.settings import ConfigError

PRICES_FILE = Path(__file__).with_name("prices.toml")


@cache
def read_prices(path: Path = PRICES_FILE) -> PriceBook:
    """The prices of a file, which a process reads once. Raises ConfigError with all that is wrong with it."""
    try:
        with path.open("rb") as file:
            return price_book(tomllib.load(file, parse_float=Decimal))
    except (OSError, tomllib.TOMLDecodeError, PricesInvalid) as error:
        raise ConfigError(f"{path.name}: {error}") from error
