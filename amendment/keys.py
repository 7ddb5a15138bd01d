"""Keys: what they look like, how they are taken out of texts and logs, and how they are found in what leaves a machine.

No key is ever written anywhere; this is the second net under that rule. Covered: values that are named, raw, in base64,
URL-encoded and JSON-escaped; the shapes of `keys.yaml`, with invisible characters inside, with other hyphens or
full-width letters, and in base64; values that a text calls a key or a password. Not covered: keys cut in pieces, and
secrets without a shape that neither the text nor a variable's name calls a secret. Nothing here
measures entropy: hashes and identifiers are not keys. A finding has a place and a kind, and no part of the key.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar
from urllib.parse import quote

from amendment.errors import DataError, Problem
from amendment.yamlfile import capped, read_yaml

_RANGES = """
0-8 b-1f 7f-9f ad 34f 600-605 61c 6dd 70f 890-891 8e2 115f-1160 17b4-17b5 180b-180f 200b-200f 202a-202e 2060-206f 2800
3164 fe00-fe0f feff ffa0 fff0-fffb 110bd 110cd 13430-1343f 1bca0-1bca3 1d173-1d17a e0000-e0fff
"""
_ENDS = [
    (int(first, 16), int(last or first, 16)) for first, _, last in (span.partition("-") for span in _RANGES.split())
]
_SHOWN: dict[int, str | None] = {
    **{code: None for first, last in _ENDS for code in range(first, last + 1)},
    **dict.fromkeys((*range(0x2010, 0x2014), 0x2043, 0x2212, 0xFE63), "-"),
    **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},
}
"""Characters that no reader sees, by code: Cc but for newline and tab, Cf, Default_Ignorable, and the empty Braille
pattern. Some hyphens and dashes look like the one of keys, and full-width letters like plain ones."""
_CHANGED = re.compile(
    "["
    + "".join(f"{re.escape(chr(a))}-{re.escape(chr(b))}" for a, b in _ENDS)
    + "\u2010-\u2013\u2043\u2212\ufe63\uff01-\uff5e]"
)
_START = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f]{2}))"
"""Asserts that no letter or digit precedes a key, except in the escapes of JSON and of URLs."""
_PART = re.compile(r"(?<!\?P)<([a-z]{1,20})>")
_WINDOW = 120
"""Characters before a key that are looked at."""
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{24,}")
_SAFE = str.maketrans("+/", "-_")


class KeyFound(NamedTuple):
    """A text that looks like a key."""

    kind: str
    start: int
    end: int
    """The place in the visible text."""


def visible(text: str) -> str:
    """Return the text without the characters that no reader sees, behind which a key could hide, and with plain
    hyphens."""
    return text.translate(_SHOWN) if text.isascii() or _CHANGED.search(text) else text


class Shape(NamedTuple):
    """What the keys of one kind look like."""

    kind: str
    pieces: tuple[str, ...]
    """In lower case: a key begins with one of them, or contains one if it `is_inside`."""
    pattern: str
    before: str = ""
    """The text before it, in lower case."""
    is_inside: bool = False
    is_listed: bool = False
    """Taken from detect-secrets."""
    flags: int = 0

    def find(self, text: str, small: str) -> Iterator[KeyFound]:
        """Yield the keys of this kind; `small` is the text in lower case. Places may overlap."""
        for hit in self._hits(text, small):
            start, end = hit.span("key" if "key" in hit.re.groupindex else 0)
            if not self.before or _compiled(self.before).search(small, max(0, hit.start() - _WINDOW), hit.start()):
                yield KeyFound(self.kind, start, end)

    def _hits(self, text: str, small: str) -> Iterator[re.Match[str]]:
        pieces = [piece for piece in self.pieces if piece in small]
        if not pieces:
            return
        pattern = _compiled(self.pattern, self.flags)
        if self.is_inside:
            yield from pattern.finditer(text)
            return
        for piece in pieces:
            start = small.find(piece)
            while start >= 0:
                if hit := pattern.match(text, start):
                    yield hit
                start = small.find(piece, hit.end() if hit else start + 1)


def find_keys(text: str) -> Iterator[KeyFound]:
    """Yield everything in `visible(text)` that looks like a key, plain or in base64; each place once.

    A text with hidden characters is also searched as it is: such a character may be all that separates a key from a
    word next to it.
    """
    shown = visible(text)
    taken = bytearray(len(shown))
    keys = _found(shown)
    for run in _BASE64.finditer(shown):
        if kind := next((f"{key.kind} in base64" for key in _found(_decoded(run[0]))), None):
            keys.append(KeyFound(kind, *run.span()))
    if len(shown) != len(text):
        places = [0, *accumulate(_SHOWN.get(ord(character), "") is not None for character in text)]
        keys += [KeyFound(kind, places[start], places[end]) for kind, start, end in _found(text)]
    for key in keys:
        if not any(taken[key.start : key.end]):
            taken[key.start : key.end] = b"\1" * (key.end - key.start)
            yield key


def _found(text: str) -> list[KeyFound]:
    small = text.replace("\u0130", "i").lower()  # the only letter whose small form is longer
    return [key for shape in shapes() for key in shape.find(text, small)]


def _decoded(run: str) -> str:
    """Return the text that a run of base64 stands for, or nothing if it is no text."""
    raw = base64.urlsafe_b64decode(f"{run[: len(run) - (len(run) % 4 == 1)]}==".translate(_SAFE))
    return raw.decode() if raw.isascii() else ""


@cache
def shapes() -> tuple[Shape, ...]:
    """Return every shape: those of `keys.yaml`, whose kinds name the vendor, and those of detect-secrets."""
    data = read_yaml(Path(__file__).with_name("keys.yaml")).data

    def filled(text: str) -> str:
        full = _PART.sub(lambda part: data["parts"][part[1]], text)
        return full if full == text else filled(full)

    found = []
    for section in ("shapes", "inside"):
        for kind, texts in data[section].items():
            pieces, pattern, before = map(filled, [*texts, ""][:3])
            start = "" if "(?P<key>" in pattern else _START
            found.append(Shape(kind, tuple(pieces.split("|")), f"{start}(?:{pattern})", before, section == "inside"))
    for name, pieces in data["plugins"].items():
        module, _, plugin = name.partition(".")
        detector = getattr(import_module(f"detect_secrets.plugins.{module}"), plugin)
        found += [
            Shape(detector.secret_type, tuple(pieces.split("|")), listed.pattern, "", True, True, listed.flags)
            for listed in detector.denylist
        ]
    return tuple(found)


_compiled = cache(re.compile)


# Keys kept out of texts and logs.

MARK = "[key]"
SHORTEST = 8
"""Characters of a value that is taken for a key; a shorter one stands in any text by chance."""
_MASKED = re.compile(r"\b(?:sk|hf|xai|gsk|key)[-_][\w*.-]{6,}|Bearer\s+\S+", re.IGNORECASE)
"""Keys of which a vendor's error message shows the ends, and short ones: in a log a word too many may go."""
_TALKATIVE = ("openai", "anthropic", "httpx2", "httpcore2", "aiohttp")
"""Loggers that would show prompts or headers below WARNING."""


