"""A plan says what a run will ask: counted by hand, and held against what the run then asks."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import ConfigError
from amendment.hashing import content_id
from amendment.llm.prices import FREE, Price
from amendment.run import Paused, Plan, Run, load_run_file, plan_run
from amendment.run.money import find_prices, unpriced
from amendment.run.plan import Asks, _budget_check, contacts
from amendment.run.runfile.config import RunFile
from tests.rows import save
from tests.run.small_runs import QUICK

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
DRAWS = """\
name: draws
prompts: [{path: p.jsonl}]
models: {far: {provider: openai, model: m, max_tokens: 10, price: {input: 2, output: 8}}}
candidates: [{model: far, per_prompt: 1}]
"""
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
Written = Callable[..., Path]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_KEY", "canary")


def distinct(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """A different answer to each question, which a judge can read, too."""
    return 200, {"role": "assistant", "content": f"about {content_id(body)}\nVerdict: A"}


def planned(path: Path, folder: Path, overrides: Sequence[str] = (), until: str | None = None) -> Plan:
    return plan_run(load_run_file(path, overrides), folder, until=until)


def calls_of(plan: Plan) -> dict[str, tuple[int, int]]:
    """Calls paid and calls to be made, by stage and model."""
    return {f"{row.stage}/{row.model}": (row.paid, row.calls) for row in plan.asks}


def state_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file of a folder, its bytes and its time."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_calls_of_a_run_file_are_those_counted_by_hand(written: Written, folder: Path) -> None:
    # critique: 4 prompts x (1 draft + 2 rounds x (critique + revision)) = 20
    # candidates: 4 x 2 draws, of which the first asks what the draft asked already: 4
    # judging: 3 candidates make 3 pairs; 4 x 3 x 2 orders x 3 samples x 2 principles = 144
    plan = planned(written(TRIAL), folder)
    assert calls_of(plan) == {"critique/writer": (0, 20), "candidates/writer": (0, 4), "judging/judge": (0, 144)}
    assert (plan.prompts, plan.counted, plan.total.calls, plan.total.paid) == (4, 4, 168, 0)


def test_the_run_asks_what_was_planned_and_after_a_part_of_it_the_rest(
    written: Written, folder: Path, server: Any
) -> None:
    server.answer = distinct
    path = written(TRIAL, url=server.url, prompts=2)
    whole = planned(path, folder, until="judging").total.calls
    assert whole == 2 * (5 + 1 + 36)
    Run.from_file(path, folder=folder)(until="critique")
    before = state_of(folder)
    rest = planned(path, folder, until="judging")
    assert state_of(folder) == before
    assert calls_of(rest) == {"critique/writer": (10, 0), "candidates/writer": (0, 2), "judging/judge": (0, 72)}
    with Run.from_file(path, folder=folder) as run:  # which keeps the folder and its ledger
        assert run(until="judging").sent == rest.total.calls
        after = planned(path, folder, until="judging")
    assert len(server.asked) == whole
    assert (after.total.calls, after.total.usd, after.contacts) == (0, 0.0, ())


def test_a_plan_in_the_middle_of_a_stage_counts_exactly_what_the_next_start_sends(
    written: Written, folder: Path, server: Any
) -> None:
    server.answer = lambda body: (500, {}) if "question 0001" in json.dumps(body) else distinct(body)
    run = Run.from_file(written(TRIAL, url=server.url, prompts=2), folder=folder, patience=QUICK)
    with pytest.raises(Paused):
        run(until="judging")
    total = run.plan(until="judging").total
    assert total.paid > 0
    assert total.paid + total.calls == 2 * 42
    server.answer = distinct
    assert run(until="judging").sent == total.calls


def test_the_simulated_world_is_asked_as_planned_for_nothing(small: Path, folder: Path, undisturbed: Any) -> None:
    plan = planned(small, folder)
    assert plan.total.calls == undisturbed.result.sent
    assert (plan.total.usd, plan.total.most_usd, plan.total.seconds) == (0.0, 0.0, 0.0)
    assert (plan.contacts, plan.unpriced) == ((), ())


@pytest.mark.parametrize("example", ["rounds", "simulated"])
def test_trainings_do_not_end_a_plan(example: str, folder: Path) -> None:
    assert not Run.from_file(EXAMPLES / f"{example}.yaml", folder=folder, limit=20).plan().stops


def test_nothing_is_sent_nothing_is_written_and_no_key_is_needed(
    written: Written, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: socket.socket, address: Any) -> None:
        raise AssertionError(f"a plan tried to reach {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    for name in ("OPENAI_API_KEY", "OUR_KEY"):
        monkeypatch.delenv(name, raising=False)
    plan = planned(written(TRIAL.replace("base_url: URL, model: w, api_key_env: OUR_KEY,", "model: w,")), folder)
    assert not folder.exists()
    assert {contact.host: (contact.models, contact.key) for contact in plan.contacts} == {
        "api.openai.com/v1": (("writer",), "OPENAI_API_KEY"),
        "127.0.0.1:1/v1": (("judge",), "OUR_KEY"),
    }
    hub = load_run_file(written(DRAWS.replace("path: p.jsonl", "dataset: org/name")))
    assert [contact.host for contact in contacts(hub.config, hub.base, [], ())] == ["huggingface.co"]
    assert contacts(hub.config, hub.base, [], ("inputs", "mixing")) == ()


def test_more_than_a_thousand_prompts_are_counted_with_the_first_and_scaled_up(written: Written, folder: Path) -> None:
    plan = planned(written(DRAWS, prompts=1500), folder)
    assert (plan.prompts, plan.counted, plan.total.calls) == (1500, 1000, 1500)
    assert "the first 1,000" in str(plan)


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
"""


