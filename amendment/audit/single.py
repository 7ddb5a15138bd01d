"""Labels of single answers: how well judges agree with people, and people with each other. No pairs are made of them.

Covered: classes (nominal), classes in an order or whole numbers (ordinal), scores (interval); Krippendorff's alpha of
the scale; a judge's distance from single people against that of two people on the same items; leniency. Not covered:
whether people are right; several samples of one judge.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import mean, median_high, median_low, multimode
from typing import Any, NamedTuple

import numpy as np

from amendment.audit.figures import percent, ranged, signed
from amendment.audit.inputs import unjoined
from amendment.data.comparisons import join
from amendment.data.readings import gather
from amendment.data.source_rows import FileFacts
from amendment.data.verdict_files import MOST_CLASSES, DataSources, Scale
from amendment.errors import ConfigError, DataError
from amendment.records import LABELLERS
from amendment.statistics import (
    Estimate,
    Resampling,
    bounds,
    cautioned,
    clustered_mean,
    interval_alpha,
    krippendorff_alpha,
    ordinal_alpha,
    paired_difference,
    share,
)
from amendment.statistics.intervals import FEWEST_ITEMS, json_values
from amendment.text import cell, plain, table
from amendment.yamlfile import capped

FORMAT = "single-1"
"""The format of the certificate, which differs from that of pairs."""


class Label(NamedTuple):
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
    labels: list[Label]
    prompts: dict[str, str]
    counts: Counter[str]
    files: list[FileFacts]
    unjoined: list[str]


@dataclass(frozen=True)
class JudgeLabels:
    """A judge against people."""

    name: str
    items: int
    """Items that the judge and a person labelled."""
    invalid: Estimate
    """The share of its labels that could not be read."""
    equal: Estimate
    """How often it gives people's common label: the most frequent, the median, or the mean."""
    alpha: Estimate
    """Krippendorff's, between the judge and the common label."""
    distance: Estimate
    """From a single person: of classes the share of different ones, else the mean absolute difference."""
    two_people: Estimate
    """The distance of two people, on the same items."""
    further: Estimate
    """distance - two_people: above 0 the judge is further from people than they are from each other."""
    higher: Estimate
    """The judge minus people's mean, in steps of the order or units of the score; nan for nominal classes."""


def read_labels(config: DataSources, base: Path) -> SingleLabels:
    """The labels of all files in folder `base`. Raises ConfigError where scales or classes differ, and DataError with
    the problems of all files."""
    scales = {(source.scale, source.classes) for source in config.verdicts}
    if len(scales) > 1 or config.pairs:
        raise ConfigError(f"{config.name}: expected one scale with the same classes in all files; audit others apart")
    gathered = gather(config, base)
    joined = join(gathered, needs_texts=False)
    if problems := [*gathered.problems, *joined.problems]:
        raise DataError(capped(problems))
    ((scale, listed),) = scales
    values = {cast.ballot.value for item in joined.items.values() for cast in item.casts} - {"invalid"}
    classes = [str(word) for word in listed] or sorted(values, key=float if scale == "ordinal" else str)
    if scale != "interval" and len(classes) > MOST_CLASSES:
        raise DataError(
            f"{config.name}: found {len(classes)} classes, expected {MOST_CLASSES} or fewer; is it interval?"
        )
    number = {word: float(place) for place, word in enumerate(classes)} if scale != "interval" else {}
    labels = [
        Label(item.name, ballot.rater, ballot.kind in LABELLERS, _number(ballot.value, number))
        for item in joined.items.values()
        for ballot in (cast.ballot for cast in item.casts)
    ]
    prompts = {item.name: item.prompt_id or item.prompt or f"item {item.name}" for item in joined.items.values()}
    counts = gathered.counts + joined.counts + Counter({"labels": len(labels), "items": len(joined.items)})
    files = list(dict.fromkeys(facts for _, facts in gathered.files))
    names = classes if scale != "interval" else []
    return SingleLabels(config.name, scale, names, labels, prompts, counts, files, list(unjoined(joined)))


def _number(value: str, number: Mapping[str, float]) -> float | None:
    return None if value == "invalid" else number[value] if number else float(value)


def label_certificate(inputs: SingleLabels, draws: Resampling) -> tuple[dict[str, Any], list[str]]:
    """The content of certificate.json and the lines of certificate.md."""
    people, judges = _by_item(inputs, is_person=True), _by_item(inputs, is_person=False)
    names = list(dict.fromkeys(label.rater for label in inputs.labels if not label.is_person))
    persons = list(dict.fromkeys(label.rater for label in inputs.labels if label.is_person))
    units = [list(labels.values()) for labels in people.values()]
    among = _alpha(inputs, units, [inputs.prompts[item] for item in people], draws)
    reports = sorted((_judge(inputs, name, people, judges, draws) for name in names), key=lambda judge: -_rank(judge))
    document = {
        "format": FORMAT,
        "name": inputs.name,
        "scale": inputs.scale,
        "classes": inputs.classes,
        "items": len(inputs.prompts),
        "people": {"raters": persons, "alpha": among.to_json()},
        "judges": [json_values(judge) for judge in reports],
        "conclusion": [_conclusion(judge) for judge in reports],
    }
    return document, list(_lines(inputs, reports, persons, among))


def _rank(judge: JudgeLabels) -> float:
    return -math.inf if math.isnan(judge.alpha.value) else judge.alpha.value


Labelled = dict[str, dict[str, float]]
"""By item, the label of each rater."""


