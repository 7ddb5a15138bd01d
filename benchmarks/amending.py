"""How often `amendment amend` accepts a rule that adds nothing, how often it finds one that helps, and whether it finds
a principle that is missing from a constitution of the simulated world.

    python benchmarks/amending.py rates [--trials 1000]
    python benchmarks/amending.py planted [--seeds 10] [--labels 400] [--leak 0.3]

rates: n held-out labels, one for each prompt. The judge's verdict about a pair agrees with people in 70 of 100 pairs,
whatever it is asked. A placebo rule gets the same verdicts, or has 2 or 5 % of them redrawn; so has the neutral
question, by itself. A rule that helps changes the label of one pair in eight or in six, and is right in 70 or 80 of 100
of these, which raises agreement by 5 or by 10 points. With four rules, the other three are placebos.

planted: people care for five of the eight attributes of Lilliput, and the constitution has four of these. One person
labels, with errors; half of the labels are held out. Nothing is known to the proposer but the pairs that it is shown.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import chdir
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml

from amendment.constitutions import load_constitution, write_constitution
from amendment.data.store import Workspace
from amendment.hashing import content_id
from amendment.people.amending import LabelledRow, rule_tests
from amendment.people.samples import Label, LabelQuestion
from amendment.people.store import Labels
from amendment.records import Comparison, last_text
from amendment.run import Run
from amendment.run.amending import Amended, amend_run
from amendment.simulator import TRUTHS, Attributes, banner, dice, truth

MISSED = ("correct", "honest", "harmless", "helpful", "polite")
IDLE = ("frank", "concise", "clear")
"""What people here do not care for."""
SHARPNESS = 18.0
"""Of a person's choice, as of the people of Lilliput."""
SIZES = (50, 100, 200, 400)
JUDGE_RIGHT = 0.7
REDRAWN = {"the same verdicts": 0.0, "2 % redrawn": 0.02, "5 % redrawn": 0.05}
HELPS = {"gain of 5 points": (1 / 8, 0.7), "gain of 10 points": (1 / 6, 0.8)}
"""Share of the pairs whose label changes, and how many of these changes are right."""


def rates(trials: int) -> None:
    """Print the share of trials with a wrong acceptance, and the power beside it."""
    print(
        f"| held-out labels | rules | {' | '.join([*REDRAWN, *HELPS])} |\n|{'---|' * (2 + len(REDRAWN) + len(HELPS))}"
    )
    for n in SIZES:
        for rules in (1, 4):
            shares = [_rate(n, rules, trials, redrawn=share) for share in REDRAWN.values()]
            shares += [_rate(n, rules, trials, redrawn=0.05, helps=helps) for helps in HELPS.values()]
            print(f"| {n} | {rules} | {' | '.join(f'{100 * share:.1f} %' for share in shares)} |", flush=True)


def _rate(n: int, rules: int, trials: int, *, redrawn: float, helps: tuple[float, float] | None = None) -> float:
    """The share of trials in which the rule that helps is accepted or, where none does, any rule."""
    accepted = 0
    for trial in range(trials):
        rng = np.random.default_rng([n, rules, trial, round(1000 * redrawn)])
        is_right = rng.random(n) < JUDGE_RIGHT
        placebos = [_again(rng, is_right, redrawn) for _ in range(rules + 1)]
        if helps:
            placebos[1] = _changed(rng, is_right, *helps)
        # people prefer a in every row, so that P > 0.5 is right; the rule is surer, so that it decides the label
        rows = [
            LabelledRow(Comparison(f"{row}", "a", "b"), 1.0, 1.0, 0.6 if right else 0.4, {})
            for row, right in enumerate(is_right)
        ]
        together = [np.where(column, 0.7, 0.3).tolist() for column in placebos]
        tests = rule_tests(rows, together[0], {str(k): column for k, column in enumerate(together[1:])}, seed=trial)
        accepted += not tests["0"].reason if helps else any(not test.reason for test in tests.values())
    return accepted / trials


def _again(rng: np.random.Generator, is_right: np.ndarray, share: float) -> np.ndarray:
    return np.where(rng.random(is_right.size) < share, rng.random(is_right.size) < JUDGE_RIGHT, is_right)


def _changed(rng: np.random.Generator, is_right: np.ndarray, share: float, right: float) -> np.ndarray:
    """A wrong label becomes right with one chance, a right one wrong with another."""
    chance = np.where(is_right, share * (1 - right) / JUDGE_RIGHT, share * right / (1 - JUDGE_RIGHT))
    return is_right ^ (rng.random(is_right.size) < chance)


class Found(NamedTuple):
    """What one run of the command came to."""

    accepted: bool
    proposed: bool
    wrongly: tuple[str, ...]
    """Accepted, although nobody cares."""


