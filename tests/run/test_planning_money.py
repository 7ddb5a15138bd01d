"""What a plan says of money, time and hosts, with the arithmetic shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import ConfigError
from amendment.llm.ledger_reading import Latency
from amendment.llm.prices import FREE, Price
from amendment.llm.specs import OpenAISpec
from amendment.run import Plan, Run, load_run_file, plan_run
from amendment.run.outward import Contact, contacts
from amendment.run.planning.figures import budget_check, likely_seconds, measured
from amendment.run.planning.plan import Asks, BudgetCheck
from amendment.run.pricing import prices_of, unpriced
from amendment.run.runfile.config import RunFile

DRAWS = """\
name: draws
prompts: [{path: p.jsonl}]
models: {far: {provider: openai, model: m, max_tokens: 10, price: {input: 2, output: 8, batch_discount: 0.5}}}
candidates: [{model: far, per_prompt: 1}]
"""


def planned(path: Path, folder: Path, overrides: Sequence[str] = ()) -> Plan:
    return plan_run(load_run_file(path, overrides), folder)


def test_money_is_tokens_times_price_and_at_most_counts_answers_that_are_asked_for_twice(
    written: Callable[..., Path], folder: Path
) -> None:
    (asks,) = planned(written(DRAWS, prompts=3), folder).asks
    # three answers, each of 300 tokens if it may, and so of 10
    assert (asks.calls, asks.output_tokens) == (3, 30)
    # "user\nquestion 0001\n" has 19 characters, so 5 tokens, and 4 are around it: 3 x 9
    assert asks.input_tokens == 27
    assert asks.usd == pytest.approx((27 * 2 + 30 * 8) / 1e6)
    assert asks.cached_usd == asks.usd
    # each is cut at 10 tokens and asked for again with 20
    assert (asks.most_calls, asks.most_output_tokens) == (6, 3 * (10 + 20))
    assert asks.most_usd == pytest.approx((asks.most_input_tokens * 2 + 90 * 8) / 1e6)
    (kept,) = planned(written(DRAWS, prompts=3), folder, ["models.far.at_length=keep"]).asks
    assert (kept.most_calls, kept.most_output_tokens) == (3, 30)


def test_a_batch_has_its_discount_and_no_time(written: Callable[..., Path], folder: Path) -> None:
    path = written(DRAWS, prompts=3)
    (online,) = planned(path, folder).asks
    (batch,) = planned(path, folder, ["models.far.mode=batch"]).asks
    assert online.usd is not None
    assert batch.usd == pytest.approx(online.usd / 2)
    # 1 s and 10 tokens at 50 a second, eight at once
    assert online.seconds == pytest.approx(1.2)
    assert batch.seconds is None


def test_known_limits_of_a_server_bound_the_time(written: Callable[..., Path], folder: Path) -> None:
    path = written(DRAWS, prompts=30)
    (asks,) = planned(path, folder, ["models.far.requests_per_minute=10"]).asks
    assert asks.seconds == pytest.approx(180)  # 30 calls at 10 a minute
    (asks,) = planned(path, folder, ["models.far.concurrency=1"]).asks
    assert asks.seconds == pytest.approx(30 * 1.2)


def test_answers_without_a_bound_cost_nobody_knows_how_much(written: Callable[..., Path], folder: Path) -> None:
    plan = planned(written(DRAWS.replace("max_tokens: 10, ", "")), folder)
    (asks,) = plan.asks
    assert (asks.most_output_tokens, asks.most_usd) == (None, None)
    assert any("set max_tokens" in line for line in plan.assumed)


def test_models_without_a_price_are_named_and_their_money_is_not_guessed(
    written: Callable[..., Path], folder: Path
) -> None:
    text = DRAWS.replace("price: {input: 2, output: 8, batch_discount: 0.5}", "base_url: https://shop.example/v1")
    plan = planned(written(text), folder)
    assert plan.unpriced == ("far",)
    assert (plan.total.usd, plan.total.most_usd) == (None, None)
    assert "far has no price: a run needs --allow-unpriced, or a price" in str(plan)


def asks(stage: str, usd: float | None, most: float | None) -> Asks:
    return Asks(
        stage=stage,
        model="m",
        paid=0,
        calls=1,
        most_calls=1,
        input_tokens=1,
        output_tokens=1,
        cached_tokens=0,
        most_input_tokens=1,
        most_output_tokens=1,
        usd=usd,
        cached_usd=usd,
        most_usd=most,
        seconds=1.0,
    )


@pytest.mark.parametrize(
    ("usd", "spent", "verdict", "stage"),
    [
        (10.0, 0.0, "fits", None),  # 4 + 6 at most
        (10.0, 0.5, "likely fits", None),  # 0.5 + 1 + 2 = 3.5 likely, 10.5 at most
        (3.0, 0.0, "likely fits", None),  # 1 + 2 likely
        (2.5, 0.0, "would stop", "judging"),  # 1 after the critique, 3 after the judging
        (2.5, 2.0, "would stop", "critique"),
    ],
)
def test_a_budget_is_held_against_what_is_likely_and_what_is_most(
    usd: float, spent: float, verdict: Any, stage: str | None
) -> None:
    rows = [asks("critique", 1.0, 4.0), asks("judging", 2.0, 6.0)]
    assert budget_check(usd, spent, rows) == BudgetCheck(usd=usd, spent=spent, verdict=verdict, stage=stage)


@pytest.mark.parametrize("usd", [0.5, 10.0])
def test_where_nothing_is_left_to_be_asked_no_budget_stops_anything(usd: float) -> None:
    paid = [asks(stage, 0.0, 0.0).model_copy(update={"paid": 5, "calls": 0, "most_calls": 0}) for stage in "ab"]
    assert budget_check(usd, 3.0, paid) == BudgetCheck(usd=usd, spent=3.0, verdict="nothing left")


def test_a_run_would_stop_where_something_is_left_to_be_asked() -> None:
    paid = asks("critique", 0.0, 0.0).model_copy(update={"paid": 5, "calls": 0, "most_calls": 0})
    assert budget_check(2.0, 3.0, [paid, asks("judging", 1.0, 1.0)]).stage == "judging"


def test_a_finished_run_under_a_smaller_budget_is_not_said_to_stop(
    written: Callable[..., Path], folder: Path, server: Any
) -> None:
    path = written(DRAWS.replace("model: m,", "model: m, base_url: URL,"), url=server.url)
    Run.from_file(path, folder=folder)()
    plan = planned(path, folder, ["budget.usd=0.0000001"])
    assert plan.budget is not None
    assert (plan.total.calls, plan.budget.verdict) == (0, "nothing left")
    assert plan.budget.spent > plan.budget.usd
    assert "are spent: nothing is left to be asked" in str(plan)


def test_a_budget_is_not_compared_with_a_cost_that_is_not_known() -> None:
    rows = [asks("critique", None, None), asks("judging", 2.0, 6.0)]
    assert budget_check(100.0, 0.0, rows) == BudgetCheck(usd=100.0, spent=0.0, verdict="unknown", unpriced=("m",))
    assert budget_check(1.0, 0.0, rows).verdict == "would stop"  # already by what is known


def test_what_has_no_upper_bound_never_fits_for_sure() -> None:
    assert budget_check(1e9, 0.0, [asks("critique", 1.0, None)]).verdict == "likely fits"


def test_lengths_of_answers_are_taken_from_the_ledger_where_enough_are_there(
    written: Callable[..., Path], folder: Path, server: Any
) -> None:
    server.answer = lambda body: (200, {"role": "assistant", "content": "some word" * 4})
    text = DRAWS.replace("model: m,", "model: m, base_url: URL,").replace("max_tokens: 10", "max_tokens: 100")
    Run.from_file(written(text, prompts=20, url=server.url), folder=folder)()
    (asks,) = planned(written(text, prompts=30, url=server.url), folder).asks
    # each of the 20 answers has 36 characters, so 9 tokens; ten more of them are to come
    assert (asks.paid, asks.calls, asks.output_tokens) == (20, 10, 90)


def test_thoughts_are_paid_as_output_and_counted_as_long_as_their_budget(
    written: Callable[..., Path], folder: Path
) -> None:
    text = DRAWS.replace("openai", "anthropic").replace("max_tokens: 10", "max_tokens: 2000, thinking_budget: 1024")
    plan = planned(written(text, prompts=3), folder)
    # a text of 300 tokens after 1024 of thoughts, three times; at most 2000, and 4000 where it is cut
    assert (plan.asks[0].output_tokens, plan.asks[0].most_output_tokens) == (3 * 1324, 3 * 6000)
    assert any("far: uses up its thinking_budget" in told for told in plan.assumed)


def test_how_long_a_model_thinks_without_a_budget_is_said_to_be_unknown(
    written: Callable[..., Path], folder: Path
) -> None:
    plan = planned(written(DRAWS.replace("model: m,", "model: m, effort: high,"), prompts=3), folder)
    assert any("far: how long it thinks is not known" in told for told in plan.assumed)


def test_times_of_calls_are_taken_from_the_ledger_where_enough_are_there() -> None:
    spec = OpenAISpec(provider="openai", model="m", concurrency=4)
    rows = [Latency("judging", spec.host, "m", 2.5, 20), Latency("critique", spec.host, "m", 9.0, 19)]
    assert measured(spec, "judging", rows) == 2.5
    assert measured(spec, "critique", rows) is None
    # 40 calls, four at once, 2.5 s each
    assert likely_seconds(spec, 40, 1000, 100, 2.5) == 25.0


def test_a_run_that_reads_from_the_hub_says_so(written: Callable[..., Path], folder: Path) -> None:
    loaded = load_run_file(written(DRAWS.replace("path: p.jsonl", "dataset: org/name")))
    hub = Contact(host="huggingface.co", models=(), key="HF_TOKEN")
    assert contacts(loaded.config, loaded.base, [], ()) == (hub,)
    assert contacts(loaded.config, loaded.base, [], ("inputs", "mixing")) == ()


PRICES = """\
prices:
  - host: shop.example/v1
    models:
      m: {input: 1, output: 2}
  - host: "*"
    models:
      m: {input: 3, output: 4}
