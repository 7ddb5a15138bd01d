"""Revisions against their drafts in a run: which comparisons these are, how they came out, and where nobody looked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from amendment.data.sources import ChainSource
from amendment.preference import chain_ends, count_revisions
from amendment.records import Candidate, Judgement
from amendment.stages.configs import RunFile
from amendment.stages.contract import Context

__all__ = ["CheckedRevisions", "are_revisions_checked", "check_revisions", "said_of_revisions"]


class CheckedRevisions(NamedTuple):
    """The last revisions that were judged against their drafts."""

    by_comparison: Mapping[str, str]
    """The revision's id by the comparison with its draft."""
    counts: dict[str, Any]
    """What the summary says of them: nothing where they were not compared."""


def are_revisions_checked(config: RunFile) -> bool:
    """Whether a judge compares the draft and the last revision of each chain."""
    takes = {source.take for source in config.candidates if isinstance(source, ChainSource)}
    has_both = bool(takes & {"all", "draft_and_last"}) or takes >= {"draft", "last"}
    return config.critique is not None and config.judging is not None and has_both


def check_revisions(context: Context) -> CheckedRevisions:
    """How the judge decided between drafts and last revisions, by the run's own judgements."""
    stage = context.config.judging
    if stage is None or not are_revisions_checked(context.config):
        return CheckedRevisions({}, {})
    ends = chain_ends(context.workspace.read("critique/candidates", Candidate))
    judgements = context.workspace.read("judging/judgements", Judgement)
    found = count_revisions(ends, judgements, min_margin=stage.min_margin)
    revisions = {one.comparison_id: one.revision for one in ends if not one.is_unchanged}
    counts = {**found.to_json(), "worse revisions": stage.revisions.worse}
    return CheckedRevisions(revisions, {"revisions checked": counts})


def said_of_revisions(config: RunFile, stage: str) -> dict[str, Any]:
    """What the summary adds to the counts of a chain that nobody checks: that its revisions may be worse."""
    if stage != "critique" or are_revisions_checked(config):
        return {}
    note = (
        "revisions were not checked: nobody has compared them with their drafts, and some may be worse; a judge does "
        "where candidates have {from: critique, take: draft_and_last}"
    )
    return {"notes": [note]}
