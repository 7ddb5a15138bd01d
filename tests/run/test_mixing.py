"""A dataset of the run's pairs and people's: shares hold, prompts are on one side, and a change reaches no judge."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pyarrow.parquet as pq
import pytest

from amendment.errors import AmendmentError
from amendment.records import last_text
from amendment.results import Estimate
from amendment.run import RunResult
from amendment.simulator import sample_prompts
from tests.rows import save
from tests.run.small_runs import complaints, made, run_of

MIXED = """\
name: mixed
seed: 7
constitution: lilliput
models:
  writer: {provider: simulated, writer: helpful-only}
  second: {provider: simulated}
prompts: [{lilliput: 60}]
candidates: [{model: writer, per_prompt: 3}]
judging: {judges: [{model: second, protocol: label-tokens}]}
dataset:
  test_share: 0.25
  mix:
    - {source: run, share: 0.8}
    - path: people.jsonl
      kind: person
      share: 0.2
      license: cc-by-4.0
      columns: {prompt: prompt, chosen: chosen, rejected: rejected}
"""
WORLD = [last_text(prompt.record.messages) for prompt in sample_prompts(60, 7)]
"""The run's prompts."""
OWN = [f"What do you think of idea {number}?" for number in range(28)]
Mix = Callable[..., RunResult]
Rows = list[dict[str, Any]]


def people(prompts: list[str]) -> Rows:
    return [
        {"prompt": p, "chosen": f"A good answer about {n}.", "rejected": f"A poor one, {n}."}
        for n, p in enumerate(prompts)
    ]


def changed(*replaced: tuple[str, str]) -> str:
    """The run file with other words."""
    text = MIXED
    for old, new in replaced:
        assert old in text
        text = text.replace(old, new)
    return text


def read_source(result: RunResult) -> dict[str, Rows]:
    return {split: rows.to_list() for split, rows in result.dataset.items()}


def by_source(rows: Rows) -> Counter[str]:
    return Counter(row["source"] for row in rows)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """The run of the file above with 28 pairs of people, to look at and not to change."""
    folder = tmp_path_factory.mktemp("whole")
    save(folder / "people.jsonl", people(OWN))
    return made(folder, MIXED)


@pytest.fixture
def again(whole: RunResult, tmp_path: Path) -> Mix:
    """The same run with other pairs or other words; what was judged is in its ledger."""
    shutil.copytree(whole.folder, tmp_path / "run")

    def making(prompts: list[str] | Rows, *replaced: tuple[str, str]) -> RunResult:
        save(tmp_path / "people.jsonl", people(prompts) if isinstance(prompts[0], str) else prompts)
        return made(tmp_path, changed(*replaced))

    return making


def test_the_shares_hold_for_training_and_all_held_out_pairs_are_kept(whole: RunResult) -> None:
    split = read_source(whole)
    # A quarter of people's 28 prompts is held out; the other 21 pairs are a fifth of 105, so the run gives 84.
    assert by_source(split["train"]) == {"lilliput": 84, "people.jsonl": 21}
    assert by_source(split["test"])["people.jsonl"] == 7
    run, ours = (
        {
            figure.name: cast(float, figure.value)
            for figure in whole.results["dataset"].figures
            if figure.of == {"mix": name}
        }
        for name in ("run", "people.jsonl")
    )
    assert (whole.results["dataset"].count("mixed_pairs"), run["got"], ours["got"]) == (105, 0.8, 0.2)
    assert (run["pairs"], ours["pairs"], ours["left_out"], ours["held_out"]) == (84, 21, 0, 7)
    judged = whole.results["judging"].totals["comparisons"]
    assert run["pairs"] + run["left_out"] + run["held_out"] == judged
    for row in [*split["train"], *split["test"]]:
        if row["source"] == "people.jsonl":
            assert (row["decided_by"], row["license"], row["raters"]) == ("person", "cc-by-4.0", ["person-1"])
            assert (row["p_chosen"], row["constitutions"], row["principle_ids"]) == (1.0, [], [])
        else:
            assert (row["decided_by"], row["source"]) == ("judge", "lilliput")


