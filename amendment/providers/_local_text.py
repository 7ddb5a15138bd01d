"""A conversation as the token ids that a local model continues, with texts that stay texts.

Covered: a control token's spelling inside a message is broken by a zero-width space after its first sign, so
that nobody's text can end a turn or open another; the tokenizer is tried on that once, when it is loaded.
Not covered: templates whose turns are marked by ordinary words; thinking of earlier turns, which is left out.
"""

from __future__ import annotations

import json
import re
from typing import Any

from jinja2 import TemplateError

from amendment.calls import Request
from amendment.errors import ConfigError, Rejected
from amendment.records import Message

__all__ = ["PromptEncoder"]

BREAK = "\u200b"
"""Zero-width space: seen by the tokenizer, by hardly any reader."""

_MARKUP = re.compile(r"[<\[|].*[>\]|]", re.DOTALL)


class PromptEncoder:
    """The chat template and tokenizer of one model."""

    def __init__(self, tokenizer: Any, place: str) -> None:
        """Raises ConfigError when the tokenizer has no chat template, or undoes the breaks."""
        if not tokenizer.chat_template:
            raise ConfigError(f"{place}: the tokenizer has no chat template; expected chat_template.jinja beside it")
        self._tokenizer = tokenizer
        self._control = _control_tokens(tokenizer)
        spellings = sorted(self._control.values(), key=len, reverse=True)
        self._spelling = re.compile("|".join(map(re.escape, spellings))) if spellings else None
        steering = self._control.keys() - {tokenizer.unk_token_id}  # what unknown signs become is no steering
        for spelling in spellings:
            if self._ids(self.harmless(spelling)) & steering:
                raise ConfigError(f"{place}: the tokenizer reads {spelling!r} in texts even when it is broken up")

    def harmless(self, text: str) -> str:
        """The text without any spelling of a control token."""
        while self._spelling and self._spelling.search(text):
            text = self._spelling.sub(lambda found: _broken(found[0]), text)
        return text

    def encode(self, request: Request) -> list[int]:
        """The ids of a request's conversation up to where the assistant begins. Raises Rejected where it cannot be."""
        try:
            text = self._tokenizer.apply_chat_template(
                [self._turn(message) for message in request.messages],
                tools=self._safe(list(request.tools)) if request.tools else None,
                add_generation_prompt=True,
                tokenize=False,
                **(request.chat_template_kwargs or {}),
            )
        except (TemplateError, TypeError, ValueError) as fault:
            raise Rejected(f"the chat template refuses this conversation: {fault}") from fault
        ids = list(self._tokenizer(text, add_special_tokens=False)["input_ids"])
        if not ids:
            raise Rejected("the chat template makes an empty text of this conversation")
        return ids

    def label_ids(self, label: str) -> set[int]:
        """First tokens that stand for a label: its own, and where it is one token the one after a space."""
        alone, spaced = (self._tokenizer(text, add_special_tokens=False)["input_ids"] for text in (label, f" {label}"))
        return {*alone[:1], *(spaced if len(spaced) == 1 else ())}

    def _ids(self, text: str) -> set[int]:
        return set(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _turn(self, message: Message) -> dict[str, Any]:
        turn = message.model_dump(mode="json", exclude_none=True, exclude={"thinking", "content", "role"})
        return {"role": message.role, "content": self.harmless(_text(message)), **self._safe(turn)}

    def _safe(self, value: Any) -> Any:
        """The value with all of its texts harmless."""
        match value:
            case str():
                return self.harmless(value)
            case list():
                return [self._safe(item) for item in value]
            case dict():
                return {self.harmless(str(key)): self._safe(item) for key, item in value.items()}
        return value


def _control_tokens(tokenizer: Any) -> dict[int, str]:
    """Added tokens that steer: the special ones, and those that look like markup, as `<think>` does."""
    return {
        number: token.content
        for number, token in tokenizer.added_tokens_decoder.items()
        if token.content.strip() and (token.special or _MARKUP.fullmatch(token.content))
    }


def _broken(spelling: str) -> str:
    return spelling[0] + BREAK + spelling[1:] if len(spelling) > 1 else "\ufffd"


def _text(message: Message) -> str:
    """The text of a message. Raises Rejected for a part that is none."""
    content = message.content
    if not isinstance(content, tuple):
        return content or ""
    for part in content:
        if part.get("type") != "text":
            raise Rejected(f"a local model reads text only, found a part {json.dumps(part.get('type'))}")
    return "".join(str(part.get("text", "")) for part in content)
