"""Samples sent to other tools, and labels taken in from their files and given to others.

People leave under pseudonyms; their comments only when asked for, with the names of all who labelled hidden in them.
Whoever is `person-1` in a file that this folder gave away is nobody new when it comes back.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, get_args

from amendment.calibration.exchange import (
    LABEL_FORMATS,
    LABEL_STUDIO_CONFIG,
    LabelFormatName,
    Leaving,
    format_of_path,
    format_of_row,
    page_order,
    read_labels,
    write_labels,
)
from amendment.calibration.labels import Label, alike_names, is_kept_name, tidy_name
from amendment.calibration.queue import labels_missing
from amendment.calibration.samples import LabelQuestion, SampledItem
from amendment.calibration.store import Labels
from amendment.errors import ConfigError, DataError, Problem
from amendment.files import write_text
from amendment.hashing import content_id
from amendment.publishing.people import People, people_of_certificate
from amendment.run.engine import RunFolder
from amendment.run.labelling import ToLabel, open_sample
from amendment.stages.labelled_samples import SAMPLES, SPOT_CHECK, LabelledSample
from amendment.tables import read_rows

__all__ = ["FORMAT_NAMES", "Sent", "TakenIn", "export_labels", "export_questions", "import_labels"]

FORMAT_NAMES: tuple[str, ...] = get_args(LabelFormatName)
CERTIFICATE = "certificate.json"
SAMPLE = "spot_check/sample"
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
    name = _format_to_write(path, form)
    order = page_order(asked.questions, seed=asked.seed)
    text = write_labels(name, asked.questions, None, leaving=Leaving(name_of=str), order=order)
    items = sum(2 if one.is_repeated else 1 for one in asked.questions)
    return Sent(items, 0, 0, 0, False, _write(path, name, text))


def export_labels(
    folder: Path,
    path: Path,
    *,
    form: str | None = None,
    comments: bool = False,
    sample: LabelledSample = SPOT_CHECK,
) -> Sent:
    """Write the labels of a run's sample as they count now. Raises ConfigError as `export_questions`, and where
    there is none."""
    asked = open_sample(folder, sample)
    name = _format_to_write(path, form)
    with Labels(asked.labels, read_only=True) as store:
        current = store.current()
        labels = [label for label in current if label.comparison_id in {one.comparison_id for one in asked.questions}]
        if not labels:
            raise ConfigError(f"{folder}: nobody has labelled yet; to send the questions away, add --questions")
        with_sealed = sample is SPOT_CHECK and _are_sealed(folder, labels)
        if with_sealed:
            store.open_seal(content_id(["export", store.state()]))
    people = _people(folder)
    leaving = Leaving(name_of=people.pseudonyms.__getitem__, comments=people.hiding() if comments else None)
    text = write_labels(name, asked.questions, labels, leaving=leaving, order=_no_order)
    annotators = {label.annotator for label in labels}
    interface = _write(path, name, text)
    return Sent(0, len(labels), len(annotators), len(current) - len(labels), with_sealed, interface)


def _no_order(question: LabelQuestion, showing: int) -> tuple[str, str]:
    raise AssertionError("labels know what was displayed")  # pragma: no cover


def _people(folder: Path) -> People:
    """Numbered as in the run's certificate, where it has one that names them; over all samples, so that nobody has two
    numbers."""
    certificate = folder / CERTIFICATE
    audited = people_of_certificate(certificate) if certificate.is_file() else []
    return People(audited, (name for sample in SAMPLES.values() for name in _annotators(sample.labels_in(folder))))


def _annotators(path: Path) -> set[str]:
    """Everybody who ever labelled there."""
    with Labels(path, read_only=True) as store:
        return {label.annotator for label in store.history()}


def _are_sealed(folder: Path, labels: Iterable[Label]) -> bool:
    workspace = RunFolder(folder)
    if not workspace.path(SAMPLE).is_file():
        return False
    sealed = {one.comparison_id for one in workspace.read(SAMPLE, SampledItem) if one.is_sealed}
    return any(label.comparison_id in sealed for label in labels)


def _write(path: Path, name: LabelFormatName, text: str) -> Path | None:
    """The file, and for Label Studio its interface beside it."""
    try:
        write_text(path, text)
        if name != "label-studio":
            return None
        interface = path.with_name(f"{path.stem}-interface.xml")
        write_text(interface, LABEL_STUDIO_CONFIG)
    except OSError as fault:
        raise ConfigError(f"{path}: cannot be written ({fault.strerror or fault}); name another file") from fault
    return interface


def _format_to_write(path: Path, form: str | None) -> LabelFormatName:
    name = _named(form) or format_of_path(path)
    if name is None:
        fitting = [one for one, about in LABEL_FORMATS.items() if path.suffix.lower() in about.endings]
        expected = f"say which with --format: {' or '.join(fitting)}" if fitting else "name it .csv, .jsonl or .json"
        raise ConfigError(f"{path}: its ending does not tell the format; {expected}")
    if path.suffix.lower() not in LABEL_FORMATS[name].endings:
        endings = " or ".join(LABEL_FORMATS[name].endings)
        raise ConfigError(f"{path}: {name} is written to files that end in {endings}; name it so")
    return name


def _named(form: str | None) -> LabelFormatName | None:
    if form is None:
        return None
    found = next((name for name in LABEL_FORMATS if name == form), None)
    if found is None:
        raise ConfigError(f"--format: found {form!r}, expected one of {', '.join(FORMAT_NAMES)}")
    return found


def import_labels(
    folder: Path,
    path: Path,
    *,
    form: str | None = None,
    raters: Sequence[str] = (),
    sample: LabelledSample = SPOT_CHECK,
) -> TakenIn:
    """Take the labels of a file into a run's folder; a second time changes nothing.

    `raters` has `NAME`, for labels whose file does not say who gave them, and `WRITTEN=NAME` for each annotator whose
    labels are to be kept under another name. Raises DataError that names every mistake of the file, ConfigError where
    the run asks nothing yet, and LedgerError while a page takes in labels. With a mistake nothing is taken in.
    """
    asked = open_sample(folder, sample)
    rows = read_rows(path)
    name = _named(form) or format_of_row(rows[0].values, path)
    if name is None:
        raise DataError(
            f"{path}: none of {', '.join(FORMAT_NAMES)} by its first row ({', '.join(map(str, rows[0].values))}); "
            "expected a file as `amendment label DIR --export FILE --questions` writes it, answered"
        )
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    renamed = _raters(raters)
    try:
        found = read_labels(name, rows, asked.questions, at=now, raters=renamed)
    except DataError:
        _refuse_other_sample(
            folder, path, sample, lambda others: read_labels(name, rows, others, at=now, raters=renamed)
        )
        raise
    _check_raters(path, renamed, found)
    with Labels(asked.labels) as store:
        _refuse_alike(path, found, store)
        return _take_in(path, found, store, asked)


def _refuse_other_sample(
    folder: Path, path: Path, sample: LabelledSample, read: Callable[[Sequence[LabelQuestion]], Sequence[Label]]
) -> None:
    """Raises DataError where the file's labels are those of another sample of this run."""
    for other in SAMPLES.values():
        table = RunFolder(folder).path(other.questions)
        if other is sample or not table.is_file():
            continue
        try:
            is_other = bool(read(RunFolder(folder).read(other.questions, LabelQuestion)))
        except DataError:
            is_other = False
        if is_other:
            told = f"{path}: its labels are of {other.about}, and what is labelled here is {sample.about}"
            why = "they are two populations, and labels of the one correct no figure of the other"
            raise DataError(f"{told}: {why}; take them in with: {other.command(folder)} --import {path}")


