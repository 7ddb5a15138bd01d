"""The certificate as a whole: every shape of input, equal runs, JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from amendment.audit.certificate import CERTIFICATE_FORMAT, audit
from amendment.audit.text import certificate_lines
from amendment.audit.votes import Item, Vote

Said = Callable[..., list[Vote]]
Items = Callable[..., dict[str, Item]]


def full(said: Said) -> list[Vote]:
    return [
        *said("ann", "ABtAB" * 12),
        *said("bob", "ABAAB" * 12),
        *said("j", "ABtA?" * 12, "model", "A"),
        *said("j", "ABtBB" * 12, "model", "B"),
        *said("k", "AAABB" * 12, "verifier", principle="p"),
        *said("k", "AABBB" * 12, "verifier", principle="q"),
    ]


def described(items: Items) -> dict[str, Item]:
    return items(
        60,
        per_prompt=2,
        category=["x", "y", "z"] * 20,
        model_a=["m", "n"] * 30,
        model_b=["n", "m"] * 30,
        length_a=list(range(60)),
        length_b=[30] * 60,
    )


SHAPES: dict[str, Callable[[Said], list[Vote]]] = {
    "people and judges": full,
    "people alone": lambda said: full(said)[:120],
    "judges alone": lambda said: full(said)[120:],
    "one person": lambda said: said("ann", "A"),
    "one verdict": lambda said: said("j", "A", "model"),
    "one verdict that could be read": lambda said: [*said("j", "A", "model", "A"), *said("k", "?", "model", "B")],
    "nothing in common": lambda said: [*said("ann", "A."), *said("j", ".B", "model", "A")],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_whatever_is_there_makes_json_and_lines(said: Said, items: Items, shape: str) -> None:
    certificate = audit(described(items), SHAPES[shape](said), draws=50)
    assert json.loads(json.dumps(certificate.to_json(), allow_nan=False))["format"] == CERTIFICATE_FORMAT
    lines = certificate_lines(certificate)
    assert lines[0] == "# Audit"
    assert not [line for line in lines if "nan" in line.split() or "\n" in line]
    assert json.dumps(certificate.headline(), allow_nan=False)


def test_equal_input_gives_an_equal_certificate_and_another_seed_other_draws(said: Said, items: Items) -> None:
    one, two, other = (
        json.dumps(audit(described(items), full(said), seed=seed, draws=100).to_json()) for seed in (1, 1, 2)
    )
    assert one == two
    assert one != other


def test_a_wider_level_gives_wider_intervals(said: Said, items: Items) -> None:
    narrow, wide = (
        audit(described(items), full(said), level=level, draws=300).judges[0].one_call for level in (0.8, 0.99)
    )
    assert narrow
    assert wide
    for one, other in ((narrow.kappa, wide.kappa), (narrow.by_rule["half"], wide.by_rule["half"])):
        assert one.value == other.value
        assert other.low < one.low < one.high < other.high


def test_rows_of_one_prompt_are_one_observation(said: Said, items: Items) -> None:
    votes = [*said("ann", "ABAB" * 20), *said("j", "ABAA" * 10 + "ABAB" * 10, "model")]
    by_item, by_prompt = (audit(items(80, per_prompt=size), votes).judges[0].one_call for size in (1, 4))
    assert by_item
    assert by_prompt
    one, other = by_item.by_rule["strict"], by_prompt.by_rule["strict"]
    assert (one.value, one.clusters, other.value, other.clusters) == (0.875, 80, 0.875, 20)


def test_the_headline_leaves_out_what_could_not_be_measured(said: Said, items: Items) -> None:
    alone = audit(items(40), said("j", "AB" * 20, "model")).headline()
    assert alone == {"items": 40, "people": 0, "judges": 1, "judge j": {"gates": "PASS invalid; 11 not measured"}}
    votes = [*said("ann", "A" * 40), *said("j", "A" * 40, "model", "A"), *said("j", "B" * 40, "model", "B")]
    both = audit(items(40), votes)
    assert both.headline()["judge j"] == {
        "items on which both choose": 0,
        "consistency over orders": 0.0,
        "gates": "FAIL order, FAIL chance",
    }


def test_the_room_loads_without_scipy() -> None:
    code = "import sys, amendment.calibration; print('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_json_has_every_judge_by_category(said: Said, items: Items) -> None:
    found: dict[str, Any] = audit(described(items), full(said), draws=50).to_json()
    categories = {(one["judge"], one["name"]) for one in found["slices"] if one["by"] == "category"}
    assert categories == {(judge, name) for judge in ("j", "k") for name in "xyz"}
    assert found["glossary"]["ties"].startswith("left out: items that the judge or people call a tie")
