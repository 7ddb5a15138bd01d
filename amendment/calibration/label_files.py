"""Samples sent to other tools, and labels taken in from their files and given to others.

People leave under pseudonyms; their comments only when asked for, with the names of all who labelled hidden in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from amendment.calibration.exchange import (
    LABEL_STUDIO_CONFIG,
    Line,
    format_to_write,
    label_lines,
    question_lines,
    read_labels,
    write_lines,
)
from amendment.calibration.label import Label, alike_names, is_kept_name, tidy_name
from amendment.calibration.labelling import SAMPLE, SAMPLES, SPOT_CHECK, LabelledSample, ToLabel, open_sample
from amendment.calibration.queue import labels_missing
from amendment.calibration.samples import SampledItem
from amendment.calibration.store import Labels
from amendment.data.pseudonyms import Pseudonyms, people_of_certificate
from amendment.data.workspace import Workspace
from amendment.errors import ConfigError, DataError, Problem
from amendment.files import write_text
from amendment.hashing import content_id
from amendment.tables import read_rows

KEPT = "is a name kept for simulated people"
PSEUDONYM = re.compile(r"person-\d+")


class Sent(NamedTuple):
    """What a file holds that was written."""

    items: int
    """Items without labels, each time that one is to be shown; 0 in a file of labels."""
    labels: int
    people: int
    left_out: int
    """Labels of comparisons that the present sample does not ask."""
    with_sealed: bool
    """Whether sealed labels are among them; the certificate counts that as opening the seal."""
    interface: Path | None
    """Where the labelling interface lies, which Label Studio needs."""


class TakenIn(NamedTuple):
    """What became of a file's labels."""

    new: int
    people: int
    """Whose labels are new."""
    known: int
    """Here already, or taken in before."""
    older: int
    """Their annotators have answered anew since, which stays."""
    missing: int
    """Labels that are to come."""


def export_questions(folder: Path, path: Path, *, form: str | None = None, sample: LabelledSample = SPOT_CHECK) -> Sent:
    """Write what a run's sample asks, for another tool: without labels, sides by a hash as on the page.

    Raises ConfigError where the run asks nothing yet, or the format is not clear.
    """
    asked = open_sample(folder, sample)
    lines = question_lines(asked.questions, seed=asked.seed)
    return Sent(len(lines), 0, 0, 0, False, _write(path, form, lines))


def export_labels(
    folder: Path,
    path: Path,
    *,
    comments: bool = False,
    sample: LabelledSample = SPOT_CHECK,
) -> Sent:
    """Write the labels of a run's sample as they count now, as CSV or JSONL. Raises ConfigError as `export_questions`,
    and where there is none."""
    asked = open_sample(folder, sample)
    if path.suffix.lower() not in (".csv", ".jsonl"):
        raise ConfigError(f"{path}: labels are written as CSV or JSONL; name it .csv or .jsonl")
    with Labels(asked.labels, read_only=True) as store:
        current = store.current()
        comparisons = {question.comparison_id for question in asked.questions}
        labels = [label for label in current if label.comparison_id in comparisons]
        if not labels:
            raise ConfigError(f"{folder}: nobody has labelled yet; to send the questions away, add --questions")
        with_sealed = sample is SPOT_CHECK and _are_sealed(folder, labels)
        if with_sealed:
            store.open_seal(content_id(["export", store.state()]))
    people = _people(folder)
    hide = people.hiding() if comments else None
    lines = label_lines(asked.questions, labels, name_of=people.by_name.__getitem__, comments=hide)
    _write(path, None, lines)
    annotators = {label.annotator for label in labels}
    return Sent(0, len(labels), len(annotators), len(current) - len(labels), with_sealed, None)


def _people(folder: Path) -> Pseudonyms:
    """Numbered as in the run's certificate, where it has one that names them; over all samples, so that nobody has two
    numbers."""
    certificate = folder / "certificate.json"
    audited = people_of_certificate(certificate) if certificate.is_file() else []
    annotators: set[str] = set()
    for sample in SAMPLES.values():
        with Labels(sample.labels_in(folder), read_only=True) as store:
            annotators |= {label.annotator for label in store.history()}
    return Pseudonyms(audited, annotators)


def _are_sealed(folder: Path, labels: Iterable[Label]) -> bool:
    workspace = Workspace(folder)
    if not workspace.path(SAMPLE).is_file():
        return False
    sealed = {item.comparison_id for item in workspace.read(SAMPLE, SampledItem) if item.is_sealed}
    return any(label.comparison_id in sealed for label in labels)


