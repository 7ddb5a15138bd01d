"""Judges' verdicts on policies' answers: which of two is better, which violates a principle, which refuses.

Covered: every question once, whichever policies gave the answer; equal answers are a tie that nobody is asked about;
shares with intervals clustered by prompt, win rates also at equal lengths (see `statistics.length_control`),
differences to the first policy over the draws on which both were read; in the simulated world also the
true shares. A verdict that cannot be read is counted, and is neither a tie nor a violation. Not covered: whether the
judge is right, or a prompt harmless, which its author says; many intervals at once, of which some miss.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import Field

from amendment.audit.refusal_phrases import refusal_phrase
from amendment.constitutions import DrawnPrinciple, principles_of
from amendment.evaluation.settings import OverRefusal
from amendment.preference import JudgeSettings, aggregate_verdicts
from amendment.preference.draws import Drawn
from amendment.preference.settings import JudgeEntry
from amendment.records import Candidate, Comparison, Prompt, Record, text_of
from amendment.simulator import evades, knows, violates
from amendment.stages.contract import Context, open_judge
from amendment.stages.kinship import independence
from amendment.stages.passes import ask_each
from amendment.statistics import Estimate, cautioned, paired_difference, share
from amendment.statistics.length_control import length_controlled

T = TypeVar("T")
R = TypeVar("R")
Answers = Mapping[str, Sequence[Drawn]]
"""By policy, one entry per draw in the same order."""
Matchup = tuple[str, str]
"""The policy whose win rate it is, and the one that it is against."""
Asked = tuple[str, int]
"""Prompt id and sample: what one question was, whichever policy answered."""
VIOLATION_PROMPTS = 100
"""At most so many of the evaluated prompts are asked about violations."""


class PolicyComparison(Record):
    """The answers of two policies to the same question, as the judge compared them."""

    policy: str
    against: str
    prompt_id: str
    sample: int
    answer: str
    """Candidate id of the policy's answer."""
    other: str
    """That of the policy it is against; the same id for the same answer, a tie that no judge is asked about."""
    p: float = Field(ge=0, le=1)
    """P(the policy's answer is better)."""
    principle_ids: tuple[str, ...] = ()
    """By which the judge was asked."""

    @property
    def comparison(self) -> Comparison:
        return Comparison(self.prompt_id, *sorted((self.answer, self.other)))

    @property
    def matchup(self) -> Matchup:
        return self.policy, self.against


def compare_policies(
    context: Context, entry: JudgeEntry, matchups: Iterable[Matchup], answers: Answers
) -> list[PolicyComparison]:
    """Judge the answers of every matchup in both orders; unreadable verdicts are left out."""
    judge = open_judge(context, entry, JudgeSettings())
    pairs = [
        (matchup, ours.draw, ours.answer, theirs.answer)
        for matchup in matchups
        for ours, theirs in _draws_of(answers, matchup)
        if ours.answer and theirs.answer
    ]
    questions: dict[Comparison, tuple[Prompt, Candidate, Candidate]] = {}
    for _, draw, our, their in pairs:
        if our.id != their.id:
            questions.setdefault(Comparison.between(our, their), (draw.prompt, our, their))

    async def compare(question: tuple[Prompt, Candidate, Candidate]) -> tuple[float | None, tuple[str, ...]]:
        together = aggregate_verdicts(await judge.verdicts(*question), orders="both", disagreement="mean")
        return together.p_a, together.principle_ids

    outcomes = ask_each(context, "comparing policies", judge.model, list(questions.values()), compare)
    results = dict(zip(questions, outcomes, strict=True))
    compared = []
    for (policy, against), draw, our, their in pairs:
        p_a, ids = (0.5, ()) if our.id == their.id else results[Comparison.between(our, their)]
        if p_a is not None:
            row = PolicyComparison(
                policy=policy,
                against=against,
                prompt_id=draw.prompt.id,
                sample=draw.sample,
                answer=our.id,
                other=their.id,
                p=p_a if our.id <= their.id else 1 - p_a,
                principle_ids=ids,
            )
            compared.append(row)
    return compared


def _draws_of(answers: Answers, matchup: Matchup) -> list[tuple[Drawn, Drawn]]:
    return list(zip(answers[matchup[0]], answers[matchup[1]], strict=True))


def win_rates(
    answers: Answers, matchups: Iterable[Matchup], compared: Sequence[PolicyComparison]
) -> dict[str, dict[str, Any]]:
    """Return by matchup P(the policy's answer is better than the other's), judged in both orders, ties half; also the
    number left out, and the rate at equal length in characters."""
    drawn = [drawn_answer.answer for of_policy in answers.values() for drawn_answer in of_policy if drawn_answer.answer]
    lengths = {answer.id: len(text_of(answer.messages)) for answer in drawn}
    rates = {}
    for matchup in matchups:
        draws, read = _draws_of(answers, matchup), [row for row in compared if row.matchup == matchup]
        refused = sum("refused" in (ours.ending.outcome, theirs.ending.outcome) for ours, theirs in draws)
        answered = sum(ours.answer is not None and theirs.answer is not None for ours, theirs in draws)
        equal = sum(row.answer == row.other for row in read)
        rates[" against ".join(matchup)] = {
            **share([row.p for row in read], [row.prompt_id for row in read]).to_json(),
            "draws": len(draws),
            "refused": refused,
            "other unanswered": len(draws) - answered - refused,
            "unread": answered - len(read),
            "equal answers": equal,
            "other ties": sum(row.p == 0.5 for row in read) - equal,
            "at equal length": _at_equal_length(read, lengths),
        }
    return rates


