"""Layouts of published judge logs and benchmarks, by their columns: MT-Bench, AlpacaEval, JudgeBench, Auto-J.

Covered: the files as their projects write them, verdicts in the coordinates of the columns (`content`). Not covered:
who is a person, but for Auto-J, whose labels are people's; files that others have changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from amendment.data.sources import VerdictWords, parse_word
from amendment.data.verdict_files import Layout, VerdictColumns
from amendment.tables import Row

PUBLISHED = {
    "mt-bench": ("question_id", "model_1", "model_2", "g1_winner", "g2_winner"),
    "alpaca-eval": ("instruction", "output_1", "output_2", "preference"),
    "judgebench": ("pair_id", "question", "response_A", "response_B", "label"),
    "auto-j": ("scenario", "prompt", "response 1", "response 2", "label"),
}
"""Columns that determine a layout."""
SIDES = VerdictWords(a="A>B", b="B>A", tie="A=B", invalid=())
_TURNED = {"A>B": "B>A", "B>A": "A>B"}
P_FIRST = "P(output_1 is better)"
GOLD = "label"
"""The rater of JudgeBench's column of that name."""


def published_layout(columns: Collection[str]) -> str | None:
    """Return the name of the layout that has these columns; None if none has."""
    return next((name for name, needed in PUBLISHED.items() if set(needed) <= set(columns)), None)


def lay_out_published(name: str, rows: Sequence[Row], columns: Collection[str]) -> Layout:
    """Return the rows of a published layout as comparisons."""
    match name:
        case "mt-bench":
            return _mt_bench(rows)
        case "alpaca-eval":
            return _alpaca_eval(rows, columns)
        case "judgebench":
            return _judgebench(rows, columns)
    named = VerdictColumns(prompt=("prompt",), a="response 1", b="response 2", verdict="label", category="scenario")
    return Layout(named, list(rows), VerdictWords(a=0, b=1, tie=2), kind="person", coordinates="content")


def battle_key(values: Mapping[str, Any], item: str, models: Iterable[str]) -> list[Any]:
    """Name a comparison of MT-Bench as its judges' logs and its people's labels both do."""
    return [values.get(item), values.get("turn"), *sorted(models)]


def _mt_bench(rows: Sequence[Row]) -> Layout:
    """Read FastChat's log of a judge of pairs: a row has both orders, and names the winners by their place in the
    row."""
    named = VerdictColumns(
        item=("comparison",),
        prompt_id="question_id",
        model_a="model_1",
        model_b="model_2",
        verdict="g1_winner",
        swapped="g2_winner",
        rater=("judge",) if any("judge" in row.values for row in rows) else None,
    )
    words = VerdictWords(a="model_1", b="model_2", tie="tie", invalid="error")
    keyed = [
        Row(
            row.place,
            {
                **row.values,
                "comparison": battle_key(
                    row.values, "question_id", (str(row.values.get(name)) for name in ("model_1", "model_2"))
                ),
            },
        )
        for row in rows
    ]
    return Layout(named, keyed, words, coordinates="content")


def _alpaca_eval(rows: Sequence[Row], columns: Collection[str]) -> Layout:
    """Read `annotations.json`: a preference of 1 for output_1, of 2 for output_2, and anything between as it leans."""
    named = VerdictColumns(
        prompt=("instruction", "input") if "input" in columns else ("instruction",),
        a="output_1",
        b="output_2",
        model_a="generator_1" if "generator_1" in columns else None,
        model_b="generator_2" if "generator_2" in columns else None,
        p=P_FIRST,
        rater=("annotator",) if "annotator" in columns else None,
        category="dataset" if "dataset" in columns else None,
    )
    leaning = [Row(row.place, {**row.values, P_FIRST: _p_first(row.values.get("preference"))}) for row in rows]
    return Layout(named, leaning, VerdictWords(), coordinates="content")


def _p_first(preference: Any) -> Any:
    """Return 2 - preference; 0 was a draw once. Anything but a number from 1 to 2 stays, and is named as a problem."""
    try:
        value = float(parse_word(preference))
    except ValueError:
        return preference
    return 0.5 if value == 0 else 2 - value if 1 <= value <= 2 else preference


def _judgebench(rows: Sequence[Row], columns: Collection[str]) -> Layout:
    """Read the gold label, and the decisions of a judge under `judgments`, the second with the answers exchanged."""
    named = VerdictColumns(
        item=("pair_id",),
        prompt=("question",),
        a="response_A",
        b="response_B",
        verdict="decision",
        order="order",
        rater=("rater",),
        category="source" if "source" in columns else None,
    )
    return Layout(named, [decided for row in rows for decided in _decisions(row)], SIDES, coordinates="content")


def _decisions(row: Row) -> Iterator[Row]:
    judge = row.values.get("judge_name") or "judge"
    yield Row(row.place, {**row.values, "rater": GOLD, "decision": row.values["label"], "order": None})
    judgments = row.values.get("judgments")
    for order, judgment in zip(("ab", "ba"), judgments if isinstance(judgments, list) else (), strict=False):
        decision = parse_word(judgment.get("decision") if isinstance(judgment, dict) else None)
        decision = _TURNED.get(decision, decision) if order == "ba" else decision
        yield Row(f"{row.place}: judgments", {**row.values, "rater": judge, "decision": decision, "order": order})
