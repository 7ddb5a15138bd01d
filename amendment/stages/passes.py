"""One pass over the prompts: each goes through all stages that ask models about it, without waiting for its neighbours.

Covered: a stage alone, which is a pass of one step; tables in input order whatever is answered first; an item that a
stage leaves pending goes no further, since what follows would be asked about half of it. Not covered: stages that need
all prompts of another one, such as training.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, TypeVar

from amendment.data.store import read_columns
from amendment.errors import Paused, Transient
from amendment.hashing import content_id
from amendment.llm.concurrency import ITEM, STAGE, Tally
from amendment.llm.model import Model
from amendment.records import Candidate, Prompt
from amendment.stages.contract import Context, PromptItem, StageResult, Step

T = TypeVar("T")
R = TypeVar("R")


class Grouped:
    """The candidates of a table by prompt, where both stand in the same order."""

    def __init__(self, rows: Iterable[Candidate]) -> None:
        self._rows = iter(rows)
        self._next = next(self._rows, None)

    def of(self, prompt_id: str) -> list[Candidate]:
        """Return those of this prompt; prompts are asked for in order."""
        rows: list[Candidate] = []
        while self._next is not None and self._next.prompt_id == prompt_id:
            rows.append(self._next)
            self._next = next(self._rows, None)
        return rows


Elsewhere = Callable[[PromptItem], Awaitable[tuple[list[Any], Sequence[Tally]]]]
"""Takes an item through the steps in another process: their results, and the tallies of this item alone."""


def one_pass(
    context: Context, steps: Sequence[Step], elsewhere: Elsewhere | None = None, *, at_most: bool = False
) -> Generator[StageResult, None, None]:
    """Take all prompts through the steps, and then finish one stage after another, each when it is asked for.

    With `elsewhere` the items are worked on there; their results are kept here, in the order of the prompts.
    `at_most` has the steps ask all that they can have to ask.
    """
    with ExitStack() as entered:
        for step in steps:
            entered.enter_context(step.tables)
        _all_prompts(context, steps, elsewhere, at_most=at_most)
        for step in steps:
            yield step.close()


async def through(
    steps: Sequence[Step], item: PromptItem, tallies: Sequence[Tally], *, at_most: bool = False
) -> list[Any]:
    """Take one item through the steps, up to the one that leaves it pending. Return their results, None for a step that
    does not take the item."""
    results: list[Any] = []
    ITEM.set(item.index)
    for step, tally in zip(steps, tallies, strict=True):
        if step.take is not None and item.index >= step.take:
            results.append(None)
            continue
        if item.is_pending:
            tally.total -= 1
            continue
        STAGE.set(step.name)
        with tally.item():
            results.append(await (step.most(item) if at_most else step.work(item)))
    return results


def _all_prompts(context: Context, steps: Sequence[Step], elsewhere: Elsewhere | None, *, at_most: bool) -> None:
    total = context.workspace.count("inputs/prompts")
    tallies = [Tally(step.name, total if step.take is None else min(total, step.take)) for step in steps]

    async def work(item: PromptItem) -> list[Any]:
        if elsewhere is None:
            return await through(steps, item, tallies, at_most=at_most)
        results, counted = await elsewhere(item)
        for tally, of_item in zip(tallies, counted, strict=True):
            tally.add(of_item)
        return results

    def keep(results: list[Any]) -> None:
        for step, result in zip(steps, results, strict=False):
            if result is not None:
                step.keep(result)

    models = [model for step in steps for model in step.models]
    context.stream_bounded(tallies, _items(context, steps), work, keep, models=models)


def _items(context: Context, steps: Sequence[Step]) -> Iterator[PromptItem]:
    """Yield the prompts with those of their candidates that stand in tables already."""
    made = {step.makes for step in steps}
    read = dict.fromkeys(table for step in steps for table in step.reads if table not in made)
    tables = {table: Grouped(context.workspace.rows(table, Candidate)) for table in read}
    for index, prompt in enumerate(context.workspace.rows("inputs/prompts", Prompt)):
        yield PromptItem(index, prompt, {table: grouped.of(prompt.id) for table, grouped in tables.items()})


def ask_each(
    context: Context,
    title: str,
    model: Model,
    items: Sequence[T],
    work: Callable[[T], Awaitable[R]],
    *,
    stage: str = "evaluate",
) -> list[R]:
    """Ask a model about each item; the results are in the order of the items. Raises Paused where a passing fault of
    the model's server outlasts its attempts."""
    try:
        return context.map_bounded(title, items, work, models=[model])
    except Transient as fault:
        raise Paused(f"{stage}: {fault}. Finished work is kept; run again to continue.") from fault


def trained_prompts(context: Context) -> set[str]:
    """Return the prompts of training pairs."""
    path = context.workspace.path("dataset/train")
    return {prompt for (prompt,) in read_columns(path, "prompt_id")} if path.is_file() else set()


def unseen_prompts(context: Context) -> list[Prompt]:
    """Return the held-out prompts without those of training pairs, in the order of a seeded hash, so that a larger
    number of them holds the smaller one's."""
    unseen = context.held_out() - trained_prompts(context)
    seed = context.config.seed
    prompts = [prompt for prompt in context.prompts().values() if prompt.id in unseen]
    return sorted(prompts, key=lambda prompt: content_id(["evaluate", seed, prompt.id]))
