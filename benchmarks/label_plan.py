"""The table of docs/spot-checks.md: what labels buy. Run: python -m benchmarks.label_plan."""

from __future__ import annotations

from amendment.calibration import label_plan
from amendment.markdown import table

GAPS = (0.0, 0.02, 0.05, 0.10)


def rows() -> list[list[str]]:
    """A row for each number of labels: the interval, and PASS / FAIL by how far the judge is below people."""
    head = ["labels", "interval", "as good as people", *(f"{100 * gap:g} points below people" for gap in GAPS[1:])]
    lines = [head]
    for labels in (50, 100, 200, 400, 800, 1600):
        plans = [label_plan(labels, gap=gap) for gap in GAPS]
        chances = [f"{100 * plan.passes:.0f} % / {100 * plan.fails:.0f} %" for plan in plans]
        lines.append([f"{labels:,}", f"±{100 * plans[0].half_width:.1f} points", *chances])
    return lines


if __name__ == "__main__":
    print("\n".join(table(rows())))
