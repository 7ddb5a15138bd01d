"""The stage `dpo`: the policy moves towards chosen answers, watched by guards while it is trained, and is measured by
its implicit reward on held-out pairs.

Guards are given the prompts that the evaluation would take last, so that the policy that is picked here is measured on
others there, as far as there are enough; the run's reward model; and a judge, where one is named. Not covered: the
truth of the simulated world, which no training may read; that an answer consists of its words is no truth about it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from amendment.dpo import DpoSettings, GuardReading, Guards, GuardSettings, policy_margins, train_dpo
from amendment.evaluation.settings import EvaluateConfig
from amendment.preference import JudgeSettings
from amendment.preference.pairs import p_better
from amendment.preference.settings import JudgeEntry
from amendment.records import Candidate, Message, Prompt
from amendment.results import Figure, Result, by_label, counted
from amendment.reward_model import RewardModel
from amendment.reward_model.measuring import measured
from amendment.reward_model.settings import RewardModelConfig
from amendment.simulator import is_readable
from amendment.stages.contract import (
    POLICY_STAGES,
    Ask,
    Context,
    RunSettings,
    StageResult,
    constitution_key,
    judge_key,
    open_judge,
)
from amendment.stages.passes import ask_each, unseen_prompts
from amendment.stages.tables import PROMPTS
from amendment.stages.training import (
    PairTrainingStage,
    pair_rows,
    prompt_row,
    smoothed,
    training_progress,
    training_result,
)
from amendment.training.settings import PairsConfig

Row = Mapping[str, Any]
Scored = Callable[[Sequence[Row]], NDArray[np.float64]]
_CHARACTERS = 4
"""Characters of an English token, on average."""


class DpoGuards(GuardSettings):
    """Measurements of the policy on held-out prompts, those that the evaluation uses last, and their limits."""

    judge: JudgeEntry | None = None
    """Compares the policy's answers with its reference's at each measurement, in both orders; its score is P(the
    policy's answer is better). Each measurement asks it two questions per answer; with `every`, steps have to be set,
    so that a plan can count them."""


class DpoConfig(PairsConfig, DpoSettings):
    """Direct preference optimisation."""

    base: str
    """sft, base, or a model as `provider: local` takes it (folder, Hub id or `id@revision`, GGUF file,
    `smollm2-135m-instruct`); its
    saved weights are the reference."""
    guards: DpoGuards | None = DpoGuards()
    """Measure the policy's answers to held-out prompts during training, and stop if it over-optimises; null: no
    guards."""

    @model_validator(mode="after")
    def _judge_can_be_planned(self) -> Self:
        if self.guards and self.guards.judge and self.guards.every and not self.steps:
            raise ValueError(
                "guards.judge with guards.every needs steps, from which a plan counts what the judge is asked: set "
                "steps, or leave every out (eight measurements)"
            )
        return self


class DpoStage(PairTrainingStage):
    """Train the policy on the pairs."""

    name = "dpo"
    weight = 1
    title = "training DPO"
    is_on_card = True
    model_title = "trained on preference pairs (DPO)"
    Config = DpoConfig

    def __init__(self, settings: RunSettings) -> None:
        super().__init__(settings)
        reads = self.reads
        if self.config.guards:
            reads = (*reads, *PROMPTS, *(("models/reward_model",) if self.watches_reward else ()))
        self.reads = tuple(dict.fromkeys(reads))

    @property
    def watches_reward(self) -> bool:
        """Guards score with the run's reward model, unless that is trained from this very policy."""
        reward = self.settings.part(RewardModelConfig)
        if not (self.config.guards and reward):
            return False
        base, seen = reward.base, set[str]()
        while base in POLICY_STAGES and base not in seen:
            seen.add(base)
            base = getattr(getattr(self.settings, base, None), "base", "")
        return "dpo" not in seen

    def key(self, context: Context) -> Mapping[str, Any]:
        """Return the settings, the base's files, and the judge of the guards."""
        key = super().key(context)
        if not (self.config.guards and (judge := self.config.guards.judge)):
            return key
        return {**key, **judge_key(context, judge), **constitution_key(context)}

    def asks(self) -> Iterator[Ask]:
        if self.config.guards and (judge := self.config.guards.judge):
            yield Ask(("dpo", "guards", "judge", "model"), judge.model, "judge", judge=judge)

    def make(self, context: Context) -> StageResult:
        """Train and measure the policy that has the stage's name."""
        name, train = self.name, self.pairs(context)
        config, smoothing = smoothed(context.workspace, name, self.config)
        base = context.trained_base(config.base)
        folder = context.workspace.path(f"models/{name}")
        result = train_dpo(
            base,
            train,
            folder,
            config,
            seed=context.config.seed,
            progress=training_progress(context, name),
            guards=self._guards(context),
        )
        found = training_result(result) + smoothing
        if guards := self.config.guards:
            guarded = guard_result(result.guards, result.notes)
            shared = self._shared_prompts(context, guards) if result.guards else None
            found += guarded + Result(notes=(shared,) if shared else ())
            if ended := guarded.figure("guards"):
                context.progress.say(f"{name}: guards: {ended.value}")
        held_out = [row for row in pair_rows(context, "test") if row["p_chosen"] != 0.5]  # a tie has no better side
        if held_out:
            margins = policy_margins(folder, base, held_out, config)
            found += Result(figures=tuple(measured(held_out, margins, [0.0] * len(held_out))))
        return StageResult((f"models/{name}",), found)

    def _guards(self, context: Context) -> Guards | None:
        """Return the guards of the training; None if the run file switches them off."""
        guards = self.config.guards
        if guards is None:
            return None
        prompts = _prompts(context)[: guards.prompts]
        is_simulated = bool(prompts) and all(prompt.source == "lilliput" for prompt in prompts)
        return Guards(
            settings=guards,
            prompts=[_row(prompt) for prompt in prompts],
            reward=_reward(context) if self.watches_reward else None,
            judge=_judge(context, guards, prompts) if guards.judge else None,
            readable=(lambda _, text: is_readable(text)) if is_simulated else None,
        )

    def most(self, context: Context) -> StageResult:
        """Train nothing, and ask the judge of the guards all that it can be asked during the training: no guard ends
        it, and every answer is as long as it may be and unlike all others."""
        guards, prompts = self.config.guards, _prompts(context)
        if guards is None or guards.judge is None or not prompts:
            return StageResult((), Result())

        def answer(measurement: int) -> list[dict[str, str]]:
            text = f"{self.name} {measurement} ".ljust(_CHARACTERS * guards.max_tokens, ".")
            return [{"role": "assistant", "content": text}]

        score = _judge(context, guards, prompts)
        for measurement in range(1, guards.measurements(self.config.steps) + 1):
            rows = [{**_row(prompt), "completion": answer(measurement), "start": answer(0)} for prompt in prompts]
            score(rows[: guards.prompts])
        return StageResult((), Result())

    def _shared_prompts(self, context: Context, guards: GuardSettings) -> str | None:
        """Return a sentence on the prompts that guards and evaluation share; None if there are none."""
        evaluate = context.config.part(EvaluateConfig)
        if evaluate is None:
            return None
        shared = shared_prompts(len(_prompts(context)), guards.prompts, evaluate.prompts)
        note = f"{shared} of the guards' prompts are measured by the evaluation too; hold out more"
        return note if shared > 0 else None


def shared_prompts(held_out: int, guards: int, evaluated: int) -> int:
    """Return how many held-out prompts both use: the evaluation takes them from the front, the guards from the end."""
    return max(0, min(guards, held_out) + min(evaluated, held_out) - held_out)


def _prompts(context: Context) -> list[Prompt]:
    """Held-out prompts in the evaluation's order from its end."""
    return unseen_prompts(context)[::-1]


def _row(prompt: Prompt) -> dict[str, Any]:
    return {**prompt_row(prompt), "prompt_id": prompt.id}


def _reward(context: Context) -> Scored:
    """Return the run's reward model, loaded when it is first asked."""
    loaded: list[RewardModel] = []

    def score(rows: Sequence[Row]) -> NDArray[np.float64]:
        if not loaded:
            loaded.append(RewardModel.load(context.workspace.path("models/reward_model")))
        return loaded[0].score(rows)

    return score


def _judge(context: Context, guards: DpoGuards, prompts: Sequence[Prompt]) -> Scored:
    """P(the policy's answer is better than its reference's), both orders; equal answers are ties, and nan is an answer
    of which no verdict could be read."""
    assert guards.judge is not None
    by_id = {prompt.id: prompt for prompt in prompts}
    judge = open_judge(context, guards.judge, JudgeSettings(principles_per_pair=1))

    async def work(row: Row) -> float:
        policy, start = (
            Candidate(
                prompt_id=row["prompt_id"],
                messages=tuple(Message.model_validate(message) for message in row[side]),
                kind="policy",
            )
            for side in ("completion", "start")
        )
        if policy.id == start.id:
            return 0.5
        verdicts = await judge.verdicts(by_id[row["prompt_id"]], policy, start)
        judgement = judge.together(verdicts)
        return float("nan") if judgement.p_a is None else p_better(judgement, policy.id)

    def score(rows: Sequence[Row]) -> NDArray[np.float64]:
        return np.array(ask_each(context, "guards: judging", judge.model, rows, work, stage="dpo"))

    return score


def guard_result(readings: Sequence[GuardReading], notes: Sequence[str]) -> Result:
    """Return the last reading of the guards, how often each was violated, and what followed, which the last of the
    training's `notes` says."""
    violated = Counter(name for reading in readings for name in reading.violated)
    figures = (*counted(guard_readings=len(readings)), *by_label("guards_violated", "guard", violated))
    for reading in readings[-1:]:
        figures += tuple(by_label("guard_reading", "figure", reading.figures, step=str(reading.step)))
    if violated:
        ended = notes[-1].removeprefix("guards: ").partition(". ")[0].rstrip(".")
        figures += (Figure(name="guards", value=f"{', '.join(violated)}: {ended}"),)
    return Result(figures=figures)
