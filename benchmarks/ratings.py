"""Ratings of public models from people's labels, and how often the intervals of ratings are right.

    python benchmarks/ratings.py --pandalm FOLDER
    python benchmarks/ratings.py --coverage 400

FOLDER holds `testset-v1.json` of the repository WeOpenML/PandaLM (folder `data`, Apache-2.0): 999 pairs of answers by
five models to 170 prompts, three people each. The label of a pair is the majority's, a tie where all three differ;
prints strengths, standard errors and ranks.

Coverage: worlds of four models whose answers to one prompt share luck, of which all six pairs are asked; printed is
the share of worlds in which the interval of the difference of the two middle models holds the true one, 0.95 if right.
The true one is what the ratings come to in a world of 20,000 prompts.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from amendment.statistics import bradley_terry

OUTCOMES = {0: 0.5, 1: 1.0, 2: 0.0}
"""Of a label: tie, the first answer, the second."""


class Rows(NamedTuple):
    first: list[str]
    second: list[str]
    y: list[float]
    prompts: list[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pandalm", type=Path, metavar="FOLDER")
    parser.add_argument("--coverage", type=int, metavar="WORLDS")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.pandalm is None and options.coverage is None:
        parser.error("expected --pandalm FOLDER, --coverage WORLDS, or both")
    if options.pandalm is not None:
        print_pandalm(options.pandalm)
    if options.coverage is not None:
        print_coverage(options.coverage, options.seed)


def print_pandalm(folder: Path) -> None:
    rows = _labels(json.loads((folder / "testset-v1.json").read_text(encoding="utf-8")))
    found = bradley_terry(*rows[:3], clusters=rows.prompts)
    print(f"{found.n} pairs, {found.clusters} prompts")
    print(f"  {'':20}{'theta':>9}{'error':>11}   ranks")
    for name, rank in found.ranks().items():
        i = found.names.index(name)
        error = found.covariance[i, i] ** 0.5
        print(f"  {name:20}{found.theta[i]:9.4f}{error:11.4f}   {rank.low} to {rank.high}")


def _labels(items: list[dict[str, Any]]) -> Rows:
    names = [item["cmp_key"].split("_", 1) for item in items]
    labels = [_majority([OUTCOMES[item[f"annotator{person}"]] for person in (1, 2, 3)]) for item in items]
    prompts = [json.dumps([item["instruction"], item["input"]]) for item in items]
    return Rows([pair[0] for pair in names], [pair[1] for pair in names], labels, prompts)


def _majority(said: Sequence[float]) -> float:
    ((value, count),) = Counter(said).most_common(1)
    return value if count > 1 else 0.5


def print_coverage(worlds: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    whole = bradley_terry(*_world(random, 20_000)[:3])
    truth = float(whole.theta[1] - whole.theta[2])
    for prompts in (30, 200):
        hits = 0
        for _ in range(worlds):
            rows = _world(random, prompts)
            found = bradley_terry(*rows[:3], clusters=rows.prompts).difference("m1", "m2")
            hits += found.low <= truth <= found.high
        print(f"{prompts} prompts, {worlds} worlds: {hits / worlds:.3f}")


def _world(random: np.random.Generator, prompts: int) -> Rows:
    """Each model has luck of its own with a prompt; every two are compared by two people, who tie when it is close."""
    quality = np.array([0.9, 0.3, -0.3, -0.9]) + random.normal(0, 1.0, (prompts, 4))
    pairs = [pair for pair in combinations(range(4), 2) for _ in range(2)]
    first, second = (np.array([pair[side] for pair in pairs]) for side in (0, 1))
    lead = quality[:, first] - quality[:, second] + random.logistic(size=(prompts, len(pairs)))
    y = np.where(np.abs(lead) < 0.4, 0.5, (lead > 0).astype(float))
    names = [f"m{i}" for i in first] * prompts, [f"m{i}" for i in second] * prompts
    return Rows(*names, y.ravel().tolist(), [f"p{i}" for i in range(prompts) for _ in pairs])


if __name__ == "__main__":
    main()
