"""Runs against a server on loopback, through the real SDK: refused keys, lasting faults, recovery."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import AmendmentError, CredentialsError
from amendment.run import Patience, Paused, Run
from tests.command_line import called

KEY = "canary-key-83b1"
QUICK = Patience(attempts=2, longest_wait=0.01)

Answer = Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]


@pytest.fixture
def hosted(tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run file that draws one answer to each of twenty prompts from the server."""
    monkeypatch.setenv("OUR_SERVER_KEY", KEY)
    (tmp_path / "p.jsonl").write_text("".join(json.dumps({"prompt": f"question {i:02}"}) + "\n" for i in range(20)))
    path = tmp_path / "run.yaml"
    path.write_text(
        "name: hosted\nprompts: [{path: p.jsonl}]\n"
        f"models: {{far: {{provider: openai, base_url: '{server.url}', model: m, api_key_env: OUR_SERVER_KEY}}}}\n"
        "candidates: [{model: far, per_prompt: 1}]\n"
    )
    return path


def asked(server: Any) -> Counter[str]:
    return Counter(body["messages"][-1]["content"] for body in server.asked)


def failing(*words: str) -> Answer:
    """Answers all but the questions that hold one of these words, which get status 500."""

    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        question = body["messages"][-1]["content"]
        return 500 if any(word in question for word in words) else 200, {
            "role": "assistant",
            "content": f"about {question}",
        }

    return answer


def command_line(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of a command, with a patience that tests can wait for."""
    monkeypatch.setattr(Patience.__new__, "__defaults__", tuple(QUICK))
    return called(*arguments)


def test_a_refused_key_ends_the_run_after_few_calls_with_code_6(
    hosted: Path, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answer = lambda body: (401, {})
    many = ["--set", "candidates.0.per_prompt=10"]
    assert command_line(monkeypatch, "run", str(hosted), "--folder", str(tmp_path / "run"), *many) == 6
    said = capsys.readouterr().err
    assert "the key in OUR_SERVER_KEY was refused. Check the key" in said
    assert KEY not in said
    assert len(server.asked) < 40, "of 200: what was in flight, and what had begun before the first answer was read"
    with pytest.raises(CredentialsError):
        Run.from_file(hosted, folder=tmp_path / "run")()


def test_lasting_faults_pause_the_run_and_only_their_items_are_asked_again(
    hosted: Path, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answer = failing("03", "11")
    assert command_line(monkeypatch, "run", str(hosted), "--folder", str(tmp_path / "run")) == 3
    said = capsys.readouterr().err
    assert "candidates: 2 of 20 items are pending; run again to continue." in said
    assert "status 500" in said
    assert f"Go on with: amendment run {hosted} --folder {tmp_path / 'run'}" in said
    assert set(asked(server).values()) == {1, 2}
    assert [text for text, times in asked(server).items() if times == 2] == ["question 03", "question 11"]

    server.asked.clear()
    server.answer = failing()
    result = Run.from_file(hosted, folder=tmp_path / "run", patience=QUICK)()
    assert asked(server) == {"question 03": 1, "question 11": 1}
    assert result.summary["stages"]["candidates"]["done"] == 20

    undisturbed = Run.from_file(hosted, folder=tmp_path / "other", patience=QUICK)()
    for name in ("candidates", "endings"):
        path = f"candidates/{name}.parquet"
        assert (result.folder / path).read_bytes() == (undisturbed.folder / path).read_bytes()


def test_a_fault_that_passes_is_not_noticed(hosted: Path, server: Any, tmp_path: Path) -> None:
    seen: set[str] = set()

    def once(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        question = body["messages"][-1]["content"]
        fails = question not in seen and int(question[-2:]) % 3 == 0
        seen.add(question)
        return (503 if fails else 200), {"role": "assistant", "content": "yes"}

    server.answer = once
    result = Run.from_file(hosted, folder=tmp_path / "run", patience=QUICK)()
    assert result.summary["stages"]["candidates"]["done"] == 20
    assert sorted(asked(server).values()) == [1] * 13 + [2] * 7


def test_all_refused_is_told_with_the_commonest_reason(hosted: Path, server: Any, tmp_path: Path) -> None:
    server.answer = lambda body: (422, {})
    with pytest.raises(AmendmentError, match=r"no item was done \(20 failed\).*Most often: .*status 422: not now"):
        Run.from_file(hosted, folder=tmp_path / "run", patience=QUICK)()


def test_refusals_are_data_and_not_asked_again(hosted: Path, server: Any, tmp_path: Path) -> None:
    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        refuses = "question 0" in body["messages"][-1]["content"]
        said = {"content": None, "refusal": "no", "finish_reason": "content_filter"} if refuses else {"content": "yes"}
        return 200, {"role": "assistant", **said}

    server.answer = answer
    counts = Run.from_file(hosted, folder=tmp_path / "run", patience=QUICK)().summary["stages"]["candidates"]
    assert (counts["done"], counts["refused"]) == (10, 10)
    (tmp_path / "run/candidates/candidates.parquet").unlink()
    again = Run.from_file(hosted, folder=tmp_path / "run", patience=QUICK)()
    assert (again.sent, again.ran) == (0, ("candidates",))


def test_no_key_stands_in_any_file_and_it_goes_to_its_server_alone(hosted: Path, server: Any, tmp_path: Path) -> None:
    server.answer = failing("03")
    with pytest.raises(Paused):
        Run.from_file(hosted, folder=tmp_path / "run", patience=QUICK)()
    assert server.keys == {f"Bearer {KEY}"}
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