"""


def priced(tmp_path: Path, **models: dict[str, Any]) -> RunFile:
    (tmp_path / "prices.yaml").write_text(PRICES)
    entries = {name: {"provider": "openai", **entry} for name, entry in models.items()}
    draws = [{"model": name} for name in models if name != "idle"]
    return RunFile.model_validate({"name": "x", "prices": "prices.yaml", "models": entries, "candidates": draws})


def test_a_price_stands_in_the_entry_in_the_users_table_or_in_the_shipped_one(tmp_path: Path) -> None:
    config = priced(
        tmp_path,
        entry={"model": "m", "price": {"input": 9, "output": 9}},
        table={"model": "m", "base_url": "https://shop.example/v1"},
        any={"model": "m", "base_url": "http://localhost:8000/v1"},
        shipped={"model": "gpt-4.1"},
        own={"model": "n", "base_url": "http://gpu-box:8000/v1"},
        nobody={"model": "n", "base_url": "https://shop.example/v1"},
        idle={"model": "n", "base_url": "https://shop.example/v1"},
    )
    found = prices_of(config, tmp_path)
    assert found["entry"] == Price(input=9, output=9)
    assert found["table"] == Price(input=1, output=2)
    assert found["any"] == Price(input=3, output=4)
    assert found["shipped"] is not None
    assert found["shipped"].input > 0
    assert found["own"] == FREE
    assert (found["nobody"], found["idle"]) == (None, None)
    assert unpriced(config, tmp_path) == ["nobody"]  # idle is asked by no stage


def test_a_price_table_that_is_wrong_is_named_with_its_place(tmp_path: Path) -> None:
    config = priced(tmp_path)
    (tmp_path / "prices.yaml").write_text("prices:\n  - host: shop.example\n    models: {m: {input: -1, output: 2}}\n")
    with pytest.raises(ConfigError, match=r"prices.yaml:3:"):
        prices_of(config, tmp_path)
