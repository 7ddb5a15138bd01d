"""A constitution as values: principles, the texts that are put to models, worked cases.

Covered: what may stand in the file, when a principle applies, and the name of a constitution by its content.
Not covered: reading files and parents (see `load`), and whether the content is any good (see `linter`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema

from amendment.hashing import content_id
from amendment.records import Part
from amendment.schema import json_schema
from amendment.verification.checks import Check, Checked, run_checks

SLUG = r"^[a-z0-9]+([-_][a-z0-9]+)*$"
"""The form of an id."""
_SEMVER = r"^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$"


def _matching(pattern: str, expected: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"found the text '{text[:60]}', expected {expected}")
        return text

    return check


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Slug = Annotated[
    str,
    AfterValidator(_matching(SLUG, "lower-case letters, digits and hyphens, such as no-contact-details")),
    WithJsonSchema({"type": "string", "pattern": SLUG}),
]
Version = Annotated[
    str,
    AfterValidator(_matching(_SEMVER, "three numbers with dots, such as 1.0.0")),
    WithJsonSchema({"type": "string", "pattern": _SEMVER}),
]


class ConstitutionSource(Part):
    """The origin of the content."""

    kind: Literal["original", "adapted", "public_input", "imported"] = "original"
    """Written for this file, adapted from a document, gathered from the public, or imported as it was."""
    document: Text | None = None
    """Title or address of the document."""
    section: Text | None = None
    """Part of the document."""
    span: Text | None = None
    """Exact place, such as pages or lines."""


class AppliesWhen(Part):
    """The prompts that a principle applies to: those that meet every condition named here."""

    categories: tuple[Text, ...] = ()
    """The prompt's category is one of these."""
    tags: tuple[Text, ...] = ()
    """The prompt has at least one of these tags."""

    def holds_for(self, category: str | None, tags: Collection[str]) -> bool:
        """Return True if a prompt of this category with these tags meets the conditions; without conditions none
        does."""
        of_category = not self.categories or category in self.categories
        of_tags = not self.tags or not set(tags).isdisjoint(self.tags)
        return bool(self.categories or self.tags) and of_category and of_tags


class Score(Part):
    """A question that asks for a grade of one answer."""

    question: Text
    """The question to the judge."""
    anchors: dict[int, Text] = Field(min_length=2)
    """The meaning of the grades: at least of the lowest and the highest."""


class Case(Part):
    """A worked case: a test of a judge, and an example for people."""

    prompt: Text
    """The prompt."""
    better: Text
    """The answer that keeps the principle."""
    worse: Text
    """The answer that does not, or less."""
    why: Text
    """The reason for the preference."""


class CritiqueExample(Part):
    """A worked critique."""

    prompt: Text
    """The prompt."""
    response: Text
    """The answer that is criticised."""
    critique: Text
    """The critique."""
    principle: Slug | None = None
    """Id of the principle that it speaks of."""


class ReviseExample(Part):
    """A worked revision."""

    prompt: Text
    """The prompt."""
    response: Text
    """The answer before."""
    critique: Text | None = None
    """The critique of the answer."""
    revision: Text
    """The answer after."""
    principle: Slug | None = None
    """Id of the principle that it speaks of."""


class CompareExample(Part):
    """A worked comparison."""

    prompt: Text
    """The prompt."""
    a: Text
    """The first answer shown."""
    b: Text
    """The second answer shown."""
    answer: Literal["A", "B"]
    """The better one."""
    principle: Slug | None = None
    """Id of the principle that decides."""


class FewShot(Part):
    """Examples that stand before a request, by the kind of request."""

    critique: tuple[CritiqueExample, ...] = ()
    """Examples of critiques."""
    revise: tuple[ReviseExample, ...] = ()
    """Examples of revisions."""
    compare: tuple[CompareExample, ...] = ()
    """Examples of comparisons; as many with answer A as with answer B."""


