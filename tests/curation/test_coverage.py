"""The matrix of principles by prompts, counted by hand."""

from __future__ import annotations

import yaml

from amendment.constitutions import Constitution
from amendment.curation.coverage import coverage, coverage_rows, too_few
from amendment.records import Prompt, user

RULES = Constitution.model_validate(
    yaml.safe_load("""
id: rules
version: 1.0.0
title: Rules
license: CC0-1.0
source: {kind: original}
principles:
  - {id: all, statement: Keep all., compare: ["Which keeps all?"]}
  - {id: harm, statement: Keep harm., compare: ["Which keeps harm?"], applies_when: {categories: [harm]}}
  - {id: work, statement: Keep work., compare: ["Which keeps work?"], applies_when: {tags: [work]}}
  - {id: sea, statement: Keep sea., compare: ["Which keeps sea?"], applies_when: {categories: [sea]}}
""")
)


def prompts(count: int, category: str | None, *tags: str) -> list[Prompt]:
    return [
        Prompt(messages=user(f"{category} {tags} {number}"), category=category, tags=tags) for number in range(count)
    ]


def test_each_principle_is_counted_by_category() -> None:
    covered = coverage([RULES], [*prompts(25, "harm"), *prompts(3, "harm", "work"), *prompts(4, None, "work")])
    assert [" ".join(row) for row in coverage_rows(covered)] == [
        "principle prompts harm (none)",
        "rules/all 32 28 4",
        "rules/harm 28 28 0",
        "rules/work 7 3 4",
        "rules/sea 0 0 0",
    ]
    [line] = too_few(covered, 32)
    assert line.endswith("fewer than 20 prompts: rules/work (7), rules/sea (0)")
    assert [*too_few(covered, 19)] == []


def test_many_categories_are_added_up_and_no_matrix_is_shown_where_all_apply_to_all() -> None:
    names = ["harm", "b", "c", "d", "e", "f", "g"]
    covered = coverage([RULES], [prompt for name in names for prompt in prompts(2, name)])
    head, first, *_ = coverage_rows(covered)
    assert (" ".join(head), " ".join(first)) == ("principle prompts harm b c d (others)", "rules/all 14 2 2 2 2 6")
    everywhere = RULES.model_copy(update={"principles": RULES.principles[:1]})
    assert coverage_rows(coverage([everywhere], prompts(30, "harm"))) == []
