"""Texts of others on their way to models and to people, as data and never as instructions.

`Template` and `fence` put them into requests, `plain` onto a terminal, `cell` and `table` into Markdown, `safe_cell`
into a spreadsheet, and `transcript` shows a conversation. `words` splits a text, and `folded` shows
two spellings of it to be one.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from amendment.errors import ConfigError, Problem
from amendment.hashing import HASH_PREFIX, content_id

if TYPE_CHECKING:
    from amendment.records import Message

_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_IN_BRACES = re.compile(r"\{[a-z][a-z0-9_]*\}|(?<![A-Za-z])\{ *[A-Za-z][\w-]+ *\}")
"""A placeholder, or a word that is meant to be one; after a letter stands a command of LaTeX."""


class Template:
    """A text with `{name}` placeholders. Raises ConfigError when a placeholder has a name that nobody fills."""

    def __init__(self, text: str, *, placeholders: frozenset[str], place: str = "template") -> None:
        unknown = sorted(set(_IN_BRACES.findall(text)) - {f"{{{name}}}" for name in placeholders})
        if unknown:
            known = ", ".join(sorted(placeholders))
            raise ConfigError(Problem(place, f"unknown placeholder {name}; known are {known}") for name in unknown)
        self.text = text
        self.id = content_id(text)
        self._placeholders = placeholders

    def until(self, names: Collection[str]) -> Template:
        """Return the text before the first of these placeholders, as a separate template."""
        first = next((match.start() for match in _PLACEHOLDER.finditer(self.text) if match[1] in names), len(self.text))
        return Template(self.text[:first], placeholders=self._placeholders)

    def fill(self, values: Mapping[str, str]) -> str:
        """Return the text with every placeholder filled. A placeholder without a value is a programming error
        (KeyError)."""
        return _PLACEHOLDER.sub(lambda match: values[match.group(1)], self.text)


# A block carries one JSON value between two lines that hold a random-looking mark. JSON escapes line breaks, so no
# value can open or close a block, and the tokens of chat templates are escaped too. The mark is drawn from the value,
# so that nobody can write a value that holds the mark of its own block, and from nothing else, so that requests that
# begin with the same conversation begin with the same characters (prefix caches).


_BLOCK = re.compile(
    r"^<<(?P<name>[a-z][a-z0-9_]*) (?P<mark>[0-9a-f]{32})>>\n(?P<value>.*)\n<<end (?P=name) (?P=mark)>>$", re.MULTILINE
)
_SPECIAL = re.compile(
    r"<(?=[<|\uff5c])|<(?=/?(?i:s|bos|eos|pad|unk|cls|sep|mask|think|thinking|tool_call|tool_response"
    r"|(?:start|end)_of_(?:turn|text|image)|(?:im|fim)_[a-z]+)>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|THINK|IMG)\])"
)
"""Matches what chat templates and tokenizers take for their own tokens, such as `<|im_start|>`, `</s>`, `[INST]`,
`<<SYS>>`, and where a model could see a mark of ours. None of it can stand in JSON but inside a string."""
_TOKEN = re.compile(rf"(?!<<(?!/?SYS>>)|<\|(?![^|\s]+\|>))(?:{_SPECIAL.pattern})|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""The same without shift operators, pipes and the like; and control characters."""
Layout = Literal["marks", "tags"]
"""How a question shows texts of others: JSON between lines with a random mark, or text between tags with one."""
MARK = 8
"""Hexadecimal digits of a tag's mark."""
_TAG = re.compile(rf"^<(?P<end>/?)(?P<name>[a-z][a-z0-9_]*-[0-9a-f]{{{MARK}}})>$", re.MULTILINE)
_LOOKALIKE = re.compile(rf"{_SPECIAL.pattern}|<(?=/?[a-z][a-z0-9_]*-[0-9a-f]{{{MARK}}}>)")
_AS_JSON, _AS_TEXT = "each one JSON value between two marked lines", "each between two tags with one mark"
"""How the shipped judges speak of their blocks."""
_MARKS = re.compile(
    r"^[ \t]*<<[a-z][a-z_ -]* [0-9a-f]|(?:^[ \t\"]*\[|\A\s*)\{\\?\"role\\?\": ?\\?\"|"
    r"[<\[]/?[a-z][a-z_-]*-(?=[a-f]*[0-9])[0-9a-f]{6,9}[>\]]",
    re.MULTILINE,
)
"""The beginning of a block or of a turn's JSON, also as small models misspell them; JSON inside of code is none."""
_OTHER_BREAKS = {code: f"\\u{code:04x}" for code in (0x7F, 0x85, 0x2028, 0x2029)}
"""Signs that end a line for some readers and that JSON leaves as they are."""


