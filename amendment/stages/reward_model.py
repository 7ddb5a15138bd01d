"""The stage `reward_model`: trained on the dataset's pairs, and measured on its held-out ones.

Covered: accuracy with its slices by length, category and source, and what needs no model (the longer answer, the one
that was shown first); against people, where people decided, Brier score, log loss and ECE of P(chosen). Not covered:
files of the user's own; see the command `evaluate`.
"""

from __future__ import annotations

from typing import Any

from amendment.reward_model import RewardMeta, RewardModel, train_reward
from amendment.reward_model.measuring import measured_reward, pair_scores, score_pairs
from amendment.reward_model.settings import RewardModelConfig
from amendment.stages.contract import Context, RunSettings, StageResult
from amendment.stages.trained import PairTrainingStage, pair_rows, smoothed, training_counts, training_progress


class RewardModelStage(PairTrainingStage):
    """Train a reward model on the pairs."""

    name = "reward_model"
    weight = 1
    title = "training the reward model"
    is_on_card = True
    model_title = "reward model"
    Config = RewardModelConfig

    def __init__(self, settings: RunSettings) -> None:
        super().__init__(settings)
        self.writes = (f"models/{self.name}",)  # it answers no prompts

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


def fitted_counts(meta: RewardMeta) -> dict[str, Any]:
    """The counts of the fitted temperature; empty if none was fitted."""
    if meta.temperature is None:
        return {}
    fitted = meta.temperature.model_dump(mode="json", exclude_none=True, exclude={"note", "helps"})
    counts: dict[str, Any] = {"temperature": {name.replace("_", " "): round(v, 4) for name, v in fitted.items()}}
    if not meta.temperature.helps:
        counts["temperature used"] = "1: on pairs that it was not fitted to, the fitted one does not clearly help"
    return counts
