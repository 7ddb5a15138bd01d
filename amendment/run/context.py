"""What the stages of one run share: its configuration, its folder, its ledger and its opened models."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, aclosing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

from amendment.constitutions import Constitution, load_constitution
from amendment.data.store import Split, Workspace
from amendment.llm.client import DRAIN, Calls
from amendment.llm.concurrency import Tally, stream
from amendment.llm.ledger import Ledger, absorb_shards
from amendment.llm.ledger_reading import Reader
from amendment.llm.model import Model
from amendment.llm.opening import open_model, open_provider
from amendment.llm.prices import Price, PriceTable
from amendment.llm.specs import LocalSpec, ModelSpec, found_folder, located
from amendment.llm.trust import Trust
from amendment.llm.weights import weights_state
from amendment.records import Candidate, Prompt
from amendment.run.money import find_prices, open_budget, price_table, spent_before
from amendment.run.progress import Progress
from amendment.run.runfile.config import RunFile
from amendment.stages.contract import dump
from amendment.sync import run_sync
from amendment.text import plain

WINDOW = 4
"""Items begun and unfinished, in multiples of the calls that may be in flight."""

T = TypeVar("T")
R = TypeVar("R")


PRESENTATION = (
    *("concurrency", "requests_per_minute", "tokens_per_minute", "timeout", "mode", "price", "api_key_env"),
    "batch_size",
)
"""Keys of a model's entry that change how fast and at what price it answers, and not what it answers."""


class Patience(NamedTuple):
    """Limits on waiting for transient faults of a provider, after which an item is left pending."""

    attempts: int = 8
    """Attempts of each call."""
    longest_wait: float = 60.0
    """Seconds, between two attempts."""
    max_wait: float = 900.0
    """Seconds, for a server that is away or asks for pauses, before the run ends and can be gone on with."""


