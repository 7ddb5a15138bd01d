"""Finds errors and doubtful passages (warnings) in a constitution, each with its place.

Errors, which a loader refuses: repeated ids, no principles, principles that no stage can use,
principles that never apply, vetoes that no judge asks for, examples that contradict themselves, texts that
hide something or steer a judge by place, statements that are too long.
Warnings: near-duplicates, a missing role, few-shot answers that lean to A or B, categories that no prompt
has, examples about principles that do not exist, unknown licenses, rules that ask for what judges already favour.
Not covered: whether the rules are right.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import Literal, NamedTuple

from amendment.constitutions.model import Constitution, Principle
from amendment.licenses import license_problem
from amendment.yamlfile import Document, Loc, did_you_mean, format_path, texts

NEAR_DUPLICATE = 0.6
"""Jaccard similarity of the statements' word pairs from which two statements count as near-duplicates."""
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
LONGEST_STATEMENT = 2000
"""Characters of a statement, which stands in every question by its principle."""

_HIDDEN = re.compile(r"[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]")
_JOINERS, _MARKS = "\u200c\u200d", "\u061c\u200e\u200f"
_PLACEHOLDERS = re.compile(
    r"\{ *(?:answers?|(?:answer|response)_[ab12]|candidate|completion|conversation|criteria|critique|principle|prompt"
    r"|question|request|response) *\}",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[^.!?\n]+")
_VERB = r"(?i:choose|pick|select|prefer|favou?r|vote|output|reply|respond)"
_NOUN = r"(?i:answer|response|option|candidate|completion|assistant)"
_PLACES = (
    re.compile(rf"\b{_VERB}\b.{{0,60}}\b{_NOUN}\W{{1,2}}([AB12])\b"),
    re.compile(rf"\b{_VERB}\b.{{0,60}}\b(?i:the )(first|second|last) {_NOUN}\b"),
    re.compile(rf"\b{_VERB}(?: for)?\W{{1,2}}([AB])\b\W*(?:(?i:always|only|every time|whatever)\b|$)"),
)
"""Orders to choose the answer in one place."""
_MORE = r"(?i:long(?:er|est)|lengthi(?:er|est)|wordi(?:er|est)|more words|most words)"
_FORM = r"(?i:bullet(?:ed)? (?:points?|lists?)|bullets|numbered lists?|headings?|in bold|bold text|markdown|emojis?)"
_IS = r"(?i:is|are|has|have|should be|must be)"
_WISH = re.compile(rf"\b(?:{_VERB}|(?i:which|better|best|use|add|make|write|give))\b")
_BIAS = re.compile(
    rf"\b(?:{_MORE} (?:{_NOUN}s?|one|of the two)"
    rf"|{_NOUN}s?(?: (?i:that|which))?(?: {_IS})?(?: the)? (?:{_MORE}|as long as)"
    rf"|(?i:is) {_MORE}\W*$|{_FORM})\b"
)
"""Length or form, of answers and of nothing else."""
_WHERE_IT_HELPS = re.compile(
    r"\b(?i:not?|never|nor|neither|without|than|avoid|unless|if|when|where|because|only)\b|n['\u2019]t\b"
)
"""The words of a rule that is against length or form, or says what makes them good."""
_OTHER = {"A": "B", "B": "A", "1": "2", "2": "1", "first": "second", "second": "first", "last": "first"}


class Finding(NamedTuple):
    """One remark of the linter."""

    level: Literal["error", "warning"]
    place: str
    """`file:line:column: path`, or `id: path` for a constitution that was not read from a file."""
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.level}: {self.message}"


class _Remark(NamedTuple):
    level: Literal["error", "warning"]
    loc: Loc
    message: str


def lint(
    constitution: Constitution,
    document: Document | None = None,
    *,
    categories: Iterable[str] | None = None,
    inherited: Sequence[Principle] = (),
) -> list[Finding]:
    """Return everything wrong or doubtful, in the order of the file.

    `document` is the file that the constitution was read from, for places; `categories` are those of the
    prompts, where they are known; `inherited` are the principles of parents that are not merged yet.
    """
    principles = constitution.principles
    known = None if categories is None else tuple(categories)
    remarks = list(
        chain(
            _emptiness([*inherited, *principles], constitution),
            _double_ids(principles),
            _near_duplicates(principles, inherited),
            *(_roles(index, principle) for index, principle in enumerate(principles)),
            *(_scope(index, principle, known) for index, principle in enumerate(principles)),
            *(_opposite_and_check(index, principle) for index, principle in enumerate(principles)),
            *(_cases(index, principle) for index, principle in enumerate(principles)),
            _hostile_texts(constitution),
            _license(constitution),
            _few_shot(constitution, [principle.id for principle in chain(inherited, principles)]),
        )
    )
    if document is None:
        return [Finding(level, f"{constitution.id}: {format_path(loc)}", message) for level, loc, message in remarks]
    remarks.sort(key=lambda remark: document.locate(remark.loc))
    return [Finding(level, document.place(loc), message) for level, loc, message in remarks]


