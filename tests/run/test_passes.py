"""Stages that share a pass over the prompts make what they make one after another, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amendment.data.store import read_records
from amendment.errors import AmendmentError, Paused, Transient
from amendment.llm.client import Calls
from amendment.llm.concurrency import STAGE
from amendment.llm.provider import Provider
from amendment.llm.requests import Reply, Request
from amendment.records import Candidate, Critique, ItemEnding, Message, Prompt, Verdict
from amendment.run import Run, context
from amendment.stages.passes import Grouped
from tests.run.small_runs import Said, notes_of, replies

ALL = ("inputs", "critique", "candidates", "judging", "audit", "dataset")
Look = Callable[[str, Request], None]
Asked = Callable[[Look], list[Look]]


def files(folder: Path) -> dict[str, bytes]:
    """All tables of a run."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}


def contents(notes: dict[str, Any]) -> dict[str, Any]:
    """Notes without the times of files."""
    return {
        stage: {**note, "artefacts": {name: digest for name, (_, digest) in note["artefacts"].items()}}
        for stage, note in notes.items()
    }


def test_one_pass_makes_the_bytes_and_notes_of_stages_made_one_after_another(small: Path, tmp_path: Path) -> None:
    told = Said()
    together = Run.from_file(small, folder=tmp_path / "together", progress=told)()
    assert together.ran == ALL
    assert list(dict.fromkeys(line.partition(":")[0] for line in told.lines)) == [
        "inputs",
        "critique, candidates, judging",
        "audit",
        "dataset",
    ]
    sent = 0
    for stage in ALL:
        alone = Run.from_file(small, folder=tmp_path / "alone")(until=stage)
        assert alone.ran == (stage,)
        sent += alone.sent
    assert sent == together.sent
    assert files(tmp_path / "together") == files(tmp_path / "alone")
    assert contents(notes_of(tmp_path / "together")) == contents(notes_of(tmp_path / "alone"))
    assert Run.from_file(small, folder=tmp_path / "together")().ran == ()


def test_a_changed_critique_is_judged_in_the_same_pass(small: Path, chain: Path) -> None:
    told = Said()
    changed = Run.from_file(small, folder=chain, overrides=["critique.rounds=1"], progress=told)()
    assert changed.ran == ("critique", "judging", "audit", "dataset")
    assert told.lines[0].startswith("critique, judging: ")
    assert "changed)" in told.lines[0]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Lets a function see each question with the stage that asks it, before it is asked; it may raise.

    It looks as long as it is in the list that comes back.
    """

    def install(look: Look) -> list[Look]:
        ask, looking = Calls.ask, [look]

        async def looked(self: Calls, provider: Provider, transport: Any, request: Request) -> Reply:
            for one in looking:
                one(STAGE.get(), request)
            return await ask(self, provider, transport, request)

        monkeypatch.setattr(Calls, "ask", looked)
        return looking

    return install


def test_a_prompt_is_judged_before_the_last_one_is_drafted(
    small: Path, tmp_path: Path, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context, "WINDOW", 1)
    stages: list[str] = []
    asked(lambda stage, _: stages.append(stage))
    narrow = ["models.writer.concurrency=1", "models.second.concurrency=1"]
    Run.from_file(small, folder=tmp_path / "run", overrides=narrow)(until="judging")
    assert set(stages) == {"critique", "candidates", "judging"}, "each call is made in the name of its stage"
    last_draft = len(stages) - 1 - stages[::-1].index("critique")
    judged_before = stages[:last_draft].count("judging")
    assert judged_before > 0.8 * stages.count("judging"), "with a window of one, eleven prompts of twelve are done"


def test_a_pending_prompt_goes_no_further_and_loses_nothing(
    small: Path, tmp_path: Path, undisturbed: Any, asked: Asked
) -> None:
    folder = tmp_path / "run"
    bad = read_records(undisturbed.result.folder / "inputs/prompts.parquet", Prompt)[3]
    seen: list[str] = []

    def fails(stage: str, request: Request) -> None:
        about_bad = any(str(bad.messages[-1].content) in str(message.content) for message in request.messages)
        if about_bad:
            seen.append(stage)
        if about_bad and stage == "critique":
            raise Transient("the line is down", kind="transport")

    is_down = asked(fails)
    with pytest.raises(
        Paused, match=r"^critique: 1 of 12 items are pending; run again to continue\..* Most often: the"
    ):
        Run.from_file(small, folder=folder)()
    assert set(seen) == {"critique"}, "nothing is drawn or judged of a prompt whose chain is not done"
    is_down.clear()
    assert list(notes_of(folder)) == ["inputs"]
    endings = read_records(folder / "critique/endings.parquet", ItemEnding)
    assert [one.item_id for one in endings if one.outcome == "pending"] == [bad.id]
    assert not (folder / "critique/candidates.parquet").exists()
    assert not (folder / "judging").exists() or not list((folder / "judging").iterdir())
    committed = replies(folder)
    assert 0.8 * undisturbed.replies < committed < undisturbed.replies, "the other eleven went all the way"
    again = Run.from_file(small, folder=folder)()
    assert again.sent == undisturbed.replies - committed
    assert files(folder) == files(undisturbed.result.folder)


def test_a_stage_that_came_to_something_stands_where_a_later_one_pauses(
    small: Path, tmp_path: Path, asked: Asked
) -> None:
    def fails(stage: str, request: Request) -> None:
        if stage == "judging":
            raise Transient("the judge is away", kind="server")

    asked(fails)
    with pytest.raises(Paused, match=r"^judging: \d+ of \d+ items are pending"):
        Run.from_file(small, folder=tmp_path / "run")()
    assert sorted(notes_of(tmp_path / "run")) == ["candidates", "critique", "inputs"]
    assert (tmp_path / "run/judging/endings.parquet").exists()
    assert not (tmp_path / "run/judging/verdicts.parquet").exists()


def test_an_error_in_the_middle_leaves_no_table_half_written(small: Path, tmp_path: Path, asked: Asked) -> None:
    def fails(stage: str, request: Request) -> None:
        if stage == "judging":
            raise AmendmentError("stop here")

    asked(fails)
    with pytest.raises(AmendmentError, match=r"^stop here$"):
        Run.from_file(small, folder=tmp_path / "run")()
    assert list(notes_of(tmp_path / "run")) == ["inputs"]
    assert {path.parent.name for path in (tmp_path / "run").rglob("*.parquet*")} == {"inputs"}
    status = json.loads((tmp_path / "run/status.json").read_text())
    assert (status["running"], status["done"]) == (None, ["inputs"])


def test_tables_keep_the_order_of_the_prompts(undisturbed: Any) -> None:
    folder = undisturbed.result.folder
    prompts = [prompt.id for prompt in read_records(folder / "inputs/prompts.parquet", Prompt)]
    kinds: dict[str, type[Any]] = {
        "critique/candidates": Candidate,
        "critique/critiques": Critique,
        "candidates/candidates": Candidate,
        "judging/verdicts": Verdict,
    }
    for table, kind in kinds.items():
        places = [prompts.index(row.prompt_id) for row in read_records(folder / f"{table}.parquet", kind)]
        assert places == sorted(places), table


def test_rows_are_found_by_prompt_in_one_reading() -> None:
    rows = [
        Candidate(prompt_id=name, messages=(Message(role="assistant", content=str(number)),), kind="imported")
        for number, name in enumerate("aacdd")
    ]
    grouped = Grouped(rows)
    assert [[row.messages[0].content for row in grouped.of(name)] for name in "abcde"] == [
        ["0", "1"],
        [],
        ["2"],
        ["3", "4"],
        [],
    ]
