"""A run as a whole: counts that add up, nothing done twice, and the same bytes at any concurrency."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

import amendment.preference
from amendment.constitutions import load_constitution
from amendment.data.store import read_records
from amendment.errors import AmendmentError, ConfigError, LedgerError
from amendment.preference import Judge
from amendment.records import Candidate, Critique, ItemEnding, Judgement, Verdict
from amendment.run import Run, load_run_file
from amendment.run.status import read_status, status_lines
from tests.vendors.runs import dataset_of

COLUMNS = {
    *("prompt", "chosen", "rejected", "p_chosen", "p_chosen_raw", "p_chosen_calibrated", "decided_by", "weight"),
    *("comparison_id", "prompt_id", "chosen_id", "rejected_id", "chosen_model", "rejected_model", "raters"),
    *("principle_ids", "decisive", "orders_agree", "constitutions", "category", "source", "license"),
}


def test_every_item_ends_in_exactly_one_outcome_and_the_sums_match(undisturbed: Any) -> None:
    folder, results = undisturbed.result.folder, undisturbed.result.results
    prompts = results["inputs"].totals["prompts"]
    judged = results["judging"].funnels[0].came_in
    items = {"critique": prompts, "candidates": 2 * prompts, "judging": judged}
    for stage, count in items.items():
        endings = read_records(folder / stage / "endings.parquet", ItemEnding)
        assert len(endings) == len({ending.item_id for ending in endings}) == count, stage
        done = sum(ending.outcome == "done" for ending in endings)
        for funnel in results[stage].funnels:  # which adds up, or could not be built
            assert (funnel.came_in, funnel.remained) == (count, done)
    written = sum(results["critique"].count(kind) for kind in ("drafts", "revisions"))
    assert written == len(read_records(folder / "critique/candidates.parquet", Candidate))
    assert results["dataset"].funnels[0].came_in == judged
    assert undisturbed.result.sent == undisturbed.replies


def test_every_record_says_where_it_comes_from(undisturbed: Any) -> None:
    folder = undisturbed.result.folder
    known = {one.id for one in read_records(folder / "critique/candidates.parquet", Candidate)}
    for candidate in read_records(folder / "critique/candidates.parquet", Candidate):
        assert candidate.origin.provider == "simulated"
        assert candidate.origin.request
        assert (candidate.kind == "revision") == bool(candidate.origin.parents)
    critiques = {critique.id for critique in read_records(folder / "critique/critiques.parquet", Critique)}
    for candidate in read_records(folder / "critique/candidates.parquet", Candidate):
        assert set(candidate.origin.parents or ()) <= known | critiques
    verdicts = read_records(folder / "judging/verdicts.parquet", Verdict)
    ids = {verdict.id for verdict in verdicts}
    for judgement in read_records(folder / "judging/judgements.parquet", Judgement):
        assert set(judgement.verdict_ids) <= ids
        assert judgement.n_valid + judgement.n_invalid == len(judgement.verdict_ids) == 4


def test_the_dataset_has_the_columns_that_are_promised_and_splits_by_prompt(undisturbed: Any) -> None:
    dataset = undisturbed.result.dataset
    assert set(dataset) == {"train", "test"}
    for split in dataset.values():
        assert set(split.column_names) == COLUMNS
        assert split.features == dataset["train"].features
    sides = [set(split["prompt_id"]) for split in dataset.values()]
    assert all(sides)
    assert not sides[0] & sides[1]
    assert undisturbed.result.results["inputs"].count("held_out_prompts") == 3
    row = dataset["train"][0]
    assert row["prompt"] == [{"role": "user", "content": row["prompt"][0]["content"]}]
    assert [message["role"] for message in row["chosen"]] == ["assistant"]
    assert 0.5 <= row["p_chosen"] <= 1
    assert row["p_chosen_raw"] == row["p_chosen"]
    assert row["p_chosen_calibrated"] is None
    assert (row["decided_by"], row["source"], row["raters"]) == ("judge", "lilliput", ["second/label-tokens@2.1.0"])
    assert row["constitutions"] == [load_constitution("lilliput").reference]
    assert row["decisive"] in row["principle_ids"]
    assert all(principle.startswith("lilliput/") for principle in row["principle_ids"])


def test_neither_the_order_of_the_file_nor_concurrency_nor_the_clock_changes_a_byte(
    small: Path, tmp_path: Path, undisturbed: Any
) -> None:
    small.write_text(yaml.safe_dump(dict(reversed(yaml.safe_load(small.read_text()).items())), sort_keys=False))
    one = ["models.writer.concurrency=1", "models.second.concurrency=1"]
    again = Run.from_file(small, folder=tmp_path / "run", overrides=one)()
    tables = sorted((tmp_path / "run").rglob("*.parquet"))
    assert len(tables) > 10
    for path in tables:
        assert path.read_bytes() == (undisturbed.result.folder / path.relative_to(tmp_path / "run")).read_bytes(), path
    assert again.summary == undisturbed.result.summary


def test_a_finished_run_does_nothing_and_a_touched_or_deleted_table_is_rebuilt_from_the_ledger(
    small: Path, chain: Path, undisturbed: Any
) -> None:
    assert undisturbed.result.ran == ("inputs", "critique", "candidates", "judging", "audit", "dataset")
    before = {path: path.stat().st_mtime_ns for path in chain.rglob("*.parquet")}
    again = Run.from_file(small, folder=chain)()
    assert (again.sent, again.ran) == (0, ())
    assert again.summary == undisturbed.result.summary
    assert {path: path.stat().st_mtime_ns for path in chain.rglob("*.parquet")} == before
    (chain / "critique/candidates.parquet").write_bytes(b"scribble")
    (chain / "dataset/test.parquet").unlink()
    again = Run.from_file(small, folder=chain)()
    assert (again.sent, again.ran) == (0, ("critique", "dataset"))
    assert dataset_of(chain) == undisturbed.dataset


def test_figures_and_datasets_of_other_settings_are_not_handed_out(small: Path, chain: Path) -> None:
    with pytest.raises(AmendmentError, match="no pair is left for training"):
        Run.from_file(small, folder=chain, overrides=["judging.min_margin=1"])()
    summary = json.loads((chain / "summary.json").read_text(encoding="utf-8"))
    assert "dataset" not in summary["stages"]
    assert summary["out_of_date"] == ["dataset"]
    result = Run.from_file(small, folder=chain, overrides=["seed=99"])(until="inputs")
    with pytest.raises(ConfigError, match="no dataset of this run file"):
        _ = result.dataset


def test_a_later_setting_reruns_what_it_concerns_and_asks_nothing(small: Path, chain: Path, undisturbed: Any) -> None:
    first = undisturbed.result
    margin = Run.from_file(small, folder=chain, overrides=["judging.min_margin=0.6"])()
    assert (margin.sent, margin.ran) == (0, ("dataset",))
    assert margin.results["dataset"].funnels[0].left_out["tie"] > 0
    faster = Run.from_file(small, folder=chain, overrides=["models.second.concurrency=3"])()
    assert faster.ran == ("dataset",), "how fast a model is asked does not change what it says"
    assert faster.summary == first.summary
    biased = Run.from_file(small, folder=chain, overrides=["models.second.biases.position=2.0"])()
    assert biased.ran == ("judging", "audit", "dataset")
    assert biased.sent == first.results["judging"].count("verdicts")


def test_a_run_stops_where_it_is_told_and_goes_on_later(small: Path, tmp_path: Path) -> None:
    first = Run.from_file(small, folder=tmp_path / "run")(until="critique")
    assert first.ran == ("inputs", "critique")
    assert first.summary["missing"] == ["candidates", "judging", "audit", "dataset"]
    with pytest.raises(
        ConfigError, match="no dataset of this run file here; run it up to and including the stage dataset"
    ):
        first.dataset  # noqa: B018 - reading it is the test
    assert Run.from_file(small, folder=tmp_path / "run")().ran == ("candidates", "judging", "audit", "dataset")
    with pytest.raises(ConfigError, match="no stage 'critic' in this run \\(did you mean 'critique'\\?\\)"):
        Run.from_file(small, folder=tmp_path / "run")(until="critic")


def test_the_folder_tells_what_was_run(undisturbed: Any) -> None:
    folder = undisturbed.result.folder
    resolved = folder / "run.yaml"
    assert load_run_file(resolved).config == load_run_file(folder.parent / "run.yaml").config
    assert json.loads((folder / "summary.json").read_text()) == undisturbed.result.summary
    page = (folder / "summary.md").read_text()
    assert "Simulated:" in page
    assert "- train pairs: " in page
    status = json.loads((folder / "status.json").read_text())
    assert status["running"] is None
    assert status["done"] == status["stages"]


def test_a_result_that_its_sources_left_behind_is_not_told_as_the_runs(small: Path, chain: Path) -> None:
    part = Run.from_file(small, folder=chain, overrides=["critique.rounds=1"])(until="critique")
    assert list(part.summary["stages"]) == ["inputs", "critique", "candidates"]
    assert part.summary["missing"] == part.summary["out_of_date"] == ["judging", "audit", "dataset"]
    assert (
        "Not done yet: judging (out of date), audit (out of date), dataset (out of date)"
        in (chain / "summary.md").read_text()
    )
    lines = status_lines(read_status(chain))
    assert next(line.split() for line in lines if "judging" in line) == ["judging", "to", "do", "(out", "of", "date)"]
    assert lines[-1] == "next: judging"
    early = Run.from_file(small, folder=chain, overrides=["critique.rounds=2", "seed=8"])(until="inputs")
    assert early.ran == ("inputs",)
    assert early.summary["missing"] == ["critique", "candidates", "judging", "audit", "dataset"]


def test_a_judge_made_before_a_run_judges_after_it_until_the_run_is_closed(small: Path, tmp_path: Path) -> None:
    constitution = load_constitution("lilliput")
    asked = {"prompt": "please add 3 8 thanks", "a": "the sum is 11", "b": "no idea"}
    with Run.from_file(small, folder=tmp_path / "run") as run:
        judge = Judge.from_folder("label-tokens", model=run.models["second"], constitution=constitution)
        before = judge.compare(**asked)
        assert run(until="critique").ran == ("inputs", "critique")
        assert judge.compare(**asked) == before
        assert run().ran == ("candidates", "judging", "audit", "dataset")
        assert judge.compare(**asked) == before
        with pytest.raises(ConfigError, match="no model 'secnd' in this run \\(did you mean 'second'"):
            run.models["secnd"]
        assert list(run.models) == ["writer", "second"]
    assert before.p_a is not None
    assert 0 <= before.p_a <= 1
    assert len(before.verdicts) == 2
    assert isinstance(before.consistent, bool)
    assert before.principle_ids[0].startswith("lilliput/")
    with pytest.raises(LedgerError, match="run was closed"):
        judge.compare(**asked)
    assert run().ran == ()


def test_a_second_run_in_the_same_folder_is_refused(small: Path, tmp_path: Path) -> None:
    holder = Run.from_file(small, folder=tmp_path / "run")
    holder.models["second"]
    with pytest.raises(LedgerError, match=r"run: this process has the folder open already"):
        Run.from_file(small, folder=tmp_path / "run")()
    assert not (tmp_path / "run/run.yaml").exists(), "the refused run writes nothing"
    holder.close()
    assert Run.from_file(small, folder=tmp_path / "run")().sent > 0


def test_a_changed_judge_of_the_evaluation_is_asked_anew(tmp_path: Path) -> None:
    shutil.copytree(Path(amendment.preference.__file__).parent / "judges" / "label-tokens", tmp_path / "ours")
    (tmp_path / "run.yaml").write_text(
        "name: r\nconstitution: lilliput\nprompts: [{lilliput: 8}]\ndataset: {test_share: 0.5}\n"
        "models: {m: {provider: simulated}, n: {provider: simulated, writer: verbose}}\n"
        "evaluate: {policies: [m, n], judge: {model: m, protocol: ./ours}}\n",
        encoding="utf-8",
    )

    def ran() -> tuple[str, ...]:
        return Run.from_file(tmp_path / "run.yaml", folder=tmp_path / "run")().ran

    assert ran() == ("inputs", "evaluate")
    assert ran() == ()
    template = tmp_path / "ours" / "compare.txt"
    template.write_text(template.read_text(encoding="utf-8") + "\nThink well.\n", encoding="utf-8")
    assert ran() == ("evaluate",)
