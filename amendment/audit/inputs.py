"""What an audit reads: votes and what is known of their items, from files of one's own or from a run's verdicts.

Covered: files and datasets under `verdicts` and `pairs`, a data file of a known shape by itself, records of a run.
Lenient about texts: an item whose answer is empty or no text still counts; of what is no text the length is unknown.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from sys import intern
from typing import Any, Literal, NamedTuple, cast

from amendment.audit.bias import count_marks
from amendment.audit.label_mass import LabelMass, LabelMasses
from amendment.audit.votes import LABEL_SOURCE, ComparisonInfo, Vote
from amendment.data.comparisons import Joined, JoinedComparison, join_verdicts
from amendment.data.replies import excerpt
from amendment.data.row_votes import UNKNOWN
from amendment.data.source_rows import FileFacts
from amendment.data.verdict_files import DataSources
from amendment.errors import DataError
from amendment.preference.degenerate import likeness
from amendment.preference.readings import as_pair_verdicts
from amendment.records import Candidate, Comparison, Message, Prompt, Verdict, VoteValue, last_text
from amendment.text import plain

_OTHER: dict[str, Literal["A", "B"]] = {"A": "B", "B": "A"}


@dataclass
class AuditInputs:
    """Votes, their items by name, counts of what was read and left out, and the facts of each file."""

    items: dict[str, ComparisonInfo] = field(default_factory=dict)
    votes: list[Vote] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    files: list[FileFacts] = field(default_factory=list)
    models: dict[str, str] = field(default_factory=dict)
    """The models of judges, where these are on record, as the writers of answers are named."""
    constitutions: list[str] = field(default_factory=list)
    """`id@version#hash` of those by which a run's judges were asked."""
    cost: list[dict[str, Any]] = field(default_factory=list)
    """What a run's judges have cost, by model."""
    label_mass: list[LabelMass] = field(default_factory=list)
    """How much probability the labels of a run's judges hold."""
    checks: dict[str, Any] = field(default_factory=dict)
    """How often a run's judges agree with what code can check; empty where no principle has a check."""
    unjoined: list[str] = field(default_factory=list)
    """A sentence for each file with items that no other file has."""
    unread: dict[str, list[str]] = field(default_factory=dict)
    """By judge, excerpts of the replies in which no single verdict was found."""
    has_chances: bool = False
    """The chance with which an item was drawn for labelling is on record wherever there is a label."""
    warnings: list[str] = field(default_factory=list)
    """Sentences without a full stop on pairs of a run that nobody measured."""


def read_votes(config: DataSources, base: Path) -> AuditInputs:
    """Return all verdicts of a run file that lies in folder `base`. Raises DataError with the problems of all files."""
    joined = join_verdicts(config, base)
    inputs = AuditInputs(counts=joined.counts)
    inputs.files = list(dict.fromkeys(facts for _, facts in joined.files))
    inputs.unjoined, inputs.unread = list(unjoined(joined)), unread_replies(joined)
    for item in joined.items.values():
        ballots = [cast.ballot for cast in item.casts if cast.ballot.kind != "unknown"]
        if item.casts and not ballots:
            continue
        inputs.items[item.name] = _item(item)
        for ballot in ballots:
            more = ballot.first, ballot.p_a, ballot.principle, ballot.sample
            inputs.votes.append(Vote(item.name, ballot.rater, ballot.kind, cast(VoteValue, ballot.value), *more))
    if not inputs.votes and inputs.counts[UNKNOWN]:
        raise DataError(f"{config.name}: nothing says who the raters are; set rater: person, model or verifier")
    inputs.counts["verdicts"] = len(inputs.votes)
    inputs.counts["items"] = len(inputs.items)
    return inputs


def unread_replies(joined: Joined) -> dict[str, list[str]]:
    """By judge, excerpts of the replies in which no single verdict was found."""
    replies: dict[str, list[str]] = {}
    for cast_ in (cast_ for item in joined.items.values() for cast_ in item.casts):
        if cast_.unread:
            replies.setdefault(cast_.ballot.rater, []).append(excerpt(cast_.unread))
    return replies


def unjoined(joined: Joined) -> Iterator[str]:
    """Yield how many items of each file are in no other file, with one of them."""
    files: dict[str, dict[str, str]] = {}
    for item in joined.items.values():
        for reading in item.readings:
            place = str(reading.source.path or reading.source.name)
            files.setdefault(place, {}).setdefault(item.name, reading.row.place)
    for file, items in files.items():
        others = [other for name, other in files.items() if name != file]
        alone = [name for name in items if not any(name in other for other in others)]
        if others and alone:
            shown = f"{plain(alone[0], longest=60)!r} ({plain(items[alone[0]])})"
            name = plain(Path(file).name)
            counts = f"{len(alone):,} of {len(items):,}"
            yield f"{counts} items of {name} are in no other file, such as {shown}."


