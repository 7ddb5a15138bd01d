"""What the tests of spot-checked runs share: a small run, people who answer its page, and its files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from amendment.data.store import Workspace
from amendment.hashing import content_id
from amendment.people.samples import Label, LabelQuestion, SampledItem
from amendment.people.store import Labels
from amendment.records import Messages, Preference
from amendment.run import Run, RunResult
from tests.people.answering import Answer, answer_here

ANNA, BERT = "Anna Berg", "Bert Oetker-Lund"
COMMENT = "as my neighbour Wilhelmine says"
CHECKED = """\
name: checked
seed: 4
constitution: lilliput
models:
  writer: {provider: simulated, writer: helpful-only}
  gavel: {provider: simulated, noise: 0.5}
prompts: [{lilliput: 50}]
candidates: [{model: writer, per_prompt: 3}]
judging: {judges: [{model: gavel, protocol: label-tokens}], principles_per_pair: 2, min_margin: 0.1}
dataset: {test_share: 0.25}
"""
SIMULATED = CHECKED + "spot_check: {items: 80, overlap: 70, people: simulated}\n"
PAGED = CHECKED + "spot_check: {items: 80, overlap: 70}\n"
Says = Callable[[str, SampledItem], bool]
"""Whether an annotator, by name, is of the judge's opinion about an item."""


def agreeing(annotator: str, item: SampledItem) -> bool:
    """On seven of eight items."""
    return int(content_id([annotator, item.comparison_id]).removeprefix("s2:")[:8], 16) % 8 > 0


def opposing(annotator: str, item: SampledItem) -> bool:
    """On one of eight."""
    return not agreeing(annotator, item)


def run(folder: Path, text: str, *overrides: str, until: str | None = None) -> RunResult:
    """A run of this text in `folder`/run."""
    path = folder / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return Run.from_file(path, folder=folder / "run", overrides=overrides)(until=until)


def sample(folder: Path) -> list[SampledItem]:
    return Workspace(folder).read("spot_check/sample", SampledItem)


def questions(folder: Path) -> list[LabelQuestion]:
    return Workspace(folder).read("spot_check/questions", LabelQuestion)


def label_all(folder: Path, says: Says = agreeing, *, people: Sequence[str] = (ANNA, BERT)) -> int:
    """People answer the page of a run in `folder` until it has nothing more for them."""
    items = {item.comparison_id: item for item in sample(folder)}
    asked = {_texts(one.prompt, *sides): one for one in questions(folder) for sides in ((one.a, one.b), (one.b, one.a))}

    def rate(annotator: str, shown: dict[str, Any]) -> Answer:
        question = asked[json.dumps([shown["prompt"], shown["first"], shown["second"]])]
        item = items[question.comparison_id]
        prefers_a = (item.p_a > 0.5) == says(annotator, item)
        is_a_first = shown["first"] == [message.to_json() for message in question.a]
        choice = "A" if is_a_first == prefers_a else "B"
        return Answer("A" if choice == "A" else "B", confidence=2, comment=COMMENT, seconds=3.0)

    with Labels(folder / "labels.sqlite") as labels:
        return asyncio.run(answer_here(questions(folder), labels, people, rate, seed=4))


def _texts(*parts: Messages) -> str:
    """A question as the page shows it, which tells no id of its comparison."""
    return json.dumps([[message.to_json() for message in part] for part in parts])


def say_anew(folder: Path, *, is_sealed: bool, count: int = 1, choice: str | None = None) -> None:
    """An annotator thinks again about some items on one side of the seal, and says the opposite."""
    sealed = {item.comparison_id: item.is_sealed for item in sample(folder)}
    opposite = {"A": "B", "B": "A", "tie": "A"}
    with Labels(folder / "labels.sqlite") as labels:
        current = [one for one in labels.current() if sealed[one.comparison_id] is is_sealed]
        for number, one in enumerate(current[:count]):
            said = {**one.to_json(), "uuid": f"anew-{number}-{len(labels.history())}"}
            labels.add(Label.from_json({**said, "choice": choice or opposite[one.choice]}))


def contents(folder: Path, *places: str) -> dict[str, bytes]:
    """The files of a run's folder at these places, byte for byte."""
    found = [path for place in places for path in sorted((folder / place).rglob("*")) if path.is_file()]
    found += [folder / place for place in places if (folder / place).is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def told(folder: Path, name: str) -> Any:
    """A JSON file of a run's folder."""
    return json.loads((folder / name).read_text(encoding="utf-8"))


def rows(folder: Path) -> dict[str, Preference]:
    """The dataset's rows by comparison."""
    place = Workspace(folder)
    return {row.comparison_id: row for side in ("train", "test") for row in place.read(f"dataset/{side}", Preference)}
