"""Score texts, files and datasets with a reward model: the function behind `amendment score`.

Promised: a row of scores for every row that was read, in its order; an answer over the model's length has null and a
reason, and is counted; running again goes on where a killed start stood. Not covered: whether the scores are any good;
see `scoring_evaluation`.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from amendment import __version__
from amendment.data.sources import Source
from amendment.errors import ConfigError
from amendment.files import file_hash
from amendment.reward_model import RewardModel, RewardScores
from amendment.run.scoring_file import CHUNK, Recipe, ScoreFile
from amendment.run.scoring_rows import AskedRow, Columns, as_sources, read_asked

__all__ = ["ScoredFiles", "model_hash", "score_files", "score_texts"]

ScoringProgress = Callable[[int, int], None]
"""Is told how many rows of how many stand."""


class ScoredFiles(NamedTuple):
    """What was scored."""

    path: Path
    counts: dict[str, Any]
    """Rows by kind, answers, and answers without a score by reason; of the whole file."""
    new: int
    """Rows scored by this call; the others stood there."""


def score_texts(
    folder: str | Path, prompt: str, answers: Sequence[str], *, principles: Sequence[str] | None = None
) -> dict[str, Any]:
    """The scores of answers to one prompt, as JSON: `scores`, `deviations` of an ensemble, and with two answers
    `p_first`, P(the first is better). Null stands for an answer over the model's length."""
    if not prompt.strip() or not answers or not all(answer.strip() for answer in answers):
        raise ConfigError("score: expected a prompt and an answer or more, none of them empty")
    model = RewardModel.load(folder)
    asked = [
        {"prompt": [{"role": "user", "content": prompt}], "completion": [{"role": "assistant", "content": answer}]}
        for answer in answers
    ]
    found = model.scores(asked, principles=principles)
    told: dict[str, Any] = {"scores": _numbers(found.mean)}
    if len(found.members) > 1:
        told["deviations"] = _numbers(found.deviation)
    if len(answers) == 2:
        told["p_first"] = _number(model.probability(found.mean[:1], found.mean[1:])[0])
    return told


def score_files(
    folder: str | Path,
    sources: Iterable[Source | Path | str],
    out: Path,
    *,
    base: Path = Path(),
    columns: Columns | None = None,
    principles: Sequence[str] | None = None,
    replace: bool = False,
    progress: ScoringProgress | None = None,
) -> ScoredFiles:
    """Score every row of files and datasets with the reward model in `folder`, into `out` (.jsonl or .parquet).

    A source is a path or a `Source` with a dataset; paths are seen from `base`. Where `out` was begun before, the rest
    is done; with `replace`, all of it anew. Raises DataError naming every row that cannot be read, before anything is
    scored, and ConfigError where what stands in `out` was made by another model or of other rows.
    """
    named = as_sources(sources)
    if not named:
        raise ConfigError("score: nothing to score; name a file, --dataset, or --prompt and --answer")
    rows, facts = list[tuple[str, AskedRow]](), []
    for source in named:
        asked, known = read_asked(source, base, columns)
        rows += [(source.label, one) for one in asked]
        facts.append({"name": known.name, **known.to_json()})
    file = ScoreFile(out, _recipe(Path(folder), facts, columns, principles))
    if replace:
        file.forget()
    standing = file.standing()
    if standing is not None:
        return ScoredFiles(out, standing, 0)
    model = RewardModel.load(folder, hold=True)

    def make(begin: int, end: int) -> list[dict[str, Any]]:
        return _chunk(model, rows[begin:end], principles)

    first = done = -1
    for done in file.extend(len(rows), make):
        first = done if first < 0 else first
        if progress is not None:
            progress(done, len(rows))
    counts = _counts(file.rows())
    file.close(counts)
    return ScoredFiles(out, counts, done - first)


