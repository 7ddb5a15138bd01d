"""Answers drawn from a model, each the sample of a prompt, and hints for prompts without an answer that passes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from amendment.errors import ProviderError
from amendment.hashing import content_id
from amendment.llm.model import Ending, Model, Unusable, draft, item_ending
from amendment.records import Candidate, Messages, Prompt, user

HINT = (
    "The correct result is: {answer}\n\nExplain step by step how to reach it, without mentioning that you were given "
    "it, and end with the result in the form that was asked for."
)
"""Follows the question, as in STaR (Zelikman et al. 2022, section 3.2: rationalization)."""
HINTED = content_id(HINT)
"""The template of answers that were drawn with a hint."""


def instructed(messages: Messages, instruction: str) -> Messages:
    """Return the conversation with an instruction at the end of its last turn of the user, or as a turn of its own
    where that has no text or where there is none."""
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
    """Return the prompt with its known answer as a hint behind the user's last words. Raises ValueError for one
    without."""
    if prompt.answer is None:
        raise ValueError("found a prompt without a known answer, expected one to give as a hint")
    return prompt.model_copy(update={"messages": instructed(prompt.messages, HINT.format(answer=prompt.answer))})


class Draw(NamedTuple):
    """A question to a model: a prompt, and the index of the sample."""

    prompt: Prompt
    sample: int


class Drawn(NamedTuple):
    """A draw, how it ended, and the answer where it ended in `done`."""

    draw: Draw
    ending: Ending
    answer: Candidate | None = None

    def named_ending(self, model: str) -> tuple[str, Ending]:
        """Return the ending under a name that no other draw of the stage has."""
        return f"{self.draw.prompt.id}/{model}/{self.draw.sample}", self.ending

    def without_hint(self, prompt: Prompt, sample: int) -> Drawn:
        """Return the same as a draw of the prompt without its hint, whose template the answer names."""
        answer = self.answer
        if answer is not None:
            origin = answer.origin.model_copy(update={"template": HINTED})
            answer = answer.model_copy(update={"prompt_id": prompt.id, "origin": origin})
        return Drawn(Draw(prompt, sample), self.ending, answer)


def every_draw(prompts: Iterable[Prompt], samples: int) -> list[Draw]:
    """`samples` draws of each prompt."""
    return [Draw(prompt, sample) for prompt in prompts for sample in range(samples)]


async def draw_answer(model: Model, draw: Draw) -> Drawn:
    """Ask a model for one draw. Raises CredentialsError; every other fault is how the draw ends."""
    try:
        answer = await draft(draw.prompt, model, sample=draw.sample, kind="policy")
    except (Unusable, ProviderError) as fault:
        return Drawn(draw, item_ending(fault))
    return Drawn(draw, Ending("done"), answer)
