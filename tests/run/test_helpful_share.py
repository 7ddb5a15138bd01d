"""Helpful answers beside revisions: so many as the share says, none held out, and nothing given up for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import TrainingError
from amendment.records import Candidate, last_text
from amendment.run import Run, load_run_file
from amendment.run.chain import list_stages
from amendment.run.context import RunContext
from amendment.run.engine import RunFolder
from amendment.run.progress import QuietProgress
from amendment.run.runfile.config import RunFile
from amendment.stages.sft import helpful_rows

RUN = """\
name: kind
seed: 5
constitution: lilliput
models: {writer: {provider: simulated}}
prompts: [{lilliput: 40}]
critique: {model: writer, rounds: 1}
dataset: {test_share: 0.25}
base: {on: nothing, steps: 1, hidden: 16, vocab: 400}
"""
SFT = "sft: {base: base, steps: 1, batch_size: 8, max_length: 90, "


def context_of(path: Path) -> RunContext:
    loaded = load_run_file(path)
    return RunContext(loaded.config, path.parent, RunFolder(path.parent / "run"), QuietProgress())


def rows(path: Path, others: int) -> Any:
    context = context_of(path)
    assert context.config.sft is not None
    return helpful_rows(context, context.config.sft, others=others)


@pytest.fixture(scope="module")
def drafted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drafted")
    (folder / "run.yaml").write_text(RUN)
    Run.from_file(folder / "run.yaml", folder=folder / "run")(until="critique")
    return folder


def test_drafts_of_harmless_categories_are_drawn_by_a_seeded_hash(drafted: Path) -> None:
    context = context_of(drafted / "run.yaml")
    prompts, test = context.prompts(), context.held_out()
    categories = sorted({str(prompt.category) for prompt in prompts.values()})
    kept = ", ".join(categories[:2])
    path = drafted / "two.yaml"
    path.write_text(RUN + SFT + f"helpful_share: 0.5, helpful: {{drafts_of: [{kept}]}}}}\n")
    drafts = [
        one
        for one in context.workspace.read("critique/candidates", Candidate)
        if one.kind == "draft" and one.prompt_id not in test and prompts[one.prompt_id].category in categories[:2]
    ]
    found = rows(path, others=5)
    assert len(found.rows) == 5  # half of ten
    assert rows(path, others=0).rows == []  # a share of nothing is none, and the training says that it has no rows
    assert {row["completion"][0]["content"] for row in found.rows} <= {last_text(one.messages) for one in drafts}
    assert found.rows == rows(path, others=5).rows
    assert found.rows == rows(path, others=3).rows + found.rows[3:]  # a smaller draw is part of a larger one
    few = rows(path, others=1000)
    assert len(few.rows) == few.result.count("helpful_answers") == len({one.id for one in drafts})
    reached = few.result.figure("helpful_share", share="reached")
    assert reached
    assert reached.value == pytest.approx(len(few.rows) / (1000 + len(few.rows)))
    assert len(few.result.notes) == 1


def test_categories_without_a_draft_are_refused(drafted: Path) -> None:
    path = drafted / "none.yaml"
    path.write_text(RUN + SFT + "helpful_share: 0.5, helpful: {drafts_of: [astrology]}}\n")
    with pytest.raises(TrainingError, match=r"helpful_share is 0\.5, and there is no helpful answer"):
        rows(path, others=5)


def test_answers_of_files_are_taken_but_for_held_out_prompts(drafted: Path) -> None:
    context = context_of(drafted / "run.yaml")
    asked = [(last_text(prompt.messages), prompt.id in context.held_out()) for prompt in context.prompts().values()]
    lines = [{"q": text, "a": f"helpful {number}"} for number, (text, _) in enumerate(asked)]
    lines += [{"q": "what else?", "a": "this"}, {"q": "what else?", "a": "this"}]
    (drafted / "kind.jsonl").write_text("\n".join(map(json.dumps, lines)))
    path = drafted / "files.yaml"
    source = "{path: kind.jsonl, columns: {prompt: q, candidate: a}}"
    path.write_text(RUN + SFT + f"helpful_share: 0.9, helpful: [{source}]}}\n")
    found = rows(path, others=100)
    allowed = {f"helpful {number}" for number, (_, is_held_out) in enumerate(asked) if not is_held_out} | {"this"}
    assert len(allowed) == 31  # of forty prompts ten are held out
    assert sorted(row["completion"][0]["content"] for row in found.rows) == sorted(allowed)


@pytest.mark.slow
def test_the_share_is_learned_told_and_felt_by_its_file(drafted: Path) -> None:
    """The rows of the training are the revisions and the helpful answers, by preflight's own count."""
    source = drafted / "own.csv"
    source.write_text("prompt,candidate\n" + "".join(f"which {n}?,this one {n}\n" for n in range(30)))
    path = drafted / "all.yaml"
    path.write_text(RUN + SFT + "on: last_revision, helpful_share: 0.25, helpful: [{path: own.csv}]}\n")
    made = Run.from_file(path, folder=drafted / "run")()
    sft = made.results["sft"]
    assert [figure.value for figure in sft.where("helpful_share")] == [0.25, 0.25]
    assert (sft.count("helpful_rows"), sft.count("helpful_answers")) == (10, 30)  # beside thirty revisions
    rows_of = sft.funnel("rows to train on")
    assert rows_of
    assert rows_of.came_in == 40
    assert Run.from_file(path, folder=drafted / "run")().ran == ()
    source.write_text(source.read_text().replace("this one", "that one there"))
    assert Run.from_file(path, folder=drafted / "run")().ran == ("sft",)


def test_drafts_come_from_the_critique_whatever_the_rest_learns_from() -> None:
    """With `on: chosen` the other rows are those of the dataset; both are read."""
    text = {"name": "x", "prompts": [{"lilliput": 4}], "critique": {"model": "w"}, "pairs": [{"path": "p.csv"}]}
    sft = {"base": "some/base", "on": "chosen", "helpful_share": 0.5, "helpful": {"drafts_of": ["chat"]}}
    [needs] = [one.reads for one in list_stages(RunFile.model_validate({**text, "sft": sft})) if one.name == "sft"]
    assert {"dataset/train", "critique/candidates", "inputs/split"} <= set(needs)
    assert len(set(needs)) == len(needs)
