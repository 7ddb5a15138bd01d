"""Sixty-five judges in both orders: LLMBar (Zeng et al., arXiv 2310.07641), where it lies beside the project.

Every figure of every judge on every subset, 325 runs, is compared with a count made here from the raw rows.
"""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from pathlib import Path
from typing import Literal

import pytest

from amendment.audit.certificate import Certificate, audit
from amendment.audit.text import certificate_lines
from amendment.audit.votes import Item, Vote

PATH = Path(__file__).resolve().parents[3] / "shared" / "data" / "llmbar" / "verdicts.csv.gz"
pytestmark = pytest.mark.skipif(not PATH.is_file(), reason="LLMBar's verdicts do not lie beside the project")

VALUES: dict[str, Literal["A", "B", "invalid"]] = {"1": "A", "2": "B", "": "invalid"}
Run = list[tuple[str, str, str]]
"""Gold, verdict in the original order, verdict with the answers swapped; one entry per item."""


@pytest.fixture(scope="module")
def runs() -> dict[tuple[str, str], Run]:
    """By subset and judge."""
    found = defaultdict(list)
    with gzip.open(PATH, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            judge = f"{row['judge']} {row['strategy']}"
            found[row["subset"], judge].append((row["gold"], row["verdict_orig"], row["verdict_swap"]))
    return dict(found)


@pytest.fixture(scope="module")
def certificate(runs: dict[tuple[str, str], Run]) -> Certificate:
    items: dict[str, Item] = {}
    votes: dict[Vote, None] = {}
    for (subset, judge), run in runs.items():
        for number, (gold, original, swapped) in enumerate(run):
            name = f"{subset} {number}"
            items[name] = Item(name, subset)
            votes[Vote(name, "gold", "person", VALUES[gold])] = None
            votes[Vote(name, judge, "model", VALUES[original], "A")] = None
            votes[Vote(name, judge, "model", VALUES[swapped], "B")] = None
    return audit(items, votes, draws=20)


def test_accuracy_of_all_runs(certificate: Certificate, runs: dict[tuple[str, str], Run]) -> None:
    for found in certificate.slices:
        read = [(gold, said) for gold, *both in runs[found.name, found.judge] for said in both if said]
        assert found.half.value == pytest.approx(sum(gold == said for gold, said in read) / len(read))
        assert found.half.n == len(read)


def test_consistency_of_all_runs(certificate: Certificate, runs: dict[tuple[str, str], Run]) -> None:
    for found in certificate.slices:
        pairs = [(one, other) for _, one, other in runs[found.name, found.judge] if one and other]
        assert found.consistency.n == len(pairs)
        assert found.consistency.value == pytest.approx(sum(one == other for one, other in pairs) / len(pairs))


def test_kappa_between_the_orders_of_all_runs(certificate: Certificate, runs: dict[tuple[str, str], Run]) -> None:
    oracle = pytest.importorskip("sklearn.metrics", reason="scikit-learn comes with the dev extra")
    for found in certificate.slices:
        pairs = [(one, other) for _, one, other in runs[found.name, found.judge] if one and other]
        expected = oracle.cohen_kappa_score(*zip(*pairs, strict=True))
        assert found.order_kappa.value == pytest.approx(float(expected), abs=1e-12)


def test_labels_that_are_joined_rightly_raise_no_alarm(certificate: Certificate) -> None:
    assert len(certificate.alarms.checked) == 51
    assert certificate.alarms.found == ()


def test_beside_one_gold_label_no_judge_is_tested_as_an_annotator(certificate: Certificate) -> None:
    assert {judge.alternative_annotator_note for judge in certificate.judges} == {"needs two people, found 1"}
    told = [line for line in certificate_lines(certificate) if line.startswith("- not measured: needs two")]
    assert told == ["- not measured: needs two people, found 1 (65 judges)"]
    assert certificate.labels == ()
