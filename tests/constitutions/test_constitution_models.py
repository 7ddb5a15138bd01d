"""A constitution as values: when principles apply, and names made of content."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from amendment.constitutions import Constitution, Principle
from amendment.hashing import HASH_PREFIX

CONTENT: dict[str, Any] = {
    "id": "small",
    "version": "1.0.0",
    "title": "A small one",
    "license": "CC0-1.0",
    "principles": [
        {"id": "one", "statement": "Be right.", "compare": ["Which is right?"], "weight": 2, "tags": ["truth"]},
        {
            "id": "two",
            "statement": "Be kind.",
            "critique": ["Is it kind?"],
            "revise": ["Make it kind."],
            "score": {"question": "How kind?", "anchors": {"1": "rude", "10": "kind"}},
        },
    ],
}


def test_references_name_constitution_version_hash_and_principle() -> None:
    small = Constitution.model_validate(CONTENT)
    assert small.reference == f"small@1.0.0#{small.content_hash}"
    assert small.content_hash.startswith(HASH_PREFIX)
    assert small.principle_reference(small.principle("two")) == "small/two"
    with pytest.raises(KeyError):
        small.principle("three")


@pytest.mark.parametrize(
    ("scope", "category", "tags", "applies"),
    [
        (None, None, "", True),
        ({"tags": ["minors", "medical"]}, None, "medical long", True),
        ({"tags": ["minors"]}, "people", "medical", False),
        ({"categories": ["people"], "tags": ["minors"]}, "people", "minors", True),
        ({"categories": ["people"], "tags": ["minors"]}, "harm", "minors", False),
        ({"categories": ["people"], "tags": ["minors"]}, "people", "medical", False),
    ],
)
def test_every_condition_that_a_scope_names_must_hold(
    scope: Any, category: str | None, tags: str, applies: bool
) -> None:
    one = Principle.model_validate(CONTENT["principles"][0] | {"applies_when": scope})
    assert one.applies_to(category, tuple(tags.split())) is applies


def test_what_is_left_at_its_default_does_not_change_the_name_of_a_constitution() -> None:
    # the hash of this content as it was before principles had tiers and vetoes
    known = "s2:770b6463ead8e8ee8e9d5d33137dbee8"
    spelled_out = json.loads(json.dumps(CONTENT))
    spelled_out["principles"][0] |= {"tier": 1, "hard": False}
    for content in (CONTENT, spelled_out):
        assert Constitution.model_validate(content).content_hash == known
    for change in ({"tier": 2}, {"hard": True}):
        spelled_out["principles"][0] |= change
        assert Constitution.model_validate(spelled_out).content_hash != known


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "No Spaces"),
        ("version", "1.0"),
        ("title", "  "),
        ("source", {"kind": "found"}),
    ],
)
def test_bad_heads_are_refused(field: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        Constitution.model_validate(CONTENT | {field: value})


@pytest.mark.parametrize(
    "change",
    [
        {"weight": float("inf")},
        {"tier": 10},
        {"hard": "very"},
        {"colour": "red"},
    ],
)
def test_bad_principles_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Principle.model_validate(CONTENT["principles"][0] | change)
