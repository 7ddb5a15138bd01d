"""What an evaluation names outside the run file: principles, judges that fit their question, files of harmless prompts.

Not covered: references inside the run file, which `references` looks at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from amendment.constitutions import load_constitution
from amendment.errors import ConfigError, DataError
from amendment.preference import JudgeFolder
from amendment.run.runfile.config import RunFile
from amendment.stages.evaluation_refusals import harmless_files
from amendment.yamlfile import Loc, did_you_mean

__all__ = ["absent_categories", "evaluation_problems", "unfit_for_place"]


def evaluation_problems(config: RunFile, base: Path) -> Iterator[tuple[Loc, str]]:
    """Principles that no constitution has, and files of harmless prompts that cannot be read."""
    yield from _unknown_principles(config, base)
    refusals = config.evaluate and config.evaluate.over_refusal
    for index, source in enumerate(refusals.prompts if refusals else ()):
        assert refusals
        try:
            found = harmless_files(refusals.model_copy(update={"prompts": (source,)}), base, glimpse=True)
        except DataError as fault:
            yield from ((("evaluate", "over_refusal", "prompts", index), str(problem)) for problem in fault.problems)
        else:
            if not found:
                yield ("evaluate", "over_refusal", "prompts", index), f"{source.label} holds no prompt"


def _unknown_principles(config: RunFile, base: Path) -> Iterator[tuple[Loc, str]]:
    part = config.evaluate and config.evaluate.violations
    if not part or "all" in part.principles:
        return
    try:
        rules = [load_constitution(name, base=base) for name in config.constitution]
    except ConfigError:  # told of where it is named
        return
    known = [rule.principle_reference(one) for rule in rules for one in rule.principles]
    for index, name in enumerate(part.principles):
        if name not in known:
            told = f"no principle {name!r}{did_you_mean(name, known)}"
            yield ("evaluate", "violations", "principles", index), f"{told}; expected all, or constitution/principle"


def unfit_for_place(folder: JudgeFolder, loc: Loc) -> Iterator[str]:
    """Why a judge cannot answer what it would be asked in this place of the run file."""
    wants = {"violations": "violation", "over_refusal": "refusal"}.get(str(loc[1]) if loc[0] == "evaluate" else "")
    if wants is None and not folder.compares:
        yield (
            f"{folder.id} says yes or no to one answer and compares nothing; it is for evaluate.violations and "
            "evaluate.over_refusal. Use a judge of two answers, such as protocol: verdict"
        )
    elif wants and folder.compares:
        yield f"{folder.id} has protocol {folder.protocol}, expected yes-no; use protocol: {wants}, or a copy of it"
    elif wants == "violation" and not folder.has_principle:
        yield f"{folder.id} has no hole {{principle}} in its text, so it cannot tell principles apart; use violation"
    elif wants == "refusal" and folder.has_principle:
        yield f"{folder.id} asks by a principle, and a refusal is no matter of one; use refusal"


def absent_categories(config: RunFile, present: Collection[str | None]) -> Iterator[tuple[Loc, str]]:
    """Categories of harmless prompts that no prompt of the run has, where it is known what it has."""
    known = sorted({one for one in present if one})
    for loc, name in _categories_named(config) if present else ():
        if name not in known:
            told = f"no prompt has category {name!r}{did_you_mean(name, known)}; there are {', '.join(known) or 'none'}"
            yield loc, told


def _categories_named(config: RunFile) -> Iterator[tuple[Loc, str]]:
    if config.sft and config.sft.helpful:
        for index, name in enumerate(config.sft.helpful.drafts_of):
            yield ("sft", "helpful", "drafts_of", index), name
    if config.evaluate and config.evaluate.over_refusal:
        for index, name in enumerate(config.evaluate.over_refusal.categories):
            yield ("evaluate", "over_refusal", "categories", index), name
