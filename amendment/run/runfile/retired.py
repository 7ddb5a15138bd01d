"""Keys and values of the run file that have another name or a replacement. An unknown key is an error anyway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from amendment.simulator.persona import BIASES
from amendment.yamlfile import Loc, parts

_GONE = "is gone; its default always applies"
_REVISION = "is gone; write it after the name on the Hub, as in org/name@revision"
_TABLE = "is gone here; write a price table, and name it under prices"
_SOURCES = (
    *(f"{place}.*" for place in ("prompts", "pairs", "verdicts", "candidates", "dataset.mix", "clean.evaluation_sets")),
    *("dataset.reference", "sft.helpful.*", "evaluate.over_refusal.prompts.*"),
)
_JUDGES = (
    *("judging.judges.*", "judging.cascade.*", "evaluate.judge", "evaluate.violations"),
    *("evaluate.over_refusal.judge", "dpo.guards.judge"),
)
RETIRED: dict[str, str] = {
    **{
        f"{place}.bad_rows": f"{_GONE}: every row that cannot be used is named; take these rows out of the file"
        for place in _SOURCES
    },
    **{
        f"{place}.config": "is gone; write split: CONFIG/SPLIT, as the page of the dataset shows it"
        for place in _SOURCES
    },
    **{f"{place}.revision": _REVISION for place in (*_SOURCES, "models.*", "base", "sft", "reward_model", "dpo")},
    **{f"{place}.min_label_mass": f"{_GONE}: labels have to hold half of the probability" for place in _JUDGES},
    **{f"models.*.{name}_bias": f"is now one of biases; write biases: {{{name}: ...}}" for name in BIASES},
    "models.*.style_bias": "is gone; write biases: {self: ...}, which makes a judge prefer its own style",
    "models.*.shows_choices": "is now called logprobs, as with provider: openai",
    **dict.fromkeys(
        [f"models.*.{name}" for name in ("explains", "pair_noise", "pair_noise_source", "sharpness")],
        f"{_GONE}; a Persona in Python has it",
    ),
    "models.*.at_length": f"{_GONE}: a cut answer is kept and marked; raise max_tokens",
    "models.*.on_truncation": f"{_GONE}: a cut answer is kept and marked; raise max_tokens",
    "models.*.dtype": _GONE,
    "models.*.thinking_budget": "is gone; write effort, which newer models take",
    "models.*.token_limit_field": f"{_GONE}: hosts of OpenAI and Azure get the newer name, others the older",
    **dict.fromkeys(
        [f"models.*.price.{name}" for name in ("cached_input", "cache_write", "batch_discount", "max_output", "long")],
        _TABLE,
    ),
    "prompts.*.system": "is gone; write prompts as lists of messages whose first is {role: system, content: ...}",
    **{
        f"{place}.*.{name}": f"is now one of columns; write columns: {{{name.removesuffix('_column')}: ...}}"
        for place in ("prompts", "evaluate.over_refusal.prompts")
        for name in ("category_column", "tags_column", "criteria_column", "answer_column", "tools")
    },
    "prompts.*.count": "is now called take; write take with the same number",
    "prompts.*.shortcut_model": "is gone; tasks that a solver of ours solves without their key fact are still dropped",
    "pairs.*.votes": "is now called words, as under verdicts; write words with the same values",
    "dataset.mix.*.votes": "is now called words, as under verdicts; write words with the same values",
    "pairs.*.rater": "is now called kind, as under verdicts",
    "dataset.mix.*.rater": "is now called kind, as under verdicts",
    "dataset.diversity": "is gone; write reference and embeddings next to mix",
    "verdicts.*.empty": 'is gone; if an empty cell means something, name it under words, such as invalid: [""]',
    "verdicts.*.principle": "is gone; write the principle into a column, and name it as columns.principle",
    "verdicts.*.classes": "is gone; write them from the lowest to the highest as scale: [LOWEST, ..., HIGHEST]",
    "pairs.*.category": "is gone; name the column with the category under columns",
    "verdicts.*.category": "is gone; name the column with the category under columns",
    "dataset.mix.*.category": "is gone; name the column with the category under columns",
    "clean.evaluation_sets.*.column": "is now one of columns; write columns: {prompt: ...}",
    "clean.near_copies": f"{_GONE}: near copies share 0.8 of their word 3-grams",
    "clean.prompt_words": f"{_GONE}: at most 4,000 words",
    "clean.answer_words": f"{_GONE}: at most 4,000 words",
    "clean.one_sided": "is gone: such words are listed, and their pairs stay",
    "clean.languages": "is gone; write verify: [{kind: language, value: en, effect: veto}]",
    "critique.principles.per_round": "is gone; each round takes one principle: write more rounds",
    "construct.*.kind=instructions": "instructions is gone; write a principle and its opposite, and kind: contrast",
    "judging.jury=dawid-skene": "dawid-skene is gone; write jury: majority, or weighted where people have labelled",
    "judging.jury=stacked": "stacked is now called weighted; write jury: weighted",
    "judging.cascade.then": "is gone; write the judges as cascade: [...], and confidence next to it",
    "judging.labelled": "labelled is now judge_labelled; write judge_labelled: true for judge, false for skip",
    "verdicts.*.copies": "is gone; write despite: [copies]",
    "spot_check.guidelines": "is gone; what people read are the principles",
    "evaluate.people.guidelines": "is gone; what people read are the principles",
    "spot_check.decide": "is gone: labels that are not sealed decide their comparisons; with sealed: 1 none does",
    "spot_check.calibration.method": "is gone; write it as calibration, such as calibration: temperature",
    "spot_check.gate.below_ceiling": "below_ceiling is now called max_gap_to_human; write it with the same number",
    "spot_check.gate.on_fail": "is gone; write despite: [people] under reward_model and dpo to train all the same",
    "base.tiny": "is gone; write hidden and vocab next to it",
    "sft.helpful.files": "is gone; write the files as helpful: [...]",
    "*.over_length": f"{_GONE}: rows over max_length are left out and counted; raise max_length, or shorten them",
    "*.max_dropped": f"{_GONE}: at most a quarter of the rows may be dropped",
    "*.log_every": "is gone; write trl: {logging_steps: ...} with the same number",
    "*.checkpoint_every": 'is gone; write trl: {save_steps: ...} with the same number, or trl: {save_strategy: "no"}',
    "*.report_to": "is gone; write trl: {report_to: [...]} with the same names",
    "*.launch": "is gone; train from Python under accelerate launch, see docs/training.md",
    "dpo.guards.kl": "is gone; write kl_per_token, the limit per token of the answers",
    "dpo.guards.on_trip": "is now on_violation",
    "dpo.guards.unreadable": f"{_GONE}: its limit is 0.05",
    "dpo.guards.parting": f"{_GONE}: the judge's score must not fall while the reward rises",
    "dpo.guards.reward_judge_gap": f"{_GONE}: the judge's score must not fall while the reward rises",
    "dpo.orpo_lambda": "is gone; write beta, the weight of the odds ratio with loss: orpo",
    "rounds.candidates": "is gone; write per_prompt next to n",
    "rounds.keep_human": "is now replay_human",
    "evaluate.violations.judge": "is gone; write the judge as violations: {model: ...}",
}
"""Maps `path.of.key`, or `path.of.key=value`, to advice; `*` is any name or index. An example:
`"judging.ranking=knockout": "is gone; write ranking: adaptive"`."""


def retired_settings(data: Any) -> Iterator[tuple[Loc, str]]:
    """Yield each key or value of a run file that is in the table, with what to do about it."""
    everything = [*parts(data)]
    for pattern, advice in RETIRED.items():
        path, _, value = pattern.partition("=")
        names = path.split(".")
        for loc, found in everything:
            if _fits(names, loc) and (not value or str(found) == value):
                yield loc, advice


def _fits(names: list[str], loc: Loc) -> bool:
    return len(loc) == len(names) and all(name in ("*", str(key)) for name, key in zip(names, loc, strict=True))
