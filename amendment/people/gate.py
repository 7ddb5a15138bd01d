"""What people's labels say of a run's judge: the report in its certificate, the gate between judge and training, and,
while people are still labelling, what their open labels say so far. The gate also holds what the certificate says of
the judge's two orders, for which no person is needed.

The stage `audit` writes report and gate; trainings look at the gate before they begin. A preview never looks at sealed
labels: its reader may still change the judge.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from amendment.audit.certificate import Certificate
from amendment.audit.conclusion import ORDERS_AGREE, Conclusion
from amendment.audit.gates import Gate
from amendment.data.store import Workspace
from amendment.errors import ConfigError, GateFailed
from amendment.files import read_json, write_json
from amendment.hashing import content_id
from amendment.people.calibrating import calibrate, calibration_refused
from amendment.people.labelling import ASKED, OPEN, PROBABILITIES, SAMPLE, SEALED, SPOT_CHECK, open_sample
from amendment.people.people_gate import (
    agreement_with_people,
    judge_against_people,
    orders_gate,
    people_gate,
    unreadable_gate,
    worst,
)
from amendment.people.reading import disputed, label_verdicts
from amendment.people.report import PeopleReport, certified_part, orders_disagree, preview_lines, spot_check_report
from amendment.people.samples import AskedOf, ExportedProbability, SampledItem, SpotCheckSettings, labelled_items
from amendment.people.store import Labels
from amendment.preference.aggregate import person_votes
from amendment.records import Verdict
from amendment.results import Figure, counted

GATE = "audit/gate.json"
"""What the trainings look at before they begin: nothing else of the certificate, so that they stand while it does."""
GATE_FORMAT = 2
"""Raised when the file says more, so that older ones are written again."""
SIDES = (OPEN, SEALED)
Rows = Sequence[Mapping[str, Any]]
"""Pairs as trainers take them."""


def stored_report(workspace: Workspace, settings: SpotCheckSettings, *, seed: int, opened: int) -> PeopleReport | None:
    """Return the report of the labels in a run's folder; None if the run has not read its labels yet."""
    if not all(workspace.path(name).is_file() for name in (SAMPLE, ASKED, PROBABILITIES, *SIDES)):
        return None
    exported = {row.comparison_id: row for row in workspace.rows(PROBABILITIES, ExportedProbability)}
    labels = {side: workspace.read(side, Verdict) for side in SIDES}
    seen, sealed = (person_votes(labels[side]) for side in SIDES)
    drawn = workspace.read(SAMPLE, SampledItem)
    report = spot_check_report(
        [item.model_copy(update={"is_sealed": item.comparison_id in sealed}) for item in drawn],
        [verdict for side in SIDES for verdict in labels[side]],
        exported,
        max_gap=settings.gate.max_gap_to_human,
        asked=AskedOf(**read_json(workspace.path(ASKED))),
        opened=opened,
        seed=seed,
    )
    count = sum(item.is_sealed and item.comparison_id in seen for item in drawn)
    note = f"{count} items would be sealed, but their labels were looked at before: they count as open ones"
    return replace(report, notes=(*report.notes, note)) if count else report


def certified_report(workspace: Workspace, part: SpotCheckSettings | None, *, seed: int) -> PeopleReport | None:
    """Return the report for a certificate, which opens the seal; a second look at the same labels opens nothing. None
    if people are not asked."""
    return stored_report(workspace, part, seed=seed, opened=_open_seal(workspace)) if part else None


def _open_seal(workspace: Workspace) -> int:
    """Note that a certificate looks at the sealed labels, where there are any; how many different ones have, with this
    one, and at least as many as the last certificate says: a file of the seal that was lost has not closed it."""
    tables = [name for name in (SAMPLE, PROBABILITIES, *SIDES) if workspace.path(name).is_file()]
    with Labels(SPOT_CHECK.labels_in(workspace.folder), read_only=True) as labels:
        if SEALED not in tables or not workspace.count(SEALED):
            return labels.seal_openings()
        count = labels.open_seal(content_id([workspace.digest(name) for name in tables]))
    with suppress(OSError, ValueError, KeyError, TypeError):  # the run has no certificate of its labels yet
        report, _ = certified_part(read_json(workspace.path("certificate.json")))
        count = max(count, report["opened"])
    return count


def judge_gates(report: PeopleReport, certificate: Certificate) -> tuple[Gate, ...]:
    """Return the gates of the run (from people's labels) and of each judge (from all its verdicts)."""
    models = [rater for rater in certificate.counts.raters if rater.kind == "model"]
    return (*report.gates, *(unreadable_gate(rater.name, rater.invalid) for rater in models))


def gate_figures(report: PeopleReport, gates: Sequence[Gate]) -> Iterator[Figure]:
    """Yield the outcome of the gate, how often the seal was opened, and what was measured of the judge's labels."""
    yield from counted(gate=worst([gate.outcome for gate in gates]), sealed_labels_opened=report.opened)
    measured = {
        ("judge_agrees_with_people", "share"): report.agreement if report.agreement.n else None,
        ("difference_from_the_ceiling_of_people", "points"): report.beside.gap.estimate(0.95),
        ("exported_labels_that_people_would_give", "share"): report.accuracy.estimate if report.accuracy else None,
        ("brier_raw", ""): report.raw.brier if report.raw else None,
        ("brier_calibrated", ""): report.calibrated.brier if report.calibrated else None,
    }
    for (name, unit), estimate in measured.items():
        if estimate is not None and not math.isnan(estimate.value):
            yield Figure(name=name, value=estimate, unit=unit)


def failed_gates(gates: Iterable[Gate]) -> list[str]:
    """List the checks that judges did not pass, each once: "order, for gavel"."""
    return [*dict.fromkeys(f"{gate.check}, for {gate.judge}" for gate in gates if gate.outcome == "FAIL")]


