"""How long calls take behind a limit, in times of the least that the server's rule allows.

    python -m benchmarks.limits [--seeds 3] [--parts caps mixed tokens others real]

Time is simulated but in the last part. The ideal knows the rule of the server: it needs the largest, over requests and
tokens, of (what is needed - what is there at first) / refill, and a round trip; of windows it needs so many. Each case
runs three minutes of the limit. "After the first minute" is the share of calls that were refused for their pace.

* caps: one limit for one model or three, with and without headers.
* mixed: the same while 40 % are refused at random, for which the ideal does not change.
* tokens: a limit of tokens, which the server charges by use or by `max_tokens`.
* others: two processes with one key, a clock that is a day off, headers that lie, and random refusals without a limit,
  where the ideal is the time without refusals over the share answered, and the plain SDK is one that retries each call
  60 times with its own waits (0.5 s doubling to 8 s, less a quarter at random), 32 at once.
* real: five cases against a server on loopback, through the SDK, client and ledger, in real time.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from math import ceil, floor
from pathlib import Path
from random import Random
from statistics import median
from typing import NamedTuple

from amendment.errors import Transient
from amendment.llm.concurrency import AT_ONCE, ITEM
from amendment.llm.limits import Endpoint, Limits
from amendment.llm.pace import Allowance, Pace, allowances
from amendment.llm.requests import Usage
from amendment.text import table
from tests.llm.simulated_servers import live

MINUTES, DOOR, LATENCY = 3, 0.05, 1.0
USED = Usage(input_tokens=300, output_tokens=100)
MOST = 1300
"""Tokens that a call may take, of which it uses 400."""


class Limit:
    """A bucket of so many units that refills at so many a second, or so many in each window of a minute."""

    def __init__(self, per_minute: float, size: float, *, window_phase: float | None = None) -> None:
        self.rate, self.size, self.phase = per_minute / 60, max(1.0, size), window_phase
        self._left, self._then, self._window = self.size, 0.0, -1

    def left(self, now: float) -> float:
        if self.phase is None:
            self._left = min(self.size, self._left + (now - self._then) * self.rate)
            self._then = now
        elif (window := floor((now + self.phase) / 60)) != self._window:
            self._window, self._left = window, self.size
        return self._left

    def take(self, units: float) -> None:
        self._left -= units

    def header(self, now: float) -> Allowance:
        """Limit, remaining, and the seconds until all is there again."""
        left = self.left(now)
        missing = self.size - left
        reset = missing / self.rate if self.phase is None else 60 - (now + self.phase) % 60
        return Allowance(self.size, floor(left), reset)

    def ideal(self, need: float) -> float:
        if self.phase is None:
            return max(0.0, (need - self.size) / self.rate)
        return ceil(need / self.size) * 60 - self.phase


class Server:
    """Counts a call at the door, refuses it there, or answers after the latency."""

    def __init__(
        self,
        requests: Limit | None = None,
        tokens: Limit | None = None,
        *,
        refuses: float = 0.0,
        headers: Callable[[Allowance, float], dict[str, str]] | None = None,
        charges: int = USED.input_tokens + USED.output_tokens,
        seed: int = 0,
    ) -> None:
        self.limits = {"requests": (requests, 1), "tokens": (tokens, charges)}
        self.refuses, self.headers, self.rng = refuses, headers, Random(seed)  # noqa: S311 - a fixed draw
        self.log: list[tuple[float, str]] = []

    async def serve(self) -> dict[str, Allowance]:
        """What the headers of the answer say; raises the refusal."""
        loop = asyncio.get_running_loop()
        sent = loop.time()
        await asyncio.sleep(DOOR * self.rng.uniform(0.6, 1.4))
        now = loop.time()
        limits = {kind: (limit, cost) for kind, (limit, cost) in self.limits.items() if limit}
        is_random = self.rng.random() < self.refuses
        if is_random or any(limit.left(now) < cost for limit, cost in limits.values()):
            self.log.append((sent, "random" if is_random else "pace"))
            await asyncio.sleep(DOOR)
            raise Transient("429: too many", kind="rate", status=429)
        for limit, cost in limits.values():
            limit.take(cost)
        said = {kind: limit.header(now) for kind, (limit, _) in limits.items()}
        await asyncio.sleep(LATENCY * self.rng.uniform(0.7, 1.3))
        self.log.append((sent, "answered"))
        if not self.headers:
            return {}
        clock = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=now)
        found: dict[str, Allowance] = {}
        for kind, allowance in said.items():
            fields = {f"x-ratelimit-{name}-{kind}": text for name, text in self.headers(allowance, now).items()}
            found |= allowances(fields, clock)
        return found

    def refused_for_pace(self) -> float:
        """The share of calls after the first minute."""
        late = [outcome for sent, outcome in self.log if sent > 60]
        return late.count("pace") / max(1, len(late))


def durations(allowance: Allowance, _: float) -> dict[str, str]:
    """Headers as one vendor writes them."""
    return {
        "limit": f"{allowance.limit:.0f}",
        "remaining": f"{allowance.remaining:.0f}",
        "reset": f"{allowance.reset:.3f}s",
    }


def times(allowance: Allowance, now: float) -> dict[str, str]:
    """Headers as another vendor writes them, by the server's clock."""
    reset = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=now + allowance.reset)
    return {**durations(allowance, now), "reset": reset.isoformat()}


