"""The stage `critique`: an answer to every prompt, drafted, critiqued and revised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from amendment.critique import Chain, run_chain
from amendment.critique.chain import CritiqueConfig
from amendment.data.sources import ChainSource
from amendment.preference.kept_principles import KeptAnswers
from amendment.records import Candidate, Critique, Prompt
from amendment.results import Result, by_label, counted
from amendment.stages.contract import (
    Ask,
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

MOSTLY_COPIES = (
    "most revisions are copies: take a larger model, try `layout: tags` in the entry of a server, or draw pairs by "
    "contrast prompts (`construct`)"
)


class CritiqueStage(Stage):
    """Draft an answer to each prompt, then criticise and revise it."""

    name = "critique"
    title = "drafting, critiquing and revising answers"
    absent = "learns from drafts or revisions, which the stage critique makes; add it, or train it on: chosen"
    Config = CritiqueConfig
    reads = ("inputs/prompts",)

    def __init__(self, settings: RunSettings) -> None:
        super().__init__(settings)
        self.config = settings.need(CritiqueConfig)
        are_compared = bool(settings.parts(ChainSource))
        self.writes = {
            "critique/candidates": Role.ANSWERS if are_compared else None,
            "critique/critiques": None,
            "critique/endings": None,
        }

    def key(self, context: Context) -> Mapping[str, Any]:
        """Return the chain's settings, its model and its principles."""
        return {**dump(self.config), **context.model_key(self.config.model), **constitution_key(context)}

    def asks(self) -> Iterator[Ask]:
        yield Ask(("critique", "model"), self.config.model, "revise", take=self.config.take)

    def begin(self, context: Context) -> _Chains:
        return _Chains(context, self.config)


class _Chains(Step):
    """A chain for each prompt."""

    name = "critique"
    makes: str = "critique/candidates"

    def __init__(self, context: Context, config: CritiqueConfig) -> None:
        self._context, self._config = context, config
        self._model = context.model(config.model)
        self.take = config.take
        self._counts: Counter[str] = Counter()
        self._copies: Counter[str] = Counter()
        self._kept = KeptAnswers(context.constitutions)
        self.models = [self._model]
        self.tables = Tables(context.workspace, "critique", candidates=Candidate, critiques=Critique)

    async def work(self, item: PromptItem) -> tuple[Prompt, Chain]:
        """Draft, critique and revise; a chain that ends early keeps what it has."""
        constitutions = self._context.constitutions
        seed = self._context.config.seed
        chain = await run_chain(item.prompt, self._model, constitutions, self._config, seed=seed)
        item.candidates[self.makes] = list(chain.candidates)
        item.is_pending = chain.ending.outcome == "pending"
        return item.prompt, chain

    def keep(self, made: tuple[Prompt, Chain]) -> None:
        prompt, chain = made
        for candidate in chain.candidates:
            self._kept.add(prompt, candidate, f"{candidate.kind}s")
        self.tables.end(chain.prompt_id, chain.ending)
        self.tables.add("candidates", chain.candidates)
        self.tables.add("critiques", chain.critiques)
        self._counts.update(candidate.kind for candidate in chain.candidates)
        self._copies.update(chain.copies)
        self._counts["truncated"] += sum(candidate.is_truncated for candidate in chain.candidates)

    def close(self) -> StageResult:
        self.tables.close()
        counts = self._counts
        sizes = counted(drafts=counts["draft"], revisions=counts["revision"], truncated=counts["truncated"])
        chains = Result(
            figures=(*sizes, *by_label("copies", "of", dict(sorted(self._copies.items())))),
            funnels=(self.tables.funnel("critique chains"),),
            notes=(MOSTLY_COPIES,) if self._copies.total() > counts["revision"] else (),
        )
        return StageResult(self.tables.artefacts, chains + self._kept.result())
