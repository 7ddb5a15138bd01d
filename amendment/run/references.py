"""What a run file cannot mean, whatever its files hold: names that nothing answers to, stages that miss what they read.

Covered: what all stages have in common; what concerns one stage alone is in its `problems`. Not covered: what lies
outside the file, which `checks` looks at; rows of a dataset on the Hub beyond the first ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from amendment.constitutions import Constitution, Principle, eligible_principles
from amendment.curation.settings import DatasetConfig
from amendment.data.sources import FileSource
from amendment.evaluation.settings import EvaluateConfig, has_own_prompts
from amendment.llm.specs import RegisteredSpec
from amendment.preference.settings import JudgingConfig
from amendment.preference.verified import Verifier
from amendment.records import Prompt, last_text
from amendment.report.before_use import FEWEST_PAIRS
from amendment.run.chain import STAGES, list_stages, run_tables
from amendment.run.engine import DependencyCycle, in_order
from amendment.run.runfile.config import RunFile
from amendment.simulator import knows
from amendment.stages.contract import ConfigProblem, ConfigWarning, Stage
from amendment.stages.generate import GenerateConfig
from amendment.stages.tables import Role
from amendment.text import plain
from amendment.yamlfile import did_you_mean

NO_INPUT = "the run has no input; add prompts, candidates from a file, pairs or verdicts"
_LENT = frozenset({"name", "seed", "constitution", "models", "budget", "prices"})
"""Keys of a run file that only lends models, see `only_lends_models`."""
MOST_ANSWERS = 100
"""Known answers that each verifier reads before the run."""
Scope = tuple[str | None, tuple[str, ...]]
"""Category and tags of a prompt."""
_TEXTS = {"revise": "revise", "judge": "compare"}
"""The text of a principle that each role asks by."""


def reference_problems(config: RunFile) -> Iterator[ConfigProblem]:
    """Everything that the file cannot mean, each with its place in the file."""
    stages = list_stages(config)
    tables = run_tables(config)
    trained = {name.removeprefix("models/") for name in tables.roles if name.startswith("models/")}
    for name in config.models:
        if name in trained.union(config.policies):
            yield ("models", name), f"{name!r} is the name of a stage; call the model something else"
    yield from _models(config, stages, tables.of(Role.POLICY))
    own = {stage.name: [*stage.problems()] for stage in stages}
    yield from (note for notes in own.values() for note in notes)
    asking = [ask for stage in stages for ask in stage.asks() if ask.role in ("revise", "judge")]
    if asking and not config.constitution:
        place = asking[0].place[:-1] if asking[0].judge else asking[0].place
        yield place, "needs a constitution; add a line such as: constitution: helpful-honest"
    brought = config.prompts or config.pairs or config.verdicts or config.parts(FileSource)
    if not (brought or only_lends_models(config)):
        yield ("name",), NO_INPUT
    yield from _engine(config)
    yield from _nothing_to_publish(config, trained)
    yield from _missing_stages(config, [stage for stage in stages if not own[stage.name]])
    try:
        in_order(stages)
    except DependencyCycle as fault:
        yield (fault.stages[0],), str(fault)


def _engine(config: RunFile) -> Iterator[ConfigProblem]:
    """Models that workers in other processes cannot ask."""
    for name, spec in config.models.items() if config.engine else ():
        if isinstance(spec, RegisteredSpec):
            here = "a Python function answers in one process only"
            yield ("models", name, "provider"), f"{here}; leave engine out, or serve the model and name its base_url"
        elif getattr(spec, "mode", "online") == "batch":
            yield ("models", name, "mode"), "a batch needs no workers; leave engine out, or write mode: online"


def only_lends_models(config: RunFile) -> bool:
    """Return True for models without stages and data: it opens judges for Python, such as the reward of a training."""
    parts = type(config).model_fields.items()
    rest = (getattr(config, name) == field.get_default() for name, field in parts if name not in _LENT)
    return bool(config.models) and all(rest)


def _models(config: RunFile, stages: Sequence[Stage], policies: Sequence[str]) -> Iterator[ConfigProblem]:
    """Yield names of models that are not under `models`, and policies that no stage of the run makes."""
    for ask in dict.fromkeys(ask for stage in stages for ask in stage.asks()):
        if ask.model in config.policies:
            if f"models/{ask.model}" not in policies:
                yield ask.place, f"the run has no stage {ask.model!r}; add it, or name a model under models"
        elif ask.model not in config.models:
            names = ", ".join(config.models) or "none"
            near = did_you_mean(ask.model, config.models)
            yield ask.place, f"no model {ask.model!r} under models{near}; there are {names}"


def _nothing_to_publish(config: RunFile, trained: set[str]) -> Iterator[ConfigProblem]:
    """Report what `publish` names and no stage makes."""
    if not config.publish:
        return
    if "dataset/train" not in run_tables(config):
        yield ("publish",), "the run makes no dataset that could be published; add judging, or pairs"
    for name in config.publish.models:
        if name not in trained:
            yield ("publish", "models", name), f"the run has no stage {name}; add it, or take this line out"


def _missing_stages(config: RunFile, stages: Sequence[Stage]) -> Iterator[ConfigProblem]:
    """Stages that read what no stage makes. One whose sources lack the same is not named again."""
    advice = {kind.name: kind.absent for kind in STAGES}
    maker = {artefact: stage.name for stage in list_stages(config) for artefact in stage.writes}
    absent = {stage.name: {_owner(name) for name in stage.reads if name not in maker} for stage in stages}
    for stage in stages:
        reported = {owner for name in stage.reads if name in maker for owner in absent.get(maker[name], ())}
        for owner in sorted(absent[stage.name] - reported):
            if owner not in config.policies:  # already reported where it is named
                yield (stage.name,), advice.get(owner) or f"reads what the stage {owner} makes; add it"


def _owner(artefact: str) -> str:
    """Return the stage that an artefact belongs to: of `models/sft` sft, of `dataset/train` dataset."""
    stage, _, name = artefact.partition("/")
    return name if stage == "models" else stage


def scope_problems(config: RunFile, rules: Sequence[Constitution], scopes: Sequence[Scope]) -> Iterator[ConfigProblem]:
    """Categories of prompts about which no principle has a text for a stage that asks by principles."""
    roles = {ask.role for stage in list_stages(config) for ask in stage.asks()}
    for role in (text for name, text in _TEXTS.items() if name in roles and rules):
        silent = {
            category: None
            for category, tags in scopes
            if not eligible_principles(rules, role, category=category, tags=tags)  # type: ignore[arg-type]
        }
        if silent:
            named = ", ".join(repr(category) for category in silent if category)
            prompts = [f"of category {named}"] * bool(named) + ["without a category"] * (None in silent)
            remedy = "add one, or remove `critique:`" if role == "revise" else "add one"
            lacking = f"no principle that applies to prompts {' or '.join(prompts)} has a `{role}` text"
            yield ("constitution",), f"{lacking}; {remedy}"


def pair_warnings(config: RunFile, prompts: int) -> Iterator[ConfigWarning]:
    """Yield what a training on the pairs of so many prompts will have too little of."""
    stages = list_stages(config)
    dataset = config.need(DatasetConfig)
    if not any(stage.model_title and "dataset/train" in stage.reads for stage in stages):
        return
    share = dataset.test_share
    if share > 0.5 and not has_own_prompts(config.part(EvaluateConfig)):
        most = f"{share:.0%} of the prompts, and so most of the pairs, are held out from training"
        yield ConfigWarning(("dataset", "test_share"), f"{most}; lower it")
    trained = round((1 - share) * prompts)
    sees_some = any(getattr(source, "dataset", None) for stage in stages for source in stage.sources())
    if trained < FEWEST_PAIRS and not (sees_some or dataset.is_mixed or config.parts(GenerateConfig)):
        few = f"only the pairs of {trained:,} prompts are for training, too few to learn much from"
        yield ConfigWarning(("dataset",), f"{few}; provide {FEWEST_PAIRS} prompts or more, besides those held out")


def scope_warnings(config: RunFile, rules: Sequence[Constitution], scopes: Sequence[Scope]) -> Iterator[ConfigWarning]:
    """Principles that no prompt selects; where principles name categories, those of prompts that none of them names."""
    verifiers = config.checked_rules
    for index, rule in enumerate(verifiers[0].principles if scopes and verifiers else ()):
        if why := _never_applies(rule, scopes):
            yield ConfigWarning(("verify", index), f"checks no answer: {why}")
    if not scopes or not any(ask.role in _TEXTS for stage in list_stages(config) for ask in stage.asks()):
        return
    for index, constitution in enumerate(rules):
        for principle in constitution.principles:
            if why := _never_applies(principle, scopes):
                reference = constitution.principle_reference(principle)
                message = f"no prompt selects principle {reference}, so it is never used: {why}"
                yield ConfigWarning(("constitution", index), message)
    present = {category for category, _ in scopes if category}
    principles = [principle for constitution in rules for principle in constitution.principles]
    categories = {
        name for principle in principles if principle.applies_when for name in principle.applies_when.categories
    }
    for category in sorted(present - categories):  # most prompts may have no principle of their own: a misspelling has
        if near := did_you_mean(category, sorted(categories)):
            unnamed = f"no principle names the category '{category}' of your prompts{near}"
            yield ConfigWarning(("constitution",), f"{unnamed}; only principles for all prompts apply to them")


def _never_applies(principle: Principle, scopes: Sequence[Scope]) -> str | None:
    """Why a principle applies to no prompt of these categories and tags; None where it applies to one."""
    if any(principle.applies_to(category, tags) for category, tags in scopes):
        return None
    present = sorted({category for category, _ in scopes if category})
    words = sorted({tag for _, tags in scopes for tag in tags})
    when = principle.applies_when
    of_categories, of_tags = (when.categories, when.tags) if when else ((), ())
    unknown = [name for name in (*of_categories, *of_tags) if name not in present]
    near = next(filter(None, (did_you_mean(name, [*present, *words]) for name in unknown)), "")
    named = (("category", "categories", of_categories), ("tag", "tags", of_tags))
    scope = " and ".join(_listed(*names) for names in named if names[-1]) or "nothing"
    has = f"the prompts have {_listed('category', 'categories', present)} and {_listed('tag', 'tags', words)}"
    return f"it applies only to {scope}{near}; {has}"


def unused_warnings(config: RunFile) -> Iterator[ConfigWarning]:
    """Candidates that no judge compares, no code verifies and no verdicts of a file decide."""
    is_compared = config.part(JudgingConfig) or config.parts(Verifier)
    if config.candidates and not config.verdicts and not is_compared:
        yield ConfigWarning(("candidates",), "nothing compares them; add judging:, or remove candidates:")


def _listed(noun: str, plural: str, names: Sequence[str]) -> str:
    """Return the noun and the first names."""
    shown = ", ".join(names[:8]) + (" ..." if len(names) > 8 else "")
    return f"{plural if len(names) > 1 else noun} {shown}" if names else f"no {noun}"


def category_problems(config: RunFile, scopes: Sequence[Scope]) -> Iterator[ConfigProblem]:
    """Categories that stages name and no prompt of the run has, where the prompts can be read."""
    present = sorted({category for category, _ in scopes if category})
    for stage in list_stages(config) if scopes else ():
        for place, name in stage.categories():
            if name not in present:
                near = did_you_mean(name, present)
                there = ", ".join(present) or "none"
                yield place, f"no prompt has category {name!r}{near}; there are {there}"


class PromptsSeen:
    """The prompts of a run, as they come: their categories and tags, whether the simulated world knows them, and
    whether verifiers can read their known answers."""

    def __init__(self, config: RunFile) -> None:
        self._verifiers = [rule for rules in config.checked_rules for rule in rules.principles]
        self._answers: list[list[str | None]] = [[] for _ in self._verifiers]
        """Of known answers, by verifier: why one cannot be read, or None."""
        self._scopes: dict[Scope, None] = {}
        self._count = self._unknown = 0
        self._first: Prompt | None = None
        self._before = 0
        """Prompts before the first one that is unknown."""

    @property
    def scopes(self) -> list[Scope]:
        """Category and tags of the prompts, each once."""
        return list(self._scopes)

    def look(self, prompt: Prompt) -> None:
        self._scopes[prompt.category, prompt.tags] = None
        if not knows(last_text(prompt.messages)):
            self._unknown += 1
            if self._first is None:
                self._first, self._before = prompt, self._count
        self._count += 1
        for rule, seen in zip(self._verifiers, self._answers, strict=True):
            if prompt.answer and len(seen) < MOST_ANSWERS and rule.applies_to(prompt.category, prompt.tags):
                seen.append(rule.check[0].unreadable(prompt.answer))

    def unreadable_answers(self) -> Iterator[ConfigProblem | ConfigWarning]:
        """Verifiers that cannot read known answers: a problem if they can read none of the first ones."""
        for index, seen in enumerate(self._answers):
            reasons = [why for why in seen if why]
            if 0 < len(reasons) < len(seen):
                share = f"{len(reasons)} of the first {len(seen)} known answers"
                yield ConfigWarning(("verify", index), f"{share} cannot be read: {reasons[0]}")
            elif reasons:
                yield ("verify", index), f"no known answer can be read: {reasons[0]}; correct the column"

    def foreign_prompts(self, config: RunFile) -> Iterator[ConfigProblem | ConfigWarning]:
        """Simulated models that are asked about prompts outside their world, each with its place in the file: a problem
        if they would have to answer, and a warning if they judge only."""
        if self._first is None:
            return
        asks = [ask for stage in list_stages(config) for ask in stage.asks()]
        asked = {ask.model for ask in asks if ask.take is None or ask.take > self._before}
        answering = {ask.model for ask in asks if ask.role in ("write", "revise")}
        example = repr(plain(last_text(self._first.messages), longest=60))
        others = f"{self._unknown} of your {self._count} are not, such as {example}"
        remedy = "Name a real model, or use Lilliput's: prompts: [{lilliput: N}]"
        for name, spec in config.models.items():
            if name not in asked or spec.provider != "simulated":
                continue
            if name in answering:
                yield ("models", name), f"can answer only Lilliput's prompts; {others}. {remedy}"
            else:
                chance = f"can judge only Lilliput's prompts, and its other verdicts mean nothing; {others}"
                yield ConfigWarning(("models", name), f"{chance}. {remedy}")
