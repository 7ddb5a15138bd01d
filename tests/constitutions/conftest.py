"""Texts that are hard to write, and files of other shapes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import strategies as st

from amendment.constitutions import (
    Imported,
    import_constitution,
)

HARD = [
    "no",
    "1e-5",
    "- a dash: and a colon",
    "#not a comment",
    "ends with a colon:",
    "'single' \"double\" \\back",
    "? & * ! | > % @ ` { [ ,",
    "---",
    "two\nlines",
    "a gap\n\n\nbetween",
    "ends badly  \nin spaces",
    "first\n  indented: yes\n\tand a tab",
    "carriage\r\nreturn",
    "nel\x85 and separators \u2028 \u2029",
    "\ufeffbyte order",
    "zero\u200bwidth, bidi \u202e, no\u00a0break",
    "emoji \U0001f600 and private \ue000 and tag \U000e0041",
    "漢字とかな。" * 30,
    "a long line of words that are: hard # to fold " * 6,
]
LETTERS = st.characters(exclude_categories=["Cs", "Cc", "Cn"], include_characters="\n\t\r\x85")
FREE = st.text(LETTERS, max_size=60) | st.text("ab :#-'\"\n", max_size=200)
TEXTS = (st.sampled_from(HARD) | FREE | st.builds("{} {}".format, st.sampled_from(HARD), FREE)).filter(str.strip)
"""What a constitution may hold as text."""


Write = Callable[[str, Any], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file: bytes and text as they are, everything else as JSON."""

    def written(name: str, content: Any) -> Path:
        path = tmp_path / name
        raw = content if isinstance(content, str | bytes) else json.dumps(content)
        path.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
        return path

    return written


FOREIGN = yaml.safe_load(Path(__file__).with_name("foreign.yaml").read_text(encoding="utf-8"))
PAPER: dict[str, Any] = FOREIGN["paper"]
"""Our own small files in the shape of the Constitutional AI paper's, with the irregularities of real ones."""

SWARM: dict[str, Any] = FOREIGN["swarm"]
"""Our own small file in the shape of llm-swarm's."""


def imported(*files: Path, **options: Any) -> Imported:
    return import_constitution(files, **{"id": "ours", "license": "CC0-1.0"} | options)
