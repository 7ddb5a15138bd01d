"""What is right, in writing: constitutions, their reader, their linter, and the ones that are shipped."""

from amendment.constitutions._linter import Finding, lint
from amendment.constitutions._loading import lint_file, load_constitution, shipped
from amendment.constitutions._models import (
    AppliesWhen,
    Case,
    CompareExample,
    Constitution,
    CritiqueExample,
    FewShot,
    Principle,
    ReviseExample,
    Score,
    Source,
)
from amendment.constitutions._schema import constitution_schema
from amendment.constitutions.draw import Drawn, DrawScheme, draw_principles, eligible_principles

__all__ = [
    "AppliesWhen",
    "Case",
    "CompareExample",
    "Constitution",
    "CritiqueExample",
    "DrawScheme",
    "Drawn",
    "FewShot",
    "Finding",
    "Principle",
    "ReviseExample",
    "Score",
    "Source",
    "constitution_schema",
    "draw_principles",
    "eligible_principles",
    "lint",
    "lint_file",
    "load_constitution",
    "shipped",
]
