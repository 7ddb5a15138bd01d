"""What a call costs, beside the vendors' own clients in the same run.

    python benchmarks/calls.py [PART ...] [--repeats 3]

Parts: independent, chains, first, faults, kill, and, where named, those that take minutes: big (5,000 chains), rate,
refusals, outage, memory, resume. Every client is a process of its own (`clients.py`), all talk to the same kind of
server in a process of its own (`fast_server.py`) on loopback without TLS, which hosted services add to every client
alike. Read ratios within one run: on a shared machine absolute figures move by half.
"""

from __future__ import annotations

import argparse
import heapq
import json
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import fast_server
from clients import CHAIN, next_question, question

HERE = Path(__file__).resolve().parent
VENDORS = ("openai", "anthropic")
MINUTES = 5
"""Of `rate` and `refusals`."""
LOGNORMAL = (100.0, 0.8)
"""Median in milliseconds and sigma of the waits of chains."""


class Wire:
    """The server, in a process of its own."""

    def __init__(self) -> None:
        command = [sys.executable, str(HERE / "fast_server.py")]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def stats(self) -> dict[str, Any]:
        """What it saw since it was last asked."""
        with urllib.request.urlopen(f"{self.url}/stats") as reply:  # noqa: S310 - loopback
            found: dict[str, Any] = json.load(reply)
        return found

    def close(self) -> None:
        self._process.communicate()


@contextmanager
def wire() -> Iterator[Wire]:
    one = Wire()
    try:
        yield one
    finally:
        one.close()


def command(client: str, url: str, load: dict[str, Any]) -> list[str]:
    return [sys.executable, str(HERE / "clients.py"), client, url, json.dumps(load)]


