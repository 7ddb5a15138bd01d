"""Reward models from SmolLM2 on real text: heads on frozen features, and adapters (LoRA) through `train_reward`.

Two thirds of the groups train and the rest is measured: five splits of PandaLM by prompt, one of hh-harmless by first
human turn. Accuracy is clustered by group; log loss is in nats per pair (a coin: 0.693); the calibration error has in
brackets what a perfectly calibrated model would show. Beside them stands how often the longer answer, or the shorter if
that is better, is right, by characters, equal lengths half.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from real_text_cells import Cells
from real_text_data import TextPair, split_by_group
from real_text_features import KINDS
from real_text_heads import Floats, Labelled, components, fit_head

from amendment.reward_model import RewardModel, RewardSettings, train_reward
from amendment.statistics import Estimate, by_length
from amendment.statistics.calibration_errors import calibration_report
from amendment.text import table
from amendment.training import LoraSettings

SPLITS = {"pandalm": 5, "hh-harmless": 1}
COMPONENTS = 576
"""All of them: a head on frozen features has one weight for each."""
STEPS_BETWEEN_CHECKPOINTS = 10


def splits(pairs: Sequence[TextPair], dataset: str) -> list[tuple[list[int], list[int]]]:
    """Rows to train on and rows to measure, for each split."""
    groups = [pair.group for pair in pairs]
    made = [split_by_group(groups, (round(len(pairs) * 2 / 3),), seed) for seed in range(SPLITS[dataset])]
    return [(train, rest) for train, rest in made]


def run_heads(
    dataset: str, weights: str, pairs: Sequence[TextPair], states: Callable[[], NDArray[np.float32]], cells: Cells
) -> None:
    """Fit a head for each kind of features and split."""
    for kind_at, kind in enumerate(KINDS):
        for split, (train, rest) in enumerate(splits(pairs, dataset)):
            cells.do(
                {"part": "heads", "dataset": dataset, "weights": weights, "features": kind, "split": split},
                lambda kind_at=kind_at, train=train, rest=rest, split=split: _head(
                    pairs, states()[:, :, kind_at], train, rest, split
                ),
            )


def _head(
    pairs: Sequence[TextPair], states: NDArray[np.float32], train: list[int], rest: list[int], split: int
) -> dict[str, Any]:
    x = components((states[:, 0] - states[:, 1]).astype(np.float64), train, COMPONENTS)
    learned = Labelled.of(x[train], np.ones(len(train)))
    head = fit_head(None, learned, [pairs[row].group for row in train], split).head
    return {**measured(head.p(x[rest]), pairs, rest), "ridge": head.ridge}


def measured(p: Floats, pairs: Sequence[TextPair], rows: Sequence[int]) -> dict[str, Any]:
    """P(chosen is better) of these pairs against people, and how often the longer answer is the chosen one."""
    report = calibration_report(p, np.ones(len(rows)), clusters=[pairs[row].group for row in rows])
    accuracy = report.accuracy
    return {
        "pairs": len(rows),
        "accuracy": [accuracy.value, accuracy.low, accuracy.high],
        "log_loss": report.log_loss.value,
        "ece": [report.ece.value, report.ece_if_perfect.mean],
        "longer": longer_wins(pairs, rows),
    }


def longer_wins(pairs: Sequence[TextPair], rows: Sequence[int]) -> float:
    """Share of pairs whose chosen answer has more characters, equal lengths half."""
    apart = [len(pairs[row].chosen) - len(pairs[row].rejected) for row in rows]
    return float(np.mean([0.5 if d == 0 else float(d > 0) for d in apart]))


def run_lora(dataset: str, base: str, pairs: Sequence[TextPair], cells: Cells, rate: float) -> None:
    """Train an adapter for one epoch on the first split; a killed training goes on from its last checkpoint."""
    train, rest = splits(pairs, dataset)[0]
    settings = RewardSettings(
        lora=LoraSettings(r=16, layers="upper_half"),
        learning_rate=rate,
        epochs=1,
        batch_size=8,
        max_length=512,
        trl={"save_steps": STEPS_BETWEEN_CHECKPOINTS, "logging_steps": STEPS_BETWEEN_CHECKPOINTS},
    )
    out = cells.file.parent / f"lora-{dataset}-{rate:g}"

    def progress(step: int, of: int, metrics: dict[str, float]) -> None:
        print(f"step {step} of {of}: {json.dumps(metrics)}", flush=True)

    def cell() -> dict[str, Any]:
        if not (out / "model.safetensors").exists():
            train_reward(base, [_row(pairs[row]) for row in train], out, settings, progress=progress)
        model = RewardModel.load(out)
        chosen, rejected = (
            model.score([{**_row(pairs[row]), "completion": _row(pairs[row])[side]} for row in rest])
            for side in ("chosen", "rejected")
        )
        p = np.asarray(model.probability(chosen, rejected))
        read = np.isfinite(p)  # a conversation longer than max_length has no score
        return measured(p[read], pairs, [row for row, is_read in zip(rest, read, strict=True) if is_read])

    cells.do({"part": "lora", "dataset": dataset, "rate": rate, "split": 0}, cell)


def _row(pair: TextPair) -> dict[str, Any]:
    sides = {side: [{"role": "assistant", "content": getattr(pair, side)}] for side in ("chosen", "rejected")}
    return {"prompt": list(pair.prompt), **sides}


def print_rewards(cells: Cells, sets: dict[str, Sequence[TextPair]]) -> None:
    """One line for each kind of reward model, means over splits."""
    rows = [["data", "reward model", "pairs measured", "accuracy", "log loss", "calibration error", "by length"]]
    named: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for cell, result in (*cells.results("heads"), *cells.results("lora")):
        name = f"LoRA, rate {cell['rate']:g}" if cell["part"] == "lora" else f"head, {cell['features']}"
        weights = ", random weights" if cell.get("weights") == "random" else ""
        named.setdefault((cell["dataset"], name + weights), []).append(result)
    for (dataset, name), results in named.items():
        ece, perfect = np.mean([result["ece"] for result in results], axis=0)
        rows.append(
            [
                f"{dataset}, {len(results)} split{'s' if len(results) > 1 else ''}",
                name,
                f"{np.mean([result['pairs'] for result in results]):.0f}",
                _accuracy(results),
                f"{np.mean([result['log_loss'] for result in results]):.3f}",
                f"{ece:.3f} ({perfect:.3f})",
                by_length_shown(float(np.mean([result["longer"] for result in results]))),
            ]
        )
    print("\n".join(table(rows)))
    for dataset, pairs in sets.items():
        print(f"\n{dataset}: {len(pairs)} pairs, {by_length_shown(longer_wins(pairs, range(len(pairs))))}")


def by_length_shown(longer: float) -> str:
    """The better of two rules that look at lengths alone; `longer` is how often the longer answer is right."""
    side, right = by_length(Estimate(longer, longer, longer, 0, 0))
    return f"{side} {right.value:.3f}"


def _accuracy(results: Sequence[dict[str, Any]]) -> str:
    values = [result["accuracy"] for result in results]
    if len(values) == 1:
        value, low, high = values[0]
        return f"{value:.3f} ({low:.3f} to {high:.3f})"
    shares = [value for value, _, _ in values]
    return f"{np.mean(shares):.3f} (splits {min(shares):.3f} to {max(shares):.3f})"
