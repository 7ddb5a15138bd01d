"""The first screen of a report, and of a dataset's card: what a lead asks first, with the answers in a line or two.

Covered: how many pairs, who decided them, whether they may be trained on, what training changed. Not covered: whether a
change matters for a use.
"""

from __future__ import annotations

from collections.abc import Iterator

from amendment.report.before_use import harms, name_figure
from amendment.report.document import Written, short
from amendment.report.render import value_shown, words
from amendment.results import Change, Result
from amendment.statistics import by_length, estimate


def first_lines(written: Written) -> list[tuple[str, str]]:
    """Return the questions with their answers, in the order in which they are asked."""
    if not written.is_run:
        return [("What was measured?", _measured(written)), ("Does the judge agree with people?", _judged(written))]
    return [
        ("How many pairs?", _how_many(written)),
        ("Who decided them?", _who_decided(written)),
        ("May I train on them?", _may_be_trained_on(written)),
        ("What did training change?", " ".join(_changes(written)) or "Nothing has been trained."),
    ]


def _measured(written: Written) -> str:
    counts = written.certificate["counts"]
    votes = f"{counts['votes']:,} votes"
    items = f"{counts['items']:,} items"
    return f"{votes} on {items}; judges: {counts['judges']:,}, people: {counts['people']:,}."


def _how_many(written: Written) -> str:
    prompts = written.summary.of("inputs").funnel("prompts")
    pairs = written.pairs
    drawn = f" (prompts: {prompts.remained:,})" if prompts else ""
    if "dataset" not in written.results:
        return f"None yet{drawn}."
    each = written.spending.get("for each kept pair", {})
    cost = f"; each cost {each['usd']:.4f} USD" if each.get("usd") else ""
    return f"{pairs.trained:,} to train on and {pairs.decided_by.total() - pairs.trained:,} held out{drawn}{cost}."


def _who_decided(written: Written) -> str:
    pairs = written.pairs
    judges = list(written.stage_file("judging", "judging/report.json").get("judges", {}))
    named = ", ".join(judges[:3]) + (" and others" if judges[3:] else "")
    who = pairs.who(named or "the judge")
    lines = [f"{who[0].upper()}{who[1:]}."] if who else []
    if pairs.by_code:
        which = "these pairs" if pairs.by_code == pairs.decided_by.total() else f"{pairs.by_code:,} of them"
        lines.append(f"Code decided {which}. It does not know whether an answer is true or useful.")
    if judges and pairs.decided_by and not pairs.is_judged:
        lines.append(f"A judge was measured and decided none: {named}.")
    return " ".join([*lines, *([_judged(written)] if pairs.is_judged else [])]) or "Nobody yet."


def _judged(written: Written) -> str:
    """Return the figures of the judge that comes out best."""
    if not written.judges:
        return "No judge was measured."
    judge = written.judges[0]
    concluded = written.concluded.get(judge["name"], {})
    named = short(judge["name"])
    figures = {
        "agrees with an annotator in": concluded.get("agreement"),
        "two annotators agree in": concluded.get("two_annotators"),
        "its verdict changes with the order in": concluded.get("flips"),
    }
    listed = [
        f"{name} {value_shown(figure, 'share')}" for name, value in figures.items() if (figure := estimate(value))
    ]
    return f"{named}: {'; '.join(listed)}." if listed else f"{named} was not compared with people."


def _may_be_trained_on(written: Written) -> str:
    gate = written.certificate.get("gate") or {}
    licenses = written.pairs.licenses
    lines = []
    if gate:
        failed = ", ".join(check["check"] for check in gate["checks"] if check["outcome"] == "FAIL")
        lines.append(f"The gate before training says {gate['outcome']}{f' ({failed})' if failed else ''}.")
    elif written.pairs.is_judged:
        lines.append("No person has checked these labels: the run has no spot check.")
    if licenses:
        listed = ", ".join(f"{name or 'none on record'} ({count:,})" for name, count in licenses.most_common(3))
        lines.append(f"License of the prompts: {listed}.")
    return " ".join(lines) or "Nothing is known yet."


def _changes(written: Written) -> Iterator[str]:
    """Yield what the last policy does otherwise than the first: the truth where it is known, else its win rate and the
    principle whose share of answers that keep it changed most; then what became worse."""
    evaluate = written.summary.of("evaluate")
    truth = [*evaluate.changes("true_utility")][-1:]
    kept = [*evaluate.changes("kept")]
    shown = truth or sorted(kept, key=lambda change: -abs(change.value.value))[:1]
    for won in evaluate.where("win_rate")[-1:] if not truth else ():
        yield f"“{won.of['policy']}” wins against “{won.of['against']}” in {value_shown(won.value, 'share')}."
    for change in shown:
        yield _change(written, change)
    for harm in harms(evaluate)[:1]:
        if not any(name_figure(change.name, change.of) == harm.figure for change in shown):
            interval = f" (difference {harm.interval})" if harm.interval else ""
            yield f"Worse: {harm.figure}, from “{harm.first}” to “{harm.policy}”: {harm.value}{interval}."
    for stage, result in written.results.items() if "evaluate" not in written.results else ():
        if accuracy := result.estimate("held_out_accuracy"):
            share = value_shown(accuracy, "share")
            yield f"{words(stage)}: held-out accuracy {share}{_by_length(result)}."


def _change(written: Written, change: Change) -> str:
    unit, difference = ("share", "points") if change.name == "kept" else ("", "change")
    stated = next((rule.statement for rule in written.rules if rule.reference == change.of.get("principle")), "")
    name = name_figure(change.name, change.of) + (f" ({stated.rstrip('.')})" if stated else "")
    values = " → ".join(value_shown(value, unit) for value in (change.before, change.after))
    policies = f"from “{change.less}” to “{change.policy}”"
    return f"{name[0].upper()}{name[1:]}, {policies}: {values}, {value_shown(change.value, difference)}."


def _by_length(result: Result) -> str:
    """Return how far a rule that needs no model gets on the same pairs."""
    if not (longer := result.estimate("longer_answer_is_right")):
        return ""
    side, right = by_length(longer)
    return f", where the {side} answer is right in {100 * right.value:.0f} %"
