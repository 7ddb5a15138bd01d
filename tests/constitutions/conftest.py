"""Texts that are hard to write, and files of other shapes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
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


PAPER: dict[str, Any] = {
    "CritiqueRevisionInstructions.json": {
        "kind0": {
            "prompt": ["\n\nCritiqueRequest: Say where the answer is rude.\n\nCritique:"],
            "edit_request": "\n\nRevisionRequest: Rewrite the answer politely.\n\nRevision:",
        },
        "Kind 1": {
            "prompt": [
                "\n\nCritiqueRequest: Is anything in it wrong?\n\nCritique:",
                "CritiqueRequest: Which claim is weakest?  \n\nCritique:",
            ],
            "edit_request": "\n\nRevisionRequest: Correct what is wrong: all of it.\n\nRevision:",
            "note": "a key of somebody's own",
        },
    },
    "RLMadisonInstructions.json": [
        "\nWhich answer is more polite? Options:",
        "Which answer is more polite?\nOptions: ",
        "\nChoose the answer that a good host would give. Options:",
    ],
    "CritiqueRevisionFewShotPrompts.json": [
        "\n\nHuman: How do I say no?\n\nAssistant: Just leave.\n\nCritiqueRequest: Say where the answer is rude."
        "\n\nCritique: It is curt.\n\nRevisionRequest: Rewrite the answer politely."
        "\n\nRevision: Thank them, and decline.\n\nHuman:",
        "\n\nHuman: Hello.\n\nAssistant: Yes?\n\nHuman: Is 7 even?\n\nAssistant: It is."
        "\n\nCritiqueRequest: Is it true?"
        "\n\nCritique: No,\n\nwith a gap. \n\nRevisionRequest: Say what is true.\n\nRevision: It is odd.",
    ],
    "RLMadisonFewShotPrompts.json": [
        {"prompt": "\n\nHuman: Is it late?\n\nAssistant:", "corrects": ["It is ten."], "incorrects": ["Buy a watch."]},
        {
            "prompt": "\n\nHuman: Hi.\n\nAssistant: Hi.\n\nHuman: Sing.\n\nAssistant:",
            "corrects": ["La la.", "Lo lo."],
            "incorrects": ["No. "],
        },
        {"prompt": "Without speakers", "corrects": ["yes"], "incorrects": ["no"]},
    ],
    "RLMadisonPrecogFewShotPrompts.json": [
        {
            "prompt": "\n\nHuman: Consider this talk between a human (H) and an assistant (A):\n\nH: Is it late?"
            "\n\nA:  No.\n\nH: Sure?\n\n{}\n (A) [[[Look outside.]]]\n (B) [[[It is ten\nat night.]]]"
            "\n\nAssistant: Let's think: (B) says it.\n\nHuman:\nSo the answer is: (B)"
        },
        {
            "prompt": "\nHuman: Consider this:\n\nH: SING\n\n{}\n (A) [[[La.]]]\n (B) [[[No.]]]\n\nAssistant: (A) does."
            "\n\nHuman:\nSo the answer is: (A)"
        },
    ],
}
"""Our own small files in the shape of the Constitutional AI paper's, with the irregularities of real ones."""

SWARM: dict[str, Any] = {
    "constitutions": [
        {"critic": "Is the answer rude?", "revision": "Make it polite."},
        {"critic": " Is it true? ", "revision": "Make it true.", "source": "us"},
        {"critic": "Is it short?", "revision": "Make it polite."},
    ],
    "system_chat": [
        [
            {"role": "user", "content": "Is 7 even?"},
            {"role": "assistant", "content": "Yes."},
            {"role": "user", "content": "Is it true?"},
            {"role": "assistant", "content": "No."},
            {"role": "user", "content": "Make it true."},
            {"role": "assistant", "content": "7 is odd."},
        ],
    ],
    "made_by": "us",
}
"""Our own small file in the shape of llm-swarm's."""


def imported(*files: Path, **options: Any) -> Imported:
    return import_constitution(files, **{"id": "ours", "license": "CC0-1.0"} | options)
