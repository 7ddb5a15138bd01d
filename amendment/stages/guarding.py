"""What guards of a training are given in a run: held-out prompts, the reward model, a judge, the simulated world.

Covered: the prompts are those that the evaluation would take last, so that the policy that is picked here is measured
on others there, as far as there are enough. Not covered: the truth of the simulated world, which no training may read;
that an answer consists of its words is no truth about it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amendment.errors import Paused, Transient
from amendment.hashing import content_id
from amendment.preference import Judge, JudgeSettings, aggregate_verdicts, load_judge_folder
from amendment.records import Candidate, Message, Prompt
from amendment.reward_model import RewardModel
from amendment.simulator import is_readable
from amendment.stages.config_guards import DpoGuards
from amendment.stages.configs import DpoStage, RunFile
from amendment.stages.contract import Context
from amendment.stages.reward_rows import reward_rows
from amendment.stages.shown import estimate_shown
from amendment.training import GuardReading, Guards, Scores, figures_over, saved_step

__all__ = ["guard_counts", "guard_ending", "guard_lines", "guards_of", "reads_reward_model", "rehearse_guards"]

Row = Mapping[str, Any]
Scored = Callable[[Sequence[Row]], NDArray[np.float64]]
_CHARACTERS = 4
"""Of a token of English, on average."""


def reads_reward_model(config: RunFile) -> bool:
    """Whether the guards of dpo score with the run's reward model: not where that is trained from dpo's own
    policy, or scores by principles that a prompt does not name."""
    if not (config.dpo and config.dpo.guards and config.reward_model) or config.reward_model.conditioned:
        return False
    base, seen = config.reward_model.base, set[str]()
    while base in ("base", "sft", "dpo") and base not in seen:
        seen.add(base)
        base = getattr(getattr(config, base), "base", "")
    return "dpo" not in seen


def guards_of(context: Context, stage: DpoStage) -> Guards | None:
    """What watches the training of a stage; None where its guards are null."""
    if stage.guards is None:
        return None
    prompts = _prompts(context)[: stage.guards.prompts]
    is_simulated = bool(prompts) and all(prompt.source == "lilliput" for prompt in prompts)
    scores = Scores(
        reward=_reward(context) if reads_reward_model(context.config) else None,
        judge=_judge(context, stage.guards, prompts) if stage.guards.judge else None,
        readable=(lambda _, text: is_readable(text)) if is_simulated else None,
    )
    return Guards(settings=stage.guards, prompts=[_row(prompt) for prompt in prompts], scores=scores)


def rehearse_guards(context: Context, stage: DpoStage, name: str) -> None:
    """Ask the judge of the guards what it can be asked at most while the policy `name` is trained: no guard trips, and
    every answer is as long as it may be and unlike all others. The start is compared with itself, which asks nobody."""
    guards, prompts = stage.guards, _prompts(context)
    if guards is None or guards.judge is None or not prompts:
        return

    def answer(sample: int, measurement: int) -> list[dict[str, str]]:
        text = f"{name} {sample} {measurement} ".ljust(_CHARACTERS * guards.max_tokens, ".")
        return [{"role": "assistant", "content": text}]

    score = _judge(context, guards, prompts)
    for measurement in range(1, guards.measurements(stage.steps_set) + 1):
        score(
            [
                {**_row(prompt), "completion": answer(sample, measurement), "start": answer(sample, 0)}
                for prompt in prompts[: guards.prompts]
                for sample in range(guards.samples)
            ]
        )


def guard_counts(context: Context, stage: DpoStage, readings: Sequence[GuardReading]) -> dict[str, Any]:
    """What summary and status show of the guards; nothing where there are none."""
    if stage.guards is None:
        return {}
    trips: dict[str, dict[str, Any]] = {}
    for one in readings:
        for guard in one.tripped:
            found = {"guard": guard, "step": one.step, "over": list(figures_over(one, guard, stage.guards))}
            trips.setdefault(guard, found)
    told: dict[str, Any] = {
        "readings": len(readings),
        "tripped": list(trips),
        "trips": list(trips.values()),
        "saved": saved_step(readings, stage.guards),
        "table": [one.to_json() for one in readings],
    }
    if readings and context.config.evaluate:
        held_out = len(_prompts(context))
        both = stage.guards.prompts + context.config.evaluate.prompts - held_out
        told["prompts that the evaluation measures too"] = max(0, min(both, stage.guards.prompts, held_out))
    return {"guards": told}


def _prompts(context: Context) -> list[Prompt]:
    """Held-out prompts in the evaluation's order from its end."""
    test = context.held_out()
    found = [prompt for prompt in context.prompts().values() if prompt.id in test]
    return sorted(found, key=lambda one: content_id(["evaluate", context.config.seed, one.id]), reverse=True)


