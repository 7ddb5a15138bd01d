"""Answers drawn from a model, each the sample of a prompt."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from amendment.errors import ProviderError
from amendment.llm.model import Ending, Model, Unusable, draft, ending_of
from amendment.preference.hints import HINTED
from amendment.records import Candidate, Prompt


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
        """The ending under a name that no other draw of the stage has."""
        return f"{self.draw.prompt.id}/{model}/{self.draw.sample}", self.ending

    def of_hint(self, prompt: Prompt, sample: int) -> Drawn:
        """The same as a draw of the prompt without its hint, whose template the answer names."""
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
        return Drawn(draw, ending_of(fault))
    return Drawn(draw, Ending("done"), answer)
