"""How a simulated judge answers by each protocol: one look at the answers, in the words that the question asks for.

Covered: comparisons (label probabilities, a verdict line, a reason first, probabilities after a reason of its own),
scores, criteria with ordered choices, yes or no about a violation or a refusal, rankings, and each of them as JSON by a
schema. What form is wanted is read from the blocks and from the words around them. A JSON answer is always readable, as
with servers that enforce the schema. Not covered: reference answers, which this judge does not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from amendment.llm._by_schema import by_schema
from amendment.llm._scene import Line, Scene, principles_in, text_in
from amendment.simulator import (
    PRINCIPLES,
    choice_of,
    grade,
    label_logprobs,
    prefer,
    rank,
    rationale,
    refusal_odds,
    score_logprobs,
    word_check,
    word_ranking,
    word_score,
    word_verdict,
)

__all__ = ["check", "compare", "grade_by_criteria", "grade_by_score", "is_check", "is_pool", "put_in_order"]

LABELS = ("A", "B")
"""First tokens of an answer to a comparison, as its blocks `answer_a` and `answer_b` name them."""
_RELIANCE = 2.0
"""Log-odds by which a judge leans to the answer that its own rationale argues for."""
_ARGUED = re.compile(r"\bAnswer ([AB])\b")
_REASONS_WANTED = re.compile(r"\byour reason(s|ing)\b|\breasons? first\b|\bstep by step\b", re.IGNORECASE)
_YES_OR_NO = '"Verdict: yes"'
"""Stands in a question that wants a yes or a no."""
_OF_REFUSAL = "Does this answer refuse?"
"""Stands in one that asks about no principle."""
_NO_CRITERIA = "I see no criteria to answer by."
_CHOICES = ("no", "yes")
"""Of a criterion that names none."""


def compare(scene: Scene) -> Line:
    """Two answers, `answer_a` and `answer_b`."""
    first, second = (text_in(scene.blocks[name]) for name in ("answer_a", "answer_b"))
    persona, rng = scene.persona, scene.rng
    log_odds = prefer(
        scene.prompt, first, second, principles=scene.principles, said=scene.said, persona=persona, rng=rng
    )
    log_odds += _RELIANCE * _argued_for(scene.question.said_since)
    if scene.shows and not scene.question.answer_schema:
        logprobs = label_logprobs(log_odds, LABELS)
        return Line(max(logprobs, key=logprobs.__getitem__), logprobs)
    if scene.question.answer_schema:
        return _structured_verdict(scene, log_odds)
    reasons = _wants_reasons(scene)
    said = word_verdict(log_odds, temperature=scene.temperature, persona=persona, rng=rng, reasons=reasons)
    is_decision_put_off = reasons and "Verdict:" not in scene.words
    return Line(said.splitlines()[0] if is_decision_put_off else said)


def _argued_for(said: str) -> int:
    """1 where a rationale of its own argues for the first answer, -1 for the second, 0 for neither or both."""
    labels = set(_ARGUED.findall(said))
    return ("A" in labels) - ("B" in labels)


def _wants_reasons(scene: Scene) -> bool:
    return bool(_REASONS_WANTED.search(scene.words))


def _structured_verdict(scene: Scene, log_odds: float) -> Line:
    persona = scene.persona.model_copy(update={"unreadable": 0.0})
    said = word_verdict(log_odds, temperature=scene.temperature, persona=persona, rng=scene.rng)
    verdict = said.rpartition(": ")[2]
    return _by_schema(scene, said, verdict=verdict, reasoning=rationale(verdict, scene.rng))


def grade_by_score(scene: Scene) -> Line:
    """One answer, `candidate`, on the scale 1 to 10."""
    found = _grade(scene, scene.principles)
    if scene.question.answer_schema:
        persona = scene.persona.model_copy(update={"unreadable": 0.0})
        reason, _, score = word_score(
            found, temperature=scene.temperature, persona=persona, rng=scene.rng, reasons=True
        ).rpartition("\n")
        return _by_schema(scene, score, score=int(score.rpartition(" ")[2]), reasoning=reason)
    if scene.shows:
        logprobs = score_logprobs(found)
        return Line(max(logprobs, key=logprobs.__getitem__), logprobs)
    reasons = _wants_reasons(scene)
    return Line(word_score(found, temperature=scene.temperature, persona=scene.persona, rng=scene.rng, reasons=reasons))


def _grade(scene: Scene, principles: Sequence[str]) -> float:
    said = text_in(scene.blocks["candidate"])
    return grade(scene.prompt, said, principles=principles, persona=scene.persona, rng=scene.rng)


def grade_by_criteria(scene: Scene) -> Line:
    """One answer, `candidate`, by each of the `criteria`: a line `criterion-id: choice` for each."""
    chosen = {
        name: choice_of(
            _grade(scene, _speaks_of(name, text) or scene.principles),
            choices,
            temperature=scene.temperature,
            rng=scene.rng,
        )
        for name, text, choices in _criteria(scene.blocks["criteria"])
    }
    said = "\n".join(f"{name}: {choice}" for name, choice in chosen.items()) or _NO_CRITERIA
    return _by_schema(scene, said, **chosen) if scene.question.answer_schema else Line(said)


def _speaks_of(name: str, text: str) -> tuple[str, ...]:
    """The principles that a criterion stands for: those whose sentences it holds, or the one that it is called by."""
    return principles_in(text) or ((name,) if name in PRINCIPLES else ())


def _criteria(value: Any) -> list[tuple[str, str, list[str]]]:
    """Id, text and choices, worst first, of each criterion in a block of any shape; what has no id is left out."""
    listed = value if isinstance(value, list) else []
    if isinstance(value, dict):
        listed = [{**(one if isinstance(one, dict) else {"text": one}), "id": name} for name, one in value.items()]
    return [
        (str(one["id"]), str(one.get("text", "")), _choices(one.get("choices")))
        for one in listed
        if isinstance(one, dict) and isinstance(one.get("id"), str)
    ]


def _choices(value: Any) -> list[str]:
    if isinstance(value, dict) and all(isinstance(worth, int | float) for worth in value.values()):
        value = sorted(value, key=value.__getitem__)
    found = [str(one) for one in value] if isinstance(value, list | dict) else []
    return found or list(_CHOICES)


def is_check(words: str) -> bool:
    """Whether a yes or a no is wanted."""
    return _YES_OR_NO in words


def check(scene: Scene) -> Line:
    """One answer, `candidate`: does it refuse, or else does it violate the principle."""
    persona = scene.persona
    if _OF_REFUSAL in scene.words:
        log_odds = refusal_odds(text_in(scene.blocks["candidate"]), persona=persona, rng=scene.rng)
    else:
        log_odds = -_grade(scene, scene.principles)
    schema = scene.question.answer_schema
    persona = persona.model_copy(update={"unreadable": 0.0}) if schema else persona
    said = word_check(log_odds, temperature=scene.temperature, persona=persona, rng=scene.rng)
    return _by_schema(scene, said, verdict=said.rpartition(": ")[2]) if schema else Line(said)


def is_pool(blocks: Mapping[str, Any]) -> bool:
    """Whether there are answers to be ranked."""
    return "answer_1" in blocks


def put_in_order(scene: Scene) -> Line:
    """The answers `answer_1` to `answer_k`: one line `Ranking: 2 > 1 = 3`."""
    shown: list[str] = []
    while (name := f"answer_{len(shown) + 1}") in scene.blocks:
        shown.append(text_in(scene.blocks[name]))
    groups = rank(
        scene.prompt,
        shown,
        principles=scene.principles,
        said=scene.said,
        persona=scene.persona,
        rng=scene.rng,
    )
    if scene.question.answer_schema:
        persona = scene.persona.model_copy(update={"unreadable": 0.0, "explains": 0.0})
        said = word_ranking(groups, persona=persona, rng=scene.rng)
        return _by_schema(scene, said, ranking=said.removeprefix("Ranking: "), reasoning="")
    return Line(word_ranking(groups, persona=scene.persona, rng=scene.rng))


def _by_schema(scene: Scene, said: str, **values: Any) -> Line:
    return Line(by_schema(scene.question.answer_schema or {}, said, values))
