"""The over-optimising run: what wrecks a policy of the simulated world is caught, and a sane training is left alone."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from amendment.dpo import DpoResult, DpoSettings, Guards, GuardSettings, SftSettings, train_dpo, train_sft
from amendment.simulator import Persona, draft, is_readable, revise, sample_prompts
from amendment.training import TinyModel, build_tiny

PROMPTS = [prompt.text for prompt in sample_prompts(860, 1)]
TEACHING, PAIRED, GUARDED = PROMPTS[:500], PROMPTS[300:700], PROMPTS[700:764]
COSINE = {"lr_scheduler_type": "cosine"}
WILD = DpoSettings(steps=60, batch_size=32, max_length=64, learning_rate=3e-4, beta=0.1, trl=COSINE)
SANE = WILD.model_copy(update={"learning_rate": 5e-5, "beta": 0.3, "sft_weight": 2.0})


def row(prompt: str, **answers: str) -> dict[str, Any]:
    said = {side: [{"role": "assistant", "content": text}] for side, text in answers.items()}
    return {"prompt": [{"role": "user", "content": prompt}], **said}


class World(NamedTuple):
    start: Path
    pairs: list[dict[str, Any]]
    folder: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A tiny policy that has learned flawed answers, and pairs in which the revised answer is chosen."""
    folder, rng, persona = tmp_path_factory.mktemp("world"), random.Random(1), Persona()
    rows = [row(prompt, completion=draft(prompt, persona=persona, rng=rng)) for prompt in TEACHING * 2]
    build_tiny(folder / "tiny", [one[side][0]["content"] for one in rows for side in one], SHAPE, 1)
    train_sft(folder / "tiny", rows, folder / "start", TAUGHT, seed=1)
    pairs = []
    for prompt in PAIRED:
        rejected = draft(prompt, persona=persona, rng=rng)
        chosen = revise(prompt, rejected, persona=persona, rng=rng)
        pairs += [row(prompt, chosen=chosen, rejected=rejected)] if chosen != rejected else []
    return World(folder / "start", pairs, folder)


SHAPE = TinyModel(hidden=64, intermediate=192)
TAUGHT = SftSettings(steps=200, batch_size=32, learning_rate=4e-3, max_length=64, trl=COSINE)


def trained(world: World, name: str, settings: DpoSettings) -> DpoResult:
    prompts = [row(prompt) for prompt in GUARDED]
    limits = GuardSettings(max_tokens=32)
    guards = Guards(settings=limits, prompts=prompts, readable=lambda _, text: is_readable(text))
    return train_dpo(world.start, world.pairs, world.folder / name, settings, seed=1, guards=guards)


@pytest.mark.long
def test_the_over_optimising_run_is_caught_and_a_sane_one_is_not(world: World) -> None:
    result = trained(world, "saved", WILD)
    assert "unreadable" in result.guards[-1].violated
    assert result.steps < 40, "it ends long before the policy is wrecked"
    calm = trained(world, "sane", SANE)
    assert [reading.violated for reading in calm.guards] == [{}] * 9
    assert (calm.steps, calm.notes) == (60, ())
