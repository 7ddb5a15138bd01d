"""Ask a model which of two answers keeps a principle better.

Covered: both displayed orders; several principles a pair, each with a verdict of its own; P(A) from label
tokens or from sampled verdicts; refusals, nonsense and silence kept as invalid. Not covered: whether the
judge is right.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from amendment.calls import Answer, Model, flow
from amendment.constitutions import Constitution, Drawn, DrawScheme, draw_principles, eligible_principles
from amendment.errors import ConfigError, Rejected
from amendment.fence import fence
from amendment.hashing import content_id
from amendment.preference._again import asked_again, can_be_asked_again
from amendment.preference._folder import JudgeFolder, load_judge_folder
from amendment.preference._shots import worked_examples
from amendment.preference._trial import Trial
from amendment.preference.judgement import Disagreement, judge_together
from amendment.preference.parsers import LABELS, PARSERS, Parsed
from amendment.records import Candidate, Comparison, Judgement, Message, Messages, Origin, Prompt, Verdict, user
from amendment.sync import run_sync
from amendment.templates import Template

__all__ = ["Compared", "Judge", "JudgeSettings"]

Orders = Literal["both", "random", "first"]


class JudgeSettings(BaseModel):
    """How a pair is judged."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    orders: Orders = "both"
    """both: ask with the answers in either order; random: one order by the toss of a seeded coin; first: as named."""
    disagreement: Disagreement = "mean"
    """When the two orders prefer different answers: take the mean, call it a tie, or drop the pair."""
    principles_per_pair: int = Field(default=1, ge=1, le=64)
    """Principles drawn for each pair; each gives verdicts of its own, and P is their mean."""
    sampling: DrawScheme = "weighted"
    """weighted | uniform | stratified."""


class Compared(NamedTuple):
    """What a judge makes of two answers, in the coordinates of the caller's `a` and `b`."""

    p_a: float | None
    """P(a is better); None when no verdict could be read."""
    consistent: bool | None
    principle_ids: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    judgement: Judgement
    """The same as a record, whose own `a` and `b` stand in canonical order, not in the caller's."""


class _Question(NamedTuple):
    prompt: Prompt
    shown: tuple[Candidate, Candidate]
    blocks: dict[str, str]
    """Conversation and answers as the template takes them, which all principles share."""
    drawn: Drawn
    sample: int


