"""What a model wrote as thinking, answer and calls is read back as that, and what cannot be read stays text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amendment.llm.rendering import AnswerParts, Renderer, read_answer

QUESTION = {"role": "user", "content": "q"}
LOOK = {"name": "look_up", "arguments": {"place": "zorb", "n": 2}}


def written(tokenizer: Any, text: str, before: str = "<|user|>q<|assistant|>") -> AnswerParts:
    """The parts of an answer that the model spelled like this, control tokens included."""
    ids, prompt = (tokenizer(one, add_special_tokens=False)["input_ids"] for one in (text, before))
    return read_answer(tokenizer, ids, prompt)


def answered(renderer: Renderer, message: dict[str, Any]) -> AnswerParts:
    """What is read of the tokens that training teaches for this message, its end token left out."""
    opened = renderer.conversation({}, [QUESTION], is_prompt=True, place="p")
    whole = renderer.conversation({}, [QUESTION, message], is_prompt=False, place="p")
    prompt, ids = renderer.ids([opened, whole])
    assert ids[-1] == renderer.tokenizer.eos_token_id
    return read_answer(renderer.tokenizer, ids[len(prompt) : -1], prompt)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    text=st.text(st.characters(exclude_characters="<[", exclude_categories=["Cs"]), max_size=20),
    thinking=st.none() | st.text(min_size=1, max_size=20),
    n_calls=st.integers(0, 2),
)
def test_what_is_taught_is_what_is_read(renderer: Renderer, text: str, thinking: str | None, n_calls: int) -> None:
    calls = [{"type": "function", "function": LOOK}] * n_calls
    parts = answered(renderer, {"role": "assistant", "content": text, "thinking": thinking, "tool_calls": calls})
    assert parts == AnswerParts(text, thinking, (LOOK,) * n_calls)


@pytest.mark.parametrize(
    "call",
    [
        "{no json",
        '{"name": "f"}',
        '{"name": 3, "arguments": {}}',
        '{"name": "f", "arguments": {"x": NaN}}',
        '{"name": "f", "arguments": {"x": "\\ud800"}}'[:-3],
        "[1]",
    ],
)
def test_a_call_that_cannot_be_read_stays_text(tokenizer: Any, call: str) -> None:
    assert written(tokenizer, f"so <|call|>{call}") == AnswerParts(f"so {call}")


def test_tags_in_common_use_are_read_at_the_start_of_an_answer(tokenizer: Any) -> None:
    assert written(tokenizer, "<think>\nhm\n</think>\n\nyes") == AnswerParts("yes", "hm")
    assert written(tokenizer, "[THINK]hm[/THINK]yes") == AnswerParts("yes", "hm")
    assert written(tokenizer, "<think>\n\n</think>\n\nyes") == AnswerParts("yes")
    assert written(tokenizer, "use <think>hm</think>") == AnswerParts("use <think>hm</think>")


def test_thinking_may_be_opened_by_the_prompt(tokenizer: Any) -> None:
    assert written(tokenizer, "hm</think>yes", "<|user|>q<|assistant|><think>\n") == AnswerParts("yes", "hm")
    assert written(tokenizer, "hm", "<|user|>q<|assistant|><think>\n") == AnswerParts("", "hm")
    assert written(tokenizer, "yes", "<|user|>q<|assistant|><think>\n\n</think>\n\n") == AnswerParts("yes")


def test_tagged_calls_are_read(tokenizer: Any) -> None:
    call = '<tool_call>\n{"name": "look_up", "arguments": {"place": "zorb", "n": 2}}\n</tool_call>'
    assert written(tokenizer, f"so\n{call}\n{call}") == AnswerParts("so", None, (LOOK, LOOK))
    assert written(tokenizer, f"{call} and more") == AnswerParts(f"{call} and more")
