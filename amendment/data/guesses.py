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
from pathlib import Path
from typing import Any, Literal

from amendment.data.nested import nested_names, unnested
from amendment.data.replies import form_of
from amendment.data.shapes import asked_in
from amendment.data.source_rows import SourceRows
from amendment.data.sources import OPEN, word_of
from amendment.errors import Problem
from amendment.tables import Row
from amendment.text import plain
from amendment.yamlfile import read_yaml

SHOWN_COLUMNS, SHOWN_WORDS, LOOKED_AT = 40, 8, 1000
LONGEST_WORD, MOST_WORDS = 24, 8
"""Characters, and different values, that a column of verdicts may have."""
NO_TEXT = "or leave this line out: without texts nothing about length is measured"
QUESTION = f'"{OPEN}"'
REPLACE = f"Replace each {QUESTION}: the data do not determine it."


def not_recognised(table: SourceRows, wanted: Literal["candidates", "pairs", "verdicts"]) -> Problem:
    """The columns with two rows, and lines for the run file."""
    table = opened(table) if wanted == "verdicts" else table
    lines = list(_Guess(table.rows[:LOOKED_AT], list(table.columns)).lines(wanted))
    shown = columns_shown(table)
    if any(QUESTION in line for line in lines):
        shown.append(f"  {REPLACE}")
    shown.append("  In the run file, under the path:")
    parts = [f"the columns are not a known layout for {wanted}; the first two rows", *shown]
    return Problem(table.place, "\n".join([*parts, *(f"    {line}" for line in lines)]))


def columns_shown(table: SourceRows) -> list[str]:
    """Each column with its first two values."""
    names = list(table.columns)
    shown = [f"  {plain(name, longest=40)}: {_two_values(table.rows, name)}" for name in names[:SHOWN_COLUMNS]]
    return shown + ([f"  and {len(names) - SHOWN_COLUMNS:,} more columns"] if len(names) > SHOWN_COLUMNS else [])


def opened(table: SourceRows) -> SourceRows:
    """The table with the parts of its nested cells as columns, in place of these cells."""
    names = nested_names(table.rows[:LOOKED_AT])
    heads = {name.partition(".")[0] for name in names}
    columns = {name: None for name in (*table.columns, *names) if name not in heads}
    return table._replace(rows=unnested(table.rows, list(names)), columns=columns) if names else table


def guessed_lines(table: SourceRows, people: Sequence[str], columns: Mapping[str, Any] = {}) -> list[str]:
    """The lines that describe a file of verdicts, without the one that says who is a person.

    `columns` are known already. Columns of votes are determined where all their names fit patterns of `people`.
    """
    return list(_Guess(table.rows[:LOOKED_AT], list(table.columns), people).lines("verdicts", columns))[:-1]


def who_line(raters: Sequence[str] | None, file: str, people: Sequence[str]) -> str:
    """The line that says who is a person: a question where there are no patterns of `people`."""
    if not people:
        return f'kind: {QUESTION}   # person, model or verifier; or people: ["PATTERN"], and the others are models'
    if any(fnmatchcase(file, pattern) for pattern in people):
        return "kind: person"
    fitting = [pattern for pattern in people if raters is None or any(fnmatchcase(rater, pattern) for rater in raters)]
    return f"people: {_list(fitting)}" if fitting else "kind: model"


def no_prompt(table: SourceRows) -> Problem:
    """Says in one line that there is no column `prompt`, which columns there are, and which one it may be."""
    names = list(table.columns)
    shown = [f"{plain(name, longest=40)} ({_two_values(table.rows, name)})" for name in names[:12]]
    more = f" and {len(names) - 12:,} more" if len(names) > 12 else ""
    prompts = _Guess(table.rows[:LOOKED_AT], names).prompts()
    named = _list(prompts) if len(prompts) > 1 else "".join(map(scalar, prompts)) or "COLUMN"
    advice = f"there are {', '.join(shown)}{more}. Name it in the run file, such as column: {named}"
    return Problem(f"{table.place}: prompt", f"no such column in any row; {advice}")


