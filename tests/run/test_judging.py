"""The stage judging, by judges whose answers are known: which comparisons are asked, and what becomes of faults."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from amendment.errors import Transient
from amendment.llm.model import Ending
from amendment.preference import Judge, Judged, PanelCounts
from amendment.records import Candidate, Comparison, Judgement, Message, Prompt, Verdict, text_of, user
from amendment.run.checks import load_run_file
from amendment.run.context import Context
from amendment.run.engine import RunFolder
from amendment.run.progress import QuietProgress
from amendment.stages.contract import Item
from amendment.stages.judging import Judging

PROMPT = Prompt(messages=user("how much"))
Open = Callable[..., Context]


@pytest.fixture
def opened(small: Path, tmp_path: Path) -> Iterator[Open]:
    """A context over the small run file, with what people have decided: P(a) by comparison."""
    contexts: list[Context] = []

    def make(*overrides: str, decided: Sequence[Judgement] = ()) -> Context:
        loaded = load_run_file(small, [*overrides])
        contexts.append(Context(loaded.config, loaded.base, RunFolder(tmp_path / "run"), QuietProgress()))
        contexts[-1].workspace.write("inputs/judgements", Judgement, decided)
        return contexts[-1]

    yield make
    for context in contexts:
        context.close()


def answers(count: int) -> list[Candidate]:
    said = [(Message(role="assistant", content=f"answer {number}"),) for number in range(count)]
    return [Candidate(prompt_id=PROMPT.id, messages=messages, kind="imported") for messages in said]


def worth(candidate: Candidate) -> int:
    return int(text_of(candidate.messages).split()[1])


class Panel:
    """Prefers the answer with the larger number, or sees no difference, or is away."""

    asks_most = False
    judges = (SimpleNamespace(name="one", model=SimpleNamespace(concurrency=2)),)

    def __init__(self, way: str = "sure") -> None:
        self.way = way
        self.asked: list[Comparison] = []

    async def compare(self, prompt: Prompt, a: Candidate, b: Candidate) -> Judged:
        comparison = Comparison.between(a, b)
        self.asked.append(comparison)
        if self.way == "away":
            return Judged(comparison, [], Ending("pending", "away"))
        is_a = comparison.a == max(a, b, key=worth).id
        p_a = 0.5 if self.way == "even" else 0.9 if is_a else 0.1
        return Judged(comparison, [], Ending("done"), Judgement(**comparison._asdict(), p_a=p_a))


@pytest.fixture
def judged(opened: Open, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """What comes of one prompt with so many answers."""

    def make(panel: Panel, count: int, ranking: str, decided: Sequence[Judgement] = ()) -> Any:
        monkeypatch.setattr("amendment.stages.judging._panel", lambda context, config: panel)
        context = opened(f"judging.ranking={ranking}", decided=decided)
        step = Judging(context.config).begin(context)
        return asyncio.run(step.work(Item(0, PROMPT, {"inputs/candidates": answers(count)})))

    return make


def every_two(count: int) -> list[Comparison]:
    found = answers(count)
    return [Comparison.between(a, b) for i, a in enumerate(found) for b in found[i + 1 :]]


def decision(comparison: Comparison, p_a: float) -> Judgement:
    return Judgement(**comparison._asdict(), p_a=p_a, rater_kind="person")


def test_every_two_are_asked_once_but_those_that_people_decided(judged: Callable[..., Any]) -> None:
    panel = Panel()
    judged(panel, 4, "all_pairs", [decision(comparison, 0.5) for comparison in every_two(4)[:2]])
    assert panel.asked == every_two(4)[2:]


def test_what_people_decided_counts_in_a_ranking(judged: Callable[..., Any]) -> None:
    first, *_, last = answers(5)  # people say that the answer that the judge likes least is better than every other one
    decided = [decision(pair, float(pair.a == first.id)) for pair in every_two(5) if first.id in (pair.a, pair.b)]
    panel = Panel()
    ranking = judged(panel, 5, "adaptive", decided).ranking
    assert not {pair.id for pair in panel.asked} & {row.comparison_id for row in decided}
    assert (ranking.best, ranking.possible) == (first.id, 10)
    assert ranking.worst != last.id


def test_a_ranking_finds_the_best_and_compares_it_with_the_worst(judged: Callable[..., Any]) -> None:
    compared = judged(Panel(), 8, "adaptive")
    ranking, asked = compared.ranking, [one.comparison for one in compared.judged]
    assert ranking.best == max(answers(8), key=worth).id
    assert asked == [pair for pair in every_two(8) if pair in asked], "in the order of the pool"
    assert ranking.worst is None or any({pair.a, pair.b} == {ranking.best, ranking.worst} for pair in asked)


def test_a_pending_comparison_ends_the_ranking(judged: Callable[..., Any]) -> None:
    compared = judged(Panel("away"), 6, "adaptive")
    assert compared.ranking is None
    assert [one.ending.outcome for one in compared.judged] == ["pending"]


def test_a_judge_that_sees_no_difference_ranks_nobody(judged: Callable[..., Any]) -> None:
    panel = Panel("even")
    ranking = judged(panel, 4, "adaptive").ranking
    assert (ranking.best, ranking.worst, ranking.order, ranking.notes) == (None, None, None, ("all tied",))
    assert ranking.comparisons == len(panel.asked)


def test_no_judge_goes_on_after_the_comparison_was_left_pending(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    at_work: set[int] = set()
    is_begun = asyncio.Event()

    async def verdicts(judge: Judge, prompt: Prompt, first: Candidate, second: Candidate) -> list[Verdict]:
        if judge.samples == 1:
            await is_begun.wait()
            raise Transient("h: no reply", kind="transport")
        at_work.add(judge.samples)
        is_begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            at_work.discard(judge.samples)
        return []

    monkeypatch.setattr(Judge, "verdicts", verdicts)
    judges = "[{model: second, protocol: label-tokens}, {model: second, protocol: verdict, samples: 2}]"
    context = opened(f"judging.judges={judges}")

    async def judge() -> list[str]:
        compared = await Judging(context.config).begin(context).work(Item(0, PROMPT, {"inputs/candidates": answers(2)}))
        assert at_work == set()
        return [one.ending.outcome for one in compared.judged]

    assert asyncio.run(judge()) == ["pending"]


def test_the_counts_of_a_single_judge_have_its_comparisons_and_those_it_could_not_be_read_in() -> None:
    counts = PanelCounts(["one"])
    own = [Judgement(prompt_id="p", a="a", b=b, p_a=p_a) for b, p_a in (("b", 0.9), ("c", None), ("d", 0.5))]
    pairs = [Comparison(row.prompt_id, row.a, row.b) for row in own]
    counts.add(
        [Judged(pair, [], Ending("done"), row, {"one": row}) for pair, row in zip(pairs, own, strict=True)], [], {}
    )
    report = counts.to_json()["judges"]["one"]
    assert (report["comparisons"], report["abstained"]) == (3, 1)