@cache
def _spellings(key: str) -> tuple[str, ...]:
    """Return a key as it may stand in a text, longest first; of its base64 the part that does not depend on what is
    around."""
    raw = key.encode("utf-8", "surrogateescape")
    shifted = (base64.b64encode(b"\0" * shift + raw).decode()[4 if shift else 0 :] for shift in range(3))
    encoded = [text.rstrip("=")[:-1] for text in shifted]
    encoded += [text.translate(str.maketrans("+/", "-_")) for text in encoded]
    escaped = {json.dumps(key, ensure_ascii=ascii)[1:-1] for ascii in (True, False)}
    known = {key, quote(raw), quote(raw, safe=""), *escaped, *(text.replace("/", "\\/") for text in escaped)}
    return tuple(sorted(known | {text for text in encoded if len(text) > 7}, key=len, reverse=True))


def masked(text: str) -> str:
    """Return the text with a mark in place of everything that `find_keys` finds, as pages show texts of models and
    files. Mask a text before you cut it: half a key has no shape."""
    for shape in sorted(find_keys(text), key=lambda shape: -shape.start):
        text = visible(text)
        text = f"{text[: shape.start]}{MARK}{text[shape.end :]}"
    return text


def redact(text: str, keys: Iterable[str] = ()) -> str:
    """Return the text without these keys, in any of their spellings, and without anything shaped like a key."""
    for key in keys:
        for spelling in _spellings(key):
            text = text.replace(spelling, MARK)
    return _MASKED.sub(MARK, masked(text))


