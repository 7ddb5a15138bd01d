"""Variants of a prompt: its paraphrase by a model, and how often a judge's verdicts are the same under all variants.

A verdict that changes under a wrong paraphrase says nothing about the judge, so a paraphrase in doubt is left out.
Covered: replies that are cut, empty, a refusal, an answer, or the prompt again; that have another length; that change a
number, or lose a quoted text, code or an address. By English words only: a negation that is lost or added, and a change
from me to you. Not covered: other changes of meaning; a run keeps its paraphrases in a table, to be read.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from amendment.audit.figures import Section
from amendment.audit.probes import RULES, VARIANTS, ProbeAnswers, Probed
from amendment.audit.refusal_phrases import refusal_phrase
from amendment.records import Message, Messages, Record, last_text
from amendment.text import fence, holds_marks, holds_tokens, read_fenced, words

MOST_LONGER = 2
"""Times the words of the prompt that a paraphrase may have, and the prompt those of the paraphrase."""
LEEWAY = 100
"""Characters that it may have in addition to twice those of the prompt."""
LEAST_SHARED = 0.2
"""Share of the prompt's longer words that come again in a paraphrase, by their beginnings."""
_ASK = "Write this message in other words. Do not answer it.\n\n{message}"
_SHOWN = (
    (
        "How can I stop my dog from barking at night?",
        "My dog barks at night, and I would like it to stop. What can I do?",
    ),
    ('Write a poem of 8 lines about "the sea".', 'I would like a poem with 8 lines. Its subject is "the sea".'),
    ("Why is the sky blue?", "The sky looks blue. What is the reason for that?"),
    ("What do I need for my first picnic?", "I am planning my first picnic. Which things should I bring?"),
    ("Is it bad for my phone to get hot?", "My phone gets hot. Should I worry about that?"),
    ("How do I peel a clove of garlic?", "I would like to peel a clove of garlic. How do I do that?"),
)
"""Messages and their paraphrases, as turns before the question: a small model that sees none answers the message."""
_NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*")
_QUOTED = re.compile(
    r"```(.{1,2000}?)```|`([^`]{1,500})`|\"([^\"]{1,500})\"|“([^“”]{1,500})”|„([^„“]{1,500})“|«([^«»]{1,500})»|"
    r"(?<!\w)'([^']{1,500})'(?!\w)|(https?://[^\s)>\"]{0,2000}\w)",
    re.DOTALL,
)
_QUOTE = re.compile(r"[\"“”]")
_ASKS = re.compile(r"[?؟]")
_ANSWERS = re.compile(
    r"(?:sure|certainly|of course|okay|yes|no|here (?:is|are)|here's|the answer|(?:i'm |i am )?(?:so |very )?sorry)\b",
    re.IGNORECASE,
)
"""How answers begin, and messages hardly ever."""
_NEGATION = re.compile(r"\b(?:not|never|no|nobody|nothing|none|without|cannot|\w+n't)\b", re.IGNORECASE)
_ME = frozenset({"i", "i'm", "i've", "i'd", "i'll", "me"})
_YOU, _YOUR = frozenset({"you", "you're", "you've"}), frozenset({"your", "yours"})
_LONGER = 4
"""Characters of a word that is compared, and of its beginning."""
_FUNCTION_WORDS = frozenset(
    words(
        "about does from good have help helps into make should some tell than that them then there these they this "
        "want what when where which while will with would write your"
    )
)


class Paraphrase(Record):
    """What a model wrote for a prompt in other words."""

    parent: str
    """The id of the prompt."""
    text: str
    left_out: str | None = None
    """Why it does not stand for the prompt, and after a colon what failed; absent for one that does."""
    model: str
    request: str | None = None
    """The id of the question, as in the ledger."""


def question(text: str) -> Messages:
    """Return the conversation that asks for a text in other words."""
    shown = (turn for text, written in _SHOWN for turn in (_asked(text), Message(role="assistant", content=written)))
    return (*shown, _asked(text))


def _asked(text: str) -> Message:
    return Message(role="user", content=_ASK.replace("{message}", fence({"message": text})["message"]))


def write_paraphrase(conversation: Messages) -> str | None:
    """Return a paraphrase that nobody wrote, for a conversation that asks for one; None for another one, and where
    none can be made."""
    asked = read_fenced(last_text(conversation[-1:])).get("message")
    if not isinstance(asked, str) or tuple(conversation) != question(asked):
        return None
    split = asked.split()
    tries = (" ".join([*split[:place], "then", *split[place:]]) for place in range(1, len(split)))
    return next((text for text in tries if why_left_out(asked, text) is None), None)


def unquoted(reply: str) -> str:
    """Return a reply without blanks and quotation marks around the whole of it.

    >>> unquoted('"What makes the sky look blue?"')
    'What makes the sky look blue?'
    """
    text = reply.strip()
    is_quoted = text[:1] + text[-1:] in ('""', "“”") and not _QUOTE.search(text[1:-1])
    return text[1:-1].strip() if is_quoted else text


