"""Labels of single answers: may a judge be used in the place of a person? No pairs are made of them.

Covered: classes (nominal), classes in an order or whole numbers (ordinal), scores (interval). Krippendorff's alpha
takes the place of agreement and kappa: a judge must not be used if its alpha with one person is `margin` or more below
that of two people, or if either is at most 0.2. Alpha is nominal for nominal classes and ordinal for all others: the
ranks of scores are bounded, so that a few far scores decide nothing. The levels are those of `conclusion`.

Not covered: whether people are right; several samples of one judge; people who copy.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import numpy as np

from amendment.audit.ceiling import Requirements
from amendment.audit.conclusion import FAILURES, FORMS, Evidence, Form, decide, not_shown, sentence, settled
from amendment.audit.figures import percent, ranged, rounded, short, signed, stated
from amendment.audit.gates import GateOutcome
from amendment.audit.inputs import unjoined, unread_replies
from amendment.data.comparisons import join_verdicts
from amendment.data.source_rows import FileFacts
from amendment.data.verdict_files import MOST_CLASSES, DataSources, Scale
from amendment.errors import ConfigError, DataError
from amendment.records import LABELLERS
from amendment.statistics import Estimate, cautioned, clustered_mean, share
from amendment.statistics.agreement import alpha_with_person, alphas_with_people
from amendment.statistics.beside import Beside, Shown
from amendment.statistics.intervals import FEWEST_ITEMS, json_values
from amendment.statistics.planning import Bar, items_for_use
from amendment.statistics.shares import holm
from amendment.text import LONGEST, cell, plain, table

FORMAT = "single-2"
"""The format of the certificate, which differs from that of pairs."""


class RaterLabel(NamedTuple):
    """One rater's label of one item."""

    item: str
    rater: str
    is_person: bool
    value: float | None
    """The class by its number in the order, or the score; None where it could not be read."""


@dataclass
class SingleLabels:
    """Labels, the prompt of each item, and what was read."""

    name: str
    """The study's."""
    scale: Scale
    classes: list[str]
    """The names of the classes by number; empty for interval."""
    labels: list[RaterLabel]
    prompts: dict[str, str]
    counts: Counter[str]
    files: list[FileFacts]
    unjoined: list[str]
    unread: dict[str, list[str]]
    """By judge, excerpts of the replies in which no single label was found."""


@dataclass(frozen=True)
class JudgeLabels:
    """A judge against people."""

    name: str
    items: int
    """Items that the judge and a person labelled."""
    people: tuple[str, ...]
    """Who labelled them."""
    invalid: Estimate
    """The share of its labels that could not be read."""
    equal: Estimate
    """How often it gives the same label as one person."""
    higher: Estimate
    """The judge minus people's mean, in steps of the order or units of the score; nan for nominal classes."""
    alpha: Estimate
    """Of the judge with one person, on the items with two; its unreadable labels count as chance."""
    people_alpha: Estimate
    """Of two people, on the same items."""
    gap: Estimate
    """alpha - people_alpha."""
    alpha_with_one: Estimate
    """Of the judge with one person, on all items that people labelled."""


def read_labels(config: DataSources, base: Path) -> SingleLabels:
    """Return the labels of all files in folder `base`. Raises ConfigError where scales or classes differ, and DataError
    with the problems of all files."""
    scales = {(source.scale, source.classes) for source in config.verdicts}
    if len(scales) > 1 or config.pairs:
        raise ConfigError(
            f"{config.name}: expected one scale with the same classes in all files; audit the others separately"
        )
    joined = join_verdicts(config, base)
    ((scale, listed),) = scales
    values = {cast.ballot.value for item in joined.items.values() for cast in item.casts} - {"invalid"}
    classes = [str(word) for word in listed] or sorted(values, key=float if scale == "ordinal" else str)
    if scale != "interval" and len(classes) > MOST_CLASSES:
        raise DataError(
            f"{config.name}: found {len(classes)} classes, expected {MOST_CLASSES} or fewer; is it interval?"
        )
    number = {word: float(place) for place, word in enumerate(classes)} if scale != "interval" else {}
    labels = [
        RaterLabel(item.name, ballot.rater, ballot.kind in LABELLERS, _number(ballot.value, number))
        for item in joined.items.values()
        for ballot in (cast.ballot for cast in item.casts)
    ]
    prompts = {item.name: item.prompt_id or item.prompt or f"item {item.name}" for item in joined.items.values()}
    counts = joined.counts + Counter({"labels": len(labels), "items": len(joined.items)})
    files = list(dict.fromkeys(facts for _, facts in joined.files))
    names = classes if scale != "interval" else []
    more = list(unjoined(joined)), unread_replies(joined)
    return SingleLabels(config.name, scale, names, labels, prompts, counts, files, *more)


def _number(value: str, number: Mapping[str, float]) -> float | None:
    return None if value == "invalid" else number[value] if number else float(value)


