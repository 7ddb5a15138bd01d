"""What a stage of a run is, and what it is given.

A stage is one class in one file of this subpackage: its part of the run file, what it reads and writes, what makes its
result out of date, what can be wrong with it, and its work. The engine in `run/` knows stages by this contract alone,
and stages never import `run/`. `amendment.stages` lists the classes in the order of the chain.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from inspect import getdoc
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Protocol, Self, TypeVar

from pydantic import BaseModel, Field

from amendment.constitutions import Constitution, list_principles, load_constitution
from amendment.curation.cleaning import CleanConfig
from amendment.curation.settings import DatasetConfig
from amendment.data.sources import FileSource, LilliputPrompts, Name, OneOrMore, PairFile, Source
from amendment.data.store import Workspace, answer_texts
from amendment.data.verdict_files import DataSources, Required
from amendment.llm.client import Calls
from amendment.llm.concurrency import Tally
from amendment.llm.model import Model
from amendment.llm.specs import ModelSpec
from amendment.people.labelling import ADJUDICATED, OPEN, PROBABILITIES
from amendment.people.samples import QuestionWriter, SpotCheckSettings
from amendment.preference.deciding import CONSTRUCTED, IMPORTED, PairRules, RunPairs
from amendment.preference.folder import load_judge_folder
from amendment.preference.judge import Judge, JudgeSettings
from amendment.preference.settings import JudgeEntry, JudgingConfig
from amendment.preference.verified import Verifier, verifier_rules
from amendment.records import Candidate, Part, Prompt
from amendment.results import Result
from amendment.stages.tables import Role, RunTables, Tables
from amendment.text import plain
from amendment.verification.checks import hash_source
from amendment.yamlfile import Loc

T = TypeVar("T")
R = TypeVar("R")
P = TypeVar("P", bound=BaseModel)

POLICY_STAGES = ("base", "sft", "dpo")
"""Stages that make a policy; their names can stand wherever a model's can."""
ConfigProblem = tuple[Loc, str]
"""A place in the run file, and what is wrong there."""


class ConfigWarning(NamedTuple):
    """A place in the run file, and what is doubtful there; the run can be made all the same."""

    place: Loc
    message: str


class BudgetPart(Part):
    """A limit on the cost of the run."""

    usd: float = Field(gt=0, allow_inf_nan=False)
    """No call is sent that could take the run's cost above this."""


class RunSettings(Required, DataSources):
    """What every run file may say; `run.runfile.config` adds the parts of the stages."""

    constitution: Annotated[tuple[str, ...], OneOrMore] = ()
    """Shipped ones by id, your own by path."""
    models: dict[Name, ModelSpec] = Field(default={})
    """Every model once, by a short name."""
    plugins: tuple[str, ...] = ()
    """Your own code that registers stages, protocols or providers: Python files, relative to the run file, and entry
    points of installed packages. It is imported when this file is checked, planned or run."""
    budget: BudgetPart | None = None
    """The most that the run may spend."""
    clean: CleanConfig | None = Field(default=None, description=getdoc(CleanConfig))
    prices: str | None = None
    """A price table of your own; it adds to the shipped one and overrides it."""

    @property
    def policies(self) -> tuple[str, ...]:
        """Return the names of all policies that stages can make; they can stand wherever a model's can."""
        raise NotImplementedError  # the run file knows the stages, and this part of it does not

    def part(self, kind: type[P]) -> P | None:
        """Return the settings of a stage by their class; None where the run file has none."""
        return next((value for name in type(self).model_fields if isinstance(value := getattr(self, name), kind)), None)

    def parts(self, kind: type[P]) -> tuple[P, ...]:
        """Return the entries of this class in all lists at the top of the run file."""
        lists = (value for name in type(self).model_fields if isinstance(value := getattr(self, name), tuple))
        return tuple(entry for entries in lists for entry in entries if isinstance(entry, kind))

    def constitutions_in(self, base: Path) -> list[Constitution]:
        """Return the constitutions of a run file in this folder. Raises ConfigError where one cannot be read."""
        return [load_constitution(name, base=base) for name in self.constitution]

    @property
    def checked_rules(self) -> tuple[Constitution, ...]:
        """Return the run's verifiers as a constitution of principles that code checks; empty without any."""
        return verifier_rules(self.parts(Verifier))

    def bare(self, **sources: Any) -> RunSettings:
        """Return a run file of the same name and seed that brings these sources alone."""
        return RunSettings(name=self.name, seed=self.seed).model_copy(update=sources)

    def need(self, kind: type[P]) -> P:
        """Return the same where the run file is known to have it."""
        part = self.part(kind)
        assert part is not None, kind
        return part


