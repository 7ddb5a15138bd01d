"""Conditions on a finished run's scorecard, for CI: the function behind `amendment evaluate DIR --fail-if`.

Covered: `no-list<0.8` for the last policy under `evaluate.policies`, and `sft.no-list<0.8` for another one.
A share that was not measured fails. Not covered: the interval; a condition is about the share itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from amendment.errors import AmendmentError, ConfigError, Problem
from amendment.files import read_json
from amendment.text import plain
from amendment.yamlfile import did_you_mean

SUMMARY = "summary.json"
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
    """The folder is that of a run, and not of a model."""
    return (folder / SUMMARY).is_file() or (folder / "stages").is_dir()


def conditions_in(texts: Sequence[str]) -> list[Condition]:
    """The conditions that texts state. Raises ConfigError with every text that states none."""
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


def evaluation_of(folder: Path) -> tuple[Mapping[str, Any], list[str]]:
    """The counts and the lines of a run's evaluation. Raises ConfigError for another folder, AmendmentError where the
    run is not that far."""
    try:
        summary = read_json(folder / SUMMARY)
        counts, lines = summary["stages"].get("evaluate"), summary["lines"].get("evaluate", [])
    except FileNotFoundError:
        raise AmendmentError(f"{folder}: found no {SUMMARY}; finish the run with amendment run") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        raise ConfigError(f"{folder / SUMMARY}: not the summary of a run: {plain(repr(fault))}") from None
    if counts is None:
        raise AmendmentError(
            f"{folder}: the run has no finished evaluation; add the stage evaluate to its run file, and run it again"
        )
    return counts, lines


def results_of(conditions: Sequence[Condition], counts: Mapping[str, Any]) -> list[ConditionResult]:
    """Whether the counts of an evaluation meet the conditions. Raises ConfigError for a policy or a principle that
    it does not have, and for counts that no run writes."""
    try:
        return _results(conditions, counts)
    except (AttributeError, KeyError, TypeError, ValueError) as fault:
        raise ConfigError(f"{SUMMARY}: the scorecard is not as a run writes it: {plain(repr(fault))}") from None


def _results(conditions: Sequence[Condition], counts: Mapping[str, Any]) -> list[ConditionResult]:
    card: Mapping[str, Any] = counts.get("scorecard") or {"principles": {}, "words": {"policies": {}}}
    policies, problems, results = list(card["words"]["policies"]), [], []
    for condition in conditions:
        policy = condition.policy or (policies[-1] if policies else "")
        names = [name for name in card["principles"] if condition.principle in (name, name.partition("/")[2])]
        if policy not in policies:
            known = f"evaluated policies: {', '.join(map(plain, policies)) or 'none'}"
            problems.append(Problem(condition.text, f"no policy '{policy}'{did_you_mean(policy, policies)}; {known}"))
        elif len(names) != 1:
            known = ", ".join(map(plain, names or card["principles"])) or "none"
            near = did_you_mean(condition.principle, [name.partition("/")[2] for name in card["principles"]])
            found = f"{len(names)} principles of this name" if names else f"no principle '{condition.principle}'{near}"
            problems.append(Problem(condition.text, f"{found}; expected one of {known}"))
        else:
            results.append(_result(condition, policy, names[0], card["principles"][names[0]]))
    if problems:
        raise ConfigError(problems)
    return results


def _result(condition: Condition, policy: str, principle: str, figure: Mapping[str, Any]) -> ConditionResult:
    share = figure.get("policies", {}).get(policy, {})
    value = share.get("value")
    failed = value is None or not value >= condition.least - 1e-9  # nan is no share that was reached
    if value is None:
        shown = f"not measured: {figure.get('not measured', 'no answer')}"
    else:
        interval = (
            "no interval" if share["low"] is None else f"{max(share['low'], 0):.3f} to {min(share['high'], 1):.3f}"
        )
        shown = f"{value:.3f} ({interval}; {share['n']} answers)"
    line = f"{'FAIL' if failed else 'PASS'} {policy}.{principle}: {shown}, expected at least {condition.least:g}"
    return ConditionResult(condition.text, failed, policy, principle, value, plain(line, longest=500))
