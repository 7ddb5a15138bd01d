"""No row is lost in silence: every one is kept, cut or dropped, and counted."""

from __future__ import annotations

import re
from typing import Any

import pytest

from amendment.errors import DataError, TrainingError
from amendment.llm.rendering import Renderer
from amendment.training import PairTrainerSettings
from amendment.training.preflight import pair_labels, prepare_pairs, prepare_rows, render_completions

LIMIT = 24


def say(text: str, role: str = "assistant", **keys: Any) -> list[dict[str, Any]]:
    return [{"role": role, "content": text, **keys}]


def pair(chosen: str, rejected: str, prompt: str = "add 3 8", **row: Any) -> dict[str, Any]:
    return {"prompt": say(prompt, "user"), "chosen": say(chosen), "rejected": say(rejected), **row}


def with_limit(**values: Any) -> PairTrainerSettings:
    return PairTrainerSettings(**{"learning_rate": 1e-3, "max_length": LIMIT, **values})


def test_every_lost_pair_is_counted_with_its_reason(renderer: Renderer) -> None:
    rows = [pair("11", "12"), pair("11", "11"), pair("11", "the answer is 11 " * 20), pair(" ", "12")]
    places, report = prepare_pairs(rows, renderer, with_limit(), trainer="reward", refuse=False)[1:]
    assert places == [0]
    assert report.dropped == {"empty_completion": 1, "identical": 1, "over_length": 1}
    assert (report.rows, report.kept) == (4, 1)


def test_too_many_lost_rows_stop_the_stage(renderer: Renderer) -> None:
    rows = [*[pair("11", "12")] * 3, pair("11", "11")]
    assert prepare_pairs(rows, renderer, with_limit(), trainer="dpo").report.kept == 3
    with pytest.raises(TrainingError, match=r"dpo: 1 of 3 rows would be dropped \(identical 1\)"):
        prepare_pairs(rows[1:], renderer, with_limit(), trainer="dpo")


def test_every_turn_of_the_assistant_is_learned_and_no_other(renderer: Renderer) -> None:
    call = {"type": "function", "function": {"name": "f", "arguments": {}}}
    prompt = [*say("be kind", "system"), *say("add 3 8", "user")]
    answer = [*say("", thinking="hm", tool_calls=[call]), *say("11", "tool"), *say("the answer is 11")]
    for row in ({"messages": [*prompt, *answer]}, {"prompt": prompt, "completion": answer}):
        [prepared] = prepare_rows([row], renderer, with_limit(max_length=200)).rows
        learned = [i for i, label in zip(prepared.input_ids, prepared.labels, strict=True) if label != -100]
        text = renderer.tokenizer.decode(learned)
        assert text == '<|think|>hm<|/think|><|call|>{"name": "f", "arguments": {}}<|end|>the answer is 11<|end|>'
        assert "<|system|>be kind" in renderer.tokenizer.decode(prepared.input_ids)


def test_without_marks_in_the_template_only_the_last_turn_is_learned_and_that_is_noted(renderer: Renderer) -> None:
    tokenizer = renderer.tokenizer
    tokenizer.chat_template = re.sub("{%- (end)?generation -%}", "", tokenizer.chat_template)
    rows = [{"messages": [*say("q", "user"), *say("one"), *say("q", "user"), *say("two")]}]
    prepared = prepare_rows(rows, Renderer(tokenizer), with_limit(max_length=100))
    [(ids, labels)] = prepared.rows
    assert tokenizer.decode([i for i, label in zip(ids, labels, strict=True) if label != -100]) == "two<|end|>"
    assert prepared.report.notes == {"only_the_completion_as_a_whole_is_learned": 1}


