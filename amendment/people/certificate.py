"""The files of a certificate: `certificate.json` with every table, `certificate.md` as the page of a lead.

Covered: the figures of an audit, what people of a spot check said, what was read, what it cost. Not covered: figures
(`amendment.audit`), what is audited (`amendment.stages.audit` for a run, `amendment.run.auditing` for files).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from amendment import __version__
from amendment.audit.ceiling import Requirements
from amendment.audit.certificate import Certificate, audit
from amendment.audit.conclusion import refused
from amendment.audit.figures import Section
from amendment.audit.inputs import AuditInputs
from amendment.audit.label_mass import mass_section
from amendment.audit.sections import sections
from amendment.audit.single import SingleLabels, label_certificate
from amendment.audit.text import certificate_lines
from amendment.data.replies import MOST_UNREAD
from amendment.files import write_json, write_text
from amendment.people.gate import judge_gates
from amendment.people.report import PeopleReport, certificate_part, gate_section, people_sections
from amendment.preference.checked import check_lines
from amendment.statistics.intervals import json_values
from amendment.text import cell

NAMES = ("certificate.json", "certificate.md")
MOST_FILES, SHOWN_UNREAD = 3, 3
"""Files that the title names, of which the last section has all; replies of each judge that are shown."""
SUMS = ("replies", "input_tokens", "output_tokens", "usd", "unpriced")


class Audited(NamedTuple):
    """A certificate as it was written, of comparisons or of labels of single answers."""

    folder: Path
    document: dict[str, Any]
    """The content of `certificate.json`."""
    lines: list[str]
    """The content of `certificate.md`."""
    guessed: tuple[str, ...] = ()
    """Files that were read by the names of their columns, without a description."""


def write_certificate(
    inputs: AuditInputs,
    folder: Path,
    *,
    name: str,
    seed: int,
    asked: Requirements,
    simulated: str | None,
    people: PeopleReport | None = None,
    is_guessed: bool = False,
    parts: Mapping[str, Any] | None = None,
    chapters: Sequence[Section] = (),
) -> tuple[Certificate, Audited]:
    """Audit the votes, and write both files: all tables into the one, the page of a lead into the other. `is_guessed`
    says that nobody confirmed the patterns of replies; `parts` and `chapters` are added to the figures."""
    guessed = _often_unread(inputs) if is_guessed else ()
    asked = asked._replace(guessed=guessed, drawn=asked.drawn or inputs.has_chances)
    certificate = audit(inputs.items, inputs.votes, models=inputs.models, seed=seed, asked=asked)
    gates = judge_gates(people, certificate) if people else ()
    certificate = replace(certificate, conclusions=refused(certificate.conclusions, gates))
    files = list(dict.fromkeys(inputs.files))
    shown = {
        **(parts or {}),
        **(certificate_part(people, gates) if people else {}),
        "constitutions": inputs.constitutions,
        "label_mass": [row._asdict() for row in inputs.label_mass],
        "checks": inputs.checks,
        "cost": inputs.cost,
        "warnings": inputs.warnings,
    }
    document: dict[str, Any] = {
        **certificate.to_json(),
        "toolkit": __version__,
        "simulated": simulated,
        **_what_was_read(inputs),
        **{name: part for name, part in shown.items() if part},
    }
    gate = [gate_section(gates)] if people else []
    said = people_sections(people) if people else []
    checks = tuple(line.removeprefix("- ") for line in check_lines(inputs.checks)) if inputs.checks else ()
    more = [
        *said[:2],
        *([Section("Checks", checks)] if checks else []),
        *([_cost(inputs.cost)] if inputs.cost else []),
        *chapters,
        *_unread(inputs),
        *_files(inputs),
    ]
    mass = [mass_section(inputs.label_mass)] if inputs.label_mass else []
    tables = [*gate, *sections(certificate), *mass, *said[2:], *more]
    document["sections"] = json_values(tables)
    names = ", ".join(cell(facts.name) for facts in files[:MOST_FILES]) + (", ..." if len(files) > MOST_FILES else "")
    lines = certificate_lines(
        certificate,
        title=f"Certificate: {cell(name)}",
        about=(
            datetime.now(UTC).date().isoformat(),
            *([f"data {names}"] if names else []),
            *(
                [f"constitution {', '.join(name.split('#')[0] for name in inputs.constitutions)}"]
                if inputs.constitutions
                else []
            ),
        ),
        notes=[
            *([f"> {simulated}"] if simulated else []),
            *(f"> {line[0].upper()}{line[1:]}." for line in inputs.warnings),
        ],
        gate=[section._replace(notes=()) for section in gate],
        more=more,
    )
    return certificate, _save(folder, document, lines)


def write_label_certificate(labels: SingleLabels, folder: Path, asked: Requirements) -> Audited:
    """Audit labels of single answers, and write both files."""
    figures, lines = label_certificate(labels, asked)
    document = {**figures, "toolkit": __version__, **_what_was_read(labels)}
    files = [line for section in (*_unread(labels), *_files(labels)) for line in ("", *section.lines())]
    return _save(folder, document, [*lines, *files])


def _what_was_read(inputs: AuditInputs | SingleLabels) -> dict[str, Any]:
    files = [facts._asdict() for facts in dict.fromkeys(inputs.files)]
    unread = {judge: replies[:SHOWN_UNREAD] for judge, replies in inputs.unread.items()}
    listed = {"unjoined": inputs.unjoined, "unread": unread}
    return {"files": files, "read": dict(inputs.counts), **{name: part for name, part in listed.items() if part}}


def _unread(inputs: AuditInputs | SingleLabels) -> list[Section]:
    """Some of the replies that could not be read."""
    rows = [(judge, reply) for judge, replies in inputs.unread.items() for reply in replies[:SHOWN_UNREAD]]
    count = sum(map(len, inputs.unread.values()))
    note = f"{count:,} replies hold no single verdict; {SHOWN_UNREAD} of each judge at most are shown, shortened."
    return [Section("Replies that could not be read", (note,), ("judge", "reply"), tuple(rows))] if rows else []


def _files(inputs: AuditInputs | SingleLabels) -> list[Section]:
    """Return the files with their hashes, and what of them did not join."""
    hashes = tuple(
        (
            facts.name + (f" (read as {facts.encoding})" if facts.encoding else ""),
            str(facts.rows),
            facts.sha256 or facts.revision or "-",
        )
        for facts in dict.fromkeys(inputs.files)
    )
    return [Section("Files", tuple(inputs.unjoined), ("file", "rows", "SHA-256, or commit"), hashes)] if hashes else []


def _save(folder: Path, document: dict[str, Any], lines: list[str]) -> Audited:
    write_json(folder / NAMES[0], document)
    write_text(folder / NAMES[1], "\n".join(lines) + "\n")
    return Audited(folder, document, lines)


def _often_unread(inputs: AuditInputs) -> tuple[str, ...]:
    """Return the judges of whose replies more than a few percent could not be read."""
    votes = Counter(vote.rater for vote in inputs.votes)
    return tuple(judge for judge, replies in inputs.unread.items() if len(replies) > MOST_UNREAD * votes[judge])


def _cost(cost: Sequence[Mapping[str, Any]]) -> Section:
    """Return what judging has cost: calls that were answered, tokens and money, by judge model."""
    rows = []
    for row in cost:
        money = f"{row['usd']:.4f}" + (f" and {row['unpriced']:,} calls unpriced" if row["unpriced"] else "")
        rows.append((row["model"], *(f"{row[name]:,}" for name in SUMS[:3]), money))
    head = ("model", "calls answered", "input tokens", "output tokens", "USD")
    return Section("Cost of judging", (), head, tuple(rows))
