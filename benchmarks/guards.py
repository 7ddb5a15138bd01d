"""Guards at a sane and at an over-optimising training of a tiny policy of the simulated world, told to note and go on.

Prints every reading, and the truth about the policies before and after. `python benchmarks/guards.py [SEED]`: about a
minute of one core. Nothing here is a claim about language models.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path
from statistics import fmean
from typing import Any

from amendment.dpo import DpoSettings, Guards, GuardSettings, SftSettings, train_dpo, train_sft
from amendment.llm.rendering import Renderer
from amendment.simulator import Persona, banner, draft, is_readable, revise, sample_prompts, truth
from amendment.training import TinyModel, build_tiny
from amendment.training.generating import sample_answers
from amendment.training.model_files import load_causal, load_tokenizer, placed, quietly

COSINE = {"lr_scheduler_type": "cosine"}
POLICY = SftSettings(
    steps=300,
    batch_size=32,
    learning_rate=4e-3,
    max_length=64,
    trl={"warmup_steps": 0.05, "lr_scheduler_type": "cosine", "weight_decay": 0.1},
)
WILD = DpoSettings(steps=120, batch_size=32, max_length=64, learning_rate=3e-4, beta=0.1, trl=COSINE)
SANE = WILD.model_copy(update={"learning_rate": 5e-5, "beta": 0.3, "sft_weight": 2.0})


def row(prompt: str, **answers: str) -> dict[str, Any]:
    said = {side: [{"role": "assistant", "content": text}] for side, text in answers.items()}
    return {"prompt": [{"role": "user", "content": prompt}], **said}


def worth(model: Path, prompts: list[str]) -> str:
    """By the truth, of two answers to each prompt."""
    asked = [prompt for prompt in prompts for _ in range(2)]
    with quietly():
        tokenizer, policy = load_tokenizer(model), placed(load_causal(model))
        renderer = Renderer(tokenizer)
        ids = renderer.ids(renderer.conversation({}, row(one)["prompt"], is_prompt=True, place=one) for one in asked)
        said = sample_answers(policy, tokenizer, ids, range(len(ids)), max_tokens=24)
    texts = [str(tokenizer.decode(one.ids, skip_special_tokens=True)) for one in said]
    known = [truth(prompt, text) for prompt, text in zip(asked, texts, strict=True)]
    utility, readable = fmean(one.utility for one in known), fmean(one.readable for one in known)
    return f"true utility {utility:.3f}, readable {readable:.1%}, tokens {fmean(len(one.ids) for one in said):.1f}"


def main(seed: int, folder: Path) -> None:
    print(banner("all prompts, answers and labels"))
    rng, persona = random.Random(seed), Persona()  # noqa: S311 - no secret
    texts = [prompt.text for prompt in sample_prompts(1200, seed)]
    teaching, train, test = texts[:800], texts[500:1000], texts[1000:]
    rows = [row(prompt, completion=draft(prompt, persona=persona, rng=rng)) for prompt in teaching for _ in range(2)]
    build_tiny(folder / "tiny", _words(rows), TinyModel(hidden=64, intermediate=192), seed)
    train_sft(folder / "tiny", rows, folder / "start", POLICY, seed=seed)
    print("start:", worth(folder / "start", test))
    pairs = []
    for prompt in train:
        first = draft(prompt, persona=persona, rng=rng)
        better = revise(prompt, revise(prompt, first, persona=persona, rng=rng), persona=persona, rng=rng)
        pairs += [row(prompt, chosen=better, rejected=first)] if better != first else []
    watched = Guards(
        settings=GuardSettings(max_tokens=48, on_violation="note"),
        prompts=[row(prompt) for prompt in test],
        readable=lambda _, text: is_readable(text),
    )
    for name, settings in (("sane", SANE), ("wild", WILD)):
        result = train_dpo(folder / "start", pairs, folder / name, settings, seed=seed, guards=watched)
        print(f"\n{name}: {worth(folder / name, test)}")
        for one in result.guards:
            shown = ", ".join(f"{k} {v.value:.2f} ({v.low:.2f} to {v.high:.2f})" for k, v in one.figures.items())
            print(f"  step {one.step}: {shown}; violated: {', '.join(one.violated) or 'none'}")


def _words(rows: list[dict[str, Any]]) -> list[str]:
    return [one[side][0]["content"] for one in rows for side in one]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1, Path(made))