def _two_values(rows: Sequence[Row], name: str) -> str:
    values = [word_of(row.values.get(name)) for row in rows[:2]]
    return " / ".join(plain(value, longest=40) or "(empty)" for value in values)


class _Guess:
    """The columns and words that their names and contents determine."""

    def __init__(self, rows: Sequence[Row], names: Sequence[str], people: Sequence[str] = ()) -> None:
        self.rows, self.names = rows, [name for name in names[:LOOKED_AT] if _can_be_named(name)]
        self.people = people
        self.words = cache(self._words)
        self.a, self.b = self._answers()

    def lines(self, wanted: str, columns: Mapping[str, Any] = {}) -> Iterator[str]:
        """The lines of YAML, without those that need no answer; `columns` are known already."""
        prompts = self.prompts()
        prompt = (prompts[0] if len(prompts) == 1 else prompts) if prompts else None
        named: dict[str, Any] = {"prompt": prompt or OPEN}
        if wanted == "candidates":
            named |= {"candidate": self._only("answer") or OPEN, "model": self._only("model")}
            yield from _block("columns", named)
            return
        verdict = columns.get("verdict") or self._only("verdict", few=True)
        could = [verdict] if verdict else self._could_be_verdicts()
        category = self._only("category")
        if wanted == "pairs":
            chosen, rejected = self._only("chosen"), self._only("rejected")
            if chosen and rejected and not verdict:
                yield from _block("columns", {**named, "chosen": chosen, "rejected": rejected, "category": category})
                return
            named |= {"a": self.a or OPEN, "b": self.b or OPEN, "votes": [verdict or OPEN], "category": category}
            yield from _block("columns", named, dict(_verdict_notes(could)))
            yield from self._block_of_words(could)
            return
        label = self._label_of_one_answer()
        if label and not (verdict or columns or any(map(self._holds_verdicts, could))):
            yield from self._lines_of_one_answer(label, prompt, category)
        else:
            yield from self._lines_of_verdicts(columns, verdict, could, prompt, category)
        yield who_line(None, "", ())

    def _lines_of_verdicts(
        self, columns: Mapping[str, Any], verdict: str | None, could: list[str], prompt: Any, category: str | None
    ) -> Iterator[str]:
        """The lines of verdicts on pairs; `could` are the columns that may hold them."""
        notes = dict(_verdict_notes(could))
        order, item = columns.get("order") or self._only("order", few=True), self._only("item")
        votes = could if not verdict and could and all(map(self._is_person, could)) else None
        replies = {} if any(map(self._holds_verdicts, could)) else self._replies([verdict] if verdict else self._left())
        if len(replies) == 1:
            [verdict] = could = list(replies)
        elif replies:
            could = list(replies)
            notes = dict(_verdict_notes(could))
        shown_in = order
        if replies and order and self.a and self.b:
            shown_in = self._order_of(order, self.a, self.b)
            both = f"{scalar(self.a)} and {scalar(self.b)}"
            notes["order"] = f"{scalar(order)} if {both} are the same in both orders; else leave this line out"
        text = OPEN if self._may_have_texts(could) and not columns else None
        notes |= dict.fromkeys(("prompt", "a", "b"), NO_TEXT)
        rater = self._only("rater")
        if rater and (rater in could or (verdict and self._holds_verdicts(rater))):
            instead = (
                f"or votes: {_list([verdict, rater])} instead of rater and verdict"
                if verdict
                else "otherwise leave this line out"
            )
            notes["rater"] = f"{scalar(rater)} if it names raters; {instead}"
            rater = None if self._holds_verdicts(rater) and not verdict else OPEN
        named = {
            "item": item or (None if self.a else OPEN),
            "prompt": prompt or text,
            "a": self.a or text,
            "b": self.b or text,
            "order": shown_in,
            "verdict": None if votes else verdict or OPEN,
            "votes": votes,
            "rater": None if votes else rater,
            "category": category,
        }
        yield from _block("columns", {**named, **columns, "order": shown_in}, notes)
        if replies:
            yield f"pattern: {next(iter(replies.values()))}"
        else:
            yield from self._block_of_words(could)
        if order and shown_in:
            shown = dict.fromkeys(
                ("ab", "ba"), f"column {scalar(order)} has {', '.join(map(scalar, self.words(order)))}"
            )
            yield from _block("orders", self._orders(order), shown)
        if replies and (order or self.a):
            yield "coordinates: displayed   # a reply names the answers as they were shown"
        elif order or columns.get("swapped"):
            yield f"coordinates: {QUESTION}   # displayed: the verdict names the place on screen; content: the column"

    def _label_of_one_answer(self) -> str | None:
        """A column that may hold labels of single answers: one that is called a score, or a label next to an answer."""
        has_answer = bool(self._only("answer"))
        named = [self._only("score"), self._only("label") if has_answer else None]
        labels = [name for name in named if name]
        has_others = self._may_have_texts([*labels, *filter(None, [self._only("answer")])])
        return labels[0] if len(labels) == 1 and not self.a and not has_others else None

    def _lines_of_one_answer(self, label: str, prompt: Any, category: str | None) -> Iterator[str]:
        """The lines of a file that has one answer a row at most, and a label of it or of a pair."""
        item, answer = self._only("item"), self._only("answer")
        named = {
            "item": item or (None if prompt and answer else OPEN),
            "prompt": prompt,
            "answer": answer,
            "verdict": label,
            "rater": self._only("rater"),
            "category": category,
        }
        yield from _block("columns", named)
        shown = ", ".join(f"{plain(word, longest=40)} ({count:,})" for word, count in self.words(label).most_common(8))
        yield f"scale: {QUESTION}   # {shown}: nominal, ordinal (classes: [lowest, ..., highest]), interval, or pair"

    def prompts(self) -> list[str]:
        """The columns of the prompt, where the names tell them."""
        by_lower = {name.lower(): name for name in self.names}
        exact = [by_lower[name] for name in asked_in(by_lower)]
        return exact or [name for name in [self._only("prompt")] if name]

    def _is_person(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.people)

    def _replies(self, names: Sequence[str]) -> dict[str, str]:
        """Those of these columns whose cells are replies that hold a verdict, with its form."""
        texts = {name: [row.values.get(name) for row in self.rows] for name in names if not self._is_few(name)}
        return {name: form for name, cells in texts.items() if (form := form_of(cells))}

    def _order_of(self, order: str, a: str, b: str) -> str | None:
        """The column of the order if the columns of the answers stay as they are in both; None if they change places;
        a question if no two answers come in both orders."""
        orders: dict[tuple[str, str], set[str]] = {}
        for row in self.rows:
            answers = word_of(row.values.get(a)), word_of(row.values.get(b))
            orders.setdefault(answers, set()).add(word_of(row.values.get(order)))
        if any(first != second and (second, first) in orders for first, second in orders):
            return None
        return order if any(len(words) > 1 for words in orders.values()) else OPEN

    def _only(self, part: str, *, few: bool = False) -> str | None:
        """The one column with a name of this part; None where there are several, or the cells do not fit."""
        named = [name for name in self.names if _folded(name.rpartition(".")[2]) in _vocabulary(part)]
        return named[0] if len(named) == 1 and (not few or self._is_few(named[0])) else None

    def _answers(self) -> tuple[str | None, str | None]:
        """The two columns whose names differ in the side alone; none where several pairs do."""
        by_rest: dict[tuple[str, str], dict[int, str]] = {}
        for name in self.names:
            tokens = _tokens(name)
            for at, token in enumerate(tokens):
                rest = " ".join(tokens[:at] + tokens[at + 1 :])
                if not rest or rest in _vocabulary("answer"):
                    for pair in (*_sides(), ("0", "1"), ("1", "2")):
                        if token in pair and not (not rest and token.isdecimal()):
                            by_rest.setdefault((rest, "/".join(pair)), {})[pair.index(token)] = name
        pairs = {(both[0], both[1]) for both in by_rest.values() if len(both) == 2}
        return pairs.pop() if len(pairs) == 1 else (None, None)

    def _words(self, name: str) -> Counter[str]:
        words = (word_of(row.values.get(name)) for row in self.rows)
        return Counter(word for word in words if word)

    def _is_few(self, name: str) -> bool:
        words = self.words(name)
        return 1 <= len(words) <= MOST_WORDS and all(len(word) <= LONGEST_WORD for word in words)

    def _holds_verdicts(self, name: str) -> bool:
        """True if each word in the column says which answer is better, so that none of them names a rater."""
        meanings = {_meaning(word) for word in self.words(name)} if self._is_few(name) else {""}
        return "" not in meanings and bool(meanings & {"a", "b", "tie"})

    def _left(self) -> list[str]:
        """Columns of which no name says what they hold; one that is called like a rater may hold verdicts."""
        named = {self.a, self.b, *self.prompts(), *map(self._only, ("item", "order", "category", "model"))}
        return [name for name in self.names if name not in named]

    def _could_be_verdicts(self) -> list[str]:
        """Columns whose words are all verdicts; without such columns, those of few words that name no rater."""
        left, rater = self._left(), self._only("rater")
        few = [name for name in left if len(self.words(name)) > 1 and self._is_few(name)]
        coded = {frozenset(self.words(name)) for name in few if name != rater}
        return [name for name in left if self._holds_verdicts(name)] or [
            name for name in few if name != rater or frozenset(self.words(name)) in coded
        ]

    def _may_have_texts(self, verdicts: Sequence[str]) -> bool:
        """True if a column is left whose cells may be texts, apart from one that may name the item."""
        left = set(self._left()) - {*verdicts, self._only("verdict"), self._only("rater")}
        has_open_item = not self._only("item") and not self.a
        return sum(map(self._are_texts, left)) > has_open_item

    def _are_texts(self, name: str) -> bool:
        """True if most cells of a column may be prose: several words, or many signs, and no number or short name."""
        words = self.words(name)
        prose = [word for word in words if " " in word or len(word) > LONGEST_WORD or not word.isascii()]
        return not self._is_few(name) and 2 * len(prose) > len(words)

    def _block_of_words(self, could: Sequence[str]) -> Iterator[str]:
        """The words of the columns that could hold verdicts by meaning, where these columns are alike. What a number
        means is a question, unless the columns of the answers have the same numbers and the verdicts no other."""
        alike = len({frozenset(self.words(name)) for name in could}) == 1 or all(map(self._holds_verdicts, could))
        words = sum(map(self.words, could), Counter[str]()) if alike else Counter[str]()
        ends = [_tokens(name)[-1] if name else "" for name in (self.a, self.b)]
        numbers = {word for word in words if re.fullmatch(r"[-+]?\d+([.,]\d+)?", word)}
        meant: dict[str, list[str]] = {"a": [], "b": [], "tie": [], "both_bad": [], "invalid": [], "": []}
        for word in sorted(words):
            if word in numbers:
                meaning = "ab"[ends.index(word)] if numbers <= set(ends) and ends[0] != ends[1] else ""
            else:
                meaning = _meaning(word) if _can_be_named(word) else ""
            meant[meaning].append(word)
        asked = {"a", "b", *(["tie"] if meant[""] or not words else [])}
        named = {key: listed or ([OPEN] if key in asked else []) for key, listed in meant.items() if key}
        shown = ", ".join(f"{plain(word, longest=40)} ({count:,})" for word, count in words.most_common(SHOWN_WORDS))
        more = f" and {len(words) - SHOWN_WORDS:,} more" if len(words) > SHOWN_WORDS else ""
        notes = {
            "a": f"the verdicts are {shown}{more}" if words else "the word that says that answer a is better",
            "tie": "or leave this line out; a word without a meaning is an error",
        }
        values = {key: listed[0] if len(listed) == 1 else listed for key, listed in named.items() if listed}
        yield from _block("words", values, notes)

    def _orders(self, name: str) -> dict[str, str]:
        """ab or 12 for the first answer shown first, where the two words are each other's reverse."""
        words = sorted(self.words(name))
        if len(words) == 2 and words[0] == words[1][::-1]:
            for word in words:
                if tuple(word.casefold()) in {("a", "b"), ("1", "2"), ("l", "r")}:
                    return {"ab": word, "ba": word[::-1]}
        return {"ab": OPEN, "ba": OPEN}


