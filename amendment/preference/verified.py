"""Check every answer by code: the run's verifiers, and whether answers pass them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from amendment.constitutions import AppliesWhen, Check, Constitution, Principle
from amendment.records import Candidate, Prompt, Record, last_text
from amendment.verification.checks import run_checks

Effect = Literal["decide", "veto", "record"]


DECISIVE: tuple[Effect, ...] = ("decide", "veto")
"""The effects of verifiers that an answer has to pass to be learned from."""


RULES = "verify"
"""The id of the constitution of the run's verifiers."""


class Verifier(Check):
    """A check of every answer."""

    effect: Effect = "decide"
    """decide: if only one of two answers passes, it is chosen, whatever the judges say (`decided_by: verifier`). veto:
    judges decide, and a pair whose chosen answer fails is left out. record: outcomes are only recorded."""
    applies_when: AppliesWhen | None = None
    """The prompts whose answers are checked, such as `{categories: [arithmetic]}`; all by default."""


class VerifiedAnswer(Record):
    """The outcome of one verifier of one answer."""

    prompt_id: str
    candidate_id: str
    verifier: str
    """`verify/NAME`, as pairs name it among their principles."""
    effect: Effect = "decide"
    passes: bool | None = None
    """Absent where the answer could not be checked."""
    reason: str | None = None
    """Why it could not be checked."""


def passes_all(outcomes: Iterable[VerifiedAnswer], *effects: Effect) -> bool | None:
    """Return whether an answer passes all its verifiers of these effects: one that fails decides, whatever the others
    say. None without any, or where one could not be checked."""
    passed = [outcome.passes for outcome in outcomes if outcome.effect in effects]
    return False if False in passed else None if None in passed or not passed else True


def verifier_rules(verifiers: Iterable[Verifier], *effects: str) -> tuple[Constitution, ...]:
    """Return verifiers of these effects, or all, as a constitution of principles that code checks; those that decide
    are hard. Empty without any."""
    names: Counter[str] = Counter()
    principles = []
    for verifier in verifiers:
        slug = verifier.kind.replace("_", "-")
        names[slug] += 1
        if effects and verifier.effect not in effects:
            continue
        principle = Principle(
            id=slug if names[slug] == 1 else f"{slug}-{names[slug]}",
            statement=f"Pass the check {verifier}{'' if verifier.effect == 'decide' else f' ({verifier.effect})'}.",
            hard=verifier.effect == "decide",
            check=(Check.model_validate(verifier.model_dump(exclude={"effect", "applies_when"})),),
            applies_when=verifier.applies_when,
        )
        principles.append(principle)
    rules = Constitution(
        id=RULES, version="1.0.0", title="Verifiers of the run", license="CC0-1.0", principles=tuple(principles)
    )
    return (rules,) if principles else ()


class Proof:
    """Whether answers pass all verifiers of some effects that apply to their prompts."""

    def __init__(self, verifiers: Iterable[Verifier], *effects: str) -> None:
        rules = verifier_rules(verifiers, *effects)
        self._principles = rules[0].principles if rules else ()

    def of(self, prompt: Prompt, answer: Candidate) -> bool | None:
        """Return None where none applies, or one could not be run and none fails."""
        principles = [rule for rule in self._principles if rule.applies_to(prompt.category, prompt.tags)]
        checks = tuple(check for rule in principles for check in rule.check)
        return run_checks(checks, last_text(answer.messages), prompt.answer).is_kept


ANSWERS, JUDGEMENTS = "verify/answers", "verify/judgements"
