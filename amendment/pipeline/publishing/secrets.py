"""Keys in what is about to leave this machine: values of environment variables, and texts that look like keys.

Covered: the exact value of every variable that the run file names, and of every variable whose name speaks of keys,
tokens or passwords, unless it is a path that is there on this machine; the spellings of well-known vendors' keys,
private key blocks, bearer headers, addresses with a password. Not covered: secrets without a known spelling that stand
in no variable.

What is found is told by place, kind and first four characters; no more of it is printed or kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Found", "Scanner", "texts_in"]

SHOWN = 4
"""Characters of a find that are told."""
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
_LOOKS = {
    "Anthropic key": ("sk-ant-", r"sk-ant-[A-Za-z0-9_-]{20,}"),
    "OpenAI key": ("sk-", r"sk-(?!ant-)(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,}"),
    "Hugging Face token": ("hf_", r"hf_[A-Za-z0-9]{30,}"),
    "AWS access key": ("AKIA", r"AKIA[A-Z0-9]{16}(?![A-Za-z0-9])"),
    "AWS session key": ("ASIA", r"ASIA[A-Z0-9]{16}(?![A-Za-z0-9])"),
    "AWS secret key": ("secret_access_key", r"aws_secret_access_key[\"']?\s*[=:]\s*[\"']?[A-Za-z0-9/+]{40}"),
    "GitHub token": ("gh", r"gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,}"),
    "GitLab token": ("glpat-", r"glpat-[A-Za-z0-9_-]{20,}"),
    "Google key": ("AIza", r"AIza[A-Za-z0-9_-]{35}"),
    "Google token": ("ya29.", r"ya29\.[A-Za-z0-9_-]{30,}"),
    "Slack token": ("xox", r"xox[abeprs]-[A-Za-z0-9-]{10,}"),
    "Slack address": ("hooks.slack.com/", r"hooks\.slack\.com/services/[A-Za-z0-9/]{20,}"),
    "Stripe key": ("k_live_", r"[rs]k_live_[A-Za-z0-9]{20,}"),
    "npm token": ("npm_", r"npm_[A-Za-z0-9]{36}"),
    "PyPI token": ("pypi-", r"pypi-[A-Za-z0-9_-]{50,}"),
    "signed token": ("eyJ", r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    "private key": ("PRIVATE KEY", r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----"),
    "bearer header": ("earer ", r"[Bb]earer\s+[A-Za-z0-9._~+/-]{20,}"),
    "address with a password": ("://", r"://[^\s/:@\"'<>]{1,80}:[^\s/:@\"'<>]{3,80}@[A-Za-z0-9]"),
}
"""What kinds of keys look like: a piece that stands in each, by which most texts are passed over, and the spelling."""
_COMPILED = [
    (kind, piece, re.compile(rf"(?<![A-Za-z0-9])(?:{pattern})" if piece != "://" else pattern))
    for kind, (piece, pattern) in _LOOKS.items()
]


class Found(NamedTuple):
    """One find."""

    place: str
    """Config and split with the row's id, or a file."""
    kind: str
    begins: str
    """Its first characters."""
    is_value: bool
    """Whether it is the value of a variable of this machine, and so no example of a key."""

    def __str__(self) -> str:
        return f"{self.place}: {self.kind}, begins with {self.begins}…"


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
        for hit in self._exact.finditer(text):
            yield Found(place, f"the value of {self._values[hit[0]]}", hit[0][:SHOWN], is_value=True)
        for kind, piece, pattern in _COMPILED:
            for hit in pattern.finditer(text) if piece in text else ():
                if not self._exact.search(hit[0]):
                    yield Found(place, kind, hit[0][:SHOWN], is_value=False)

    def scan_rows(self, place: str, rows: Iterable[Mapping[str, Any]], id_column: str) -> Iterator[Found]:
        """Every key in the cells of rows; the place tells the row's id and the column."""
        for number, row in enumerate(rows, start=1):
            name = row.get(id_column) or number
            for column, value in row.items():
                for text in texts_in(value):
                    yield from self.scan(f"{place}: row {name}: {column}", text)


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


def texts_in(value: Any) -> Iterator[str]:
    """Every text inside a JSON value, keys of objects among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield str(key)
            yield from texts_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from texts_in(one)
