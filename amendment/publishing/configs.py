"""The configs of a published dataset: pairs, candidates, verdicts, critiques, texts for fine-tuning.

Each is split like the pairs, so that no prompt stands on both sides of anything. Nested values are columns of
their own, lists, or JSON text; people appear under pseudonyms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from amendment.hashing import canonical_json
from amendment.publishing.dataset_files import as_dataset, conversation_features, preference_dataset_dict
from amendment.publishing.judge_sft import FLAGS, TEXTS, lessons_of, written_lessons
from amendment.publishing.tables import Tables
from amendment.records import Candidate, Comparison, Critique, Origin, Prompt, Verdict

if TYPE_CHECKING:
    from datasets import DatasetDict

__all__ = ["CONFIGS", "build_configs", "judge_sft"]

Row = dict[str, Any]
_ORIGIN_TEXTS = ("model", "provider", "host", "template", "request", "constitution", "source", "license", "toolkit")
_OF_PROMPT = ("prompt_source", "prompt_license")
"""Beside `source` and `license`, which are those of the answer."""
_ORIGIN_LISTS = ("principle_ids", "parents")
_SAMPLING = {
    "temperature": "float64",
    "top_p": "float64",
    "max_tokens": "int64",
    "seed": "int64",
    "effort": "string",
    "thinking_budget": "int64",
}
CONFIGS = {
    "default": "preference pairs, with the columns that TRL's trainers take",
    "candidates": "every answer that was written, drawn or brought, with its origin",
    "verdicts": "every answer of every rater, models and people alike, unreadable ones too",
    "critiques": "what the chain said about answers before it revised them",
    "sft": "whole conversations for supervised fine-tuning",
    "judge_sft": "what judges were asked, reasoned and concluded, for training a judge",
}
"""The configs and what they hold."""


def build_configs(tables: Tables) -> dict[str, DatasetDict]:
    """Every config that has rows, by name; a split without rows is left out, since `datasets` cannot read one."""
    found = {"default": preference_dataset_dict(tables.preferences)}
    for name, build in _BUILDERS.items():
        dataset = build(tables)
        if dataset:
            found[name] = dataset
    return found


def _split(tables: Tables, rows: Iterable[Row], features: Mapping[str, Any]) -> DatasetDict:
    from datasets import DatasetDict, Features

    by_side: dict[str, list[Row]] = {"train": [], "test": []}
    for row in rows:
        by_side[tables.sides.get(row["prompt_id"], "train")].append(row)
    return DatasetDict({side: as_dataset(found, Features(features)) for side, found in by_side.items() if found})


def _columns(texts: Iterable[str] = (), lists: Iterable[str] = (), **typed: str) -> dict[str, Any]:
    from datasets import List, Value

    features: dict[str, Any] = {name: Value("string") for name in texts}
    features |= {name: Value(kind) for name, kind in typed.items()}
    return features | {name: List(Value("string")) for name in lists}


def _origin(origin: Origin) -> Row:
    """Where a text came from, as flat columns."""
    values = origin.to_json()
    return {**{k: v for k, v in values.items() if k != "sampling"}, **values.get("sampling", {})}


def _origin_columns() -> dict[str, Any]:
    return {**_columns(_ORIGIN_TEXTS, (*_ORIGIN_LISTS, "stop")), **_columns(**_SAMPLING)}


def _candidates(tables: Tables) -> DatasetDict:
    prompts = tables.prompts
    asked = [prompts[one.prompt_id] for one in tables.candidates]
    features = conversation_features(
        ("prompt", "completion"),
        [*(prompt.messages for prompt in asked), *(one.messages for one in tables.candidates)],
        asked,
    )
    texts = ("candidate_id", "prompt_id", "kind", "finish_reason", "category", *_OF_PROMPT)
    rows = (_candidate(one, prompt) for one, prompt in zip(tables.candidates, asked, strict=True))
    return _split(tables, rows, {**_columns(texts), **features, **_origin_columns()})


def _candidate(candidate: Candidate, prompt: Prompt) -> Row:
    return {
        **_of_prompt(prompt),
        "candidate_id": candidate.id,
        "prompt_id": candidate.prompt_id,
        "kind": candidate.kind,
        "finish_reason": candidate.finish_reason,
        "completion": [message.to_json() for message in candidate.messages],
        **_origin(candidate.origin),
    }


def _of_prompt(prompt: Prompt) -> Row:
    """A prompt as a row shows it."""
    row = prompt.to_json()
    return {
        "prompt": row["messages"],
        **{name: row.get(name) for name in ("tools", "chat_template_kwargs", "category")},
        "prompt_source": prompt.source,
        "prompt_license": prompt.license,
    }


def _verdicts(tables: Tables) -> DatasetDict:
    names = ("verdict_id", "comparison_id", "prompt_id", "rater", "rater_kind", "scale", "value", "invalid")
    further = ("distribution", "reasoning", "principle_id", "criterion")
    features = {
        **_columns((*names, *further), ("shown", "bounded"), p_first="float64", sample="int64"),
        **_origin_columns(),
    }
    return _split(tables, map(_verdict, tables.verdicts), features)


def _verdict(verdict: Verdict) -> Row:
    row = verdict.to_json()
    for name in ("value", "distribution"):
        if name in row and not isinstance(row[name], str):
            row[name] = canonical_json(row[name]).decode("utf-8")
    return {
        **{name: value for name, value in row.items() if name != "origin"},
        "verdict_id": verdict.id,
        "comparison_id": _comparison(verdict),
        "p_first": verdict.p_first(),
        **_origin(verdict.origin),
    }


def _comparison(verdict: Verdict) -> str | None:
    """The comparison that a verdict about two candidates speaks of."""
    if len(verdict.shown) != 2:
        return None
    a, b = sorted(verdict.shown)
    return Comparison(verdict.prompt_id, a, b).id


def _critiques(tables: Tables) -> DatasetDict:
    features = {**_columns(("critique_id", "prompt_id", "candidate_id", "revision_id", "text")), **_origin_columns()}
    revisions = {parent: one.id for one in tables.candidates for parent in one.origin.parents or ()}
    return _split(tables, (_critique(one, revisions) for one in tables.critiques), features)


def _critique(critique: Critique, revisions: Mapping[str, str]) -> Row:
    return {
        **_origin(critique.origin),
        "critique_id": critique.id,
        "prompt_id": critique.prompt_id,
        "candidate_id": critique.candidate_id,
        "revision_id": revisions.get(critique.id),
        "principle_ids": list(critique.principle_ids),
        "text": critique.text,
    }


def _sft(tables: Tables) -> DatasetDict:
    """Revisions that ended by themselves; where no chain was run, the chosen answers. Each answer once."""
    answers = _answers(tables)
    asked = [tables.prompts[one.prompt_id] for one in answers]
    whole = [(*prompt.messages, *one.messages) for one, prompt in zip(answers, asked, strict=True)]
    features = conversation_features(("messages",), whole, asked)
    texts = ("candidate_id", "prompt_id", "kind", "model", "category", "source", "license", *_OF_PROMPT)
    rows = [
        {**_candidate(one, prompt), "messages": [message.to_json() for message in messages]}
        for one, prompt, messages in zip(answers, asked, whole, strict=True)
    ]
    return _split(tables, rows, {**features, **_columns(texts)})


def _answers(tables: Tables) -> list[Candidate]:
    if tables.critiques or tables.config.critique:
        found = [one for one in tables.candidates if one.kind == "revision" and not one.is_truncated]
    else:
        chosen = {row.chosen_id for rows in tables.preferences.values() for row in rows if row.p_chosen != 0.5}
        found = [one for one in tables.candidates if one.id in chosen]
    return list({one.id: one for one in found}.values())


def judge_sft(tables: Tables) -> DatasetDict:
    """Verdicts with their reasoning that nothing speaks against; see `judge_sft`."""
    found = list(written_lessons(lessons_of(tables).kept, tables.folder))
    features = conversation_features(("messages",), [messages for _, messages in found], ())
    of_prompt = ("category", "source", "license")
    rows = (
        {
            "messages": [message.to_json() for message in messages],
            **lesson.to_json(),
            **{name: getattr(tables.prompts[lesson.verdict.prompt_id], name) for name in of_prompt},
        }
        for lesson, messages in found
    )
    return _split(tables, rows, {**features, **_columns((*TEXTS, *of_prompt), **dict.fromkeys(FLAGS, "bool"))})


_BUILDERS: dict[str, Callable[[Tables], DatasetDict]] = {
    "candidates": _candidates,
    "verdicts": _verdicts,
    "critiques": _critiques,
    "sft": _sft,
    "judge_sft": judge_sft,
}
