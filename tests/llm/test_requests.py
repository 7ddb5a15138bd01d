"""Tokens: a bound that no tokenizer of bytes breaks, and an estimate for plans."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.llm.requests import IMAGE_TOKENS, Request, Tokens, likely_tokens, most_tokens, text_tokens
from amendment.records import Message, Messages, Sampling, user

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
MESSAGES = st.lists(
    st.builds(Message, role=st.sampled_from(["system", "user", "assistant"]), content=TEXTS), min_size=1, max_size=5
)


def request(messages: Messages, max_tokens: int | None = 100, **fields: Any) -> Request:
    return Request(
        provider="openai", host="h", model="m", messages=messages, sampling=Sampling(max_tokens=max_tokens), **fields
    )


def picture(url: str = "https://example.org/a.png") -> Messages:
    return (Message(role="user", content=({"type": "image_url", "image_url": {"url": url}},)),)


@given(MESSAGES)
def test_one_token_for_every_byte_and_a_chat_format_around_it_stay_below_the_most(messages: list[Message]) -> None:
    """A tokenizer without a single merge, and 10 tokens around each message and 30 around all of them."""
    bytes_of_texts = sum(len(str(message.content).encode()) + len(message.role) for message in messages)
    assert bytes_of_texts + 10 * len(messages) + 30 <= most_tokens(request(tuple(messages))).input


def test_the_bytes_of_an_image_are_no_text() -> None:
    inline = picture("data:image/png;base64," + "iVBOR" * 100_000)
    assert most_tokens(request(inline)).input < IMAGE_TOKENS + 1000
    assert 1000 <= likely_tokens(request(inline)).input < 1100
    quoted = (*inline, *user("data:image/png;base64," + "iVBOR" * 1000))
    assert most_tokens(request(quoted)).input > IMAGE_TOKENS + 5000


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("word", 1),
        ("words", 2),  # 5 / 4, rounded up
        ("x" * 400, 100),
        ("你好", 2),  # 6 bytes / 3
        ("привет", 4),  # 12 bytes / 3
        ("abcd你", 2),
        ("\ud800", 1),  # half a character is no reason to fail
    ],
)
def test_english_takes_a_token_for_four_letters_and_other_scripts_one_for_three_bytes(text: str, tokens: int) -> None:
    assert text_tokens(text) == tokens


def test_the_estimate_counts_texts_and_turns_and_takes_the_shorter_answer() -> None:
    asked = request(user("x" * 400), 100)
    # "user\n" + 400 letters + "\n" = 406 letters, 102 tokens, and 4 around the message
    assert likely_tokens(asked) == Tokens(106, 100)
    assert likely_tokens(asked, output=30).output == 30
    assert likely_tokens(asked, output=300).output == 100
    assert likely_tokens(request(user("x"), None)).output is None
