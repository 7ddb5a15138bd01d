"""What labels, losses, guards and rounds do to reward models and policies, in the simulated world, where the truth is
known.

    python benchmarks/training.py PART ... [--seeds 10] [--seed-start 0] [--results runs/training/results.jsonl]

Parts: labels, losses, guards, rounds. Every seed has a policy, pairs and judges of its own, and is one number in every
table: mean over seeds and 95 % interval, Student's t. What a seed measured is a line in the results file, and is not
measured again; the policies that all start from lie beside it. A seed of labels takes four minutes of one core, of the
others about one each.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from training_guards import PART as GUARDS
from training_labels import PART as LABELS
from training_losses import PART as LOSSES
from training_rounds import PART as ROUNDS
from training_world import Part, Values, world

from amendment.hashing import content_id
from amendment.simulator import banner

PARTS: Mapping[str, Part] = {"labels": LABELS, "losses": LOSSES, "guards": GUARDS, "rounds": ROUNDS}


def main() -> None:
    options = _options()
    print(f"> {banner('all prompts, answers and labels')}")
    for name in options.parts:
        seeds = range(options.seed_start, options.seed_start + options.seeds)
        PARTS[name].show([_measured(name, seed, options.results) for seed in seeds])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=PARTS)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--seed-start", type=int, default=0)
    parser.add_argument("--results", type=Path, default=Path("runs/training/results.jsonl"))
    return parser.parse_args()


def _measured(name: str, seed: int, results: Path) -> Values:
    """What a part measured with a seed: from the results where they have it, else measured and written there."""
    part = PARTS[name]
    key = {"part": name, "seed": seed, "setup": content_id(part.setup)}
    for line in results.read_text(encoding="utf-8").splitlines() if results.exists() else ():
        row = json.loads(line)
        if {field: row[field] for field in key} == key:
            found: Values = row["values"]
            return found
    started = time.perf_counter()
    results.parent.mkdir(parents=True, exist_ok=True)
    with world(seed, results.parent) as one:
        values = part.measure(one)
    with results.open("a", encoding="utf-8") as file:
        file.write(json.dumps({**key, "values": values}) + "\n")
    print(f"{name}, seed {seed}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    return values


if __name__ == "__main__":
    main()
