"""A dataset of the run's pairs and people's: shares hold, prompts are on one side, and a change reaches no judge."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import AmendmentError, ConfigError
from amendment.records import Prompt, text_of, user
from amendment.run import Result, Run, load_run_file
from amendment.run.wording import stage_lines
from amendment.simulator import sample_prompts
from amendment.stages.reward_model import measured

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
      rater: person
      share: 0.2
      license: cc-by-4.0
      columns: {prompt: prompt, chosen: chosen, rejected: rejected}
"""
ONE_VOTE = "columns: {prompt: prompt, a: one, b: two, votes: [kim, lee, sol]}"
WORLD = [text_of(prompt.record.messages) for prompt in sample_prompts(60, 7)]
"""The run's prompts."""

Rows = list[dict[str, Any]]


def people(prompts: Iterable[str]) -> Rows:
    return [
        {"prompt": prompt, "chosen": f"A good answer about {number}.", "rejected": f"A poor one, {number}."}
        for number, prompt in enumerate(prompts)
    ]


OWN = [f"What do you think of idea {number}?" for number in range(28)]


@pytest.fixture
def mixed(tmp_path: Path) -> Callable[..., Run]:
    """A run of the file above, beside the pairs that are given; `text` replaces parts of the run file."""

    def make(rows: Rows | None = None, **replaced: str) -> Run:
        text = MIXED
        for old, new in replaced.items():
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "run.yaml").write_text(text, encoding="utf-8")
        if rows is not None:
            write(tmp_path / "people.jsonl", rows)
        return Run.from_file(tmp_path / "run.yaml", folder=tmp_path / "run")

    return make


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The run of the file above with 28 pairs of people, to look at and not to change."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "run.yaml").write_text(MIXED, encoding="utf-8")
    write(folder / "people.jsonl", people(OWN))
    return Run.from_file(folder / "run.yaml", folder=folder / "run")()


def write(path: Path, rows: Rows) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def rows_of(result: Result) -> dict[str, Rows]:
    return {split: rows.to_list() for split, rows in result.dataset.items()}


def by_source(rows: Rows) -> Counter[str]:
    return Counter(row["source"] for row in rows)


def test_the_shares_hold_for_training_and_all_held_out_pairs_are_kept(whole: Result) -> None:
    assert {"judging", "mixing", "dataset"} <= set(whole.ran)
    split = rows_of(whole)
    # A quarter of people's 28 prompts is held out; the other 21 pairs are a fifth of 105, so the run gives 84.
    assert by_source(split["train"]) == {"lilliput": 84, "people.jsonl": 21}
    assert by_source(split["test"])["people.jsonl"] == 7
    told = whole.summary["stages"]["dataset"]["mix"]
    run, ours = told["sources"]["run"], told["sources"]["people.jsonl"]
    assert (told["pairs"], run["got"], ours["got"]) == (105, 0.8, 0.2)
    assert (run["pairs"], ours["pairs"], ours["left out"], ours["held out"]) == (84, 21, 0, 7)
    judged = whole.summary["stages"]["judging"]["comparisons"]
    assert run["pairs"] + run["left out"] + run["held out"] == judged
    lines = "\n".join(stage_lines(whole.summary["stages"]["dataset"]))
    assert (
        "mix, people.jsonl: asked 0.2, got 0.2 of 105 pairs for training (21 pairs, 0 more left out, 7 held out)"
        in lines
    )
    assert f"mix, run: asked 0.8, got 0.8 of 105 pairs for training (84 pairs, {run['left out']} more" in lines


def test_each_row_says_who_decided_it_and_under_which_license(whole: Result) -> None:
    split = rows_of(whole)
    for row in [*split["train"], *split["test"]]:
        if row["source"] == "people.jsonl":
            assert (row["decided_by"], row["license"], row["raters"]) == ("person", "cc-by-4.0", ["person-1"])
            assert (row["p_chosen"], row["constitutions"], row["principle_ids"]) == (1.0, [], [])
        else:
            assert (row["decided_by"], row["source"]) == ("judge", "lilliput")


def test_no_prompt_is_on_two_sides_or_of_two_sources(mixed: Callable[..., Run]) -> None:
    result = mixed(people([*OWN, *WORLD[:30]]))()
    split = rows_of(result)
    assert not {row["prompt_id"] for row in split["train"]} & {row["prompt_id"] for row in split["test"]}
    owners: dict[str, set[str]] = {}
    for row in [*split["train"], *split["test"]]:
        owners.setdefault(row["prompt_id"], set()).add(row["source"])
    assert all(len(sources) == 1 for sources in owners.values())
    mix = result.summary["stages"]["dataset"]["mix"]
    assert 0 < mix["shared prompts"] <= 30
    assert sum(one["kept by another"] for one in mix["sources"].values()) >= mix["shared prompts"]
    told = "\n".join(stage_lines(result.summary["stages"]["dataset"]))
    assert f"{mix['shared prompts']} prompts stand in several sources; each stays with" in told


