"""Which prompts a rehearsal takes: all where they are few, else a spread sample in which each stands for others.

Covered: prompts that differ in what is asked about them (held out or not, in reach of a `take`, with candidates of the
user's own) are sampled apart, so that few of one sort do not get lost among many of another. Not covered: how long
prompts are; a sample of this size tells their mean well enough for a plan.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from amendment.data.sources import ModelSource
from amendment.data.workspace import Split
from amendment.hashing import content_id
from amendment.records import Candidate, Judgement, Prompt
from amendment.run.engine import RunFolder
from amendment.run.runfile.config import RunFile
from amendment.stages.config_evaluation import EvaluateStage
from amendment.stages.config_guards import DpoGuards
from amendment.stages.config_rounds import round_step

__all__ = ["Portion", "portions_of", "write_portion"]

SAMPLE = 200
"""Prompts that are rehearsed with where there are more of them."""
LEAST = 20
"""Of each sort at least so many."""
TABLES: dict[str, type[Any]] = {
    "inputs/prompts": Prompt,
    "inputs/split": Split,
    "inputs/candidates": Candidate,
    "inputs/judgements": Judgement,
}
"""What stages that ask models read of the inputs."""


class Portion(NamedTuple):
    """Prompts of one sort, as a small run of their own."""

    config: RunFile
    tables: Mapping[str, list[Any]] | None = None
    """The rows of the input tables that belong to them; None where they are all prompts of the run."""
    weight: float = 1.0
    """How many prompts each of them stands for."""
    evaluated: float = 1.0
    """The same where held-out prompts answer, of which a run takes only so many."""
    guarded: float = 1.0
    """The same where a training is watched on held-out prompts, of which it takes only so many."""
    probed: float = 1.0
    """The same where comparisons are probed, of which a run takes only so many."""
    size: int = 0
    """How many are rehearsed with."""

    def weight_in(self, stage: str) -> float:
        """How many prompts one of them stands for in a stage."""
        place = round_step(stage)
        step = place.step if place else stage
        return {"evaluate": self.evaluated, "dpo": self.guarded, "probes": self.probed}.get(step, self.weight)


class _Sort(NamedTuple):
    is_held_out: bool
    is_reached: tuple[bool, ...]
    """By each source of candidates that has a `take`."""
    has_candidates: bool


def portions_of(config: RunFile, inputs: RunFolder, sample: int = SAMPLE) -> list[Portion]:
    """The portions of a run whose input tables are in place."""
    total = inputs.count("inputs/prompts")
    if total <= sample:
        return [Portion(_probing(config), size=total)]
    sorts = _sorts(config, inputs)
    held_out = sum(len(ids) for sort, ids in sorts.items() if sort.is_held_out)
    watching = config.dpo.guards if config.dpo else None
    evaluated, guarded = _share(config.evaluate, held_out), _share(watching, held_out)
    taken = {sort: _taken(config, ids, max(LEAST, round(sample * len(ids) / total))) for sort, ids in sorts.items()}
    tables = _tables(inputs, {prompt: sort for sort, ids in taken.items() for prompt in ids})
    portions = []
    for sort, ids in taken.items():
        weight = len(sorts[sort]) / len(ids)
        pairs = config.probes.pairs * len(sorts[sort]) / total if config.probes else 1
        asked = max(1, min(round(pairs), len(ids)))
        small = _probing(_reached(config, sort, _checked(config, held_out, len(ids))), asked)
        portions.append(
            Portion(small, tables[sort], weight, weight * evaluated, weight * guarded, pairs / asked, len(ids))
        )
    return [*portions, *_own_prompts(config)]


def _own_prompts(config: RunFile) -> Iterator[Portion]:
    """What an evaluation asks about prompts of its own files, once, beside the sampled prompts of the run."""
    if config.evaluate and config.evaluate.own_prompts:
        evaluate = config.evaluate.model_copy(update={"judge": None, "violations": None, "people": None})
        alone = {"critique": None, "candidates": (), "judging": None, "probes": None, "spot_check": None}
        small = config.model_copy(update={**alone, "evaluate": evaluate})
        yield Portion(small, {name: [] for name in TABLES})


def _checked(config: RunFile, held_out: int, size: int) -> int:
    """On how many of so many rehearsed prompts violations are looked for."""
    if not (config.evaluate and config.evaluate.violations and held_out):
        return 1
    evaluated = min(config.evaluate.prompts, held_out)
    return max(1, round(size * min(1.0, config.evaluate.violations.prompts / evaluated)))


def _probing(config: RunFile, pairs: int | None = None) -> RunFile:
    """The run file with so many pairs probed. Nobody has won a comparison yet, so that attacks are put to them all."""
    if not config.probes:
        return config
    probes = config.probes.model_copy(update={"pairs": pairs or config.probes.pairs, "clear": 0.0})
    return config.model_copy(update={"probes": probes})


def _sorts(config: RunFile, inputs: RunFolder) -> dict[_Sort, list[str]]:
    """The ids of all prompts by sort."""
    split = {row.prompt_id: row.split == "test" for row in inputs.rows("inputs/split", Split)}
    own = {candidate.prompt_id for candidate in inputs.rows("inputs/candidates", Candidate)}
    takes = [source.take for source in config.candidates if isinstance(source, ModelSource) and source.take]
    sorts: defaultdict[_Sort, list[str]] = defaultdict(list)
    for index, prompt in enumerate(inputs.rows("inputs/prompts", Prompt)):
        sort = _Sort(split[prompt.id], tuple(index < take for take in takes), prompt.id in own)
        sorts[sort].append(prompt.id)
    return dict(sorts)


def _taken(config: RunFile, ids: list[str], size: int) -> list[str]:
    """So many of these prompts by a seeded hash, so that a larger sample keeps the smaller one's."""
    return sorted(ids, key=lambda one: content_id(["plan", config.seed, one]))[:size]


