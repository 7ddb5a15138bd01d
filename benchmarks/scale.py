"""Time and memory of large runs by stage, and of a ledger of two million rows.

    python benchmarks/scale.py                            1,000 and 4,000 prompts
    python benchmarks/scale.py --prompts 16000 1000000    other sizes
    python benchmarks/scale.py --prompts --ledger 2000000
    python benchmarks/scale.py --prompts --leave 4000     calls of each Ray worker through the limits' actor

The models are functions in this process that answer at once: two writers with one answer each, and a judge that gives
label probabilities and is asked in one order. A prompt takes one call to each model. Each size is measured in its own
process, and its figures are kept: to measure it again, delete `~/.cache/amendment/scale`. A size whose process was
killed continues with the stage it was in; a star marks figures with the time of the last start alone. CPU seconds count
all threads. The peak of a stage is the resident memory of the whole process while the stage runs, including what
earlier stages left. Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from real_text_cells import Cell, Cells

from amendment.cli._app import prepare_memory
from amendment.hashing import content_id
from amendment.llm.functions import ModelFunction
from amendment.llm.ledger import Ledger
from amendment.llm.ledger import _insert as insert
from amendment.llm.ledger_reading import Reader, connect
from amendment.llm.limits import Limits
from amendment.publishing.verify import verify
from amendment.run import QuietProgress, Run
from amendment.run.engine import RunStage
from amendment.run.ray_engine import MOST_AT_ONCE
from amendment.run.ray_limits import Desk, RemoteEndpoint
from amendment.text import table

CELLS = Cells(Path.home() / ".cache/amendment/scale/cells.jsonl")
WORDS = (
    "tide",
    "comes",
    "twice",
    "a",
    "day",
    "because",
    "the",
    "moon",
    "pulls",
    "sea",
    "and",
    "earth",
    "turns",
    "water",
)
SMALL, FOUND = 20, 1_000
"""Prompts of the run whose ledger is filled; requests that are looked up in it."""
ASKING, OF_ASKING = "candidates and judging", ("calls a second", "CPU ms a call")
ORDERS = tuple(10**power for power in range(3, 9))
"""Pairs of the runs whose needs are worked out from the largest that was measured."""


def words(count: int, *key: object) -> str:
    """So many words, determined by the key."""
    drawn = hashlib.shake_128(repr(key).encode()).digest(count)
    return " ".join(WORDS[byte % len(WORDS)] for byte in drawn)


async def writer(messages: Sequence[Mapping[str, Any]]) -> str:
    """An answer of 60 words."""
    return words(60, messages[-1]["content"])


async def other(messages: Sequence[Mapping[str, Any]]) -> str:
    """Another answer of 60 words."""
    return words(60, messages[-1]["content"], "other")


async def judge(messages: Sequence[Mapping[str, Any]], labels: tuple[str, ...]) -> dict[str, float]:
    """A judge that prefers either answer, more or less surely, and the first one a little."""
    p = hashlib.sha256(messages[-1]["content"].encode()).digest()[0] / 256
    return {labels[0]: p, labels[1]: 1 - p}


MODELS: dict[str, ModelFunction] = {"writer": writer, "other": other, "judge": judge}
SETTINGS: dict[str, Any] = {
    "name": "scale",
    "constitution": ["childrens-tutor"],
    "models": {name: {"provider": "function", "model": name, "concurrency": 64} for name in MODELS},
    "prompts": [{"path": "prompts.jsonl", "column": "prompt"}],
    "candidates": [{"model": "writer", "per_prompt": 1}, {"model": "other", "per_prompt": 1}],
    "judging": {"judges": [{"model": "judge", "protocol": "label-tokens"}], "orders": "random"},
}


class Meter:
    """What the parts of one measurement take, in their order; kept in a file where it has one."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self.parts: dict[str, dict[str, float]] = json.loads(file.read_text("utf-8")) if file and file.exists() else {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Seconds, CPU seconds and peak memory in MB of the block, added to those of earlier blocks of that name."""
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak is the present from here on
        known = self.parts.setdefault(name, {"wall": 0.0, "cpu": 0.0, "peak": 0.0, "killed": 0})
        known["killed"] += 1  # unless the end is reached
        self._keep()
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        known["wall"] += time.perf_counter() - wall
        known["cpu"] += time.process_time() - cpu
        known["peak"] = max(known["peak"], peak())
        known["killed"] -= 1
        self._keep()

    def _keep(self) -> None:
        if self._file:
            self._file.write_text(json.dumps(self.parts), encoding="utf-8")