class Principle(Part):
    """One rule, and the texts that put it to models."""

    id: Slug
    """Name of the principle, unique in its constitution."""
    statement: Text
    """The rule in one sentence."""
    text: Text | None = None
    """The rule in full, as long as it needs to be."""
    rationale: Text | None = None
    """Why the rule is there."""
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """The relative frequency of drawing the principle, and its weight where several principles judge one pair."""
    tier: int = Field(default=1, ge=1, le=9)
    """Under `combine: tiers` a lower tier decides first, and a higher one only where the lower ones are tied."""
    hard: bool = False
    """A hard principle is a veto: where it clearly prefers one answer, nothing else counts."""
    tags: tuple[Text, ...] = ()
    """Free words, for sampling and for reports."""
    applies_when: AppliesWhen | None = None
    """The prompts that the principle applies to; all of them if absent."""
    critique: tuple[Text, ...] = ()
    """Requests for a critique; one is drawn each time."""
    revise: tuple[Text, ...] = ()
    """Requests for a revision; one is drawn each time."""
    compare: tuple[Text, ...] = ()
    """Questions that choose between two answers; one is drawn each time."""
    score: Score | None = None
    """A question that grades one answer: its anchors are the choices that rubric judges offer for this principle."""
    cases: tuple[Case, ...] = ()
    """Worked cases."""
    opposite: Text | None = None
    """The opposite rule: what an answer that breaks the principle does. Likelihood judges and contrast prompts need
    it."""
    check: tuple[Check, ...] = ()
    """What code can check of an answer; all of it must hold."""

    @property
    def rule(self) -> str:
        """Return the principle as models read it: the statement and, where there is one, the full text."""
        return f"{self.statement}\n{self.text.strip()}" if self.text else self.statement

    def applies_to(self, category: str | None, tags: Collection[str] = ()) -> bool:
        """Return True if the principle applies to a prompt of this category with these tags."""
        return self.applies_when is None or self.applies_when.holds_for(category, tags)

    def check_answer(self, text: str, known: str | None = None) -> Checked:
        """Return whether an answer with this text passes every check of the principle, or why that is not known.
        `known` is the known answer of the prompt."""
        return run_checks(self.check, text, known)

    def is_kept_by(self, text: str, known: str | None = None) -> bool | None:
        """Return True if an answer with this text passes every check; None without a check, or where one could not be
        run."""
        return self.check_answer(text, known).is_kept


class Constitution(Part):
    """Written rules by which answers are criticised, revised and compared."""

    id: Slug
    """Name of the constitution."""
    version: Version
    """Semantic version, such as 1.0.0."""
    title: Text
    """The subject of the constitution, in a few words."""
    license: Text
    """SPDX id of the licence of these texts, such as CC0-1.0."""
    source: ConstitutionSource = ConstitutionSource()
    """The origin of the content."""
    extends: tuple[Text, ...] = ()
    """Constitutions that this one builds on: shipped ones by id, files by path relative to this file."""
    principles: tuple[Principle, ...] = ()
    """The rules. One with the id of a parent's takes its place."""
    few_shot: FewShot = FewShot()
    """Examples that stand before requests."""

    @cached_property
    def content_hash(self) -> str:
        """Return a hash of everything the constitution says; comments, the order of keys and paths do not count."""
        content: dict[str, Any] = self.model_dump(
            mode="json", exclude={"extends"}, exclude_none=True, exclude_defaults=True
        )
        return content_id(content)

    @property
    def reference(self) -> str:
        """Return `id@version#hash`, as records carry it."""
        return f"{self.id}@{self.version}#{self.content_hash}"

    def principle_reference(self, principle: Principle) -> str:
        """Return `constitution/principle`, as records carry it."""
        return f"{self.id}/{principle.id}"

    def find_statement(self, principle_id: str | None) -> str:
        """Return the statement of a principle, for worked examples; the title where an example names none that is
        here."""
        statements = [principle.statement for principle in self.principles if principle.id == principle_id]
        return statements[0] if statements else self.title

    def principle(self, id: str) -> Principle:
        """Return the principle of this id. Raises KeyError."""
        for principle in self.principles:
            if principle.id == id:
                return principle
        raise KeyError(id)


def constitution_schema() -> dict[str, Any]:
    """Return JSON Schema (2020-12) of a constitution file: what an editor completes and checks.

    `schemas/constitution.schema.json` is this; `make docs` writes it.
    """
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **json_schema(Constitution)}
