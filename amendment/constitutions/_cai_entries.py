"""Single entries of the prompt files of the Constitutional AI paper: read, with their place, and written.

Markers (`CritiqueRequest:`, `Options:`, `Human:`) are no text that a model of ours reads: they are taken off on the way
in and put on on the way out.
"""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple

from amendment.constitutions._foreign import Problems, list_at, mapping_at, problem, text_at
from amendment.constitutions._worked import Talk, join_turns, prompt_turns, split_turns

__all__ = [
    "Plain",
    "Reasoned",
    "Requests",
    "plain_comparison",
    "plain_comparison_entry",
    "question",
    "question_entry",
    "reasoned_comparison",
    "requests",
    "requests_entry",
    "transcript",
    "transcript_entry",
]

_STEPS = ("CritiqueRequest", "Critique", "RevisionRequest", "Revision")
_FIRST = re.compile(r"\(A\)\s*\[\[\[")
_SECOND = re.compile(r"\]\]\]\s*\(B\)\s*\[\[\[")
_VERDICT = re.compile(r"\(([AB])\)\W*$")
_SLOT = "{}"


class Requests(NamedTuple):
    """Requests for a critique, and the request for a revision."""

    critique: tuple[str, ...]
    revise: str


def requests(entry: Any, place: str) -> Requests:
    """Of `{"prompt": ["CritiqueRequest: ... Critique:"], "edit_request": "RevisionRequest: ... Revision:"}`."""
    pair, problems = mapping_at(entry, place, "prompt", "edit_request"), Problems()
    texts = problems.attempt(lambda: list_at(pair["prompt"], f"{place}.prompt")) or []
    critique = problems.each(texts, f"{place}.prompt", lambda text, at: _between(text, at, *_STEPS[:2]))
    revise = problems.attempt(lambda: _between(pair["edit_request"], f"{place}.edit_request", *_STEPS[2:]))
    problems.check()
    return Requests(tuple(critique), revise or "")


def requests_entry(asked: Requests) -> dict[str, Any]:
    return {
        "prompt": [f"\n\nCritiqueRequest: {text}\n\nCritique:" for text in asked.critique],
        "edit_request": f"\n\nRevisionRequest: {asked.revise}\n\nRevision:",
    }


def _between(value: Any, place: str, first: str, last: str) -> str:
    text = text_at(value, place).strip().removeprefix(f"{first}:").removesuffix(f"{last}:").strip()
    return text_at(text, place)


def question(entry: Any, place: str) -> str:
    """Of `... Options:`."""
    return text_at(text_at(entry, place).strip().removesuffix("Options:").strip(), place)


def question_entry(text: str) -> str:
    return f"\n{text} Options:"


def transcript(entry: Any, place: str) -> Talk:
    """Of a talk in one text, with a critique and a revision at its end."""
    rest, parts = text_at(entry, place), []
    for step in _STEPS:
        part, found, rest = rest.partition(f"\n\n{step}:")
        if not found:
            raise problem(place, f"there is no '{step}:', expected {', '.join(_STEPS)} in this order")
        parts.append(part.strip())
    turns = split_turns(parts[0])
    if turns is None or len(turns) % 2:
        raise problem(place, "expected 'Human:' and 'Assistant:' by turns before the request for a critique")
    revision = rest.strip().removesuffix("\n\nHuman:").strip()
    if not all((*parts, revision)):
        raise problem(place, f"found nothing behind one of {', '.join(_STEPS)}, expected text")
    return Talk(join_turns(turns[:-1]), turns[-1], parts[1], parts[2], parts[3], revision)


def transcript_entry(talk: Talk) -> str:
    steps = "".join(f"\n\n{step}: {text}" for step, text in zip(_STEPS, talk[2:], strict=True))
    return f"{_asked(talk.prompt)} {talk.response}{steps}\n\nHuman:"


def _asked(prompt: str) -> str:
    """The prompt with its speakers, up to the place where the answer begins."""
    turns = prompt_turns(prompt)
    speakers = ("Human", "Assistant")
    return "".join(f"\n\n{speakers[index % 2]}: {turn}" for index, turn in enumerate(turns)) + "\n\nAssistant:"


class Plain(NamedTuple):
    """A worked comparison without places: which answer stands first is not told."""

    prompt: str
    better: str
    worse: str


def plain_comparison(entry: Any, place: str) -> Plain:
    """Of `{"prompt": ..., "corrects": [...], "incorrects": [...]}`, with the first of each."""
    example, problems = mapping_at(entry, place, "prompt", "corrects", "incorrects"), Problems()
    prompt = problems.attempt(lambda: _prompt(example["prompt"], f"{place}.prompt"))
    better = problems.attempt(lambda: _first(example["corrects"], f"{place}.corrects"))
    worse = problems.attempt(lambda: _first(example["incorrects"], f"{place}.incorrects"))
    problems.check()
    return Plain(prompt or "", *_different(better or "", worse or "", place))


def _first(value: Any, place: str) -> str:
    return text_at(list_at(value, place)[0], f"{place}[0]").strip()


def _prompt(value: Any, place: str) -> str:
    talk = text_at(value, place).strip().removesuffix("Assistant:").strip()
    turns = split_turns(talk)
    return text_at(join_turns(turns) if turns else talk, place)


def _different(one: str, other: str, place: str) -> tuple[str, str]:
    if one == other:
        raise problem(place, "the better and the worse answer are the same text")
    return one, other


def plain_comparison_entry(example: Plain) -> dict[str, Any]:
    return {"prompt": _asked(example.prompt), "corrects": [example.better], "incorrects": [example.worse]}


class Reasoned(NamedTuple):
    """A worked comparison in places, without the reasoning."""

    prompt: str
    a: str
    b: str
    answer: Literal["A", "B"]


def reasoned_comparison(entry: Any, place: str) -> Reasoned:
    """Of a talk about `{}` with answers in triple brackets, some reasoning, and `(A)` or `(B)` at the end."""
    text = text_at(mapping_at(entry, place, "prompt")["prompt"], f"{place}.prompt")
    head, slot, rest = text.partition(_SLOT)
    answers, verdict = _answers(rest), _VERDICT.search(rest[-80:])
    if not slot or answers is None or verdict is None:
        expected = "expected a slot {}, the answers as (A) [[[...]]] and (B) [[[...]]], and at the end (A) or (B)"
        raise problem(f"{place}.prompt", f"found no worked comparison: {expected}")
    a, b = (text_at(answer, f"{place}.prompt").strip() for answer in answers)
    answer: Literal["A", "B"] = "A" if verdict[1] == "A" else "B"
    return Reasoned(_prompt(_quoted_talk(head), f"{place}.prompt"), *_different(a, b, place), answer)


def _answers(text: str) -> tuple[str, str] | None:
    """The two answers in triple brackets, found step by step so that no text makes the search long."""
    first = _FIRST.search(text)
    second = _SECOND.search(text, first.end()) if first else None
    end = text.find("]]]", second.end()) if second else -1
    return (text[first.end() : second.start()], text[second.end() : end]) if first and second and end >= 0 else None


def _quoted_talk(head: str) -> str:
    """The conversation that a question speaks about, without the words that introduce it."""
    _, found, talk = head.partition("\n\nH:")
    spoken = re.sub(r"\n\n([HA]):", lambda who: f"\n\n{'Human' if who[1] == 'H' else 'Assistant'}:", f"\n\nH:{talk}")
    return spoken.strip() if found else head.strip()
