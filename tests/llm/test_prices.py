"""Prices: what a call costs, at most and in truth; whose price goes first; which servers cost nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from amendment.errors import ConfigError
from amendment.llm.prices import FREE, LongPrice, Price, PriceTable, cost, find_price, is_own_server, most_cost
from amendment.llm.requests import Tokens, Usage

OPENAI = "api.openai.com/v1"
ANTHROPIC = "api.anthropic.com"
PRICE = Price(input=2.0, cached_input=0.5, output=8.0, batch_discount=0.5)
LONG = Price(input=1.0, output=4.0, long=LongPrice(above=1000, input=3.0, output=9.0))


def usage(given: int, written: int, cached: int = 0) -> Usage:
    return Usage(input_tokens=given, output_tokens=written, cached_tokens=cached)


def table(tmp_path: Path, text: str, name: str = "prices.yaml") -> PriceTable:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return PriceTable.read(path)


def test_a_call_costs_its_fresh_its_cached_and_its_written_tokens() -> None:
    # 800 fresh at 2 + 200 cached at 0.50 + 500 of output at 8 = 1600 + 100 + 4000 millionths
    assert cost(PRICE, usage(1000, 500, cached=200)) == pytest.approx(0.0057)
    assert cost(PRICE, usage(1000, 500, cached=200), batch=True) == pytest.approx(0.00285)


def test_beyond_its_limit_the_long_price_holds_for_all_tokens() -> None:
    assert cost(LONG, usage(1000, 100)) == pytest.approx(0.0014)  # 1000 x 1 + 100 x 4
    assert cost(LONG, usage(1001, 100)) == pytest.approx(0.003903)  # 1001 x 3 + 100 x 9


def test_the_most_assumes_no_cached_token_and_all_of_them_written_into_a_cache() -> None:
    assert most_cost(PRICE, Tokens(1000, 500)) == pytest.approx(0.006)  # 1000 x 2 + 500 x 8
    assert most_cost(PRICE, Tokens(1000, 500), batch=True) == pytest.approx(0.003)
    writing = PRICE.model_copy(update={"cache_write": 2.5})
    assert most_cost(writing, Tokens(1000, 500)) == pytest.approx(0.0065)


def test_an_answer_without_a_limit_has_the_models_own_or_no_most_at_all() -> None:
    assert most_cost(PRICE, Tokens(1000, None)) is None
    assert most_cost(FREE, Tokens(1000, None)) == 0  # free answers may have any length
    bounded = PRICE.model_copy(update={"max_output": 100})
    assert most_cost(bounded, Tokens(1000, None)) == pytest.approx(0.0028)
    assert most_cost(bounded, Tokens(1000, 10)) == pytest.approx(0.00208)


MINE = """
prices:
  - host: https://API.openai.com/v1/
    as_of: 2026-01-31
    source: our contract
    models:
      small: {input: 1, output: 2}
      small-2026-01-01: {input: 5, output: 6}
  - host: "*"
    models:
      small: {input: 9, output: 9}
      open: {input: 0.5, output: 0.5}
"""


@pytest.mark.parametrize(
    ("host", "model", "price"),
    [
        (OPENAI, "small", 1.0),
        ("API.OpenAI.com/v1", "small", 1.0),
        ("gateway.example.org/v1", "open", 0.5),
        (OPENAI, "small-2026-01-01", 5.0),  # under its very name
        (OPENAI, "small-2026-02-02", 1.0),  # as the undated one
        (OPENAI, "small-mini", None),
        (OPENAI, "my-small", None),
        ("api.openai.com", "small", 9.0),  # another path is another host
    ],
)
def test_a_model_is_found_by_its_host_and_its_name(tmp_path: Path, host: str, model: str, price: float | None) -> None:
    found = find_price(table(tmp_path, MINE), host, model)
    assert (found.input if found else None) == price


def test_a_users_file_goes_before_the_shipped_one_and_extends_it(tmp_path: Path) -> None:
    mine = table(
        tmp_path,
        "prices: [{host: api.openai.com/v1, models: {gpt-4o: {input: 7, output: 7}, new: {input: 1, output: 1}}}]",
    )
    both = mine.before(PriceTable.shipped())
    # the dated name stands in the shipped file, and the user's price holds for it by the rule
    for model, price in (("gpt-4o", 7.0), ("new", 1.0), ("gpt-4.1-mini", 0.4), ("gpt-4o-2024-05-13", 7.0)):
        found = find_price(both, OPENAI, model)
        assert found is not None
        assert found.input == price


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("prices: [{host: a.b, models: {m: {input: -1, output: 2}}}]", "1:42", "expected at least 0"),
        ("prices: [{host: a.b, models: {m: {input: 1, ouput: 2}}}]", "1:45", "did you mean 'output'"),
        ("prices: [{host: a.b, models: {m: {input: 1, output: 2, batch_discount: 50}}}]", "1:72", "at most 1"),
        ("prices: [{host: a.b, as_of: yesterday, models: {m: {input: 1, output: 2}}}]", "1:29", "yesterday"),
    ],
)
def test_what_is_wrong_in_a_file_of_prices_is_told_with_its_place(
    tmp_path: Path, text: str, place: str, said: str
) -> None:
    with pytest.raises(ConfigError) as told:
        table(tmp_path, text)
    assert f"prices.yaml:{place}:" in str(told.value)
    assert said in str(told.value)


OWN = """localhost localhost:11434/v1 127.0.0.1:8000/v1 [::1]:8000/v1 192.168.1.20:8000/v1 100.100.1.2
[fe80::1%25eth0]:8000 gpu-box:8000/v1 vllm.internal/v1 box.local:8000 local:abc123/cpu/float32"""
SHOPS = f"""{OPENAI} {ANTHROPIC} openrouter.ai/api/v1 8.8.8.8/v1 172.32.0.1 0.0.0.0:8000/v1 [2001:4860:4860::8888]
localhost.example.org 0x08080808 [::1"""


@pytest.mark.parametrize("host", OWN.split())
def test_a_server_of_ones_own_costs_nothing(host: str) -> None:
    assert is_own_server(host)
    assert find_price(PriceTable(), host, "any-model") == FREE
    assert cost(FREE, usage(10**9, 10**9)) == 0.0


@pytest.mark.parametrize("host", [*SHOPS.split(), ""])
def test_any_other_server_may_be_a_shop(host: str) -> None:
    assert not is_own_server(host)
    assert find_price(PriceTable(), host, "any-model") is None


def test_a_price_that_no_sum_could_hold_is_refused_and_the_highest_one_adds_up() -> None:
    rates = dict.fromkeys(("input", "output", "cached_input", "cache_write"), 1e6)
    for field in rates:
        with pytest.raises(ValidationError, match=rf"{field}\n.*less than or equal to"):
            Price.model_validate({**rates, field: 1_000_001})
    assert most_cost(Price.model_validate(rates), Tokens(10**9, 10**9)) == 2e9  # 2 x 10^9 tokens at a dollar each
    with pytest.raises(ValidationError, match="max_output"):
        Price.model_validate({**rates, "max_output": 10**400})
