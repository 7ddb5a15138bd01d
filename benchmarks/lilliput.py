"""The simulated example over seeds and both revisers: what the pipeline makes of a world whose truth is known.

    python benchmarks/lilliput.py [--seeds 0,1,2] [--jobs 1] [--folder runs/lilliput] [--set dpo.beta=0.5 ...]

The seed is the unit: means over seeds with 95 % t intervals, and every single seed below. The reviser that does
not know the answers stands first; the one that does checks the pipeline. Nothing here is about language models.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

from scipy.stats import t as student

from amendment.results import Summary, read_summary
from amendment.simulator import banner

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "simulated.yaml"
REVISERS = {"does not know": "false", "knows": "true"}
MEASURES = (
    "base",
    "SFT",
    "DPO",
    "SFT - base",
    "DPO - base",
    "readable base",
    "readable DPO",
    "RM vs truth",
    "labels vs truth",
    "RM vs labels",
)


class Job(NamedTuple):
    reviser: str
    seed: int


def main() -> None:
    options = _options()
    jobs = [Job(reviser, seed) for reviser in REVISERS for seed in options.seeds]
    with ThreadPoolExecutor(options.jobs) as pool:
        rows = dict(zip(jobs, pool.map(lambda job: _measure(job, options.folder, options.set), jobs), strict=True))
    print(f"> {banner('all prompts, answers and labels')}\n")
    print(
        f"Means over {len(options.seeds)} seeds with 95 % intervals (Student's t over seeds); true utility in [0, 1].\n"
    )
    print("\n".join(_summary(rows)))
    print("\nEvery seed; differences with their own 95 % interval, clustered by prompt:\n")
    print("\n".join(_by_seed(rows)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--seeds",
        type=lambda text: [int(one) for one in text.split(",")],
        default=list(range(10)),
        help="0 to 9 by default",
    )
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time; one for each free core")
    parser.add_argument(
        "--folder", type=Path, default=Path("runs/lilliput"), help="finished runs in it are not repeated"
    )
    parser.add_argument("--set", action="append", default=[], help="passed on to the run")
    return parser.parse_args()


def _measure(job: Job, folder: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """One run of the example, in a process of its own, and its figures."""
    place = folder / f"{job.reviser.replace(' ', '-')}-{job.seed}"
    settings = [f"seed={job.seed}", f"models.writer.knows_answers={REVISERS[job.reviser]}", *overrides]
    command = [sys.executable, "-m", "amendment", "run", str(EXAMPLE), "--folder", str(place)]
    for setting in settings:
        command += ["--set", setting]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(f"{job}: the run failed with exit code {ended.returncode}\n{ended.stderr}")
    print(f"{job.reviser}, seed {job.seed}: done", file=sys.stderr, flush=True)
    return _figures(read_summary(place))


def _figures(summary: Summary) -> dict[str, Any]:
    evaluation, accuracy = summary.of("evaluate"), summary.of("reward_model").estimate("held_out_accuracy")
    figures = {
        "base": evaluation.estimate("true_utility", policy="base"),
        "SFT": evaluation.estimate("true_utility", policy="sft"),
        "DPO": evaluation.estimate("true_utility", policy="dpo"),
        "SFT - base": evaluation.estimate("true_utility", policy="sft", less="base"),
        "DPO - base": evaluation.estimate("true_utility", policy="dpo", less="base"),
        "readable base": evaluation.estimate("readable", policy="base"),
        "readable DPO": evaluation.estimate("readable", policy="dpo"),
        "RM vs truth": evaluation.estimate("reward_model_against_truth"),
        "labels vs truth": evaluation.estimate("labels_against_truth"),
        "RM vs labels": accuracy,
    }
    return {name: figure.to_json() for name, figure in figures.items() if figure}


def _summary(rows: dict[Job, dict[str, Any]]) -> list[str]:
    lines = [f"| reviser | {' | '.join(MEASURES)} |", f"|---|{'---|' * len(MEASURES)}"]
    for reviser in REVISERS:
        found = [row for job, row in rows.items() if job.reviser == reviser]
        cells = [_over_seeds([row[measure]["value"] for row in found]) for measure in MEASURES]
        lines.append(f"| {reviser} | {' | '.join(cells)} |")
    return lines


def _over_seeds(values: Sequence[float]) -> str:
    if len(values) < 2:
        return f"{fmean(values):.3f}"
    half = float(student.ppf(0.975, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return f"{fmean(values):.3f} ± {half:.3f}"


def _by_seed(rows: dict[Job, dict[str, Any]]) -> list[str]:
    shown = ("base", "SFT", "DPO", "readable DPO", "RM vs truth")
    lines = [
        f"| reviser | seed | {' | '.join(shown)} | SFT - base | DPO - base |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for job, row in rows.items():
        cells = [f"{row[measure]['value']:.3f}" for measure in shown]
        cells += [
            f"{row[name]['value']:+.3f} ({row[name]['low']:+.3f} to {row[name]['high']:+.3f})" for name in MEASURES[3:5]
        ]
        lines.append(f"| {job.reviser} | {job.seed} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    main()
