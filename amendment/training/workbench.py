"""Where one model is trained: the tools around a trainer of TRL, from the base's folder to the result's.

The rooms that train bring their own trainer and data; what every training needs stands here: pinned
threads and seeds, quiet libraries, checked configurations, a watched loop, a folder that appears whole.
Importing this module loads no heavy library; opening a workbench does.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amendment.llm.rendering import Renderer
from amendment.training.bases import check_base, need_training
from amendment.training.demands import check_demands
from amendment.training.guards import GuardReading, Guards
from amendment.training.report import Report
from amendment.training.results import Progress, TrainResult
from amendment.training.settings import TrainerSettings

if TYPE_CHECKING:
    from amendment.training._trainer import Fitted

__all__ = ["Workbench", "load_causal", "load_tokenizer", "placed", "quietly", "steady", "workbench"]


@contextmanager
def workbench(
    base: str | Path,
    out: Path,
    settings: TrainerSettings,
    seed: int,
    progress: Progress | None = None,
    *,
    rows: Sequence[Any] | None = None,
    guards: Guards | None = None,
) -> Iterator[Workbench]:
    """Open a workbench; `rows` are what is trained on, as they were given: with them the training has a `state`.
    `guards` watch a causal model while it is trained.

    Raises MissingExtra, ConfigError (no such base, or a setting that this machine cannot obey) or TrainingError
    (`out` is in use).
    """
    need_training()
    check_base(base, settings.revision)
    check_demands(settings)
    from amendment.training._machine import pinned
    from amendment.training._models import check_out
    from amendment.training._quiet import quiet_libraries
    from amendment.training._reporting import reporting

    check_out(out)
    with reporting(settings, out), quiet_libraries(), pinned(seed), tempfile.TemporaryDirectory() as scratch:
        bench = Workbench(
            base=str(base),
            out=out,
            settings=settings,
            seed=seed,
            progress=progress,
            rows=rows,
            guards=guards,
            scratch=scratch,
        )
        bench.forget_others()
        yield bench


@dataclass(kw_only=True)
class Workbench:
    """An open workbench; use it inside `with workbench(...)`."""

    base: str
    out: Path
    settings: TrainerSettings
    seed: int
    progress: Progress | None
    rows: Sequence[Any] | None
    """What is trained on, as it was given; JSON values."""
    guards: Guards | None
    """What watches the training, if anything."""
    scratch: str
    """A folder that goes when the workbench closes."""
    notes: list[str] = field(default_factory=list)
    """Sentences for the result."""
    readings: tuple[GuardReading, ...] = ()
    """What the guards have measured."""

    @cached_property
    def commit(self) -> str | None:
        """The commit of a base on the Hub, found out once so that all parts are of one; None for a folder."""
        from amendment.training._models import commit_of

        return commit_of(self.base, self.settings.revision)

    @property
    def revision(self) -> str | None:
        """What parts of a base on the Hub are asked for by."""
        return self.commit or self.settings.revision

    @property
    def origin(self) -> dict[str, str]:
        """What records say of the base: its name and, on the Hub, its commit."""
        return {"base": _name(self.base), **({"base_commit": self.commit} if self.commit else {})}

    @cached_property
    def state(self) -> Path:
        """A folder beside `out`, `<out name>.state`, that outlives a kill and belongs to this very training.

        Made when it is first asked for, and removed by `finish`. A training with another base, other rows,
        settings, seed, guards or libraries never sees what lies in it.
        """
        from amendment.training._state import claim, state_of

        folder = state_of(self.out)
        claim(folder, self._fingerprint)
        return folder

    @cached_property
    def _fingerprint(self) -> str:
        from amendment.training._state import fingerprint

        if self.rows is None:
            raise ValueError("a training without rows has no state: open its workbench with rows=")
        return fingerprint(self.base, self.commit, self.rows, self.settings, self.seed, guards=self.guards)

    def forget_others(self) -> None:
        """Remove a state in this training's place that belongs to another one."""
        from amendment.training._state import belongs, state_of

        folder = state_of(self.out)
        if folder.exists() and (self.rows is None or not belongs(folder, self._fingerprint)):
            shutil.rmtree(folder, ignore_errors=True)

    @cached_property
    def tokenizer(self) -> Any:
        from amendment.training._models import load_tokenizer

        return load_tokenizer(self.base, revision=self.revision)

    @cached_property
    def renderer(self) -> Renderer:
        return Renderer(self.tokenizer)

    @property
    def dtype_name(self) -> str:
        """Precision of the weights: frozen ones under an adapter may lie in bf16, trained ones lie in fp32."""
        from amendment.training._machine import uses_bf16

        return "bfloat16" if self.settings.lora and uses_bf16(self.settings) else "float32"

    @property
    def loading(self) -> dict[str, str]:
        """Keywords of `from_pretrained` by which a model that will be trained is loaded: precision and attention."""
        attention = self.settings.attn_implementation
        return {"dtype": self.dtype_name, **({"attn_implementation": attention} if attention else {})}

    @property
    def versions(self) -> dict[str, str]:
        """Of the libraries that train."""
        from amendment.training._machine import versions

        return versions()

    def causal_model(self) -> Any:
        """The base as a causal language model."""
        from amendment.training._models import load_causal

        return load_causal(self.base, revision=self.revision, **self.loading)

    def adapter(self, task: str) -> Any:
        """PEFT's configuration for `CAUSAL_LM` or `SEQ_CLS`, or None when no adapter is asked for."""
        from amendment.training._models import lora_config

        return lora_config(self.settings.lora, task)

    def configure(self, kind: type[Any], **own: Any) -> Any:
        """A configuration of TRL for this machine; `own` are fields of the calling trainer."""
        from amendment.training._machine import configure

        return configure(kind, self.settings, seed=self.seed, folder=self.scratch, **own)

    def seen(self, lengths: Sequence[int], args: Any) -> list[int]:
        """The rows that a trainer with this configuration will draw at least once, of rows with these lengths."""
        if args.max_steps <= 0:
            return list(range(len(lengths)))
        drawn = args.max_steps * args.train_batch_size * args.gradient_accumulation_steps * args.world_size
        return self.order(lengths, args)[:drawn]

    def order(self, lengths: Sequence[int], args: Any) -> list[int]:
        """The rows of these lengths as a trainer with this configuration draws them in its first epoch."""
        from amendment.training._trainer import LengthPools

        return list(LengthPools(lengths, args.train_batch_size, args.seed))  # as the trainer's own sampler is made

    def fit(self, trainer: Any, lengths: Sequence[int], *watchers: Any) -> Fitted:
        """Train to the end; `lengths` are tokens per row."""
        from amendment.training._checkpoints import Checkpoints, last_whole
        from amendment.training._head import use_dense_head
        from amendment.training._state import state_of
        from amendment.training._trainer import fit
        from amendment.training.guards._watcher import open_guards, settled

        use_dense_head(trainer.model)
        trainer.lengths = lengths
        guards = open_guards(self, trainer)  # after all others: no checkpoint is made of what they end
        every = self.settings.checkpoint_every
        if self.rows is None or every is None:
            return settled(fit(trainer, self.progress, *watchers, *guards), trainer, guards)
        folder = state_of(self.out)
        trainer.args.output_dir = str(folder)
        checkpoints = Checkpoints(trainer, every, lambda: self.state)  # it seals what the watchers put there
        fitted = fit(trainer, self.progress, *watchers, checkpoints, *guards, resume=last_whole(folder))
        return settled(fitted, trainer, guards)

    def finish(self, trainer: Any, report: Report, fitted: Fitted, **files: Mapping[str, Any] | Path) -> TrainResult:
        """Merge, save and describe what was trained; `files` are JSON by stem, or folders to copy."""
        from amendment.training._gathering import whole
        from amendment.training._machine import describe
        from amendment.training._models import save
        from amendment.training._state import state_of

        machine = describe(self.settings)
        record = {
            "trainer": report.trainer,
            **self.origin,
            "seed": self.seed,
            "settings": self.settings.model_dump(mode="json", exclude_none=True, exclude={"launch": {"config"}}),
            "machine": machine,
            "preflight": report.to_json(),
            "notes": self.notes,
            "history": fitted.history,
            **({"guards": [one.to_json() for one in self.readings]} if self.guards else {}),
        }
        if model := whole(trainer, fitted.kind):
            save(model, self.tokenizer, self.out, record, **files)
            shutil.rmtree(state_of(self.out), ignore_errors=True)
        trainer.accelerator.wait_for_everyone()
        return TrainResult(
            folder=self.out,
            report=report,
            history=fitted.history,
            steps=fitted.steps,
            machine=machine,
            notes=tuple(self.notes),
            guards=self.readings,
            seconds=fitted.seconds,
        )


