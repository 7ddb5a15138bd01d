"""A run: a run file, its folder, and the stages in between. The command line and Python start one by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import yaml

from amendment import __version__
from amendment.errors import AmendmentError, ConfigError, LedgerError, Problem
from amendment.evaluation.independence import kinship_warnings
from amendment.files import full_disk, is_full, json_text, write_over, write_text
from amendment.keys import redact_logs
from amendment.llm.concurrency import STAGE
from amendment.llm.functions import ModelFunction
from amendment.llm.model import Model
from amendment.llm.trust import Trust
from amendment.publishing.manifest import write_manifest
from amendment.report import PairView, PromptStory, Records, RunReader, VerdictView, write_report
from amendment.report.page import REPORT
from amendment.results import Result as Found
from amendment.results import Summary
from amendment.run.chain import list_stages
from amendment.run.changes import given_in, with_kept_defaults
from amendment.run.checks import LoadedRun, check_run_file, load_run_file, load_run_settings
from amendment.run.context import Patience, RunContext
from amendment.run.engine import RunFolder, RunStage, assemble, up_to
from amendment.run.permissions import Terms, agree, outward_lines, read_keys, remember_settings, uncovered_lines
from amendment.run.plan import Plan, plan_run
from amendment.run.progress import Progress, ProgressEvent, open_progress
from amendment.run.references import NO_INPUT, only_lends_models
from amendment.run.runfile.config import RunFile
from amendment.run.status import why_ended
from amendment.run.summary import less_than_spent, write_spending, write_summary
from amendment.stages.contract import StageResult, dump
from amendment.stages.passes import Elsewhere, one_pass
from amendment.text import plain
from amendment.yamlfile import did_you_mean

if TYPE_CHECKING:
    from datasets import DatasetDict


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """The result of a run so far."""

    folder: Path
    summary: Mapping[str, Any]
    """The content of `summary.json`."""
    spending: Mapping[str, Any]
    """The content of `spending.json`: calls, tokens and money by stage and model over all starts of the run, and what
    is known of this start alone."""
    sent: int
    """Model calls that went out in this call of the run."""
    ran: tuple[str, ...]
    """Stages that were run now; all others were up to date."""

    def __repr__(self) -> str:
        return f"<RunResult in {self.folder}: {', '.join(self.ran) or 'nothing'} made now, {self.sent:,} calls>"

    @property
    def results(self) -> Mapping[str, Found]:
        """Return what the stages that are done have found out, by name."""
        return Summary.from_json(self.summary).stages

    @property
    def dataset(self) -> DatasetDict:
        """Return the dataset as `datasets` holds it, with people under the pseudonyms that they have in everything that
        leaves the run.

        Raises ConfigError when the run has not made one as it is now.
        """
        if "dataset" not in self.summary["stages"]:
            raise ConfigError(
                f"{self.folder}: no dataset of this run file here; run it up to and including the stage dataset"
            )
        from amendment.data.export import preference_dataset_dict
        from amendment.publishing.finished import FinishedRun

        return preference_dataset_dict({"train": [], "test": [], **FinishedRun(self.folder).rows})


class Run(AbstractContextManager["Run"]):
    """One run. Calling it makes what is missing and leaves the rest as it is.

    A call lets go of the folder at its end, unless models were looked up: these keep working, and keep the
    folder, until `close`, or the end of a `with` block.
    """

    def __init__(
        self,
        loaded: LoadedRun,
        *,
        folder: Path | None = None,
        progress: Progress | Callable[[ProgressEvent], None] | None = None,
        patience: Patience = Patience(),  # noqa: B008 - immutable
        terms: Terms = Terms(),  # noqa: B008 - immutable
    ) -> None:
        self.folder = folder or Path("runs") / loaded.config.name
        self._given = given_in(loaded.config)
        self._loaded = loaded = with_kept_defaults(loaded, self.folder)
        self.config = loaded.config
        self._terms = terms
        self._progress = progress if isinstance(progress, Progress) else open_progress(progress)
        self._is_lent = False
        self._place = RunFolder(self.folder)
        self._context = RunContext(
            loaded.config,
            loaded.base,
            self._place,
            self._progress,
            patience,
            trust=terms.trust,
        )

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        *,
        folder: str | Path | None = None,
        models: Mapping[str, ModelFunction] | None = None,
        overrides: Sequence[str] = (),
        limit: int | None = None,
        progress: Progress | Callable[[ProgressEvent], None] | None = None,
        patience: Patience = Patience(),  # noqa: B008 - immutable
        terms: Terms = Terms(),  # noqa: B008 - immutable
        trust_hosts: Sequence[str] = (),
    ) -> Self:
        """Return a run of this file, in runs/NAME unless another folder is named. Raises ConfigError with all mistakes.

        `models` are functions that answer for entries with the provider `function`, by the entry's name.
        `progress` is a function that takes events; without one, progress is shown as on the command line;
        `QuietProgress()` shows nothing. `overrides` are `a.b=value` texts; `limit` takes only the
        first so many rows of each source, and is a run of its own, in runs/NAME.limit-N; `patience` says how long
        faults of a provider are waited for, `terms` what this start is allowed to do; `trust_hosts` are hosts other
        than the vendors' that may be sent their keys.
        """
        if trust_hosts:
            terms = terms._replace(trust=Trust(trust_hosts))
        loaded = load_run_file(path, overrides, limit=limit, models=models)
        return cls(loaded, folder=_folder_for(loaded, folder, limit), progress=progress, patience=patience, terms=terms)

    @classmethod
    def from_dict(
        cls,
        settings: Mapping[str, Any],
        *,
        base: str | Path = ".",
        folder: str | Path | None = None,
        models: Mapping[str, ModelFunction] | None = None,
        limit: int | None = None,
        progress: Progress | Callable[[ProgressEvent], None] | None = None,
        patience: Patience = Patience(),  # noqa: B008 - immutable
        terms: Terms = Terms(),  # noqa: B008 - immutable
        trust_hosts: Sequence[str] = (),
    ) -> Self:
        """Return a run of the content of a run file, as a dictionary. `base` is the folder from which its paths are
        meant; all else is as in `from_file`."""
        if trust_hosts:
            terms = terms._replace(trust=Trust(trust_hosts))
        loaded = load_run_settings(settings, base=base, limit=limit, models=models)
        return cls(loaded, folder=_folder_for(loaded, folder, limit), progress=progress, patience=patience, terms=terms)

    def __repr__(self) -> str:
        return f"<Run {self.config.name} in {self.folder}>"

    @property
    def models(self) -> Mapping[str, Model]:
        """Return the models of the run file, opened when looked up, with the run's ledger behind them.

        They work before, between and after calls of the run, and raise LedgerError after `close`.
        """
        return _Models(self.config, self._lend)

    def _lend(self, name: str) -> Model:
        self._is_lent = True
        return self._context.model(name)

    def __exit__(self, *_: object) -> None:
        self.close()

    def check(self) -> list[str]:
        """Return the warnings about this run, a sentence each. Calls no model.

        Raises ConfigError with everything that would keep the run from being made.
        """
        warnings = check_run_file(self._loaded, allow_unpriced=self._terms.allow_unpriced)
        assemble(self._context)
        return [*warnings, *uncovered_lines(self._loaded), *kinship_warnings(self.config)]

    def outlook(self) -> list[str]:
        """Return what can be said of results before they are made, a sentence each. Calls no model."""
        return [line for stage in list_stages(self.config) for line in stage.outlook()]

    def plan(self, *, until: str | None = None) -> Plan:
        """Plan what is left up to the stage `until`, with its cost; see `plan_run`."""
        return plan_run(self._loaded, self.folder, until=until)

    def prompts(
        self, *, disputed: bool | None = None, flipped: bool | None = None, invalid: bool | None = None
    ) -> Records[PromptStory]:
        """Return the prompts with what the run has made of each so far; see `RunReader.prompts`."""
        return RunReader(self.folder).prompts(disputed=disputed, flipped=flipped, invalid=invalid)

    def verdicts(
        self, *, disputed: bool | None = None, flipped: bool | None = None, invalid: bool | None = None
    ) -> Records[VerdictView]:
        """Return the verdicts of judges and people so far; see `RunReader.verdicts`."""
        return RunReader(self.folder).verdicts(disputed=disputed, flipped=flipped, invalid=invalid)

    def pairs(self) -> Records[PairView]:
        """Return the pairs of the dataset; see `RunReader.pairs`."""
        return RunReader(self.folder).pairs()

    def __call__(self, *, until: str | None = None) -> RunResult:
        """Make the run, or what is left of it, up to the stage `until`.

        Raises ConfigError or DataError before anything is called, CredentialsError and Paused when models
        cannot go on, TrainingError when a training's own checks fail.
        """
        if only_lends_models(self.config):
            raise ConfigError([Problem("name", NO_INPUT)])
        stages = self._stages()
        wanted = up_to(stages, until)
        sent = self._context.sent
        try:
            self._prepare(wanted)
            made: set[str] = set()
            for stage in wanted:
                if stage.name not in made and not self._place.is_up_to_date(stage):
                    made |= self._make(self._together(stage, wanted), stages)
            before = self._summary_bytes()
            summary, spending = self._report(stages)
            ran = tuple(stage.name for stage in wanted if stage.name in made)
            if ran or before != self._summary_bytes() or not (self.folder / REPORT).exists():
                self._write_page()
            sent = self._context.sent - sent
            return RunResult(folder=self.folder, summary=summary, spending=spending, sent=sent, ran=ran)
        except OSError as fault:
            if is_full(fault, self.folder):
                raise LedgerError(full_disk(self.folder)) from fault
            raise
        finally:
            if not self._is_lent:
                self.close()

    def _prepare(self, wanted: Sequence[RunStage]) -> None:
        """Check all that can keep the run from being made, before anything is written and the first call is sent."""
        up_to_date = self._place.up_to_date(wanted)
        left = [stage.name for stage in wanted if stage.name not in up_to_date]
        if left:
            warnings = check_run_file(self._loaded, up_to_date=up_to_date)
            for line in (*outward_lines(self._loaded, left), *warnings, *kinship_warnings(self.config)):
                self._progress.say(line)
            agree(self._loaded, self.folder, left, self._terms)
            for line in uncovered_lines(self._loaded, left):
                self._progress.say(line)
            redact_logs(*read_keys(self.config))
        else:
            for line in self._loaded.kept:
                self._progress.say(line)
        ledger = self._context.calls.ledger  # opening it locks the folder before anything is written
        if not len(ledger) and (less := less_than_spent(ledger)):
            remedy = "put ledger.sqlite back, or move spending.json away, and all calls are made and paid again"
            raise LedgerError(f"{self.folder}: {less[0]}; {remedy}")
        self._write_config()
        remember_settings(wanted, self.folder, self._given)

    def _stages(self) -> list[RunStage]:
        try:
            return assemble(self._context)
        except (AmendmentError, OSError):
            check_run_file(self._loaded)  # which names this problem among all others, with its place
            raise

    def _together(self, stage: RunStage, wanted: Sequence[RunStage]) -> list[RunStage]:
        """Return the stage, and those after it that have to be made too and can share its pass over the prompts."""
        workspace, group = self._place, [stage]
        if not stage.stage.is_streamed or stage.stage.is_alone:
            return group
        up_to_date = workspace.up_to_date(wanted)
        unmade = {artefact for other in wanted if other.name not in up_to_date for artefact in other.stage.writes}
        unmade -= set(stage.stage.writes)
        renewed = set() if workspace.key_matches(stage) else set(stage.stage.writes)
        for later in wanted[wanted.index(stage) + 1 :]:
            has_to = not workspace.is_up_to_date(later) or not renewed.isdisjoint(later.stage.reads)
            can_join = later.stage.is_streamed and not later.stage.is_alone
            if can_join and has_to and unmade.isdisjoint(later.stage.reads):
                group.append(later)
                unmade -= set(later.stage.writes)
                renewed |= set(later.stage.writes)
        return group

    def _make(self, group: Sequence[RunStage], stages: Sequence[RunStage]) -> set[str]:
        """Run one of these stages, or several in one pass; returns their names."""
        names = ", ".join(stage.name for stage in group)
        is_again = any(self._place.note(stage.name) for stage in group)
        reason = " (settings, inputs or the toolkit changed)" if is_again else ""
        self._progress.say(f"{names}: {'; '.join(stage.stage.title for stage in group)}{reason}")
        try:
            self._report(stages, running=names)
            self._place.check_inputs(group[0])
            for stage, made in self._made(group):
                self._place.close(stage, made)
        except BaseException as fault:
            is_out_of_room = is_full(fault, self.folder)
            ended = full_disk(self.folder) if is_out_of_room else why_ended(fault, read_keys(self.config))
            self._report(stages, ended=ended)
            raise
        return {stage.name for stage in group}

    def _made(self, group: Sequence[RunStage]) -> Iterator[tuple[RunStage, StageResult]]:
        """Yield the results of stages, one after another; each has to be closed before the next is asked for."""
        token = STAGE.set(group[0].name)
        try:
            if not group[0].stage.is_streamed:
                yield group[0], group[0].stage.make(self._context)
                return
            steps = [stage.stage.begin(self._context) for stage in group]
            with self._elsewhere(group) as elsewhere, closing(one_pass(self._context, steps, elsewhere)) as made:
                yield from zip(group, made, strict=False)
        finally:
            STAGE.reset(token)

    def _elsewhere(self, group: Sequence[RunStage]) -> AbstractContextManager[Elsewhere | None]:
        """Return the workers of the run, if it has any."""
        if self.config.engine is None:
            return nullcontext()
        from amendment.run.ray_engine import ray_workers

        return ray_workers(self._context, [stage.name for stage in group])

    def _report(
        self, stages: Sequence[RunStage], running: str | None = None, ended: str | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Write the state of the run: `status.json`, the spending and the summary; returns summary and spending.

        Before and after each stage, so that a run that fails leaves no figures of other settings; the manifest at
        the end, however it comes. `running` are the names of stages, with commas between; `ended` says why this start
        did not finish.
        """
        workspace = self._place
        done = workspace.up_to_date(stages)
        status = {
            "name": self.config.name,
            "stages": [stage.name for stage in stages],
            "running": running,
            "ended": ended,
            "done": done,
            "out of date": [stage.name for stage in stages if stage.name not in done and workspace.note(stage.name)],
        }
        path = self.folder / "status.json"
        text = json_text(status)
        try:
            write_text(path, text)
        except OSError as fault:
            if is_full(fault, self.folder):
                write_over(path, text)
            raise
        pairs = _pairs(workspace, done) if "dataset" in done else None
        lost = self._context.possibly_paid()
        spending = write_spending(self.folder, self._context.calls, pairs=pairs, possibly_paid=lost)
        summary = write_summary(self.config, workspace, stages, spending)
        if running is None:
            write_manifest(self.folder, dump(self.config), summary, self._context.constitutions)
        return summary, spending

    def _summary_bytes(self) -> bytes | None:
        path = self.folder / "summary.json"
        return path.read_bytes() if path.is_file() else None

    def _write_page(self) -> None:
        """Write the report. What it says is in other files too, so a fault in it never costs a run."""
        try:
            write_report([self.folder])
        except Exception as fault:
            reason = plain(f"{type(fault).__name__}: {fault}", longest=300)
            self._progress.say(f"{self.folder / REPORT} was not written ({reason}); try amendment report {self.folder}")

    def _write_config(self) -> None:
        """Write the resolved run file, with every default and every null, and the version that reads it."""
        try:
            text = yaml.safe_dump(dump(self.config), sort_keys=False, allow_unicode=True)
            write_text(self.folder / "run.yaml", f"# resolved by amendment {__version__}\n{text}")
        except OSError as fault:
            if is_full(fault, self.folder):
                raise
            raise LedgerError(f"{self.folder}: cannot be written ({fault.strerror}); choose another folder") from fault

    def close(self) -> None:
        """Let go of models and ledger; calling the run, or looking a model up, opens them again."""
        self._is_lent = False
        self._context.close()


def _folder_for(loaded: LoadedRun, folder: str | Path | None, limit: int | None) -> Path | None:
    """Return the folder that was named; a trial has one of its own, since it must not replace what a whole run has
    made."""
    if limit and folder is None:
        return Path("runs") / f"{loaded.config.name}.limit-{limit}"
    return Path(folder) if folder else None


def _pairs(workspace: RunFolder, done: Sequence[str]) -> int:
    """Return the number of pairs of the dataset, with those that later stages have added."""
    made = [name for name in done if name == "dataset" or name.endswith("-dataset")]
    return sum(workspace.result(name).count(f"{kind}_pairs") for name in made for kind in ("train", "test", "new"))


class _Models(Mapping[str, Model]):
    """Models by short name, opened when looked up."""

    def __init__(self, config: RunFile, open_model: Callable[[str], Model]) -> None:
        self._known, self._open = config.models, open_model

    def __getitem__(self, name: str) -> Model:
        if name not in self._known:
            near = did_you_mean(name, self._known)
            names = ", ".join(self._known)
            raise ConfigError(f"no model {name!r} in this run{near}; there are {names}")
        return self._open(name)

    def __repr__(self) -> str:
        return f"<models {', '.join(self._known)}>"

    def __iter__(self) -> Any:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)
