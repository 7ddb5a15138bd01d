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
from typing import Any, Literal

from amendment.data.column_words import called, meaning, sides, singular, tokens, vocabulary
from amendment.data.nested import lists_of_objects, nested_names, unnested
from amendment.data.replies import FORMS, MOST_UNREAD, REPLY_WORDS, excerpt, forms_of, read_replies, unread
from amendment.data.shapes import asked_in
from amendment.data.source_rows import SourceRows
from amendment.data.sources import OPEN, word_of
from amendment.errors import Problem
from amendment.tables import Row
from amendment.text import plain

SHOWN_COLUMNS, SHOWN_WORDS, SHOWN_UNREAD, LOOKED_AT = 40, 8, 3, 1000
LONGEST_WORD, MOST_WORDS = 24, 8
"""Characters, and different values, that a column of verdicts may have."""
NO_TEXT = "without texts nothing about length is measured"
QUESTION = f'"{OPEN}"'
PROPOSAL = "a proposal: no other column could hold the verdicts"
REPLACE = f"Replace each {QUESTION}: the data do not determine it."


def not_recognised(table: SourceRows, wanted: Literal["candidates", "pairs", "verdicts"]) -> Problem:
    """The columns with two rows, and lines for the run file."""
    if wanted == "verdicts":
        entries = [[*lines, who_line(None, "", ())] for lines in guessed_entries(table)]
        table = opened(table)
    else:
        entries = [list(_Guess(table.rows[:LOOKED_AT], list(table.columns)).lines(wanted))]
    parts = [f"the columns are not a known layout for {wanted}; the first two rows", *columns_shown(table)]
    if any(QUESTION in line for lines in entries for line in lines):
        parts.append(f"  {REPLACE}")
    for number, lines in enumerate(entries):
        parts.append("  In one more entry with the same path:" if number else "  In the run file, under the path:")
        parts += [f"    {line}" for line in lines]
    return Problem(table.place, "\n".join(parts))


def columns_shown(table: SourceRows) -> list[str]:
    """Each column with its first two values."""
    names = list(table.columns)
    shown = [f"  {plain(name, longest=40)}: {_two_values(table.rows, name)}" for name in names[:SHOWN_COLUMNS]]
    return shown + ([f"  and {len(names) - SHOWN_COLUMNS:,} more columns"] if len(names) > SHOWN_COLUMNS else [])


def opened(table: SourceRows, lists: Sequence[str] | None = None) -> SourceRows:
    """The first rows with the parts of nested cells as columns, in place of these cells; `lists` are the lists of
    objects that are opened, by default all."""
    rows = table.rows[:LOOKED_AT]
    left_out = set(lists_of_objects(rows)) - set(lists) if lists is not None else set[str]()
    found = nested_names(rows)
    names = [name for name in found if name.partition(".")[0] not in left_out]
    heads = {name.partition(".")[0] for name in found}
    columns = {name: None for name in (*table.columns, *names) if name not in heads}
    return table._replace(rows=unnested(rows, names)[:LOOKED_AT], columns=columns)


def guessed_entries(
    table: SourceRows, people: Sequence[str] = (), columns: Mapping[str, Any] = {}
) -> Iterator[list[str]]:
    """The lines that describe a file of verdicts, without the one that says who is a person.

    There is an entry for each group of columns that needs settings of its own: the words, each form of reply, each list
    of objects. `columns` are known already. Columns of votes are determined where all their names fit patterns of
    `people`.
    """
    if columns:
        yield from _Guess(table.rows[:LOOKED_AT], list(table.columns), people).entries(columns)
        return
    lists = lists_of_objects(table.rows[:LOOKED_AT])
    places = [(inside, opened(table, [inside])) for inside in ("", *lists)] if lists else []
    guesses = [_Guess(seen.rows, list(seen.columns), people, inside) for inside, seen in places]
    whole = opened(table)
    voted = [guess for guess in guesses if guess.has_votes()] or [_Guess(whole.rows, list(whole.columns), people)]
    for guess in voted:
        yield from guess.entries(is_alone=len(voted) == 1)


