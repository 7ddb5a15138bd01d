"""Libraries of others: name those that are missing, keep those that are loaded quiet, quote the errors of those that
fail. Importing this module loads none of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from amendment.errors import MissingExtra


def missing(extra: str, *libraries: str) -> MissingExtra | None:
    """Return the error that names the first of these libraries that is not installed, and the extra that brings it."""
    return next((MissingExtra(library, extra) for library in libraries if find_spec(library) is None), None)


def need(extra: str, *libraries: str) -> None:
    """Raise MissingExtra where one of these libraries is not installed."""
    if problem := missing(extra, *libraries):
        raise problem


def installed_versions(libraries: Iterable[str]) -> dict[str, str]:
    """Return the versions of those libraries that are installed."""
    versions = {}
    for name in libraries:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


def first_line(fault: BaseException) -> str:
    """Return the first line of a library's error, or the name of its type where it has no text."""
    return (str(fault).strip() or type(fault).__name__).splitlines()[0]


@contextmanager
def without_bars() -> Iterator[None]:
    """Load with transformers without its progress bars, which would write over the run's own."""
    from transformers.utils import logging

    had_bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if had_bars:
            logging.enable_progress_bar()


def unreachable() -> tuple[type[Exception], ...]:
    """Return the errors of the Hub's client when the Hub refuses, fails, or cannot be reached.

    The base of its own errors stands on the base of its HTTP library's, whichever library that is; the errors of
    connections are siblings of it.
    """
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    return (OSError, HFValidationError, *(kind for kind in HfHubHTTPError.__bases__ if issubclass(kind, Exception)))
