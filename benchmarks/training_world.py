"""What the parts of `training.py` share: a tiny policy of the simulated world, its answers, a judge of them, pairs with
labels, and what a trained model is worth by the truth."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
from judging_world import LEAST_GAP, Case, drawn, logistic, looks, over_seeds, seeded, utility
from numpy.typing import NDArray

from amendment.dpo import DpoSettings, SftSettings, train_dpo, train_sft
from amendment.hashing import content_id
from amendment.llm.opening import open_provider
from amendment.llm.rendering import Renderer
from amendment.llm.requests import Request
from amendment.llm.specs import LocalSpec
from amendment.records import Sampling, last_text, user
from amendment.simulator import Persona, draft, panel, revise, sample_prompts, truth
from amendment.statistics.calibrators import fit_calibrator, refusal
from amendment.training import TinyModel, TrainResult, build_tiny
from amendment.training.generating import completion_logps
from amendment.training.model_files import load_causal, load_tokenizer, quietly
from amendment.training.preflight import TokenRow, prepare_rows

Floats = NDArray[np.float64]
Row = dict[str, Any]
Values = dict[str, Any]
"""What a part measured with one seed, as JSON."""

TEACHING, TRAIN, TEST = 1500, 700, 300
"""Prompts that the policy has learned from, prompts that pairs come from, and prompts that no training sees."""
PER_PROMPT = 3
"""Answers of which pairs are made."""
SAMPLES = 4
"""Answers to each test prompt that a policy is measured by."""
LABELLED = 200
"""Pairs that a simulated person labels."""
PRINCIPLES = 3
"""By which the judge compares a pair, in both orders."""
LONGEST = 24
"""Tokens of an answer."""
SHAPE = TinyModel(hidden=96, intermediate=288)
POLICY = SftSettings(
    steps=500,
    batch_size=64,
    learning_rate=3e-3,
    max_length=64,
    trl={"warmup_steps": 0.05, "lr_scheduler_type": "cosine", "weight_decay": 0.1},
)
DPO = DpoSettings(
    labels="hard",
    steps=80,
    batch_size=32,
    learning_rate=2e-4,
    beta=0.3,
    max_length=64,
    trl={"lr_scheduler_type": "cosine"},
)
JUDGES: Mapping[str, Persona] = {
    "little": Persona(sharpness=2.0),
    "some": Persona(sharpness=2.0, pair_noise=2.0),
    "much": Persona(sharpness=2.0, pair_noise=4.0),
}
"""By how much the judge errs about a pair, in both orders alike, so that asking twice does not help; in log-odds before
`sharpness`. It sounds about equally sure at each."""


class World(NamedTuple):
    """What all cells of a seed have in common."""

    seed: int
    policy: Path
    """The model that all trainings start from."""
    train: tuple[str, ...]
    """Prompts."""
    test: tuple[str, ...]
    folder: Path
    """Room for models that are measured and thrown away."""


class Part(NamedTuple):
    """One part of the benchmark."""

    measure: Callable[[World], Values]
    show: Callable[[Sequence[Values]], None]
    """Print the tables of what was measured with all seeds."""
    setup: Any
    """What the numbers depend on, as JSON: with another one they are measured anew."""


class Judged(NamedTuple):
    """Pairs with what the judge says of them. P is that of `a`."""

    cases: list[Case]
    raw: Floats
    calibrated: Floats
    flipped: float
    """Share of a person's labels that are against the judge's."""


@contextmanager
def world(seed: int, folder: Path) -> Iterator[World]:
    """The prompts of a seed and its policy, which is trained once and kept in `folder`."""
    prompts = tuple(prompt.text for prompt in sample_prompts(TEACHING + TRAIN + TEST, seed))
    policy, scratch = folder / f"policy-{seed}-{content_id(POLICY_SETUP)[-8:]}", folder / f"scratch-{seed}"
    if not (policy / "config.json").is_file():
        _teach(policy, prompts[:TEACHING], seed)
    try:
        yield World(seed, policy, prompts[TEACHING:-TEST], prompts[-TEST:], scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


POLICY_SETUP = [TEACHING, TRAIN, TEST, SHAPE.model_dump(), POLICY.model_dump(exclude_unset=True)]
SETUP = [
    *POLICY_SETUP,
    [PER_PROMPT, SAMPLES, LABELLED, PRINCIPLES, LONGEST],
    DPO.model_dump(exclude_unset=True),
    {name: judge.model_dump(exclude_unset=True) for name, judge in JUDGES.items()},
]
"""What all parts depend on."""


def _teach(out: Path, prompts: Sequence[str], seed: int) -> None:
    """A policy from nothing, on answers that a reviser without knowledge has looked over once."""
    rng, rows = seeded(f"training {seed}"), list[Row]()
    for prompt in prompts:
        for _ in range(2):
            first = draft(prompt, persona=Persona(), rng=rng)
            rows.append(row_of(prompt, completion=revise(prompt, first, persona=Persona(), rng=rng)))
    untrained = out.with_name(f"{out.name}.untrained")
    build_tiny(untrained, [row[side][0]["content"] for row in rows for side in row], SHAPE, seed)
    train_sft(untrained, rows, out, POLICY, seed=seed)
    shutil.rmtree(untrained)


def row_of(prompt: str, **sides: str) -> Row:
    """A row as the trainers take it."""
    told = {side: [{"role": "assistant", "content": text}] for side, text in sides.items()}
    return {"prompt": [{"role": "user", "content": prompt}], **told}


def sample(model: Path, prompts: Sequence[str], count: int, draw: int) -> list[list[str]]:
    """So many answers of a model to each prompt, at temperature 1; other numbers of `draw` give others."""
    return asyncio.run(_sample(model, prompts, count, draw))


async def _sample(model: Path, prompts: Sequence[str], count: int, draw: int) -> list[list[str]]:
    provider = open_provider(LocalSpec(provider="local", model=str(model), batch_size=256))
    drawing = Sampling(max_tokens=LONGEST, temperature=1.0, seed=draw)
    asked = [
        Request(provider="local", host=provider.host, model="m", messages=user(prompt), sampling=drawing, sample=number)
        for prompt in prompts
        for number in range(count)
    ]
    sent = await asyncio.gather(*map(provider.send, asked))
    await provider.close()
    said = [last_text(provider.read(one.raw, request).messages) for one, request in zip(sent, asked, strict=True)]
    return [said[i : i + count] for i in range(0, len(said), count)]


def pairs_of(prompts: Sequence[str], answers: Sequence[Sequence[str]]) -> list[Case]:
    """Every two different answers to a prompt; those without words are left out."""
    return [
        Case(prompt, a, b, utility(prompt, a) > utility(prompt, b))
        for prompt, said in zip(prompts, answers, strict=True)
        for a, b in combinations(dict.fromkeys(text for text in said if text.strip()), 2)
    ]


def has_better(case: Case) -> bool:
    """The truth tells the two answers apart."""
    return bool(abs(utility(case.prompt, case.a) - utility(case.prompt, case.b)) > LEAST_GAP)


def judged(found: list[Case], persona: Persona, seed: int) -> Judged:
    """The judge's P in both orders, averaged, raw and calibrated on the labels of one person to some of the pairs."""
    rng = seeded(f"judge {seed}")
    raw = np.array([looks(one, persona, rng, drawn(PRINCIPLES, seed, i)).mean for i, one in enumerate(found)])
    labelled = seeded(f"labelled {seed}").sample(range(len(found)), min(LABELLED, len(found)))
    p, y = raw[labelled], np.array([vote(found[i], seed) for i in labelled])
    calibrator = fit_calibrator("platt" if refusal("temperature", p, y) else "temperature", p, y)
    return Judged(found, raw, calibrator.apply(raw), float(((p > 0.5) != (y == 1)).mean()))


