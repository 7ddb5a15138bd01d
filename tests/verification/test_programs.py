"""Checks of programs: calls with known values, programs that cheat, behaviour, and no sandbox."""

from __future__ import annotations

from functools import partial

import pytest
from pydantic import ValidationError

from amendment.constitutions import Check
from amendment.verification import programs, sandbox
from amendment.verification.sandbox import run_python

TESTS = {"area(2, 3)": 6, "area(0, 9)": 0, "area(1.5, 2)": 3.0}


def answer(body: str) -> str:
    return f"Here it is:\n```python\ndef area(a, b):\n    {body}\n```\nIt multiplies."


@pytest.mark.sandbox
def test_a_program_passes_if_every_call_gives_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    check = Check(kind="tests", value=TESTS)
    assert check.run(answer("return a * b")).is_kept is True
    assert check.run(answer("return a + b")).is_kept is False
    with monkeypatch.context() as patched:
        patched.setattr(programs, "run_python", partial(run_python, seconds=1))
        assert check.run(answer("while True: pass")).is_kept is False
    assert check.run(answer("print('6 0 3.0 PASS')\n    raise SystemExit(0)")).is_kept is False
    assert check.run("area = lambda a, b: b * a").is_kept is True, "without a fence the whole answer is the program"
    assert check.run("I cannot write programs.").is_kept is False


@pytest.mark.sandbox
def test_a_known_answer_is_json_and_an_unreadable_one_is_a_reason() -> None:
    check = Check(kind="tests")
    assert check.run(answer("return a * b"), '{"area(4, 5)": 20}').is_kept is True
    for wrong in ("20", "no json", "{}"):
        assert check.run(answer("return a * b"), wrong).is_kept is None
    with pytest.raises(ValidationError, match="calls with their values"):
        Check(kind="tests", value=3)


@pytest.mark.sandbox
def test_programs_that_behave_alike_have_one_behaviour() -> None:
    bodies = ("return a * b", "return b * a", "return a + b", "return 1 / 0")
    product, same, total, broken = (programs.record_behaviour(answer(body), TESTS) for body in bodies)
    assert product == same
    assert len({product, total, broken}) == 3
    assert broken == ("error",) * 3


def test_without_a_sandbox_a_program_is_not_checked_and_the_reason_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_find_python", lambda: (None, "found no bwrap"))
    checked = Check(kind="tests", value={"area(7, 7)": 49}).run(answer("return a * b"))
    assert checked.is_kept is None
    assert "found no bwrap" in checked.reason
