"""Judges in the simulated world, where the truth is known, and real judges on record: what makes labels right, and
what that costs.

    python benchmarks/judging.py [PART ...] [--seeds 10] [--llmbar FOLDER]

Parts: orders, principles, juries, ranking, cascade, money, biases, alarms; `recorded` where `--llmbar` names a folder
with the verdicts of LLMBar's judges. Every table is printed as markdown; intervals are 95 %, Student's t over seeds
where nothing else is said. All parts take about seven minutes of one core; `--seeds 3` a third of that.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from judging_bias import alarms, biases
from judging_fewer import cascade, ranking
from judging_labels import juries, orders, principles
from judging_money import money
from judging_recorded import recorded

from amendment.simulator import banner

PARTS: dict[str, Callable[[Sequence[int]], None]] = {
    "orders": orders,
    "principles": principles,
    "juries": juries,
    "ranking": ranking,
    "cascade": cascade,
    "money": money,
    "biases": biases,
    "alarms": alarms,
}

RECORDED = "recorded"


def main() -> None:
    options = _options()
    print(f"> {banner('all prompts, answers and labels')}")
    for part in options.parts or (*PARTS, *([RECORDED] if options.llmbar else [])):
        started = time.perf_counter()
        if part == RECORDED:
            recorded(options.llmbar)
        else:
            PARTS[part](range(options.seeds))
        print(f"{part}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, RECORDED, []], default=[])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--llmbar", type=Path, help="a folder with verdicts.csv.gz")
    options = parser.parse_args()
    if RECORDED in options.parts and not options.llmbar:
        parser.error(f"{RECORDED}: name a folder with verdicts.csv.gz under --llmbar")
    return options


if __name__ == "__main__":
    main()
