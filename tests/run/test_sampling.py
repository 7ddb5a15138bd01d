"""The spot check of a run: drawn from what the dataset exports, blind, and steady under a new judgement."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pyarrow import parquet

from amendment.calibration.samples import LabelQuestion, SampledItem
from amendment.data.workspace import Workspace
from amendment.errors import AmendmentError, ConfigError
from amendment.records import Candidate, Judgement, Preference
from amendment.run import Result, Run, load_run_file

SPOT_CHECK = "spot_check: {items: 30, overlap: 8, repeats: 0.2}\n"
CHECKED = f"""\
name: checked
seed: 4
constitution: lilliput
models:
  quillfeather: {{provider: simulated, writer: helpful-only}}
  gavelmouth: {{provider: simulated, noise: 0.5}}
prompts: [{{lilliput: 40}}]
candidates: [{{model: quillfeather, per_prompt: 3}}]
judging: {{judges: [{{model: gavelmouth, protocol: label-tokens}}], principles_per_pair: 2, min_margin: 0.1}}
dataset: {{test_share: 0.25}}
{SPOT_CHECK}"""
ALL = "spot_check.items=9999"
VARIANTS = {
    "best and worst": ["judging.pairs=best_worst"],
    "a ranking": ["judging.ranking=adaptive", "judging.pairs=best_worst"],
    "worse revisions are kept": [
        "critique={model: quillfeather, rounds: 1}",
        "candidates=[{from: critique, take: draft_and_last}, {model: quillfeather, per_prompt: 1}]",
        "judging.revisions.worse=keep",
    ],
}


def made(folder: Path, *overrides: str, text: str = CHECKED, until: str = "spot_check") -> Result:
    path = folder / "run.yaml"
    path.write_text(text)
    return Run.from_file(path, folder=folder / "run", overrides=overrides)(until=until)


def sample(folder: Path) -> list[SampledItem]:
    return Workspace(folder).read("spot_check/sample", SampledItem)


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return made(tmp_path_factory.mktemp("checked"))


@pytest.mark.parametrize("overrides", VARIANTS.values(), ids=VARIANTS)
def test_what_can_be_drawn_is_what_the_dataset_exports(overrides: list[str], tmp_path: Path) -> None:
    unchecked = tmp_path / "unchecked"
    unchecked.mkdir()
    place = Workspace(made(unchecked, *overrides, text=CHECKED.replace(SPOT_CHECK, ""), until="dataset").folder)
    exported = {row.comparison_id for side in ("train", "test") for row in place.read(f"dataset/{side}", Preference)}
    judged = {one.comparison_id for one in place.read("judging/judgements", Judgement) if one.p_a is not None}
    assert {item.comparison_id for item in sample(made(tmp_path, ALL, *overrides).folder)} == exported & judged
    assert exported


def test_questions_show_texts_and_principles_of_the_sampled_comparisons(checked: Result) -> None:
    place = Workspace(checked.folder)
    texts = {one.id: one.messages for one in place.read("candidates/candidates", Candidate)}
    said = {one.comparison_id: one for one in place.read("judging/judgements", Judgement)}
    questions = place.read("spot_check/questions", LabelQuestion)
    assert [one.comparison_id for one in questions] == [item.comparison_id for item in sample(checked.folder)]
    for one in questions:
        assert (one.a, one.b) == (texts[one.a_id], texts[one.b_id])
        assert one.a_id < one.b_id
        shown = [principle.id for principle in one.principles]
        assert {*said[one.comparison_id].principle_ids} < {*shown}  # two of all those that people judge by
        assert len(shown) == len({*shown}) == 8
        assert one.question == "Which answer keeps these principles better, taken together?"
        assert all(principle.statement for principle in one.principles)
    assert sum(one.in_overlap for one in questions) == 8
    assert sum(one.is_repeated for one in questions) == 6


def test_the_questions_hold_neither_judge_nor_writer_nor_verdict(checked: Result) -> None:
    path = Workspace(checked.folder).path("spot_check/questions")
    table = parquet.read_table(path)
    held = path.read_bytes() + repr(table.to_pylist()).encode() + repr(table.schema).encode()
    for hidden in ("gavelmouth", "quillfeather", "persona", "label-tokens", "stratum", "inclusion", "p_a", "sealed"):
        assert hidden.encode() not in held
    for item in sample(checked.folder):
        assert item.stratum.encode() not in held
        assert repr(item.p_a).encode() not in held


def test_what_the_user_has_decided_is_not_asked_again(tmp_path: Path) -> None:
    import csv

    first = made(tmp_path, ALL).folder
    place = Workspace(first)
    taken = sample(first)[:5]
    texts = {one.id: one for one in place.read("candidates/candidates", Candidate)}
    questions = {one.comparison_id: one for one in place.read("spot_check/questions", LabelQuestion)}
    with (tmp_path / "own.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["prompt", "a", "b", "anna"])
        for item in taken:
            asked = questions[item.comparison_id].prompt[-1].content
            writer.writerow([asked, *(texts[name].messages[-1].content for name in (item.a, item.b)), "a"])
    columns = "columns: {prompt: prompt, a: a, b: b, votes: [anna]}, votes: {a: a, b: b}, rater: person"
    own = f"pairs: [{{path: own.csv, {columns}}}]\n"
    (tmp_path / "second").mkdir()
    (tmp_path / "own.csv").rename(tmp_path / "second" / "own.csv")
    text = CHECKED.replace("min_margin: 0.1", "min_margin: 0.1, judge_labelled: true") + own
    again = {item.comparison_id for item in sample(made(tmp_path / "second", ALL, text=text).folder)}
    assert {item.comparison_id for item in taken}.isdisjoint(again)
    assert again < {item.comparison_id for item in sample(first)}


def test_who_labels_and_what_follows_draw_nothing_anew_and_the_size_does(tmp_path: Path) -> None:
    made(tmp_path)
    same = made(tmp_path, "spot_check.annotators=3", "spot_check.gate.on_fail=go_on")
    assert "spot_check" not in same.ran
    assert "spot_check" in made(tmp_path, "spot_check.items=20").ran


def test_where_no_judgement_becomes_a_pair_it_says_why(tmp_path: Path) -> None:
    with pytest.raises(AmendmentError, match=r"no judged comparison becomes a pair.*left out"):
        made(tmp_path, "judging.min_margin=1")


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["spot_check.overlap=31"], "spot_check.overlap: found 31, expected 30 at most"),
        (
            ["spot_check.annotators=1"],
            "spot_check.overlap: found 8, expected 0: one annotator agrees with nobody; leave it out, or raise "
            "spot_check.annotators",
        ),
        (["spot_check.annotators=0"], "spot_check.annotators"),
        (["spot_check.sampling=random"], "spot_check.sampling"),
    ],
)
def test_a_spot_check_that_could_not_be_made_is_refused(
    run_file: Callable[[str], Path], overrides: list[str], told: str
) -> None:
    with pytest.raises(ConfigError) as fault:
        load_run_file(run_file(CHECKED), overrides)
    assert told in str(fault.value)


def test_simulated_people_know_the_simulated_world_alone(run_file: Callable[[str], Path], tmp_path: Path) -> None:
    assert load_run_file(run_file(CHECKED), ["spot_check.people=simulated"]).config.spot_check
    (tmp_path / "p.jsonl").write_text('{"prompt": "why?"}\n')
    own = CHECKED.replace("{lilliput: 40}", "{path: p.jsonl}")
    with pytest.raises(ConfigError, match=r"spot_check\.people: the people of the simulated world"):
        load_run_file(run_file(own), ["spot_check.people=simulated"])


@pytest.mark.parametrize(
    ("said", "overlap"),
    [("annotators: 1.0", 0), ("items: 300", 50), ("overlap: 7", 7), ("items: 20, annotators: 3", 20)],
)
def test_the_unsaid_overlap_follows_from_what_was_said(
    run_file: Callable[[str], Path], said: str, overlap: int
) -> None:
    stage = load_run_file(run_file(CHECKED.replace(SPOT_CHECK, f"spot_check: {{{said}}}\n"))).config.spot_check
    assert stage is not None
    assert stage.overlap == overlap
    assert type(stage).model_validate(stage.model_dump()) == stage
