"""The stage `candidates`: answers drawn from every model that the run file names under `candidates`.

Covered: models that are there before the run begins, all of them in one pass over the prompts; policies that the run
trains, of which one is in memory at a time, so that each has a pass of its own.
"""

from __future__ import annotations

from asyncio import to_thread
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from amendment.data.sources import ModelSource, have_known_answers
from amendment.llm.concurrency import Tally, flow
from amendment.llm.model import Model
from amendment.preference.draws import Draw, Drawn, draw_answer, hinted
from amendment.preference.kept_principles import KeptAnswers
from amendment.preference.verified import DECISIVE, Proof, Verifier
from amendment.records import Candidate, Prompt
from amendment.results import Result, counted
from amendment.stages.contract import (
    Ask,
    ConfigProblem,
    Context,
    PromptItem,
    RunSettings,
    Stage,
    StageResult,
    Step,
    dump,
    rules_key,
)
from amendment.stages.tables import Role, Tables

BATCH = 64
"""Answers of a policy that are generated together."""


class CandidatesStage(Stage):
    """Draw answers from models."""

    name = "candidates"
    title = "sampling candidate answers"
    comes_with = ModelSource
    writes: Collection[str] = {"candidates/candidates": Role.ANSWERS, "candidates/endings": None}

    def __init__(self, settings: RunSettings) -> None:
        super().__init__(settings)
        self.drawn_from = settings.parts(ModelSource)
        policies = sorted({source.model for source in self.drawn_from if source.model in settings.policies})
        self.reads = ("inputs/prompts", *(f"models/{name}" for name in policies))
        self._waits = bool(policies)

    def key(self, context: Context) -> Mapping[str, Any]:
        key: dict[str, Any] = {"candidates": [dump(source) for source in self.drawn_from]}
        for source in self.drawn_from:
            key |= context.model_key(source.model) if source.model in context.config.models else {}
        return key | (rules_key(context.rules) if any(source.hint for source in self.drawn_from) else {})

    def asks(self) -> Iterator[Ask]:
        for index, source in enumerate(self.settings.candidates):
            if isinstance(source, ModelSource):
                yield Ask((self.name, index, "model"), source.model, take=source.take)

    def problems(self) -> Iterator[ConfigProblem]:
        first: dict[str, int] = {}
        for index, source in enumerate(self.settings.candidates):
            if not isinstance(source, ModelSource):
                continue
            if first.setdefault(source.model, index) != index:
                total = sum(other.per_prompt for other in self.drawn_from if other.model == source.model)
                twice = (
                    f"candidates[{first[source.model]}] names {source.model} too, and both would draw the same answers"
                )
                yield (self.name, index, "model"), f"{twice}; write one entry, with per_prompt: {total}"
            if source.hint and not self.settings.parts(Verifier):
                missing = "a hint is for prompts without an answer that passes, and nothing verifies answers"
                yield (self.name, index, "hint"), f"{missing}; add verify:"
            elif source.hint and not have_known_answers(self.settings.prompts):
                missing = "a hint is the known answer of a prompt, and no prompt has one"
                yield (self.name, index, "hint"), f"{missing}; name the column with it as columns.answer under prompts"

    @property
    def is_streamed(self) -> bool:
        return not self._waits

    def begin(self, context: Context) -> Step:
        return _CandidatesStep(context, self.drawn_from)

    def make(self, context: Context) -> StageResult:
        """Draw answers where policies of this run are among the models: one source after another."""
        return draw_in_turn(context, self.drawn_from)


class _AnswerTables:
    """The stage's tables and figures."""

    def __init__(self, context: Context) -> None:
        self._kept = KeptAnswers(context.constitutions)
        self.tables = Tables(context.workspace, "candidates", candidates=Candidate)
        self._truncated = 0

    def add(self, model: str, drawn: Drawn) -> None:
        """Write how a model's draw ended, and the answer that it gave."""
        self.tables.end(*drawn.named_ending(model))
        if answer := drawn.answer:
            self.tables.add("candidates", [answer])
            self._truncated += answer.is_truncated
            self._kept.add(drawn.draw.prompt, answer, f"answers of {model}")

    def close(self) -> StageResult:
        self.tables.close()
        drawn = Result(figures=counted(truncated=self._truncated), funnels=(self.tables.funnel("sampled answers"),))
        return StageResult(self.tables.artefacts, drawn + self._kept.result())


