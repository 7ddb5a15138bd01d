"""Guards in a run: on which prompts, with what scores, what they leave in its folder and what is said of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from amendment.errors import ConfigError
from amendment.run import Run, load_run_file
from amendment.run.chain import list_stages
from amendment.run.status import read_status, status_lines
from amendment.stages.dpo import shared_prompts
from tests.run.small_runs import Said

RUN = """\
name: guarded
seed: 3
constitution: lilliput
models: {writer: {provider: simulated}, judge: {provider: simulated}}
prompts: [{lilliput: 24}]
critique: {model: writer, rounds: 1}
base: {on: drafts, steps: 4, batch_size: 8, learning_rate: 1.0e-3, max_length: 64,
  hidden: 16, vocab: 400}
candidates: [{from: critique, take: draft_and_last}]
judging: {judges: [{model: judge, protocol: label-tokens}], ties: keep}
dataset: {test_share: 0.4}
reward_model: {base: base, steps: 3, batch_size: 8, max_length: 64}
dpo: {base: base, steps: 4, batch_size: 8, max_length: 64, guards: GUARDS}
evaluate: {policies: [base, dpo], prompts: 4, max_tokens: 8}
"""


def run_file(folder: Path, guards: str) -> Path:
    path = folder / "run.yaml"
    path.write_text(RUN.replace("GUARDS", guards))
    return path


def needs(path: Path, stage: str) -> tuple[str, ...]:
    return next(one.reads for one in list_stages(Run.from_file(path).config) if one.name == stage)


def test_what_the_policys_training_reads_follows_from_its_guards(tmp_path: Path) -> None:
    watched = {"inputs/prompts", "inputs/split", "models/reward_model"}
    assert watched <= set(needs(run_file(tmp_path, "{}"), "dpo"))
    assert not watched & set(needs(run_file(tmp_path, "null"), "dpo"))
    path = run_file(tmp_path, "{}")
    path.write_text(path.read_text().replace("reward_model: {base: base", "reward_model: {base: dpo"))
    assert "models/reward_model" not in needs(path, "dpo"), "it is trained from the policy that is watched"


@pytest.mark.slow
def test_a_guard_that_ends_a_training_is_said_when_it_ends_and_by_the_status(tmp_path: Path) -> None:
    # a rate that breaks the policy within a step, and a limit that anything passes
    guards = "{every: 1, prompts: 6, max_tokens: 8, kl_per_token: 1.0e-6, length_ratio: null}"
    path = run_file(tmp_path, guards)
    path.write_text(
        path.read_text().replace("dpo: {base: base,", "dpo: {base: base, labels: hard, learning_rate: 0.2,")
    )
    said = Said()
    dpo = Run.from_file(path, folder=tmp_path / "run", progress=said)().results["dpo"]
    assert [figure.of["guard"] for figure in dpo.where("guards_violated")] == ["kl_per_token"]
    ending = str(dpo.totals["guards"])
    assert "NOTHING THAT WAS TRAINED IS SAVED" in ending
    assert f"dpo: guards: {ending}" in said.lines
    (line,) = (line for line in status_lines(read_status(tmp_path / "run")) if line.startswith("  dpo "))
    assert "guards kl_per_token: training ended at step" in line
    assert ending.removeprefix("kl_per_token: ") in (tmp_path / "run/summary.md").read_text()


def test_the_judge_of_guards_needs_rules_to_judge_by(tmp_path: Path) -> None:
    path = tmp_path / "pairs.yaml"
    path.write_text(
        "name: pairs\nmodels: {judge: {provider: simulated}}\npairs: [{path: pairs.jsonl}]\n"
        "dpo: {base: org/any, steps: 4, guards: {judge: {model: judge}}}\n"
    )
    with pytest.raises(ConfigError, match=r"dpo\.guards\.judge: needs a constitution"):
        load_run_file(path)


@pytest.mark.parametrize(
    ("held_out", "guards", "evaluated", "shared"),
    [(50, 64, 5, 5), (50, 20, 40, 10), (50, 20, 20, 0)],
)
def test_guards_and_evaluation_share_what_both_ends_reach(
    held_out: int, guards: int, evaluated: int, shared: int
) -> None:
    assert shared_prompts(held_out, guards, evaluated) == shared
