"""The rows of the dataset: pairs with their texts, split so that no prompt stands on both sides."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from amendment.hashing import content_id
from amendment.records import Candidate, Pair, Preference, Prompt


def held_out(prompt_ids: Collection[str], share: float, *, seed: int) -> frozenset[str]:
    """The prompts of the test split: `share` of all, rounded, by a seeded hash, so that order does not count.

    At least one prompt is held out when share > 0 and there are two or more.
    """
    ranked = sorted(set(prompt_ids), key=lambda prompt: content_id(["split", seed, prompt]))
    count = round(share * len(ranked))
    return frozenset(ranked[: min(max(count, 1), len(ranked) - 1) if share > 0 and len(ranked) > 1 else count])


def preference_row(
    pair: Pair, prompts: Mapping[str, Prompt], candidates: Mapping[str, Candidate], references: Mapping[str, str]
) -> Preference:
    """The dataset's row of a pair; `references` are `id@version#hash` of constitutions by id."""
    cited = dict.fromkeys(name.split("/")[0] for name in pair.principle_ids)
    prompt = prompts[pair.prompt_id]
    chosen, rejected = candidates[pair.chosen_id], candidates[pair.rejected_id]
    return Preference(
        prompt=prompt.messages,
        chosen=chosen.messages,
        rejected=rejected.messages,
        tools=prompt.tools,
        chat_template_kwargs=prompt.chat_template_kwargs,
        p_chosen=pair.p_chosen,
        p_chosen_raw=pair.p_chosen_raw,
        p_chosen_calibrated=pair.p_chosen_calibrated,
        decided_by=pair.decided_by,
        weight=pair.weight,
        comparison_id=pair.comparison_id,
        prompt_id=pair.prompt_id,
        chosen_id=pair.chosen_id,
        rejected_id=pair.rejected_id,
        chosen_model=chosen.origin.model,
        rejected_model=rejected.origin.model,
        raters=pair.raters,
        principle_ids=pair.principle_ids,
        decisive=pair.decisive,
        first=None if pair.first_id is None else "chosen" if pair.first_id == pair.chosen_id else "rejected",
        constitutions=tuple(references[name] for name in cited),
        category=prompt.category,
        source=prompt.source,
        license=prompt.license,
    )