def test_no_prompt_is_on_two_sides_or_of_two_sources_and_a_known_one_stays_on_its_side(again: Mix) -> None:
    """Else the policy would have been trained on drafts of prompts that people's pairs are measured on."""
    result = again([*OWN, *WORLD[:30]])
    split = read_source(result)
    assert not {row["prompt_id"] for row in split["train"]} & {row["prompt_id"] for row in split["test"]}
    owners: dict[str, set[str]] = {}
    for row in [*split["train"], *split["test"]]:
        owners.setdefault(row["prompt_id"], set()).add(row["source"])
    assert all(len(sources) == 1 for sources in owners.values())
    dataset = result.results["dataset"]
    shared = dataset.count("shared_prompts")
    assert 0 < shared <= 30
    assert sum(dataset.count("kept_by_another", **figure.of) for figure in dataset.where("kept_by_another")) >= shared
    sides = {
        row["prompt_id"]: row["split"] for row in pq.read_table(result.folder / "inputs/split.parquet").to_pylist()
    }
    known = [
        side == sides[row["prompt_id"]]
        for side, rows in split.items()
        for row in rows
        if row["source"] == "people.jsonl" and row["prompt_id"] in sides
    ]
    assert known
    assert all(known)


def test_a_changed_file_rebuilds_the_dataset_and_asks_no_judge(whole: RunResult, again: Mix) -> None:
    first = read_source(whole)
    assert again(OWN).ran == ()
    fewer = again(OWN[:20])
    assert (fewer.ran, fewer.sent) == (("mixing", "dataset"), 0)
    train = read_source(fewer)["train"]
    assert by_source(train) == {"lilliput": 60, "people.jsonl": 15}
    ours = [{row["comparison_id"] for row in rows if row["source"] == "lilliput"} for rows in (train, first["train"])]
    assert ours[0] < ours[1], "more pairs of people draw more of the run's, and no others"
    assert read_source(again(OWN)) == first
    halves = again(OWN, ("share: 0.8", "share: 0.5"), ("share: 0.2\n", "share: 0.5\n"))
    assert halves.ran == ("dataset",), "a share is no part of what is read"
    assert by_source(read_source(halves)["train"]) == {"lilliput": 21, "people.jsonl": 21}


def test_files_of_a_mix_bring_their_probabilities_and_weights(tmp_path: Path) -> None:
    for name, more in (("own", {}), ("other", {"p_chosen": 0.75, "weight": 0.5})):
        save(tmp_path / f"{name}.jsonl", [{**row, **more} for row in people([f"{name} {i}" for i in range(8)])])
    mix = "mix: [{source: run, share: 0.5}, {path: other.jsonl, share: 0.5, license: mit}]"
    result = made(tmp_path, f"name: t\npairs: [{{path: own.jsonl}}]\ndataset: {{test_share: 0, {mix}}}\n")
    told = {(row["p_chosen"], row["weight"], row["prompt"][0]["content"][:3]) for row in read_source(result)["train"]}
    assert told == {(1.0, 1.0, "own"), (0.75, 0.5, "oth")}


def test_a_floor_keeps_peoples_share_and_takes_all_that_it_leaves_room_for(again: Mix) -> None:
    result = again(OWN, ("source: run, share: 0.8", "source: run"), ("      share: 0.2\n", "      floor: 0.3\n"))
    # 21 of people for training are three tenths of 70.
    assert by_source(read_source(result)["train"]) == {"lilliput": 49, "people.jsonl": 21}


DOUBLED = "source: run, share: 0.8}\n    - {source: run, share: 0.8"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("share: 0.2\n", "share: 0.1\n", "dataset.mix: the shares sum to 0.9, expected 1"),
        (
            "source: run, share: 0.8",
            "path: p.jsonl, share: 0.8, license: mit",
            "`source: run` for this run's own pairs, found none",
        ),
        (
            "share: 0.2\n",
            "floor: 0.2\n",
            "dataset.mix: expected a share in each entry and no floor, or floors and no share",
        ),
        ("source: run, share: 0.8", DOUBLED, "the shares sum to 1.8, expected 1"),
        ("source: run, share: 0.8", DOUBLED, "for this run's own pairs, found 2"),
        ("      license: cc-by-4.0\n", "", "each row that is mixed in carries one"),
        ("source: run", "source: ruhn", "dataset.mix[0].source: found the text 'ruhn', expected 'run'"),
        ("share: 0.8", "share: 0", "dataset.mix[0].share: found 0, expected more than 0"),
        ("people.jsonl", "peple.jsonl", "peple.jsonl: no such file"),
        ("rejected: rejected", "rejected: worse", "no such column in any row"),
        (
            MIXED[MIXED.index("candidates:") : MIXED.index("dataset:")],
            "",
            "dataset.mix: mixes with pairs of this run, and the run makes none",
        ),
    ],
)
def test_what_is_wrong_with_a_mix_is_named_before_the_run(tmp_path: Path, old: str, new: str, expected: str) -> None:
    save(tmp_path / "people.jsonl", people(OWN))
    assert any(expected in line for line in complaints(tmp_path, changed((old, new))))