def test_policies_that_are_yet_to_be_trained_are_counted_with_all_that_follows_from_them(
    written: Written, folder: Path
) -> None:
    plan = planned(written(WHOLE, prompts=10), folder)
    # critique: 10 x (draft + revision); candidates: 10; judging: draft, revision and sft make 3 pairs, in one order
    # evaluate: 2 prompts x 2 samples = 4 of each policy. The first sample of sft was asked as a candidate and that of
    # the writer as a draft, which leaves 2. Two policies meet sft: 2 x 4 x 2 orders = 16, but for the two
    # prompts on which the judging had that draft meet that candidate in one order by the same principle; the first
    # policy, sft, scores all 12 answers for their fluency
    assert calls_of(plan) == {
        "critique/writer": (0, 20),
        "candidates/sft": (0, 10),
        "judging/judge": (0, 30),
        "evaluate/sft": (0, 14),
        "evaluate/dpo": (0, 4),
        "evaluate/writer": (0, 2),
        "evaluate/judge": (0, 14),
    }
    # a judge that reads label probabilities answers with one token
    assert [row.output_tokens for row in plan.asks if row.model == "judge"] == [30, 14]
    assert plan.unasked == ("inputs", "base", "sft", "audit", "dataset", "dpo")


GUARDED = (
    WHOLE.partition("evaluate:")[0]
    .replace(
        "dpo: {base: sft}",
        "dpo: {base: sft, steps: 20, guards: {prompts: 5, every: 8,"
        " judge: {model: watcher, protocol: verdict, samples: 3}}}",
    )
    .replace("  judge: {provider", "  watcher: {provider: openai, model: k}\n  judge: {provider")
)


def test_the_judge_that_guards_a_training_is_counted_at_most(written: Written, folder: Path) -> None:
    calls = calls_of(planned(written(GUARDED + "rounds: {n: 2, per_prompt: 2}\n", prompts=12), folder))
    # 20 steps are measured at 8, 16 and 20: 3 times 5 prompts x 2 orders x 3 samples
    assert calls["dpo/watcher"] == calls["round-2/watcher"] == (0, 90)
    with pytest.raises(ConfigError, match=r"guards\.judge with guards\.every needs steps"):
        load_run_file(written(GUARDED.replace("steps: 20, ", "")))


