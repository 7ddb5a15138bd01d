"""The stage `generate`: models write new prompts from the run's own, which are the seeds.

Covered: questions that do not depend on each other's answers, in waves until enough prompts are new; the parents of
each prompt, and its category, tags and license, which are theirs. Not covered: what is asked and which prompts are new;
see `curation.prompts`.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from inspect import getdoc
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field

from amendment.constitutions import list_principles
from amendment.curation.funnel import Cleaning, clean_key
from amendment.curation.prompts import EACH, SHOWN, Kind, Novelty, Weakest, find_weakest, listed_prompts, question
from amendment.data.inputs import read_inputs
from amendment.data.source_rows import source_state
from amendment.data.sources import Name, Source
from amendment.errors import AmendmentError, ConfigError, ProviderError
from amendment.files import file_hash
from amendment.keys import key_variables, run_scanner
from amendment.llm.model import Ending, Model, Unusable, item_ending, usable
from amendment.records import Message, Part, Prompt, PromptOrigin, last_text
from amendment.results import SUMMARY, Figure, Funnel, Result, Value, by_label, counted
from amendment.stages.contract import (
    Ask,
    ConfigProblem,
    ConfigWarning,
    Context,
    RunSettings,
    Stage,
    StageResult,
    constitution_key,
    dump,
)
from amendment.stages.tables import Role, Tables
from amendment.text import plain

WAVES = 3
"""Waves of questions; each asks for what is missing after the one before."""


class GenerateConfig(Part):
    """New prompts that a model writes from the run's prompts, its seeds."""

    model: Name
    """A name under `models`."""
    prompts: int = Field(ge=1, le=20_000)
    """The number of new prompts. If fewer are new after three rounds of questions, the run continues with these; if
    none is new, it stops with an error."""
    kind: Kind = "similar"
    """similar: other prompts of the seeds' kind. red_team: variants of a seed that are harder to answer well."""
    aim: str | None = None
    """The folder of an earlier run. Prompts aim at the lowest share kept there: of a principle, of a principle in one
    category, or of all principles in one category. Seeds are prompts of that category to which the principle
    applies."""


class _Known(NamedTuple):
    """The seeds, and the texts of all prompts that there are."""

    seeds: Sequence[Prompt]
    texts: Sequence[str]


class _PromptQuestion(NamedTuple):
    number: int
    parents: tuple[Prompt, ...]


class _Answered(NamedTuple):
    question: _PromptQuestion
    ending: Ending
    texts: list[str]
    request: str | None = None


