"""The stage `shortcuts`: a model answers tasks without their key fact, and those that it solves are dropped.

Covered: one question a task; the outcome by the verifier of the task's kind; tasks without a readable reply, or that no
verifier can check, stay. Not covered: tasks that a solver of ours solves; see `data.tasks`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any

from amendment.constitutions import Check
from amendment.constitutions.checks import Checked
from amendment.data.sources import TaskPrompts
from amendment.data.tasks import TOLERANCE, Task, make_tasks
from amendment.errors import ProviderError
from amendment.llm.model import Ending, Model, Unusable, ending_of, usable
from amendment.records import Prompt, text_of, user
from amendment.stages.contract import Ask, ConfigProblem, Context, RunSettings, Stage, StageResult, dump
from amendment.stages.tables import Role, Tables

_MATH, _NUMBER = Check(kind="math"), Check(kind="number", tolerance=TOLERANCE)
_VERIFIERS = {"mechanics": _NUMBER, "programs": Check(kind="tests")}
"""By category of the tasks; `math` for all others."""


def filtered_tasks(settings: RunSettings) -> dict[int, TaskPrompts]:
    """The tasks that a model filters, by their place under `prompts`."""
    every = enumerate(settings.prompts)
    return {index: part for index, part in every if isinstance(part, TaskPrompts) and part.shortcut_model}


class ShortcutsStage(Stage):
    """Ask a model for the results of tasks without their key fact."""

    name = "shortcuts"
    title = "answering tasks without their key fact"
    writes: Collection[str] = {"shortcuts/prompts": Role.PROMPTS, "shortcuts/endings": None}

    @classmethod
    def of(cls, settings: RunSettings) -> Iterator[Stage]:
        if filtered_tasks(settings):
            yield cls(settings)

    def key(self, context: Context) -> Mapping[str, Any]:
        parts = filtered_tasks(self.settings).values()
        models = [context.model_key(str(part.shortcut_model)) for part in parts]
        return {"tasks": [dump(part) for part in parts], "models": models, "seed": self.settings.seed}

    def asks(self) -> Iterator[Ask]:
        for index, part in filtered_tasks(self.settings).items():
            yield Ask(("prompts", index, "shortcut_model"), str(part.shortcut_model))

    def problems(self) -> Iterator[ConfigProblem]:
        for index, part in filtered_tasks(self.settings).items():
            place = ("prompts", index, "shortcut_model")
            if part.shortcut_model in self.settings.policies:
                yield place, "a policy is trained after the prompts are there; name a model"

    def make(self, context: Context) -> StageResult:
        """Ask about each task once, and keep the tasks that are not solved."""
        counts: Counter[str] = Counter()
        with Tables(context.workspace, self.name, prompts=Prompt) as tables:
            for index, part in filtered_tasks(self.settings).items():
                tasks = make_tasks(part.tasks, part.count, context.config.seed)
                model = context.model(str(part.shortcut_model))
                title = f"{part.tasks} without key facts by {model.name}"
                work = partial(_solve, model, is_checked=not context.is_rehearsed)
                solved = context.map_bounded(title, tasks.kept, work, models=[model])
                for task, (ending, is_solved) in zip(tasks.kept, solved, strict=True):
                    tables.end(f"{index}/{task.prompt.id}", ending)
                    tables.add("prompts", [] if is_solved else [task.prompt])
                counts["tasks with a shortcut dropped"] += tasks.shortcuts
                dropped = sum(is_solved for _, is_solved in solved)
                counts[f"tasks of {part.tasks} dropped: {model.name} solves them without their key fact"] += dropped
            endings = tables.close()
        return StageResult(tables.artefacts, {**endings, **counts})


async def _solve(model: Model, task: Task, *, is_checked: bool) -> tuple[Ending, bool]:
    """How the question ends, and whether the reply has the known answer."""
    try:
        answer = await model.ask(user(task.without_key_fact))
        text = text_of(usable(answer, "a task without its key fact"))
        checked = _VERIFIERS.get(task.category, _MATH).run(text, task.answer) if is_checked else Checked(False)
        if checked.is_kept is None:
            raise Unusable("invalid", checked.reason)
    except (Unusable, ProviderError) as fault:
        return ending_of(fault), False
    return Ending("done"), checked.is_kept
