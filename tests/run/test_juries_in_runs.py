"""Juries, cascades and rankings in whole runs of the simulated world, where every count can be worked out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amendment.data.store import read_records
from amendment.errors import ConfigError
from amendment.llm.client import Calls
from amendment.llm.provider import Provider
from amendment.llm.requests import Reply, Request
from amendment.preference import Vote, aggregate_verdicts, majority_of
from amendment.records import Candidate, Judgement, Preference, Prompt, Verdict, text_of
from amendment.run import Result, Run
from amendment.stages.judging import ForPeople, Ranking

JUDGES = """\
  judges:
    - {model: second, protocol: label-tokens}
    - {model: third, protocol: verdict}
    - {model: fourth, protocol: verdict}
"""
MODELS = """\
  second: {provider: simulated}
  third: {provider: simulated, noise: 2.0}
  fourth: {provider: simulated, position_bias: 3.0}
"""
Write = Callable[..., Path]


def jury_text(small_text: str, judging: str, *, prompts: int, per_prompt: int) -> str:
    """A run file with three judges of different worth, whose part `judging` is given."""
    text = small_text.replace("  second: {provider: simulated}\n", MODELS)
    text = text.replace("lilliput: 12", f"lilliput: {prompts}").replace("per_prompt: 2", f"per_prompt: {per_prompt}")
    before, _, rest = text.partition("judging:\n")
    return f"{before}judging:\n{judging}dataset:{rest.partition('dataset:')[2]}"


@pytest.fixture
def jury_file(run_file: Write, small_text: str) -> Write:
    """Writes such a file."""

    def write(judging: str, *, prompts: int = 12, per_prompt: int = 2) -> Path:
        return run_file(jury_text(small_text, judging, prompts=prompts, per_prompt=per_prompt))

    return write


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory: pytest.TempPathFactory, small_text: str) -> Path:
    """A run of three judges, of whose comparisons people have decided none."""
    folder = tmp_path_factory.mktemp("unlabelled")
    (folder / "run.yaml").write_text(jury_text(small_text, JUDGES, prompts=30, per_prompt=2))
    return made(folder / "run.yaml", folder / "run").folder


def made(file: Path, folder: Path) -> Result:
    return Run.from_file(file, folder=folder)(until="judging")


def table(folder: Path, name: str, kind: type[Any]) -> list[Any]:
    return read_records(folder / f"judging/{name}.parquet", kind)


def report(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "judging/report.json").read_text())
    return found


def by_rater(verdicts: list[Verdict], judgement: Judgement) -> dict[str, float | None]:
    """P(a) of each rater, put together by a function that the stage does not use."""
    mine = [one for one in verdicts if one.id in judgement.verdict_ids]
    return {
        rater: aggregate_verdicts([one for one in mine if one.rater == rater], orders="asked").p_a
        for rater in {v.rater for v in mine}
    }


def test_the_majority_of_the_raters_own_judgements_decides(jury_file: Write, folder: Path) -> None:
    counts = made(jury_file(JUDGES + "  jury: majority\n"), folder).summary["stages"]["judging"]
    judgements, verdicts = table(folder, "judgements", Judgement), table(folder, "verdicts", Verdict)
    assert len(judgements) == counts["comparisons"] == 20
    assert len(verdicts) == 20 * 3 * 2
    for judgement in judgements:
        votes = by_rater(verdicts, judgement)
        assert len(votes) == 3
        assert judgement.p_a == pytest.approx(majority_of(Vote.of(p) for p in votes.values() if p is not None))
    sides = [{((p or 0) > 0.5) - ((p or 0) < 0.5) for p in by_rater(verdicts, one).values()} for one in judgements]
    agreed = sum(len(said) == 1 for said in sides)
    assert report(folder)["unanimous"] == {"same": agreed, "comparisons of two votes or more": 20}


def test_the_same_answers_in_another_order_make_the_same_bytes(
    jury_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = jury_file(JUDGES + "  jury: majority\n  ranking: adaptive\n", prompts=6, per_prompt=4)
    first = made(file, tmp_path / "first")
    ask, late = Calls.ask, []

    async def delayed(self: Calls, provider: Provider, carrier: Any, request: Request) -> Reply:
        """Every third answer comes back after many others."""
        import asyncio

        late.append(request.id)
        for _ in range(40 if len(late) % 3 == 0 else 0):
            await asyncio.sleep(0)
        return await ask(self, provider, carrier, request)

    monkeypatch.setattr(Calls, "ask", delayed)
    second = made(file, tmp_path / "second")
    assert late
    assert first.summary == second.summary
    for path in sorted((tmp_path / "first/judging").iterdir()):
        assert path.read_bytes() == (tmp_path / "second/judging" / path.name).read_bytes(), path.name


def test_a_cascade_asks_second_judges_only_about_what_the_first_are_unsure_of(jury_file: Write, folder: Path) -> None:
    cascade = """\
  judges: [{model: third, protocol: verdict}]
  cascade: {confidence: 0.5, then: [{model: second, protocol: label-tokens}]}
