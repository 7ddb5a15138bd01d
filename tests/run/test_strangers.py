"""What a check says before a run is paid for: simulated writers that do not know the prompts, a first round without
comparisons, stages in a circle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from amendment.errors import ConfigError
from amendment.run import Run

Write = Callable[[str], Path]
MIXED = """\
name: t
constitution: lilliput
models: {w: {provider: simulated}, j: {provider: simulated}}
prompts: [{lilliput: 4}]
"""
PAIRS = "pairs: [{path: mine.csv}]\n"
TOLD = r"knows the prompts of Lilliput alone, and 1 of your 5 are none, such as those of mine\.csv; name a real model"


def check(run_file: Write, text: str, prompt: str = "How do I bake bread?") -> None:
    path = run_file(MIXED + text)
    (path.parent / "mine.csv").write_text(f"prompt,chosen,rejected\n{prompt},With yeast.,No.\n")
    Run.from_file(path, folder=path.parent / "run").check()


@pytest.mark.parametrize(
    "part",
    [
        "critique: {model: w}\n",
        "candidates: [{model: w}]\n",
        "construct: [{kind: instructions, model: w, better: Be kind., worse: Be rude.}]\n",
    ],
)
def test_prompts_of_pairs_that_a_simulated_model_would_answer_are_told_also_beside_its_own(
    part: str, run_file: Write
) -> None:
    with pytest.raises(ConfigError, match=rf"models\.w: {TOLD}"):
        check(run_file, part + PAIRS)
    check(run_file, part + PAIRS, prompt="please add 3 8 thanks")
    check(run_file, part)


def test_a_model_that_answers_the_first_prompts_alone_is_told_where_others_are_among_them(run_file: Write) -> None:
    check(run_file, "candidates: [{model: w, take: 4}]\n" + PAIRS)  # four of Lilliput's come first
    with pytest.raises(ConfigError, match=TOLD):
        check(run_file, "candidates: [{model: w, take: 5}]\n" + PAIRS)


def test_own_pairs_that_nobody_simulated_is_asked_about_are_no_fault(run_file: Write) -> None:
    check(run_file, PAIRS)


def test_a_judging_for_further_rounds_alone_is_told_what_the_first_one_can_compare(run_file: Write) -> None:
    text = PAIRS + "judging: {judges: [{model: j}]}\ndpo: {base: org/any}\nrounds: {n: 2, candidates: {}}\n"
    wanted = r"first round, .*candidates: \[\{model: NAME, per_prompt: 2\}\], or .*judging\.judge_labelled: true"
    with pytest.raises(ConfigError, match=wanted):
        Run.from_file(run_file(MIXED + text))
    Run.from_file(run_file(MIXED + text.replace("]}\n", "], judge_labelled: true}\n")))


def test_a_circle_names_the_keys_that_make_it(run_file: Write) -> None:
    text = MIXED + "base: {on: chosen}\ncandidates: [{model: w}, {model: base}]\njudging: {judges: [{model: j}]}\n"
    wanted = (
        r"run\.yaml:5:12: base\.on: .* circle: base -> dataset -> candidates -> base; "
        r"base\.on: chosen reads the dataset, candidates\[1\]\.model: base reads base"
    )
    with pytest.raises(ConfigError, match=wanted):
        Run.from_file(run_file(text))
