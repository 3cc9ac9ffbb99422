"""The file of prices: its figures are those of openai.md 7, its errors are told."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.domain.answers import Usage
from app.domain.prices import cost
from config.prices import read_prices
from config.settings import ConfigError

MILLION = 1_000_000
TODAY = "2026-11-21"


# Nano-dollars per token, which is thousandths of dollars per million: input, cached, written, output.
@pytest.mark.parametrize(
    ("model", "day", "figures", "grade"),
    [
        ("gpt-6.2-astra", TODAY, (8000, None, None, 40_000), "estimated"),
        ("gpt-6.2-sol", TODAY, (2000, None, None, 10_000), "estimated"),
        ("gpt-6.1-sol", TODAY, (2000, 100, 2500, 10_000), "exact"),
        ("gpt-6.1-terra", TODAY, (1000, 50, 1250, 5000), "exact"),
        ("gpt-6-astra", TODAY, (10_000, 1000, 12_500, 50_000), "exact"),
        ("gpt-6-sol", TODAY, (2000, 200, 2500, 10_000), "exact"),
        ("gpt-6-luna", TODAY, (100, 10, 125, 500), "exact"),
        ("gpt-5.6-sol", TODAY, (4000, 400, 5000, 20_000), "exact"),
        ("gpt-5.6-sol", "2026-11-22", (5000, 500, 6250, 30_000), "estimated"),
        ("gpt-5.6-terra", "2026-07-29", (2500, 250, 3125, 15_000), "exact"),
        ("gpt-5.6-terra", "2026-07-30", (2000, 200, 2500, 12_000), "exact"),
        ("gpt-5.6-luna", "2026-07-29", (1000, 100, 1250, 6000), "exact"),
        ("gpt-5.6-luna", "2026-07-30", (200, 20, 250, 1200), "exact"),
        ("gpt-5.5", TODAY, (5000, 500, 5000, 30_000), "exact"),
        ("gpt-5.4", TODAY, (2500, 250, 2500, 15_000), "exact"),
        ("gpt-5.4-mini", TODAY, (750, 75, 750, 4500), "exact"),
        ("gpt-5.4-nano", TODAY, (200, 20, 200, 1250), "exact"),
        ("gpt-5.2", TODAY, (1750, 175, 1750, 14_000), "exact"),
        ("gpt-5.1", TODAY, (1250, 125, 1250, 10_000), "exact"),
        ("gpt-5", TODAY, (1250, 125, 1250, 10_000), "exact"),
        ("gpt-5-mini", TODAY, (250, 25, 250, 2000), "exact"),
        ("gpt-5-nano", TODAY, (50, 5, 50, 400), "exact"),
        ("gpt-5-pro", TODAY, (15_000, 15_000, 15_000, 120_000), "exact"),
        ("gpt-4.1", TODAY, (2000, 500, 2000, 8000), "exact"),
        ("gpt-4.1-mini", TODAY, (400, 100, 400, 1600), "exact"),
        ("gpt-4.1-nano", "2026-10-23", (100, 25, 100, 400), "exact"),
        ("gpt-4o-2024-08-06", TODAY, (2500, 1250, 2500, 10_000), "exact"),
        ("gpt-4o-mini", TODAY, (150, 75, 150, 600), "exact"),
        ("gpt-4-turbo", "2026-10-23", (10_000, 10_000, 10_000, 30_000), "exact"),
        ("gpt-4-0613", "2026-10-23", (30_000, 30_000, 30_000, 60_000), "exact"),
        ("gpt-3.5-turbo-0125", "2026-10-23", (500, 500, 500, 1500), "exact"),
        ("o3", TODAY, (2000, 500, 2000, 8000), "exact"),
        ("o4-mini", "2026-10-23", (1100, 275, 1100, 4400), "exact"),
        ("o3-mini", "2026-10-23", (1100, 550, 1100, 4400), "exact"),
        ("o1", "2026-10-23", (15_000, 7500, 15_000, 60_000), "exact"),
    ],
)
def test_the_file_holds_the_prices_of_openai(model: str, day: str, figures: tuple[int | None, ...], grade: str) -> None:
    price = read_prices().price_at(model, datetime.fromisoformat(day).replace(tzinfo=UTC))
    assert price is not None
    assert (price.input, price.cached, price.written, price.output) == figures
    assert price.grade == grade
    assert price.source


@pytest.mark.parametrize(
    ("model", "day"),
    [
        ("gpt-4.1-nano", "2026-10-24"),
        ("gpt-4-turbo", "2026-10-24"),
        ("gpt-4", "2026-10-24"),
        ("gpt-3.5-turbo", "2026-10-24"),
        ("o1", "2026-10-24"),
        ("o3-mini", "2026-10-24"),
        ("o4-mini", "2026-10-24"),
        ("gpt-6.2-sol", "2026-11-16"),
        ("gpt-6.1-terra", "2026-10-25"),
        ("gpt-7", TODAY),
    ],
)
def test_a_model_has_no_price_before_its_release_and_after_its_end(model: str, day: str) -> None:
    assert read_prices().price_at(model, datetime.fromisoformat(day).replace(tzinfo=UTC)) is None


def test_long_contexts_are_dearer_for_gpt_5_6_and_later_only() -> None:
    by_model = read_prices().by_model
    dearer = {model for model, prices in by_model.items() if any(price.long_context for price in prices)}
    assert dearer == {model for model in by_model if model.startswith(("gpt-5.6", "gpt-6"))}


def test_what_is_written_to_the_cache_costs_a_quarter_more_for_gpt_5_6_and_later() -> None:
    known = [price for prices in read_prices().by_model.values() for price in prices if price.written is not None]
    assert known
    for price in known:
        later = price.model.startswith(("gpt-5.6", "gpt-6"))
        assert price.written == (price.input * 5 // 4 if later else price.input)


def test_a_million_tokens_each_way_cost_what_the_page_says() -> None:
    price = read_prices().price_at("gpt-6-luna", datetime(2026, 11, 21, tzinfo=UTC))
    assert price is not None
    short = replace(price, long_context=False)
    assert cost(Usage(MILLION, 0, MILLION, 0), short).nano_dollars == 600_000_000
    assert cost(Usage(MILLION, 0, MILLION, 0), price).nano_dollars == 950_000_000


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[[price]]\nmodel = 'gpt-x'\n", "price 1 (gpt-x): input is missing"),
        ("[[price\n", "prices.toml: "),
        ("", "there is no [[price]]"),
    ],
    ids=["incomplete", "not TOML", "empty"],
)
def test_a_file_that_is_wrong_stops_the_process_with_one_message(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        read_prices(path)
    assert str(caught.value).startswith("prices.toml: ")
    assert told in str(caught.value)


def test_a_file_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"prices\.toml"):
        read_prices(tmp_path / "prices.toml")