def saying(remaining: float) -> Callable[[Allowance, float], dict[str, str]]:
    """A proxy that always says the same."""
    return lambda allowance, now: {**durations(allowance, now), "remaining": f"{remaining:.0f}"}


async def ask(endpoint: Endpoint, server: Server, charge: int) -> None:
    """One question as the client asks it: after a refusal it goes to the head of the queue."""
    while True:
        permit = await endpoint.acquire(charge)
        try:
            said = await server.serve()
        except Transient as fault:
            endpoint.failed(permit, fault)
            ITEM.set(AT_ONCE)
        else:
            endpoint.answered(permit, USED, allowances=said)
            return


def seconds_for(
    server: Server, calls: int, *, models: int = 1, processes: int = 1, limits: Limits | None = None
) -> float:
    """Seconds until the last answer of so many calls, shared out over models and processes."""
    ended = 0.0

    async def main() -> None:
        nonlocal ended
        tasks = []
        for _ in range(processes):
            pace = Pace()
            endpoints = [Endpoint(limits or Limits(), pace=pace) for _ in range(models)]
            share = calls // (models * processes)
            tasks += [ask(endpoint, server, MOST) for endpoint in endpoints for _ in range(share)]
        await asyncio.gather(*tasks)
        ended = asyncio.get_running_loop().time()

    live(main())
    answered = sum(outcome == "answered" for _, outcome in server.log)
    assert answered == calls // (models * processes) * models * processes, "each question has one answer"
    return ended


async def plain(server: Server, calls: int) -> None:
    """The plain SDK with 60 retries."""
    at_once, rng = asyncio.Semaphore(32), Random(0)  # noqa: S311 - jitter

    async def one() -> None:
        async with at_once:
            for attempt in range(61):
                try:
                    await server.serve()
                    return
                except Transient:
                    await asyncio.sleep(min(8.0, 0.5 * 2**attempt) * rng.uniform(0.75, 1.0))
            raise AssertionError("61 refusals")

    await asyncio.gather(*[one() for _ in range(calls)])


RULES: dict[str, Callable[[int], Limit]] = {
    "bucket of a second": lambda rpm: Limit(rpm, rpm / 60),
    "bucket of a minute": lambda rpm: Limit(rpm, rpm),
    "window of a minute": lambda rpm: Limit(rpm, rpm, window_phase=0.0),
    "window, begun late": lambda rpm: Limit(rpm, rpm, window_phase=30.0),
}
RATES = (60, 300, 600, 1200, 3000)


class Measured(NamedTuple):
    ratios: list[float]
    refused: list[float]

    @property
    def cells(self) -> list[str]:
        return [f"{median(self.ratios):.2f}", f"{max(self.ratios):.2f}", f"{median(self.refused):.1%}"]


def capped(rpm: int, rule: str, models: int, seeds: int, **server: object) -> Measured:
    ratios, refused = [], []
    for seed in range(seeds):
        limit, calls = RULES[rule](rpm), MINUTES * rpm
        stand_in = Server(limit, seed=seed, **server)  # type: ignore[arg-type]
        taken = seconds_for(stand_in, calls, models=models)
        ratios.append(taken / (limit.ideal(calls) + DOOR + LATENCY))
        refused.append(stand_in.refused_for_pace())
    return Measured(ratios, refused)


HEAD = ("server", "a minute", "models", "times the ideal", "worst seed", "refused for pace after the first minute")


def caps(seeds: int, refuses: float = 0.0) -> None:
    for headers in (None, durations):
        rows = [
            (rule, str(rpm), str(models), *capped(rpm, rule, models, seeds, headers=headers, refuses=refuses).cells)
            for rpm in RATES
            for rule in RULES
            for models in (1, 3)
        ]
        _print(f"{'With' if headers else 'Without'} headers, {refuses:.0%} refused at random", HEAD, rows)