def _item(item: JoinedComparison) -> ComparisonInfo:
    content = item.content
    prompt = item.prompt_id or item.prompt or None
    lengths = (content.length_a, content.length_b) if content else (None, None)
    has_texts = item.prompt or not item.prompt_id  # equal answers to other prompts are no copies
    described = (
        _AnswerFacts(model, length, count_marks(text) if isinstance(text, str) else None, _likeness(text))
        for model, length, text in zip((item.model_a, item.model_b), lengths, _answers(item), strict=True)
    )
    texts = (item.prompt, *sorted((content.a, content.b))) if content and has_texts else None
    return _compared(prompt, item.category, *described)._replace(texts=texts)


def _answers(item: JoinedComparison) -> tuple[Any, Any]:
    """Answers "A" and "B" as the first row that has them spells them."""
    for reading, turned in zip(item.readings, item.turned, strict=True):
        if reading.content is not None and reading.columns.a and reading.columns.b:
            a, b = (reading.row.values[column] for column in (reading.columns.a, reading.columns.b))
            return (b, a) if turned else (a, b)
    return None, None


def _likeness(answer: Any) -> str | None:
    """Return a name that equal answers share; None for an empty one."""
    if answer is None or (isinstance(answer, str) and not answer.strip()):
        return None
    text = answer if isinstance(answer, str) else json.dumps(answer, sort_keys=True, default=str)
    return likeness((Message(role="assistant", content=text),))


class _AnswerFacts(NamedTuple):
    """What is known of an answer: its writer, its characters, what its text carries and whether it is a revision, and a
    name of what it says."""

    model: str | None = None
    length: int | None = None
    marks: Mapping[str, float] | None = None
    likeness: str | None = None

    @classmethod
    def of(cls, answer: Candidate) -> _AnswerFacts:
        text = last_text(answer.messages)
        marks: dict[str, float] = {**count_marks(text), **({"revised": 1} if answer.kind == "revision" else {})}
        return cls(answer.origin.model, len(text) or None, marks, likeness(answer.messages))


def _compared(prompt: str | None, category: str | None, a: _AnswerFacts, b: _AnswerFacts) -> ComparisonInfo:
    return ComparisonInfo(
        prompt=prompt,
        category=category,
        model_a=a.model,
        model_b=b.model,
        length_a=a.length,
        length_b=b.length,
        marks_a=a.marks,
        marks_b=b.marks,
        answer_a=a.likeness,
        answer_b=b.likeness,
    )


def votes_from_verdicts(
    verdicts: Iterable[Verdict], candidates: Iterable[Candidate], prompts: Iterable[Prompt]
) -> AuditInputs:
    """Verdicts that stand as records, such as those of a run's own judges, as votes on pairs. Records are read one
    after another, and no text is kept.

    An item is a comparison; "A" is the candidate that comes first in canonical order, whatever was displayed first.
    """
    answers = {candidate.id: _AnswerFacts.of(candidate) for candidate in candidates}
    categories = {prompt.id: prompt.category for prompt in prompts if prompt.category}
    inputs, masses, unknown = AuditInputs(), LabelMasses(), _AnswerFacts()
    constitutions: set[str] = set()
    known = (verdict for verdict in masses.passing(verdicts) if verdict.rater_kind != "unknown")
    for verdict in as_pair_verdicts(known):
        a, b = sorted(verdict.shown)
        name = intern(Comparison(verdict.prompt_id, a, b).id)
        if name not in inputs.items:
            described = (answers.get(answer, unknown) for answer in (a, b))
            inputs.items[name] = _compared(verdict.prompt_id, categories.get(verdict.prompt_id), *described)
        inputs.votes.append(_vote(verdict, name, "A" if verdict.shown[0] == a else "B"))
        if verdict.invalid and verdict.reasoning and verdict.rater_kind != "person":
            inputs.unread.setdefault(verdict.rater, []).append(excerpt(verdict.reasoning))
        if verdict.origin.constitution:
            constitutions.add(verdict.origin.constitution)
        if verdict.origin.model:
            inputs.models[verdict.rater] = verdict.origin.model
    inputs.label_mass = masses.by_judge()
    inputs.constitutions = sorted(constitutions)
    inputs.counts["verdicts"] = len(inputs.votes)
    inputs.counts["items"] = len(inputs.items)
    return inputs


def _vote(verdict: Verdict, item: str, first: Literal["A", "B"]) -> Vote:
    """Return a vote in content coordinates; `first` is the side of the candidate that stands first in the record."""
    value = "invalid" if verdict.invalid is not None else str(verdict.value)
    p = verdict.p_first() if verdict.distribution is not None else None
    if first == "B":
        value = _OTHER.get(value, value)
        p = None if p is None else 1 - p
    is_label = verdict.origin.source == LABEL_SOURCE
    return Vote(
        item=item,
        rater=intern(verdict.rater),
        kind=verdict.rater_kind,
        value=value,  # type: ignore[arg-type]
        first=None if verdict.order == "unknown" else first,
        p_a=p,
        # of a label it is what decided it, not what was asked
        principle=None if is_label or verdict.principle_id is None else intern(verdict.principle_id),
        sample=verdict.sample,
        again=verdict.sample > 0 and is_label,
        confidence=verdict.confidence,
    )
