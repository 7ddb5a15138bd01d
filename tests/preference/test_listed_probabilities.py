"""A judge of label tokens on a server that lists probabilities badly."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.chat_server import ChatServer
from tests.command_line import called
from tests.rows import save

RUN = """\
name: labels
seed: 1
constitution: helpful-honest
models:
  judge: {{provider: openai, base_url: "{url}", model: m, api_key_env: null, max_tokens: 5}}
candidates: [{{path: answers.jsonl, columns: {{prompt: q, candidate: answer}}}}]
judging: {{judges: [{{model: judge, protocol: label-tokens}}], orders: both, principles_per_pair: 1}}
"""
LIST = [{"token": f"w{number}", "logprob": -4.0 - number} for number in range(20)]
"""Twenty alternatives, none of them a label; the least of them has e^-23."""

Content = list[dict[str, Any]] | None
Verdict = dict[str, Any]
Verdicts = Callable[[Callable[[int], Content]], list[Verdict]]


def listed(a: float | None, b: float | None, *, length: int = 20) -> Content:
    """The first token's alternatives, A and B first where they have a log-probability."""
    labels = [{"token": name, "logprob": value} for name, value in (("A", a), ("B", b)) if value is not None]
    return [{"token": "A", "logprob": -0.1 if a is None else a, "top_logprobs": [*labels, *LIST][:length]}]


@pytest.fixture
def verdicts(tmp_path: Path, server: ChatServer) -> Verdicts:
    """The verdicts of a run in which call n, from 0, lists what a function says; every answer is the letter A."""

    def run(content: Callable[[int], Content]) -> list[Verdict]:
        calls = iter(range(1_000))

        def answer(_: Any) -> tuple[int, dict[str, Any]]:
            tokens = content(next(calls))
            return 200, {"content": "A", "logprobs": None if tokens is None else {"content": tokens}}

        server.answer = answer
        rows = [{"q": f"question {i}", "answer": f"{word} answer {i}"} for i in range(5) for word in ("a", "another")]
        save(tmp_path / "answers.jsonl", rows)
        (tmp_path / "run.yaml").write_text(RUN.format(url=server.url), encoding="utf-8")
        called("run", tmp_path / "run.yaml", "--folder", tmp_path / "run")
        found = pq.read_table(tmp_path / "run" / "judging" / "verdicts.parquet").to_pylist()
        return [row | {name: json.loads(row[name] or "null") for name in ("distribution", "bounded")} for row in found]

    return run


@pytest.mark.parametrize(("b", "length"), [(None, 20), (-9999.0, 21)])  # absent, or with the sign of what is not listed
def test_a_label_outside_a_full_list_takes_the_least_listed_probability_and_is_marked(
    verdicts: Verdicts, b: float | None, length: int
) -> None:
    # A has e^-0.1, B less than the least of the list, e^-22: w0 to w18 stand after A
    found = verdicts(lambda _: listed(-0.1, b, length=length))
    assert [verdict["bounded"] for verdict in found] == [["B"]] * 10
    p_b = math.exp(-22) / (math.exp(-22) + math.exp(-0.1))
    assert [verdict["distribution"]["B"] for verdict in found] == [pytest.approx(p_b, rel=1e-3)] * 10


def test_a_reply_without_probabilities_among_others_that_have_them_is_no_vote(verdicts: Verdicts) -> None:
    found = verdicts(lambda call: listed(-0.1, -2.5) if call % 2 == 0 else None)
    assert sum(verdict["invalid"] is not None for verdict in found) == 5
    assert all(verdict["distribution"] for verdict in found if not verdict["invalid"])
