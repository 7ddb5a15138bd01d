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

Beside the files stands `.amendment-export.json`, by which the next export knows what it may replace.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from pydantic import TypeAdapter

from amendment.calibration.flips import clamped
from amendment.errors import ConfigError, DataError
from amendment.files import file_hash, replacing, write_text
from amendment.hashing import content_id
from amendment.publishing.configs import judge_sft
from amendment.publishing.dataset_files import (
    SIDES,
    as_dataset,
    conversation_features,
    preference_dataset_dict,
    write_parquet,
)
from amendment.publishing.judge_sft import ABSENT, lessons_of
from amendment.publishing.secrets import Cells, run_scanner, sift
from amendment.publishing.spreadsheet import HELD_AS_TEXT, write_table
from amendment.publishing.tables import Tables
from amendment.records import Message, Preference
from amendment.yamlfile import did_you_mean

__all__ = ["FORMATS", "Exported", "export_lines", "export_run"]

MARKER = ".amendment-export.json"
PARTIAL = ".amendment-export.partial"
JUDGE_SFT = "judge_sft"
"""The format that holds no pairs."""
CLAMPED = ("trl", "jsonl", "csv")
"""Formats that have a column for clamped probabilities."""
Rows = Mapping[str, Sequence[Preference]]


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written."""

    format: str
    files: dict[Path, int]
    """Rows of each file."""
    left_out: dict[str, int]
    """Pairs, or verdicts of `judge_sft`, that the format cannot hold, by reason."""
    not_held: tuple[str, ...]
    """What of the other pairs the format does not hold."""
    clamp: tuple[float, float] | None = None
    """The bounds of `p_chosen_clamped`, where that was asked for."""

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        files = {str(path): rows for path, rows in self.files.items()}
        told = {"format": self.format, "files": files, "left out": self.left_out, "not held": list(self.not_held)}
        return {**told, "clamp": list(self.clamp)} if self.clamp else told


class Written(NamedTuple):
    """What a writer did."""

    files: dict[Path, int]
    left_out: Counter[str]
    not_held: Sequence[str]


class Writer(Protocol):
    """Writes rows by split into a folder; where the format has an order of its own, the run's seed decides it."""

    def __call__(self, rows: Rows, out: Path, *, seed: int) -> Written: ...


def export_run(folder: Path, format: str, out: Path, *, clamp: tuple[float, float] | None = None) -> Exported:
    """Write a run's dataset into the folder `out`, one file for each split that has rows. `clamp` adds the column
    `p_chosen_clamped`: `p_chosen` held between two bounds, as the targets of Constitutional AI (Bai et al. 2022) were
    between 0.4 and 0.6; no other column changes.

    An earlier export there is replaced when the new one is whole. Raises ConfigError for an unknown format, a folder
    that holds anything else, or a run without a dataset that is up to date, and DataError when the format can hold
    none of the pairs, or a row looks as if it held a key and the run file does not say to drop or keep such rows; then
    nothing has changed.
    """
    formats = (*FORMATS, JUDGE_SFT)
    if format not in formats:
        known = ", ".join(formats)
        raise ConfigError(f"no format {format!r}{did_you_mean(format, formats)}; there are {known}")
    _check_clamp(format, clamp)
    tables = Tables.of_run(folder)
    earlier = _earlier(out)
    with _beside(out) as made:
        if format == JUDGE_SFT:
            written = _lessons(tables, made)
        else:
            rows, with_key = _sifted(tables)
            written = FORMATS[format](_clamped(rows, clamp), made, seed=tables.config.seed)
            written.left_out.update(with_key)
        if not written.files:
            raise DataError(_nothing(format, written.left_out))
        _replace(made, out, earlier)
    files = {out / path.name: rows for path, rows in written.files.items()}
    return Exported(
        format=format,
        files=files,
        left_out=dict(written.left_out),
        not_held=tuple(written.not_held),
        clamp=clamp,
    )


def _sifted(tables: Tables) -> tuple[Rows, Counter[str]]:
    """The rows as `dataset.secrets` wants them, and how many were left out."""

    def cells(_: str, row: Preference) -> Cells:
        return Cells(row.comparison_id, row.to_json())

    kept, left_out = sift(tables.preferences, cells, run_scanner(tables.config), tables.config.dataset.secrets)
    return {split: found for split, found in kept.items() if found}, left_out


def _check_clamp(format: str, clamp: tuple[float, float] | None) -> None:
    if clamp is None:
        return
    if format not in CLAMPED:
        told = f"{format} holds no probabilities to clamp"
        raise ConfigError(f"--clamp: {told}; leave it out, or export one of {', '.join(CLAMPED)}")
    low, high = clamp
    if not 0 <= low <= 0.5 <= high <= 1:
        raise ConfigError(f"--clamp: expected two bounds around one half, such as 0.4,0.6, found {low:g},{high:g}")


