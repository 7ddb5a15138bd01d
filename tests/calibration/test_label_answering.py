"""Annotators who answer the page in this process, as simulated people do."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from amendment.calibration.answering import Answer, answer_here
from amendment.calibration.queue import labels_missing
from amendment.calibration.store import Labels
from tests.calibration.label_pages import questions

ASKED = questions(12, overlap=4, repeated=[0, 5])


def rate(annotator: str, item: dict[str, Any]) -> Answer:
    return Answer("A" if item["first"][0]["content"] < item["second"][0]["content"] else "B", confidence=3)


def test_annotators_in_this_process_answer_everything_the_same_way_each_time(tmp_path: Path) -> None:
    states = []
    for name in ("1", "2"):
        with Labels(tmp_path / f"{name}.sqlite") as labels:
            # 8 single items and their repeat (1), 4 of the overlap for two and their repeat (2): 8 + 1 + 8 + 2
            assert asyncio.run(answer_here(ASKED, labels, ["ann", "bob"], rate, seed=1)) == 19
            assert labels_missing(ASKED, labels.current(), annotators=2) == 0
            assert asyncio.run(answer_here(ASKED, labels, ["ann", "bob"], rate, seed=1)) == 0
            assert labels.undo("ann", "undo-one") is not None
            assert asyncio.run(answer_here(ASKED, labels, ["ann", "bob"], rate, seed=1)) == 1
            states.append(labels.state())
            assert all(one.shown[one.choice == "B"].startswith("a") for one in labels.current())
    assert states[0] == states[1]
