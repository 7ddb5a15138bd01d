"""A reward model from nothing on real text: trained on people's choices, measured on prompts it has not seen.

    OMP_NUM_THREADS=1 python benchmarks/reward_pandalm.py FOLDER [--splits 5] [--steps 60]

FOLDER holds `testset-v1.json` of the repository WeOpenML/PandaLM (folder `data`, Apache-2.0): 999 pairs of answers by
five models to 170 prompts, three people each. The better answer is the majority's; pairs without one are left out. Of
each split two thirds of the prompts train, and the rest is measured: the share of pairs in which the model prefers the
answer that most people prefer, clustered by prompt, beside the longer or the shorter
answer, whichever is right more often (equal lengths half), and `always first`. The
model has a random start and a tokenizer of the training text alone; no pretrained weights are used, and nothing here
says what a pretrained one would reach. None of the texts is written anywhere but to a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from amendment.reward_model import (
    RewardEvaluation,
    RewardModel,
    RewardSettings,
    evaluate_reward,
    length_baseline,
    train_reward,
)
from amendment.statistics import Estimate
from amendment.text import table
from amendment.training import TinyModel, build_tiny

SHAPE = TinyModel(hidden=64, layers=2, heads=4, intermediate=128, vocab=2000, context=512)
Row = dict[str, Any]


class Split(NamedTuple):
    seed: int
    model: RewardEvaluation
    rule: str
    """The better of the two rules by length."""
    by_length: RewardEvaluation
    fitted: float
    """Share of the training pairs that the model has right."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--labels", choices=["hard", "soft"], default="hard")
    options = parser.parse_args()
    rows = majority_pairs(json.loads((options.folder / "testset-v1.json").read_text(encoding="utf-8")))
    settings = RewardSettings(
        steps=options.steps,
        batch_size=16,
        learning_rate=1e-3,
        labels=options.labels,
        max_length=SHAPE.context,
    )
    prompts = {row["prompt"] for row in rows}
    of = f"{options.steps} steps of 16, labels: {options.labels}"
    print(f"{len(rows)} pairs with a majority, {len(prompts)} prompts; {of}\n")
    _tell([_split(rows, seed, settings) for seed in range(options.splits)])
    print(f"{time.process_time():.0f} s of processor time", file=sys.stderr)


def majority_pairs(rows: list[Row]) -> list[Row]:
    """The pairs that most people decide, oriented; some answers were read as true and false, hence `str`."""
    made = []
    for row in rows:
        (label, count), *_ = Counter(row[f"annotator{i}"] for i in (1, 2, 3)).most_common()
        if count < 2 or label == 0:
            continue
        prompt = "\n\n".join(filter(None, (str(row["instruction"]).strip(), str(row["input"]).strip())))
        sides = [str(row[f"response{i}"]) or " " for i in (1, 2)]
        chosen, rejected = sides if label == 1 else sides[::-1]
        said = [{0: 0.5, label: 1.0}.get(row[f"annotator{i}"], 0.0) for i in (1, 2, 3)]
        made.append(
            {
                "prompt": prompt,
                "chosen": chosen,
                "rejected": rejected,
                "p_people": sum(said) / 3,
                "p_chosen": sum(said) / 3,
                "first": "chosen" if label == 1 else "rejected",
            }
        )
    return made


def _split(rows: list[Row], seed: int, settings: RewardSettings) -> Split:
    """Train on two thirds of the prompts, measure on the rest."""
    prompts = sorted({row["prompt"] for row in rows})
    order = np.random.default_rng(seed).permutation(len(prompts))
    trained = {prompts[i] for i in order[: round(len(prompts) * 2 / 3)]}
    train = [row for row in rows if row["prompt"] in trained]
    rest = [row for row in rows if row["prompt"] not in trained]
    with tempfile.TemporaryDirectory() as folder:
        base, out = Path(folder) / "base", Path(folder) / "rm"
        build_tiny(base, (row[side] for row in train for side in ("prompt", "chosen", "rejected")), SHAPE, seed)
        train_reward(base, [_messages(row) for row in train], out, settings, seed=seed)
        model = RewardModel.load(out)
        measured = evaluate_reward(model.score, [_messages(row) for row in rest])
        fitted = evaluate_reward(model.score, [_messages(row) for row in train]).pairs
    ((name, by_length),) = length_baseline(_messages(row) for row in rest).items()
    assert fitted is not None
    return Split(seed, measured, name, by_length, fitted.accuracy.value)


def _messages(row: Row) -> Row:
    sides = {side: [{"role": "assistant", "content": row[side]}] for side in ("chosen", "rejected")}
    return {**row, **sides, "prompt": [{"role": "user", "content": row["prompt"]}], "prompt_id": row["prompt"]}


def _tell(splits: list[Split]) -> None:
    head = [
        "split",
        "pairs (prompts)",
        "model",
        "by length",
        "always first",
        "on training pairs",
        "Brier",
    ]
    made = [head]
    for one in splits:
        assert one.model.pairs
        assert one.model.people
        assert one.model.always_first
        assert one.by_length.pairs
        accuracy = one.model.pairs.accuracy
        made.append(
            [
                str(one.seed),
                f"{accuracy.n} ({accuracy.clusters})",
                _shown(accuracy),
                f"{one.rule.split()[1]} {_shown(one.by_length.pairs.accuracy)}",
                _shown(one.model.always_first),
                f"{one.fitted:.3f}",
                f"{one.model.people.brier.value:.3f}",
            ]
        )
    columns = [
        [one.model.pairs.accuracy.value for one in splits if one.model.pairs],
        [one.by_length.pairs.accuracy.value for one in splits if one.by_length.pairs],
        [one.model.always_first.value for one in splits if one.model.always_first],
    ]
    made.append(
        ["mean", "", *(f"{np.mean(values):.3f} (deviation {np.std(values, ddof=1):.3f})" for values in columns), "", ""]
    )
    print("\n".join(table(made)))
    shorter = [one.model.pairs.chosen_shorter for one in splits if one.model.pairs]
    longer = [one.model.pairs.chosen_longer for one in splits if one.model.pairs]
    told = [f"{np.mean([one.value for one in found if one]):.3f}" for found in (shorter, longer)]
    print(f"\nmodel where people prefer the shorter answer: {told[0]}, the longer: {told[1]} (means over splits)")


def _shown(found: Estimate) -> str:
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


if __name__ == "__main__":
    main()
