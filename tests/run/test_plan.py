"""A plan says what a run will ask: counted by hand, and held against what the run then asks."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import ConfigError
from amendment.hashing import content_id
from amendment.llm.prices import FREE, Price
from amendment.run import Patience, Paused, Plan, Run, load_run_file, plan_run
from amendment.run.outward import Contact, contacts
from amendment.run.plan import Asks, BudgetCheck, _budget_check
from amendment.run.pricing import prices_of, unpriced
from amendment.run.runfile.config import RunFile

QUICK = Patience(attempts=2, longest_wait=0.01)
TRIAL = """\
name: trial
constitution: helpful-honest
prompts: [{path: p.jsonl}]
models:
  writer: {provider: openai, base_url: URL, model: w, api_key_env: OUR_KEY, max_tokens: 40}
  judge: {provider: openai, base_url: URL, model: j, api_key_env: OUR_KEY, max_tokens: 40}
critique: {model: writer, rounds: 2}
candidates:
  - {from: critique, take: last}
  - {model: writer, per_prompt: 2}
judging:
  judges: [{model: judge, protocol: verdict, samples: 3}]
  principles_per_pair: 2
"""


def distinct(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """A different answer to each question, which a judge can read, too."""
    return 200, {"role": "assistant", "content": f"about {content_id(body)}\nVerdict: A"}


def planned(path: Path, folder: Path, overrides: Sequence[str] = (), until: str | None = None) -> Plan:
    return plan_run(load_run_file(path, overrides), folder, until=until)


def calls_of(plan: Plan) -> dict[str, tuple[int, int]]:
    """Calls paid and calls to be made, by stage and model."""
    return {f"{one.stage}/{one.model}": (one.paid, one.calls) for one in plan.asks}


def state_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file of a folder, its bytes and its time."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_more_than_a_thousand_prompts_are_counted_with_the_first_and_scaled_up(
    written: Callable[..., Path], folder: Path
) -> None:
    plan = planned(written(DRAWS, prompts=1500), folder)
    assert [(row.stage, row.calls, row.paid) for row in plan.asks] == [("candidates", 1500, 0)]
    assert (plan.prompts, plan.counted) == (1500, 1000)
    assert "the first 1,000" in str(plan)


def test_calls_of_a_run_file_are_those_counted_by_hand(written: Callable[..., Path], folder: Path) -> None:
    # critique: 10 prompts x (1 draft + 2 rounds x (critique + revision)) = 50
    # candidates: 10 x 2 draws, of which the first asks what the draft asked already: 10
    # judging: 3 candidates make 3 pairs; 10 x 3 x 2 orders x 2 principles x 3 samples = 360
    plan = planned(written(TRIAL, prompts=10), folder)
    assert calls_of(plan) == {"critique/writer": (0, 50), "candidates/writer": (0, 10), "judging/judge": (0, 360)}
    assert (plan.prompts, plan.counted, plan.total.calls, plan.total.paid) == (10, 10, 420, 0)


def test_the_run_asks_what_was_planned_and_after_a_part_of_it_the_rest(
    written: Callable[..., Path], folder: Path, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer = distinct
    path = written(TRIAL, url=server.url, prompts=2)
    whole = planned(path, folder, until="judging")
    assert whole.total.calls == 2 * (5 + 1 + 36)
    monkeypatch.setenv("OUR_KEY", "canary")
    first = Run.from_file(path, folder=folder)(until="critique").sent
    before = state_of(folder)
    rest = planned(path, folder, until="judging")
    assert state_of(folder) == before
    assert calls_of(rest) == {"critique/writer": (10, 0), "candidates/writer": (0, 2), "judging/judge": (0, 72)}
    second = Run.from_file(path, folder=folder)(until="judging").sent
    assert (first, second) == (10, rest.total.calls)
    assert len(server.asked) == whole.total.calls
    after = planned(path, folder, until="judging")
    assert (after.total.calls, after.total.usd, after.contacts) == (0, 0.0, ())


def test_a_plan_in_the_middle_of_a_stage_counts_exactly_what_the_next_start_sends(
    written: Callable[..., Path], folder: Path, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return (500, {}) if "question 0002" in json.dumps(body) else distinct(body)

    monkeypatch.setenv("OUR_KEY", "canary")
    server.answer = failing
    path = written(TRIAL, url=server.url, prompts=3)
    with pytest.raises(Paused):
        Run.from_file(path, folder=folder, patience=QUICK)(until="judging")
    plan = planned(path, folder, until="judging")
    assert plan.total.paid > 0
    assert plan.total.paid + plan.total.calls == 3 * 42
    server.answer = distinct
    assert Run.from_file(path, folder=folder, patience=QUICK)(until="judging").sent == plan.total.calls


def test_a_rehearsal_in_the_simulated_world_asks_as_many_as_planned(small: Path, tmp_path: Path, folder: Path) -> None:
    plan = planned(small, folder)
    result = Run.from_file(small, folder=tmp_path / "other")()
    assert result.sent == plan.total.calls
    assert (plan.total.usd, plan.total.most_usd, plan.total.seconds, plan.contacts, plan.unpriced) == (
        0.0,
        0.0,
        0.0,
        (),
        (),
    )
    assert not folder.exists()


def test_nothing_is_sent_nothing_is_written_and_no_key_is_needed(
    written: Callable[..., Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: socket.socket, address: Any) -> None:
        raise AssertionError(f"a plan tried to reach {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    text = TRIAL.replace("base_url: URL, model: w, api_key_env: OUR_KEY,", "model: w,")
    plan = planned(written(text), folder)
    assert not folder.exists()
    told = {contact.host: (contact.models, contact.key) for contact in plan.contacts}
    assert told == {
        "api.openai.com/v1": (("writer",), "OPENAI_API_KEY"),
        "127.0.0.1:1/v1": (("judge",), "OUR_KEY"),
    }


DRAWS = """\
name: draws
prompts: [{path: p.jsonl}]
models: {far: {provider: openai, model: m, max_tokens: 10, price: {input: 2, output: 8, batch_discount: 0.5}}}
candidates: [{model: far, per_prompt: 1}]
"""


def test_policies_that_are_yet_to_be_trained_are_counted_with_all_that_follows_from_them(
    written: Callable[..., Path], folder: Path
) -> None:
    plan = planned(written(WHOLE, prompts=10), folder)
    # critique: 10 x (draft + revision); candidates: 10; judging: draft, revision and sft make 3 pairs, in one order
    # evaluate: 2 prompts x 2 samples = 4 of each policy. The first sample of sft was asked as a candidate and that of
    # the writer as a draft, which leaves 2. Two policies meet sft: 2 x 4 x 2 orders x 2 principles = 32, but for the
    # two prompts on which the judging had that draft meet that candidate in one order by the first of the principles
    assert calls_of(plan) == {
        "critique/writer": (0, 20),
        "candidates/sft": (0, 10),
        "judging/judge": (0, 30),
        "evaluate/sft": (0, 2),
        "evaluate/dpo": (0, 4),
        "evaluate/writer": (0, 2),
        "evaluate/judge": (0, 30),
    }
    # a judge that reads label probabilities answers with one token
    assert [one.output_tokens for one in plan.asks if one.model == "judge"] == [30, 30]
    assert plan.unasked == ("inputs", "base", "sft", "audit", "dataset", "dpo")
    assert "without calls to models, and not estimated: inputs, base, sft, audit, dataset, dpo" in str(plan)


def test_an_evaluation_of_a_sample_counts_as_many_prompts_as_the_run_takes(
    written: Callable[..., Path], folder: Path
) -> None:
    text = DRAWS.replace("models: {", "constitution: helpful-honest\nmodels: {other: {provider: openai, model: o}, ")
    judge = "{model: far, protocol: verdict}"
    text += f"dataset: {{test_share: 0.5}}\nevaluate: {{policies: [far, other], prompts: 90, judge: {judge}}}\n"
    plan = planned(written(text, prompts=600), folder)
    found = {f"{one.stage}/{one.model}": one.calls for one in plan.asks}
    # far answers all 600 as candidates, the held-out ones among them; 90 bouts in two orders
    assert (found["candidates/far"], found["evaluate/other"], found["evaluate/far"]) == (600, 90, 180)


WHOLE = """\
name: whole
constitution: helpful-honest
prompts: [{path: p.jsonl}]
models:
  writer: {provider: openai, model: w, max_tokens: 40}
  judge: {provider: openai, model: j}
