"""Gates about what sways a judge: their rules are printed, and an unmeasured bias passes nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from amendment.audit import family as families
from amendment.audit.bias import Bias
from amendment.audit.bias_gates import bias_gates
from amendment.audit.certificate import Certificate, audit
from amendment.audit.family import Family
from amendment.audit.telling import certificate_lines
from amendment.audit.votes import Item, Vote
from amendment.statistics import Estimate

Said = Callable[..., list[Vote]]
Items = Callable[..., dict[str, Item]]
NEW = ("repetition", "length", "style", "self", "rationale")


def outcomes(certificate: Certificate) -> dict[str, str]:
    return {gate.check: gate.outcome for gate in certificate.gates}


def swayed(share: float, n: int = 200) -> Certificate:
    """Two people who err in one item of ten, and a judge that takes the answer with a list in that share of items."""
    random = np.random.default_rng(0)
    items, votes = {}, []
    for i in range(n):
        is_a = bool(random.integers(2))
        marks: list[dict[str, float]] = [{"lists": 1}, {}] if is_a else [{}, {"lists": 1}]
        items[f"i{i}"] = Item(f"p{i}", None, None, None, None, None, marks[0], marks[1])
        taken = is_a if random.random() < share else not is_a
        votes.append(Vote(f"i{i}", "j", "model", "A" if taken else "B"))
        is_better = random.random() < 0.5
        for name in ("ann", "bo"):
            says = is_better if random.random() < 0.9 else not is_better
            votes.append(Vote(f"i{i}", name, "person", "A" if says else "B"))
    return audit(items, votes, draws=50)


@pytest.mark.parametrize(("share", "expected"), [(0.5, "PASS"), (0.63, "WARN"), (0.9, "FAIL")])
def test_a_taste_for_format_warns_and_a_strong_one_fails(share: float, expected: str) -> None:
    # P rises by 2 share - 1: nothing, 0.26 with an interval that reaches below 0.2, 0.8
    assert outcomes(swayed(share))["style"] == expected


def test_a_gate_tells_the_effect_and_the_adjusted_p() -> None:
    (gate,) = [gate for gate in swayed(0.9).gates if gate.check == "style"]
    assert gate.found.startswith("format +")
    assert "points, adjusted p " in gate.found


def test_what_was_not_measured_says_so(said: Said, items: Items) -> None:
    certificate = audit(items(40), [*said("ann", "AB" * 20), *said("j", "AB" * 20, "model")])
    assert {outcomes(certificate)[name] for name in NEW} == {"not measured"}


def test_too_few_items_with_a_mark_are_named(said: Said) -> None:
    items = {f"i{i}": Item(f"p{i}", marks_a={"bold": 1} if i < 10 else {}, marks_b={}) for i in range(40)}
    certificate = audit(
        items, [*said("ann", "AB" * 20), *said("bo", "AB" * 20), *said("j", "AABB" * 10, "model")], draws=50
    )
    (gate,) = [gate for gate in certificate.gates if gate.check == "style"]
    assert gate.outcome == "not measured"
    assert "fewer than 30 items in which the answers differ in it" in gate.found


def test_every_rule_and_every_section_is_printed() -> None:
    text = "\n".join(certificate_lines(swayed(0.9)))
    assert all(f"- gate {name}: " in text for name in NEW)
    assert "## Biases as one family of tests" in text
    assert "## What answers carry" in text


@pytest.mark.parametrize(
    ("low", "high", "rejected", "expected"),
    [(-12.1, 7.9, False, "not measured"), (-0.4, 0.5, False, "PASS"), (0.1, 12.0, True, "WARN")],
)
def test_a_test_that_could_not_have_found_anything_passes_nothing(
    low: float, high: float, rejected: bool, expected: str
) -> None:
    effect = Estimate((low + high) / 2, low, high, 43, 43)
    family = Family(0.01, (families.Tested("format", effect, 0.5, 1.0, rejected),))
    gates = {gate.check: gate for gate in bias_gates("j", Bias(None, (), None, None, family), None)}
    assert gates["style"].outcome == expected
    assert ("too wide to tell" in gates["style"].found) == (expected == "not measured")
