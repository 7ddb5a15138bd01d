"""How often each policy's answers violate each principle, by a judge that sees one answer and one principle at a time.

Covered: every principle that is asked for and speaks about the prompt; shares with intervals clustered by prompt, and
differences to the first policy over the draws on which both were read; in the simulated world the true shares beside
them. A verdict that cannot be read is counted and never a violation. Not covered: whether the judge is right; many
intervals at once, of which some miss.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import Field

from amendment.constitutions import Constitution
from amendment.constitutions import Drawn as DrawnPrinciple
from amendment.records import Prompt, Record, text_of
from amendment.simulator import knows, violates
from amendment.stages.candidates import Drawn
from amendment.stages.config_evaluation import Violations
from amendment.stages.contract import Context
from amendment.stages.evaluation_asking import Check, ask_checks
from amendment.stages.kinship import independence
from amendment.stages.policy_comparisons import Answers
from amendment.statistics import cautioned, paired_difference, share

__all__ = ["VIOLATIONS", "PolicyCheck", "check_violations", "principles_for", "violation_rates"]

VIOLATIONS = "evaluate/violations"


class PolicyCheck(Record):
    """What the judge said of one answer of a policy by one principle."""

    policy: str
    prompt_id: str
    sample: int
    answer: str
    """Candidate id."""
    principle_id: str
    violates: float | None = Field(default=None, ge=0, le=1)
    """The share of verdicts that say so; absent where none could be read."""
    truly: bool | None = None
    """In the simulated world, whether it does; absent elsewhere."""


def check_violations(context: Context, part: Violations, answers: Answers) -> tuple[list[PolicyCheck], dict[str, Any]]:
    """Ask about the first prompts, and count what was said."""
    asked = [
        (policy, one, Check(one.draw.prompt, one.answer, principle))
        for policy, found in answers.items()
        for one in _first(found, part.prompts)
        if one.answer is not None
        for principle in principles_for(context.constitutions, part, one.draw.prompt)
    ]
    said = ask_checks(context, "checking principles", part.judge, (check for _, _, check in asked))
    rows = [_row(policy, one, check, said[check.key]) for policy, one, check in asked]
    return rows, {
        "judge": independence(context.config, part.judge, context.base),
        "prompts": len({row.prompt_id for row in rows}),
        **violation_rates(rows, list(answers)),
    }


def _first(found: Sequence[Drawn], prompts: int) -> Iterator[Drawn]:
    """The draws of the first so many prompts."""
    taken = set(list(dict.fromkeys(one.draw.prompt.id for one in found))[:prompts])
    return (one for one in found if one.draw.prompt.id in taken)


def principles_for(constitutions: Iterable[Constitution], part: Violations, prompt: Prompt) -> Iterator[DrawnPrinciple]:
    """Those that are asked for and speak about a prompt."""
    for constitution in constitutions:
        for principle in constitution.principles:
            drawn = DrawnPrinciple(constitution, principle)
            if part.takes(drawn.id) and principle.applies_to(prompt.category, prompt.tags):
                yield drawn


def _row(policy: str, one: Drawn, check: Check, said: float | None) -> PolicyCheck:
    assert check.principle is not None
    prompt, answer = text_of(check.prompt.messages), text_of(check.answer.messages)
    return PolicyCheck(
        policy=policy,
        prompt_id=check.prompt.id,
        sample=one.draw.sample,
        answer=check.answer.id,
        principle_id=check.principle.id,
        violates=said,
        truly=violates(prompt, answer, principles=[check.principle.id]) if knows(prompt) else None,
    )


class _Asked(NamedTuple):
    """What one question was about, whichever policy answered."""

    prompt_id: str
    sample: int


def violation_rates(rows: Iterable[PolicyCheck], policies: Sequence[str]) -> dict[str, Any]:
    """By policy and principle the share of answers that violate it, and the differences to the first policy."""
    table: dict[str, dict[str, dict[_Asked, PolicyCheck]]] = {name: {} for name in policies}
    for row in rows:
        table[row.policy].setdefault(row.principle_id, {})[_Asked(row.prompt_id, row.sample)] = row
    first, *others = policies
    return {
        "policies": {name: {id: _rate(list(found.values())) for id, found in table[name].items()} for name in policies},
        "differences": {
            f"{name} - {first}": {
                id: _difference(found, table[first][id]) for id, found in table[name].items() if id in table[first]
            }
            for name in others
        },
    }


def _rate(rows: Sequence[PolicyCheck]) -> dict[str, Any]:
    read = [row for row in rows if row.violates is not None]
    told = share([float(row.violates or 0) for row in read], [row.prompt_id for row in read])
    known = [row for row in rows if row.truly is not None]
    truth = {"truly": sum(bool(row.truly) for row in known) / len(known)} if known else {}
    return {**told.to_json(), "unread": len(rows) - len(read), **truth}


def _difference(ours: Mapping[_Asked, PolicyCheck], theirs: Mapping[_Asked, PolicyCheck]) -> dict[str, Any]:
    both = [
        (asked.prompt_id, row.violates, other.violates)
        for asked, row in ours.items()
        if (other := theirs.get(asked)) and row.violates is not None and other.violates is not None
    ]
    found = paired_difference([row[1] for row in both], [row[2] for row in both], [row[0] for row in both])
    return cautioned(found).to_json()
