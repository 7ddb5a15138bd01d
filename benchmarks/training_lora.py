"""By how much the learning rate of a low-rank adapter has to lie above that of full training, in the simulated world.

    python benchmarks/training_lora.py [--seeds 3]

A tiny model learns to write from nothing, on half of the prompts. It is then the base of supervised fine-tuning, reward
model and DPO, each with all weights and with an adapter (`lora: {r: 16}`), at each learning rate of a grid. The loss on
prompts that no training has seen says which rate is the best, and which rates of the two reach the same loss (below the
best ones, between grid points on a straight line over the logarithm of the rate). Not covered: other ranks, and models
that know a language; the tables say nothing of those. About a minute and a half of one core for a seed.
"""

from __future__ import annotations

import argparse
import math
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

from judging_world import seeded, table, utility
from training_world import row_of, split_of

from amendment.dpo import DpoSettings, SftSettings, policy_margins, train_dpo, train_sft
from amendment.llm.rendering import Renderer
from amendment.reward_model import RewardModel, RewardSettings, evaluate_pairs, train_reward
from amendment.simulator import Persona, banner, draft, revise, sample_prompts
from amendment.training import LoraSettings, TinyModel, build_tiny
from amendment.training.generating import completion_logps
from amendment.training.model_files import load_causal, load_tokenizer, quietly
from amendment.training.preflight import prepare_rows

Row = dict[str, Any]
TEACHING, TRAIN, TEST = 400, 300, 150
"""Prompts that the base learns from, that trainings learn from, and that losses are measured on."""
STEPS, BATCH = 60, 16
FULL = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
LORA = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
COMMON: Mapping[str, Any] = {"steps": STEPS, "batch_size": BATCH, "max_length": 64, "trl": {"save_strategy": "no"}}


class Data(NamedTuple):
    """What the trainings of a seed have in common."""

    seed: int
    base: Path
    train: list[Row]
    test: list[Row]
    out: Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = parser.parse_args().seeds
    print(f"> {banner('all prompts, answers and labels')}\n")
    with tempfile.TemporaryDirectory() as scratch:
        found = [_measured(_data(seed, Path(scratch) / str(seed))) for seed in range(seeds)]
    ratios, equal = [], []
    for name in TRAINERS:
        rows = []
        for kind, grid in (("all weights", FULL), ("adapter", LORA)):
            for rate in grid:
                losses = [one[name, kind][rate] for one in found]
                best = sum(min(one[name, kind], key=one[name, kind].__getitem__) == rate for one in found)
                rows.append([kind, f"{rate:g}", f"{fmean(losses):.4f}", f"{best} of {seeds}"])
        table(f"{name}: loss on unseen prompts after {STEPS} steps", ("trains", "rate", "mean loss", "best in"), rows)
        apart = [math.log10(_best(one[name, "adapter"]) / _best(one[name, "all weights"])) for one in found]
        ratios += apart
        same = [ratio for one in found for ratio in _equal(one[name, "all weights"], one[name, "adapter"])]
        equal += same
        print(
            f"\n{name}: the adapter's best rate is {10 ** fmean(apart):.1f} times that of all weights; for equal "
            f"losses its rate is {10 ** fmean(same):.1f} times as high\n"
        )
    for told, values in (("best rates", ratios), ("rates of equal loss", equal)):
        print(
            f"Over trainers and seeds, {told}: {10 ** fmean(values):.1f} times ({stdev(values):.2f} decades deviation)"
        )


def _equal(full: Mapping[float, float], adapter: Mapping[float, float]) -> list[float]:
    """Of each adapter's rate up to its best: the logarithm of it over the full rate that reaches the same loss."""
    falling = [rate for rate in full if rate <= _best(full)]
    found = []
    for rate in (one for one in adapter if one <= _best(adapter)):
        for low, high in pairwise(falling):
            if full[high] <= adapter[rate] <= full[low]:
                share = (full[low] - adapter[rate]) / (full[low] - full[high])
                found.append(math.log10(rate) - math.log10(low) - share * math.log10(high / low))
    return found


