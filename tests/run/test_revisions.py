"""A run says how its revisions fare against their drafts, or that nobody looked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import pytest

from amendment.data.store import read_records
from amendment.records import Candidate, Prompt
from amendment.run import ProgressEvent
from amendment.text import read_fenced
from tests.chat_server import ChatServer
from tests.rows import save
from tests.run.small_runs import made, run_of

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
NOTE = "no judge has compared the revisions"


def test_every_chain_is_counted_and_the_share_has_an_interval(tmp_path: Path) -> None:
    result = made(tmp_path, RUN.replace("TAKE", "draft_and_last").replace("OTHERS", ""))
    dataset = result.results["dataset"]
    found = {figure.of["against_the_draft"]: cast(int, figure.value) for figure in dataset.where("revisions")}
    share = dataset.estimate("better_revisions")
    assert share
    assert sum(found.values()) == 40
    read = found["better"] + found["worse"] + found["tie"]
    assert share.value == pytest.approx((found["better"] + found["tie"] / 2) / read)
    assert share.low < share.value < share.high
    assert share.clusters == read  # one chain a prompt
    drafts = {
        one.id for one in read_records(tmp_path / "run/critique/candidates.parquet", Candidate) if one.kind == "draft"
    }
    chosen = [row["chosen_id"] for split in result.dataset.values() for row in split]
    assert sum(one in drafts for one in chosen) == found["worse"] > 0
    assert NOTE not in (result.folder / "summary.md").read_text()


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
    result = made(tmp_path, "\n".join(kept), until="critique")
    assert NOTE in result.results["critique"].notes[0]
    assert NOTE in (result.folder / "summary.md").read_text()


@pytest.mark.parametrize("take", ["all", "draft_and_last"])
def test_a_run_that_will_judge_them_says_nothing_yet(tmp_path: Path, take: str) -> None:
    result = made(tmp_path, few(take), until="critique")
    assert not result.results["critique"].notes


def test_copied_revisions_are_counted_in_the_summary_and_are_no_candidates(tmp_path: Path, server: ChatServer) -> None:
    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        asked = body["messages"][-1]["content"]
        said = "It is honest, and it says so in words that anybody can understand."
        return 200, {"role": "assistant", "content": said if "<<answer" in asked else "The bridge is safe."}

    server.answer = answer
    save(tmp_path / "p.csv", [{"prompt": f"Is bridge {number} safe?"} for number in range(3)])
    result = made(
        tmp_path,
        f"""name: copied
constitution: helpful-honest
models: {{m: {{provider: openai, base_url: '{server.url}', model: m, api_key_env: null}}}}
prompts: [{{path: p.csv}}]
critique: {{model: m}}
""",
    )
    assert {candidate.kind for candidate in read_records(result.folder / "critique/candidates.parquet", Candidate)} == {
        "draft"
    }
    assert result.results["critique"].count("copies", of="critique") == 3
    page = (result.folder / "summary.md").read_text()
    assert "- copies: critique 3\n" in page
    assert "- note: most revisions are copies: " in page


def test_a_model_with_the_layout_tags_sees_plain_text_between_tags_in_every_question(
    tmp_path: Path, server: ChatServer
) -> None:
    server.answer = lambda body: (200, {"content": f"Some {len(server.asked)} words.\n\nVerdict: A"})
    save(tmp_path / "p.csv", [{"prompt": f"Is bridge {number} safe?"} for number in range(2)])
    text = f"""name: tagged
constitution: helpful-honest
models: {{m: {{provider: openai, base_url: '{server.url}', model: m, api_key_env: null, layout: tags}}}}
prompts: [{{path: p.csv}}]
critique: {{model: m}}
candidates: [{{from: critique, take: draft_and_last}}]
judging: {{judges: [{{model: m, protocol: verdict}}]}}
"""
    assert run_of(tmp_path, text.replace("protocol: verdict", "protocol: rubric")).plan().total.calls == 10
    planned = run_of(tmp_path, text).plan().total.calls
    result = made(tmp_path, text, until="judging")
    assert result.sent == planned
    asked = [body["messages"][-1]["content"] for body in server.asked]
    questions = [question for question in asked if "The conversation" in question]
    assert len(questions) == planned - 2  # all but the drafts
    for question in questions:
        assert "<<" not in question
        assert '"content"' not in question
        assert "JSON value" not in question
        assert re.search(r"<conversation-[0-9a-f]{8}>\nIs bridge [01] safe\?\n</conversation-", question)
        assert {"conversation"} < read_fenced(question).keys()


def test_take_revises_the_answers_to_the_first_prompts_alone(tmp_path: Path) -> None:
    events: list[ProgressEvent] = []
    result = made(tmp_path, few("draft_and_last"), "critique.take=2", until="critique", progress=events.append)
    assert {(event.total, event.done <= 2) for event in events if event.stage == "critique"} == {(2, True)}
    first = [prompt.id for prompt in read_records(result.folder / "inputs/prompts.parquet", Prompt)[:2]]
    drafted = read_records(result.folder / "critique/candidates.parquet", Candidate)
    assert list(dict.fromkeys(candidate.prompt_id for candidate in drafted)) == first
    assert result.results["critique"].count("drafts") == 2