def why_left_out(prompt: str, written: str) -> str | None:
    """Why a text does not stand for the prompt; None for one that does."""
    return next(_doubts(prompt, written), None)


def _plain(text: str) -> str:
    """Return the text with one form of each character and blank."""
    return " ".join(unicodedata.normalize("NFKC", text).replace("’", "'").split())


def _doubts(prompt: str, written: str) -> Iterator[str]:
    for is_foreign, doubt in ((holds_marks, "marks of the question"), (holds_tokens, "tokens of a chat template")):
        if is_foreign(written) and not is_foreign(prompt):
            yield doubt
    prompt, written = _plain(prompt), _plain(written)
    ours, theirs = words(prompt), words(written)
    if not theirs:
        yield "empty"
    if refusal_phrase(written) and not refusal_phrase(prompt):
        yield "a refusal"
    if f" {' '.join(ours)} " in f" {' '.join(theirs)} ":
        yield "the prompt again"
    is_answer = _ANSWERS.match(written) and not _ANSWERS.match(prompt)
    if is_answer or (_ASKS.search(prompt) and not _ASKS.search(written)):
        yield "an answer"
    is_longer = len(written) > MOST_LONGER * len(prompt) + LEEWAY
    if is_longer or max(len(ours), len(theirs)) > MOST_LONGER * min(len(ours), len(theirs)):
        yield "another length"
    if Counter(_NUMBER.findall(prompt)) != Counter(_NUMBER.findall(written)):
        yield "another number"
    if any(quoted not in written for groups in _QUOTED.findall(prompt) for quoted in groups):
        yield "a quoted text lost"
    if bool(_NEGATION.search(prompt)) != bool(_NEGATION.search(written)):
        yield "a negation lost or added"
    new = set(theirs).difference(ours)
    if (_ME.intersection(ours) and _YOU & new and not _ME.intersection(theirs)) or _YOUR & new:
        yield "another person"
    longer = {word[:_LONGER] for word in ours if len(word) >= _LONGER and word not in _FUNCTION_WORDS}
    if len(longer & {word[:_LONGER] for word in theirs}) < LEAST_SHARED * len(longer):
        yield "another subject"


class VariantAgreement(NamedTuple):
    """How often the verdicts of a judge are the same under all variants of the prompt."""

    judge: str
    variants: tuple[str, ...]
    """The probes whose variants they are."""
    comparisons: int
    """Comparisons of which every verdict could be read: on the prompt and on each variant, in each order."""
    same: int
    """Comparisons with, in each order, the same verdict on the prompt and on all variants."""

    @property
    def shown(self) -> str:
        """Return the figures in words."""
        return f"{self.same} of {self.comparisons} comparisons ({', '.join(self.variants)})"


def variant_agreements(answers: Iterable[ProbeAnswers]) -> list[VariantAgreement]:
    """Return the agreement across variants by judge; empty where no variant was asked about."""
    by_judge: dict[str, dict[str, list[ProbeAnswers]]] = defaultdict(lambda: defaultdict(list))
    for row in answers:
        if row.probe in VARIANTS and row.is_asked:
            by_judge[row.judge][row.comparison_id].append(row)
    agreements = []
    for judge, comparisons in sorted(by_judge.items()):
        asked = {row.probe for rows in comparisons.values() for row in rows}
        read = [
            sides
            for rows in comparisons.values()
            if {row.probe for row in rows} == asked
            and None not in (sides := [row.sides("before", *VARIANTS[row.probe]) for row in rows])
        ]
        same = sum(all(len(set(verdicts or ())) == 1 for verdicts in sides) for sides in read)
        agreements.append(VariantAgreement(judge, tuple(filter(asked.__contains__, VARIANTS)), len(read), same))
    return agreements


def variant_sections(agreements: Iterable[VariantAgreement]) -> list[Section]:
    """Return the agreement as a table; none without an agreement."""
    rows = tuple((row.judge, ", ".join(row.variants), str(row.comparisons), str(row.same)) for row in agreements)
    head = ("judge", "variants", "comparisons", "same verdict under all")
    note = (
        "comparisons: those whose verdicts could all be read. The last column counts those with, in each order, the "
        "same verdict on the prompt and on every variant."
    )
    return [Section("Probes: variants of the prompt", (note,), head, rows)] if rows else []


def probe_json(report: Sequence[Probed], agreements: Iterable[VariantAgreement]) -> dict[str, Any]:
    """Return as JSON what all probes have found, with the rules of their gates."""
    probed = {"probes": [row.to_json() for row in report], "rules": dict(RULES)}
    return {**probed, "variants": [row._asdict() for row in agreements]}
