"""How long an audit takes and how much memory: seeded verdicts of known quality, audited with all intervals.

    python benchmarks/audit.py [--votes 100000] [--judges 10] [--people 3] [--draws 2000] [--distinct 5]

Prints wall time, CPU time and the peak memory of the whole process, making the verdicts included. Each judge keeps
the truth of an item with a chance of its own and leans to the first or second answer shown; three items share a
prompt. With `--distinct 100000` every item has a category, a principle and two models of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from amendment.audit.certificate import audit
from amendment.audit.text import certificate_lines
from amendment.audit.votes import ComparisonInfo, Vote

ORDERS: tuple[tuple[Literal["A", "B"], int], ...] = (("A", -1), ("B", 1))
"""What is shown first, and where a judge that leans to it moves."""
VALUES: tuple[Literal["A", "tie", "B"], ...] = ("A", "tie", "B")


def main() -> None:
    options = _options()
    items, votes = _made(options.votes, options.judges, options.people, options.distinct, options.seed)
    wall, cpu = time.perf_counter(), time.process_time()
    certificate = audit(items, votes, seed=options.seed, draws=options.draws)
    lines = certificate_lines(certificate)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes there, KiB elsewhere
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
    print("\n".join(lines[: lines.index("## Gates")]))
    print(f"{len(votes)} verdicts on {len(items)} items, {options.draws} draws for each bootstrap interval")
    size = len(json.dumps(certificate.to_json())) / 2**20
    print(f"{len(certificate.slices)} slices; JSON {size:.1f} MiB")
    print(f"wall {wall:.2f} s, CPU {cpu:.2f} s, peak memory of the process {peak:.0f} MiB")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--votes", type=int, default=100_000, help="about this many; items follow from it")
    parser.add_argument("--judges", type=int, default=10, help="each asked in both orders")
    parser.add_argument("--people", type=int, default=3)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--distinct", type=int, default=5, help="categories, principles and models, so many of each")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def _made(
    votes: int, judges: int, people: int, distinct: int, seed: int
) -> tuple[dict[str, ComparisonInfo], list[Vote]]:
    random = np.random.default_rng(seed)
    n = -(-votes // (2 * judges + people))
    truth, lengths = random.integers(0, 3, n), random.integers(50, 2000, (n, 2))
    items = {
        f"i{i}": ComparisonInfo(
            f"p{i // 3}", f"c{i % distinct}", f"m{i % distinct}", f"m{(i + 1) % distinct}", one, other
        )
        for i, (one, other) in enumerate(lengths.tolist())
    }
    made = []
    for person in range(people):
        said = _said(random, truth, keeps=0.85, lean=0)
        made += [Vote(f"i{i}", f"person {person}", "person", VALUES[value]) for i, value in enumerate(said)]
    for judge in range(judges):
        for first, lean in ORDERS:
            said = _said(random, truth, keeps=0.5 + 0.04 * judge, lean=lean)
            unread = random.random(n) < 0.01
            made += [
                Vote(
                    f"i{i}",
                    f"judge {judge}",
                    "model",
                    "invalid" if unread[i] else VALUES[value],
                    first,
                    None,
                    f"r{i % distinct}",
                )
                for i, value in enumerate(said)
            ]
    return items, made


def _said(random: np.random.Generator, truth: NDArray[np.int64], *, keeps: float, lean: int) -> list[int]:
    """The truth with the chance `keeps`; otherwise anything, half the time moved towards the answer shown first."""
    other = np.clip(random.integers(0, 3, truth.size) + lean * random.integers(0, 2, truth.size), 0, 2)
    said: list[int] = np.where(random.random(truth.size) < keeps, truth, other).tolist()
    return said


if __name__ == "__main__":
    main()
