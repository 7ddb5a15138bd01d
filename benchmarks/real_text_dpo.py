"""DPO on principles that code can check, over seeds and settings: what it gains and what it costs, on unseen prompts.

Each seed is a run of the package: several hundred prompts of our own, made of topics and questions; contrast pairs that
code confirms; a DPO by LoRA; the scorecard on 200 prompts of none of which a pair was made. The pairs of a seed are
drawn once, and each setting trains on them in the same folder, so a killed cell goes on from what the run holds.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from real_text_cells import Cell, Cells

from amendment.results import Result
from amendment.run import Run, Terms
from amendment.text import table

RULES = Path(__file__).parents[1] / "examples" / "rules" / "brief.yaml"
"""The demo's principles."""
SEEDS = (1, 2, 3)
SETTINGS = tuple(
    {"learning_rate": rate, "beta": beta, "sft_weight": weight}
    for rate, beta, weight in (
        (1e-4, 0.1, 1.0),
        (5e-5, 0.1, 1.0),
        (5e-5, 0.1, 0.0),
        (2e-4, 0.1, 0.0),
    )
)
"""Learning rate, beta and SFT weight."""
STEPS, PAIRS_A_STEP = 80, 4
UNSEEN = 200
"""Prompts of the scorecard."""
TOKENS, TEMPERATURE = 60, 0.7
BASE = "small"
QUESTIONS = (
    "What should I know before I start with {}?",
    "Can you explain {} to a friend of mine who has never heard of it?",
    "How do I get better at {}?",
    "What do people usually get wrong about {}?",
    "What do I need to buy for {}?",
    "Is {} something for a rainy weekend?",
    "Why do so many people like {}?",
    "How much time does {} take in a week?",
    "What is the hardest part of {}?",
    "Which first step would you take with {}?",
    "How did {} begin?",
    "What can go wrong with {}, and what then?",
    "How do I talk my sister into {}?",
    "What does {} cost in a year?",
    "How do I keep children interested in {}?",
)
TOPICS = (
    "baking bread",
    "growing tomatoes",
    "keeping bees",
    "learning to swim",
    "repairing bicycles",
    "playing chess",
    "knitting socks",
    "watching birds",
    "choir singing",
    "cooking beans",
    "painting a room",
    "running in winter",
    "writing letters",
    "making cheese",
    "camping by a lake",
    "reading maps",
    "sewing buttons",
    "collecting stamps",
    "making soup",
    "walking dogs",
    "planting a hedge",
    "learning Italian",
    "sleeping well",
    "moving house",
    "saving water",
    "brewing tea",
    "juggling",
    "night photography",
    "building kites",
    "pickling cucumbers",
    "ironing shirts",
    "rowing",
    "folding paper",
    "planning a birthday",
    "sharpening knives",
    "looking after houseplants",
)


def prompts() -> Iterator[str]:
    """Every topic in every question: 540 prompts."""
    for topic in TOPICS:
        for question in QUESTIONS:
            yield question.format(topic)


def trained_and_measured(base: str, steps: int, unseen: int, setting: Mapping[str, float]) -> dict[str, Any]:
    """The parts of a run file that train by LoRA, and measure the base and the policy on prompts without pairs."""
    return {
        "dpo": {
            "base": base,
            "lora": {"r": 16},
            "steps": steps,
            "batch_size": PAIRS_A_STEP,
            "max_length": 160,
            "guards": None,
            **setting,
        },
        "evaluate": {
            "policies": [BASE, "dpo"],
            "prompts": unseen,
            "temperature": TEMPERATURE,
            "max_tokens": TOKENS,
            "embeddings": "all-minilm-l6-v2",
        },
    }


