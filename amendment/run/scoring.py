"""Score texts, files and datasets with a reward model: the function behind `amendment score`.

Promised: a row of scores for every row that was read, in its order; an answer over the model's length has null and a
reason, and is counted. OUT appears whole or not at all, and nothing that stands there is overwritten unasked.
Not covered: whether the scores are any good; see `scoring_evaluation`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from amendment.data.cells import answer_in, bad_cells_to, joined_prompt, optional_text, tools_in
from amendment.data.guesses import not_recognised
from amendment.data.known_columns import candidate_parts, lay_out, recognise
from amendment.data.readings import absent_columns
from amendment.data.source_rows import FileFacts, SourceRows, read_source
from amendment.data.sources import Source
from amendment.errors import ConfigError, DataError, Problem
from amendment.files import file_hash, replacing, write_text
from amendment.records import Candidate, Messages, Prompt
from amendment.reward_model import RewardModel, find_layout
from amendment.tables import Row
from amendment.yamlfile import capped

CHUNK = 512
"""Rows that are scored together, in batches by length."""
LISTS = ("reward-bench-2", "grid", "pools")
"""Layouts whose rows hold several answers in one cell."""
IDS = ("id", "comparison_id", "candidate_id", "item", "idx", "question_id")
"""Columns that name a row, in the order in which they are looked for."""
ANSWERS = (("candidate",), ("chosen", "rejected"), ("a", "b"))
"""Names that the answers of a row may have."""


class Columns(NamedTuple):
    """The columns of the parts of a row."""

    prompt: tuple[str, ...]
    answers: tuple[tuple[str, str], ...]
    """Name and column of each answer: one `score`, or `chosen` and `rejected`, or `a` and `b`."""
    votes: tuple[str, ...] = ()
    """With `a` and `b`: a column for each rater, for an evaluation."""
    category: str | None = None
    id: str | None = None


class AskedRow(NamedTuple):
    """A prompt and the answers that are to be scored."""

    kind: Literal["answer", "pair", "list"]
    place: str
    """In its file, such as `line 3`."""
    id: str | None
    """As the file names the row."""
    prompt: Prompt
    names: tuple[str, ...]
    """Names of the answers: `score`, or `chosen` and `rejected`, or `a` and `b`; of a list its positions."""
    answers: tuple[Candidate, ...]

    def requests(self) -> list[dict[str, Any]]:
        row = self.prompt.to_json()
        shared: dict[str, Any] = {name: row[name] for name in ("tools", "chat_template_kwargs") if name in row}
        return [
            {**shared, "prompt": row["messages"], "completion": [message.to_json() for message in answer.messages]}
            for answer in self.answers
        ]


class ScoredFiles(NamedTuple):
    """A file of scores, and its counts."""

    path: Path
    counts: dict[str, Any]
    """Rows by kind, answers, and answers without a score."""


def score_texts(folder: str | Path, prompt: str, answers: Sequence[str]) -> dict[str, Any]:
    """Return the scores of answers to one prompt, as JSON: `scores`, and with two answers `p_first`, P(the first is
    better). Null where an answer is over the model's length."""
    if not prompt.strip() or not answers or not all(answer.strip() for answer in answers):
        raise ConfigError("score: expected a prompt and an answer or more, none of them empty")
    model = RewardModel.load(folder)
    rewards = model.score(
        {"prompt": [{"role": "user", "content": prompt}], "completion": [{"role": "assistant", "content": answer}]}
        for answer in answers
    )
    scores: dict[str, Any] = {"scores": [_number(reward) for reward in rewards]}
    if len(answers) == 2:
        scores["p_first"] = _number(model.probability(*rewards))
    return scores


