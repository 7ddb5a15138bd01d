"""The stages that make candidates: inputs, critique, and answers drawn from models."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from amendment.answers import Ending
from amendment.critique import Chain, run_chain
from amendment.pipeline.context import Context, Split
from amendment.pipeline.engine import Made
from amendment.pipeline.reading.inputs import read_inputs
from amendment.pipeline.reading.source_rows import FileFacts, facts_of
from amendment.pipeline.runfile.sources import ModelSource
from amendment.pipeline.stages.deciding import decide
from amendment.pipeline.stages.draws import Drawn, draw_answers, every_draw
from amendment.pipeline.stages.endings import write_endings
from amendment.preference import held_out
from amendment.records import Candidate, Critique, Judgement, Prompt, Verdict

__all__ = ["majorities", "make_candidates", "make_chains", "make_inputs"]


def make_inputs(context: Context) -> Made:
    """Read what the user brings, and split the prompts."""
    inputs = read_inputs(context.config, context.base)
    test = held_out(inputs.prompts, context.config.dataset.test_share, seed=context.config.seed)
    judgements = majorities(inputs.verdicts)
    split = [Split(prompt_id=one, split="test" if one in test else "train") for one in inputs.prompts]
    write = context.workspace.write
    artefacts = (
        write("inputs/prompts", Prompt, list(inputs.prompts.values())),
        write("inputs/split", Split, split),
        write("inputs/candidates", Candidate, list(inputs.candidates.values())),
        write("inputs/verdicts", Verdict, inputs.verdicts),
        write("inputs/judgements", Judgement, judgements),
    )
    counts: dict[str, Any] = {"prompts": len(inputs.prompts), "held-out prompts": len(test), **inputs.counts}
    if judgements:
        counts |= {"comparisons": len(judgements), "verdicts": len(inputs.verdicts)}
    return Made(artefacts, {**counts, **inputs.other_licenses(), **_sources(facts_of(inputs.files, context.base))})


def _sources(files: Sequence[FileFacts]) -> dict[str, dict[str, int | str]]:
    """What was read, by names that are each there once."""
    found: dict[str, dict[str, int | str]] = {}
    for facts in files:
        name = f"source {facts.name}"
        found[name if name not in found else f"{name} ({len(found) + 1})"] = facts.to_json()
    return found


def majorities(verdicts: Iterable[Verdict]) -> list[Judgement]:
    """One judgement of each comparison that imported verdicts speak of; see `decide`."""
    grouped: dict[tuple[str, ...], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        grouped[(verdict.prompt_id, *sorted(verdict.shown))].append(verdict)
    return [decide(votes) for votes in grouped.values()]


def make_chains(context: Context) -> Made:
    """Draft, critique and revise an answer to every prompt."""
    stage = context.config.critique
    assert stage is not None
    model = context.model(stage.model)
    prompts = list(context.prompts().values())

    async def work(prompt: Prompt) -> Chain:
        return await run_chain(prompt, model, context.constitutions, stage, seed=context.config.seed)

    chains = context.each("critique", prompts, work, models=[model])
    endings = write_endings(context.workspace, "critique", [(chain.prompt_id, chain.ending) for chain in chains])
    candidates = [candidate for chain in chains for candidate in chain.candidates]
    critiques = [critique for chain in chains for critique in chain.critiques]
    artefacts = (
        context.workspace.write("critique/candidates", Candidate, candidates),
        context.workspace.write("critique/critiques", Critique, critiques),
        "critique/endings",
    )
    counts = {
        **endings,
        "drafts": sum(candidate.kind == "draft" for candidate in candidates),
        "revisions": sum(candidate.kind == "revision" for candidate in candidates),
        "truncated": sum(candidate.is_truncated for candidate in candidates),
    }
    return Made(artefacts, counts)


def make_candidates(context: Context) -> Made:
    """Draw answers from every model that the run file names under `candidates`."""
    found: list[Candidate] = []
    endings: list[tuple[str, Ending]] = []
    for source in context.config.candidates:
        if isinstance(source, ModelSource):
            drawn = _draw_candidates(context, source)
            found += [one.answer for one in drawn if one.answer]
            endings += [one.named_ending(source.model) for one in drawn]
    counts = write_endings(context.workspace, "candidates", endings)
    artefacts = (context.workspace.write("candidates/candidates", Candidate, found), "candidates/endings")
    return Made(artefacts, {**counts, "truncated": sum(candidate.is_truncated for candidate in found)})


def _draw_candidates(context: Context, source: ModelSource) -> list[Drawn]:
    draws = every_draw(list(context.prompts().values())[: source.take], source.per_prompt)
    with context.policy(
        source.model, temperature=source.temperature, max_tokens=source.max_tokens, batch_size=source.batch_size
    ) as model:
        return draw_answers(context, f"candidates from {source.model}", model, draws)
