"""Several judges of one pair: what becomes of the others where one of them cannot be reached."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from amendment.errors import Transient
from amendment.llm.answers import Ending
from amendment.preference import Judge, Judged, PanelCounts
from amendment.records import Candidate, Comparison, Judgement, Message, Prompt, Verdict, user
from amendment.run.checks import load_run_file
from amendment.run.context import Context
from amendment.run.engine import RunFolder
from amendment.run.progress import QuietProgress
from amendment.stages.contract import Item
from amendment.stages.judging import Judging


def test_no_judge_goes_on_after_the_comparison_was_left_pending(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    loaded = load_run_file(small, [f"judging.judges={judges}", "judging.judge_labelled=true"])
    context = Context(loaded.config, loaded.base, RunFolder(tmp_path / "run"), QuietProgress())
    context.workspace.write("inputs/judgements", Judgement, [])
    prompt = Prompt(messages=user("please add 3 8"))
    answers = [
        Candidate(prompt_id=prompt.id, messages=(Message(role="assistant", content=text),), kind="imported")
        for text in ("11", "12")
    ]

    async def judge() -> list[str]:
        step = Judging(context.config).begin(context)
        pool = await step.work(Item(0, prompt, {"inputs/candidates": answers}))
        assert at_work == set()
        return [one.ending.outcome for one in pool.judged]

    try:
        assert asyncio.run(judge()) == ["pending"]
    finally:
        context.close()


def test_the_counts_of_a_single_judge_have_its_comparisons_and_those_it_could_not_be_read_in() -> None:
    counts = PanelCounts(["one"])
    own = [Judgement(prompt_id="p", a="a", b=b, p_a=p_a) for b, p_a in (("b", 0.9), ("c", None), ("d", 0.5))]
    pairs = [Comparison(row.prompt_id, row.a, row.b) for row in own]
    judged = [Judged(pair, [], Ending("done"), row, {"one": row}) for pair, row in zip(pairs, own, strict=True)]
    counts.add(judged, [], {})
    report = counts.to_json()["judges"]["one"]
    assert (report["comparisons"], report["abstained"]) == (3, 1)
