"""A request as the token ids that a local model continues, and what it generated as a message.

Both ways go through the room that trains, so that a model is asked as it was taught.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amendment.errors import DataError, Rejected
from amendment.llm.rendering import Parts, Renderer, read_answer
from amendment.llm.requests import Request

__all__ = ["PromptEncoder"]


class PromptEncoder:
    """The chat template and tokenizer of one model."""

    def __init__(self, tokenizer: Any) -> None:
        """Raises TrainingError when the tokenizer has no chat template, or undoes the breaks of control tokens."""
        self._tokenizer = tokenizer
        self._renderer = Renderer(tokenizer)

    def encode(self, request: Request) -> list[int]:
        """The ids of a request's conversation up to where the assistant begins. Raises Rejected where it cannot be."""
        row = {"tools": request.tools, "chat_template_kwargs": request.chat_template_kwargs}
        messages = [message.to_json() for message in request.messages]
        try:
            conversation = self._renderer.conversation(row, messages, is_prompt=True, place="the conversation")
            [ids] = self._renderer.ids([conversation])
        except DataError as fault:
            raise Rejected(str(fault)) from fault
        if not ids:
            raise Rejected("the chat template makes an empty text of this conversation")
        return list(ids)

    def read(self, ids: Sequence[int], prompt: Sequence[int], *, cut: int = 0) -> Parts:
        """What was generated, without its end token and `cut` characters before it."""
        return read_answer(self._tokenizer, ids, prompt, cut=cut)

    def label_ids(self, label: str) -> set[int]:
        """First tokens that stand for a label: its own, and where it is one token the one after a space."""
        alone, spaced = (self._tokenizer(text, add_special_tokens=False)["input_ids"] for text in (label, f" {label}"))
        return {*alone[:1], *(spaced if len(spaced) == 1 else ())}