def write_gate(
    workspace: Workspace, gates: Sequence[Gate], by_judge: Iterable[Gate] = (), concluded: Iterable[Conclusion] = ()
) -> None:
    """Write what failed, and which judges are to be used only where both orders agree; nothing else, so that labels
    that leave the gate as it is cause no new training run. `by_judge` are the certificate's own gates."""
    found = {"failed": failed_gates(gates)}
    found["order"] = [gate.judge for gate in by_judge if (gate.check, gate.outcome) == ("order", "FAIL")]
    if agreeing := [conclusion.judge or "" for conclusion in concluded if ORDERS_AGREE in conclusion.where]:
        found["agreeing"] = agreeing
    write_json(workspace.path(GATE), found)


def refuse_failed_gate(workspace: Workspace, stage: str) -> None:
    """Raise GateFailed if people disagree with the judge too much, unless the run file says to go on."""
    if failed := _failed(workspace)["failed"]:
        raise GateFailed(
            f"the judge did not pass its gate ({'; '.join(failed)}), so nothing is trained on its labels; "
            f"{workspace.folder / 'certificate.md'} says what was found. Change the judge or the constitution, "
            f"or train a reward model or DPO anyway with {stage}.despite: [people]"
        )


def refuse_failed_order(workspace: Workspace, stage: str, rows: Rows) -> None:
    """Raise GateFailed if a judge that decided some of these pairs failed the certificate's gate `order`."""
    deciding = {rater for row in rows if row["decided_by"] == "judge" for rater in row["raters"]}
    if failed := [judge for judge in _failed(workspace)["order"] if judge in deciding]:
        raise GateFailed(
            f"the verdicts of {', '.join(failed)}, which decided pairs of the dataset, change too often with the order "
            f"of the answers (gate order), so {stage} does not train on them. "
            f"{workspace.folder / 'certificate.md'} has the figures. Use another judge, or train anyway with "
            f"{stage}.despite: [order]"
        )


def against_advice(workspace: Workspace, rows: Rows) -> str | None:
    """Say how many of these pairs a judge decided whose orders disagree, although its certificate says to use it only
    where they agree; None if there are none."""
    advised = set(_failed(workspace).get("agreeing", ()))
    count = sum(row.get("orders_agree") is False and not advised.isdisjoint(row["raters"]) for row in rows)
    if not count:
        return None
    return (
        f"{count:,} of {len(rows):,} pairs for training are by judges whose two orders disagree on them, and the "
        f"certificate says to use these judges only where both agree: set judging.disagreement: drop, which leaves "
        f"{len(rows) - count:,}"
    )


def _failed(workspace: Workspace) -> dict[str, list[str]]:
    found: dict[str, list[str]] = read_json(workspace.path(GATE))
    return found


def open_labels_say(folder: Path, store: Labels, *, max_gap: float) -> tuple[list[Gate], list[str]]:
    """Return the gates of people and orders as they would be by open labels alone, and the comparisons on which people
    disagree; nothing before a sample is drawn."""
    workspace = Workspace(folder)
    if not workspace.path(SAMPLE).is_file():
        return [], []
    sample = workspace.read(SAMPLE, SampledItem)
    verdicts = label_verdicts(store.current(), sample, seen=store.prompts_seen())["open"]
    items = labelled_items(sample, person_votes(verdicts))
    people = people_gate(agreement_with_people(items), judge_against_people(items), max_gap)
    return [people, orders_gate(orders_disagree(sample))], disputed(verdicts)


class Preview(NamedTuple):
    """What the open labels of a run say so far."""

    lines: list[str]
    document: dict[str, Any]
    """The same for machines, with the number of `missing` labels."""


def preview_labels(folder: Path) -> Preview:
    """Preview what the open labels say of a run's judge: agreement, and how calibration would change its probabilities.

    Asks no model, writes nothing, and opens no seal. Raises ConfigError where there is no run, no spot check in it, or
    no sample yet.
    """
    asked = open_sample(folder)
    try:
        settings = SpotCheckSettings.model_validate(asked.plan)
    except ValidationError:
        raise ConfigError(f"{folder}: another version of amendment wrote its run.yaml; run it again") from None
    sample = Workspace(folder).read(SAMPLE, SampledItem)
    with Labels(asked.labels, read_only=True) as labels:
        sides = label_verdicts(labels.current(), sample, seen=labels.prompts_seen())
    items = labelled_items(sample, person_votes(sides["open"]))
    agreement = agreement_with_people(items)
    method, calibration, refused = settings.calibration, None, "the run file asks for none"
    if method != "none" and not (refused := calibration_refused(items, method=method)):
        calibration = calibrate(items, method=method, seed=asked.seed)
    missing, workspace = asked.missing(), Workspace(folder)
    tables = {side: f"labels/{side}" for side in sides if workspace.path(f"labels/{side}").is_file()}
    is_read = (folder / "certificate.json").is_file() and sides == {
        side: workspace.read(table, Verdict) for side, table in tables.items()
    }
    waiting = f"All labels are in. Run amendment run FILE to read them and write {folder / 'certificate.md'}."
    if is_read:
        waiting = f"All labels are in, and have been read: see {folder / 'certificate.md'}."
    elif missing:
        waiting = f"{missing} labels are missing; collect them with: {SPOT_CHECK.command(folder)}"
    document = {
        "agreement": agreement.to_json(),
        "calibrator": calibration.calibrator.to_json() if calibration else {"refused": refused},
        "labelled": len(items),
        "missing": missing,
    }
    return Preview([*preview_lines(agreement, calibration, refused), "", waiting], document)