def vote(case: Case, seed: int) -> float:
    """1 where the seed's one person prefers `a`."""
    return float(panel(case.prompt, case.a, case.b, seed=seed, raters=1) == ("A",))


def train_cases(one: World, model: Path | None = None, draw: int = 0) -> list[Case]:
    """Pairs of answers to the train prompts, by the policy where no other model is named."""
    return pairs_of(one.train, sample(model or one.policy, one.train, PER_PROMPT, draw))


def labelled_rows(found: Sequence[Case], p: Floats) -> list[Row]:
    """Rows for the trainers: the likelier answer is chosen."""
    rows = []
    for case, p_a in zip(found, p.tolist(), strict=True):
        chosen, rejected = (case.a, case.b) if p_a > 0.5 else (case.b, case.a)
        rows.append({**row_of(case.prompt, chosen=chosen, rejected=rejected), "p_chosen": max(p_a, 1 - p_a)})
    return rows


def trained_dpo(
    one: World, rows: Sequence[Row], settings: DpoSettings, *, start: Path | None = None, name: str = "dpo"
) -> tuple[Path, TrainResult]:
    """A policy trained from the seed's own, or from `start`, in the seed's scratch folder."""
    out = one.folder / name
    shutil.rmtree(out, ignore_errors=True)
    return out, train_dpo(start or one.policy, rows, out, settings, seed=one.seed)