def measured(client: str, prefix: str, load: dict[str, Any], *, repeats: int = 1) -> dict[str, Any]:
    """Medians over repeats, each with questions of its own, of what the client says of itself and the server of it."""
    rows = [_once(client, prefix, {**load, "first": number * load["calls"]}) for number in range(repeats)]
    middle = sorted(rows, key=lambda row: row["cpu_us"])[len(rows) // 2]
    return {**middle, **{name: median(row[name] for row in rows) for name in ("seconds", "span")}}


def _once(client: str, prefix: str, load: dict[str, Any]) -> dict[str, Any]:
    with wire() as server, tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            command(client, server.url + prefix, {**load, "folder": folder}),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{client}: {done.stderr}")
        seen = server.stats()
        told: dict[str, Any] = json.loads(done.stdout)
        return {
            **told,
            "span": told["seconds"] * load["in_flight"] / seen["waits"] if seen["waits"] and load["in_flight"] else 0.0,
            "server_us": seen["cpu"] / seen["requests"] * 1e6,
            "again": seen["answered again"],
            "distinct": seen["distinct"],
        }


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    print(f"\n## {title}\n")
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |", flush=True)


def independent(repeats: int) -> None:
    """W1: independent calls, 256 in flight, 50 ms."""
    load: dict[str, Any] = {"load": "independent", "calls": 3000, "in_flight": 256}
    rows: list[list[object]] = []
    summary = []
    for vendor in VENDORS:
        names = [f"{vendor} as it comes", f"{vendor} at its cheapest", f"amendment {vendor}"]
        found = {name: measured(name, "/wait:50", load, repeats=repeats) for name in names}
        plain, best, own = (found[name]["cpu_us"] for name in names)
        for name in names:
            one = found[name]
            cells = [f"{one['cpu_us']:.0f}", f"{plain / one['cpu_us']:.1f}", f"{load['calls'] / one['seconds']:.0f}"]
            rows.append([name, *cells, f"{one['span']:.2f}", f"{one['rss']:.0f}", f"{one['server_us']:.0f}"])
        summary.append(f"{vendor}: {plain / own:.1f} x less CPU a call than as it comes; own part {own - best:.0f} µs")
    header = ("client", "CPU µs a call", "x less", "calls/s", "x limit", "RSS MB", "server µs a request")
    table("W1: 3,000 independent calls, 256 in flight, 50 ms", header, rows)
    print("\n" + "\n".join(summary))


def chains(repeats: int, count: int = 500) -> None:
    """W2: chains of eight calls, 128 in flight, lognormal waits."""
    load = {"load": "chains", "calls": CHAIN * count, "in_flight": 128}
    rows = []
    names = ("openai as it comes", "amendment openai", "amendment anthropic") if count == 500 else ("amendment openai",)
    for name in names:
        one = measured(name, "/lognormal:{}:{}".format(*LOGNORMAL), load, repeats=repeats)
        free = costless(count, 128, repeats)
        rows.append(
            [
                name,
                f"{one['seconds']:.2f}",
                f"{one['span']:.3f}",
                f"{free:.3f}",
                f"{one['cpu_us']:.0f}",
                f"{one['rss']:.0f}",
            ]
        )
    header = ("client", "span s", "x limit", "a client of no cost", "CPU µs a call", "RSS MB")
    table(f"W2: {count:,} chains of 8 calls, 128 in flight, lognormal 100 ms / 0.8", header, rows)


def costless(count: int, slots: int, repeats: int) -> float:
    """The span of a client of no cost, in limits, on the same questions: what is left is the last chains' tail."""
    return median(_costless(count, slots, number * CHAIN * count) for number in range(repeats))


def _costless(count: int, slots: int, first: int) -> float:
    waits = [list(waits_of(first + index)) for index in range(count)]
    free, ready, end = [0.0] * slots, [(0.0, index, 0) for index in range(count)], 0.0
    heapq.heapify(free)
    heapq.heapify(ready)
    while ready:
        at, index, step = heapq.heappop(ready)
        over = max(at, heapq.heappop(free)) + waits[index][step]
        heapq.heappush(free, over)
        end = max(end, over)
        if step + 1 < CHAIN:
            heapq.heappush(ready, (over, index, step + 1))
    return end / (sum(map(sum, waits)) / slots)


def waits_of(index: int) -> Iterator[float]:
    """The waits of one chain, whose questions follow from its answers."""
    text = question(index)
    for step in range(CHAIN):
        yield fast_server.lognormal(text.encode(), *LOGNORMAL)
        text = next_question(step, fast_server.said(text.encode()))


def first(repeats: int) -> None:
    """From the start of the process to the first request, less the SDK's own import."""
    rows = []
    for vendor in VENDORS:
        tries = [_first(vendor) for _ in range(max(repeats, 3))]
        rows.append([vendor, *(f"{median(one[part] for one in tries):.2f}" for part in ("total", "sdk", "own"))])
    table("First request", ("vendor", "process start to arrival s", "import of the SDK s", "the rest s"), rows)


def _first(vendor: str) -> dict[str, float]:
    code = f"import time; start = time.perf_counter(); import {vendor}; print(time.perf_counter() - start)"
    sdk = float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    bare = _seconds([sys.executable, "-c", "pass"])
    with wire() as server, tempfile.TemporaryDirectory() as folder:
        load = {"load": "independent", "calls": 1, "in_flight": 8, "folder": folder, "cold": True}
        start = time.monotonic()
        subprocess.run(command(f"amendment {vendor}", server.url, load), capture_output=True, check=True)
        total = server.stats()["arrivals"][0] - start
    return {"total": total, "sdk": sdk, "own": total - sdk - bare}


def _seconds(argv: Sequence[str]) -> float:
    start = time.monotonic()
    subprocess.run(argv, check=True)
    return time.monotonic() - start


def faults(repeats: int) -> None:
    """5 % refused with 429, 2 % failed with 500."""
    rows = []
    for vendor in VENDORS:
        load: dict[str, Any] = {"load": "independent", "calls": 2000, "in_flight": 256}
        one, clean = (measured(f"amendment {vendor}", prefix, load) for prefix in ("/wait:50/faults", "/wait:50"))
        lost = load["calls"] + 1 - one["distinct"]
        same = "yes" if one["answers"] == clean["answers"] else "NO"
        rows.append([vendor, load["calls"], one["sent"], lost, one["again"], same])
    table("5 % 429 and 2 % 500", ("vendor", "calls", "sent", "lost", "answered twice", "answers as without"), rows)


def kill(repeats: int) -> None:
    """kill -9 at half of the replies, then the same again."""
    rows = []
    for load_name, in_flight, prefix in (("independent", 256, "/wait:50"), ("chains", 128, "/lognormal:100:0.8")):
        load: dict[str, Any] = {"load": load_name, "calls": 2000, "in_flight": in_flight}
        clean = measured("amendment openai", prefix, load)
        with wire() as server, tempfile.TemporaryDirectory() as folder:
            argv = command("amendment openai", server.url + prefix, {**load, "folder": folder})
            killed = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
            answered = 0
            while answered < load["calls"] / 2:
                time.sleep(0.02)
                assert killed.poll() is None, "ended before it could be killed"
                answered += server.stats()["replies"]
            killed.send_signal(signal.SIGKILL)
            killed.wait()
            answered += server.stats()["replies"]
            done = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
            paid = answered + server.stats()["replies"]
        again = paid - clean["distinct"]
        same = "yes" if done["answers"] == clean["answers"] else "NO"
        rows.append([load_name, load["calls"], answered, again, in_flight, same])
    header = ("load", "calls", "answered at the kill", "answered again", "in flight", "answers as without")
    table("kill -9 at half", header, rows)


def storm(repeats: int) -> None:
    """30 % of attempts refused, failed, overloaded or cut off, and kill -9 at each quarter of the replies."""
    rows = []
    for vendor in VENDORS:
        load: dict[str, Any] = {"load": "independent", "calls": 20_000, "in_flight": 128}
        clean = measured(f"amendment {vendor}", "", load)
        answered, bodies = 0, 0
        with wire() as server, tempfile.TemporaryDirectory() as folder:
            argv = command(f"amendment {vendor}", f"{server.url}/storm:0.3", {**load, "folder": folder})
            for quarter in (1, 2, 3):
                killed = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
                while answered < quarter * load["calls"] / 4:
                    time.sleep(0.05)
                    assert killed.poll() is None, "ended before it could be killed"
                    answered += server.stats()["replies"]
                killed.send_signal(signal.SIGKILL)
                killed.wait()
            done = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
            bodies = answered + server.stats()["replies"]
        same = "yes" if done["answers"] == clean["answers"] else "NO"
        rows.append([vendor, load["calls"], bodies - clean["distinct"], 3 * load["in_flight"], same])
    header = ("vendor", "calls", "answered again", "in flight at the kills, at most", "answers as without")
    table("30 % faults and three kills", header, rows)


def rate(repeats: int) -> None:
    """A server that takes 600 a minute and says nothing of it, for five minutes from the first call on."""
    rows = []
    rules = {"bucket of 10": "rpm:600:10", "bucket of 60": "rpm:600:60", "any minute": "sliding:600"}
    for name, rule in {**rules, "each minute of the clock": "minute:600"}.items():
        load: dict[str, Any] = {"load": "independent", "calls": 20_000, "in_flight": None}
        with wire() as server, tempfile.TemporaryDirectory() as folder:
            argv = command("amendment openai", f"{server.url}/wait:200/{rule}", {**load, "folder": folder})
            with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as client:
                time.sleep(1)
                while not (seen := server.stats())["arrivals"]:
                    time.sleep(0.1)
                arrivals, refused = seen["arrivals"], seen["refused"]
                time.sleep(max(0.0, arrivals[0] + MINUTES * 60 - time.monotonic()))
                seen = server.stats()
                client.kill()
        sent, lost = len(arrivals) + len(seen["arrivals"]), len(refused) + len(seen["refused"])
        rows.append([name, sent, lost, f"{lost / sent:.1%}", f"{(sent - lost) / MINUTES / 600:.0%}"])
    header = ("how the server counts", "sent", "refused", "share", "of the limit used")
    table(f"A server of 600 a minute, 200 ms, nothing set, {MINUTES} minutes", header, rows)


def refusals(repeats: int) -> None:
    """A server that refuses at random, as an overloaded one does: the time for as many answers as take five minutes
    of a client that only waits out each call's own Retry-After."""
    rows = []
    for share in (0.4,):
        for asked in (0.1, 1.0):
            calls = round(MINUTES * 60 * 64 / (0.5 + share / (1 - share) * asked))
            load: dict[str, Any] = {"load": "independent", "calls": calls, "in_flight": 64}
            prefix = f"/wait:500/refuse:{share}:{asked}"
            one, ours = (_once(client, prefix, load) for client in ("patient", "amendment openai"))
            ratio = f"{ours['seconds'] / one['seconds']:.2f}"
            rows.append([f"{share:.0%}", asked, calls, f"{one['seconds']:.0f}", f"{ours['seconds']:.0f}", ratio])
    header = ("refused", "Retry-After s", "calls", "patient client s", "this toolkit s", "ratio")
    table("Refusals at random, 64 in flight, 500 ms", header, rows)


def outage(repeats: int) -> None:
    """A server that is down for a minute."""
    load: dict[str, Any] = {"load": "independent", "calls": 20_000, "in_flight": 64}
    with wire() as server, tempfile.TemporaryDirectory() as folder:
        argv = command("amendment openai", server.url + "/wait:50/down:8:68", {**load, "folder": folder})
        done = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
        failed = server.stats()["refused"]
    first, probes = failed[0], [at - failed[0] for at in failed if at - failed[0] > 1.5]
    told = ", ".join(f"{at:.0f}" for at in probes)
    row = [load["calls"], done["sent"], sum(at - first <= 1.5 for at in failed), len(probes), told]
    header = ("calls", "sent", "failed before the breaker opened", "probes", "at second")
    table("A server that is down for a minute, 64 in flight", header, [row])


RUN = """
name: memory
constitution: [childrens-tutor]
models:
  writer: {{provider: openai, base_url: {url}/v1, model: fast, concurrency: 64}}
prompts: [{{path: prompts.jsonl, column: prompt}}]
critique: {{model: writer}}
candidates: [{{from: critique, take: all}}]
judging: {{judges: [{{model: writer, protocol: verdict}}]}}
"""


def memory(repeats: int) -> None:
    """A whole run, from a file of prompts to judgements, through the SDK: what a hundred times the prompts take."""
    rows = []
    for count in (1_000, 100_000):
        with wire() as server, tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            (place / "run.yaml").write_text(RUN.format(url=server.url), encoding="utf-8")
            with (place / "prompts.jsonl").open("w", encoding="utf-8") as file:
                file.writelines(
                    f'{{"prompt": "Question {index}: why does the tide come?"}}\n' for index in range(count)
                )
            argv = [sys.executable, str(HERE / "whole_run.py"), str(place / "run.yaml"), str(place / "run")]
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(done.stderr)
            one = json.loads(done.stdout.splitlines()[-1])
        rows.append([f"{count:,}", one["sent"], f"{one['seconds']:.0f}", f"{one['rss']:.0f}"])
    growth = float(rows[1][3]) - float(rows[0][3])
    table("A run until judging", ("prompts", "calls", "seconds", "peak RSS MB"), rows)
    print(f"\ngrowth: {growth:.0f} MB")


def resume(repeats: int) -> None:
    """A ledger of a million rows: to open it, and to find and check every reply in it."""
    done = subprocess.run([sys.executable, str(HERE / "big_ledger.py")], capture_output=True, text=True, check=True)
    one = json.loads(done.stdout)
    row = [
        f"{one['rows']:,}",
        f"{one['replies']:,}",
        f"{one['mb']:.0f}",
        *(f"{one[name]:.2f}" for name in ("open", "scan")),
    ]
    table("A ledger of a million rows", ("rows", "replies", "MB", "open s", "find and check every reply s"), [row])


PARTS: dict[str, Callable[[int], None]] = {
    "independent": independent,
    "chains": chains,
    "first": first,
    "faults": faults,
    "kill": kill,
    "storm": storm,
    "rate": rate,
    "refusals": refusals,
    "outage": outage,
    "memory": memory,
    "resume": resume,
    "big": lambda repeats: chains(1, 5000),
}
QUICK = ("independent", "chains", "first", "faults", "kill")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    print(
        f"# {' '.join(sys.argv[1:]) or 'all quick parts'}, medians of {chosen.repeats}, Python {sys.version.split()[0]}"
    )
    for part in chosen.parts or QUICK:
        PARTS[part](chosen.repeats)


if __name__ == "__main__":
    main()
