"""Rows of an evaluation set, and their scores: every answer of a set is scored in one call, in batches by length.

A row has a `prompt` and its answers, each a text or a list of messages. Which columns hold the answers says what is
measured:

* pairs: `chosen` and `rejected`
* pools: `candidates`, a list, with `quality` (a number for each) or `best` (the position of a best one, or several)
* grid: `chosen` and `rejected` are lists of equally many answers, the same styles in the same order (RM-Bench)
* reward-bench: pairs with `subset`, one of those that were published
* reward-bench-2: lists `chosen` and `rejected`, with `subset` and `num_correct`

Promised: a row that cannot be read is named by its place among all rows, before anything is scored.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amendment.errors import DataError, Problem
from amendment.hashing import content_id
from amendment.reward_model.measuring.benchmarks import SECTIONS

Row = Mapping[str, Any]
Floats = NDArray[np.float64]
Score = Callable[[Sequence[Row]], ArrayLike]
"""Rows with `prompt` and `completion` (messages as JSON objects) to one number each, nan where there is none:
`RewardModel.score`, or anything."""
Layout = Literal["pairs", "pools", "grid", "reward-bench", "reward-bench-2"]
_SHARED = ("tools", "chat_template_kwargs")
"""Columns of a row that are handed to the scorer with its answers."""
SUBSETS = frozenset(name for section in SECTIONS.values() for name in section)


def layout_of(row: Row) -> Layout | None:
    """What the columns of a row are; None for none that is known."""
    lists = all(_is_pool(row.get(side)) for side in ("chosen", "rejected"))
    if lists and row.get("num_correct") is not None:
        return "reward-bench-2"
    if lists and len(row["chosen"]) == len(row["rejected"]) > 1:
        return "grid"
    if _is_pool(row.get("candidates")):
        return "pools"
    if row.get("chosen") is None or row.get("rejected") is None or lists:
        return None
    return "reward-bench" if str(row.get("subset")) in SUBSETS else "pairs"


def _is_pool(cell: Any) -> bool:
    """Several answers: a list of texts, or of lists of messages; a list of messages is one answer."""
    return isinstance(cell, list | tuple) and bool(cell) and not any(isinstance(item, Mapping) for item in cell)


def by_layout(rows: Sequence[Row]) -> dict[Layout, list[Row]]:
    """The rows of each layout. Raises DataError naming each row (from 1) that cannot be read."""
    layouts, problems = defaultdict[Layout, list[Row]](list), list[Problem]()
    for number, row in enumerate(rows, start=1):
        try:
            layouts[_checked(row)].append(row)
        except DataError as fault:
            problems += [
                Problem(": ".join(filter(None, (f"row {number}", p.place))), p.message) for p in fault.problems
            ]
    if problems or not rows:
        raise DataError(problems or "no row to evaluate on; expected at least one")
    return layouts


def scored(score: Score, rows: Sequence[Row], layout: Layout) -> list[Floats]:
    """The scores of the answers of each row, the right ones first where the layout tells them apart."""
    answers = [_answers(row, layout) for row in rows]
    asked = [_request(row, answer) for row, given in zip(rows, answers, strict=True) for answer in given]
    scores = np.asarray(score(asked), dtype=np.float64)
    if scores.shape != (len(asked),):
        raise DataError(f"score: expected one number for each of {len(asked)} answers, found shape {scores.shape}")
    return np.split(scores, np.cumsum([len(given) for given in answers])[:-1])


def _checked(row: Row) -> Layout:
    """The layout of a row of which everything can be read."""
    layout = layout_of(row)
    if layout is None:
        expected = "expected chosen and rejected, or candidates (or lists of them; see the columns in the docs)"
        raise DataError([Problem("", f"{expected}, found {', '.join(map(str, row)) or 'nothing'}")])
    messages_of(row.get("prompt"), "user")
    for answer in _answers(row, layout):
        messages_of(answer, "assistant")
    if layout == "pools":
        qualities_of(row)
    if layout == "pairs":
        people_share(row)
        _check_probability(row)
    if layout == "reward-bench-2":
        _check_counts(row)
    return layout


def _answers(row: Row, layout: Layout) -> list[Any]:
    if layout == "pools":
        return list(row["candidates"])
    sides = row["chosen"], row["rejected"]
    return list(sides) if layout in ("pairs", "reward-bench") else [*sides[0], *sides[1]]


def qualities_of(row: Row) -> Floats:
    """The quality of each candidate of a pool; where only best ones are marked, 1 for these and 0 for others."""
    count, quality, best = len(row["candidates"]), row.get("quality"), row.get("best")
    marks = list(best) if isinstance(best, list | tuple) else [] if best is None else [best]
    if count > 1 and isinstance(quality, list | tuple) and len(quality) == count and all(map(_is_number, quality)):
        return np.asarray(quality, dtype=np.float64)
    if count > 1 and quality is None and marks and all(_is_number(mark) and mark in range(count) for mark in marks):
        return np.isin(np.arange(count), marks).astype(np.float64)
    columns = f"`quality`, a number for each of {count} candidates, or `best`, positions from 0"
    expected = columns if count > 1 else "two candidates or more"
    raise DataError([Problem("", f"expected {expected}; found quality {quality!r}, best {best!r}")])


def people_share(row: Row) -> float:
    """The share of people's votes for the chosen answer of a pair; nan where no person decided it. Raises DataError for
    one that is no share."""
    name, share = "p_people", row.get("p_people")
    if share is None and row.get("decided_by") == "person":
        name, share = "p_chosen", row.get("p_chosen", 1.0)
    if share is None:
        return math.nan
    if not _is_share(share):
        raise DataError([Problem(name, f"expected a share of votes between 0 and 1, found {share!r}")])
    return float(share)


def _check_counts(row: Row) -> None:
    """Raise DataError for a row of RewardBench 2 whose counts are not those of its lists, or without a subset."""
    problems = [] if isinstance(row.get("subset"), str) else [Problem("subset", "expected a name, found none")]
    for name, side in (("num_correct", "chosen"), ("num_incorrect", "rejected")):
        stated, count = row.get(name), len(row[side])
        if stated is not None and stated != count:
            problems.append(Problem(name, f"expected {count}, as many as {side} holds, found {stated!r}"))
    if problems:
        raise DataError(problems)


def _check_probability(row: Row) -> None:
    """Raise DataError where `p_chosen` is there and no probability."""
    p = row.get("p_chosen")
    if p is not None and not _is_share(p):
        raise DataError([Problem("p_chosen", f"expected a probability, found {p!r}")])


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    try:
        return isinstance(value, Real) and math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False


def _request(row: Row, answer: Any) -> Row:
    shared = {name: row[name] for name in _SHARED if row.get(name) is not None}
    return {**shared, "prompt": messages_of(row.get("prompt"), "user"), "completion": messages_of(answer, "assistant")}


def messages_of(cell: Any, role: str) -> list[Any]:
    """A text as one message of `role`; messages as they are. Raises DataError for anything else."""
    if isinstance(cell, str) and cell.strip():
        return [{"role": role, "content": cell}]
    if isinstance(cell, list | tuple) and cell and all(isinstance(item, Mapping) for item in cell):
        return list(cell)
    name = "prompt" if role == "user" else "answer"
    kind = "nothing" if cell is None or cell in ("", [], ()) else type(cell).__name__
    raise DataError([Problem(name, f"expected a text or a list of messages, found {kind}")])


def prompt_of(row: Row) -> str:
    """The name of a row's prompt, by which intervals are clustered: its `prompt_id`, else a hash of its content."""
    prompt_id = row.get("prompt_id")
    return (
        str(prompt_id)
        if prompt_id is not None
        else content_id([messages_of(row.get("prompt"), "user"), row.get("tools")])
    )


def length_of(answer: Any) -> int:
    """Characters of an answer's texts, those in typed parts too."""
    contents = [message.get("content") for message in messages_of(answer, "assistant")]
    texts = [text for content in contents for text in ([content] if isinstance(content, str) else _parts(content))]
    return sum(map(len, texts))


def _parts(content: Any) -> list[str]:
    parts = content if isinstance(content, list | tuple) else ()
    return [str(part.get("text") or "") for part in parts if isinstance(part, Mapping)]
