"""Ray workers make a run's data: the same chain, the same tables, one budget, one set of limits.

Promised: a hash of the prompt decides which worker gets it; the main process keeps results in the order of the prompts,
so the tables are those of a run in one process; each worker writes its own ledger in the run's folder, and a worker
that replaces it opens that ledger again, so no stored call is sent twice; these ledgers are moved into the run's ledger
when the pass ends, or at the next start. Covered: stages that ask about one prompt after another. Not covered: other
stages, which run in the main process; nodes that do not see the run's folder, which are refused; batches, and models
that are Python functions.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from amendment.data.store import Workspace
from amendment.errors import AmendmentError, ConfigError, LedgerError, Paused
from amendment.files import write_text
from amendment.keys import redact_logs
from amendment.libraries import need
from amendment.llm.client import DRAIN, Calls
from amendment.llm.concurrency import Tally
from amendment.llm.ledger import Ledger, absorb_shards
from amendment.llm.ledger_reading import SHARDS, Reader
from amendment.llm.trust import Trust
from amendment.plugins import import_plugins
from amendment.run.changes import given_in
from amendment.run.context import Patience, RunContext
from amendment.run.engine import assemble
from amendment.run.progress import QuietProgress
from amendment.run.ray_limits import Desk, RemoteBudget, RemoteCalls
from amendment.run.runfile.config import RunFile, run_file_model
from amendment.stages.contract import PromptItem
from amendment.stages.passes import Elsewhere, through
from amendment.sync import run_in_loop
from amendment.text import plain

SEEN = "workers/pass"
"""A file under the run's folder, with a word that each worker must find."""
MOST_RESTARTS = 100
"""Restarts of one worker, lost alone or with its node; at the next loss the run pauses."""
MOST_AT_ONCE = 100_000
"""Items in one worker, and calls that wait at the desk; a run stays below both."""
DESK_LOST = "the process that holds the budget and limits of all workers (ray::Desk) ended. Run again to continue."
CLOSING = 2 * DRAIN
"""Seconds that a worker has to finish."""


class Passed(NamedTuple):
    """An item that a worker has taken through the steps."""

    results: list[Any]
    tallies: list[Tally]
    fault: AmendmentError | None = None
    """An error that concerns the whole run."""


class Closed(NamedTuple):
    """What a worker leaves behind."""

    sent: int
    cached: int
    notices: list[str]


class _Job(NamedTuple):
    """What all workers of a pass are given."""

    settings: Mapping[str, object]
    """Of the run file, with the plugins that each worker imports."""
    base: Path
    folder: Path
    patience: Patience
    stages: tuple[str, ...]
    word: str
    """The content of SEEN, and the name of the desk."""


@contextmanager
def ray_workers(context: RunContext, stages: Sequence[str]) -> Iterator[Elsewhere]:
    """Workers that take items through these stages; see `amendment.stages.passes.one_pass`.

    Connects to the cluster that RAY_ADDRESS names or that runs on this machine; otherwise starts one here for the pass.
    Raises ConfigError if the cluster is too small, and Paused if a worker cannot be kept alive.
    """
    need("ray", "ray")
    ray: Any = import_module("ray")
    is_ours = not ray.is_initialized()
    if is_ours:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        address = os.environ.get("RAY_ADDRESS")
        context.progress.say(f"connecting to the Ray cluster at {plain(address)}" if address else "starting Ray")
        with _own_sigterm():
            try:
                ray.init(log_to_driver=False, configure_logging=False, include_dashboard=False)
            except Exception as fault:  # Ray raises its own, bare ones among them
                why = f"Ray did not start or answer: {plain(str(fault), longest=500)}"
                raise Paused(f"{why}. Check RAY_ADDRESS and run again, or run without engine: ray.") from fault
    try:
        with _pool(ray, context, stages) as elsewhere:
            yield elsewhere
    finally:
        if is_ours:
            ray.shutdown()


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Keep this process's SIGTERM handler; Ray's own would end it without waiting for calls in flight."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


@contextmanager
def _pool(ray: Any, context: RunContext, stages: Sequence[str]) -> Iterator[Elsewhere]:
    part: Any = context.config.engine
    calls = context.calls
    folder = context.workspace.folder.resolve()
    count = _count(part.workers, part.gpus, ray.cluster_resources())
    base = context.base.resolve()
    word = secrets.token_hex(8)
    job = _Job(given_in(context.config), base, folder, context.patience, tuple(stages), word)
    write_text(folder / SEEN, job.word)
    calls.ledger.settle()
    strategies: Any = import_module("ray.util.scheduling_strategies")
    here = strategies.NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    desk = (
        ray.remote(Desk)
        .options(name=job.word, num_cpus=0, scheduling_strategy=here, max_concurrency=MOST_AT_ONCE)
        .remote(calls.budget.usd, calls.budget.spent, calls.max_wait)
    )
    kind = ray.remote(_Worker).options(
        num_cpus=1, num_gpus=part.gpus, max_restarts=MOST_RESTARTS, max_task_retries=-1, max_concurrency=MOST_AT_ONCE
    )
    workers = [kind.remote(job, number) for number in range(count)]
    nodes = sum(node["Alive"] for node in ray.nodes())
    context.progress.say(f"workers: {count}, nodes of the Ray cluster: {nodes}")
    context.workers = count

    async def elsewhere(item: PromptItem) -> tuple[list[Any], Sequence[Tally]]:
        try:
            passed: Passed = await workers[choose_worker(item.prompt.id, count)].through.remote(item)
        except ray.exceptions.RayTaskError as fault:
            if isinstance(fault.cause, ray.exceptions.RayActorError):
                raise Paused(DESK_LOST) from fault
            raise fault.cause or fault from None
        except ray.exceptions.RayActorError as fault:
            why = plain(" ".join(str(fault).split()), longest=500)
            raise Paused(
                f"a worker ended, and Ray did not restart it (it does so up to {MOST_RESTARTS} times): see Ray's logs "
                f"on the worker's node, then run again ({why})"
            ) from fault
        if passed.fault:
            raise passed.fault
        return passed.results, passed.tallies

    def close() -> None:
        context.workers = 1
        deadline = time.monotonic() + CLOSING
        for closing in [worker.close.remote() for worker in workers]:
            with suppress(ray.exceptions.RayError):  # one that died leaves its ledger
                closed: Closed = ray.get(closing, timeout=max(0.0, deadline - time.monotonic()))
                calls.count_elsewhere(*closed)
        for actor in (*workers, desk):
            ray.kill(actor)
        absorb_shards(calls.ledger)
        calls.budget.recount(context.spent(calls.ledger))

    try:
        yield elsewhere
    except BaseException:
        with suppress(LedgerError):  # the next start takes the ledgers over
            close()
        raise
    close()


