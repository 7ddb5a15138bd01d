"""Memory of large runs: the records that are held while tables are read and written, and the growth of the peak."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pyarrow.parquet as pq
import pytest

from amendment.audit.inputs import votes_from_verdicts
from amendment.data import export
from amendment.records import Candidate, Message, Preference, Record, Verdict, user

ROOT = Path(__file__).resolve().parents[2]
FEW = 3
"""Records that a reader and a writer hold at a time, one after another."""
GROWTH = 6.0
"""kB that a prompt may add to the peak of any stage: twice what it adds to the audit's, which keeps votes, and half of
what two answers and a verdict take as records."""
R = TypeVar("R", bound=Record)


class Alive:
    """Counts the records that somebody holds."""

    def __init__(self) -> None:
        self.now = self.most = self.seen = 0

    def noted(self, record: R) -> R:
        self.now, self.seen = self.now + 1, self.seen + 1
        self.most = max(self.most, self.now)
        weakref.finalize(record, self._gone)
        return record

    def passing(self, records: Iterable[R]) -> Iterator[R]:
        return map(self.noted, records)

    def _gone(self) -> None:
        self.now -= 1


def answers(prompts: int) -> Iterator[Candidate]:
    for n in range(2 * prompts):
        said = (Message(role="assistant", content=f"The answer number {n}."),)
        yield Candidate(prompt_id=f"p{n // 2}", messages=said, kind="policy")


def verdicts(prompts: int) -> Iterator[Verdict]:
    names = (answer.id for answer in answers(prompts))
    for n, (a, b) in enumerate(zip(names, names, strict=True)):
        for shown in ((a, b), (b, a)):
            yield Verdict(scale="pair", prompt_id=f"p{n}", shown=shown, value="A", label_mass=0.9, rater="judge")


def test_an_audit_keeps_no_answer_and_no_verdict_that_it_has_read() -> None:
    read_answers, read_verdicts = Alive(), Alive()
    inputs = votes_from_verdicts(read_verdicts.passing(verdicts(1000)), read_answers.passing(answers(1000)), [])
    assert (len(inputs.items), len(inputs.votes), inputs.label_mass[0].verdicts) == (1000, 2000, 2000)
    assert (read_answers.seen, read_verdicts.seen) == (2000, 2000)
    assert max(read_answers.most, read_verdicts.most) <= FEW


def preference(number: int) -> Preference:
    said = {name: (Message(role="assistant", content=f"{name} {number}"),) for name in ("chosen", "rejected")}
    ids = {name: f"{name} {number}" for name in ("comparison_id", "prompt_id", "chosen_id", "rejected_id")}
    shares = {"p_chosen": 0.9, "p_chosen_raw": 0.9}
    return Preference(prompt=user(f"question {number}"), **said, **shares, **ids, decided_by="judge", raters=("Ada",))


def test_an_export_holds_one_row_at_a_time_as_others_see_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "ROW_GROUP", 10)
    rows, copies = [preference(n) for n in range(35)], Alive()

    def shown(row: Preference) -> Preference:
        return copies.noted(row.model_copy(update={"raters": ("person-1",)}))

    assert export.write_exports(tmp_path, {"train": rows, "test": []}, shown) == ("export/train",)
    assert (copies.seen, copies.most <= FEW) == (35, True)
    table = pq.read_table(tmp_path / "export" / "train.parquet")
    assert table["comparison_id"].to_pylist() == [row.comparison_id for row in rows]
    assert table["raters"].to_pylist() == [["person-1"]] * 35
    assert pq.ParquetFile(tmp_path / "export" / "train.parquet").num_row_groups == 4


def test_records_with_the_same_fields_share_one_set_of_their_names() -> None:
    [first, second], named = [preference(n) for n in range(2)], ("category", "source")
    assert first.model_fields_set is second.model_fields_set
    copy = first.model_copy(update=dict.fromkeys(named, "x"))
    assert copy.model_fields_set == first.model_fields_set | {*named}
    assert first.model_fields_set.isdisjoint(named)


def measured(prompts: int, home: Path) -> dict[str, Any]:
    """The figures of a run of so many prompts, in a process of its own."""
    command = [sys.executable, str(ROOT / "benchmarks" / "scale.py"), "--one-run", str(prompts)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(home)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert not done.returncode, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.long
def test_the_peak_of_no_stage_grows_by_more_than_a_few_kilobytes_a_prompt(tmp_path: Path) -> None:
    small, large = (measured(prompts, tmp_path)["parts"] for prompts in (25_000, 100_000))
    growth = {name: 1024 * (large[name]["peak"] - small[name]["peak"]) / 75_000 for name in large}
    assert {name: kb for name, kb in growth.items() if kb > GROWTH} == {}
