"""What a run's folder says about each prompt: numbers, disagreement, flips, labels, pairs; finished or not."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from amendment.data.store import read_records
from amendment.errors import ConfigError, LedgerError
from amendment.records import Judgement, Preference, Verdict
from amendment.report import RunReader
from amendment.run import Run
from tests.report import folders
from tests.report.folders import HOSTILE, PROMPTS, write_run
from tests.rows import save
from tests.run.small_runs import run_of


@pytest.fixture
def reader(tmp_path: Path) -> RunReader:
    return RunReader(write_run(tmp_path / "run"))


def test_a_story_has_everything_about_its_prompt_by_the_numbers_of_its_answers(reader: RunReader) -> None:
    story = reader.prompts()[0]
    assert [(answer.number, answer.kind, answer.text) for answer in story.answers] == [
        (1, "draft", "Burn it."),
        (2, "revision", "Blot it with water."),
        (3, "candidate", "Call a cleaner."),
    ]
    assert [(critique.answer, critique.text) for critique in story.critiques] == [(1, "Fire is dangerous.")]
    assert [answer.principle_ids for answer in story.revisions] == [("c/safe",)]
    [comparison] = story.comparisons
    assert (comparison.answers, comparison.preferred) == ((2, 3), 2)
    assert comparison.p == pytest.approx(0.75)
    # of four verdicts of judges two say 2, in whichever order; the person saw 3 first and says the second, 2
    judged = [(verdict.shown, verdict.preferred) for verdict in comparison.verdicts if verdict.rater == folders.JUDGE]
    assert judged == [((2, 3), 2), ((3, 2), 2)]
    assert [verdict.preferred for verdict in comparison.verdicts] == [3, 3, 2, 2, 2]
    assert comparison.verdicts[-1].rater == "person-1"
    [pair] = story.pairs
    assert (pair.chosen, pair.rejected, pair.decided_by, pair.raters) == (2, 3, "person", ("person-1",))
    assert (pair.p_chosen, pair.p_chosen_raw, pair.split) == (1.0, 0.75, "train")


def test_prompts_are_filtered_by_what_went_wrong(reader: RunReader) -> None:
    def numbers(**filters: Any) -> list[int]:
        return [story.number for story in reader.prompts(**filters)]

    assert numbers(disputed=True) == [1]
    assert numbers(flipped=True) == [2]
    assert numbers(invalid=True) == [3]
    assert numbers(disputed=False, flipped=False, invalid=False) == []
    assert len(reader.verdicts()) == 9
    assert len(reader.verdicts(disputed=True)) == 5
    assert [verdict.outcome for verdict in reader.verdicts(invalid=True)] == ["invalid: no verdict in the reply"]
    assert [verdict.prompt for verdict in reader.verdicts(flipped=True)] == [2, 2]


def test_sealed_labels_are_counted_and_not_shown(reader: RunReader) -> None:
    [comparison] = reader.prompts()[1].comparisons
    assert comparison.sealed == 1
    assert {verdict.rater_kind for verdict in comparison.verdicts} == {"model"}
    assert not comparison.disputed


def test_an_end_without_an_answer_has_its_reason(reader: RunReader) -> None:
    assert reader.prompts()[1].endings == ("critique refused: the model refused",)


def test_a_prompt_is_named_by_number_by_id_and_by_the_beginning_of_its_id(reader: RunReader) -> None:
    first = PROMPTS[0].id
    digits = first.removeprefix("s2:")
    assert {reader.find(name) for name in ("1", "#1", first, digits, first[:9], digits[:6])} == {first}
    for name in ("0", "4", "zebra", "", "s2:"):
        with pytest.raises(ConfigError, match="expected a number from 1 to 3"):
            reader.find(name)


def test_an_unfinished_run_shows_what_is_done_and_leaves_out_what_is_out_of_date(tmp_path: Path) -> None:
    early = RunReader(write_run(tmp_path / "early", until="critique"))
    assert [len(story.answers) for story in early.prompts()] == [2, 0, 0]
    assert len(early.verdicts()) == len(early.pairs()) == 0
    stale = RunReader(write_run(tmp_path / "stale", until="judging", stale=["judging"]))
    assert len(stale.verdicts()) == 0
    assert stale.out_of_date == ("judging",)
    assert len(stale.prompts()[0].answers) == 3


def test_a_repr_is_one_line_without_control_characters(reader: RunReader) -> None:
    story = reader.prompts()[2]
    everything = [story, *story.answers, *story.comparisons, *story.verdicts, *reader.pairs()]
    for record in everything:
        shown = repr(record)
        assert len(shown) <= 100
        assert "\n" not in shown
        assert shown.isprintable()
    assert HOSTILE in story.text, "the record itself holds the text as it is"


def test_records_become_a_table_with_a_row_each(reader: RunReader) -> None:
    verdicts = reader.verdicts().to_pandas()
    assert list(verdicts["prompt"]) == [1] * 5 + [2, 2] + [3, 3]
    assert list(verdicts["preferred"].fillna(0).astype(int))[:4] == [3, 3, 2, 2]
    prompts = reader.prompts().to_pandas()
    assert list(prompts["verdicts"]) == [5, 2, 2]
    assert list(prompts["disputed"]) == [True, False, False]
    assert list(reader.pairs().to_pandas()["chosen_text"]) == ["Blot it with water."]


def test_what_is_no_run_or_is_damaged_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no status\.json here; expected a run's folder"):
        RunReader(tmp_path)
    folder = write_run(tmp_path / "run")
    (folder / "judging/verdicts.parquet").write_bytes(b"PAR1")
    with pytest.raises(LedgerError, match=r"judging/verdicts\.parquet: not a readable table"):
        RunReader(folder).prompts()
    (folder / "status.json").write_text('{"done": 3}')
    with pytest.raises(ConfigError, match="not a run's status"):
        RunReader(folder)


def test_a_real_run_is_the_same_in_its_records_as_in_its_tables(undisturbed: Path) -> None:
    reader = RunReader(undisturbed)
    stories = reader.prompts()
    assert len(stories) == 12
    assert {verdict.id for verdict in reader.verdicts()} == {
        row.id for row in read_records(undisturbed / "judging/verdicts.parquet", Verdict)
    }
    rows = [
        row for side in ("train", "test") for row in read_records(undisturbed / f"dataset/{side}.parquet", Preference)
    ]
    assert {(pair.comparison_id, pair.p_chosen) for pair in reader.pairs()} == {
        (row.comparison_id, row.p_chosen) for row in rows
    }
    inconsistent = {
        row.comparison_id
        for row in read_records(undisturbed / "judging/judgements.parquet", Judgement)
        if row.consistent is False
    }
    flipped = {view.id for story in stories for view in story.comparisons if view.flipped}
    assert inconsistent == flipped
    one = reader.prompts([reader.find("5")])
    assert [story.to_json() for story in one] == [stories[4].to_json()]


def test_a_run_gives_its_records_from_python(undisturbed: Path) -> None:
    run = Run.from_file(undisturbed.parent / "run.yaml", folder=undisturbed)
    assert [story.number for story in run.prompts(flipped=True)] == [
        story.number for story in run.prompts() if story.flipped
    ]
    assert {verdict.prompt for verdict in run.verdicts()} <= set(range(1, 13))
    assert len(run.pairs()) > 0


def test_imported_pairs_are_stories_too_and_their_raters_have_pseudonyms(tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": f"q{n}", "chosen": f"good {n}", "rejected": f"bad {n}"} for n in range(3)])
    run = run_of(tmp_path, "name: t\npairs: [{path: p.jsonl, kind: person}]\ndataset: {test_share: 0}\n")
    run()
    story = run.prompts()[1]
    assert [(answer.kind, answer.text) for answer in story.answers] == [("imported", "good 1"), ("imported", "bad 1")]
    [pair] = story.pairs
    assert (pair.chosen_text, pair.decided_by, pair.raters) == ("good 1", "person", ("person-1",))


MIXED = """\
name: mixed
constitution: lilliput
models: {writer: {provider: simulated, writer: helpful-only}, second: {provider: simulated}}
prompts: [{lilliput: 12}]
candidates: [{model: writer, per_prompt: 3}]
judging: {judges: [{model: second, protocol: label-tokens}]}
dataset:
  test_share: 0
  mix: [{source: run, share: 0.5}, {path: people.jsonl, kind: person, share: 0.5, license: mit}]
"""


def test_mixed_in_pairs_come_after_the_prompts_of_the_run(tmp_path: Path) -> None:
    save(tmp_path / "people.jsonl", [{"prompt": f"idea {n}", "chosen": f"yes {n}", "rejected": "no"} for n in range(9)])
    run = run_of(tmp_path, MIXED)
    run()
    stories = run.prompts()
    own, mixed = stories[:12], stories[12:]
    assert {pair.decided_by for story in own for pair in story.pairs} == {"judge"}
    assert {pair.decided_by for story in mixed for pair in story.pairs} == {"person"}
    assert 0 < len(mixed) <= 9, "only pairs that the dataset took"
    assert all(story.text.startswith("idea") and len(story.answers) == 2 for story in mixed)
    assert mixed[0].number == 13


def test_the_python_of_the_docs_runs(undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs/looking.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    shutil.copy(undisturbed.parent / "run.yaml", tmp_path / "demo.yaml")
    shutil.copytree(undisturbed, tmp_path / "runs/small")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(block, names)
    assert len(names["table"]) == len(names["run"].pairs()) > 0
