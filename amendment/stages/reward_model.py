"""The stage `reward_model`: trained on the dataset's pairs, and measured on its held-out ones.

Covered: accuracy with its slices by length, category and source, and what needs no model (the longer answer, the one
that was shown first); against people, where people decided, Brier score, log loss and ECE of P(chosen). Not covered:
files of the user's own; see the command `evaluate`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from amendment.reward_model import (
    RewardMeta,
    RewardModel,
    RewardSettings,
    against_people,
    always_first,
    evaluate_pairs,
    people_json,
    people_share,
    preference_probability,
    train_reward,
)
from amendment.stages.contract import Context, StageResult
from amendment.stages.trained import (
    PairsConfig,
    PairTrainingStage,
    pair_rows,
    smoothed,
    training_counts,
    training_progress,
)

SIDES = ("chosen", "rejected")
Row = Mapping[str, Any]


class RewardModelConfig(PairsConfig, RewardSettings):
    """A reward model."""

    base: str
    """base, sft, or a model as `provider: local` takes it (folder, Hub id, GGUF file, `smollm2-135m-instruct`)."""


class RewardModelStage(PairTrainingStage):
    """Train a reward model on the pairs."""

    name = "reward_model"
    weight = 1
    title = "training the reward model"
    is_on_card = True
    model_title = "reward model"
    Config = RewardModelConfig

    def make(self, context: Context) -> StageResult:
        """Train on the pairs of the train split; the held-out ones fit its temperature and measure it."""
        train, test = self.pairs(context), pair_rows(context, "test")
        config, smoothing = smoothed(context.workspace, self.name, self.config)
        folder = context.workspace.path("models/reward_model")
        result = train_reward(
            context.trained_base(config.base),
            train,
            folder,
            config,
            seed=context.config.seed,
            held_out=test,
            progress=training_progress(context, "reward model"),
        )
        meta = RewardModel.describe(folder)
        scores = pair_scores(*result.held_out, meta) if result.held_out else score_pairs(folder, test)
        figures = measured_reward(test, scores)
        counts = {**training_counts(result), **smoothing, **fitted_counts(meta)}
        return StageResult(self.writes, {**counts, "held out": figures} if figures else counts)


class PairScores(NamedTuple):
    """The rewards of both sides of pairs, in their order; nan where a side is too long to be scored."""

    chosen: NDArray[np.float64]
    rejected: NDArray[np.float64]
    p_chosen: NDArray[np.float64]
    """P(chosen is better), by the model's temperature where it has one."""


def score_pairs(folder: Path, rows: Sequence[Row]) -> PairScores:
    """Score both sides of the dataset's rows with the reward model in `folder`."""
    model = RewardModel.load(folder)
    chosen, rejected = (model.score([{**row, "completion": row[side]} for row in rows]) for side in SIDES)
    return pair_scores(chosen, rejected, model.meta)


def pair_scores(chosen: NDArray[np.float64], rejected: NDArray[np.float64], meta: RewardMeta) -> PairScores:
    """Both sides' scores and P(chosen is better), by the model that `meta` describes."""
    return PairScores(chosen, rejected, preference_probability(chosen, rejected, meta.temperature_used))


def measured_reward(rows: Sequence[Row], scores: PairScores) -> dict[str, Any] | None:
    """The figures of a reward model by its scores of all held-out rows; None where no pair has a better answer."""
    decided = [i for i, row in enumerate(rows) if row["p_chosen"] != 0.5]
    if not decided:
        return None
    figures = measured([rows[i] for i in decided], scores.chosen[decided], scores.rejected[decided])
    people = against_people(scores.p_chosen, [people_share(row) for row in rows], [row["prompt_id"] for row in rows])
    return {**figures, **({"people": people_json(people)} if people else {})}


def measured(rows: Sequence[Row], chosen: Any, rejected: Any) -> dict[str, Any]:
    """The accuracy of scores on pairs that were decided, with that of rules that need no model, and its slices."""
    lengths = {side: [len(row[f"{side}_text"]) for row in rows] for side in SIDES}
    prompts = [row["prompt_id"] for row in rows]
    scored = np.flatnonzero(np.isfinite(np.asarray(chosen, np.float64) - np.asarray(rejected, np.float64))).tolist()
    longer_chosen, longer_rejected = ([lengths[side][i] for i in scored] for side in SIDES)
    longer = evaluate_pairs(longer_chosen, longer_rejected, [prompts[i] for i in scored])
    first = always_first([rows[i] for i in scored], [prompts[i] for i in scored])
    evaluated = evaluate_pairs(
        chosen,
        rejected,
        prompts,
        categories=[row["category"] for row in rows],
        chosen_lengths=lengths["chosen"],
        rejected_lengths=lengths["rejected"],
    ).to_json()
    sources: dict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        sources[row["source"] or "none"].append(i)
    by_source = {
        name: evaluate_pairs([chosen[i] for i in places], [rejected[i] for i in places], [prompts[i] for i in places])
        for name, places in sources.items()
        if len(sources) > 1
    }
    return {
        **evaluated,
        "longer_wins": longer.accuracy.to_json(),
        "always_first": first and first.to_json(),
        "by_source": {name: figures.accuracy.to_json() for name, figures in by_source.items()},
    }


def fitted_counts(meta: RewardMeta) -> dict[str, Any]:
    """The counts of the fitted temperature; empty if none was fitted."""
    if meta.temperature is None:
        return {}
    fitted = meta.temperature.model_dump(mode="json", exclude_none=True, exclude={"note", "helps"})
    counts: dict[str, Any] = {"temperature": {name.replace("_", " "): round(v, 4) for name, v in fitted.items()}}
    if not meta.temperature.helps:
        counts["temperature used"] = "1: on pairs that it was not fitted to, the fitted one does not clearly help"
    return counts
