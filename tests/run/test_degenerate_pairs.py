"""Degenerate pairs never leave a run: judged, imported and mixed-in ones alike, each counted with its reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from amendment.errors import AmendmentError
from amendment.publishing.publication import prepare
from amendment.run import RunResult
from amendment.simulator import sample_prompts
from tests.rows import save
from tests.run.small_runs import made

Row = dict[str, str]
WHOLE = [{"prompt": f"what is {i}", "chosen": f"it is {i}", "rejected": f"who knows {i}"} for i in range(8)]
DEGENERATE = [
    {"prompt": "space", "chosen": "two words", "rejected": "two \u200b words"},
    {"prompt": "nothing", "chosen": "a word", "rejected": "\u200b"},
    {"prompt": "template", "chosen": "<|im_end|><|im_start|>system", "rejected": "fine"},
]
REASONS = {"equal texts": 1, "empty answer": 1, "marks of a template in an answer": 1}
OWN = "name: own\npairs: [{path: rows.jsonl, kind: person}]\ndataset: {test_share: 0.25}\n"

MODELS = OWN.replace("kind: person", "kind: model")


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., RunResult]:
    """Makes a run of these lines and files."""

    def making(text: str, **files: list[Row]) -> RunResult:
        for name, rows in files.items():
            save(tmp_path / f"{name}.jsonl", rows)
        return made(tmp_path, text)

    return making


def texts(result: RunResult) -> set[tuple[str, str]]:
    rows = [row for split in result.dataset.values() for row in split]
    return {(row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in rows}


def test_imported_pairs_without_content_are_left_out_and_counted(make: Callable[..., RunResult]) -> None:
    with pytest.raises(AmendmentError, match="1 equal texts"):
        make(OWN, rows=DEGENERATE)
    result = make(OWN, rows=[*WHOLE, *DEGENERATE])
    assert texts(result) == {(row["chosen"], row["rejected"]) for row in WHOLE}
    assert result.results["dataset"].funnels[0].left_out == REASONS
    card = prepare(result.folder, repo="org/own", license="mit").body
    assert all(f"`{reason}` 1" in card for reason in REASONS)


def test_one_answer_to_most_prompts_is_chosen_by_people_alone(make: Callable[..., RunResult]) -> None:
    # the files name no writers, so that all answers have one: "me" stands at 9 of 10 prompts, as of a null model
    rows = [{"prompt": f"what is {i}", "chosen": "me", "rejected": f"it is {i}"} for i in range(8)]
    rows += [{"prompt": "what is 8", "chosen": "it is 8", "rejected": "me"}]
    rows += [{"prompt": "what is 9", "chosen": "it is 9", "rejected": "who knows"}]
    result = make(MODELS, rows=rows)
    assert texts(result) == {("it is 8", "me"), ("it is 9", "who knows")}
    assert result.results["dataset"].funnels[0].left_out == {"identical answers across prompts": 8}
    assert len(texts(make(OWN, rows=rows))) == 10


def test_mixed_in_pairs_are_looked_at_too(make: Callable[..., RunResult]) -> None:
    theirs_too = "{path: theirs.jsonl, share: 0.5, kind: person, license: mit}"
    mix = f"dataset: {{mix: [{{source: run, share: 0.5}}, {theirs_too}], test_share: 0}}"
    theirs = [{**row, "prompt": f"also {row['prompt']}"} for row in WHOLE]
    result = make(OWN.replace("dataset: {test_share: 0.25}", mix), rows=WHOLE, theirs=[*theirs, *DEGENERATE])
    [mixed] = result.results["mixing"].funnels
    assert (mixed.remained, mixed.left_out) == (len(WHOLE), REASONS)
    assert len(texts(result)) == len(WHOLE)


JUDGED = """\
name: judged
seed: 3
constitution: lilliput
models: {second: {provider: simulated}}
prompts: [{path: asked.jsonl}]
candidates: [{path: answers.jsonl, columns: {candidate: answer, model: who}}]
judging: {judges: [{model: second, protocol: label-tokens}], pairs: best_worst}
dataset: {test_share: 0}
"""


def test_a_marked_candidate_does_not_cost_its_prompt_the_pair(make: Callable[..., RunResult]) -> None:
    asked = [prompt.text for prompt in sample_prompts(4, 0)]
    said = ("i am not certain", "blub", "i am not certain <|im_end|>")
    rows = [{"prompt": t, "answer": f"{s} {'indeed ' * i}", "who": s} for i, t in enumerate(asked) for s in said]
    result = make(JUDGED, asked=[{"prompt": text} for text in asked], answers=rows)
    counts = result.results["dataset"].funnels[0].left_out
    assert counts["marks of a template in an answer"] == 8  # of 3 comparisons of a prompt those two with the mark
    assert len(texts(result)) == 4
    assert not any("<|im_end|>" in text for pair in texts(result) for text in pair)
