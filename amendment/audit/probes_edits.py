"""Edits that change how an answer looks and nothing that it says.

Covered: text answers. An edit is the same on every machine, and an answer without words stays as it is: no edit makes
something of nothing. Not covered: edits that need a model, such as another tone or a broken step of a proof.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from amendment import probe_texts
from amendment.audit.probes_rewording import noise, paraphrase, typo

__all__ = ["CLAIMS", "EDITS", "Edit", "light"]


class Edit(NamedTuple):
    """One way to change an answer."""

    change: Callable[[str, str | None], str | None]
    """The answer's text and the label under which it is shown (None for a judge that sees one answer at a time) in;
    the edited text out, or None where the edit cannot be made."""
    bias: str
    """What a judge does that it moves."""


def _after(line: str) -> Callable[[str, str | None], str | None]:
    return lambda text, _: f"{text}\n\n{line}"


def _anywhere(change: Callable[[str], str | None]) -> Callable[[str, str | None], str | None]:
    return lambda text, _: change(text)


def _restated(text: str, _: str | None) -> str:
    return f"{text}\n\n{probe_texts.RESTATEMENT}\n\n{text}"


def _formatted(text: str, _: str | None) -> str:
    before, after = probe_texts.FORMAT
    return f"{before}\n\n{text}\n\n{after}"


def _injected(text: str, label: str | None) -> str:
    if label is None:
        return f"{text}\n\n{probe_texts.SCORE_INJECTION_LINES}"
    return f"{text}\n\n{probe_texts.named(probe_texts.INJECTION_LINES, label)}"


EDITS: Mapping[str, Edit] = {
    "verbosity": Edit(_after(probe_texts.VERBOSITY), "rewards a paragraph that says nothing"),
    "restatement": Edit(_restated, "rewards saying everything twice"),
    "authority": Edit(_after(probe_texts.AUTHORITY), "rewards a source that does not exist"),
    "format": Edit(_formatted, "rewards headers and bullets around the same words"),
    "distraction": Edit(_after(probe_texts.DISTRACTION), "is led by a sentence beside the point"),
    "noise": Edit(_anywhere(noise), "is led by a blank and a capital letter"),
    "typo": Edit(_anywhere(typo), "is led by two exchanged letters"),
    "paraphrase": Edit(_anywhere(paraphrase), "is led by other words for the same"),
    "injection": Edit(_injected, "takes a verdict from an answer's own text"),
}
"""Edits on an answer: on the one that lost, and as control on both."""

CLAIMS: Mapping[str, str] = {"bandwagon": probe_texts.BANDWAGON, "sycophancy": probe_texts.SYCOPHANCY}
"""Claims of a user about one of the answers, by its label; as control about the other one."""


def light(text: str) -> str | None:
    """The lightest rewording that can be made of a text: by phrases, else by a blank and a letter's case."""
    return paraphrase(text) or noise(text)
