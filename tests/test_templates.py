"""Templates: holes are filled once, and what is filled in is never looked at again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.errors import ConfigError
from amendment.templates import Template

HOLES = frozenset({"prompt", "answer_1"})
HOSTILE = st.lists(
    st.sampled_from(["{prompt}", "{answer_1}", "{", "}", "{{", "\\1", "\\g<1>", "%s", "{0.__class__}", "\n"])
    | st.text(max_size=4)
).map("".join)


def test_holes_are_filled_wherever_they_stand() -> None:
    template = Template("{prompt}: {answer_1} ({prompt})", holes=HOLES)
    assert template.fill({"prompt": "P", "answer_1": "A"}) == "P: A (P)"


def test_a_template_can_be_cut_before_the_first_of_some_holes() -> None:
    template = Template("Say {prompt}, then {answer_1}.", holes=HOLES)
    assert template.until({"answer_1"}).fill({"prompt": "{answer_1}"}) == "Say {answer_1}, then "
    assert template.until({"answer_1", "prompt"}).fill({}) == "Say "
    assert template.until({"absent"}).text == template.text


@given(HOSTILE, HOSTILE)
def test_values_are_not_expanded_again(prompt: str, answer: str) -> None:
    template = Template("<{prompt}|{answer_1}>", holes=HOLES)
    assert template.fill({"prompt": prompt, "answer_1": answer}) == f"<{prompt}|{answer}>"


@given(st.text())
def test_other_braces_stay_as_they_are(text: str) -> None:
    plain = text.replace("{", "{ ")
    assert Template(plain, holes=HOLES).fill({}) == plain


def test_format_language_is_no_hole() -> None:
    for text in ("{prompt.x}", "{prompt!r}", "{prompt:>9}", "{0}", "{}", '{"prompt": 1}', "{Prompt}"):
        assert Template(text, holes=HOLES).fill({}) == text


def test_unknown_holes_are_all_named_with_what_is_known() -> None:
    with pytest.raises(ConfigError) as caught:
        Template("{promt} {answer_2} {prompt}", holes=HOLES, place="judge.yaml")
    assert [problem.place for problem in caught.value.problems] == ["judge.yaml"] * 2
    assert "{answer_2}; known are answer_1, prompt" in str(caught.value)
    assert "{promt}" in str(caught.value)


def test_a_hole_without_a_value_is_a_programming_error() -> None:
    with pytest.raises(KeyError):
        Template("{prompt}", holes=HOLES).fill({})


def test_the_name_is_the_texts_alone() -> None:
    assert Template("x {prompt}", holes=HOLES).id == Template("x {prompt}", holes=frozenset({"prompt"})).id
    assert Template("x", holes=HOLES).id != Template("y", holes=HOLES).id