class _CandidatesStep(Step):
    """Answers to each prompt from all models, which no stage of the run makes."""

    name = "candidates"
    makes: str = "candidates/candidates"

    def __init__(self, context: Context, sources: Sequence[ModelSource]) -> None:
        self._sources, self._proof = sources, Proof(context.config.parts(Verifier), *DECISIVE)
        takes = [source.take for source in sources if source.take is not None]
        self.take = max(takes) if len(takes) == len(sources) else None
        self.models = [context.model(source.model) for source in self._sources]
        self._window = context.window(self.models)
        self._answers = _AnswerTables(context)
        self.tables = self._answers.tables

    async def work(self, item: PromptItem) -> list[tuple[str, Drawn]]:
        """Draw every answer to a prompt; each by the name of its model."""
        drawn = []
        for source, model in zip(self._sources, self.models, strict=True):
            answers = await _draw(source, model, item.index, item.prompt, window=self._window, proof=self._proof)
            drawn += [(source.model, answer) for answer in answers]
        item.candidates[self.makes] = [answer.answer for _, answer in drawn if answer.answer]
        item.is_pending = any(answer.ending.outcome == "pending" for _, answer in drawn)
        return drawn

    def keep(self, drawn: list[tuple[str, Drawn]]) -> None:
        for model, answer in drawn:
            self._answers.add(model, answer)

    def close(self) -> StageResult:
        return self._answers.close()


async def _draw(
    source: ModelSource, model: Model, index: int, prompt: Prompt, *, window: int, proof: Proof
) -> list[Drawn]:
    """Return the draws of one source for a prompt, if it is among those that it takes; as many again with a hint where
    one is asked for and no answer passes."""
    if source.take is not None and index >= source.take:
        return []

    async def work(sample: int) -> Drawn:
        return await draw_answer(model, Draw(prompt, sample))

    drawn = await flow(range(source.per_prompt), work, window=window)
    if not source.hint or prompt.answer is None or any(answer.ending.outcome == "pending" for answer in drawn):
        return drawn
    if await to_thread(lambda: any(proof.of(prompt, answer.answer) for answer in drawn if answer.answer)):
        return drawn
    asked = hinted(prompt)

    async def work_hinted(sample: int) -> Drawn:
        answer = await draw_answer(model, Draw(asked, sample))
        return answer.without_hint(prompt, source.per_prompt + sample)

    return drawn + await flow(range(source.per_prompt), work_hinted, window=window)


def draw_in_turn(context: Context, sources: Sequence[ModelSource]) -> StageResult:
    """Return one source after another, so that one policy is in memory at a time; the answers are written prompt by
    prompt."""
    workspace = context.workspace
    by_prompt: dict[str, list[tuple[str, Drawn]]] = defaultdict(list)
    for source in sources:
        for drawn in _draw_source(context, source):
            by_prompt[drawn.draw.prompt.id].append((source.model, drawn))
    answers = _AnswerTables(context)
    with answers.tables:
        for prompt in workspace.rows("inputs/prompts", Prompt):
            for model, drawn in by_prompt[prompt.id]:
                answers.add(model, drawn)
        return answers.close()


def _draw_source(context: Context, source: ModelSource) -> list[Drawn]:
    """Return all draws of one source, in the order of the prompts."""
    drawn: list[Drawn] = []
    with context.policy(source.model, temperature=1.0, max_tokens=source.max_tokens, batch_size=BATCH) as model:
        window = context.window([model])
        proof = Proof(context.config.parts(Verifier), *DECISIVE)

        async def work(numbered: tuple[int, Prompt]) -> list[Drawn]:
            return await _draw(source, model, *numbered, window=window, proof=proof)

        prompts = islice(enumerate(context.workspace.rows("inputs/prompts", Prompt)), source.take)
        count = context.workspace.count("inputs/prompts")
        tally = Tally(f"candidates of {source.model}", min(count, source.take or count))
        context.stream_bounded([tally], prompts, tally.counting(work), drawn.extend, models=[model])
    return drawn
