"""Scores and rubrics from replies: one reading or a reason, and nothing is ever filled in."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from amendment.constitutions import Principle, Score
from amendment.llm.requests import Reply
from amendment.preference import Criterion
from amendment.preference.parsers import is_split, read_score
from amendment.preference.protocols import anchors_on_scale, score_question
from amendment.preference.rubrics import criterion_of, read_rubric, rubric_score
from amendment.records import FinishReason, Message


def written(text: str, finish_reason: FinishReason = "stop") -> Reply:
    return Reply(messages=(Message(role="assistant", content=text),), finish_reason=finish_reason)


def tokens(**shares: float) -> Reply:
    return Reply(choice_logprobs={name.removeprefix("s"): math.log(share) for name, share in shares.items()})


def test_a_score_is_the_expected_value_over_the_score_tokens() -> None:
    # 0.1 for 2, 0.3 for 7, 0.4 for 8, 0.2 for other words: (0.1 * 2 + 0.3 * 7 + 0.4 * 8) / 0.8 = 5.5 / 0.8 = 6.875
    parsed = read_score(tokens(s2=0.1, s7=0.3, s8=0.4))
    assert parsed.value == pytest.approx(6.875)
    assert parsed.distribution == pytest.approx({"2": 0.125, "7": 0.375, "8": 0.5})


def test_a_one_that_may_begin_a_ten_is_told_from_one_that_cannot() -> None:
    assert is_split(tokens(s1=0.3, s9=0.7))  # no token 10 was shown: "1" may be 1 or the beginning of 10
    assert not is_split(tokens(s1=0.3, s9=0.69, s10=0.01))
    assert not is_split(tokens(s9=0.99, s1=0.01))
    assert not is_split(written("1"))


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("Score: 7", 7.0),
        ("It is fine.\n\n**Score: 10**", 10.0),
        ("score = 3.", 3.0),
        ("Score: 8/10", 8.0),
        ("9", 9.0),
        (" **4**\n", 4.0),
        ("The scale ends with Score: 10, they say.\nScore: 2\nBye.", 2.0),
    ],
)
def test_a_written_score_is_read_where_it_stands_alone(text: str, score: float) -> None:
    parsed = read_score(written(text))
    assert (parsed.value, parsed.distribution, parsed.invalid) == (score, None, None)


@pytest.mark.parametrize(
    "text",
    [
        "Rating: high",
        "Score: high",
        "Score: 0",
        "Score: 11",
        "Score: -3",
        "Score: 7.5",
        "Score: 4/5",
        "Score: 7 or 8",
        "Score: 7-8",
        "11",
        "7 8",
        "Score:\n7",
        "",
        "Score: 7\nScore: 7",
        "Score: 7\nScore: 11",
        "I would give a 7.",
    ],
)
def test_what_is_no_score_from_1_to_10_is_none_and_never_a_default(text: str) -> None:
    parsed = read_score(written(text))
    assert parsed.value is None
    assert parsed.invalid


def test_grades_of_another_range_are_put_on_the_scale() -> None:
    # 1 + 9 * (3 - 1) / (5 - 1) = 5.5, rounded to the even number 6
    assert anchors_on_scale({1: "bad", 3: "so", 5: "good"}) == {1: "bad", 6: "so", 10: "good"}
    assert anchors_on_scale({0: "bad", 100: "good", 99: "nearly"}) == {1: "bad", 10: "good"}
    said = score_question(Score(question="How kind?", anchors={1: "cruel", 10: "kind"}))
    assert said == "How kind? What scores mean: 1: cruel; 10: kind."


KIND = Criterion(id="kind", text="Is it kind?", choices=("no", "partly", "yes"), weight=2.0)
LIES = Criterion(id="lies", text="Does it lie?", weight=-1.0)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("lies: no", "no line for criterion kind"),
        ("kind: very\nlies: no", "criterion kind has no such choice, expected no, partly, yes"),
        ("kind: yes\nkind: no\nlies: no", "2 lines for criterion kind"),
        ("kind: yes and no\nlies: no", "criterion kind has no such choice, expected no, partly, yes"),
        ("the kind: yes\nlies: no", "no line for criterion kind"),
    ],
)
def test_a_criterion_without_one_line_and_one_of_its_choices_is_none(text: str, complaint: str) -> None:
    kind, lies = read_rubric(written(text), [KIND, LIES])
    assert (kind.value, kind.invalid) == (None, complaint)
    assert lies.value == "no"


def test_a_line_of_a_million_signs_is_read_in_no_time() -> None:
    (kind,) = read_rubric(written("kind: " + "* " * 500_000 + "x"), [KIND])
    assert kind.value is None


@pytest.mark.parametrize(
    ("kind", "lies", "score"),
    [
        ("yes", "no", 1.0),  # (2 * 1 - 1 * 0 + 1) / 3
        ("no", "yes", 0.0),  # (0 - 1 + 1) / 3
        ("partly", "no", 2 / 3),  # (2 * 0.5 + 1) / 3
        ("yes", "yes", 2 / 3),  # (2 - 1 + 1) / 3
    ],
)
def test_the_weighted_sum_is_put_between_what_is_attainable(kind: str, lies: str, score: float) -> None:
    assert rubric_score([KIND, LIES], [kind, lies]) == pytest.approx(score)


WEIGHTS = st.floats(min_value=0.1, max_value=10) | st.floats(min_value=-10, max_value=-0.1)


@given(st.lists(st.tuples(WEIGHTS, st.integers(0, 2)), min_size=1, max_size=5), st.data())
def test_a_better_choice_never_lowers_the_score(drawn: list[tuple[float, int]], data: st.DataObject) -> None:
    criteria = [KIND.model_copy(update={"id": f"c{i}", "weight": weight}) for i, (weight, _) in enumerate(drawn)]
    chosen = [KIND.choices[place] for _, place in drawn]
    before = rubric_score(criteria, chosen)
    assert -1e-12 <= before <= 1 + 1e-12
    which = data.draw(st.integers(0, len(drawn) - 1))
    better = [*chosen]
    better[which] = "yes" if criteria[which].weight > 0 else "no"
    assert rubric_score(criteria, better) >= before - 1e-12


def test_a_principle_is_a_criterion_by_its_own_grades_or_by_degrees() -> None:
    graded = Principle(
        id="true", statement="Be true.", score=Score(question="How true?", anchors={1: "a", 5: "b", 10: "c"})
    )
    made = criterion_of(graded)
    assert (made.choices, made.meanings, made.text) == (("1", "5", "10"), ("a", "b", "c"), "How true?")
    assert made.value_of("5") == pytest.approx(4 / 9)
    assert criterion_of(Principle(id="kind", statement="Be kind.")).choices == ("no", "partly", "yes")
    below = Score(question="How?", anchors={-1: "a", 0: "b", 1: "c"})
    (read,) = read_rubric(written("x: -1"), [criterion_of(Principle(id="x", statement="X.", score=below))])
    assert read.value == "-1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"choices": ("no", "No")},
        {"choices": ("yes",)},
        {"choices": ("a:b", "c")},
        {"weight": 0.0},
        {"weight": math.inf},
        {"weight": math.nan},
        {"weight": 1.1e6},
        {"weight": -1.1e6},
        {"values": (0.0, math.nan, 1.0), "choices": ("no", "partly", "yes")},
        {"values": (0.0, math.inf)},
        {"text": " \n\t"},
        {"values": (0.0,)},
        {"values": (1.0, 0.0)},
        {"meanings": ("x",)},
        {"id": "Two words"},
    ],
)
def test_a_criterion_that_cannot_be_answered_or_counted_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Criterion.model_validate({"id": "x", "text": "X?", **wrong})


REPLIES = st.builds(
    Reply,
    messages=st.lists(
        st.builds(
            Message,
            role=st.just("assistant"),
            content=st.lists(
                st.sampled_from(["Score: 7", "kind: yes", "lies: no", "Ranking: 2 > 1", "\n", "7", "="])
                | st.text(max_size=5)
            ).map("".join),
        ),
        max_size=2,
    ).map(tuple),
    finish_reason=st.sampled_from(["stop", "length", "refusal"]),
    choice_logprobs=st.none() | st.dictionaries(st.sampled_from(["1", "7", "10", "A"]), st.floats()),
)


@given(REPLIES)
def test_any_reply_gives_a_value_or_a_reason_and_never_both(reply: Reply) -> None:
    score = read_score(reply)
    for parsed in (score, *read_rubric(reply, [KIND, LIES])):
        assert (parsed.value is None) != (parsed.invalid is None)
    if score.value is not None:
        assert isinstance(score.value, float)
        assert 1 <= score.value <= 10
