"""Conversations as text for people, turn by turn.

Not covered: the way back. What has to be read again is stored as messages.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal

from amendment.records import Message, text_of


def transcript(messages: Sequence[Message], *, by: Literal["user", "assistant"]) -> str:
    """A single text of `by` as it is; several turns, thinking and calls with their roles in front."""
    if len(messages) == 1 and messages[0].role == by:
        only = messages[0]
        if not only.thinking and not only.tool_calls:
            return text_of((only,))
    return "\n\n".join(_turn(message) for message in messages)


def _turn(message: Message) -> str:
    said = text_of((message,))
    parts = [f"{message.role}:"]
    parts += [f"(thinking) {message.thinking}"] if message.thinking else []
    parts += [said] if said else []
    parts += [
        f"(calls) {json.dumps(call.to_json()['function'], ensure_ascii=False)}" for call in message.tool_calls or ()
    ]
    return " ".join(parts)
