"""What code can check of an answer: each kind on texts by hand, hostile patterns and answers, functions by name."""

from __future__ import annotations

import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

from amendment.constitutions import Check, Constitution, Principle, lint, load_constitution, register_check
from amendment.errors import ConfigError
from amendment.verification import checks as module
from tests.constitutions.conftest import Write


def principle(*checks: Check, **fields: object) -> Principle:
    return Principle.model_validate({"id": "p", "statement": "Be brief.", "check": checks} | fields)


@pytest.mark.parametrize(
    ("check", "kept", "broken"),
    [
        (Check(kind="max_words", value=3), "Don't stop: now!", "one two three four"),
        (Check(kind="max_words", value=3), "你好吗", "你好吗你"),  # no spaces: each character is a word
        (Check(kind="min_words", value=2), "well-known", "well - !"),
        (Check(kind="matches", value=r"(?i)\bsorry\b"), "So SORRY, no.", "sorrynot"),
        (Check(kind="forbids", value=r"\d{3}[ -]?\d{4}"), "Call 55.", "Call 555-1234 now."),
        (Check(kind="json"), ' {"a": [1, null]}\n', 'Here it is: {"a": 1}'),
        (Check(kind="json"), "12", "NaN"),
        (Check(kind="json"), '"text"', "[" * 100_000),
        (Check(kind="no_list"), "It costs 3.5 - or 4 * 2. In 1999. Then", "Some:\n\n  - this"),
        (Check(kind="no_list"), "**Bold** and -5 degrees\n---", "1. One\n2. Two"),
        (Check(kind="no_list"), "", "> * quoted"),
        (Check(kind="no_list"), "(see 3) above", "First:\n• a bullet"),
    ],
)
def test_each_kind_tells_a_text_that_keeps_it_from_one_that_does_not(check: Check, kept: str, broken: str) -> None:
    assert principle(check).is_kept_by(kept) is True
    assert principle(check).is_kept_by(broken) is False


def test_all_checks_must_hold_and_without_one_nothing_is_known() -> None:
    both = principle(Check(kind="max_words", value=3), Check(kind="forbids", value="bad"))
    assert [both.is_kept_by(text) for text in ("good", "bad", "far too many words")] == [True, False, False]
    assert principle().is_kept_by("good") is None


def test_a_function_that_fails_or_returns_no_truth_is_a_reason_and_never_a_pass() -> None:
    register_check("ours-fails", lambda text: len(text) // 0 > 1)
    register_check("ours-returns-a-number", lambda text: 1)  # type: ignore[arg-type,return-value]
    register_check("ours-exits", lambda text: sys.exit(0))
    register_check("ours-is-even", lambda text: len(text) % 2 == 0)
    fails, number, even = (
        Check(kind="function", value=f"ours-{name}") for name in ("fails", "returns-a-number", "is-even")
    )
    assert principle(fails).is_kept_by("text") is None
    assert "ZeroDivisionError" in principle(fails).check_answer("text").reason
    assert "SystemExit" in principle(Check(kind="function", value="ours-exits")).check_answer("text").reason
    assert "returned 1" in principle(number).check_answer("text").reason
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


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"^(\w+\s?)*$", "(a|aa)+$", "((a{0,30}){0,30})b"])
def test_a_pattern_that_would_hang_others_reads_a_long_hostile_answer_at_once(pattern: str) -> None:
    began = time.perf_counter()
    assert principle(Check(kind="matches", value=pattern)).is_kept_by("a" * 1_000_000 + "!") is False
    assert time.perf_counter() - began < 5  # a backtracking matcher needs longer than the universe is old


@pytest.mark.parametrize(
    ("check", "place", "message"),
    [
        ({"kind": "max_words"}, "check[0]", "found nothing, expected a number of words"),
        ({"kind": "max_words", "value": 0}, "check[0].value", "found 0, expected a number of words"),
        ({"kind": "min_words", "value": True}, "check[0].value", "found True, expected a number of words"),
        ({"kind": "matches", "value": "("}, "check[0].value", "missing )"),
        ({"kind": "forbids", "value": "(?=a)b"}, "check[0].value", "lookaround"),
        ({"kind": "forbids", "value": "((a{1000}){1000}){1000}"}, "check[0].value", "repetition"),
        ({"kind": "json", "value": "x"}, "check[0].value", "delete the key"),
        ({"kind": "function", "value": "os.system"}, "check[0].value", "no check named 'os.system' is registered"),
        ({"kind": "max_word", "value": 3}, "check[0].kind", "max_words"),
    ],
)
def test_a_wrong_kind_or_value_fails_when_the_file_is_read_with_its_place(
    check: dict[str, object], place: str, message: str, write: Write
) -> None:
    content = {"id": "ours", "version": "1.0.0", "title": "Ours", "license": "CC0-1.0"}
    rule = {"id": "p", "statement": "Be brief.", "compare": ["Which?"], "check": [check]}
    path = write("ours.yaml", content | {"principles": [rule]})
    with pytest.raises(ConfigError) as refused:
        load_constitution(path)
    assert len(refused.value.problems) == 1
    assert f"principles[0].{place}" in str(refused.value)
    assert message in str(refused.value)


def test_a_child_takes_over_checks_and_replaces_them(write: Write) -> None:
    content = {"version": "1.0.0", "title": "Ours", "license": "CC0-1.0"}
    short, plain = (
        {"id": name, "statement": f"Be {name}.", "compare": ["Which?"], "check": [{"kind": "max_words", "value": 5}]}
        for name in ("short", "plain")
    )
    write("parent.yaml", content | {"id": "parent", "principles": [short, plain]})
    longer = {**short, "opposite": "Ramble.", "check": [{"kind": "max_words", "value": 9}]}
    child = write("child.yaml", content | {"id": "child", "extends": ["./parent.yaml"], "principles": [longer]})
    merged = load_constitution(child)
    kept = {rule.id: rule.is_kept_by("one two three four five six") for rule in merged.principles}
    assert kept == {"short": True, "plain": False}
    assert merged.principle("short").opposite == "Ramble."


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


def test_a_constitution_with_checks_survives_writing(tmp_path: Path) -> None:
    from amendment.constitutions import write_constitution

    rule = principle(
        Check(kind="forbids", value=r"\d{3}[ -]?\d{4}"), Check(kind="no_list"), compare=("Which?",), opposite="Ramble."
    )
    write_constitution(constitution(rule), tmp_path / "ours.yaml")
    assert load_constitution(tmp_path / "ours.yaml") == constitution(rule)
