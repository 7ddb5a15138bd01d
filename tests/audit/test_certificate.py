"""The certificate as a whole: every shape of input, equal runs, slices, other names for people."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence

import pytest

from amendment.audit.certificate import CERTIFICATE_FORMAT, audit
from amendment.audit.label_mass import LabelMass, LabelMasses, mass_section
from amendment.audit.text import certificate_lines
from amendment.audit.votes import ComparisonInfo, Vote
from amendment.records import Verdict
from tests.audit.letters import items, said
from tests.preference.verdicts import A, B


def full() -> list[Vote]:
    return [
        *said("ann", "ABtAB" * 12),
        *said("bob", "ABAAB" * 12),
        *said("j", "ABtA?" * 12, "model", "A"),
        *said("j", "ABtBB" * 12, "model", "B"),
        *said("k", "AAABB" * 12, "verifier", principle="p"),
        *said("k", "AABBB" * 12, "verifier", principle="q"),
    ]


def described() -> dict[str, ComparisonInfo]:
    return items(
        60,
        per_prompt=2,
        category=["x", "y", "z"] * 20,
        model_a=["m", "n"] * 30,
        model_b=["n", "m"] * 30,
        length_a=list(range(60)),
        length_b=[30] * 60,
    )


SHAPES: dict[str, Callable[[], list[Vote]]] = {
    "people and judges": full,
    "people alone": lambda: full()[:120],
    "judges alone": lambda: full()[120:],
    "one person": lambda: said("ann", "A"),
    "one verdict": lambda: said("j", "A", "model"),
    "one verdict that could be read": lambda: [*said("j", "A", "model", "A"), *said("k", "?", "model", "B")],
    "nothing in common": lambda: [*said("ann", "A."), *said("j", ".B", "model", "A")],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_whatever_is_there_makes_json_and_lines(shape: str) -> None:
    certificate = audit(described(), SHAPES[shape](), draws=50)
    assert json.loads(json.dumps(certificate.to_json(), allow_nan=False))["format"] == CERTIFICATE_FORMAT
    lines = certificate_lines(certificate)
    assert lines[0] == "# Certificate"
    assert len(lines) < 90
    assert not [line for line in lines if "nan" in line.split() or "\n" in line]
    assert json.dumps([figure.to_json() for figure in certificate.figures()], allow_nan=False)


def five(values: Sequence[str]) -> list[str]:
    """Each value for five items, since fewer make no slice."""
    return [value for value in values for _ in range(5)]


def letters(values: str) -> str:
    return "".join(five(values))


def test_slices_by_category_and_principle_by_hand() -> None:
    # x: A=A, t/A; y: B=B, and nobody labelled the last; five items of each
    known = items(20, category=five("xxyy"))
    votes = [
        *said("ann", letters("AAB.")),
        *said("j", letters("AtBA"), "model", "A"),
        *said("j", letters("AtAA"), "model", "B"),
    ]
    votes += [*said("k", letters("BBAA"), "model", principle="p"), *said("k", letters("AABB"), "model", principle="q")]
    found = {(part.by, part.name, part.judge): part for part in audit(known, votes).slices}
    x, y = found["category", "x", "j"], found["category", "y", "j"]
    assert (x.items, x.is_small) == (10, True)
    assert (x.no_ties.value, x.no_ties.n, x.half.value) == (1.0, 10, 0.75)
    assert x.consistency.value == 1.0
    assert (y.items, y.half.value, y.consistency.value) == (5, 0.5, 0.5)
    # by p the judge k says B B A, by q A A B, of items that ann calls A A B without a principle
    assert [found["principle", name, "k"].half.value for name in ("p", "q")] == [0.0, 1.0]


def test_a_value_of_its_own_for_every_row_makes_neither_slices_nor_win_shares() -> None:
    own = [f"{n}" for n in range(2000)]
    known = items(2000, category=own, model_a=own, model_b=[f"x{one}" for one in own])
    votes = [one._replace(principle=f"p{n}") for n, one in enumerate(said("j", "AB" * 1000, "model"))]
    began = time.perf_counter()
    found = audit(known, [*said("ann", "A" * 2000), *votes], draws=20)
    assert time.perf_counter() - began < 10, "a tenth of a second on one quiet core; a minute when each is scanned"
    assert found.slices == ()
    assert found.not_sliced == {"principle": 2000, "category": 2000, "model": 4000}
    assert len(json.dumps(found.to_json())) < 50_000


def verdict(mass: float | None, *, limit: float = 0.5, rater: str = "small") -> Verdict:
    is_valid = mass is None or mass >= limit
    value = {"value": "A"} if is_valid else {"invalid": "the labels hold too little"}
    return Verdict(scale="pair", prompt_id="p", shown=(A, B), rater=rater, label_mass=mass, **value)


def label_masses(verdicts: list[Verdict]) -> list[LabelMass]:
    masses = LabelMasses()
    assert [*masses.passing(verdicts)] == verdicts
    return masses.by_judge()


def test_the_distribution_of_each_judges_mass_by_hand() -> None:
    # 0.1, 0.2 ... 1.0: median 0.55, a tenth of the way from 0.1 to 1.0 is 0.19, and 4 of 10 lie below 0.5
    verdicts = [*(verdict(tenths / 10) for tenths in range(1, 11)), verdict(None), verdict(None, rater="writes")]
    (found,) = label_masses(verdicts)
    assert found._replace(median=0, lowest_tenth=0) == LabelMass("small", 10, 0, 0, 0.4)
    assert (round(found.median, 9), round(found.lowest_tenth, 9)) == (0.55, 0.19)
    assert mass_section([found]).rows == (("small", "10", "0.55", "0.19", "40.0 %"),)