def _by_item(inputs: SingleLabels, *, is_person: bool) -> Labelled:
    labelled: Labelled = defaultdict(dict)
    for label in inputs.labels:
        if label.is_person == is_person and label.value is not None:
            labelled[label.item][label.rater] = label.value
    return dict(labelled)


def _judge(inputs: SingleLabels, name: str, people: Labelled, judges: Labelled, draws: Resampling) -> JudgeLabels:
    scale, prompts = inputs.scale, inputs.prompts
    own = {item: labels[name] for item, labels in judges.items() if name in labels and item in people}
    common = {item: label for item in own if (label := _common(list(people[item].values()), scale)) is not None}
    pairs, clusters = [[own[item], common[item]] for item in common], [prompts[item] for item in common]
    two = [item for item in own if len(people[item]) > 1]
    from_people = [mean(_distance(own[item], label, scale) for label in people[item].values()) for item in two]
    of_people = [mean(_distance(*both, scale) for both in combinations(people[item].values(), 2)) for item in two]
    clusters_of_two = [prompts[item] for item in two]
    given = [label for label in inputs.labels if label.rater == name and not label.is_person]
    invalid = [label.value is None for label in given]
    higher = [] if scale == "nominal" else [own[item] - mean(people[item].values()) for item in own]
    return JudgeLabels(
        name=name,
        items=len(own),
        invalid=share(invalid, [prompts[label.item] for label in given], draws.level),
        equal=share([judge == label for judge, label in pairs], clusters, draws.level),
        alpha=_alpha(inputs, pairs, clusters, draws),
        distance=clustered_mean(from_people, clusters_of_two, draws.level),
        two_people=clustered_mean(of_people, clusters_of_two, draws.level),
        further=cautioned(paired_difference(from_people, of_people, clusters_of_two, draws.level)),
        higher=cautioned(clustered_mean(higher, [prompts[item] for item in own][: len(higher)], draws.level)),
    )


def _common(labels: Sequence[float], scale: Scale) -> float | None:
    """The most frequent label, the median of ordinal ones, the mean score; None where two classes would do."""
    if scale == "interval":
        return mean(labels)
    most = multimode(labels) if scale == "nominal" else [median_low(labels), median_high(labels)]
    return most[0] if len(set(most)) == 1 else None


def _distance(first: float, second: float, scale: Scale) -> float:
    return float(first != second) if scale == "nominal" else abs(first - second)


def _alpha(
    inputs: SingleLabels, units: Sequence[Sequence[float]], clusters: Sequence[str], draws: Resampling
) -> Estimate:
    """Krippendorff's alpha of the scale, over units of labels."""
    values = sorted({label for unit in units for label in unit})
    if inputs.scale == "interval":
        counts = np.array([[unit.count(value) for value in values] for unit in map(list, units)]).reshape(
            -1, len(values)
        )
        return interval_alpha(counts, values, clusters, resampling=draws)
    places = range(len(inputs.classes))
    counts = np.array([[unit.count(place) for place in places] for unit in map(list, units)]).reshape(-1, len(places))
    alpha = krippendorff_alpha if inputs.scale == "nominal" else ordinal_alpha
    return alpha(counts, clusters, resampling=draws)


def _conclusion(judge: JudgeLabels) -> str:
    """What follows, in a sentence that claims no more than the interval does."""
    name = plain(judge.name, longest=60)
    if not judge.items:
        return f"{name}: no person labelled any of its items, so nothing says whether it is right."
    if judge.further.n < FEWEST_ITEMS:
        found = f"{judge.further.n} of its items have labels of two people, expected {FEWEST_ITEMS} or more"
        return f"{name}: the data cannot say whether it is as good as a person: {found}."
    interval = bounds(judge.further)
    figure = f"its distance from a person is {ranged(judge.distance)}, that of two people {ranged(judge.two_people)}"
    if interval is None:
        return f"{name}: the data cannot say whether it is as good as a person: {judge.further.note}; {figure}."
    if interval[0] <= 0 <= interval[1]:
        return f"{name}: the data show no difference from a person: {figure}."
    further = "further from people than" if interval[0] > 0 else "closer to people than"
    return f"{name}: {further} they are to each other: {figure}."


UNITS = {
    "nominal": "the share of different labels",
    "ordinal": "steps between the classes",
    "interval": "the difference of the scores",
}


def _lines(
    inputs: SingleLabels, judges: Sequence[JudgeLabels], people: Sequence[str], among: Estimate
) -> Iterator[str]:
    items, labels = len(inputs.prompts), len(inputs.labels)
    yield from (f"# Certificate: {cell(inputs.name)}", "", "Labels of single answers.", "")
    yield from (f"- {_conclusion(judge)}" for judge in judges)
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
        head = ["judge", "items", "same label", "alpha", "distance", "two people", "further", "higher", "invalid"]
        rows = [
            [
                cell(judge.name),
                str(judge.items),
                percent(judge.equal),
                *map(ranged, (judge.alpha, judge.distance, judge.two_people)),
                *map(signed, (judge.further, judge.higher)),
                percent(judge.invalid),
            ]
            for judge in judges
        ]
        common = {"nominal": "most frequent label", "ordinal": "median", "interval": "mean"}[inputs.scale]
        yield from ("", *table([head, *rows]), "")
        yield (
            f"Same label and alpha (Krippendorff's, {inputs.scale}) compare the judge with people's {common}; an item "
            "for which two classes would do is left out. Higher is the judge minus people's mean. "
            f"Distance is {UNITS[inputs.scale]}: from a single person, and of two people on the same items; further is "
            "the difference, above 0 where the judge is further from people than they are from each other. Intervals "
            "hold at 95 % and are clustered by prompt; a star marks few prompts or a figure without an interval."
        )
