"""The stages of later rounds: the last policy answers, its answers are judged, and DPO trains on.

The first round is the run itself, up to dpo. A step of a later round is the stage of the first one, with
settings and tables of its own, on the run's ledger, budget and models. Promised: a prompt that is held out is neither
answered nor trained on in any round; a calibrator that was fitted to people's labels in the first round is applied to
later ones, on whose answers nobody was asked. Not covered: what policies do on held-out prompts; see `evaluate`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from functools import partial
from inspect import getdoc
from pathlib import Path
from statistics import fmean
from typing import Any

from pydantic import Field

from amendment.critique.chain import CritiqueConfig
from amendment.curation.construction import ConstructConfig
from amendment.curation.funnel import CLEANED, Cleaning
from amendment.curation.mixed_rows import RUN
from amendment.curation.rounds import Rounds, RoundsConfig, choose_round_pairs
from amendment.curation.settings import DatasetConfig
from amendment.data.sources import ModelSource
from amendment.data.store import Workspace
from amendment.errors import AmendmentError
from amendment.evaluation.scorecard import Answered, measure_cross_entropy
from amendment.people.labelling import CALIBRATOR, OPEN, PROBABILITIES
from amendment.people.samples import SpotCheckSettings
from amendment.preference.deciding import IMPORTED, OVERRULED, decide_pairs, reasons_shown
from amendment.preference.pairs import count_cut, preference_row
from amendment.preference.settings import JudgingConfig
from amendment.records import Candidate, Judgement, Preference, Prompt, last_text
from amendment.results import Figure, Result, by_label
from amendment.stages.calibration import calibrated_again
from amendment.stages.candidates import CandidatesStage
from amendment.stages.contract import (
    POLICY_STAGES,
    Ask,
    ConfigProblem,
    Context,
    RunSettings,
    Stage,
    StageResult,
    run_pairs,
)
from amendment.stages.dataset import DatasetStage
from amendment.stages.diversity import round_diversity
from amendment.stages.dpo import DpoConfig, DpoStage
from amendment.stages.judging import JudgingStage
from amendment.stages.passes import one_pass
from amendment.stages.tables import PROMPTS, Role, RunTables
from amendment.stages.verify import VerifyStage
from amendment.statistics.sides import read_side

MOST_OF_PEOPLE = 200
"""Answers of the reference that are scored under each policy."""
_OWN = ("inputs/prompts", "inputs/candidates", "dataset/train", "dataset/pairs", *CLEANED, PROBABILITIES)
"""Tables that each round has for itself, as those of candidates, judging and verify; all others are the run's."""


def _policy(number: int) -> str:
    """Return the policy that a round ends with."""
    return "dpo" if number == 1 else f"round-{number}"


def _in_round(number: int, artefact: str) -> str:
    """Return the name that an artefact of the first round has in a round."""
    is_own = artefact in _OWN or artefact.startswith(("candidates/", "judging/", "verify/"))
    return f"rounds/{number}/{artefact}" if is_own and number > 1 else artefact


def _source(settings: RunSettings, number: int) -> ModelSource | None:
    """Return how to sample the policy of the round before; None if neither `rounds` nor `candidates` says so. Other
    sources give the same answers in every round, and these have been judged."""
    last = _policy(number - 1)
    per_prompt = settings.need(RoundsConfig).per_prompt
    sources = [source for source in settings.parts(ModelSource) if source.model in POLICY_STAGES]
    if sources:
        return sources[-1].model_copy(update={"model": last, "per_prompt": per_prompt or sources[-1].per_prompt})
    return ModelSource(model=last, per_prompt=per_prompt) if per_prompt else None


def round_settings(settings: RunSettings, number: int) -> RunSettings:
    """Return the run file as it holds in a later round: candidates are the last policy's, and DPO trains on from it,
    its reference."""
    source = _source(settings, number)
    dpo = settings.need(DpoConfig).model_copy(update={"base": _policy(number - 1)})
    update: dict[str, object] = {"candidates": (source,) if source else ()}
    for name in type(settings).model_fields:
        match getattr(settings, name):
            case CritiqueConfig():
                update[name] = None
            case DpoConfig():
                update[name] = dpo
            case (ConstructConfig(), *_):
                update[name] = ()
    return settings.model_copy(update=update)


