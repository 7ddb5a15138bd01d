"""The stage `verify`: every answer of the run checked by code, by the kinds that a principle has under `check`.

Covered: the outcome of each check of each answer; pass@k of the models that drew several; where the run has no judges,
pairs of an answer that passes and one that fails, each answer in one pair at most.
In `judging` the same checks act like those of hard principles: see `preference.checked`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from inspect import getdoc
from itertools import chain
from pathlib import Path
from typing import Any, cast

from pydantic import Field

from amendment.constitutions import Constitution, Principle
from amendment.curation.rejection import choose_by_behaviour, pass_at_each_k
from amendment.data.sources import ModelSource, have_known_answers
from amendment.errors import ConfigError
from amendment.preference.checked import RATER
from amendment.preference.draws import HINTED
from amendment.preference.kept_principles import KeptAnswers
from amendment.preference.settings import JudgingConfig
from amendment.preference.verified import ANSWERS, JUDGEMENTS, VerifiedAnswer, Verifier, passes_all, verifier_rules
from amendment.records import Candidate, Comparison, ItemEnding, Judgement, Prompt, last_text
from amendment.results import Result, by_label, counted
from amendment.stages.contract import ConfigProblem, Context, RunSettings, Stage, StageResult, rules_key
from amendment.stages.tables import Role
from amendment.verification.programs import record_behaviour
from amendment.verification.sandbox import why_unavailable

NAME = "verify"


class VerifyStage(Stage):
    """Check every answer by code. Where only one of two answers passes, it is chosen."""

    name = NAME
    title = "verifying answers"
    weight = 1
    comes_with = Verifier
    reads = ("inputs/prompts", Role.ANSWERS)
    may_read = ("candidates/endings",)

    def __init__(self, settings: RunSettings) -> None:
        super().__init__(settings)
        decides = any(verifier.effect == "decide" for verifier in settings.parts(Verifier))
        self.makes_pairs = decides and settings.part(JudgingConfig) is None
        self.writes = {ANSWERS: None, JUDGEMENTS: Role.DECISIONS} if self.makes_pairs else (ANSWERS,)

    @classmethod
    def field(cls) -> tuple[Any, Any]:
        return (tuple[Verifier, ...], Field(default=(), description=getdoc(cls)))

    def key(self, context: Context) -> Mapping[str, Any]:
        return {**rules_key(self.settings.checked_rules), "makes pairs": self.makes_pairs}

    def problems(self) -> Iterator[ConfigProblem]:
        """Verifiers without known answers, and without answers."""
        has_known = have_known_answers(self.settings.prompts)
        for index, verifier in enumerate(self.settings.parts(Verifier)):
            if verifier.needs_answer and not has_known:
                missing = f"{verifier.kind} compares with the known answer of each prompt, and no prompt has one"
                yield (
                    (NAME, index),
                    f"{missing}; name the column with it as columns.answer under prompts, or give a value",
                )
        if not self.settings.candidates:
            yield (NAME,), "there are no answers to check; name a model under candidates"

    def check(self, base: Path) -> Iterator[ConfigProblem]:
        """Programs that cannot be run here. A stage that is done without their outcomes would not be made again."""
        for index, verifier in enumerate(self.settings.parts(Verifier)):
            if verifier.kind == "tests" and (why := why_unavailable()):
                yield (NAME, index), f"no program can be checked: {why}"

    def make(self, context: Context) -> StageResult:
        settings, workspace = self.settings, context.workspace
        prompts = context.prompts()
        answers = _by_prompt(context, self.tables.of(Role.ANSWERS))
        drawn_by = _list_draw_models(context)
        [rules] = verifier_rules(settings.parts(Verifier))
        kept = KeptAnswers([rules])
        passed: dict[str, dict[str, list[bool]]] = defaultdict(dict)
        judgements: list[Judgement] = []
        with workspace.writing(ANSWERS, VerifiedAnswer) as add:
            for prompt_id, of_prompt in answers.items():
                prompt = prompts[prompt_id]
                different = {answer.id: answer for answer in of_prompt}
                checked = {name: [*_checked(settings, rules, prompt, answer)] for name, answer in different.items()}
                outcomes = {name: passes_all(rows, "decide") for name, rows in checked.items()}
                for answer in of_prompt:
                    model = next(drawn_by) if answer.kind == "policy" else None
                    outcome = outcomes[answer.id]
                    if model and answer.origin.template != HINTED and outcome is not None:
                        passed[model].setdefault(prompt_id, []).append(outcome)
                    for row in checked[answer.id]:
                        kept.count(row.verifier, prompt.category, _writer(answer, model), row.passes, row.reason or "")
                for row in chain.from_iterable(checked.values()):
                    add(row)
                judgements += _pairs(prompt, different, outcomes, rules)
        figures = [*counted(answers=sum(map(len, answers.values())))]
        for model, by_prompt in passed.items():
            if min(map(len, by_prompt.values())) > 1:
                by_k = {str(k): estimate for k, estimate in pass_at_each_k(by_prompt).items()}
                figures += by_label("pass_at_k", "k", by_k, "share", model=model)
        if self.makes_pairs:
            workspace.write(JUDGEMENTS, Judgement, judgements)
            figures += counted(pairs=len(judgements))
        return StageResult(self.writes, Result(figures=tuple(figures)) + kept.result())


def _by_prompt(context: Context, tables: Iterable[str]) -> dict[str, list[Candidate]]:
    """Return the answers by prompt, both in their order."""
    answers: dict[str, list[Candidate]] = {prompt: [] for prompt in context.prompts()}
    for answer in context.candidates(tables):
        answers[answer.prompt_id].append(answer)
    return {prompt: of_prompt for prompt, of_prompt in answers.items() if of_prompt}


def _list_draw_models(context: Context) -> Iterator[str]:
    """Yield the name in the run file of the model of each drawn answer, in the order of their table."""
    if context.config.parts(ModelSource):
        for row in context.workspace.rows("candidates/endings", ItemEnding):
            if row.outcome == "done":
                yield row.item_id.split("/")[1]


def _writer(answer: Candidate, model: str | None) -> str:
    if model is None:
        return {"draft": "drafts", "revision": "revisions"}.get(answer.kind, "imported answers")
    return f"answers of {model}{' with a hint' * (answer.origin.template == HINTED)}"


def _checked(settings: RunSettings, rules: Constitution, prompt: Prompt, answer: Candidate) -> Iterator[VerifiedAnswer]:
    for rule, verifier in zip(rules.principles, settings.parts(Verifier), strict=True):
        if rule.applies_to(prompt.category, prompt.tags):
            checked = rule.check_answer(last_text(answer.messages), prompt.answer)
            yield VerifiedAnswer(
                prompt_id=prompt.id,
                candidate_id=answer.id,
                verifier=rules.principle_reference(rule),
                effect=verifier.effect,
                passes=checked.is_kept,
                reason=checked.reason or None,
            )


def _pairs(
    prompt: Prompt, answers: Mapping[str, Candidate], outcomes: Mapping[str, bool | None], rules: Constitution
) -> Iterator[Judgement]:
    """Yield each answer that passes against one that fails, none of them twice; of programs that fail alike one is
    taken."""
    deciding = [rule for rule in rules.principles if rule.hard and rule.applies_to(prompt.category, prompt.tags)]
    passing = [name for name in answers if outcomes[name]]
    behaviours = {name: _behaviour(prompt, answers[name], deciding) for name in answers if outcomes[name] is False}
    for chosen, rejected in zip(passing, choose_by_behaviour(behaviours), strict=False):
        _, a, b = Comparison.between(answers[chosen], answers[rejected])
        yield Judgement(
            prompt_id=prompt.id,
            a=a,
            b=b,
            p_a=float(a == chosen),
            principle_ids=tuple(map(rules.principle_reference, deciding)),
            rater_kind="verifier",
            raters=(RATER,),
        )


def _behaviour(prompt: Prompt, answer: Candidate, deciding: Sequence[Principle]) -> Hashable:
    """Return what a program does in the calls of its tests; an answer that is none behaves like no other."""
    known = [check.value or prompt.answer for rule in deciding for check in rule.check if check.kind == "tests"]
    try:
        return record_behaviour(last_text(answer.messages), cast(str, known[0]))
    except (IndexError, ValueError, ConfigError):  # no tests, none that can be read, no sandbox
        return answer.id
