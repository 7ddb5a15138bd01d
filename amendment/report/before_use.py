"""What decides whether a run's pairs can be used: who decided them, and the few facts to know first.

Covered: the counts of the summary, the gates of the certificate, and columns of the run's tables. The report shows the
facts on its first screen, the card among its known limits; the summary begins with what an evaluation or a dataset
shows (`harm_lines`, `too_few`). Not covered: whether a fact matters for a use.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from amendment.data.store import read_columns
from amendment.report.document import Json, Rule, Written, short
from amendment.report.render import words
from amendment.results import Result
from amendment.simulator import SIMULATED_PERSON
from amendment.statistics import by_length
from amendment.statistics.intervals import is_beyond_chance

DECIDERS = {
    "judge": "the judge",
    "person": "people",
    "truth": "labels that are the truth",
    "verifier": "checks in code",
    "construction": "construction",
    "unknown": "unknown raters",
}
"""What decided a pair, in the words of report, card and samples."""
MOST_FACTS = 5
MOST_NAMED = 3
STEPS = 5
"""Groups of a picture: fifths of the answers by length, of a judge's P from 0.5 to 1."""
OFTEN_CUT = 0.2
NEARLY_ALL = 0.9
FEWEST_HELD_OUT = 10
FEWEST_PAIRS = 20
"""Share of cut answers, and of pairs of one principle or one length, from which it is a fact to know; held-out pairs
from which a share is one; pairs from which a training is expected to learn something."""
WORSE = {"kept": -1, "cut_at_max_tokens": 1, "copies_of_the_prompt": 1, "on_topic": -1, "nats_per_token": 1}
"""Figures of a scorecard by which a policy can be worse, and the sign of a change for the worse. The number of words
has no bad side."""
_COLUMNS = (
    "decided_by",
    "license",
    "p_chosen_raw",
    "prompt_id",
    "chosen_id",
    "rejected_id",
    "decisive",
    "principle_ids",
)


class PairFacts(NamedTuple):
    """What the rows of a dataset say about their labels."""

    decided_by: Counter[str]
    flipped: int
    """Pairs that a judge decided although its two displayed orders disagree."""
    by_principle: Counter[str]
    """Pairs that one principle decided, by its reference."""
    licenses: Counter[str | None]
    """Of the prompts, by pair; None for none on record."""
    certainty: Counter[tuple[int, str]]
    """Pairs of a judge that saw both orders, by a fifth of its P from 0.5 to 1, and by whether the orders agree."""
    trained: int = 0
    """Pairs on the train side."""
    are_people_simulated: bool = False
    """Whether the spot check's people are those of the simulated world."""

    @property
    def by_code(self) -> int:
        """Return how many pairs a check in code decided."""
        return self.decided_by["verifier"]

    @property
    def is_judged(self) -> bool:
        """Return True if a judge decided a pair, or would: there are no pairs yet."""
        return not self.decided_by or self.decided_by["judge"] > 0

    def who(self, judge: str = DECIDERS["judge"]) -> str:
        """Return who decided how many, the most first; empty without pairs. `judge` is how to name what judged."""
        words = {**DECIDERS, "judge": judge}
        if self.are_people_simulated:
            words["person"] = "simulated people"
        counts = self.decided_by.most_common()
        if len(counts) == 1:
            kind = counts[0][0]
            return "all by construction" if kind == "construction" else f"all decided by {words[kind]}"
        listed = ", ".join(f"{count:,} by {words[kind]}" for kind, count in counts)
        return listed.replace(" by ", " decided by ", 1)


