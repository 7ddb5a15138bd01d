"""How a persona of the simulated world answers when it is asked which rule is missing.

It reads the pairs, never the prose around them, and writes sentences of the `lilliput` constitution: of others the
simulated judge understands nothing. Rules that stand already are known by the same sentences.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from amendment.constitutions import load_constitution
from amendment.llm._scene import Line, Scene, principles_in, text_in, turns_in
from amendment.simulator import PRINCIPLES, Preferred, propose_attributes

__all__ = ["BLOCK", "propose"]

BLOCK = "disagreements"
"""By which the question is known."""


def propose(scene: Scene) -> Line:
    """Rules as JSON; a list without any where the pairs show none."""
    stand = {reference.rpartition("/")[2] for reference in principles_in(" ".join(_statements(scene.blocks)))}
    known = {attribute for name in stand for attribute in PRINCIPLES.get(name, {})}
    found = propose_attributes(list(_pairs(scene.blocks[BLOCK])), known=known, persona=scene.persona, rng=scene.rng)
    rules = load_constitution("lilliput")
    written = [rules.principle(_principle_of(attribute)) for attribute in found]
    return Line(json.dumps([{"statement": one.statement, "compare": one.compare[0]} for one in written]))


def _principle_of(attribute: str) -> str:
    """The principle that speaks of an attribute most."""
    return max(PRINCIPLES, key=lambda name: PRINCIPLES[name].get(attribute, 0.0))


def _statements(blocks: Any) -> Iterator[str]:
    listed = blocks.get("rules")
    for one in listed if isinstance(listed, list) else []:
        if isinstance(one, dict) and isinstance(one.get("statement"), str):
            yield one["statement"]


def _pairs(value: Any) -> Iterator[Preferred]:
    for one in value if isinstance(value, list) else []:
        if isinstance(one, dict):
            asked = turns_in({"conversation": one.get("conversation")}) or [""]
            yield Preferred(asked[-1], text_in(one.get("preferred")), text_in(one.get("other")))
