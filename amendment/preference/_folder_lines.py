"""Judges in words: what a folder says, and what leads from one to another, as a diff of the plain files shows it."""

from __future__ import annotations

import difflib
import json
from typing import Any

from amendment.preference._folder import JudgeFolder

__all__ = ["diff_judges", "judge_lines", "judge_values"]

_HEADS = ("id", "version", "protocol", "unit", "scale", "parser", "sees", "shots")


def judge_values(folder: JudgeFolder) -> dict[str, Any]:
    """Everything that a judge says, as JSON values, with its hash."""
    return {
        **{name: getattr(folder, name) for name in _HEADS},
        "criteria": [one.model_dump(mode="json") for one in folder.criteria],
        "templates": {use: template.text for use, template in folder.templates.items()},
        "hash": folder.hash,
    }


def judge_lines(folder: JudgeFolder) -> list[str]:
    """What a judge says, for people: its keys, its hash, its criteria and its texts."""
    lines = [*_texts(folder)["judge.yaml"], f"hash: {folder.hash}"]
    for use, template in folder.templates.items():
        lines += ["", f"--- {use}", *template.text.splitlines()]
    return lines


def diff_judges(before: JudgeFolder, after: JudgeFolder) -> list[str]:
    """What leads from one judge to another, as the lines of a unified diff; none where they say the same."""
    old, new = _texts(before), _texts(after)
    lines: list[str] = []
    for name in dict.fromkeys((*old, *new)):
        from_, to = (f"{one.id}@{one.version} {name}" for one in (before, after))
        lines += difflib.unified_diff(old.get(name, []), new.get(name, []), from_, to, lineterm="", n=1)
    return lines


def _texts(folder: JudgeFolder) -> dict[str, list[str]]:
    """A judge in parts, each in lines."""
    heads = [f"{name}: {json.dumps(getattr(folder, name)).strip(chr(34))}" for name in _HEADS]
    criteria = [f"criterion {one.id}: {one.model_dump(mode='json', exclude={'id'})}" for one in folder.criteria]
    texts = {use: template.text.splitlines() for use, template in folder.templates.items()}
    return {"judge.yaml": [*heads, *criteria], **texts}