class GenerateStage(Stage):
    """Write new prompts from the run's own."""

    name = "generate"
    title = "writing new prompts"
    comes_with = GenerateConfig
    writes: Collection[str] = {"generate/prompts": Role.PROMPTS, "generate/origins": None, "generate/endings": None}

    def __init__(self, settings: RunSettings) -> None:
        super().__init__(settings)
        self.parts = settings.parts(GenerateConfig)

    @classmethod
    def field(cls) -> tuple[Any, Any]:
        return (tuple[GenerateConfig, ...], Field(default=(), description=getdoc(GenerateConfig)))

    def key(self, context: Context) -> Mapping[str, Any]:
        key: dict[str, Any] = {
            "generate": [dump(part) for part in self.parts],
            "seeds": [dump(source) for source in self.settings.prompts],
            "files": [source_state(source, context.base) for source in self.sources()],
            **clean_key(self.settings.clean, context.base),
        }
        for part in self.parts:
            key |= context.model_key(part.model)
            if part.aim:
                summary = context.base / part.aim / SUMMARY
                key |= {
                    f"aim {part.aim}": file_hash(summary) if summary.is_file() else "absent",
                    **constitution_key(context),
                }
        return key

    def sources(self) -> Iterable[Source]:
        return [source for source in self.settings.prompts if isinstance(source, Source)]

    def asks(self) -> Iterator[Ask]:
        for index, part in enumerate(self.parts):
            yield Ask((self.name, index, "model"), part.model)

    def problems(self) -> Iterator[ConfigProblem]:
        if not self.settings.prompts:
            yield (self.name,), "needs prompts as seeds; add some under prompts"
        for index, part in enumerate(self.parts):
            if part.model in self.settings.policies:
                yield (self.name, index, "model"), "a policy is trained only after the prompts exist; name a model"

    def check(self, base: Path) -> Iterator[ConfigProblem | ConfigWarning]:
        for index, part in enumerate(self.parts):
            if part.aim:
                try:
                    rules = self.settings.constitutions_in(base)
                    find_weakest(base / part.aim, [drawn.id for drawn in list_principles(rules)])
                except ConfigError as fault:
                    yield (self.name, index, "aim"), str(fault)

    def make(self, context: Context) -> StageResult:
        """Ask in waves, and keep what is new. Raises AmendmentError where no prompt can be a seed, and where a model
        writes none that can be used."""
        return self._made(context, _Writing.write)

    def most(self, context: Context) -> StageResult:
        """Ask in every wave, and then make up as many prompts as are wanted."""
        return self._made(context, _Writing.pretend)

    def _made(self, context: Context, write: Callable[[_Writing], None]) -> StageResult:
        bare = self.settings.model_copy(update={"candidates": (), "pairs": (), "verdicts": ()})
        every = read_inputs(bare, context.base).prompts.values()
        clean: list[Prompt] = []
        scanner = run_scanner(key_variables(dump(context.config)))
        keep = Cleaning(context.config.clean, context.base, scanner).prompts(clean.append)
        for prompt in every:
            keep(prompt)
        seeds = [prompt for prompt in clean if _is_seed(prompt)]
        if not seeds:
            raise AmendmentError(
                "generate: no prompt can be a seed; expected one with a single user turn and no known answer, which "
                "clean keeps"
            )
        own = [
            part.aim
            for part in self.parts
            if part.aim and (context.base / part.aim).resolve() == context.workspace.folder.resolve()
        ]
        if own:
            raise AmendmentError(
                f"generate: aim: {own[0]} is this run's own folder, whose figures change with every new prompt; name "
                "another run, or a copy of this one"
            )
        result = Result(figures=counted(seeds=len(seeds)))
        left_out, written = Counter[str](), 0
        taken = {last_text(prompt.messages) for prompt in every}
        with Tables(context.workspace, self.name, prompts=Prompt, origins=PromptOrigin) as tables:
            for index in range(len(self.parts)):
                made = _Writing(context, index, _Known(seeds, sorted(taken)), tables)
                write(made)
                if made.yields_nothing:
                    break
                taken |= {last_text(prompt.messages) for prompt in made.new}
                written, left_out = written + len(made.new), left_out + made.left_out
                result += made.result()
            tables.close()
        if made.yields_nothing:
            raise AmendmentError(
                f"{made.shortfall()}. The replies are kept; name another model or other seeds, or take the entry out"
            )
        new = Funnel(what="generated prompts", came_in=written + left_out.total(), left_out=left_out, remained=written)
        return StageResult(tables.artefacts, Result(funnels=(tables.funnel("questions"), new)) + result)