"""
    counts = made(jury_file(cascade), folder).summary["stages"]["judging"]
    judgements, verdicts = table(folder, "judgements", Judgement), table(folder, "verdicts", Verdict)
    prompts = {one.id: one for one in read_records(folder / "inputs/prompts.parquet", Prompt)}
    asked = Counter(verdict.rater for verdict in verdicts)
    # Written verdicts in two orders, each 0, 1/2 or 1: P is their mean, and |2P - 1| is 1/2 at least unless the orders
    # disagree or both say tie.
    first = [one for one in judgements if one.raters == ("third/verdict@2.0.0",)]
    second = [one for one in judgements if one.raters == ("second/label-tokens@2.0.0",)]
    assert len(first) + len(second) == len(judgements) == 20
    assert {one.p_a for one in first} <= {0.0, 0.25, 0.75, 1.0}
    assert asked["third/verdict@2.0.0"] == 40
    assert asked["second/label-tokens@2.0.0"] == 2 * len(second) == 2 * counts["asked second judges"] > 0
    left = table(folder, "for_people", ForPeople)
    answers = {one.id: one for one in read_records(folder / "candidates/candidates.parquet", Candidate)}
    answers |= {one.id: one for one in read_records(folder / "critique/candidates.parquet", Candidate)}
    for one in left:  # what people need to decide, without the judges' word
        assert (one.answer_1, one.answer_2) == tuple(text_of(answers[id].messages) for id in (one.a, one.b))
        assert one.conversation == text_of(prompts[one.prompt_id].messages)
    unsure = [one.comparison_id for one in second if abs(2 * one.p_a - 1) < 0.5]
    assert [one.comparison_id for one in left] == unsure
    assert counts["for people"] == len(unsure)
    told = report(folder)["cascade"]
    assert told["first judges"]["kept"] + told["second judges"]["kept"] + told["people"]["kept"] == 20


def test_a_ranking_compares_fewer_and_always_its_best_with_its_worst(jury_file: Write, folder: Path) -> None:
    judging = "  judges: [{model: second, protocol: label-tokens}]\n  ranking: adaptive\n  pairs: best_worst\n"
    file = jury_file(judging, prompts=4, per_prompt=6)
    counts = Run.from_file(file, folder=folder)(until="dataset").summary["stages"]
    rankings = {one.prompt_id: one for one in table(folder, "rankings", Ranking)}
    judgements = table(folder, "judgements", Judgement)
    assert (
        counts["judging"]["comparisons spared"] == sum(one.possible for one in rankings.values()) - len(judgements) > 0
    )
    compared = {(one.prompt_id, frozenset((one.a, one.b))) for one in judgements}
    known = [one for one in rankings.values() if one.best and one.worst]
    assert known
    assert all((one.prompt_id, frozenset((one.best, one.worst))) in compared for one in known)
    pairs = [row for side in ("train", "test") for row in read_records(folder / f"dataset/{side}.parquet", Preference)]
    assert pairs
    for row in pairs:
        assert (row.chosen_id, row.rejected_id) == (rankings[row.prompt_id].best, rankings[row.prompt_id].worst)
    assert len(pairs) + sum(counts["dataset"]["left out"].values()) == len(judgements)


def people(tmp_path: Path, folder: Path, count: int) -> Path:
    """Labels of people on the first comparisons that a run has judged, with the texts of the answers."""
    answers = {
        one.id: one
        for name in ("critique/candidates", "candidates/candidates")
        for one in read_records(folder / f"{name}.parquet", Candidate)
    }
    prompts = {one["id"]: one for one in _rows(folder / "inputs/prompts.parquet")}
    rows = [
        {
            "prompt": json.loads(prompts[one.prompt_id]["messages"])[0]["content"],
            "a": answers[one.a].messages[-1].content,
            "b": answers[one.b].messages[-1].content,
            "anna": "A" if (one.p_a or 0) >= 0.5 else "B",
        }
        for one in table(folder, "judgements", Judgement)[:count]
    ]
    path = tmp_path / f"people-{count}.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    return path


def _rows(path: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def labelled(jury_file: Write, tmp_path: Path, unlabelled: Path, count: int) -> Path:
    """A run file whose people have labelled so many of the comparisons that it judges."""
    path = people(tmp_path, unlabelled, count)
    file = jury_file(JUDGES + "  jury: weighted\n  judge_labelled: true\n", prompts=30)
    columns = "{prompt: prompt, a: a, b: b, votes: [anna]}"
    file.write_text(f"{file.read_text()}verdicts: [{{path: {path.name}, columns: {columns}, kind: person}}]\n")
    return file


def test_judges_are_weighed_on_the_comparisons_that_people_decided(
    jury_file: Write, tmp_path: Path, unlabelled: Path
) -> None:
    file = labelled(jury_file, tmp_path, unlabelled, 40)
    made(file, tmp_path / "run")
    told = report(tmp_path / "run")
    weights = {name: one["weight"] for name, one in told["judges"].items()}
    assert all(weight > 0 for weight in weights.values())
    assert not (tmp_path / "run/judging/waiting.parquet").exists()


def test_too_few_labels_end_the_run_before_a_judge_is_asked(
    jury_file: Write, tmp_path: Path, unlabelled: Path, replies: Callable[..., int]
) -> None:
    file = labelled(jury_file, tmp_path, unlabelled, 29)
    Run.from_file(file, folder=tmp_path / "run")(until="candidates")
    before = replies(tmp_path / "run")
    with pytest.raises(ConfigError, match=r"found 29 .*expected 30 at least"):
        made(file, tmp_path / "run")
    assert replies(tmp_path / "run") == before
