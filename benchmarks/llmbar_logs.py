"""Raw logs of LLMBar's judges, read by the shipped parser and compared with what their authors read in them.

    python benchmarks/llmbar_logs.py FOLDER

FOLDER holds `raw_completions__*.json`: LLMBar's result files (github.com/princeton-nlp/LLMBar, MIT), each a list of
items with a judge's reply in both displayed orders and the winner that the authors parsed. Prints, for each log, how
many replies are read alike, and every one that is not, with the end of its text and the reason. Then the same for the
rationales: replies whose reasoning argues for the other output than the verdict.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from amendment.audit.stance import argued_for
from amendment.llm.requests import Reply
from amendment.preference import read_output_letter
from amendment.records import Message
from amendment.terminal import plain

FINISHES: dict[str, Literal["stop", "length", "refusal"]] = {
    "stop": "stop",
    "length": "length",
    "content management policy": "refusal",
}
END = 160
"""Characters of a reply that are shown."""


class Read(NamedTuple):
    """One reply, read twice."""

    place: str
    authors: str | None
    ours: str | None
    why: str
    text: str
    argued: str | None


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
    against = [one.place for one in found if one.ours and one.argued and one.argued != one.ours]
    compared = sum(bool(one.ours and one.argued) for one in found)
    print(f"  reasoning says which is better in {compared}, the other one than the verdict in {len(against)} {against}")


def _read(items: list[dict[str, Any]]) -> Iterator[Read]:
    """Every reply of the last module that was asked, as displayed: A is the output shown first."""
    for number, item in enumerate(items):
        for order, said in item["results"][-1].items():
            text, finish, *_ = said["completion"]
            winner = {"1": "A", "2": "B"}.get(said["winner"] or "")
            if winner and order == "swap = True":
                winner = "AB"["BA".index(winner)]
            message = Message(role="assistant", content=text)
            parsed = read_output_letter(Reply(messages=(message,), finish_reason=FINISHES.get(finish, "other")))
            value = None if parsed.value is None else str(parsed.value)
            yield Read(
                f"item {number}, {order}", winner, value, parsed.invalid or "", text, argued_for(parsed.reasoning)
            )


if __name__ == "__main__":
    main()