def question(prompt: str) -> Row:
    """A row to answer."""
    return row_of(prompt)


def completion(prompt: str, answer: str) -> Row:
    """A row to score."""
    return row_of(prompt, completion=answer)


def worth(one: World, model: Path) -> dict[str, float]:
    """What a policy's answers to the test prompts are worth, and how far it is from the seed's own policy."""
    return worth_of(one, model, sample(model, one.test, SAMPLES, 1))


def worth_of(one: World, model: Path, said: Sequence[Sequence[str]]) -> dict[str, float]:
    told = [(prompt, text) for prompt, texts in zip(one.test, said, strict=True) for text in texts]
    truths = [truth(prompt, text) for prompt, text in told]
    return {
        "utility": fmean(known.utility for known in truths),
        "readable": fmean(known.readable for known in truths),
        "words": fmean(len(text.split()) for _, text in told),
        "KL": _divergence(model, one.policy, told),
    }


def _divergence(model: Path, reference: Path, told: Sequence[tuple[str, str]]) -> float:
    """KL(model || reference) in nats per answer, estimated on answers that the model gave."""
    if model == reference:
        return 0.0
    rows = [completion(prompt, text) for prompt, text in told if text.strip()]
    with quietly():
        tokenizer = load_tokenizer(model)
        settings = SftSettings(max_length=POLICY.max_length)
        kept = [split_of(row) for row in prepare_rows(rows, Renderer(tokenizer), settings).rows]
        ours, theirs = (completion_logps(load_causal(it), tokenizer, kept) for it in (model, reference))
    return float((ours - theirs).mean())


def split_of(row: TokenRow) -> tuple[list[int], list[int]]:
    """Prompt and completion in token ids."""
    start = sum(label < 0 for label in row.labels)
    return row.input_ids[:start], row.input_ids[start:]


def sigmoid(scores: Floats) -> Floats:
    return np.array([logistic(one) for one in scores.tolist()])


def mean_cell(found: Sequence[Values], path: Sequence[str], digits: int = 3) -> str:
    """Mean over seeds and interval of a number that each seed has under the same names."""
    return str(over_seeds([_at(one, path) for one in found], digits))


def difference_cell(found: Sequence[Values], path: Sequence[str], base: Sequence[str], digits: int = 3) -> str:
    """The same of the difference of two numbers of one seed."""
    return str(over_seeds([_at(one, path) - _at(one, base) for one in found], digits))


def _at(values: Any, path: Sequence[str]) -> float:
    for name in path:
        values = values.get(name) if values else None
    return float("nan") if values is None else float(values)
