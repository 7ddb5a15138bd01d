"""A judge is a folder of text: found by id or path, and refused with the place of what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from amendment.errors import ConfigError
from amendment.preference import load_judge_folder, shipped_judges
from tests.command_line import amendment

SPEC = """\
id: mine
version: 1.0.0
protocol: verdict
template: compare.txt
"""
TEMPLATE = "{conversation} {answer_a} {answer_b} {principle} {question}\n"


def folder(base: Path, *, spec: str = SPEC, template: str | bytes | None = TEMPLATE) -> Path:
    made = base / "mine"
    made.mkdir()
    (made / "judge.yaml").write_text(spec)
    if template is not None:
        (made / "compare.txt").write_bytes(template if isinstance(template, bytes) else template.encode())
    return made


def refusal(name: str | Path, base: Path | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_judge_folder(name, base=base)
    return str(caught.value)


def test_a_folder_of_ones_own_is_found_by_path_or_beside_the_run_file(tmp_path: Path) -> None:
    made = folder(tmp_path)
    by_path, by_name = load_judge_folder(made), load_judge_folder("mine", base=tmp_path)
    assert (by_path.id, by_path.version, by_path.protocol.parser, by_path.sees) == (
        "mine",
        "1.0.0",
        "verdict-line",
        "answer",
    )
    assert by_path.template.id == by_name.template.id
    assert by_path.template.text == TEMPLATE


@pytest.mark.parametrize("name", ["../secret.txt", "/etc/hostname", "..", ".", "a/b.txt", "''", "link.txt"])
def test_a_template_lies_in_the_folder_itself(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.txt").write_text(TEMPLATE)
    made = folder(tmp_path, spec=SPEC.replace("compare.txt", name))
    (made / "link.txt").symlink_to("../secret.txt")
    assert refusal(made).startswith(f"{made / 'judge.yaml'}:4:")


def test_a_template_has_known_holes_and_a_megabyte_at_most(tmp_path: Path) -> None:
    made = folder(tmp_path, template=TEMPLATE + "{anwser_a}")
    assert refusal(made).startswith(f"{made / 'compare.txt'}: unknown placeholder {{anwser_a}}; known are answer_a, ")
    (made / "compare.txt").write_text(TEMPLATE.ljust(1_000_001))
    assert "template: compare.txt has 1,000,001 bytes, expected 1,000,000 at most" in refusal(made)
    (made / "compare.txt").write_text(TEMPLATE.ljust(1_000_000))
    assert len(load_judge_folder(made).template.text) == 1_000_000


@pytest.mark.parametrize(
    ("protocol", "template", "complaint"),
    [
        ("verdict", "{answer_a} {answer_b} {principle}", "compare.txt lacks the placeholder {conversation}"),
        ("yes-no", "{candidate}", "compare.txt lacks the placeholder {conversation}"),
        ("yes-no", "{conversation} {candidate} {question}", "compare.txt lacks the placeholder {principle}"),
        ("verdict", TEMPLATE + "{Response-A}", "unknown placeholder {Response-A}; known are answer_a"),
        ("verdict", TEMPLATE + "{ Principle }", "unknown placeholder { Principle }; known are answer_a"),
    ],
)
def test_check_refuses_a_template_that_hides_the_conversation_or_sends_braces_to_the_judge(
    tmp_path: Path, protocol: str, template: str, complaint: str
) -> None:
    folder(tmp_path, spec=SPEC.replace("protocol: verdict", f"protocol: {protocol}"), template=template)
    (tmp_path / "run.yaml").write_text(
        "name: r\nconstitution: lilliput\nprompts: [{lilliput: 2}]\nmodels: {m: {provider: simulated}}\n"
        "candidates: [{model: m, per_prompt: 2}]\njudging: {judges: [{model: m, protocol: ./mine}]}\n"
    )
    ended = amendment("check", tmp_path / "run.yaml")
    assert ended.code == 2
    assert complaint in ended.said
    (tmp_path / "mine" / "compare.txt").write_text(TEMPLATE + r'\boxed{Yes} {"verdict": "A"} {A}')
    (tmp_path / "mine" / "judge.yaml").write_text(SPEC)
    assert amendment("check", tmp_path / "run.yaml").code == 0, "other braces are text"


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("protocol: verdict", "protocl: verdict"),
        ("id: mine", "id: Mine!"),
        ("id: mine", f"id: {'m' * 65}"),
        ("version: 1.0.0", f"version: '{'1' * 65}'"),
        ("version: 1.0.0", 'version: "1.0\\e[31m"'),
        ("version: 1.0.0\n", ""),
    ],
)
def test_a_wrong_key_or_value_is_refused_with_its_place(tmp_path: Path, line: str, instead: str) -> None:
    made = folder(tmp_path, spec=SPEC.replace(line, instead))
    assert refusal(made).startswith(f"{made / 'judge.yaml'}:")


@pytest.mark.parametrize(
    ("line", "instead", "complaint"),
    [
        ("protocol: verdict", "protocol: reasoned\nshots: true", "shots: found true, expected false"),
        ("template: compare.txt", "templates: {ask: compare.txt}", "templates: protocol verdict has one text"),
        ("template: compare.txt\n", "", "found no template, expected the name of a file"),
        ("template: compare.txt", "template: compare.txt\ncriteria: [{id: x, text: X}]", "criteria: found criteria in"),
    ],
)
def test_what_does_not_fit_the_protocol_is_refused_at_its_place(
    tmp_path: Path, line: str, instead: str, complaint: str
) -> None:
    made = folder(tmp_path, spec=SPEC.replace(line, instead))
    text = refusal(made)
    assert text.startswith(f"{made / 'judge.yaml'}:")
    assert complaint in text


def test_a_protocol_of_two_texts_names_both(tmp_path: Path) -> None:
    spec = SPEC.replace("protocol: verdict", "protocol: score")
    made = folder(tmp_path, spec=spec, template="{conversation} {candidate}")
    assert "has several texts: name files under templates, for tokens, written" in refusal(made)
    (made / "judge.yaml").write_text(spec.replace("template: compare.txt", "templates: {tokens: compare.txt}"))
    assert "found templates tokens, expected tokens, written" in refusal(made)
    both = spec.replace("template: compare.txt", "templates: {tokens: compare.txt, written: then.txt}")
    (made / "judge.yaml").write_text(both)
    assert "templates.written: no file then.txt" in refusal(made)


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("structured", "verdict with structured: true"),
        ("reasoned-tokens", "reasoned"),
        ("listwise", "ranking: adaptive"),
    ],
)
def test_a_retired_protocol_is_refused_with_its_replacement(tmp_path: Path, name: str, instead: str) -> None:
    text = refusal(folder(tmp_path, spec=SPEC.replace("protocol: verdict", f"protocol: {name}")))
    assert text.startswith(f"{tmp_path / 'mine' / 'judge.yaml'}:3:")
    assert instead in text
    if name not in shipped_judges():
        assert instead in refusal(name)


def test_structured_output_is_a_switch_of_verdict(tmp_path: Path) -> None:
    spec = SPEC + "structured: true\n"
    made = load_judge_folder(folder(tmp_path, spec=spec))
    assert (made.protocol.name, made.protocol.parser, made.shots) == ("verdict", "verdict-json", False)
    (tmp_path / "mine" / "judge.yaml").write_text(spec.replace("protocol: verdict", "protocol: reasoned"))
    assert "structured: found true in protocol reasoned" in refusal(tmp_path / "mine")


RUBRIC = """\
id: mine
version: 1.0.0
protocol: rubric
template: compare.txt
criteria:
  - {id: kind, text: Is it kind?, choices: [no, partly, yes], weight: 2}
  - {id: lies, text: Does it lie?, weight: -1}
