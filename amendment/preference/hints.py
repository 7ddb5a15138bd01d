"""The words of a hint: answers that are drawn with the known answer in view."""

from __future__ import annotations

from amendment.hashing import content_id
from amendment.preference.likelihood import instructed
from amendment.records import Prompt

HINT = (
    "The correct result is: {answer}\n\nExplain step by step how to reach it, without mentioning that you were given "
    "it, and end with the result in the form that was asked for."
)
"""Follows the question, as in STaR (Zelikman et al. 2022, section 3.2: rationalization)."""
HINTED = content_id(HINT)
"""The template of answers that were drawn with a hint."""


def hinted(prompt: Prompt) -> Prompt:
    """The prompt with its known answer as a hint behind the user's last words. Raises ValueError for one without."""
    if prompt.answer is None:
        raise ValueError("found a prompt without a known answer, expected one to give as a hint")
    return prompt.model_copy(update={"messages": instructed(prompt.messages, HINT.format(answer=prompt.answer))})
