"""The constitutions that come with the package: clean, complete, and as many texts as promised."""

from __future__ import annotations

from pathlib import Path

import pytest

import amendment.constitutions
from amendment.constitutions import constitution_schema, lint_file, load_constitution, shipped

ROOM = Path(amendment.constitutions.__file__).parent
REAL = [id for id in shipped() if id not in ("lilliput", "general-one")]
OLDER = ("harmless-and-frank", "helpful-honest")  # from before cases were balanced by length; their hashes are in use
LILLIPUT = ["correct", "honest", "harmless", "helpful", "frank", "concise", "polite", "clear"]


@pytest.mark.parametrize("id", shipped())
def test_the_linter_finds_nothing(id: str) -> None:
    assert lint_file(ROOM / "library" / f"{id}.yaml") == []


@pytest.mark.parametrize("id", shipped())
def test_the_file_is_called_by_its_id_and_points_at_its_schema(id: str) -> None:
    path = ROOM / "library" / f"{id}.yaml"
    first = path.read_text(encoding="utf-8").splitlines()[0]
    prefix = "# yaml-language-server: $schema="
    assert first.startswith(prefix)
    assert (path.parent / first.removeprefix(prefix)).resolve() == ROOM / "schemas" / "constitution.schema.json"
    assert load_constitution(id).id == id
    assert load_constitution(id).license == "CC0-1.0"


@pytest.mark.parametrize("id", shipped())
def test_every_principle_has_every_text_at_least_twice(id: str) -> None:
    for principle in load_constitution(id).principles:
        assert min(len(principle.critique), len(principle.revise), len(principle.compare)) >= 2, principle.id
        assert principle.score is not None, principle.id
        assert principle.rationale, principle.id
        assert min(principle.score.anchors) == 1, principle.id
        assert max(principle.score.anchors) == 10, principle.id


@pytest.mark.parametrize("id", REAL)
def test_real_ones_have_eight_to_fourteen_principles_cases_and_balanced_examples(id: str) -> None:
    constitution = load_constitution(id)
    shots = constitution.few_shot
    answers = [example.answer for example in shots.compare]
    assert 8 <= len(constitution.principles) <= 14
    assert sum(len(principle.cases) for principle in constitution.principles) >= 5
    assert answers.count("A") == answers.count("B") >= 2
    assert min(len(shots.critique), len(shots.revise)) >= 2
    assert all(example.principle for example in shots.compare)


def test_the_general_one_has_a_single_principle_that_says_much_in_many_ways() -> None:
    constitution = load_constitution("general-one")
    (principle,) = constitution.principles
    answers = [example.answer for example in constitution.few_shot.compare]
    assert "general" in principle.tags
    assert len((principle.text or "").split()) > 200
    assert min(len(principle.critique), len(principle.revise), len(principle.compare), len(principle.cases)) >= 4
    assert answers.count("A") == answers.count("B") >= 2


@pytest.mark.parametrize("id", [*REAL, "general-one"])
def test_no_text_stands_twice(id: str) -> None:
    constitution = load_constitution(id)
    texts = [
        text
        for one in constitution.principles
        for text in (
            one.statement,
            one.rationale,
            *one.critique,
            *one.revise,
            *one.compare,
            *(c.why for c in one.cases),
        )
    ]
    assert len(set(texts)) == len(texts)
    for one in constitution.principles:
        for case in one.cases:
            assert len({case.prompt, case.better, case.worse, case.why}) == 4, one.id


@pytest.mark.parametrize("id", [id for id in [*REAL, "general-one"] if id not in OLDER])
def test_a_judge_that_goes_by_length_does_not_pass_the_cases(id: str) -> None:
    constitution = load_constitution(id)
    cases = [case for principle in constitution.principles for case in principle.cases]
    shots = constitution.few_shot.compare
    longer = [len(case.better) > len(case.worse) for case in cases]
    assert 0.3 <= sum(longer) / len(longer) <= 0.7
    assert 2 * sum((len(shot.a) > len(shot.b)) == (shot.answer == "A") for shot in shots) == len(shots)


def test_texts_with_braces_would_be_taken_for_holes() -> None:
    for id in shipped():
        for principle in load_constitution(id).principles:
            texts = [*principle.critique, *principle.revise, *principle.compare, principle.statement]
            assert not any("{" in text for text in texts), principle.id


def test_the_simulated_world_finds_the_principles_that_it_knows() -> None:
    constitution = load_constitution("lilliput")
    assert [principle.id for principle in constitution.principles] == LILLIPUT
    head = (ROOM / "library" / "lilliput.yaml").read_text(encoding="utf-8").split("\nid:")[0]
    assert "do NOT read the prose" in head


def test_the_schema_describes_every_key_in_terms_that_editors_know() -> None:
    schema = constitution_schema()
    for name, part in [("Constitution", schema), *schema["$defs"].items()]:
        assert part["additionalProperties"] is False, name
        for key, entry in part["properties"].items():
            target = schema["$defs"].get(entry.get("$ref", "").rpartition("/")[2], {})
            assert entry.get("description") or target.get("description"), f"{name}.{key}"
