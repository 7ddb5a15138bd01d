"""The stage `construct`: pairs by how their answers were drawn, a strong model against a weak one, or one model under
two instructions (RLCD, Yang et al. 2023).

Promised: each answer is drawn for one pair alone; the instruction is a system text of the draw, and the pair's prompt
is the user's; a pair without two fit answers is counted by its reason. Not covered: whether the label is right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from amendment.data.sources import ModelSource
from amendment.hashing import content_id
from amendment.llm.answers import Ending
from amendment.llm.concurrency import flow
from amendment.llm.model import Model
from amendment.preference import Paired, fit_for_pairs, without_constant_answers
from amendment.records import Candidate, Judgement, Message, Messages, Pair, Prompt, Record
from amendment.run.context import Context
from amendment.run.runfile.config import RunFile
from amendment.run.runfile.constructing import Construction, Side
from amendment.stages.contract import Item, Made
from amendment.stages.draws import Draw, Drawn, draw_answer
from amendment.stages.endings import Tables

__all__ = ["CANDIDATES", "PAIRS", "ConstructStep", "Constructed", "ConstructedPair", "constructed_pairs", "plan_draws"]

CANDIDATES, PAIRS = "construct/candidates", "construct/pairs"


class PlannedPair(NamedTuple):
    """A pair that is to be drawn of each prompt."""

    source: Construction
    number: int
    """Of the source, in the run file."""
    samples: tuple[int, int]
    """The how-manieth answer of its side each of the two is."""


def plan_draws(config: RunFile) -> list[PlannedPair]:
    """The pairs of each prompt. No draw is one of another pair, nor of a candidate or a draft of the run, so that no
    judge sees the same answers."""
    used: Counter[Side] = Counter()
    for source in config.candidates:
        if isinstance(source, ModelSource):
            used[Side(source.model)] = max(used[Side(source.model)], source.per_prompt)
    if config.critique:
        used[Side(config.critique.model)] = max(used[Side(config.critique.model)], 1)
    planned = []
    for number, part in enumerate(config.constructions):
        for _ in range(part.per_prompt):
            better, worse = part.sides
            planned.append(PlannedPair(part, number, (used[better], used[worse])))
            used.update(part.sides)
    return planned


class ConstructedPair(Record):
    """A pair, and the rows of its answers in the table of candidates, counted from 0: one text may have two writers."""

    pair: Pair
    chosen: int
    rejected: int


class _DrawnPair(NamedTuple):
    """What came of one planned pair."""

    endings: tuple[tuple[str, Ending], ...]
    answers: tuple[Candidate, ...]
    pair: Pair | None
    reason: str | None = None
    """Why there is no pair."""


class ConstructStep:
    """The constructed pairs of each prompt."""

    name = "construct"
    reads: tuple[str, ...] = ()
    makes = None

    def __init__(self, context: Context) -> None:
        self._planned = plan_draws(context.config)
        names = dict.fromkeys(side.model for part in context.config.constructions for side in part.sides)
        self._models = {name: context.model(name) for name in names}
        self.models: Sequence[Model] = [*self._models.values()]
        self._window = context.window(self.models)
        self.tables = Tables(context.workspace, "construct", candidates=Candidate, pairs=ConstructedPair)
        self._pairs, self._answers, self._left_out = 0, 0, Counter[str]()

    async def work(self, item: Item) -> list[_DrawnPair]:
        """Draw the answers to a prompt, and put them together."""

        async def draw(planned: PlannedPair) -> tuple[Drawn, Drawn]:
            (better, worse), (first, second) = planned.source.sides, planned.samples
            return (
                await _draw(self._models[better.model], better, item.prompt, first),
                await _draw(self._models[worse.model], worse, item.prompt, second),
            )

        drawn = await flow(self._planned, draw, window=self._window)
        found = [_put_together(item.prompt, *one) for one in zip(self._planned, drawn, strict=True)]
        item.is_pending = any(ending.outcome == "pending" for one in found for _, ending in one.endings)
        return _each_once(found)

    def keep(self, drawn: list[_DrawnPair]) -> None:
        """Write the answers to a prompt and their pairs."""
        for one in drawn:
            for name, ending in one.endings:
                self.tables.end(name, ending)
            self.tables.add("candidates", one.answers)
            if one.pair:
                pair = ConstructedPair(pair=one.pair, chosen=self._answers, rejected=self._answers + 1)
                self.tables.add("pairs", [pair])
                self._pairs += 1
            elif one.reason:
                self._left_out[one.reason] += 1
            self._answers += len(one.answers)

    def close(self) -> Made:
        """Finish the stage."""
        counts: dict[str, Any] = {**self.tables.close(), "pairs": self._pairs}
        return Made(self.tables.artefacts, {**counts, **({"no pair": dict(self._left_out)} if self._left_out else {})})


async def _draw(model: Model, side: Side, prompt: Prompt, sample: int) -> Drawn:
    """One answer. It belongs to the prompt as it is, whatever system text was put before it."""
    asked = prompt
    if side.instruction is not None:
        asked = prompt.model_copy(update={"messages": _instructed(prompt.messages, side.instruction)})
    drawn = await draw_answer(model, Draw(asked, sample))
    if drawn.answer is None or side.instruction is None:
        return drawn
    origin = drawn.answer.origin.model_copy(update={"template": content_id(side.instruction)})
    answer = drawn.answer.model_copy(update={"prompt_id": prompt.id, "origin": origin})
    return drawn._replace(answer=answer)


def _instructed(messages: Messages, instruction: str) -> Messages:
    """The instruction in front; a system text that the prompt has stays below it, in one message, since many models
    take only one."""
    first = messages[0]
    if first.role in ("system", "developer") and isinstance(first.content, str):
        return (first.model_copy(update={"content": f"{instruction}\n\n{first.content}"}), *messages[1:])
    return (Message(role="system", content=instruction), *messages)


def _put_together(prompt: Prompt, planned: PlannedPair, drawn: tuple[Drawn, Drawn]) -> _DrawnPair:
    endings = tuple(
        (f"{prompt.id}/{planned.number}/{side.model}/{word}/{sample}", one.ending)
        for word, side, sample, one in zip(
            ("better", "worse"), planned.source.sides, planned.samples, drawn, strict=True
        )
    )
    answers = tuple(one.answer for one in drawn if one.answer)
    reason = _unfit(prompt, answers)
    if reason:
        return _DrawnPair(endings, answers, None, reason)
    chosen, rejected = answers
    p = planned.source.p
    pair = Pair(
        prompt_id=prompt.id,
        chosen_id=chosen.id,
        rejected_id=rejected.id,
        p_chosen=p,
        p_chosen_raw=p,
        decided_by="construction",
    )
    return _DrawnPair(endings, answers, pair)


def _unfit(prompt: Prompt, answers: Sequence[Candidate]) -> str | None:
    """Why two draws make no pair."""
    if len(answers) < 2:
        return "an answer is missing"
    if any(answer.is_truncated for answer in answers):
        return "an answer is cut off"
    a, b = sorted(answer.id for answer in answers)
    fit = fit_for_pairs(
        [Judgement(prompt_id=prompt.id, a=a, b=b)], {prompt.id: prompt}, {answer.id: answer for answer in answers}
    )
    return next(iter(fit.left_out), None)


def _each_once(found: Iterable[_DrawnPair]) -> list[_DrawnPair]:
    """A comparison of the same two answers counts once, as it was constructed first."""
    seen: set[str] = set()
    kept = []
    for one in found:
        if one.pair and one.pair.comparison_id in seen:
            one = one._replace(pair=None, reason="the same two answers again")  # noqa: PLW2901 - it takes its place
        seen |= {one.pair.comparison_id} if one.pair else set()
        kept.append(one)
    return kept


class Constructed(NamedTuple):
    """The constructed pairs of a run as the dataset takes them."""

    paired: Paired
    answers: dict[str, dict[str, Candidate]]
    """Both answers of each by their id, by the pair's comparison."""


def constructed_pairs(context: Context, known: Iterable[str]) -> Constructed:
    """Pairs of the stage `construct`, without comparisons in `known`, about which people or judges have decided; none
    where the run constructs none."""
    if not context.config.constructions:
        return Constructed(Paired([], Counter()), {})
    candidates = context.workspace.read(CANDIDATES, Candidate)
    found, decided = context.workspace.read(PAIRS, ConstructedPair), set(known)
    new = [one for one in found if one.pair.comparison_id not in decided]
    answers = {
        one.pair.comparison_id: {candidates[place].id: candidates[place] for place in (one.chosen, one.rejected)}
        for one in new
    }
    by_id = {candidate.id: candidate for candidate in candidates}
    pairs, constant = without_constant_answers(
        [one.pair for one in new], by_id, context.config.dataset.constant_answers
    )
    left_out = constant + Counter({"constructed, and decided by others": len(found) - len(new)})
    return Constructed(Paired(pairs, +left_out), answers)
