"""What the stages of one run share: its configuration, its folder, its ledger and its opened models."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, TypeVar

from amendment.calls import Calls, Model, flow
from amendment.constitutions import Constitution, load_constitution
from amendment.ledger import Ledger
from amendment.pipeline.engine import Workspace
from amendment.pipeline.progress import Progress
from amendment.pipeline.runfile.config import POLICY_STAGES, RunFile
from amendment.providers import LocalSpec, ModelSpec, open_model, open_provider
from amendment.records import Candidate, Prompt, Record
from amendment.sync import run_sync

__all__ = ["Context", "Patience", "Split", "found_folder", "located"]

T = TypeVar("T")
R = TypeVar("R")
WINDOW = 4
"""Items begun and unfinished, in multiples of a model's concurrency."""


class Split(Record):
    """On which side of the split a prompt stands."""

    prompt_id: str
    split: str


class Patience(NamedTuple):
    """How long passing faults of a provider are waited for before an item is left pending."""

    attempts: int = 8
    """Of each call."""
    longest_wait: float = 60.0
    """Seconds, between two attempts."""


def located(spec: ModelSpec, base: Path) -> ModelSpec:
    """A model folder that lies beside the run file, or at a path with `~`, under its full path; any other as it is."""
    if isinstance(spec, LocalSpec):
        return spec.model_copy(update={"model": found_folder(spec.model, base)})
    return spec


def found_folder(model: str, base: Path) -> str:
    """The folder of a model, seen from `base`, where there is one; else the name as it is."""
    folder = base / os.path.expanduser(model)  # noqa: PTH111 - Path.expanduser raises where there is no home
    return str(folder) if folder.is_dir() else model


class Context:
    """One run while it is being made. Models are opened when a stage first asks for them."""

    def __init__(
        self,
        config: RunFile,
        base: Path,
        workspace: Workspace,
        progress: Progress,
        patience: Patience = Patience(),  # noqa: B008 - immutable
    ) -> None:
        """`base` is the folder of the run file, from which its paths are meant."""
        self.config = config
        self.base = base
        self.workspace = workspace
        self.progress = progress
        self.patience = patience
        self._models: dict[str, Model] = {}
        self._calls: Calls | None = None

    @cached_property
    def constitutions(self) -> tuple[Constitution, ...]:
        return tuple(load_constitution(name, base=self.base) for name in self.config.constitution)

    @property
    def calls(self) -> Calls:
        """The way out; the ledger is opened, and the folder locked, at the first use."""
        if self._calls is None:
            self._calls = Calls(Ledger(self.workspace.folder / "ledger.sqlite"), **self.patience._asdict())
        return self._calls

    @property
    def sent(self) -> int:
        """Calls that went out in this process."""
        return self._calls.sent if self._calls else 0

    @property
    def cached(self) -> int:
        """Replies found in the ledger in this process."""
        return self._calls.cached if self._calls else 0

    def model(self, name: str) -> Model:
        """A model under `models`, opened once."""
        if name not in self._models:
            spec = located(self.config.models[name], self.base)
            self._models[name] = open_model(name, spec, self.calls, self.config.seed)
        return self._models[name]

    @contextmanager
    def policy(self, name: str, *, temperature: float, max_tokens: int, batch_size: int) -> Iterator[Model]:
        """A policy that this run trained, or a model under `models`. The weights count in the name of its requests.

        A trained policy is let go at the end of the block, so that its weights do not lie beside the next one's.
        """
        if name not in POLICY_STAGES:
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
        """A stage's base as something that can be loaded: a folder of this run, a path, or a Hub id."""
        if base in POLICY_STAGES:
            return str(self.workspace.path(f"models/{base}"))
        return found_folder(base, self.base)

    def prompts(self) -> dict[str, Prompt]:
        """All prompts by id, in order of arrival."""
        return {prompt.id: prompt for prompt in self.workspace.read("inputs/prompts", Prompt)}

    def held_out(self) -> frozenset[str]:
        """The prompts that no training stage may see."""
        rows = self.workspace.read("inputs/split", Split)
        return frozenset(row.prompt_id for row in rows if row.split == "test")

    def candidates(self, artefacts: Iterable[str]) -> list[Candidate]:
        """The candidates of several tables, one after another."""
        return [candidate for name in artefacts for candidate in self.workspace.read(name, Candidate)]

    def each(
        self, title: str, items: Sequence[T], work: Callable[[T], Awaitable[R]], *, models: Sequence[Model]
    ) -> list[R]:
        """Work on items within a bounded window, with progress; results in input order."""
        window = WINDOW * max(model.concurrency for model in models)
        with self.progress.stage(title, len(items), self.calls) as step:

            async def counted(item: T) -> R:
                result = await work(item)
                step()
                return result

            return run_sync(flow(items, counted, window=min(window, max(1, len(items)))))

    def close(self) -> None:
        """Let go of models and ledger, after replies that are on the wire have been stored."""
        if self._calls:
            run_sync(self._calls.drain())
        for model in self._models.values():
            run_sync(model.provider.close())
        self._models.clear()
        if self._calls:
            self._calls.ledger.close()
            self._calls = None
