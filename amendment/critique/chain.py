"""Draft, then critique and revise, n times: Constitutional AI, stage one (Bai et al. 2022, section 3).

Covered: principles drawn again at every step of every prompt; critique asked or skipped; every draft,
critique and revision kept with its parents; refusals and unusable replies kept apart; a revision that is copied from
its question counted and no candidate, so that the next round revises what there was before. A draft that calls a tool
is not finished and stays a draft. Not covered: whether a revision is better than its original.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import Field

from amendment.constitutions import Constitution, DrawnPrinciple, draw_principles
from amendment.constitutions.draw import DrawScheme, pool_for
from amendment.critique.copies import Copied, copied_from
from amendment.critique.texts import (
    EXAMPLE,
    critique_messages,
    instructions,
    revise_messages,
    shared_characters,
    strip_artefacts,
    template_id,
)
from amendment.data.sources import Name
from amendment.errors import ProviderError
from amendment.hashing import content_id
from amendment.llm.model import Ending, Model, Unusable, draft, item_ending, usable
from amendment.llm.requests import Answer
from amendment.records import Candidate, Critique, Message, Origin, Part, Prompt, last_text


class PrincipleDraw(Part):
    """Settings of drawing principles at each step."""

    sampling: DrawScheme = "weighted"
    """weighted | uniform | stratified (a tag evenly, then a principle of it)."""


class ChainSettings(Part):
    """Settings of drafting and revising answers."""

    rounds: int = Field(default=1, ge=1, le=16)
    """Rounds of revision."""
    critique: bool = True
    """Ask for a critique before each revision; false revises directly."""
    principles: PrincipleDraw = PrincipleDraw()
    """The draw of a round's principles."""


class CritiqueConfig(ChainSettings):
    """Draft, critique, revise."""

    model: Name
    """Drafts, critiques and revises."""
    take: int | None = Field(default=None, ge=1)
    """Only this many prompts from the start."""


@dataclass(frozen=True, slots=True)
class Chain:
    """The whole trail of one prompt: candidates oldest first (the draft, then revisions) and critiques."""

    prompt_id: str
    ending: Ending
    candidates: tuple[Candidate, ...]
    critiques: tuple[Critique, ...]
    copies: tuple[Copied, ...] = ()
    """What each revision that was copied instead of written is copied from."""


@dataclass
class _Trail:
    """A chain while it is being made."""

    prompt: Prompt
    model: Model
    constitutions: Sequence[Constitution]
    settings: ChainSettings
    seed: int
    candidates: list[Candidate] = field(default_factory=list)
    critiques: list[Critique] = field(default_factory=list)
    copies: list[Copied] = field(default_factory=list)

    @property
    def last(self) -> Candidate:
        return self.candidates[-1]

    @property
    def steps(self) -> int:
        return self.settings.rounds


async def run_chain(
    prompt: Prompt, model: Model, constitutions: Sequence[Constitution], settings: ChainSettings, *, seed: int = 0
) -> Chain:
    """Revise one prompt's answer step by step, and return the trail; it ends early if a step gives nothing to go on
    with.

    Raises CredentialsError and LedgerError, which concern the whole run, and before anything is asked ConfigError
    when no principle applies to the prompt; every other fault ends this item only.
    """
    trail = _Trail(prompt, model, constitutions, settings, seed)
    steps = _principles(trail)
    try:
        trail.candidates.append(await draft(prompt, model))
        for step, drawn in enumerate(steps):
            if trail.last.messages[-1].tool_calls:
                break
            await _revise(trail, drawn, step)
        ending = Ending("done")
    except (Unusable, ProviderError) as fault:
        ending = item_ending(fault)
    return Chain(prompt.id, ending, tuple(trail.candidates), tuple(trail.critiques), tuple(trail.copies))


def _principles(trail: _Trail) -> list[DrawnPrinciple]:
    prompt = trail.prompt
    pool = pool_for(trail.constitutions, "revise", prompt, who="critique")
    scheme = trail.settings.principles.sampling
    key = ["revise", trail.seed, prompt.id]
    return [draw_principles(pool, 1, scheme=scheme, key=[*key, number])[0] for number in range(trail.settings.rounds)]


async def _revise(trail: _Trail, drawn: DrawnPrinciple, step: int) -> None:
    """Critique (unless skipped) and revise the last candidate once by one principle. A copy is no candidate."""
    critique = await _critique(trail, drawn, step) if trail.settings.critique else None
    request = _pick(drawn.principle.revise, trail, step)
    critique_text = critique.text if critique else None
    answer = await trail.model.ask(
        revise_messages(trail.prompt.messages, trail.last.messages, critique_text, drawn, request),
        sample=step,
        shared=shared_characters("revise", trail.prompt.messages, steps=trail.steps),
    )
    words = strip_artefacts(_words(answer, "revision"))
    if not words:
        raise Unusable("invalid", "revision: an announcement and no answer")
    if copied := copied_from(
        words,
        prompt=last_text(trail.prompt.messages),
        critique=critique_text or "",
        instructions=instructions("revise", drawn, request),
        before=last_text(trail.last.messages),
    ):
        trail.copies.append(copied)
        return
    parents = (trail.last.id, critique.id) if critique else (trail.last.id,)
    revision = Candidate(
        prompt_id=trail.prompt.id,
        # tool calls and results before the last words stay as they were
        messages=(*trail.last.messages[:-1], Message(role="assistant", content=words)),
        kind="revision",
        finish_reason=answer.reply.finish_reason,
        origin=_origin(answer, trail.prompt, drawn, template_id("revise"), parents),
    )
    trail.candidates.append(revision)


async def _critique(trail: _Trail, drawn: DrawnPrinciple, step: int) -> Critique:
    request = _pick(drawn.principle.critique, trail, step)
    answer = await trail.model.ask(
        critique_messages(trail.prompt.messages, trail.last.messages, drawn, request),
        sample=step,
        shared=shared_characters("critique", trail.prompt.messages, steps=trail.steps),
    )
    critique = Critique(
        prompt_id=trail.prompt.id,
        candidate_id=trail.last.id,
        principle_ids=(drawn.id,),
        text=_words(answer, "critique"),
        origin=_origin(answer, trail.prompt, drawn, template_id("critique"), (trail.last.id,)),
    )
    trail.critiques.append(critique)  # at once: it is kept even where the revision then fails
    return critique


def _words(answer: Answer, step: str) -> str:
    """Return the text of critic or reviser. Neither is offered a tool, so a tool call is invalid."""
    words = last_text(usable(answer, step)).strip()
    if not words:
        raise Unusable("invalid", f"{step}: a tool call instead of text")
    return words


def _pick(texts: Sequence[str], trail: _Trail, step: int) -> str:
    """Return one of the principle's wordings; a principle without any is asked about as in worked examples."""
    if not texts:
        return EXAMPLE["critique"]
    key = content_id(["wording", trail.seed, trail.prompt.id, step])
    return random.Random(key).choice(texts)  # noqa: S311 - a reproducible draw, not a secret


def _origin(answer: Answer, prompt: Prompt, drawn: DrawnPrinciple, template: str, parents: tuple[str, ...]) -> Origin:
    return answer.origin.model_copy(
        update={
            "template": template,
            "constitution": drawn.constitution.reference,
            "principle_ids": (drawn.id,),
            "parents": parents,
            "source": prompt.source,
            "license": prompt.license,
        }
    )
