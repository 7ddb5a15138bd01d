"""SmolLM2 as a judge of real answers, by protocol, through the package's Judge.

PandaLM's and LLMBar's pairs have no principle of their own, so one general principle and its opposite stand in. Which
answer is called a is drawn; pairs of answers are shown in both orders. Replies are kept in a ledger in the cache: a
killed cell goes on without asking again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from real_text_cells import Cells
from real_text_data import TextPair
from real_text_rewards import by_length_shown, measured

from amendment.constitutions import CompareExample, Constitution, FewShot, Principle
from amendment.llm.client import Calls
from amendment.llm.concurrency import flow
from amendment.llm.ledger import Ledger
from amendment.llm.opening import open_model
from amendment.llm.specs import LocalSpec
from amendment.preference import Compared, Judge
from amendment.text import table

ITEMS = 320
"""Pairs of a cell: drawn from PandaLM's, all of LLMBar's."""
BATCH = 16
PRINCIPLE = "Answer the request correctly, completely and to the point."
OPPOSITE = "Answer the request wrongly, incompletely or beside the point."
QUESTION = "Which answer keeps the principle better?"
EXAMPLES = FewShot(
    compare=(
        CompareExample(
            prompt="Name two rivers that flow through France.",
            a="The Loire and the Rhône.",
            b="France has many beautiful rivers, and people love to walk along them on summer evenings.",
            answer="A",
        ),
        CompareExample(
            prompt="Turn this sentence into a question: The shop opens at nine.",
            a="The shop opens at nine, which is early enough for most people.",
            b="Does the shop open at nine?",
            answer="B",
        ),
    )
)
"""Two worked comparisons in the project's own words, one for each letter."""
PROTOCOLS = {
    "likelihood": FewShot(),
    "keeps": FewShot(),
    "label-tokens": FewShot(),
    "score": FewShot(),
    "label-tokens, two examples": EXAMPLES,
}
"""Folders of judges, the quick ones first, and what stands before the question. Judges of single answers take
no examples."""


def constitution(shots: FewShot) -> Constitution:
    """One general principle."""
    principle = Principle(id="good-answer", statement=PRINCIPLE, opposite=OPPOSITE, compare=(QUESTION,))
    return Constitution(
        id="good-answers",
        version="1.0.0",
        title="A good answer",
        license="CC0-1.0",
        source={"kind": "original"},
        principles=(principle,),
        few_shot=shots,
    )


def items(pairs: Sequence[TextPair]) -> list[int]:
    """The rows of a cell; pairs of equal answers have no better one."""
    rows = [row for row, pair in enumerate(pairs) if pair.chosen.strip() != pair.rejected.strip()]
    order = np.random.default_rng(0).permutation(len(rows))
    return [rows[at] for at in order[:ITEMS]]


def run_judges(datasets: dict[str, Sequence[TextPair]], base: str, cells: Cells) -> None:
    """Ask the cells that are missing."""
    for protocol in PROTOCOLS:
        for dataset, pairs in datasets.items():
            cells.do(
                {"part": "judges", "dataset": dataset, "protocol": protocol},
                lambda pairs=pairs, protocol=protocol: asyncio.run(
                    _cell(pairs, items(pairs), protocol, base, cells.file.parent / "judges.sqlite")
                ),
            )


async def _cell(pairs: Sequence[TextPair], rows: Sequence[int], protocol: str, base: str, file: Path) -> dict[str, Any]:
    folder, *_ = protocol.split(",")
    flipped = np.random.default_rng(1).integers(0, 2, len(pairs)).astype(bool)
    with Ledger(file) as ledger:
        calls = Calls(ledger)
        spec = LocalSpec(provider="local", model=base, batch_size=BATCH)
        judge = Judge.from_folder(
            folder, model=open_model("small", spec, calls, 0), constitution=constitution(PROTOCOLS[protocol])
        )

        async def compare(row: int) -> Compared:
            pair = pairs[row]
            a, b = (pair.rejected, pair.chosen) if flipped[row] else (pair.chosen, pair.rejected)
            return await judge.compare_async(prompt=pair.prompt[-1]["content"], a=a or " ", b=b or " ")

        compared = await flow(rows, compare, window=4 * BATCH)
        await calls.close()
    return _summary(pairs, rows, flipped, compared)


def _summary(
    pairs: Sequence[TextPair], rows: Sequence[int], flipped: Any, compared: Sequence[Compared]
) -> dict[str, Any]:
    read = [(row, result) for row, result in zip(rows, compared, strict=True) if result.p_a is not None]
    p = np.array([1 - result.p_a if flipped[row] else result.p_a for row, result in read if result.p_a is not None])
    consistent = [result.consistent for _, result in read if result.consistent is not None]
    masses = [v.label_mass for result in compared for v in result.verdicts if v.label_mass is not None]
    return {
        "items": len(rows),
        "read": len(read),
        **(measured(p, pairs, [row for row, _ in read]) if read else {}),
        "consistent": float(np.mean(consistent)) if consistent else None,
        "label_mass": median(masses) if masses else None,
        "agrees_with_length": _with_length(pairs, read, p),
    }


def _with_length(pairs: Sequence[TextPair], read: Sequence[tuple[int, Compared]], p: Any) -> float | None:
    """How often the judge prefers the answer with more characters, where one has more."""
    longer = [len(pairs[row].chosen) - len(pairs[row].rejected) for row, _ in read]
    agreed = [(value > 0.5) == (apart > 0) for value, apart in zip(p, longer, strict=True) if apart]
    return float(np.mean(agreed)) if agreed else None


def print_judges(cells: Cells) -> None:
    """One line for each protocol and dataset."""
    print(f"principle: {PRINCIPLE} opposite: {OPPOSITE}\n")
    head = ["data", "protocol", "read", "accuracy", "by length", "prefers the longer", "orders agree"]
    rows = [[*head, "calibration error", "label mass"]]
    for cell, result in cells.results("judges"):
        accuracy = "{:.3f} ({:.3f} to {:.3f})".format(*result["accuracy"]) if result["read"] else "-"
        rows.append(
            [
                cell["dataset"],
                cell["protocol"],
                f"{result['read']} of {result['items']}",
                accuracy,
                by_length_shown(result["longer"]) if result["read"] else "-",
                *(_shown(result.get(name)) for name in ("agrees_with_length", "consistent")),
                "{:.3f} ({:.3f})".format(*result["ece"]) if result["read"] else "-",
                _shown(result["label_mass"]),
            ]
        )
    print("\n".join(table(rows)))


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