class RunContext:
    """One run while it is being made. Models are opened when a stage first asks for them."""

    workers = 1
    """Processes that share the items of the pass at work."""

    def __init__(
        self,
        config: RunFile,
        base: Path,
        workspace: Workspace,
        progress: Progress,
        patience: Patience = Patience(),  # noqa: B008 - immutable
        *,
        trust: Trust | None = None,
    ) -> None:
        """`base` is the folder of the run file, from which its paths are meant; `trust` says which hosts are sent
        keys, by default those agreed to earlier."""
        self.config = config
        self.base = base
        self.workspace = workspace
        self.progress = progress
        self.patience = patience
        self._trust = trust
        self._models: dict[str, Model] = {}
        self._calls: Calls | None = None
        self._outer: RunContext | None = None

    def within(self, config: Any, workspace: Workspace) -> Self:
        """Return the same run with another configuration of its stages and other tables; what is open (ledger, budget,
        models) is this one's, which also closes it."""
        inner = copy.copy(self)
        inner.config, inner.workspace, inner._outer = config, workspace, self
        return inner

    @cached_property
    def constitutions(self) -> tuple[Constitution, ...]:
        return tuple(load_constitution(name, base=self.base) for name in self.config.constitution)

    @property
    def rules(self) -> tuple[Constitution, ...]:
        return (*self.constitutions, *self.config.checked_rules)

    @property
    def calls(self) -> Calls:
        """Return the way out; the ledger is opened, and the folder locked, at the first use."""
        if self._outer:
            return self._outer.calls
        if self._calls is None:
            usd = self.config.budget.usd if self.config.budget else None
            with ExitStack() as opened:
                ledger = opened.enter_context(Ledger(self.workspace.folder / "ledger.sqlite"))
                absorb_shards(ledger)
                budget = open_budget(usd, ledger, self._specs, self._prices, self._table)
                self._calls = Calls(ledger, budget=budget, returned=ledger.models(), **self.patience._asdict())
                opened.pop_all()  # `Calls` closes it
        return self._calls

    @cached_property
    def _specs(self) -> dict[str, ModelSpec]:
        return {name: located(spec, self.base) for name, spec in self.config.models.items()}

    @cached_property
    def _prices(self) -> dict[str, Price | None]:
        return find_prices(self.config, self.base)

    @cached_property
    def _table(self) -> PriceTable:
        return price_table(self.config, self.base)

    def possibly_paid(self) -> float:
        """USD, at most and over all starts of the run, for calls that may be billed although no reply came."""
        ledger = self.calls.ledger
        return round(self.spent(ledger) - sum(row.usd for row in ledger.spending()), 12)

    def spent(self, ledger: Reader) -> float:
        """USD, by a ledger: what was paid, and at most for calls that may be billed although no reply came."""
        return spent_before(ledger, self._specs, self._prices, self._table)

    @property
    def sent(self) -> int:
        """Calls that went out in this start."""
        return self._calls.sent if self._calls else 0

    def model(self, name: str) -> Model:
        if self._outer:
            return self._outer.model(name)
        if name not in self._models:
            self._models[name] = open_model(
                name,
                self._specs[name],
                self.calls,
                self.config.seed,
                price=self._prices[name],
                trust=self._trust,
            )
        return self._models[name]

    def model_key(self, name: str) -> dict[str, Any]:
        """Return the parts of a model's entry and files that change its answers, without its rate limits."""
        spec = self.config.models[name]
        key = {f"model {name}": dump(spec, without=set(PRESENTATION))}
        place = located(spec, self.base)
        files = weights_state(place.model) if isinstance(place, LocalSpec) else None
        return {**key, f"files of {name}": files} if files else key

    @contextmanager
    def policy(self, name: str, *, temperature: float, max_tokens: int, batch_size: int) -> Iterator[Model]:
        """Open a policy that this run trained or a model under `models`. The weights count in the names of requests.

        A trained policy is released at the end of the block, so that two are never in memory at once.
        """
        if name not in self.config.policies:
            yield self.model(name)
            return
        model = self._trained(name, temperature=temperature, max_tokens=max_tokens, batch_size=batch_size)
        try:
            yield model
        finally:
            run_sync(self.calls.drain())
            run_sync(model.provider.close())

    def _trained(self, name: str, *, temperature: float, max_tokens: int, batch_size: int) -> Model:
        folder = self.workspace.path(f"models/{name}")
        spec = LocalSpec(
            provider="local",
            model=str(folder),
            batch_size=batch_size,
            temperature=temperature,
            max_tokens=max_tokens,
        )
        return Model(
            name=name,
            model=f"{name}@{self.workspace.digest(f'models/{name}')}",
            provider=open_provider(spec),
            calls=self.calls,
            sampling=spec.sampling(self.config.seed),
            concurrency=spec.concurrency,
        )

    def trained_base(self, base: str) -> str:
        if base in self.config.policies:
            return str(self.workspace.path(f"models/{base}"))
        return found_folder(base, self.base)

    def prompts(self) -> dict[str, Prompt]:
        return {prompt.id: prompt for prompt in self.workspace.read("inputs/prompts", Prompt)}

    def held_out(self) -> frozenset[str]:
        rows = self.workspace.rows("inputs/split", Split)
        return frozenset(row.prompt_id for row in rows if row.split == "test")

    def candidates(self, artefacts: Iterable[str]) -> list[Candidate]:
        return [candidate for name in artefacts for candidate in self.workspace.read(name, Candidate)]

    def window(self, models: Sequence[Model]) -> int:
        return self.workers * WINDOW * max(model.concurrency for model in models)

    def map_bounded(
        self, title: str, items: Sequence[T], work: Callable[[T], Awaitable[R]], *, models: Sequence[Model]
    ) -> list[R]:
        results: list[R] = []
        tally = Tally(title, len(items))
        self.stream_bounded([tally], items, tally.counting(work), results.append, models=models)
        return results

    def stream_bounded(
        self,
        tallies: Sequence[Tally],
        items: Iterable[T],
        work: Callable[[T], Awaitable[R]],
        keep: Callable[[R], None],
        *,
        models: Sequence[Model],
    ) -> None:
        """Work on items as they are read, within a bounded window; `keep` takes each result in input order as soon as
        it and those before it are there. The tallies, in which `work` counts, are shown meanwhile."""

        async def pouring() -> None:
            async with aclosing(stream(items, work, window=self.window(models))) as results:
                async for result in results:
                    keep(result)

        with self.progress.watch(tallies, self.calls) as show:
            run_sync(pouring(), meanwhile=show)

    def close(self) -> None:
        """Close the models and the ledger once the replies in flight are stored."""
        try:
            if self._calls:
                shown = set(self._calls.notices)
                if count := self._calls.in_flight:
                    billed = "; they may be billed" if self._may_be_billed else ""
                    self.progress.say(
                        f"Finishing {count} calls in flight (up to {DRAIN:.0f} s). "
                        f"Press Ctrl-C again to abandon them{billed}."
                    )
                run_sync(self._calls.drain())
                for notice in self._calls.notices.keys() - shown:  # of batches that are left to the vendor
                    self.progress.say(plain(notice, longest=500))
        finally:
            self._let_go()

    @property
    def _may_be_billed(self) -> bool:
        """Return whether any model that was opened is outside this process."""
        return any(model.provider.kind not in ("local", "simulated") for model in self._models.values())

    def _let_go(self) -> None:
        may_be_billed = self._may_be_billed
        calls, self._calls = self._calls, None
        models, self._models = self._models, {}
        try:
            late = run_sync(calls.close()) if calls else 0
            if late and may_be_billed:
                self.progress.say(
                    f"{late} calls or batches were abandoned without a reply. The next start counts their possible "
                    "cost as spent, sends the calls again and fetches the batches."
                )
            elif late:
                self.progress.say(f"{late} calls were abandoned without a reply. The next start sends them again.")
        finally:
            for model in models.values():
                run_sync(model.provider.close())