def pair_facts(folder: Path, done: Container[str]) -> PairFacts:
    """Of the dataset in a run's folder, of which these stages are done. Raises LedgerError where a table is damaged."""
    judgements = folder / "judging/judgements.parquet"
    orders = dict[tuple[str, str, str], bool]()
    if "judging" in done and judgements.is_file():
        judged = read_columns(judgements, "prompt_id", "a", "b", "consistent")
        orders = {(prompt, a, b): consistent for prompt, a, b, consistent in judged if consistent is not None}
    facts = PairFacts(Counter(), 0, Counter(), Counter(), Counter())
    sides = Counter[str]()
    paths = [folder / f"dataset/{side}.parquet" for side in ("train", "test") if "dataset" in done]
    rows = ((path.stem, row) for path in paths if path.is_file() for row in read_columns(path, *_COLUMNS))
    for side, (decided_by, license, p_chosen, prompt, chosen, rejected, decisive, principles) in rows:
        facts.decided_by[decided_by] += 1
        facts.licenses[license] += 1
        sides[side] += 1
        agree = orders.get((prompt, *sorted((chosen, rejected)))) if decided_by == "judge" else None
        sides["flipped"] += agree is False
        if agree is not None:
            step = min(STEPS - 1, max(0, int(2 * STEPS * p_chosen) - STEPS))
            facts.certainty[step, "orders agree" if agree else "orders disagree"] += 1
        named = [decisive] if decisive else json.loads(principles or "[]")
        if len(named) == 1:
            facts.by_principle[named[0]] += 1
    labels = folder / "labels/open.parquet"
    raters = read_columns(labels, "rater") if "labels" in done and labels.is_file() else ()
    are_simulated = any(rater.startswith(SIMULATED_PERSON) for (rater,) in raters)
    return facts._replace(flipped=sides["flipped"], trained=sides["train"], are_people_simulated=are_simulated)


class Harm(NamedTuple):
    """A figure of a scorecard by which a policy is worse than the first one, and not by chance."""

    figure: str
    policy: str
    first: str
    value: str
    """From the first to the worse one."""
    interval: str
    """That of the difference, at 95 %; empty where every prompt shows the same."""


def harms(evaluate: Result) -> list[Harm]:
    """Return the paired differences of an evaluation whose whole interval is on the bad side, the clearest first.

    Intervals are wide enough that 19 of 20 runs without harm have none here."""
    changes = [*evaluate.changes(*WORSE)]
    found: list[tuple[float, Harm]] = []
    for change in changes:
        difference = change.value
        if WORSE[change.name] * difference.value > 0 and is_beyond_chance(difference, len(changes)):
            width = 0.0
            interval = ""
            if not math.isnan(difference.low):
                width = (difference.high - difference.low) / abs(difference.value)
                interval = f"{difference.low:+.2f} to {difference.high:+.2f}"
            value = f"{change.before:.2f} → {change.after:.2f}"
            found.append(
                (width, Harm(name_figure(change.name, change.of), change.policy, change.less, value, interval))
            )
    return [harm for _, harm in sorted(found, key=lambda row: row[0])]


def name_figure(name: str, of: Mapping[str, str]) -> str:
    """Return a figure of a scorecard in words."""
    return f"answers that keep {of['principle']}" if name == "kept" else words(name)


def harm_lines(evaluate: Result) -> Iterator[str]:
    """Yield a sentence for each policy that is worse than the first one by some figure."""
    listed: dict[str, list[str]] = defaultdict(list)
    for figure, policy, first, value, interval in harms(evaluate):
        shown = f"{figure} {value}" + (f" (difference {interval})" if interval else "")
        listed[f"“{policy}” is worse than “{first}” in the scorecard"].append(shown)
    for worse, figures in listed.items():
        more = [f"{len(figures) - MOST_NAMED} more"] if figures[MOST_NAMED:] else []
        yield f"{worse}: {', '.join([*figures[:MOST_NAMED], *more])}."


def too_few(pairs: PairFacts) -> Iterator[str]:
    """Return a sentence for each thing that a training has too little of; nothing if there are no pairs."""
    total = pairs.decided_by.total()
    trained = pairs.trained
    if total and trained < FEWEST_PAIRS:
        pairs_are = "pair is" if trained == 1 else "pairs are"
        yield f"Only {trained:,} {pairs_are} for training, too few to learn much from: provide {FEWEST_PAIRS} or more."
    if total > 2 * trained:
        yield f"{total - trained:,} of {total:,} pairs are held out, more than are left for training: lower test_share."
    once = [name for name, count in pairs.by_principle.items() if count == 1]
    if once and 2 * pairs.by_principle.total() >= total:
        yield f"Principles that decided only one pair: {', '.join(once[:MOST_NAMED])}."