def who_line(raters: Sequence[str] | None, file: str, people: Sequence[str]) -> str:
    """The line that says who is a person: a question where there are no patterns of `people`."""
    if not people:
        return f'kind: {QUESTION}   # person, model or verifier; or people: ["PATTERN"], and the others are models'
    if any(fnmatchcase(file, pattern) for pattern in people):
        return "kind: person"
    named = [pattern for pattern in people if pattern]
    fitting = [pattern for pattern in named if raters is None or any(fnmatchcase(rater, pattern) for rater in raters)]
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

    def __init__(self, rows: Sequence[Row], names: Sequence[str], people: Sequence[str] = (), inside: str = "") -> None:
        """`inside` is the list of objects that holds the verdicts; everything else stands outside of it."""
        self.rows, self.people, self.inside = rows, people, inside
        names = [name for name in names[:LOOKED_AT] if _can_be_named(name)]
        self.own = [name for name in names if not inside or name.startswith(f"{inside}.")]
        """The columns that may hold verdicts and raters."""
        self.names = [name for name in names if name not in self.own] if inside else names
        self.words = cache(self._words)
        self.a, self.b = self._answers()

    def lines(self, wanted: str) -> Iterator[str]:
        """The lines of YAML for candidates or pairs, without those that need no answer."""
        named: dict[str, Any] = {"prompt": self._prompt() or OPEN}
        if wanted == "candidates":
            named |= {"candidate": self._only("answer") or OPEN, "model": self._only("model")}
            yield from _block("columns", named)
            return
        verdict, category = self._only("verdict", few=True), self._only("category")
        chosen, rejected = self._only("chosen"), self._only("rejected")
        if chosen and rejected and not verdict:
            yield from _block("columns", {**named, "chosen": chosen, "rejected": rejected, "category": category})
            return
        could = [verdict] if verdict else self._could_be_verdicts()
        votes = [verdict or _proposed(could) or OPEN]
        named |= {"a": self.a or OPEN, "b": self.b or OPEN, "votes": votes, "category": category}
        yield from _block("columns", named, {} if verdict else _verdict_notes(could))
        yield from self._block_of_words(could)

    def has_votes(self) -> bool:
        """True if a column is called a verdict or holds nothing else, or holds replies with verdicts."""
        left = self._left(self.own)
        return bool(self._only("verdict", few=True) or any(map(self._holds_verdicts, left)) or self._replies(left))

    def entries(self, columns: Mapping[str, Any] = {}, *, is_alone: bool = True) -> Iterator[list[str]]:
        """The lines of YAML for verdicts; `columns` are known already. Next to a list of verdicts (not `is_alone`) a
        column that is called a verdict may be their majority."""
        verdict = columns.get("verdict") or self._only("verdict", few=True)
        could = [verdict] if verdict else self._could_be_verdicts()
        holds = any(self._holds_verdicts(name) or self._is_person(name) for name in could)
        label = self._label_of_one_answer()
        if label and not (verdict or columns or holds):
            yield list(self._lines_of_one_answer(label))
            return
        rater = self._only("rater")
        has_one = bool(columns or (rater and rater not in could))
        replies = (
            {} if holds and has_one else self._replies([verdict] if verdict and not holds else self._left(self.own))
        )
        texts = self._may_have_texts([*could, *replies]) and not columns
        groups: dict[tuple[str, ...], list[str]] = {(): could} if holds or not replies else {}
        for name, forms in replies.items():
            if not (verdict and holds and self._repeats(name, forms, verdict)):
                groups.setdefault(forms, []).append(name)
        is_alone_here = is_alone and len(groups) == 1
        known = verdict if self.inside or is_alone_here else None
        for forms, names in groups.items():
            is_one = len(names) == 1 and not is_alone_here and bool(forms or (verdict and is_alone))
            is_votes = not known and bool(names) and not self.inside and (is_one or self._are_raters(names, forms))
            yield list(self._lines_of_verdicts(columns, known, names, forms, texts=texts, is_votes=is_votes))

    def _lines_of_verdicts(
        self,
        columns: Mapping[str, Any],
        verdict: str | None,
        could: list[str],
        forms: Sequence[str],
        *,
        texts: bool,
        is_votes: bool,
    ) -> Iterator[str]:
        """The lines of verdicts on pairs; `could` are the columns that may hold them, as replies of these `forms`."""
        votes = could if is_votes else None
        if not (verdict or votes) and len(could) == 1 and (forms or (self.inside and self._holds_verdicts(could[0]))):
            verdict = could[0]
        notes = {} if verdict else dict(_verdict_notes(could))
        order, item = columns.get("order") or self._only("order", few=True), self._only("item")
        shown_in = order
        if forms and order and self.a and self.b:
            shown_in = self._order_of(order, self.a, self.b)
            both = f"{scalar(self.a)} and {scalar(self.b)}"
            notes["order"] = f"{scalar(order)} if {both} are the same in both orders; else leave this line out"
        text = OPEN if texts else None
        notes |= dict.fromkeys(("prompt", "a", "b"), f"or leave this line out: {NO_TEXT}")
        if not item and self.a:
            notes["prompt"] = "needed: no column is called an item, and prompt, a and b join the files in its place"
            if names := self._could_be_items():
                instead = f"or item: {' or '.join(map(scalar, names))} in place of this line"
                notes["prompt"] = f"{instead}, if the other files have the same ids; {NO_TEXT}"
        if texts:
            notes["item"] = "or leave this line out: prompt, a and b name the comparison"
        rater = self._only("rater") or (OPEN if self.inside else None)
        notes["rater"] = f"the part of {scalar(self.inside)} that names the rater"
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
            "prompt": self._prompt() or text,
            "a": self.a or text,
            "b": self.b or text,
            "order": shown_in,
            "verdict": None if votes else verdict or _proposed(could) or OPEN,
            "votes": votes,
            "rater": None if votes else rater,
            "category": self._only("category"),
        }
        yield from _block("columns", {**named, **columns, "order": shown_in}, notes)
        if forms:
            yield self._pattern(could, forms)
        else:
            yield from self._block_of_words(could)
        if order and shown_in:
            shown = dict.fromkeys(
                ("ab", "ba"), f"column {scalar(order)} has {', '.join(map(scalar, self.words(order)))}"
            )
            yield from _block("orders", self._orders(order), shown)
        if forms and (order or self.a):
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

    def _lines_of_one_answer(self, label: str) -> Iterator[str]:
        """The lines of a file that has one answer a row at most, and a label of it or of a pair."""
        item, answer, prompt = self._only("item"), self._only("answer"), self._prompt()
        named = {
            "item": item or (None if prompt and answer else OPEN),
            "prompt": prompt,
            "answer": answer,
            "verdict": label,
            "rater": self._only("rater"),
            "category": self._only("category"),
        }
        yield from _block("columns", named)
        shown = ", ".join(f"{plain(word, longest=40)} ({count:,})" for word, count in self.words(label).most_common(8))
        yield f"scale: {QUESTION}   # {shown}: nominal, ordinal (classes: [lowest, ..., highest]), interval, or pair"

    def prompts(self) -> list[str]:
        """The columns of the prompt, where the names tell them."""
        by_lower = {name.lower(): name for name in self.names}
        exact = [by_lower[name] for name in asked_in(by_lower)]
        return exact or [name for name in [self._only("prompt")] if name]

    def _prompt(self) -> str | list[str] | None:
        prompts = self.prompts()
        return prompts[0] if len(prompts) == 1 else prompts or None

    def _are_raters(self, names: Sequence[str], forms: Sequence[str]) -> bool:
        """True if each of these columns is a rater's, by `people`, or by its name or its words."""
        return all(self._is_person(name) or (not forms and self._is_rater(name)) for name in names)

    def _is_person(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.people)

    def _is_rater(self, name: str) -> bool:
        """True if a column of verdicts is called like a rater, such as llama_judge, or says which text is better by the
        name of its column."""
        is_called = bool(vocabulary("rater").intersection(tokens(name)))
        return self._holds_verdicts(name) and (is_called or not {self.a, self.b}.isdisjoint(self.words(name)))

    def _replies(self, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Those of these columns whose cells are replies that hold a verdict, with its forms."""
        texts = {name: [row.values.get(name) for row in self.rows] for name in names if not self._is_few(name)}
        return {name: forms for name, cells in texts.items() if (forms := forms_of(cells))}

    def _pattern(self, names: Sequence[str], forms: Sequence[str]) -> str:
        """The line with the pattern of replies: a question where these forms leave too many of them unread."""
        cells = [row.values.get(name) for name in names for row in self.rows]
        replies = [cell for cell in cells if word_of(cell)]
        counts = {form: len(replies) - len(unread(replies, [form])) for form in FORMS}
        reads = ", ".join(f"{form} reads {count:,}" for form, count in counts.items() if count)
        left, listed = unread(replies, forms), forms[0] if len(forms) == 1 else _list(forms)
        counted = f"of {len(replies):,} replies, {reads}; {len(left):,} stay unread"
        if len(left) <= MOST_UNREAD * len(replies):
            return f"pattern: {listed}   # {counted}"
        examples = ", ".join(f"'{plain(excerpt(word_of(reply)))}'" for reply in left[:SHOWN_UNREAD])
        advice = f"write {listed} if the unread replies hold no verdict, otherwise add a pattern for them: {examples}"
        return f"pattern: {QUESTION}   # {counted}; {advice}"

    def _repeats(self, name: str, forms: Sequence[str], verdict: str) -> bool:
        """True if the replies of a column say what the column of verdicts says, as far as both can be read."""
        said = read_replies([row.values.get(name) for row in self.rows], forms)
        both = zip(map(REPLY_WORDS.meanings().get, said), self.rows, strict=True)
        pairs = [(str(value).lower(), self._means(word_of(row.values.get(verdict)))) for value, row in both]
        return all(value == word for value, word in pairs if value in ("a", "b") and word)

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
        names = self.own if part in ("verdict", "rater", "model") else self.names
        named = [name for name in names if called(name) in vocabulary(part)]
        return named[0] if len(named) == 1 and (not few or self._is_few(named[0])) else None

    def _answers(self) -> tuple[str | None, str | None]:
        """The two columns whose names differ in the side alone, else the two of texts that stand as words in another;
        none where several pairs do."""
        by_rest: dict[tuple[str, str], dict[int, str]] = {}
        for name in self.names:
            parts = tokens(name)
            for at, token in enumerate(parts):
                rest = " ".join(parts[:at] + parts[at + 1 :])
                if not rest or singular(rest) in vocabulary("answer"):
                    for pair in (*sides(), ("0", "1"), ("1", "2")):
                        if token in pair and not (not rest and token.isdecimal()):
                            by_rest.setdefault((rest, "/".join(pair)), {})[pair.index(token)] = name
        pairs = {(both[0], both[1]) for both in by_rest.values() if len(both) == 2}
        if not pairs:
            texts = {name for name in self.names if self._are_texts(name)}
            few = [self.words(name) for name in self.names if self._is_few(name)] if texts else []
            said = ([name for name in self.names if name in texts and name in words] for words in few)
            pairs = {(both[0], both[1]) for both in said if len(both) == 2}
        return pairs.pop() if len(pairs) == 1 else (None, None)

    def _words(self, name: str) -> Counter[str]:
        words = (word_of(row.values.get(name)) for row in self.rows)
        return Counter(word for word in words if word)

    def _is_few(self, name: str) -> bool:
        words = self.words(name)
        return 1 <= len(words) <= MOST_WORDS and all(len(word) <= LONGEST_WORD for word in words)

    def _holds_verdicts(self, name: str) -> bool:
        """True if each word in the column says which answer is better, so that none of them names a rater."""
        meanings = {self._means(word) for word in self.words(name)} if self._is_few(name) else {""}
        return "" not in meanings and bool(meanings & {"a", "b", "tie"})

    def _means(self, word: str) -> str:
        """What a word says; the name of an answer's column says that this answer is better."""
        return "a" if word == self.a else "b" if word == self.b else meaning(word)

    def _left(self, names: Sequence[str]) -> list[str]:
        """Those of which no name says what they hold; one that is called like a rater may hold verdicts."""
        named = {self.a, self.b, *self.prompts(), *map(self._only, ("item", "order", "category", "model"))}
        return [name for name in names if name not in named]

    def _could_be_verdicts(self) -> list[str]:
        """Columns whose words are all verdicts; without such columns, those of few words that name no rater."""
        left, rater = self._left(self.own), self._only("rater")
        few = [name for name in left if len(self.words(name)) > 1 and self._is_few(name)]
        coded = {frozenset(self.words(name)) for name in few if name != rater}
        return [name for name in left if self._holds_verdicts(name)] or [
            name for name in few if name != rater or frozenset(self.words(name)) in coded
        ]

    def _could_be_items(self) -> list[str]:
        """Columns of short words that differ exactly where the two answers do, whichever stands first."""
        sides = [name for name in (self.a, self.b) if name]
        answers = [frozenset(word_of(row.values.get(side)) for side in sides) for row in self.rows]
        names = []
        for name in self._left(self.names):
            words = [word_of(row.values.get(name)) for row in self.rows]
            both = len(set(zip(words, answers, strict=True)))
            is_short = all(0 < len(word) <= LONGEST_WORD and " " not in word for word in words)
            if is_short and both == len(set(words)) == len(set(answers)) > MOST_WORDS:
                names.append(name)
        return names[:SHOWN_WORDS]

    def _may_have_texts(self, verdicts: Sequence[str]) -> bool:
        """True if a column is left whose cells may be texts, apart from one that may name the item."""
        left = set(self._left(self.names)) - {*verdicts, self._only("verdict"), self._only("rater")}
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
        ends = [tokens(name)[-1] if name else "" for name in (self.a, self.b)]
        numbers = {word for word in words if re.fullmatch(r"[-+]?\d+([.,]\d+)?", word)}
        meant: dict[str, list[str]] = {"a": [], "b": [], "tie": [], "both_bad": [], "invalid": [], "": []}
        for word in sorted(words):
            if word in numbers:
                meaning = "ab"[ends.index(word)] if numbers <= set(ends) and ends[0] != ends[1] else ""
            else:
                meaning = self._means(word) if _can_be_named(word) else ""
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


def _proposed(could: Sequence[str]) -> str | None:
    """The only column that could hold verdicts."""
    return could[0] if len(could) == 1 else None


def _verdict_notes(could: Sequence[str]) -> Mapping[str, str]:
    """The columns that could hold verdicts, if none is determined."""
    if not could:
        return {}
    if len(could) == 1:
        return {
            "verdict": f"{PROPOSAL}; or votes: {_list(could)} if the column has the name of a rater",
            "votes": PROPOSAL,
        }
    listed = ", ".join(map(scalar, could[:SHOWN_COLUMNS]))
    more = f" and {len(could) - SHOWN_COLUMNS:,} more" if len(could) > SHOWN_COLUMNS else ""
    votes = f"; or in place of this line votes: [{listed}]{more}, a column for each rater" if len(could) > 1 else ""
    return dict.fromkeys(("verdict", "votes"), f"one of {listed}{more}{votes}")


# YAML.


def _block(key: str, values: Mapping[str, Any], notes: Mapping[str, str] = {}) -> Iterator[str]:
    """A mapping, one key a line, without the absent ones; a question has its note as a comment."""
    yield f"{key}:"
    for name, value in values.items():
        if value is not None:
            shown = _list(value) if isinstance(value, list) else scalar(value)
            is_open = OPEN in (value if isinstance(value, list) else [value])
            is_noted = name in notes and (is_open or notes[name].startswith(PROPOSAL))
            yield f"  {name}: {shown}" + (f"   # {notes[name]}" if is_noted else "")


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
