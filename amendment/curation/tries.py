"""What the tries of the stage `construct` came to, by the principle or the entry that they were drawn by.

Covered: tries, pairs and the reasons why others are none; what made no pair at all; what helps where answers are cut in
more than a fifth of the tries. A try is two answers. Not covered: why single answers have no reply, see the stage's
endings.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from amendment.curation.contrast import CUT_OFF
from amendment.records import Pair
from amendment.report.before_use import OFTEN_CUT
from amendment.report.shown import counts_shown
from amendment.text import cell, plain, table

NOTHING = "-"
"""In place of a principle, for tries of prompts to which none applies."""
CHECK = "check"
"""What confirms the pairs of a principle that has a check."""
_SHORT = {
    CUT_OFF: "cut off",
    "the answer under the principle breaks it": "principle broken",
    "the answer under the opposite keeps the principle": "opposite keeps it",
    "the judge prefers the answer under the opposite": "judge prefers other",
    "an answer copies its question": "copies",
    "an answer is missing": "no answer",
}
"""Heads of the columns of the table."""
_LOST = ("refused", "invalid", "failed", "pending")


class Tries:
    """Counts of tries, one by one."""

    def __init__(self, names: Iterable[str], own: Collection[str] = ()) -> None:
        """`names` are the principles and entries that tries may be drawn by; the models of the judges in `own` write
        the answers too."""
        self._own = own
        self._pairs = dict.fromkeys(names, 0)
        self._losses: dict[str, Counter[str]] = {name: Counter() for name in self._pairs}
        self._cut: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._confirmed: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def add(self, name: str, reason: str | None, cut: Iterable[str], pair: Pair | None) -> None:
        """Count a try; `reason` says why it is no pair, and `cut` names the models whose answers were cut."""
        self._pairs.setdefault(name, 0)
        losses = self._losses.setdefault(name, Counter())
        if reason is None:
            self._pairs[name] += 1
            if pair and pair.decided_by != "construction":
                self._confirmed[name][", ".join(pair.raters) or CHECK] += 1
            return
        losses[reason] += 1
        if reason == CUT_OFF:
            self._cut[name].update(cut)

    def to_json(self) -> dict[str, Any]:
        """All pairs and losses, and a row for each name; `confirmed by` are a check or judges, with their pairs, and
        `cut answers` are those of its lost tries, by model."""
        rows: list[dict[str, Any]] = []
        for (name, pairs), losses in zip(self._pairs.items(), self._losses.values(), strict=True):
            cut = {"cut answers": dict(self._cut[name])} if name in self._cut else {}
            confirmed = {"confirmed by": dict(self._confirmed[name])} if name in self._confirmed else {}
            tries = pairs + losses.total()
            rows.append({"drawn by": name, "tries": tries, "pairs": pairs, **confirmed, "no pair": dict(losses), **cut})
        losses = sum(self._losses.values(), Counter[str]())
        counts = {"pairs": sum(self._pairs.values()), **({"no pair": dict(losses)} if losses else {})}
        warnings = {"warnings": list(self._warnings())} if self._by_judge else {}
        return {**counts, "tries": sum(row["tries"] for row in rows), "by principle": rows, **warnings}

    @property
    def _by_judge(self) -> dict[str, dict[str, int]]:
        """The pairs that judges confirmed, by judge and name."""
        pairs: dict[str, dict[str, int]] = {}
        for name, confirmed in self._confirmed.items():
            for judge, number in confirmed.items():
                if judge != CHECK:
                    pairs.setdefault(judge, {})[name] = number
        return pairs

    def _warnings(self) -> Iterator[str]:
        """A sentence without a full stop for each judge that alone confirmed pairs."""
        for judge, pairs in self._by_judge.items():
            number, names = sum(pairs.values()), ", ".join(map(plain, pairs))
            wrote = ", whose model wrote both answers" if judge in self._own else ""
            verb = f"pair{'s' * (number != 1)} by {names} {'have' if number != 1 else 'has'}"
            yield f"{number:,} constructed {verb} no check: the judge {plain(judge)} decided{wrote}"


def tries_lines(counts: Mapping[str, Any], max_tokens: Mapping[str, int | None]) -> list[str]:
    """The counts of the stage, as Markdown lines; `max_tokens` is the limit of each model of the run file."""
    losses, rows = counts.get("no pair", {}), counts["by principle"]
    whole = [{**counts, "drawn by": "all", "no pair": losses}] if len(rows) > 1 else []
    lines = [f"- tries: {counts['tries']:,} of two answers each; pairs: {counts['pairs']:,}"]
    if lost := {outcome: counts[outcome] for outcome in _LOST if counts.get(outcome)}:
        lines.append(f"- calls without an answer: {counts_shown(lost)}")
    empty = [plain(row["drawn by"]) for row in rows if row["tries"] and not row["pairs"] and row["drawn by"] != NOTHING]
    lines += [f"- no pair by {', '.join(empty)}"] if empty else []
    undrawn = [plain(row["drawn by"]) for row in rows if not row["tries"]]
    lines += [f"- never drawn: {', '.join(undrawn)}"] if undrawn else []
    if cut := [row for row in rows if row["no pair"].get(CUT_OFF, 0) > OFTEN_CUT * row["tries"]]:
        tries = [f"{row['no pair'][CUT_OFF]:,} of {row['tries']:,} tries by {plain(row['drawn by'])}" for row in cut]
        models = dict.fromkeys(name for row in cut for name in row.get("cut answers", {}))
        limits = [plain(name) + (f" ({limit})" if (limit := max_tokens.get(name)) else "") for name in models]
        raised = f"raise `max_tokens`{' of ' * bool(limits)}{' and '.join(limits)}"
        lines.append(f"- {' and '.join(tries)} are cut off: {raised}")
    reasons = sorted(losses, key=lambda reason: -losses[reason])
    confirmed = ["confirmed by"] if any("confirmed by" in row for row in rows) else []
    head = ["drawn by", *confirmed, "tries", "pairs", *(_SHORT.get(reason, plain(reason)) for reason in reasons)]
    cells = []
    for row in (*rows, *whole):
        numbers = [row["tries"], row["pairs"], *(row["no pair"].get(reason, 0) for reason in reasons)]
        names = [cell(row["drawn by"]), *(cell(", ".join(row.get(name, ()))) for name in confirmed)]
        cells.append([*names, *(f"{number:,}" for number in numbers)])
    return [*lines, "", *table([head, *cells])]
