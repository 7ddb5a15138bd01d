"""Keys and values that earlier versions took, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from amendment.yamlfile import Loc

RETIRED: dict[str, str] = {
    "models.*.cache": "is gone; the vendor's prefix cache is always told what calls have in common",
    "models.*.artefacts": "is gone: it is 0.1; leave it out",
    "models.*.false_alarms": "is gone: it is 0.05; leave it out",
    "models.*.look": "is gone: it is 0.6; leave it out",
    "models.*.over_refusals": "is gone: it is 0.04; leave it out",
    "models.*.skill": "is gone: it is 0.85; leave it out",
    "models.*.slips": "is gone: it is 0.03; leave it out",
    "models.*.style_bias": "is gone; self_bias makes a judge like its own manner",
    "models.*.tie_width": "is gone: it is 0.1; leave it out",
    "models.*.at_length": "is now called on_truncation; write on_truncation: retry for double",
    "models.*.api": "is gone: the chat protocol is spoken, which every such server knows; leave it out",
    "models.*.stop": "is gone; leave it out: an answer ends with the model's own end token, or at max_tokens",
    "models.*.device": "is gone: a GPU is taken where there is one; CUDA_VISIBLE_DEVICES= hides it",
    "calls": "is gone; calls go in the order of asking, with four items begun for each call that may be in flight",
    "prompts.*.system": "is gone; write prompts as lists of messages whose first is {role: system, content: ...}",
    "prompts.*.shape": "is gone; layouts are recognised by their columns: leave it out, or name columns",
    "pairs.*.shape": "is gone; layouts are recognised by their columns: leave it out, or name columns",
    "verdicts.*.shape": "is gone; layouts are recognised by their columns: leave it out, or name columns",
    "candidates.*.shape": "is gone; layouts are recognised by their columns: leave it out, or name columns",
    "dataset.mix.*.shape": "is gone; layouts are recognised by their columns: leave it out, or name columns",
    "pairs.*.votes": "is now called words, as under verdicts; write words with the same values",
    "dataset.mix.*.votes": "is now called words, as under verdicts; write words with the same values",
    "verdicts.*.empty": 'is gone; where an empty cell means something, name it under words, such as invalid: [""]',
    "verdicts.*.principle": "is gone; write the principle into a column, and name it as columns.principle",
    "pairs.*.category": "is gone; name the column with the category under columns",
    "verdicts.*.category": "is gone; name the column with the category under columns",
    "dataset.mix.*.category": "is gone; name the column with the category under columns",
    "candidates.*.category": "is gone; categories are those of the prompts",
    "candidates.*.temperature": "is gone: policies answer at temperature 1; models have their own under models",
    "candidates.*.batch_size": "is gone: it is 64; leave it out",
    "critique.principles.per_round": "is gone: each round takes one principle; write more rounds",
    "judging.ranking=knockout": "knockout is gone; write ranking: adaptive",
    "judging.ranking=merge_sort": "merge_sort is gone; write ranking: adaptive",
    "judging.jury=dawid-skene": "dawid-skene is gone; write jury: majority, or weighted where people have labelled",
    "judging.jury=stacked": "stacked is now called weighted; write jury: weighted",
    "judging.cascade.sure": "sure is now called confidence; write confidence with the same number",
    "judging.comparisons_per_prompt": "is gone: it is two for each candidate; leave it out",
    "judging.revisions": "is gone: the judge decides between a draft and its revision as between any two answers",
    "judging.sampling": "is gone: principles are drawn by their weights; leave it out",
    "judging.labelled": "labelled is now judge_labelled; write judge_labelled: true for judge, false for skip",
    "probes.clear": "is gone: it is 0.5; leave it out",
    "probes.judges": "is gone; leave it out: all judges of the run are probed",
    "spot_check.gate.below_ceiling": "below_ceiling is now called max_gap_to_human; write it with the same number",
    "spot_check.gate.orders_disagree": "is gone; the gate fails where the two orders disagree on more than half",
    "spot_check.gate.unreadable": "is gone; the gate fails where more than a tenth of a judge's verdicts is unreadable",
    "spot_check.uniform": "is gone; it is 0.8",
    "spot_check.purpose": "is gone; leave it out: the sample is a random one",
    "spot_check.calibration.turned": "is gone; pairs that calibration turns round stay as they are, and are counted",
    "*.lora.alpha": "is gone: it is twice r; leave it out",
    "*.lora.dropout": "is gone; leave it out",
    "*.trl.adam_beta1": "is gone; leave it out",
    "*.trl.adam_beta2": "is gone; leave it out",
    "*.trl.adam_epsilon": "is gone; leave it out",
    "*.trl.learning_rate": "is gone; write learning_rate next to trl",
    "*.trl.max_grad_norm": "is gone: gradients are clipped to norm 1; leave it out",
    "*.trl.max_steps": "is gone; write steps next to trl",
    "*.trl.num_train_epochs": "is gone; write epochs next to trl",
    "*.attn_implementation": "is gone: transformers chooses; leave it out",
    "*.launch": "is gone; train from Python under accelerate launch, see docs/training-hardware.md",
    "*.trl.optim": "is gone: it is AdamW; leave it out",
    "*.trl.per_device_train_batch_size": "is gone; write batch_size next to trl",
    "dataset.constant_answers": "is gone; a text that its writer gives to half of its prompts or more is left out",
    "dpo.desirable_weight": "is gone; leave it out: both kinds of answers count alike",
    "dpo.guards.kl": "is gone; write kl_per_token, the same for a token of the answers",
    "dpo.guards.margins": "is gone; leave it out",
    "dpo.guards.on_trip": "is now on_violation",
    "dpo.guards.parting": "is now reward_judge_gap",
    "dpo.guards.principles": "is gone: it is 1; leave it out",
    "dpo.guards.samples": "is gone; write more prompts",
    "dpo.guards.temperature": "is gone: answers are drawn at temperature 1; leave it out",
    "dpo.orpo_lambda": "is gone; write beta, which is the weight of the odds ratio with loss: orpo",
    "dpo.simpo_gamma": "is gone: it is half of beta; leave it out",
    "dpo.undesirable_weight": "is gone; leave it out: both kinds of answers count alike",
    "rounds.candidates.batch_size": "is gone: it is 32; leave it out",
    "rounds.candidates.take": "is gone; every prompt that is not held out is answered",
    "rounds.candidates.temperature": "is gone: it is 1; leave it out",
    "rounds.from": "is gone: each round trains on from the policy before it; leave it out",
    "evaluate.batch_size": "is gone: it is 64; leave it out",
    "evaluate.people.overlap": "is gone; every item goes to one annotator",
    "evaluate.people.repeats": "is gone; no item is shown twice",
    "evaluate.principles": "is gone; each comparison is asked about by one principle",
    "evaluate.violations.principles": "is gone: every principle of the constitution is asked about",
    "evaluate.violations.prompts": "is gone: at most 100 prompts are asked about; for fewer, lower evaluate.prompts",
    "publish.license_link": "is gone; write license_link at the head of the card, where it stays",
    "publish.sealed": "is gone; sealed labels leave a run by amendment label DIR --export FILE alone",
    "rounds.keep_human": "is now replay_human",
    "reward_model.centre": "is gone: it is 0.01; leave it out",
    "reward_model.conditioned": "is gone; leave it out",
    "reward_model.ensemble": "is gone; leave it out: one model is trained",
    "sft.packing": "is gone; leave it out: rows of like length share a batch",
    "base.packing": "is gone; leave it out: rows of like length share a batch",
    "reward_model.labels=margins": "is gone; use labels: soft, where P(chosen is better) caps the gap of rewards",
    "reward_model.margin_scale": "is gone; leave it out",
}
"""From `path.of.key`, or `path.of.key=value`, to what to do; `*` is any name or index. Such as
`"judging.ranking=knockout": "is gone; use ranking: adaptive"`."""


def retired_settings(data: Any) -> Iterator[tuple[Loc, str]]:
    """Each key or value of a run file that is in the table, with what to do about it."""
    for pattern, advice in RETIRED.items():
        path, _, value = pattern.partition("=")
        for loc, found in _matches(data, tuple(path.split("."))):
            if not value or str(found) == value:
                yield loc, advice


def _matches(data: Any, path: tuple[str, ...], loc: Loc = ()) -> Iterator[tuple[Loc, Any]]:
    if not path:
        yield loc, data
        return
    parts = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, inner in parts:
        if path[0] in ("*", str(key)):
            yield from _matches(inner, path[1:], (*loc, key))
