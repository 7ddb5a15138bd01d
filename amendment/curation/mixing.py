"""Pairs of several sources put together by shares or floors: as many as they allow, no prompt from two sources.

Covered: which source keeps a prompt that several have, how many pairs each gives, and which. Everything follows from
the pairs and a seed, by hashes, so that new rows do not change which others are drawn.
Not covered: which pairs are worth having, and the train/test split; mix each side by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import ceil, floor
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Field

from amendment.data.sources import PairFile
from amendment.hashing import content_id
from amendment.records import Part, Preference

ROUNDING = 0.0021
"""A third may be written as 0.333, and there may be six of them."""


class RunShare(Part):
    """The pairs of this run."""

    source: Literal["run"]
    """The pairs that this run makes: judged, imported under `pairs`, or both."""
    share: float | None = Field(default=None, gt=0, le=1)
    """Their share of the pairs for training. If one entry has a share, all have."""
    floor: float | None = Field(default=None, gt=0, lt=1)
    """Instead of shares: never less than this share of the pairs for training."""


def _licensed(source: PairFile) -> PairFile:
    if source.license is None:
        raise ValueError("license: each row that is mixed in carries one, and it is never guessed; name it")
    return source


PairShare = Annotated[PairFile, AfterValidator(_licensed)]
"""Your own pairs, mixed with the run's."""


def _whole(mix: Sequence[RunShare | PairFile]) -> Sequence[RunShare | PairFile]:
    """Return the mix, if it is one. Raises ValueError with all that it is not."""
    shares = [part.share for part in mix if part.share is not None]
    floors = [part.floor for part in mix if part.floor is not None]
    runs = sum(isinstance(part, RunShare) for part in mix)
    problems = []
    if shares and (floors or len(shares) < len(mix)):
        problems.append("expected a share in each entry and no floor, or floors and no share")
    elif shares and abs(sum(shares) - 1) > ROUNDING:
        problems.append(f"the shares sum to {sum(shares):.6g}, expected 1")
    if sum(floors) >= 1:
        problems.append(f"the floors sum to {sum(floors):.6g}, expected less than 1")
    if mix and runs != 1:
        problems.append(f"expected one entry `source: run` for this run's own pairs, found {runs or 'none'}")
    if problems:
        raise ValueError("; ".join(problems))
    return mix


Mix = Annotated[tuple[RunShare | PairShare, ...], AfterValidator(_whole)]
"""The sources of a dataset with their shares, which sum to 1, or with floors."""


class SourceCount(NamedTuple):
    """The pairs that one source has and gives."""

    pairs: int
    """Taken."""
    of: int
    """There for the taking: pairs of prompts that this source keeps."""
    ceded: int
    """Pairs of prompts that another source keeps."""


class Mixed(NamedTuple):
    """The pairs taken, by source and in the order in which they came, and the counts."""

    pairs: dict[str, list[Preference]]
    counts: dict[str, SourceCount]
    shared_prompts: int
    """Prompts that two or more sources have."""


def mix_pairs(
    sources: Mapping[str, Sequence[Preference]],
    shares: Mapping[str, float] | None,
    *,
    floors: Mapping[str, float] | None = None,
    seed: int,
) -> Mixed:
    """Mix the pairs of sources by `shares`, which are positive and count in proportion; None takes every pair, or as
    many as `floors` allow: the largest total of which each source with a floor can give that share, and of the others
    equal parts of what they have left.

    A prompt that several sources have stays with one of them: of those that have it, with the one whose pairs reach
    least far for its share, so that it does not hold down the others. Then each source gives its share of the
    largest total for which no source is asked for more than it has; counts are whole numbers, so a share is exact to
    one pair. Which pairs a source gives is decided by a seeded hash of each comparison, not by its place.
    """
    weights = _weights(sources, shares or _with_rest(sources, floors or {}))
    keeper = _keepers(sources, weights, seed)
    kept = {
        name: [pair for pair in pairs if keeper.get(pair.prompt_id, name) == name] for name, pairs in sources.items()
    }
    sizes = {name: len(pairs) for name, pairs in kept.items()}
    asked = _allotted(sizes, weights) if shares else _above_floors(sizes, floors or {})
    taken = {name: _taken(pairs, asked[name], seed) for name, pairs in kept.items()}
    counts = {
        name: SourceCount(len(taken[name]), sizes[name], len(pairs) - sizes[name]) for name, pairs in sources.items()
    }
    return Mixed(taken, counts, len(keeper))