def fence(values: Mapping[str, Any]) -> dict[str, str]:
    """Return each named JSON value as a block; names are lower-case words with digits and underscores.

    Raises ValueError for NaN, infinity and lone surrogates.

    >>> print(fence({"answer": "two\\nlines"})["answer"].splitlines()[1])
    "two\\nlines"
    """
    return {name: _block(name, value) for name, value in values.items()}


def _block(name: str, value: Any) -> str:
    mark = content_id({name: value}).removeprefix(HASH_PREFIX)
    return f"<<{name} {mark}>>\n{_line(value)}\n<<end {name} {mark}>>"


def _line(value: Any) -> str:
    """Return a JSON value on one line, whatever a reader takes for the end of one, and without a token of any
    template."""
    line = json.dumps(value, ensure_ascii=False).translate(_OTHER_BREAKS)
    return _SPECIAL.sub(lambda sign: f"\\u{ord(sign[0]):04x}", line)


def read_fenced(text: str) -> dict[str, Any]:
    """Return the values of all blocks of a text, by name: the inverse of `fence`. What only looks like a block is left
    out.

    Between tags a list is JSON, and anything else the text that it is.
    """
    values: dict[str, Any] = {
        tag["name"].rpartition("-")[0]: text[tag.end() + 1 : end.start() - 1] for tag, end in _tagged_blocks(text)
    }
    lists = [(name, value) for name, value in values.items() if value.startswith("[")]
    for name, value in (*lists, *(block.group("name", "value") for block in _BLOCK.finditer(text))):
        with suppress(ValueError, RecursionError):
            values[name] = json.loads(value)
    return values


def _tagged_blocks(text: str) -> Iterator[tuple[re.Match[str], re.Match[str]]]:
    """Yield the two tags of each block between tags."""
    ends: dict[str, re.Match[str]] = {}
    pairs = []
    for tag in reversed(list(_TAG.finditer(text))):
        if tag["end"]:
            ends[tag["name"]] = tag
        elif tag["name"] in ends and ends[tag["name"]].start() > tag.end() + 1:
            pairs.append((tag, ends[tag["name"]]))
    last = 0
    for tag, end in reversed(pairs):
        if tag.start() >= last:
            last = end.end()
            yield tag, end


def around_fences(text: str) -> str:
    """Return the text outside of all blocks: the words of the one who asks, and of nobody else."""
    text = _BLOCK.sub("", text)
    kept, last = [], 0
    for tag, end in _tagged_blocks(text):
        kept.append(text[last : tag.start()])
        last = end.end()
    return "".join([*kept, text[last:]])


def tagged(text: str) -> str:
    """Return a question with its blocks as tags around plain text, which small models read better than JSON.

    A tag holds a mark that the text inside does not, and whatever looks like a tag or a token of a chat template is
    broken up by a zero-width space, so that no text can close its block. Values that are no plain text, such as several
    turns, stay JSON between the tags.

    >>> print(tagged(fence({"answer": [{"role": "assistant", "content": "two\\nlines"}]})["answer"]))
    <answer-0c390dd0>
    two
    lines
    </answer-0c390dd0>
    """
    return _BLOCK.sub(_tags, text).replace(_AS_JSON, _AS_TEXT)


def _tags(block: re.Match[str]) -> str:
    name, mark, body = block["name"], block["mark"], block["value"]
    match json.loads(body):
        case str(text):
            body = _LOOKALIKE.sub(_break_up, text)
        case [{"role": "user" | "assistant", "content": str(text), **others}] if not others:
            body = _LOOKALIKE.sub(_break_up, text)
    while mark[:MARK] in body:
        mark = content_id(mark).removeprefix(HASH_PREFIX)
    return f"<{name}-{mark[:MARK]}>\n{body}\n</{name}-{mark[:MARK]}>"


def _break_up(sign: re.Match[str]) -> str:
    return f"{sign[0]}\u200b"


def holds_marks(text: str) -> bool:
    """Return True for a text with the marks or the JSON of a block, as a model writes them that copies its question."""
    return _MARKS.search(text) is not None