def test_no_text_in_a_plan_steers_a_terminal_and_a_plan_is_json_and_back(written: Written, folder: Path) -> None:
    plan = planned(written(DRAWS), folder, ["budget.usd=5"])
    assert Plan.from_json(json.loads(json.dumps(plan.to_json(), allow_nan=False))) == plan
    bad = "\x1b[31m\u202e"
    hostile = {
        "name": bad,
        "asks": tuple(row.model_copy(update={"model": bad}) for row in plan.asks),
        "unpriced": (bad,),
        "stops": {bad: bad},
        "warnings": (bad,),
        "contacts": tuple(contact.model_copy(update={"host": bad, "key": bad}) for contact in plan.contacts),
    }
    assert not {"\x1b", "\u202e"} & set(str(plan.model_copy(update=hostile)))


def test_a_stage_that_would_come_to_nothing_is_said_to_stop_the_run(written: Written, folder: Path) -> None:
    drawn = "  - {from: critique, take: last}\n  - {model: writer, per_prompt: 2}\n"
    path = written(TRIAL.replace(drawn, "  - {path: c.jsonl}\n"))
    save(path.with_name("c.jsonl"), [{"prompt": f"question {i:04}", "candidate": "the same"} for i in range(4)])
    plan = planned(path, folder)
    assert list(plan.stops) == ["judging"]
    assert "no prompt has two different candidates" in str(plan)


def test_money_is_tokens_times_price(written: Written, folder: Path) -> None:
    (row,) = planned(written(DRAWS, prompts=3), folder).asks
    # three answers, each of 300 tokens if it may, and so of 10
    # "user\nquestion 0001\n" has 19 characters, so 5 tokens, and 4 are around it: 3 x 9
    assert (row.calls, row.most_calls, row.input_tokens, row.output_tokens) == (3, 3, 27, 30)
    assert row.usd == pytest.approx((27 * 2 + 30 * 8) / 1e6)


@pytest.mark.parametrize(
    ("override", "seconds"),
    [
        ("seed=1", 4 * 1.2),  # 1 s and 10 tokens at 50 a second, eight at once
        ("models.far.mode=batch", None),
        ("models.far.requests_per_minute=10", 180),  # 30 calls at 10 a minute
        ("models.far.tokens_per_minute=50", 60 * 30 * 10 / 50),  # the vendor charges max_tokens, 10
        ("models.far.concurrency=1", 30 * 1.2),
    ],
)
def test_time_follows_from_limits(written: Written, folder: Path, override: str, seconds: float | None) -> None:
    (row,) = planned(written(DRAWS, prompts=30), folder, [override]).asks
    assert row.seconds == (seconds and pytest.approx(seconds, rel=0.1))


def test_what_is_not_known_is_said_and_not_guessed(written: Written, folder: Path) -> None:
    boundless = planned(written(DRAWS.replace("max_tokens: 10, ", "")), folder)
    assert boundless.total.most_usd is None
    assert any("set max_tokens" in line for line in boundless.warnings)
    plan = planned(written(DRAWS.replace("price: {input: 2, output: 8}", "base_url: https://shop.example/v1")), folder)
    assert (plan.unpriced, plan.total.usd, plan.total.most_usd) == (("far",), None, None)
    thinking = planned(written(DRAWS.replace("model: m,", "model: m, effort: high,")), folder)
    assert any("far: the length of its thinking is unknown" in line for line in thinking.warnings)


