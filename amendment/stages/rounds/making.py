"""What a further round makes that no stage of the first one does: its prompts, and its pairs.

Promised: a prompt that is held out is neither answered nor trained on in any round. A calibrator that the first round
has fitted to people's labels is applied to what the judge says in later ones, on whose answers nobody was asked.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping

from amendment.calibration.settings import SpotCheckSettings
from amendment.data.sources import ModelSource
from amendment.errors import AmendmentError
from amendment.preference import preference_row
from amendment.records import Candidate, Judgement, Preference, Prompt
from amendment.stages.calibration import CALIBRATOR, PROBABILITIES, Probability
from amendment.stages.candidates import draw_in_turn
from amendment.stages.config_rounds import RoundStep, in_round, stage_of
from amendment.stages.contract import Context, Made
from amendment.stages.dataset import spot_checked_pairs
from amendment.stages.dpo import TrainingPolicy
from amendment.stages.judging import JudgeStep
from amendment.stages.pairs import check_revisions, judged_pairs, texts_of
from amendment.stages.passes import one_pass
from amendment.stages.rounds.deriving import round_context
from amendment.stages.rounds.pairs import pairs_of_round
from amendment.statistics.calibrators import Calibrator

__all__ = ["ROUND_MAKERS"]


def make_round_candidates(context: Context, number: int) -> Made:
    """Let the last policy answer the prompts that are not held out."""
    round_ = round_context(context, number, "candidates")
    test = context.held_out()
    prompts = [prompt for prompt in context.workspace.rows("inputs/prompts", Prompt) if prompt.id not in test]
    tables = (
        round_.workspace.write("inputs/prompts", Prompt, prompts),
        round_.workspace.write("inputs/candidates", Candidate, []),
    )
    made = draw_in_turn(round_, round_.config.parts(ModelSource))
    return _of_round(number, Made((*tables, *made.artefacts), made.counts))


def make_round_judging(context: Context, number: int) -> Made:
    """Judge these answers as those of the first round were."""
    round_ = round_context(context, number, "judging")
    if context.is_rehearsed and not round_.workspace.count("candidates/candidates"):
        return Made((), {})  # of prompts that are all held out, or out of reach
    [made] = one_pass(round_, [JudgeStep(round_, round_.config.judging, stage_of(number, "judging"))])
    return _of_round(number, made)


def make_round_dataset(context: Context, number: int) -> Made:
    """The round's own pairs, and those that it trains on. Raises AmendmentError where there is none."""
    rounds = context.config.rounds
    assert rounds is not None
    round_ = round_context(context, number, "dataset")
    tables = [_calibrated(round_)] if context.config.part(SpotCheckSettings) else []
    new, left_out = _new_pairs(round_)
    chosen = pairs_of_round(rounds, _earlier(context, number), new, number=number, seed=context.config.seed)
    if not chosen.rows:
        raise AmendmentError(_no_pair(number, left_out))
    write = round_.workspace.write
    tables += [write("dataset/pairs", Preference, new), write("dataset/train", Preference, chosen.rows)]
    return _of_round(number, Made(tuple(tables), {**chosen.counts, "left out": dict(left_out), **_told(round_)}))


def make_round_dpo(context: Context, number: int) -> Made:
    """Train on. The held-out pairs that this is measured on are the first round's, for all rounds."""
    round_ = round_context(context, number, "dpo")
    return TrainingPolicy(round_.config).make(round_, name=stage_of(number, "dpo"))


def _of_round(number: int, made: Made) -> Made:
    """What was made, by the names that it has in the run."""
    return made._replace(artefacts=tuple(in_round(number, name) for name in made.artefacts))


def _new_pairs(round_: Context) -> tuple[list[Preference], Counter[str]]:
    """The pairs of this round's answers alone: those that the user's own files decided stand in the first round."""
    texts = texts_of(round_)
    judged = judged_pairs(round_, texts, check_revisions(round_))
    checked = spot_checked_pairs(round_, judged.pairs)
    references = {one.id: one.reference for one in round_.constitutions}
    rows = [preference_row(pair, texts.prompts, texts.candidates, references) for pair in checked.pairs]
    return rows, Counter(judged.left_out + checked.left_out)


def _earlier(context: Context, number: int) -> list[Preference]:
    """The pairs of all rounds before this one."""
    tables = ["dataset/train", *(in_round(earlier, "dataset/pairs") for earlier in range(2, number))]
    return [row for table in tables for row in context.workspace.read(table, Preference)]


def _calibrated(round_: Context) -> str:
    """Write what the first round's calibrator makes of this round's judgements."""
    recipe = _recipe(round_)
    fitted = Calibrator.from_json(recipe) if recipe["method"] != "none" else None
    rows = [
        Probability(
            comparison_id=one.comparison_id,
            prompt_id=one.prompt_id,
            p_a_raw=one.p_a,
            p_a_calibrated=float(fitted.apply([one.p_a])[0]) if fitted else None,
        )
        for one in round_.workspace.rows("judging/judgements", Judgement)
        if one.p_a is not None
    ]
    return round_.workspace.write(PROBABILITIES, Probability, rows)


def _recipe(round_: Context) -> Mapping[str, object]:
    recipe: Mapping[str, object] = json.loads(round_.workspace.path(CALIBRATOR).read_text(encoding="utf-8"))
    return recipe


def _told(round_: Context) -> dict[str, list[str]]:
    """That nobody has looked at this round's answers."""
    if round_.config.part(SpotCheckSettings) is None:
        return {}
    is_none = _recipe(round_)["method"] == "none"
    what = "P is the judge's own" if is_none else "P calibrated by the labels of the first round"
    return {"notes": [f"no person has labelled this round's answers: {what}"]}


def _no_pair(number: int, left_out: Mapping[str, int]) -> str:
    found = ", ".join(f"{count} {reason}" for reason, count in left_out.items()) or "nothing was judged"
    return (
        f"{stage_of(number, 'dataset')}: no pair is left for training (left out: {found}). What helps: more answers a "
        "prompt under rounds.candidates, data: accumulate, or a judge that tells these answers apart"
    )


ROUND_MAKERS: dict[RoundStep, Callable[[Context, int], Made]] = {
    "candidates": make_round_candidates,
    "judging": make_round_judging,
    "dataset": make_round_dataset,
    "dpo": make_round_dpo,
}
"""What the stages of a further round do; the number is the round's."""
