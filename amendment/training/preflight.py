"""What happens to each row before a trainer sees it, counted, so that no row is lost in silence.

TRL drops over-long pairs for the reward model, cuts them for DPO, and learns nothing from two equal
answers, all without a word. Here every row is kept, cut or dropped by our own rule, with its reason.
Promised: rows = kept + dropped; the trainers take what is kept as it is.
Not covered: whether a row is worth training on (see `curation`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from amendment.errors import DataError, Problem, TrainingError
from amendment.training.rendering import Conversation, Renderer
from amendment.training.settings import TrainerSettings

__all__ = [
    "Prepared",
    "Report",
    "TokenPair",
    "TokenRow",
    "common_prefix",
    "prepare_pairs",
    "prepare_rows",
    "render_completions",
]

Row = Mapping[str, Any]
T = TypeVar("T")
IGNORED = -100
"""Label of a token that the loss leaves out."""


class TokenRow(NamedTuple):
    """A row for supervised fine-tuning: one label per token, `IGNORED` outside the completion."""

    input_ids: list[int]
    labels: list[int]


class TokenPair(NamedTuple):
    """A preference pair: `prompt_ids + chosen_ids` and `prompt_ids + rejected_ids` are the two sequences."""

    prompt_ids: list[int]
    chosen_ids: list[int]
    rejected_ids: list[int]


@dataclass(frozen=True, kw_only=True)
class Report:
    """The preflight table of one trainer."""

    trainer: str
    rows: int
    kept: int
    dropped: dict[str, int]
    """By reason: over_length, identical, identical_after_truncation, empty_completion, prompt_fills_max_length."""
    truncated: int
    notes: dict[str, int]
    """Rows that are kept and of which something has to be known, by what it is."""
    tokens: dict[str, int]
    """p50, p99 and max of the longer sequence of each row, before anything was cut."""
    by_category: dict[str, dict[str, int]]
    """Rows and kept rows of each category; rows without one stand under the empty name."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Prepared(NamedTuple, Generic[T]):
    """Rows in token ids, where each came from, and the table."""

    rows: list[T]
    places: list[int]
    """Position of each kept row among the rows that were given."""
    report: Report


@dataclass
class _Tally:
    """The table while it is filled."""

    trainer: str
    dropped: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    truncated: int = 0
    lengths: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)

    def report(self, rows: Sequence[Row], renderer: Renderer) -> Report:
        if renderer.control_texts:
            self.notes["texts_with_control_tokens_made_harmless"] = renderer.control_texts
        table: dict[str, dict[str, int]] = {}
        for row in rows:
            table.setdefault(str(row.get("category") or ""), {"rows": 0, "kept": 0})["rows"] += 1
        for place in self.places:
            table[str(rows[place].get("category") or "")]["kept"] += 1
        return Report(
            trainer=self.trainer,
            rows=len(rows),
            kept=len(self.places),
            dropped=dict(sorted(self.dropped.items())),
            truncated=self.truncated,
            notes=dict(sorted(self.notes.items())),
            tokens=_quantiles(self.lengths),
            by_category=dict(sorted(table.items())),
        )


def prepare_rows(rows: Iterable[Row], renderer: Renderer, settings: TrainerSettings) -> Prepared[TokenRow]:
    """Rows with `messages`, or with `prompt` and `completion`, for supervised fine-tuning.

    The loss is on the completion. Of `messages`, every assistant turn is learned where the template marks
    them, and the last one otherwise (noted). Raises DataError for rows that cannot be read, TrainingError
    when more than `settings.max_dropped` of the rows, or all of them, are dropped.
    """
    given, tally, kept = list(rows), _Tally("sft"), list[TokenRow]()
    splits = [_split(row, i) for i, row in enumerate(given)]
    prompts = [
        _talk(renderer, row, prompt, i, True) for i, (row, (prompt, _)) in enumerate(zip(given, splits, strict=True))
    ]
    wholes = [_talk(renderer, row, [*p, *c], i) for i, (row, (p, c)) in enumerate(zip(given, splits, strict=True))]
    prompt_ids, whole_ids = renderer.ids(prompts), renderer.ids(wholes)
    for i, row in enumerate(given):
        _note_hidden(tally, renderer, row, [*splits[i][0], *splits[i][1]])
        start = common_prefix(prompt_ids[i], whole_ids[i])
        tally.notes += Counter(prompt_is_not_a_prefix=int(start < len(prompt_ids[i])))
        labels = [IGNORED] * start + whole_ids[i][start:]
        if "messages" in row or len(splits[i][1]) > 1:
            labels = _every_turn(tally, renderer, wholes[i], whole_ids[i], labels, from_start="messages" in row)
        if reason := _fate(tally, settings, [whole_ids[i]], start, _is_empty(splits[i][1])):
            tally.dropped[reason] += 1
            continue
        kept.append(TokenRow(whole_ids[i][: settings.max_length], labels[: settings.max_length]))
        tally.places.append(i)
    return _closed(kept, tally, given, renderer, settings)