def run_file(folder: Path, base: str, seed: int, setting: Mapping[str, float]) -> Path:
    """The run file of a seed, and its prompts next to it."""
    rows = "".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts())
    (folder / "prompts.jsonl").write_text(rows, encoding="utf-8")
    content = {
        "name": f"real-text-dpo-{seed}",
        "seed": seed,
        "constitution": str(RULES),
        "models": {BASE: {"provider": "local", "model": base, "temperature": TEMPERATURE, "max_tokens": TOKENS}},
        "prompts": [{"path": "prompts.jsonl", "license": "CC0-1.0"}],
        "construct": [{"kind": "contrast", "model": BASE, "per_prompt": 2}],
        "dataset": {"test_share": 0.4},
        **trained_and_measured(base, STEPS, UNSEEN, setting),
    }
    file = folder / "run.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return file


def run_dpo(base: str, cells: Cells) -> None:
    """The cells that are missing, settings of one seed after the other."""
    for seed in SEEDS:
        for setting in SETTINGS:
            cells.do({"part": "dpo", "seed": seed, **setting}, lambda seed=seed, s=setting: _cell(base, cells, seed, s))


def _cell(base: str, cells: Cells, seed: int, setting: Mapping[str, float]) -> dict[str, Any]:
    folder = cells.file.parent / f"dpo-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    file = run_file(folder, base, seed, setting)
    with Run.from_file(file, folder=folder / "run", terms=Terms(accept_changes=True)) as run:
        card = run().results["evaluate"]
    trained = [figure.of for figure in card.where("kept", policy="dpo") if not {"less", "category"} & figure.of.keys()]
    kept = {of["principle"]: _two(card, "kept", {**of}) for of in trained}
    names = {"words": "words", "copies": "copies_of_the_prompt", "on topic": "on_topic"}
    figures = {short: two for short, name in names.items() if (two := _two(card, name, {}))}
    prompts = card.count("held_out_prompts")
    return {"pairs": len(run_pairs(folder / "run")), "prompts": prompts, "kept": kept, **figures}


def run_pairs(folder: Path) -> list[Any]:
    """The pairs that the run trained on."""
    import pyarrow.parquet as pq

    rows: list[Any] = pq.read_table(folder / "export" / "train.parquet", columns=["prompt"]).to_pylist()
    return rows


def _two(card: Result, name: str, of: Mapping[str, str]) -> list[float]:
    """Of the base and of the trained policy; empty where it was not measured."""
    sides = [card.estimate(name, **{**of, "policy": policy}) for policy in (BASE, "dpo")]
    return [side.value for side in sides if side]


def print_dpo(cells: Cells) -> None:
    """One line for each setting: means over seeds, base and then trained."""
    by_setting: dict[tuple[float, ...], list[tuple[Cell, dict[str, Any]]]] = defaultdict(list)
    for cell, result in cells.results("dpo"):
        by_setting[cell["learning_rate"], cell["beta"], cell["sft_weight"]].append((cell, result))
    principles = sorted({name for rows in by_setting.values() for _, result in rows for name in result["kept"]})
    head = ["learning rate", "beta", "SFT weight", "seeds", "pairs", *(f"violations of {name}" for name in principles)]
    lines = [[*head, "on topic", "copies", "words"]]
    for setting, rows in by_setting.items():
        results = [result for _, result in rows]
        lines.append(
            [
                *(f"{value:g}" for value in setting),
                str(len(rows)),
                f"{np.mean([result['pairs'] for result in results]):.0f}",
                *(_violations([result["kept"][name] for result in results]) for name in principles),
                *(
                    _before_after([result[name] for result in results if name in result])
                    for name in ("on topic", "copies")
                ),
                "{:.0f} → {:.0f}".format(*np.mean([result["words"] for result in results], axis=0)),
            ]
        )
    print("\n".join(table(lines)))


def _violations(kept: Sequence[Sequence[float]]) -> str:
    before, after = 1 - np.mean(kept, axis=0)
    relative = f" ({after / before - 1:+.0%})" if before else ""
    return f"{before:.1%} → {after:.1%}{relative}"


def _before_after(shares: Sequence[Sequence[float]]) -> str:
    return "{:.1%} → {:.1%}".format(*np.mean(shares, axis=0)) if shares else "not measured"
