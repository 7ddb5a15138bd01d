"""An evaluation in words and tables: the truth where it is known, win rates, violated principles, refusals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from amendment.evaluation.settings import RELATED_JUDGE, SAME_JUDGE
from amendment.report.shown import counts_shown, estimate_shown, number_shown, unscored_shown
from amendment.text import LONGEST, cell, plain, table

HOW_TO_READ = (
    "True utility is the weighted mean of the columns on the right, each in [0, 1], over answers to prompts that no "
    "training saw; it is known only because this world is simulated. Readable is the share of answers without a word "
    "outside its grammar. A difference whose interval lies above 0 says that the first named policy answers better. "
    "Labels against truth says how often the judge's pairs point the right way, which bounds what can be learned."
)

WARNED = {
    SAME_JUDGE: "what training learned to please, this judge is pleased by, so that the figures flatter the policies. "
    "Ask another one, or people (evaluate.people)",
    RELATED_JUDGE: "models of one family share tastes and errors. Ask another one, or people (evaluate.people)",
}


def evaluation_lines(counts: Mapping[str, Any]) -> list[str]:
    """Policies against truth, what judges made of them, the reward model."""
    lines = [f"Answers to {counts['held-out prompts']} held-out prompts; intervals are 95 %, clustered by prompt.", ""]
    lines += [f"- answers of {plain(name)}: {counts_shown(ended)}" for name, ended in counts.get("answers", {}).items()]
    if "scorecard" in counts:
        lines += ["", *scorecard_lines(counts["scorecard"])]
    if counts.get("policies"):
        lines += ["", *_against_truth(counts)]
    lines += judged_lines(counts)
    for name in ("reward model against truth", "labels against truth"):
        if name in counts:
            share = estimate_shown(counts[name])
            lines.append(f"- {name}, held-out pairs: {share}{unscored_shown(counts[name])}")
    return lines


def scorecard_lines(card: Mapping[str, Any]) -> Iterator[str]:
    """A row for each figure, its differences to the first policy, and what could not be measured."""
    figures = {
        f"keeps {plain(name)}": (f", by {plain(figure['by'])}" if "by" in figure else "", figure)
        for name, figure in card["principles"].items()
    }
    fluency, topic = card["fluency"], card["on topic"]
    figures |= {
        "words": ("", card["words"]),
        "cut at max_tokens": ("", card["cut"]),
        "copies of the prompt": ("", card["copies"]),
        "nats per token": (f", under {plain(fluency.get('under', ''))}", fluency),
        "on topic": (f", by {plain(topic.get('by', ''))}", topic),
    }
    measured = {name: row for name, row in figures.items() if "policies" in row[1]}
    policies = list(card["words"]["policies"])
    rows = [["scorecard", *map(plain, policies)]]
    for name, (by, figure) in measured.items():
        shown = [estimate_shown(figure["policies"][policy]) for policy in policies]
        rows.append([f"{name}{by}", *shown])
    if "shuffled" in topic:
        rows.append(["on topic, answers shuffled", *(number_shown(topic["shuffled"][name]) for name in policies)])
    yield from table(rows)
    yield ""
    for name, (_, figure) in measured.items():
        for policies_named, value in figure["differences"].items():
            yield f"- {name}, {plain(policies_named)}: {estimate_shown(value, sign=True)}"
        if "unchecked" in figure:
            why = cell(figure["reason"], longest=LONGEST)
            yield f"- {name}: {figure['unchecked']} answers could not be checked: {why}"
    for name, (_, figure) in figures.items():
        if "not measured" in figure:
            yield f"- {name}: not measured: {cell(figure['not measured'], longest=LONGEST)}"
    if fluency.get("left out"):
        yield f"- nats per token: {fluency['left out']} answers could not be scored"


def _against_truth(counts: Mapping[str, Any]) -> list[str]:
    attributes = list(next(iter(counts["policies"].values()))["attributes"])
    rows = [["policy", "true utility", "readable", *attributes]]
    for name, row in counts["policies"].items():
        shares = [f"{row['attributes'][attribute]:.2f}" for attribute in attributes]
        rows.append([plain(name), estimate_shown(row["utility"]), f"{row['readable']['value']:.1%}", *shares])
    differences = [
        f"- true utility, {plain(name)}: {estimate_shown(value, sign=True)}"
        for name, value in counts["differences"].items()
    ]
    return [*table(rows), "", HOW_TO_READ, "", *differences]


def judged_lines(counts: Mapping[str, Any]) -> list[str]:
    """Win rates, violation rates, refusal rates; nothing of what was not asked."""
    lines = [_judge("win rates", counts["judge"])] if "judge" in counts else []
    for name, rate in counts.get("win rates", {}).items():
        lines += _win_rate(name, rate)
    if "violations" in counts:
        lines += ["", *_violations(counts["violations"])]
    if "over-refusal" in counts:
        lines += ["", *_refusals(counts["over-refusal"])]
    return lines


def _judge(what: str, judge: Mapping[str, str]) -> str:
    """Who judged, and loudly where that is who made the labels."""
    standing, why = judge["standing"], judge["why"]
    named = f"{plain(judge['model'])} ({plain(judge['protocol'])})"
    if standing in WARNED:
        return f"- **{standing.upper()}** for {what}: {named}; {why}: {WARNED[standing]}"
    return f"- {what} by {named}, {standing}: {why}"


def _win_rate(name: str, rate: Mapping[str, Any]) -> Iterator[str]:
    names = {"refused": "refused", "other unanswered": "otherwise unanswered", "unread": "verdict not readable"}
    names |= {name: name for name in ("equal answers", "other ties")}
    aside = {label: rate[name] for name, label in names.items()}
    estimate = f"{estimate_shown(rate)} over {rate['n']} of {rate['draws']} draws"
    yield f"- judged win rate of {plain(name)}: {estimate} ({counts_shown(aside)})"
    even = rate.get("at equal length")
    if even and even["value"] is not None:
        longer = f"its answers are {even['longer by']:+.1f} characters longer on average"
        warned = f"; {plain(even['warning'])}" if "warning" in even else ""
        yield f"- the same at equal length: {estimate_shown(even)} ({longer}{warned})"


def _violations(violations: Mapping[str, Any]) -> Iterator[str]:
    """A table of principles and policies, and the differences whose interval leaves 0 out."""
    yield f"Share of answers that violate a principle, on {violations['prompts']} prompts:"
    yield ""
    policies: Mapping[str, Mapping[str, Any]] = violations["policies"]
    principles = list(dict.fromkeys(name for rates in policies.values() for name in rates))
    rows = [["principle", *map(plain, policies)]]
    rows += [
        [plain(principle), *(_violation(rates.get(principle)) for rates in policies.values())]
        for principle in principles
    ]
    yield from table(rows)
    yield ""
    yield _judge("violations", violations["judge"])
    unread = sum(rate["unread"] for rates in policies.values() for rate in rates.values())
    yield f"- verdicts that could not be read, which are no violations and stand in no share: {unread}"
    for name, by_principle in violations["differences"].items():
        # the interval leaves 0 out
        clear = {
            principle: rate
            for principle, rate in by_principle.items()
            if rate["low"] is not None and (rate["low"] > 0 or rate["high"] < 0)
        }
        for principle, rate in clear.items():
            yield f"- violations of {plain(principle)}, {plain(name)}: {estimate_shown(rate, sign=True)}"
        differ = f"{len(clear)} of {len(by_principle)} principles have an interval without 0, each at 95 %"
        yield f"- violations, {plain(name)}: {differ}"


def _violation(rate: Mapping[str, Any] | None) -> str:
    if rate is None:
        return "not asked"
    truly = f", truly {rate['truly']:.3f}" if "truly" in rate else ""
    return f"{estimate_shown(rate)}{truly}"


def _refusals(refusals: Mapping[str, Any]) -> Iterator[str]:
    of = {
        name: refusals[name]
        for name in ("of categories", "of files", "left out as training prompts")
        if name in refusals
    }
    yield f"Share of {refusals['prompts']} harmless prompts that a policy refuses ({counts_shown(of)}):"
    yield ""
    for name, rate in refusals["policies"].items():
        aside = {"refused by the provider": rate["by the provider"], "not readable": rate["unread"]}
        aside |= {"truly evasive": rate["truly"]} if "truly" in rate else {}
        phrases = f"; they begin with: {counts_shown(rate['phrases'])}" if rate["phrases"] else ""
        yield f"- refused by {plain(name)}: {estimate_shown(rate)} ({counts_shown(aside)}{phrases})"
    for name, difference in refusals["differences"].items():
        yield f"- refused, {plain(name)}: {estimate_shown(difference, sign=True)}"
    yield (
        _judge("refusals", refusals["judge"])
        if "judge" in refusals
        else f"- refusals recognised by {refusals['recognised by']}"
    )