def planted(folder: Path, missing: str, *, seed: int, labels: int, leak: float = 0.3) -> Amended:
    """A run in a folder whose constitution lacks a principle, labelled, and amended."""
    rules = load_constitution("lilliput")
    left = tuple(one for one in rules.principles if one.id not in (missing, *IDLE))
    write_constitution(rules.model_copy(update={"id": "planted", "principles": left}), folder / "planted.yaml")
    (folder / "run.yaml").write_text(yaml.safe_dump(_run_file(seed, labels, leak)), encoding="utf-8")
    with chdir(folder):
        run = Run.from_file("run.yaml")
        run(until="spot_check")
        _label(run.folder, seed)
        run(until="labels")
        amended = amend_run(run.folder)
    assert amended is not None
    return amended


def _run_file(seed: int, labels: int, leak: float) -> dict[str, object]:
    writers = ("helpful-only", "careless", "evasive")
    return {
        "name": "planted",
        "seed": seed,
        "constitution": "./planted.yaml",
        "models": {
            **{name: {"provider": "simulated", "writer": name} for name in writers},
            "judge": {"provider": "simulated", "leak": leak},
        },
        "prompts": [{"lilliput": round(0.4 * labels)}],
        "candidates": [{"model": name, "per_prompt": 1} for name in writers],
        "judging": {
            "judges": [{"model": "judge", "protocol": "label-tokens"}],
            "principles_per_pair": 3,
            "pairs": "all",
        },
        "spot_check": {"items": labels, "sealed": 0, "overlap": 0, "annotators": 1, "repeats": 0},
        "dataset": {"test_share": 0},
    }


def _label(folder: Path, seed: int) -> None:
    """One person labels everything that is asked."""
    weights = Attributes(**{**TRUTHS["balanced"]._asdict(), **dict.fromkeys(IDLE, 0.0)})
    with Labels(folder / "labels.sqlite") as labels:
        for asked in Workspace(folder).read("spot_check/questions", LabelQuestion):
            texts = [last_text(part) for part in (asked.prompt, asked.a, asked.b)]
            gap = (
                truth(texts[0], texts[1], weights=weights).utility - truth(texts[0], texts[2], weights=weights).utility
            )
            is_a = dice(content_id(["amending", seed, asked.comparison_id])).random() < 1 / (
                1 + math.exp(-SHARPNESS * gap)
            )
            labels.add(
                Label(
                    uuid=asked.comparison_id[-32:],
                    comparison_id=asked.comparison_id,
                    prompt_id=asked.prompt_id,
                    shown=(asked.a_id, asked.b_id),
                    annotator="somebody",
                    choice="A" if is_a else "B",
                    at="2026-01-01T00:00:00Z",
                )
            )


def found(amended: Amended, missing: str) -> Found:
    """Which of the rules were recovered: a candidate is known by the sentence of the world's constitution."""
    names = {one.statement: one.id for one in load_constitution("lilliput").principles}
    rules = {names[rule["statement"]]: rule["accepted"] for rule in amended.document["rules"]}
    accepted = [name for name, is_accepted in rules.items() if is_accepted]
    return Found(missing in accepted, missing in rules, tuple(name for name in accepted if name in IDLE))


def main() -> None:
    """Print the table."""
    reading = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reading.add_argument("table", choices=("rates", "planted"))
    reading.add_argument("--trials", type=int, default=1000)
    reading.add_argument("--seeds", type=int, default=10)
    reading.add_argument("--labels", type=int, default=400)
    reading.add_argument("--leak", type=float, default=0.3)
    options = reading.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if options.table == "rates":
        rates(options.trials)
        return
    print(f"> {banner('all texts and labels')}\n")
    print(f"{options.labels} labels of one person, {options.seeds} seeds, leak {options.leak}\n")
    head = ("missing", "proposed", "accepted", "accepted, though nobody cares")
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    asked = [(missing, seed, options.labels, options.leak) for missing in MISSED for seed in range(options.seeds)]
    with ProcessPoolExecutor(os.cpu_count()) as workers:
        came = list(workers.map(_once, asked))
    for at, missing in enumerate(MISSED):
        row = came[at * options.seeds : (at + 1) * options.seeds]
        wrongly = [name for one in row for name in one.wrongly]
        counts = (sum(one.proposed for one in row), sum(one.accepted for one in row), len(wrongly))
        print(f"| {missing} | {' | '.join(map(str, counts))} {' '.join(sorted(set(wrongly)))} |", flush=True)


def _once(task: tuple[str, int, int, float]) -> Found:
    missing, seed, labels, leak = task
    with tempfile.TemporaryDirectory(prefix="amending-") as place:
        return found(planted(Path(place), missing, seed=seed, labels=labels, leak=leak), missing)


if __name__ == "__main__":
    main()
