"""Judge an answer by how likely a principle makes it, compared with its opposite.

log p(answer | prompt, principle) - log p(answer | prompt, opposite) is the evidence that the answer gives for the
principle over its opposite; the answer with more evidence is better (Liu et al. 2024, "Direct Large Language
Model Alignment Through Self-Rewarding Contrastive Prompt Distillation", arXiv 2402.11907). No label is parsed, and no
order can matter.

Covered: one answer's last text, after any turns before it. Not covered: tools of the prompt; thinking. Other properties
that the opposite makes likely count too, above all length: before you trust the judge, look at how often the longer
answer is right.
"""

from __future__ import annotations

import asyncio

from amendment.errors import Rejected
from amendment.llm.model import Model
from amendment.llm.requests import Answer
from amendment.records import Messages, user


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


async def likelihood_ratio(model: Model, principle: Messages, opposite: Messages, text: str) -> Answer:
    """The answer of the first of two calls, with the ratio in natural logs in place of its log-probability.

    The ratio is that of the whole answer: means over tokens differ so little that P stays close to one half. Raises
    Rejected for an answer without text, and what a call raises.
    """
    if not text.strip():
        raise Rejected("found an answer without text; only a text has a likelihood")
    answer, against = await asyncio.gather(
        model.score(principle, text),
        model.score(opposite, text),
    )
    logprobs = answer.reply.scored_logprob, against.reply.scored_logprob
    ratio = None if logprobs[0] is None or logprobs[1] is None else logprobs[0] - logprobs[1]
    return answer._replace(reply=answer.reply.model_copy(update={"scored_logprob": ratio}))