def test_a_prompt_that_the_run_knows_stays_on_its_side(mixed: Callable[..., Run], tmp_path: Path) -> None:
    """Else the policy would have been trained on drafts of prompts that people's pairs are measured on."""
    split = rows_of(mixed(people([*OWN, *WORLD]))())
    import pyarrow.parquet as pq

    sides = {row["prompt_id"]: row["split"] for row in pq.read_table(tmp_path / "run/inputs/split.parquet").to_pylist()}
    known = 0
    for side, rows in split.items():
        for row in rows:
            if row["source"] == "people.jsonl" and row["prompt_id"] in sides:
                known += 1
                assert sides[row["prompt_id"]] == side
    assert known


def test_a_changed_file_rebuilds_the_dataset_and_asks_no_judge(mixed: Callable[..., Run]) -> None:
    first = rows_of(mixed(people(OWN))())  # read now: a result speaks of its folder as it is
    assert mixed(people(OWN))().ran == ()
    changed = mixed(people(OWN[:20]))()
    assert (changed.ran, changed.sent) == (("mixing", "dataset"), 0)
    fewer = rows_of(changed)["train"]
    assert by_source(fewer) == {"lilliput": 60, "people.jsonl": 15}
    ours = [{row["comparison_id"] for row in rows if row["source"] == "lilliput"} for rows in (fewer, first["train"])]
    assert ours[0] < ours[1], "more pairs of people draw more of the run's, and no others"
    assert rows_of(mixed(people(OWN))()) == first
    halves = mixed(**{"share: 0.8": "share: 0.5", "share: 0.2\n": "share: 0.5\n"})()
    assert halves.ran == ("dataset",), "a share is no part of what is read"
    assert by_source(rows_of(halves)["train"]) == {"lilliput": 21, "people.jsonl": 21}


def test_people_s_votes_are_counted_and_ties_stay_out(mixed: Callable[..., Run]) -> None:
    rows = [
        {"prompt": prompt, "one": f"first {n}", "two": f"second {n}", "kim": "a", "lee": "b", "sol": vote}
        for n, (prompt, vote) in enumerate(zip(OWN, ["a"] * 20 + ["b"] * 4 + [""] * 4, strict=True))
    ]
    columns = "columns: {prompt: prompt, chosen: chosen, rejected: rejected}"
    result = mixed(rows, **{columns: ONE_VOTE})()
    counts = result.summary["stages"]["mixing"]["people.jsonl"]
    assert (counts["pairs"], counts["left out: tie"]) == (24, 4)
    found = [row for rows in rows_of(result).values() for row in rows if row["source"] == "people.jsonl"]
    assert [row["p_chosen"] for row in found] == [pytest.approx(2 / 3)] * len(found), "two of three raters"
    winners = Counter(row["chosen"][0]["content"].split()[0] for row in found)
    assert set(winners) == {"first", "second"}


def test_diversity_is_printed_for_both_at_one_size(whole: Result) -> None:
    chosen = whole.summary["stages"]["dataset"]["diversity"]["chosen"]
    assert chosen["answers"] == 14, "half of the 28 different answers of people"
    assert list(chosen["sets"]) == ["run", "people.jsonl"]
    page = (whole.folder / "summary.md").read_text(encoding="utf-8")
    assert f"Diversity of chosen answers, at 14 answers of {chosen['characters']:.0f} characters" in page
    head = next(line for line in page.splitlines() if line.startswith("|") and "people.jsonl" in line)
    assert [cell.strip() for cell in head.strip("|").split("|")] == ["", "run", "people.jsonl"]
    spread = chosen["sets"]["people.jsonl"]["distinct-2"]
    assert f"{spread['mean']:.3f} ({spread['deviation']:.3f})" in page


def test_without_a_mix_the_run_is_measured_alone_and_nothing_else_is_told(small: Path, tmp_path: Path) -> None:
    counts = Run.from_file(small, folder=tmp_path / "run")().summary["stages"]["dataset"]
    assert "mix" not in counts
    assert [list(one["sets"]) for one in counts["diversity"].values()] == [["run"], ["run"]]
    assert not (tmp_path / "run/mixing").exists()


