"""Times of a plan: by the speed of earlier calls, worked out by hand, and what is said where there are none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from amendment.llm.ledger_reading import AnsweredCall
from amendment.llm.specs import LocalSpec
from amendment.run import load_run_file
from amendment.run.plan import plan_run
from amendment.run.run import Run
from amendment.run.times import find_speed, measure_speeds
from amendment.training import TinyModel, build_tiny
from tests.chat_server import ChatServer


def call(sent: float, came: float, *, output: int, model: str = "m") -> AnsweredCall:
    return AnsweredCall("h", model, sent, came, 80, output, 0)


def test_a_speed_is_the_work_over_the_time_in_which_calls_were_on_their_way() -> None:
    calls = [
        call(0, 4, output=40),
        call(2, 6, output=20),  # 0 to 6: two at once
        call(3, 5, output=10),  # within
        call(90, 94, output=0),  # after a pause, in which nobody waited: 4 s more
        call(0, 1, output=90, model="other"),
        call(50, 49, output=9, model="turned back"),  # the clock was set while it was out
    ]
    speeds = measure_speeds(calls)
    # 40 + 20 + 10 + 0 tokens written, 4 x 80 read that count an eighth: 70 + 40 = 110 in 10 s
    assert speeds["h", "m"].per_second == pytest.approx(11.0)
    assert speeds["h", "m"].calls == 4
    assert speeds["h", "other"].per_second == pytest.approx(100.0)
    assert len(speeds) == 2


def test_a_local_model_and_a_trained_policy_are_found_whatever_device_they_ran_on() -> None:
    local = [
        AnsweredCall("local:0af1/cpu/float32", "small", 0, 2, 0, 20, 0),
        AnsweredCall("local:77c3/cpu/float32", "dpo@s2:00", 0, 5, 0, 20, 0),
    ]
    speeds = measure_speeds(local)
    small = find_speed("writer", LocalSpec(provider="local", model="org/small"), speeds)
    assert small is None, "the name in records is that of the Hub"
    small = find_speed("writer", LocalSpec(provider="local", model="small"), speeds)
    dpo = find_speed("dpo", None, speeds)
    assert small is not None
    assert dpo is not None
    assert (small.per_second, dpo.per_second) == (10.0, 4.0)
    assert find_speed("sft", None, speeds) is None


def test_a_plan_takes_the_speed_of_earlier_calls_or_of_a_trial_and_else_says_what_it_assumes(
    run_file: Callable[[str], Path], tmp_path: Path, server: ChatServer
) -> None:
    (tmp_path / "p.jsonl").write_text("\n".join(json.dumps({"prompt": f"question {n}"}) for n in range(9)))
    path = run_file(
        f"name: timed\nprompts: [{{path: p.jsonl}}]\ncandidates: [{{model: far, per_prompt: 1}}]\n"
        f"models: {{far: {{provider: openai, model: m, base_url: '{server.url}', max_tokens: 50}}}}\n"
    )
    server.usage = {"prompt_tokens": 16, "completion_tokens": 30, "total_tokens": 46}
    loaded, folder = load_run_file(path), tmp_path / "runs/timed"
    unmeasured = plan_run(loaded, folder)
    # 9 calls, two at once: 4.5 times 1 s and 50 tokens at 50 a second
    assert unmeasured.asks[0].seconds == pytest.approx(4.5 * 2.0)
    assert "time of far: assuming 1 s until an answer begins, then 50 tokens/s, 2 calls at once" in str(unmeasured)
    Run.from_file(path, folder=tmp_path / "runs/timed.limit-3", limit=3)()
    measured = plan_run(loaded, folder)
    (row,) = measured.asks
    assert row.calls == 9, "a trial is a run of its own"
    assert row.seconds is not None
    assert 0 < row.seconds < 4.5, "a server that answers at once"
    assert "time of far: measured on 3 earlier calls, " in str(measured)


def test_a_folder_next_to_the_run_file_is_measured_by_its_trial(tmp_path: Path) -> None:
    build_tiny(tmp_path / "models/small", ["some words"] * 4, TinyModel(hidden=16, layers=1, heads=2, vocab=400))
    (tmp_path / "p.jsonl").write_text("\n".join(json.dumps({"prompt": f"question {n}"}) for n in range(4)))
    path = tmp_path / "run.yaml"
    path.write_text(
        "name: near\nprompts: [{path: p.jsonl}]\ncandidates: [{model: m, per_prompt: 1}]\n"
        "models: {m: {provider: local, model: models/small, max_tokens: 4}}\n"
    )
    Run.from_file(path, folder=tmp_path / "runs/near.limit-2", limit=2)()
    plan = plan_run(load_run_file(path), tmp_path / "runs/near")
    assert plan.asks[0].seconds is not None
    assert "time of m: measured on 2 earlier calls" in str(plan)
