"""Does proof beat opinion? DPO on pairs that a verifier, the likelihood judge or the pairwise judge decided.

    python benchmarks/verified.py           # measures the cells that are missing, then prints
    python benchmarks/verified.py --print   # prints alone

SmolLM2 answers our own prompts under "one short sentence" and under its opposite. The two answers of a prompt are then
compared without saying which is which: by the number of words (verifier), by the likelihood judge, or by the pairwise
judge in both orders. Each trains on equally many pairs, and answers prompts that nobody trained on. A cell takes
minutes; a killed run goes on with the cells that are missing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import yaml
from real_text_cells import Cells
from real_text_dpo import BASE, RULES, TEMPERATURE, TOKENS, prompts, trained_and_measured

from amendment.data.store import Workspace
from amendment.llm.weights import EMBEDDED
from amendment.records import Candidate, Prompt, last_text
from amendment.results import read_summary
from amendment.run import Run, Terms
from amendment.text import plain, table, words
from amendment.yamlfile import parse_yaml

SEEDS = (1, 2, 3)
PROMPTS, TEST_SHARE, UNSEEN = 320, 0.4, 100
PAIRS, STEPS = 100, 40
MOST_WORDS = 25
DECIDERS: Mapping[str, dict[str, Any]] = {
    "verifier": {"verify": [{"kind": "max_words", "value": MOST_WORDS}]},
    "likelihood judge": {"judging": {"judges": [{"model": BASE, "protocol": "likelihood"}]}},
    "pairwise judge": {"judging": {"judges": [{"model": BASE, "protocol": "label-tokens"}]}},
}
SHOWN = 10
"""Answers side by side."""
FIGURES = ("words", "cut_at_max_tokens", "copies_of_the_prompt", "nats_per_token", "on_topic")
CACHE = Path.home() / ".cache" / "amendment" / "verified"


def _drawn(rows: Sequence[Any], count: int, seed: int) -> list[Any]:
    """So many of the rows, in a seeded order."""
    return [rows[place] for place in np.random.default_rng(seed).permutation(len(rows))[:count]]


def common(folder: Path, seed: int) -> dict[str, Any]:
    """What all run files of a seed share, and the files that they name."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = _drawn([*prompts()], PROMPTS, seed)
    (folder / "prompts.jsonl").write_text("".join(json.dumps({"prompt": text}) + "\n" for text in drawn))
    rules = parse_yaml(RULES.read_text(encoding="utf-8"), RULES.name).data
    rules["principles"] = rules["principles"][:1]
    (folder / "brief.yaml").write_text(yaml.safe_dump(rules, sort_keys=False))
    return {
        "name": f"verified-{seed}",
        "seed": seed,
        "constitution": "./brief.yaml",
        "models": {BASE: {"provider": "local", "model": EMBEDDED, "temperature": TEMPERATURE, "max_tokens": TOKENS}},
        "prompts": [{"path": "prompts.jsonl", "license": "CC0-1.0"}],
        "dataset": {"test_share": TEST_SHARE},
    }


def made(folder: Path, name: str, content: Mapping[str, Any], until: str | None = None) -> Path:
    """The folder of a run of this content, made or resumed."""
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(dict(content), sort_keys=False), encoding="utf-8")
    with Run.from_file(file, folder=folder / name, terms=Terms(accept_changes=True)) as run:
        run(until=until)
    return folder / name


