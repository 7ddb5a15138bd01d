"""Chapters on judges: agreement against the human ceiling, position and length, reliability, principles, all tables.

All of it is read from a certificate; see `amendment.audit` for what the figures mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from amendment.audit.gates import LEAST_CONSISTENT
from amendment.report.document import Chapter, DataTable, Json, Written, short
from amendment.report.plots import IntervalRow, Intervals, Reliability, ReliabilityBin, interval_rows
from amendment.report.render import value_shown
from amendment.statistics import by_length, estimate

MOST_SLICES = 24
FINDINGS = ("redundant", "conflicting")
FEATURES = {"length": "longer", "self": "by the judge's own model"}
PERCENT = (0.0, 100.0)


def judge_chapters(written: Written) -> list[Chapter]:
    """Return the chapters that the certificate has figures for."""
    certificate = written.certificate
    judges = written.judges
    chapters = (
        _agreement(judges, written.judges_in_use, written.concluded),
        _position(judges),
        _bias(judges),
        _reliability(written),
        _slices(certificate),
        _principles(written, written.stage_file("judging", "judging/report.json")),
        _tables(certificate),
    )
    return [chapter for chapter in chapters if chapter]


def _agreement(judges: Sequence[Json], in_use: Sequence[Json], concluded: Mapping[str, Json]) -> Chapter | None:
    rows, notes = [], []
    for judge in judges:
        name = short(judge["name"])
        conclusion = concluded.get(judge["name"], {})
        rows += interval_rows(
            [
                (f"{name} with one annotator", conclusion.get("agreement")),
                ("two annotators (the ceiling)", conclusion.get("two_annotators")),
                (
                    f"{name} with the majority, ties left out",
                    (judge.get("label") or {}).get("by_rule", {}).get("no_ties"),
                ),
            ]
        )
        if longer := estimate(judge.get("length_baseline")):
            side, right = by_length(longer)
            rows.append(IntervalRow(f"the {side} answer, without a judge", right))
        gap = estimate(conclusion.get("gap"))
        if gap:
            points = f"{100 * gap.value:+.1f} points ({100 * gap.low:+.1f} to {100 * gap.high:+.1f})"
            notes.append(f"{name} against two annotators: {points}, on the same {gap.n:,} items.")
    if not rows:
        return None
    if len(in_use) < len(judges):
        notes += [f"No pair of this run was decided by {name}: {row['sentence']}" for name, row in concluded.items()]
    says = (
        "Two annotators set the ceiling. The difference below says whether a judge reaches it; intervals may overlap. "
        "Shares differ by what they count: a tie is half right with one annotator, and left out with the majority; "
        "the gate before training also weighs each item by its chance to be drawn."
    )
    if not notes:
        says = "How often the judge chooses as annotators do; a ceiling needs two annotators on the same items."
    title = "Agreement with annotators"
    plot = Intervals(title=title, rows=rows, reference=(0.5, "a coin"), limits=PERCENT)
    return Chapter(id="agreement", title="Agreement with people", says=says, plots=[plot], notes=notes)


def _position(judges: Sequence[Json]) -> Chapter | None:
    same = interval_rows([(short(judge["name"]), judge["position"]["consistency"]) for judge in judges])
    first = interval_rows([(short(judge["name"]), judge["position"]["prefers_first"]) for judge in judges])
    same = [row for row in same if row.estimate.n]
    plots = []
    if same:
        limit = (LEAST_CONSISTENT, f"{100 * LEAST_CONSISTENT:.0f} %, from which the gate passes")
        plots.append(Intervals(title="Same verdict in both orders", rows=same, reference=limit, limits=PERCENT))
    if first:
        title = "Prefers the answer shown first"
        plots.append(Intervals(title=title, rows=first, reference=(0.5, "no preference"), limits=PERCENT))
    if not plots:
        return None
    says = "A judge that looks at the answers alone gives the same verdict when they change places."
    return Chapter(id="position", title="Position", says=says, plots=plots)


def _bias(judges: Sequence[Json]) -> Chapter | None:
    rows, sways = [], []
    for judge in judges:
        name = short(judge["name"], 24)
        figures = judge.get("bias", {})
        measured = [
            (f"{name}: {FEATURES.get(feature, feature)}", figure["asymmetry"]) for feature, figure in figures.items()
        ]
        rows += interval_rows(measured)
        if length := figures.get("length"):
            sways += interval_rows([(f"{name} prefers the longer", length["judge"])])
            sways += interval_rows([("annotators prefer it, same items", length["people"])])
    if not rows and not sways:
        return None
    plots = []
    if rows:
        far = max(30.0, *(100 * abs(bound) for row in rows for bound in row.estimate[:3] if not math.isnan(bound)))
        title = "Errors in favour of the feature, in points"
        edges = (-min(far, 100.0), min(far, 100.0))
        plots.append(
            Intervals(title=title, rows=rows, reference=(0.0, "errs alike"), limits=edges, form="+.1f", unit="")
        )
    if sways:
        title = "Chooses the longer answer"
        plots.append(Intervals(title=title, rows=sways, reference=(0.5, "as often as not"), limits=PERCENT))
    says = "Right of the line, the judge's errors favour longer answers or another feature; left of it, the opposite."
    return Chapter(id="bias", title="Length and style", says=says, plots=plots)


def _reliability(written: Written) -> Chapter | None:
    """Of a spot check, or of the labels that a calibration was fitted to."""
    check = written.certificate.get("spot_check") or {}
    reports = {"raw": check.get("raw"), "calibrated": check.get("calibrated")}
    if not reports["raw"]:
        recipe = written.stage_file("calibration", "calibration/calibrator.json")
        reports = {"raw": recipe.get("before"), "calibrated": recipe.get("after")}
    shown = {name: report for name, report in reports.items() if report and not report.get("is_hard")}
    series = {
        name: [
            ReliabilityBin(confidence=row["confidence"], accuracy=accuracy, n=row["n"])
            for row in report["bins"]
            if (accuracy := estimate(row["accuracy"]))
        ]
        for name, report in shown.items()
    }
    if not any(series.values()):
        return None
    rows, notes = [], []
    for name, report in shown.items():
        figures = [estimate(report[key]) for key in ("brier", "log_loss", "ece")]
        rows.append((name, *(f"{figure.value:.3f}" if figure else "-" for figure in figures)))
        if report.get("shows_miscalibration"):
            sure = report["confidence"]["value"]
            right = report["accuracy"]["value"]
            bias = "overconfident" if sure > right else "underconfident"
            notes.append(f"{name}: {bias}: mean confidence {sure:.2f}, right in {right:.2f}.")
        else:
            notes.append(f"{name}: these labels show no miscalibration.")
    return Chapter(
        id="reliability",
        title="Reliability of its probabilities",
        says="On the dashed line a judge is right as often as it is sure; below it, it is overconfident.",
        plots=[Reliability(title="Right by confidence, with the number of labels", series=series)],
        tables=[DataTable(("probabilities", "Brier score", "log loss", "ECE"), rows, "Errors of the probabilities")],
        notes=notes,
    )


def _slices(certificate: Json) -> Chapter | None:
    """Agreement, or where nobody labelled consistency, by principle and category."""
    slices = [row for row in certificate.get("slices", ()) if row["by"] in ("principle", "category")]
    judges = list(dict.fromkeys(row["judge"] for row in slices))
    agrees = any(estimate(row["no_ties"]) for row in slices)
    title = "agreement of each call with annotators" if agrees else "same verdict in both orders"
    plots = []
    for by in ("principle", "category"):
        rows = [
            IntervalRow(row["name"], figure, short(row["judge"], 24) if len(judges) > 1 else "")
            for row in sorted(slices, key=lambda row: str(row["name"]))
            if row["by"] == by and (figure := estimate(row["no_ties" if agrees else "consistency"])) and figure.n
        ][:MOST_SLICES]
        if rows:
            reference = (0.5, "a coin") if agrees else None
            plots.append(Intervals(title=f"By {by}: {title}", rows=rows, reference=reference, limits=PERCENT))
    if not plots:
        return None
    says = (
        "A wide interval means that the slice has few items. A slice whose interval lies below the others needs a look."
    )
    return Chapter(id="slices", title="By principle and category", says=says, plots=plots)


def _principles(written: Written, report: Json) -> Chapter | None:
    """Return what each says, how many pairs it decided, how often it was asked about, and which agree with which."""
    principles = report.get("principles", {})
    coverage = sorted(principles.get("coverage", ()), key=lambda row: -row["comparisons"])
    if not coverage and not written.rules:
        return None
    head = ("principle", "comparisons", "decided", "tied", "invalid verdicts")
    rows = [
        (row["principle"], *(f"{row[name]:,}" for name in ("comparisons", "decided", "tied", "invalid")))
        for row in coverage
    ]
    rules = [
        (rule.reference, rule.statement, rule.check, f"{written.pairs.by_principle[rule.reference]:,}")
        for rule in written.rules
    ]
    tables = (
        [DataTable(("principle", "statement", "check", "pairs"), rules, "The principles", is_open=True)]
        if rules
        else []
    )
    alike = [
        (
            pair["first"],
            pair["second"],
            value_shown(figure, "share"),
            ", ".join(filter(pair.get, FINDINGS)),
        )
        for pair in principles.get("agreements", ())
        if (figure := estimate(pair["agreement"]))
    ]
    says = "What each principle says, how code checks it, and how many pairs it decided alone."
    if alike:
        says += " Two that always agree say the same; two that seldom agree pull in opposite directions."
    tables += [DataTable(head, rows, "Comparisons by principle")] if rows else []
    if alike:
        title = "How often two principles prefer the same answer"
        tables.append(DataTable(("principle", "other", "agreement", "finding"), alike, title))
    return Chapter(id="principles", title="Principles", says=says, tables=tables)


def _tables(certificate: Json) -> Chapter | None:
    """Return the certificate's own long tables."""
    tables = [
        *_gate_tables(certificate),
        *(
            DataTable(section["head"], section["rows"], section["title"], section["notes"])
            for section in certificate.get("sections", ())
        ),
    ]
    if not tables:
        return None
    says = "Every table of the certificate; a star marks a figure that rests on few prompts, or has no interval."
    return Chapter(id="tables", title="All figures of the certificate", says=says, tables=tables)


def _gate_tables(certificate: Json) -> Iterator[DataTable]:
    """Yield the gates, where the certificate's own tables do not have them."""
    titles = {section["title"] for section in certificate.get("sections", ())}
    gates: Sequence[Mapping[str, Any]] = certificate.get("gates", ())
    if gates and "Gates" not in titles:
        rows = [[gate[name] for name in ("judge", "check", "outcome", "found")] for gate in gates]
        yield DataTable(("judge", "check", "outcome", "found"), rows, "Gates")
