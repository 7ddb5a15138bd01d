"""Constitutions: their model, loader and linter, and the ones that are shipped."""

from amendment.constitutions.draw import DrawnPrinciple, draw_principles, eligible_principles, list_principles
from amendment.constitutions.importing import Imported, import_constitution
from amendment.constitutions.linter import Finding, lint
from amendment.constitutions.load import constitution_yaml, lint_file, load_constitution, shipped, write_constitution
from amendment.constitutions.model import (
    AppliesWhen,
    Case,
    CompareExample,
    Constitution,
    ConstitutionSource,
    CritiqueExample,
    FewShot,
    Principle,
    ReviseExample,
    Score,
)
from amendment.verification.checks import Check, register_check

__all__ = [
    "AppliesWhen",
    "Case",
    "Check",
    "CompareExample",
    "Constitution",
    "ConstitutionSource",
    "CritiqueExample",
    "DrawnPrinciple",
    "FewShot",
    "Finding",
    "Imported",
    "Principle",
    "ReviseExample",
    "Score",
    "constitution_yaml",
    "draw_principles",
    "eligible_principles",
    "import_constitution",
    "lint",
    "lint_file",
    "list_principles",
    "load_constitution",
    "register_check",
    "shipped",
    "write_constitution",
]
