"""What makes a prompt or a pair unfit for a dataset, whatever a judge says of it.

Covered: length, keys, personal data, overlap with evaluation sets, copies of earlier rows; and words that
stand on one side of the pairs only, from which a model could learn the label without reading the answer.
Not covered: answers that are empty, repeated or marked by a template, which are left out of every run; see
`preference.degenerate`. Nor whether a text is true or good.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from amendment.curation.measures import ngrams
from amendment.curation.near_copies import NearCopies
from amendment.curation.personal_data import personal_data
from amendment.data.sources import FileSource
from amendment.keys import Scanner, texts_in
from amendment.records import Part, Record
from amendment.statistics import binomial_p
from amendment.text import folded, words

KEY, PERSONAL = "key or token", "personal data"
LENGTH = "length"
OVERLAP, COPY, NEAR_COPY, ONE_SIDED = "overlap with an evaluation set", "copy", "near copy", "one-sided n-gram"
IN_A_ROW = 13
"""Words in a row that are an overlap with an evaluation set."""
NEAR = 0.8
"""The Jaccard similarity of word 3-grams from which a later text is a near copy of an earlier one; the first stays."""
LONGEST = 4000
"""Words of the longest prompt, and of the longest answer; both answers of a pair count."""
SHORTEST = 5
"""Words of the shortest item of an evaluation set that counts: the answer "Paris" is in every text about it."""


class CleanConfig(Part):
    """Leave out prompts before anything is paid for, and pairs before they are exported. Each one left out is in a
    table with its reason, and the summary counts them."""

    evaluation_sets: tuple[FileSource, ...] = ()
    """Files, or datasets on the Hub, with which no text may share 13 words in a row. An item of fewer words counts
    where a text has the same words. `columns: {prompt: ...}` names the columns whose texts count; by default all do."""
    personal_data: Literal["drop", "keep"] = "drop"
    """Texts with an e-mail address, a phone, bank account, payment card or social security number."""


class Flaw(NamedTuple):
    """Why a text is left out."""

    reason: str
    detail: str | None = None
    """The evaluation set, the name of the text that is copied, or the kind of data; never the data."""


class Overlap:
    """The word n-grams of evaluation sets. Brown et al. 2020 (Language Models are Few-Shot Learners), appendix C, take
    13 words, and shorter items whole."""

    def __init__(self) -> None:
        self._grams: dict[int, str] = {}
        self._whole: dict[tuple[str, ...], str] = {}
        self.compared: dict[str, tuple[int, int]] = {}
        """By evaluation set, the items that are long enough to be compared, and all items."""

    def add(self, name: str, value: object) -> bool:
        """Take every text in a JSON value, such as a row of the evaluation set of this name. False where each has
        fewer than five words, so that no text can overlap with it."""
        longest = 0
        for text in texts_in(value):
            in_words = tuple(words(folded(text)))
            longest = max(longest, len(in_words))
            for gram in ngrams(in_words, IN_A_ROW):
                self._grams.setdefault(hash(gram), name)
            if SHORTEST <= len(in_words) < IN_A_ROW:
                self._whole.setdefault(in_words, name)
        return longest >= SHORTEST

    def found_in(self, text: str) -> str | None:
        """Return the evaluation set that a text overlaps with, the first one named."""
        in_words = tuple(words(folded(text)))
        whole = self._whole.get(in_words)
        return whole or next(
            (name for gram in ngrams(in_words, IN_A_ROW) if (name := self._grams.get(hash(gram)))), None
        )


class Cleaner:
    """Looks at texts one after another: which of two copies stays is decided by their order."""

    def __init__(self, config: CleanConfig, overlap: Overlap, scanner: Scanner | None = None) -> None:
        """Without a scanner keys are not looked for. Raises MissingExtra where a library is absent."""
        self._config, self._overlap, self._scanner = config, overlap, scanner
        self._copies = NearCopies(NEAR)

    def find_flaw(self, name: str, prompt: str, *answers: str) -> Flaw | None:
        """Return the first reason why a prompt, or a pair, is left out; None for what stays."""
        texts = (prompt, *answers)
        for text in texts:
            count = len(words(text))
            if not 1 <= count <= LONGEST:
                return Flaw(LENGTH, f"{count} words")
        return next(filter(None, map(self._find_text_flaw, texts)), None) or self.find_copy(name, *texts)

    def _find_text_flaw(self, text: str) -> Flaw | None:
        if self._scanner and (key := next(self._scanner.scan("", text), None)):
            return Flaw(KEY, key.kind)
        if self._config.personal_data == "drop" and (kinds := personal_data(text)):
            return Flaw(PERSONAL, ", ".join(kinds))
        evaluation_set = self._overlap.found_in(text)
        return Flaw(OVERLAP, evaluation_set) if evaluation_set else None

    def find_copy(self, name: str, *texts: str) -> Flaw | None:
        """Return the earlier prompt or pair that this one copies. Later ones are compared with it too."""
        copy = self._copies.add(name, *texts)
        return Flaw(COPY if copy.is_exact else NEAR_COPY, copy.name) if copy else None


# Words that stand on one side only.

MOST_WORDS = 5
"""Words of the longest n-gram."""
LEAST_PROMPTS = 10
"""An n-gram counts that stands in the answers to so many prompts."""
OTHER_SIDE = 0.05
"""It stands on one side only where at most this share of these prompts has it on the other side."""
LEVEL = 0.01
"""Of the test, over all n-grams that were tested together."""
LOOKED_AT = 2000
"""Characters of an answer."""


class OneSided(Record):
    """Words that stand in chosen answers and hardly in rejected ones, or the other way round."""

    source: str
    """The label of the source of the pairs."""
    side: Literal["chosen", "rejected"]
    words: str
    prompts: int
    """Prompts that have them in an answer of this side, and in none of the other side."""
    others: int
    """Prompts that have them in an answer of the other side."""
    p: float
    """Of the exact sign test, two-sided, after Bonferroni's correction for all n-grams tested."""