def choose_worker(prompt_id: str, count: int) -> int:
    """Return the worker of a prompt, by its content."""
    return int.from_bytes(hashlib.sha256(prompt_id.encode()).digest()[:8]) % count


def _count(workers: int | None, gpus: float, resources: dict[str, float]) -> int:
    """Return the number of workers. Raises ConfigError if the cluster has no room for them."""
    cpus = int(resources.get("CPU", 0))
    all_gpus = resources.get("GPU", 0.0)
    most = min(cpus, int(all_gpus / gpus)) if gpus else cpus
    if most < (workers or 1):
        raise ConfigError(
            f"engine: found {cpus} CPUs and {all_gpus:g} GPUs in the cluster, expected 1 CPU and {gpus:g} GPUs for "
            f"each of {workers or 1} workers; lower workers or gpus"
        )
    return workers or most


class _Worker:
    """An actor: the chain for its own prompts."""

    def __init__(self, job: _Job, number: int) -> None:
        self._fault: AmendmentError | None = None
        try:
            for _, problem in import_plugins(job.settings, job.base):
                raise ConfigError(f"a worker cannot import a plugin: {problem}")
            config = run_file_model().model_validate(job.settings)
            redact_logs(*(os.environ[name] for name in config.key_variables if os.environ.get(name)))
            self._context = _WorkerContext(job, config, number)
            by_name = {stage.name: stage.stage for stage in assemble(self._context)}
            self._steps = [by_name[name].begin(self._context) for name in job.stages]
        except AmendmentError as fault:
            self._fault = fault

    async def through(self, item: PromptItem) -> Passed:
        """Take an item through the steps."""
        if self._fault:
            return Passed([], [], self._fault)
        tallies = [Tally(step.name, 1) for step in self._steps]
        try:
            results = await run_in_loop(through(self._steps, item, tallies))
        except AmendmentError as fault:
            return Passed([], tallies, fault)
        return Passed(results, tallies)

    async def close(self) -> Closed:
        """Send nothing more, wait for the calls in flight and close the ledger."""
        if self._fault:
            return Closed(0, 0, [])
        calls: Calls = self._context.calls
        await run_in_loop(_stopped(calls))
        await asyncio.to_thread(self._context.close)
        return Closed(calls.sent, calls.cached, list(calls.notices))


async def _stopped(calls: Calls) -> None:
    calls.stop(Paused("the run stops"))


class _WorkerContext(RunContext):
    """The run as a worker sees it: the same settings and tables, its own ledger, and the desk's limits."""

    def __init__(self, job: _Job, config: RunFile, number: int) -> None:
        trust = Trust([spec.host for spec in config.models.values() if hasattr(spec, "host")])
        super().__init__(config, job.base, Workspace(job.folder), QuietProgress(), job.patience, trust=trust)
        seen = job.folder / SEEN
        if not seen.is_file() or seen.read_text(encoding="utf-8") != job.word:
            node = os.uname().nodename
            raise ConfigError(
                f"{job.folder}: the worker on {node} does not see this folder; put it on storage that all nodes see"
            )
        desk = import_module("ray").get_actor(job.word)
        shard = job.folder / Path(SHARDS).parent.with_name(f"{number:04d}") / "ledger.sqlite"
        ledger = _Shard(shard, Reader(job.folder / "ledger.sqlite", is_settled=True))
        usd = config.budget.usd if config.budget else None
        worker = f"{number}-{secrets.token_hex(8)}"
        desk.join.remote(number, worker, self.spent(ledger))
        budget = RemoteBudget(usd, desk, worker)
        returned = ledger.earlier.models()
        self._calls = RemoteCalls(desk, worker, ledger, budget=budget, returned=returned, **job.patience._asdict())


class _Shard(Ledger):
    """A worker's ledger. Replies from before the pass come from the run's ledger."""

    def __init__(self, path: Path, earlier: Reader) -> None:
        super().__init__(path)
        self.earlier = earlier

    def find(self, request_id: str) -> bytes | None:
        own = super().find(request_id)
        return self.earlier.find(request_id) if own is None else own

    def is_as_cut(self, request_id: str) -> bool:
        return super().is_as_cut(request_id) or self.earlier.is_as_cut(request_id)

    def close(self) -> None:
        self.earlier.close()
        super().close()
