"""The stages `evaluate_sample` and `evaluate_labels`: people label a random sample of the evaluation's own comparisons,
and their labels correct the judge's win rates.

Covered: a simple random sample of the comparisons of every two compared policies, in proportion; an estimate of the win
rate that people would give to all of them, from their labels and the judge's P of the others (PPI++,
`prediction_powered`). Not covered: labels of training pairs, which are of another population; they lie in another file
and name other comparisons.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from statistics import fmean
from typing import Any

from amendment.errors import AmendmentError, DataError
from amendment.evaluation.policies import Matchup, PolicyComparison, label_matchup
from amendment.evaluation.settings import EvaluateConfig, EvaluationPeople
from amendment.hashing import content_id
from amendment.people.labelling import EVALUATION
from amendment.people.reading import current_labels, label_counts, labels_key
from amendment.people.samples import LabelQuestion, as_verdict
from amendment.preference.aggregate import person_votes
from amendment.records import Candidate, Record, Verdict
from amendment.results import Figure, Result, counted
from amendment.stages.contract import (
    ConfigProblem,
    Context,
    RunSettings,
    Stage,
    StageResult,
    constitution_key,
    dump,
    question_writer,
    simulated_people_problems,
)
from amendment.statistics import share
from amendment.statistics.sampling import prediction_powered

COMPARISONS, SAMPLE, VERDICTS = "evaluate/comparisons", "evaluate_sample/sample", "evaluate_labels/verdicts"


class EvaluationItem(Record):
    """A comparison of two policies that was drawn."""

    policy: str
    against: str
    comparison_id: str
    prompt_id: str


class _EvaluationPeopleStage(Stage):
    """A stage for people who label comparisons of the evaluation."""

    def __init__(self, settings: RunSettings) -> None:
        super().__init__(settings)
        self.evaluation = settings.need(EvaluateConfig)
        assert self.evaluation.people is not None
        self.config: EvaluationPeople = self.evaluation.people

    @classmethod
    def of(cls, settings: RunSettings) -> Iterable[Stage]:
        evaluation = settings.part(EvaluateConfig)
        return [cls(settings)] if evaluation and evaluation.people else []


class EvaluationSampleStage(_EvaluationPeopleStage):
    """Draw the comparisons, and write down what people will see of them."""

    name = "evaluate_sample"
    title = "sampling comparisons of the evaluation to label"
    reads = ("inputs/prompts", "evaluate/answers", COMPARISONS)
    writes = (SAMPLE, EVALUATION.questions)

    def key(self, context: Context) -> Mapping[str, Any]:
        """Return the settings of the sample, and the principles that people see; not who labels."""
        drawn = dump(self.config, without={"people", "annotators"})
        return {**drawn, "of": "every two policies", **constitution_key(context)}

    def problems(self) -> Iterator[ConfigProblem]:
        if self.evaluation.judge is None:
            yield (
                EVALUATION.keys,
                "label what a judge compared, and correct its win rates; add evaluate.judge, such as judge: "
                "{model: NAME}",
            )
        if self.config.people == "simulated":
            yield from simulated_people_problems(self.settings, EVALUATION.keys, f"amendment label{EVALUATION.option}")

    def make(self, context: Context) -> StageResult:
        """Draw at random, of every two policies in proportion."""
        workspace = context.workspace
        seed = context.config.seed
        compared = workspace.read(COMPARISONS, PolicyComparison)
        if not compared:
            raise AmendmentError(
                "evaluate_sample: no comparison of the evaluation has a readable verdict, so people have nothing to "
                "label; the summary of evaluate shows the judge's replies"
            )
        items = draw_items(compared, self.config.items, seed=seed)
        by_id = {row.comparison.id: row for row in compared}
        drawn = [by_id[item.comparison_id] for item in items]
        questions = self._questions(context, {row.comparison.id: row for row in drawn if row.answer != row.other})
        figures = counted(
            comparisons=len({(row.matchup, row.comparison.id) for row in compared}),
            drawn=len(items),
            asked=len(questions),
            equal_answers=sum(row.answer == row.other for row in drawn),
        )
        tables = (workspace.write(SAMPLE, EvaluationItem, items),)
        return StageResult(
            (*tables, workspace.write(EVALUATION.questions, LabelQuestion, questions)), Result(figures=figures)
        )

    def _questions(self, context: Context, drawn: Mapping[str, PolicyComparison]) -> list[LabelQuestion]:
        """Return each comparison once, whichever policies it is of, in random order: who stops half way has labelled
        half at random."""
        answers = {answer.id: answer for answer in context.workspace.read("evaluate/answers", Candidate)}
        writer = question_writer(context, self.evaluation.judge, context.prompts(), answers)
        names = _least(drawn, len(drawn), "evaluate place", context.config.seed)
        return [writer.question(drawn[name].comparison, drawn[name].principle_ids) for name in names]


def draw_items(compared: Iterable[PolicyComparison], items: int, *, seed: int) -> list[EvaluationItem]:
    """So many comparisons, of every two policies in proportion, those with the least numbers: a number follows from
    seed and content, so that equal comparisons of other policies are drawn too or are not, as far as shares allow."""
    by_matchup: dict[Matchup, dict[str, str]] = {}
    """The prompt of each comparison."""
    for row in compared:
        by_matchup.setdefault(row.matchup, {})[row.comparison.id] = row.prompt_id
    sizes = [len(prompts) for prompts in by_matchup.values()]
    share = min(1.0, items / sum(sizes))
    ends = [round(share * size) for size in accumulate(sizes, initial=0)]
    return [
        EvaluationItem(policy=policy, against=against, comparison_id=name, prompt_id=prompts[name])
        for ((policy, against), prompts), (before, after) in zip(by_matchup.items(), pairwise(ends), strict=True)
        for name in _least(prompts, after - before, "evaluate sample", seed)
    ]


def _least(names: Iterable[str], count: int, purpose: str, seed: int) -> list[str]:
    return sorted(names, key=lambda name: content_id([purpose, seed, name]))[:count]


class EvaluationLabelsStage(_EvaluationPeopleStage):
    """Correct the win rates by people's labels."""

    name = "evaluate_labels"
    weight = 2
    is_on_card = True
    title = "correcting win rates with people's labels"
    reads = (COMPARISONS, SAMPLE, EVALUATION.questions)
    writes = (VERDICTS,)

    def key(self, context: Context) -> Mapping[str, Any]:
        return labels_key(context.workspace.folder, EVALUATION, self.config)

    def make(self, context: Context) -> StageResult:
        workspace = context.workspace
        labels = current_labels(workspace, EVALUATION, self.config, seed=context.config.seed)
        verdicts = [verdict for label in labels if (verdict := as_verdict(label))]
        votes = {name: fmean(by_person.values()) for name, by_person in person_votes(verdicts).items()}
        compared = workspace.read(COMPARISONS, PolicyComparison)
        items = workspace.read(SAMPLE, EvaluationItem)
        figures = [*counted(**label_counts(labels)), *corrected_win_rates(compared, items, votes)]
        artefacts = (workspace.write(VERDICTS, Verdict, verdicts),)
        return StageResult(artefacts, Result(figures=tuple(figures)))


