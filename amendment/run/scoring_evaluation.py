"""Evaluate a reward model on the user's files: the function behind `amendment evaluate`.

Covered: pairs and verdicts as a run file reads them (people decide where there are any, else verifiers, else models);
RewardBench, RewardBench 2, style grids and pools by their columns. Not covered: the figures; see
`amendment.reward_model.evaluation`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from amendment import __version__
from amendment.data.comparisons import ComparisonRecords, JoinedComparison, join_files
from amendment.data.guesses import not_recognised
from amendment.data.known_columns import recognise
from amendment.data.source_rows import SourceRows, read_source
from amendment.data.sources import PairColumns, PairFile, Source, parse_word
from amendment.data.verdict_files import DataSources, VerdictFile
from amendment.errors import ConfigError, DataError, Problem
from amendment.preference import decide
from amendment.preference.pairs import p_better
from amendment.records import LABELLERS
from amendment.reward_model import (
    RewardEvaluation,
    RewardModel,
    evaluate_reward,
    find_layout,
    length_baseline,
    reward_lines,
)
from amendment.run.scoring import AskedRow, Columns, model_hash, read_asked
from amendment.yamlfile import capped

WHO = (
    "Say which of them are people: --people 'PATTERN', such as --people 'expert_*' (can be given again); all others "
    "are models"
)
COLUMNS = "or name the columns here: --columns prompt=COLUMN,chosen=COLUMN,rejected=COLUMN (or a=, b= and votes=)"
_LISTED = ("reward-bench", "reward-bench-2", "grid", "pools")
"""Layouts whose rows are measured as they stand; of pairs, who decided what is read first."""
_KEPT = ("subset", "num_correct", "num_incorrect", "domain", "category", "quality", "best", "id")


class HeldOut(NamedTuple):
    """Rows that can be measured on, what was counted in reading, and the facts of each file."""

    rows: list[dict[str, Any]]
    counts: Counter[str]
    files: list[dict[str, Any]]


class EvaluatedReward(NamedTuple):
    """A model on a held-out set."""

    evaluation: RewardEvaluation
    baselines: dict[str, RewardEvaluation]
    document: dict[str, Any]
    """All of it as JSON, with the hashes of model and files."""
    lines: list[str]
    """For a terminal."""


def evaluate_files(
    folder: str | Path,
    sources: Iterable[Source | Path | str],
    *,
    base: Path = Path(),
    columns: Columns | None = None,
    people: Sequence[str] = (),
) -> EvaluatedReward:
    """Measure the reward model in `folder` on held-out files or datasets, whose paths are seen from `base`.

    `people` are patterns of raters who are people, in files of verdicts. What needs no model is measured too:
    the longer or the shorter answer, whichever is right more often, and `always first` where the order of the answers
    is on record. Raises DataError naming every row that cannot be read.
    """
    held_out = read_held_out(sources, base, columns=columns, people=people)
    model = RewardModel.load(folder)
    temperature = model.meta.temperature_used
    evaluation = evaluate_reward(model.score, held_out.rows, probability=model.probability)
    baselines = length_baseline(held_out.rows)
    counts = {name: count for name, count in held_out.counts.items() if count}
    document = {
        "model": {
            "name": Path(folder).name,
            "sha256": model_hash(Path(folder)),
            "temperature": model.meta.temperature_used,
        },
        "toolkit": __version__,
        "files": held_out.files,
        "read": counts,
        **evaluation.to_json(),
        "baselines": {name: baseline.to_json() for name, baseline in baselines.items()},
    }
    notes = [f"{name}: {count}" for name, count in counts.items() if name in _SHOWN]
    lines = reward_lines(evaluation, baselines, temperature=temperature)
    return EvaluatedReward(evaluation, baselines, document, [*lines, *(["", *notes] if notes else [])])


_SHOWN = ("bad rows left out", "without a verdict", "pairs of identical answers", "pairs with an empty answer")
"""Counts that a reader has to see."""


def read_held_out(
    sources: Iterable[Source | Path | str], base: Path, *, columns: Columns | None = None, people: Sequence[str] = ()
) -> HeldOut:
    """Return the rows of files and datasets as `evaluate_reward` takes them. Raises DataError naming every bad row."""
    named = [source if isinstance(source, Source) else Source(path=str(source)) for source in sources]
    if not named:
        raise ConfigError("evaluate: nothing to evaluate on; name a file, or --dataset")
    held_out = HeldOut([], Counter(), [])
    for source in named:
        table = read_source(source, base)
        if columns is None and find_layout(table.rows[0].values) in _LISTED:
            _listed(source, table, base, held_out)
        else:
            _judged(_config(source, table, columns, people), base, held_out)
    if not held_out.rows:
        counted = ", ".join(f"{count} {name}" for name, count in held_out.counts.items())
        raise DataError(
            f"{', '.join(source.label for source in named)}: no row can be used for measuring ({counted or 'none'})"
        )
    return held_out


def _listed(source: Source, table: SourceRows, base: Path, held_out: HeldOut) -> None:
    """Collect rows of one prompt each, as they are, and check their texts."""
    asked, facts = read_asked(source, base)
    values = {row.place.removeprefix(table.place).lstrip(": "): row.values for row in table.rows}
    held_out.rows.extend(_make_row(row, values[row.place]) for row in asked)
    held_out.counts["rows"] += len(asked)
    held_out.counts["bad rows left out"] += len(table.rows) - len(asked)
    held_out.files.append(facts.to_json())


def _make_row(asked: AskedRow, values: Mapping[str, Any]) -> dict[str, Any]:
    requests = asked.requests()
    answers: dict[str, Any] = {}
    for name, request in zip(asked.names, requests, strict=True):
        if asked.kind == "list":
            answers.setdefault(name.split()[0], []).append(request["completion"])
        else:
            answers[name] = request["completion"]
    shared = {name: value for name, value in requests[0].items() if name != "completion"}
    kept = {name: values[name] for name in _KEPT if values.get(name) is not None}
    return {**kept, **shared, **answers, "prompt_id": asked.prompt.id}


def _judged(config: DataSources, base: Path, held_out: HeldOut) -> None:
    """Pairs and verdicts: comparisons with their votes."""
    joined = join_files(config, base, who=WHO)
    for item, records in joined.records():
        row = _comparison(item, records)
        held_out.counts["without a verdict"] += row is None
        held_out.rows.extend([row] if row else [])
    held_out.counts.update(joined.counts)
    if joined.problems:
        raise DataError(capped(joined.problems))
    held_out.files.extend(facts.to_json() for _, facts in joined.files)


def _config(source: Source, table: SourceRows, columns: Columns | None, people: Sequence[str]) -> DataSources:
    """Return a run file that brings this one source, as pairs where its columns are pairs, else as verdicts."""
    place = source.model_dump(exclude_none=True)
    if columns is not None:
        named = _pair_columns(columns)
        # what is measured against votes is measured against people: --columns votes= names their columns
        pairs = PairFile(**place, columns=named, kind="person" if named.votes else None)
        return DataSources(name="evaluate", pairs=(pairs,))
    if recognise(table.columns, "pairs") is None:
        if recognise(table.columns, "verdicts") is None:
            raise DataError([not_recognised(table, "pairs"), Problem(table.place, COLUMNS)])
        return DataSources(name="evaluate", verdicts=(VerdictFile(**place, people=tuple(people) or None),))
    if people:
        raise ConfigError(f"{source.label}: --people is for files of verdicts; the columns of this one are pairs")
    return DataSources(name="evaluate", pairs=(PairFile(**place),))


def _pair_columns(columns: Columns) -> PairColumns:
    named: dict[str, Any] = {"prompt": columns.prompt, "category": columns.category, **dict(columns.answers)}
    if "score" in named:
        raise ConfigError("--columns: an evaluation needs chosen and rejected, or a, b and votes; found candidate")
    if "a" in named and not columns.votes:
        raise ConfigError("--columns: with a and b an evaluation needs votes, the columns that say which is better")
    return PairColumns(**named, votes=columns.votes or None)


def _comparison(item: JoinedComparison, records: ComparisonRecords) -> dict[str, Any] | None:
    """Return a pair, oriented as was decided; None where no verdict could be read."""
    assert records.prompt is not None
    a, b = records.candidates
    judged = decide(records.verdicts) if records.verdicts else None
    if judged is None or judged.p_a is None:
        return None
    p_a = p_better(judged, a.id)
    chosen, rejected = (a, b) if p_a >= 0.5 else (b, a)
    reading = item.readings[0]
    values = reading.row.values
    asked = records.prompt.to_json()
    row = {
        "prompt": asked["messages"],
        **{name: values[name] for name in ("tools", "chat_template_kwargs") if values.get(name)},
        "chosen": [message.to_json() for message in chosen.messages],
        "rejected": [message.to_json() for message in rejected.messages],
        "prompt_id": records.prompt.id,
        "category": asked.get("category") or values.get("category") or values.get("subset"),
    }
    if reading.is_decided:  # our own datasets also say who decided, and how surely
        is_sure = reading.columns.p is not None and parse_word(values[reading.columns.p]) != ""
        label = {"p_chosen": max(p_a, 1 - p_a), "decided_by": values.get("decided_by")} if is_sure else {}
        return {**row, **label, "first": values.get("first")}
    votes = [
        {"A": verdict.shown[0] == chosen.id, "B": verdict.shown[1] == chosen.id}.get(str(verdict.value), 0.5)
        for verdict in records.verdicts
        if verdict.rater_kind in LABELLERS and verdict.invalid is None
    ]
    people = {"p_people": fmean(votes)} if votes else {}
    side = "chosen" if records.first == chosen.id else "rejected"
    return {**row, **people, "p_chosen": max(p_a, 1 - p_a), "first": side}
