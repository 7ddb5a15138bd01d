"""Answers drawn from a model, one per prompt and sample, each with its answer or with how it ended without one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

from amendment.errors import CredentialsError, ProviderError
from amendment.llm.answers import Ending, Unusable, draft, ending_of
from amendment.llm.model import Model
from amendment.records import Candidate, Prompt
from amendment.stages.contract import Context

__all__ = ["Draw", "Drawn", "draw_answer", "draw_answers", "every_draw"]


class Draw(NamedTuple):
    """A question to a model: a prompt, and the how-manieth answer to it."""

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


def every_draw(prompts: Iterable[Prompt], samples: int) -> list[Draw]:
    """`samples` draws of each prompt."""
    return [Draw(prompt, sample) for prompt in prompts for sample in range(samples)]


async def draw_answer(model: Model, draw: Draw) -> Drawn:
    """Ask a model for one draw. Raises CredentialsError; every other fault is how the draw ends."""
    try:
        answer = await draft(draw.prompt, model, sample=draw.sample, kind="policy")
    except CredentialsError:
        raise
    except (Unusable, ProviderError) as fault:
        return Drawn(draw, ending_of(fault))
    return Drawn(draw, Ending("done"), answer)


def draw_answers(context: Context, title: str, model: Model, draws: Sequence[Draw]) -> list[Drawn]:
    """Ask a model every draw, in their order; see `draw_answer`."""
    return context.each(title, draws, partial(draw_answer, model), models=[model])
