"""How fast stored verdicts become judgements, and in how much memory.

    python benchmarks/verdicts.py [--verdicts 1000000] [--principles 2] [--folder FOLDER] [--profile]

Writes a table of verdicts as a run's folder holds it (`judging/verdicts.parquet`), each with its reply's reasoning;
then, in a process of its own, reads it in a stream, reads every reply with the shipped parser of written verdicts
and holds it against the stored value, and puts the verdicts of each comparison together. Prints seconds and the peak
memory of that process; `--profile` prints where its time goes.
"""

from __future__ import annotations

import argparse
import cProfile
import multiprocessing
import pstats
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import groupby
from pathlib import Path

from amendment.data.store import iter_records, write_records
from amendment.hashing import content_id
from amendment.llm.requests import Reply
from amendment.preference import aggregate_verdicts
from amendment.preference.parsers import read_verdict_line
from amendment.records import Message, Origin, Verdict

READ = read_verdict_line
REASONS = ("It keeps the principle better.", "It has fewer flaws, and says so in plain words.", "It is shorter.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--verdicts", type=int, default=1_000_000)
    parser.add_argument("--principles", type=int, default=2, help="of each comparison, asked in both orders")
    parser.add_argument("--folder", type=Path, help="where the table is kept; a passing folder otherwise")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    with nullcontext(options.folder) if options.folder else tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "verdicts.parquet"
        if not path.is_file():
            start = time.perf_counter()
            written = write_records(path, Verdict, _made(options.verdicts, options.principles))
            size = path.stat().st_size / 2**20
            print(f"written: {written} verdicts, {size:.0f} MiB, {time.perf_counter() - start:.0f} s")
        process = multiprocessing.get_context("spawn").Process(target=_measured, args=(path, options.profile))
        process.start()
        process.join()
        sys.exit(process.exitcode)


def _made(verdicts: int, principles: int) -> Iterator[Verdict]:
    """Seeded: half of the reasoning is there, one verdict in a hundred is invalid, the first shown is favoured."""
    dice = random.Random(0)  # noqa: S311 - reproducible
    origin = Origin(model="judge-1", provider="simulated", template=content_id("template"))
    for number in range(verdicts // (2 * principles)):
        prompt = content_id(["prompt", number // 3])
        shown = content_id(["a", number]), content_id(["b", number])
        better = dice.random() < 0.5
        for principle in range(principles):
            for order in (shown, shown[::-1]):
                p = (0.75 if better == (order is shown) else 0.25) + 0.05
                value = "A" if dice.random() < p else "B"
                is_invalid = dice.random() < 0.01
                yield Verdict(
                    scale="pair",
                    prompt_id=prompt,
                    shown=order,
                    value=None if is_invalid else value,
                    invalid="no verdict line" if is_invalid else None,
                    reasoning=dice.choice(REASONS) if dice.random() < 0.5 else None,
                    principle_id=f"constitution/principle-{principle}",
                    rater="judge-1/verdict@1",
                    origin=origin.model_copy(update={"request": content_id(["asked", number, principle, order])}),
                )


def _measured(path: Path, is_profiled: bool) -> None:
    profile = cProfile.Profile()
    wall, cpu = time.perf_counter(), time.process_time()
    if is_profiled:
        profile.enable()
    verdicts, judgements, decided = _together(path)
    profile.disable()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes there, KiB elsewhere
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
    print(f"{verdicts} verdicts read, parsed and put together: {judgements} judgements, {decided} with a P")
    print(f"wall {wall:.1f} s, CPU {cpu:.1f} s, peak memory of the process {peak:.0f} MiB")
    if is_profiled:
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)


def _together(path: Path) -> tuple[int, int, int]:
    """Verdicts, judgements, and how many of these have a P; one comparison in memory at a time."""
    verdicts = judgements = decided = 0
    for _, group in groupby(iter_records(path, Verdict), key=_comparison):
        asked = list(group)
        for verdict in asked:
            _check(verdict)
        verdicts, judgements = verdicts + len(asked), judgements + 1
        decided += aggregate_verdicts(asked, orders="both", disagreement="mean").p_a is not None
    return verdicts, judgements, decided


def _comparison(verdict: Verdict) -> tuple[str, ...]:
    return (verdict.prompt_id, *sorted(verdict.shown))


def _check(verdict: Verdict) -> None:
    """The reply as it was, read again: the same value, or the same reason why there is none."""
    line = f"Verdict: {verdict.value}" if verdict.value else "I cannot say."
    text = f"{verdict.reasoning}\n{line}" if verdict.reasoning else line
    parsed = READ(Reply(messages=(Message(role="assistant", content=text),)))
    if (parsed.value, parsed.invalid) != (verdict.value, verdict.invalid):
        raise SystemExit(f"read {parsed}, stored {verdict.value or verdict.invalid}")


if __name__ == "__main__":
    main()