def _meaning(word: str) -> str:
    """a, b, tie, both_bad or invalid; empty where the words of no language say it."""
    folded = _folded(word.strip("[](){}\"'*.:!"))
    for meaning in ("both_bad", "tie", "invalid"):
        if folded in _vocabulary(meaning) or word in _vocabulary(meaning):
            return meaning
    rest = set(_tokens(folded)) - _vocabulary("noise") - _vocabulary("answer")
    sides = {"ab"[pair.index(token)] for token in rest for pair in _sides() if token in pair}
    return sides.pop() if len(rest) == 1 and len(sides) == 1 else ""


def _verdict_notes(could: Sequence[str]) -> Mapping[str, str]:
    """The columns that could hold verdicts, if none is determined."""
    if not could:
        return {}
    listed = ", ".join(map(scalar, could[:SHOWN_COLUMNS]))
    more = f" and {len(could) - SHOWN_COLUMNS:,} more" if len(could) > SHOWN_COLUMNS else ""
    votes = f"; or in place of this line votes: [{listed}]{more}, a column for each rater" if len(could) > 1 else ""
    return dict.fromkeys(("verdict", "votes"), f"one of {listed}{more}{votes}")


@cache
def _languages() -> tuple[Mapping[str, Any], ...]:
    return tuple(read_yaml(Path(__file__).with_name("column_words.yaml")).data.values())


