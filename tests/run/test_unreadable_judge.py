"""A judge of which nothing can be read stops the run early, once; a changed one goes on with what is there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amendment.results import read_summary
from tests.chat_server import ChatServer
from tests.command_line import amendment

RUN = """\
name: unread
constitution: helpful-honest
prompts: [{{path: p.jsonl}}]
models: {{far: {{provider: openai, model: m, base_url: '{url}', max_tokens: 50}}}}
candidates: [{{model: far, per_prompt: 2}}]
judging: {{judges: [{{model: far, protocol: {protocol}}}], orders: first}}
dataset: {{test_share: 0}}
"""


@pytest.fixture
def unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: ChatServer) -> Callable[[str], Path]:
    """Writes the run file with a protocol. The server writes answers, and mumbles where it is to judge."""
    monkeypatch.chdir(tmp_path)
    lines = [json.dumps({"prompt": f"question {number}"}) for number in range(40)]
    (tmp_path / "p.jsonl").write_text("\n".join(lines), encoding="utf-8")

    def answer(body: Any) -> tuple[int, Any]:
        if is_judging(body):
            return 200, {"content": "well \x1b[2J\u202e it depends"}
        return 200, {"content": f"{body['messages'][-1]['content']}, draw {body['seed']}"}

    server.answer = answer

    def write(protocol: str) -> Path:
        (tmp_path / "run.yaml").write_text(RUN.format(url=server.url, protocol=protocol), encoding="utf-8")
        return tmp_path / "run.yaml"

    return write


def is_judging(body: Any) -> bool:
    return "<<answer_b" in str(body["messages"])


def token(first: str) -> dict[str, Any]:
    """An answer of one token, with B as its alternative."""
    listed = [{"token": first, "logprob": -0.1}, {"token": "B", "logprob": -2.5}]
    return {"content": first, "logprobs": {"content": [{"token": first, "logprob": -0.1, "top_logprobs": listed}]}}


def test_a_judge_that_nobody_can_read_stops_the_run_and_starting_again_goes_on(
    unread: Callable[[str], Path], server: ChatServer, capsys: pytest.CaptureFixture[str]
) -> None:
    unread("verdict")
    ended = amendment("run", "run.yaml")
    judged = sum(map(is_judging, server.asked))
    assert ended.code == 3
    assert 20 <= judged < 60, "ten questions and their repetitions, what was in flight then, and not all 40"
    assert "judging: none of the first 10 verdicts of far/verdict@" in ended.err
    assert "\n  one reply: well [2J it depends\n" in ended.err, "what steers a terminal is gone"
    assert all(f"\n  {number}. " in ended.err for number in (1, 2, 3))
    assert "\x1b" not in ended.err
    looked = amendment("show", "runs/unread", "--invalid").out
    assert looked.count("\n    well [2J it depends\n") == 20, "the last of its replies, though the stage is not done"
    request = looked.strip().rpartition(" ")[2]
    assert "<<answer_b" in amendment("ledger", "show", "runs/unread", "--request", request).out
    again = amendment("run", "run.yaml")
    assert again.code == 1, "no pair comes of it, and the run ends by itself"
    assert "no item was completed (40 invalid)" in again.err
    judgings = [json.dumps(body) for body in server.asked if is_judging(body)]
    assert len(judgings) == 80 == len(set(judgings)), "every question and its repetition, once"


def test_another_protocol_goes_on_with_the_answers_that_are_there(
    unread: Callable[[str], Path], server: ChatServer
) -> None:
    unread("verdict")
    assert amendment("run", "run.yaml").code == 3
    drawn = [body for body in server.asked if not is_judging(body)]
    mumbles = server.answer

    def answer(body: Any) -> tuple[int, Any]:
        if "logprobs" not in body:
            return mumbles(body)
        return 200, token("A")

    server.answer = answer
    unread("label-tokens")
    assert amendment("run", "run.yaml").code == 2, "a change has to be accepted"
    ended = amendment("run", "run.yaml", "--accept-changes")
    assert ended.code == 0, ended.err
    asked = [json.dumps(body) for body in server.asked if not is_judging(body)]
    assert len(asked) == len(set(asked)) == 80 >= len(drawn), "no answer is drawn again"
    assert read_summary(Path("runs/unread")).of("judging").count("invalid_verdicts") == 0


@pytest.mark.parametrize("again", ["with the key", "without it"])
def test_a_server_that_ignores_prefill_stops_the_run_at_its_first_reply_and_starting_again_goes_on(
    again: str, unread: Callable[[str], Path], server: ChatServer
) -> None:
    mumbles = server.answer

    def answer(body: Any) -> tuple[int, Any]:
        """As llama_cpp.server: the begun answer is a turn like others, after which the model begins its own."""
        if "logprobs" not in body:
            return mumbles(body)
        begun = body["messages"][-1]["content"] if body["messages"][-1]["role"] == "assistant" else None
        return 200, token(begun.split()[0] if begun else "A") | {"finish_reason": "length"}

    server.answer = answer
    path = unread("label-tokens")
    plain = path.read_text(encoding="utf-8")
    path.write_text(plain.replace("max_tokens: 50", "max_tokens: 50, prefill: true"), encoding="utf-8")
    ended = amendment("run", "run.yaml")
    assert ended.code == 3
    assert sum("continue_final_message" in body for body in server.asked) < 10, "the first, and what was in flight"
    assert "judging: this server ignores prefill: 127.0.0.1" in ended.err
    assert "\n  1. the entry far without prefill: true" in ended.err
    if again == "without it":
        path.write_text(plain, encoding="utf-8")
    ended = amendment("run", "run.yaml", "--accept-changes")
    judged = [json.dumps(body) for body in server.asked if is_judging(body)]
    assert len(judged) == len(set(judged)), "nothing is asked twice"
    if again == "without it":
        assert ended.code == 0, ended.err
    else:
        assert "no item was completed (40 invalid)" in ended.err


def test_a_judge_that_says_nothing_stops_the_run_at_each_start(
    unread: Callable[[str], Path], server: ChatServer
) -> None:
    unread("verdict")
    mumbles = server.answer
    server.answer = lambda body: (200, {"content": ""}) if is_judging(body) else mumbles(body)
    for start in (1, 2):
        ended = amendment("run", "run.yaml")
        judged = sum(map(is_judging, server.asked))
        assert ended.code == 3, ended.err
        assert 30 * start <= judged < 120 * start, (
            "ten questions in three attempts each, in flight more, and not all 40"
        )
        assert "one reply: (no text)" in ended.err
    server.answer = lambda body: (200, {"content": "Verdict: A"}) if is_judging(body) else mumbles(body)
    assert amendment("run", "run.yaml").code == 0
