"""The rounds side by side: `rounds/table.json`, and a line for each in the summary.

Covered: what was judged, made and trained on in each round, and how the answers changed on the way. In the simulated
world the truth about them too: it is written here, after all training, to a file that no training reads.
Not covered: what the policies do on held-out prompts, which `evaluate` measures.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from statistics import fmean
from typing import Any, NamedTuple

from amendment.curation import measure_diversity
from amendment.files import write_text
from amendment.records import Candidate, Judgement, Preference, Prompt, text_of
from amendment.simulator import BANNER, knows, truth
from amendment.stages.config_rounds import in_round, policy_of
from amendment.stages.contract import Context, Made
from amendment.stages.judging import candidate_tables
from amendment.statistics import clustered_mean
from amendment.statistics.sides import side_of

__all__ = ["make_rounds_table"]

TABLE = "rounds/table.json"
SHOWN = ("distinct-2", "compression ratio")
"""What of the diversity of answers stands in the table; the rest stands in the file."""


class _Round(NamedTuple):
    """What lies in a run's folder of one round."""

    number: int
    answers: list[Candidate]
    """To prompts that are not held out."""
    judged: list[float]
    """P(a) of the comparisons of these prompts that could be read."""
    new: list[Preference]
    used: list[Preference]
    """What its policy was trained on."""


def make_rounds_table(context: Context) -> Made:
    """Put the rounds side by side, and write them down."""
    rounds = context.config.rounds
    assert rounds is not None
    train = {name: prompt for name, prompt in context.prompts().items() if name not in context.held_out()}
    found = [_first(context, train), *(_further(context, number) for number in rounds.further)]
    texts = {policy_of(one.number): [text_of(answer.messages) for answer in one.answers] for one in found}
    measured = measure_diversity(texts, seed=context.config.seed)
    diversity = measured.to_json() if measured else {}
    rows = [{**_row(context, one), **_varied(diversity, one), **_true_utility(one, train)} for one in found]
    is_simulated = any("true utility" in row for row in rows)
    table = {**({"simulated": BANNER} if is_simulated else {}), "rounds": rows, "diversity of answers": diversity}
    write_text(context.workspace.path(TABLE), json.dumps(table, indent=1, allow_nan=False) + "\n")
    return Made((TABLE,), {"rounds": rows})


def _first(context: Context, train: dict[str, Prompt]) -> _Round:
    """The answers of the run's own policies where it has such among its candidates, else of all."""
    workspace = context.workspace
    every = [one for one in context.candidates(candidate_tables(context.config)) if one.prompt_id in train]
    own = [one for one in every if (one.origin.model or "").partition("@")[0] in context.config.policies]
    judged = [one.p_a for one in workspace.rows("judging/judgements", Judgement) if one.prompt_id in train]
    pairs = workspace.read("dataset/train", Preference)
    return _Round(1, own or every, [p for p in judged if p is not None], pairs, pairs)


def _further(context: Context, number: int) -> _Round:
    read, own = context.workspace.read, partial(in_round, number)
    return _Round(
        number,
        read(own("candidates/candidates"), Candidate),
        [one.p_a for one in read(own("judging/judgements"), Judgement) if one.p_a is not None],
        read(own("dataset/pairs"), Preference),
        read(own("dataset/train"), Preference),
    )


def _row(context: Context, one: _Round) -> dict[str, Any]:
    assert context.config.judging is not None
    ties = [not side_of(p, context.config.judging.min_margin) for p in one.judged]
    of_people = sum(row.decided_by == "person" for row in one.used)
    return {
        "round": one.number,
        "policy": policy_of(one.number),
        "answers": len(one.answers),
        "characters": _mean([len(text_of(answer.messages)) for answer in one.answers]),
        "judged": len(one.judged),
        "ties": _mean(ties),
        "new pairs": len(one.new),
        "pairs used": len(one.used),
        "by people": of_people,
        "P(chosen)": _mean([row.p_chosen for row in one.new]),
        **_training(context, policy_of(one.number)),
    }


def _training(context: Context, policy: str) -> dict[str, Any]:
    """How the training went, by the note of its stage."""
    counts = (context.workspace.note(policy) or {"counts": {}})["counts"]
    held_out = counts.get("held out", {}).get("accuracy", {})
    return {
        "first loss": counts.get("first", {}).get("loss"),
        "last loss": counts.get("last", {}).get("loss"),
        "held-out accuracy": held_out.get("value"),
        "guards violated": list(counts.get("guards", {}).get("violated", ())),
    }


def _varied(diversity: dict[str, Any], one: _Round) -> dict[str, Any]:
    """Of all rounds at one size, so that they can stand beside each other."""
    measures = diversity.get("sets", {}).get(policy_of(one.number), {})
    return {name: measures[name]["mean"] for name in SHOWN if name in measures}


def _true_utility(one: _Round, train: dict[str, Prompt]) -> dict[str, Any]:
    """Of the answers, where all prompts are of the simulated world."""
    asked = [text_of(train[answer.prompt_id].messages) for answer in one.answers]
    if not asked or not all(map(knows, asked)):
        return {}
    known = [truth(prompt, text_of(answer.messages)).utility for prompt, answer in zip(asked, one.answers, strict=True)]
    return {"true utility": clustered_mean(known, [answer.prompt_id for answer in one.answers]).to_json()}


def _mean(values: Sequence[float]) -> float | None:
    return round(fmean(values), 4) if values else None
