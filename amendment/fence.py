"""Other people's text inside our requests: as data, never as instructions.

A block carries one JSON value between two lines that hold a random-looking mark. JSON escapes line
breaks, so no value can open or close a block, whatever it contains, and the tokens of chat templates are
escaped beside them, so that no tokenizer takes one for its own. The mark is drawn from the value itself,
so that nobody can write a value that holds the mark of its own block. It is drawn from nothing else:
equal blocks are equal text, whatever stands behind them, and requests that begin with the same
conversation begin with the same characters, as the prefix caches of providers want it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from amendment.hashing import HASH_PREFIX, content_id

_BLOCK = re.compile(
    r"^<<(?P<name>[a-z][a-z0-9_]*) (?P<mark>[0-9a-f]{32})>>\n(?P<value>.*)\n<<end (?P=name) (?P=mark)>>$", re.MULTILINE
)
_SPECIAL = re.compile(
    r"<(?=[<|\uff5c])|<(?=/?(?i:s|bos|eos|pad|unk|cls|sep|mask|think|thinking|tool_call|tool_response"
    r"|(?:start|end)_of_(?:turn|text|image)|(?:im|fim)_[a-z]+)>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|THINK|IMG)\])"
)
"""Where chat templates and tokenizers see a sign of their own, such as `<|im_start|>`, `</s>`, `[INST]`, `<<SYS>>`, and
where a model could see a mark of ours. None of it can stand in JSON but inside a string."""
_OTHER_BREAKS = {code: f"\\u{code:04x}" for code in (0x7F, 0x85, 0x2028, 0x2029)}
"""Signs that end a line for some readers and that JSON leaves as they are."""


def fence(values: Mapping[str, Any]) -> dict[str, str]:
    """Each named JSON value as a block; names are lower-case words with digits and underscores.

    Raises ValueError for NaN, infinity and lone surrogates.

    >>> print(fence({"answer": "two\\nlines"})["answer"].splitlines()[1])
    "two\\nlines"
    """
    return {name: _block(name, value) for name, value in values.items()}


def _block(name: str, value: Any) -> str:
    mark = content_id({name: value}).removeprefix(HASH_PREFIX)
    return f"<<{name} {mark}>>\n{_line(value)}\n<<end {name} {mark}>>"


def _line(value: Any) -> str:
    """A JSON value on one line, whatever a reader takes for the end of one, and without a token of any template."""
    line = json.dumps(value, ensure_ascii=False).translate(_OTHER_BREAKS)
    return _SPECIAL.sub(lambda sign: f"\\u{ord(sign[0]):04x}", line)


def read_fenced(text: str) -> dict[str, Any]:
    """The values of all blocks of a text, by name: the inverse of `fence`. What only looks like a block is left out."""
    found = {}
    for block in _BLOCK.finditer(text):
        try:
            found[block["name"]] = json.loads(block["value"])
        except (ValueError, RecursionError):
            continue
    return found


def around_fences(text: str) -> str:
    """What stands outside of all blocks: the words of who asks, and none of anybody else."""
    return _BLOCK.sub("", text)