def redact_bytes(raw: bytes, key: str) -> bytes:
    """Return Raw bytes without this key; what is only shaped like a key stays, since a model may have written it.

    So does a key of fewer than `SHORTEST` signs: it is a word for servers that want none (`EMPTY`), and no secret.
    """
    if len(key) < SHORTEST:
        return raw
    for spelling in _spellings(key):
        raw = raw.replace(spelling.encode("utf-8", "surrogateescape"), MARK.encode())
    return raw


class RedactingFilter(logging.Filter):
    """Takes keys out of whatever passes a handler: message, arguments, traceback."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record in place; it always passes."""
        try:
            text = record.getMessage()
        except Exception:  # a record whose arguments do not fit is shown as it is written
            text = str(record.msg)
        record.msg, record.args = redact(text, self.keys), None
        if record.exc_info and not record.exc_text:
            record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        if record.exc_text:
            record.exc_text, record.exc_info = redact(record.exc_text, self.keys), None
        if record.stack_info:
            record.stack_info = redact(record.stack_info, self.keys)
        return True


_FILTER = RedactingFilter()


def redact_logs(*keys: str) -> None:
    """Keep these keys from all present log handlers, and the SDKs' loggers from anything below WARNING.

    May be called again, with more keys or when handlers were added.
    """
    _FILTER.keys.update(key for key in keys if key)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    for logger in map(logging.getLogger, (None, *_TALKATIVE)):
        for handler in logger.handlers:
            handler.addFilter(_FILTER)  # a filter that is there already is not added twice


# Keys in what is about to leave this machine.

R = TypeVar("R")
WITH_KEY = "holds what looks like a key"
"""Why rows are left out."""
_NAME = re.compile(
    r"KEY|TOKEN|SECRET|PASSW|PASSPHRASE|PASS(?:_|$)|PASSCODE|PWD$|CREDENTIAL|AUTH|(?:^|_)PAT$|DSN$|CONN[A-Z]*_?STR"
    r"|WEBHOOK(?:_?UR[IL])?$|(?:DATABASE|DB|MONGO|POSTGRES(?:QL)?|MYSQL|REDIS|AMQP|BROKER|SMTP|SAS)_?UR[IL]$",
    re.IGNORECASE,
)
"""Anywhere in a variable's name: PGPASSWORD, API_KEYS and MYAPIKEY hold what MY_API_KEY holds."""
_OTHER_WORDS = re.compile(
    r"KEY(?:BOARD|BIND|MAP|CODE|WORD|FRAME|STROKE|PAD|NOTE|CLOAK)|(?:MON|TUR|DON|HOC|JOC|WHIS)KEY"
    r"|TOKENI[SZ]|AUTHOR(?!I[SZ]ATION)|SECRETAR|MAX_[A-Z_]*TOKENS?$|BYPASS|COMPASS|^(?:OLD)?PWD$",
    re.IGNORECASE,
)
"""Words that only sound like these; what stands around them is looked at still."""
_ABOUT = re.compile(
    r"_(?:TYPES?|METHODS?|MODE|PROVIDER|BACKEND|USER|USERNAME|ALGORITHM|SOCK|ENABLED|DISABLED|REQUIRED)$", re.IGNORECASE
)
"""Endings of variables that tell how one signs in, and with nothing secret."""
_WORDS = (
    "anonymous credentials default disabled disallow enabled keychain keyring localhost optional passphrase password "
    "plaintext required undefined"
)
_NO_SECRETS = frozenset(_WORDS.split())
"""Values of eight characters or more that are settings, or words of any text."""


class KeyMatch(NamedTuple):
    """A text that looks like a key, or holds one."""

    place: str
    """Config and split with the row's id, or a file."""
    kind: str
    is_value: bool
    """True if it is the value of a variable of this machine, and so no example of a key."""

    def __str__(self) -> str:
        return f"{self.place}: {self.kind}"