def prepare_pairs(
    pairs: Iterable[Row], renderer: Renderer, settings: TrainerSettings, *, trainer: str, refuse: bool = True
) -> Prepared[TokenPair]:
    """Rows with `prompt`, `chosen` and `rejected` for a reward model or DPO. Raises as `prepare_rows` does.

    Without `refuse`, for evaluation, any number of rows may be dropped.
    """
    given, tally, kept = list(pairs), _Tally(trainer), list[TokenPair]()
    sides = ("prompt", "chosen", "rejected")
    read = [{side: _messages(row, side, i) for side in sides} for i, row in enumerate(given)]
    prompts = [_talk(renderer, row, read[i]["prompt"], i, True) for i, row in enumerate(given)]
    both = [
        [_talk(renderer, row, [*read[i]["prompt"], *read[i][side]], i) for i, row in enumerate(given)]
        for side in sides[1:]
    ]
    prompt_ids, chosen_ids, rejected_ids = (renderer.ids(talks) for talks in (prompts, *both))
    for i, row in enumerate(given):
        _note_hidden(tally, renderer, row, [m for side in sides for m in read[i][side]])
        start = min(common_prefix(prompt_ids[i], ids[i]) for ids in (chosen_ids, rejected_ids))
        tally.notes += Counter(prompt_is_not_a_prefix=int(start < len(prompt_ids[i])))
        empty = _is_empty(read[i]["chosen"]) or _is_empty(read[i]["rejected"])
        if reason := _fate(tally, settings, [chosen_ids[i], rejected_ids[i]], start, empty):
            tally.dropped[reason] += 1
            continue
        chosen, rejected = (ids[i][start : settings.max_length] for ids in (chosen_ids, rejected_ids))
        kept.append(TokenPair(prompt_ids[i][:start], chosen, rejected))
        tally.places.append(i)
    return _closed(kept, tally, given, renderer, settings, refuse=refuse)


def render_completions(rows: Iterable[Row], renderer: Renderer) -> list[list[int]]:
    """Token ids of `prompt` and `completion` of each row as the reward model reads them, in full length."""
    given = list(rows)
    sides = [[*_messages(row, "prompt", i), *_messages(row, "completion", i)] for i, row in enumerate(given)]
    return renderer.ids(_talk(renderer, row, sides[i], i) for i, row in enumerate(given))


def common_prefix(ids: Sequence[int], others: Sequence[int]) -> int:
    """How many leading tokens two sequences share."""
    for place, (a, b) in enumerate(zip(ids, others, strict=False)):
        if a != b:
            return place
    return min(len(ids), len(others))


def _fate(
    tally: _Tally, settings: TrainerSettings, sequences: Sequence[list[int]], start: int, is_empty: bool
) -> str | None:
    """Why a row is dropped, or None. Counts its length and whether it is cut."""
    longest, limit = max(len(ids) for ids in sequences), settings.max_length
    tally.lengths.append(longest)
    if is_empty or any(len(ids) == start for ids in sequences):
        return "empty_completion"
    if len(sequences) == 2 and sequences[0] == sequences[1]:
        return "identical"
    if longest <= limit:
        return None
    reason = _fate_of_long(settings, sequences, start)
    tally.truncated += reason is None
    return reason


