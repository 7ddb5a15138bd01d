"""The stages of a run on a stage of their own: a temporary folder, models that send nothing, the trained policies that
stand in the run's folder.

Not covered: what is counted; see `rehearsal`.
"""

from __future__ import annotations

from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from amendment.errors import Transient
from amendment.llm.model import Model
from amendment.llm.opening import open_model
from amendment.llm.prices import Price
from amendment.llm.provider import Meter
from amendment.llm.requests import Reply, Request
from amendment.llm.specs import AnthropicSpec, LocalSpec, ModelSpec, OpenAISpec, located
from amendment.llm.trust import Trust
from amendment.records import Sampling
from amendment.run.context import Context
from amendment.run.engine import RunFolder
from amendment.run.planning.rehearsal import Asked, Billing, Rehearsal
from amendment.run.progress import QuietProgress
from amendment.run.runfile.config import RunFile

__all__ = ["Rehearsing", "Sketch"]


class Sketch(RunFolder):
    """Tables in a temporary folder, trained models in the run's, input tables where they are."""

    def __init__(self, folder: Path, run: RunFolder, inputs: RunFolder | None = None) -> None:
        super().__init__(folder)
        self._run = run
        self._inputs = inputs

    def path(self, artefact: str) -> Path:
        """Where an artefact lies."""
        if artefact.startswith("models/"):
            return self._run.path(artefact)
        if self._inputs and artefact.startswith("inputs/"):
            return self._inputs.path(artefact)
        return super().path(artefact)

    def digest(self, artefact: str) -> str:
        """The content hash of a trained model, as the run took it."""
        return self._run.digest(artefact)


class Rehearsing(Context):
    """A run whose models are rehearsed with."""

    is_rehearsed = True

    def __init__(
        self,
        config: RunFile,
        base: Path,
        workspace: Sketch,
        rehearsal: Rehearsal,
        prices: dict[str, Price | None],
        *,
        trained: Collection[str],
        has_replies: bool,
    ) -> None:
        """`trained` are the stages whose policies stand in the run's folder, `has_replies` says whether it has a ledger
        in which answers of models of this machine may be found."""
        super().__init__(config, base, workspace, QuietProgress())
        self._rehearsal = rehearsal
        self._prices = prices
        self._trained_stages = trained if _can_train() and has_replies else ()
        self._has_replies = has_replies

    @property
    def asks_most(self) -> bool:  # type: ignore[override]
        """Not for a stage that stands: its answers are known."""
        return not self._rehearsal.is_done

    @property
    def calls(self) -> Asked:
        """What a bar would count; nothing is sent through it."""
        return self._rehearsal.way_out("")

    def model(self, name: str) -> Model:
        """A model under `models` that sends nothing, with the identity of the one that would."""
        if name not in self._models:
            spec = located(self.config.models[name], self.base)
            calls = self._rehearsal.way_out(name, _billing_of(spec, self._prices[name]))
            is_near = not isinstance(spec, LocalSpec) or (self._has_replies and self._is_here(spec))
            if is_near:
                trust = Trust([spec.host] if isinstance(spec, OpenAISpec | AnthropicSpec) else [])
                self._models[name] = open_model(
                    name, _online(spec), calls, self.config.seed, _no_keys(spec), trust=trust
                )
            else:
                self._models[name] = _made_up_model(name, spec.model, calls, spec.sampling(self.config.seed))
        return self._models[name]

    def _trained(self, name: str, *, temperature: float, max_tokens: int, batch_size: int) -> Model:
        calls = self._rehearsal.way_out(name)
        if name not in self._trained_stages:
            spec = LocalSpec(provider="local", model=name, temperature=temperature, max_tokens=max_tokens)
            return _made_up_model(name, name, calls, spec.sampling(self.config.seed))
        model = super()._trained(name, temperature=temperature, max_tokens=max_tokens, batch_size=batch_size)
        model.calls = calls
        return model

    def _is_here(self, spec: LocalSpec) -> bool:
        return _can_train() and Path(spec.model).is_dir()


def _billing_of(spec: ModelSpec, price: Price | None) -> Billing:
    """What counts for the cost of a model's calls."""
    if not isinstance(spec, OpenAISpec | AnthropicSpec):
        return Billing(price)
    return Billing(price, spec.mode == "batch", spec.max_tokens if spec.at_length == "double" else None)


def _online(spec: ModelSpec) -> ModelSpec:
    """The entry without a batch service, which needs a ledger of its own; what is asked is the same."""
    return spec.model_copy(update={"mode": "online"}) if isinstance(spec, OpenAISpec | AnthropicSpec) else spec


def _can_train() -> bool:
    return all(find_spec(library) for library in ("torch", "transformers"))


def _no_keys(spec: ModelSpec) -> dict[str, str]:
    """An environment in which every key is set, and none is one: a client has to be given something."""
    variable = spec.api_key_env if isinstance(spec, OpenAISpec | AnthropicSpec) else None
    return {variable: "planning-sends-nothing"} if variable else {}


def _made_up_model(name: str, model: str, calls: Asked, sampling: Sampling) -> Model:
    return Model(name=name, model=model, provider=_Nobody(), calls=calls, sampling=sampling)


class _Nobody:
    """In place of a model that is not on this machine yet, or that a run will train: its calls are counted."""

    kind = "local"
    host = "not here yet"
    shows_choices = True
    deadline = None

    async def send(self, request: Request) -> NoReturn:
        raise AssertionError("a rehearsal sends nothing")

    def meter(self, raw: bytes) -> Meter:
        return Meter()

    def read(self, raw: bytes, request: Request) -> Reply:
        raise Transient(f"{self.host}: no stored reply is this model's", kind="unreadable")

    async def close(self) -> None:
        """Nothing is open."""