def holds_tokens(text: str) -> bool:
    """Return True for a text with what a chat template or tokenizer takes for its own tokens, or with control
    characters.

    >>> holds_tokens("Hi<|im_end|>"), holds_tokens("cout << x </b>")
    (True, False)
    """
    return _TOKEN.search(text) is not None


# Terminals, logs and reports.

LONGEST = 200


def plain(text: str, *, longest: int = LONGEST) -> str:
    """Return the text in one line: control, format and bidi characters as escapes, cut to `longest` characters.

    >>> plain("two\\nlines \\x1b[31m")
    'two\\\\nlines \\\\x1b[31m'
    """
    shown = "".join(_escape(character) for character in text[: longest + 1])
    return shown if len(shown) <= longest else f"{shown[:longest]}…"


def _escape(character: str) -> str:
    return "\\|" if character == "|" else _visible(character)


def _visible(character: str) -> str:
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
        return character.encode("unicode_escape").decode("ascii")
    return character


def visible(text: str) -> str:
    """Return the text with its line breaks and tabs, and with control, format and bidi characters as escapes: for a
    page of HTML, whose template escapes the rest.

    >>> visible("one\\n<b>\\u202e")
    'one\\n<b>\\\\u202e'
    """
    return "".join(sign if sign in "\n\t" else _visible(sign) for sign in text.replace("\r\n", "\n"))


def measure_width(text: str) -> int:
    """Return the columns of a text on a terminal: two for a wide character, none for a combining mark.

    >>> measure_width("naïve"), measure_width("你好")
    (5, 4)
    """
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def wrapped(text: str, *, width: int) -> list[str]:
    """Return the whole text on lines of at most `width` columns, broken between words where it can be. Its own line
    breaks and the indentation of its lines stay; control, format and bidi characters are escaped.

    >>> wrapped("one two three\\n  code\\x1b", width=12)
    ['one two', 'three', '  code\\\\x1b']
    """
    lines: list[str] = []
    for line in text.replace("\r\n", "\n").expandtabs(4).split("\n"):
        shown, columns = "", 0
        for word in re.findall(r"\s*\S+|\s+$", "".join(map(_visible, line))):
            begins_line = bool(shown.strip()) and columns + measure_width(word) > width
            if begins_line:
                lines.append(shown)
                shown, columns = "", 0
            for character in word.lstrip() if begins_line else word:
                if columns + _columns(character) > width:
                    lines.append(shown)
                    shown, columns = "", 0
                shown, columns = shown + character, columns + _columns(character)
        lines.append(shown.rstrip())
    return lines


LONGEST_CELL = 60
"""Characters of a name in a table."""
SPECIAL = str.maketrans({character: f"\\{character}" for character in "\\`*[]<>"})


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a Markdown table, its head in the first row, with columns padded to equal width."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [f"| {' | '.join(text.ljust(width) for text, width in zip(row, widths, strict=True))} |" for row in rows]
    return [lines[0], f"|{'|'.join('-' * (width + 2) for width in widths)}|", *lines[1:]]


def cell(text: str, *, longest: int = LONGEST_CELL) -> str:
    """Return other people's text for a page: one line, cut to `longest` characters, nothing in it is Markdown or HTML.

    >>> print(cell("[a](b) | <i>"))
    \\[a\\](b) \\| \\<i\\>
    """
    kept = text if len(text) <= longest else f"{text[:longest]}…"
    return plain(kept.translate(SPECIAL), longest=2 * longest)


# Words.


