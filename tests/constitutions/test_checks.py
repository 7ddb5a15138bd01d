"""What code can check of an answer: each kind on texts by hand, hostile patterns and answers, functions by name."""

from __future__ import annotations

import sys
import time
from importlib import metadata
from typing import Any

import pytest

from amendment.constitutions import Check, Constitution, Principle, lint, load_constitution, register_check
from amendment.errors import ConfigError
from amendment.verification import checks as module
from tests.constitutions.conftest import Write


def principle(*checks: Check, **fields: object) -> Principle:
    return Principle.model_validate({"id": "p", "statement": "Be brief.", "check": checks} | fields)


@pytest.mark.parametrize(
    ("kind", "value", "kept", "broken"),
    [
        ("max_words", 3, "Don't stop: now!", "one two three four"),
        ("max_words", 3, "你好吗", "你好吗你"),  # no spaces: each character is a word
        ("min_words", 2, "well-known", "well - !"),
        ("matches", r"(?i)\bsorry\b", "So SORRY, no.", "sorrynot"),
        ("forbids", r"\d{3}[ -]?\d{4}", "Call 55.", "Call 555-1234 now."),
        ("json", None, ' {"a": [1, null]}\n', 'Here it is: {"a": 1}'),
        ("json", None, "12", "NaN"),
        ("json", None, '"text"', "[" * 100_000),
        ("no_list", None, "It costs 3.5 - or 4 * 2. In 1999. Then", "Some:\n\n  - this"),
        ("no_list", None, "**Bold** and -5 degrees\n---", "1. One\n2. Two"),
        ("no_list", None, "(see 3) above", "> * quoted"),
    ],
)
def test_each_kind_tells_a_text_that_keeps_it_from_one_that_does_not(
    kind: str, value: Any, kept: str, broken: str
) -> None:
    rule = principle(Check.model_validate({"kind": kind} | ({"value": value} if value else {})))
    assert (rule.is_kept_by(kept), rule.is_kept_by(broken)) == (True, False)


def test_all_checks_must_hold_and_without_one_nothing_is_known() -> None:
    both = principle(Check(kind="max_words", value=3), Check(kind="forbids", value="bad"))
    assert [both.is_kept_by(text) for text in ("good", "bad", "far too many words")] == [True, False, False]
    assert principle().is_kept_by("good") is None


