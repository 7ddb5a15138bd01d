"""A judge is a folder of text: found by id or path, and refused with the place of what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from amendment.errors import ConfigError
from amendment.preference import load_judge_folder, shipped_judges

SPEC = """\
id: mine
version: 1.0.0
protocol: compare
scale: pair
parser: verdict-line
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


@pytest.mark.parametrize("name", shipped_judges())
def test_every_shipped_judge_loads_under_its_own_id(name: str) -> None:
    assert load_judge_folder(name).id == name


def test_the_shipped_judges_differ_in_what_they_ask_of_a_model() -> None:
    assert {name: load_judge_folder(name).needs_choices for name in shipped_judges()} == {
        "label-tokens": True,
        "verdict": False,
    }


def test_a_folder_of_ones_own_is_found_by_path_or_beside_the_run_file(tmp_path: Path) -> None:
    made = folder(tmp_path)
    by_path, by_name = load_judge_folder(made), load_judge_folder("mine", base=tmp_path)
    assert (by_path.id, by_path.version, by_path.parser, by_path.sees) == ("mine", "1.0.0", "verdict-line", "answer")
    assert by_path.template.id == by_name.template.id
    assert by_path.template.text == TEMPLATE


def test_an_unknown_judge_gets_a_suggestion(tmp_path: Path) -> None:
    text = refusal("verdcit", tmp_path)
    assert "no judge 'verdcit'" in text
    assert "did you mean" in text
    assert "shipped are label-tokens, verdict, or name a folder with a judge.yaml" in text
    assert "no judge" in refusal(tmp_path)  # a folder without judge.yaml


def test_a_hole_that_nobody_fills_is_named_with_its_file(tmp_path: Path) -> None:
    made = folder(tmp_path, template=TEMPLATE + "{anwser_a}")
    text = refusal(made)
    assert text.startswith(f"{made / 'compare.txt'}: unknown hole {{anwser_a}}; known are answer_a, ")


def test_a_template_must_show_both_answers(tmp_path: Path) -> None:
    text = refusal(folder(tmp_path, template="{conversation} {answer_a} {principle}"))
    assert "template: compare.txt lacks the hole {answer_b}" in text


def test_a_template_that_is_not_there_is_named_at_its_line(tmp_path: Path) -> None:
    made = folder(tmp_path, template=None)
    assert refusal(made).startswith(f"{made / 'judge.yaml'}:6:")
    assert f"no file compare.txt in {made}" in refusal(made)


def test_a_template_that_is_not_text_is_refused(tmp_path: Path) -> None:
    assert "compare.txt is not UTF-8 text (byte 1)" in refusal(folder(tmp_path, template=b"x\xff"))


@pytest.mark.parametrize("name", ["../secret.txt", "/etc/hostname", "..", ".", "a/b.txt", "''"])
def test_a_template_lies_in_the_folder_itself(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.txt").write_text(TEMPLATE)
    made = folder(tmp_path, spec=SPEC.replace("compare.txt", name))
    assert refusal(made).startswith(f"{made / 'judge.yaml'}:6:")


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text(TEMPLATE)
    made = folder(tmp_path, template=None)
    (made / "compare.txt").symlink_to("../secret.txt")
    assert f"compare.txt is a link that leaves {made}; put a copy of the file there" in refusal(made)


def test_a_folder_reached_through_a_link_is_fine(tmp_path: Path) -> None:
    made = folder(tmp_path)
    (tmp_path / "alias").symlink_to(made)
    assert load_judge_folder("alias", base=tmp_path).id == "mine"


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("parser: verdict-line", "parser: last-letter"),
        ("scale: pair", "scale: score"),
        ("protocol: compare", "protocl: compare"),
        ("id: mine", "id: Mine!"),
        ("version: 1.0.0\n", ""),
    ],
)
def test_a_wrong_key_or_value_is_refused_with_its_place(tmp_path: Path, line: str, instead: str) -> None:
    made = folder(tmp_path, spec=SPEC.replace(line, instead))
    assert refusal(made).startswith(f"{made / 'judge.yaml'}:")
