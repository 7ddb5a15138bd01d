"""What the policies do on prompts that no training stage has seen.

Covered: in the simulated world the truth about every answer; a judge's comparison of policies in both orders, its look
for violations of principles, refusals of harmless prompts; intervals clustered by prompt. A draw without an answer is
counted by how it ended and has no score, but for a reply without words, which is an answer: an empty one. The truth is
written here, after all training, to a table that no training stage reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from amendment.errors import AmendmentError
from amendment.hashing import content_id
from amendment.records import Candidate, Preference, Record, text_of
from amendment.simulator import ATTRIBUTES, BANNER, Truth, knows, truth
from amendment.stages.candidates import Draw, Drawn, draw_answers, every_draw
from amendment.stages.config_evaluation import EvaluateStage
from amendment.stages.contract import Context, Made
from amendment.stages.endings import write_endings
from amendment.stages.evaluation_refusals import (
    REFUSALS,
    Harmless,
    PolicyRefusal,
    find_refusals,
    harmless_prompts,
)
from amendment.stages.evaluation_violations import VIOLATIONS, PolicyCheck, check_violations
from amendment.stages.kinship import independence
from amendment.stages.policy_comparisons import (
    COMPARISONS,
    Answers,
    PolicyComparison,
    compared_policies,
    win_rates,
)
from amendment.stages.reward_model import reward_rows, score_pairs
from amendment.statistics import Estimate, clustered_mean, paired_difference, share

__all__ = ["make_evaluation"]


class PolicyScore(Record):
    """One number about one answer of one policy."""

    policy: str
    prompt_id: str
    sample: int
    measure: str
    value: float


def make_evaluation(context: Context) -> Made:
    """Let every policy answer the same held-out prompts, and harmless ones of files, and measure the answers."""
    stage = context.config.evaluate
    assert stage is not None
    draws = _draws(context, stage)
    harmless = _harmless(context, stage, draws)
    asked = draws + every_draw(harmless.own, stage.samples) if harmless else draws
    drawn = {name: _answers(context, stage, name, asked) for name in dict.fromkeys(stage.policies)}
    named = [one.named_ending(name) for name, found in drawn.items() for one in found]
    endings = write_endings(context.workspace, "evaluate", named)
    counts: dict[str, Any] = {"held-out prompts": len({draw.prompt.id for draw in draws}), **endings}
    counts["answers"] = {name: _answer_counts(name, found) for name, found in drawn.items()}
    answers = {name: found[: len(draws)] for name, found in drawn.items()}
    scores: list[PolicyScore] = []
    if draws and all(draw.prompt.source == "lilliput" for draw in draws):
        counts |= {"simulated": BANNER, **_against_truth(answers, scores), **_reward_against_truth(context)}
    judged = [*_compared(context, stage, answers, counts, scores), *_checked(context, stage, answers, counts)]
    if stage.over_refusal and harmless:
        refusals, counts["over-refusal"] = find_refusals(context, stage.over_refusal, harmless, drawn)
        judged.append(context.workspace.write(REFUSALS, PolicyRefusal, refusals))
    flat = [one.answer for found in drawn.values() for one in found if one.answer]
    artefacts = (
        context.workspace.write("evaluate/answers", Candidate, flat),
        context.workspace.write("evaluate/scores", PolicyScore, scores),
        "evaluate/endings",
        *judged,
    )
    return Made(artefacts, counts)


def _compared(
    context: Context, stage: EvaluateStage, answers: Answers, counts: dict[str, Any], scores: list[PolicyScore]
) -> Iterator[str]:
    """Win rates, where a judge compares; the table that they come from."""
    if stage.judge is None:
        return
    compared: list[PolicyComparison] = []
    if stage.matchups:
        compared = compared_policies(context, stage, answers)
        counts["judge"] = independence(context.config, stage.judge, context.base)
        counts["win rates"] = win_rates(answers, stage.matchups, compared)
        scores += [_score_of(one) for one in compared]
    yield context.workspace.write(COMPARISONS, PolicyComparison, compared)


def _checked(context: Context, stage: EvaluateStage, answers: Answers, counts: dict[str, Any]) -> Iterator[str]:
    """Violation rates, where a judge looks for them; the table that they come from."""
    if stage.violations:
        checks, counts["violations"] = check_violations(context, stage.violations, answers)
        yield context.workspace.write(VIOLATIONS, PolicyCheck, checks)


def _harmless(context: Context, stage: EvaluateStage, draws: Sequence[Draw]) -> Harmless | None:
    """The prompts on which refusals are counted. Raises AmendmentError where there is none."""
    if stage.over_refusal is None:
        return None
    found = harmless_prompts(context, stage.over_refusal, [draw.prompt for draw in draws])
    if not (found.ids or context.is_rehearsed):
        told = ", ".join(f"{count} {name}" for name, count in found.counts.items())
        raise AmendmentError(
            f"evaluate.over_refusal: no harmless prompt is left ({told}); name categories that held-out prompts have, "
            "or files of prompts that no training stage saw"
        )
    return found


def _draws(context: Context, stage: EvaluateStage) -> list[Draw]:
    """The first held-out prompts by a seeded hash, so that a larger number keeps the smaller one's prompts."""
    test = context.held_out()
    prompts = [prompt for prompt in context.prompts().values() if prompt.id in test]
    prompts.sort(key=lambda prompt: content_id(["evaluate", context.config.seed, prompt.id]))
    if not (prompts or stage.own_prompts):
        raise AmendmentError("evaluate: no prompt is held out; set dataset.test_share above 0 or bring more prompts")
    return every_draw(prompts[: stage.prompts], stage.samples)


