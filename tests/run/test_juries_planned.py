"""What a run file may ask of judges: refused before a call where it cannot be, and planned at its most where it depends
on answers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest

from amendment.errors import ConfigError
from amendment.run import load_run_file, plan_run
from amendment.run.checks import check_run_file

RUN = """\
name: planned
constitution: helpful-honest
prompts: [{path: p.jsonl}]
models:
  writer: {provider: openai, base_url: URL, model: w, api_key_env: null, max_tokens: 40}
  cheap: {provider: openai, base_url: URL, model: c, api_key_env: null, max_tokens: 40}
  strong: {provider: openai, base_url: URL, model: s, api_key_env: null, max_tokens: 40}
candidates: [{model: writer, per_prompt: 6}]
judging:
  judges: [{model: cheap, protocol: verdict}]
"""
Written = Callable[..., Path]


@pytest.mark.parametrize("orders", ["both", "first"])
def test_a_cascade_is_planned_as_if_the_first_judges_were_never_sure(
    written: Written, folder: Path, orders: str
) -> None:
    text = RUN.replace("per_prompt: 6", "per_prompt: 3") + "  cascade: {then: [{model: strong}]}\n"
    plan = plan_run(load_run_file(written(text + f"  orders: {orders}\n", prompts=10)), folder)
    calls = {one.model: one.calls for one in plan.asks if one.stage == "judging"}
    count = 10 * 3 * (2 if orders == "both" else 1)  # three pairs a prompt
    assert calls == {"cheap": count, "strong": count}


@pytest.mark.parametrize(
    ("ranking", "most"),
    [
        ("all_pairs", 15),
        ("adaptive", 13),  # two for each of six, and the best with the worst
        ("adaptive\n  comparisons_per_prompt: 4", 5),
    ],
)
def test_a_ranking_is_planned_at_its_most(written: Written, folder: Path, ranking: str, most: int) -> None:
    plan = plan_run(load_run_file(written(RUN + f"  ranking: {ranking}\n", prompts=5)), folder)
    assert [one.calls for one in plan.asks if one.stage == "judging"] == [5 * most * 2]


@pytest.mark.parametrize(
    ("judging", "said"),
    [
        ("  jury: dawid-skene\n", "judging.jury: dawid-skene is gone; write jury: majority"),
        ("  ranking: knockout\n", "judging.ranking: knockout is gone; write ranking: adaptive"),
        ("  labelled: judge\n", "judging.labelled: labelled is now judge_labelled"),
        ("  cascade: {sure: 0.5, then: [{model: strong}]}\n", "judging.cascade.sure: sure is now called confidence"),
        ("  jury: weighted\n", "judging.jury: learns from comparisons that people have decided"),
        ("  comparisons_per_prompt: 4\n", "judging.comparisons_per_prompt: ranking: all_pairs asks for as many"),
        ("  cascade: {then: [{model: nobody}]}\n", "judging.cascade.then[0].model: no model 'nobody'"),
        (
            "  cascade: {then: [{model: cheap, protocol: verdict}]}\n",
            "judging.cascade.then[0]: cheap judges by",
        ),
        ("  cascade: {confidence: 1.5, then: [{model: strong}]}\n", "judging.cascade.confidence"),
        ("  cascade: {confidence: 0, then: [{model: strong}]}\n", "judging.cascade.confidence: found 0"),
        ("  ranking: adaptive\n  comparisons_per_prompt: 10001\n", "judging.comparisons_per_prompt: found 10001"),
        ("  jury: majority\n", "run.yaml:11:9: judging.jury: majority puts several judges together, and there is one"),
    ],
)
def test_what_a_jury_cannot_be_is_named_with_its_place(written: Written, judging: str, said: str) -> None:
    with pytest.raises(ConfigError) as fault:
        load_run_file(written(RUN + judging))
    assert said in str(fault.value)


def test_a_changed_copy_of_a_judge_that_would_sign_alike_is_refused_with_its_place(
    written: Written,
) -> None:
    text = RUN.replace("protocol: verdict}", "protocol: verdict}, {model: cheap, protocol: ./mine}")
    file = written(text)
    shutil.copytree(str(files("amendment.preference") / "judges" / "verdict"), file.parent / "mine")
    with pytest.raises(ConfigError, match=r"run.yaml:10:\d+: judging.judges\[1\].protocol: cheap signs as") as fault:
        check_run_file(load_run_file(file))
    assert "id or version" in str(fault.value)
    file = written(text.replace("{model: cheap, protocol: ./mine}", "{model: strong, protocol: ./mine}"))
    check_run_file(load_run_file(file))
