"""The stage `dataset`: pairs made of judgements, with their texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from amendment.errors import AmendmentError
from amendment.preference import TIED_POOL, preference_row
from amendment.publishing.dataset_files import write_exports
from amendment.publishing.secrets import Cells, run_scanner, sift
from amendment.publishing.tables import shown_preferences
from amendment.records import Preference
from amendment.stages.construct import constructed_pairs
from amendment.stages.contract import Context, Made
from amendment.stages.labelled_pairs import spot_checked_pairs
from amendment.stages.mixing import RUN, diversity_counts, mix_in
from amendment.stages.paired import imported_pairs, judged_pairs, texts_of
from amendment.stages.revisions import check_revisions
from amendment.terminal import plain

__all__ = ["make_dataset"]


def make_dataset(context: Context) -> Made:
    """Pairs of all judgements, with their texts, mixed where asked; the train and the test split share no prompt."""
    texts, test = texts_of(context), context.held_out()
    rows: dict[str, list[Preference]] = {"train": [], "test": []}
    left_out: Counter[str] = Counter()
    references = {one.id: one.reference for one in context.constitutions} if context.config.judging else {}
    revisions = check_revisions(context)
    imported, judged = imported_pairs(context, texts), judged_pairs(context, texts, revisions)
    checked = spot_checked_pairs(context, judged.pairs)
    decided = [*imported.pairs, *checked.pairs]
    constructed = constructed_pairs(
        context, [pair.comparison_id for pair in decided], context.config.dataset.constant_answers
    )
    left_out.update(imported.left_out + judged.left_out + checked.left_out + constructed.paired.left_out)
    for pair in (*decided, *constructed.paired.pairs):
        side = "test" if pair.prompt_id in test else "train"
        answers = constructed.answers.get(pair.comparison_id, texts.candidates)
        rows[side].append(preference_row(pair, texts.prompts, answers, references))
    if not rows["train"]:
        raise AmendmentError(_no_pair(left_out, on_test_side=len(rows["test"])))
    by_source = {RUN: [*rows["train"], *rows["test"]]}
    counts: dict[str, Any] = {**checked.counts, **revisions.counts}
    if context.config.constructions:
        counts["constructed"] = len(constructed.paired.pairs)
    if len(context.config.dataset.mix) > 1:
        rows, by_source, mixed = mix_in(context, rows)
        counts |= mixed
    rows, with_key = sift(rows, _cells, run_scanner(context.config), context.config.dataset.secrets)
    left_out += with_key
    if not rows["train"]:
        raise AmendmentError(_no_pair(left_out, on_test_side=len(rows["test"])))
    tables = [context.workspace.write(f"dataset/{side}", Preference, found) for side, found in rows.items()]
    exports = write_exports(context.workspace.folder, shown_preferences(context.workspace.folder, context.config))
    sizes = {f"{side} pairs": len(found) for side, found in rows.items()}
    kept = {row.comparison_id for found in rows.values() for row in found}
    by_source = {name: [row for row in found if row.comparison_id in kept] for name, found in by_source.items()}
    diversity = diversity_counts(by_source, seed=context.config.seed)
    return Made((*tables, *exports), {**sizes, "left out": dict(left_out), **counts, **diversity})


def _cells(_: str, row: Preference) -> Cells:
    return Cells(f"{row.comparison_id} of {plain(row.source or 'this run')}", row.to_json())


def _no_pair(left_out: Mapping[str, int], *, on_test_side: int) -> str:
    """Why there is nothing to train on, and what to do."""
    counts = [f"{count} {reason}" for reason, count in left_out.items()]
    counts += [f"{on_test_side} on the test side of the split"] if on_test_side else []
    ways = ["take more prompts"]
    if on_test_side:
        ways.append("lower test_share under dataset")
    if left_out.get("tie"):
        ways.append("lower min_margin or write ties: keep")
    if left_out.get(TIED_POOL):
        ways.append("ask a judge that tells these answers apart, or write answers that differ more")
    if left_out.get("invalid") or left_out.get("orders disagree"):
        ways.append("ask a judge that answers better: the table judging/verdicts holds what this one said")
    found = ", ".join(counts) or "none, since nothing was judged"
    return f"dataset: no pair is left for training (left out: {found}). What helps: {', or '.join(ways)}"
