"""The scorecard of an evaluation: which principles each policy's answers keep, and what a gain may have cost.

Covered: per principle the share of answers that keep it, by its check, or by a judge that made no labels of this run;
length in words, answers that were cut, copies of the prompt, fluency and topic; intervals clustered by prompt, and
paired differences to the first policy. What cannot be measured says why. Draws without an answer count in no share.
Not covered: whether an answer that passes a check is a good answer. The other figures show a gain that comes from
empty, copied or aimless answers.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from amendment.constitutions import Constitution, DrawnPrinciple, list_principles
from amendment.critique.copies import copied_from
from amendment.errors import ConfigError, CredentialsError, MissingExtra, ProviderError, Transient
from amendment.evaluation.figures import Asked, by_policy
from amendment.evaluation.policies import Answers, PolicyCheck
from amendment.evaluation.settings import RELATED_JUDGE, SAME_JUDGE
from amendment.llm.embeddings import Embeddings
from amendment.llm.model import Model
from amendment.preference.settings import JudgingConfig
from amendment.records import Candidate, Prompt, last_text
from amendment.results import Estimate, Figure, Result, by_label, counted
from amendment.stages.contract import Context
from amendment.stages.passes import ask_each
from amendment.statistics import share
from amendment.text import words

FEWEST_PROMPTS = 10
"""With fewer different prompts there is no nearest tenth."""

TOGETHER = 64
"""Answers of people that are scored in one batch."""


class Answered(NamedTuple):
    """An answer of a policy."""

    prompt: Prompt
    answer: Candidate

    @property
    def text(self) -> str:
        return last_text(self.answer.messages)


def has_checks(constitutions: Sequence[Constitution]) -> bool:
    """Code can check at least one principle."""
    return any(drawn.principle.check for drawn in list_principles(constitutions))


def scorecard(
    context: Context,
    answers: Answers,
    *,
    judged: Sequence[PolicyCheck] = (),
    judge: Mapping[str, str] | None = None,
    scorer: Model | None = None,
    embeddings: str | None = None,
) -> Result:
    """Return the figures of every policy.

    `judged` are a judge's verdicts on principles, and `judge` says which judge it is and how near to those that made
    the run's labels; `scorer` is the first policy, under which fluency is measured; `embeddings` names the model that
    says what is on topic.
    """
    given = {
        name: {
            (drawn.draw.prompt.id, drawn.draw.sample): Answered(drawn.draw.prompt, drawn.answer)
            for drawn in of_policy
            if drawn.answer
        }
        for name, of_policy in answers.items()
    }

    def each(measure: Callable[[Answered], float]) -> dict[str, dict[Asked, float]]:
        return {name: {asked: measure(row) for asked, row in rows.items()} for name, rows in given.items()}

    def is_copy(row: Answered) -> float:
        return float(copied_from(row.text, prompt=last_text(row.prompt.messages)) is not None)

    prompts = {drawn.draw.prompt.id: drawn.draw.prompt for of_policy in answers.values() for drawn in of_policy}
    figures = (
        *by_policy("cut_at_max_tokens", each(lambda row: float(row.answer.is_truncated))),
        *by_policy("copies_of_the_prompt", each(is_copy)),
        *_on_topic(given, prompts, embeddings, context.base),
        *by_policy("words", each(lambda row: len(words(row.text))), unit="", most=math.inf),
    )
    return _principles(context, given, judged, judge) + Result(figures=figures) + _fluency(context, given, scorer)


Given = Mapping[str, Mapping[Asked, Answered]]


def _not_measured(name: str, why: str, unit: str = "share", **of: str) -> Figure:
    return Figure(name=name, value=Estimate(math.nan, math.nan, math.nan, 0, 0, note=why), unit=unit, of=of)


# Principles


def _principles(
    context: Context, given: Given, judged: Sequence[PolicyCheck], judge: Mapping[str, str] | None
) -> Result:
    """By principle the shares of answers that keep it, or why they are not known."""
    has_training_judge = judge is not None or context.config.part(JudgingConfig) is not None
    missing = (
        "no check, and no judge but the run's own" if has_training_judge else "no check, and no judge of violations"
    )
    kept_by_judge: dict[str, dict[str, dict[Asked, float]]] = defaultdict(lambda: {name: {} for name in given})
    for row in judged:
        if row.violates is not None:
            kept_by_judge[row.principle_id][row.policy][row.prompt_id, row.sample] = 1 - row.violates
    found = Result()
    for drawn in list_principles(context.rules):
        if drawn.principle.check:
            found += _by_check(drawn, given)
        elif judge is None or judge["standing"] == SAME_JUDGE:
            found += Result(figures=(_not_measured("kept", missing, principle=drawn.id),))
        elif drawn.id in kept_by_judge:
            by = f"judge {judge['model']}{', a related judge' if judge['standing'] == RELATED_JUDGE else ''}"
            found += Result(figures=tuple(_kept(kept_by_judge[drawn.id], given, principle=drawn.id, checked_by=by)))
        else:
            why = "no verdict on an answer to these prompts"
            found += Result(figures=(_not_measured("kept", why, principle=drawn.id),))
    return found


def _by_check(drawn: DrawnPrinciple, given: Given) -> Result:
    kept: dict[str, dict[Asked, float]] = {name: {} for name in given}
    reasons = []
    for name, rows in given.items():
        for asked, row in rows.items():
            if drawn.principle.applies_to(row.prompt.category, row.prompt.tags):
                checked = drawn.principle.check_answer(row.text, row.prompt.answer)
                if checked.is_kept is None:
                    reasons.append(checked.reason)
                else:
                    kept[name][asked] = float(checked.is_kept)
    if not any(kept.values()):
        why = reasons[0] if reasons else "applies to none of the prompts"
        return Result(figures=(_not_measured("kept", why, principle=drawn.id),))
    figures = [*_kept(kept, given, principle=drawn.id, checked_by="check")]
    if not reasons:
        return Result(figures=tuple(figures))
    figures += by_label("answers_not_checked", "principle", {drawn.id: len(reasons)})
    return Result(figures=tuple(figures), notes=(f"{drawn.id}: {len(reasons)} answers not checked: {reasons[0]}",))


def _kept(kept: Mapping[str, Mapping[Asked, float]], given: Given, **of: str) -> Iterator[Figure]:
    """Yield the shares of answers that keep a principle, by policy; also by category of the prompts, if they have
    any."""
    yield from by_policy("kept", kept, of=of)
    for policy, rows in kept.items():
        by_category = defaultdict[str, dict[Asked, float]](dict)
        for asked, value in rows.items():
            if category := given[policy][asked].prompt.category:
                by_category[category][asked] = value
        for category in sorted(by_category):
            rate = share([*by_category[category].values()], [prompt_id for prompt_id, _ in by_category[category]])
            yield Figure(name="kept", value=rate, unit="share", of={**of, "category": category, "policy": policy})


# Fluency


def _fluency(context: Context, given: Given, scorer: Model | None) -> Result:
    """Mean cross-entropy per token of each answer under the first policy, in nats."""
    if scorer is None or not scorer.scores_texts:
        why = f"{next(iter(given))} returns no log-probability of a text; name a local model first"
        return Result(figures=(_not_measured("nats_per_token", why, ""),))
    by_answer = {row.answer.id: row for rows in given.values() for row in rows.values()}

    rows = list(by_answer.values())
    results = ask_each(context, "measuring fluency", scorer, rows, partial(_cross_entropy, scorer))
    scored = dict(zip(by_answer, results, strict=True))
    values = {
        name: {asked: scored[row.answer.id] for asked, row in rows.items() if math.isfinite(scored[row.answer.id])}
        for name, rows in given.items()
    }
    left_out = sum(len(rows) for rows in given.values()) - sum(map(len, values.values()))
    if not any(values.values()):
        return Result(figures=(_not_measured("nats_per_token", "no answer could be scored", ""),))
    figures = (
        *by_policy("nats_per_token", values, unit="", most=math.inf),
        *counted(answers_without_nats_per_token=left_out),
    )
    return Result(figures=figures, notes=(f"nats per token are those under {scorer.name}",))


async def _cross_entropy(scorer: Model, row: Answered) -> float:
    """Nats for each token of an answer; nan where the model cannot hold it."""
    try:
        asked = await scorer.score(
            row.prompt.messages,
            row.text,
            tools=row.prompt.tools,
            chat_template_kwargs=row.prompt.chat_template_kwargs,
        )
    except (Transient, CredentialsError):
        raise
    except ProviderError:
        return math.nan
    logprob = asked.reply.scored_logprob
    tokens = asked.reply.scored_tokens
    return -logprob / tokens if logprob is not None and tokens else math.nan


def measure_cross_entropy(context: Context, policies: Sequence[str], people: Sequence[Answered]) -> tuple[Figure, ...]:
    """Mean nats for each token of people's answers under each policy, and differences to the first one."""
    values: dict[str, dict[Asked, float]] = {}
    for name in policies:
        with context.policy(name, temperature=1.0, max_tokens=1, batch_size=TOGETHER) as scorer:
            title = f"measuring people's answers under {name}"
            scored = ask_each(context, title, scorer, people, partial(_cross_entropy, scorer))
            finite = {row.prompt.id: value for row, value in zip(people, scored, strict=True) if math.isfinite(value)}
            values[name] = {(prompt_id, 0): value for prompt_id, value in finite.items()}
    if not all(values.values()):
        return ()
    return tuple(by_policy("nats_per_token_of_people", values, unit="", most=math.inf))


