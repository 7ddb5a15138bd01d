"""How much probability the labels of a judge held, by hand."""

from __future__ import annotations

from amendment.audit.label_mass import LabelMass, label_masses, mass_section
from amendment.records import Verdict
from tests.preference.verdicts import A, B


def verdict(mass: float | None, *, limit: float = 0.5, rater: str = "small") -> Verdict:
    is_valid = mass is None or mass >= limit
    value = {"value": "A"} if is_valid else {"invalid": "the labels hold too little"}
    return Verdict(scale="pair", prompt_id="p", shown=(A, B), rater=rater, label_mass=mass, **value)


def test_the_distribution_of_each_judges_mass_by_hand() -> None:
    # 0.1, 0.2 ... 1.0: median 0.55, a tenth of the way from 0.1 to 1.0 is 0.19, and 4 of 10 lie below 0.5
    verdicts = [*(verdict(tenths / 10) for tenths in range(1, 11)), verdict(None), verdict(None, rater="writes")]
    (found,) = label_masses(verdicts)
    assert found._replace(median=0, lowest_tenth=0) == LabelMass("small", 10, 0, 0, 0.4)
    assert (round(found.median, 9), round(found.lowest_tenth, 9)) == (0.55, 0.19)
    assert mass_section([found]).rows == (("small", "10", "0.55", "0.19", "40.0 %"),)


def test_written_verdicts_make_no_section() -> None:
    assert mass_section(label_masses([verdict(None)])).rows == ()