def _deciding_stage(settings: RunSettings) -> type[Stage] | None:
    """Return the stage that decides the pairs of a round; None if there is none."""
    stages = [*JudgingStage.of(settings), *VerifyStage.of(settings)]
    return next((type(stage) for stage in stages if Role.DECISIONS in stage.roles.values()), None)


class RoundsStage(Stage):
    """Put the rounds side by side. With it come the stages of the later ones."""

    name = "rounds"
    weight = 1
    title = "comparing the rounds"
    Config = RoundsConfig

    def __init__(self, settings: RunSettings) -> None:
        super().__init__(settings)
        self.config = settings.need(RoundsConfig)
        decides = _deciding_stage(settings)
        if decides and settings.part(DpoConfig):
            self.decisions = f"{decides.name}/judgements"
            reads = [*PROMPTS, "dataset/train", self.decisions, Role.ANSWERS, "models/dpo"]
            tables = ("candidates/candidates", self.decisions, "dataset/pairs", "dataset/train")
            for number in self.config.later:
                reads += [*(_in_round(number, name) for name in tables), f"models/{_policy(number)}"]
            self.reads = tuple(reads)

    @classmethod
    def of(cls, settings: RunSettings) -> Iterator[Stage]:
        """Yield the steps of all later rounds, and their table."""
        config = settings.part(RoundsConfig)
        if config is None:
            return
        decides = _deciding_stage(settings)
        if decides and settings.part(DpoConfig):  # else `problems` says what is missing
            for number in config.later:
                yield _DrawAnswers(settings, number, CandidatesStage)
                yield _LaterStage(settings, number, decides)
                yield _ChoosePairs(settings, number, DatasetStage)
                yield _TrainOn(settings, number, DpoStage)
        yield cls(settings)

    @classmethod
    def field(cls) -> tuple[Any, Any]:
        return (Rounds | None, Field(default=None, description=getdoc(RoundsConfig)))

    @classmethod
    def policies(cls, settings: RunSettings) -> Iterable[str]:
        config = settings.part(RoundsConfig)
        return map(_policy, config.later) if config else ()

    def key(self, context: Context) -> Mapping[str, Any]:
        """Return the margin below which the table counts a tie; the rest of the table comes from other stages."""
        diversity = self.settings.need(DatasetConfig)
        return {"min_margin": _margin(self.settings), **diversity.key(context.base)}

    def problems(self) -> Iterator[ConfigProblem]:
        """Rounds without what every round does, or with nothing to do it on."""
        settings, config = self.settings, self.config
        judging = settings.part(JudgingConfig)
        people = settings.part(SpotCheckSettings)
        if not _deciding_stage(settings):
            decides = "judging judges the policy's answers, or verify decides between them"
            yield ("rounds",), f"in each round {decides}, and the run has neither; add one of them"
        if settings.part(DpoConfig) is None:
            yield ("rounds",), "each round trains with dpo, and the run has no dpo; add it"
        if people and not judging:
            yield ("rounds",), "spot_check checks a judge, and the run has none; add judging, or leave spot_check out"
        if config.n == 1:
            return
        source = _source(settings, 2)
        advice = "add per_prompt here, such as per_prompt: 4"
        if source is None:
            why = "no policy of the run is among candidates, so nothing says how to ask the last one"
            yield ("rounds",), f"{why}; {advice}"
        elif source.per_prompt < 2:
            few = f"the policy under candidates draws {source.per_prompt} answer a prompt, and a round compares two"
            yield ("rounds",), f"{few}; {advice}"
        if judging and judging.jury == "weighted":
            needs = (
                "weighted learns from comparisons that people have decided, and they decide none of the later rounds"
            )
            yield ("judging", "jury"), f"{needs}; use another jury, or leave rounds out"
        is_mixed = settings.need(DatasetConfig).is_mixed
        if config.replay_human and not (settings.pairs or settings.verdicts or is_mixed or people):
            missing = f"found {config.replay_human:g}, and the run has no pairs that people decided"
            remedy = "add pairs, verdicts or dataset.mix, let people check a sample, or leave it out"
            yield ("rounds", "replay_human"), f"{missing}; {remedy}"

    def make(self, context: Context) -> StageResult:
        """Compare the rounds by their answers, pairs and trainings; diversity is of all rounds at one size."""
        train = context.prompts().keys() - context.held_out()
        numbers = range(1, self.config.n + 1)
        answers = {
            _policy(number): _answers(context, number, train, self.tables.of(Role.ANSWERS)) for number in numbers
        }
        figures = [
            figure for number in numbers for figure in self._row(context, number, answers[_policy(number)], train)
        ]
        diversity = round_diversity(context, answers, context.config.need(DatasetConfig))
        figures += self._people(context, [*answers])
        return StageResult((), Result(figures=tuple(figures), notes=(_HOW_TO_READ,)) + diversity)

    def _people(self, context: Context, policies: Sequence[str]) -> tuple[Figure, ...]:
        """Return the cross-entropy of the reference's answers under each round's policy. A rise says that a policy has
        moved away from what people write."""
        settings = context.config.need(DatasetConfig)
        people = settings.read_people_answers(context.base)
        rows = [Answered(*row) for row in [*people.values()][:MOST_OF_PEOPLE]]
        return measure_cross_entropy(context, policies, rows) if rows else ()

    def _row(
        self, context: Context, number: int, answers: Sequence[tuple[str, str]], train: Set[str]
    ) -> Iterator[Figure]:
        """Yield the figures of a round."""
        read = context.workspace.read
        name = partial(_in_round, number)
        judged = [row.p_a for row in read(name(self.decisions), Judgement) if row.prompt_id in train]
        margin = _margin(context.config)
        new = read(name("dataset/pairs") if number > 1 else "dataset/train", Preference)
        used = read(name("dataset/train"), Preference)
        training = context.workspace.result(_policy(number))
        by_people = sum(row.decided_by == "person" for row in used)
        counts = {"answers": len(answers), "new_pairs": len(new), "pairs_used": len(used), "by_people": by_people}
        of = {"round": str(number)}
        yield from (Figure(name=figure, value=count, of=of) for figure, count in counts.items())
        if answers:
            yield Figure(name="characters", value=round(fmean(len(text) for _, text in answers), 4), of=of)
        if sides := [not read_side(p, margin) for p in judged if p is not None]:
            yield Figure(name="ties", value=round(fmean(sides), 4), unit="share", of=of)
        if accuracy := training.estimate("held_out_accuracy"):
            yield Figure(name="held_out_accuracy", value=accuracy, unit="share", of=of)
        if violated := [figure.of["guard"] for figure in training.where("guards_violated")]:
            yield Figure(name="guards_violated", value=", ".join(violated), of=of)


