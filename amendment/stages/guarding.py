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
    """Ask the judge of the guards what it can be asked at most while the policy `name` is trained: no guard ends it,
    and every answer is as long as it may be and unlike all others. The start is compared with itself, which asks
    nobody."""
    guards, prompts = stage.guards, _prompts(context)
    if guards is None or guards.judge is None or not prompts:
        return

    def answer(measurement: int) -> list[dict[str, str]]:
        text = f"{name} {measurement} ".ljust(_CHARACTERS * guards.max_tokens, ".")
        return [{"role": "assistant", "content": text}]

    score = _judge(context, guards, prompts)
    for measurement in range(1, guards.measurements(stage.steps) + 1):
        score(
            [
                {**_row(prompt), "completion": answer(measurement), "start": answer(0)}
                for prompt in prompts[: guards.prompts]
            ]
        )


def guard_counts(context: Context, stage: DpoStage, readings: Sequence[GuardReading]) -> dict[str, Any]:
    """What summary and status show of the guards; nothing where there are none."""
    if stage.guards is None:
        return {}
    violated: dict[str, dict[str, Any]] = {}
    for reading in readings:
        for guard in reading.violated:
            over = list(figures_over(reading, guard, stage.guards))
            violated.setdefault(guard, {"guard": guard, "step": reading.step, "over": over})
    counts: dict[str, Any] = {
        "readings": len(readings),
        "violated": list(violated),
        "violations": list(violated.values()),
        "saved": saved_step(readings, stage.guards),
        "table": [reading.to_json() for reading in readings],
    }
    if readings and context.config.evaluate:
        held_out = len(_prompts(context))
        both = stage.guards.prompts + context.config.evaluate.prompts - held_out
        counts["prompts that the evaluation measures too"] = max(0, min(both, stage.guards.prompts, held_out))
    return {"guards": counts}


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


def guard_ending(counts: Mapping[str, Any]) -> str | None:
    """Which guards were violated first at which step, by which figures, and which weights are kept; None for none."""
    if not counts.get("violations"):
        return None
    parts = []
    for one in counts["violations"]:
        by = ", ".join(name.replace("_", " ") for name in one["over"])
        parts.append(f"{one['guard']}{'' if one['over'] == [one['guard']] else f' (by {by})'} at step {one['step']}")
    violated = ", ".join(parts)
    if counts["saved"] is None:
        return f"{violated} violated; training went on, and the last weights are kept"
    kept = f"the weights of step {counts['saved']} are kept" if counts["saved"] else "the weights of the start are kept"
    return f"{violated} ended the training; {kept}"


def guard_lines(told: Mapping[str, Any]) -> list[str]:
    """The guards' counts as lines of the summary: what was violated and saved, and the last of the readings."""
    ending = guard_ending(told) or "none violated"
    lines = [f"- guards: {told['readings']} readings on held-out prompts; {ending}"]
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
