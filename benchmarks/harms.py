"""How often a scorecard warns of harm where there is none, and where there is some.

    python benchmarks/harms.py [RUNS]     prints the table in benchmarks/results/harms.md

Policies answer the same prompts, of which some are hard for all of them. Without harm all policies are the first one;
of a harm, the last policy is worse by one figure alone.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import ndtri

from amendment.evaluation.figures import by_policy
from amendment.report.before_use import WORSE, harms
from amendment.results import Result

SHARES = {"cut_at_max_tokens": 0.05, "copies_of_the_prompt": 0.02, "on_topic": 0.9}
PRINCIPLES = (0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 0.4, 0.6)
SIZES = ((12, 1, 1, 3), (20, 1, 1, 3), (40, 1, 1, 3), (40, 4, 2, 8), (100, 1, 2, 8), (500, 1, 1, 8))
"""Prompts, answers to each, policies beside the first, principles."""
HARMS: Mapping[str, Mapping[str, float]] = {
    "on topic 0.90 to 0.60": {"on_topic": -0.3},
    "kept 0.50 to 0.30": {"2": -0.2},
    "nats per token + 10 %": {"nats_per_token": 0.1},
}


def scorecard(rng: np.random.Generator, size: Sequence[int], worse: Mapping[str, float]) -> Result:
    prompts, samples, others, principles = size
    names = ["base", *(f"dpo-{number}" for number in range(others))]
    asked = [(str(prompt), sample) for prompt in range(prompts) for sample in range(samples)]

    def drawn(name: str, truth: float | None) -> dict[str, dict[tuple[str, int], float]]:
        hard, values = np.repeat(rng.normal(size=prompts), samples), {}
        for policy in names:
            change = worse.get(name, 0.0) if policy == names[-1] else 0.0
            latent = (hard + rng.normal(size=len(asked))) / np.sqrt(2)
            rows = np.exp(0.7 + change + 0.3 * latent) if truth is None else latent < ndtri(truth + change)
            values[policy] = dict(zip(asked, rows.astype(float).tolist(), strict=True))
        return values

    figures = [figure for name, truth in SHARES.items() for figure in by_policy(name, drawn(name, truth))]
    figures += by_policy("nats_per_token", drawn("nats_per_token", None), unit="", most=math.inf)
    for number in range(principles):
        name = str(number)
        figures += by_policy("kept", drawn(name, PRINCIPLES[number]), of={"principle": name})
    return Result(figures=tuple(figures))


def warned(runs: int, size: Sequence[int], worse: Mapping[str, float] | None = None) -> tuple[float, float]:
    """The share of runs that warn, and the share with an interval of 95 % on the bad side."""
    rng, warnings, alone = np.random.default_rng(0), 0, 0
    for _ in range(runs):
        card = scorecard(rng, size, worse or {})
        warnings += bool(harms(card))
        bounds = [
            (WORSE[each.name] * each.value.low, WORSE[each.name] * each.value.high) for each in card.changes(*WORSE)
        ]
        alone += any(min(two) > 0 for two in bounds)
    return warnings / runs, alone / runs


def main(runs: int) -> None:
    heads = ("prompts", "answers each", "figures", "no harm, each at 95 %", "no harm", *HARMS)
    print(f"{runs:,} runs each\n\n| {' | '.join(heads)} |\n|{'--:|' * len(heads)}")
    for size in SIZES:
        prompts, samples, others, principles = size
        rates = [*warned(runs, size)[::-1], *(warned(runs, size, worse)[0] for worse in HARMS.values())]
        cells = [prompts, samples, others * (principles + len(WORSE)), *(f"{rate:.1%}" for rate in rates)]
        print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
