"""Rows of a dataset on the Hugging Face Hub, as a stream, or of a local folder that `datasets` reads.

Covered: config, split and revision; the commit that was read, so that one reading sees one state; every fault as one
message that names the dataset and what to do. Not covered: datasets that need code of their own, which is never run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from amendment.data.sources import Source
from amendment.errors import DataError
from amendment.tables import Row
from amendment.text import plain

TIMEOUT = 30.0
"""Seconds until a Hub that does not answer counts as out of reach."""


class HubStream(NamedTuple):
    """The rows one after another, and the commit of the Hub that they are of; None for a local folder."""

    rows: Iterator[Row]
    revision: str | None


def dataset_folder(source: Source, base: Path) -> Path | None:
    """The local folder that a source's dataset means, seen from `base`; None for one on the Hub."""
    name = str(source.dataset)
    if not name.startswith((".", "/", "~")):
        return None
    return base / Path(name).expanduser()


def stream_dataset(source: Source, base: Path, *, limit: int | None) -> HubStream:
    """The first rows of a dataset, all where `limit` is None. What breaks raises DataError that says what to do."""
    folder = dataset_folder(source, base)
    if folder is not None and not folder.is_dir():
        raise DataError(f"dataset {folder}: no such folder; a dataset on the Hub is written org/name")
    with _faults_of(source):
        revision = None if folder else _commit(source)
    return HubStream(_rows(source, folder, revision, limit), revision)


def _rows(source: Source, folder: Path | None, revision: str | None, limit: int | None) -> Iterator[Row]:
    split = source.split or "train"
    place, number = f"{source.dataset}[{split}] row", 0
    with _faults_of(source):
        from datasets import load_dataset

        name = str(folder or source.dataset)
        stream = load_dataset(name, name=source.config, split=split, revision=revision, streaming=True)
        for number, row in enumerate(islice(stream, limit), start=1):
            yield Row(f"{place} {number}", dict(row))
    if not number:
        raise DataError(f"dataset {source.dataset}: split {split} has no rows; expected at least one")


@contextmanager
def _faults_of(source: Source) -> Iterator[None]:
    """Turn whatever breaks on the way from the Hub into one message."""
    with _quiet():
        try:
            yield
        except DataError:
            raise
        except Exception as fault:
            raise DataError(f"dataset {source.dataset}: {_advice(fault, source)}") from fault


def _commit(source: Source) -> str | None:
    """The commit that a revision is now: asked for first, since a Hub out of reach is then told at once."""
    from huggingface_hub import HfApi

    name = str(source.dataset)
    if Path(name).is_dir():  # `datasets` would take it for the dataset
        raise DataError(f"dataset {name}: a folder of this name lies here; write ./{name} if you mean it")
    return HfApi().dataset_info(name, revision=source.revision, timeout=TIMEOUT).sha


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and no log lines of `datasets` between ours."""
    import datasets

    level, had_bars = datasets.logging.get_verbosity(), datasets.are_progress_bars_disabled()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.logging.set_verbosity(level)
        if not had_bars:
            datasets.enable_progress_bars()


def _advice(fault: Exception, source: Source) -> str:
    """What went wrong, in our words where it is known, and what to do; the first that holds."""
    from datasets.exceptions import DatasetNotFoundError
    from huggingface_hub import errors

    text, kind = plain(" ".join(str(fault).split()), longest=300), type(fault).__name__
    absent = isinstance(fault, errors.RepositoryNotFoundError | DatasetNotFoundError)
    unreachable = _is_out_of_reach(fault)
    is_value = isinstance(fault, ValueError)
    advice = {
        "the Hub is switched off here (HF_HUB_OFFLINE is set); unset it, or download the dataset's files and name "
        "their folder as dataset: ./folder": isinstance(fault, errors.OfflineModeIsEnabled),
        "is gated: accept its terms on its page on the Hub, and set HF_TOKEN to a token of that account": isinstance(
            fault, errors.GatedRepoError
        ),
        f"has no revision {source.revision!r}; name a branch, a tag or a commit of it": isinstance(
            fault, errors.RevisionNotFoundError
        ),
        "not found on the Hub, or private; look at the spelling (org/name), or set HF_TOKEN to a token that may read "
        "it": absent,
        f"is no name of a dataset on the Hub ({text}); expected org/name, or ./folder for a local one": isinstance(
            fault, errors.HFValidationError
        ),
        f"has no split {source.split or 'train'!r}; {text.partition('. ')[2] or text}. Name one as split:": is_value
        and text.startswith(("Bad split", "Unknown split")),
        f"{text}. Name one as config:": is_value and ("BuilderConfig" in text or "Config name is missing" in text),
        f"holds no files that can be read as rows ({text})": isinstance(fault, FileNotFoundError),
        f"the Hub cannot be reached ({kind}: {text}); try again, or use a local copy (./folder)": unreachable,
        f"cannot be read ({kind}: {text})": True,
    }
    return next(words for words, holds in advice.items() if holds)


def _is_out_of_reach(fault: BaseException | None) -> bool:
    """Whether a connection failed, here or in what led to it."""
    while fault is not None:
        if isinstance(fault, ConnectionError | TimeoutError) or "httpx" in type(fault).__module__:
            return True
        fault = fault.__cause__ or fault.__context__
    return False
