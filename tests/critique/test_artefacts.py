"""Wrappers go; an honest answer loses nothing, whatever it looks like."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from amendment.critique import strip_artefacts

ANSWER = "Call the vet today. Chocolate harms dogs."

WRAPPED = [
    f"Here is the revised answer:\n\n{ANSWER}",
    f"here's the revised response:\r\n\r\n{ANSWER}",
    f"Here’s my improved reply:\n{ANSWER}",
    f"Sure! Here is the updated answer:\n\n{ANSWER}",
    f"Of course, I can do that. Here is a better answer:\n\n{ANSWER}",
    f"Here is the revised answer, which keeps the principle:\n\n{ANSWER}",
    f"Here is the revised response to the question (shorter):\n\n{ANSWER}",
    f"**Here is the revised answer:**\n\n{ANSWER}",
    f"Revised answer: {ANSWER}",
    f"**Revised answer:** {ANSWER}",
    f"## Revised answer\n\n{ANSWER}",
    f'Here is the revised answer: "{ANSWER}"',
    f"Here is the revised answer:\n\n“{ANSWER}”",
    f"Here is the revised answer:\n\n```\n{ANSWER}\n```",
    f"Here is the revised answer:\n\nRevised answer: {ANSWER}",
    f"  \n{ANSWER}\n\n",
]

HONEST = [
    ANSWER,
    "Here is the answer: 42",
    "Sure! Here is the answer:\n\n42",
    "Here is a text about cats: Cats sleep.",
    "Here is the version history:\n1.0 first\n1.1 second",
    "Here is the improved response of the immune system: antibodies rise.",
    "Here is the improved response that the trial found: 40 % of patients slept.",
    "Here is the corrected version of your sentence:\n\n“I am here.”",
    "Here is an updated version of your function:\n\n```python\nprint(1)\n```",
    "Here is a revision timetable:\n- Monday: maths",
    "This is the revised version of the law of 1994: it forbids duels.",
    "Revision:\n- Monday: maths\n- Tuesday: history",
    "Updated version: 2.1 came out today.",
    "The revised answer: is it right? I think so.",
    "# Revised answers of the exam\n\n1. B",
    "```\n10 PRINT\n```",
    "```python\nprint('Here is the revised answer: ')\n```",
    "```\none\n```\nand\n```\ntwo\n```",
    '"To be or not to be"',
    "“Yes,” she said, “here is the revised answer: no.”",
    '"a" and "b"',
    "> Here is the revised answer: 4",
    "I wrote to them: Here is the revised answer: 4",
    "Sure, here is how: add water.",
    "",
]


@pytest.mark.parametrize("text", WRAPPED)
def test_a_wrapper_goes(text: str) -> None:
    assert strip_artefacts(text) == ANSWER


@pytest.mark.parametrize("text", HONEST)
def test_an_honest_answer_stays(text: str) -> None:
    assert strip_artefacts(text) == text


@pytest.mark.parametrize(
    "kept",
    [
        "```python\nprint(1)\n```",
        "```\none\n```\nand\n```\ntwo\n```",
        '"a" and "b"',
        "“Yes,” she said, “no.”",
        "Take two:\n```\nx\n```",
    ],
)
def test_behind_an_announcement_code_with_a_name_and_speech_stay(kept: str) -> None:
    assert strip_artefacts(f"Here is the revised answer:\n\n{kept}") == kept


@pytest.mark.parametrize("text", ["Here is the revised answer:", "Revised answer:\n", 'Here is my revision: ""'])
def test_an_announcement_of_nothing_is_nothing(text: str) -> None:
    assert strip_artefacts(text) == ""


PIECES = st.sampled_from(
    ["Here is the revised answer:", "Revised answer:", "## Revised answer", "Sure, ", "```", '"', "“", "”", "\n", " "]
)


@given(st.lists(PIECES | st.text(max_size=5), max_size=8).map("".join))
@example('Here is the revised answer: "Revised answer: x"')
@example("Here is the revised answer:\n```\n  “x”\n```")
def test_stripping_twice_is_stripping_once(text: str) -> None:
    once = strip_artefacts(text)
    assert strip_artefacts(once) == once
    assert once in text


@pytest.mark.parametrize("piece", ["Sure, ", "`` ", "Here is ", "\n"])
def test_a_long_text_without_a_wrapper_comes_back(piece: str) -> None:
    text = f"x{piece * 20_000}x"
    assert strip_artefacts(text) == text
    assert strip_artefacts(f"Here is the revised answer:\n```\n{text}") == f"```\n{text}"