def _write(path: Path, form: str | None, lines: Sequence[Line]) -> Path | None:
    """The file, and for Label Studio its interface beside it."""
    name = format_to_write(path, form)
    interface = path.with_name(f"{path.stem}-interface.xml") if name == "label-studio" else None
    try:
        write_text(path, write_lines(name, lines))
        if interface is not None:
            write_text(interface, LABEL_STUDIO_CONFIG)
    except OSError as fault:
        raise ConfigError(f"{path}: cannot be written ({fault.strerror or fault}); name another file") from fault
    return interface


def import_labels(
    folder: Path, path: Path, *, raters: Sequence[str] = (), sample: LabelledSample = SPOT_CHECK
) -> TakenIn:
    """Take the labels of a file into a run's folder; a second time changes nothing.

    `raters` has `NAME`, for labels whose file does not say who gave them, and `WRITTEN=NAME` for each annotator whose
    labels are to be kept under another name. Raises DataError that names every mistake of the file, ConfigError where
    the run asks nothing yet, and LedgerError while a page takes in labels. With a mistake nothing is taken in.
    """
    asked = open_sample(folder, sample)
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    renamed = _raters(raters)
    labels = read_labels(read_rows(path), asked.questions, at=now, raters=renamed)
    _check_raters(path, renamed, labels)
    with Labels(asked.labels) as store:
        _refuse_alike(path, labels, store)
        return _take_in(path, labels, store, asked)


def _raters(raters: Iterable[str]) -> dict[str, str]:
    renamed: dict[str, str] = {}
    for rater in raters:
        written, equals, name = rater.partition("=")
        written, name = (tidy_name(written), tidy_name(name)) if equals else ("", tidy_name(rater))
        if not name or written in renamed:
            raise ConfigError(f"--rater {rater!r}: expected NAME at most once, and WRITTEN=NAME once for each WRITTEN")
        if is_kept_name(name):
            raise ConfigError(f"--rater {rater!r}: {name} {KEPT}; expected another name")
        renamed[written] = name
    return renamed


def _check_raters(path: Path, renamed: Mapping[str, str], labels: Iterable[Label]) -> None:
    names = {label.annotator for label in labels}
    if kept := sorted(filter(is_kept_name, names)):
        raise DataError([Problem(str(path), f"{name} {KEPT}; say who it is (--rater {name!r}=NAME)") for name in kept])
    for written, name in renamed.items():
        if written and name not in names:
            present = f"it has {', '.join(sorted(names))}" if names else "it has no labels"
            raise ConfigError(f"--rater {written}={name}: {path} has no labels of {written!r}; {present}")


def _refuse_alike(path: Path, labels: Iterable[Label], store: Labels) -> None:
    """Raises DataError for a name that differs from another one, of the file or here, in case or white space alone."""
    groups = alike_names([label.annotator for label in (*labels, *store.history())])
    if groups:
        raise DataError([
            Problem(
                str(path),
                f"{' and '.join(map(repr, group))} differ only in case or white space, and would count as "
                f"{len(group)} people; if they are one person, pass --rater {f'{group[1]}={group[0]}'!r}, otherwise "
                "rename one",
            )
            for group in groups
        ])  # fmt: skip


def _take_in(path: Path, labels: Sequence[Label], store: Labels, asked: ToLabel) -> TakenIn:
    current = {_key(label): label for label in store.current()}
    unchanged, older, fresh = 0, 0, []
    for label in labels:
        now = current.get(_key(label))
        if store.knows(label.uuid) or (now and _says_the_same(label, now)):
            unchanged += now is None or _says_the_same(label, now)
            older += now is not None and not _says_the_same(label, now)
        elif now and label.instant < now.instant:
            older += 1
        else:
            fresh.append(label)
    unclear = sorted({label.annotator for label in fresh if PSEUDONYM.fullmatch(label.annotator)})
    if unclear and any(not PSEUDONYM.fullmatch(label.annotator) for label in current.values()):
        who = "a pseudonym, and perhaps somebody whose labels are here under the name; say who it is"
        raise DataError([Problem(str(path), f"{name}: {who} (--rater {name}=NAME)") for name in unclear])
    for label in fresh:
        store.add(label)
    missing = labels_missing(asked.questions, store.current(), annotators=asked.annotators)
    return TakenIn(len(fresh), len({label.annotator for label in fresh}), unchanged, older, missing)


def _key(label: Label) -> tuple[str, str, int]:
    return label.annotator, label.comparison_id, label.showing


def _says_the_same(label: Label, now: Label) -> bool:
    """Whether a file's label is the one that counts here; one without its comment is it too."""
    same = all(getattr(label, name) == getattr(now, name) for name in ("choice", "shown", "confidence", "principle_id"))
    return same and label.comment in (None, now.comment)
