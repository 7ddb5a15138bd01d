"""A run's dataset in the formats of other trainers, and as a table for people; what a format cannot hold is said.

| format | file | for |
|---|---|---|
| trl | Parquet | TRL's reward, DPO and KTO trainers; everything is held |
| kto | Parquet | TRL's KTOTrainer: one answer a row, with a label |
| openrlhf | JSONL | OpenRLHF: data.prompt_key prompt, data.chosen_key chosen, data.rejected_key rejected |
| nemo | JSONL | NeMo RL: context, and completions with their rank, 0 the better |
| csv | CSV | people and their spreadsheets |
| jsonl | JSONL | every row as it is, for programs |
| judge_sft | Parquet | a judge's own training set, for TRL's SFTTrainer: see `judge_sft` |
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from amendment.data.export import SIDES, as_dataset, conversation_features, preference_dataset_dict, write_splits
from amendment.errors import ConfigError, DataError
from amendment.hashing import content_id
from amendment.keys import key_variables, run_scanner, sift
from amendment.publishing.configs import judge_lessons, lessons_dataset
from amendment.publishing.finished import FinishedRun
from amendment.records import Message, Preference, last_text
from amendment.text import safe_cell, transcript
from amendment.yamlfile import did_you_mean

JUDGE_SFT = "judge_sft"
"""The format that holds no pairs."""
Rows = Mapping[str, Sequence[Preference]]


class Exported(NamedTuple):
    """A summary of an export."""

    files: Mapping[Path, int]
    """Rows of each file."""
    left_out: Mapping[str, int] = {}
    """Pairs, or verdicts of `judge_sft`, that the format cannot hold, by reason."""
    not_held: Sequence[str] = ()
    """What of the other pairs the format does not hold."""


def export_run(folder: Path, format: str, out: Path) -> Exported:
    """Write a run's dataset into the new or empty folder `out`, one file for each split that has rows.

    Raises ConfigError for an unknown format, a folder that holds anything, or a run without a dataset that is up to
    date, and DataError when the format can hold none of the pairs, or a row looks as if it held a key and the run file
    does not say to drop or keep such rows; then nothing is written.
    """
    formats = (*FORMATS, JUDGE_SFT)
    if format not in formats:
        raise ConfigError(f"no format {format!r}{did_you_mean(format, formats)}; there are {', '.join(formats)}")
    run = FinishedRun(folder)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out}: expected a new or empty folder; nothing that is there is overwritten")
    scanner = run_scanner(key_variables(run.settings))
    policy = run.settings["dataset"]["secrets"]
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        if format == JUDGE_SFT:
            lessons, left_out = judge_lessons(run)
            kept, with_key = sift({format: lessons}, lambda row: (row["verdict_id"], row), scanner, policy)
            exported = Exported(write_splits(partial, lessons_dataset(run, kept[format])), left_out)
        else:
            rows, with_key = sift(run.rows, lambda row: (row.comparison_id, row.to_json()), scanner, policy)
            exported = FORMATS[format](rows, partial, run.settings["seed"])
        exported = exported._replace(left_out={**exported.left_out, **with_key})
        if not exported.files:
            raise DataError(_nothing(format, exported.left_out))
        partial.replace(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return exported._replace(files={out / path.name: count for path, count in exported.files.items()})


def _nothing(format: str, left_out: Mapping[str, int]) -> str:
    reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items()) or "there are none"
    if format == JUDGE_SFT:
        way = "a judge of protocol reasoned or structured writes its reasons before its verdict"
        return f"{format}: no verdict of this run can be learned from ({reasons}); {way}"
    return f"{format}: this format can hold none of the pairs ({reasons}); jsonl holds all"


def export_lines(format: str, exported: Exported) -> list[str]:
    rows_are = "verdicts" if format == JUDGE_SFT else "pairs"
    lines = [f"{path}: {rows} rows" for path, rows in exported.files.items()]
    lines += [f"left out: {count} {rows_are}: {reason}" for reason, count in exported.left_out.items()]
    return [*lines, *(f"not held by {format}: {what}" for what in exported.not_held)]


def _trl(rows: Rows, out: Path, seed: int) -> Exported:
    return Exported(write_splits(out, preference_dataset_dict(rows)))


def _kto(rows: Rows, out: Path, seed: int) -> Exported:
    """Alternate chosen and rejected answers, and separate those of one prompt: TRL takes the next row's answer to
    estimate a divergence, and a second answer to the same prompt would be no mismatch."""
    from datasets import Features, Value

    kept, ties = _decided(rows)
    every = [row for split_rows in kept.values() for row in split_rows]
    features = conversation_features(
        ("prompt", "completion"), [getattr(row, side) for row in every for side in SIDES], every
    )
    features |= {"label": Value("bool"), "p": Value("float64")}
    features |= {name: Value("string") for name in ("comparison_id", "prompt_id", "candidate_id")}
    splits = {}
    for side, split_rows in kept.items():
        ordered = sorted(split_rows, key=lambda row: (content_id([seed, row.prompt_id]), row.comparison_id))
        away = max(2, len(ordered) // 2)  # by one, a rejected answer would come before the chosen one of its own pair
        turns = ((row, ordered[(number + away) % len(ordered)]) for number, row in enumerate(ordered))
        answers = (_answer(row, kind) for turn in turns for row, kind in zip(turn, SIDES[1:], strict=True))
        splits[side] = as_dataset(answers, Features(features))
    columns_lost = "raters, principles and sources (use trl); a pair's probability becomes `p`"
    return Exported(write_splits(out, splits), ties, (columns_lost,))


def _answer(row: Preference, kind: str) -> dict[str, Any]:
    values = row.to_json()
    return {
        **{
            name: values.get(name) for name in ("prompt", "tools", "chat_template_kwargs", "comparison_id", "prompt_id")
        },
        "completion": values[kind],
        "label": kind == "chosen",
        "p": row.p_chosen if kind == "chosen" else 1 - row.p_chosen,
        "candidate_id": values[f"{kind}_id"],
    }


def _decided(rows: Rows) -> tuple[dict[str, list[Preference]], dict[str, int]]:
    """Return the pairs that hard labels can hold, and how many are ties, which they cannot."""
    kept = {side: [row for row in split_rows if row.p_chosen != 0.5] for side, split_rows in rows.items()}
    ties = sum(map(len, rows.values())) - sum(map(len, kept.values()))
    return kept, {"a tie, which has no better answer": ties} if ties else {}


def _openrlhf(row: Preference) -> dict[str, Any]:
    return {side: _plain_turns(getattr(row, side)) for side in SIDES}


def _nemo(row: Preference) -> dict[str, Any]:
    answers = [
        {"rank": rank, "completion": _plain_turns(turns)} for rank, turns in enumerate((row.chosen, row.rejected))
    ]
    return {"context": _plain_turns(row.prompt), "completions": answers}


def _chat_only(trainer: str, shape: Callable[[Preference], dict[str, Any]]) -> Callable[[Rows, Path, int], Exported]:
    """Return a writer for a trainer that puts only roles and texts into a chat template."""

    def write(rows: Rows, out: Path, seed: int) -> Exported:
        kept, ties = _decided(rows)
        shaped: dict[str, list[dict[str, Any]]] = {side: [] for side in kept}
        lost, with_tools = set(), 0
        for side, split_rows in kept.items():
            for row in split_rows:
                turns = [message for part in SIDES for message in getattr(row, part)]
                if row.tools or any(message.tool_calls or message.role == "tool" for message in turns):
                    with_tools += 1
                    continue
                lost |= {"thinking: answers stand without it"} if any(turn.thinking for turn in turns) else set()
                lost |= {"options of the chat template"} if row.chat_template_kwargs else set()
                ids = {"comparison_id": row.comparison_id, "prompt_id": row.prompt_id}
                shaped[side].append({**shape(row), **ids})
        left_out = dict(ties)
        if with_tools:
            left_out[f"tools or tool calls, which {trainer} does not show to the model"] = with_tools
        columns_lost = "probabilities, raters, principles, sources and licenses: see jsonl, by comparison_id"
        return Exported(_write_lines(shaped, out), left_out, (*sorted(lost), columns_lost))

    return write


def _plain_turns(messages: Iterable[Message]) -> list[dict[str, str]]:
    """Return roles and texts; text parts are joined."""
    return [{"role": message.role, "content": last_text((message,))} for message in messages]


def _write_lines(rows: Mapping[str, Sequence[Mapping[str, Any]]], out: Path) -> dict[Path, int]:
    files = {out / f"{side}.jsonl": lines for side, lines in rows.items() if lines}
    for path, lines in files.items():
        text = "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in lines)
        path.write_text(text, encoding="utf-8")
    return {path: len(lines) for path, lines in files.items()}


def _jsonl(rows: Rows, out: Path, seed: int) -> Exported:
    return Exported(
        _write_lines({side: [row.to_json() for row in split_rows] for side, split_rows in rows.items()}, out)
    )


def _csv(rows: Rows, out: Path, seed: int) -> Exported:
    """Write UTF-8 with a byte order mark, by which Excel recognises it. Every cell is quoted, and none is a formula,
    whatever a model wrote."""
    files = {out / f"{side}.csv": split_rows for side, split_rows in rows.items() if split_rows}
    for path, split_rows in files.items():
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL)
            writer.writerow(Preference.model_fields)
            writer.writerows([_cell(row, name) for name in Preference.model_fields] for row in split_rows)
    not_held = (
        "conversations are written as text, turn by turn; jsonl has them as they are",
        "a cell that a spreadsheet would run begins with an apostrophe that is not part of it",
    )
    return Exported({path: len(split_rows) for path, split_rows in files.items()}, {}, not_held)


def _cell(row: Preference, name: str) -> Any:
    value = row.to_json().get(name)
    if name in SIDES:
        value = transcript(getattr(row, name), by="user" if name == "prompt" else "assistant")
    elif name in ("tools", "chat_template_kwargs") and value:
        value = json.dumps(value, ensure_ascii=False)
    elif isinstance(value, list):
        value = "; ".join(value)
    return safe_cell(value) if isinstance(value, str) else value


FORMATS: dict[str, Callable[[Rows, Path, int], Exported]] = {
    "trl": _trl,
    "kto": _kto,
    "openrlhf": _chat_only("OpenRLHF", _openrlhf),
    "nemo": _chat_only("NeMo RL", _nemo),
    "csv": _csv,
    "jsonl": _jsonl,
}
"""Writers of rows by split into a folder; where the format has an order of its own, the run's seed decides it."""