Gram = tuple[str, ...]


class PromptAnswers(NamedTuple):
    """The answers to one prompt."""

    chosen: Sequence[str]
    rejected: Sequence[str]


def one_sided_ngrams(source: str, prompts: Iterable[PromptAnswers]) -> list[OneSided]:
    """Return the n-grams of up to five words that stand on one side of the pairs of a source only, the most frequent
    first.

    A prompt counts once, however many pairs it has. If a word says nothing about the label, it stands in the chosen
    answer alone as often as in the rejected one alone; the exact sign test says how well that fits. Of an n-gram and a
    longer one around it in as many prompts, the longer one is listed.
    """
    in_words = [[[tuple(words(text[:LOOKED_AT])) for text in side] for side in sides] for sides in prompts]
    counts: dict[Gram, list[int]] = {}
    frequent: set[Gram] = set()
    for n in range(1, MOST_WORDS + 1):
        counted = _count(in_words, n, frequent)
        frequent = {gram for gram, count in counted.items() if sum(count) >= LEAST_PROMPTS}
        counts |= {gram: counted[gram] for gram in frequent}
    tested = [gram for gram, (chosen, rejected, _) in counts.items() if chosen + rejected >= LEAST_PROMPTS]
    listed: list[OneSided] = []
    for gram in tested:
        chosen, rejected, both = counts[gram]
        here = max(chosen, rejected)
        other_alone = min(chosen, rejected)
        other = other_alone + both
        if other > OTHER_SIDE * (here + other):
            continue
        p = min(1.0, binomial_p(here, here + other_alone) * len(tested))
        if p < LEVEL:
            side: Literal["chosen", "rejected"] = "chosen" if chosen > rejected else "rejected"
            text = " ".join(gram)
            listed.append(OneSided(source=source, side=side, words=text, prompts=here, others=other, p=p))
    longest = [row for row in listed if not any(_is_in(row, other) for other in listed)]
    return sorted(longest, key=lambda row: (-row.prompts, row.words))


def _count(prompts: Sequence[Sequence[Sequence[Gram]]], n: int, frequent: set[Gram]) -> Mapping[Gram, list[int]]:
    """By n-gram the prompts that have it in chosen answers alone, in rejected ones alone, and in both; without those
    whose shorter parts are not frequent."""
    counts: dict[Gram, list[int]] = {}
    for sides in prompts:
        chosen, rejected = (
            {gram for text in side for gram in ngrams(text, n) if n == 1 or {gram[1:], gram[:-1]} <= frequent}
            for side in sides
        )
        for place, grams in enumerate((chosen - rejected, rejected - chosen, chosen & rejected)):
            for gram in grams:
                counts.setdefault(gram, [0, 0, 0])[place] += 1
    return counts


def _is_in(row: OneSided, other: OneSided) -> bool:
    """Return a longer n-gram around this one stands in at least nine tenths as many prompts."""
    is_around = len(other.words) > len(row.words) and f" {row.words} " in f" {other.words} "
    return is_around and row.side == other.side and other.prompts >= 0.9 * row.prompts
