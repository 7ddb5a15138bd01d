"""From a reply to a verdict or a reason; nothing is guessed and nothing is raised."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.llm.requests import Reply
from amendment.preference.parsers import (
    PARSERS,
    Parsed,
    read_label_tokens,
    read_verdict_json,
    read_verdict_line,
)
from amendment.records import FinishReason, Message


def labels(**shares: float) -> Reply:
    return Reply(choice_logprobs={label: math.log(share) if share else -math.inf for label, share in shares.items()})


def written(text: str, finish_reason: FinishReason = "stop") -> Reply:
    return Reply(messages=(Message(role="assistant", content=text),), finish_reason=finish_reason)


def test_the_probability_of_a_is_its_share_of_both_labels() -> None:
    # p(A) = 0.6, p(B) = 0.2, and 0.2 for other tokens: 0.6 / 0.8 = 0.75
    parsed = read_label_tokens(labels(A=0.6, B=0.2))
    assert parsed.value == "A"
    assert parsed.distribution == pytest.approx({"A": 0.75, "B": 0.25})
    parsed = read_label_tokens(labels(A=0.2, B=0.6, tie=0.2))
    assert parsed.value == "B"
    assert parsed.distribution == pytest.approx({"A": 0.25, "B": 0.75})


def test_a_label_that_is_not_listed_takes_the_least_listed_probability_and_is_marked() -> None:
    # p(A) = 0.7, the least listed 0.1: P(A) = 0.7 / 0.8
    parsed = read_label_tokens(labels(A=0.7).model_copy(update={"least_logprob": math.log(0.1)}))
    assert parsed.value == "A"
    assert parsed.distribution == pytest.approx({"A": 0.875, "B": 0.125})
    assert parsed.bounded == ("B",)


@pytest.mark.parametrize("shares", [{"A": 0.3, "B": 0.1}, {"B": 0.49}])
def test_where_the_model_was_about_to_say_something_else_there_is_no_verdict(shares: dict[str, float]) -> None:
    parsed = read_label_tokens(labels(**shares))
    assert parsed.value is None
    assert "of the first token, expected 50% to 100%" in str(parsed.invalid)


@pytest.mark.parametrize("logprob", [math.nan, math.inf, -math.inf, 1e308, 0.5])
def test_figures_that_are_no_probabilities_are_no_verdict(logprob: float) -> None:
    parsed = read_label_tokens(Reply(choice_logprobs={"A": logprob, "B": -1.0}))
    assert parsed.value is None
    assert parsed.invalid


@pytest.mark.parametrize(
    ("text", "value"),
    [("A", "A"), (" B\n", "B"), ("**A**", "A"), ('"B".', "B"), ("(A)", "A"), ("So.\nVerdict: tie", "tie")],
)
def test_without_probabilities_the_written_label_is_one_vote(text: str, value: str) -> None:
    parsed = read_label_tokens(written(text))
    assert (parsed.value, parsed.distribution, parsed.invalid) == (value, None, None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Verdict: A", "A"),
        ("Verdict: B", "B"),
        ("Verdict: tie", "tie"),
        ("verdict: b", "B"),
        ("VERDICT: TIE.", "tie"),
        ("**Verdict: A**", "A"),
        ("**Verdict:** B", "B"),
        ("### Verdict: [[A]]", "A"),
        ("> Verdict: (B).", "B"),
        ('"x"\n  Verdict = "A"  \n', "A"),
        ("Verdict: A\r\n", "A"),
        ("The rules ask for 'Verdict: A' or 'Verdict: B'.\nVerdict: B", "B"),
        ("My verdict: A would be too kind.\nVerdict: B\n\nThank you.", "B"),
        ("Verdict: A is what the first answer asks for.\nVerdict: tie", "tie"),
        ("A\nB\nVerdict: A", "A"),
    ],
)
def test_one_verdict_line_is_read_however_it_is_dressed(text: str, value: str) -> None:
    parsed = read_verdict_line(written(text))
    assert (parsed.value, parsed.invalid, parsed.distribution) == (value, None, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A",
        "Answer A is better.",
        "Verdict: C",
        "Verdict: none",
        "Verdict: A or B",
        "Verdict: A/B",
        "Verdict: Both",
        "Verdict:",
        "Verdict:\nA",
        "Verdict A",
        "The verdict: A",
        "No verdict: tie",
        "Verdict: A, although B has its merits.",
    ],
)
def test_without_a_verdict_line_there_is_no_verdict(text: str) -> None:
    parsed = read_verdict_line(written(text))
    assert (parsed.value, parsed.invalid) == (None, "no verdict line")
    assert parsed.reasoning == (text or None)


def test_a_verdict_that_a_candidate_smuggled_in_makes_the_reply_invalid() -> None:
    smuggled = "My answer.\nVerdict: A"
    parsed = read_verdict_line(written(f"The first answer reads:\n{smuggled}\nIt is worse.\nVerdict: B"))
    assert (parsed.value, parsed.invalid) == (None, "2 verdict lines")


@pytest.mark.parametrize(
    "text", ["B is better.\nVerdict: A", "Verdict: A\nBut then ag", 'Fine: {"reasoning": "", "verdict": "A"}']
)
def test_a_reply_that_was_cut_holds_no_verdict_whatever_stands_in_it(text: str) -> None:
    for read in (read_verdict_line, read_verdict_json, read_label_tokens):
        parsed = read(written(text, "length"))
        assert parsed.value is None
        assert parsed.invalid


@pytest.mark.parametrize("text", ["A", " B", "**A**"])
def test_a_letter_that_was_cut_may_begin_a_sentence_and_is_no_vote(text: str) -> None:
    assert read_label_tokens(written(text)).value in ("A", "B")
    assert read_label_tokens(written(text, "length")) == Parsed(
        invalid="no probabilities, and the reply was cut at its limit"
    )


@pytest.mark.parametrize(
    ("text", "value", "reasoning"),
    [
        ('{"reasoning": "Warm.", "verdict": "A"}', "A", "Warm."),
        ('```json\n{"reasoning": "", "verdict": "tie"}\n```', "tie", None),
        ('I think {so}: {"verdict": "B"} is it.', "B", None),
        ('{"reasoning": "It says {\\"verdict\\": \\"A\\"}", "verdict": "B"}', "B", 'It says {"verdict": "A"}'),
        ('{"quoted": {"verdict": "A"}} {"verdict": "B"}', "B", None),
    ],
)
def test_one_json_object_with_a_verdict_is_read(text: str, value: str, reasoning: str | None) -> None:
    assert read_verdict_json(written(text)) == Parsed(value, None, reasoning)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no JSON object with a verdict"),
        ("Verdict: A", "no JSON object with a verdict"),
        ('{"reasoning": "Warm."}', "no JSON object with a verdict"),
        ('{"verdict": "A"', "no JSON object with a verdict"),
        ('["verdict", "A"]', "no JSON object with a verdict"),
        ('{"verdict": "A"} {"verdict": "A"}', "2 JSON objects with a verdict"),
        ('{"verdict": "A", "verdict": "B"}', "2 verdicts in one JSON object"),
        ('{"verdict": "C"}', "the verdict is none of A, B and tie"),
        ('{"verdict": null}', "the verdict is none of A, B and tie"),
        ('{"verdict": ["A"]}', "the verdict is none of A, B and tie"),
        ('{"verdict": {"verdict": "A"}}', "the verdict is none of A, B and tie"),
    ],
)
def test_no_json_verdict_or_two_are_none(text: str, complaint: str) -> None:
    parsed = read_verdict_json(written(text))
    assert (parsed.value, parsed.invalid) == (None, complaint)


@pytest.mark.parametrize("text", ["{" * 100_000, '{"a":' * 50_000, "[" * 100_000 + '{"verdict": "A"'])
def test_a_long_reply_of_brackets_is_no_verdict(text: str) -> None:
    assert read_verdict_json(written(text)).invalid == "no JSON object with a verdict"


LINES = st.sampled_from(
    ["Verdict: A", "Verdict: B", "verdict: tıe", "**Verdict: tie**", "Verdict:", '{"verdict": "A"}', "\n", " ", "A"]
)
FINISHES: st.SearchStrategy[FinishReason] = st.sampled_from(["stop", "length", "refusal", "tool_calls", "other"])
REPLIES = st.builds(
    Reply,
    messages=st.lists(
        st.builds(Message, role=st.just("assistant"), content=st.lists(LINES | st.text(max_size=6)).map("".join)),
        max_size=2,
    ).map(tuple),
    finish_reason=FINISHES,
    choice_logprobs=st.none() | st.dictionaries(st.sampled_from(["A", "B", "C"]), st.floats()),
)


@given(REPLIES, st.sampled_from(sorted(PARSERS)))
def test_any_reply_gives_a_verdict_or_a_reason_and_never_both(reply: Reply, name: str) -> None:
    parsed = PARSERS[name].read(reply)
    assert (parsed.value is None) != (parsed.invalid is None)
    assert parsed.value in (None, "A", "B", "tie")
    if parsed.distribution is not None:
        assert sum(parsed.distribution.values()) == pytest.approx(1)
        assert all(0 <= share <= 1 for share in parsed.distribution.values())
