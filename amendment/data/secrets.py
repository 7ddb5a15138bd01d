"""Keys in what is about to leave this machine: values of environment variables, and texts that look like keys.

Covered: the exact value of every variable that the run file names, and of every variable whose name speaks of keys,
tokens or passwords, unless it is a path that is there on this machine; everything that has the shape of a key
(`key_shapes`). Not covered: secrets without a known shape that are the value of no variable.

A finding has a place and a kind; nothing of the key itself is printed or kept.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from amendment.errors import DataError, Problem
from amendment.key_shapes import find_keys, visible
from amendment.yamlfile import capped

R = TypeVar("R")
WITH_KEY = "holds what looks like a key"
"""Why rows are left out."""
SHORTEST = 8
"""Characters; a shorter value stands in any text by chance, and is no key of a vendor."""
_NAME = re.compile(
    r"KEY|TOKEN|SECRET|PASSW|PASSPHRASE|PASS(?:_|$)|PASSCODE|PWD$|CREDENTIAL|AUTH|(?:^|_)PAT$", re.IGNORECASE
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


class Found(NamedTuple):
    """One find."""

    place: str
    """Config and split with the row's id, or a file."""
    kind: str
    is_value: bool
    """Whether it is the value of a variable of this machine, and so no example of a key."""

    def __str__(self) -> str:
        return f"{self.place}: {self.kind}"


class Scanner:
    """Looks through texts; make one for each publication."""

    def __init__(self, environ: Mapping[str, str], named: Iterable[str] = ()) -> None:
        """`named` are the variables that the run file names."""
        wanted = set(named)
        self._values = {
            spelling: name
            for name, value in environ.items()
            if name in wanted or (_speaks_of_keys(name) and not _is_known_to_all(value.strip()))
            for spelling in _spellings(value.strip())
            if len(spelling) >= SHORTEST
        }
        self._exact = re.compile("|".join(map(re.escape, sorted(self._values, key=len, reverse=True))) or r"(?!)")

    def scan(self, place: str, text: str) -> Iterator[Found]:
        """Every key in a text."""
        shown = visible(text)
        for hit in self._exact.finditer(shown):
            yield Found(place, f"the value of {self._values[hit[0]]}", is_value=True)
        for kind, start, end in find_keys(text):
            if not self._exact.search(shown, start, end):
                yield Found(place, kind, is_value=False)

    def scan_row(self, place: str, row: Mapping[str, Any]) -> list[Found]:
        """Every key in the cells of a row; the place says the column."""
        return [
            key
            for column, value in row.items()
            for text in _texts_in(value)
            for key in self.scan(f"{place}: {column}", text)
        ]


def key_variables(configuration: Mapping[str, Any]) -> list[str]:
    """The environment variables that a resolved run file names for its models' keys."""
    return [name for spec in configuration["models"].values() if (name := spec.get("api_key_env"))]


def push_scanner(named: Iterable[str], environ: Mapping[str, str]) -> Scanner:
    """A scanner for what goes to the Hub: it knows every key of this machine's environment, and the token of the Hub's
    client, wherever it keeps that."""
    from huggingface_hub import get_token

    token = get_token()
    signed_in = {"the Hub's token": token} if token else {}
    return Scanner({**signed_in, **environ}, [*signed_in, *named])


def run_scanner(named: Iterable[str]) -> Scanner:
    """A scanner for what a run writes for others: of the environment it knows only the keys that the run itself uses,
    so that what a row looks like decides, and not the machine."""
    values = {name: os.environ[name] for name in named if name in os.environ}
    return Scanner(values, values)


def sift(
    splits: Mapping[str, Iterable[R]],
    cells: Callable[[R], tuple[str, Mapping[str, Any]]],
    scanner: Scanner,
    policy: Literal["drop", "keep", "stop"],
) -> tuple[dict[str, list[R]], Counter[str]]:
    """Of rows by split those that may be written for others, and how many were left out, by reason. `cells` gives the
    name of a row and its values.

    drop leaves out every row with a key; keep takes those that only have the shape of one. Raises DataError with the
    places of all keys that stop the writing.
    """
    kept: dict[str, list[R]] = {split: [] for split in splits}
    left_out: Counter[str] = Counter()
    stopping: list[Found] = []
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


def _speaks_of_keys(name: str) -> bool:
    return bool(_NAME.search(_OTHER_WORDS.sub("", name))) and not _ABOUT.search(name)


def _is_known_to_all(value: str) -> bool:
    """Whether it is a word of any text, or a path that is there on this machine: what lies there is the secret."""
    try:
        return value.lower() in _NO_SECRETS or Path(value).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # too long for a path, a null in it, nobody's home
        return False


def _spellings(value: str) -> set[str]:
    """A value as it is, and as JSON has it, where quotes and line ends are spelled out."""
    return {value, *(json.dumps(value, ensure_ascii=ascii)[1:-1] for ascii in (True, False))}


def _texts_in(value: Any) -> Iterator[str]:
    """Every text inside a JSON value, keys of objects among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _texts_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts_in(inner)
