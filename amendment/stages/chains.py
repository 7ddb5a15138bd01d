"""The stage `critique`: an answer to every prompt, drafted, critiqued and revised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from amendment.critique import Chain, run_chain
from amendment.llm.model import Model
from amendment.records import Candidate, Critique
from amendment.run.context import Context
from amendment.stages.contract import Item, Made
from amendment.stages.endings import Tables

__all__ = ["ChainStep"]


class ChainStep:
    """A chain for each prompt."""

    name = "critique"
    reads: tuple[str, ...] = ()
    makes = "critique/candidates"

    def __init__(self, context: Context) -> None:
        assert context.config.critique is not None
        self._context = context
        self._stage = context.config.critique
        self._model = context.model(self._stage.model)
        self._counts: Counter[str] = Counter()
        self.models: Sequence[Model] = [self._model]
        self.tables = Tables(context.workspace, "critique", candidates=Candidate, critiques=Critique)

    async def work(self, item: Item) -> Chain:
        """Draft, critique and revise; a chain that ends early keeps what it has."""
        constitutions, seed = self._context.constitutions, self._context.config.seed
        chain = await run_chain(item.prompt, self._model, constitutions, self._stage, seed=seed)
        item.candidates[self.makes] = list(chain.candidates)
        item.is_pending = chain.ending.outcome == "pending"
        return chain

    def keep(self, chain: Chain) -> None:
        """Write a chain."""
        self.tables.end(chain.prompt_id, chain.ending)
        self.tables.add("candidates", chain.candidates)
        self.tables.add("critiques", chain.critiques)
        self._counts.update(candidate.kind for candidate in chain.candidates)
        self._counts["truncated"] += sum(candidate.is_truncated for candidate in chain.candidates)

    def close(self) -> Made:
        """Finish the stage."""
        counts = {
            **self.tables.close(),
            "drafts": self._counts["draft"],
            "revisions": self._counts["revision"],
            "truncated": self._counts["truncated"],
        }
        return Made(self.tables.artefacts, counts)
