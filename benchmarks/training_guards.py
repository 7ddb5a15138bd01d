"""Guards off and on, at the limits that they are shipped with, on a DPO that over-optimises: a high learning rate that
stays high, a low beta, no SFT term, and many steps.

Guards watch the first test prompts, and the policy that is saved is measured on the others. The judge that they ask is
another one than the one whose labels are trained on: that one has some noise, this one little.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from judging_world import Case, drawn, looks, seeded, table
from training_labels import REWARD
from training_world import (
    JUDGES,
    LONGEST,
    SETUP,
    Part,
    Row,
    Values,
    World,
    judged,
    labelled_rows,
    mean_cell,
    question,
    train_cases,
    worth,
)

from amendment.dpo import DpoResult, DpoSettings, Guards, GuardSettings, train_dpo
from amendment.reward_model import RewardModel, train_reward
from amendment.simulator import is_readable

NOISE, WATCHER = "some", "little"
WATCHED = 100
"""Test prompts that the guards are given."""
HARSH = DpoSettings(
    labels="hard",
    steps=180,
    batch_size=32,
    learning_rate=3e-4,
    beta=0.05,
    max_length=64,
    trl={"lr_scheduler_type": "constant"},
)
GUARDS = GuardSettings(every=15, prompts=WATCHED, max_tokens=LONGEST)
OFF = "off"
MEASURES = ("utility", "readable", "words", "KL")


def _measure(one: World) -> Values:
    labelled = judged(train_cases(one), JUDGES[NOISE], one.seed)
    rows = labelled_rows(labelled.cases, labelled.raw)
    apart = one._replace(test=one.test[WATCHED:])
    values: Values = {"start": worth(apart, one.policy)}
    for name, guards in _guards(one, rows).items():
        out = one.folder / "guarded"
        shutil.rmtree(out, ignore_errors=True)
        result = train_dpo(one.policy, rows, out, HARSH, seed=one.seed, guards=guards)
        values[name] = worth(apart, out) | _ending(result)
    return values


def _guards(one: World, rows: Sequence[Row]) -> dict[str, Guards | None]:
    """By what the guards know of an answer: its text, whether it makes sense, what reward model and judge say of it."""
    out = one.folder / "reward"
    train_reward(one.policy, rows, out, REWARD, seed=one.seed)
    prompts = [question(prompt) for prompt in one.test[:WATCHED]]
    alone, reward = Guards(settings=GUARDS, prompts=prompts), RewardModel.load(out).score
    return {
        OFF: None,
        "on, by text alone": alone,
        "on, by readability": replace(alone, readable=lambda _, text: is_readable(text)),
        "on, by reward model and judge": replace(alone, reward=reward, judge=lambda rows: _judge(rows, one.seed)),
    }


def _judge(rows: Sequence[Row], seed: int) -> list[float]:
    """P(the policy's answer is better than the start's), in both orders."""
    rng, found = seeded(f"watcher {seed}"), []
    for i, row in enumerate(rows):
        prompt, now, start = (row[side][-1]["content"] for side in ("prompt", "completion", "start"))
        found.append(float(looks(Case(prompt, now, start, True), JUDGES[WATCHER], rng, drawn(3, "watcher", i)).mean))
    return found


def _ending(result: DpoResult) -> dict[str, Any]:
    """Where training ended, by which guards, and the step whose weights are saved."""
    violated = sorted({name for reading in result.guards for name in reading.violated})
    told = re.search(r"saved is step (\d+)", " ".join(result.notes))
    saved = int(told[1]) if told else 0 if violated else result.steps
    return {"ended": result.steps, "saved": saved, "violated": violated}


def _show(found: Sequence[Values]) -> None:
    rows = [["start", "", "", "", *(mean_cell(found, ["start", name]) for name in MEASURES)]]
    for name in list(found[0])[1:]:
        ends = [mean_cell(found, [name, key], 0) for key in ("ended", "saved")]
        counts = Counter(guard for one in found for guard in one[name]["violated"])
        violated = ", ".join(f"{guard} {count}" for guard, count in counts.items()) or "none"
        rows.append([name, *ends, violated, *(mean_cell(found, [name, measure]) for measure in MEASURES)])
    title = f"Guards on a DPO that over-optimises, {HARSH.steps} steps, {len(found)} seeds"
    table(title, ("guards", "ended at step", "saved step", "violated in seeds", *MEASURES), rows)


PART = Part(_measure, _show, [SETUP, HARSH.model_dump(exclude_unset=True), GUARDS.model_dump(exclude_unset=True)])