def label_certificate(inputs: SingleLabels, asked: Requirements | None = None) -> tuple[dict[str, Any], list[str]]:
    """Return the content of certificate.json and the lines of certificate.md."""
    people = _by_item(inputs, is_person=True)
    judges = _by_item(inputs, is_person=False)
    names = list(dict.fromkeys(label.rater for label in inputs.labels if not label.is_person))
    persons = list(dict.fromkeys(label.rater for label in inputs.labels if label.is_person))
    asked = asked or Requirements()
    bar = asked.bar(len(names))
    compared = sorted(
        (compare(inputs, name, people, judges, bar) for name in names),
        key=lambda judge: (FORMS.index(judge.conclusion.form), -np.nan_to_num(judge.with_one.value)),
    )
    nobody = dict.fromkeys(people, math.nan)
    among = alphas_with_people(*_columns(inputs, nobody, people), is_ordered=inputs.scale != "nominal").people
    document = {
        "format": FORMAT,
        "name": inputs.name,
        "scale": inputs.scale,
        "classes": inputs.classes,
        "items": len(inputs.prompts),
        "people": {"raters": persons, "alpha": among.to_json()},
        "judges": [json_values(judge.report) for judge in compared],
        "conclusion": [judge.conclusion._asdict() for judge in compared],
    }
    return document, list(_lines(inputs, compared, persons, among.estimate(0.95), 1 - 5 * bar.p))


Labelled = dict[str, dict[str, float]]
"""By item, the label of each rater."""


def _by_item(inputs: SingleLabels, *, is_person: bool) -> Labelled:
    labelled: Labelled = defaultdict(dict)
    for label in inputs.labels:
        if label.is_person == is_person and not (is_person and label.value is None):
            labelled[label.item][label.rater] = math.nan if label.value is None else label.value
    return dict(labelled)


Columns = tuple[list[int], tuple[list[int], list[int]], list[str]]


def _columns(inputs: SingleLabels, judge: Mapping[str, float], people: Labelled) -> Columns:
    """Return the judge's class of each item, -1 where it cannot be read; people's items and classes; the prompts."""
    said = [(place, label) for place, item in enumerate(judge) for label in people[item].values()]
    values = sorted({*(label for _, label in said), *(label for label in judge.values() if not math.isnan(label))})
    code = {value: number for number, value in enumerate(values)}
    return (
        [code.get(label, -1) for label in judge.values()],
        ([place for place, _ in said], [code[label] for _, label in said]),
        [inputs.prompts[item] for item in judge],
    )


def compare(inputs: SingleLabels, name: str, people: Labelled, judges: Labelled, bar: Bar) -> JudgeBesidePeople:
    """Return what a judge and people say of the items that both labelled."""
    scale, prompts, level = inputs.scale, inputs.prompts, 1 - 5 * bar.p
    given = {item: labels[name] for item, labels in judges.items() if name in labels and item in people}
    own = {item: label for item, label in given.items() if not math.isnan(label)}
    clusters = [prompts[item] for item in own]
    equal = [mean(label == other for other in people[item].values()) for item, label in own.items()]
    higher = [] if scale == "nominal" else [own[item] - mean(people[item].values()) for item in own]
    labels = [label for label in inputs.labels if label.rater == name and not label.is_person]
    columns = _columns(inputs, given, people)
    is_ordered = scale != "nominal"
    figures = alphas_with_people(*columns, is_ordered=is_ordered)
    with_one = alpha_with_person(*columns, is_ordered=is_ordered)
    report = JudgeLabels(
        name=name,
        items=len(given),
        people=tuple(dict.fromkeys(person for item in given for person in people[item])),
        invalid=share([label.value is None for label in labels], [prompts[label.item] for label in labels], level),
        equal=share(equal, clusters, level),
        higher=cautioned(clustered_mean(higher, clusters[: len(higher)], level)),
        alpha=figures.judge.estimate(level),
        people_alpha=figures.people.estimate(level),
        gap=figures.gap.estimate(level),
        alpha_with_one=with_one.estimate(level),
    )
    return JudgeBesidePeople(report, figures, with_one, bar, f"{'ordinal' if is_ordered else 'nominal'} alpha")


class LabelConclusion(NamedTuple):
    """What follows for one judge."""

    judge: str
    form: Form
    because: str
    """The rule of `decide` that applied."""
    sentence: str
    margin: float
    could_show: float | None
    """The difference of alphas at which such labels give "Use" in 80 % of samples; None without items of two people."""


