"""The stage `reward_model`: trained on the dataset's pairs, and measured on its held-out ones.

Covered: accuracy with its slices by length, category and source, and what needs no model (the longer answer, the one
that was shown first); against people, where people decided, Brier score, log loss and ECE of P(chosen). Not covered:
files of the user's own; see the command `evaluate`.
"""

from __future__ import annotations

from amendment.results import Result, counted
from amendment.reward_model import RewardMeta, RewardModel, train_reward
from amendment.reward_model.measuring import measured_reward, pair_scores, score_pairs
from amendment.reward_model.settings import RewardModelConfig
from amendment.stages.contract import Context, RunSettings, StageResult
from amendment.stages.training import PairTrainingStage, pair_rows, smoothed, training_progress, training_result


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
        train = self.pairs(context)
        test = pair_rows(context, "test")
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
        held_out = Result(figures=tuple(measured_reward(test, scores)))
        return StageResult(self.writes, training_result(result) + smoothing + temperature_result(meta) + held_out)


def temperature_result(meta: RewardMeta) -> Result:
    """Return the fitted temperature and what it rests on; an empty result if none was fitted."""
    if meta.temperature is None:
        return Result()
    fitted = meta.temperature.model_dump(exclude_none=True, exclude={"value", "note", "helps"})
    rounded = {f"temperature_{name}": round(value, 4) for name, value in fitted.items()}
    figures = counted(temperature=round(meta.temperature.value, 4), **rounded)
    unused = "1 is used as temperature: on pairs that it was not fitted to, the fitted one does not clearly help"
    return Result(figures=figures, notes=() if meta.temperature.helps else (unused,))
