"""A run with `clean:`: the funnel adds up, every row left out is in a table, and nothing is paid for such a row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from amendment.curation.cleaning import OneSided
from amendment.curation.funnel import Dropped
from amendment.data.store import read_records
from amendment.errors import AmendmentError
from amendment.records import Prompt, last_text
from tests.rows import save
from tests.run.small_runs import complaints, made, pairs_of, run_of

SUBJECTS = ["bread", "rivers", "chess", "violins", "glass", "maps", "paper", "tides"]
SUBJECTS += ["bees", "bridges", "clocks", "salt", "wool", "owls", "lamps", "kites"]
EXAM = "which of the three rivers of that country is the longest one and where does it reach the sea"
RUN = """\
name: cleaned
pairs:
  - path: pairs.jsonl
    kind: person
    columns: {prompt: prompt, chosen: good, rejected: bad}
dataset: {test_share: 0}
clean:
  evaluation_sets: [{path: exam.jsonl, columns: {prompt: question}}]
"""


def pair(prompt: str, good: str | None = None, bad: str | None = None) -> dict[str, str]:
    good, bad = good or f"A careful answer about {prompt}", bad or f"Some other reply: {prompt}"
    return {"prompt": prompt, "good": good, "bad": bad}


def question(subject: str) -> str:
    return f"Why do people who know nothing else about {subject} still care so much for {subject} today"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(tmp_path / "exam.jsonl", [{"question": EXAM, "answer": "The middle one."}])
    return tmp_path


def dropped(folder: Path, stage: str) -> dict[str, str | None]:
    return {row.reason: row.detail for row in read_records(folder / f"{stage}/dropped.parquet", Dropped)}


def test_prompts_that_are_left_out_are_counted_and_stand_in_a_table(folder: Path) -> None:
    kept = [pair(question(subject)) for subject in SUBJECTS[:4]]
    first = read_first = question(SUBJECTS[0])
    rows = [
        *kept,
        pair(" word" * 4001),
        pair(first.upper() + "!"),  # the same words
        pair(f"{question(SUBJECTS[1])} and"),  # one word more
        pair(f"Tell me {EXAM}, please"),
        pair("What does anna.keller@kellerbau.de want from all of us?"),
        pair("Is AKIAIOSFODNN7REALKEY a key of mine or not?"),
    ]
    save(folder / "pairs.jsonl", rows)
    result = made(folder, RUN)
    prompts = [last_text(row.messages) for row in read_records(result.folder / "inputs/prompts.parquet", Prompt)]
    assert prompts == [row["prompt"] for row in kept]
    assert {row.prompt[0].content for row in pairs_of(result.folder)} == set(prompts)
    [funnel] = result.results["inputs"].funnels
    # 10 read; one each is long, a copy, a near copy, in the exam, with an address, with a key: 4 are left
    assert (funnel.came_in, funnel.remained) == (10, 4)
    assert funnel.left_out == {
        "length": 1,
        "copy": 1,
        "near copy": 1,
        "overlap with an evaluation set": 1,
        "personal data": 1,
        "key or token": 1,
    }
    table = read_records(result.folder / "inputs/dropped.parquet", Dropped)
    assert len(table) == 6
    by_reason = {row.reason: row for row in table}
    ids = {last_text(row.messages): row.id for row in read_records(result.folder / "inputs/prompts.parquet", Prompt)}
    assert by_reason["copy"].detail == ids[read_first]
    assert by_reason["near copy"].detail == ids[question(SUBJECTS[1])]
    assert by_reason["overlap with an evaluation set"].detail == "exam.jsonl"
    assert (by_reason["personal data"].detail, by_reason["personal data"].text) == ("e-mail address", None)
    assert by_reason["key or token"].text is None
    page = (result.folder / "summary.md").read_text()
    assert "| near copy" in page
    assert "kellerbau" not in json.dumps(result.summary)
    assert "What became of the prompts" in (result.folder / "report.html").read_text()


def test_pairs_are_cleaned_by_their_answers_and_the_funnel_begins_with_all_of_them(folder: Path) -> None:
    same = pair(question("bread"), "One good answer to the question.", "Another answer that is not as good.")
    rows = [
        same,
        {**same, "bad": "A quite different answer, which nobody would take for that."},  # no copy: another answer
        {**same, "good": "One good answer to the QUESTION."},  # the same words
        pair(question("chess"), f"It is easy: {EXAM}."),
        pair(question("glass"), "<|im_end|> Glass is old.", "No."),  # left out with or without cleaning
    ]
    save(folder / "pairs.jsonl", rows)
    result = made(folder, RUN)
    [funnel] = result.results["dataset"].funnels
    assert (funnel.came_in, funnel.remained) == (5, 2)
    assert dropped(result.folder, "dataset").keys() == {"copy", "overlap with an evaluation set"}
    assert len(pairs_of(result.folder)) == 2


def one_sided() -> list[dict[str, Any]]:
    """16 prompts whose chosen answers begin with the same two words; other words are on both sides."""
    return [pair(question(s), f"Well then, {s} are old and known.", f"{s} are known, and quite old.") for s in SUBJECTS]


def test_words_on_one_side_only_are_listed(folder: Path) -> None:
    save(folder / "pairs.jsonl", one_sided())
    listed = made(folder, RUN)
    assert len(pairs_of(listed.folder)) == 16
    rows = read_records(listed.folder / "dataset/one_sided.parquet", OneSided)
    assert ("chosen", "well then") in {(row.side, row.words) for row in rows}
    assert "| well then " in (listed.folder / "summary.md").read_text()


def test_what_cleans_everything_away_is_named_by_its_most_frequent_reason(folder: Path) -> None:
    asked = [pair(f"What does {name}@kellerbau.de want?") for name in ("anna", "bo")]
    save(folder / "pairs.jsonl", [*asked, pair(" word" * 4001)])
    with pytest.raises(AmendmentError, match=r"clean left out every prompt \(2 personal data, 1 length\)") as error:
        made(folder, RUN)
    assert "first for: personal data" in str(error.value)
    assert len(read_records(folder / "run/inputs/dropped.parquet", Dropped)) == 3
    save(folder / "pairs.jsonl", [pair(question("bread"), " word" * 4001)])
    with pytest.raises(
        AmendmentError, match="Try this: relax the settings under clean: most pairs are left out for length"
    ) as error:
        made(folder, RUN)
    assert "use more prompts" not in str(error.value)


def test_without_the_part_nothing_is_cleaned_and_no_table_written(folder: Path) -> None:
    rows = one_sided()
    save(folder / "pairs.jsonl", [*rows, pair("Hi"), pair(rows[0]["prompt"].upper())])
    result = made(folder, RUN.partition("clean:")[0])
    assert len(pairs_of(result.folder)) == 18
    assert not list(result.folder.rglob("dropped.parquet"))


def test_a_changed_evaluation_set_cleans_again(folder: Path) -> None:
    save(folder / "pairs.jsonl", one_sided())
    assert len(pairs_of(made(folder, RUN).folder)) == 16
    save(folder / "exam.jsonl", [{"question": one_sided()[3]["prompt"]}])
    assert len(pairs_of(made(folder, RUN).folder)) == 15


def test_an_evaluation_set_whose_items_cannot_be_compared_stops_the_run_and_few_of_them_are_counted(
    folder: Path,
) -> None:
    save(folder / "pairs.jsonl", one_sided())
    wrong = RUN.replace("prompt: question", "prompt: answer")  # "The middle one."
    [line] = complaints(folder, wrong)
    assert "none of its 1 items has 5 words or more" in line
    with pytest.raises(AmendmentError, match="none of its 1 items has 5 words or more"):
        made(folder, wrong)
    save(folder / "exam.jsonl", [{"question": EXAM}, {"question": "Who was she?"}, {"question": "2 + 2"}])
    result = made(folder, RUN)
    inputs = result.results["inputs"]
    assert [inputs.count(name, evaluation_set="exam.jsonl") for name in ("compared_items", "items")] == [1, 3]


def test_check_names_what_is_wrong_with_evaluation_sets(folder: Path) -> None:
    save(folder / "pairs.jsonl", one_sided())
    assert complaints(folder, RUN) == []
    [absent] = complaints(folder, RUN.replace("prompt: question", "prompt: qestion"))
    assert "no such column in any row (did you mean 'question'?)" in absent
    [file] = complaints(folder, RUN.replace("exam.jsonl", "exams.jsonl"))
    assert "exams.jsonl: no such file" in file


def test_a_run_that_is_cleaned_plans_only_what_is_left(folder: Path) -> None:
    save(folder / "asked.jsonl", [{"prompt": question(s)} for s in SUBJECTS] + [{"prompt": question("bread") + "!"}])
    text = RUN.replace("pairs.jsonl", "asked.jsonl").partition("pairs:")[0] + (
        "constitution: helpful-honest\nmodels: {writer: {provider: openai, model: x, base_url: 'http://127.0.0.1:9'}}\n"
        "prompts: [{path: asked.jsonl}]\ncritique: {model: writer, rounds: 1}\nclean: {}\n"
    )
    plan = run_of(folder, text).plan()
    assert plan.prompts == 16


def test_a_mixed_in_pair_with_nearly_a_prompt_of_the_run_is_left_out(folder: Path) -> None:
    save(folder / "pairs.jsonl", [pair(question(subject)) for subject in SUBJECTS[:8]])
    nearly = f"{question(SUBJECTS[0])} and"
    others = [pair(question(subject), "A good one.", "A bad one.") for subject in SUBJECTS[8:]]
    save(folder / "people.jsonl", [pair(nearly, "Good, I say.", "Bad, I say."), *others])
    mix = """\
dataset:
  test_share: 0.25
  mix:
    - {source: run, share: 0.5}
    - {path: people.jsonl, share: 0.5, kind: person, license: mit,
       columns: {prompt: prompt, chosen: good, rejected: bad}}
"""
    result = made(folder, RUN.replace("dataset: {test_share: 0}\n", mix))
    assert nearly not in {row.prompt[0].content for row in pairs_of(result.folder)}
    assert "prompt copied in another source" in dropped(result.folder, "dataset")
    [funnel] = result.results["dataset"].funnels
    assert (funnel.came_in, funnel.remained) == (17, 16)
