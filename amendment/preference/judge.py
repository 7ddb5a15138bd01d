"""Ask a model about answers by a principle: which of two is better, or how good one is.

Covered: every protocol of a judge's folder; both displayed orders; several principles, each with a verdict of its own;
P(A) from label tokens or from sampled verdicts; refusals, nonsense and silence kept as invalid. Not covered: whether
the judge is right.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import mul
from pathlib import Path
from statistics import fmean
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from amendment.constitutions import Constitution, DrawnPrinciple, draw_principles
from amendment.constitutions.draw import pool_for
from amendment.errors import ConfigError
from amendment.hashing import content_id
from amendment.llm.concurrency import flow
from amendment.llm.functions import ModelFunction
from amendment.llm.model import Model
from amendment.preference.aggregate import Disagreement, Weighting, aggregate_verdicts, weigh_principles
from amendment.preference.asking import JudgeModel
from amendment.preference.folder import JudgeFolder, load_judge_folder
from amendment.preference.parsers import LEAST_MASS, Parsed
from amendment.preference.protocols.contract import Unit
from amendment.preference.protocols.question import JudgeQuestion, QuestionSetup, fenced
from amendment.preference.readings import read_log_odds, sigmoid
from amendment.preference.reward import JudgeReward
from amendment.records import (
    Candidate,
    Comparison,
    Criterion,
    Judgement,
    Message,
    Origin,
    Part,
    Prompt,
    Verdict,
    parse_criteria,
    user,
)
from amendment.sync import run_sync

Orders = Literal["both", "random", "first"]


class JudgeSettings(Part):
    """Settings of judging candidates."""

    orders: Orders = "both"
    """both: ask with the answers in either order; random: one order by the toss of a seeded coin; first: as named. A
    judge of single answers has no order."""
    disagreement: Disagreement = "mean"
    """The result when the two orders prefer different answers: their mean, a tie, or no pair."""
    principles_per_pair: Annotated[int, Field(ge=1, le=64)] | Literal["all"] = 1
    """Principles drawn by weight for each pair, or all that apply to its prompt; each gives its own verdicts. A judge
    of single answers draws them for each prompt."""
    combine: Literal["mean", "tiers"] = "mean"
    """The result of several principles: their weighted mean, or the first tier that prefers one of the answers."""


class Compared(NamedTuple):
    """A judge's result for two answers, in the coordinates of the caller's `a` and `b`."""

    p_a: float | None
    """P(a is better); None when no verdict could be read."""
    consistent: bool | None
    principle_ids: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    judgement: Judgement
    """The result as a record, whose own `a` and `b` are in canonical order, not in the caller's."""

    def __repr__(self) -> str:
        p_a = "None" if self.p_a is None else f"{self.p_a:.3f}"
        principles = ", ".join(self.principle_ids)
        return f"<Compared p_a={p_a}, consistent={self.consistent}, {len(self.verdicts)} verdicts by {principles}>"


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
    criteria: Callable[[Prompt], Sequence[Criterion]] | None = None
    """A rubric's criteria for a prompt, in place of those that the prompt carries. They go before the folder's; where
    there are none, those count."""
    stops: bool = False
    """Raise Paused where none of the first verdicts can be read, so that a run does not pay for the others."""

    def __post_init__(self) -> None:
        for _, message in self.folder.protocol.misfits(
            self.model.name,
            shows_choices=self.model.shows_choices,
            scores_texts=self.model.scores_texts,
            constitutions=self.constitutions,
            samples=self.samples,
        ):
            raise ConfigError(f"judge {self.folder.id} {message}")
        if self.criteria and not self.folder.protocol.takes_criteria:
            name = self.folder.protocol.name
            raise ConfigError(f"judge {self.folder.id} has protocol {name}; criteria are for protocol rubric alone")

    def __repr__(self) -> str:
        constitutions = ", ".join(constitution.id for constitution in self.constitutions)
        return f"<Judge {self.name}{f' by {constitutions}' if constitutions else ''}>"

    @property
    def name(self) -> str:
        """Return the rater named in its verdicts: model and folder, so that two judges of one model are two raters."""
        return f"{self.model.name}/{self.folder.id}@{self.folder.version}"

    @property
    def unit(self) -> Unit:
        return self.folder.unit

    @cached_property
    def weightings(self) -> dict[str, Weighting]:
        """Return the weight of each principle. Those drawn by weight weigh alike, or weights would count twice."""
        return weigh_principles(self.constitutions, by_weight=self.settings.principles_per_pair == "all")

    @classmethod
    def from_folder(
        cls,
        folder: str | Path,
        *,
        model: Model | ModelFunction,
        constitution: Constitution | Sequence[Constitution] = (),
        settings: JudgeSettings | None = None,
        samples: int = 1,
        seed: int = 0,
        criteria: Callable[[Prompt], Sequence[Criterion]] | None = None,
    ) -> Judge:
        """Return a judge from a shipped folder's id or a path.

        `model` is a model of a run (`run.models[NAME]`), or a plain or async function from messages to text or to the
        probabilities of labels; see `ModelFunction`. `constitution` holds the principles to judge by; only a rubric
        with criteria of its own needs none. Raises ConfigError for a folder or model that cannot judge.
        """
        constitutions = [constitution] if isinstance(constitution, Constitution) else list(constitution)
        judge_folder = load_judge_folder(folder)
        if not constitutions and judge_folder.asks_by_principle and not judge_folder.protocol.takes_criteria:
            raise ConfigError(
                f"judge {judge_folder.id} asks by a principle: expected a constitution, such as "
                "constitution=load_constitution('helpful-honest')"
            )
        return cls(
            folder=judge_folder,
            model=model if isinstance(model, Model) else Model.from_function(model),
            constitutions=constitutions,
            settings=settings or JudgeSettings(),
            samples=samples,
            seed=seed,
            criteria=criteria,
        )

    def compare(self, *, prompt: Prompt | str, a: Candidate | str, b: Candidate | str) -> Compared:
        """Judge two different answers to a prompt. Works in scripts and notebooks alike. Raises ProviderError, and
        ConfigError for equal answers, candidates of another prompt, and a text that is not valid UTF-8.
        """
        return run_sync(self.compare_async(prompt=prompt, a=a, b=b))

    async def compare_async(self, *, prompt: Prompt | str, a: Candidate | str, b: Candidate | str) -> Compared:
        """`compare` for callers with an event loop of their own."""
        asked = Prompt(messages=user(prompt)) if isinstance(prompt, str) else prompt
        _refuse_unwritable("prompt", asked)
        first, second = (_candidate(asked, answer) for answer in (a, b))
        _refuse_unwritable("a", first)
        _refuse_unwritable("b", second)
        if first.id == second.id:
            raise ConfigError(
                "compare: a and b are the same answer, expected two different ones; count equals as a tie"
            )
        if first.prompt_id != second.prompt_id:
            raise ConfigError("compare: a and b are candidates of two prompts, expected two answers to the same one")
        verdicts = await self.verdicts(asked, first, second)
        together = self.together(verdicts)
        p_a = together.p_a if together.p_a is None or together.a == first.id else 1 - together.p_a
        return Compared(p_a, together.consistent, together.principle_ids, tuple(verdicts), together)

    def together(self, verdicts: Sequence[Verdict], *, comparison: Comparison | None = None) -> Judgement:
        """Return what verdicts on two candidates come to, by this judge's settings and its principles' weights."""
        return aggregate_verdicts(
            verdicts,
            orders=self.settings.orders,
            disagreement=self.settings.disagreement,
            combine=self.settings.combine,
            weightings=self.weightings,
            comparison=comparison,
        )

    async def verdicts(
        self, prompt: Prompt, first: Candidate, second: Candidate, *, by: DrawnPrinciple | None = None
    ) -> list[Verdict]:
        """Return all verdicts on two candidates: every principle drawn, in every order, as many samples as asked for. A
        judge that asks by principles asks by `by` alone, if it is given.

        Of a judge of single answers those on each of the two, by the same principles for all candidates of the prompt,
        so that one that was asked about before costs nothing.

        Raises ConfigError when no principle applies to the prompt, and for a judge that compares nothing.
        """
        self._refuse_without_comparing()
        comparison = Comparison.between(first, second)
        is_answer = self.unit == "answer"
        shown = [(first,), (second,)] if is_answer else self._orders((first, second), comparison.id)
        own = [by] if by and self._is_asked_by_principle(prompt) else None
        return await self._ask_all(prompt, shown, prompt.id if is_answer else comparison.id, own)

    async def answer_verdicts(
        self, prompt: Prompt, candidate: Candidate, *, by: Sequence[DrawnPrinciple | None] | None = None
    ) -> list[Verdict]:
        """Return all verdicts on one candidate, by these principles in place of drawn ones; None is a question without
        one, of a folder whose text has none. Raises ValueError for a judge whose unit is not the answer."""
        if self.unit != "answer":
            raise ValueError(f"judge {self.folder.id} looks at one {self.unit} at a time, expected a judge of answers")
        return await self._ask_all(prompt, [(candidate,)], prompt.id, by)

    def _refuse_without_comparing(self) -> None:
        if not self.folder.compares:
            raise ConfigError(
                f"judge {self.folder.id} says yes or no to one answer, which prefers none of two: use a judge that "
                "compares or scores answers, such as protocol verdict or score"
            )

    def as_reward(
        self,
        *,
        name: str = "judge",
        patience: float = 30.0,
        fallback: float | None = None,
    ) -> JudgeReward:
        """Return an asynchronous reward function for TRL's GRPO and RLOO trainers, in [-1, 1]; see `reward`.

        A judge of pairs compares with the dataset's column `reference`, or else with `RIVALS` other completions of the
        same prompt in the batch. The run or ledger behind the model has to stay open; `name` is what the trainer logs
        it by.
        While calls fail, a step waits `patience` seconds for the next verdict; what then has no reply, and what could
        not be read, has the reward `fallback`. TRL leaves None out only where every reward function says None, and
        with other functions' rewards counts it as 0.
        Raises ConfigError for a judge that compares nothing.
        """
        self._refuse_without_comparing()
        return JudgeReward(
            self._worth,
            self.model.calls,
            is_of_pairs=self.unit != "answer",
            name=name,
            patience=patience,
            fallback=fallback,
        )

    async def _worth(self, prompt: Prompt, answer: Candidate, reference: Candidate | None) -> float | None:
        """P(the answer is better than the reference), or its score from 0 to 1, or P(it keeps the principle): the mean
        over samples, then over principles by their weights."""
        if reference is not None:
            return (await self.compare_async(prompt=prompt, a=answer, b=reference)).p_a
        by_principle: dict[str, list[float]] = defaultdict(list)
        for verdict in await self.answer_verdicts(prompt, answer):
            log_odds = read_log_odds(verdict)
            if log_odds is not None:
                by_principle[verdict.principle_id or ""].append(sigmoid(log_odds))
            elif verdict.scale == "score" and verdict.criterion is None and verdict.invalid is None:
                score = float(str(verdict.value))  # from 1 to 10, that of a rubric from 0 to 1 already
                by_principle[verdict.principle_id or ""].append(
                    (score - 1) / 9 if self.folder.scale == "score" else score
                )
        weights = [self.weightings.get(name, Weighting()).weight for name in by_principle]
        means = map(fmean, by_principle.values())
        return sum(map(mul, weights, means)) / sum(weights) if weights else None

    async def _ask_all(
        self,
        prompt: Prompt,
        shown: Sequence[tuple[Candidate, ...]],
        key: str,
        by: Sequence[DrawnPrinciple | None] | None = None,
    ) -> list[Verdict]:
        blocks = [(answers, self._blocks(prompt, answers)) for answers in shown]
        questions = [
            JudgeQuestion(
                setup=self._setup,
                prompt=prompt,
                shown=answers,
                blocks=block,
                drawn=drawn,
                criteria=self._criteria(prompt, drawn),
                sample=sample,
                key=key,
            )
            for drawn in (self._principles(prompt, key) if by is None else by)
            for answers, block in blocks
            for sample in range(self.samples)
        ]

        async def ask(question: JudgeQuestion) -> list[Verdict]:
            reply = await self._asked.ask(question)
            verdicts = self.folder.protocol.verdicts(reply.parsed, question)
            return [self._signed(question, parsed, reply.origin) for parsed in verdicts]

        # The first is sent alone, so that its siblings find the shared beginning in a prefix cache.
        asked = [await ask(questions[0]), *await flow(questions[1:], ask, window=len(questions))]
        return [verdict for verdicts in asked for verdict in verdicts]

    def _principles(self, prompt: Prompt, key: str) -> Sequence[DrawnPrinciple | None]:
        if not self._is_asked_by_principle(prompt):
            return [None]
        pool = pool_for(self.constitutions, "compare", prompt, who=f"judge {self.folder.id}")
        count = self.settings.principles_per_pair
        if count == "all":
            return pool
        key_of_draw = ["compare", self.seed, key]
        return draw_principles(pool, count, scheme="weighted", key=key_of_draw, vetoes=True)

    def _is_asked_by_principle(self, prompt: Prompt) -> bool:
        return self.folder.asks_by_principle and not self._own_criteria(prompt)

    def _own_criteria(self, prompt: Prompt) -> tuple[Criterion, ...]:
        """Return the prompt's, or else the folder's; none for a judge that takes none."""
        if not self.folder.protocol.takes_criteria:
            return ()
        own = self.criteria(prompt) if self.criteria else parse_criteria(prompt.criteria)
        return tuple(own) or self.folder.criteria

    def _criteria(self, prompt: Prompt, drawn: DrawnPrinciple | None) -> tuple[Criterion, ...]:
        criterion = self.folder.protocol.criterion(drawn.principle) if drawn else None
        return (criterion,) if criterion else self._own_criteria(prompt)

    def _orders(self, pair: tuple[Candidate, Candidate], key: str) -> list[tuple[Candidate, ...]]:
        orders: list[tuple[Candidate, ...]] = [pair, pair[::-1]]
        if self.settings.orders == "both":
            return orders
        if self.settings.orders == "first":
            return orders[:1]
        coin = random.Random(content_id(["order", self.seed, key]))  # noqa: S311 - reproducible
        return [coin.choice(sorted(orders, key=lambda shown: shown[0].id))]

    def _blocks(self, prompt: Prompt, shown: tuple[Candidate, ...]) -> Mapping[str, str]:
        names = ("answer_a", "answer_b") if self.unit == "pair" else ("candidate",)
        return fenced(prompt, dict(zip(names, shown, strict=True)), self.folder.sees)

    def _signed(self, question: JudgeQuestion, parsed: Parsed, origin: Origin) -> Verdict:
        """Return what was read as a verdict of this judge."""
        constitution = question.drawn.constitution.reference if question.drawn else None
        return Verdict(
            scale=parsed.scale or self.folder.scale,
            prompt_id=question.prompt.id,
            shown=tuple(candidate.id for candidate in question.shown),
            value=parsed.value,
            distribution=parsed.distribution,
            bounded=parsed.bounded,
            label_mass=parsed.label_mass,
            reasoning=parsed.reasoning,
            principle_id=question.drawn.id if question.drawn else None,
            criterion=parsed.criterion,
            rater=self.name,
            sample=question.sample,
            invalid=parsed.invalid,
            origin=origin.model_copy(update={"constitution": constitution}),
        )

    @cached_property
    def _asked(self) -> JudgeModel:
        return JudgeModel(self.folder, self.model, least_mass=LEAST_MASS, stops=self.stops)

    @cached_property
    def _setup(self) -> QuestionSetup:
        protocol = self.folder.protocol
        template = self.folder.template
        shown = self.constitutions if self.folder.shots else ()
        return QuestionSetup(
            templates=self.folder.templates,
            shots={constitution.id: protocol.worked_examples(constitution, template) for constitution in shown},
            prefill=self.folder.prefill if self.model.takes_prefill else None,
            shows_choices=self.model.shows_choices,
            seed=self.seed,
            varying=self._varying(),
        )

    def _varying(self) -> frozenset[str]:
        """Placeholders that the questions about one pair, or about one prompt's answers, fill differently."""
        varying = {"principle", "question", "criteria"}
        if self.settings.principles_per_pair != 1 or self.samples != 1:
            return frozenset(varying)
        if self.unit == "answer":
            return frozenset({"candidate"})
        shown = {"answer_a", "answer_b"}
        return frozenset(varying | shown | (set() if self.settings.orders == "both" else {"conversation"}))


def _candidate(prompt: Prompt, answer: Candidate | str) -> Candidate:
    if isinstance(answer, Candidate):
        return answer
    return Candidate(prompt_id=prompt.id, messages=(Message(role="assistant", content=answer),), kind="imported")


def _refuse_unwritable(argument: str, record: Prompt | Candidate) -> None:
    """Half of a surrogate pair has no bytes: neither a ledger nor a provider could take it."""
    try:
        _ = record.id
    except UnicodeEncodeError as fault:
        half = f"U+{ord(fault.object[fault.start]):04X}"
        raise ConfigError(
            f"compare: {argument} has a lone surrogate ({half}), expected text that can be written as UTF-8; replace "
            "such characters, or read their source again with the right encoding"
        ) from fault
