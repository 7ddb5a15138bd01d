"""What the policies do on prompts that no training stage has seen.

Covered: in the simulated world the truth about every answer; elsewhere a judge's comparison of each policy
with the first, in both orders; intervals clustered by prompt. The truth is written here, after all training,
to a table that no training stage reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from amendment.answers import Unusable, draft
from amendment.errors import AmendmentError, CredentialsError, ProviderError, Transient
from amendment.hashing import content_id
from amendment.lilliput import ATTRIBUTES, BANNER, Truth, truth
from amendment.pipeline.config import EvaluateStage
from amendment.pipeline.context import Context
from amendment.pipeline.endings import Paused
from amendment.pipeline.engine import Made
from amendment.preference import Judge, JudgeSettings, judge_together, load_judge_folder
from amendment.records import Candidate, Preference, Prompt, Record, text_of
from amendment.reward_model import RewardModel
from amendment.statistics import clustered_mean, paired_difference

__all__ = ["make_evaluation"]


class PolicyScore(Record):
    """One number about one answer of one policy."""

    policy: str
    prompt_id: str
    sample: int
    measure: str
    value: float


class _Draw(NamedTuple):
    prompt: Prompt
    sample: int


Answers = dict[str, list[Candidate | None]]
"""By policy, one entry per draw in the same order; None where the policy gave no answer."""


def make_evaluation(context: Context) -> Made:
    """Let every policy answer the same held-out prompts, and measure the answers."""
    stage = context.config.evaluate
    assert stage is not None
    draws = _draws(context, stage)
    answers = {name: _answers(context, stage, name, draws) for name in stage.policies}
    counts: dict[str, Any] = {"held-out prompts": len({draw.prompt.id for draw in draws})}
    scores: list[PolicyScore] = []
    if all(draw.prompt.source == "lilliput" for draw in draws):
        counts |= {"simulated": BANNER, **_against_truth(draws, answers, scores), **_reward_against_truth(context)}
    if stage.judge and len(answers) > 1:
        counts["win rates"] = _win_rates(context, stage, draws, answers, scores)
    flat = [one for found in answers.values() for one in found if one]
    artefacts = (
        context.workspace.write("evaluate/answers", Candidate, flat),
        context.workspace.write("evaluate/scores", PolicyScore, scores),
    )
    return Made(artefacts, counts)


def _draws(context: Context, stage: EvaluateStage) -> list[_Draw]:
    """The first held-out prompts by a seeded hash, so that a larger number keeps the smaller one's prompts."""
    test = context.held_out()
    prompts = [prompt for prompt in context.prompts().values() if prompt.id in test]
    prompts.sort(key=lambda prompt: content_id(["evaluate", context.config.seed, prompt.id]))
    if not prompts:
        raise AmendmentError("evaluate: no prompt is held out; set dataset.test_share above 0 or bring more prompts")
    return [_Draw(prompt, sample) for prompt in prompts[: stage.prompts] for sample in range(stage.samples)]


def _answers(context: Context, stage: EvaluateStage, name: str, draws: Sequence[_Draw]) -> list[Candidate | None]:
    model = context.policy(
        name, temperature=stage.temperature, max_tokens=stage.max_tokens, batch_size=stage.batch_size
    )

    async def work(draw: _Draw) -> Candidate | None:
        try:
            return await draft(draw.prompt, model, sample=draw.sample, kind="policy")
        except (CredentialsError, Transient):
            raise
        except (Unusable, ProviderError):
            return None

    try:
        return context.each(f"answers of {name}", draws, work, models=[model])
    except Transient as fault:
        raise Paused(f"evaluate: {fault}; run again to go on") from fault


def _against_truth(draws: Sequence[_Draw], answers: Answers, scores: list[PolicyScore]) -> dict[str, Any]:
    """Utility, readability and attributes of each policy, and the difference of each from the first."""
    clusters = [draw.prompt.id for draw in draws]
    utilities: dict[str, list[float]] = {}
    table: dict[str, Any] = {}
    for name, found in answers.items():
        truths = [
            truth(text_of(draw.prompt.messages), text_of(one.messages) if one else "")
            for draw, one in zip(draws, found, strict=True)
        ]
        utilities[name] = [one.utility for one in truths]
        table[name] = _truth_row(truths, clusters)
        scores += [
            PolicyScore(policy=name, prompt_id=draw.prompt.id, sample=draw.sample, measure="utility", value=value)
            for draw, value in zip(draws, utilities[name], strict=True)
        ]
    first = next(iter(answers), None)
    differences = {
        f"{name} - {first}": paired_difference(utilities[name], utilities[first], clusters).to_json()
        for name in answers
        if first is not None and name != first
    }
    return {"policies": table, "differences": differences}