class _Writing:
    """The prompts of one entry."""

    def __init__(self, context: Context, index: int, known: _Known, tables: Tables) -> None:
        part = context.config.parts(GenerateConfig)[index]
        self._context, self._part, self._index, self._tables = context, part, index, tables
        self._weakest, self._statement, self._seeds = _aim(context, part, known.seeds)
        self._by_scope: dict[tuple[str | None, tuple[str, ...]], list[Prompt]] = {}
        for seed in self._seeds:
            self._by_scope.setdefault(_scope(seed), []).append(seed)
        self._novelty = Novelty(known.texts)
        self.left_out: Counter[str] = Counter()
        self._asked = 0
        self.new: list[Prompt] = []
        self.yields_nothing = False
        """The model was asked as often as it is, and none of its prompts can be used."""

    def write(self) -> None:
        model = self._context.model(self._part.model)
        for _ in range(WAVES):
            missing = self._part.prompts - len(self.new)
            if not missing:
                break
            questions = [self._question(self._asked + place) for place in range(ceil(missing / EACH))]
            self._asked += len(questions)

            async def work(question: _PromptQuestion) -> _Answered:
                return await self._ask(model, question)

            answers = self._context.map_bounded(f"prompts of {model.name}", questions, work, models=[model])
            for answer in answers:
                self._tables.end(f"{self._index}/{answer.question.number}", answer.ending)
                self._keep(answer, model)
            if any(answer.ending.outcome == "pending" for answer in answers):  # what comes next depends on these
                return
        self.yields_nothing = not self.new

    def pretend(self) -> None:
        """Ask, and make up the prompts that are missing."""
        self.write()
        self.yields_nothing = False
        self._tables.end(f"{self._index}/made up", Ending("done"))
        for number in range(len(self.new), self._part.prompts):
            parents = self._question(number).parents
            self._add(f"generated prompt {self._index}/{number}", parents, self._part.model)

    def result(self) -> Result:
        """Return questions, new prompts, those left out by reason, and the aim, by the entry of the run file."""
        values: dict[str, Value] = {"questions": self._asked, "new": len(self.new)}
        aim = {"aim": str(self._weakest)} if self._weakest else {}
        about = {"entry": f"generate[{self._index}]: {self._part.kind} by {self._part.model}"}
        figures = [Figure(name=name, value=value, of=about) for name, value in {**values, **aim}.items()]
        figures += by_label("left_out", "reason", self.left_out, **about)
        is_short = 2 * len(self.new) < self._part.prompts
        return Result(figures=tuple(figures), warnings=(self.shortfall(),) if is_short else ())

    def shortfall(self) -> str:
        """Return how few prompts are new, and why."""
        reasons = "; ".join(f"{count:,} {reason}" for reason, count in self.left_out.most_common())
        why = f"left out: {reasons}" if reasons else f"no list in the replies to {self._asked:,} questions"
        wanted = self._part.prompts
        name = plain(self._part.model)
        return f"generate[{self._index}]: {name} wrote {len(self.new):,} usable prompts, expected {wanted:,} ({why})"

    def _question(self, number: int) -> _PromptQuestion:
        """Parents of one category, which so is the new prompts' category too."""
        rng = random.Random(f"{self._context.config.seed}/{self._index}/{number}")  # noqa: S311 - a reproducible draw
        alike = self._by_scope[_scope(rng.choice(self._seeds))]
        return _PromptQuestion(number, tuple(rng.sample(alike, min(len(alike), SHOWN[self._part.kind]))))

    async def _ask(self, model: Model, asked: _PromptQuestion) -> _Answered:
        text = question(self._part.kind, [last_text(seed.messages) for seed in asked.parents], self._statement)
        try:
            answer = await model.ask((Message(role="user", content=text),), sample=asked.number)
            texts = listed_prompts(last_text(usable(answer, "new prompts")))
            if not texts:
                raise Unusable("invalid", "new prompts: the reply holds no list")
        except (Unusable, ProviderError) as fault:
            return _Answered(asked, item_ending(fault), [])
        return _Answered(asked, Ending("done"), texts, answer.origin.request)

    def _keep(self, answer: _Answered, model: Model) -> None:
        for text in answer.texts:
            if len(self.new) == self._part.prompts:
                return
            if reason := self._novelty.why_not(text):
                self.left_out[reason] += 1
            else:
                self._add(text, answer.question.parents, model.name, answer.request)

    def _add(self, text: str, parents: Sequence[Prompt], model: str, request: str | None = None) -> None:
        licenses = {parent.license for parent in parents}
        prompt = Prompt(
            messages=(Message(role="user", content=text),),
            category=parents[0].category,
            tags=parents[0].tags,
            source=f"generated by {model}",
            license=licenses.pop() if len(licenses) == 1 else None,
        )
        origin = PromptOrigin(
            prompt_id=prompt.id,
            parents=tuple(parent.id for parent in parents),
            model=model,
            kind=self._part.kind,
            principle=self._weakest.principle if self._weakest else None,
            request=request,
        )
        self.new.append(prompt)
        self._tables.add("prompts", [prompt])
        self._tables.add("origins", [origin])


def _is_seed(prompt: Prompt) -> bool:
    is_plain = [message.role for message in prompt.messages] == ["user"] and not prompt.tools
    return is_plain and prompt.answer is None and bool(last_text(prompt.messages).strip())


def _scope(prompt: Prompt) -> tuple[str | None, tuple[str, ...]]:
    return prompt.category, prompt.tags


def _aim(
    context: Context, part: GenerateConfig, seeds: Sequence[Prompt]
) -> tuple[Weakest | None, str | None, Sequence[Prompt]]:
    """Return what is aimed at, the statement of its principle, and its seeds. Raises AmendmentError without any."""
    if part.aim is None:
        return None, None, seeds
    drawn = {each.id: each.principle for each in list_principles(context.constitutions)}
    weakest = find_weakest(context.base / part.aim, [*drawn])
    principle = drawn[weakest.principle] if weakest.principle else None
    kept = [
        seed
        for seed in seeds
        if weakest.category in (None, seed.category)
        and (principle is None or principle.applies_to(seed.category, seed.tags))
    ]
    if not kept:
        raise AmendmentError(
            f"generate: none of the {len(seeds)} seeds fits the aim, {weakest}; add prompts to which it applies"
        )
    return weakest, principle.statement if principle else None, kept