@dataclass(frozen=True)
class JudgeBesidePeople:
    """A judge's labels compared with those of people."""

    report: JudgeLabels
    figures: Beside
    with_one: Shown
    """Its alpha with one person, on all items that people labelled."""
    bar: Bar
    alpha_name: str

    @cached_property
    def conclusion(self) -> LabelConclusion:
        """By the rules for pairs, of which those on orders and categories never apply."""
        figures, bar, name = self.figures, self.bar, self.report.name
        missing = tuple(bar.missing(figures))
        tested = {"ceiling": figures.gap.p_below(-bar.margin)}
        if "people" not in missing:
            tested["chance"] = figures.judge_kappa.p_below(bar.kappa)
        failed = [check for check, test in holm(tested, 5 * bar.p).items() if test.rejected]
        outcomes: dict[str, GateOutcome] = dict.fromkeys(("order", "rows", "ceiling", *FAILURES), "PASS")
        outcomes.update(dict.fromkeys(failed, "FAIL"))
        evidence = Evidence(
            labelled=self.report.items,
            annotators=len(self.report.people),
            with_two=figures.people.items,
            hardly_agree="people" in missing and not figures.people_kappa.value > bar.kappa,
            missing=missing,
        )
        form, because = decide(outcomes, evidence)
        words = sentence(form, name, self._reasons(because, missing))
        return LabelConclusion(name, form, because, words, self.bar.margin, self.could_show)

    @property
    def could_show(self) -> float | None:
        reach = self.bar.could_show(self.figures.gap)
        return None if math.isnan(reach) else reach

    def _reasons(self, because: str, missing: tuple[str, ...]) -> Iterator[str]:
        """Yield what is known, why it decides, and what would settle it."""
        report, alone = self.report, self.with_one
        match because:
            case "few labels":
                yield f"people labelled {report.items or 'none'} of its items, and {FEWEST_ITEMS} are needed"
            case "one annotator" | "few with two":
                person = f"the annotator {short(report.people[0])}" if len(report.people) == 1 else "an annotator"
                alpha = stated(report.alpha_with_one, ".2f")
                yield f"its {self.alpha_name} with {person} is {alpha} on {alone.items} items"
                as_good = Beside(alone, alone, alone._replace(value=0, least=alone.least - 1), alone, alone)
                needed = items_for_use(as_good, self.bar)
                about = f"about {max(needed, FEWEST_ITEMS):,}" if needed else f"at least {FEWEST_ITEMS}"
                yield f"a second person has to label {about} items"
            case "people":
                alpha = stated(report.people_alpha, ".2f")
                yield f"people agree with each other hardly better than chance ({self.alpha_name} {alpha})"
                yield "no judge can be measured on these labels"
            case "chance":
                yield FAILURES[because]
                yield self._known
            case "ceiling":
                yield "it agrees with an annotator less than another annotator does"
                yield self._known
            case "open":
                yield self._known
                yield not_shown(missing, "alpha")
                yield settled(self.figures, self.bar, 5 * self.bar.p / 2, "labelled by two people")
            case _:
                yield self._known
        if report.invalid.value > 0:
            yield f"{rounded(report.invalid.value)} of its labels cannot be read and count as chance"

    @property
    def _known(self) -> str:
        """Both figures and their difference, on the same items."""
        report = self.report
        return (
            f"its {self.alpha_name} with an annotator is {report.alpha.value:.2f} on {report.gap.n} items, that of two "
            f"annotators is {report.people_alpha.value:.2f}; the difference is "
            f"{stated(report.gap, '+.2f')}, and the margin is {self.bar.margin:g}"
        )


def _lines(
    inputs: SingleLabels, judges: Sequence[JudgeBesidePeople], people: Sequence[str], among: Estimate, level: float
) -> Iterator[str]:
    items, labels = len(inputs.prompts), len(inputs.labels)
    yield from (f"# Certificate: {cell(inputs.name)}", "", "Labels of single answers.", "")
    yield from (f"- {plain(judge.conclusion.sentence, longest=10 * LONGEST)}" for judge in judges)
    if not judges:
        yield "- No judge: these are the labels of people alone."
    scale = f"{inputs.scale}: {', '.join(map(cell, inputs.classes))}" if inputs.classes else inputs.scale
    yield from (
        "",
        f"{items:,} items, {labels:,} labels; people: {len(people)}, judges: {len(judges)}. Scale: {scale}.",
    )
    if len(people) > 1:
        yield f"People with each other: alpha {ranged(among)}, n = {among.n} items with two labels."
    if judges:
        head = [
            "judge",
            "items",
            "with two",
            "alpha",
            "people's alpha",
            "difference",
            "same label",
            "higher",
            "invalid",
        ]
        rows = [
            [
                cell(report.name),
                str(report.items),
                str(report.gap.n),
                *map(ranged, (report.alpha, report.people_alpha)),
                signed(report.gap),
                percent(report.equal),
                signed(report.higher),
                percent(report.invalid),
            ]
            for report in (judge.report for judge in judges)
        ]
        yield from ("", *table([head, *rows]), "")
        for judge in judges:
            if judge.could_show is not None:
                name = cell(judge.report.name)
                reach = f"if its true difference is {judge.could_show:+.2f} or better"
                yield from (f'With such labels, {name} gets "Use" in 80 % of samples {reach}.', "")
        yield (
            f"Alpha (Krippendorff's, {judges[0].alpha_name.split()[0]}) is that of the judge with one person, beside "
            "that of two people on the same items; a label that cannot be read counts as chance. Same label compares "
            "the judge with one person too. Higher is the judge's label minus people's mean. Intervals hold at 95 % "
            f"for all judges together ({100 * level:.4g} % each) and are clustered by prompt; a star marks few prompts "
            "or a figure without an interval."
        )
