"""A file whose shape is not known: what its columns hold, and a piece of run file to paste, with best guesses."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from amendment.errors import Problem
from amendment.pipeline.source_rows import SourceRows
from amendment.pipeline.verdict_files import word_of
from amendment.tables import Row
from amendment.terminal import plain

__all__ = ["no_prompt", "not_recognised"]

LOOKED_AT = 500
"""Rows from which guesses are made."""
SHOWN_COLUMNS = 40
PROMPT = ("prompt", "question", "instruction", "query", "input", "context", "task")
ITEM = ("item", "question_id", "qid", "id", "idx", "index", "item_id", "example_id", "pair_id", "comparison_id", "uid")
RATER = ("judge", "rater", "annotator", "annotator_id", "worker", "worker_id", "labeler", "evaluator", "user", "model")
CATEGORY = ("category", "subset", "domain", "topic", "task_type", "language")
ANSWERS = (
    ("a", "b"),
    ("response_a", "response_b"),
    ("answer_a", "answer_b"),
    ("output_a", "output_b"),
    ("text_a", "text_b"),
    ("completion_a", "completion_b"),
    ("response1", "response2"),
    ("response_1", "response_2"),
    ("answer1", "answer2"),
    ("answer_1", "answer_2"),
    ("output1", "output2"),
    ("output_1", "output_2"),
    ("response_0", "response_1"),
    ("left", "right"),
    ("chosen", "rejected"),
)
WORDS: dict[Literal["a", "b", "tie"], tuple[str, ...]] = {
    "a": ("a", "A", "1", "model_a", "response_a", "response_1", "left", "first", "chosen"),
    "b": ("b", "B", "2", "model_b", "response_b", "response_2", "right", "second", "rejected"),
    "tie": ("tie", "Tie", "0", "both", "same", "equal", "draw", "C"),
}


def not_recognised(
    found: SourceRows, wanted: Literal["candidates", "pairs", "verdicts"], *, file: str | None = None
) -> Problem:
    """What stands in the columns, and lines for the run file that say where the parts stand.

    Of a `file` that was named by itself the lines are a whole run file.
    """
    rows = found.rows[:LOOKED_AT]
    columns = list(found.columns)
    shown = [f"  {plain(name, longest=40)}: {_sample(rows, name)}" for name in columns[:SHOWN_COLUMNS]]
    if len(columns) > SHOWN_COLUMNS:
        shown.append(f"  and {len(columns) - SHOWN_COLUMNS} more columns")
    stubs = {"pairs": _pair_stub, "verdicts": _verdict_stub, "candidates": _candidate_stub}
    stub = stubs[wanted](rows, columns)
    advice = "say in the run file where the parts stand; a first guess to correct, to stand under the path:"
    if file is not None:
        advice = "save these lines, a first guess to correct, beside it as audit.yaml; then: amendment audit audit.yaml"
        stub = ["name: audit", f"{wanted}:", f"  - path: {json.dumps(file)}", *(f"    {line}" for line in stub)]
    told = [f"the columns are no shape that is known for {wanted}; they hold", *shown, f"  {advice}"]
    return Problem(found.place, "\n".join([*told, *(f"    {line}" for line in stub)]))


def no_prompt(found: SourceRows) -> Problem:
    """In one line: there is no column `prompt`, what there is, and which one it may be."""
    shown = [f"{plain(name, longest=40)} ({_sample(found.rows[:LOOKED_AT], name)})" for name in found.columns]
    more = f" and {len(shown) - 12} more" if len(shown) > 12 else ""
    guess = _named((*PROMPT, "text", "messages"), found.columns) or "COLUMN"
    told = (
        f"there are {', '.join(shown[:12])}{more}. Name it in the run file, such as column: {plain(guess, longest=40)}"
    )
    return found.rows[0].problem("prompt", f"no such column in any row; {told}")


def _sample(rows: Sequence[Row], name: str) -> str:
    """The first value of a column that is one, in short."""
    value = next((row.values[name] for row in rows if row.values.get(name) not in (None, "")), None)
    if value is None:
        return "(empty)"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return plain(text, longest=50)


def _candidate_stub(rows: Sequence[Row], columns: Sequence[str]) -> list[str]:
    answer = _named(("candidate", "response", "answer", "output", "completion", "text", "generation"), columns)
    model = _named(("model", "generator", "writer", "model_name", "who"), columns)
    named = {"prompt": _named(PROMPT, columns) or "...", "candidate": answer or "...", "model": model}
    return [f"columns: {_flow(named)}"]


class _Guess(NamedTuple):
    """Where the parts of comparisons seem to stand."""

    prompts: list[str]
    a: str | None
    b: str | None
    votes: list[str]
    words: dict[str, Any]


def _guess(rows: Sequence[Row], columns: Sequence[str]) -> _Guess:
    a, b = next((pair for pair in ANSWERS if set(pair) <= set(columns)), (None, None))
    prompts = [name for name in columns if name.lower() in PROMPT]
    votes = _votes(rows, [name for name in columns if name not in {a, b, *prompts}])
    said = {word_of(row.values.get(name)) for row in rows for name in votes} - {""}
    return _Guess(prompts, a, b, votes, _words(said))


def _one_or_all(names: Sequence[str]) -> Any:
    return names if len(names) > 1 else names[0] if names else None


def _pair_stub(rows: Sequence[Row], columns: Sequence[str]) -> list[str]:
    guess = _guess(rows, columns)
    named = {
        "prompt": _one_or_all(guess.prompts) or "...",
        "a": guess.a or "...",
        "b": guess.b or "...",
        "votes": guess.votes or ["..."],
        "category": _named(CATEGORY, columns),
    }
    words = {key: word for key, word in guess.words.items() if key != "invalid"}
    return [f"columns: {_flow(named)}", f"votes: {_flow(words)}"]


def _verdict_stub(rows: Sequence[Row], columns: Sequence[str]) -> list[str]:
    guess = _guess(rows, columns)
    votes = guess.votes
    rater = _named(RATER, [name for name in columns if name not in votes])
    named: dict[str, Any] = {
        "item": _named(ITEM, columns),
        "prompt": _one_or_all(guess.prompts),
        "a": guess.a,
        "b": guess.b,
        "verdict": votes[0] if len(votes) == 1 else None,
        "votes": votes if len(votes) > 1 else None,
        "rater": rater if len(votes) < 2 else None,
        "category": _named(CATEGORY, columns),
        "model_a": _named(("model_a", "model1", "model_1"), columns),
        "model_b": _named(("model_b", "model2", "model_2"), columns),
    }
    if named["item"] is None and guess.a is None:
        named |= {"prompt": named["prompt"] or "...", "a": "...", "b": "..."}
    if not votes:
        named["verdict"] = "..."
    return [
        f"columns: {_flow(named)}",
        f"words: {_flow(guess.words)}",
        "kind: person                        # person, model or verifier; or people: [PATTERN] for those that are",
    ]


def _votes(rows: Sequence[Row], columns: Iterable[str]) -> list[str]:
    """Columns with two to five different short words, all of which could be votes or that are called like one."""
    found = []
    known = {word for words in WORDS.values() for word in words}
    for name in columns:
        values = [row.values.get(name) for row in rows]
        if any(isinstance(value, list | dict) for value in values):
            continue
        said = {word_of(value) for value in values} - {""}
        is_called = any(part in name.lower() for part in ("verdict", "vote", "winner", "prefer", "annotator", "label"))
        if said and len(said) <= 5 and (said <= known or is_called) and not name.lower().endswith("id"):
            found.append(name)
    return found


def _words(said: Collection[str]) -> dict[str, Any]:
    """The words of a column of votes by meaning; those that could mean anything are left to the user."""
    found: dict[str, Any] = {}
    for meaning, words in WORDS.items():
        found[meaning] = next((word for word in words if word in said), None)
    rest = sorted(word for word in said if word not in found.values())
    found["invalid"] = rest[:3] or None
    return found if found["a"] and found["b"] else {"a": "...", "b": "...", **({"tie": "..."} if len(said) > 2 else {})}


def _named(names: Iterable[str], columns: Iterable[str]) -> str | None:
    """The first of these names that is a column, in whatever letters."""
    lower = {name.lower(): name for name in columns}
    return next((lower[name] for name in names if name in lower), None)


def _flow(values: Mapping[str, Any]) -> str:
    """A mapping in one line of YAML, absent values left out."""
    import yaml

    kept = {key: _typed(value) for key, value in values.items() if value is not None}
    text: str = yaml.safe_dump(kept, default_flow_style=True, sort_keys=False, allow_unicode=True, width=1_000_000)
    return plain(text.strip(), longest=1500)


def _typed(value: Any) -> Any:
    """Whole numbers without quotes, as people write them."""
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 6 else value
