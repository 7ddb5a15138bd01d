"""Contrast prompts: one answer under a principle and one under its opposite (RLCD, Yang et al. 2023, arXiv 2307.12950).

Covered: the principle of each pair, the words put to the model, and what confirms that the chosen answer is the better
one: the principle's check or, without a check, how likely each answer is under the principle and under its opposite.
Not covered: drawing the answers, see `construct`; whether an answer is good in any other respect.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from amendment.constitutions import Constitution, DrawnPrinciple, draw_principles, list_principles
from amendment.critique.copies import copied_from
from amendment.preference.aggregate import aggregate_verdicts
from amendment.preference.judge import Judge
from amendment.preference.pairs import p_better
from amendment.records import Candidate, Prompt, last_text
from amendment.verification.checks import fails_for_good
from amendment.yamlfile import Loc, did_you_mean

CONFIRMING_PROTOCOL = "likelihood"
"""The protocol of the judge that confirms pairs."""
NO_PRINCIPLE = "no principle with an opposite applies to the prompt"
CUT_OFF = "an answer is cut off"


class Confirmed(NamedTuple):
    """What says that the chosen answer keeps a principle better than the rejected one."""

    decided_by: Literal["verifier", "judge"]
    p_raw: float | None = None
    """The judge's own P(chosen is better): the sigmoid of a whole answer's ratio, near 1 and not calibrated. None for a
    check, which is no probability."""
    raters: tuple[str, ...] = ()


def contrast_principles(constitutions: Sequence[Constitution], names: Sequence[str] = ()) -> list[DrawnPrinciple]:
    """Return the principles that have an opposite; only those with these ids, if any are named."""
    return [
        drawn
        for drawn in list_principles(constitutions)
        if drawn.principle.opposite and (not names or drawn.principle.id in names)
    ]


def unchecked(constitutions: Sequence[Constitution], names: Sequence[str] = ()) -> list[str]:
    """Return the ids of the same that have no check, so that a judge confirms their pairs."""
    return [drawn.principle.id for drawn in contrast_principles(constitutions, names) if not drawn.principle.check]


def drawn_for(prompt: Prompt, pool: Sequence[DrawnPrinciple], count: int, *, seed: int) -> list[DrawnPrinciple]:
    """Return the principle of each of `count` pairs of a prompt, by weight; every principle that applies is drawn
    before any is repeated. Empty if none applies."""
    fit = [drawn for drawn in pool if drawn.principle.applies_to(prompt.category, prompt.tags)]
    order = draw_principles(fit, len(fit), scheme="weighted", key=["contrast", seed, prompt.id])
    return [order[number % len(order)] for number in range(count)] if order else []


async def confirm(
    prompt: Prompt, drawn: DrawnPrinciple, chosen: Candidate, rejected: Candidate, judge: Judge | None
) -> Confirmed | str:
    """Return what confirms the order of two answers, or the reason why nothing does. Raises ProviderError if the judge
    cannot answer.

    If the principle has a check, only the check decides: the chosen answer passes it, and the rejected one does not. A
    rejected answer that was cut off counts if it had failed the check already, so that no continuation could pass.
    """
    principle = drawn.principle
    texts = [last_text(answer.messages) for answer in (chosen, rejected)]
    for text, rule in zip(texts, (principle.rule, principle.opposite or ""), strict=True):
        if copied_from(text, prompt=last_text(prompt.messages), instructions=rule):
            return "an answer copies its question"
    if rejected.is_truncated and not fails_for_good(principle.check, texts[1]):
        return CUT_OFF
    if not principle.check:
        assert judge is not None, "the check of the run file asks for one"
        return await _by_judge(prompt, drawn, chosen, rejected, judge)
    kept = [principle.is_kept_by(text, prompt.answer) for text in texts]
    if None in kept:
        return "an answer could not be checked"
    if not kept[0]:
        return "the answer under the principle breaks it"
    return "the answer under the opposite keeps the principle" if kept[1] else Confirmed("verifier")


async def _by_judge(
    prompt: Prompt, drawn: DrawnPrinciple, chosen: Candidate, rejected: Candidate, judge: Judge
) -> Confirmed | str:
    asked = [await judge.answer_verdicts(prompt, answer, by=[drawn]) for answer in (chosen, rejected)]
    judgement = aggregate_verdicts([verdict for verdicts in asked for verdict in verdicts])
    if judgement.p_a is None:
        return "the judge gave no verdict"
    p = p_better(judgement, chosen.id)
    return Confirmed("judge", p, judgement.raters) if p > 0.5 else "the judge prefers the answer under the opposite"


def judged_lines(
    constitutions: Sequence[Constitution], names: Sequence[str], judge: str, *, is_writer: bool
) -> Iterator[str]:
    """Yield what to know before a run of the pairs that the model `judge` alone confirms; `is_writer`: it writes them
    too."""
    if judged := unchecked(constitutions, names):
        line = f"no check for {', '.join(judged)}: the likelihood judge of {judge} confirms their pairs"
        advice = "and it writes both answers; write a `check`, or name another model under `judge`"
        yield f"{line}, {advice}" if is_writer else line


def contrast_problems(
    constitutions: Sequence[Constitution], names: Sequence[str], *, scores_texts: bool
) -> Iterator[tuple[Loc, str]]:
    """Yield what is wrong with contrast prompts by the principles of these ids, each with the key in their entry;
    `scores_texts` says whether the model that confirms pairs returns log-probabilities of given answers."""
    known = [principle.id for constitution in constitutions for principle in constitution.principles]
    pool = contrast_principles(constitutions, names)
    fit = {drawn.principle.id for drawn in pool}
    for number, name in enumerate(names):
        if name not in known:
            yield ("principles", number), f"no principle {name!r} in the constitution{did_you_mean(name, known)}"
        elif name not in fit:
            advice = "add one that says what an answer does to break the principle"
            yield ("principles", number), f"principle {name} has no `opposite`; {advice}"
    if not names and not fit:
        needed = "write `opposite:` in a principle" if known else "name a constitution under `constitution:`"
        yield (), f"found no principle with an `opposite`, and contrast prompts need one; {needed}"
    judged = unchecked(constitutions, names)
    if judged and not scores_texts:
        yield (
            (),
            f"nothing would confirm pairs by {', '.join(judged)}: no `check`, and the model returns no "
            "log-probabilities of given answers; write a `check`, or name a local model under `judge`",
        )
