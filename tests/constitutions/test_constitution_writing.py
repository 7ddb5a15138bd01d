"""A constitution as YAML: people like to read it, and the reader gives back exactly what was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amendment.constitutions import (
    AppliesWhen,
    Case,
    Check,
    CompareExample,
    Constitution,
    ConstitutionSource,
    CritiqueExample,
    FewShot,
    Principle,
    ReviseExample,
    Score,
    constitution_yaml,
    load_constitution,
    write_constitution,
)
from amendment.errors import ConfigError
from amendment.yamlfile import MAX_BYTES, parse_yaml, validate
from tests.constitutions.conftest import TEXTS


def constitution(*principles: Principle, **fields: Any) -> Constitution:
    return Constitution(
        **{"id": "ours", "version": "1.0.0", "title": "A test", "license": "CC0-1.0", "principles": principles} | fields
    )


def principle(**fields: Any) -> Principle:
    return Principle(**{"id": "p", "statement": "Be right.", "compare": ("Which is right?",)} | fields)


def read(text: str) -> Constitution:
    return validate(parse_yaml(text, "any.yaml"), Constitution)


@settings(max_examples=150)
@given(TEXTS, TEXTS, st.integers(-(2**63), 2**63 - 2))
def test_what_is_written_is_read_back_exactly(text: str, other: str, grade: int) -> None:
    full = principle(
        statement=text,
        text=other,
        rationale=text,
        weight=0.1,
        tier=2,
        opposite=f"not {text}",
        check=(Check(kind="forbids", value=r"\d{3}[ -]?\d{4}"), Check(kind="no_list")),
        tags=(text, other),
        applies_when=AppliesWhen(categories=(other,), tags=(text,)),
        critique=(text, other),
        revise=(other,),
        score=Score(question=text, anchors={grade: other, grade + 1: text}),
        cases=(Case(prompt=text, better=other, worse=text, why=other),),
    )
    shots = FewShot(
        critique=(CritiqueExample(prompt=text, response=other, critique=text, principle="p"),),
        revise=(ReviseExample(prompt=other, response=text, revision=other),),
        compare=(CompareExample(prompt=text, a=other, b=text, answer="B"),),
    )
    one = constitution(full, principle(id="no"), title=text, source=ConstitutionSource(document=other), few_shot=shots)
    assert read(constitution_yaml(one)) == one


def test_texts_look_as_a_person_would_write_them() -> None:
    one = constitution(
        principle(weight=2.0, tags=("honesty", "tone"), text="Two lines,\nthe second shorter."),
        principle(id="q", statement="no", rationale="1e-5", weight=0.25),
    )
    head, _, principles = constitution_yaml(one).partition("\n\nprinciples:\n")
    assert head == "id: ours\nversion: 1.0.0\ntitle: A test\nlicense: CC0-1.0"
    assert principles == (
        """\
  - id: p
    statement: Be right.
    text: |-
      Two lines,
      the second shorter.
    weight: 2.0
    tags: [honesty, tone]
    compare:
      - Which is right?

  - id: q
    statement: 'no'
    rationale: "1e-5"
    weight: 0.25
    compare:
      - Which is right?
"""
    )


def test_parents_are_merged_in_so_that_the_file_stands_alone(tmp_path: Path) -> None:
    child = tmp_path / "child.yaml"
    child.write_text("id: child\nversion: 1.0.0\ntitle: t\nlicense: CC0-1.0\nextends: [helpful-honest]\n")
    alone = tmp_path / "elsewhere" / "alone.yaml"
    write_constitution(load_constitution(child), alone)
    merged = load_constitution(alone)
    assert merged.content_hash == load_constitution(child).content_hash
    assert (merged.extends, len(merged.principles)) == ((), len(load_constitution("helpful-honest").principles))


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("bell \x07 rings", "found the control character U\\+0007"),
        ("x" * (MAX_BYTES + 1), "at most 1 MB"),
    ],
)
def test_what_no_file_can_hold_is_refused_and_nothing_is_written(statement: str, told: str, tmp_path: Path) -> None:
    unchecked = principle().model_copy(update={"statement": statement})
    path = tmp_path / "ours.yaml"
    with pytest.raises(ConfigError, match=told):
        write_constitution(constitution(unchecked), path)
    assert list(tmp_path.iterdir()) == []