def _tables(inputs: RunFolder, sort_of: Mapping[str, _Sort]) -> dict[_Sort, dict[str, list[Any]]]:
    """The rows of the prompts that were taken, by sort and table."""
    found: dict[_Sort, dict[str, list[Any]]] = {sort: {name: [] for name in TABLES} for sort in sort_of.values()}
    for name, kind in TABLES.items():
        for row in inputs.rows(name, kind):
            sort = sort_of.get(row.id if isinstance(row, Prompt) else row.prompt_id)
            if sort is not None:
                found[sort][name].append(row)
    return found


def _share(taking: EvaluateStage | DpoGuards | None, held_out: int) -> float:
    """Which share of the held-out prompts an evaluation or guards take; by a hash, from all sorts alike."""
    return min(1.0, taking.prompts / held_out) if taking and held_out else 1.0


def _reached(config: RunFile, sort: _Sort, checked: int) -> RunFile:
    """The run file as it holds for prompts of one sort: sources that do not reach them left out, all evaluated and
    all asked by guards, so many of them for violations, and no others."""
    reached = iter(sort.is_reached)
    candidates = tuple(
        source.model_copy(update={"take": None}) if isinstance(source, ModelSource) else source
        for source in config.candidates
        if not (isinstance(source, ModelSource) and source.take) or next(reached)
    )
    evaluate = config.evaluate and config.evaluate.model_copy(update={"prompts": 1_000_000_000})
    if evaluate and evaluate.violations:
        evaluate = evaluate.model_copy(
            update={"violations": evaluate.violations.model_copy(update={"prompts": checked})}
        )
    if evaluate and evaluate.over_refusal:
        evaluate = evaluate.model_copy(
            update={"over_refusal": evaluate.over_refusal.model_copy(update={"prompts": ()})}
        )
    dpo = config.dpo
    if dpo and dpo.guards:
        dpo = dpo.model_copy(update={"guards": dpo.guards.model_copy(update={"prompts": 1_000_000_000})})
    return config.model_copy(update={"candidates": candidates, "evaluate": evaluate, "dpo": dpo})


def write_portion(portion: Portion, to: RunFolder) -> None:
    """The input tables of a small run."""
    for name, rows in (portion.tables or {}).items():
        to.write(name, TABLES[name], rows)
