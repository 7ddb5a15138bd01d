"""Constitutions: their model, loader and linter, and the ones that are shipped."""

from amendment.constitutions.checks import Check, Checked, register_check
from amendment.constitutions.draw import DrawnPrinciple, DrawScheme, draw_principles, eligible_principles, principles_of
from amendment.constitutions.importing import Imported, import_constitution
from amendment.constitutions.linter import Finding, lint
from amendment.constitutions.load import constitution_yaml, lint_file, load_constitution, shipped, write_constitution
from amendment.constitutions.model import (
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
    constitution_schema,
)

__all__ = [
    "AppliesWhen",
    "Case",
    "Check",
    "Checked",
    "CompareExample",
    "Constitution",
    "CritiqueExample",
    "DrawScheme",
    "DrawnPrinciple",
    "FewShot",
    "Finding",
    "Imported",
    "Principle",
    "ReviseExample",
    "Score",
    "Source",
    "constitution_schema",
    "constitution_yaml",
    "draw_principles",
    "eligible_principles",
    "import_constitution",
    "lint",
    "lint_file",
    "load_constitution",
    "principles_of",
    "register_check",
    "shipped",
    "write_constitution",
]
