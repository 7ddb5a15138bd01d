"""What of a label leaves: no name, comments only when asked for, nothing in them that steers a screen."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from amendment.calibration.labels import Label
from amendment.records import Message, Messages
from amendment.transcripts import transcript

__all__ = ["Leaving", "chat", "clean", "told"]

DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of what follows."""


@dataclass(frozen=True, kw_only=True)
class Leaving:
    """How labels are shown to others."""

    name_of: Callable[[str], str]
    """The pseudonym of an annotator."""
    comments: Callable[[str], str] | None = None
    """What becomes of a comment; None: comments stay at home."""

    def of(self, label: Label) -> dict[str, Any]:
        """The parts of a label that leave and are there, by their names in `Label`; the choice in any case."""
        said: dict[str, Any] = {"annotator": self.name_of(label.annotator), "choice": label.choice}
        for name in ("confidence", "principle_id", "seconds", "at"):
            said[name] = getattr(label, name)
        if self.comments is not None and label.comment is not None:
            said["comment"] = clean(self.comments(label.comment)) or None
        return {name: value for name, value in said.items() if value is not None}


def clean(text: str) -> str:
    """The text without control characters other than line feeds and tabs, and without turns of direction.

    >>> clean("two\\r\\nlines \\x1b[31m")
    'two\\nlines [31m'
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(one for one in lines if one in "\n\t" or not _steers(one)).strip()


def _steers(character: str) -> bool:
    return character in DIRECTIONS or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


def told(messages: Messages, *, is_prompt: bool = False) -> str:
    """Messages as one text."""
    return transcript(messages, by="user" if is_prompt else "assistant")


def chat(messages: Messages) -> list[dict[str, str]]:
    """Messages as turns of role and text."""
    return [{"role": message.role, "content": _said(message)} for message in messages]


def _said(message: Message) -> str:
    only = message.model_copy(update={"role": "assistant"})
    return transcript((only,), by="assistant")