def _emptiness(principles: Sequence[Principle], constitution: Constitution) -> Iterator[_Remark]:
    if not principles and not constitution.extends:
        yield _Remark("error", ("principles",), "found no principles, expected at least one")


def _double_ids(principles: Sequence[Principle]) -> Iterator[_Remark]:
    first: dict[str, int] = {}
    for index, principle in enumerate(principles):
        earlier = first.setdefault(principle.id, index)
        if earlier != index:
            message = f"the id '{principle.id}' appears twice, first as principles[{earlier}]; give each its own"
            yield _Remark("error", ("principles", index, "id"), message)


def _near_duplicates(principles: Sequence[Principle], inherited: Sequence[Principle]) -> Iterator[_Remark]:
    earlier = [(other.id, _word_pairs(other.statement)) for other in inherited]
    for index, principle in enumerate(principles):
        pairs = _word_pairs(principle.statement)
        for name, others in earlier:
            alike = len(pairs & others) / max(1, len(pairs | others))
            if name != principle.id and alike >= NEAR_DUPLICATE:
                message = f"says nearly the same as '{name}' (similarity {alike:.2f}); merge them or make them differ"
                yield _Remark("warning", ("principles", index, "statement"), message)
        earlier.append((principle.id, pairs))


def _word_pairs(text: str) -> set[tuple[str, ...]]:
    """Return the pairs of words that follow each other; of a single word the word."""
    words = _WORD.findall(text.casefold())
    return set(pairwise(words)) or {(word,) for word in words}


def _roles(index: int, principle: Principle) -> Iterator[_Remark]:
    loc: Loc = ("principles", index)
    critique, revise, compare = map(bool, (principle.critique, principle.revise, principle.compare))
    if not (compare or revise or principle.check or principle.opposite):
        needed = "give it `compare`, `critique` and `revise`, `check`, or `opposite`"
        yield _Remark("error", loc, f"'{principle.id}' can be used by no stage; {needed}")
    elif not compare and principle.hard and not principle.check:
        message = (
            f"'{principle.id}' is hard and has no `compare`: no judge asks by it, so it vetoes nothing; give it one"
        )
        yield _Remark("error", (*loc, "hard"), message)
    elif not compare:
        yield _Remark("warning", loc, f"'{principle.id}' has no `compare`: judges of pairs will not ask by it")
    if critique and not revise and compare:
        message = f"'{principle.id}' has `critique` but no `revise`: the critique stage will leave it out"
        yield _Remark("warning", (*loc, "critique"), message)
    elif revise and not critique:
        message = f"'{principle.id}' has `revise` but no `critique`: a critique is asked for by its statement alone"
        yield _Remark("warning", (*loc, "revise"), message)
    elif compare and not revise:
        message = f"'{principle.id}' has no `critique` and `revise`: the critique stage will leave it out"
        yield _Remark("warning", loc, message)


def _scope(index: int, principle: Principle, known: Sequence[str] | None) -> Iterator[_Remark]:
    scope = principle.applies_when
    loc = ("principles", index, "applies_when")
    if scope is None:
        return
    if not scope.categories and not scope.tags:
        message = f"nothing is named: '{principle.id}' never applies; name categories or tags, or drop the key"
        yield _Remark("error", (*loc, *sorted(scope.model_fields_set)[:1]), message)
    if known is None or not scope.categories:
        return
    unknown = [place for place, category in enumerate(scope.categories) if category not in known]
    if len(unknown) == len(scope.categories):
        message = f"'{principle.id}' never applies: the prompts' categories are {', '.join(known) or 'unknown'}"
        yield _Remark("error", (*loc, "categories"), message)
    for place in unknown:
        word = scope.categories[place]
        message = f"no prompt has the category '{word}'{did_you_mean(word, known)}"
        yield _Remark("warning", (*loc, "categories", place), message)


def _opposite_and_check(index: int, principle: Principle) -> Iterator[_Remark]:
    loc: Loc = ("principles", index)
    said = [text.casefold().split() for text in (principle.statement, principle.text) if text]
    if principle.opposite and principle.opposite.casefold().split() in said:
        yield _Remark("error", (*loc, "opposite"), "says the same as the principle; say what an answer does against it")
    fewest = [check.value for check in principle.check if check.kind == "min_words"]
    most = [check.value for check in principle.check if check.kind == "max_words"]
    if any(isinstance(low, int) and isinstance(high, int) and low > high for low in fewest for high in most):
        yield _Remark("error", (*loc, "check"), "asks for more words than it allows, so no answer passes")
    for place, case in enumerate(principle.cases):
        if principle.is_kept_by(case.better) is False:
            message = "`better` fails the check of its principle; change the check or the case"
            yield _Remark("warning", (*loc, "cases", place, "better"), message)