@cache
def _vocabulary(part: str) -> frozenset[str]:
    return frozenset(str(word) for language in _languages() for word in language.get(part, ()))


@cache
def _sides() -> tuple[tuple[str, str], ...]:
    return tuple((a, b) for language in _languages() for a, b in language.get("sides", ()))


def _tokens(name: str) -> list[str]:
    """The parts of a name in small letters, split at signs, digits and capitals.

    >>> _tokens("replyText_L2")
    ['reply', 'text', 'l', '2']
    """
    spaced = re.sub(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])|(?<=[a-z])(?=[A-Z])|_", " ", name[:200])
    return re.findall(r"\w+", spaced.casefold())


def _folded(name: str) -> str:
    return " ".join(re.sub(r"[_\-\s]+", " ", name[:200]).casefold().split())


# YAML.


def _block(key: str, values: Mapping[str, Any], notes: Mapping[str, str] = {}) -> Iterator[str]:
    """A mapping, one key a line, without the absent ones; a question has its note as a comment."""
    yield f"{key}:"
    for name, value in values.items():
        if value is not None:
            shown = _list(value) if isinstance(value, list) else scalar(value)
            is_open = OPEN in (value if isinstance(value, list) else [value])
            yield f"  {name}: {shown}" + (f"   # {notes[name]}" if is_open and name in notes else "")


def _list(texts: Sequence[str]) -> str:
    return f"[{', '.join(map(scalar, texts))}]"


def scalar(text: str) -> str:
    """A text as YAML: bare where it is a plain word or number, else in double quotes with escapes."""
    is_bare = re.fullmatch(r"[^\W\d_]\w*([-.]\w+)*|0|[1-9][0-9]{0,4}", text)
    if is_bare and text.casefold() not in {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"}:
        return text
    quoted = json.dumps(text, ensure_ascii=False).replace("|", "\\u007c")
    return "".join(sign if sign.isprintable() else f"\\U{ord(sign):08x}" for sign in quoted)


def _can_be_named(text: str) -> bool:
    """True if a name can be written in a run file: no invisible characters, and not the mark of an open question."""
    return bool(text.strip()) and text != OPEN and len(text) <= 300 and text.isprintable()