def _fate_of_long(settings: TrainerSettings, sequences: Sequence[list[int]], start: int) -> str | None:
    """Why a row over `max_length` is dropped, or None where it is cut."""
    limit = settings.max_length
    if settings.over_length == "drop":
        return "over_length"
    if start >= limit:
        return "prompt_fills_max_length"
    if len(sequences) == 2 and sequences[0][:limit] == sequences[1][:limit]:
        return "identical_after_truncation"
    return None


def _every_turn(
    tally: _Tally, renderer: Renderer, talk: Conversation, ids: list[int], labels: list[int], *, from_start: bool
) -> list[int]:
    """Labels on what the assistant wrote, in all turns or in those of the completion."""
    if sum(m["role"] == "assistant" for m in talk.messages) < 2 and from_start:
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
    if renderer.thinking_key is None and any(m.get("thinking") for m in messages):
        tally.notes["thinking_is_not_shown_by_the_template"] += 1
    if any(m.get("tool_calls") for m in messages) and not renderer.shows_calls:
        tally.notes["tool_calls_are_not_shown_by_the_template"] += 1
    if row.get("tools") and not renderer.shows_tools:
        tally.notes["tools_are_not_shown_by_the_template"] += 1


def _closed(
    kept: list[T],
    tally: _Tally,
    given: Sequence[Row],
    renderer: Renderer,
    settings: TrainerSettings,
    *,
    refuse: bool = True,
) -> Prepared[T]:
    """The prepared rows, unless too few are left."""
    report = tally.report(given, renderer)
    lost = report.rows - report.kept
    if refuse and (not kept or lost > settings.max_dropped * report.rows):
        reasons = ", ".join(f"{name} {n}" for name, n in report.dropped.items()) or "no rows were given"
        longest = f"; the longest row has {report.tokens['max']} tokens, max_length is {settings.max_length}"
        raise TrainingError(
            f"{tally.trainer}: {lost} of {report.rows} rows would be dropped ({reasons}){longest}. At most "
            f"{settings.max_dropped:.0%} may be: mend the rows, or set max_length, over_length or max_dropped"
        )
    return Prepared(kept, tally.places, report)


def _split(row: Row, i: int) -> tuple[list[Row], list[Row]]:
    """Prompt and completion of a row; the completion of `messages` is its last turn."""
    if "messages" not in row:
        return _messages(row, "prompt", i), _messages(row, "completion", i)
    messages = _messages(row, "messages", i)
    if len(messages) < 2 or messages[-1].get("role") != "assistant":
        found = " ".join(str(m.get("role")) for m in messages) or "none"
        raise DataError([Problem(f"row {i + 1}: messages", f"expected turns that end with assistant, found {found}")])
    return messages[:-1], messages[-1:]


def _messages(row: Row, column: str, i: int) -> list[Row]:
    """A column's messages. A completion opens with the assistant's turn."""
    place, value = f"row {i + 1}: {column}", row.get(column)
    if not isinstance(value, list | tuple) or not value or not all(isinstance(m, Mapping) for m in value):
        shape = "absent" if value is None else "empty" if value in ([], ()) else type(value).__name__
        raise DataError([Problem(place, f"expected a list of messages (role, content), found {shape}")])
    if column not in ("prompt", "messages") and value[0].get("role") != "assistant":
        raise DataError([Problem(place, f"expected to open with assistant, found {value[0].get('role')!r}")])
    return list(value)


def _talk(renderer: Renderer, row: Row, messages: Sequence[Row], i: int, is_prompt: bool = False) -> Conversation:
    return renderer.conversation(row, messages, is_prompt=is_prompt, place=f"row {i + 1}")


def _is_empty(completion: Sequence[Row]) -> bool:
    """The assistant says nothing and calls nothing."""
    return not any(_says(m) for m in completion if m.get("role") == "assistant")


def _says(message: Row) -> bool:
    content = message.get("content")
    if isinstance(content, list | tuple):
        content = "".join(str(part.get("text") or "") for part in content if isinstance(part, Mapping))
    return bool((content or "").strip() or message.get("tool_calls"))


def _quantiles(lengths: Iterable[int]) -> dict[str, int]:
    """Of sorted lengths, the one at the share's place; nothing for no rows."""
    ordered = sorted(lengths)
    if not ordered:
        return {"p50": 0, "p99": 0, "max": 0}
    at = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {name: ordered[min(len(ordered) - 1, int(share * len(ordered)))] for name, share in at.items()}
