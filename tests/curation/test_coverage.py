"""The matrix of principles by prompts, counted by hand."""

from __future__ import annotations

from amendment.constitutions import Constitution
from amendment.curation.coverage import coverage, coverage_rows, too_few
from amendment.records import Message, Prompt

RULES = Constitution.model_validate(
    {
        "id": "rules",
        "version": "1.0.0",
        "title": "Rules",
        "license": "CC0-1.0",
        "source": {"kind": "original"},
        "principles": [
            {"id": name, "statement": f"Keep {name}.", "compare": [f"Which keeps {name}?"], **scope}
            for name, scope in (
                ("all", {}),
                ("harm", {"applies_when": {"categories": ["harm"]}}),
                ("work", {"applies_when": {"tags": ["work"]}}),
                ("sea", {"applies_when": {"categories": ["sea"]}}),
            )
        ],
    }
)


def prompts(count: int, category: str | None, *tags: str) -> list[Prompt]:
    messages = [(Message(role="user", content=f"{category} {tags} {number}"),) for number in range(count)]
    return [Prompt(messages=each, category=category, tags=tags) for each in messages]


def test_each_principle_is_counted_by_category() -> None:
    covered = coverage([RULES], [*prompts(25, "harm"), *prompts(3, "harm", "work"), *prompts(4, None, "work")])
    assert coverage_rows(covered) == [
        ["principle", "prompts", "harm", "(none)"],
        ["rules/all", "32", "28", "4"],
        ["rules/harm", "28", "28", "0"],
        ["rules/work", "7", "3", "4"],
        ["rules/sea", "0", "0", "0"],
    ]
    [line] = too_few(covered, 32)
    assert line.endswith("fewer than 20 prompts: rules/work (7), rules/sea (0)")
    assert [*too_few(covered, 19)] == []


def test_many_categories_are_added_up_and_no_matrix_is_shown_where_all_apply_to_all() -> None:
    names = ["harm", "b", "c", "d", "e", "f", "g"]
    covered = coverage([RULES], [prompt for name in names for prompt in prompts(2, name)])
    head, first, *_ = coverage_rows(covered)
    assert head == ["principle", "prompts", "harm", "b", "c", "d", "(others)"]
    assert first == ["rules/all", "14", "2", "2", "2", "2", "6"]
    everywhere = RULES.model_copy(update={"principles": RULES.principles[:1]})
    assert coverage_rows(coverage([everywhere], prompts(30, "harm"))) == []