def _best(losses: Mapping[float, float]) -> float:
    return min(losses, key=losses.__getitem__)


def _data(seed: int, folder: Path) -> Data:
    prompts = [prompt.text for prompt in sample_prompts(TEACHING + TRAIN + TEST, seed)]
    rng, taught, pairs = seeded(f"lora {seed}"), list[Row](), list[Row]()
    for prompt in prompts[:TEACHING]:
        taught += [row_of(prompt, completion=draft(prompt, persona=Persona(), rng=rng)) for _ in range(2)]
    for prompt in prompts[TEACHING:]:
        first = draft(prompt, persona=Persona(), rng=rng)
        worse, better = sorted((first, revise(prompt, first, persona=Persona(), rng=rng)), key=_by(prompt))
        if utility(prompt, better) > utility(prompt, worse):
            pairs.append({**row_of(prompt, chosen=better, rejected=worse, completion=better), "prompt_id": prompt})
    texts = [
        message[0]["content"] for row in (*taught, *pairs) for message in row.values() if isinstance(message, list)
    ]
    build_tiny(folder / "untrained", texts, TinyModel(), seed)
    settings = SftSettings(**{**COMMON, "steps": 200, "batch_size": 32}, learning_rate=3e-3)
    train_sft(folder / "untrained", taught, folder / "base", settings, seed=seed)
    held = set(prompts[-TEST:])
    train, test = ([row for row in pairs if (row["prompt_id"] in held) == side] for side in (False, True))
    return Data(seed, folder / "base", train, test, folder / "out")


def _by(prompt: str) -> Callable[[str], float]:
    return lambda answer: utility(prompt, answer)


def _measured(data: Data) -> dict[tuple[str, str], dict[float, float]]:
    found = {}
    for name, measure in TRAINERS.items():
        for kind, grid, lora in (("all weights", FULL, None), ("adapter", LORA, LoraSettings())):
            found[name, kind] = {rate: measure(data, {**COMMON, "learning_rate": rate, "lora": lora}) for rate in grid}
            shutil.rmtree(data.out, ignore_errors=True)
    return found


def _sft(data: Data, settings: Mapping[str, Any]) -> float:
    train_sft(data.base, data.train, data.out, SftSettings(**settings), seed=data.seed)
    with quietly():
        tokenizer = load_tokenizer(data.out)
        rows = prepare_rows(data.test, Renderer(tokenizer), SftSettings(max_length=64)).rows
        logps = completion_logps(load_causal(data.out), tokenizer, [split_of(row) for row in rows])
    return -float(logps.sum()) / sum(len(split_of(row)[1]) for row in rows)


def _reward(data: Data, settings: Mapping[str, Any]) -> float:
    train_reward(data.base, data.train, data.out, RewardSettings(labels="hard", **settings), seed=data.seed)
    model = RewardModel.load(data.out)
    chosen, rejected = (
        model.score([{**row, "completion": row[s]} for row in data.test]) for s in ("chosen", "rejected")
    )
    return _log_loss(chosen, rejected, data.test)


def _dpo(data: Data, settings: Mapping[str, Any]) -> float:
    chosen = DpoSettings(labels="hard", **settings)
    train_dpo(data.base, data.train, data.out, chosen, seed=data.seed)
    return _log_loss(policy_margins(data.out, data.base, data.test, chosen), [0.0] * len(data.test), data.test)


def _log_loss(chosen: Any, rejected: Any, rows: Sequence[Row]) -> float:
    return evaluate_pairs(chosen, rejected, [row["prompt_id"] for row in rows]).log_loss.value


TRAINERS: Mapping[str, Callable[[Data, Mapping[str, Any]], float]] = {"sft": _sft, "reward": _reward, "dpo": _dpo}


if __name__ == "__main__":
    main()