def _cases(index: int, principle: Principle) -> Iterator[_Remark]:
    for place, case in enumerate(principle.cases):
        if case.better == case.worse:
            yield _Remark("error", ("principles", index, "cases", place), "`better` and `worse` are the same text")


def _license(constitution: Constitution) -> Iterator[_Remark]:
    if problem := license_problem(constitution.license):
        yield _Remark("warning", ("license",), problem)


def _few_shot(constitution: Constitution, ids: Sequence[str]) -> Iterator[_Remark]:
    shots = constitution.few_shot
    for role in ("critique", "revise", "compare"):
        for index, example in enumerate(getattr(shots, role)):
            name = example.principle
            if name is not None and name not in ids:
                message = f"there is no principle '{name}'{did_you_mean(name, ids)}"
                yield _Remark("warning", ("few_shot", role, index, "principle"), message)
    for index, shot in enumerate(shots.compare):
        if shot.a == shot.b:
            yield _Remark("error", ("few_shot", "compare", index), "`a` and `b` are the same text")
    count = len(shots.compare)
    firsts = sum(shot.answer == "A" for shot in shots.compare)
    if abs(2 * firsts - count) > 1:
        message = (
            f"{firsts} of {count} examples have the answer A: a judge learns the position from them; swap the answers "
            "of some"
        )
        yield _Remark("warning", ("few_shot", "compare"), message)


def _hostile_texts(constitution: Constitution) -> Iterator[_Remark]:
    """Yield invisible characters, orders to choose by position, wishes for length, placeholders, and statements that
    are too long for a question: the file may be a stranger's."""
    for loc, text in texts(constitution.model_dump(mode="json", exclude={"source"})):
        if hidden := _hidden(text):
            shown = ", ".join(f"U+{ord(character):04X}" for character in hidden)
            yield _Remark("error", loc, f"contains invisible characters ({shown}) that a model reads; delete them")
    for index, principle in enumerate(constitution.principles):
        for key, text in _asked(principle):
            loc = ("principles", index, *key)
            if match := _PLACEHOLDERS.search(text):
                message = f"found {match[0]}; a constitution's placeholders are not filled in, so use words"
                yield _Remark("error", loc, message)
            if key[0] not in ("opposite", "critique") and (bias := _biased(text)):
                message = (
                    f"asks for '{bias}' as such: judges already prefer long and formatted answers, and that bias would "
                    "pass for this rule. Say what the reader gains from it"
                )
                yield _Remark("warning", loc, message)
            if place := _steers(text):
                message = (
                    f"asks for '{place}' whatever it says; the answers change places, so a judge follows position and "
                    "not the rule. Say what the better answer does"
                )
                yield _Remark("error", loc, message)
        if len(principle.statement) > LONGEST_STATEMENT:
            message = (
                f"found {len(principle.statement):,} characters, expected at most {LONGEST_STATEMENT:,}; state the "
                "rule in a sentence, and put the rest under `text`"
            )
            yield _Remark("error", ("principles", index, "statement"), message)


def _asked(principle: Principle) -> Iterator[tuple[Loc, str]]:
    """Yield the texts of a principle that models read when they are asked by it."""
    yield ("statement",), principle.statement
    for key in ("text", "opposite"):
        if text := getattr(principle, key):
            yield (key,), text
    if principle.score:
        yield ("score", "question"), principle.score.question
    for role in ("critique", "revise", "compare"):
        yield from (((role, place), text) for place, text in enumerate(getattr(principle, role)))


def _hidden(text: str) -> list[str]:
    """Return hidden characters, each once; joiners inside words of scripts that need them and inside emoji are none,
    nor are marks of direction in a text that runs from right to left."""
    runs_left = any(unicodedata.bidirectional(character) in ("R", "AL") for character in text)
    hidden: dict[str, None] = {}
    for match in _HIDDEN.finditer(text):
        around = text[match.start() - 1 : match.start()] + text[match.end() : match.end() + 1]
        is_joiner = match[0] in _JOINERS and bool(around) and not any(map(str.isascii, around))
        if not is_joiner and not (match[0] in _MARKS and runs_left):
            hidden[match[0]] = None
    return list(hidden)


def _biased(text: str) -> str | None:
    """Return the words by which a text asks for length or form as such."""
    for sentence in _SENTENCE.findall(text):
        wish = _WISH.search(sentence)
        bias = wish and _BIAS.search(sentence, wish.end())
        if bias and not _WHERE_IT_HELPS.search(sentence):
            return str(bias[0])
    return None


def _steers(text: str) -> str | None:
    """Return the words by which a text asks for the answer in one place, whatever it says."""
    for sentence in _SENTENCE.findall(text):
        for pattern in _PLACES:
            match = pattern.search(sentence)
            if match and not re.search(rf"\b{_OTHER[match[1]]}\b", sentence):
                return match[0].strip()
    return None