def _raters(raters: Iterable[str]) -> dict[str, str]:
    renamed: dict[str, str] = {}
    for one in raters:
        written, equals, name = one.partition("=")
        written, name = (tidy_name(written), tidy_name(name)) if equals else ("", tidy_name(one))
        if not name or written in renamed:
            raise ConfigError(f"--rater {one!r}: expected NAME at most once, and WRITTEN=NAME once for each WRITTEN")
        if is_kept_name(name):
            raise ConfigError(f"--rater {one!r}: {name} {KEPT}; expected another name")
        renamed[written] = name
    return renamed


def _check_raters(path: Path, renamed: Mapping[str, str], found: Iterable[Label]) -> None:
    names = {label.annotator for label in found}
    if kept := sorted(filter(is_kept_name, names)):
        raise DataError([Problem(str(path), f"{name} {KEPT}; say who it is (--rater {name!r}=NAME)") for name in kept])
    for written, name in renamed.items():
        if written and name not in names:
            known = f"it has {', '.join(sorted(names))}" if names else "it has no labels"
            raise ConfigError(f"--rater {written}={name}: {path} has no labels of {written!r}; {known}")


def _refuse_alike(path: Path, found: Iterable[Label], store: Labels) -> None:
    """Raises DataError for a name that differs from another one, of the file or here, in case or white space alone."""
    groups = alike_names([label.annotator for label in (*found, *store.history())])
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