def before_use(written: Written) -> list[str]:
    """At most `MOST_FACTS` sentences, the worst first; what a run's banner says about a simulated world is the first of
    these, and is not among them."""
    pairs = written.pairs
    facts = [
        *harm_lines(written.summary.of("evaluate")),
        *_failed_gates(written, is_judge_in_use=pairs.is_judged),
        *_flipped(pairs),
        *too_few(pairs),
        *_cut(written.summary.of("dataset"), pairs.decided_by.total()),
        *_length_alone(written.results),
        *_by_principle(written.rules, pairs),
        *(f"{warning[:1].upper()}{warning[1:]}".rstrip(".") + "." for warning in written.summary.warnings),
    ]
    return facts[: MOST_FACTS - bool(written.banner)]


def _failed_gates(written: Written, *, is_judge_in_use: bool) -> Iterator[str]:
    training = written.certificate.get("gate") or {}
    if training.get("outcome") == "FAIL":
        failed = ", ".join(check["check"] for check in training["checks"] if check["outcome"] == "FAIL")
        trained = [name for name in written.summary.models if name != "sft"]
        although = f", but {' and '.join(trained)} trained on them anyway" if trained else ""
        yield f"The labels fail the gate before training ({failed}){although}."
    names = [judge["name"] for judge in written.judges]
    gates: Sequence[Json] = written.certificate.get("gates", ())
    for gate in gates if is_judge_in_use else ():
        if gate["outcome"] == "FAIL" and gate["judge"] in names:
            yield f"{gate['judge']} fails the gate {gate['check']}: {gate['found']}."


def _flipped(pairs: PairFacts) -> Iterator[str]:
    judged = pairs.decided_by["judge"]
    if pairs.flipped:
        share = f"{pairs.flipped:,} of the {judged:,} pairs that it decided ({100 * pairs.flipped / judged:.1f} %)"
        yield (
            f"The judge's verdicts in the two orders disagree on {share}; judging.disagreement: drop would leave "
            f"{judged - pairs.flipped:,}."
        )


def _cut(dataset: Result, pairs: int) -> Iterator[str]:
    for side in ("chosen", "rejected"):
        count = dataset.count("cut_at_max_tokens", answers=side)
        if count > OFTEN_CUT * pairs:
            yield f"{count:,} of {pairs:,} {side} answers are cut at max_tokens, so an abrupt end gives them away."


def _length_alone(results: Mapping[str, Result]) -> Iterator[str]:
    """Read the first stage that has measured it: all measure the same pairs."""
    measured = [result.estimate("longer_answer_is_right") for result in results.values()]
    figure = next((figure for figure in measured if figure and figure.n >= FEWEST_HELD_OUT), None)
    if figure is None:
        return
    side, right = by_length(figure)
    if right.value >= NEARLY_ALL:
        share = f"{100 * right.value:.1f} % of {figure.n:,} held-out pairs"
        yield f"The {side} answer is right in {share}: length alone would decide nearly all of them."


def _by_principle(rules: Sequence[Rule], pairs: PairFacts) -> Iterator[str]:
    """Return figures where most pairs name the one principle that decided them."""
    total = pairs.decided_by.total()
    named = pairs.by_principle.total()
    stated = {rule.reference: f"{rule.reference} ({short(rule.statement.rstrip('.'), 60)})" for rule in rules}
    without = [name for name in stated if not pairs.by_principle[name]]
    if len(stated) < 2 or not named or 2 * named < total:
        return
    counts = pairs.by_principle.most_common()
    if counts[0][1] > NEARLY_ALL * named or without:
        listed = [f"{stated.get(name, name)} {count:,}" for name, count in counts[:MOST_NAMED]]
        if more := counts[MOST_NAMED:]:
            listed.append(f"{len(more)} others {sum(count for _, count in more):,}")
        listed += [f"{stated[name]} none" for name in without[:MOST_NAMED]]
        listed += [f"{len(without) - MOST_NAMED} others none"] if len(without) > MOST_NAMED else []
        yield f"Pairs by the principle that decided them: {', '.join(listed)}."
