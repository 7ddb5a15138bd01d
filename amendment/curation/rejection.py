"""Rejection sampling: what n drawn and verified answers come to.

Covered: pass@k without bias; programs that behave alike on shared inputs, one of each kind.
Not covered: drawing answers, see the stage `candidates` and `preference.draws`; verifying them, see the stage `verify`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from math import comb
from typing import TypeVar

from amendment.statistics import Estimate, share

T = TypeVar("T", bound=Hashable)


def pass_at_k(n: int, passed: int, k: int) -> float:
    """P(at least one of k answers passes), unbiased, from n answers of which `passed` do: 1 - C(n-c, k) / C(n, k)
    (Chen et al. 2021, equation 1). Raises ValueError unless 1 <= k <= n and 0 <= passed <= n."""
    if not (1 <= k <= n and 0 <= passed <= n):
        raise ValueError(f"found n = {n}, passed = {passed}, k = {k}, expected 1 <= k <= n and 0 <= passed <= n")
    return 1 - comb(n - passed, k) / comb(n, k)


def pass_at_each_k(outcomes: Mapping[str, Sequence[bool]]) -> dict[int, Estimate]:
    """Return the mean pass@k over prompts, for k of 1, 2, 4 and so on up to the fewest answers that a prompt has;
    `outcomes` say by prompt which of its answers pass."""
    fewest = min(map(len, outcomes.values()), default=0)
    ks = sorted({fewest, *(2**power for power in range(fewest.bit_length()))} - {0})
    return {
        k: share([pass_at_k(len(passed), sum(passed), k) for passed in outcomes.values()], list(outcomes)) for k in ks
    }


def choose_by_behaviour(behaviours: Mapping[T, Hashable]) -> list[T]:
    """Return one answer of each group that behaves alike, such as programs with the same outputs on shared inputs;
    larger groups first, and of a group the first (AlphaCode, Li et al. 2022, section 4.6)."""
    groups: dict[Hashable, list[T]] = {}
    for name, behaviour in behaviours.items():
        groups.setdefault(behaviour, []).append(name)
    return [members[0] for members in sorted(groups.values(), key=len, reverse=True)]