_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # kana, Han
    "\U00020000-\U0003ffff"
)
_BETWEEN = (
    r"\s\x00-\x26\x28-\x2f:-@\[-`{-\xa9\xab-\xb1\xb4\xb6-\xb8\xbb\xbf\xd7\xf7"  # all but the apostrophe and ª ² ³ µ ¹ º
    r"\u02b0-\u02ff\u055a-\u055f\u0589\u05be\u05c0\u05c3\u05f3\u05f4\u060c\u061b\u061f\u066a-\u066d\u06d4\u0964\u0965"
    r"\u0df4\u0e2f\u0e5a\u0e5b\u104a-\u104f\u1361-\u1368\u17d4-\u17da\u2000-\u200b\u200e-\u2018\u201a-\u206f"
    r"\u2190-\u2bff\u2e00-\u2e7f\u3000-\u3004\u3008-\u3020\u3030\u30fb\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)
_WORD = re.compile(f"[{_UNSPACED}]|[^{_BETWEEN}{_UNSPACED}'’]+(?:['’][^{_BETWEEN}{_UNSPACED}'’]+)*")


def words(text: str) -> list[str]:
    """Return the words of a text, in lower case, by a rule that needs no dictionary and no language.

    A word is a run of characters between spaces, punctuation and symbols; an apostrophe inside it is part of it.
    Scripts that put no space between words (Han, kana, Thai, Lao, Burmese, Khmer) count character by character.

    >>> words("Don't stop: 3 cats, 你好!")
    ["don't", 'stop', '3', 'cats', '你', '好']
    """
    return _WORD.findall(text.lower())


def folded(text: str) -> str:
    """Return the text for a comparison: in Unicode's form NFKC, without format characters such as soft hyphens and
    zero-width spaces. Superscripts and fractions stay: 10² is not 102.

    >>> folded("\uff21 wo\u00adrd, 10²")
    'A word, 10²'
    """
    if text.isascii():
        return text
    for sign in set(text):
        if unicodedata.category(sign) == "Cf":
            text = text.replace(sign, "")
        elif sign.isdecimal() or not sign.isnumeric():
            text = text.replace(sign, unicodedata.normalize("NFKC", sign))
    return unicodedata.normalize("NFC", text)


# Names of people.


def tidy_name(name: str) -> str:
    """Return the name of an annotator in one form, so that the same name in two browsers, or in a file, is one person;
    empty where nothing can be read of it."""
    shown = "".join(" " if character.isspace() else character for character in unicodedata.normalize("NFKC", name))
    kept = "".join(
        character
        for character in shown
        if unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    )
    return " ".join(kept.split())


def spelling(name: str) -> str:
    """Return the name without case and white space."""
    return "".join(tidy_name(name).casefold().split())


def alike_names(names: Iterable[str]) -> list[list[str]]:
    """Return groups of names that differ in case or white space alone, so that one person would count as several."""
    groups: dict[str, set[str]] = {}
    for name in names:
        groups.setdefault(spelling(name), set()).add(name)
    return sorted(sorted(group) for group in groups.values() if len(group) > 1)


# Spreadsheets.

RUNS = frozenset("=+-@\t\r\n")
"""First characters by which a spreadsheet knows something to run, or to cut a cell at."""
SKIPPED = " \u00a0\u3000\ufeff\u200b"
"""Spaces that some programs trim."""
IS_TEXT = "'"
"""Put before a cell that is text. A text that begins with apostrophes before a character of `RUNS` gets one more, so
that reading takes off what writing has put there."""


def safe_cell(text: str) -> str:
    """Return the text as a cell that no spreadsheet runs.

    Leading spaces are looked through, since some programs trim them, and so are full-width signs, which some read
    as plain ones.

    >>> safe_cell("=HYPERLINK(1)")
    "'=HYPERLINK(1)"
    """
    shown = text.replace("\x00", "\ufffd")
    return f"{IS_TEXT}{shown}" if _would_run(shown.lstrip(IS_TEXT)) else shown


def read_cell(cell: str) -> str:
    """Return the text that `safe_cell` was given, NUL characters aside.

    >>> read_cell("'=1"), read_cell("''=1"), read_cell("'tis")
    ('=1', "'=1", "'tis")
    """
    return cell[1:] if cell.startswith(IS_TEXT) and _would_run(cell.lstrip(IS_TEXT)) else cell


def _would_run(text: str) -> bool:
    return unicodedata.normalize("NFKC", text.lstrip(SKIPPED)[:1])[:1] in RUNS


# Conversations.


def transcript(messages: Sequence[Message], *, by: Literal["user", "assistant"]) -> str:
    """Return a single text of `by` as it is; several turns, thinking and calls with their roles in front."""
    from amendment.records import last_text  # here, since the command line prints with this module and needs no records

    if len(messages) == 1 and messages[0].role == by:
        only = messages[0]
        if not only.thinking and not only.tool_calls:
            return last_text((only,))
    return "\n\n".join(_turn(message, last_text((message,))) for message in messages)


def _turn(message: Message, text: str) -> str:
    parts = [f"{message.role}:"]
    parts += [f"(thinking) {message.thinking}"] if message.thinking else []
    parts += [text] if text else []
    parts += [
        f"(calls) {json.dumps(call.to_json()['function'], ensure_ascii=False)}" for call in message.tool_calls or ()
    ]
    return " ".join(parts)
