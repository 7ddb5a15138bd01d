"""A run: a run file, its folder, and the stages in between. The command line calls this and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import yaml

from amendment import __version__
from amendment.calls import Model
from amendment.errors import AmendmentError, ConfigError, LedgerError
from amendment.files import write_text
from amendment.pipeline.assembly import assemble
from amendment.pipeline.checks import LoadedRun, check_run_file, load_run_file
from amendment.pipeline.context import Context, Patience
from amendment.pipeline.engine import Stage, Workspace
from amendment.pipeline.progress import Progress, QuietProgress
from amendment.pipeline.publishing.manifest import write_manifest
from amendment.pipeline.runfile.config import RunFile
from amendment.pipeline.summary import write_summary
from amendment.yamlfile import did_you_mean

if TYPE_CHECKING:
    from datasets import DatasetDict

__all__ = ["Result", "Run"]


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a run has made so far."""

    folder: Path
    summary: Mapping[str, Any]
    """The content of `summary.json`."""
    sent: int
    """Model calls that went out in this call of the run."""
    ran: tuple[str, ...]
    """Stages that were run now; all others stood."""

    @property
    def dataset(self) -> DatasetDict:
        """The dataset as `datasets` holds it, with the names of raters as they are in the files; what may be seen by
        others comes from `amendment publish` and `amendment export`.

        Raises ConfigError when the run has not made one as it is now.
        """
        if "dataset" not in self.summary["stages"]:
            raise ConfigError(f"{self.folder}: no dataset of this run file here; run it until the stage dataset")
        from amendment.pipeline.publishing.dataset_files import load_dataset_dict

        return load_dataset_dict(self.folder)


class Run:
    """One run. Calling it makes what is missing and leaves alone what stands.

    A call lets go of the folder at its end, unless models were looked up: these keep working, and keep the
    folder, until `close`, or the end of a `with` block.
    """

    def __init__(
        self,
        loaded: LoadedRun,
        *,
        folder: Path | None = None,
        progress: Progress | None = None,
        patience: Patience = Patience(),  # noqa: B008 - immutable
    ) -> None:
        self.config = loaded.config
        self.folder = folder or Path("runs") / loaded.config.name
        self._loaded = loaded
        self._progress = progress or QuietProgress()
        self._is_lent = False
        self._context = Context(loaded.config, loaded.base, Workspace(self.folder), self._progress, patience)

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        *,
        folder: str | Path | None = None,
        overrides: Sequence[str] = (),
        limit: int | None = None,
        progress: Progress | None = None,
        patience: Patience = Patience(),  # noqa: B008 - immutable
    ) -> Self:
        """A run of this file, in runs/NAME unless another folder is named. Raises ConfigError with all mistakes.

        `overrides` are `a.b=value` texts; `limit` takes only the first so many rows of each source, and is a run
        of its own, in runs/NAME.limit-N; `patience` says how long faults of a provider are waited for.
        """
        loaded = load_run_file(path, overrides, limit=limit)
        if limit and folder is None:  # a trial shall not replace what a whole run has made
            folder = Path("runs") / f"{loaded.config.name}.limit-{limit}"
        return cls(loaded, folder=Path(folder) if folder else None, progress=progress, patience=patience)

    @property
    def models(self) -> Mapping[str, Model]:
        """The models of the run file, opened when looked up, with the run's ledger behind them.

        They work before, between and after calls of the run, and raise LedgerError after `close`.
        """
        return _Models(self.config, self._lend)

    def _lend(self, name: str) -> Model:
        self._is_lent = True
        return self._context.model(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def check(self) -> None:
        """Raise ConfigError with everything that would keep this run from being made. Calls nothing."""
        check_run_file(self._loaded)
        assemble(self._context)

    def __call__(self, *, until: str | None = None) -> Result:
        """Make the run, or what is left of it, up to the stage `until`.

        Raises ConfigError or DataError before anything is called, CredentialsError and Paused when models
        cannot go on, TrainingError when a training's own checks fail.
        """
        stages = self._stages()
        wanted = _until(stages, until)
        sent = self._context.sent
        try:
            stands = self._context.workspace.stands
            stood = all(stands(stage) for stage in wanted)
            if not stood:
                check_run_file(self._loaded, standing=self._context.workspace.standing(wanted))
            self._context.calls.ledger  # noqa: B018 - opening it locks the folder before anything is written
            self._write_config()
            ran = [stage.name for stage in wanted if not stands(stage) and self._make(stage, stages)]
            summary = self._report(stages, running=None)
            return Result(folder=self.folder, summary=summary, sent=self._context.sent - sent, ran=tuple(ran))
        finally:
            if not self._is_lent:
                self.close()

    def _stages(self) -> list[Stage]:
        try:
            return assemble(self._context)
        except (AmendmentError, OSError):
            check_run_file(self._loaded)  # which names this problem among all others, with its place
            raise

    def _make(self, stage: Stage, stages: Sequence[Stage]) -> bool:
        """Run a stage of these; true, since it was run."""
        again = " again, since settings or inputs have changed" if self._context.workspace.note(stage.name) else ""
        self._progress.say(f"{stage.name}: {stage.title}{again}")
        self._report(stages, running=stage.name)
        try:
            self._context.workspace.close(stage, stage.run())
        except BaseException:
            self._report(stages, running=None)
            raise
        return True

    def _report(self, stages: Sequence[Stage], running: str | None) -> dict[str, Any]:
        """Write what stands now: the summary, and `status.json`, which leaves a ledger in use alone.

        Before and after each stage, so that a run that fails leaves no figures of other settings; the manifest at
        the end, however it comes. Returns the summary.
        """
        workspace = self._context.workspace
        done = workspace.standing(stages)
        status = {
            "name": self.config.name,
            "stages": [stage.name for stage in stages],
            "running": running,
            "done": done,
            "out of date": [stage.name for stage in stages if stage.name not in done and workspace.note(stage.name)],
        }
        write_text(self.folder / "status.json", json.dumps(status, indent=1) + "\n")
        summary = write_summary(self.config, workspace, stages)
        if running is None:
            write_manifest(self.config, workspace, stages, summary, self._context.constitutions)
        return summary

    def _write_config(self) -> None:
        """The resolved run file, defaults included, and the version that reads it."""
        try:
            resolved = self.config.model_dump(mode="json", by_alias=True, exclude_none=True)
            text = yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True)
            write_text(self.folder / "run.yaml", f"# resolved by amendment {__version__}\n{text}")
        except OSError as fault:
            raise LedgerError(f"{self.folder}: cannot be written ({fault.strerror}); choose another folder") from fault

    def close(self) -> None:
        """Let go of models and ledger; calling the run, or looking a model up, opens them again."""
        self._is_lent = False
        self._context.close()


def _until(stages: list[Stage], until: str | None) -> list[Stage]:
    """The stages up to the one of this name."""
    if until is None:
        return stages
    names = [stage.name for stage in stages]
    if until not in names:
        raise ConfigError(f"no stage {until!r} in this run{did_you_mean(until, names)}; there are {', '.join(names)}")
    return stages[: names.index(until) + 1]


class _Models(Mapping[str, Model]):
    """Models by short name, opened when looked up."""

    def __init__(self, config: RunFile, open_model: Callable[[str], Model]) -> None:
        self._known, self._open = config.models, open_model

    def __getitem__(self, name: str) -> Model:
        if name not in self._known:
            near, known = did_you_mean(name, self._known), ", ".join(self._known)
            raise ConfigError(f"no model {name!r} in this run{near}; there are {known}")
        return self._open(name)

    def __iter__(self) -> Any:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)