def corrected_win_rates(
    compared: Sequence[PolicyComparison], items: Iterable[EvaluationItem], votes: Mapping[str, float]
) -> Iterator[Figure]:
    """Yield by matchup the win rate that people would give: from people alone, from the judge alone, and from both.

    `votes` are people's P(the first answer by id is better) by comparison. An item without one, which people could say
    nothing about, counts among those that were not drawn. Raises DataError where the judge sees what was labelled so
    differently from the rest that it cannot be a sample of it.
    """
    drawn = {(item.policy, item.against, item.comparison_id) for item in items}
    by_matchup: dict[Matchup, list[PolicyComparison]] = {}
    for row in compared:
        by_matchup.setdefault(row.matchup, []).append(row)
    for matchup, rows in by_matchup.items():
        labelled = {row.comparison.id for row in rows if (*matchup, row.comparison.id) in drawn}
        yield from _corrected(rows, labelled, votes)


def _corrected(compared: Sequence[PolicyComparison], drawn: set[str], votes: Mapping[str, float]) -> Iterator[Figure]:
    answers = {i: _won(row, votes) for i, row in enumerate(compared) if row.comparison.id in drawn}
    labels = {i: p for i, p in answers.items() if p is not None}
    labelled = [compared[i] for i in labels]
    others = [row for i, row in enumerate(compared) if i not in labels]
    try:
        powered = prediction_powered(
            list(labels.values()),
            [row.p for row in labelled],
            [row.p for row in others],
            clusters=[row.prompt_id for row in labelled],
            unlabelled_clusters=[row.prompt_id for row in others],
        )
    except DataError as fault:
        raise DataError(f"evaluate_labels: {' against '.join(compared[0].matchup)}: {fault}") from None
    about = label_matchup(compared[0].matchup)
    rates = {
        "win_rate_corrected_by_people": powered.estimate,
        "win_rate_by_people_alone": powered.people_alone,
        "win_rate_by_the_judge_alone": share([row.p for row in compared], [row.prompt_id for row in compared]),
    }
    counts: dict[str, int | float] = {
        "labelled": len(labelled),
        "of_comparisons": len(compared),
        "lambda": round(powered.lam, 4),
    }
    if not math.isnan(powered.labels_saved):
        counts["labels_saved"] = round(powered.labels_saved, 4)
    yield from (Figure(name=name, value=rate, unit="share", of=about) for name, rate in rates.items())
    yield from (Figure(name=name, value=count, of=about) for name, count in counts.items())


def _won(row: PolicyComparison, votes: Mapping[str, float]) -> float | None:
    """P(the policy's answer is better) by people; None where nobody could say."""
    if row.answer == row.other:
        return 0.5
    p_a = votes.get(row.comparison.id)
    return p_a if p_a is None or row.comparison.a == row.answer else 1 - p_a