def _truth_row(truths: Sequence[Truth], clusters: Sequence[str]) -> dict[str, Any]:
    row = {
        "utility": clustered_mean([one.utility for one in truths], clusters).to_json(),
        "readable": clustered_mean([float(one.readable) for one in truths], clusters).to_json(),
    }
    attributes = np.array([one.attributes for one in truths]).mean(axis=0)
    return {
        **row,
        "attributes": {name: round(float(value), 4) for name, value in zip(ATTRIBUTES, attributes, strict=True)},
    }


def _reward_against_truth(context: Context) -> dict[str, Any]:
    """How often the reward model prefers the truly better answer of held-out pairs, and how often the labels do."""
    if not context.config.reward_model:
        return {}
    pairs = context.workspace.read("dataset/test", Preference)
    gaps = [_gap(pair) for pair in pairs]
    told = [(pair, gap) for pair, gap in zip(pairs, gaps, strict=True) if gap]
    if not told:
        return {}
    model = RewardModel.load(context.workspace.path("models/reward_model"))
    rows = [pair.to_json() for pair, _ in told]
    chosen, rejected = (
        model.score([{**row, "completion": row[side]} for row in rows]) for side in ("chosen", "rejected")
    )
    clusters = [pair.prompt_id for pair, _ in told]
    sign = np.sign([gap for _, gap in told])
    right = (np.sign(chosen - rejected) * sign + 1) / 2
    return {
        "reward model against truth": clustered_mean(right, clusters).to_json(),
        "labels against truth": clustered_mean((sign + 1) / 2, clusters).to_json(),
    }


def _gap(pair: Preference) -> float:
    prompt = text_of(pair.prompt)
    return truth(prompt, text_of(pair.chosen)).utility - truth(prompt, text_of(pair.rejected)).utility


def _win_rates(
    context: Context, stage: EvaluateStage, draws: Sequence[_Draw], answers: Answers, scores: list[PolicyScore]
) -> dict[str, Any]:
    """P(the policy's answer is better than the first policy's), judged in both orders; equal answers are ties."""
    assert stage.judge is not None
    judge = Judge(
        folder=load_judge_folder(stage.judge.protocol, base=context.base),
        model=context.model(stage.judge.model),
        constitutions=context.constitutions,
        settings=JudgeSettings(principles_per_pair=stage.principles),
        samples=stage.judge.samples,
        seed=context.config.seed,
    )
    first, *others = answers
    table = {}
    for name in others:
        wins = _wins(context, judge, draws, answers[name], answers[first])
        read = [(draw, p) for draw, p in zip(draws, wins, strict=True) if p is not None]
        rate = clustered_mean([p for _, p in read], [draw.prompt.id for draw, _ in read])
        table[f"{name} against {first}"] = {**rate.to_json(), "unread": len(draws) - len(read)}
        measure = f"win rate against {first}"
        scores += [
            PolicyScore(policy=name, prompt_id=draw.prompt.id, sample=draw.sample, measure=measure, value=p)
            for draw, p in read
        ]
    return table


def _wins(
    context: Context,
    judge: Judge,
    draws: Sequence[_Draw],
    ours: Sequence[Candidate | None],
    theirs: Sequence[Candidate | None],
) -> list[float | None]:
    async def work(item: tuple[_Draw, Candidate | None, Candidate | None]) -> float | None:
        draw, our, their = item
        if our is None or their is None:
            return None
        if our.id == their.id:
            return 0.5
        together = judge_together(await judge.verdicts(draw.prompt, our, their), orders="both", disagreement="mean")
        return together.p_a if together.p_a is None or together.a == our.id else 1 - together.p_a

    items = list(zip(draws, ours, theirs, strict=True))
    try:
        return context.each("comparing policies", items, work, models=[judge.model])
    except Transient as fault:
        raise Paused(f"evaluate: {fault}; run again to go on") from fault
