"""A proposed new version of a constitution, and the evidence beside each of its changes, for people and for machines.

The new version is the old one, word for word, with the accepted rules behind it and its version raised. Nothing else
is changed: a principle that seems to harm is named and left to people. Not covered: putting it to use.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from amendment.calibration.people.amending.disagreements import PrincipleRecord
from amendment.calibration.people.amending.gains import Added, Ruling
from amendment.calibration.people.amending.proposals import REPLIES, Gathered, Proposal
from amendment.constitutions import Constitution, Principle
from amendment.markdown import SPECIAL, cell, table
from amendment.statistics import Estimate, bounds
from amendment.terminal import plain

__all__ = ["Candidate", "Evidence", "amended", "evidence_json", "evidence_lines"]

FORMAT = 1
CRITIQUE = "Say where the answer keeps or breaks this rule, and quote the words that you mean."
REVISE = "Rewrite the answer so that it keeps this rule, and leave the rest of it as it is."


class Candidate(NamedTuple):
    """A proposed rule, what it adds, and what became of it."""

    proposal: Proposal
    added: Added
    ruling: Ruling


class Evidence(NamedTuple):
    """Everything that is known about a proposed version."""

    run: str
    banner: str
    """Of the simulated world; empty elsewhere."""
    seed: int
    model: str
    """Who proposed, by its short name."""
    judge: str
    """Who was asked by the candidates."""
    old: Constitution
    new: Constitution | None
    """None where nothing was accepted."""
    labels: Mapping[str, int]
    """Counts: comparisons and prompts, in all and in either half."""
    shown: int
    """Disagreements that were shown to the model."""
    records: Sequence[PrincipleRecord]
    own: Mapping[str, Added]
    """What each principle of the constitution adds beside the others, where it was asked beside others."""
    harmful: frozenset[str]
    """Of these, those with which agreement with people falls, or against which people decide."""
    candidates: Sequence[Candidate]
    gathered: Gathered

    @property
    def accepted(self) -> list[Candidate]:
        """In the order of their surety."""
        found = [one for one in self.candidates if one.ruling.accepted]
        return sorted(found, key=lambda one: (one.added.p, one.proposal.id))


def amended(old: Constitution, accepted: Sequence[Candidate], *, run: str, shown: int) -> Constitution:
    """The next minor version with these rules behind the others. Raises ValueError where there are none."""
    if not accepted:
        raise ValueError("nothing was accepted")
    numbers = old.version.split("-")[0].split("+")[0].split(".")
    version = f"{numbers[0]}.{int(numbers[1]) + 1}.0"
    added = tuple(_principle(one, run=run, shown=shown) for one in accepted)
    return old.model_copy(update={"version": version, "extends": (), "principles": (*old.principles, *added)})


def _principle(one: Candidate, *, run: str, shown: int) -> Principle:
    statement, compare = one.proposal.rule
    return Principle(
        id=one.proposal.id,
        statement=statement,
        rationale=(
            f"Proposed by amend from {shown} comparisons of run {plain(run)} that people decided otherwise. On "
            f"{one.added.gain.n} others it agrees with people in {told(one.added.agreement)} of those it decides; "
            f"agreement with it changes by {told(one.added.gain)}, and its weight beside the constitution and the "
            f"other candidates is {number(one.added.weight)}, p {one.ruling.adjusted:.2g} after Holm's correction."
        ),
        critique=(CRITIQUE,),
        revise=(REVISE,),
        compare=(compare,),
    )


def evidence_json(found: Evidence) -> dict[str, Any]:
    """What `evidence.json` holds: no clock, nothing of what calls took, so that equal runs write equal bytes."""
    return {
        "format": FORMAT,
        "run": found.run,
        "simulated": found.banner or None,
        "seed": found.seed,
        "model": found.model,
        "judge": found.judge,
        "constitution": found.old.reference,
        "proposed": found.new.reference if found.new else None,
        "labels": {**found.labels, "disagreements shown": found.shown},
        "principles": [
            {
                **one.to_json(),
                "beside the others": found.own[one.principle].to_json() if one.principle in found.own else None,
                "harms": one.principle in found.harmful,
            }
            for one in found.records
        ],
        "candidates": [_candidate_json(one) for one in found.candidates],
        "says what stands": [
            {"statement": rule.statement, "principle": principle} for rule, principle in found.gathered.known
        ],
        "left out": dict(sorted(found.gathered.unfit.items())),
    }


def _candidate_json(one: Candidate) -> dict[str, Any]:
    return {
        "id": one.proposal.id,
        **one.proposal.rule._asdict(),
        "proposed in replies": one.proposal.times,
        "accepted": one.ruling.accepted,
        "reason": one.ruling.reason,
        "p after Holm": None if math.isnan(one.ruling.adjusted) else one.ruling.adjusted,
        **one.added.to_json(),
    }


def evidence_lines(found: Evidence) -> list[str]:
    """What `evidence.md` says, and the command prints."""
    counts = found.labels
    head = [
        f"# What people would change in {plain(found.old.id)}",
        "",
        *([f"> {found.banner}", ""] if found.banner else []),
        f"Run {plain(found.run)}: {counts['comparisons']:,} comparisons of {counts['prompts']:,} prompts that people "
        f"have labelled in the open. {plain(found.model)} was asked for rules by {found.shown:,} disagreements among "
        f"{counts['to propose from']:,} of them; {_tested(found)}. Sealed labels were not read. Nothing is applied.",
        "",
    ]
    return [*head, *_changes(found), *_rejected(found), *_standing(found), *_reading()]


def _tested(found: Evidence) -> str:
    if not found.candidates:
        return "none was tested"
    tested = f"{len(found.candidates)} were" if len(found.candidates) > 1 else "one was"
    return f"{tested} tested on the other {found.labels['to test on']:,} by {plain(found.judge)}"


def _why_no_change(found: Evidence) -> str:
    gathered = found.gathered
    if found.candidates:
        return "No candidate surely adds to what the constitution knows."
    if gathered.known:
        says = "1 proposal says" if len(gathered.known) == 1 else f"{len(gathered.known)} proposals say"
        return f"No candidate was left to test: {says} what principles say already."
    unread = sum(count for reason, count in gathered.unfit.items() if reason.startswith(REPLIES))
    unfit = gathered.unfit.total() - unread
    parts = [f"{unread} {'reply' if unread == 1 else 'replies'} could not be read"] if unread else []
    parts += [f"{unfit} {'rule' if unfit == 1 else 'rules'} could not be used"] if unfit else []
    told = f" ({', '.join(parts)})" if parts else ""
    return f"No usable rule was proposed{told}."


def _changes(found: Evidence) -> Iterator[str]:
    if found.new is None:
        yield from ("## No change is proposed", "", _why_no_change(found), "")
        return
    yield from (f"## Proposed: version {found.new.version} (now {found.old.version})", "")
    for one in found.accepted:
        adds = one.added
        yield f"**+ `{one.proposal.id}`**: {one.proposal.rule.statement.translate(SPECIAL)}"
        yield ""
        yield f"- asked as: {one.proposal.rule.compare.translate(SPECIAL)}"
        yield f"- proposed in {one.proposal.times} replies"
        yield f"- prefers an answer in {told(adds.decides)} of {adds.decides.n} comparisons to test on"
        yield f"- agrees with people, where it does, in {told(adds.agreement)}"
        yield f"- agreement of the constitution with it minus without it: {told(adds.gain)}"
        weight = f"{number(adds.weight)}, p {one.ruling.adjusted:.2g} after Holm"
        yield f"- weight beside the constitution and the other candidates: {weight}"
        yield ""


def _rejected(found: Evidence) -> Iterator[str]:
    rejected = [one for one in found.candidates if not one.ruling.accepted]
    gathered = found.gathered
    if not (rejected or gathered.known or gathered.unfit):
        return
    yield from ("## Not taken", "")
    for one in rejected:
        yield f"- `{one.proposal.id}`: {one.proposal.rule.statement.translate(SPECIAL)}"
        figures = (
            f"agrees in {told(one.added.agreement)}, gain {told(one.added.gain)}, weight {number(one.added.weight)}"
        )
        yield f"  {one.ruling.reason} ({figures})."
    for rule, principle in gathered.known:
        yield f"- {rule.statement.translate(SPECIAL)} Says what `{principle}` says; not tested."
    for reason, count in sorted(gathered.unfit.items()):
        yield f"- {count} left out: {reason}."
    yield ""


def _standing(found: Evidence) -> Iterator[str]:
    yield from ("## Where people and judge differ, by principle", "")
    rows = [("principle", "asked", "agrees with people", "decided", "against people", "gain beside others", "weight")]
    for one in found.records:
        own = found.own.get(one.principle)
        beside = (told(own.gain), number(own.weight)) if own else ("-", "-")
        share = f"{one.against} ({told(one.share_against)})" if one.decided else "-"
        rows.append((cell(one.principle), str(one.asked), told(one.agreement), str(one.decided), share, *beside))
    yield from table(rows)
    yield ""
    if not found.own:
        yield from ("Each comparison was judged by one principle, so none can be left out of it.", "")
    for name in sorted(found.harmful):
        yield f"`{plain(name)}` seems to harm: people decide against it. Read it again, or lower its weight."
    yield from [""] if found.harmful else []


def _reading() -> list[str]:
    return [
        "Gain: agreement with people of the constitution with the rule minus without it, in points, rules put together "
        "as the run does it. Weight: log-odds of people's choice per log-odds of the rule, at the same verdict of the "
        "constitution, and of a candidate also beside what the other candidates tell on average: a judge answers by "
        "its overall impression too, whatever it is asked by. 0 says that a rule tells nothing new. Intervals are of "
        "95 %, clustered by prompt.",
        "",
    ]


def told(estimate: Estimate) -> str:
    """A share or a difference of shares, in percent, with its interval."""
    if math.isnan(estimate.value):
        return "unknown"
    known = bounds(estimate)
    interval = f" ({100 * known[0]:.1f} to {100 * known[1]:.1f})" if known else ""
    return f"{100 * estimate.value:.1f} %{interval}"


def number(estimate: Estimate) -> str:
    """A weight with its interval."""
    if math.isnan(estimate.value):
        return "unknown"
    known = bounds(estimate)
    return f"{estimate.value:+.2f}{f' ({known[0]:+.2f} to {known[1]:+.2f})' if known else ''}"
