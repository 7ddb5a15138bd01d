"""Whether `amendment amend` finds a principle that is missing, in the simulated world where it is known to be.

    python benchmarks/amending.py [--seeds 10] [--labels 400] [--leak 0.3]

Planted: people care for five of the eight attributes of Lilliput, as its balanced truth weighs them, and nothing for
the other three. The constitution has four principles: those five less one. So one of four missing principles is missed
by people and three are not. One person labels, with errors; the run's own stages judge, draw the sample and read the
labels, and the command's own function amends. Nothing is known to the proposer but the pairs that it is shown.

Printed: in how many seeds the missing principle is accepted, in how many it stands first by its p, and how often one
was accepted for which nobody cares. Under three minutes for five principles and ten seeds.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import chdir
from pathlib import Path
from typing import NamedTuple

import yaml

from amendment.calibration import Label, LabelQuestion, Labels
from amendment.constitutions import load_constitution, write_constitution
from amendment.hashing import content_id
from amendment.lilliput import BANNER, TRUTHS, Attributes, dice, truth
from amendment.pipeline import Run
from amendment.pipeline.amending import Amended, amend_run
from amendment.pipeline.engine import Workspace
from amendment.records import text_of

MISSED = ("correct", "honest", "harmless", "helpful", "polite")
IDLE = ("frank", "concise", "clear")
"""What people here do not care for."""
SHARPNESS = 18.0
"""Of a person's choice, as of the people of Lilliput."""


class Found(NamedTuple):
    """What one run of the command came to."""

    accepted: bool
    first: bool
    proposed: bool
    wrongly: tuple[str, ...]
    """Accepted, although nobody cares."""
    known: float
    """Agreement of the judge with people, without the missing principle."""


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
        return amend_run(run.folder)


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
            texts = [text_of(part) for part in (asked.prompt, asked.a, asked.b)]
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
    candidates = [(names[one.proposal.rule.statement], one) for one in amended.evidence.candidates]
    accepted = [name for name, one in candidates if one.ruling.accepted]
    by_p = sorted(candidates, key=lambda one: (math.isnan(one[1].added.p), one[1].added.p_above))
    rows = amended.evidence.records
    right = sum(one.decided - one.against for one in rows) / max(sum(one.decided for one in rows), 1)
    return Found(
        accepted=missing in accepted,
        first=bool(by_p) and by_p[0][0] == missing,
        proposed=any(name == missing for name, _ in candidates),
        wrongly=tuple(name for name in accepted if name in IDLE),
        known=right,
    )


def main() -> None:
    """Print the table."""
    reading = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reading.add_argument("--seeds", type=int, default=10)
    reading.add_argument("--labels", type=int, default=400)
    reading.add_argument("--leak", type=float, default=0.3)
    options = reading.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print(f"> {BANNER}\n\n{options.labels} labels of one person, {options.seeds} seeds, leak {options.leak}\n")
    head = ("missing", "proposed", "accepted", "first", "accepted or first", "wrongly accepted", "judge agrees")
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    asked = [(missing, seed, options.labels, options.leak) for missing in MISSED for seed in range(options.seeds)]
    with ProcessPoolExecutor(os.cpu_count()) as workers:
        came = list(workers.map(_once, asked))
    for at, missing in enumerate(MISSED):
        row = came[at * options.seeds : (at + 1) * options.seeds]
        print(f"| {' | '.join(map(str, (missing, *_counts(row))))} |", flush=True)


def _once(task: tuple[str, int, int, float]) -> Found:
    missing, seed, labels, leak = task
    with tempfile.TemporaryDirectory(prefix="amending-") as place:
        return found(planted(Path(place), missing, seed=seed, labels=labels, leak=leak), missing)


def _counts(row: Sequence[Found]) -> tuple[object, ...]:
    wrongly = [name for one in row for name in one.wrongly]
    return (
        sum(one.proposed for one in row),
        sum(one.accepted for one in row),
        sum(one.first for one in row),
        sum(one.accepted or one.first for one in row),
        " ".join([str(len(wrongly)), *sorted(set(wrongly))]),
        f"{sum(one.known for one in row) / len(row):.3f}",
    )


if __name__ == "__main__":
    main()
