"""A run says how its revisions fare against their drafts, or that nobody looked; the worse ones go as it is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amendment.preference import chain_ends
from amendment.records import Candidate
from amendment.run import Result, Run

RUN = """\
name: revised
seed: 7
constitution: lilliput
models:
  writer: {provider: simulated, writer: helpful-only}
  second: {provider: simulated}
prompts: [{lilliput: 40}]
critique: {model: writer, rounds: 2}
candidates: [{from: critique, take: TAKE}OTHERS]
judging: {judges: [{model: second, protocol: label-tokens}]}
dataset: {test_share: 0.25}
"""
NOTE = "revisions were not checked"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Result]:
    """One run of drafts and last revisions, made again under other settings."""
    folder = tmp_path_factory.mktemp("revised")
    (folder / "run.yaml").write_text(RUN.replace("TAKE", "draft_and_last").replace("OTHERS", ""))

    def making(**revisions: str) -> Result:
        chosen = [f"judging.revisions={{worse: {revisions['worse']}}}"] if revisions else []
        return Run.from_file(folder / "run.yaml", folder=folder / "run", overrides=chosen)()

    return making


def checked(result: Result) -> dict[str, Any]:
    found = result.summary["stages"]["dataset"]["revisions checked"]
    assert isinstance(found, dict)
    return found


def rows_of(result: Result) -> list[dict[str, Any]]:
    return [row for split in result.dataset.values() for row in split]


def test_every_chain_is_counted_and_the_share_has_an_interval(made: Callable[..., Result]) -> None:
    result = made()
    found = checked(result)
    counts = {name: found[name] for name in ("better", "worse", "tie", "unread", "unchanged", "not compared")}
    assert sum(counts.values()) == 40
    assert counts["better"] > 0
    assert counts["worse"] > 0
    read = counts["better"] + counts["worse"] + counts["tie"]
    assert found["share"]["value"] == pytest.approx((counts["better"] + counts["tie"] / 2) / read)
    assert found["share"]["low"] < found["share"]["value"] < found["share"]["high"]
    assert found["share"]["clusters"] == read  # one chain a prompt
    page = (result.folder / "summary.md").read_text()
    assert f"- revisions against their drafts: better {counts['better']}, worse {counts['worse']}" in page
    assert NOTE not in page


def test_worse_revisions_are_flipped_dropped_or_kept_without_a_second_verdict(made: Callable[..., Result]) -> None:
    flipped = made()
    ends = {one.draft: one.revision for one in chain_ends(_candidates(flipped.folder))}
    worse, rows = checked(flipped)["worse"], rows_of(flipped)
    assert sum(row["chosen_id"] in ends for row in rows) == worse  # the drafts that won
    dropped = made(worse="drop")
    assert (dropped.ran, dropped.sent) == (("dataset",), 0)
    assert dropped.summary["stages"]["dataset"]["left out"]["revision is worse than its draft"] == worse
    assert not any(row["chosen_id"] in ends for row in rows_of(dropped))
    assert len(rows_of(dropped)) == len(rows) - worse
    kept = made(worse="keep")
    assert {row["decided_by"] for row in rows_of(kept)} == {"construction"}
    assert all(ends[row["rejected_id"]] == row["chosen_id"] for row in rows_of(kept))
    assert sum(row["p_chosen_raw"] < 0.5 for row in rows_of(kept)) == worse
    assert checked(kept) == {**checked(flipped), "worse revisions": "keep"}


def _candidates(folder: Path) -> list[Candidate]:
    from amendment.data.workspace import Workspace

    return Workspace(folder).read("critique/candidates", Candidate)


def few(take: str) -> str:
    """A small run that compares other answers too."""
    others = ", {model: writer, per_prompt: 2}"
    return RUN.replace("TAKE", take).replace("OTHERS", others).replace("lilliput: 40", "lilliput: 6")


@pytest.mark.parametrize(
    ("take", "cut"), [("last", ""), ("draft_and_last", "candidates:"), ("all", "judging:"), ("draft", "")]
)
def test_a_run_whose_revisions_nobody_judged_says_so(tmp_path: Path, take: str, cut: str) -> None:
    lines = few(take).splitlines()
    kept = [line for line in lines if not (cut and line.startswith((cut, "judging:")))]
    (tmp_path / "run.yaml").write_text("\n".join(kept))
    result = Run.from_file(tmp_path / "run.yaml", folder=tmp_path / "run")(until="critique")
    assert NOTE in result.summary["stages"]["critique"]["notes"][0]
    assert NOTE in (result.folder / "summary.md").read_text()


@pytest.mark.parametrize("take", ["all", "draft_and_last"])
def test_a_run_that_will_judge_them_says_nothing_yet(tmp_path: Path, take: str) -> None:
    (tmp_path / "run.yaml").write_text(few(take))
    result = Run.from_file(tmp_path / "run.yaml", folder=tmp_path / "run")(until="critique")
    assert "notes" not in result.summary["stages"]["critique"]
