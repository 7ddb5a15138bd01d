"""A run's folder written by hand, so that every figure of it is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amendment.data.store import Split, Workspace
from amendment.records import (
    Candidate,
    Critique,
    ItemEnding,
    Judgement,
    Message,
    Origin,
    Preference,
    Prompt,
    Verdict,
    user,
)
from amendment.results import Figure, Funnel, Result, Sample, Table
from tests.rows import preference

JUDGE, SECOND, ANNA = "strict/verdict@1.0.0", "second/verdict@1.0.0", "Anna Berg"
HOSTILE = "Ignore this \x1b[2J\u202e and [bold]that[/bold] | <script>alert(1)</script>"
PROMPTS = [
    Prompt(messages=user("How do I get wine out of a carpet?"), category="household"),
    Prompt(messages=user("What did the fox say?")),
    Prompt(messages=user(HOSTILE)),
]


def answer(prompt: Prompt, text: str, kind: Any = "policy", **origin: Any) -> Candidate:
    return Candidate(
        prompt_id=prompt.id,
        messages=(Message(role="assistant", content=text),),
        kind=kind,
        origin=Origin(model="small", **origin),
    )


DRAFT = answer(PROMPTS[0], "Burn it.", "draft")
CRITIQUE = Critique(
    prompt_id=PROMPTS[0].id, candidate_id=DRAFT.id, principle_ids=("c/safe",), text="Fire is dangerous."
)
REVISION = answer(PROMPTS[0], "Blot it with water.", "revision", principle_ids=("c/safe",))
OTHER = answer(PROMPTS[0], "Call a cleaner.")
FOX = [answer(PROMPTS[1], "Ring-ding."), answer(PROMPTS[1], "Nothing.")]
EVIL = [answer(PROMPTS[2], HOSTILE), answer(PROMPTS[2], "No.")]
ANSWERS = (OTHER, *FOX, *EVIL)


def verdict(shown: Sequence[Candidate], value: str | None, rater: str = JUDGE, **more: Any) -> Verdict:
    ids = tuple(candidate.id for candidate in shown)
    return Verdict(scale="pair", prompt_id=shown[0].prompt_id, shown=ids, value=value, rater=rater, **more)


VERDICTS = [
    # the judge prefers the revision in both orders, the second judge the other answer: disputed, not flipped
    verdict((REVISION, OTHER), "A", reasoning="It helps now."),
    verdict((OTHER, REVISION), "B", reasoning="It helps now."),
    verdict((REVISION, OTHER), "B", SECOND),
    verdict((OTHER, REVISION), "A", SECOND),
    # the fox: whichever is shown first wins
    verdict(FOX, "A"),
    verdict(FOX[::-1], "A"),
    # a reply that could not be read
    verdict(EVIL, "A", reasoning=HOSTILE),
    verdict(EVIL[::-1], None, invalid="no verdict in the reply"),
]
LABELS = [
    verdict((OTHER, REVISION), "B", ANNA, rater_kind="person", confidence=1.0, origin=Origin(source="spot check"))
]
SEALED = [verdict(FOX, "B", ANNA, rater_kind="person", origin=Origin(source="spot check"))]


def judgement(two: Sequence[Candidate], p_first: float | None, **more: Any) -> Judgement:
    a, b = sorted(candidate.id for candidate in two)
    p_a = p_first if p_first is None or a == two[0].id else 1 - p_first
    return Judgement(prompt_id=two[0].prompt_id, a=a, b=b, p_a=p_a, raters=(JUDGE,), **more)


JUDGEMENTS = [
    judgement((REVISION, OTHER), 0.75, consistent=True, decisive="c/safe"),
    judgement(FOX, 0.5, consistent=False),
    judgement(EVIL, None),
]


def pair(chosen: Candidate, rejected: Candidate, p: float, decided_by: Any = "judge", **more: Any) -> Preference:
    prompt = next(prompt for prompt in PROMPTS if prompt.id == chosen.prompt_id)
    facts = {"p_chosen": p, "p_chosen_raw": 0.75, "decided_by": decided_by, "raters": (), "decisive": "c/safe", **more}
    return preference(prompt, chosen.messages[0], rejected.messages[0], **facts)


def write_run(folder: Path, *, until: str = "dataset", stale: Sequence[str] = ()) -> Path:
    """The run, done as far as a stage; stages in `stale` are out of date, their tables still there."""
    workspace = Workspace(folder)
    stages = ["inputs", "critique", "candidates", "judging", "labels", "dataset"]
    done = stages[: stages.index(until) + 1]
    tables: dict[str, list[tuple[str, Any, list[Any]]]] = {
        "inputs": [
            ("prompts", Prompt, PROMPTS),
            ("split", Split, [Split(prompt_id=prompt.id, split="train") for prompt in PROMPTS]),
            ("candidates", Candidate, []),
            ("verdicts", Verdict, []),
            ("judgements", Judgement, []),
        ],
        "critique": [
            ("candidates", Candidate, [DRAFT, REVISION]),
            ("critiques", Critique, [CRITIQUE]),
            ("endings", ItemEnding, [ItemEnding(item_id=PROMPTS[1].id, outcome="refused", reason="the model refused")]),
        ],
        "candidates": [("candidates", Candidate, list(ANSWERS)), ("endings", ItemEnding, [])],
        "judging": [
            ("verdicts", Verdict, VERDICTS),
            ("judgements", Judgement, JUDGEMENTS),
            ("endings", ItemEnding, []),
        ],
        "labels": [("open", Verdict, LABELS), ("sealed", Verdict, SEALED)],
        "dataset": [
            ("train", Preference, [pair(REVISION, OTHER, 1.0, "person", raters=(ANNA,))]),
            ("test", Preference, []),
        ],
    }
    for stage in done:
        (folder / stage).mkdir(parents=True, exist_ok=True)
        for name, kind, records in tables[stage]:
            workspace.write(f"{stage}/{name}", kind, records)
    status = {
        "name": "hand",
        "stages": stages,
        "running": None,
        "done": [stage for stage in done if stage not in stale],
        "out of date": list(stale),
    }
    (folder / "status.json").write_text(json.dumps(status), encoding="utf-8")
    (folder / "run.yaml").write_text(
        "name: hand\nseed: 3\npairs: []\nverdicts: []\ndataset: {mix: []}\n", encoding="utf-8"
    )
    return folder


def hostile_result(text: str = HOSTILE) -> Result:
    """A result in which every text is somebody's who means no good."""
    label = {"source": text}
    return Result(
        figures=(
            Figure(name="gate", value=text),
            Figure(name="pairs", value=3, of=label),
            Figure(name="kept", value=1, of={"principle": text, "policy": text}),
        ),
        funnels=(Funnel(what=text, came_in=3, left_out={text: 1}, remained=2),),
        tables=(Table(title=text, head=(text,), rows=((text,),), note=text),),
        samples=(Sample(title=text, head=("words",), rows=((text,),)),),
        notes=(text,),
        warnings=(text,),
    )
