"""Rows against the names they carry: a prompt, an answer and a pair are named by their content.

Covered: rows of the dataset, of its export and of a published copy, as they lie in Parquet. Not covered: whether
the files are those of a manifest; see `verify`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from amendment.data.store import record_of
from amendment.hashing import canonical_json
from amendment.records import Candidate, Comparison, Critique, Message, Prompt, Record, Verdict

__all__ = ["NAMED", "rows_digest", "rows_of", "wrong_answer", "wrong_pair", "wrong_record"]

Row = Mapping[str, Any]
NAMED: dict[str, type[Record]] = {
    "prompts": Prompt,
    "candidates": Candidate,
    "critiques": Critique,
    "verdicts": Verdict,
}
"""Tables of a run that have a column with each record's name."""


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file as they are stored, JSON as text. Raises OSError or ArrowException."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        for batch in file.iter_batches(batch_size=2000):
            yield from batch.to_pylist()


def rows_digest(rows: Iterable[Row]) -> tuple[int, str]:
    """How many rows there are, and the SHA-256 over them in order: the same for the same rows in any file."""
    digest, count = hashlib.sha256(), 0
    for count, row in enumerate(rows, start=1):  # noqa: B007 - the last number is the count
        digest.update(canonical_json(dict(row)) + b"\n")
    return count, digest.hexdigest()


def wrong_pair(row: Row) -> str | None:
    """What of a row's ids does not follow from its prompt, chosen and rejected; None when all do."""
    try:
        prompt = _prompt(row).id
        chosen, rejected = (_answer(prompt, row[side]) for side in ("chosen", "rejected"))
        ids = {"prompt_id": prompt, "chosen_id": chosen, "rejected_id": rejected}
        a, b = sorted((chosen, rejected))
        ids["comparison_id"] = Comparison(prompt, a, b).id
    except (ValidationError, ValueError, KeyError, TypeError) as fault:
        return f"not a row of a dataset ({_first_line(fault)})"
    return _differing(row, ids)


def wrong_answer(row: Row) -> str | None:
    """The same of a row with one answer, in `completion`."""
    try:
        prompt = _prompt(row).id
        ids = {"prompt_id": prompt, "candidate_id": _answer(prompt, row["completion"])}
    except (ValidationError, ValueError, KeyError, TypeError) as fault:
        return f"not a row of answers ({_first_line(fault)})"
    return _differing(row, ids)


def wrong_record(row: Row, kind: type[Record]) -> str | None:
    """Whether the record in a run's own table bears the name that stands beside it; None when it does."""
    try:
        record = record_of(row, kind)
    except (ValidationError, ValueError, KeyError, TypeError) as fault:
        return f"not a {kind.__name__.lower()} ({_first_line(fault)})"
    return _differing(row, {"id": getattr(record, "id")})  # noqa: B009 - records of these kinds have a name


def _differing(row: Row, ids: Mapping[str, str]) -> str | None:
    wrong = [name for name, value in ids.items() if row.get(name) != value]
    return f"{', '.join(wrong)} {'does' if len(wrong) == 1 else 'do'} not follow from the content" if wrong else None


def _prompt(row: Row) -> Prompt:
    return Prompt(
        messages=_messages(row["prompt"]),
        tools=tuple(_decoded(one) for one in _decoded(row.get("tools")) or ()) or None,
        chat_template_kwargs=_decoded(row.get("chat_template_kwargs")) or None,
    )


def _answer(prompt_id: str, messages: Any) -> str:
    return Candidate(prompt_id=prompt_id, messages=_messages(messages), kind="imported").id


def _messages(values: Any) -> tuple[Message, ...]:
    return tuple(Message.from_json(_decoded(value)) for value in _decoded(values))


def _decoded(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _first_line(fault: Exception) -> str:
    return str(fault).strip().splitlines()[0][:200] if str(fault).strip() else type(fault).__name__