@dataclass(frozen=True, kw_only=True)
class Judge:
    """A judge's folder, a model and the constitutions it judges by."""

    folder: JudgeFolder
    model: Model
    constitutions: Sequence[Constitution]
    settings: JudgeSettings = field(default_factory=JudgeSettings)
    samples: int = 1
    """Draws of each question; more than one makes sense only for written verdicts at a temperature."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.folder.needs_choices and not self.model.shows_choices:
            raise ConfigError(
                f"judge {self.folder.id} reads token probabilities, and model {self.model.name} shows none: "
                "use protocol verdict with samples, or another model"
            )
        if self.folder.needs_choices and self.samples > 1:
            raise ConfigError(
                f"judge {self.folder.id} reads all probabilities from one reply: set samples to 1, found {self.samples}"
            )

    @property
    def name(self) -> str:
        """Who its verdicts are signed by: the model and the folder, so that two judges of one model are two raters."""
        return f"{self.model.name}/{self.folder.id}@{self.folder.version}"

    @cached_property
    def _shots(self) -> dict[str, Messages]:
        return {one.id: worked_examples(one, self.folder) for one in self.constitutions}

    @cached_property
    def _trial(self) -> Trial:
        return Trial(
            lambda: self.model.calls.notice(
                f"{self.model.provider.host}: model {self.model.model} shows no token probabilities, so judge "
                f"{self.folder.id} counts each answer of {self.model.name} as one vote. For more votes use protocol: "
                "verdict with samples, such as samples: 5"
            )
        )

    @classmethod
    def from_folder(
        cls,
        folder: str | Path,
        *,
        model: Model,
        constitution: Constitution | Sequence[Constitution],
        settings: JudgeSettings | None = None,
        samples: int = 1,
        seed: int = 0,
    ) -> Judge:
        """A judge from a shipped folder's id or a path. Raises ConfigError for a folder or model that cannot judge."""
        constitutions = [constitution] if isinstance(constitution, Constitution) else list(constitution)
        return cls(
            folder=load_judge_folder(folder),
            model=model,
            constitutions=constitutions,
            settings=settings or JudgeSettings(),
            samples=samples,
            seed=seed,
        )

    def compare(self, *, prompt: Prompt | str, a: Candidate | str, b: Candidate | str) -> Compared:
        """Judge two answers to a prompt. Works in scripts and notebooks alike; raises ProviderError."""
        return run_sync(self.compare_async(prompt=prompt, a=a, b=b))

    async def compare_async(self, *, prompt: Prompt | str, a: Candidate | str, b: Candidate | str) -> Compared:
        """`compare` for callers with an event loop of their own."""
        asked = Prompt(messages=user(prompt)) if isinstance(prompt, str) else prompt
        first, second = (_candidate(asked, answer) for answer in (a, b))
        verdicts = await self.verdicts(asked, first, second)
        together = judge_together(verdicts, orders=self.settings.orders, disagreement=self.settings.disagreement)
        p_a = together.p_a if together.p_a is None or together.a == first.id else 1 - together.p_a
        return Compared(p_a, together.consistent, together.principle_ids, tuple(verdicts), together)

    async def verdicts(self, prompt: Prompt, first: Candidate, second: Candidate) -> list[Verdict]:
        """All verdicts on two candidates: every principle drawn, in every order, as many samples as asked for.

        Raises ConfigError when no principle speaks about the prompt.
        """
        comparison = Comparison.between(first, second)
        orders = [(shown, self._blocks(prompt, shown)) for shown in self._orders(first, second, comparison)]
        questions = [
            _Question(prompt, shown, blocks, drawn, sample)
            for drawn in self._principles(prompt, comparison)
            for shown, blocks in orders
            for sample in range(self.samples)
        ]
        # The first goes alone, so that its siblings find what they share in a prefix cache.
        return [await self._ask(questions[0]), *await flow(questions[1:], self._ask, window=len(questions))]

    def _principles(self, prompt: Prompt, comparison: Comparison) -> list[Drawn]:
        pool = eligible_principles(self.constitutions, "compare", category=prompt.category)
        if not pool:
            names = ", ".join(one.id for one in self.constitutions) or "no constitution"
            raise ConfigError(
                f"judge {self.folder.id}: no principle of {names} has a `compare` text and speaks about prompts of "
                f"category {prompt.category!r}; add one, or leave these prompts out"
            )
        key = ["compare", self.seed, comparison.id]
        return draw_principles(pool, self.settings.principles_per_pair, scheme=self.settings.sampling, key=key)

    def _orders(self, first: Candidate, second: Candidate, comparison: Comparison) -> list[tuple[Candidate, Candidate]]:
        orders = [(first, second), (second, first)]
        if self.settings.orders == "both":
            return orders
        if self.settings.orders == "first":
            return orders[:1]
        coin = random.Random(content_id(["order", self.seed, comparison.id]))  # noqa: S311 - reproducible
        orders.sort(key=lambda shown: shown[0].id)
        return [coin.choice(orders)]

    async def _ask(self, question: _Question) -> Verdict:
        parser = PARSERS[self.folder.parser]
        try:
            answer = await self._put(question, parser.needs_choices)
        except Rejected as fault:
            asked = Origin(model=self.model.model, provider=self.model.provider.kind, host=self.model.provider.host)
            return self._verdict(question, Parsed(invalid=f"rejected: {fault}"), asked)
        parsed = parser.read(answer.reply)
        if parsed.invalid and can_be_asked_again(answer.reply):
            answer, parsed = await self._put_again(question, answer, parsed.invalid)
        template, constitution = self.folder.template.id, question.drawn.constitution.reference
        origin = answer.origin.model_copy(update={"template": template, "constitution": constitution})
        return self._verdict(question, parsed, origin)

    async def _put_again(self, question: _Question, answer: Answer, complaint: str) -> tuple[Answer, Parsed]:
        """One more answer, told what was wrong with the first; that one stands where a second is not to be had."""
        parser = PARSERS[self.folder.parser]
        messages = asked_again(self._messages(question), answer.reply, complaint=complaint, form=parser.form)
        try:
            answer = await self.model.ask(messages, sample=question.sample)
        except Rejected:
            return answer, Parsed(invalid=complaint)
        return answer, parser.read(answer.reply)

    async def _put(self, question: _Question, needs_choices: bool) -> Answer:
        messages, sample, shared = self._messages(question), question.sample, self._shared(question)
        if not needs_choices:
            return await self.model.ask(messages, sample=sample, shared=shared)
        labels = {"max_tokens": 1}
        return await self._trial.ask(
            lambda: self.model.ask(messages, choices=LABELS, sampling=labels, sample=sample, shared=shared),
            lambda: self.model.ask(messages, sample=sample, shared=shared),
        )

    def _verdict(self, question: _Question, parsed: Parsed, origin: Origin) -> Verdict:
        return Verdict(
            scale="pair",
            prompt_id=question.prompt.id,
            shown=tuple(candidate.id for candidate in question.shown),
            value=parsed.value,
            distribution=parsed.distribution,
            reasoning=parsed.reasoning,
            principle_id=question.drawn.id,
            rater=self.name,
            sample=question.sample,
            invalid=parsed.invalid,
            origin=origin,
        )

    def _messages(self, question: _Question) -> Messages:
        """The constitution's worked examples and the question, worded alike in either order of the answers."""
        principle = question.drawn.principle
        key = content_id(["wording", self.seed, question.drawn.id, Comparison.between(*question.shown).id])
        wording = random.Random(key).choice(principle.compare)  # noqa: S311 - reproducible
        filled = self.folder.template.fill({**question.blocks, "principle": principle.rule, "question": wording})
        return (*self._shots[question.drawn.constitution.id], *user(filled))

    def _shared(self, question: _Question) -> int:
        """How many characters of a question its siblings begin with too, or all questions where it has no sibling."""
        return len(self._opening.fill(question.blocks))

    @cached_property
    def _opening(self) -> Template:
        """The template up to the first hole that siblings fill differently; all share what stands before any hole."""
        own = {"principle", "question"}
        if self.settings.principles_per_pair == 1 and self.samples == 1:
            own |= {"answer_a", "answer_b"}
            if self.settings.orders != "both":
                own.add("conversation")
        return self.folder.template.until(own)

    def _blocks(self, prompt: Prompt, shown: tuple[Candidate, Candidate]) -> dict[str, str]:
        parts = {"conversation": prompt.messages, "answer_a": self._seen(shown[0]), "answer_b": self._seen(shown[1])}
        return fence({name: [message.to_json() for message in messages] for name, messages in parts.items()})

    def _seen(self, candidate: Candidate) -> Messages:
        """The trace as it is, or without the thinking, by which an answer shall not be judged."""
        if self.folder.sees == "trace":
            return candidate.messages
        return tuple(message.model_copy(update={"thinking": None}) for message in candidate.messages)


def _candidate(prompt: Prompt, answer: Candidate | str) -> Candidate:
    if isinstance(answer, Candidate):
        return answer
    return Candidate(prompt_id=prompt.id, messages=(Message(role="assistant", content=answer),), kind="imported")
