"""Whether principles, models and prompts find each other, before anything is asked.

Covered: prompts that no principle applies to (a problem), principles that no prompt selects and categories that no
principle names (doubts), categories that no prompt has, and prompts that a simulated model does not know. Not covered:
rows of a dataset on the Hub beyond the first ones, of which a check reads no more; judges of the simulated world, which
toss a coin outside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from amendment.constitutions import Constitution, eligible_principles
from amendment.records import Prompt, text_of
from amendment.run.runfile.config import RunFile
from amendment.simulator import knows
from amendment.stages import stages_of
from amendment.stages.contract import Doubt, Note
from amendment.yamlfile import did_you_mean

Scope = tuple[str | None, tuple[str, ...]]
"""Category and tags of a prompt."""
_TEXTS = {"revise": "revise", "judge": "compare"}
"""The text of a principle that each role asks by."""


def scope_problems(config: RunFile, rules: Sequence[Constitution], scopes: Sequence[Scope]) -> Iterator[Note]:
    """Categories of prompts about which no principle has a text for a stage that asks by principles."""
    roles = {ask.role for stage in stages_of(config) for ask in stage.asks()}
    for role in (text for name, text in _TEXTS.items() if name in roles and rules):
        silent = {
            category: None
            for category, tags in scopes
            if not eligible_principles(rules, role, category=category, tags=tags)  # type: ignore[arg-type]
        }
        if silent:
            shown = ", ".join(repr(category) if category else "none" for category in silent)
            message = f"no principle with a `{role}` text applies to prompts of category {shown}; add one"
            yield ("constitution",), message


def scope_doubts(config: RunFile, rules: Sequence[Constitution], scopes: Sequence[Scope]) -> Iterator[Doubt]:
    """Principles that no prompt selects; where principles name categories, those of prompts that none of them names."""
    if not scopes or not any(ask.role in _TEXTS for stage in stages_of(config) for ask in stage.asks()):
        return
    present = sorted({category for category, _ in scopes if category})
    words = sorted({tag for _, tags in scopes for tag in tags})
    for index, constitution in enumerate(rules):
        for principle in constitution.principles:
            if any(principle.applies_to(category, tags) for category, tags in scopes):
                continue
            when = principle.applies_when
            named = [*(when.categories if when else ()), *(when.tags if when else ())]
            near = next(
                filter(None, (did_you_mean(name, [*present, *words]) for name in named if name not in present)), ""
            )
            reference, scope = constitution.principle_reference(principle), ", ".join(named) or "nothing"
            has = f"the prompts have {_listed('category', 'categories', present)} and {_listed('tag', 'tags', words)}"
            yield Doubt(
                ("constitution", index),
                f"no prompt selects principle {reference}, so it is never used: it applies to {scope}{near}; {has}",
            )
    principles = [principle for constitution in rules for principle in constitution.principles]
    categories = {
        name for principle in principles if principle.applies_when for name in principle.applies_when.categories
    }
    for category in present if categories else ():
        if category not in categories:
            near = did_you_mean(category, sorted(categories))
            unnamed = f"no principle names the category '{category}' of your prompts{near}"
            yield Doubt(("constitution",), f"{unnamed}; only principles for all prompts apply to them")


def _listed(noun: str, plural: str, names: Sequence[str]) -> str:
    """The first of some names."""
    shown = ", ".join(names[:8]) + (" ..." if len(names) > 8 else "")
    return f"{plural if len(names) > 1 else noun} {shown}" if names else f"no {noun}"


def category_problems(config: RunFile, scopes: Sequence[Scope]) -> Iterator[Note]:
    """Categories that stages name and no prompt of the run has, where the prompts can be read."""
    present = sorted({category for category, _ in scopes if category})
    for stage in stages_of(config) if scopes else ():
        for place, name in stage.categories():
            if name not in present:
                near, there = did_you_mean(name, present), ", ".join(present) or "none"
                yield place, f"no prompt has category {name!r}{near}; there are {there}"


class PromptsSeen:
    """The prompts of a run, as they come: their categories and tags, and whether the simulated world knows them."""

    def __init__(self) -> None:
        self._scopes: dict[Scope, None] = {}
        self._count = self._unknown = 0
        self._first: Prompt | None = None
        self._before = 0
        """Prompts before the first one that is unknown."""

    @property
    def scopes(self) -> list[Scope]:
        """Category and tags of the prompts, each once."""
        return list(self._scopes)

    def look(self, prompt: Prompt) -> None:
        """Look at the next prompt."""
        self._scopes[prompt.category, prompt.tags] = None
        if not knows(text_of(prompt.messages)):
            self._unknown += 1
            if self._first is None:
                self._first, self._before = prompt, self._count
        self._count += 1

    def strangers(self, config: RunFile) -> Iterator[Note]:
        """Simulated models that would have to answer prompts outside their world, each with its place in the file."""
        if self._first is None:
            return
        asks = [ask for stage in stages_of(config) for ask in stage.asks() if ask.role in ("write", "revise")]
        asked = {ask.model for ask in asks if ask.take is None or ask.take > self._before}
        for name, spec in config.models.items():
            if name in asked and spec.provider == "simulated":
                foreign = f"knows the prompts of Lilliput alone, and {self._found(self._first)}"
                remedy = "name a real model, or take theirs alone: prompts: [{lilliput: 100}]"
                yield ("models", name), f"{foreign}; {remedy}"

    def _found(self, first: Prompt) -> str:
        if self._unknown == self._count:
            return "none of yours is one"
        source = f", such as those of {first.source}" if first.source else ""
        return f"{self._unknown} of your {self._count} are none{source}"
