"""Every error a user can meet, as one small tree. Catch a branch, not a leaf.

* AmendmentError
  x ConfigError         a YAML file or a setting is wrong; nothing was called
  x DataError           a row of a user's data file is wrong
  x MissingExtra        a library of an optional extra is not installed
  x LedgerError         the run's ledger or folder cannot be used
  x TrainingError       a training stage cannot start or must not go on
  x GateFailed          people disagree with the judge too much; no training starts on its labels
  x BudgetReached       the next call could cost more than the budget leaves
  x Paused              the run waits for something outside; running again goes on
  x ProviderError       a model call failed
    + Transient         the same request may succeed later: retry
    + Rejected          the provider will never take this request: final for this item
    + CredentialsError  key or quota: final for the run
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


class AmendmentError(Exception):
    """Base of all errors raised on purpose; its text is meant for the user."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file, and where."""

    place: str
    """`file:line:column: path` or `file: row 3: column`."""
    message: str
    """Says what was found, what was expected, and what to do."""

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


class _Problems(AmendmentError):
    """Several problems reported at once, one line each."""

    def __init__(self, problems: Iterable[Problem] | str) -> None:
        if isinstance(problems, str):
            problems = [Problem("", problems)]
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ConfigError(_Problems):
    """A run file, a constitution or a setting is wrong. Nothing was called, nothing was spent."""


class DataError(_Problems):
    """A data file holds rows that cannot be used; every bad row found is named."""


class MissingExtra(AmendmentError):
    """An optional dependency is absent; the text holds the install command."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f"{library} is not installed. Install it with: pip install 'amendment[{extra}]'")


class LedgerError(AmendmentError):
    """The run's folder or ledger cannot be used: locked, damaged, or from a newer version."""


class TrainingError(AmendmentError):
    """A training stage cannot start, or its own checks say that it must not go on."""


class GateFailed(AmendmentError):
    """The judge did not pass its gate, and the run file does not say to train on its labels all the same."""


class BudgetReached(AmendmentError):
    """The next call could cost more than the budget leaves; what was paid for is kept."""


class Paused(AmendmentError):
    """The run waits for something outside: pending items, labels, a server. Running again goes on."""


class ProviderError(AmendmentError):
    """A model call failed."""


FaultKind = Literal["rate", "server", "refused", "transport", "deadline", "unreadable", "empty"]
"""Kinds of passing faults; `amendment.llm` has the table of what follows from each."""


class Transient(ProviderError):
    """The same request may succeed later. `retry_after` is the number of seconds that the server asks to wait,
    if it says so; with 0 the request is sent again at once, as for lines that a batch lost."""

    def __init__(
        self,
        message: str,
        *,
        kind: FaultKind = "server",
        retry_after: float | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.kind: FaultKind = kind
        self.retry_after = retry_after
        self.status = status


class Rejected(ProviderError):
    """The provider will not take this request, now or later: too long, malformed, not found."""


class CredentialsError(ProviderError):
    """The key is missing or refused, or the quota is used up: no further call can succeed."""