def test_the_run_s_own_pairs_alone_are_no_mix(mixed: Callable[..., Run]) -> None:
    alone = "dataset: {test_share: 0.25, mix: [{source: run, share: 1}]}\n"
    result = mixed(**{MIXED[MIXED.index("dataset:") :]: alone})()
    assert "mixing" not in result.ran
    assert "mix" not in result.summary["stages"]["dataset"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("share: 0.2\n", "share: 0.1\n", "dataset.mix: the shares sum to 0.9, expected 1"),
        (
            "source: run, share: 0.8",
            "path: more.jsonl, share: 0.8, license: mit",
            "`source: run` for this run's own pairs, found none",
        ),
        ("      license: cc-by-4.0\n", "", "dataset.mix[1].license: the key 'license' is required and missing"),
        ("source: run", "source: ruhn", "dataset.mix[0].source: found the text 'ruhn', expected 'run'"),
        ("share: 0.8", "share: 0", "dataset.mix[0].share: found 0, expected more than 0"),
        ("share: 0.8", "share: 80", "dataset.mix[0].share: found 80, expected at most 1"),
        ("people.jsonl", "peple.jsonl", "peple.jsonl: no such file"),
        ("rejected: rejected", "rejected: worse", "no such column in any row"),
    ],
)
def test_what_is_wrong_with_a_mix_is_named_before_the_run(
    mixed: Callable[..., Run], old: str, new: str, expected: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        mixed(people(OWN), **{old: new}).check()
    assert expected in str(caught.value)


def test_both_mistakes_of_a_mix_are_named_at_once(mixed: Callable[..., Run]) -> None:
    doubled = "- {source: run, share: 0.8}\n    - {source: run, share: 0.8}"
    with pytest.raises(ConfigError) as caught:
        mixed(people(OWN), **{"- {source: run, share: 0.8}": doubled})
    assert "the shares sum to 1.8, expected 1" in str(caught.value)
    assert "for this run's own pairs, found 2" in str(caught.value)


def test_thirds_may_be_rounded(mixed: Callable[..., Run], tmp_path: Path) -> None:
    write(tmp_path / "other.jsonl", people(f"other {n}" for n in range(30)))
    listed = "- path: people.jsonl\n      rater: person\n      share: 0.2\n"
    other = "- {path: other.jsonl, share: 0.333, license: mit, columns: {chosen: chosen, rejected: rejected}}\n    "
    result = mixed(people(OWN), **{"share: 0.8": "share: 0.333", listed: other + listed.replace("0.2", "0.333")})()
    train = rows_of(result)["train"]
    # The other file has 22 pairs left (a quarter of 30, rounded, is held out); people's 21 are a third of 63.
    assert by_source(train) == {"lilliput": 21, "people.jsonl": 21, "other.jsonl": 21}
    licenses = {row["source"]: row["license"] for row in train}
    assert (licenses["people.jsonl"], licenses["other.jsonl"]) == ("cc-by-4.0", "mit")


def test_too_few_pairs_for_a_share_end_the_stage_with_the_numbers(mixed: Callable[..., Run]) -> None:
    with pytest.raises(
        AmendmentError, match=r"no mix can be made of so few pairs for training \(run .*people\.jsonl 0\)"
    ):
        mixed([{"prompt": "q", "chosen": "same", "rejected": "same"}])()


def test_a_run_without_pairs_has_nothing_to_mix(tmp_path: Path) -> None:
    write(tmp_path / "people.jsonl", people(OWN))
    (tmp_path / "run.yaml").write_text(
        "name: x\nprompts: [{lilliput: 3}]\ndataset:\n  mix:\n    - {source: run, share: 0.5}\n"
        "    - {path: people.jsonl, share: 0.5, license: mit, columns: {chosen: chosen, rejected: rejected}}\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError, match=r"dataset\.mix: mixes with pairs of this run, and the run makes none"):
        load_run_file(tmp_path / "run.yaml")


def test_a_trial_takes_the_first_rows_of_people_s_file_too(mixed: Callable[..., Run], tmp_path: Path) -> None:
    mixed(people(OWN))
    result = Run.from_file(tmp_path / "run.yaml", folder=tmp_path / "trial", limit=8)()
    counts = result.summary["stages"]["mixing"]["people.jsonl"]
    assert counts["pairs"] == 8


def test_held_out_accuracy_is_told_by_source() -> None:
    def row(source: str | None, number: int) -> dict[str, Any]:
        prompt = Prompt(messages=user(f"{source} {number}"))
        texts = {"chosen_text": "a", "rejected_text": "bb"}
        return {"prompt_id": prompt.id, "category": None, "source": source, **texts}

    rows = [row("lilliput", number) for number in range(4)] + [row("people.jsonl", number) for number in range(2)]
    chosen, rejected = [1.0, 1.0, 1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0, 1.0, 0.0]
    found = measured(rows, chosen, rejected)
    assert found["accuracy"]["value"] == pytest.approx(4 / 6)
    assert {name: one["value"] for name, one in found["by_source"].items()} == {
        "lilliput": pytest.approx(3 / 4),
        "people.jsonl": pytest.approx(1 / 2),
    }
    assert "source people.jsonl: 0.500" in "\n".join(stage_lines({"held out": found}))
    assert measured(rows[:4], chosen[:4], rejected[:4])["by_source"] == {}


def test_held_out_pairs_of_equal_length_are_counted_beside_the_slices() -> None:
    sides = [("a", "bb"), ("aa", "bb"), ("aa", "b"), ("aa", "cc")]  # shorter, equal, longer, equal
    rows = [
        {"prompt_id": str(n), "category": None, "source": None, "chosen_text": chosen, "rejected_text": rejected}
        for n, (chosen, rejected) in enumerate(sides)
    ]
    lines = stage_lines({"held out": measured(rows, [1.0] * 4, [0.0] * 4)})
    assert "- both of equal length: 2 pairs" in lines
    assert sum("n = 1" in line for line in lines) == 2
