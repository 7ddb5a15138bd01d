"""Compare the last revisions of chains with their drafts, by the run's own judgements.

Not covered: a judge that likes whatever looks revised, which a probe measures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import groupby

from amendment.data.sources import ChainSource
from amendment.preference.degenerate import likeness
from amendment.preference.pairs import p_better
from amendment.records import Candidate, Comparison, Judgement
from amendment.results import Figure, Result, by_label
from amendment.statistics import share
from amendment.statistics.sides import read_side


def takes_both_ends(sources: Iterable[object]) -> bool:
    """Return whether the draft and the last revision of each chain are among the answers of these sources."""
    takes = {source.take for source in sources if isinstance(source, ChainSource)}
    return bool(takes & {"all", "draft_and_last"}) or takes >= {"draft", "last"}


def unchecked_note(sources: Iterable[object], *, is_judged: bool) -> tuple[str, ...]:
    """Return what the summary says of chains whose revisions nobody checks: that they may be worse."""
    both = takes_both_ends(sources)
    if both and is_judged:
        return ()
    candidates = "" if both else "candidates: [{from: critique, take: draft_and_last}] and "
    note = "no judge has compared the revisions with their drafts, so some may be worse."
    return (f"{note} To compare them, add {candidates}judging:",)


def compare_revisions(
    candidates: Iterable[Candidate], judgements: Iterable[Judgement], *, min_margin: float = 0.0
) -> Result:
    """Compare the last revision of each chain with its draft: how many are better, worse, tie, unread, unchanged and
    not compared, and the share of revisions that are better, a tie counting half, clustered by prompt.

    The candidates of each chain stand together, the draft first. Of two that differ by less than `min_margin` neither
    is better. A revision is not compared where it was cut off, or where the user's own verdicts decided.
    """
    judged = {judgement.comparison_id: judgement for judgement in judgements}
    counts = Counter(dict.fromkeys(("better", "worse", "tie", "unread", "unchanged", "not compared"), 0))
    won: list[float] = []
    prompts: list[str] = []
    for prompt_id, of_prompt in groupby(candidates, key=lambda candidate: candidate.prompt_id):
        draft, *revisions = of_prompt
        if not revisions:
            continue
        if likeness(draft.messages) == likeness(revisions[-1].messages):
            counts["unchanged"] += 1
            continue
        judgement = judged.get(Comparison.between(draft, revisions[-1]).id)
        if judgement is None:
            counts["not compared"] += 1
        elif judgement.p_a is None:
            counts["unread"] += 1
        else:
            side = read_side(p_better(judgement, revisions[-1].id), min_margin)
            counts[("tie", "better", "worse")[side]] += 1
            won.append((1 + side) / 2)
            prompts.append(prompt_id)
    better = Figure(name="better_revisions", value=share(won, prompts), unit="share")
    return Result(figures=(*by_label("revisions", "against_the_draft", counts), better))