def _row(prompt: Prompt) -> dict[str, Any]:
    row: dict[str, Any] = {**prompt.to_json()}
    further: dict[str, Any] = {name: row[name] for name in ("tools", "chat_template_kwargs") if name in row}
    return {"prompt": row["messages"], "prompt_id": prompt.id, **further}


def _reward(context: Context) -> Scored:
    """The run's reward model, loaded when it is first asked."""
    loaded: list[RewardModel] = []

    def score(rows: Sequence[Row]) -> NDArray[np.float64]:
        if not loaded:
            loaded.append(RewardModel.load(context.workspace.path("models/reward_model")))
        return loaded[0].score(reward_rows(context, rows))

    return score


def _judge(context: Context, guards: DpoGuards, prompts: Sequence[Prompt]) -> Scored:
    """P(the policy's answer is better than its reference's), both orders; equal answers are ties, and nan is an answer
    of which no verdict could be read."""
    assert guards.judge is not None
    by_id = {prompt.id: prompt for prompt in prompts}
    judge = Judge(
        folder=load_judge_folder(guards.judge.protocol, base=context.base),
        model=context.model(guards.judge.model),
        constitutions=context.constitutions,
        settings=JudgeSettings(principles_per_pair=guards.principles),
        samples=guards.judge.samples,
        seed=context.config.seed,
    )

    async def work(row: Row) -> float:
        our, start = (_candidate(row, side) for side in ("completion", "start"))
        if our.id == start.id:
            return 0.5
        found = await judge.verdicts(by_id[row["prompt_id"]], our, start)
        together = aggregate_verdicts(found, orders="both", disagreement="mean")
        if together.p_a is None:
            return float("nan")
        return together.p_a if together.a == our.id else 1 - together.p_a

    def score(rows: Sequence[Row]) -> NDArray[np.float64]:
        try:
            return np.array(context.each("guards: judging", rows, work, models=[judge.model]))
        except Transient as fault:
            raise Paused(f"dpo: {fault}; run again to go on") from fault

    return score


def _candidate(row: Row, side: str) -> Candidate:
    messages = tuple(Message.model_validate(message) for message in row[side])
    return Candidate(prompt_id=row["prompt_id"], messages=messages, kind="policy")


def guard_ending(told: Mapping[str, Any]) -> str | None:
    """Which guards tripped first at which step, by which figures, and which weights are kept; None where none did."""
    if not told.get("trips"):
        return None
    tripped = ", ".join(_trip(one) for one in told["trips"])
    if told["saved"] is None:
        return f"{tripped} tripped; training went on, and the last weights are kept"
    kept = f"the weights of step {told['saved']} are kept" if told["saved"] else "the weights of the start are kept"
    return f"{tripped} ended the training; {kept}"


def _trip(one: Mapping[str, Any]) -> str:
    by = "" if one["over"] == [one["guard"]] else f" (by {', '.join(name.replace('_', ' ') for name in one['over'])})"
    return f"{one['guard']}{by} at step {one['step']}"


def guard_lines(told: Mapping[str, Any]) -> list[str]:
    """The guards' counts as lines of the summary: what tripped and what was saved, and the last of the readings."""
    tripped = guard_ending(told) or "none tripped"
    lines = [f"- guards: {told['readings']} readings on held-out prompts; {tripped}"]
    measured = [one for one in told["table"] if "kl" in one["figures"]]
    if measured:
        lines.append(f"- guards at step {measured[-1]['step']}: {_figures(measured[-1]['figures'])}")
    if told.get("saved") is not None:
        lines.append(
            f"- saved: {f'step {step}' if (step := told['saved']) else 'the start'}; held-out figures are its own"
        )
    if shared := told.get("prompts that the evaluation measures too"):
        lines.append(f"- note: {shared} of the guards' prompts are measured by the evaluation too; hold out more")
    return lines


def _figures(figures: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {estimate_shown(one)}" for name, one in figures.items())