class Ask(NamedTuple):
    """A model that a stage asks."""

    place: Loc
    """The place in the run file that names it."""
    model: str
    """Its name under `models`, or a policy that the run trains."""
    role: Literal["write", "revise", "judge", "score"] = "write"
    """Write an answer, revise by principles, judge by principles, or score without principles."""
    judge: JudgeEntry | None = None
    """The entry of the judge, if it judges."""
    take: int | None = None
    """It is asked about the first `take` prompts only; None: about all."""


class StageResult(NamedTuple):
    """The names of the artefacts that a stage wrote, and what it has found out."""

    artefacts: Collection[str]
    result: Result = Result()


@dataclass(slots=True)
class PromptItem:
    """A prompt on its way, with the candidates that it has so far."""

    index: int
    prompt: Prompt
    candidates: dict[str, list[Candidate]] = field(default_factory=dict)
    """By the table that holds them or will hold them."""
    is_pending: bool = False
    """A stage could not be finished with it, so that no later one shall begin."""


class Step(Protocol):
    """The work of a stage on one prompt after another."""

    name: str
    models: Sequence[Model]
    tables: Tables
    """The tables that it writes, open during the pass."""
    reads: tuple[str, ...] = ()
    """The tables whose candidates it takes from an item."""
    makes: str | None = None
    """The table whose candidates it adds to an item."""
    take: int | None = None
    """It works on the first so many prompts; None: on all."""

    async def work(self, item: PromptItem) -> Any:
        """Ask what has to be asked about a prompt. Raises only what concerns the whole run."""
        ...

    async def most(self, item: PromptItem) -> Any:
        """Ask all that can have to be asked about a prompt, whatever the answers are."""
        return await self.work(item)

    def keep(self, result: Any) -> None:
        """Write the result of a prompt; called in the order of the prompts."""
        ...

    def close(self) -> StageResult:
        """Finish the stage. Raises Paused and AmendmentError where it has made nothing that others could read."""
        ...


class Progress(Protocol):
    """Shows the progress of a run."""

    def say(self, line: str) -> None:
        """Print a line."""

    def training(self, title: str, step: int, steps: int, metrics: str) -> None:
        """Show a step of a trainer."""


class Context(Protocol):
    """One run while it is being made: its settings, its folder, its way out to models."""

    @property
    def config(self) -> RunSettings: ...

    @property
    def base(self) -> Path:
        """Return the folder of the run file; relative paths start there."""
        ...

    @property
    def workspace(self) -> Workspace: ...

    @property
    def progress(self) -> Progress: ...

    @property
    def calls(self) -> Calls: ...

    @property
    def constitutions(self) -> tuple[Constitution, ...]: ...

    @property
    def rules(self) -> tuple[Constitution, ...]:
        """Return the constitutions, and the run's verifiers as one more."""
        ...

    def model(self, name: str) -> Model:
        """Return a model under `models`, opened once."""
        ...

    def policy(
        self, name: str, *, temperature: float, max_tokens: int, batch_size: int
    ) -> AbstractContextManager[Model]:
        """Return a policy that this run trained, or a model under `models`, until the end of the block."""
        ...

    def model_key(self, name: str) -> Mapping[str, Any]:
        """Return the parts of a model's entry and files that change its answers."""
        ...

    def trained_base(self, base: str) -> str:
        """Return a stage's base as something that can be loaded: a folder of this run, a path, or a Hub id."""
        ...

    def within(self, config: Any, workspace: Workspace) -> Self:
        """Return the same run with other settings and other tables, on the same ledger, budget and models."""
        ...

    def prompts(self) -> dict[str, Prompt]:
        """Return all prompts by id, in order of arrival."""
        ...

    def held_out(self) -> frozenset[str]:
        """Return the prompts that no training stage may see."""
        ...

    def candidates(self, artefacts: Iterable[str]) -> list[Candidate]:
        """Return the candidates of several tables, one after another."""
        ...

    def window(self, models: Sequence[Model]) -> int:
        """Return how many items may be begun and unfinished where these models are asked."""
        ...

    def map_bounded(
        self, title: str, items: Sequence[T], work: Callable[[T], Awaitable[R]], *, models: Sequence[Model]
    ) -> list[R]:
        """Work on items within a bounded window, with progress; results in input order."""
        ...

    def stream_bounded(
        self,
        tallies: Sequence[Tally],
        items: Iterable[T],
        work: Callable[[T], Awaitable[R]],
        keep: Callable[[R], None],
        *,
        models: Sequence[Model],
    ) -> None:
        """Work on items as they are read; `keep` takes each result in input order. The progress shows the tallies, in
        which `work` counts its items."""
        ...


