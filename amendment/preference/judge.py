"""Ask a model about answers by a principle: which of two is better, how good one is, or how k of them rank.

Covered: every protocol of a judge's folder; both displayed orders; several principles, each with a verdict of its own;
P(A) from label tokens or from sampled verdicts; refusals, nonsense and silence kept as invalid. Not covered: whether
the judge is right.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from amendment.llm.model import Model
from amendment.llm.concurrency import flow
from amendment.constitutions import Constitution, Drawn, DrawScheme, draw_principles, eligible_principles
from amendment.errors import ConfigError
from amendment.hashing import content_id
from amendment.preference._folder import JudgeFolder, load_judge_folder
from amendment.preference._shots import worked_examples
from amendment.preference._trial import Trial
from amendment.preference.aggregate import Disagreement, aggregate_verdicts
from amendment.preference.parsers import read_label_tokens
from amendment.preference.protocols.answer import ask_rubric, ask_score
from amendment.preference.protocols.asking import Asker
from amendment.preference.protocols.pair import ask_pair, ask_with_rationale
from amendment.preference.protocols.pool import ask_pool, pool_blocks
from amendment.preference.protocols.rubrics import Criterion, criteria_of, criterion_of
from amendment.preference.protocols.scores import read_score
from amendment.preference.protocols.table import Unit
from amendment.preference.protocols.tasks import Setting, Task, fenced
from amendment.preference.protocols.yes_no import ask_yes_no
from amendment.preference.reward import JudgeReward
from amendment.preference.aggregate import Standing, standings_of
from amendment.records import Candidate, Comparison, Judgement, Message, Prompt, Verdict, user
from amendment.sync import run_sync

__all__ = ["Compared", "Judge", "JudgeSettings"]

Orders = Literal["both", "random", "first"]
_ASKS = {
    "verdict": ask_pair,
    "reasoned": ask_pair,
    "structured": ask_pair,
    "label-tokens": ask_pair,
    "reasoned-tokens": ask_with_rationale,
    "score": ask_score,
    "rubric": ask_rubric,
    "yes-no": ask_yes_no,
    "listwise": ask_pool,
}


class JudgeSettings(BaseModel):
    """How candidates are judged."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    orders: Orders = "both"
    """both: ask with the answers in either order; random: one order by the toss of a seeded coin; first: as named. A
    judge of single answers has no order."""
    disagreement: Disagreement = "mean"
    """When the two orders prefer different answers: take the mean, call it a tie, or drop the pair."""
    principles_per_pair: Annotated[int, Field(ge=1, le=64)] | Literal["all"] = 1
    """Principles drawn for each pair, or all that speak about its prompt; each gives verdicts of its own. A judge of
    single answers or of whole pools draws them for each prompt."""
    combine: Literal["mean", "tiers"] = "mean"
    """What several principles come to: their weighted mean, or the first tier that prefers one of the answers."""
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
    """For a rubric: criteria of a prompt's own, in place of those that it carries. They go before the folder's; where
    there are none, those count."""

    def __post_init__(self) -> None:
        if self.folder.needs_choices and not self.model.shows_choices:
            raise ConfigError(
                f"judge {self.folder.id} reads token probabilities, and model {self.model.name} shows none: "
                "use protocol verdict with samples, or another model"
            )
        if self._reads_choices and self.samples > 1:
            raise ConfigError(
                f"judge {self.folder.id} reads all probabilities from one reply: set samples to 1, found {self.samples}"
            )
        if self.criteria and self.folder.protocol != "rubric":
            raise ConfigError(
                f"judge {self.folder.id} has protocol {self.folder.protocol}; criteria are for protocol rubric alone"
            )

    @property
    def name(self) -> str:
        """Who its verdicts are signed by: the model and the folder, so that two judges of one model are two raters."""
        return f"{self.model.name}/{self.folder.id}@{self.folder.version}"

    @property
    def unit(self) -> Unit:
        """What a question shows: a pair of answers, one answer, or a pool of k."""
        return self.folder.unit

    @cached_property
    def standings(self) -> dict[str, Standing]:
        """What each principle counts for. Those that were drawn by weight weigh alike, or weights would count twice."""
        is_drawn_by_weight = self.settings.principles_per_pair != "all" and self.settings.sampling == "weighted"
        return standings_of(self.constitutions, by_weight=not is_drawn_by_weight)

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
        criteria: Callable[[Prompt], Sequence[Criterion]] | None = None,
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
            criteria=criteria,
        )

    def compare(self, *, prompt: Prompt | str, a: Candidate | str, b: Candidate | str) -> Compared:
        """Judge two answers to a prompt. Works in scripts and notebooks alike; raises ProviderError, and ConfigError
        for a text that nothing can store.
        """
        return run_sync(self.compare_async(prompt=prompt, a=a, b=b))

    async def compare_async(self, *, prompt: Prompt | str, a: Candidate | str, b: Candidate | str) -> Compared:
        """`compare` for callers with an event loop of their own."""
        asked = Prompt(messages=user(prompt)) if isinstance(prompt, str) else prompt
        _refuse_unwritable("prompt", asked)
        first, second = (_candidate(asked, answer) for answer in (a, b))
        _refuse_unwritable("a", first)
        _refuse_unwritable("b", second)
        verdicts = await self.verdicts(asked, first, second)
        together = aggregate_verdicts(
            verdicts,
            orders=self.settings.orders,
            disagreement=self.settings.disagreement,
            combine=self.settings.combine,
            standings=self.standings,
        )
        p_a = together.p_a if together.p_a is None or together.a == first.id else 1 - together.p_a
        return Compared(p_a, together.consistent, together.principle_ids, tuple(verdicts), together)

    async def verdicts(self, prompt: Prompt, first: Candidate, second: Candidate) -> list[Verdict]:
        """All verdicts on two candidates: every principle drawn, in every order, as many samples as asked for.

        Of a judge of single answers those on each of the two, by the same principles for all candidates of the prompt,
        so that one that was asked about before costs nothing; of a judge of pools rankings of the two.

        Raises ConfigError when no principle speaks about the prompt, and for a judge that compares nothing.
        """
        self._refuse_without_comparing()
        if self.unit == "pool":
            return await self.pool_verdicts(prompt, [first, second])
        comparison = Comparison.between(first, second)
        if self.unit == "answer":
            return await self._ask_all(prompt, [(first,), (second,)], prompt.id)
        return await self._ask_all(prompt, self._orders((first, second), comparison.id), comparison.id)

    async def answer_verdicts(
        self, prompt: Prompt, candidate: Candidate, *, by: Sequence[Drawn | None] | None = None
    ) -> list[Verdict]:
        """All verdicts on one candidate, by these principles in place of drawn ones; None stands for a question without
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
        reference: Callable[[Prompt], str] | None = None,
        name: str = "judge",
        patience: float = 30.0,
        fallback: float | None = None,
    ) -> JudgeReward:
        """An asynchronous reward function for TRL's GRPO and RLOO trainers, in [-1, 1]; see `reward`.

        A judge of pairs or pools needs answers to compare with: the dataset's column `reference`, or what `reference`
        says to a prompt. The run or ledger behind the model has to stay open; `name` is what the trainer logs it by.
        While calls fail, a step waits `patience` seconds for the next verdict; what then has no reply, and what could
        not be read, has the reward `fallback`. TRL leaves None out only where every reward function says None, and
        beside other functions' rewards counts it as 0.
        Raises ConfigError for a judge that compares nothing.
        """
        self._refuse_without_comparing()
        return JudgeReward(self, reference=reference, name=name, patience=patience, fallback=fallback)

    async def pool_verdicts(self, prompt: Prompt, candidates: Sequence[Candidate]) -> list[Verdict]:
        """All rankings of two or more candidates of one prompt, in the order given and reversed (`orders: both`), in
        one drawn order (`random`), or as given (`first`). A position in a ranking's value is a displayed one.

        Raises ValueError for candidates that cannot be ranked and for a judge whose unit is not the pool.
        """
        if self.unit != "pool":
            raise ValueError(f"judge {self.folder.id} looks at one {self.unit} at a time, expected a judge of pools")
        if len({one.id for one in candidates}) < max(len(candidates), 2):
            raise ValueError(f"expected two or more different candidates, found {len(candidates)}")
        if {one.prompt_id for one in candidates} != {prompt.id}:
            raise ValueError("expected candidates of the prompt, found some of another")
        key = content_id(["pool", prompt.id, sorted(one.id for one in candidates)])
        return await self._ask_all(prompt, self._orders(tuple(candidates), key), prompt.id)

    async def _ask_all(
        self,
        prompt: Prompt,
        shown: Sequence[tuple[Candidate, ...]],
        key: str,
        by: Sequence[Drawn | None] | None = None,
    ) -> list[Verdict]:
        blocks = [(one, self._blocks(prompt, one)) for one in shown]
        tasks = [
            Task(prompt, one, block, drawn, self._criteria(prompt, drawn), sample, key)
            for drawn in (self._principles(prompt, key) if by is None else by)
            for one, block in blocks
            for sample in range(self.samples)
        ]
        # The first goes alone, so that its siblings find what they share in a prefix cache.
        found = [await self._ask(tasks[0]), *await flow(tasks[1:], self._ask, window=len(tasks))]
        return [verdict for verdicts in found for verdict in verdicts]

    async def _ask(self, task: Task) -> list[Verdict]:
        return await _ASKS[self.folder.protocol](self._setting, task)

    def _principles(self, prompt: Prompt, key: str) -> Sequence[Drawn | None]:
        if self._own_criteria(prompt) or not (self.folder.compares or self.folder.has_principle):
            return [None]
        pool = eligible_principles(self.constitutions, "compare", category=prompt.category, tags=prompt.tags)
        if not pool:
            names = ", ".join(one.id for one in self.constitutions) or "no constitution"
            raise ConfigError(
                f"judge {self.folder.id}: no principle of {names} has a `compare` text and speaks about prompts of "
                f"category {prompt.category!r}; add one, or leave these prompts out"
            )
        count = self.settings.principles_per_pair
        if count == "all":
            return pool
        key_of_draw = ["compare", self.seed, key]
        return draw_principles(pool, count, scheme=self.settings.sampling, key=key_of_draw, vetoes=True)

    def _own_criteria(self, prompt: Prompt) -> tuple[Criterion, ...]:
        """The prompt's, or else the folder's; none for a judge that is no rubric."""
        if self.folder.protocol != "rubric":
            return ()
        own = self.criteria(prompt) if self.criteria else criteria_of(prompt.criteria)
        return tuple(own) or self.folder.criteria

    def _criteria(self, prompt: Prompt, drawn: Drawn | None) -> tuple[Criterion, ...]:
        if drawn and self.folder.protocol == "rubric":
            return (criterion_of(drawn.principle),)
        return self._own_criteria(prompt)

    def _orders(self, given: tuple[Candidate, ...], key: str) -> list[tuple[Candidate, ...]]:
        orders = [given, given[::-1]]
        if self.settings.orders == "both":
            return orders
        if self.settings.orders == "first":
            return orders[:1]
        coin = random.Random(content_id(["order", self.seed, key]))  # noqa: S311 - reproducible
        if len(given) == 2:
            return [coin.choice(sorted(orders, key=lambda shown: shown[0].id))]
        shuffled = sorted(given, key=lambda one: one.id)
        coin.shuffle(shuffled)
        return [tuple(shuffled)]

    def _blocks(self, prompt: Prompt, shown: tuple[Candidate, ...]) -> Mapping[str, str]:
        if self.unit == "pool":
            return pool_blocks(prompt, shown, self.folder)
        names = ("answer_a", "answer_b") if self.unit == "pair" else ("candidate",)
        return fenced(prompt, dict(zip(names, shown, strict=True)), self.folder)

    @property
    def _reads_choices(self) -> bool:
        return self.folder.reads_choices(shown=self.model.shows_choices)

    @cached_property
    def _setting(self) -> Setting:
        shots = {one.id: worked_examples(one, self.folder) for one in self.constitutions}
        asker = Asker(folder=self.folder, model=self.model, trial=self._trial())
        return Setting(asker=asker, rater=self.name, shots=shots, seed=self.seed, own=self._own())

    def _trial(self) -> Trial:
        where = f"{self.model.provider.host}: model {self.model.model}"
        if not self._reads_choices:
            told = f"{where} keeps no schema, so judge {self.folder.id} reads JSON from its text"
            return Trial(lambda: self.model.calls.notice(told))
        read = read_score if self.folder.protocol == "score" else read_label_tokens
        told = (
            f"{where} shows no token probabilities, so judge {self.folder.id} counts each answer of {self.model.name} "
            "as one vote. For more votes use protocol: verdict with samples, such as samples: 5"
        )
        return Trial(lambda: self.model.calls.notice(told), is_vote=lambda reply: read(reply).value is not None)

    def _own(self) -> frozenset[str]:
        """Holes that the questions about one pair, one prompt's answers or one pool fill differently."""
        own = {"principle", "question", "criteria"}
        if self.settings.principles_per_pair != 1 or self.samples != 1:
            return frozenset(own)
        if self.unit == "answer":
            return frozenset({"candidate"})
        shown = {"answer_a", "answer_b", "answers"}
        return frozenset(own | shown | (set() if self.settings.orders == "both" else {"conversation"}))


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
