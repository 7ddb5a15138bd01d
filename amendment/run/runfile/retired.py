"""Keys and values of the run file that have another name or a replacement. An unknown key is an error anyway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from amendment.yamlfile import Loc, parts

RETIRED: dict[str, str] = {
    "models.*.style_bias": "is gone; write self_bias, which makes a judge like its own manner",
    "models.*.at_length": "is now called on_truncation; write on_truncation: retry for double",
    "prompts.*.system": "is gone; write prompts as lists of messages whose first is {role: system, content: ...}",
    "pairs.*.votes": "is now called words, as under verdicts; write words with the same values",
    "dataset.mix.*.votes": "is now called words, as under verdicts; write words with the same values",
    "verdicts.*.empty": 'is gone; if an empty cell means something, name it under words, such as invalid: [""]',
    "verdicts.*.principle": "is gone; write the principle into a column, and name it as columns.principle",
    "pairs.*.category": "is gone; name the column with the category under columns",
    "verdicts.*.category": "is gone; name the column with the category under columns",
    "dataset.mix.*.category": "is gone; name the column with the category under columns",
    "critique.principles.per_round": "is gone; each round takes one principle: write more rounds",
    "judging.jury=dawid-skene": "dawid-skene is gone; write jury: majority, or weighted where people have labelled",
    "judging.jury=stacked": "stacked is now called weighted; write jury: weighted",
    "judging.cascade.sure": "sure is now called confidence; write confidence with the same number",
    "judging.labelled": "labelled is now judge_labelled; write judge_labelled: true for judge, false for skip",
    "spot_check.gate.below_ceiling": "below_ceiling is now called max_gap_to_human; write it with the same number",
    "*.trl.learning_rate": "is gone; write learning_rate next to trl",
    "*.trl.max_steps": "is gone; write steps next to trl",
    "*.trl.num_train_epochs": "is gone; write epochs next to trl",
    "*.launch": "is gone; train from Python under accelerate launch, see docs/training.md",
    "*.trl.per_device_train_batch_size": "is gone; write batch_size next to trl",
    "dpo.guards.kl": "is gone; write kl_per_token, the limit per token of the answers",
    "dpo.guards.on_trip": "is now on_violation",
    "dpo.guards.parting": "is now reward_judge_gap",
    "dpo.orpo_lambda": "is gone; write beta, the weight of the odds ratio with loss: orpo",
    "prompts.*.shortcut_model": "is gone; leave it out",
    "rounds.keep_human": "is now replay_human",
}
"""Maps `path.of.key`, or `path.of.key=value`, to advice; `*` is any name or index. An example:
`"judging.ranking=knockout": "is gone; write ranking: adaptive"`."""


def retired_settings(data: Any) -> Iterator[tuple[Loc, str]]:
    """Each key or value of a run file that is in the table, with what to do about it."""
    everything = [*parts(data)]
    for pattern, advice in RETIRED.items():
        path, _, value = pattern.partition("=")
        names = path.split(".")
        for loc, found in everything:
            is_meant = len(loc) == len(names) and all(map(_fits, names, loc))
            if is_meant and (not value or str(found) == value):
                yield loc, advice


def _fits(name: str, key: str | int) -> bool:
    return name in ("*", str(key))