class Stage:
    """A stage of one run. A subclass has `begin`, for work on one prompt after another, or `make`, on whole tables."""

    name: str
    title: str
    """Shown while it runs: a present participle and its object, such as "judging candidates"."""
    after: ClassVar[str | None] = None
    """The stage behind which it comes in the chain, if it is registered; None: behind all others."""
    absent: ClassVar[str | None] = None
    """Advice for a run file that lacks this stage although another one reads what it makes."""
    weight: ClassVar[int] = 0
    """How much its result says about the run; a run ends by printing the stages of the greatest weight."""
    is_on_card: ClassVar[bool] = False
    """Its lines are figures on held-out prompts; they are published with the dataset, and its card links them."""
    model_title: str | None = None
    """A phrase for the card of the model that it trains; None if it trains none that is published."""
    Config: ClassVar[type[BaseModel] | None] = None
    """Its part of the run file, under its name."""
    comes_with: ClassVar[type[BaseModel] | None] = None
    """The part of the run file, or the entries of a list, that bring it where it has no part of its own."""
    needs: ClassVar[tuple[Role, ...]] = ()
    """It is there only in runs with a table of one of these roles."""
    reads: tuple[str, ...] = ()
    """The artefacts that it reads, each called `stage/table`, or a `Role`, which stands for all tables of the run that
    have it. What they hold makes its result out of date."""
    may_read: tuple[str, ...] = ()
    """Artefacts that it reads as well if the run has a stage that makes them."""
    writes: Collection[str] = ()
    """The artefacts that it makes: names, or a mapping from names to their roles, None for those that other stages read
    by name."""
    tables: RunTables = RunTables({})
    """All that the stages of the run make."""

    def __init__(self, settings: RunSettings) -> None:
        self.settings = settings

    @property
    def roles(self) -> Mapping[str, Role | None]:
        """Return what the stage makes, by name, with the role of each."""
        return self.writes if isinstance(self.writes, Mapping) else dict.fromkeys(self.writes)

    def join(self, tables: RunTables) -> None:
        """Take part in the run that has these tables: from now on `reads` has their names in place of roles."""
        self.tables, self.reads = tables, tables.read_by(self.reads, self.may_read)

    @classmethod
    def of(cls, settings: RunSettings) -> Iterable[Stage]:
        """This stage as the run file has it: once where its part is there, or what it comes with."""
        kind = cls.comes_with or cls.Config
        if kind and (settings.part(kind) or settings.parts(kind)):
            yield cls(settings)

    @classmethod
    def field(cls) -> tuple[Any, Any] | None:
        """Type and default of its part of the run file, as pydantic takes them; None where it has no part."""
        return (cls.Config | None, Field(default=None, description=getdoc(cls))) if cls.Config else None

    @classmethod
    def policies(cls, settings: RunSettings) -> Iterable[str]:
        """Return the names of the policies that it can make in addition to `base`, `sft` and `dpo`."""
        return ()

    def key(self, context: Context) -> Mapping[str, Any]:
        """Return the settings and the state of files outside the run that change the result, as JSON values."""
        raise NotImplementedError  # every stage has its own

    def sources(self) -> Iterable[Source]:
        """Return the files and datasets that it reads."""
        return ()

    def asks(self) -> Iterable[Ask]:
        """Return the models that it asks."""
        return ()

    def categories(self) -> Iterable[ConfigProblem]:
        """Return the categories that its settings name and some prompt has to have, each with its place."""
        return ()

    def problems(self) -> Iterable[ConfigProblem]:
        """Errors of the run file that this stage alone can find."""
        return ()

    def check(self, base: Path) -> Iterable[ConfigProblem | ConfigWarning]:
        """Errors and warnings about the files that its settings name; `base` is the folder of the run file.

        Raises DataError for rows of files.
        """
        return ()

    def outlook(self) -> Iterable[str]:
        """Return what can be said of its result before it is made, a sentence each."""
        return ()

    def begin(self, context: Context) -> Step:
        """Open what the work on single prompts needs."""
        raise NotImplementedError  # of a stage that has `make`

    @property
    def is_streamed(self) -> bool:
        """It works on one prompt after another, and so shares a pass over the prompts with its neighbours."""
        return type(self).begin is not Stage.begin

    @property
    def is_alone(self) -> bool:
        """It works on one prompt after another, and reads tables that must be whole before: its pass is its own."""
        return False

    def make(self, context: Context) -> StageResult:
        """Do the work on whole tables."""
        raise NotImplementedError  # of a stage that has `begin`

    def most(self, context: Context) -> StageResult:
        """Ask all that `make` can have to ask, whatever the answers are."""
        return self.make(context)


