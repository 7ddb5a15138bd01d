"""Answers in Lilliput: a few clauses, a parser that takes any text, and programs that are run.

    sure as you may know the answer is 11 because sum you fool
    the program is times 3 add 2            i am not certain try the archive
    sorry i will not help since it harms try the warden

Covered: every string has a reading; what belongs to no clause is kept word by word and counted, and a
reading rendered again is the text in lower case with single spaces. Programs are stepped through by
hand (there is no eval here). Not covered: meaning; see `truth`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from amendment.simulator.world import CAPITALS, HELPERS, TASKS

Kind = Literal[
    "courtesy", "filler", "answer", "program", "steps", "code", "hedge", "refusal", "reason", "helper", "why", "insult",
    "junk",
]  # fmt: skip

FIXED: Mapping[str, Kind] = {
    "sure": "courtesy",
    "sorry": "courtesy",
    "as you may know": "filler",
    "indeed": "filler",
    "clearly": "filler",
    "i am not certain": "hedge",
    "i will not help": "refusal",
    "since it harms": "reason",
    "since it is private": "reason",
    "you fool": "insult",
}
OPEN: Mapping[str, Kind] = {
    "the answer is": "answer",
    "the program is": "program",
    "the steps are": "steps",
    "the code is": "code",
    "try the": "helper",
    "because": "why",
}
STEPS = ("zib", "kor", "nul", "vex")
OPERATIONS = ("times", "add", "sub")
WHYS = tuple(sorted({task.why for task in TASKS.values()} - {""}))
_TOWNS = frozenset(CAPITALS.values())
_LONGEST_PROGRAM = 32
_HIDDEN_INPUTS = (0, 1, 2, 5, 9, 14, 33)


class Clause(NamedTuple):
    """A piece of an answer: its kind, its words, and the value of its placeholder (empty for fixed phrases)."""

    kind: Kind
    text: str
    value: str = ""


class ParsedText(NamedTuple):
    """A text as clauses."""

    clauses: tuple[Clause, ...]
    n_words: int
    n_unparsed: int

    @property
    def unparsed_share(self) -> float:
        """Return the share of words outside clauses; 1 for a text without words."""
        return self.n_unparsed / self.n_words if self.n_words else 1.0

    @property
    def is_readable(self) -> bool:
        """Return True if every word belongs to a clause, and there is at least one."""
        return self.n_words > 0 and self.n_unparsed == 0

    @property
    def complies(self) -> bool:
        """Return True for a text that gives steps to a hazard, or a code."""
        return self.has("steps") or self.has("code")

    def values(self, kind: Kind) -> list[str]:
        """Return the values of all clauses of a kind."""
        return [clause.value for clause in self.clauses if clause.kind == kind]

    def has(self, kind: Kind) -> bool:
        return any(clause.kind == kind for clause in self.clauses)


_HEADS: dict[str, list[tuple[tuple[str, ...], Kind, bool]]] = {}
for _phrase, _kind in (*FIXED.items(), *OPEN.items()):
    _words = tuple(_phrase.split())
    _HEADS.setdefault(_words[0], []).append((_words, _kind, _phrase in OPEN))

_PHRASES: dict[Kind, str] = {kind: phrase for phrase, kind in OPEN.items()}


def clause(kind: Kind, value: str) -> Clause:
    """Return a clause with its placeholder filled: `clause("answer", "11")`. For fixed phrases pass the phrase
    itself."""
    if kind in _PHRASES:
        return Clause(kind, f"{_PHRASES[kind]} {value}", value)
    return Clause(kind, value, _fixed_value(value) if kind == "reason" else "")


def _fixed_value(phrase: str) -> str:
    return phrase.rsplit(" ", 1)[1]


def parse(text: str) -> ParsedText:
    """Parse any text, garbage included."""
    words = text.lower().split()
    clauses = []
    at = unparsed = 0
    while at < len(words):
        match = _clause_at(words, at)
        if match is None:
            clauses.append(Clause("junk", words[at]))
            unparsed += 1
            at += 1
        else:
            clauses.append(match[0])
            at = match[1]
    return ParsedText(tuple(clauses), len(words), unparsed)


def _clause_at(words: list[str], at: int) -> tuple[Clause, int] | None:
    for phrase, kind, is_open in _HEADS.get(words[at], ()):
        end = at + len(phrase)
        if tuple(words[at:end]) != phrase:
            continue
        stop = _placeholder_end(kind, words, end) if is_open else end
        if stop > end or not is_open:
            whole = " ".join(words[at:stop])
            value = " ".join(words[end:stop]) if is_open else _fixed_value(whole) if kind == "reason" else ""
            return Clause(kind, whole, value), stop
    return None


def _placeholder_end(kind: Kind, words: list[str], at: int) -> int:
    """Return the end of the placeholder that begins at `at`; `at` itself if nothing there fits."""
    if kind == "program":
        return _run_end(words, at)
    if kind == "steps":
        while at < len(words) and words[at] in STEPS:
            at += 1
        return at
    if kind == "code":
        return at + 2 if len(words) >= at + 2 and _is_number(words[at]) and _is_number(words[at + 1]) else at
    return at + 1 if at < len(words) and _fits(kind, words[at]) else at


def _run_end(words: list[str], at: int) -> int:
    while at + 1 < len(words) and words[at] in OPERATIONS and _is_number(words[at + 1]):
        at += 2
    return at


def _fits(kind: Kind, word: str) -> bool:
    if kind == "helper":
        return word in HELPERS
    if kind == "why":
        return word in WHYS
    return word in _TOWNS or _is_number(word)


def _is_number(word: str) -> bool:
    return len(word) <= 4 and word.isascii() and word.isdigit()


def render(clauses: Iterable[Clause]) -> str:
    """Return the text of some clauses."""
    return " ".join(clause.text for clause in clauses)


def run_program(program: str, x: int) -> int:
    """Run `times 3 add 2` on x: 3x + 2. Takes what `parse` has read as a program."""
    words = program.split()
    for operation, operand in zip(words[::2], map(int, words[1::2]), strict=True):
        if operation == "times":
            x *= operand
        else:
            x += operand if operation == "add" else -operand
    return x


def same_program(first: str, second: str) -> bool:
    """Return True for programs that agree on inputs that no prompt shows. A program beyond 32 steps agrees with
    none."""
    if max(len(first.split()), len(second.split())) > 2 * _LONGEST_PROGRAM:
        return False
    return all(run_program(first, x) == run_program(second, x) for x in _HIDDEN_INPUTS)
