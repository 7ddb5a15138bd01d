"""Prepare and count the rows before a trainer sees them, so that no row is lost silently.

TRL drops over-long pairs for the reward model, cuts them for DPO, and learns nothing from two equal
answers, all without a word. Here every row is kept or dropped by our own rule, with its reason.
Promised: rows = kept + dropped; the trainers take what is kept as it is. A label that is no probability or a weight
that is none is refused with its row, never guessed.
Not covered: whether a row is worth training on (see `curation`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeGuard, TypeVar

import numpy as np
from numpy.typing import NDArray

from amendment.errors import DataError, Problem, TrainingError
from amendment.llm.rendering import Conversation, Renderer, common_prefix
from amendment.training.settings import PairTrainerSettings, Report, TrainerSettings

Row = Mapping[str, Any]
T = TypeVar("T")
Floats32 = NDArray[np.float32]
_Parts = tuple[list[Row], list[list[Row]]]
"""Messages of the prompt, and of each completion."""
IGNORED = -100
"""Label of a token that the loss leaves out."""
MOST_DROPPED = 0.25
"""The largest share of rows that may be dropped before a trainer refuses to start."""


class TokenRow(NamedTuple):
    """A row for supervised fine-tuning: one label per token, `IGNORED` outside the completion."""

    input_ids: list[int]
    labels: list[int]


class TokenPair(NamedTuple):
    """A preference pair: `prompt_ids + chosen_ids` and `prompt_ids + rejected_ids` are the two sequences."""

    prompt_ids: list[int]
    chosen_ids: list[int]
    rejected_ids: list[int]

    @property
    def longest(self) -> int:
        """Count the tokens of the longer sequence."""
        return len(self.prompt_ids) + max(len(self.chosen_ids), len(self.rejected_ids))


class Prepared(NamedTuple, Generic[T]):
    """Rows in token ids, where each came from, and the table."""

    rows: list[T]
    places: list[int]
    """Position of each kept row among the rows that were given."""
    report: Report


class _TokenisedRow(NamedTuple):
    """One row in token ids: its prompt, and prompt and completion for each completion."""

    completions: list[list[Row]]
    talks: list[Conversation]
    prompt_ids: list[int]
    whole_ids: list[list[int]]

    @property
    def start(self) -> int:
        """Return the index at which completions begin: after the tokens that all sequences share with the prompt."""
        return min(common_prefix(self.prompt_ids, ids) for ids in self.whole_ids)

    @property
    def is_empty(self) -> bool:
        """Return True if a completion has neither text nor calls."""
        return any(not any(_says(m) for m in c if m.get("role") == "assistant") for c in self.completions)


@dataclass
class _Tally:
    """The table while it is filled."""

    trainer: str
    dropped: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    lengths: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    """Positions of the rows that are kept."""

    def report(self, rows: int) -> Report:
        ordered = sorted(self.lengths)
        shares = {"p50": 0.5, "p99": 0.99, "max": 1.0}
        return Report(
            trainer=self.trainer,
            rows=rows,
            kept=len(self.places),
            dropped=dict(sorted(self.dropped.items())),
            notes=dict(sorted((+self.notes).items())),
            tokens={
                name: ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0
                for name, share in shares.items()
            },
        )


def rows_in(given: Iterable[Any]) -> list[Row]:
    """Return the rows as a list. Raises DataError naming each (from 1) that is no mapping."""
    rows = list(given)
    if problems := [
        Problem(f"row {i}", f"expected an object with named parts, found {type(row).__name__}")
        for i, row in enumerate(rows, start=1)
        if not isinstance(row, Mapping)
    ]:
        raise DataError(problems)
    return rows


def prepare_rows(rows: Iterable[Row], renderer: Renderer, settings: TrainerSettings) -> Prepared[TokenRow]:
    """Prepare rows with `messages`, or with `prompt` and `completion`, for supervised fine-tuning.

    The loss is on the completion. Of `messages`, every assistant turn is learned where the template marks
    them, and the last one otherwise (noted). Raises DataError for rows that cannot be read, TrainingError
    when more than `MOST_DROPPED` of the rows, or all of them, are dropped.
    """
    given, tally, kept = list(rows), _Tally("sft"), list[TokenRow]()
    for i, read in enumerate(_read(given, _split, renderer, tally)):
        [ids] = read.whole_ids
        labels = _labels(tally, renderer, read, from_start="messages" in given[i])
        start = next((place for place, label in enumerate(labels) if label != IGNORED), len(ids))
        if reason := _fate(tally, settings, read, start):
            tally.dropped[reason] += 1
            continue
        kept.append(TokenRow(ids, labels))
        tally.places.append(i)
    return _closed(kept, tally, given, settings)


def prepare_pairs(
    pairs: Iterable[Row], renderer: Renderer, settings: PairTrainerSettings, *, trainer: str, refuse: bool = True
) -> Prepared[TokenPair]:
    """Prepare rows with `prompt`, `chosen` and `rejected` for a reward model or DPO. Raises as `prepare_rows` does.

    Pairs whose label has nothing to teach (ties under hard labels, weight 0) are dropped, and do not count against
    `MOST_DROPPED`. Without `refuse`, for evaluation, labels do not count, and any number may be dropped.
    """
    given, tally, kept = list(pairs), _Tally(trainer), list[TokenPair]()
    for i, read in enumerate(_read(given, _sides, renderer, tally)):
        start = read.start
        unlabelled = without_label(given[i], settings) if refuse else None
        if reason := _fate(tally, settings, read, start) or unlabelled:
            tally.dropped[reason] += 1
            continue
        chosen, rejected = (ids[start:] for ids in read.whole_ids)
        kept.append(TokenPair(read.prompt_ids[:start], chosen, rejected))
        tally.places.append(i)
    return _closed(kept, tally, given, settings, refuse=refuse)


def render_completions(rows: Iterable[Row], renderer: Renderer) -> list[list[int]]:
    """Return token ids of `prompt` and `completion` of each row as the reward model reads them, in full length."""
    given = list(rows)
    sides = [[*_messages(row, "prompt", i), *_messages(row, "completion", i)] for i, row in enumerate(given)]
    return renderer.ids(_talk(renderer, row, sides[i], i) for i, row in enumerate(given))


class PairLabels(NamedTuple):
    """One entry per pair."""

    targets: Floats32
    """P(chosen is better) that the loss aims at."""
    weights: Floats32
    """With mean 1."""


def pair_labels(rows: Sequence[Row], settings: PairTrainerSettings) -> PairLabels:
    """Read targets and weights of rows with `p_chosen` and `weight`. A weight that is absent is 1, and so is `p_chosen`
    if labels are hard or no row has one.

    Raises DataError naming each row (from 1) whose values cannot be read.
    """
    is_soft = settings.labels == "soft"
    is_given = is_soft and any(row.get("p_chosen") is not None for row in rows)
    p = _column(rows, "p_chosen", None if is_given else 1.0, lambda value: 0 <= value <= 1, "a probability")
    given = _column(rows, "weight", 1.0, lambda value: value >= 0, "a weight of 0 or more")
    smoothing = settings.label_smoothing
    certain = p if is_soft else np.ones_like(p)
    targets = certain * (1 - smoothing) + (1 - certain) * smoothing
    given = np.ldexp(given, -math.frexp(given.max(initial=0.0))[1])  # exact; the sum of huge ones is still a number
    mean = float(given.mean()) if len(given) else 1.0
    return PairLabels(targets.astype(np.float32), (given / (mean or 1.0)).astype(np.float32))


def labels_as_given(rows: Sequence[Row]) -> PairLabels:
    """Return `p_chosen` (1 if no row has one) as it is, and weights; see `pair_labels`."""
    return pair_labels(rows, PairTrainerSettings(labels="soft", learning_rate=1.0))


def without_label(row: Row, settings: PairTrainerSettings) -> str | None:
    """Say why a trainer learns nothing from the label of a row: a tie, or a weight of 0. None if it does."""
    if row.get("weight") == 0:
        return "weight_zero"
    return "tie" if settings.labels != "soft" and row.get("p_chosen") == 0.5 else None


def _read(
    given: Sequence[Row], split: Callable[[Row, int], _Parts], renderer: Renderer, tally: _Tally
) -> Iterator[_TokenisedRow]:
    """Tokenise every row, and note what users should know of it."""
    parts = [split(row, i) for i, row in enumerate(given)]
    talks = list[list[Conversation]]()
    for i, (row, (prompt, completions)) in enumerate(zip(given, parts, strict=True)):
        before = renderer.control_texts
        wholes = [_talk(renderer, row, [*prompt, *completion], i) for completion in completions]
        talks.append([_talk(renderer, row, prompt, i, is_prompt=True), *wholes])
        tally.notes["control_tokens_in_texts_made_harmless"] += renderer.control_texts > before
        _note_hidden(tally, renderer, row, [*prompt, *(m for completion in completions for m in completion)])
    ids = iter(renderer.ids(talk for row in talks for talk in row))
    for (_, completions), row_talks in zip(parts, talks, strict=True):
        prompt_ids, *whole_ids = [next(ids) for _ in row_talks]
        read = _TokenisedRow(completions, row_talks[1:], prompt_ids, whole_ids)
        tally.notes["prompt_is_not_a_prefix"] += read.start < len(prompt_ids)
        yield read


def _fate(tally: _Tally, settings: TrainerSettings, read: _TokenisedRow, start: int) -> str | None:
    """Say why a row whose learned part begins at `start` is dropped, or None. Counts its length and whether it is
    cut."""
    sequences = read.whole_ids
    longest = max(len(ids) for ids in sequences)
    tally.lengths.append(longest)
    if read.is_empty or any(len(ids) <= start for ids in sequences):
        return "empty_completion"
    if len(sequences) == 2 and sequences[0] == sequences[1]:
        return "identical"
    return "over_length" if longest > settings.max_length else None


def _labels(tally: _Tally, renderer: Renderer, read: _TokenisedRow, *, from_start: bool) -> list[int]:
    """Return labels on the completion; of several turns on what the assistant wrote, if the template marks it."""
    [talk], [ids], start = read.talks, read.whole_ids, read.start
    labels = [IGNORED] * start + ids[start:]
    turns = talk.messages if from_start else read.completions[0]
    if len(turns) < 2 or (from_start and sum(m["role"] == "assistant" for m in turns) < 2):
        return labels
    if not renderer.has_mask:
        tally.notes["only_the_completion_as_a_whole_is_learned"] += 1
        return labels
    mask = renderer.mask(talk)
    return [
        token if m and (from_start or label != IGNORED) else IGNORED
        for token, m, label in zip(ids, mask, labels, strict=True)
    ]


def _note_hidden(tally: _Tally, renderer: Renderer, row: Row, messages: Sequence[Row]) -> None:
    """Count what the row holds and the template does not show."""
    if any(m.get("thinking") for m in messages) and renderer.thinking_key is None:
        tally.notes["thinking_is_not_shown_by_the_template"] += 1
    if any(m.get("tool_calls") for m in messages) and not renderer.shows_calls:
        tally.notes["tool_calls_are_not_shown_by_the_template"] += 1
    if row.get("tools") and not renderer.shows_tools:
        tally.notes["tools_are_not_shown_by_the_template"] += 1


def _closed(
    kept: list[T],
    tally: _Tally,
    given: Sequence[Row],
    settings: TrainerSettings,
    *,
    refuse: bool = True,
) -> Prepared[T]:
    """Return the prepared rows, unless too few are left."""
    report = tally.report(len(given))
    lost = report.rows - report.kept - sum(report.dropped.get(reason, 0) for reason in ("tie", "weight_zero"))
    if refuse and (not kept or lost > MOST_DROPPED * report.rows):
        reasons = ", ".join(f"{name} {n}" for name, n in report.dropped.items()) or "no rows were given"
        longest = f"; the longest row has {report.tokens['max']} tokens, max_length is {settings.max_length}"
        raise TrainingError(
            f"{tally.trainer}: {lost} of {report.rows} rows would be dropped ({reasons}){longest}. At most "
            f"{MOST_DROPPED:.0%} may be dropped: raise max_length, or take other rows"
        )
    return Prepared(kept, tally.places, report)


def _sides(row: Row, i: int) -> _Parts:
    return _messages(row, "prompt", i), [_messages(row, side, i) for side in ("chosen", "rejected")]


def _split(row: Row, i: int) -> _Parts:
    """Return prompt and completion of a row; the completion of `messages` is its last turn."""
    if "messages" not in row:
        return _messages(row, "prompt", i), [_messages(row, "completion", i)]
    messages = _messages(row, "messages", i)
    if len(messages) < 2 or messages[-1].get("role") != "assistant":
        roles = " ".join(str(m.get("role")) for m in messages) or "none"
        raise DataError([Problem(f"row {i + 1}: messages", f"expected turns that end with assistant, found {roles}")])
    return messages[:-1], [messages[-1:]]


def _messages(row: Row, column: str, i: int) -> list[Row]:
    """Return a column's messages. A completion opens with the assistant's turn."""
    place = f"row {i + 1}: {column}"
    value = row.get(column)
    if not isinstance(value, list | tuple) or not value or not all(isinstance(m, Mapping) for m in value):
        shape = "absent" if value is None else "empty" if value in ([], ()) else type(value).__name__
        raise DataError([Problem(place, f"expected a list of messages (role, content), found {shape}")])
    if column not in ("prompt", "messages") and value[0].get("role") != "assistant":
        raise DataError([Problem(place, f"expected to open with assistant, found {value[0].get('role')!r}")])
    return list(value)


def _talk(renderer: Renderer, row: Row, messages: Sequence[Row], i: int, *, is_prompt: bool = False) -> Conversation:
    return renderer.conversation(row, messages, is_prompt=is_prompt, place=f"row {i + 1}")


def _says(message: Row) -> bool:
    content = message.get("content")
    if isinstance(content, list | tuple):
        content = "".join(str(part.get("text") or "") for part in content if isinstance(part, Mapping))
    return bool((content or "").strip() or message.get("tool_calls"))


def _column(
    rows: Sequence[Row], name: str, absent: float | None, fits: Callable[[float], bool], expected: str
) -> NDArray[np.float64]:
    values, problems = np.ones(len(rows)), list[Problem]()
    for i, row in enumerate(rows):
        value = row.get(name)
        value = absent if value is None else value
        if is_number(value) and fits(value):
            values[i] = value
        else:
            shown = "none, and other rows have one" if value is None else repr(value)
            problems.append(Problem(f"row {i + 1}: {name}", f"expected {expected}, found {shown}"))
    if problems:
        raise DataError(problems)
    return values


def is_number(value: Any) -> TypeGuard[float]:
    """Return True for a number that a float can hold: JSON has whole numbers of any size."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False