class _LaterStage(Stage):
    """A stage of a later round: the first round's, on settings and tables of the round."""

    def __init__(self, settings: RunSettings, number: int, kind: type[Stage]) -> None:
        super().__init__(settings)
        self._number = number
        self._last = f"models/{_policy(number - 1)}"
        self._stage = kind(round_settings(settings, number))
        self.name = self._stage.name = f"round-{number}-{kind.name}"
        self.title = f"round {number}: {kind.title}"
        self.writes = self._named(*self._stage.writes)

    def join(self, tables: RunTables) -> None:
        """Let the first round's stage find the tables of this one: those of the run, with the round's own answers and
        decisions in place of the run's."""
        self.tables = tables
        firsts = (Role.PROMPTS, Role.ANSWERS, Role.PAIRS)
        others = {name: role for name, role in tables.roles.items() if role not in firsts and name != IMPORTED}
        own = dict.fromkeys(("inputs/candidates", "candidates/candidates"), Role.ANSWERS)
        self._stage.join(RunTables({**others, **own}))
        self.reads = self._named(*self._stage.reads)

    def _named(self, *artefacts: str) -> tuple[str, ...]:
        """Return the names of artefacts in this round."""
        return tuple(_in_round(self._number, name) for name in artefacts)

    def _within(self, context: Context) -> Context:
        return context.within(self._stage.settings, _Tables(context.workspace, self._named))

    def key(self, context: Context) -> Mapping[str, Any]:
        return self._stage.key(self._within(context))

    def asks(self) -> Iterable[Ask]:
        return self._stage.asks()

    def make(self, context: Context) -> StageResult:
        return self._run(context, at_most=False)

    def most(self, context: Context) -> StageResult:
        return self._run(context, at_most=True)

    def _run(self, context: Context, *, at_most: bool) -> StageResult:
        """Run the first round's stage on the round's tables."""
        round_ = self._within(context)
        if self._stage.is_streamed:
            [made] = one_pass(round_, [self._stage.begin(round_)], at_most=at_most)
        else:
            made = (self._stage.most if at_most else self._stage.make)(round_)
        return made._replace(artefacts=self._named(*made.artefacts))


