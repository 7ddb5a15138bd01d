"""A further round as the first one sees the world: the run file as it holds in it, and the run's folder with the
round's own tables in place of the run's.

So every stage of a round is the stage of the run, and does what that does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from amendment.data.sources import ModelSource
from amendment.data.workspace import Workspace
from amendment.stages.config_rounds import RoundStep, in_round, policy_of
from amendment.stages.configs import POLICY_STAGES, RunFile
from amendment.stages.contract import Context

__all__ = ["RoundPlace", "data_settings", "drawn_from", "round_config", "round_context"]


def drawn_from(config: RunFile, number: int) -> ModelSource | None:
    """How the policy of the round before is asked; None where neither `rounds` nor `candidates` says so.

    Other sources of candidates give the same answers in every round, and these have been judged.
    """
    assert config.rounds is not None
    last, own = policy_of(number - 1), config.rounds.candidates
    if own:
        return ModelSource(model=last, **own.model_dump())
    sources = [one for one in config.candidates if isinstance(one, ModelSource) and one.model in POLICY_STAGES]
    return sources[-1].model_copy(update={"model": last}) if sources else None


def round_config(config: RunFile, number: int) -> RunFile:
    """The run file as it holds in a further round: candidates are the last policy's, and DPO trains on from it, or from
    its own base once more."""
    assert config.rounds is not None
    source, dpo = drawn_from(config, number), config.dpo
    if dpo and config.rounds.from_ == "last":  # a policy of the run has no revision, which is a base's on the Hub
        dpo = dpo.model_copy(update={"base": policy_of(number - 1), "revision": None})
    inner = {"critique": None, "candidates": (source,) if source else (), "constructions": (), "dpo": dpo}
    return config.model_copy(update=inner)


def data_settings(config: RunFile, step: RoundStep) -> dict[str, Any]:
    """What of `rounds` counts for a step beside the settings of the stage of the first round: for the pairs that are
    trained on, which these are."""
    assert config.rounds is not None
    return config.rounds.model_dump(mode="json", include={"data", "keep_human"}) if step == "dataset" else {}


class RoundPlace(Workspace):
    """A run's folder as a step of a further round sees it."""

    def __init__(self, run: Workspace, number: int, step: RoundStep) -> None:
        super().__init__(run.folder)
        self._run, self._place = run, (number, step)

    def path(self, artefact: str) -> Path:
        """Where an artefact lies: the round's own under `rounds/`."""
        return self._run.path(self._named(artefact))

    def digest(self, artefact: str) -> str:
        """The content hash of an artefact, as the run took it."""
        return self._run.digest(self._named(artefact))

    def _named(self, artefact: str) -> str:
        number, step = self._place
        return in_round(number, artefact, step)


def round_context(context: Context, number: int, step: RoundStep) -> Context:
    """The run as a step of a further round sees it; ledger, budget, models and progress are the run's."""
    return context.within(round_config(context.config, number), RoundPlace(context.workspace, number, step))