def test_what_the_template_hides_is_noted(renderer: Renderer) -> None:
    tokenizer = renderer.tokenizer
    tokenizer.chat_template = "{% for m in messages %}<|user|>{{ m.content }}{% endfor %}<|assistant|>"
    row = pair("11", "12", tools=[{"type": "function", "function": {"name": "f"}}])
    row["chosen"][0] |= {"thinking": "hm", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}
    notes = prepare_pairs([row], Renderer(tokenizer), with_limit(), trainer="dpo").report.notes
    hidden = (f"{part}_not_shown_by_the_template" for part in ("thinking_is", "tool_calls_are", "tools_are"))
    assert notes == dict.fromkeys(["prompt_is_not_a_prefix", *hidden], 1)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"prompt": "text"}, "row 1: prompt: expected a list of messages .*found str"),
        ({"prompt": say("q", "user"), "chosen": []}, "row 1: chosen: .*found empty"),
        ({"prompt": say("q", "user"), "chosen": say("a", "user"), "rejected": say("b")}, "open with assistant"),
    ],
)
def test_a_pair_that_cannot_be_read_is_named(renderer: Renderer, row: dict[str, Any], expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        prepare_pairs([row], renderer, with_limit(), trainer="dpo")


def test_scoring_reads_what_training_reads(renderer: Renderer) -> None:
    row = pair("the answer is 11", "no", tools=[{"type": "function", "function": {"name": "f"}}])
    [trained] = prepare_pairs([row], renderer, with_limit(max_length=200), trainer="reward").rows
    [scored] = render_completions([{**row, "completion": row["chosen"]}], renderer)
    assert scored == trained.prompt_ids + trained.chosen_ids


HARD = PairTrainerSettings(learning_rate=0.1, labels="hard")
SOFT = PairTrainerSettings(learning_rate=0.1, labels="soft")


def test_targets_by_hand() -> None:
    # 0.9 x 0.8 + 0.1 x 0.2 = 0.74;  a hard label is certain, and smoothed 1 x 0.8 + 0 x 0.2 = 0.8
    rows: list[dict[str, Any]] = [{"p_chosen": 0.9}, {"p_chosen": 1}]
    assert pair_labels([*rows, {}], HARD).targets.tolist() == [1.0, 1.0, 1.0]
    assert pair_labels(rows, SOFT).targets == pytest.approx([0.9, 1.0])
    assert pair_labels([{}, {"p_chosen": None}], SOFT).targets.tolist() == [1.0, 1.0]  # no row has one
    for labels, expected in ((SOFT, [0.74, 0.8]), (HARD, [0.8, 0.8])):
        smoothed = labels.model_copy(update={"label_smoothing": 0.2})
        assert pair_labels(rows, smoothed).targets == pytest.approx(expected)


def test_weights_count_relative_to_their_mean() -> None:
    assert pair_labels([{"weight": 1}, {"weight": 2}, {"weight": 3}], HARD).weights == pytest.approx([0.5, 1.0, 1.5])
    # their sum, 4.8e308, is more than a float holds; relative to the largest they are 1, 1, 1, 0.2, with mean 0.8
    rows = [{"weight": value} for value in (1.5e308, 1.5e308, 1.5e308, 3e307)]
    assert pair_labels(rows, HARD).weights == pytest.approx([1.25, 1.25, 1.25, 0.25])


@pytest.mark.parametrize("value", [None, "0.7", 1.2, float("nan"), True])
def test_a_probability_that_is_none_is_named_with_its_row(value: Any) -> None:
    with pytest.raises(DataError, match="row 2: p_chosen: expected a probability, found"):
        pair_labels([{"p_chosen": 0.7}, {"p_chosen": value}], SOFT)


@pytest.mark.parametrize("value", [-1, "much", float("inf"), 10**400])
def test_a_weight_that_is_none_is_named_with_its_row(value: Any) -> None:
    with pytest.raises(DataError, match="row 1: weight: expected a weight of 0 or more, found"):
        pair_labels([{"weight": value}], HARD)


def test_ties_teach_soft_labels_alone_and_do_not_count_as_lost(renderer: Renderer) -> None:
    labels: list[dict[str, Any]] = [{"p_chosen": 0.9}, {"p_chosen": 0.5}, {"p_chosen": 0.5}, {"weight": 0}]
    rows = [pair("11", "12", prompt=f"add {i}", **{"p_chosen": 0.7, **label}) for i, label in enumerate(labels)]
    hard = prepare_pairs(rows, renderer, HARD, trainer="dpo")  # 3 of 4 go, more than max_dropped allows of others
    assert (hard.places, hard.report.dropped) == ([0], {"tie": 2, "weight_zero": 1})
    soft = prepare_pairs(rows, renderer, SOFT, trainer="dpo")
    assert (soft.places, soft.report.dropped) == ([0, 1, 2], {"weight_zero": 1})
    assert prepare_pairs(rows, renderer, HARD, trainer="dpo", refuse=False).places == [0, 1, 2, 3]