class _DrawAnswers(_LaterStage):
    """Sample the last policy on the prompts that are not held out."""

    def __init__(self, settings: RunSettings, number: int, kind: type[Stage]) -> None:
        super().__init__(settings, number, kind)
        self.writes = (*self._named("inputs/prompts", "inputs/candidates"), *self.writes)

    def join(self, tables: RunTables) -> None:
        super().join(tables)
        self.reads = (*PROMPTS, self._last)

    def asks(self) -> Iterable[Ask]:
        return [Ask(("rounds",), "dpo")]

    def _run(self, context: Context, *, at_most: bool) -> StageResult:
        """Write the round's prompts, and that nobody brings answers to them; then sample."""
        test = context.held_out()
        write = self._within(context).workspace.write
        prompts = context.prompts()
        write("inputs/prompts", Prompt, [prompts[name] for name in prompts if name not in test])
        write("inputs/candidates", Candidate, [])
        return super()._run(context, at_most=at_most)._replace(artefacts=self.writes)


class _ChoosePairs(_LaterStage):
    """Make pairs of this round's answers alone, since those that the user's own files decided stand in the first
    round; then choose the pairs that the round trains on."""

    def __init__(self, settings: RunSettings, number: int, kind: type[Stage]) -> None:
        super().__init__(settings, number, kind)
        self._rounds = settings.need(RoundsConfig)
        self._is_checked = settings.part(SpotCheckSettings) is not None
        made = ("dataset/pairs", "dataset/train", *(CLEANED if settings.clean else ()))
        self.writes = self._named(*made, *((PROBABILITIES,) if self._is_checked else ()))
        never_again = self._rounds.data == "replace" and self._rounds.replay_human is None
        earlier = (_in_round(before, "dataset/pairs") for before in range(2, number))
        self._earlier = () if never_again else ("dataset/train", *earlier)
        """The pairs of the rounds before, where any of them may be trained on again."""

    def join(self, tables: RunTables) -> None:
        super().join(tables)
        judged = [name for name in self._stage.reads if name.startswith(("judging/", "verify/", "candidates/"))]
        own = self._named("inputs/prompts", "inputs/candidates", "inputs/judgements", *judged)
        self.reads = (*own, *((CALIBRATOR, OPEN) if self._is_checked else ()), *self._earlier)

    def key(self, context: Context) -> Mapping[str, Any]:
        return {**super().key(context), "data": self._rounds.data, "replay_human": self._rounds.replay_human}

    def _run(self, context: Context, *, at_most: bool) -> StageResult:
        """Decide, clean and choose. Raises AmendmentError where no pair is left."""
        round_ = self._within(context)
        tables, notes = calibrated_again(round_) if self._is_checked else ([], [])
        run = run_pairs(round_, self._stage.tables)
        texts = run.texts
        decided = decide_pairs(run, OVERRULED)
        references = {constitution.id: constitution.reference for constitution in round_.rules}
        earlier = [row for name in self._earlier for row in context.workspace.read(name, Preference)]
        cleaning = Cleaning(round_.config.clean, round_.base)
        if self._rounds.data == "accumulate":
            cleaning.compare_with(earlier)
        rows = [preference_row(pair, texts.prompts, texts.candidates, references) for pair in decided.pairs]
        new = [rows[place] for place in cleaning.pairs(RUN, rows)]
        used = choose_round_pairs(self._rounds, earlier, new, number=self._number, seed=context.config.seed)
        if not used.rows:
            reasons = reasons_shown(decided.left_out + cleaning.left_out)
            raise AmendmentError(
                f"{self.name}: no pair is left for training ({reasons}). Try one of these: more "
                "answers per prompt under rounds.per_prompt; data: accumulate; a judge that tells these answers apart"
            )
        write = round_.workspace.write
        cleaned, found = cleaning.finish(round_.workspace, "dataset")
        tables += [write("dataset/pairs", Preference, new), write("dataset/train", Preference, used.rows), *cleaned]
        cut = count_cut((pair, texts.candidates) for pair in decided.pairs)
        figures = (*used.figures, *by_label("cut_at_max_tokens", "answers", cut, "pairs"))
        result = Result(figures=figures, funnels=(cleaning.funnel(decided.left_out),), notes=tuple(notes))
        return StageResult(self._named(*tables), result + found)