def pool(folder: Path, shared: Mapping[str, Any]) -> None:
    """Two answers for each prompt, under the principle and under its opposite, in a file that does not say which."""
    content = {**shared, "construct": [{"kind": "contrast", "model": BASE}]}
    run = made(folder, "pool", content, until="construct")
    asked = {prompt.id: last_text(prompt.messages) for prompt in Workspace(run).read("inputs/prompts", Prompt)}
    rows = [
        {"prompt": asked[answer.prompt_id], "candidate": last_text(answer.messages)}
        for answer in Workspace(run).read("construct/candidates", Candidate)
    ]
    rows = _drawn(rows, len(rows), seed=0)
    (folder / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def label(seed: int, decider: str) -> dict[str, Any]:
    """Pairs for training by one decider, and how many of them are right by the count of words."""
    folder = CACHE / str(seed)
    shared = common(folder, seed)
    if not (folder / "answers.jsonl").exists():
        pool(folder, shared)
    content = {**shared, "candidates": [{"path": "answers.jsonl"}], **DECIDERS[decider]}
    run = made(folder, decider.replace(" ", "-"), content)
    rows = pq.read_table(run / "export" / "train.parquet", columns=["prompt", "chosen", "rejected"]).to_pylist()
    pairs = [{side: row[side][-1]["content"] for side in row} for row in rows]
    kept = [[len(words(pair[side])) <= MOST_WORDS for side in ("chosen", "rejected")] for pair in pairs]
    return {
        "pairs": pairs,
        "right": sum(kept == [True, False] for kept in kept),
        "wrong": sum(kept == [False, True] for kept in kept),
    }


def train(seed: int, decider: str, pairs: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The scorecard before and after DPO on PAIRS of these pairs, and the first answers."""
    folder = CACHE / str(seed)
    name = decider.replace(" ", "-")
    drawn = _drawn(pairs, PAIRS, seed)
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in drawn))
    content = {
        **common(folder, seed),
        "pairs": [{"path": f"{name}.jsonl", "kind": "unknown", "license": "CC0-1.0"}],
        **trained_and_measured(EMBEDDED, STEPS, UNSEEN, {"learning_rate": 1e-4, "sft_weight": 1.0}),
    }
    run = made(folder, f"{name}-dpo", content)
    card = read_summary(run).of("evaluate")
    rule = {"principle": "brief/brief", "checked_by": "check"}
    figures = {"keeps the rule": [card.estimate("kept", **rule, policy=policy) for policy in (BASE, "dpo")]}
    for name in FIGURES:
        figures[name.replace("_", " ")] = [card.estimate(name, policy=policy) for policy in (BASE, "dpo")]
    workspace = Workspace(run)
    asked = {prompt.id: last_text(prompt.messages) for prompt in workspace.read("inputs/prompts", Prompt)}
    shown: dict[str, dict[str, str]] = {}
    for answer in workspace.read("evaluate/answers", Candidate):
        policy = "trained" if (answer.origin.model or "").startswith("dpo@") else "base"
        shown.setdefault(asked[answer.prompt_id], {})[policy] = last_text(answer.messages)
    return {
        "trained on": read_summary(run).of("dataset").count("train_pairs"),
        "figures": {name: [side.value for side in two if side] for name, two in figures.items() if all(two)},
        "answers": dict(sorted(shown.items())[:SHOWN]),
    }


def measure(cells: Cells) -> None:
    """The cells that are missing, seed by seed."""
    for seed in SEEDS:
        labelled = {
            decider: cells.do({"part": "label", "seed": seed, "by": decider}, lambda s=seed, d=decider: label(s, d))
            for decider in DECIDERS
        }
        for decider, result in labelled.items():
            cells.do(
                {"part": "train", "seed": seed, "by": decider},
                lambda s=seed, d=decider, pairs=result["pairs"]: train(s, d, pairs),
            )


def report(cells: Cells) -> None:
    """Labels, the scorecard over seeds, and answers side by side."""
    lines = [["decided by", "seed", "pairs for training", "right by words", "wrong", "both or neither keep the rule"]]
    for cell, result in cells.results("label"):
        count, right, wrong = len(result["pairs"]), result["right"], result["wrong"]
        lines.append([cell["by"], str(cell["seed"]), str(count), str(right), str(wrong), str(count - right - wrong)])
    print("\n".join(table(lines)), "\n")

    trained = [*cells.results("train")]
    names = list(dict.fromkeys(name for _, result in trained for name in result["figures"]))
    lines = [["decided by", "seeds", *names]]
    for decider in DECIDERS:
        results = [result for cell, result in trained if cell["by"] == decider]
        if results:
            lines.append([decider, str(len(results)), *(_change(results, name) for name in names)])
    print("\n".join(table(lines)))
    print("Base → trained, mean over seeds; in brackets the change, and its 95 % interval (Student's t over seeds).\n")

    first = {cell["by"]: result["answers"] for cell, result in reversed(trained)}
    for prompt, answers in first.get("verifier", {}).items():
        print(f"{plain(prompt)}\n  base: {plain(answers['base'])}")
        for decider, shown in first.items():
            print(f"  {decider}: {plain(shown.get(prompt, {}).get('trained', 'no answer'))}")


def _change(results: Sequence[Mapping[str, Any]], name: str) -> str:
    from scipy.stats import t

    values = np.array([result["figures"][name] for result in results if name in result["figures"]])
    change = values[:, 1] - values[:, 0]
    half = t.ppf(0.975, len(change) - 1) * change.std(ddof=1) / len(change) ** 0.5 if len(change) > 1 else np.nan
    digits = 1 if name == "words" else 3
    before, after = values.mean(axis=0)
    low, high = change.mean() - half, change.mean() + half
    return f"{before:.{digits}f} → {after:.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--print", action="store_true", dest="is_printed", help="Print the cells that are there.")
    cells = Cells(CACHE / "cells.jsonl")
    if not parser.parse_args().is_printed:
        measure(cells)
    report(cells)


if __name__ == "__main__":
    main()
