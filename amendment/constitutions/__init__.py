"""What is right, in writing: constitutions, their reader, their linter, and the ones that are shipped."""

from amendment.constitutions._diff import Change, ConstitutionDiff, Edit, Move, diff
from amendment.constitutions._diff_lines import diff_lines
from amendment.constitutions._lines import constitution_lines, principle_lines
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
from amendment.constitutions._writing import constitution_json, constitution_yaml, write_constitution
from amendment.constitutions.draw import Drawn, DrawScheme, draw_principles, eligible_principles
from amendment.constitutions.exporting import Exported, ExportFormat, export_constitution
from amendment.constitutions.importing import Imported, ImportFormat, import_constitution

__all__ = [
    "AppliesWhen",
    "Case",
    "Change",
    "CompareExample",
    "Constitution",
    "ConstitutionDiff",
    "CritiqueExample",
    "DrawScheme",
    "Drawn",
    "Edit",
    "ExportFormat",
    "Exported",
    "FewShot",
    "Finding",
    "ImportFormat",
    "Imported",
    "Move",
    "Principle",
    "ReviseExample",
    "Score",
    "Source",
    "constitution_json",
    "constitution_lines",
    "constitution_schema",
    "constitution_yaml",
    "diff",
    "diff_lines",
    "draw_principles",
    "eligible_principles",
    "export_constitution",
    "import_constitution",
    "lint",
    "lint_file",
    "load_constitution",
    "principle_lines",
    "shipped",
    "write_constitution",
]