@contextmanager
def quietly() -> Iterator[None]:
    """Pinned threads and quiet libraries for scoring: what `workbench` does for training."""
    need_training()
    from amendment.training._machine import pinned
    from amendment.training._quiet import quiet_libraries

    with quiet_libraries(), pinned(None):
        yield


def steady(kind: type[Any]) -> type[Any]:
    """A trainer class of TRL with batches of like length and without telemetry."""
    from amendment.training._trainer import Steady

    return type(f"Steady{kind.__name__}", (Steady, kind), {})


def load_tokenizer(base: str | Path, *, revision: str | None = None) -> Any:
    """The tokenizer of a model folder or Hub id, with a pad token."""
    from amendment.training import _models

    return _models.load_tokenizer(base, revision=revision)


def placed(model: Any) -> Any:
    """The model ready to score: on the GPU where there is one, without dropout."""
    from amendment.training import _models

    return _models.placed(model)


def load_causal(base: str | Path, *, revision: str | None = None) -> Any:
    """A causal language model in fp32 for scoring, on the GPU where there is one."""
    from amendment.training import _models

    return _models.placed(_models.load_causal(base, revision=revision))


def _name(base: str) -> str:
    """A Hub id, or a folder's own name: where it lay on this machine is nobody's business, nor part of a model."""
    folder = Path(base).expanduser()
    return folder.resolve().name if folder.is_dir() else base