def peak() -> float:
    """MB of resident memory at most, since the last reset."""
    [line] = (line for line in Path("/proc/self/status").read_text("ascii").splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


class MeasuredRun(Run):
    """A run with a meter on its stages, its summaries and its report."""

    meter: Meter

    def _make(self, group: Sequence[RunStage], stages: Sequence[RunStage]) -> set[str]:
        with self.meter.part(" and ".join(stage.name for stage in group)):
            return super()._make(group, stages)

    def _report(self, *arguments: Any, **named: Any) -> Any:
        if named.get("running"):  # which belongs to its stage
            return super()._report(*arguments, **named)
        with self.meter.part("summary and manifest"):
            return super()._report(*arguments, **named)

    def _write_page(self) -> None:
        with self.meter.part("report page"):
            super()._write_page()


def measured_run(count: int, folder: Path) -> dict[str, Any]:
    """A whole run, and then the same run again, which finds everything done."""
    folder.mkdir(parents=True, exist_ok=True)
    write_prompts(folder, count)
    meter = Meter(folder / "parts.json")
    run = MeasuredRun.from_dict(SETTINGS, base=folder, folder=folder / "run", models=MODELS, progress=QuietProgress())
    run.meter = meter
    result = run()
    with meter.part("the same run again"):
        run_in(folder)
    with meter.part("verify"):
        verify(folder / "run")
    pairs, calls = result.spending["for each kept pair"]["pairs"], result.spending["total"]["replies"]
    judging = next(row for row in result.spending["by stage and model"] if row["stage"] == "judging")
    files = [*(folder / "run" / "dataset").glob("*.parquet"), *(folder / "run" / "export").glob("*.parquet")]
    asking = meter.parts[ASKING]
    return {
        "parts": meter.parts,
        "pairs a prompt": pairs / count,
        "calls a pair": calls / pairs,
        "calls a second": calls / asking["wall"],
        "CPU ms a call": 1000 * asking["cpu"] / calls,
        "bytes of the ledger a call": (folder / "run" / "ledger.sqlite").stat().st_size / calls,
        "bytes of the dataset a pair": sum(file.stat().st_size for file in files) / pairs,
        "tokens of the judge a pair": (judging["input_tokens"] + judging["output_tokens"]) / pairs,
    }


def run_in(folder: Path) -> None:
    """The run of the prompts in this folder, without a meter."""
    Run.from_dict(SETTINGS, base=folder, folder=folder / "run", models=MODELS, progress=QuietProgress())()


def folder_of(count: int) -> Path:
    """Where a run of so many prompts lies until it is measured."""
    return Path.home() / f".cache/amendment/scale/run-{count}"


def write_prompts(folder: Path, count: int) -> None:
    with (folder / "prompts.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"prompt": f"Question {n}: {words(20, n)}?"}) + "\n" for n in range(count))


def measured_ledger(calls: int, folder: Path) -> dict[str, Any]:
    """The ledger of a small run with so many further calls in it, each a request, an attempt and a reply."""
    write_prompts(folder, SMALL)
    run_in(folder)
    path, meter = folder / "run" / "ledger.sqlite", Meter()
    fill(path, calls)
    with meter.part("open"):
        ledger = Ledger(path)
    with meter.part(f"find {FOUND:,} requests"):
        assert all(ledger.find(request_id(n)) for n in range(0, calls, max(1, calls // FOUND)))
    with meter.part("spending"):
        ledger.spending()
    with meter.part("calls without a reply"):
        ledger.open_attempts()
    with meter.part("models that answered"):
        ledger.models()
    ledger.close()
    with meter.part("start a finished run again"):
        run_in(folder)
    with meter.part("check every reply"), Reader(path) as reader:
        assert not reader.damage()
    return {"parts": meter.parts, "size": path.stat().st_size / 1e6}


def fill(path: Path, calls: int) -> None:
    """Add calls with requests of 1,000 bytes and replies of 300, by the ledger's own statements and checksums."""
    Ledger(path).close()
    db = connect(path, "rw")
    last, at = db.execute("SELECT max(number) FROM attempt").fetchone()[0], time.time()
    for start in range(0, calls, 1000):
        rows: list[tuple[str, tuple[Any, ...]]] = []
        for n in range(start, min(start + 1000, calls)):
            name, number = request_id(n), last + n + 1
            raw = f"{name} {'a' * (299 - len(name))}".encode()
            rows.append(("request", (name, b"q" * 1000)))
            rows.append(("attempt", (number, name, "host", "model", "judging", None, at)))
            checksum = hashlib.sha256(raw).digest()
            rows.append(("reply", (number, "model", 250, 50, 0, None, 0.0, at, checksum, raw)))
        insert(db, rows)
    db.close()


def request_id(number: int) -> str:
    """A name as of a hash, so that names of neighbours stand far apart."""
    return content_id(["scale", number])


def print_ledger(rows: int) -> None:
    """The table of a ledger with so many rows: requests, attempts and replies together."""
    result = CELLS.do({"part": "ledger", "rows": rows}, partial(own_process, "--one-ledger", rows // 3))
    lines = [["", "s", "CPU s", "peak MB"]]
    lines += [[n, *(f"{p[k]:.2f}" for k in ("wall", "cpu")), f"{p['peak']:.0f}"] for n, p in result["parts"].items()]
    print(f"\nA ledger of {rows:,} rows, {result['size']:,.0f} MB\n\n" + "\n".join(table(lines)), flush=True)


def print_leave(calls: int) -> None:
    """Calls a second to which the actor that holds the limits gives leave, 128 of each worker in flight."""
    import ray

    ray.init(log_to_driver=False, include_dashboard=False, num_cpus=3)
    lines = [["workers", "leave for calls a second"]]
    for workers in (1, 2):
        desk: Any = ray.remote(Desk).options(max_concurrency=MOST_AT_ONCE).remote(None, 0.0, 900.0)
        asking = [ray.remote(ask_leave).remote(desk, number, 1) for number in range(workers)]
        ray.get(asking)  # the processes are there
        start = time.perf_counter()
        ray.get([ray.remote(ask_leave).remote(desk, number, calls) for number in range(workers)])
        lines.append([str(workers), f"{workers * calls / (time.perf_counter() - start):,.0f}"])
        ray.kill(desk)
    ray.shutdown()
    print("\n" + "\n".join(table(lines)), flush=True)


def ask_leave(desk: Any, number: int, calls: int) -> None:
    """One worker: so many calls that are answered as soon as they have leave."""

    async def work() -> None:
        await desk.join.remote(number, str(number), 0.0)
        endpoint = RemoteEndpoint(desk, str(number), ("host", "model"), Limits(concurrency=512))
        desk.open.remote("host", "model", Limits(concurrency=512))
        waiting = iter(range(calls))

        async def call() -> None:
            for _ in waiting:
                endpoint.answered(await endpoint.acquire(100), None)

        await asyncio.gather(*(call() for _ in range(128)))

    asyncio.run(work())


def own_process(*arguments: object) -> dict[str, Any]:
    """What this script prints as its last line, in a process of its own."""
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def print_runs(sizes: Sequence[int]) -> None:
    """The table of all parts by size, with the growth of the peak from the smallest to the largest."""
    cells: list[Cell] = [{"part": "run", "prompts": count} for count in sorted(sizes)]
    results = [CELLS.do(cell, partial(own_process, "--one-run", cell["prompts"])) for cell in cells]
    for cell in cells:
        shutil.rmtree(folder_of(cell["prompts"]), ignore_errors=True)
    header = [f"{count:,}: s, CPU s, MB" for count in sorted(sizes)]
    rows = [["prompts", *header, "kB a prompt"]]
    for name in results[-1]["parts"]:
        of = [result["parts"][name] for result in results]
        grown = 1024 * (of[-1]["peak"] - of[0]["peak"]) / (cells[-1]["prompts"] - cells[0]["prompts"] or 1)
        figures = (f"{p['wall']:.1f}, {p['cpu']:.1f}, {p['peak']:.0f}{'*' if p['killed'] else ''}" for p in of)
        rows.append([name, *figures, f"{grown:.2f}"])
    for name in results[-1]:
        if name != "parts":
            cut = [name in OF_ASKING and result["parts"][ASKING]["killed"] for result in results]
            rows.append([name, *("-" if c else f"{r[name]:,.1f}" for r, c in zip(results, cut, strict=True)), ""])
    print("\n" + "\n".join(table(rows)), flush=True)
    if len(sizes) > 1:
        print_orders(results[-2], results[-1], cells[-2]["prompts"], cells[-1]["prompts"])


def print_orders(small: dict[str, Any], large: dict[str, Any], few: int, many: int) -> None:
    """What one process would need for so many pairs: the largest run and its growth, in proportion, and the CPU time
    of a call in the run before it, which no kill has cut. Nothing here is measured but these runs."""
    peaks = [max(part["peak"] for part in result["parts"].values()) for result in (small, large)]
    not_asking = set(large["parts"]) - {ASKING, "the same run again", "verify"}
    cpu = sum(large["parts"][name]["cpu"] for name in not_asking) / many
    rows = [["pairs", "calls", "million tokens of the judge", "CPU hours", "ledger GB", "dataset GB", "memory GB"]]
    for pairs in ORDERS:
        prompts = pairs / large["pairs a prompt"]
        calls = pairs * large["calls a pair"]
        memory = peaks[1] + (peaks[1] - peaks[0]) * (prompts - many) / (many - few)
        figures = [
            calls,
            pairs * large["tokens of the judge a pair"] / 1e6,
            (cpu * prompts + calls * small["CPU ms a call"] / 1000) / 3600,
            calls * large["bytes of the ledger a call"] / 1e9,
            pairs * large["bytes of the dataset a pair"] / 1e9,
            memory / 1024,
        ]
        rows.append([f"{pairs:,}", *(f"{figure:,.0f}" if figure >= 10 else f"{figure:.2g}" for figure in figures)])
    print(f"\nBy order of magnitude, from the run of {many:,}\n\n" + "\n".join(table(rows)), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, nargs="*", default=(1_000, 4_000))
    parser.add_argument("--ledger", type=int, metavar="ROWS")
    parser.add_argument("--one-run", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--one-ledger", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--leave", type=int, metavar="CALLS")
    options = parser.parse_args()
    if options.one_run or options.one_ledger:
        prepare_memory()  # as `amendment run` does
        if options.one_run:
            print(json.dumps(measured_run(options.one_run, folder_of(options.one_run))))
            return
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measured_ledger(options.one_ledger, Path(folder))))
        return
    if options.prompts:
        print_runs(options.prompts)
    if options.ledger:
        print_ledger(options.ledger)
    if options.leave:
        print_leave(options.leave)


if __name__ == "__main__":
    main()
