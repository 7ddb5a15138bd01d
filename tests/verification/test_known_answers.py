"""Checks by libraries: answers by hand, known answers of prompts, hostile answers, threads, a missing library."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from amendment.constitutions import Check
from amendment.data.inputs import read_inputs
from amendment.data.sources import PromptColumns, PromptFile
from amendment.stages.contract import RunSettings
from amendment.verification import known_answers

PERSON = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}


@pytest.mark.parametrize(
    ("kind", "value", "kept", "broken"),
    [
        ("math", "1/2", "That is 4/8, so \\boxed{0.5}.", "\\boxed{2}"),
        ("math", "x^2+2x+1", "So we get $(x+1)^2$.", "So we get $(x-1)^2$."),
        ("math", "\\frac{v^2}{2g}", "It rises to $h = v^2/(2g)$.", "It rises to $h = v^2/g$."),
        ("math", "She pays 6 * 12 = 72.\n#### 72", "He says 71, but it is 72.", "It is 72, or rather 71."),
        ("math", "\\{1, 2\\}", "\\boxed{2, 1}", "\\boxed{1}"),
        ("math", 3, "x = 3", "There is none."),
        ("math", "4", "\\boxed{x = 4}", "\\boxed{5=4}"),
        ("math", "4", "$2 + 2 = 4$", "\\boxed{x = 5 = 4}"),
        ("math", "0.67", "\\boxed{\\frac{2}{3} = 0.67}", "\\boxed{\\frac{2}{3} = 0.6 = 0.67}"),
        ("math", "50%", "\\boxed{50\\% = 0.5}", "\\boxed{5\\% = 0.5}"),
        ("math", "3", "3 - I think", "3+2x"),
        ("math", "2", "5 - 3", "It is 2x + 3."),
        ("math", "5", "First 3 + 2x, hence 5 m/s", "3 + 2x + 5"),
        ("math", "3+2x", "It is 2x + 3.", "It is 2x - 3."),
        ("number", "12.5 m/s", "It flies at 45 km/h for 3 s.", "It flies at 12.5 km/h for 3 s."),
        ("number", "12.5 m/s", "\\boxed{12.5\\,\\text{m/s}}", "\\boxed{12.5}"),
        ("number", "9.81 m/s^2", "$g = 9.8\\ \\mathrm{m/s^{2}}$", "$9.8\\ \\mathrm{m/s}$"),
        ("number", "9.81 m/s^2", "9.8 m s⁻² of it", "9.0 m s⁻²"),
        ("number", "300000 km/s", "about $3\\times 10^{8}$ meters per second", "3 meters per second"),
        ("number", 1234.5, "First 7, then 1,234.5 in total.", "First 1,234.5, then 7 in total."),
        ("number", "-5", "It is −5.", "It is 5."),
        ("number", "1,234", "1234", "1"),
        ("math", 1e-05, "\\boxed{10^{-5}}", "$e-5$"),
        ("math", "1e+20", "\\boxed{10^{20}}", "$e+20$"),
        ("math", "0.0000001", "\\boxed{10^{-7}}", "\\boxed{0.0000003}"),
        ("json_schema", {"type": "number"}, "```JSON\n5\n```", "NaN"),
        ("json_schema", PERSON, '```json\n{"name": "Ann"}\n```', '{"name": 3}'),
        ("json_schema", PERSON, '{"name": "Ann"}', "Ann"),
        ("language", "de", "Bitte halte die Antwort kurz.", "Please keep the answer short."),
    ],
)
def test_each_kind_tells_a_right_answer_from_a_wrong_one(kind: Any, value: Any, kept: str, broken: str) -> None:
    check = Check(kind=kind, value=value)
    assert check.run(kept) == (True, "")
    assert check.run(broken) == (False, "")


@pytest.mark.parametrize("known", ["1e999", "nan", "1/2", "1,5", "1 000 000", "12:30", "2024-05-06", "5 apples"])
def test_a_known_answer_that_is_not_one_number_proves_nothing(known: str) -> None:
    for answer in ("1", "5", "5 apples", known):
        checked = Check(kind="number", value=known).run(answer)
        assert checked.is_kept is None
        assert "expected one number" in checked.reason


def test_a_formula_with_a_letter_in_both_cases_proves_nothing_since_the_library_takes_them_for_one_symbol() -> None:
    checked = Check(kind="math", value="\\frac{m v + M u}{m + M}").run("\\boxed{\\frac{v + u}{2}}")
    assert checked.is_kept is None
    assert "has M and m, which count as the same symbol; use other letters" in checked.reason
    assert Check(kind="math", value="\\frac{m v + n u}{m + n}").run("\\boxed{\\frac{v + u}{2}}").is_kept is False


@pytest.mark.parametrize("known", ["forty-two", "3 apples", "sin x", "True"])
def test_a_known_answer_in_words_proves_nothing_since_the_library_takes_them_for_products(known: str) -> None:
    for answer in ("$42$", known):
        checked = Check(kind="math", value=known).run(answer)
        assert checked.is_kept is None
        assert "expected a number or LaTeX" in checked.reason
    for formula in ("mgh", "a*b*c", "\\sin x", "\\sqrt{2}", "x=1 and x=2"):
        assert Check(kind="math", value=formula).run(f"${formula}$").is_kept, formula


def test_without_a_value_the_known_answer_is_the_prompts_own() -> None:
    check = Check(kind="number", tolerance=0.1)
    assert [check.run("10.5 m", known).is_kept for known in ("10 m", "9 m", None)] == [True, False, None]
    assert "no known answer" in check.run("10.5 m").reason
    assert Check(kind="number", value="7 m").run("7 m", "8 m").is_kept  # the check's own comes first


def test_known_answers_come_from_a_column_and_no_model_sees_them(tmp_path: Path) -> None:
    rows = '{"q": "2+2?", "a": 4}\n{"q": "tests?", "a": [{"stdin": "1", "stdout": "2"}]}\n{"q": "none?", "a": ""}\n'
    (tmp_path / "p.jsonl").write_text(rows)
    source = PromptFile(path="p.jsonl", column=("q",), columns=PromptColumns(answer="a"))
    prompts = [*read_inputs(RunSettings(name="r", prompts=(source,)), tmp_path).prompts.values()]
    assert [prompt.answer for prompt in prompts] == ["4", '[{"stdin": "1", "stdout": "2"}]', None]
    assert prompts[0].id == prompts[0].model_copy(update={"answer": None}).id


@pytest.mark.parametrize(
    ("kind", "value", "hostile"),
    [
        ("math", "3", "$9^{9^{9^9}}$"),
        ("json_schema", {"type": "string", "pattern": "^(a+)+$"}, '"' + "a" * 40 + '!"'),
    ],
)
def test_an_answer_that_keeps_a_library_busy_for_ever_is_not_checked_and_the_next_one_is(
    kind: Any, value: Any, hostile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "took longer than" in Check(kind=kind, value=value).run(hostile).reason
    assert Check(kind="math", value="4").run("4").is_kept


def test_a_library_that_hangs_where_no_signal_arrives_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    Check(kind="math", value="5").run("5")
    assert known_answers._HELPER._process is not None
    known_answers._HELPER._process.send_signal(19)  # SIGSTOP: it will not answer
    monkeypatch.setattr(known_answers, "SECONDS", 0.3)
    assert "took longer than" in Check(kind="math", value="6").run("6").reason
    monkeypatch.undo()
    assert Check(kind="math", value="7").run("7").is_kept


def test_checks_run_in_any_thread() -> None:
    kept: list[bool | None] = []
    work = [
        threading.Thread(target=lambda n=n: kept.append(Check(kind="math", value=n).run(f"{n}").is_kept))
        for n in range(9)
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert kept == [True] * 9


def test_a_check_that_is_interrupted_leaves_no_reply_for_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: object) -> bytes:
        raise KeyboardInterrupt

    check = Check(kind="math", value="3")
    check.run("x = 3")
    with monkeypatch.context() as patch:
        patch.setattr(known_answers._Helper, "_line", interrupt)
        with pytest.raises(KeyboardInterrupt):
            check.run("x = 3, of course")
    assert [check.run(text).is_kept for text in ("It is 7.", "It is 3.", "It is 8.")] == [False, True, False]


def test_an_answer_is_checked_once() -> None:
    check = Check(kind="math", value="x+1")
    check.run("$1+x$")
    began = time.perf_counter()
    assert all(check.run("$1+x$").is_kept for _ in range(1000))
    assert time.perf_counter() - began < 1  # a thousand times SymPy would take ten seconds


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "math", "value": {"a": 1}}, "expected the known answer"),
        ({"kind": "json_schema", "value": "x"}, "expected a JSON schema"),
        ({"kind": "json_schema", "value": {"type": "objekt"}}, "an invalid JSON schema"),
        ({"kind": "language", "value": "German"}, "two letters of a language"),
        ({"kind": "language", "value": "jp"}, "two letters of a language"),
        ({"kind": "language", "value": ["de"]}, "two letters of a language"),
        ({"kind": "math", "tolerance": 0.1}, "only checks of kind number have a tolerance"),
    ],
)
def test_a_wrong_value_says_what_was_expected(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Check.model_validate(fields)


def test_a_missing_library_is_an_error_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(known_answers.LIBRARIES, "math", "no_such_package")
    with pytest.raises(ValidationError, match=r"pip install 'amendment\[verify\]'"):
        Check(kind="math")


def test_a_schema_that_names_an_address_fetches_nothing() -> None:
    checked = Check(kind="json_schema", value={"$ref": "http://127.0.0.1:9/schema"}).run("{}")
    assert checked.is_kept is None
    assert "127.0.0.1:9/schema" in checked.reason