class Scanner:
    """Looks through texts; make one for each publication."""

    def __init__(self, environ: Mapping[str, str], named: Iterable[str] = ()) -> None:
        """Search also for `named`, the variables that the run file names."""
        wanted = set(named)
        self._values = {
            spelling: name
            for name, value in environ.items()
            if name in wanted or _holds_key(name, value.strip())
            for spelling in _spellings(value.strip())
            if len(spelling) >= SHORTEST
        }
        self._exact = re.compile("|".join(map(re.escape, sorted(self._values, key=len, reverse=True))) or r"(?!)")

    def scan(self, place: str, text: str) -> Iterator[KeyMatch]:
        """Yield every key in a text."""
        shown = visible(text)
        for hit in self._exact.finditer(shown):
            yield KeyMatch(place, f"the value of {self._values[hit[0]]}", is_value=True)
        for kind, start, end in find_keys(text):
            if not self._exact.search(shown, start, end):
                yield KeyMatch(place, kind, is_value=False)

    def scan_row(self, place: str, row: Mapping[str, Any]) -> list[KeyMatch]:
        """Return every key in the cells of a row; the place says the column."""
        return [
            key
            for column, value in row.items()
            for text in texts_in(value)
            for key in self.scan(f"{place}: {column}", text)
        ]


def key_variables(configuration: Mapping[str, Any]) -> list[str]:
    """Return the environment variables that a resolved run file names for its models' keys."""
    return [name for spec in configuration["models"].values() if (name := spec.get("api_key_env"))]


def push_scanner(named: Iterable[str], environ: Mapping[str, str]) -> Scanner:
    """Return a scanner for what goes to the Hub: it knows every key of this machine's environment, and the token of the
    Hub's client, wherever it keeps that."""
    from huggingface_hub import get_token

    token = get_token()
    signed_in = {"the Hub's token": token} if token else {}
    return Scanner({**signed_in, **environ}, [*signed_in, *named])


def run_scanner(named: Iterable[str]) -> Scanner:
    """Return a scanner for what a run writes for others: of the environment it knows only the keys that the run itself
    uses, so that what a row looks like decides, and not the machine."""
    values = {name: os.environ[name] for name in named if name in os.environ}
    return Scanner(values, values)


def sift(
    splits: Mapping[str, Iterable[R]],
    cells: Callable[[R], tuple[str, Mapping[str, Any]]],
    scanner: Scanner,
    policy: Literal["drop", "keep", "stop"],
) -> tuple[dict[str, list[R]], Counter[str]]:
    """Return the rows by split that may be written for others, and the number left out, by reason. `cells` gives the
    name of a row and its values.

    drop leaves out every row with a key; keep takes those that only have the shape of one. Raises DataError with the
    places of all keys that stop the writing.
    """
    kept: dict[str, list[R]] = {split: [] for split in splits}
    left_out: Counter[str] = Counter()
    stopping: list[KeyMatch] = []
    for split, rows in splits.items():
        for row in rows:
            name, values = cells(row)
            keys = scanner.scan_row(f"{split}: row {name}", values)
            if keys and policy == "drop":
                left_out[WITH_KEY] += 1
                continue
            stopping += [key for key in keys if policy == "stop" or key.is_value]
            kept[split].append(row)
    if stopping:
        problems = [Problem(key.place, key.kind) for key in dict.fromkeys(stopping)]
        ways = "set dataset.secrets: drop in the run file to leave these rows out and count them"
        if not any(key.is_value for key in stopping):
            ways += ", or dataset.secrets: keep if they are examples and not keys"
        counted = f"nothing was exported: {len(problems)} texts contain what looks like a key"
        raise DataError([*capped(problems), Problem("", f"{counted}. Correct the sources, or {ways}")])
    return kept, left_out


def _holds_key(name: str, value: str) -> bool:
    """Return True for a variable whose name suggests a secret, or whose value looks like one."""
    suggests = _NAME.search(_OTHER_WORDS.sub("", name)) and not _ABOUT.search(name)
    return not _is_known_to_all(value) if suggests else any(find_keys(value))


def _is_known_to_all(value: str) -> bool:
    """Return True for a common word, or a path that exists on this machine: then the file's content is the secret."""
    try:
        return value.lower() in _NO_SECRETS or Path(value).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # too long for a path, a null in it, nobody's home
        return False


def texts_in(value: Any) -> Iterator[str]:
    """Yield every text inside a JSON value, keys of objects among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from texts_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts_in(inner)