critique: {model: writer, rounds: 1, critique: false}
base: {on: drafts}
sft: {base: base}
candidates:
  - {from: critique, take: all}
  - {model: sft, per_prompt: 1}
judging:
  judges: [{model: judge, protocol: label-tokens}]
  orders: first
dataset: {test_share: 0.5}
dpo: {base: sft}
evaluate:
  policies: [sft, dpo, writer]
  prompts: 2
  samples: 2
  judge: {model: judge, protocol: label-tokens}
  principles: 2
"""

GUARDED = (
    WHOLE.partition("evaluate:")[0]
    .replace(
        "dpo: {base: sft}",
        "dpo: {base: sft, steps: 20, guards: {prompts: 5, samples: 2, every: 8, principles: 2,"
        " judge: {model: watcher, protocol: verdict, samples: 3}}}",
    )
    .replace("  judge: {provider", "  watcher: {provider: openai, model: k}\n  judge: {provider")
)


def test_the_judge_that_guards_a_training_is_counted_at_most(written: Callable[..., Path], folder: Path) -> None:
    plan = planned(written(GUARDED, prompts=30), folder)
    # 20 steps are measured at 8, 16 and 20: 3 times 5 prompts x 2 answers x 2 orders x 2 principles x 3 samples
    assert calls_of(plan)["dpo/watcher"] == (0, 360)
    assert "dpo" not in plan.unasked
    assert "watcher" in plan.unpriced
    rounds = GUARDED + "rounds: {n: 2, candidates: {per_prompt: 2}}\n"
    assert calls_of(planned(written(rounds, prompts=30), folder))["round-2/watcher"] == (0, 360)
    # of 240 prompts, 200 of which are rehearsed, half are held out, and 60 of them asked; an eighth of 20 steps are 3,
    # so that there are 7 measurements
    many = GUARDED.replace("prompts: 5, samples: 2, every: 8", "prompts: 60").replace(", samples: 3}", "}")
    assert calls_of(planned(written(many, prompts=240), folder))["dpo/watcher"] == (0, 7 * 60 * 2 * 2)


def test_a_judge_whose_calls_nobody_could_count_is_refused(written: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError, match=r"guards\.judge with guards\.every needs steps"):
        load_run_file(written(GUARDED.replace("steps: 20, ", "")))


def test_a_plan_is_json_and_back(written: Callable[..., Path], folder: Path) -> None:
    plan = planned(written(TRIAL), folder, ["budget.usd=5"])
    assert Plan.from_json(json.loads(json.dumps(plan.to_json(), allow_nan=False))) == plan
    assert plan.budget is not None


def test_no_text_in_a_plan_steers_a_terminal(written: Callable[..., Path], folder: Path) -> None:
    plan = planned(written(DRAWS), folder)
    bad = "\x1b[31m\u202e"
    hostile = plan.model_copy(
        update={
            "name": bad,
            "asks": tuple(one.model_copy(update={"model": bad}) for one in plan.asks),
            "unpriced": (bad,),
            "stops": {bad: bad},
            "warnings": (bad,),
            "contacts": tuple(one.model_copy(update={"host": bad, "key": bad}) for one in plan.contacts),
        }
    )
    assert "\x1b" not in str(hostile)
    assert "\u202e" not in str(hostile)


def test_a_stage_that_would_come_to_nothing_is_said_to_stop_the_run(written: Callable[..., Path], folder: Path) -> None:
    drawn = "  - {from: critique, take: last}\n  - {model: writer, per_prompt: 2}\n"
    path = written(TRIAL.replace(drawn, "  - {path: c.jsonl}\n"))
    rows = (json.dumps({"prompt": f"question {number:04}", "candidate": "the same"}) for number in range(4))
    path.with_name("c.jsonl").write_text("\n".join(rows) + "\n")
    plan = planned(path, folder)
    assert list(plan.stops) == ["judging"]
    assert "no prompt has two different candidates" in str(plan)


def test_a_plan_can_be_made_while_the_run_is_at_work(
    written: Callable[..., Path], folder: Path, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUR_KEY", "canary")
    server.answer = distinct
    path = written(TRIAL, url=server.url, prompts=2)
    with Run.from_file(path, folder=folder) as run:
        assert run.models["writer"].name == "writer"  # which keeps the folder and its ledger
        run(until="critique")
        assert calls_of(planned(path, folder, until="critique")) == {"critique/writer": (10, 0)}


def test_the_command_prints_the_plan_without_a_key_and_makes_no_folder(
    written: Callable[..., Path], folder: Path, tmp_path: Path
) -> None:
    path = written(DRAWS, prompts=3)
    environ = {name: value for name, value in os.environ.items() if not name.endswith("_KEY")}
    command = [sys.executable, "-m", "amendment", "plan", str(path), "--limit", "2", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environ, check=True)
    found = Plan.from_json(json.loads(done.stdout))
    assert found == plan_run(load_run_file(path, limit=2), folder)
    assert [(one.stage, one.calls) for one in found.asks] == [("candidates", 2)]
    assert not (tmp_path / "runs").exists()


def test_money_is_tokens_times_price_and_at_most_counts_answers_that_are_asked_for_twice(
    written: Callable[..., Path], folder: Path
) -> None:
    (asks,) = planned(written(DRAWS, prompts=3), folder).asks
    # three answers, each of 300 tokens if it may, and so of 10
    assert (asks.calls, asks.output_tokens) == (3, 30)
    # "user\nquestion 0001\n" has 19 characters, so 5 tokens, and 4 are around it: 3 x 9
    assert asks.input_tokens == 27
    assert asks.usd == pytest.approx((27 * 2 + 30 * 8) / 1e6)
    # each is cut at 10 tokens and asked for again with 20
    assert asks.most_calls == 6
    assert asks.most_usd is not None
    assert asks.most_usd >= (27 * 2 * 2 + 3 * (10 + 20) * 8) / 1e6
    (kept,) = planned(written(DRAWS, prompts=3), folder, ["models.far.at_length=keep"]).asks
    assert kept.most_calls == 3


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
    assert asks.most_usd is None
    assert any("set max_tokens" in line for line in plan.warnings)


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
        usd=usd,
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
    assert _budget_check(usd, spent, rows) == BudgetCheck(usd=usd, spent=spent, verdict=verdict, stage=stage)


@pytest.mark.parametrize("usd", [0.5, 10.0])
def test_where_nothing_is_left_to_be_asked_no_budget_stops_anything(usd: float) -> None:
    paid = [asks(stage, 0.0, 0.0).model_copy(update={"paid": 5, "calls": 0, "most_calls": 0}) for stage in "ab"]
    assert _budget_check(usd, 3.0, paid) == BudgetCheck(usd=usd, spent=3.0, verdict="nothing left")


def test_a_run_would_stop_where_something_is_left_to_be_asked() -> None:
    paid = asks("critique", 0.0, 0.0).model_copy(update={"paid": 5, "calls": 0, "most_calls": 0})
    assert _budget_check(2.0, 3.0, [paid, asks("judging", 1.0, 1.0)]).stage == "judging"


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
    assert _budget_check(100.0, 0.0, rows) == BudgetCheck(usd=100.0, spent=0.0, verdict="unknown", unpriced=("m",))
    assert _budget_check(1.0, 0.0, rows).verdict == "would stop"  # already by what is known


def test_what_has_no_upper_bound_never_fits_for_sure() -> None:
    assert _budget_check(1e9, 0.0, [asks("critique", 1.0, None)]).verdict == "likely fits"


def test_thoughts_are_paid_as_output_and_counted_as_long_as_their_budget(
    written: Callable[..., Path], folder: Path
) -> None:
    text = DRAWS.replace("openai", "anthropic").replace("max_tokens: 10", "max_tokens: 2000, thinking_budget: 1024")
    plan = planned(written(text, prompts=3), folder)
    # a text of 300 tokens after 1024 of thoughts, three times
    assert plan.asks[0].output_tokens == 3 * 1324


def test_how_long_a_model_thinks_without_a_budget_is_said_to_be_unknown(
    written: Callable[..., Path], folder: Path
) -> None:
    plan = planned(written(DRAWS.replace("model: m,", "model: m, effort: high,"), prompts=3), folder)
    assert any("far: how long it thinks is not known" in line for line in plan.warnings)


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
