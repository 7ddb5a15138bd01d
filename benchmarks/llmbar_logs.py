"""Raw logs of LLMBar's judges, read by a parser of their form and compared with what their authors read in them.

    python benchmarks/llmbar_logs.py FOLDER

FOLDER holds `raw_completions__*.json`: LLMBar's result files (github.com/princeton-nlp/LLMBar, MIT), each a list of
items with a judge's reply in both displayed orders and the winner that the authors parsed. Prints, for each log, how
many replies are read alike, and every one that is not, with the end of its text and the reason.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from amendment.llm.requests import Reply
from amendment.preference.parsers import Parsed, unreadable
from amendment.records import Message, last_text
from amendment.text import plain

FINISHES: dict[str, Literal["stop", "length", "refusal"]] = {
    "stop": "stop",
    "length": "length",
    "content management policy": "refusal",
}
END = 160
"""Characters of a reply that are shown."""
_OUTPUT = r"[*_\"']*[Oo]utput[*_]*\s*\((?P<letter>[ab])\)[*_\"']*"
_OUTPUT_ALONE = re.compile(rf"\s*{_OUTPUT}\.?\s*")
_OUTPUT_BETTER = re.compile(rf"{_OUTPUT}\s+is\s+(?:the\s+)?(?:(?:slightly|much|clearly|overall)\s+)?better\b")
_OPENS_DOUBT = re.compile(r"(?:\b(?:if|unless|whether|not|neither)\b|n't)[^.\n]*$", re.IGNORECASE)


class Read(NamedTuple):
    """One reply, read twice."""

    place: str
    authors: str | None
    ours: str | None
    why: str
    text: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the raw_completions__*.json files lie")
    paths = sorted(parser.parse_args().folder.glob("raw_completions__*.json"))
    if not paths:
        sys.exit("no raw_completions__*.json there")
    for path in paths:
        _tell(path)


def _tell(path: Path) -> None:
    found = list(_read(json.loads(path.read_text(encoding="utf-8"))))
    differ = [one for one in found if one.authors != one.ours]
    unread = sum(one.ours is None for one in found)
    print(f"{path.stem}: {len(found)} replies, {len(found) - len(differ)} read alike, {unread} unreadable to us")
    for one in differ:
        end = plain(one.text[-END:], longest=END)
        print(f"  {one.place}: authors {one.authors}, ours {one.ours} ({one.why}): ...{end}")


def _read(items: list[dict[str, Any]]) -> Iterator[Read]:
    """Every reply of the last module that was asked, as displayed: A is the output shown first."""
    for number, item in enumerate(items):
        for order, said in item["results"][-1].items():
            text, finish, *_ = said["completion"]
            winner = {"1": "A", "2": "B"}.get(said["winner"] or "")
            if winner and order == "swap = True":
                winner = "AB"["BA".index(winner)]
            message = Message(role="assistant", content=text)
            parsed = _read_output_letter(Reply(messages=(message,), finish_reason=FINISHES.get(finish, "other")))
            value = None if parsed.value is None else str(parsed.value)
            yield Read(f"item {number}, {order}", winner, value, parsed.invalid or "", text)


def _read_output_letter(reply: Reply) -> Parsed:
    """The one output that is the whole reply, or that every sentence "Output (x) is better" names; a is the first. The
    form of LLMBar's judges (Zeng et al. 2023, arXiv 2310.07641); no judge folder asks in it.

    Sentences with a condition or a negation before it do not count. Where both outputs are called better, or
    neither, nothing is guessed. What stands before the last such sentence is the reasoning.
    """
    problem = unreadable(reply)
    if problem:
        return Parsed(invalid=problem)
    text = last_text(reply.messages)
    alone = _OUTPUT_ALONE.fullmatch(text)
    if alone:
        return Parsed(alone.group("letter").upper())
    better = [match for match in _OUTPUT_BETTER.finditer(text) if not _OPENS_DOUBT.search(text[: match.start()])]
    letters = {match.group("letter").upper() for match in better}
    reasoning = text[: better[-1].start()].strip() or None if better else text.strip() or None
    if len(letters) != 1:
        found = "both outputs are called better" if letters else "no output is called better"
        return Parsed(reasoning=reasoning, invalid=found)
    return Parsed(letters.pop(), None, reasoning)


if __name__ == "__main__":
    main()
