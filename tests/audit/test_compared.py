"""Two judges on the same items, item by item."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command_line import amendment

ITEMS, JUDGED = 120, 100


def written(folder: Path) -> Path:
    """People choose a and b in turn; both judges are wrong on the same 20 items, and the second on five more. It is
    asked about the first 100 items alone."""
    truth = ["ab"[number % 2] for number in range(ITEMS)]
    turned = ["ba"[number % 2] for number in range(ITEMS)]
    mild, stern = [*turned[:20], *truth[20:]], [*turned[:25], *truth[25:JUDGED]]
    people = [f"{number},{side},{side}" for number, side in enumerate(truth)]
    for name, head, rows in (
        ("people", "item,ann,bo", people),
        ("mild", "item,verdict", [f"{number},{side}" for number, side in enumerate(mild)]),
        ("stern", "item,verdict", [f"{number},{side}" for number, side in enumerate(stern)]),
    ):
        (folder / f"{name}.csv").write_text("\n".join([head, *rows]) + "\n")
    path = folder / "study.yaml"
    judge = "  - {{path: {0}.csv, kind: model, rater: {0}, columns: {{item: item, verdict: verdict}}}}\n"
    path.write_text(
        "name: study\nverdicts:\n  - {path: people.csv, kind: person, columns: {item: item, votes: [ann, bo]}}\n"
        + judge.format("mild")
        + judge.format("stern")
    )
    return path


def test_judges_are_compared_item_by_item_on_what_both_judged(tmp_path: Path) -> None:
    ended = amendment("audit", written(tmp_path), "--folder", tmp_path / "out")
    assert ended.code == 0, ended.err
    (pair,) = json.loads((tmp_path / "out" / "certificate.json").read_text())["compared"]
    difference = pair["difference"]
    # on 5 of 100 items the first agrees and the second does not. Item by item the error is sqrt(0.05 * 0.95 / 99) =
    # 0.022, times t = 2.28 (97.5 %, as there are two judges) 0.050; of two samples it would be 0.059 and 0.13
    assert (pair["best"], pair["other"], difference["n"]) == ("mild", "stern", JUDGED)
    assert difference["value"] == pytest.approx(0.05)
    assert 0.045 < (difference["high"] - difference["low"]) / 2 < 0.065
    assert "- mild minus stern, item by item on 100 labelled items that both judged: +5.0 (" in ended.out
