"""The constitutions that come with the package: clean, complete, and as many texts as promised."""

from __future__ import annotations

import pytest

from amendment.constitutions import lint_file, load_constitution, shipped

REAL = [id for id in shipped() if id not in ("lilliput", "general-one")]
OLDER = ("harmless-and-frank", "helpful-honest")  # from before cases were balanced by length; their hashes are in use


@pytest.mark.parametrize("id", shipped())
def test_each_is_complete_balanced_and_says_nothing_twice(id: str) -> None:
    constitution = load_constitution(id)
    assert (constitution.id, constitution.license) == (id, "CC0-1.0")
    assert lint_file(id) == []
    texts = []
    for one in constitution.principles:
        assert min(len(one.critique), len(one.revise), len(one.compare)) >= 2, one.id
        assert one.score, one.id
        texts += [one.statement, one.rationale, *one.critique, *one.revise, *one.compare, *(c.why for c in one.cases)]
    assert all(texts)
    assert "{" not in "".join(map(str, texts)), "it would be taken for a placeholder"
    if id in REAL:
        answers = [example.answer for example in constitution.few_shot.compare]
        assert answers.count("A") == answers.count("B") >= 2
        assert sum(len(principle.cases) for principle in constitution.principles) >= 5
        assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("id", [id for id in [*REAL, "general-one"] if id not in OLDER])
def test_a_judge_that_goes_by_length_does_not_pass_the_cases(id: str) -> None:
    constitution = load_constitution(id)
    cases = [case for principle in constitution.principles for case in principle.cases]
    shots = constitution.few_shot.compare
    longer = [len(case.better) > len(case.worse) for case in cases]
    assert 0.3 <= sum(longer) / len(longer) <= 0.7
    assert 2 * sum((len(shot.a) > len(shot.b)) == (shot.answer == "A") for shot in shots) == len(shots)
