"""From a reply to an answer: what can be used, and what the item ends as when it cannot.

A refusal is data, an empty reply is invalid, a fault that outlasts its attempts leaves the item pending.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from amendment.errors import ProviderError, Transient
from amendment.llm.model import Model
from amendment.llm.requests import Answer
from amendment.records import Candidate, Messages, Outcome, Prompt, text_of

__all__ = ["Ending", "Unusable", "draft", "ending_of", "usable"]


class Unusable(Exception):
    """A reply came and holds no answer. `outcome` is what the item ends as."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome: Outcome = outcome


class Ending(NamedTuple):
    """How an item ended, and why it did not end in `done`."""

    outcome: Outcome
    reason: str | None = None


def ending_of(fault: Unusable | ProviderError) -> Ending:
    """What an item ends as after this fault: only passing faults leave it pending, to be asked again."""
    if isinstance(fault, Unusable):
        return Ending(fault.outcome, str(fault))
    return Ending("pending" if isinstance(fault, Transient) else "failed", str(fault))


def usable(answer: Answer, step: str) -> Messages:
    """The messages of a reply that says something. Raises Unusable for a refusal and for silence."""
    reply = answer.reply
    if reply.finish_reason == "refusal":
        raise Unusable("refused", f"{step}: the model refused")
    if not reply.messages or not (text_of(reply.messages).strip() or reply.messages[-1].tool_calls):
        raise Unusable("invalid", f"{step}: the reply is empty")
    return reply.messages


async def draft(
    prompt: Prompt, model: Model, *, sample: int = 0, kind: Literal["draft", "policy"] = "draft"
) -> Candidate:
    """One answer of a model to a prompt. Raises Unusable and ProviderError."""
    answer = await model.ask(
        prompt.messages,
        tools=prompt.tools,
        chat_template_kwargs=prompt.chat_template_kwargs,
        sample=sample,
    )
    return Candidate(
        prompt_id=prompt.id,
        messages=usable(answer, "draft"),
        kind=kind,
        finish_reason=answer.reply.finish_reason,
        origin=answer.origin.model_copy(update={"source": prompt.source, "license": prompt.license}),
    )
