"""Labels for reward model and DPO: hard, soft and calibrated, of all pairs or of the decided ones, by three judges.

Every cell of a seed starts from the same policy and the same pairs, and trains for equally many steps; a filter leaves
fewer pairs, which are then seen more often. `hard` and `soft` are filtered by the judge's raw P, `calibrated`, which is
soft with the calibrated P, by that.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from itertools import product
from statistics import fmean
from typing import Literal, NamedTuple

import numpy as np
from judging_world import Case, table, utility
from numpy.typing import NDArray
from training_world import (
    DPO,
    JUDGES,
    SAMPLES,
    SETUP,
    Judged,
    Part,
    Row,
    Values,
    World,
    completion,
    difference_cell,
    has_better,
    judged,
    labelled_rows,
    mean_cell,
    pairs_of,
    sample,
    sigmoid,
    train_cases,
    trained_dpo,
    vote,
    worth,
)

from amendment.reward_model import RewardModel, RewardSettings, train_reward

DECIDED = 0.25
"""Least distance of P from one half in the filtered pairs."""
LABELS = ("hard", "soft", "calibrated")
PAIRS = ("all", "filtered")
MEASURES = (
    ("RM accuracy", "reward", "accuracy"),
    ("RM Brier", "reward", "Brier"),
    ("by a person", "reward", "Brier, a person"),
    ("best of 4 by RM", "reward", "best of 4"),
    ("DPO utility", "dpo", "utility"),
    ("readable", "dpo", "readable"),
    ("words", "dpo", "words"),
    ("KL", "dpo", "KL"),
)
"""What a table calls a number, and where a cell has it."""
REWARD = RewardSettings(
    steps=150,
    batch_size=32,
    learning_rate=1.5e-3,
    max_length=64,
    trl={"warmup_steps": 0.05, "lr_scheduler_type": "cosine", "weight_decay": 1.0},
)


class Labels(NamedTuple):
    """The rows of one cell, and how good their labels are."""

    rows: list[Row]
    kind: Literal["hard", "soft"]
    kept: float
    """Share of the pairs."""
    right: float
    """Of the kept pairs that have a truly better answer, the share with the right label."""


def _measure(one: World) -> Values:
    found = train_cases(one)
    answers = sample(one.policy, one.test, SAMPLES, 2)
    values: Values = {"start": worth(one, one.policy) | {"best of 4 at random": _at_random(one, answers)}}
    for name, persona in JUDGES.items():
        labelled = judged(found, persona, one.seed)
        values[name] = {"flipped": labelled.flipped, "judge": _judge(labelled), **_cells(one, labelled, answers)}
    return values


def _judge(labelled: Judged) -> Values:
    sure = {"raw": labelled.raw, "calibrated": labelled.calibrated}
    return {f"confidence {name}": float(np.maximum(p, 1 - p).mean()) for name, p in sure.items()}


def _cells(one: World, labelled: Judged, answers: Sequence[Sequence[str]]) -> Values:
    cells: Values = {}
    for labels, pairs in product(LABELS, PAIRS):
        cell = _labels(labelled, labels, pairs)
        policy, _ = trained_dpo(one, cell.rows, DPO.model_copy(update={"labels": cell.kind}))
        cells[f"{labels}, {pairs}"] = {
            "kept": cell.kept,
            "right": cell.right,
            "reward": _reward(one, cell, answers),
            "dpo": worth(one, policy),
        }
    return cells


def _labels(labelled: Judged, labels: str, pairs: str) -> Labels:
    p = labelled.calibrated if labels == "calibrated" else labelled.raw
    kept = np.flatnonzero(np.abs(p - 0.5) >= (DECIDED if pairs == "filtered" else 0.0))
    found = [labelled.cases[i] for i in kept]
    right = [(p[i] > 0.5) == labelled.cases[i].is_a for i in kept if has_better(labelled.cases[i])]
    kind: Literal["hard", "soft"] = "hard" if labels == "hard" else "soft"
    return Labels(labelled_rows(found, p[kept]), kind, len(kept) / len(p), float(np.mean(right)))


def _reward(one: World, cell: Labels, answers: Sequence[Sequence[str]]) -> dict[str, float]:
    """A reward model of these labels, by the truth about held-out pairs and about the answers that it ranks first."""
    out = one.folder / "reward"
    shutil.rmtree(out, ignore_errors=True)
    train_reward(one.policy, cell.rows, out, REWARD.model_copy(update={"labels": cell.kind}), seed=one.seed)
    told = [(prompt, text) for prompt, said in zip(one.test, answers, strict=True) for text in said if text.strip()]
    scores = dict(zip(told, RewardModel.load(out).score(completion(*key) for key in told).tolist(), strict=True))
    tests = [case for case in pairs_of(one.test, answers) if has_better(case)]
    gaps, is_a = _gaps(tests, scores), np.array([case.is_a for case in tests])
    votes = np.array([vote(case, one.seed) for case in tests])
    best = [
        max((text for text in said if text.strip()), key=lambda text: scores[prompt, text], default="")
        for prompt, said in zip(one.test, answers, strict=True)
    ]
    return {
        "accuracy": float(((gaps > 0) == is_a).mean()),
        "Brier": float(((sigmoid(gaps) - is_a) ** 2).mean()),
        "Brier, a person": float(((sigmoid(gaps) - votes) ** 2).mean()),
        "best of 4": fmean(utility(prompt, text) for prompt, text in zip(one.test, best, strict=True)),
    }


def _gaps(tests: Sequence[Case], scores: dict[tuple[str, str], float]) -> NDArray[np.float64]:
    return np.array([scores[case.prompt, case.a] - scores[case.prompt, case.b] for case in tests])


def _at_random(one: World, answers: Sequence[Sequence[str]]) -> float:
    return fmean(utility(prompt, text) for prompt, said in zip(one.test, answers, strict=True) for text in said)


def _show(found: Sequence[Values]) -> None:
    known = ("utility", "readable", "words", "best of 4 at random")
    start = ", ".join(f"{name} {mean_cell(found, ['start', name])}" for name in known)
    print(f"\nThe policy before preferences: {start}. {len(found)} seeds.")
    for judge in JUDGES:
        _show_judge(found, judge)


def _show_judge(found: Sequence[Values], judge: str) -> None:
    said = ", ".join(
        f"{name} {mean_cell(found, [judge, 'judge', f'confidence {name}'])}" for name in ("raw", "calibrated")
    )
    against = mean_cell(found, [judge, "flipped"])
    header = ("labels, pairs", "kept", "labels right", *(shown for shown, *_ in MEASURES))
    rows, against_hard = list[list[str]](), list[list[str]]()
    for labels, pairs in product(LABELS, PAIRS):
        cell = (judge, f"{labels}, {pairs}")
        columns = [(*cell, *path) for _, *path in MEASURES]
        start = [mean_cell(found, [*cell, name]) for name in ("kept", "right")]
        rows.append([cell[1], *start, *(mean_cell(found, path) for path in columns)])
        bases = [(judge, "hard, all", *path[2:]) for path in columns]
        if cell[1] != "hard, all":
            changes = [difference_cell(found, path, base) for path, base in zip(columns, bases, strict=True)]
            against_hard.append([cell[1], *changes])
    table(f"Noise of the judge: {judge}; confidence {said}; against a person {against}", header, rows)
    table(f"Noise: {judge}; difference from hard labels of all pairs", (header[0], *header[3:]), against_hard)


PART = Part(_measure, _show, [SETUP, DECIDED, REWARD.model_dump(exclude_unset=True)])
