"""A run's folder for people to look at: typed records, the story of a prompt in the terminal, the report as a page."""

from amendment.report.page import write_report
from amendment.report.reading import RunReader
from amendment.report.records import (
    AnswerView,
    ComparisonView,
    CritiqueView,
    PairView,
    PromptStory,
    Records,
    VerdictView,
)

__all__ = [
    "AnswerView",
    "ComparisonView",
    "CritiqueView",
    "PairView",
    "PromptStory",
    "Records",
    "RunReader",
    "VerdictView",
    "write_report",
]
