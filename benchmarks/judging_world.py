"""What the parts of `judging.py` share: comparisons with known truth, looks of a judge, tables with intervals."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from statistics import fmean, stdev
from typing import NamedTuple

from scipy.stats import t as student

from amendment.constitutions import draw_principles, eligible_principles, load_constitution
from amendment.simulator import Persona, draft, prefer, sample_prompts, truth

WRITERS = tuple(Persona(writer=name) for name in ("helpful-only", "careless", "evasive", "verbose"))
RULES = load_constitution("lilliput")
POOL = eligible_principles([RULES], "compare", category=None)
LEAST_GAP = 1e-6
"""Of utility, below which two answers are equally good and no label is right."""


class Case(NamedTuple):
    """A comparison: which answer is called `a` is chance, so that neither is better on average."""

    prompt: str
    a: str
    b: str
    is_a: bool
    """Whether the truth prefers `a`."""


class Looks(NamedTuple):
    """P(a is better) with a shown first, and with b shown first."""

    a_first: float
    b_first: float

    @property
    def mean(self) -> float:
        return (self.a_first + self.b_first) / 2

    @property
    def is_consistent(self) -> bool:
        return (self.a_first > 0.5) == (self.b_first > 0.5)


def seeded(name: str) -> random.Random:
    """The generator of a name."""
    return random.Random(name)  # noqa: S311 - reproducible


def cases(count: int, seed: int) -> list[Case]:
    """Comparisons of two drafts by different writers, of different worth."""
    rng, found = seeded(f"cases {seed}"), []
    for prompt in sample_prompts(2 * count, seed):
        one, other = (draft(prompt.text, persona=writer, rng=rng) for writer in rng.sample(WRITERS, 2))
        gap = utility(prompt.text, one) - utility(prompt.text, other)
        if abs(gap) > LEAST_GAP:
            found.append(Case(prompt.text, one, other, gap > 0))
    if len(found) < count:
        raise SystemExit(f"only {len(found)} of {count} comparisons have a better answer")
    return found[:count]


def pools(count: int, size: int, seed: int) -> Iterator[tuple[str, list[str]]]:
    """Prompts with so many different drafts."""
    rng = seeded(f"pools {seed}")
    for prompt in sample_prompts(20 * count, seed):
        drafts = {draft(prompt.text, persona=rng.choice(WRITERS), rng=rng): None for _ in range(6 * size)}
        if len(drafts) >= size and count:
            count -= 1
            yield prompt.text, list(drafts)[:size]
    if count:
        raise SystemExit(f"{count} pools of {size} could not be filled; ask for fewer")


def utility(prompt: str, answer: str) -> float:
    return truth(prompt, answer).utility


def drawn(count: int, *key: object) -> tuple[str, ...]:
    """The principles of a comparison, as a judge draws them: by weight, none twice."""
    return tuple(one.id for one in draw_principles(POOL, count, scheme="weighted", key=["judging", *map(str, key)]))


def looks(case: Case, persona: Persona, rng: random.Random, principles: Sequence[str]) -> Looks:
    """Both orders by each principle, averaged over principles."""
    first = [p_first(case.prompt, case.a, case.b, persona, rng, one) for one in principles]
    second = [1 - p_first(case.prompt, case.b, case.a, persona, rng, one) for one in principles]
    return Looks(fmean(first), fmean(second))


def p_first(prompt: str, first: str, second: str, persona: Persona, rng: random.Random, *principles: str) -> float:
    """P(the first shown is better); without a principle, by everything at once."""
    return logistic(prefer(prompt, first, second, principles=principles, persona=persona, rng=rng))


def logistic(log_odds: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, log_odds))))


def right(p_a: float, is_a: bool) -> float:
    """1 for a right label, 0 for a wrong one, one half for none."""
    return 0.5 if p_a == 0.5 else float((p_a > 0.5) == is_a)


def over_seeds(values: Sequence[float], digits: int = 3) -> str:
    """Mean and 95 % interval, Student's t over seeds; values that are not to be had are left out."""
    found = [value for value in values if math.isfinite(value)]
    if len(found) < 2:
        return f"{found[0]:.{digits}f}" if found else "none"
    half = float(student.ppf(0.975, len(found) - 1)) * stdev(found) / math.sqrt(len(found))
    return f"{fmean(found):.{digits}f} ± {half:.{digits}f}"


def table(title: str, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Markdown on standard output."""
    header = list(header)
    print(f"\n### {title}\n\n| {' | '.join(header)} |\n|{'---|' * len(header)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |", flush=True)