def test_a_function_that_fails_or_returns_no_truth_is_a_reason_and_never_a_pass() -> None:
    register_check("ours-fails", lambda text: len(text) // 0 > 1)
    register_check("ours-returns-a-number", lambda text: 1)  # type: ignore[arg-type,return-value]
    register_check("ours-exits", lambda text: sys.exit(0))
    register_check("ours-is-even", lambda text: len(text) % 2 == 0)
    fails, number, exits, even = (
        Check(kind="function", value=f"ours-{name}") for name in ("fails", "returns-a-number", "exits", "is-even")
    )
    for check, reason in ((fails, "ZeroDivisionError"), (number, "returned 1"), (exits, "SystemExit")):
        found = principle(check).check_answer("text")
        assert found.is_kept is None
        assert reason in found.reason
    assert [principle(even).is_kept_by(text) for text in ("two.", "odd")] == [True, False]
    assert principle(fails, even).is_kept_by("odd") is False  # one that fails decides
    assert principle(fails, even).is_kept_by("even") is None
    with pytest.raises(ValueError, match="already"):
        register_check("ours-fails", lambda text: True)


def test_what_cannot_be_called_like_a_check_is_not_registered() -> None:
    async def later(text: str) -> bool:
        return bool(text)

    for wrong in ("keyword.iskeyword", later):
        with pytest.raises(ValueError, match="expected a function from a text to True or False"):
            register_check("ours-is-none", wrong)  # type: ignore[arg-type]


def test_an_installed_package_brings_a_function_by_an_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = metadata.EntryPoint("theirs", "keyword:iskeyword", module.ENTRY_POINTS)
    broken = metadata.EntryPoint("broken", "no_such_package:f", module.ENTRY_POINTS)
    monkeypatch.setattr(metadata, "entry_points", lambda group: [entry, broken])
    check = Check(kind="function", value="theirs")
    assert [principle(check).is_kept_by(text) for text in ("class", "classes")] == [True, False]
    with pytest.raises(ValueError, match="no_such_package"):
        Check(kind="function", value="broken")


@pytest.mark.parametrize("pattern", [r"(a+)+$", "((a{0,30}){0,30})b"])
def test_a_pattern_that_would_hang_others_reads_a_long_hostile_answer_at_once(pattern: str) -> None:
    began = time.perf_counter()
    assert principle(Check(kind="matches", value=pattern)).is_kept_by("a" * 1_000_000 + "!") is False
    assert time.perf_counter() - began < 5  # a backtracking matcher needs longer than the universe is old


@pytest.mark.parametrize(
    ("check", "place", "message"),
    [
        ("{kind: max_words}", "check[0]", "found nothing, expected a number of words"),
        ("{kind: min_words, value: true}", "check[0].value", "found True, expected a number of words"),
        ("{kind: matches, value: '('}", "check[0].value", "missing )"),
        ("{kind: forbids, value: '(?=a)b'}", "check[0].value", "lookaround"),
        ("{kind: forbids, value: '((a{1000}){1000}){1000}'}", "check[0].value", "repetition"),
        ("{kind: json, value: x}", "check[0].value", "delete the key"),
        ("{kind: function, value: os.system}", "check[0].value", "no check named 'os.system' is registered"),
        ("{kind: max_word, value: 3}", "check[0].kind", "max_words"),
    ],
)
def test_a_wrong_kind_or_value_fails_when_the_file_is_read_with_its_place(
    check: str, place: str, message: str, write: Write
) -> None:
    rule = f"{{id: p, statement: Be brief., compare: [Which?], check: [{check}]}}"
    path = write("ours.yaml", f"{{id: ours, version: 1.0.0, title: Ours, license: CC0-1.0, principles: [{rule}]}}")
    with pytest.raises(ConfigError) as refused:
        load_constitution(path)
    [problem] = map(str, refused.value.problems)
    assert f"principles[0].{place}" in problem
    assert message in problem


def constitution(*principles: Principle) -> Constitution:
    fields = {"id": "ours", "version": "1.0.0", "title": "Ours", "license": "CC0-1.0"}
    return Constitution.model_validate(fields | {"principles": principles})


def test_checks_and_opposites_are_part_of_the_name_and_a_principle_may_have_nothing_else() -> None:
    bare = constitution(principle(compare=("Which?",)))
    short = constitution(principle(Check(kind="max_words", value=5), compare=("Which?",)))
    other = constitution(principle(Check(kind="max_words", value=6), compare=("Which?",)))
    opposed = constitution(principle(compare=("Which?",), opposite="Ramble."))
    assert len({each.content_hash for each in (bare, short, other, opposed)}) == 4
    findings = lint(constitution(principle(Check(kind="json"))))
    assert [finding.level for finding in findings] == ["warning"]  # no judge of pairs asks by it


def test_the_linter_finds_checks_that_contradict_themselves_or_their_cases() -> None:
    case = {"prompt": "Why?", "better": "Well, because of this.", "worse": "No.", "why": "It answers."}
    words = (Check(kind="min_words", value=9), Check(kind="max_words", value=3))
    rule = principle(*words, opposite="Be  Brief.", compare=("Which?",), critique=("Q",), revise=("R",), cases=[case])
    places = {finding.place: finding.level for finding in lint(constitution(rule))}
    assert places["ours: principles[0].opposite"] == "error", "also where white space and capitals differ"
    assert places["ours: principles[0].check"] == "error"
    assert places["ours: principles[0].cases[0].better"] == "warning"
