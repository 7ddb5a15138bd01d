"""The stage `spot_check`: which of the judged comparisons people see, and what they see of them.

Two tables on purpose: `spot_check/sample` is for estimators, `spot_check/questions` is all that the page is given, and
holds texts, hashes and principles alone. `spot_check/asked.json` says what the judge was asked, and what people are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from amendment.calibration.drawing import Sample, SampleSettings, draw_sample
from amendment.calibration.samples import LabelQuestion, SampledItem
from amendment.calibration.strata import Exported
from amendment.errors import AmendmentError
from amendment.files import write_text
from amendment.records import Candidate, Comparison, Judgement, Pair, text_of
from amendment.stages.asking_people import Asking
from amendment.stages.config_spot_checks import SpotCheckStage
from amendment.stages.contract import Context, Made
from amendment.stages.pairs import Texts, check_revisions, judged_pairs, judgements_table, texts_of

__all__ = [
    "ASKED",
    "QUESTIONS",
    "SAMPLE",
    "exported_comparisons",
    "make_spot_check",
    "sample_settings",
]

SAMPLE, QUESTIONS, ASKED = "spot_check/sample", "spot_check/questions", "spot_check/asked.json"


def sample_settings(stage: SpotCheckStage) -> SampleSettings:
    """What of the run file says which comparisons are drawn."""
    names = ("items", "overlap", "repeats", "uniform", "sealed", "purpose")
    return SampleSettings(**{name: getattr(stage, name) for name in names})


def exported_comparisons(context: Context, texts: Texts) -> list[Exported]:
    """The comparisons that the dataset exports because the run's judges decided them, on both sides of the split.

    A pair that was made by construction counts where the judge said something about it. Raises AmendmentError where
    there is none.
    """
    paired = judged_pairs(context, texts, check_revisions(context))
    wanted = {pair.comparison_id: pair for pair in paired.pairs}
    judgements = context.workspace.rows(judgements_table(context.config), Judgement)
    found = {
        name: _exported(wanted[name], one, texts.candidates)
        for one in judgements
        if one.p_a is not None and (name := one.comparison_id) in wanted
    }
    if not found:
        counts = ", ".join(f"{count} {reason}" for reason, count in paired.left_out.items()) or "nothing was judged"
        told = "spot_check: no judged comparison becomes a pair, so there is nothing that people could look at"
        where = "see the summary of judging"
        if context.config.judging is None:
            where = "people check model verdicts that have texts and that no person decided"
        raise AmendmentError(f"{told} (left out: {counts}); {where}")
    return list(found.values())


def _exported(pair: Pair, judgement: Judgement, candidates: Mapping[str, Candidate]) -> Exported:
    assert judgement.p_a is not None
    shorter, longer = sorted(len(text_of(candidates[name].messages)) for name in (judgement.a, judgement.b))
    return Exported(
        Comparison(judgement.prompt_id, judgement.a, judgement.b),
        judgement.p_a,
        judgement.consistent,
        pair.decisive or next(iter(judgement.principle_ids), None),
        (longer + 1) / (shorter + 1),
    )


def make_spot_check(context: Context) -> Made:
    """Draw the sample, and write down what people will see of it."""
    stage = context.config.spot_check
    assert stage is not None
    texts = texts_of(context)
    sample = draw_sample(exported_comparisons(context, texts), sample_settings(stage), seed=context.config.seed)
    asked_by = _principles_asked(context, {item.comparison_id for item in sample.items})
    judging, workspace = context.config.judging, context.workspace
    asking = Asking(context, judging.judges[0] if judging else None, texts)
    questions = [_question(item, asking, asked_by[item.comparison_id]) for item in sample.items]
    told = asking.told(questions, most_principles=max(map(len, asked_by.values())))
    write_text(workspace.path(ASKED), json.dumps(told._asdict(), indent=1, ensure_ascii=False) + "\n")
    tables = workspace.write(SAMPLE, SampledItem, sample.items), workspace.write(QUESTIONS, LabelQuestion, questions)
    return Made((*tables, ASKED), _counts(sample, stage))


def _question(item: SampledItem, asking: Asking, asked_by: Iterable[str]) -> LabelQuestion:
    found = asking.about(Comparison(item.prompt_id, item.a, item.b), asked_by)
    return found.model_copy(update={"in_overlap": item.in_overlap, "is_repeated": item.is_repeated})


def _principles_asked(context: Context, wanted: set[str]) -> dict[str, tuple[str, ...]]:
    rows = context.workspace.rows(judgements_table(context.config), Judgement)
    return {name: one.principle_ids for one in rows if (name := one.comparison_id) in wanted}


def _counts(sample: Sample, stage: SpotCheckStage) -> dict[str, Any]:
    items = sample.items
    counts: dict[str, Any] = {
        "comparisons": sample.population,
        "drawn": len(items),
        "strata": len(sample.strata),
        "seen by every annotator": sum(item.in_overlap for item in items),
        "shown twice": sum(item.is_repeated for item in items),
        "sealed": sum(item.is_sealed for item in items),
    }
    notes = list(_notes(sample, stage))
    return {**counts, "notes": notes} if notes else counts


def _notes(sample: Sample, stage: SpotCheckStage) -> Iterable[str]:
    if sample.is_all:
        yield f"the spot check takes all {sample.population} comparisons (items: {stage.items}), each with certainty"
    if stage.purpose == "debug":
        yield "purpose debug: the comparisons that the judge is least sure of; no figure is estimated from their labels"
