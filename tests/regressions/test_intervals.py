"""What an audit says of people and of shares where there is little to go by."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amendment.statistics import share


def audited(tmp_path: Path, votes: list[tuple[str, ...]], columns: str) -> tuple[dict[str, Any], str]:
    """The certificate of `amendment audit` as JSON and as text; two people, ann and bob, and a judge vote 1 or 2."""
    rows = "\n".join(",".join(row) for row in [("item", "ann", "bob", "judge"), *votes])
    (tmp_path / "labels.csv").write_text(rows + "\n", encoding="utf-8")
    (tmp_path / "audit.yaml").write_text(
        "name: audit\nverdicts:\n"
        f"  - {{path: labels.csv, kind: person, words: {{a: 1, b: 2}}, columns: {{{columns}, votes: [ann, bob]}}}}\n"
        f"  - {{path: labels.csv, kind: model, words: {{a: 1, b: 2}}, columns: {{{columns}, votes: [judge]}}}}\n",
        encoding="utf-8",
    )
    command = [
        sys.executable,
        "-m",
        "amendment",
        "audit",
        str(tmp_path / "audit.yaml"),
        "--folder",
        str(tmp_path / "o"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    certificate = json.loads((tmp_path / "o" / "certificate.json").read_text(encoding="utf-8"))
    return certificate, (tmp_path / "o" / "certificate.md").read_text(encoding="utf-8")


def test_people_with_fewer_than_thirty_shared_items_are_not_measured_against_a_judge(tmp_path: Path) -> None:
    # the judge agrees with both on all of 29 items: the old signed-rank test let it win against both
    said = [str(1 + number % 2) for number in range(29)]
    certificate, text = audited(tmp_path, [(f"q{i}", word, word, word) for i, word in enumerate(said)], "item: item")
    assert certificate["judges"][0]["alternative_annotator"] is None
    assert "not measured: 29 of 30 items" in text


def test_thirty_shared_items_are_measured(tmp_path: Path) -> None:
    said = [str(1 + number % 2) for number in range(30)]
    certificate, text = audited(tmp_path, [(f"q{i}", word, word, word) for i, word in enumerate(said)], "item: item")
    assert certificate["judges"][0]["alternative_annotator"]["tested"] == 2
    assert "of 30 items" not in text


@pytest.mark.parametrize(("truth", "prompts", "rows"), [(0.97, 100, 1), (0.03, 100, 1), (0.97, 40, 10)])
def test_intervals_of_shares_near_zero_and_one_hold_the_truth(truth: float, prompts: int, rows: int) -> None:
    # of 1,500 draws 94 % and more are expected; the noise of the share is 0.6 points
    random = np.random.default_rng(0)
    names = np.repeat(np.arange(prompts), rows)
    drawn = random.random((1_500, names.size)) < truth
    held = [found.low <= truth <= found.high for found in (share(row, names) for row in drawn)]
    assert np.mean(held) > 0.92


@pytest.mark.parametrize(("prompts", "rows"), [(100, 1), (40, 10)])
def test_one_more_error_never_raises_the_lower_bound_of_a_share(prompts: int, rows: int) -> None:
    names = np.repeat(np.arange(prompts), rows)
    lows = [share((names >= errors) | (np.arange(names.size) % rows > 0), names).low for errors in range(8)]
    assert lows == sorted(lows, reverse=True)


def test_few_clusters_are_named_in_words() -> None:
    assert "few clusters" in share([1, 0, 1, 1, 0, 1, 1], range(7)).note
