"""Conditions on a finished run's scorecard, for CI: the function behind `amendment evaluate DIR --fail-if`.

Covered: `no-list<0.8` for the last policy under `evaluate.policies`, and `sft.no-list<0.8` for another one.
A share that was not measured fails. Not covered: the interval; a condition is about the share itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from amendment.errors import AmendmentError, ConfigError, Problem
from amendment.report.render import value_shown
from amendment.results import SUMMARY, Estimate, Figure, Result, read_summary
from amendment.text import plain
from amendment.yamlfile import did_you_mean

_FORM = re.compile(r"(?:(?P<policy>[\w.-]+)\.)?(?P<principle>[\w-]+(?:/[\w-]+)?)\s*<\s*(?P<least>[0-9]*\.?[0-9]+)")


class Condition(NamedTuple):
    """A share of answers that keep a principle, below which CI fails."""

    text: str
    policy: str | None
    """None: the last one."""
    principle: str
    """`principle`, or `constitution/principle`."""
    least: float


class ConditionResult(NamedTuple):
    """A condition and what was measured."""

    text: str
    failed: bool
    policy: str
    principle: str
    value: float | None
    """None where it was not measured."""
    line: str


def is_run(folder: Path) -> bool:
    """Return True for the folder of a run, not of a model."""
    return (folder / SUMMARY).is_file() or (folder / "stages").is_dir()


def conditions_in(texts: Sequence[str]) -> list[Condition]:
    """Return the conditions that texts state. Raises ConfigError with every text that states none."""
    conditions, problems = [], []
    for text in texts:
        match = _FORM.fullmatch(text.strip())
        if match and float(match["least"]) <= 1:
            conditions.append(Condition(text, match["policy"], match["principle"], float(match["least"])))
        else:
            expected = "expected a principle and a share from 0 to 1, such as 'no-list<0.8' or 'sft.no-list<0.8'"
            problems.append(Problem("--fail-if", f"found '{plain(text)}', {expected}"))
    if problems:
        raise ConfigError(problems)
    return conditions


def read_evaluation(folder: Path) -> Result:
    """Return the result of a run's evaluation. Raises ConfigError for another folder, AmendmentError where the run is
    not that far."""
    if not (folder / SUMMARY).is_file():
        raise AmendmentError(f"{folder}: found no {SUMMARY}; finish the run with amendment run")
    stages = read_summary(folder).stages
    if "evaluate" not in stages:
        raise AmendmentError(
            f"{folder}: the run has no finished evaluation; add the stage evaluate to its run file, and run it again"
        )
    return stages["evaluate"]


def check_conditions(conditions: Sequence[Condition], evaluate: Result) -> list[ConditionResult]:
    """Return whether an evaluation meets the conditions. Raises ConfigError for a policy or a principle that it does
    not have."""
    shares = [figure for figure in evaluate.where("kept") if not {"less", "category"} & figure.of.keys()]
    policies = [figure.of["policy"] for figure in evaluate.where("answered")]
    principles = list(dict.fromkeys(figure.of["principle"] for figure in shares))
    problems, results = [], []
    for condition in conditions:
        policy = condition.policy or (policies[-1] if policies else "")
        names = [name for name in principles if condition.principle in (name, name.partition("/")[2])]
        if policy not in policies:
            known = f"evaluated policies: {', '.join(map(plain, policies)) or 'none'}"
            problems.append(Problem(condition.text, f"no policy '{policy}'{did_you_mean(policy, policies)}; {known}"))
        elif len(names) != 1:
            known = ", ".join(map(plain, names or principles)) or "none"
            near = did_you_mean(condition.principle, [name.partition("/")[2] for name in principles])
            found = f"{len(names)} principles of this name" if names else f"no principle '{condition.principle}'{near}"
            problems.append(Problem(condition.text, f"{found}; expected one of {known}"))
        else:
            of_principle = [figure for figure in shares if figure.of["principle"] == names[0]]
            measured = [figure for figure in of_principle if figure.of.get("policy", policy) == policy]
            results.append(_check(condition, policy, measured[0]))
    if problems:
        raise ConfigError(problems)
    return results


def _check(condition: Condition, policy: str, kept: Figure) -> ConditionResult:
    """Return whether the share is reached; one that was not measured has no policy, and fails."""
    share, principle = kept.value, kept.of["principle"]
    value = share.value if isinstance(share, Estimate) and not math.isnan(share.value) else None
    failed = value is None or not value >= condition.least - 1e-9
    shown = f"{value_shown(share, kept.unit)}, expected at least {condition.least:g}"
    line = f"{'FAIL' if failed else 'PASS'} {policy}.{principle}: {shown}"
    return ConditionResult(condition.text, failed, policy, principle, value, plain(line, longest=500))