def _weights(sources: Iterable[str], shares: Mapping[str, float] | None) -> dict[str, Fraction]:
    """Return the shares as exact numbers that sum to 1: 0.1 is a tenth, as it was written."""
    written = {name: Fraction(str(shares[name])) if shares else Fraction(1) for name in sources}
    return {name: share / sum(written.values()) for name, share in written.items()}


def _with_rest(sources: Iterable[str], floors: Mapping[str, float]) -> dict[str, float] | None:
    """Return the floors, and equal parts of what they leave for the others; None without a floor."""
    others = [name for name in sources if name not in floors]
    rest = (1 - sum(floors.values())) / len(others) if others else 0.0
    return {**floors, **dict.fromkeys(others, rest)} if floors else None


def _above_floors(sizes: Mapping[str, int], floors: Mapping[str, float]) -> dict[str, int]:
    """Return the number of pairs from each source, for the largest total that keeps every floor."""
    exact = {name: Fraction(str(share)) for name, share in floors.items()}
    total = min([sum(sizes.values()), *(floor(sizes[name] / share) for name, share in exact.items())])
    needed = {name: ceil(total * share) for name, share in exact.items()}
    while sum(needed.values()) > total:  # of very few pairs, rounding up may leave no room
        total -= 1
        needed = {name: ceil(total * share) for name, share in exact.items()}
    room = {name: size - needed.get(name, 0) for name, size in sizes.items()}
    left = total - sum(needed.values())
    all_room = sum(room.values())
    weights = {name: Fraction(size, all_room) for name, size in room.items()} if all_room else {}
    further = _by_largest_remainder(left, weights)
    return {name: needed.get(name, 0) + further.get(name, 0) for name in sizes}


def _keepers(sources: Mapping[str, Sequence[Preference]], weights: Mapping[str, Fraction], seed: int) -> dict[str, str]:
    """Return the source that keeps each prompt which several have."""
    held: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for name, pairs in sources.items():
        for pair in pairs:
            held[pair.prompt_id][name] += 1
    reach = dict.fromkeys(sources, 0)
    shared = []
    for prompt, counts in held.items():
        if len(counts) > 1:
            shared.append(prompt)
        else:
            [(name, count)] = counts.items()
            reach[name] += count
    keeper = {}
    for prompt in sorted(shared, key=lambda prompt: content_id(["mix", seed, prompt])):
        name = min(held[prompt], key=lambda name: reach[name] / weights[name])
        keeper[prompt] = name
        reach[name] += held[prompt][name]
    return keeper


def _allotted(sizes: Mapping[str, int], weights: Mapping[str, Fraction]) -> dict[str, int]:
    """Return the number of pairs from each source, for the largest total at which no source has too few.

    No source owes more than its size, rounded up, and sizes are whole: so rounding asks none for one too many.
    """
    return _by_largest_remainder(min(floor(sizes[name] / weights[name]) for name in sizes), weights)


def _by_largest_remainder(total: int, weights: Mapping[str, Fraction]) -> dict[str, int]:
    exact = {name: total * weight for name, weight in weights.items()}
    counts = {name: floor(count) for name, count in exact.items()}
    for name in sorted(exact, key=lambda name: counts[name] - exact[name])[: total - sum(counts.values())]:
        counts[name] += 1
    return counts


def _taken(pairs: Sequence[Preference], count: int, seed: int) -> list[Preference]:
    """Return the pairs with the smallest hashes, in their original order."""
    ranked = sorted(range(len(pairs)), key=lambda index: content_id(["mix", seed, pairs[index].comparison_id]))
    return [pairs[index] for index in sorted(ranked[:count])]
