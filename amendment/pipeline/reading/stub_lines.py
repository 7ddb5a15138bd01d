"""Lines of YAML to paste: short, in one reading with what the parser makes of them, and harmless to a terminal."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from amendment.errors import ConfigError
from amendment.yamlfile import parse_yaml

__all__ = ["OPEN", "flow", "flow_list", "scalar", "stands_in_yaml"]

OPEN = "..."
"""Stands where the user has to say it; no column and no word is called so."""
WIDTH = 108
LONGEST = 300
"""Characters of one value; a name that needs more is left for the user to write."""
BARE = re.compile(r"[^\W\d_]\w*([-.]\w+)*")
WORDS_OF_YAML = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"])
"""Read as something else than text by one version of YAML or another."""


def stands_in_yaml(text: str) -> bool:
    """Whether a run file can hold this text, which it cannot where there are control characters in it."""
    if not text.strip() or text == OPEN or len(text) > LONGEST or len(written := scalar(text)) > LONGEST:
        return False
    try:
        return str(parse_yaml(f"x: {written}", "").data["x"]) == text
    except ConfigError:
        return False


def scalar(text: str) -> str:
    """A text as YAML: bare where it is a plain word or number, else in double quotes with escapes."""
    if re.fullmatch(r"0|[1-9][0-9]{0,4}", text):
        return text
    if BARE.fullmatch(text) and text.casefold() not in WORDS_OF_YAML and text == _escaped(text):
        return text
    return _escaped(json.dumps(text, ensure_ascii=False))


def _escaped(text: str) -> str:
    return "".join(_escape(character) for character in text)


def _escape(character: str) -> str:
    """By its number whatever `amendment.terminal.plain` would not leave as it is; its escape of | is none of YAML."""
    if character == "|" or unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
        number = ord(character)
        return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"
    return character


def flow(key: str, values: Mapping[str, Any]) -> list[str]:
    """`key: {...}` with absent values left out, over as many lines as it needs."""
    kept = {name: value for name, value in values.items() if value is not None}
    pieces = [piece for name, value in kept.items() for piece in _pieces(f"{name}: ", value)]
    return _filled(f"{key}: {{", pieces, "}")


def flow_list(key: str, values: Sequence[str]) -> list[str]:
    """`key: [...]` over as many lines as it needs."""
    return _filled(f"{key}: [", [scalar(one) for one in values], "]")


def _pieces(begin: str, value: Any) -> list[str]:
    """What a line may end behind: a value, or each of several."""
    if not isinstance(value, list):
        return [begin + scalar(value)]
    first, *others = map(scalar, value)
    pieces = [f"{begin}[{first}", *others]
    return [*pieces[:-1], f"{pieces[-1]}]"]


def _filled(begin: str, pieces: Sequence[str], end: str) -> list[str]:
    lines = [begin]
    for number, piece in enumerate(pieces):
        if number and len(lines[-1]) + len(piece) > WIDTH:
            lines[-1] += ","
            lines.append(f"  {piece}")
        else:
            lines[-1] += f", {piece}" if number else piece
    return [*lines[:-1], lines[-1] + end]