def mixed(seeds: int) -> None:
    caps(seeds, refuses=0.4)


def tokens(seeds: int) -> None:
    rows = []
    for name, charges, limits in (
        ("by use, unknown to us", 400, Limits()),
        ("by use, tokens_per_minute set", 400, Limits(tokens_per_minute=120_000)),
        ("by max_tokens, unknown to us", MOST, Limits()),
        ("by max_tokens, tokens_per_minute set", MOST, Limits(tokens_per_minute=120_000, charges_most=True)),
    ):
        for headers in (None, durations):
            ratios, refused = [], []
            for seed in range(seeds):
                limit, calls = Limit(120_000, 120_000), MINUTES * 120_000 // charges
                server = Server(tokens=limit, charges=charges, headers=headers, seed=seed)
                ratios.append(
                    seconds_for(server, calls, limits=limits) / (limit.ideal(calls * charges) + DOOR + LATENCY)
                )
                refused.append(server.refused_for_pace())
            rows.append((name, "yes" if headers else "no", *Measured(ratios, refused).cells))
    _print("120,000 tokens a minute, charged", ("charged", "headers", *HEAD[3:]), rows)


def others(seeds: int) -> None:
    rows = []
    for rule in ("bucket of a second", "bucket of a minute"):
        for name, headers, processes in (
            ("two processes with one key", None, 2),
            ("two processes with one key, headers", durations, 2),
            ("a clock that is a day off", times, 1),
            ("a proxy that says 0 remaining", saying(0), 1),
            ("a proxy that says 10^9 remaining", saying(1e9), 1),
        ):
            ratios, refused = [], []
            for seed in range(seeds):
                limit, calls = RULES[rule](600), MINUTES * 600
                server = Server(limit, headers=headers, seed=seed)
                taken = seconds_for(server, calls, processes=processes)
                ratios.append(taken / (limit.ideal(calls) + DOOR + LATENCY))
                refused.append(server.refused_for_pace())
            rows.append((f"{name}; {rule}", *Measured(ratios, refused).cells))
    _print("600 a minute", ("case", *HEAD[3:]), rows)
    rows = []
    for share in (0.2, 0.4, 0.6):
        without = seconds_for(Server(), 600)
        ours, sdk = [], []
        for seed in range(seeds):
            ours.append(seconds_for(Server(refuses=share, seed=seed), 600))
            server = Server(refuses=share, seed=seed)
            live(plain(server, 600))
            sdk.append(max(sent for sent, _ in server.log) + LATENCY)
        ideal = without / (1 - share)
        cells = [
            f"{median(ours):.0f}",
            f"{median(sdk):.0f}",
            f"{max(ours) / median(sdk):.2f}",
            f"{max(ours) / ideal:.2f}",
        ]
        rows.append((f"{share:.0%}", *cells))
    header = ("refused at random", "seconds", "plain SDK", "worst seed, times the SDK", "worst seed, times the ideal")
    _print("600 calls without a limit", header, rows)


def real(_: int) -> None:
    sys.path.insert(0, str(Path(__file__).parent))  # where calls.py finds its neighbours
    once = import_module("calls")._once
    rows = []
    for path, calls, ideal in (
        ("/wait:500/rpm:600:10", 900, (900 - 10) / 10),
        ("/wait:500/rpm:600:600", 1200, (1200 - 600) / 10),
        ("/wait:500/rpm:300:5", 400, (400 - 5) / 5),
        ("/wait:500/rpm:3000:50", 4500, (4500 - 50) / 50),
        ("/wait:500/rpm:1200:20", 1600, (1600 - 20) / 20),
    ):
        found = once("amendment openai", path, {"load": "independent", "calls": calls, "in_flight": None})
        assert (found["again"], found["distinct"]) == (0, calls + 1), "and one to warm up"
        rows.append((path, str(calls), f"{found['seconds']:.0f}", f"{found['seconds'] / (ideal + 0.5):.2f}"))
    _print("In real time", ("server", "calls", "seconds", "times the ideal"), rows)


def _print(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print(f"\n## {title}\n")
    print("\n".join(table([header, *rows])), flush=True)


PARTS: dict[str, Callable[[int], None]] = {
    "caps": caps,
    "mixed": mixed,
    "tokens": tokens,
    "others": others,
    "real": real,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    for part in options.parts:
        PARTS[part](options.seeds)


if __name__ == "__main__":
    main()