def test_too_few_pairs_for_a_share_end_the_stage_with_the_numbers(again: Mix) -> None:
    few = r"there are too few training pairs for this mix \(run .*people\.jsonl 0\)"
    with pytest.raises(AmendmentError, match=few):
        again([{"prompt": "q", "chosen": "same", "rejected": "same"}])


REFERENCE = "dataset:\n  reference: {path: human.jsonl, columns: {prompt: q, candidate: a}}\n"


def test_chosen_answers_are_compared_with_what_people_wrote(again: Mix, tmp_path: Path) -> None:
    rng, nouns = random.Random(7), [f"{a}{b}l" for a in "bcdfghkm" for b in "aeiou"]
    weights = [1 / rank for rank in range(1, 41)]  # as rare as words of language
    texts = [" ".join(rng.choices(nouns, weights, k=15)) for _ in range(60)]
    save(tmp_path / "human.jsonl", [{"q": f"and {n}?", "a": text} for n, text in enumerate(texts)])
    result = again(OWN, ("dataset:\n", REFERENCE))
    chosen = result.results["dataset"]
    coverage = chosen.where("diversity", answers="chosen", measure="tail coverage")
    covered = {figure.of["source"]: cast(Estimate, figure.value).value for figure in coverage}
    assert [*covered] == ["people", "run", "people.jsonl"]
    assert covered["run"] < covered["people"]
    gates = {figure.of["source"]: figure.value for figure in chosen.where("collapse", answers="chosen")}
    assert gates.keys() == {"run", "people.jsonl"}
    assert gates["run"] == "FAIL"
    assert "These limits are house defaults" in (result.folder / "summary.md").read_text()
    assert "Collapse, chosen, run: FAIL" in (result.folder / "report.html").read_text()
    save(tmp_path / "human.jsonl", [{"q": f"or {n}?", "a": text} for n, text in enumerate(texts)])
    assert again(OWN, ("dataset:\n", REFERENCE)).ran == ("dataset",), "another reference concerns the figures alone"
    save(tmp_path / "human.jsonl", [{"q": "or?", "a": "!!!"}, {"q": "and?", "a": "one word"}])
    result = again(OWN, ("dataset:\n", REFERENCE))
    alone = result.results["dataset"].where("diversity", answers="chosen", measure="tail coverage")
    assert not alone
    assert "Collapse is not measured: the reference has too few" in (result.folder / "summary.md").read_text()


def test_a_missing_folder_of_embeddings_is_noticed_by_a_check(tmp_path: Path) -> None:
    save(tmp_path / "pairs.jsonl", [{"prompt": "a", "chosen": "b", "rejected": "c"}])
    text = "name: t\npairs: [{path: pairs.jsonl, kind: person}]\ndataset: {embeddings: ./no/model}\n"
    warnings = run_of(tmp_path, text).check()
    assert any("./no/model: no folder with a config.json is there" in line for line in warnings)


def test_embeddings_that_cannot_be_loaded_are_named_where_words_take_their_place(again: Mix) -> None:
    result = again(OWN, ("dataset:\n", "dataset:\n  embeddings: ../private/place/model\n"))
    notes = result.results["dataset"].notes
    assert "Vendi score by words, since model cannot be loaded." in notes, "results are published, and so hold no path"


def test_a_reference_that_cannot_be_read_is_named_before_the_run(tmp_path: Path) -> None:
    save(tmp_path / "people.jsonl", people(OWN))
    save(tmp_path / "human.jsonl", [{"q": "why", "b": "because"}])
    assert any(
        "human.jsonl" in line and "a" in line for line in complaints(tmp_path, changed(("dataset:\n", REFERENCE)))
    )


def test_the_share_of_text_that_models_wrote_is_counted_by_source(whole: RunResult) -> None:
    written = whole.results["dataset"]
    shares = {figure.of["source"]: figure.value for figure in written.where("share_of_text")}
    assert shares == {"lilliput": 1, "people.jsonl": 0}
    assert written.count("answers", source="people.jsonl") == 56, "28 pairs"
    assert written.count("written_by_models", source="people.jsonl") == 0, "nobody on record"
