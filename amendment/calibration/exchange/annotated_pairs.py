"""Annotated pairs, the format of inverse constitutional AI (version 2.0): comparisons, and what each annotator prefers.

With labels a comparison stands in it once, `response_a` being its answer `a`, so that annotators agree or not whatever
order they saw; `shown` says what that was. Choices that are no preference have the word of the choice as
`no_pref_reason`, and a hidden repeat stands within the annotation it repeats, as `again`: both are passed over by
other readers. Annotations by principles and models are not read.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from amendment.calibration.exchange.answers import Answers
from amendment.calibration.exchange.items import Item, Order, blind_items, items_of
from amendment.calibration.exchange.leaving import Leaving, told
from amendment.calibration.labels import Choice, Label
from amendment.calibration.samples import LabelQuestion
from amendment.tables import Row

__all__ = ["read_annotated_pairs", "write_annotated_pairs"]

WORDS: dict[str, Choice] = {"a": "A", "b": "B", "tie": "tie", "both_bad": "both_bad", "skip": "skip", "flag": "flag"}
ALIASES = {"text_a": "a", "text_b": "b", "neither": "both_bad"}
"""Of the first version of the format, and of others who write it."""
TURNED = {"a": "b", "b": "a"}
COLUMNS = {"choice": "pref", "annotator": "annotators"}
OTHERS = ("principle", "model", "ai")
"""Types of annotators that are nobody."""
FURTHER = ("confidence", "principle_id", "comment", "seconds", "at")


def write_annotated_pairs(
    questions: Iterable[LabelQuestion], labels: Sequence[Label] | None, *, leaving: Leaving, order: Order
) -> str:
    """The document as JSON: without labels an item for each time that something is to be shown, sides by `order`."""
    annotators: dict[str, Any] = {}
    if labels is None:
        found = [_comparison(one.name, one, {}) for one in blind_items(questions, order)]
    else:
        said: dict[str, list[tuple[Item, Label]]] = defaultdict(list)
        for item, label in items_of(questions, labels, leaving):
            said[label.comparison_id].append((item, label))
            annotators[leaving.name_of(label.annotator)] = None
        found = [_labelled(name, one, leaving) for name, one in said.items()]
        annotators = {
            name: {"name": name, "description": "a person, under a pseudonym", "type": "human"}
            for name in sorted(annotators)
        }
    metadata = {"version": "2.0", "description": "Spot check of a judge by people", "dataset_name": "spot check"}
    if annotators:
        metadata["default_annotator"] = min(annotators)
    document = {"metadata": metadata, "annotators": annotators, "comparisons": found}
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _labelled(name: str, labels: Sequence[tuple[Item, Label]], leaving: Leaving) -> dict[str, Any]:
    question = labels[0][0].question
    annotations: dict[str, dict[str, Any]] = {}
    for item, label in labels:
        who, told_of = _annotation(leaving.of(label), is_turned=item.first != question.a_id)
        if label.showing == 0:
            annotations[who] = told_of
        else:
            alone: dict[str, Any] = {"pref": None, "no_pref_reason": "not_applicable"}
            annotations.setdefault(who, alone)["again"] = told_of
    return _comparison(name, Item(question, 0, question.a_id), annotations)


def _annotation(said: dict[str, Any], *, is_turned: bool) -> tuple[str, dict[str, Any]]:
    word = next(word for word, choice in WORDS.items() if choice == said["choice"])
    word = TURNED.get(word, word) if is_turned else word
    preference = {"pref": None, "no_pref_reason": word} if word in ("skip", "flag") else {"pref": word}
    further = {name: said[name] for name in FURTHER if name in said}
    return said["annotator"], {**preference, "shown": "ba" if is_turned else "ab", **further}


def _comparison(name: str, item: Item, annotations: Mapping[str, Any]) -> dict[str, Any]:
    first, second = map(told, item.answers)
    principles = [one.to_json() for one in item.question.principles]
    return {
        "id": name,
        "prompt": told(item.question.prompt, is_prompt=True),
        "response_a": {"text": first},
        "response_b": {"text": second},
        "annotations": annotations,
        "metadata": {"question": item.question.question, **({"principles": principles} if principles else {})},
    }


def read_annotated_pairs(rows: Iterable[Row], answers: Answers) -> list[Label]:
    """The labels of comparisons as `read_rows` gives them, each with the document's annotators. Raises DataError that
    names every mistake."""
    for row in rows:
        name, annotations = row.values.get("id"), row.values.get("annotations")
        question = answers.items.questions.get(str(name))
        item = Item(question, 0, question.a_id) if question else answers.find(row, name, column="id")
        if not isinstance(annotations, Mapping):
            answers.wrong(row, "annotations", f"expected an object, found {type(annotations).__name__}")
        elif item:
            for who, annotation in annotations.items():
                _read_annotation(row, item, who, annotation, answers, is_whole=question is not None)
    return answers.done()


def _read_annotation(row: Row, item: Item, who: str, annotation: Any, answers: Answers, *, is_whole: bool) -> None:
    """`is_whole`: the comparison stands for all ways in which it was displayed."""
    known = row.values.get("annotators")
    about = known.get(who) if isinstance(known, Mapping) else None
    about = about if isinstance(about, Mapping) else {}
    if about.get("type") in OTHERS:
        return
    place = Row(f"{row.place}, annotation {who}", row.values)
    if not isinstance(annotation, Mapping):
        answers.wrong(place, "annotations", f"expected an object, found {type(annotation).__name__}")
        return
    _add(place, item, annotation, about.get("name") or who, answers, is_whole=is_whole)
    again = annotation.get("again")
    if is_whole and isinstance(again, Mapping):
        _add(place, item._replace(showing=1), again, about.get("name") or who, answers, is_whole=True)


def _add(row: Row, item: Item, said: Mapping[str, Any], annotator: Any, answers: Answers, *, is_whole: bool) -> None:
    word = _word(said)
    if word is None:
        return
    if is_whole and said.get("shown") == "ba":
        item, word = item._replace(first=item.ids[1]), TURNED.get(word, word)
    fields = {name: said.get(name) for name in FURTHER}
    answers.add(row, item, {**fields, "annotator": annotator, "choice": word}, words=WORDS, columns=COLUMNS)


def _word(annotation: Mapping[str, Any]) -> str | None:
    """What an annotation says; None where the annotator was not asked, or what was said could not be read."""
    preference = annotation.get("pref")
    if preference is None:
        reason = annotation.get("no_pref_reason")
        return None if reason in (None, "not_applicable", "invalid") else str(reason)
    word = str(preference).strip().casefold()
    return ALIASES.get(word, word)
