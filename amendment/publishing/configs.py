"""The configs of a published dataset: pairs, candidates, verdicts, critiques, texts for fine-tuning.

Each is split like the pairs, so that no prompt stands on both sides of anything. Nested values are columns of
their own, lists, or JSON text; people appear under pseudonyms.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from amendment.data.export import as_dataset, conversation_features, preference_dataset_dict
from amendment.hashing import canonical_json
from amendment.llm.ledger_reading import Reader
from amendment.preference import majority
from amendment.publishing.finished import FinishedRun
from amendment.records import LABELLERS, Candidate, Comparison, Message, Messages, Origin, Verdict, last_text
from amendment.text import around_fences, read_fenced

if TYPE_CHECKING:
    from datasets import DatasetDict

Row = dict[str, Any]
CONFIGS = {
    "default": ("comparison_id", "preference pairs"),
    "candidates": ("candidate_id", "every answer, written here or imported"),
    "verdicts": ("verdict_id", "verdicts of models and people, unreadable ones too"),
    "critiques": ("critique_id", "critiques, each with its answer and the revision"),
    "sft": ("candidate_id", "whole conversations"),
    "judge_sft": ("verdict_id", "questions, reasons and verdicts of judges"),
}
"""The column that names a row of each config, and what it holds."""
_ANSWER = "candidate_id prompt_id kind finish_reason category prompt_source prompt_license"
"""Beside `source` and `license`, which are those of the answer."""
ORIGIN = (
    "model provider host template request constitution source license toolkit principle_ids parents temperature "
    "top_p max_tokens seed effort thinking_budget"
)
"""Columns of every config whose rows are texts or verdicts."""
_LISTS = ("principle_ids", "parents", "shown", "bounded")
_TYPES = {
    **dict.fromkeys(("temperature", "top_p", "p_first", "label_mass"), "float64"),
    **dict.fromkeys(("max_tokens", "seed", "thinking_budget", "sample"), "int64"),
    **dict.fromkeys(("agrees_with_labels", "consistent"), "bool"),
}
"""Of columns that are no text."""


def build_configs(run: FinishedRun) -> dict[str, DatasetDict]:
    """Build every config that has rows, by name; a split without rows is left out, since `datasets` cannot read one."""
    builders: dict[str, Callable[[FinishedRun], DatasetDict]] = {
        "default": lambda run: preference_dataset_dict(run.rows),
        "candidates": _candidates,
        "verdicts": _verdicts,
        "critiques": _critiques,
        "sft": _sft,
        "judge_sft": lambda run: lessons_dataset(run, judge_lessons(run)[0]),
    }
    return {name: splits for name, build in builders.items() if (splits := build(run))}


def _split(run: FinishedRun, rows: Iterable[Row], columns: str, conversations: Mapping[str, Any] = {}) -> DatasetDict:
    """Build rows by side; `columns` are names with spaces between, `conversations` features of columns of messages."""
    from datasets import DatasetDict, Features, List, Value

    features: dict[str, Any] = dict(conversations)
    for name in columns.split():
        features[name] = List(Value("string")) if name in _LISTS else Value(_TYPES.get(name, "string"))
    by_side: dict[str, list[Row]] = {"train": [], "test": []}
    for row in rows:
        by_side[run.sides.get(row["prompt_id"], "train")].append(row)
    return DatasetDict(
        {side: as_dataset(side_rows, Features(features)) for side, side_rows in by_side.items() if side_rows}
    )


def _origin(origin: Origin) -> Row:
    """Return the origin of a text as flat columns."""
    values = origin.to_json()
    sampling = values.pop("sampling", {})
    return {**values, **sampling}


def _answer(run: FinishedRun, candidate: Candidate) -> Row:
    prompt = run.prompts[candidate.prompt_id]
    asked = prompt.to_json()
    return {
        "prompt": asked["messages"],
        **{name: asked.get(name) for name in ("tools", "chat_template_kwargs", "category")},
        "prompt_source": prompt.source,
        "prompt_license": prompt.license,
        "candidate_id": candidate.id,
        "completion": [message.to_json() for message in candidate.messages],
        **{name: getattr(candidate, name) for name in ("prompt_id", "kind", "finish_reason")},
        **_origin(candidate.origin),
    }


def _candidates(run: FinishedRun) -> DatasetDict:
    prompts = [run.prompts[candidate.prompt_id] for candidate in run.candidates]
    messages = [*(prompt.messages for prompt in prompts), *(candidate.messages for candidate in run.candidates)]
    conversations = conversation_features(("prompt", "completion"), messages, prompts)
    rows = (_answer(run, candidate) for candidate in run.candidates)
    return _split(run, rows, f"{_ANSWER} {ORIGIN}", conversations)


def _verdicts(run: FinishedRun) -> DatasetDict:
    columns = (
        "verdict_id comparison_id prompt_id rater rater_kind scale value invalid distribution reasoning principle_id "
        "criterion shown bounded label_mass p_first sample"
    )
    return _split(run, map(_verdict, run.verdicts), f"{columns} {ORIGIN}")


def _verdict(verdict: Verdict) -> Row:
    row = verdict.to_json()
    for name in ("value", "distribution"):
        if name in row and not isinstance(row[name], str):
            row[name] = canonical_json(row[name]).decode("utf-8")
    comparison = _comparison(verdict)
    return {
        **{name: value for name, value in row.items() if name != "origin"},
        "verdict_id": verdict.id,
        "comparison_id": comparison.id if comparison else None,
        "p_first": verdict.p_first(),
        **_origin(verdict.origin),
    }


def _comparison(verdict: Verdict) -> Comparison | None:
    """Return the comparison that a verdict on two candidates is about."""
    return Comparison(verdict.prompt_id, *sorted(verdict.shown)) if len(verdict.shown) == 2 else None


def _critiques(run: FinishedRun) -> DatasetDict:
    revisions = {parent: candidate.id for candidate in run.candidates for parent in candidate.origin.parents or ()}
    rows = (
        {
            **_origin(critique.origin),
            **critique.to_json(),
            "critique_id": critique.id,
            "revision_id": revisions.get(critique.id),
        }
        for critique in run.critiques
    )
    return _split(run, rows, f"critique_id prompt_id candidate_id revision_id text {ORIGIN}")


def _sft(run: FinishedRun) -> DatasetDict:
    """Yield revisions that ended by themselves; if no chain was run, the chosen answers. Each answer comes once."""
    if run.critiques or run.settings.get("critique"):
        answers = {
            candidate.id: candidate
            for candidate in run.candidates
            if candidate.kind == "revision" and not candidate.is_truncated
        }
    else:
        chosen = {row.chosen_id for row in run.every_row if row.p_chosen != 0.5}
        answers = {candidate.id: candidate for candidate in run.candidates if candidate.id in chosen}
    prompts = [run.prompts[answer.prompt_id] for answer in answers.values()]
    whole = [
        (*prompt.messages, *candidate.messages) for prompt, candidate in zip(prompts, answers.values(), strict=True)
    ]
    rows = [
        {**_answer(run, answer), "messages": [message.to_json() for message in messages]}
        for answer, messages in zip(answers.values(), whole, strict=True)
    ]
    columns = "candidate_id prompt_id kind model category source license prompt_source prompt_license"
    return _split(run, rows, columns, conversation_features(("messages",), whole, prompts))


def judge_lessons(run: FinishedRun) -> tuple[list[Row], dict[str, int]]:
    """Return the rows of `judge_sft`, which train a judge: what the run's judges were asked, reasoned and concluded
    about two answers. Count the verdicts that are left out, by reason.

    A verdict is here only where nothing speaks against it: people and verifiers, where they have decided the same
    comparison, prefer the same answer, and so does the judge in the other order. Raises LedgerError where the ledger is
    there and damaged.
    """
    preferred = _preferred(run.verdicts)
    groups: dict[Any, list[Verdict]] = defaultdict(list)
    for verdict in run.judged:
        is_pair = verdict.rater_kind == "model" and verdict.scale == "pair" and len(verdict.shown) == 2
        question = (verdict.rater, verdict.principle_id, verdict.sample, _comparison(verdict))
        groups[question if is_pair else None].append(verdict)
    left_out = Counter({"not a judge's verdict on two answers": len(groups.pop(None, ()))})
    rows: list[Row] = []
    with ExitStack() as stack:
        path = run.folder / "ledger.sqlite"
        ledger = stack.enter_context(Reader(path)) if path.is_file() and groups else None
        for (*_, comparison), orders in groups.items():
            for verdict in orders:
                agrees = _side(verdict) == preferred[comparison] if comparison in preferred else None
                reason = _doubt(verdict, orders, agrees)
                messages = _lesson(verdict, ledger) if ledger is not None and not reason else None
                if messages is None:
                    left_out[reason or "its question is not in the ledger"] += 1
                    continue
                prompt = run.prompts[verdict.prompt_id]
                rows.append(
                    {
                        "messages": [message.to_json() for message in messages],
                        **{name: getattr(verdict, name) for name in ("prompt_id", "rater", "principle_id")},
                        **{name: getattr(prompt, name) for name in ("category", "source", "license")},
                        "verdict_id": verdict.id,
                        "comparison_id": comparison.id,
                        "verdict": verdict.value,
                        "judge_hash": verdict.origin.template,
                        "agrees_with_labels": agrees,
                        "consistent": True if len(orders) > 1 else None,
                    }
                )
    return rows, {reason: count for reason, count in left_out.items() if count}


def lessons_dataset(run: FinishedRun, rows: list[Row]) -> DatasetDict:
    """Return rows of `judge_lessons` by side."""
    columns = (
        "verdict_id comparison_id prompt_id rater principle_id verdict judge_hash category source license "
        "agrees_with_labels consistent"
    )
    conversations = [[Message.from_json(turn) for turn in row["messages"]] for row in rows]
    return _split(run, rows, columns, conversation_features(("messages",), conversations, ()))


def _preferred(verdicts: Iterable[Verdict]) -> dict[Comparison, str]:
    """Return the candidate that people, the truth and verifiers prefer, by comparison; none if they are evenly
    split."""
    groups: dict[Comparison, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        comparison = _comparison(verdict)
        if verdict.rater_kind in (*LABELLERS, "verifier") and verdict.scale == "pair" and comparison:
            groups[comparison].append(verdict)
    p_a = {comparison: majority(labels).p_a for comparison, labels in groups.items()}
    return {pair: pair.a if p > 0.5 else pair.b for pair, p in p_a.items() if p is not None and p != 0.5}


def _side(verdict: Verdict) -> str:
    """Return the candidate that a verdict prefers; empty for a tie."""
    return {"A": verdict.shown[0], "B": verdict.shown[1]}.get(str(verdict.value), "")


def _doubt(verdict: Verdict, orders: list[Verdict], agrees: bool | None) -> str | None:
    """Return the first reason why a verdict teaches nothing, or the wrong thing."""
    reasons = {
        "not readable": verdict.invalid is not None,
        "read from token probabilities": verdict.distribution is not None,
        "no reasoning": not verdict.reasoning,
        "the other order is not readable": any(other.invalid is not None for other in orders),
        "orders disagree": len({_side(other) for other in orders}) > 1,
        "contradicts people or a verifier": agrees is False,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def _lesson(verdict: Verdict, ledger: Reader) -> Messages | None:
    """Return the question as it was first put, with the reasoning and the verdict, in the form it was asked for, as the
    answer. None if the ledger does not have the question."""
    body = ledger.body(verdict.origin.request) if verdict.origin.request else None
    with suppress(ValueError, TypeError, KeyError):
        messages = tuple(Message.from_json(turn) for turn in json.loads(body or "")["messages"])
        for end in range(len(messages), 0, -1):
            question = messages[:end]
            text = last_text(messages[:end])
            if question[-1].role == "user" and {"answer_a", "answer_b"} <= read_fenced(text).keys():
                is_json = '"verdict"' in around_fences(text)
                parts = {"reasoning": verdict.reasoning, "verdict": verdict.value}
                written = f"{verdict.reasoning}\n\nVerdict: {verdict.value}"
                answer = json.dumps(parts, ensure_ascii=False) if is_json else written
                return (*question, Message(role="assistant", content=answer))
    return None
