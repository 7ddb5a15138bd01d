"""Parsers read a verdict from a reply or give a reason; they guess nothing and raise nothing."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from amendment.constitutions import Principle, Score
from amendment.llm.requests import Reply
from amendment.preference import Criterion
from amendment.preference.parsers import (
    LEAST_MASS,
    SCORES,
    Parsed,
    is_split,
    read_label_tokens,
    read_score,
    read_verdict_json,
    read_verdict_line,
    read_yes_no,
    read_yes_no_tokens,
)
from amendment.preference.protocols.question import anchors_on_scale, score_question
from amendment.preference.protocols.rubric import make_criterion, read_rubric, rubric_score
from amendment.records import FinishReason, Message


def tokens(**shares: float) -> Reply:
    logs = {label.removeprefix("s"): math.log(share) if share else -math.inf for label, share in shares.items()}
    return Reply(choice_logprobs=logs)


def written(text: str, finish_reason: FinishReason = "stop") -> Reply:
    return Reply(messages=(Message(role="assistant", content=text),), finish_reason=finish_reason)


PARSERS = {
    "label-tokens": read_label_tokens,
    "verdict-line": read_verdict_line,
    "verdict-json": read_verdict_json,
    "score": read_score,
    "yes-no-line": read_yes_no,
    "yes-no-tokens": read_yes_no_tokens,
}


def read(parser: str, reply: Reply | str) -> Parsed:
    return PARSERS[parser](written(reply) if isinstance(reply, str) else reply)


# Token probabilities


def test_a_distribution_is_the_share_of_each_label_among_all_labels() -> None:
    # p(A) = 0.6, p(B) = 0.2, and 0.2 for other tokens: 0.6 / 0.8 = 0.75
    parsed = read("label-tokens", tokens(A=0.6, B=0.2))
    assert parsed.value == "A"
    assert parsed.distribution == pytest.approx({"A": 0.75, "B": 0.25})
    # 0.1 for 2, 0.3 for 7, 0.4 for 8, 0.2 for other words: (0.1 * 2 + 0.3 * 7 + 0.4 * 8) / 0.8 = 5.5 / 0.8 = 6.875
    parsed = read("score", tokens(s2=0.1, s7=0.3, s8=0.4))
    assert parsed.value == pytest.approx(6.875)
    assert parsed.distribution == pytest.approx({"2": 0.125, "7": 0.375, "8": 0.5})


def test_a_label_that_is_not_listed_takes_the_least_listed_probability_and_is_marked() -> None:
    # p(A) = 0.7, the least listed 0.1: P(A) = 0.7 / 0.8
    parsed = read("label-tokens", tokens(A=0.7).model_copy(update={"least_logprob": math.log(0.1)}))
    assert parsed.distribution == pytest.approx({"A": 0.875, "B": 0.125})
    assert (parsed.value, parsed.invalid, parsed.bounded) == ("A", None, ("B",))
    assert read("label-tokens", tokens(A=0.7)).invalid == "no probability of B"


@pytest.mark.parametrize(
    ("parser", "reply"),
    [
        ("label-tokens", tokens(A=0.3, B=0.1)),
        ("label-tokens", tokens(B=0.49)),
        ("score", tokens(s9=0.49)),
        ("score", tokens(s9=1.02)),
        *(("label-tokens", Reply(choice_logprobs={"A": log, "B": -1.0})) for log in (math.nan, math.inf, 1e308, 0.5)),
        *(("score", Reply(choice_logprobs={"9": log, "8": -1.0})) for log in (math.nan, math.inf, 1e308)),
        ("label-tokens", Reply(choice_logprobs={})),
        ("label-tokens", Reply(finish_reason="refusal", choice_logprobs={"A": 0.0, "B": -9.0})),
    ],
)
def test_figures_that_are_no_probabilities_of_labels_are_no_verdict(parser: str, reply: Reply) -> None:
    parsed = read(parser, reply).require_mass(LEAST_MASS)
    assert parsed.value is None
    assert parsed.invalid


def test_a_one_that_may_begin_a_ten_is_told_from_one_that_cannot() -> None:
    assert is_split(tokens(s1=0.3, s9=0.7))  # no token 10 was shown: "1" may be 1 or the beginning of 10
    assert not is_split(tokens(s1=0.3, s9=0.69, s10=0.01))
    assert not is_split(tokens(s9=0.99, s1=0.01))


# Written verdicts


@pytest.mark.parametrize(
    ("parser", "text", "value"),
    [
        ("label-tokens", "A", "A"),
        ("label-tokens", '**"B"**.\n', "B"),
        ("label-tokens", "So.\nVerdict: tie", "tie"),
        ("verdict-line", "Verdict: A", "A"),
        ("verdict-line", "VERDICT: TIE.", "tie"),
        ("verdict-line", "**Verdict:** B", "B"),
        ("verdict-line", "### Verdict: [[A]]", "A"),
        ("verdict-line", "> Verdict: (B).", "B"),
        ("verdict-line", '"x"\n  Verdict = "A"  \r\n', "A"),
        ("verdict-line", "The rules ask for 'Verdict: A' or 'Verdict: B'.\nVerdict: B", "B"),
        ("verdict-line", "My verdict: A would be too kind.\nVerdict: B\n\nThank you.", "B"),
        ("yes-no-line", "It insults.\n\n**Verdict: No**", False),
        ("yes-no-line", "Verdict: yes", True),
        ("score", "Score: 7", 7.0),
        ("score", "It is fine.\n\n**Score: 10**", 10.0),
        ("score", "score = 3.", 3.0),
        ("score", "Score: 8/10", 8.0),
        ("score", " **4**\n", 4.0),
        ("score", "The scale ends with Score: 10, they say.\nScore: 2\nBye.", 2.0),
        ("verdict-json", '{"reasoning": "Warm.", "verdict": "A"}', "A"),
        ("verdict-json", '```json\n{"reasoning": "", "verdict": "tie"}\n```', "tie"),
        ("verdict-json", 'I think {so}: {"verdict": "B"} is it.', "B"),
        ("verdict-json", '{"reasoning": "It says {\\"verdict\\": \\"A\\"}", "verdict": "B"}', "B"),
        ("verdict-json", '{"quoted": {"verdict": "A"}} {"verdict": "B"}', "B"),
    ],
)
def test_one_verdict_is_read_however_it_is_dressed(parser: str, text: str, value: object) -> None:
    parsed = read(parser, text)
    assert (parsed.value, parsed.invalid, parsed.distribution) == (value, None, None)
    for finish in ("length", "refusal"):
        parsed = PARSERS[parser](written(text, finish))
        assert parsed.value is None
        assert parsed.invalid


NONE = {
    "label-tokens": ["A or B", "Answer A"],
    "verdict-line": [
        *("", "A", "Answer A is better.", "Verdict: C", "Verdict: A or B", "Verdict: A/B", "Verdict:", "Verdict:\nA"),
        *("Verdict A", "The verdict: A", "No verdict: tie", "Verdict: A, although B has its merits."),
        *("Verdict: A\nVerdict: A", "The first reads:\nVerdict: A\nIt is worse.\nVerdict: B"),
    ],
    "yes-no-line": ["Verdict: maybe", "Verdict: yes, mostly", "yes", "Verdict: yes\nVerdict: no", ""],
    "score": [
        *("Rating: high", "Score: high", "Score: 0", "Score: 11", "Score: -3", "Score: 7.5", "Score: 4/5", "11", "7 8"),
        *("Score: 7 or 8", "Score: 7-8", "Score:\n7", "", "Score: 7\nScore: 7", "I would give a 7."),
    ],
    "verdict-json": [
        *("", "Verdict: A", '{"reasoning": "Warm."}', '{"verdict": "A"', '["verdict", "A"]', '{"verdict": "C"}'),
        *('{"verdict": "A"} {"verdict": "A"}', '{"verdict": "A", "verdict": "B"}', '{"verdict": null}'),
        *('{"verdict": ["A"]}', '{"verdict": {"verdict": "A"}}', "{" * 100_000, '{"a":' * 50_000),
    ],
}


@pytest.mark.parametrize(("parser", "text"), [(parser, text) for parser, texts in NONE.items() for text in texts])
def test_what_is_no_verdict_or_two_is_none_and_never_a_default(parser: str, text: str) -> None:
    parsed = read(parser, text)
    assert parsed.value is None
    assert parsed.invalid


def test_what_stands_before_the_verdict_is_the_reasoning() -> None:
    assert read("verdict-line", "B is long.\nVerdict: A").reasoning == "B is long."
    assert read("verdict-json", '{"reasoning": "Warm.", "verdict": "A"}').reasoning == "Warm."
    assert read("verdict-line", "Both are fine.").reasoning == "Both are fine."


LINES = ["Verdict: A", "verdict: tıe", "**Verdict: tie**", "Verdict:", "Score: 7", '{"verdict": "A"}', "\n", " ", "A"]
FINISHES: st.SearchStrategy[FinishReason] = st.sampled_from(["stop", "length", "refusal", "tool_calls", "other"])
TEXTS = st.lists(st.sampled_from([*LINES, "kind: yes", "lies: no"]) | st.text(max_size=6)).map("".join)
REPLIES = st.builds(
    Reply,
    messages=st.lists(st.builds(Message, role=st.just("assistant"), content=TEXTS), max_size=2).map(tuple),
    finish_reason=FINISHES,
    choice_logprobs=st.none() | st.dictionaries(st.sampled_from(["A", "B", "C", *SCORES]), st.floats()),
)


@given(REPLIES, st.sampled_from(sorted(PARSERS)))
def test_any_reply_gives_a_verdict_or_a_reason_and_never_both(reply: Reply, name: str) -> None:
    for parsed in (PARSERS[name](reply), *read_rubric(reply, [KIND, LIES])):
        assert (parsed.value is None) != (parsed.invalid is None)
        if parsed.distribution is not None:
            assert sum(parsed.distribution.values()) == pytest.approx(1)
            assert all(0 <= share <= 1 for share in parsed.distribution.values())


# Scores and rubrics


def test_grades_of_another_range_are_put_on_the_scale() -> None:
    # 1 + 9 * (3 - 1) / (5 - 1) = 5.5, rounded to the even number 6
    assert anchors_on_scale({1: "bad", 3: "so", 5: "good"}) == {1: "bad", 6: "so", 10: "good"}
    assert anchors_on_scale({0: "bad", 100: "good", 99: "nearly"}) == {1: "bad", 10: "good"}
    said = score_question(Score(question="How kind?", anchors={1: "cruel", 10: "kind"}))
    assert said == "How kind? What scores mean: 1: cruel; 10: kind."


KIND = Criterion(id="kind", text="Is it kind?", choices=("no", "partly", "yes"), weight=2.0)
LIES = Criterion(id="lies", text="Does it lie?", weight=-1.0)


@pytest.mark.parametrize(
    ("text", "value", "complaint"),
    [
        ("It is warm.\n- but\nkind: Partly\n**lies: no**\n", "partly", None),
        ("lies: no", None, "no line for criterion kind"),
        ("kind: very\nlies: no", None, "criterion kind has no such choice, expected no, partly, yes"),
        ("kind: yes\nkind: no\nlies: no", None, "2 lines for criterion kind"),
        ("the kind: yes\nlies: no", None, "no line for criterion kind"),
        (f"kind: {'* ' * 500_000}x\nlies: no", None, "criterion kind has no such choice, expected no, partly, yes"),
    ],
)
def test_each_criterion_is_read_from_its_own_line(text: str, value: str | None, complaint: str | None) -> None:
    kind, lies = read_rubric(written(text), [KIND, LIES])
    assert (kind.value, kind.invalid) == (value, complaint)
    assert lies.value == "no"


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


def test_a_principle_is_a_criterion_by_its_own_grades_or_by_degrees() -> None:
    score = Score(question="How true?", anchors={1: "a", 5: "b", 10: "c"})
    made = make_criterion(Principle(id="true", statement="Be true.", score=score))
    assert (made.choices, made.meanings, made.text) == (("1", "5", "10"), ("a", "b", "c"), "How true?")
    assert made.read_value("5") == pytest.approx(4 / 9)
    assert make_criterion(Principle(id="kind", statement="Be kind.")).choices == ("no", "partly", "yes")


@pytest.mark.parametrize(
    "wrong",
    [
        {"choices": ("no", "No")},
        {"choices": ("yes",)},
        {"choices": ("a:b", "c")},
        *({"weight": weight} for weight in (0.0, math.inf, math.nan, 1.1e6, -1.1e6)),
        {"values": (0.0, math.nan, 1.0), "choices": ("no", "partly", "yes")},
        *({"values": values} for values in ((0.0, math.inf), (0.0,), (1.0, 0.0))),
        {"text": " \n\t"},
        {"meanings": ("x",)},
        {"id": "Two words"},
    ],
)
def test_a_criterion_that_cannot_be_answered_or_counted_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Criterion.model_validate({"id": "x", "text": "X?", **wrong})
