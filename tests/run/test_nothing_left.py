"""Stages that come to nothing say what would help."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import AmendmentError
from amendment.results import Result, counted
from amendment.run import Run
from amendment.run.summary import loss_lines


def test_ties_that_leave_no_pair_name_the_settings_that_made_them(small: Path, chain: Path) -> None:
    with pytest.raises(AmendmentError) as told:
        Run.from_file(small, folder=chain, overrides=["judging.min_margin=1"])()
    message = str(told.value)
    assert message.startswith("dataset: no pair is left for training (left out: ")
    assert " tie" in message
    assert "use more prompts; lower min_margin or write ties: keep" in message
    assert "{" not in message


def test_pairs_that_are_all_on_the_test_side_name_the_share(run_file: Callable[[str], Path], tmp_path: Path) -> None:
    """Two prompts, one on each side, and one of them a tie: where that one is to be trained on, nothing is left."""
    told = []
    for votes in ((0, 1), (1, 0)):
        rows = "".join(f"question {i},yes,no,{vote}\n" for i, vote in enumerate(votes))
        (tmp_path / "v.csv").write_text(f"prompt,one,two,bob\n{rows}")
        columns = "columns: {prompt: prompt, a: one, b: two, votes: [bob]}, words: {a: 1, b: 2, tie: 0}"
        path = run_file(f"name: t\npairs: [{{path: v.csv, {columns}}}]\ndataset: {{test_share: 0.5}}\n")
        try:
            Run.from_file(path, folder=tmp_path / f"run{votes[0]}")()
        except AmendmentError as fault:
            told.append(str(fault))
    (message,) = told
    assert "(left out: 1 tie, 1 on the test side of the split)" in message
    assert "use more prompts; lower test_share under dataset; lower min_margin" in message


def test_answers_that_were_all_cut_are_kept_and_their_pairs_are_counted(
    run_file: Callable[[str], Path], tmp_path: Path, server: Any
) -> None:
    def answer(body: Any) -> tuple[int, Any]:
        if "<<answer_b" in str(body["messages"]):
            return 200, {"content": "Verdict: A"}
        return 200, {"content": f"cut {len(server.asked)}", "finish_reason": "length"}

    server.answer = answer
    (tmp_path / "p.jsonl").write_text(json.dumps({"prompt": "question"}) + "\n")
    path = run_file(
        "name: cut\nconstitution: helpful-honest\nprompts: [{path: p.jsonl}]\n"
        f"models:\n  far: {{provider: openai, model: m, base_url: '{server.url}', max_tokens: 5}}\n"
        "candidates: [{model: far, per_prompt: 2}]\njudging: {judges: [{model: far, protocol: verdict}], "
        "orders: first}\ndataset: {test_share: 0}\n"
    )
    result = Run.from_file(path, folder=tmp_path / "run")()
    assert len(server.asked) == 3, "two answers, each asked for once, and one verdict"
    assert result.results["candidates"].count("truncated") == 2
    cut = [(figure.of["answers"], figure.value) for figure in result.results["dataset"].where("cut_at_max_tokens")]
    assert cut == [("chosen", 1), ("rejected", 1)]


def test_verdicts_that_nobody_can_read_are_counted_on_the_screen_though_every_comparison_is_done() -> None:
    [line] = loss_lines({"judging": Result(figures=counted(verdicts=432, invalid_verdicts=107))})
    assert "107 of 432 verdicts" in line
