"""Worked critiques and revisions as other formats hold them: one talk, with the requests that were put in it.

Our examples name a principle where those hold the words of the request; a request that no principle has is told by
the original alone (see `_originals`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from amendment.constitutions._models import Constitution, CritiqueExample, Principle, ReviseExample

__all__ = [
    "STANDARD",
    "Standard",
    "Talk",
    "examples_of",
    "join_turns",
    "prompt_turns",
    "spelled_out",
    "split_turns",
    "talk_of",
    "with_critique",
]


class Standard(NamedTuple):
    """Requests that fit every principle, since models read its statement beside them."""

    critique: str = "Say where the answer keeps this principle and where it breaks it, and quote the words."
    revise: str = "Rewrite the answer so that it keeps this principle, and change nothing else."
    compare: str = "Which answer keeps this principle better?"


STANDARD = Standard()


def spelled_out(principle: Principle, text: str) -> str:
    """A request as it is read where nobody shows the principle beside it: a standard one behind the statement."""
    return f"{principle.statement} {text}" if text in STANDARD else text


_SPEAKER = re.compile(r"\n\n(Human|Assistant):")


class Talk(NamedTuple):
    """A worked example whole: what was asked and answered, and what was said of it at which request."""

    prompt: str
    response: str
    critique_request: str
    critique: str
    revision_request: str
    revision: str


def split_turns(text: str) -> list[str] | None:
    """What a person and the assistant said by turns, the person first; None where no speakers are marked so."""
    before, *marked = _SPEAKER.split(f"\n\n{text.strip()}")
    speakers, said = marked[::2], [each.strip() for each in marked[1::2]]
    expected = [("Human", "Assistant")[index % 2] for index in range(len(said))]
    return said if said and speakers == expected and not before and all(said) else None


def join_turns(turns: Sequence[str]) -> str:
    """A prompt of one turn as it is, of several with the speakers named."""
    if len(turns) == 1:
        return turns[0].strip()
    speakers = ("Human", "Assistant")
    return "\n\n".join(f"{speakers[index % 2]}: {turn}" for index, turn in enumerate(turns)).strip()


def prompt_turns(prompt: str) -> list[str]:
    """The turns of a prompt as `join_turns` made it."""
    turns = split_turns(prompt)
    return turns if turns and len(turns) > 1 and len(turns) % 2 else [prompt]


def examples_of(talk: Talk, principles: Sequence[Principle]) -> tuple[CritiqueExample, ReviseExample]:
    """The talk as examples, about the principle whose requests it holds, or whose request for a critique."""
    own = [one for one in principles if _asks(one, one.critique, talk.critique_request)]
    best = [one for one in own if _asks(one, one.revise, talk.revision_request)] or own
    about = best[0].id if best else None
    seen = {"prompt": talk.prompt, "response": talk.response, "critique": talk.critique, "principle": about}
    return CritiqueExample.model_validate(seen), ReviseExample.model_validate(seen | {"revision": talk.revision})


def _asks(principle: Principle, texts: Sequence[str], request: str) -> bool:
    return any(request in (text, spelled_out(principle, text)) for text in texts)


def talk_of(example: ReviseExample, principles: Sequence[Principle]) -> Talk:
    """The example as a talk, with the first requests of its principle, or standard ones where it has none."""
    about = next((one for one in principles if one.id == example.principle and one.critique and one.revise), None)
    return Talk(
        prompt=example.prompt,
        response=example.response,
        critique_request=spelled_out(about, about.critique[0]) if about else STANDARD.critique,
        critique=example.critique or "",
        revision_request=spelled_out(about, about.revise[0]) if about else STANDARD.revise,
        revision=example.revision,
    )


def with_critique(constitution: Constitution) -> list[ReviseExample]:
    """The worked revisions that a talk can hold."""
    return [example for example in constitution.few_shot.revise if example.critique is not None]
