"""Words behind the user's last: an instruction, or a hint for answers that are drawn with the known answer in view."""

from __future__ import annotations

from amendment.hashing import content_id
from amendment.records import Messages, Prompt, user

HINT = (
    "The correct result is: {answer}\n\nExplain step by step how to reach it, without mentioning that you were given "
    "it, and end with the result in the form that was asked for."
)
"""Follows the question, as in STaR (Zelikman et al. 2022, section 3.2: rationalization)."""
HINTED = content_id(HINT)
"""The template of answers that were drawn with a hint."""


def instructed(messages: Messages, instruction: str) -> Messages:
    """The conversation with an instruction at the end of its last turn of the user, or as a turn of its own where that
    has no text or where there is none."""
    instruction = instruction.strip()
    place = next((place for place in reversed(range(len(messages))) if messages[place].role == "user"), None)
    if place is None:
        return (*messages, *user(instruction))
    turn = messages[place]
    if isinstance(turn.content, tuple):
        content = (*turn.content, {"type": "text", "text": f"\n\n{instruction}"})
        return (*messages[:place], turn.model_copy(update={"content": content}), *messages[place + 1 :])
    text = f"{turn.content}\n\n{instruction}" if turn.content else instruction
    return (*messages[:place], turn.model_copy(update={"content": text}), *messages[place + 1 :])


def hinted(prompt: Prompt) -> Prompt:
    """The prompt with its known answer as a hint behind the user's last words. Raises ValueError for one without."""
    if prompt.answer is None:
        raise ValueError("found a prompt without a known answer, expected one to give as a hint")
    return prompt.model_copy(update={"messages": instructed(prompt.messages, HINT.format(answer=prompt.answer))})