def asks(stage: str, usd: float | None, most: float | None) -> Asks:
    numbers = {"input_tokens": 1, "output_tokens": 1, "usd": usd, "most_usd": most, "seconds": 1.0}
    return Asks.model_validate({"stage": stage, "model": "m", "paid": 0, "calls": 1, "most_calls": 1, **numbers})


DONE = asks("critique", 0.0, 0.0).model_copy(update={"paid": 5, "calls": 0, "most_calls": 0})
BOTH = [asks("critique", 1.0, 4.0), asks("judging", 2.0, 6.0)]


@pytest.mark.parametrize(
    ("rows", "usd", "spent", "verdict", "stage"),
    [
        (BOTH, 10.0, 0.0, "fits", None),  # 4 + 6 at most
        (BOTH, 10.0, 0.5, "likely fits", None),  # 0.5 + 1 + 2 = 3.5 likely, 10.5 at most
        (BOTH, 2.5, 0.0, "would stop", "judging"),  # 1 after the critique, 3 after the judging
        (BOTH, 2.5, 2.0, "would stop", "critique"),
        ([DONE], 0.5, 3.0, "nothing left", None),
        ([DONE, asks("judging", 1.0, 1.0)], 2.0, 3.0, "would stop", "judging"),
        ([asks("critique", 1.0, None)], 1e9, 0.0, "likely fits", None),
        ([asks("critique", None, None), asks("judging", 2.0, 6.0)], 1.0, 0.0, "would stop", "judging"),
    ],
)
def test_a_budget_is_held_against_what_is_likely_and_what_is_most(
    rows: list[Asks], usd: float, spent: float, verdict: str, stage: str | None
) -> None:
    found = _budget_check(usd, spent, rows)
    assert (found.verdict, found.stage) == (verdict, stage)


def test_a_price_stands_in_the_entry_or_in_the_users_table_and_what_no_stage_asks_needs_none(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text("prices:\n  - {host: shop.example/v1, models: {m: {input: 1, output: 2}}}\n")
    shop = {"provider": "openai", "base_url": "https://shop.example/v1"}
    models = {
        "entry": {**shop, "model": "m", "price": {"input": 9, "output": 9}},
        "table": {**shop, "model": "m"},
        "own": {**shop, "model": "n", "base_url": "http://gpu-box:8000/v1"},
        "nobody": {**shop, "model": "n"},
        "idle": {**shop, "model": "n"},
    }
    draws = [{"model": name} for name in models if name != "idle"]
    config = RunFile.model_validate({"name": "x", "prices": "prices.yaml", "models": models, "candidates": draws})
    priced = {"entry": Price(input=9, output=9), "table": Price(input=1, output=2), "own": FREE}
    assert find_prices(config, tmp_path) == {**priced, "nobody": None, "idle": None}
    assert unpriced(config, tmp_path) == ["nobody"]


def test_the_name_of_a_model_at_its_server_is_no_file(written: Written, folder: Path) -> None:
    assert planned(written(DRAWS.replace("model: m,", "model: /usr,")), folder).outside == ()


def test_a_plan_shows_which_principle_applies_to_how_many_prompts(written: Written, folder: Path) -> None:
    path = written(
        TRIAL.replace("helpful-honest", "./rules.yaml").replace("{path: p", "{category: harm, path: p"), prompts=24
    )
    rules = "id: rules\nversion: 1.0.0\ntitle: Rules\nlicense: CC0-1.0\nprinciples:\n"
    for name, scope in (("all", ""), ("people", ", applies_when: {categories: [people]}")):
        rules += f"  - {{id: {name}, statement: Be., critique: [Is it?], revise: [Be.], compare: [Which?]{scope}}}\n"
    (path.parent / "rules.yaml").write_text(rules)
    plan = planned(path, folder)
    assert [row.by_category for row in plan.coverage] == [{"harm": 24}, {"harm": 0}]
    assert ["rules/people", "0", "0"] in [line.split() for line in str(plan).splitlines()]
    assert planned(written(DRAWS), folder).coverage == ()