def is_lilliput(settings: RunSettings) -> bool:
    """Return whether all prompts come from the simulated world."""
    own_prompts = not all(isinstance(source, LilliputPrompts) for source in settings.prompts)
    return not (own_prompts or settings.parts(FileSource) or settings.pairs or settings.verdicts)


def unknown_raters(place: Loc, sources: Sequence[Any]) -> Iterator[ConfigWarning]:
    """Warn of files of pairs of which the run file does not say who decided them."""
    for index, source in enumerate(sources):
        if isinstance(source, PairFile) and source.kind is None:
            unknown = f"nothing says who decided the pairs of {plain(source.label)}, so they are published as unknown"
            yield ConfigWarning((*place, index), f"{unknown}; add kind: person, model or verifier, or kind: unknown")


def simulated_people_problems(settings: RunSettings, keys: Loc, command: str) -> Iterator[ConfigProblem]:
    """Report simulated people who would be asked about prompts outside the simulated world; `keys` are the part that
    asks them, and `command` serves the page for others."""
    if not (settings.prompts and is_lilliput(settings)):
        yield (
            (*keys, "people"),
            "the people of the simulated world know its own prompts alone, prompts: [{lilliput: 100}], and this run "
            f"has others; take people: page, and {command}",
        )


def question_writer(
    context: Context, judge: JudgeEntry | None, prompts: Mapping[str, Prompt], candidates: Mapping[str, Candidate]
) -> QuestionWriter:
    """Return what writes the questions to people about comparisons that this judge decided; None: the judge of an
    imported log."""
    unit = load_judge_folder(judge.protocol, base=context.base).unit if judge else None
    return QuestionWriter(context.constitutions, unit, prompts, candidates, seed=context.config.seed)


def open_judge(context: Context, entry: JudgeEntry, settings: JudgeSettings) -> Judge:
    """Return a judge of the run file, ready to be asked. Raises ConfigError for a folder or a model that cannot
    judge."""
    return Judge(
        folder=load_judge_folder(entry.protocol, base=context.base),
        model=context.model(entry.model),
        constitutions=context.constitutions,
        settings=settings,
        samples=entry.samples,
        seed=context.config.seed,
        stops=True,
    )


def pair_rules(settings: RunSettings, tables: RunTables) -> PairRules:
    """Return who decides the pairs of a run with these tables."""
    judging = settings.part(JudgingConfig)
    people = settings.part(SpotCheckSettings)
    dataset = settings.need(DatasetConfig)
    decisions = [name for name in tables.of(Role.DECISIONS) if name != IMPORTED]
    return PairRules(
        judging=judging,
        ties=dataset.ties,
        vetoes=tuple(verifier for verifier in settings.parts(Verifier) if verifier.effect == "veto"),
        verified=decisions[0] if decisions and judging is None else None,
        is_checked=people is not None and judging is None,
        labels=OPEN if people else None,
        adjudicated=ADJUDICATED if people and people.adjudicate else None,
        probabilities=PROBABILITIES if people else None,
        is_calibrated=dataset.probabilities == "calibrated",
        has_constructed=CONSTRUCTED in tables,
    )


def run_pairs(context: Context, tables: RunTables) -> RunPairs:
    """Return what decides the pairs of a run, and what is read for it."""
    texts = answer_texts(context.workspace, tables.answers)
    return RunPairs(pair_rules(context.config, tables), context.workspace, texts)


def judge_key(context: Context, entry: JudgeEntry) -> dict[str, Any]:
    """Return a judge's model and texts, for a key."""
    folder = load_judge_folder(entry.protocol, base=context.base)
    return {**context.model_key(entry.model), f"judge {entry.protocol}": folder.hash}


def constitution_key(context: Context) -> dict[str, Any]:
    """Return the constitutions, for the key of a stage that asks by principles."""
    return rules_key(context.constitutions)


def rules_key(rules: Sequence[Constitution]) -> dict[str, Any]:
    """Constitutions, verifiers among them, with the source of functions that check for them, for a key."""
    checks = [check for drawn in list_principles(rules) for check in drawn.principle.check]
    functions = {str(check.value): hash_source(str(check.value)) for check in checks if check.kind == "function"}
    references = {"constitutions": [constitution.reference for constitution in rules]}
    return {**references, **({"checks": functions} if functions else {})}


def dump(part: BaseModel, *, without: set[str] | None = None) -> dict[str, Any]:
    """Return a part of the run file as JSON values, for a key."""
    return part.model_dump(mode="json", exclude=without, by_alias=True)