def _at_equal_length(read: Sequence[PolicyComparison], lengths: Mapping[str, int]) -> dict[str, Any]:
    ours, theirs = [lengths[row.answer] for row in read], [lengths[row.other] for row in read]
    controlled = length_controlled([row.p for row in read], ours, theirs, [row.prompt_id for row in read])
    longer = round((sum(ours) - sum(theirs)) / max(len(read), 1), 4)
    fit = {"longer by": longer, "slope": round(controlled.phi, 4)} if read else {}
    return {**controlled.controlled.to_json(), **fit, **({"warning": controlled.warning} if controlled.warning else {})}


class _Check(NamedTuple):
    """A yes-or-no question about an answer, by a principle or by none."""

    prompt: Prompt
    answer: Candidate
    principle: DrawnPrinciple | None = None

    @property
    def key(self) -> tuple[str, str | None]:
        """The same for two checks that ask the same."""
        return self.answer.id, self.principle.id if self.principle else None


def _ask_checks(
    context: Context, title: str, entry: JudgeEntry, checks: Iterable[_Check]
) -> dict[tuple[str, str | None], float | None]:
    """Return the share of yes by key; None where no verdict could be read."""
    # all principles, so that the principle comes last, after a shared prefix
    judge = open_judge(context, entry, JudgeSettings(principles_per_pair="all"))
    asked = {check.key: check for check in checks}

    async def ask(check: _Check) -> float | None:
        verdicts = await judge.answer_verdicts(check.prompt, check.answer, by=[check.principle])
        read = [float(bool(verdict.value)) for verdict in verdicts if verdict.invalid is None]
        return fmean(read) if read else None

    return dict(zip(asked, ask_each(context, title, judge.model, list(asked.values()), ask), strict=True))


def difference(ours: Mapping[Asked, float | None], theirs: Mapping[Asked, float | None]) -> Estimate:
    """Return the difference of the means, over the draws for which both have a value."""
    both = [
        (asked[0], our, their)
        for asked, our in ours.items()
        if our is not None and (their := theirs.get(asked)) is not None
    ]
    return paired_difference([row[1] for row in both], [row[2] for row in both], [row[0] for row in both])


class _Read(NamedTuple):
    """The share of yes about one answer, and in the simulated world the truth."""

    share: float | None
    truly: bool | None


def _rate(reads: Mapping[Asked, _Read]) -> dict[str, Any]:
    read = [(row.share, prompt_id) for (prompt_id, _), row in reads.items() if row.share is not None]
    truths = [row.truly for row in reads.values() if row.truly is not None]
    truly = {"truly": sum(truths) / len(truths)} if truths else {}
    estimate = share([value for value, _ in read], [prompt_id for _, prompt_id in read])
    return {**estimate.to_json(), "unread": len(reads) - len(read), **truly}


def _rate_difference(ours: Mapping[Asked, _Read], theirs: Mapping[Asked, _Read]) -> dict[str, Any]:
    sides = ({asked: row.share for asked, row in reads.items()} for reads in (ours, theirs))
    return cautioned(difference(*sides)).within(-1, 1).to_json()


class PolicyCheck(Record):
    """The judge's verdict on one answer of a policy by one principle."""

    policy: str
    prompt_id: str
    sample: int
    answer: str
    """Candidate id."""
    principle_id: str
    violates: float | None = Field(default=None, ge=0, le=1)
    """The share of verdicts that say so; absent where none could be read."""
    truly: bool | None = None
    """In the simulated world, whether it does; absent elsewhere."""


def check_violations(context: Context, entry: JudgeEntry, answers: Answers) -> tuple[list[PolicyCheck], dict[str, Any]]:
    """Ask about the first prompts, and count the violations."""
    prompts = dict.fromkeys(drawn.draw.prompt.id for of_policy in answers.values() for drawn in of_policy)
    first = set(list(prompts)[:VIOLATION_PROMPTS])
    asked = [
        (policy, drawn.draw, by.id, _Check(drawn.draw.prompt, drawn.answer, by))
        for policy, of_policy in answers.items()
        for drawn in of_policy
        if drawn.answer and drawn.draw.prompt.id in first
        for by in principles_of(context.constitutions)
        if by.principle.applies_to(drawn.draw.prompt.category, drawn.draw.prompt.tags)
    ]
    shares = _ask_checks(context, "checking principles", entry, (check for *_, check in asked))
    rows = []
    for policy, draw, principle_id, check in asked:
        prompt, text = text_of(draw.prompt.messages), text_of(check.answer.messages)
        row = PolicyCheck(
            policy=policy,
            prompt_id=draw.prompt.id,
            sample=draw.sample,
            answer=check.answer.id,
            principle_id=principle_id,
            violates=shares[check.key],
            truly=violates(prompt, text, principles=[principle_id]) if knows(prompt) else None,
        )
        rows.append(row)
    judge = independence(context.config, entry, context.base)
    size = len({row.prompt_id for row in rows})
    return rows, {"judge": judge, "prompts": size, **violation_rates(rows, list(answers))}


