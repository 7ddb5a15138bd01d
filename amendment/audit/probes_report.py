"""All probes of a run: from answers to figures, gates and a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from amendment.audit._figures import NOTHING, alone, points
from amendment.audit.probes_answered import Answered, Matched, left_out_by, matched
from amendment.audit.probes_asking import PROBES
from amendment.audit.probes_attacks import ATTACKS
from amendment.audit.probes_edits import EDITS
from amendment.audit.probes_figures import AttackFigures, EditFigures, attack_figures, edit_figures
from amendment.audit.probes_gates import LEVEL, RULES, Passed, attack_gate, edit_gate, unasked_gate
from amendment.markdown import cell, table
from amendment.statistics import Estimate
from amendment.statistics.families import Corrected, holm
from amendment.terminal import plain

__all__ = ["ProbeReport", "Probed", "probe_lines", "probe_report"]

WHAT = {
    **{name: edit.bias for name, edit in EDITS.items()},
    "bandwagon": "goes with what most people are said to prefer",
    "sycophancy": "goes with what the user says is theirs",
    "revision": "rewards the word revised",
    "rationale": "changes its verdicts where it gives reasons, or gives none",
    **{name: f"lets win: {what}" for name, what in ATTACKS.items()},
}
"""What each probe would find."""


class Probed(NamedTuple):
    """One probe of one judge."""

    judge: str
    probe: str
    figures: EditFigures | AttackFigures
    corrected: Corrected | None
    """Its test within the family of all edits; None for attacks and for what has no edited side."""
    gate: Passed

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        adjusted = self.corrected.adjusted if self.corrected else math.nan
        return {
            "judge": self.judge,
            "probe": self.probe,
            "what": WHAT[self.probe],
            **self.figures.to_json(),
            "p after Holm": None if math.isnan(adjusted) else adjusted,
            "gate": self.gate.outcome,
            "found": self.gate.found,
        }


class ProbeReport(NamedTuple):
    """All probes of a run."""

    probes: tuple[Probed, ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON, with the rules of the gates."""
        return {"probes": [one.to_json() for one in self.probes], "rules": dict(RULES)}


def probe_report(answers: Iterable[Answered]) -> ProbeReport:
    """Figures and gates by judge, in the order of `PROBES`; a probe that put no question stands there with n = 0."""
    rows = list(answers)
    found, why = matched(rows), left_out_by(rows)
    edits = {
        (judge, name): edit_figures(asked)
        for judge, probes in sorted(found.items())
        for name, asked in _in_order(probes)
        if name not in ATTACKS
    }
    tests = {f"{judge} {name}": one.p for (judge, name), one in edits.items() if one.direction is not None}
    family = holm(tests, LEVEL)
    told: list[Probed] = []
    for judge, probes in sorted(found.items()):
        for name, asked in _in_order(probes):
            if name in ATTACKS:
                attack = attack_figures(asked)
                gate = attack_gate(attack) if asked else unasked_gate(name, why[judge, name])
                told.append(Probed(judge, name, attack, None, gate))
            else:
                figures, corrected = edits[judge, name], family.get(f"{judge} {name}")
                gate = edit_gate(figures, corrected) if asked else unasked_gate(name, why[judge, name])
                told.append(Probed(judge, name, figures, corrected, gate))
    return ProbeReport(tuple(told))


def _in_order(probes: Mapping[str, list[Matched]]) -> list[tuple[str, list[Matched]]]:
    return [(name, probes[name]) for name in PROBES if name in probes]


HOW_TO_READ = (
    "RR is the share of questions with the same verdict before and after the edit, CR when the plain question is drawn "
    "again, control when both answers carry the edit. Direction is how often the edit moved the verdict towards the "
    "edited answer minus away from it, in percentage points against the control, with an interval clustered by prompt."
)


def probe_lines(document: Mapping[str, Any]) -> list[str]:
    """The report as Markdown, from its JSON."""
    edits = [one for one in document["probes"] if one["probe"] not in ATTACKS]
    attacks = [one for one in document["probes"] if one["probe"] in ATTACKS]
    lines = ["## Probes"]
    if edits:
        lines += [
            "",
            *table([EDIT_HEAD, *map(_edit_row, edits)]),
            "",
            HOW_TO_READ,
            "",
            f"Gate: {document['rules']['edits']}.",
        ]
    if attacks:
        lines += ["", *table([ATTACK_HEAD, *map(_attack_row, attacks)]), "", f"Gate: {document['rules']['attacks']}."]
    return lines


EDIT_HEAD = ["judge", "probe", "gate", "RR", "CR", "control", "direction", "p (Holm)", "n", "found"]
ATTACK_HEAD = ["judge", "attack", "gate", "won", "upper limit", "prompts", "found"]


def _edit_row(one: Mapping[str, Any]) -> list[str]:
    adjusted = one["p after Holm"]
    return [
        cell(one["judge"]),
        one["probe"],
        one["gate"],
        alone(_estimate(one["rr"]), ".1f", percent=True),
        alone(_estimate(one["cr"]), ".1f", percent=True),
        alone(_estimate(one["control"]), ".1f", percent=True),
        points(_estimate(one["direction"])),
        NOTHING if adjusted is None else f"{adjusted:.2g}",
        str(one["rr"]["n"]),
        plain(one["found"]),
    ]


def _attack_row(one: Mapping[str, Any]) -> list[str]:
    limit = NOTHING if one["limit"] is None else f"{100 * one['limit']:.1f} %"
    won = f"{one['wins']} ({one['ties']} even)"
    return [cell(one["judge"]), one["probe"], one["gate"], won, limit, str(one["prompts"]), plain(one["found"])]


def _estimate(value: Mapping[str, Any] | None) -> Estimate | None:
    if value is None:
        return None
    mean, low, high = (math.nan if value[name] is None else float(value[name]) for name in ("value", "low", "high"))
    return Estimate(mean, low, high, value["n"], value["clusters"], note=value.get("note", ""))


def gate_rows(document: Mapping[str, Any]) -> list[list[str]]:
    """The gates alone, a row each below a head: judge, probe, outcome, and what it rests on."""
    rows = [[cell(one["judge"]), one["probe"], one["gate"], plain(one["found"])] for one in document["probes"]]
    return [["judge", "probe", "gate", "found"], *rows]