def _take_in(path: Path, found: Sequence[Label], store: Labels, asked: ToLabel) -> TakenIn:
    current = {_key(label): label for label in store.current()}
    known, older, fresh = 0, 0, []
    for label in found:
        now = current.get(_key(label))
        if store.knows(label.uuid) or (now and _says_the_same(label, now)):
            known += now is None or _says_the_same(label, now)
            older += now is not None and not _says_the_same(label, now)
        elif now and label.instant < now.instant:
            older += 1
        else:
            fresh.append(label)
    fresh, returned = _without_returned(path, fresh, current.values())
    for label in fresh:
        store.add(label)
    missing = labels_missing(asked.questions, store.current(), annotators=asked.annotators)
    return TakenIn(len(fresh), len({label.annotator for label in fresh}), known + returned, older, missing)


def _key(label: Label) -> tuple[str, str, int]:
    return label.annotator, label.comparison_id, label.showing


def _says_the_same(label: Label, now: Label) -> bool:
    """Whether a file's label is the one that counts here; one without its comment is it too."""
    same = all(getattr(label, name) == getattr(now, name) for name in ("choice", "shown", "confidence", "principle_id"))
    return same and label.comment in (None, now.comment)


def _without_returned(path: Path, fresh: Sequence[Label], here: Iterable[Label]) -> tuple[list[Label], int]:
    """The labels that are new, and how many of a pseudonym's are those of somebody here.

    Raises DataError for a pseudonym that may be somebody whose labels are here under the name: they would count twice.
    """
    by_person: dict[str, dict[tuple[str, int], Label]] = defaultdict(dict)
    for label in here:
        if not PSEUDONYM.fullmatch(label.annotator):
            by_person[label.annotator][label.comparison_id, label.showing] = label
    by_pseudonym: dict[str, list[Label]] = defaultdict(list)
    for label in fresh:
        if by_person and PSEUDONYM.fullmatch(label.annotator):
            by_pseudonym[label.annotator].append(label)
    returned = {name for name, labels in by_pseudonym.items() if any(_all_of(labels, of) for of in by_person.values())}
    if unclear := sorted(by_pseudonym.keys() - returned):
        told = "a pseudonym, and perhaps somebody whose labels are here under the name; say who it is"
        raise DataError([Problem(str(path), f"{name}: {told} (--rater {name}=NAME)") for name in unclear])
    kept = [label for label in fresh if label.annotator not in returned]
    return kept, len(fresh) - len(kept)


def _all_of(labels: Iterable[Label], person: Mapping[tuple[str, int], Label]) -> bool:
    """Whether a pseudonym's labels are all this person's."""
    both = [(label, person.get((label.comparison_id, label.showing))) for label in labels]
    return all(now is not None and _says_the_same(label, now) for label, now in both)