class _TrainOn(_LaterStage):
    """Train the last policy on the chosen pairs. It sees all prompts of the run, for guards on held-out ones."""

    def __init__(self, settings: RunSettings, number: int, kind: type[Stage]) -> None:
        super().__init__(settings, number, kind)
        self.name = self._stage.name = _policy(number)
        self.model_title = f"{kind.model_title}, round {number}"
        self.writes = {f"models/{self.name}": Role.POLICY}

    def join(self, tables: RunTables) -> None:
        super().join(tables)
        self.reads = tuple(dict.fromkeys((self._last, *self.reads)))

    def _named(self, *artefacts: str) -> tuple[str, ...]:
        return tuple(_in_round(self._number, name) if name == "dataset/train" else name for name in artefacts)


class _Tables(Workspace):
    """A run's folder as a step of a later round sees it: the round's own tables in place of the run's."""

    def __init__(self, run: Workspace, named: Callable[[str], tuple[str, ...]]) -> None:
        super().__init__(run.folder)
        self._run, self._named = run, named

    def path(self, artefact: str) -> Path:
        return self._run.path(*self._named(artefact))

    def digest(self, artefact: str) -> str:
        """Return the content hash of an artefact, as the run took it."""
        return self._run.digest(*self._named(artefact))


def _answers(context: Context, number: int, train: Set[str], tables: Iterable[str]) -> list[tuple[str, str]]:
    """Return the answers that a round's pairs were made of, each after its prompt's id: of the first round those of the
    run's policies where its candidates have such, else all."""
    if number > 1:
        answers = context.workspace.read(_in_round(number, "candidates/candidates"), Candidate)
    else:
        every = context.candidates(tables)
        every = [answer for answer in every if answer.prompt_id in train]
        own = [answer for answer in every if (answer.origin.model or "").partition("@")[0] in context.config.policies]
        answers = own or every
    return [(answer.prompt_id, last_text(answer.messages)) for answer in answers]


def _margin(settings: RunSettings) -> float:
    """Return the distance from one half below which the table counts a tie; verifiers know none."""
    judging = settings.part(JudgingConfig)
    return judging.min_margin if judging else 0.0


_HOW_TO_READ = (
    "A row is a round: answers, their length in characters, the share of judged comparisons that are ties, the pairs "
    "made of them, the pairs that the policy was trained on and how many of these people decided, and its accuracy on "
    "the same held-out pairs in all rounds. Answers are of the policy before this round's training: the result of that "
    "is in the next row."
)
