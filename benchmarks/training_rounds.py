"""Rounds on the policy's own answers: sample from the last policy, judge, train on from it; on the new pairs alone
(replace) or on those of all rounds (accumulate), at equal steps.

Not covered: rounds that begin anew from the first policy, and pairs of people among the judge's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from judging_world import table
from training_world import (
    DPO,
    JUDGES,
    SAMPLES,
    SETUP,
    Part,
    Row,
    Values,
    World,
    difference_cell,
    judged,
    labelled_rows,
    mean_cell,
    sample,
    train_cases,
    trained_dpo,
    worth_of,
)

from amendment.curation import measure_diversity

NOISE = "some"
ROUNDS = 4
WAYS = ("replace", "accumulate")
MEASURES = ("utility", "readable", "words", "KL", "distinct-2", "compression ratio")
START, FIRST = "start", "all 1"


def _measure(one: World) -> Values:
    first_rows = _new_rows(one, one.policy, 1)
    first, _ = trained_dpo(one, first_rows, DPO, name=FIRST)
    policies = {START: one.policy, FIRST: first}
    for way in WAYS:
        last, seen = first, first_rows
        for number in range(2, ROUNDS + 1):
            new = _new_rows(one, last, number)
            seen = new if way == "replace" else [*seen, *new]
            last, _ = trained_dpo(one, seen, DPO, start=last, name=_name(way, number))
            policies[_name(way, number)] = last
    return _worth(one, policies)


def _name(way: str, number: int) -> str:
    return f"{way} {number}" if number > 1 else FIRST


def _new_rows(one: World, policy: Path, number: int) -> list[Row]:
    """Pairs of this policy's answers, with a judge's noise of this round."""
    found = judged(train_cases(one, policy, number), JUDGES[NOISE], 1000 * number + one.seed)
    rows: list[Row] = labelled_rows(found.cases, found.raw)
    return rows


def _worth(one: World, policies: Mapping[str, Path]) -> Values:
    """What each policy's answers are worth, and how varied they are, all at one size."""
    said = {name: sample(policy, one.test, SAMPLES, 1) for name, policy in policies.items()}
    varied = measure_diversity({name: [text for texts in found for text in texts] for name, found in said.items()})
    assert varied is not None
    return {
        name: worth_of(one, policy, said[name]) | {key: figure.value for key, figure in varied.sets[name].items()}
        for name, policy in policies.items()
    }


def _show(found: Sequence[Values]) -> None:
    rows = [["", 0, *_cells(found, START), ""], ["all", 1, *_cells(found, FIRST), _step(found, FIRST, START)]]
    for way in WAYS:
        for number in range(2, ROUNDS + 1):
            name, before = _name(way, number), _name(way, number - 1)
            rows.append([way, number, *_cells(found, name), _step(found, name, before)])
    title = f"Rounds of {DPO.steps} steps each, pairs by the judge with {NOISE} noise, {len(found)} seeds"
    table(title, ("data", "round", *MEASURES, "utility less the round before"), rows)
    base, *others = [_name(way, ROUNDS) for way in WAYS]
    apart = [
        [measure, *(difference_cell(found, [name, measure], [base, measure]) for name in others)]
        for measure in MEASURES
    ]
    table(f"After round {ROUNDS}, less {base}", ("measure", *others), apart)


def _step(found: Sequence[Values], name: str, before: str) -> str:
    return str(difference_cell(found, [name, "utility"], [before, "utility"]))


def _cells(found: Sequence[Values], name: str) -> list[str]:
    return [mean_cell(found, [name, measure]) for measure in MEASURES]


PART = Part(_measure, _show, [SETUP, NOISE, ROUNDS, WAYS])
