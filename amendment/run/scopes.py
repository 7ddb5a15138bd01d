"""Whether principles and prompts find each other: by the categories and tags of prompts and the `applies_when` of
principles.

Covered: prompts that no principle applies to, which nobody could judge (a problem); principles that no prompt selects
and categories that no principle names (warnings). Not covered: rows of a dataset on the Hub beyond the first ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from amendment.constitutions import Constitution, eligible_principles
from amendment.run.runfile.config import RunFile
from amendment.yamlfile import Loc, did_you_mean

__all__ = ["Scope", "scope_problems", "scope_warnings"]

Scope = tuple[str | None, tuple[str, ...]]
"""Category and tags of a prompt."""


def scope_problems(
    config: RunFile, rules: Sequence[Constitution], scopes: Sequence[Scope]
) -> Iterator[tuple[Loc, str]]:
    """Categories of prompts about which no principle has a text for a stage that asks by principles."""
    asks: dict[Literal["revise", "compare"], bool] = {
        "revise": bool(config.critique),
        "compare": bool(config.judging or (config.evaluate and config.evaluate.judge)),
    }
    for role in (role for role, is_asked in asks.items() if is_asked and rules):
        silent = {
            category: None
            for category, tags in scopes
            if not eligible_principles(rules, role, category=category, tags=tags)
        }
        if silent:
            shown = ", ".join(repr(category) if category else "none" for category in silent)
            message = f"no principle with a `{role}` text applies to prompts of category {shown}; add one"
            yield ("constitution",), message


def scope_warnings(
    config: RunFile, rules: Sequence[Constitution], scopes: Sequence[Scope]
) -> Iterator[tuple[Loc, str]]:
    """Principles that no prompt selects; where principles name categories, those of prompts that none of them names."""
    if not scopes or not (config.critique or config.judging or config.evaluate):
        return
    known = sorted({category for category, _ in scopes if category})
    words = sorted({tag for _, tags in scopes for tag in tags})
    for index, constitution in enumerate(rules):
        for principle in constitution.principles:
            if any(principle.applies_to(category, tags) for category, tags in scopes):
                continue
            when = principle.applies_when
            named = [*(when.categories if when else ()), *(when.tags if when else ())]
            near = next(filter(None, (did_you_mean(name, [*known, *words]) for name in named if name not in known)), "")
            told = f"no prompt selects principle {constitution.principle_reference(principle)}, so it is never used"
            found = f"the prompts have {_listed('category', 'categories', known)} and {_listed('tag', 'tags', words)}"
            yield ("constitution", index), f"{told}: it applies to {', '.join(named) or 'nothing'}{near}; {found}"
    principles = [principle for constitution in rules for principle in constitution.principles]
    categories = {name for one in principles if one.applies_when for name in one.applies_when.categories}
    for category in known if categories else ():
        if category not in categories:
            near = did_you_mean(category, sorted(categories))
            told = f"no principle names the category '{category}' of your prompts{near}"
            yield ("constitution",), f"{told}; only principles for all prompts apply to them"


def _listed(noun: str, plural: str, names: Sequence[str]) -> str:
    """The first of some names."""
    shown = ", ".join(names[:8]) + (" ..." if len(names) > 8 else "")
    return f"{plural if len(names) > 1 else noun} {shown}" if names else f"no {noun}"
