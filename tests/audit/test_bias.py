"""Length, marks of answers, own answers and reasoning beside verdicts, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from amendment.audit.bias import count_marks
from amendment.audit.certificate import audit
from amendment.audit.gates import JudgeReport
from amendment.audit.votes import ComparisonInfo, Vote
from tests.audit.letters import items, said, table_lines


def test_the_asymmetry_of_errors_by_hand() -> None:
    # A is the longer of the first eight. People  A A A A B B B B: longer 4/8
    #                                     judge   A A A B A A B B: longer 5/8
    # P(judge longer | people shorter) = 2/4, P(judge shorter | people longer) = 1/4: asymmetry +1/4
    # no part: equal lengths, a length missing, people's tie, the judge's tie, an unread verdict
    # everything ten times, and two people who always agree, so that neither errs
    lengths = [100] * 8 + [50, 100, 100, 100, 100], [50] * 8 + [50, None, 50, 50, 50]
    known = items(130, length_a=list(lengths[0] * 10), length_b=list(lengths[1] * 10))
    people = [vote for name in ("ann", "bo") for vote in said(name, "AAAABBBB AAtAA" * 10)]
    votes = [*people, *said("j", "AAABAABB AAAt?" * 10, "model")]
    found = audit(known, votes)
    length = found.judges[0].bias["length"]
    assert length
    assert (length.items, length.judge.value) == (80, 5 / 8)
    assert length.people
    assert length.people.value == 4 / 8
    assert length.asymmetry
    assert length.asymmetry.value == pytest.approx(1 / 4, abs=1e-3)
    assert length.annotator_error == pytest.approx(0, abs=1e-3)
    # of the items on which the judge chooses too, people choose the longer answer in 4 of 8
    baseline = found.judges[0].length_baseline
    assert baseline
    assert (baseline.value, baseline.n) == (4 / 8, 80)
    assert any("the longer answer is right" in line and "50.0 %" in line for line in table_lines(found))
    # people alone: the eight, and the last two items on which only the judge was silent
    assert found.people
    assert (found.people.prefers_longer.value, found.people.prefers_longer.n) == (6 / 10, 100)


TEXT = """# Title

Some **bold** and __more__ words, 2 * 3 * 4 = 24, a_b_c.

- one
- two
  1. three

