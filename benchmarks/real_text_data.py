"""Pairs of real text in one form: PandaLM's, those of hh-harmless and LLMBar's, and how they are split.

A pair belongs to a group, and what is trained on and what is measured never share one: the first human turn of a
dialogue of hh-harmless (two of its dialogues may begin alike), the instruction and input of PandaLM and of LLMBar.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from reward_pandalm import majority_pairs

DATASETS = ("hh-harmless", "pandalm", "llmbar")
_TURN = re.compile(r"\n\n(Human|Assistant): ?")
_ROLES = {"Human": "user", "Assistant": "assistant"}
Message = dict[str, str]


class TextPair(NamedTuple):
    """Two answers to one conversation, and which of them people prefer."""

    prompt: tuple[Message, ...]
    """The conversation up to the answer; its last turn is a user's."""
    chosen: str
    rejected: str
    group: str
    """What may not be split: pairs of one group are trained on together, or measured together."""
    p_people: float = 1.0
    """Share of people for `chosen`, ties half."""


def load_pairs(dataset: str, data: Path) -> list[TextPair]:
    """The pairs of one of `DATASETS`, below the folder `data`, in the order of their file."""
    match dataset:
        case "hh-harmless":
            with gzip.open(data / dataset / "pairs.jsonl.gz", "rt", encoding="utf-8") as lines:
                pairs = [_dialogues(**json.loads(line)) for line in lines]
            return [pair for pair in pairs if pair]
        case "pandalm":
            rows = majority_pairs(json.loads((data / dataset / "testset-v1.json").read_text(encoding="utf-8")))
            return [_single_turn(row["prompt"], row["chosen"], row["rejected"], row["p_people"]) for row in rows]
        case "llmbar":
            files = sorted((data / dataset).glob("dataset__LLMBar__Adversarial__*.json"))
            items = [item for file in files for item in json.loads(file.read_text(encoding="utf-8"))]
            return [_llmbar(**item) for item in items]
    raise ValueError(f"expected one of {', '.join(DATASETS)}, found {dataset!r}")


def _dialogues(chosen: str, rejected: str) -> TextPair | None:
    """A pair of hh-harmless, or None where the dialogues differ before their last turn."""
    *prompt, answer = _turns(chosen)
    *other_prompt, other = _turns(rejected)
    if prompt != other_prompt or answer["role"] != "assistant" or other["role"] != "assistant":
        return None
    return TextPair(tuple(prompt), answer["content"], other["content"], prompt[0]["content"])


def _turns(dialogue: str) -> list[Message]:
    """The messages of `\\n\\nHuman: ... \\n\\nAssistant: ...`."""
    _, *parts = _TURN.split(dialogue)
    return [
        {"role": _ROLES[speaker], "content": text.strip()}
        for speaker, text in zip(parts[::2], parts[1::2], strict=True)
    ]


def _llmbar(input: str, output_1: str, output_2: str, label: int) -> TextPair:
    sides = (output_1, output_2) if label == 1 else (output_2, output_1)
    return _single_turn(input, *sides, 1.0)


def _single_turn(prompt: str, chosen: str, rejected: str, p_people: float) -> TextPair:
    return TextPair(({"role": "user", "content": prompt},), chosen, rejected, prompt, p_people)


def split_by_group(groups: Sequence[str], sizes: Sequence[int], seed: int) -> list[list[int]]:
    """Disjoint sets of rows that share no group: the first of `sizes[0]` rows, and so on, and last all other rows.

    Groups come in an order drawn by `seed`, and fill one set after the other; a group that is larger than the room
    left in a set goes to a later set, so that the sets have exactly their sizes wherever single rows remain.
    """
    rows_of: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        rows_of.setdefault(group, []).append(row)
    names = sorted(rows_of)
    waiting = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    sets: list[list[int]] = []
    for size in sizes:
        taken: list[int] = []
        left = []
        for name in waiting:
            if len(taken) + len(rows_of[name]) <= size:
                taken += rows_of[name]
            else:
                left.append(name)
        sets.append(taken)
        waiting = left
    return [*sets, [row for name in waiting for row in rows_of[name]]]