def score_files(
    folder: str | Path,
    sources: Iterable[Source | Path | str],
    out: Path,
    *,
    base: Path = Path(),
    columns: Columns | None = None,
    replace: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ScoredFiles:
    """Score every row of files and datasets with the reward model in `folder`, into `out` (.jsonl or .parquet).

    A source is a path or a `Source` with a dataset; paths are seen from `base`. `progress` learns how many rows of how
    many are scored. Raises DataError naming every row that cannot be read, before anything is scored, and ConfigError
    where `out` exists, without `replace`.
    """
    named = [source if isinstance(source, Source) else Source(path=str(source)) for source in sources]
    if not named:
        raise ConfigError("score: nothing to score; name a file, --dataset, or --prompt and --answer")
    if out.suffix not in (".jsonl", ".parquet"):
        raise ConfigError(f"{out}: scores are written as .jsonl or .parquet, found {out.suffix or 'no ending'!r}")
    if out.exists() and not replace:
        raise ConfigError(f"{out}: exists already; choose another --out, or pass --replace to overwrite it")
    rows = [(source.label, row) for source in named for row in read_asked(source, base, columns)[0]]
    model = RewardModel.load(folder)
    scored = list[dict[str, Any]]()
    for begin in range(0, len(rows), CHUNK):
        scored += _chunk(model, rows[begin : begin + CHUNK])
        progress(len(scored), len(rows))
    counts = _counts(scored)
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".parquet":
        _write_parquet(out, scored)
    else:
        write_text(out, "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in scored))
    return ScoredFiles(out, counts)


def model_hash(folder: Path) -> str:
    """Return the content of a model's folder: SHA-256 over the names and hashes of its files, hidden ones left out."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    shown = {name: path for name, path in files.items() if not any(part.startswith(".") for part in name.split("/"))}
    lines = "".join(f"{file_hash(shown[name])}  {name}\n" for name in sorted(shown))
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


def _chunk(model: RewardModel, rows: Sequence[tuple[str, AskedRow]]) -> list[dict[str, Any]]:
    """Return the rows of scores of some rows, whose answers are scored together, in batches by length."""
    rewards = model.score(request for _, row in rows for request in row.requests())
    scored, begin = [], 0
    for file, row in rows:
        end = begin + len(row.answers)
        scored.append({"file": file, "row": row.place, "id": row.id, **_scored(model, row, rewards[begin:end])})
        begin = end
    return scored


def _scored(model: RewardModel, row: AskedRow, rewards: NDArray[np.float64]) -> dict[str, Any]:
    """Return the scores of one row, under the names of its answers."""
    ids = [answer.id for answer in row.answers]
    numbers = [_number(reward) for reward in rewards]
    scores: dict[str, Any] = {"kind": row.kind, "prompt_id": row.prompt.id}
    if row.kind == "answer":
        scores |= {"candidate_id": ids[0], "score": numbers[0]}
    elif row.kind == "list":
        scores |= {"candidate_ids": ids, "scores": numbers}
    else:
        for name, id, number in zip(row.names, ids, numbers, strict=True):
            scores |= {f"{name}_id": id, f"score_{name}": number}
        scores[f"p_{row.names[0]}"] = _number(model.probability(*rewards))
    unscored = [name for name, number in zip(row.names, numbers, strict=True) if number is None]
    which = "" if row.kind == "answer" else f"{', '.join(unscored)}: "
    reason = f"{which}over the model's max_length of {model.meta.max_length} tokens"
    return {**scores, "reason": reason if unscored else None}


def _number(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None


def _counts(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts of the whole file: rows by kind, answers, and answers without a score."""
    kinds, scores = Counter[str](), list[float | None]()
    for row in rows:
        kinds[row["kind"]] += 1
        scores += row.get("scores") or [value for name, value in row.items() if name.partition("_")[0] == "score"]
    present = [score for score in scores if score is not None]
    counts: dict[str, Any] = {"rows": kinds.total(), "kinds": dict(kinds), "answers": len(scores)}
    counts["answers over the length"] = len(scores) - len(present)
    if present:
        counts["score"] = {"mean": math.fsum(present) / len(present), "least": min(present), "most": max(present)}
    return counts


def _write_parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        kind = pa.string() if name in ("id", "reason") else None  # which may be empty in all rows
        columns[name] = pa.array([row.get(name) for row in rows], kind)
    with replacing(path) as temporary:
        pq.write_table(pa.table(columns), temporary)


# Rows of the user's files.


def columns_in(text: str) -> Columns:
    """Columns as the command line names them: `prompt=question,chosen=better,rejected=worse`; several with a plus sign.

    Raises ConfigError that says what was expected.
    """
    named = dict(part.strip().partition("=")[::2] for part in text.split(","))
    other_keys = {"prompt", "votes", "category", "id"}
    answers = next((names for names in ANSWERS if {*names} == named.keys() - other_keys), None)
    if answers is None or not all(named.values()):
        raise ConfigError(
            "--columns: expected KEY=COLUMN,KEY=COLUMN with candidate, or chosen and rejected, or a and b, and perhaps "
            f"prompt, votes, category, id; found {text!r}"
        )
    prompt = tuple(named.get("prompt", "prompt").split("+"))
    votes = tuple(named["votes"].split("+")) if "votes" in named else ()
    columns = tuple(("score" if name == "candidate" else name, named[name]) for name in answers)
    return Columns(prompt, columns, votes, named.get("category"), named.get("id"))


def read_asked(source: Source, base: Path, columns: Columns | None = None) -> tuple[list[AskedRow], FileFacts]:
    """Return all rows of a file or dataset, in its order, and its facts. Raises DataError naming every row that is
    bad."""
    table = read_source(source, base)
    rows, read = _layout(table, columns)
    problems = list(table.problems)
    asked = list[AskedRow]()
    for row in rows:
        row_alone = Row(row.place.removeprefix(table.place).lstrip(": "), row.values)
        faults: list[Problem] = []
        with bad_cells_to(faults, row_alone):
            asked.append(read(row_alone))
        problems += [Problem(f"{table.place}: {fault.place}", fault.message) for fault in faults]
    if problems:
        raise DataError(capped(problems))
    return asked, table.facts


def _layout(table: SourceRows, columns: Columns | None) -> tuple[Sequence[Row], Callable[[Row], AskedRow]]:
    if columns is None and find_layout(table.rows[0].values) in LISTS:
        return table.rows, _listed
    rows, columns = (table.rows, columns) if columns else _recognised(table)
    names = {name: None for row in rows for name in row.values}
    absent = absent_columns(rows, [*columns.prompt, *(column for _, column in columns.answers), columns.id], names)
    if absent:
        raise DataError(absent)
    return [Row(row.place, {**names, **row.values}) for row in rows], partial(_asked, columns=columns)


def _recognised(table: SourceRows) -> tuple[list[Row], Columns]:
    """By the shape: pairs where the columns hold two answers, else candidates."""
    shape = recognise(table.columns, "pairs")
    if shape is not None and not (shape == "ultrafeedback" and "chosen" not in table.columns):
        laid = lay_out(shape, table.rows, table.columns, "pairs")
        prompt, a, b = laid.columns.prompt, laid.columns.a, laid.columns.b
        if prompt and a and b:
            names = ("chosen", "rejected") if a == "chosen" else ("a", "b")
            return laid.rows, Columns(prompt, ((names[0], a), (names[1], b)))
    shape = recognise(table.columns, "candidates")
    if shape is None:
        way = "or name the columns: --columns prompt=COLUMN,candidate=COLUMN (or chosen= and rejected=, or a= and b=)"
        raise DataError([not_recognised(table, "candidates"), Problem(table.place, way)])
    parts = candidate_parts(shape, table.rows, table.columns)
    return parts.rows, Columns(parts.columns.prompt, (("score", parts.columns.candidate),))


def _asked(row: Row, columns: Columns) -> AskedRow:
    template = row.values.get("chat_template_kwargs")
    kept = {name: value for name, value in template.items() if value is not None} if isinstance(template, dict) else {}
    prompt = Prompt(
        messages=joined_prompt(row, columns.prompt),
        tools=tools_in(row, "tools") if "tools" in row.values else None,
        chat_template_kwargs=kept or None,
    )
    answers = tuple(_candidate(prompt, answer_in(row, column, prompt)) for _, column in columns.answers)
    names = tuple(name for name, _ in columns.answers)
    kind: Literal["answer", "pair"] = "answer" if names == ("score",) else "pair"
    return AskedRow(kind, row.place, _id(row, columns.id), prompt, names, answers)


def _listed(row: Row) -> AskedRow:
    prompt = Prompt(messages=joined_prompt(row, ("prompt",)))
    columns = ("candidates",) if row.values.get("candidates") is not None else ("chosen", "rejected")
    cells = {f"{column} {i}": cell for column in columns for i, cell in enumerate(_list_in(row, column), start=1)}
    answers = (_candidate(prompt, answer_in(Row(row.place, cells), name, prompt)) for name in cells)
    return AskedRow("list", row.place, _id(row, None), prompt, tuple(cells), tuple(answers))


def _list_in(row: Row, column: str) -> list[Any]:
    """Return the answers in a cell of several. Raises DataError for a cell without any; a text would be read by
    letters."""
    value = row.values.get(column)
    if isinstance(value, list) and value:
        return value
    kind = "nothing" if value is None else "an empty list" if value == [] else type(value).__name__
    raise DataError([Problem(row.place, f"{column}: expected a list of answers, found {kind}")])


def _id(row: Row, column: str | None) -> str | None:
    return optional_text(row, column or next((name for name in IDS if name in row.values), None))


def _candidate(prompt: Prompt, messages: Messages) -> Candidate:
    return Candidate(prompt_id=prompt.id, messages=messages, kind="imported")
