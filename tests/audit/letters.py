"""Votes written as letters, one per item: A, B, t (tie), x (both bad), ? (invalid), . (no vote)."""

from __future__ import annotations

from typing import Any, Literal

from amendment.audit.certificate import Certificate
from amendment.audit.sections import sections
from amendment.audit.votes import ComparisonInfo, Vote

LETTERS: dict[str, Any] = {"A": "A", "B": "B", "t": "tie", "x": "both_bad", "?": "invalid"}


def said(
    rater: str,
    letters: str,
    kind: Literal["person", "truth", "model", "verifier"] = "person",
    first: Literal["A", "B"] | None = None,
    **more: Any,
) -> list[Vote]:
    """A rater's votes on i0, i1, ..."""
    shown = enumerate(letters.replace(" ", ""))
    return [Vote(f"i{i}", rater, kind, LETTERS[letter], first, **more) for i, letter in shown if letter != "."]


def items(count: int, per_prompt: int = 1, **columns: list[Any]) -> dict[str, ComparisonInfo]:
    """Items i0, i1, ... of prompts of `per_prompt` items each; `columns` hold a value per item."""
    return {
        f"i{i}": ComparisonInfo(f"p{i // per_prompt}", **{name: values[i] for name, values in columns.items()})
        for i in range(count)
    }


def table_lines(certificate: Certificate) -> list[str]:
    """The long tables of a certificate as lines of Markdown."""
    return [line for section in sections(certificate) for line in section.lines()]