def model_hash(folder: Path) -> str:
    """The content of a model's folder: SHA-256 over the names and hashes of its files, hidden ones left out."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    shown = {name: path for name, path in files.items() if not any(part.startswith(".") for part in name.split("/"))}
    lines = "".join(f"{file_hash(shown[name])}  {name}\n" for name in sorted(shown))
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


def _recipe(
    folder: Path, facts: list[dict[str, Any]], columns: Columns | None, principles: Sequence[str] | None
) -> Recipe:
    return {
        "model": model_hash(folder),
        "sources": facts,
        "columns": None if columns is None else _as_lists(columns._asdict()),
        "principles": None if principles is None else list(principles),
        "rows together": CHUNK,
        "toolkit": __version__,
    }


def _as_lists(value: Any) -> Any:
    """Tuples as JSON has them."""
    if isinstance(value, Mapping):
        return {name: _as_lists(one) for name, one in value.items()}
    return [_as_lists(one) for one in value] if isinstance(value, list | tuple) else value


def _chunk(
    model: RewardModel, rows: Sequence[tuple[str, AskedRow]], principles: Sequence[str] | None
) -> list[dict[str, Any]]:
    """The rows of scores of some rows, whose answers are scored together, in batches by length."""
    requests = [request for _, row in rows for request in row.requests()]
    found = model.scores(requests, principles=principles)
    made, begin = [], 0
    for name, row in rows:
        end = begin + len(row.answers)
        own = RewardScores(found.mean[begin:end], found.deviation[begin:end], found.members[:, begin:end])
        made.append(_told(model, name, row, own))
        begin = end
    return made


def _told(model: RewardModel, file: str, row: AskedRow, found: RewardScores) -> dict[str, Any]:
    """A row of the file of scores."""
    ids = [answer.id for answer in row.answers]
    several = len(found.members) > 1
    told: dict[str, Any] = {"file": file, "row": row.place, "id": row.id, "kind": row.kind, "prompt_id": row.prompt.id}
    means, deviations = _numbers(found.mean), _numbers(found.deviation)
    if row.kind == "answer":
        told |= {"candidate_id": ids[0], "score": means[0], **({"deviation": deviations[0]} if several else {})}
    elif row.kind == "list":
        told |= {"candidate_ids": ids, "scores": means, **({"deviations": deviations} if several else {})}
    else:
        for name, one, mean, deviation in zip(row.names, ids, means, deviations, strict=True):
            told |= {f"{name}_id": one, f"score_{name}": mean, **({f"deviation_{name}": deviation} if several else {})}
        told[f"p_{row.names[0]}"] = _number(model.probability(found.mean[:1], found.mean[1:])[0])
        if several:
            sides = [
                RewardScores(found.mean[i : i + 1], found.deviation[i : i + 1], found.members[:, i : i + 1])
                for i in (0, 1)
            ]
            told["agreement"] = _number(sides[0].agreement(sides[1])[0])
    return {**told, "reason": _reason(model, row, means)}


def _reason(model: RewardModel, row: AskedRow, scores: Sequence[float | None]) -> str | None:
    """Why a score is absent; None where all are there."""
    lost = [name for name, score in zip(row.names, scores, strict=True) if score is None]
    if not lost:
        return None
    who = "" if row.kind == "answer" else f"{', '.join(lost)}: "
    return f"{who}over the model's max_length of {model.meta.max_length} tokens"


def _numbers(values: Iterable[float]) -> list[float | None]:
    return [_number(value) for value in values]


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _counts(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Of the whole file: rows by kind, answers, those without a score."""
    kinds: Counter[str] = Counter()
    answers = lost = unscored = 0
    scores: list[float] = []
    for row in rows:
        kinds[str(row["kind"])] += 1
        own = (
            row["scores"]
            if row["kind"] == "list"
            else [v for k, v in row.items() if k == "score" or k.startswith("score_")]
        )
        answers, lost, unscored = answers + len(own), lost + own.count(None), unscored + (None in own)
        scores += [one for one in own if one is not None]
    told: dict[str, Any] = {"rows": kinds.total(), "kinds": dict(kinds), "answers": answers}
    told |= {"answers over the length": lost, "rows with such an answer": unscored}
    if scores:
        told["score"] = {"mean": float(np.mean(scores)), "least": min(scores), "most": max(scores)}
    return told
