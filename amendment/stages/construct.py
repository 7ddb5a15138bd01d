"""The stage `construct`: pairs by how their answers were drawn: a strong model against a weak one, or one model under a
principle and its opposite (RLCD, Yang et al. 2023).

Promised: each answer is drawn for one pair alone; the instruction is part of the draw, and the pair's prompt is the
user's; a pair without two fit answers, or that nothing confirms where that is asked for, is counted by its reason. Not
covered: whether the label is right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from inspect import getdoc
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field

from amendment.constitutions import DrawnPrinciple
from amendment.critique.chain import CritiqueConfig
from amendment.curation.construction import (
    ConstructConfig,
    Construction,
    Contrast,
    Side,
    StrongWeak,
)
from amendment.curation.construction_counts import NOTHING, Tries
from amendment.curation.contrast import (
    CONFIRMING_PROTOCOL,
    CUT_OFF,
    NO_PRINCIPLE,
    confirm,
    contrast_principles,
    contrast_problems,
    drawn_for,
    judged_lines,
)
from amendment.data.sources import ModelSource
from amendment.errors import ConfigError, ProviderError
from amendment.hashing import content_id
from amendment.llm.concurrency import flow
from amendment.llm.model import Ending, Model, item_ending
from amendment.llm.specs import able
from amendment.preference.deciding import CONSTRUCTED, CONSTRUCTED_ANSWERS, ConstructedPair
from amendment.preference.degenerate import fit_for_pairs
from amendment.preference.draws import Draw, Drawn, draw_answer, instructed
from amendment.preference.folder import load_judge_folder
from amendment.preference.judge import Judge
from amendment.records import Candidate, Judgement, Message, Messages, Pair, Prompt, Try
from amendment.results import Result
from amendment.stages.contract import (
    Ask,
    ConfigProblem,
    ConfigWarning,
    Context,
    PromptItem,
    RunSettings,
    Stage,
    StageResult,
    Step,
    constitution_key,
    dump,
)
from amendment.stages.tables import Role, Tables

TRIES = "construct/tries"


class ConstructStage(Stage):
    """Pairs by how they were drawn: a strong model's answer before a weak one's, `decided_by: construction`; or a
    principle's before its opposite's, `decided_by` a verifier or judge."""

    name = "construct"
    title = "sampling answers for constructed pairs"
    comes_with = ConstructConfig
    weight = 1
    reads = ("inputs/prompts",)
    writes: Collection[str] = {
        CONSTRUCTED_ANSWERS: Role.PAIRS,
        CONSTRUCTED: Role.PAIRS,
        TRIES: None,
        "construct/endings": None,
    }

    @classmethod
    def field(cls) -> tuple[Any, Any]:
        return (tuple[Construction, ...], Field(default=(), alias=cls.name, description=getdoc(cls)))

    def key(self, context: Context) -> Mapping[str, Any]:
        parts = self.settings.parts(ConstructConfig)
        key: dict[str, Any] = {"construct": [dump(part) for part in parts]}
        key["samples"] = [planned.samples for planned in plan_draws(self.settings)]
        for name in dict.fromkeys(side.model for part in parts for side in part.sides):
            key |= context.model_key(name)
        for contrast in self.settings.parts(Contrast):
            key |= {**context.model_key(contrast.confirming), **constitution_key(context)}
        return key

    def asks(self) -> Iterable[Ask]:
        for index, part in enumerate(self.settings.parts(ConstructConfig)):
            for key in ("strong", "weak") if isinstance(part, StrongWeak) else ("model",):
                yield Ask((self.name, index, key), getattr(part, key))
            if isinstance(part, Contrast) and part.judge:
                yield Ask((self.name, index, "judge"), part.judge, "score")

    def problems(self) -> Iterable[ConfigProblem]:
        for index, part in enumerate(self.settings.parts(StrongWeak)):
            strong, weak = (self.settings.models.get(side.model) for side in part.sides)
            if strong is not None and strong == weak:
                same = f"{part.strong} and {part.weak} are the same model under two names"
                yield (self.name, index, "weak"), f"{same}; name another"

    def check(self, base: Path) -> Iterator[ConfigProblem | ConfigWarning]:
        """Principles that contrast prompts cannot be made of, or that nothing or a judge alone would confirm."""
        try:
            constitutions = self.settings.constitutions_in(base)
        except ConfigError:
            return  # reported where it is named
        for index, part in enumerate(self.settings.parts(ConstructConfig)):
            if isinstance(part, Contrast):
                scores = able(self.settings.models.get(part.confirming), "scores_texts") is not False
                for loc, message in contrast_problems(constitutions, part.principles, scores_texts=scores):
                    yield (self.name, index, *loc), message
                is_writer = part.is_confirmed_by_writer(self.settings.models)
                for line in judged_lines(constitutions, part.principles, part.confirming, is_writer=is_writer):
                    yield ConfigWarning((self.name, index), line)

    def begin(self, context: Context) -> Step:
        return _ConstructStep(context)


class PlannedPair(NamedTuple):
    """A pair that is to be drawn of each prompt."""

    source: ConstructConfig
    number: int
    """Index of its entry under `construct`."""
    samples: tuple[int, int]
    """For each side, the index of its sample."""


def plan_draws(settings: RunSettings) -> list[PlannedPair]:
    """Return the pairs of each prompt. No draw is one of another pair, nor of a candidate or a draft of the run, so
    that no judge sees the same answers."""
    used: Counter[Side] = Counter()
    for source in settings.parts(ModelSource):
        used[Side(source.model)] = max(used[Side(source.model)], source.per_prompt)
    if critique := settings.part(CritiqueConfig):
        used[Side(critique.model)] = max(used[Side(critique.model)], 1)
    planned = []
    for number, part in enumerate(settings.parts(ConstructConfig)):
        for _ in range(part.per_prompt):
            better, worse = part.sides
            planned.append(PlannedPair(part, number, (used[better], used[worse])))
            used.update(part.sides)
    return planned


class _DrawnPair(NamedTuple):
    """The result of one planned pair."""

    tried: Try
    endings: tuple[tuple[str, Ending], ...] = ()
    answers: tuple[Candidate, ...] = ()
    pair: Pair | None = None
    doubt: str | None = None
    """The reason why it is not confirmed."""
    drawn_by: str = NOTHING
    """The principle, or the title of the entry."""
    cut: tuple[str, ...] = ()
    """The models whose answers were cut at max_tokens."""

    def without_pair(self, reason: str) -> _DrawnPair:
        return self._replace(pair=None, tried=self.tried.model_copy(update={"reason": reason}))


class _ConstructStep(Step):
    """The constructed pairs of each prompt."""

    name = "construct"

    def __init__(self, context: Context) -> None:
        self._context = context
        self._planned = plan_draws(context.config)
        parts = context.config.parts(ConstructConfig)
        names = dict.fromkeys(side.model for part in parts for side in part.sides)
        self._models = {name: context.model(name) for name in names}
        self._pools: dict[int, list[DrawnPrinciple]] = {}
        drawn_by: list[str] = []
        self._judges, own = dict[int, Judge](), set[str]()
        for number, part in enumerate(parts):
            if isinstance(part, Contrast):
                self._pools[number] = contrast_principles(context.constitutions, part.principles)
                drawn_by += [drawn.id for drawn in self._pools[number]]
                if any(not drawn.principle.check for drawn in self._pools[number]):
                    folder = load_judge_folder(CONFIRMING_PROTOCOL)
                    model = context.model(part.confirming)
                    self._judges[number] = Judge(folder=folder, model=model, constitutions=())
                    if part.is_confirmed_by_writer(context.config.models):
                        own.add(self._judges[number].name)
            else:
                drawn_by.append(part.title)
        self.models = [*self._models.values(), *(judge.model for judge in self._judges.values())]
        self._window = context.window(self.models)
        self.tables = Tables(context.workspace, "construct", candidates=Candidate, pairs=ConstructedPair, tries=Try)
        self._answers, self._tries = 0, Tries(drawn_by, own)

    async def work(self, item: PromptItem) -> list[_DrawnPair]:
        """Draw the pairs of a prompt, and leave out those that are not confirmed."""
        drawn = await self._drawn(item)
        return self._distinct(item, [made.without_pair(made.doubt) if made.doubt else made for made in drawn])

    async def most(self, item: PromptItem) -> list[_DrawnPair]:
        """Keep every pair: later stages may have to ask about it."""
        return self._distinct(item, await self._drawn(item))

    async def _drawn(self, item: PromptItem) -> list[_DrawnPair]:
        seed = self._context.config.seed
        principles = {
            number: iter(drawn_for(item.prompt, pool, len(self._planned), seed=seed))
            for number, pool in self._pools.items()
        }
        jobs = [(planned, next(principles.get(planned.number, iter(())), None)) for planned in self._planned]

        async def draw(job: tuple[PlannedPair, DrawnPrinciple | None]) -> _DrawnPair:
            return await self._pair(item.prompt, *job)

        return await flow(jobs, draw, window=self._window)

    def _distinct(self, item: PromptItem, drawn: Iterable[_DrawnPair]) -> list[_DrawnPair]:
        pairs, seen = list[_DrawnPair](), set[str]()
        for made in drawn:
            is_seen = made.pair is not None and made.pair.comparison_id in seen
            pairs.append(made.without_pair("the same two answers again") if is_seen else made)
            seen |= {made.pair.comparison_id} if made.pair else set()
        item.is_pending = any(ending.outcome == "pending" for pair in pairs for _, ending in pair.endings)
        return pairs

    async def _pair(self, prompt: Prompt, planned: PlannedPair, by: DrawnPrinciple | None) -> _DrawnPair:
        """Draw two answers, by a principle for contrast prompts, and put them together."""
        sides = planned.source.sides
        if isinstance(planned.source, Contrast):
            if by is None:
                return _DrawnPair(Try(prompt_id=prompt.id, reason=NO_PRINCIPLE))
            model, principle = planned.source.model, by.principle
            sides = (Side(model, principle.rule, True, by.id), Side(model, principle.opposite, True, by.id))
        drawn = [
            await _draw(self._models[side.model], side, prompt, sample)
            for side, sample in zip(sides, planned.samples, strict=True)
        ]
        made = _put_together(prompt, planned, drawn)._replace(drawn_by=by.id if by else planned.source.title)
        return made if by is None or made.pair is None else await self._confirmed(prompt, planned, by, made)

    async def _confirmed(
        self, prompt: Prompt, planned: PlannedPair, by: DrawnPrinciple, made: _DrawnPair
    ) -> _DrawnPair:
        """Return the pair as a check or a judge decides it, or with the reason why it is none."""
        assert made.pair is not None
        chosen, rejected = made.answers
        try:
            confirmed = await confirm(prompt, by, chosen, rejected, self._judges.get(planned.number))
        except ProviderError as fault:
            ending = (f"{prompt.id}/{planned.number}/judge/{planned.samples[0]}", item_ending(fault))
            return made._replace(endings=(*made.endings, ending)).without_pair("the judge did not answer")
        update: dict[str, Any] = {"principle_ids": (by.id,), "decisive": by.id}
        if not isinstance(confirmed, str):
            update |= {"decided_by": confirmed.decided_by, "raters": confirmed.raters}
            if confirmed.p_raw is not None:
                update |= {"p_chosen_raw": confirmed.p_raw, "p_chosen": min(planned.source.p, confirmed.p_raw)}
        doubt = confirmed if isinstance(confirmed, str) else None
        return made._replace(pair=made.pair.model_copy(update=update), doubt=doubt)

    def keep(self, drawn: list[_DrawnPair]) -> None:
        for made in drawn:
            for name, ending in made.endings:
                self.tables.end(name, ending)
            self.tables.add("candidates", made.answers)
            if made.pair:
                row = ConstructedPair(pair=made.pair, chosen=self._answers, rejected=self._answers + 1)
                self.tables.add("pairs", [row])
            self.tables.add("tries", [made.tried])
            self._tries.add(made.drawn_by, made.tried.reason, made.cut, made.pair)
            self._answers += len(made.answers)

    def close(self) -> StageResult:
        self.tables.close()
        limits = {name: getattr(spec, "max_tokens", None) for name, spec in self._context.config.models.items()}
        calls = Result(funnels=(self.tables.funnel("calls for constructed pairs"),))
        return StageResult(self.tables.artefacts, calls + self._tries.result(limits))


async def _draw(model: Model, side: Side, prompt: Prompt, sample: int) -> Drawn:
    """Return one answer. It belongs to the prompt as it is, whatever instruction was added."""
    asked = prompt
    if side.instruction is not None:
        add = instructed if side.is_behind else _instructed
        asked = prompt.model_copy(update={"messages": add(prompt.messages, side.instruction)})
    drawn = await draw_answer(model, Draw(asked, sample))
    if drawn.answer is None or side.instruction is None:
        return drawn
    by = {"principle_ids": (side.principle_id,)} if side.principle_id else {}
    origin = drawn.answer.origin.model_copy(update={"template": content_id(side.instruction), **by})
    answer = drawn.answer.model_copy(update={"prompt_id": prompt.id, "origin": origin})
    return drawn._replace(answer=answer)


def _instructed(messages: Messages, instruction: str) -> Messages:
    """Return the instruction in front; a system text that the prompt has stays below it, in one message, since many
    models take only one."""
    first = messages[0]
    if first.role in ("system", "developer") and isinstance(first.content, str):
        return (first.model_copy(update={"content": f"{instruction}\n\n{first.content}"}), *messages[1:])
    return (Message(role="system", content=instruction), *messages)


def _put_together(prompt: Prompt, planned: PlannedPair, drawn: Sequence[Drawn]) -> _DrawnPair:
    """Two answers as a pair; without one, why."""
    words = zip(("better", "worse"), planned.source.sides, planned.samples, drawn, strict=True)
    endings = tuple(
        (f"{prompt.id}/{planned.number}/{side.model}/{word}/{sample}", answer.ending)
        for word, side, sample, answer in words
    )
    answers = tuple(answer.answer for answer in drawn if answer.answer)
    # of a contrast `confirm` says whether a rejected answer that is cut off had broken its principle by then
    whole = answers[:1] if isinstance(planned.source, Contrast) else answers
    written = zip(planned.source.sides, drawn, strict=True)
    cut = tuple(side.model for side, one in written if one.answer and one.answer.is_truncated)
    better, worse = (one.answer and one.answer.id for one in drawn)
    tried = Try(prompt_id=prompt.id, better_id=better, worse_id=worse, reason=_unfit(prompt, answers, whole))
    made = _DrawnPair(tried, endings, answers, cut=cut)
    if tried.reason:
        return made
    (chosen, rejected), p = answers, planned.source.p
    pair = Pair(
        prompt_id=prompt.id,
        chosen_id=chosen.id,
        rejected_id=rejected.id,
        p_chosen=p,
        p_chosen_raw=p,
        decided_by="construction",
    )
    return made._replace(pair=pair)


def _unfit(prompt: Prompt, answers: Sequence[Candidate], whole: Sequence[Candidate]) -> str | None:
    """Why these are not two answers that can be compared, of which those in `whole` ended by themselves."""
    if len(answers) < 2:
        return "an answer is missing"
    if any(answer.is_truncated for answer in whole):
        return CUT_OFF
    a, b = sorted(answer.id for answer in answers)
    judgement = Judgement(prompt_id=prompt.id, a=a, b=b)
    unfit: Counter[str] = Counter()
    list(fit_for_pairs([judgement], {prompt.id: prompt}, {answer.id: answer for answer in answers}, unfit))
    return next(iter(unfit), None)
