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
from amendment.run import Patience, Paused, Plan, Run, load_run_file, plan_run

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


def test_calls_of_a_run_file_are_those_counted_by_hand(written: Callable[..., Path], folder: Path) -> None:
    # critique: 10 prompts x (1 draft + 2 rounds x (critique + revision)) = 50
    # candidates: 10 x 2 draws, of which the first asks what the draft asked already: 10
    # judging: 3 candidates make 3 pairs; 10 x 3 x 2 orders x 2 principles x 3 samples = 360
    plan = planned(written(TRIAL, prompts=10), folder)
    assert calls_of(plan) == {"critique/writer": (0, 50), "candidates/writer": (0, 10), "judging/judge": (0, 360)}
    assert (plan.prompts, plan.rehearsed, plan.total.calls, plan.total.paid) == (10, 10, 420, 0)


def test_a_plan_ends_at_the_stage_that_is_named_where_only_some_prompts_reach_it(
    written: Callable[..., Path], folder: Path
) -> None:
    # 300 prompts are sampled by whether they are among the 50 that the stage takes; the others do not have it at all.
    # critique: 300 x 5 = 1,500; candidates: 50 x 2, of which one is the draft
    path = written(TRIAL.replace("per_prompt: 2", "per_prompt: 2, take: 50"), prompts=300)
    plan = planned(path, folder, until="candidates")
    assert calls_of(plan) == {"critique/writer": (0, 1500), "candidates/writer": (0, 50)}


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
    assert (after.total.calls, after.total.usd, after.assumed, after.contacts) == (0, 0.0, (), ())


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


def test_many_prompts_are_sampled_and_scaled_up_without_losing_a_take(
    written: Callable[..., Path], folder: Path
) -> None:
    text = DRAWS.replace("per_prompt: 1}]", "per_prompt: 1, take: 250}, {model: far, per_prompt: 2, take: 15}]")
    plan = planned(written(text, prompts=600), folder)
    # the second source asks its first draw as the first source did: 250 + 15 new ones
    assert [(one.stage, one.calls) for one in plan.asks] == [("candidates", 265)]
    assert plan.prompts == 600
    assert plan.rehearsed < 300
    assert "of 600 prompts" in plan.assumed[0]


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
    assert "dpo: at most, as if no guard tripped and every answer were a long one of its own" in plan.assumed
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
            "assumed": (bad,),
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
