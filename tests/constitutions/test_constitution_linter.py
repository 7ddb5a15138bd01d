"""The linter: one constitution with many faults, each found at its place; and none found where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from amendment.constitutions import AppliesWhen, Constitution, Principle, lint, lint_file

FAULTY = """\
id: faulty
version: 1.0.0
title: Everything that can be wrong
license: CC0-1.0
principles:
  - {id: a, statement: Do not tell lies to the reader., critique: [c], revise: [r], compare: [q]}
  - {id: b, statement: Do not tell lies to the public., critique: [c], revise: [r], compare: [q]}
  - {id: a, statement: Never insult anybody., critique: [c], revise: [r], compare: [q]}
  - {id: c, statement: Avoid long words., critique: [c], compare: [q]}
  - {id: d, statement: An answer must not wander., critique: [c]}
  - {id: e, statement: Be clear., compare: [q], applies_when: {categories: []}}
  - {id: f, statement: Don't brag., critique: [c], revise: [r], compare: [q],
     applies_when: {categories: [harm, peopel]}}
  - id: g
    statement: No jargon.
    critique: [c]
    revise: [r]
    cases: [{prompt: p, better: same, worse: same, why: none}]
few_shot:
  compare:
    - {prompt: p, a: x, b: y, answer: A, principle: z}
    - {prompt: p, a: x, b: x, answer: A}
"""


def principle(id: str = "p", **fields: Any) -> Principle:
    texts: dict[str, Any] = {"statement": f"Only about {id}.", "critique": ("c",), "revise": ("r",), "compare": ("q",)}
    return Principle(id=id, **(texts | fields))


def constitution(*principles: Principle, **fields: Any) -> Constitution:
    return Constitution(
        id="test", version="1.0.0", title="A test", license="CC0-1.0", principles=principles or (principle(),), **fields
    )


def test_a_faulty_file_is_told_whole_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "faulty.yaml"
    path.write_text(FAULTY)
    found = [
        f"{finding.level} {finding.place.removeprefix(f'{path}:')}: {finding.message.split(';')[0].split(':')[0]}"
        for finding in lint_file(path, categories=["harm", "people"])
    ]
    assert "\n".join(found) == FAULTS


FAULTS = """\
warning 7:24: principles[1].statement: says nearly the same as 'a' (similarity 0.71)
error 8:10: principles[2].id: the id 'a' appears twice, first as principles[0]
warning 9:53: principles[3].critique: 'c' has `critique` but no `revise`
error 10:5: principles[4]: 'd' can be used by no stage
warning 11:5: principles[5]: 'e' has no `critique` and `revise`
error 11:76: principles[5].applies_when.categories: nothing is named
warning 13:40: principles[6].applies_when.categories[1]: no prompt has the category 'peopel' (did you mean 'people'?)
warning 14:5: principles[7]: 'g' has no `compare`
error 18:13: principles[7].cases[0]: `better` and `worse` are the same text
warning 21:5: few_shot.compare: 2 of 2 examples have the answer A
warning 21:53: few_shot.compare[0].principle: there is no principle 'z'
error 22:7: few_shot.compare[1]: `a` and `b` are the same text"""


def test_a_file_that_is_no_constitution_is_findings_not_an_exception(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    assert [finding.level for finding in lint_file(path)] == ["error"]
    path.write_bytes(b"\xff\xfe\x00")
    assert [finding.level for finding in lint_file(path)] == ["error"]
    path.write_text("id: x\nid: y\n[")
    assert len(lint_file(path)) == 2
    path.write_text("id: x\nversion: 1.0\ntitel: t\n")
    places = [finding.place.removeprefix(f"{path}:") for finding in lint_file(path)]
    assert places == ["1:1: title", "1:1: license", "2:10: version", "3:1: titel"]


def test_a_principle_that_no_prompt_reaches_is_an_error_where_categories_are_known() -> None:
    scoped = constitution(principle(applies_when=AppliesWhen(categories=("harm",))))
    assert lint(scoped) == lint(scoped, categories=["harm"]) == []
    assert [finding.level for finding in lint(scoped, categories=["people"])] == ["error", "warning"]


def test_a_veto_that_no_judge_can_ask_for_is_an_error() -> None:
    (finding, *_) = lint(constitution(principle(hard=True, compare=())))
    assert (finding.level, finding.place) == ("error", "test: principles[0].hard")
    assert "vetoes nothing" in finding.message
    assert lint(constitution(principle(hard=True))) == []


@pytest.mark.parametrize(
    ("statement", "is_biased"),
    [
        ("Prefer the longer answer.", True),
        ("Which answer has more words?", True),
        ("Make the answer longer.", True),
        ("Prefer answers with bullet points and headings.", True),
        ("Use markdown.", True),
        ("Do not prefer the longer answer.", False),
        ("Which answer is longer than the question needs?", False),
        ("Prefer the answer that says which treatment lasts longer.", False),
        ("Give steps as a numbered list where their order counts.", False),
    ],
)
def test_a_rule_that_asks_for_what_judges_are_biased_to_is_doubtful(statement: str, is_biased: bool) -> None:
    for field in ({"statement": statement}, {"compare": (statement,)}, {"revise": (statement,)}):
        levels = [finding.level for finding in lint(constitution(principle(**field)))]
        assert levels == ["warning"] * is_biased, field
    assert lint(constitution(principle(opposite=statement))) == []


@pytest.mark.parametrize("hole", ["{answer_a}", "{Response}", "{ prompt }"])
def test_a_placeholder_in_a_principle_is_an_error_however_it_is_written(hole: str) -> None:
    (finding,) = lint(constitution(principle(compare=(f"Is {hole} kind?",))))
    assert (finding.level, finding.place) == ("error", "test: principles[0].compare[0]")