"""


def test_a_rubric_brings_its_criteria(tmp_path: Path) -> None:
    made = folder(tmp_path, spec=RUBRIC, template="{conversation} {candidate} {criteria}")
    kind, lies = load_judge_folder(made).criteria
    assert (kind.choices, kind.weight) == (("no", "partly", "yes"), 2.0)
    assert (lies.choices, lies.weight) == (("no", "yes"), -1.0)
    (made / "judge.yaml").write_text(RUBRIC.replace("id: lies", "id: kind"))
    assert "criteria: found two criteria of one id" in refusal(made)
    (made / "judge.yaml").write_text(RUBRIC.replace("weight: -1", "weight: 0"))
    assert "criteria[1]" in refusal(made)
    for weight in (".nan", ".inf", "1000001", "-1e7"):
        (made / "judge.yaml").write_text(RUBRIC.replace("weight: -1", f"weight: {weight}"))
        assert "criteria[1].weight" in refusal(made)


def test_the_hash_follows_what_a_folder_says_and_nothing_else(tmp_path: Path) -> None:
    made = folder(tmp_path)
    before = load_judge_folder(made).hash
    (made / "judge.yaml").write_text(f"# a comment\n{SPEC}sees: answer\n")
    assert load_judge_folder(made).hash == before
    made.rename(tmp_path / "elsewhere")
    assert load_judge_folder(tmp_path / "elsewhere").hash == before
    for name, text in (("compare.txt", TEMPLATE + "!"), ("judge.yaml", SPEC.replace("1.0.0", "1.0.1"))):
        (tmp_path / "elsewhere" / name).write_text(text)
        after = load_judge_folder(tmp_path / "elsewhere").hash
        assert after != before
        before = after
    assert len({load_judge_folder(name).hash for name in shipped_judges()}) == len(shipped_judges())
