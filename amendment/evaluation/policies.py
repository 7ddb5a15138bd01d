"""Judges' verdicts on policies' answers: which of two is better, which violates a principle, which refuses.

Covered: every question once, whichever policies gave the answer; equal answers are a tie that nobody is asked about;
shares with intervals clustered by prompt, win rates also at equal lengths (see `statistics.length_control`),
differences to the first policy over the draws on which both were read; in the simulated world also the
true shares. A verdict that cannot be read is counted, and is neither a tie nor a violation. Not covered: whether the
judge is right, or a prompt harmless, which its author says; many intervals at once, of which some miss.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import Field

from amendment.audit.refusal_phrases import refusal_phrase
from amendment.constitutions import DrawnPrinciple, list_principles
from amendment.evaluation.figures import Asked, by_policy
from amendment.evaluation.independence import independence
from amendment.evaluation.settings import RELATED_JUDGE, SAME_JUDGE, OverRefusal
from amendment.preference import JudgeSettings
from amendment.preference.draws import Drawn
from amendment.preference.settings import JudgeEntry
from amendment.records import Candidate, Comparison, Prompt, Record, last_text
from amendment.results import Figure, Result, by_label, counted
from amendment.simulator import evades, knows, violates
from amendment.stages.contract import Context, open_judge
from amendment.stages.passes import ask_each
from amendment.statistics import share
from amendment.statistics.length_control import length_controlled

T = TypeVar("T")
R = TypeVar("R")
Answers = Mapping[str, Sequence[Drawn]]
"""By policy, one entry per draw in the same order."""
Matchup = tuple[str, str]
"""The policy whose win rate it is, and the one that it is against."""
WARNED = {
    SAME_JUDGE: "training learned to please this judge, so its figures flatter the policies. "
    "Ask another judge, or people (evaluate.people)",
    RELATED_JUDGE: "models of one family share tastes and errors. Ask another judge, or people (evaluate.people)",
}
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
        for ours, theirs in _match_draws(answers, matchup)
        if ours.answer and theirs.answer
    ]
    questions: dict[Comparison, tuple[Prompt, Candidate, Candidate]] = {}
    for _, draw, our, their in pairs:
        if our.id != their.id:
            questions.setdefault(Comparison.between(our, their), (draw.prompt, our, their))

    async def compare(question: tuple[Prompt, Candidate, Candidate]) -> tuple[float | None, tuple[str, ...]]:
        together = judge.together(await judge.verdicts(*question))
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


def _match_draws(answers: Answers, matchup: Matchup) -> list[tuple[Drawn, Drawn]]:
    return list(zip(answers[matchup[0]], answers[matchup[1]], strict=True))


def win_rates(answers: Answers, matchups: Iterable[Matchup], compared: Sequence[PolicyComparison]) -> Result:
    """Return by matchup P(the policy's answer is better than the other's), judged in both orders, ties half; also the
    number left out, and the rate at equal length in characters."""
    drawn = [drawn_answer.answer for of_policy in answers.values() for drawn_answer in of_policy if drawn_answer.answer]
    lengths = {answer.id: len(last_text(answer.messages)) for answer in drawn}
    figures, warnings = list[Figure](), list[str]()
    for matchup in matchups:
        draws = _match_draws(answers, matchup)
        read = [row for row in compared if row.matchup == matchup]
        refused = sum("refused" in (ours.ending.outcome, theirs.ending.outcome) for ours, theirs in draws)
        answered = sum(ours.answer is not None and theirs.answer is not None for ours, theirs in draws)
        equal = sum(row.answer == row.other for row in read)
        p = [row.p for row in read]
        prompts = [row.prompt_id for row in read]
        ours = [lengths[row.answer] for row in read]
        theirs = [lengths[row.other] for row in read]
        even = length_controlled(p, ours, theirs, prompts)
        counts: dict[str, int | float] = {
            "draws": len(draws),
            "refused_draws": refused,
            "other_unanswered_draws": len(draws) - answered - refused,
            "unread_comparisons": answered - len(read),
            "equal_answers": equal,
            "other_ties": sum(row.p == 0.5 for row in read) - equal,
        }
        if read:
            counts["characters_longer"] = round((sum(ours) - sum(theirs)) / len(read), 4)
            counts["slope_of_length"] = round(even.phi, 4)
        if even.warning:
            warnings.append(f"win rate at equal length of {' against '.join(matchup)}: {even.warning}")
        about = label_matchup(matchup)
        figures.append(Figure(name="win_rate", value=share(p, prompts), unit="share", of=about))
        figures.append(Figure(name="win_rate_at_equal_length", value=even.controlled, unit="share", of=about))
        figures += [Figure(name=name, value=count, of=about) for name, count in counts.items()]
    return Result(figures=tuple(figures), notes=tuple(warnings))


def label_matchup(matchup: Matchup) -> dict[str, str]:
    """Return the labels of a figure about two policies."""
    policy, against = matchup
    return {"policy": policy, "against": against}


def judged_by(what: str, judge: Mapping[str, str]) -> Result:
    """Say who judged, loudly where that is who made the labels; `judge` is as `independence` gives it."""
    standing, why = judge["standing"], judge["why"]
    named = f"{judge['model']} ({judge['protocol']})"
    note = f"{what} by {named}, {standing}: {why}"
    if standing in WARNED:
        note = f"{standing.upper()} for {what}: {named}; {why}: {WARNED[standing]}"
    return Result(figures=tuple(by_label("judge", "of", {what: standing})), notes=(note,))


class _Check(NamedTuple):
    """A yes-or-no question about an answer, by a principle or by none."""

    prompt: Prompt
    answer: Candidate
    principle: DrawnPrinciple | None = None

    @property
    def key(self) -> tuple[str, str | None]:
        """Return the same for two checks that ask the same."""
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


class _YesShare(NamedTuple):
    """The share of yes about one answer, and in the simulated world the truth."""

    share: float | None
    truly: bool | None


def _rates(name: str, truth: str, reads: Mapping[str, Mapping[Asked, _YesShare]], **of: str) -> Iterator[Figure]:
    """Yield by policy the share of yes, the verdicts that could not be read, and, under the name `truth`, the true
    share where it is known."""
    yield from by_policy(
        name, {policy: {asked: row.share for asked, row in rows.items()} for policy, rows in reads.items()}, of=of
    )
    for policy, rows in reads.items():
        about = {**of, "policy": policy}
        truths = [row.truly for row in rows.values() if row.truly is not None]
        yield Figure(name="unread_verdicts", value=sum(row.share is None for row in rows.values()), of=about)
        if truths:
            yield Figure(name=truth, value=sum(truths) / len(truths), unit="share", of=about)


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


def check_violations(context: Context, entry: JudgeEntry, answers: Answers) -> tuple[list[PolicyCheck], Result]:
    """Ask about the first prompts, and count the violations."""
    prompts = dict.fromkeys(drawn.draw.prompt.id for of_policy in answers.values() for drawn in of_policy)
    first = set(list(prompts)[:VIOLATION_PROMPTS])
    asked = [
        (policy, drawn.draw, by.id, _Check(drawn.draw.prompt, drawn.answer, by))
        for policy, of_policy in answers.items()
        for drawn in of_policy
        if drawn.answer and drawn.draw.prompt.id in first
        for by in list_principles(context.constitutions)
        if by.principle.applies_to(drawn.draw.prompt.category, drawn.draw.prompt.tags)
    ]
    shares = _ask_checks(context, "checking principles", entry, (check for *_, check in asked))
    rows = []
    for policy, draw, principle_id, check in asked:
        prompt = last_text(draw.prompt.messages)
        text = last_text(check.answer.messages)
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
    size = counted(prompts_asked_about_violations=len({row.prompt_id for row in rows}))
    return rows, Result(figures=(*size, *violation_rates(rows, list(answers))))


def violation_rates(rows: Iterable[PolicyCheck], policies: Sequence[str]) -> Iterator[Figure]:
    """Yield by principle and policy the share of answers that violate it, and the differences to the first policy."""
    table: dict[str, dict[str, dict[Asked, _YesShare]]] = {}
    for row in rows:
        by_name = table.setdefault(row.principle_id, {name: {} for name in policies})
        by_name[row.policy][row.prompt_id, row.sample] = _YesShare(row.violates, row.truly)
    for principle, reads in table.items():
        yield from _rates("violated", "truly_violated", reads, principle=principle)


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
) -> tuple[list[PolicyRefusal], Result]:
    """Return who refused which of the harmless prompts, and how often."""
    asked = [
        (policy, drawn)
        for policy, of_policy in answers.items()
        for drawn in of_policy
        if drawn.draw.prompt.id in harmless.ids
    ]
    by = Result(notes=("refusals are recognised by how answers begin",))
    shares = None
    if part.judge:
        by = judged_by("refusals", independence(context.config, part.judge, context.base))
        checks = [_Check(drawn.draw.prompt, drawn.answer) for _, drawn in asked if drawn.answer]
        shares = _ask_checks(context, "looking for refusals", part.judge, checks)
    rows = []
    for policy, drawn in asked:
        row = PolicyRefusal(policy=policy, prompt_id=drawn.draw.prompt.id, sample=drawn.draw.sample)
        update: dict[str, Any] = {}
        if drawn.ending.outcome == "refused":
            update = {"refused": 1.0, "decided_by": "provider"}
        elif drawn.answer:
            prompt = last_text(drawn.draw.prompt.messages)
            text = last_text(drawn.answer.messages)
            phrase = refusal_phrase(text)
            refused: float | None = float(phrase is not None)
            decided_by = "phrase"
            if shares is not None:
                refused = shares[drawn.answer.id, None]
                decided_by = "judge"
            update = {"refused": refused, "decided_by": None if refused is None else decided_by, "phrase": phrase}
            update["evades"] = evades(prompt, text) if knows(prompt) else None
        rows.append(row.model_copy(update=update))
    counts = {"prompts": len(harmless.ids), **harmless.counts}
    figures = (*by_label("harmless", "prompts", counts), *refusal_rates(rows, list(answers)))
    return rows, by + Result(figures=figures)


def refusal_rates(rows: Sequence[PolicyRefusal], policies: Sequence[str]) -> Iterator[Figure]:
    """Yield by policy the share of harmless prompts' draws that it refused, and the differences to the first policy."""
    table: dict[str, dict[Asked, _YesShare]] = {name: {} for name in policies}
    for row in rows:
        table[row.policy][row.prompt_id, row.sample] = _YesShare(row.refused, row.evades)
    yield from _rates("harmless_prompts_refused", "truly_evaded", table)
    by_provider = Counter(row.policy for row in rows if row.decided_by == "provider")
    yield from by_label("refused_by_the_provider", "policy", {name: by_provider[name] for name in policies})
    for phrase in sorted({row.phrase for row in rows if row.phrase}):
        counts = Counter(row.policy for row in rows if row.phrase == phrase)
        yield from by_label("refusals_that_begin_so", "policy", counts, phrase=phrase)