def _clamped(rows: Rows, clamp: tuple[float, float] | None) -> Rows:
    if clamp is None:
        return rows
    return {
        split: [row.model_copy(update={"p_chosen_clamped": float(clamped(row.p_chosen, *clamp))}) for row in found]
        for split, found in rows.items()
    }


def _nothing(format: str, left_out: Mapping[str, int]) -> str:
    reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items()) or "there are none"
    if format == JUDGE_SFT:
        return (
            f"{format}: no verdict of this run can be learned from ({reasons}); a judge of protocol reasoned or "
            "structured writes its reasons before its verdict"
        )
    return f"{format}: none of the pairs can be held ({reasons}); jsonl holds all of them"


def export_lines(result: Exported) -> list[str]:
    """The result for people."""
    rows_are = "verdicts" if result.format == JUDGE_SFT else "pairs"
    lines = [f"{path}: {rows} rows" for path, rows in result.files.items()]
    if result.clamp:
        low, high = result.clamp
        lines.append(
            f"p_chosen_clamped is p_chosen held between {low:g} and {high:g}; all other columns are as they were"
        )
    lines += [f"left out: {count} {rows_are}: {reason}" for reason, count in result.left_out.items()]
    return [*lines, *(f"not held by {result.format}: {what}" for what in result.not_held)]


def _earlier(out: Path) -> list[str]:
    """The files of an earlier export, as it left them. Raises ConfigError where the folder holds anything else."""
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out}: a file; expected a folder to write into")
    known = _marked(out / MARKER)
    names = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    found = [name for name in names if name not in (MARKER, PARTIAL)]
    others = [name for name in found if not (out / name).is_file() or file_hash(out / name) not in known.get(name, ())]
    if others:
        raise ConfigError(
            f"{out}: holds files that no export has left there like this ({', '.join(others[:3])}); "
            "move them away, or choose a new or empty folder"
        )
    return found


def _marked(path: Path) -> dict[str, list[str]]:
    """What may be replaced: the hashes that a file of each name may have; nothing where no export says so."""
    try:
        return TypeAdapter(dict[str, list[str]]).validate_json(path.read_bytes(), strict=True)
    except (OSError, ValueError):
        return {}


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """A folder to write into, on the same disk as the one it is for."""
    made = out / PARTIAL
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _replace(made: Path, out: Path, earlier: Iterable[str]) -> None:
    """Put what was made in its place, then delete what only the earlier export had.

    While this goes on the marker knows old and new, so that an export that is cut off can be repeated.
    """
    new = {path.name: [file_hash(path)] for path in sorted(made.iterdir())}
    old = {name: [file_hash(out / name)] for name in earlier}
    both = {name: [*old.get(name, ()), *new.get(name, ())] for name in {**old, **new}}
    write_text(out / MARKER, json.dumps(both, indent=1) + "\n")
    for name in new:
        (made / name).replace(out / name)
    for name in old.keys() - new.keys():
        (out / name).unlink()
    write_text(out / MARKER, json.dumps(new, indent=1) + "\n")


def _trl(rows: Rows, out: Path, *, seed: int) -> Written:
    return Written(_parquet(preference_dataset_dict(rows), out), Counter(), ())


def _parquet(splits: Mapping[str, Any], out: Path) -> dict[Path, int]:
    files = {out / f"{split}.parquet": dataset for split, dataset in splits.items() if len(dataset)}
    for path, dataset in files.items():
        write_parquet(path, dataset)
    return {path: len(dataset) for path, dataset in files.items()}


def _lessons(tables: Tables, out: Path) -> Written:
    """A judge's own training set, which is made of the run's verdicts and not of its pairs."""
    found = lessons_of(tables)
    splits = judge_sft(tables)
    absent = len(found.kept) - sum(map(len, splits.values()))

    def cells(split: str, number: int) -> Cells:
        row = splits[split][number]
        return Cells(row["verdict_id"], row)

    numbers = {split: range(len(rows)) for split, rows in splits.items()}
    kept, with_key = sift(numbers, cells, run_scanner(tables.config), tables.config.dataset.secrets)
    files = _parquet({split: rows.select(kept[split]) for split, rows in splits.items()}, out)
    return Written(files, found.left_out + with_key + Counter({ABSENT: absent}), ())


def _kto(rows: Rows, out: Path, *, seed: int) -> Written:
    """Chosen and rejected answers in turn, those of one prompt far from each other: TRL takes the next row's answer to
    estimate a divergence, and a second answer to the same prompt would be no mismatch."""
    from datasets import Features, Value

    kept, left_out = _decided(rows)
    every = [row for found in kept.values() for row in found]
    conversations = [getattr(row, side) for row in every for side in SIDES]
    features = Features(
        {
            **conversation_features(("prompt", "completion"), conversations, every),
            "label": Value("bool"),
            "p": Value("float64"),
            **{name: Value("string") for name in ("comparison_id", "prompt_id", "candidate_id")},
        }
    )
    splits = {split: as_dataset(_unpaired(found, seed), features) for split, found in kept.items()}
    held = "probabilities of pairs, as P(this answer is the better one) in p; raters, principles, sources: see trl"
    return Written(_parquet(splits, out), left_out, (held,))


