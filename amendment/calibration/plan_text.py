"""A plan of labels in words and tables."""

from __future__ import annotations

from collections.abc import Iterator

from amendment.calibration.gate import FEWEST
from amendment.calibration.label_plan import GAPS, GateChances, LabelPlan, PlanAssumptions, PlanRow
from amendment.markdown import table

__all__ = ["own_lines", "plan_lines"]


def plan_lines(plan: LabelPlan) -> list[str]:
    """Both tables, each below what it rests on."""
    assumed = plan.assumptions
    return [
        "## Intervals",
        "",
        f"Agreement of the judge with people, taken to be {assumed.agreement:g}: {_percent(assumed.level)} intervals.",
        "",
        *table(_interval_rows(plan)),
        "",
        *table([["half width", "labels"], *([_points(width), _count(count)] for width, count in plan.needed.items())]),
        "",
        "## Gate",
        "",
        *_gate_rule(assumed),
        "",
        *table(_gate_rows(plan)),
    ]


def own_lines(agreement: PlanRow, gate: PlanRow, *, annotators: int = 2) -> list[str]:
    """What one's own settings come to: `agreement` for all labels that certify, `gate` for those of two people."""
    lines = [f"- agreement with people: {agreement.design.labels} labels, {_points(agreement.half_width)}"]
    if annotators == 1:
        told = "one annotator has no ceiling, the agreement of two people: it decides nothing"
        return [*lines, f"- gate: {told}; raise spot_check.annotators"]
    shared = gate.design.labels
    if shared < FEWEST:
        told = f"needs {FEWEST} comparisons that two people see and finds about {shared}: it decides nothing"
        return [*lines, f"- gate: {told}; raise spot_check.overlap"]
    of_each = ", ".join(f"{_chances(chances)} for one {_gap(gap)}" for gap, chances in gate.gate.items())
    return [*lines, f"- gate: about {shared} comparisons that two people see; PASS / FAIL {of_each}"]


def _interval_rows(plan: LabelPlan) -> list[list[str]]:
    head = ["labels", "comparisons of a prompt", "design effect", "interval"]
    return [
        head,
        *(
            [f"{row.design.labels:,}", f"{row.design.per_prompt:.2f}", f"{row.effect:.2f}", _points(row.half_width)]
            for row in plan.rows
        ),
    ]


def _gate_rule(assumed: PlanAssumptions) -> Iterator[str]:
    yield (
        f"Agreement of the judge with a person minus agreement of two people, who are taken to agree in "
        f"{assumed.ceiling:g}. PASS: the whole interval lies above -{assumed.below_ceiling:g}; FAIL: none of it does; "
        "WARN otherwise. Probability of PASS / FAIL by how good the judge is:"
    )


def _gate_rows(plan: LabelPlan) -> list[list[str]]:
    head = [f"comparisons that {plan.assumptions.annotators} people see", *map(_gap, GAPS)]
    rows = [[f"{row.design.labels:,}", *map(_chances, row.gate.values())] for row in plan.rows]
    return [head, *rows]


def _gap(gap: float) -> str:
    return f"{100 * gap:g} points below people" if gap else "as good as people"


def _chances(chances: GateChances) -> str:
    return f"{_percent(chances.passes)} / {_percent(chances.fails)}"


def _count(labels: int | None) -> str:
    return "more than there are" if labels is None else f"{labels:,}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _points(width: float) -> str:
    return f"±{100 * width:.1f} points"
