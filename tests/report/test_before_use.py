"""What a run warns of: harm beyond chance, in worlds whose truth is known, and pairs that are too few."""

from __future__ import annotations

from pathlib import Path

import pytest

from amendment.report.document import read_document
from benchmarks.harms import HARMS, SIZES, warned
from tests.rows import save
from tests.run.small_runs import Said, run_of

PAIRS = "name: t\npairs: [{path: p.jsonl, kind: person}]\ndataset: {test_share: 0.6}\n"
REWARD = "base: {on: nothing, steps: 1}\nreward_model: {base: base, steps: 1}\n"


@pytest.mark.parametrize("size", SIZES[1:3])
def test_without_harm_no_figure_is_named_in_19_of_20_runs(size: tuple[int, ...]) -> None:
    """A cut of `benchmarks/harms.py`."""
    together, alone = warned(150, size)
    assert together <= 0.05 < alone


def test_a_harm_is_found() -> None:
    together, _ = warned(20, SIZES[3], HARMS["on topic 0.90 to 0.60"])
    assert together > 0.9


def test_too_few_pairs_are_named_before_the_run_when_they_are_made_and_afterwards(tmp_path: Path) -> None:
    save(
        tmp_path / "p.jsonl", [{"prompt": f"What is {n}?", "chosen": f"It is {n}", "rejected": "?"} for n in range(20)]
    )
    warnings = run_of(tmp_path, PAIRS + REWARD).check()
    assert [line.rpartition(": ")[2] for line in warnings] == [
        "60% of the prompts, and so most of the pairs, are held out from training; lower it",
        "only the pairs of 8 prompts are for training, too few to learn much from; provide 20 prompts or more, besides "
        "those held out",
    ]
    assert run_of(tmp_path, PAIRS).check() == [], "nothing is trained"
    said = Said()
    folder = run_of(tmp_path, PAIRS, progress=said)().folder
    expected = [
        "Only 8 pairs are for training, too few to learn much from: provide 20 or more.",
        "12 of 20 pairs are held out, more than are left for training: lower test_share.",
    ]
    assert [line for line in said.lines if line.startswith("dataset: ") and "pairs" in line][-2:] == [
        f"dataset: {line}" for line in expected
    ]
    assert "\n".join(f"- {line}" for line in expected) in (folder / "summary.md").read_text()
    assert [*read_document(folder).before_use][:2] == expected
