"""Two conversations that begin alike, told apart: what both were asked, and how each went on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

Turns = list[dict[str, Any]]


class Parted(NamedTuple):
    """The common beginning up to the first answer, and the two ways on from there; each a list of turns."""

    prompt: Turns
    a: Turns
    b: Turns


def turns_in(cell: Any) -> Turns | None:
    """A cell as turns with role and content, from a list or the JSON text of one; None where it is neither."""
    if isinstance(cell, str) and cell.lstrip().startswith("["):
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            return None
    if not isinstance(cell, list) or not cell:
        return None
    if not all(isinstance(turn, dict) and "role" in turn for turn in cell):
        return None
    return [_plain(turn) for turn in cell]


def _plain(turn: dict[str, Any]) -> dict[str, Any]:
    """A turn without empty keys; content that is nothing but one text part becomes the text."""
    kept = {key: value for key, value in turn.items() if value is not None}
    parts = kept.get("content")
    if isinstance(parts, list) and len(parts) == 1 and isinstance(parts[0], dict) and parts[0].get("type") == "text":
        kept["content"] = str(parts[0].get("text") or "")
    return {key: kept[key] for key in ("role", "content", "tool_calls", "name", "tool_call_id") if key in kept}


def part(a: Sequence[dict[str, Any]], b: Sequence[dict[str, Any]]) -> Parted | None:
    """The two parted at the first turn in which they differ; None where they do not begin with the same question."""
    same = 0
    while same < min(len(a), len(b)) and a[same] == b[same]:
        same += 1
    while same and a[same - 1]["role"] == "assistant":  # an answer that both gave belongs to both
        same -= 1
    if same == min(len(a), len(b)):  # one holds nothing else: all after the last question is its answer
        same = max((i for i in range(same) if a[i]["role"] != "assistant"), default=-1) + 1
    if not same:
        return None
    return Parted(list(a[:same]), list(a[same:]), list(b[same:]))


def alternating(questions: Any, answers: Any) -> Turns | None:
    """Lists of questions and of answers, or the JSON texts of them, as the turns of one conversation."""
    asked, answered = _texts_in(questions), _texts_in(answers)
    if asked is None or answered is None or len(asked) != len(answered):
        return None
    return [
        turn
        for question, answer in zip(asked, answered, strict=True)
        for turn in ({"role": "user", "content": question}, {"role": "assistant", "content": answer})
    ]


def _texts_in(cell: Any) -> list[str] | None:
    if isinstance(cell, str) and cell.lstrip().startswith('["'):
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            return None
    if isinstance(cell, list) and cell and all(isinstance(text, str) for text in cell):
        return cell
    return None
