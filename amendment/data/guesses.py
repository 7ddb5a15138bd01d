"""A file whose layout is not known: its columns with two rows, and a `columns:` block to paste.

A part is filled in only where the data determine it: a column by its whole name, a word of a verdict by its meaning in
some language (`column_words.yaml`). Everything else is printed as a question, "?", which the run file refuses until it
is answered. Not covered: what a name means that is not in the list; the user says it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, Literal, NamedTuple

from amendment.data.column_words import called, meaning, sides, singular, tokens, vocabulary
from amendment.data.known_columns import asked_in
from amendment.data.nested import nested_names, object_lists, unnested
from amendment.data.replies import MOST_UNREAD, REPLY_WORDS, excerpt, find_forms, read_replies, unread
from amendment.data.source_rows import SourceRows
from amendment.data.sources import OPEN, parse_word
from amendment.data.verdict_files import OrderWords
from amendment.errors import Problem
from amendment.text import plain

SHOWN_COLUMNS, SHOWN_WORDS, SHOWN_UNREAD, LOOKED_AT = 40, 8, 3, 1000
LONGEST_WORD, MOST_WORDS = 24, 8
"""Characters, and different values, that a column of verdicts may have."""
LEAVE_OUT = "or leave this line out"
QUESTION = f'"{OPEN}"'
PROPOSAL = "a proposal: no other column could hold the verdicts"
REPLACE = f"Replace each {QUESTION}: the data do not determine it."

Values = Mapping[str, Any]


class Entry(NamedTuple):
    """The lines of a run file that describe a file, below its path, and the columns that they name."""

    lines: list[str]
    columns: Values
    holds_replies: bool
    """The verdicts are in the replies of a judge."""


def not_recognised(table: SourceRows, wanted: Literal["prompts", "candidates", "pairs", "verdicts"]) -> Problem:
    """Return a problem with the columns, two rows, and lines for the run file."""
    if wanted == "verdicts":
        entries = [[*entry.lines, who_line(None, "", ())] for entry in guessed_entries(table)]
        table = opened(table)
    else:
        entries = [list(_Guess(table).lines(wanted))]
    parts = [f"the columns are not a known layout for {wanted}; the first two rows", *columns_shown(table)]
    if any(QUESTION in line for lines in entries for line in lines):
        parts.append(f"  {REPLACE}")
    for number, lines in enumerate(entries):
        parts.append("  In one more entry with the same path:" if number else "  In the run file, under the path:")
        parts += [f"    {line}" for line in lines]
    return Problem(table.place, "\n".join(parts))


def columns_shown(table: SourceRows) -> list[str]:
    """Return a line for each column with its first two values."""
    names = list(table.columns)
    shown = []
    for name in names[:SHOWN_COLUMNS]:
        values = [plain(parse_word(row.values.get(name)), longest=40) or "(empty)" for row in table.rows[:2]]
        shown.append(f"  {plain(name, longest=40)}: {' / '.join(values)}")
    return shown + ([f"  and {len(names) - SHOWN_COLUMNS:,} more columns"] if len(names) > SHOWN_COLUMNS else [])


def opened(table: SourceRows, inside: str | None = None) -> SourceRows:
    """Return the first rows with the parts of nested cells as columns, in place of these cells.

    Of the lists of objects only `inside` is opened; without it, all are.
    """
    rows = table.rows[:LOOKED_AT]
    closed = set[str]() if inside is None else set(object_lists(rows)) - {inside}
    heads = {name: name.partition(".")[0] for name in nested_names(rows)}
    names = [name for name, head in heads.items() if head not in closed]
    columns = {name: None for name in (*table.columns, *names) if name not in heads.values()}
    return table._replace(rows=unnested(rows, names)[:LOOKED_AT], columns=columns)


def guessed_entries(table: SourceRows, people: Sequence[str] = (), columns: Mapping[str, Any] = {}) -> list[Entry]:
    """Return the entries that describe a file of verdicts, without the line that says who is a person.

    There is an entry for each group of columns with different settings: the words, each form of reply, each list
    of objects. `columns` are known already. Columns of votes are determined where all their names fit patterns of
    `people`.
    """
    if columns:
        return list(_Guess(table, people).entries(columns))
    lists = object_lists(table.rows[:LOOKED_AT])
    guesses = [_Guess(opened(table, inside), people, inside) for inside in ("", *lists)] if lists else []
    guesses = [guess for guess in guesses if guess.has_votes()] or [_Guess(opened(table), people)]
    return [entry for guess in guesses for entry in guess.entries({}, is_alone=len(guesses) == 1)]


def who_line(raters: Sequence[str] | None, file: str, people: Sequence[str]) -> str:
    """Return the line that says who is a person: a question where there are no patterns of `people`."""
    if not people:
        return f'kind: {QUESTION}   # person, model or verifier; or people: ["PATTERN"], and the others are models'
    if any(fnmatchcase(file, pattern) for pattern in people):
        return "kind: person"
    named = [pattern for pattern in people if pattern]
    fitting = [pattern for pattern in named if raters is None or any(fnmatchcase(rater, pattern) for rater in raters)]
    return f"people: {scalar(fitting)}" if fitting else "kind: model"


class _Guess:
    """The columns and words that their names and contents determine."""

    def __init__(self, table: SourceRows, people: Sequence[str] = (), inside: str = "") -> None:
        """Take `inside`, the list of objects that holds the verdicts; all other columns are outside of it."""
        self.rows, self.people, self.inside = table.rows[:LOOKED_AT], people, inside
        names = [name for name in list(table.columns)[:LOOKED_AT] if _can_be_named(name)]
        self.own = [name for name in names if not inside or name.startswith(f"{inside}.")]
        """The columns that may hold verdicts and raters."""
        self.names = [name for name in names if name not in self.own] if inside else names
        self.words = cache(self._words)
        self.a, self.b = self._answers()
        self.prompts = self._prompts()
        self.verdict, self.rater = self._only("verdict", few=True), self._only("rater")
        named = {self.a, self.b, *self.prompts, *map(self._only, ("item", "order", "category", "model"))}
        self.left = [name for name in self.own if name not in named]
        """Those of which no name says what they hold; one that is called like a rater may hold verdicts."""
        self.texts = {name for name in self.names if name not in named and self._are_texts(name)}
        """Those that may be a prompt or an answer."""

    def lines(self, wanted: str) -> Iterator[str]:
        """Yield the lines for prompts, candidates or pairs."""
        prompt = self.prompts or OPEN
        chosen, rejected, category = map(self._only, ("chosen", "rejected", "category"))
        if wanted == "prompts":
            yield f"column: {scalar(prompt)}"
        elif wanted == "candidates":
            answer = self._only("answer") or OPEN
            model = self._only("model")
            yield from _block("columns", {"prompt": prompt, "candidate": answer, "model": model})
        elif chosen and rejected and not self.verdict:
            decided = {"prompt": prompt, "chosen": chosen, "rejected": rejected, "category": category}
            yield from _block("columns", decided)
        else:
            could = self._could_be_verdicts()
            votes = could if len(could) == 1 else [OPEN]
            named = {"prompt": prompt, "a": self.a or OPEN, "b": self.b or OPEN, "votes": votes, "category": category}
            yield from _block("columns", named, {"votes": self._which(could)})
            yield from self._word_block(could)

    def has_votes(self) -> bool:
        """Return whether a column is called a verdict or holds nothing else, or holds replies with verdicts."""
        return bool(self.verdict or any(map(self._holds_verdicts, self.left)) or self._replies(self.left))

    def entries(self, columns: Values, *, is_alone: bool = True) -> Iterator[Entry]:
        """Yield the entries for verdicts; `columns` are known already. Next to a list of verdicts (not `is_alone`) a
        column that is called a verdict may be their majority."""
        verdict = columns.get("verdict") or self.verdict
        could = [verdict] if verdict else self._could_be_verdicts()
        holds = any(self._holds_verdicts(name) or self._is_person(name) for name in could)
        label = self._only("score") or (self._only("answer") and self._only("label"))
        if label and not (verdict or columns or holds or self.a):
            yield self._single_answer_entry(label)
            return
        has_rater = bool(columns) or self.rater not in (None, *could)
        searched = [verdict] if verdict and not holds else self.left
        replies = {} if holds and has_rater else self._replies(searched)
        asks_texts = not columns and not self.texts <= {*could, *replies, self.verdict, self.rater}
        groups: dict[tuple[str, ...], list[str]] = {(): could} if holds or not replies else {}
        for name, forms in replies.items():
            if not (verdict and holds and self._repeats(name, forms, verdict)):
                groups.setdefault(forms, []).append(name)
        is_only = is_alone and len(groups) == 1
        for forms, names in groups.items():
            is_rater = self._are_raters(names, forms) or (len(names) == 1 and not is_only and bool(forms or is_alone))
            if is_rater and not self.inside and not (verdict and is_only):
                given: Values = {"votes": names}
            else:
                given = {"verdict": names[0] if len(names) == 1 else OPEN, "rater": self._rater_beside(names)}
            yield self._entry(columns, given, names, forms, asks_texts=asks_texts)

    def _rater_beside(self, verdicts: Sequence[str]) -> str | None:
        """Return the column that names the rater: a question where it may hold verdicts itself."""
        if self.rater in verdicts:
            return None
        holds_verdicts = self.rater is not None and self._holds_verdicts(self.rater)
        return OPEN if holds_verdicts else self.rater or (OPEN if self.inside else None)

    def _entry(
        self, columns: Values, given: Values, names: Sequence[str], forms: Sequence[str], *, asks_texts: bool
    ) -> Entry:
        """Return the entry for verdicts on pairs in the columns `names`, as replies of these `forms`."""
        order = columns.get("order") or self._only("order", few=True)
        shown_in = self._find_order(order, self.a, self.b) if forms and order and self.a and self.b else order
        text = OPEN if asks_texts else None
        described = {
            "item": self._only("item") or (None if self.a else OPEN),
            "prompt": self.prompts or text,
            "a": self.a or text,
            "b": self.b or text,
            "order": shown_in,
            **given,
            "category": self._only("category"),
            **columns,
        }
        described["order"] = shown_in
        is_certain = bool(forms or self.verdict or columns or (self.inside and all(map(self._holds_verdicts, names))))
        notes = {
            **dict.fromkeys(("prompt", "a", "b"), f"{LEAVE_OUT}: without texts nothing about length is measured"),
            "order": f"{order} if the answers stay in their columns; {LEAVE_OUT} if they change places with the order",
            "verdict": "" if is_certain and len(names) == 1 else self._which(names),
            "rater": f"the column that names the rater, or votes: {scalar([*names, self.rater or OPEN])} instead",
        }
        lines = list(_block("columns", described, notes))
        lines += [self._pattern(names, forms)] if forms else self._word_block(names)
        if order and shown_in and not self.words(order).keys() <= OrderWords().meanings().keys():
            has = f"column {scalar(order)} has {_counted(self.words(order))}"
            lines += _block("orders", {"ab": OPEN, "ba": OPEN}, {"ab": has})
        if forms and (order or self.a):
            lines.append("coordinates: displayed   # a reply names the answers as they were shown")
        elif order or columns.get("swapped"):
            lines.append(
                f"coordinates: {QUESTION}   # displayed: the verdict names the place on screen; content: the column"
            )
        return Entry(lines, described, holds_replies=bool(forms))

    def _single_answer_entry(self, label: str) -> Entry:
        """Return the entry of a file with labels of one answer a row, whose scale is a question."""
        parts = {part: self._only(part) for part in ("answer", "rater", "category")}
        item = self._only("item") or (None if self.prompts and parts["answer"] else OPEN)
        described = {"item": item, "prompt": self.prompts or None, "verdict": label, **parts}
        kinds = "nominal, ordinal, [lowest, ..., highest], interval, or pair"
        scale = f"scale: {QUESTION}   # {_counted(self.words(label))}: {kinds}"
        return Entry([*_block("columns", described), scale], described, holds_replies=False)

    def _which(self, could: Sequence[str]) -> str:
        """Return the note on the columns that could hold verdicts, of which none is called a verdict."""
        if len(could) == 1:
            return "" if self.verdict else PROPOSAL
        listed = scalar(could[:SHOWN_COLUMNS])
        return (
            f"one of {listed[1:-1]}; or in place of this line votes: {listed}, a column for each rater" if could else ""
        )

    def _prompts(self) -> list[str]:
        """Return the columns of the prompt, where the names tell them."""
        by_lower = {name.lower(): name for name in self.names}
        exact = [by_lower[name] for name in asked_in(by_lower)]
        return exact or [name for name in [self._only("prompt")] if name]

    def _are_raters(self, names: Sequence[str], forms: Sequence[str]) -> bool:
        """Return whether each of these columns is a rater's, by `people`, or by its name or its words."""
        return bool(names) and all(self._is_person(name) or (not forms and self._is_rater(name)) for name in names)

    def _is_person(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.people)

    def _is_rater(self, name: str) -> bool:
        """Return whether a column of verdicts is called like a rater, such as llama_judge, or says which text is better
        by the name of its column."""
        is_called = bool(vocabulary("rater").intersection(tokens(name)))
        return self._holds_verdicts(name) and (is_called or not {self.a, self.b}.isdisjoint(self.words(name)))

    def _replies(self, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return those of these columns whose cells are replies that hold a verdict, with its forms."""
        forms = {name: find_forms(self._cells(name)) for name in names if not self._is_few(name)}
        return {name: heads for name, heads in forms.items() if heads}

    def _pattern(self, names: Sequence[str], forms: Sequence[str]) -> str:
        """Return the line with the pattern of replies: a question where these forms leave too many of them unread."""
        replies = [cell for name in names for cell in self._cells(name) if parse_word(cell)]
        left = unread(replies, forms)
        counted = f"{len(left):,} of {len(replies):,} replies stay unread"
        if len(left) <= MOST_UNREAD * len(replies):
            return f"pattern: {scalar(forms)}   # {counted}"
        examples = ", ".join(f"'{plain(excerpt(parse_word(reply)))}'" for reply in left[:SHOWN_UNREAD])
        advice = (
            f"write {scalar(forms)} if the unread replies hold no verdict, otherwise add a pattern for them: {examples}"
        )
        return f"pattern: {QUESTION}   # {counted}; {advice}"

    def _repeats(self, name: str, forms: Sequence[str], verdict: str) -> bool:
        """Return whether the replies of a column say what the column of verdicts says, as far as both can be read."""
        said = map(REPLY_WORDS.meanings().get, read_replies(self._cells(name), forms))
        meant = (self._means(parse_word(cell)) for cell in self._cells(verdict))
        return all(
            str(value).lower() == word for value, word in zip(said, meant, strict=True) if value in ("A", "B") and word
        )

    def _find_order(self, order: str, a: str, b: str) -> str | None:
        """Return the column of the order if the columns of the answers stay as they are in both; None if they change
        places; a question if no two answers come in both orders."""
        orders: dict[tuple[str, str], set[str]] = {}
        for row in self.rows:
            answers = parse_word(row.values.get(a)), parse_word(row.values.get(b))
            orders.setdefault(answers, set()).add(parse_word(row.values.get(order)))
        if any(first != second and (second, first) in orders for first, second in orders):
            return None
        return order if any(len(words) > 1 for words in orders.values()) else OPEN

    def _only(self, part: str, *, few: bool = False) -> str | None:
        """Return the one column with a name of this part; None where several have one, or the cells do not fit."""
        names = self.own if part in ("verdict", "rater", "model") else self.names
        named = [name for name in names if called(name) in vocabulary(part)]
        return named[0] if len(named) == 1 and (not few or self._is_few(named[0])) else None

    def _answers(self) -> tuple[str | None, str | None]:
        """Return the two columns whose names differ in the side alone, else the two of texts that stand as words in
        another; none where several pairs do."""
        by_parts = {tuple(tokens(name)): name for name in self.names}
        pairs = set()
        for parts, name in by_parts.items():
            for at, token in enumerate(parts):
                before, after = parts[:at], parts[at + 1 :]
                rest = " ".join((*before, *after))
                is_answer = singular(rest) in vocabulary("answer") if rest else not token.isdecimal()
                seconds = [second for first, second in (*sides(), ("0", "1"), ("1", "2")) if first == token]
                others = [by_parts.get((*before, second, *after)) for second in seconds if is_answer]
                pairs |= {(name, other) for other in others if other}
        if not pairs:
            texts = [name for name in self.names if self._are_texts(name)]
            said = [tuple(name for name in texts if name in self.words(few)) for few in self.names if self._is_few(few)]
            pairs = {(both[0], both[1]) for both in said if len(both) == 2}
        return pairs.pop() if len(pairs) == 1 else (None, None)

    def _cells(self, name: str) -> list[Any]:
        return [row.values.get(name) for row in self.rows]

    def _words(self, name: str) -> Counter[str]:
        return Counter(word for word in map(parse_word, self._cells(name)) if word)

    def _is_few(self, name: str) -> bool:
        words = self.words(name)
        return 1 <= len(words) <= MOST_WORDS and all(len(word) <= LONGEST_WORD for word in words)

    def _holds_verdicts(self, name: str) -> bool:
        """Return whether each word in the column says which answer is better, so that none of them names a rater."""
        meanings = {self._means(word) for word in self.words(name)} if self._is_few(name) else {""}
        return "" not in meanings and bool(meanings & {"a", "b", "tie"})

    def _means(self, word: str) -> str:
        """Return what a word says; the name of an answer's column says that this answer is better."""
        return "a" if word == self.a else "b" if word == self.b else meaning(word)

    def _could_be_verdicts(self) -> list[str]:
        """Return the column called a verdict; else those whose words are all verdicts; else those of few words that
        name no rater."""
        if self.verdict:
            return [self.verdict]
        few = [name for name in self.left if len(self.words(name)) > 1 and self._is_few(name)]
        codes = [self.words(name).keys() for name in few if name != self.rater]
        return [name for name in self.left if self._holds_verdicts(name)] or [
            name for name in few if name != self.rater or self.words(name).keys() in codes
        ]

    def _are_texts(self, name: str) -> bool:
        """Return whether most cells of a column may be prose: several words, or many signs, and no number or name."""
        words = self.words(name)
        prose = [word for word in words if " " in word or len(word) > LONGEST_WORD or not word.isascii()]
        return not self._is_few(name) and 2 * len(prose) > len(words)

    def _word_block(self, names: Sequence[str]) -> Iterator[str]:
        """Yield the words of these columns by meaning, where the columns are alike. What a number means is a
        question."""
        are_alike = len({frozenset(self.words(name)) for name in names}) == 1 or all(map(self._holds_verdicts, names))
        words = sum(map(self.words, names), Counter[str]()) if are_alike else Counter[str]()
        meant: dict[str, list[str]] = {"a": [], "b": [], "tie": [], "both_bad": [], "invalid": [], "": []}
        for word in sorted(words):
            meant[self._means(word) if _can_be_named(word) else ""].append(word)
        asked = ["a", "b", "tie"] if meant.pop("") or not words else ["a", "b"]
        notes = {
            "a": f"the verdicts are {_counted(words)}" if words else "the word that says that answer a is better",
            "tie": f"{LEAVE_OUT}; a word without a meaning is an error",
        }
        values = {key: listed or (OPEN if key in asked else None) for key, listed in meant.items()}
        yield from _block("words", values, notes)


# YAML.


def _block(key: str, values: Values, notes: Mapping[str, str] = {}) -> Iterator[str]:
    """Yield a mapping, one key a line, without the absent ones; a question has its note as a comment."""
    yield f"{key}:"
    for name, value in values.items():
        if value is not None:
            note = notes.get(name)
            is_noted = note and (note == PROPOSAL or QUESTION in scalar(value))
            yield f"  {name}: {scalar(value)}" + (f"   # {note}" if is_noted else "")


def _counted(words: Counter[str]) -> str:
    shown = ", ".join(f"{plain(word, longest=40)} ({count:,})" for word, count in words.most_common(SHOWN_WORDS))
    return shown + (f" and {len(words) - SHOWN_WORDS:,} more" if len(words) > SHOWN_WORDS else "")


def scalar(value: str | Sequence[str]) -> str:
    """Return a text, or a list of several, as YAML: a plain word bare, anything else in double quotes with escapes."""
    if not isinstance(value, str):
        listed = ", ".join(map(scalar, value))
        return listed if len(value) == 1 else f"[{listed}]"
    is_bare = re.fullmatch(r"[^\W\d_]\w*([-.]\w+)*", value)
    if is_bare and value.casefold() not in {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"}:
        return value
    quoted = json.dumps(value, ensure_ascii=False).replace("|", "\\u007c")
    return "".join(sign if sign.isprintable() else f"\\U{ord(sign):08x}" for sign in quoted)


def _can_be_named(text: str) -> bool:
    """Return whether a name can be written in a run file: no invisible characters, and not the mark of a question."""
    return bool(text.strip()) and text != OPEN and len(text) <= 300 and text.isprintable()