def _unpaired(rows: Sequence[Preference], seed: int) -> list[dict[str, Any]]:
    ordered = sorted(rows, key=lambda row: (content_id([seed, row.prompt_id]), row.comparison_id))
    away = max(2, len(ordered) // 2)  # by one, a rejected answer would come before the chosen one of its own pair
    turns = ((row, ordered[(number + away) % len(ordered)]) for number, row in enumerate(ordered))
    return [_answer(row, side) for turn in turns for row, side in zip(turn, SIDES[1:], strict=True)]


def _answer(row: Preference, side: str) -> dict[str, Any]:
    values = row.to_json()
    return {
        **{name: values.get(name) for name in ("prompt", "tools", "chat_template_kwargs")},
        "completion": values[side],
        "label": side == "chosen",
        "p": row.p_chosen if side == "chosen" else 1 - row.p_chosen,
        "comparison_id": row.comparison_id,
        "prompt_id": row.prompt_id,
        "candidate_id": values[f"{side}_id"],
    }


def _decided(rows: Rows) -> tuple[dict[str, list[Preference]], Counter[str]]:
    """The pairs that are no ties; hard labels cannot hold one."""
    kept = {split: [row for row in found if row.p_chosen != 0.5] for split, found in rows.items()}
    ties = sum(map(len, rows.values())) - sum(map(len, kept.values()))
    return kept, Counter({"a tie, which has no better answer": ties} if ties else {})


def _openrlhf(rows: Rows, out: Path, *, seed: int) -> Written:
    def row(one: Preference) -> dict[str, Any]:
        return {side: _plain_turns(getattr(one, side)) for side in SIDES}

    return _chat_only(rows, out, row, "OpenRLHF")


def _nemo(rows: Rows, out: Path, *, seed: int) -> Written:
    def row(one: Preference) -> dict[str, Any]:
        answers = [
            {"rank": rank, "completion": _plain_turns(side)} for rank, side in enumerate((one.chosen, one.rejected))
        ]
        return {"context": _plain_turns(one.prompt), "completions": answers}

    return _chat_only(rows, out, row, "NeMo RL")


def _chat_only(rows: Rows, out: Path, shape: Any, trainer: str) -> Written:
    """Rows for trainers that put roles and texts into a chat template and nothing else."""
    kept, left_out = _decided(rows)
    told: set[str] = set()
    shaped: dict[str, list[dict[str, Any]]] = {}
    for split, found in kept.items():
        for one in found:
            if _has_tools(one):
                left_out[f"tools or tool calls, which {trainer} does not show to the model"] += 1
                continue
            told.update(_lost(one))
            ids = {"comparison_id": one.comparison_id, "prompt_id": one.prompt_id}
            shaped.setdefault(split, []).append({**shape(one), **ids})
    held = "probabilities, raters, principles, sources and licenses: see jsonl, by comparison_id"
    return Written(_jsonl(shaped, out), left_out, (*sorted(told), held))


def _has_tools(row: Preference) -> bool:
    turns = [message for side in SIDES for message in getattr(row, side)]
    return bool(row.tools) or any(message.tool_calls or message.role == "tool" for message in turns)


def _lost(row: Preference) -> set[str]:
    """What plain turns lose of a row."""
    turns = [message for side in SIDES for message in getattr(row, side)]
    lost = {"thinking: answers stand without it": any(message.thinking for message in turns)}
    lost["options of the chat template"] = bool(row.chat_template_kwargs)
    return {what for what, is_lost in lost.items() if is_lost}


def _plain_turns(messages: Iterable[Message]) -> list[dict[str, str]]:
    """Roles and texts; text parts are joined."""
    return [{"role": message.role, "content": _text(message)} for message in messages]


def _text(message: Message) -> str:
    if isinstance(message.content, tuple):
        return "".join(str(part.get("text", "")) for part in message.content)
    return message.content or ""


def _jsonl(rows: Mapping[str, Sequence[Mapping[str, Any]]], out: Path) -> dict[Path, int]:
    files = {out / f"{split}.jsonl": found for split, found in rows.items() if found}
    for path, found in files.items():
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in found)
    return {path: len(found) for path, found in files.items()}


def _everything(rows: Rows, out: Path, *, seed: int) -> Written:
    return Written(
        _jsonl({split: [row.to_json() for row in found] for split, found in rows.items()}, out), Counter(), ()
    )


def _csv(rows: Rows, out: Path, *, seed: int) -> Written:
    files = {out / f"{split}.csv": found for split, found in rows.items() if found}
    for path, found in files.items():
        write_table(path, found)
    return Written({path: len(found) for path, found in files.items()}, Counter(), HELD_AS_TEXT)


FORMATS: dict[str, Writer] = {
    "trl": _trl,
    "kto": _kto,
    "openrlhf": _openrlhf,
    "nemo": _nemo,
    "csv": _csv,
    "jsonl": _everything,
}