# Topic


def _on_topic(given: Given, prompts: Mapping[str, Prompt], name: str | None, base: Path) -> Iterator[Figure]:
    """Yield the share of answers whose own prompt is among the tenth of the evaluated prompts that are nearest to them,
    and the share that answers to other prompts reach."""
    if name is None:
        why = "found no evaluate.embeddings; name a model there, such as all-minilm-l6-v2"
        yield _not_measured("on_topic", why)
        return
    if len(prompts) < FEWEST_PROMPTS:
        yield _not_measured("on_topic", f"found {len(prompts)} prompts, expected at least {FEWEST_PROMPTS}")
        return
    try:
        embeddings = Embeddings.load(name, base)
    except (ConfigError, MissingExtra) as fault:
        yield _not_measured("on_topic", str(fault))
        return
    texts = {row.answer.id: row.text for rows in given.values() for row in rows.values()}
    place = {prompt_id: number for number, prompt_id in enumerate(prompts)}
    of_prompts = embeddings.embed([last_text(prompt.messages) for prompt in prompts.values()])
    of_answers = embeddings.embed([*texts.values()])
    near = dict(zip(texts, is_near(of_answers, of_prompts), strict=True))
    hits = {
        policy: {asked: float(near[row.answer.id][place[row.prompt.id]]) for asked, row in rows.items()}
        for policy, rows in given.items()
    }
    yield from by_policy("on_topic", hits)
    for policy, rows in given.items():
        if rows:
            by_chance = _shuffled([near[row.answer.id] for row in rows.values()], [place[p] for p, _ in rows])
            yield Figure(name="on_topic_if_shuffled", value=by_chance, unit="share", of={"policy": policy})


def is_near(answers: np.ndarray[Any, Any], prompts: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """For each answer, a row: which prompts are among the tenth that is nearest to it, rounded up.

    Both are unit vectors, a row each. Of prompts that are equally near more than a tenth may be.
    """
    near = -(-len(prompts) // 10)
    similarity = answers @ prompts.T
    least = np.sort(similarity, axis=1)[:, -near][:, None]
    return np.asarray(similarity >= least)


def _shuffled(near: Sequence[np.ndarray[Any, Any]], own: Sequence[int]) -> float:
    """Return the expected share if each answer stood at another prompt, drawn evenly."""
    others = [(row.sum() - row[place]) / (len(row) - 1) for row, place in zip(near, own, strict=True)]
    return round(float(np.mean(others)), 4)
