"""A verdict that could not be read is asked for once more, in the same conversation and with the reason."""

from __future__ import annotations

from amendment.llm.requests import Reply
from amendment.records import Message, Messages, text_of, user

__all__ = ["asked_again", "can_be_asked_again", "is_asked_again"]

OPENING = "Your verdict could not be read"
"""How the question begins; the simulated world knows it by these words."""


def can_be_asked_again(reply: Reply) -> bool:
    """Whether something was written that a complaint can be about; a refusal and a silence stand as they are."""
    return reply.finish_reason != "refusal" and reply.choice_logprobs is None and bool(text_of(reply.messages).strip())


def is_asked_again(messages: Messages) -> bool:
    """Whether a conversation ends with such a complaint."""
    return text_of(messages[-1:]).startswith(OPENING)


def asked_again(messages: Messages, reply: Reply, *, complaint: str, form: str) -> Messages:
    """The conversation so far, what was said in it, and the parser's complaint with the form that it expects."""
    said = Message(role="assistant", content=text_of(reply.messages))
    return (*messages, said, *user(f"{OPENING}: {complaint}. Answer again, without a new argument: {form}."))
