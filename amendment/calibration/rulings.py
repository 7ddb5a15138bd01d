"""What a gate says: one check of one judge, its outcome, and what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Gate", "Outcome"]

Outcome = Literal["PASS", "WARN", "FAIL", "not measured"]


@dataclass(frozen=True)
class Gate:
    """One check of one judge."""

    judge: str
    check: str
    """A name whose rule is printed with the certificate."""
    outcome: Outcome
    found: str
    """What was measured, or why it was not."""