def _answers(context: Context, stage: EvaluateStage, name: str, draws: Sequence[Draw]) -> list[Drawn]:
    with context.policy(
        name, temperature=stage.temperature, max_tokens=stage.max_tokens, batch_size=stage.batch_size
    ) as model:
        return draw_answers(context, f"answers of {name}", model, draws)


def _answer_counts(name: str, found: Sequence[Drawn]) -> dict[str, int]:
    """How a policy's draws ended. Raises AmendmentError for one that never answered, which nothing can measure."""
    ended = Counter(one.ending.outcome for one in found)
    if not ended["done"]:
        told = ", ".join(f"{count} {outcome}" for outcome, count in ended.items())
        reasons = Counter(one.ending.reason for one in found).most_common(1)
        raise AmendmentError(
            f"evaluate: policy {name!r} gave no answer ({told}); take it out of evaluate.policies, or see its entry "
            f"in the run file. Most often: {reasons[0][0]}"
        )
    return {"answered": ended["done"], **{outcome: ended[outcome] for outcome in ("refused", "invalid", "failed")}}


def _against_truth(answers: Answers, scores: list[PolicyScore]) -> dict[str, Any]:
    """Utility, readability and attributes of each policy, and the differences from the first and the one before."""
    truths = {name: [_truth(one) for one in found] for name, found in answers.items()}
    for name, found in answers.items():
        told = [(one.draw, known.utility) for one, known in zip(found, truths[name], strict=True) if known]
        scores += _scores(name, "utility", told)
    table = {name: _truth_row(answers[name], known) for name, known in truths.items()}
    names = list(answers)
    steps = dict.fromkeys([*((name, names[0]) for name in names[1:]), *zip(names[1:], names, strict=False)])
    return {
        "policies": table,
        "differences": {f"{a} - {b}": _difference(answers, truths, a, b).to_json() for a, b in steps},
    }


def _truth(one: Drawn) -> Truth | None:
    """The truth about an answer; a reply without words is an empty answer, a refused or failed call is none."""
    if one.ending.outcome not in ("done", "invalid"):
        return None
    return truth(text_of(one.draw.prompt.messages), text_of(one.answer.messages) if one.answer else "")


def _scores(policy: str, measure: str, told: Iterable[tuple[Draw, float]]) -> list[PolicyScore]:
    return [
        PolicyScore(policy=policy, prompt_id=draw.prompt.id, sample=draw.sample, measure=measure, value=value)
        for draw, value in told
    ]


def _score_of(one: PolicyComparison) -> PolicyScore:
    measure = f"win rate against {one.against}"
    return PolicyScore(policy=one.policy, prompt_id=one.prompt_id, sample=one.sample, measure=measure, value=one.p)


def _difference(answers: Answers, truths: dict[str, list[Truth | None]], name: str, first: str) -> Estimate:
    """The difference in utility over the draws that both policies have a score for."""
    both = [
        (one.draw.prompt.id, ours.utility, theirs.utility)
        for one, ours, theirs in zip(answers[name], truths[name], truths[first], strict=True)
        if ours and theirs
    ]
    return paired_difference([row[1] for row in both], [row[2] for row in both], [row[0] for row in both])


def _truth_row(found: Sequence[Drawn], truths: Sequence[Truth | None]) -> dict[str, Any]:
    known = [(one.draw.prompt.id, told) for one, told in zip(found, truths, strict=True) if told]
    clusters = [prompt_id for prompt_id, _ in known]
    attributes = np.array([told.attributes for _, told in known]).mean(axis=0)
    return {
        "utility": clustered_mean([told.utility for _, told in known], clusters).to_json(),
        "readable": share([float(told.readable) for _, told in known], clusters).to_json(),
        "attributes": {name: round(float(value), 4) for name, value in zip(ATTRIBUTES, attributes, strict=True)},
    }


def _reward_against_truth(context: Context) -> dict[str, Any]:
    """How often the reward model prefers the truly better answer of held-out pairs, and how often the labels do.

    Pairs that are too long for the reward model have no score; they are left out of its share and counted. Of pairs
    that were mixed in, those of prompts outside the simulated world have no truth, and do not count.
    """
    if not context.config.reward_model:
        return {}
    pairs = context.workspace.read("dataset/test", Preference)
    told = [(pair, gap) for pair in pairs if knows(text_of(pair.prompt)) and (gap := _gap(pair))]
    if not told:
        return {}
    rows = reward_rows(context, (pair.to_json() for pair, _ in told))
    scores = score_pairs(context.workspace.path("models/reward_model"), rows)
    clusters = np.array([pair.prompt_id for pair, _ in told])
    sign, gaps = np.sign([gap for _, gap in told]), scores.chosen - scores.rejected
    scored = np.isfinite(gaps)
    right = share((np.sign(gaps[scored]) * sign[scored] + 1) / 2, clusters[scored].tolist())
    return {
        "reward model against truth": {
            **right.to_json(),
            "unscored": int((~scored).sum()),
        },
        "labels against truth": share((sign + 1) / 2, clusters.tolist()).to_json(),
    }


def _gap(pair: Preference) -> float:
    prompt = text_of(pair.prompt)
    return truth(prompt, text_of(pair.chosen)).utility - truth(prompt, text_of(pair.rejected)).utility
