"""The over-optimising run: what wrecks a policy of the simulated world is caught, and a sane training is left alone."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from amendment.dpo import DpoResult, DpoSettings, Guards, GuardSettings, SftSettings, train_dpo, train_sft
from amendment.llm.rendering import Renderer
from amendment.simulator import Persona, draft, is_readable, revise, sample_prompts, truth
from amendment.statistics import Estimate, paired_difference
from amendment.training import TinyModel, TrlFields, build_tiny
from amendment.training.generating import sample_answers
from amendment.training.model_files import load_causal, load_tokenizer, placed, quietly

PROMPTS = [prompt.text for prompt in sample_prompts(860, 1)]
TEACHING, PAIRED, GUARDED, MEASURED = PROMPTS[:500], PROMPTS[300:700], PROMPTS[700:764], PROMPTS[764:]
COSINE = TrlFields(lr_scheduler_type="cosine")
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


def trained(world: World, name: str, settings: DpoSettings, *, guarded: bool) -> tuple[Path, DpoResult]:
    prompts = [row(prompt) for prompt in GUARDED]
    limits = GuardSettings(max_tokens=32)
    guards = Guards(settings=limits, prompts=prompts, readable=lambda _, text: is_readable(text))
    out = world.folder / name
    return out, train_dpo(world.start, world.pairs, out, settings, seed=1, guards=guards if guarded else None)


class Worth(NamedTuple):
    utility: list[float]
    readable: list[float]
    clusters: Sequence[str]

    def beside(self, other: Worth) -> tuple[Estimate, Estimate]:
        """How much more utility, and how much more is readable, than in another policy's answers."""
        pairs = ((self.utility, other.utility), (self.readable, other.readable))
        utility, readable = (paired_difference(ours, theirs, self.clusters) for ours, theirs in pairs)
        return utility, readable


def worth(model: Path) -> Worth:
    """By the truth, on prompts that neither the training nor its guards have seen."""
    with quietly():
        tokenizer, policy = load_tokenizer(model), placed(load_causal(model))
        renderer, asked = Renderer(tokenizer), [one for one in MEASURED for _ in range(2)]
        ids = renderer.ids(renderer.conversation({}, row(one)["prompt"], is_prompt=True, place=one) for one in asked)
        said = sample_answers(policy, tokenizer, ids, range(len(ids)), max_tokens=32)
    texts = [str(tokenizer.decode(one.ids, skip_special_tokens=True)) for one in said]
    known = [truth(prompt, text) for prompt, text in zip(asked, texts, strict=True)]
    return Worth([one.utility for one in known], [float(one.readable) for one in known], asked)


@pytest.mark.long
def test_the_over_optimising_run_is_caught_and_a_sane_one_is_not(world: World) -> None:
    start = worth(world.start)

    wrecked, _ = trained(world, "wrecked", WILD, guarded=False)
    utility, readable = worth(wrecked).beside(start)
    assert utility.high < 0, "without guards the policy ends worse than it began"
    assert readable.high < -0.5, "most of what it says is no answer any more"

    saved, result = trained(world, "saved", WILD, guarded=True)
    assert "unreadable" in result.guards[-1].violated
    assert result.steps < 40
    utility, readable = worth(saved).beside(start)
    assert utility.high > 0 or utility.value == 0, "what is saved is no worse than the start"
    assert readable.high > 0 or readable.value == 0
    assert worth(saved).beside(worth(wrecked))[0].low > 0

    _, calm = trained(world, "sane", SANE, guarded=True)
    assert [one.violated for one in calm.guards] == [{}] * 9
    assert (calm.steps, calm.notes) == (60, ())