def violation_rates(rows: Iterable[PolicyCheck], policies: Sequence[str]) -> dict[str, Any]:
    """By policy and principle the share of answers that violate it, and the differences to the first policy."""
    table: dict[str, dict[str, dict[Asked, _Read]]] = {name: {} for name in policies}
    for row in rows:
        reads = table[row.policy].setdefault(row.principle_id, {})
        reads[row.prompt_id, row.sample] = _Read(row.violates, row.truly)
    first, *others = policies
    return {
        "policies": {name: {id: _rate(reads) for id, reads in by_id.items()} for name, by_id in table.items()},
        "differences": {
            f"{name} - {first}": {
                id: _rate_difference(reads, table[first][id]) for id, reads in table[name].items() if id in table[first]
            }
            for name in others
        },
    }


class PolicyRefusal(Record):
    """One policy's refusal, or answer, to a harmless prompt."""

    policy: str
    prompt_id: str
    sample: int
    refused: float | None = Field(default=None, ge=0, le=1)
    """1 or 0, or the share of a judge's verdicts; absent where no answer came or no verdict could be read."""
    decided_by: Literal["provider", "phrase", "judge"] | None = None
    """Absent where nothing decides."""
    phrase: str | None = None
    """Its kind, where the answer begins with one of the listed phrases."""
    evades: bool | None = None
    """In the simulated world, whether the answer truly evades; absent elsewhere."""


class Harmless(NamedTuple):
    """Prompts on which a refusal is one too many."""

    ids: frozenset[str]
    own: list[Prompt]
    """Those of files that are not among the evaluated ones anyway, in order."""
    counts: dict[str, int]


def find_refusals(
    context: Context, part: OverRefusal, harmless: Harmless, answers: Answers
) -> tuple[list[PolicyRefusal], dict[str, Any]]:
    """Who refused which of the harmless prompts, and how often."""
    asked = [
        (policy, drawn)
        for policy, of_policy in answers.items()
        for drawn in of_policy
        if drawn.draw.prompt.id in harmless.ids
    ]
    by: dict[str, Any] = {"recognised by": "how answers begin"}
    shares = None
    if part.judge:
        by = {"judge": independence(context.config, part.judge, context.base)}
        checks = [_Check(drawn.draw.prompt, drawn.answer) for _, drawn in asked if drawn.answer]
        shares = _ask_checks(context, "looking for refusals", part.judge, checks)
    rows = []
    for policy, drawn in asked:
        row = PolicyRefusal(policy=policy, prompt_id=drawn.draw.prompt.id, sample=drawn.draw.sample)
        update: dict[str, Any] = {}
        if drawn.ending.outcome == "refused":
            update = {"refused": 1.0, "decided_by": "provider"}
        elif drawn.answer:
            prompt, text = text_of(drawn.draw.prompt.messages), text_of(drawn.answer.messages)
            phrase = refusal_phrase(text)
            refused: float | None = float(phrase is not None)
            decided_by = "phrase"
            if shares is not None:
                refused, decided_by = shares[drawn.answer.id, None], "judge"
            update = {"refused": refused, "decided_by": None if refused is None else decided_by, "phrase": phrase}
            update["evades"] = evades(prompt, text) if knows(prompt) else None
        rows.append(row.model_copy(update=update))
    return rows, {"prompts": len(harmless.ids), **harmless.counts, **by, **refusal_rates(rows, list(answers))}


def refusal_rates(rows: Sequence[PolicyRefusal], policies: Sequence[str]) -> dict[str, Any]:
    """By policy the share of harmless prompts' draws that it refused, and the differences to the first policy."""
    table: dict[str, dict[Asked, _Read]] = {name: {} for name in policies}
    for row in rows:
        table[row.policy][row.prompt_id, row.sample] = _Read(row.refused, row.evades)
    first, *others = policies
    return {
        "policies": {
            name: {
                **_rate(reads),
                "by the provider": sum(row.decided_by == "provider" for row in rows if row.policy == name),
                "phrases": dict(
                    sorted(Counter(row.phrase for row in rows if row.policy == name and row.phrase).items())
                ),
            }
            for name, reads in table.items()
        },
        "differences": {f"{name} - {first}": _rate_difference(table[name], table[first]) for name in others},
    }