## End
See https://example.org and [1]; Smith et al. found it (Jones, 2020).
"""


def test_a_text_by_hand() -> None:
    # citations: the link, [1], et al., (Jones, 2020)
    assert count_marks(TEXT) == {"headers": 2, "lists": 3, "bold": 2, "citations": 4}


@pytest.mark.parametrize(
    "text",
    [
        *("", "plain words", "#hashtag", "-5 degrees", "2*3*4", "1.5 metres", "(see below)", "a ** b"),
        *("**" * 200_000, "(" * 200_000),  # hostile ones are counted as quickly
    ],
    ids=lambda text: text[:12],
)
def test_what_only_looks_alike_is_none(text: str) -> None:
    assert count_marks(text) == {}


NONE: dict[str, float] = {}
LIST: dict[str, float] = {"lists": 3}


def marked(*sides: tuple[dict[str, float] | None, dict[str, float] | None]) -> dict[str, ComparisonInfo]:
    return {f"i{i}": ComparisonInfo(f"p{i}", marks_a=a, marks_b=b) for i, (a, b) in enumerate(sides)}


def test_shares_and_asymmetry_by_hand() -> None:
    # A has the list in four, B in two; people A A B B | A B, so for the list 2 of 4 and 1 of 2
    # judge A A A B | B B: for the list 3 of 4 and 2 of 2. People against it: i2, i3, i4, of which the judge takes the
    # list in i2, i4; people for it: i0, i1, i5, and the judge never against: 2/3 - 0
    # everything ten times, and two people who always agree, so that neither errs
    known = marked(*([(LIST, NONE)] * 4 + [(NONE, LIST)] * 2 + [(LIST, LIST), (LIST, None)]) * 10)
    people = [vote for name in ("ann", "bo") for vote in said(name, "AABBABAA" * 10)]
    votes = [*people, *said("j", "AAABBBAA" * 10, "model")]
    by_mark = audit(known, votes).judges[0].bias
    assert set(by_mark) == {"format", "lists"}
    for found in by_mark.values():
        assert found.people
        assert found.asymmetry
        assert (found.items, found.people.value) == (60, 0.5)
        assert found.judge.value == pytest.approx(5 / 6)
        assert found.asymmetry.value == pytest.approx(2 / 3, abs=1e-3)


def test_marks_of_format_are_also_counted_together_and_answers_without_texts_say_nothing() -> None:
    # more of both sorts together: A has 3 against 1 though B has the bold
    known = marked((LIST, {"bold": 1}), ({"headers": 1}, {"bold": 1}), (None, None), ({"revised": 1}, NONE))
    by_mark = audit(known, said("j", "ABAA", "model")).judges[0].bias
    assert by_mark["revised"].items == 1  # any name may be a mark
    assert (by_mark["format"].items, by_mark["format"].judge.value) == (1, 1.0)
    assert (by_mark["bold"].items, by_mark["bold"].judge.value) == (2, 0.5)
    assert by_mark["bold"].people is None


def test_equal_opportunity_by_hand() -> None:
    # own answer is A in all six. People A A A A B B; judge A A A B A B
    # P(own | people own) = 3/4, P(other | people other) = 1/2: +1/4; own in 4 of 6
    # everything ten times, and two people who always agree, so that neither errs
    known = items(60, model_a=["m"] * 60, model_b=["x"] * 60)
    people = [vote for name in ("ann", "bo") for vote in said(name, "AAAABB" * 10)]
    certificate = audit(known, [*people, *said("j", "AAABAB" * 10, "model")], models={"j": "m"})
    found = certificate.judges[0].bias["self"]
    assert found.items == 60
    assert found.asymmetry
    assert found.asymmetry.value == pytest.approx(1 / 4, abs=1e-3)
    assert found.judge.value == pytest.approx(4 / 6)


def test_the_own_answer_may_stand_second_and_a_judge_may_be_named_like_its_model() -> None:
    known = items(3, model_a=["x", "j", "j"], model_b=["j", "x", "j"])  # the third has two of its own: no part
    found = audit(known, said("j", "BAA", "model")).judges[0].bias["self"]
    assert (found.items, found.judge.value, found.asymmetry) == (2, 1.0, None)


def swayed(by: str, *, is_always_longer: bool = False) -> JudgeReport:
    """A judge that goes by length or by headers in a third of its verdicts, where answers with headers are mostly
    longer; otherwise it is right as two people are."""
    random = np.random.default_rng(4)
    known, votes = {}, []
    for i in range(900):
        has_headers, is_better = random.random() < 0.5, random.random() < 0.5
        is_longer = has_headers if is_always_longer or random.random() < 0.75 else not has_headers
        marks: tuple[dict[str, float], ...] = ({"headers": 2}, {})
        a, b = marks if has_headers else marks[::-1]
        known[f"i{i}"] = ComparisonInfo(
            f"p{i}", length_a=9 if is_longer else 1, length_b=1 if is_longer else 9, marks_a=a, marks_b=b
        )
        decides = {"length": is_longer, "headers": has_headers}[by] if random.random() < 1 / 3 else is_better
        votes.append(Vote(f"i{i}", "j", "model", "A" if decides else "B", "A"))
        votes += [Vote(f"i{i}", name, "person", "A" if is_better else "B") for name in ("ann", "bo")]
    (judge,) = (certificate := audit(known, votes, draws=200)).judges
    style = next(gate.outcome for gate in certificate.gates if gate.check == "style")
    assert style == ("not measured" if is_always_longer else {"length": "PASS", "headers": "WARN"}[by])
    return judge


@pytest.mark.parametrize(
    ("by", "asymmetry", "at_equal_length"),
    # a third of verdicts by length: asymmetry 1/3 of length, and half of that for headers, which go along 3 times in 4
    [("length", 1 / 6, 0.0), ("headers", 1 / 3, 1 / 3)],
)
def test_a_taste_for_length_is_told_from_one_for_headers_at_equal_length(
    by: str, asymmetry: float, at_equal_length: float
) -> None:
    found = swayed(by).bias["headers"]
    assert found.asymmetry
    assert found.at_equal_length
    assert found.asymmetry.value == pytest.approx(asymmetry, abs=0.07)
    assert found.asymmetry.low > 0
    assert found.at_equal_length.value == pytest.approx(at_equal_length, abs=0.06)
    assert (found.at_equal_length.low > 0) == (by == "headers")


def test_a_feature_that_always_goes_along_with_length_cannot_be_told_from_it() -> None:
    found = swayed("headers", is_always_longer=True).bias["headers"]
    assert found.at_equal_length
    assert math.isnan(found.at_equal_length.value)
    assert found.at_equal_length.note.endswith("cannot be told from length")
