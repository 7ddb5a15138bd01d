"""Conversations as people read them: one text as it is, several turns by whom they are."""

from __future__ import annotations

from amendment.records import Message, ToolCall, user
from amendment.transcripts import transcript


def test_a_single_text_stands_without_a_role() -> None:
    assert transcript(user("what is\ntime"), by="user") == "what is\ntime"
    assert transcript(user("what is time"), by="assistant") == "user: what is time"


def test_turns_thinking_and_calls_are_told_in_order() -> None:
    call = ToolCall(function={"name": "look", "arguments": {}})
    turns = (
        Message(role="user", content="look"),
        Message(role="assistant", thinking="where?", tool_calls=(call,)),
        Message(role="assistant", content="there"),
    )
    assert transcript(turns, by="user") == (
        'user: look\n\nassistant: (thinking) where? (calls) {"name": "look", "arguments": {}}\n\nassistant: there'
    )
