"""The stage `evaluate`: what policies do on prompts that no training stage has seen.

Covered: in the simulated world the truth about every answer; what judges say of the answers (see `policies`); intervals
clustered by prompt. A draw without an answer is counted by how it ended and has no score, but for a reply without
words, which is an answer: an empty one. The truth is looked at here alone, after all training.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from amendment.curation.settings import DatasetConfig
from amendment.data.inputs import read_inputs
from amendment.data.source_rows import source_state
from amendment.data.sources import PromptFile
from amendment.dpo.settings import SftConfig, helpful_files, read_helpful
from amendment.errors import AmendmentError, ConfigError, DataError
from amendment.evaluation.figures import Asked, by_policy
from amendment.evaluation.independence import independence
from amendment.evaluation.policies import (
    Answers,
    Harmless,
    PolicyCheck,
    PolicyComparison,
    PolicyRefusal,
    check_violations,
    compare_policies,
    find_refusals,
    judged_by,
    win_rates,
)
from amendment.evaluation.scorecard import has_checks, scorecard
from amendment.evaluation.settings import EvaluateConfig, OverRefusal
from amendment.keys import masked
from amendment.llm.embeddings import embeddings_state, missing_embeddings
from amendment.llm.model import Model
from amendment.preference import load_judge_folder
from amendment.preference.draws import Draw, Drawn, draw_answer, every_draw
from amendment.records import Candidate, Preference, Prompt, last_text
from amendment.results import Figure, Result, Sample, counted
from amendment.reward_model.measuring import score_pairs
from amendment.reward_model.settings import RewardModelConfig
from amendment.simulator import ATTRIBUTES, Truth, banner, knows, truth
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
    is_lilliput,
    judge_key,
    rules_key,
)
from amendment.stages.passes import trained_prompts, unseen_prompts
from amendment.stages.tables import write_endings
from amendment.statistics import share

BATCH_SIZE = 64
"""Answers that a policy of the run generates together."""
MOST_EXAMPLES = 5
"""Prompts whose answers the summary shows."""
HOW_TO_READ = (
    "true utility is the weighted mean of the true attributes, each in [0, 1], over answers to prompts that no "
    "training saw; it is known only because this world is simulated. Readable is the share of answers without a word "
    "outside its grammar. A difference whose interval lies above 0 says that the first named policy answers better. "
    "Labels against truth says how often the judge's pairs point the right way, which bounds what can be learned"
)
NO_MEASURE = (
    "measures nothing: name policies, and give a principle a `check` that code can run, or add a judge, such as judge: "
    "{model: NAME}, and two policies for it to compare"
)


class EvaluateStage(Stage):
    """Let policies answer held-out prompts, and measure the answers."""

    name = "evaluate"
    weight = 2
    is_on_card = True
    title = "evaluating on held-out prompts"
    Config = EvaluateConfig

    def __init__(self, settings: RunSettings) -> None:
        super().__init__(settings)
        self.config = config = settings.need(EvaluateConfig)
        reads = ["inputs/prompts", "inputs/split"]
        reads += [f"models/{name}" for name in config.policies if name in settings.policies]
        reads += ["models/reward_model", "dataset/test"] if settings.part(RewardModelConfig) else []
        self.may_read = ("dataset/train",) if config.own_prompts else ()  # which prompts are no longer new
        judged = {"comparisons": config.judge, "violations": config.violations, "refusals": config.over_refusal}
        self.reads = tuple(reads)
        names = ("answers", "endings", *(name for name, part in judged.items() if part))
        self.writes = tuple(f"evaluate/{name}" for name in names)

    def key(self, context: Context) -> Mapping[str, Any]:
        """Return the settings, the models, the judges with what they have in common with those of the run, and own
        files."""
        key = dump(self.config, without={"people"})
        for name in self.config.policies:
            key |= context.model_key(name) if name not in self.settings.policies else {}
        for place, entry in self.config.judges:
            key |= judge_key(context, entry)
            key |= constitution_key(context) if place[0] != "over_refusal" else {}  # a refusal has no principle
            key[f"standing of {place[0]}"] = independence(context.config, entry, context.base)
        if has_checks(context.rules):
            key |= rules_key(context.rules)
        if embeddings := self.config.embeddings:
            key["embeddings"] = embeddings_state(embeddings, context.base)
        if self.config.own_prompts:
            sources = (*self.config.own_prompts, *helpful_files(self.settings.part(SftConfig)))
            key["files"] = [source_state(source, context.base) for source in sources]
        return key

    def asks(self) -> Iterator[Ask]:
        for index, name in enumerate(self.config.policies):
            yield Ask((self.name, "policies", index), name)
        for place, entry in self.config.judges:
            yield Ask((self.name, *place, "model"), entry.model, "judge" if place == ("judge",) else "score", entry)

    def sources(self) -> Sequence[PromptFile]:
        return self.config.own_prompts

    def categories(self) -> Iterator[ConfigProblem]:
        for index, name in enumerate(self.config.over_refusal.categories if self.config.over_refusal else ()):
            yield ("evaluate", "over_refusal", "categories", index), name

    def problems(self) -> Iterator[ConfigProblem]:
        """Settings that measure nothing."""
        config, settings = self.config, self.settings
        if not (settings.need(DatasetConfig).test_share or config.own_prompts):
            yield ("evaluate",), "needs held-out prompts; set dataset.test_share above 0"
        if config.violations and not settings.constitution:
            yield ("evaluate", "violations"), "needs a constitution; add a line such as: constitution: helpful-honest"
        if config.judge and len(config.policies) < 2:
            yield ("evaluate", "judge"), "compares policies, and there are no two; name them under policies"
        if config.compare != "first" and not config.judge:
            yield ("evaluate", "compare"), "is what a judge compares; add evaluate.judge, such as judge: {model: NAME}"
        if config.violations or config.over_refusal:
            if not config.policies:
                yield ("evaluate", "policies"), "violations and refusals are those of policies; name at least one"
        elif (
            config.judge is None and is_lilliput(settings) and not (config.policies or settings.part(RewardModelConfig))
        ):
            yield ("evaluate",), "measures nothing; name policies, or add the stage reward_model"

    def check(self, base: Path) -> Iterator[ConfigProblem | ConfigWarning]:
        """Yield an evaluation without a measure, judges that do not fit their question, and files that cannot be
        read."""
        yield from self._unmeasured(base)
        for place, entry in self.config.judges:
            wants = {"violations": "violation", "over_refusal": "refusal"}.get(place[0])
            try:
                folder = load_judge_folder(entry.protocol, base=base)
            except ConfigError:  # reported where all judges are checked
                continue
            if wants and folder.compares:
                unfit = f"has protocol {folder.protocol.name}, expected yes-no; use protocol: {wants}, or a copy of it"
            elif wants == "violation" and not folder.has_principle:
                unfit = "has no placeholder {principle} in its text, so it cannot tell principles apart; use violation"
            elif wants == "refusal" and folder.has_principle:
                unfit = "asks by a principle, and whether an answer refuses does not depend on one; use refusal"
            else:
                continue
            yield ("evaluate", *place, "protocol"), f"{folder.id} {unfit}"
        for index, source in enumerate(self.config.own_prompts):
            loc = ("evaluate", "over_refusal", "prompts", index)
            try:
                prompts = _harmless_files([source], base, glimpse=True)
            except DataError as fault:
                yield from ((loc, str(problem)) for problem in fault.problems)
            else:
                if not prompts:
                    yield loc, f"{source.label} holds no prompt"

    def _unmeasured(self, base: Path) -> Iterator[ConfigProblem | ConfigWarning]:
        config = self.config
        if not (config.judge or config.violations or config.over_refusal or is_lilliput(self.settings)):
            with suppress(ConfigError):  # reported where constitutions are checked
                rules = (*self.settings.constitutions_in(base), *self.settings.checked_rules)
                if not (config.policies and has_checks(rules)):
                    yield ("evaluate",), NO_MEASURE
        if config.embeddings and (missing := missing_embeddings(config.embeddings, base)):
            yield ConfigWarning(("evaluate", "embeddings"), f"{missing}. Without it the topic is not measured")

    def make(self, context: Context) -> StageResult:
        """Let every policy answer the same held-out prompts, and harmless ones of files, and measure the answers."""
        config, write = self.config, context.workspace.write
        draws = self._draws(context)
        harmless = self._harmless(context, draws)
        asked = draws + every_draw(harmless.own, config.samples) if harmless else draws
        drawn = {name: self._answers(context, name, asked) for name in config.policies}
        named = [answer.named_ending(name) for name, of_policy in drawn.items() for answer in of_policy]
        funnel = write_endings(context.workspace, "evaluate", "sampled answers", named)
        prompts = counted(held_out_prompts=len({draw.prompt.id for draw in draws}))
        found = Result(figures=(*prompts, *_endings(drawn)), funnels=(funnel,))
        answers = {name: of_policy[: len(draws)] for name, of_policy in drawn.items()}
        is_simulated = bool(draws) and all(draw.prompt.source == "lilliput" for draw in draws)
        if is_simulated:
            figures = (*_against_truth(answers), *_reward_against_truth(context))
            found += Result(figures=figures, notes=(banner("all prompts"), HOW_TO_READ))
        artefacts, checks, judge = [], list[PolicyCheck](), None
        if config.judge:
            compared = compare_policies(context, config.judge, config.matchups, answers)
            found += judged_by("win rates", independence(context.config, config.judge, context.base))
            found += win_rates(answers, config.matchups, compared)
            artefacts.append(write("evaluate/comparisons", PolicyComparison, compared))
        if config.violations:
            judge = independence(context.config, config.violations, context.base)
            checks, violations = check_violations(context, config.violations, answers)
            found += judged_by("violations", judge) + violations
            artefacts.append(write("evaluate/violations", PolicyCheck, checks))
        if answers and (has_checks(context.rules) or not is_simulated):
            found += self._scorecard(context, answers, checks, judge)
        if config.over_refusal and harmless:
            refusals, refused = find_refusals(context, config.over_refusal, harmless, drawn)
            found += refused
            artefacts.append(write("evaluate/refusals", PolicyRefusal, refusals))
        found += Result(samples=tuple(_examples(answers)))
        flat = [answer.answer for of_policy in drawn.values() for answer in of_policy if answer.answer]
        artefacts += [write("evaluate/answers", Candidate, flat), "evaluate/endings"]
        return StageResult(tuple(artefacts), found)

    def _draws(self, context: Context) -> list[Draw]:
        """Return the first held-out prompts."""
        prompts = unseen_prompts(context)
        if not (prompts or self.config.own_prompts):
            raise AmendmentError(
                "evaluate: no prompt is held out; set dataset.test_share above 0 or bring more prompts"
            )
        return every_draw(prompts[: self.config.prompts], self.config.samples)

    def _harmless(self, context: Context, draws: Sequence[Draw]) -> Harmless | None:
        """Return the prompts on which refusals are counted. Raises AmendmentError where there is none."""
        if self.config.over_refusal is None:
            return None
        in_pairs = trained_prompts(context) if "dataset/train" in self.reads else set()
        harmless = harmless_prompts(context, self.config.over_refusal, [draw.prompt for draw in draws], in_pairs)
        if not harmless.ids:
            counts = ", ".join(f"{count} {name}" for name, count in harmless.counts.items())
            raise AmendmentError(
                f"evaluate.over_refusal: no harmless prompt is left ({counts}); name categories that held-out prompts "
                "have, or files of prompts that no training stage saw"
            )
        return harmless

    def _scorecard(
        self, context: Context, answers: Answers, judged: Sequence[PolicyCheck], judge: Mapping[str, str] | None
    ) -> Result:
        with self._policy(context, self.config.policies[0]) as scorer:
            embeddings = self.config.embeddings
            return scorecard(context, answers, judged=judged, judge=judge, scorer=scorer, embeddings=embeddings)

    def _policy(self, context: Context, name: str) -> AbstractContextManager[Model]:
        config = self.config
        return context.policy(name, temperature=config.temperature, max_tokens=config.max_tokens, batch_size=BATCH_SIZE)

    def _answers(self, context: Context, name: str, draws: Sequence[Draw]) -> list[Drawn]:
        with self._policy(context, name) as model:
            work = partial(draw_answer, model)
            return context.map_bounded(f"sampling answers from {name}", draws, work, models=[model])


def _harmless_files(sources: Sequence[PromptFile], base: Path, *, glimpse: bool = False) -> list[Prompt]:
    """Return the prompts of files, each once. Raises DataError with all that is wrong with them."""
    read = read_inputs(RunSettings(name="harmless", prompts=tuple(sources)), base, glimpse=glimpse)
    return list(read.prompts.values())


def harmless_prompts(
    context: Context, part: OverRefusal, evaluated: Iterable[Prompt], in_pairs: Collection[str] = ()
) -> Harmless:
    """Evaluated prompts of the named categories, and those of the files that no training stage may have seen: neither
    among the run's prompts and helpful answers that are not held out, nor among the prompts `in_pairs`
    for training, which may be mixed in."""
    shown = {prompt.id: prompt for prompt in evaluated}
    of_category = {name for name, prompt in shown.items() if prompt.category in part.categories}
    prompts = _harmless_files(part.prompts, context.base) if part.prompts else []
    trained: set[str] = set()
    if prompts:
        trained |= set(context.prompts())
        if files := helpful_files(context.config.part(SftConfig)):
            trained |= {*read_helpful(files, context.base).prompts}
        trained = (trained - context.held_out()).union(in_pairs)
    kept = [prompt for prompt in prompts if prompt.id not in trained]
    counts = {"of categories": len(of_category)} if part.categories else {}
    if part.prompts:
        counts |= {"of files": len(kept), "left out as training prompts": len(prompts) - len(kept)}
    ids = frozenset(of_category | {prompt.id for prompt in kept})
    return Harmless(ids, [prompt for prompt in kept if prompt.id not in shown], counts)


def _examples(answers: Answers) -> Iterator[Sample]:
    """Yield the first prompts that both the first and the last policy answered, with their answers."""
    if len(answers) < 2:
        return
    names = (next(iter(answers)), list(answers)[-1])
    draws = zip(*(answers[name] for name in names), strict=True)
    texts = (
        [last_text(ours.draw.prompt.messages), last_text(ours.answer.messages), last_text(theirs.answer.messages)]
        for ours, theirs in draws
        if ours.answer and theirs.answer
    )
    rows = tuple(tuple(map(masked, row)) for row in islice(texts, MOST_EXAMPLES))
    if rows:
        yield Sample(title="Answers to the first of these prompts", head=("prompt", *names), rows=rows)


def _endings(drawn: Answers) -> Iterator[Figure]:
    """Count how each policy's draws ended. Raises AmendmentError for a policy that never answered."""
    for name, answers in drawn.items():
        ended = Counter(answer.ending.outcome for answer in answers)
        if not ended["done"]:
            outcomes = ", ".join(f"{count} {outcome}" for outcome, count in ended.items())
            reasons = Counter(answer.ending.reason for answer in answers).most_common(1)
            raise AmendmentError(
                f"evaluate: policy {name!r} gave no answer ({outcomes}); take it out of evaluate.policies, or see its "
                f"entry in the run file. Most often: {reasons[0][0]}"
            )
        counts = {
            "answered": ended["done"],
            **{outcome: ended[outcome] for outcome in ("refused", "invalid", "failed")},
        }
        yield from (Figure(name=outcome, value=count, of={"policy": name}) for outcome, count in counts.items())


def _against_truth(answers: Answers) -> Iterator[Figure]:
    """Utility, readability and attributes of each policy, and the differences from the first and the one before."""
    truths = {
        name: {(drawn.draw.prompt.id, drawn.draw.sample): fact for drawn in of_policy if (fact := _truth(drawn))}
        for name, of_policy in answers.items()
    }

    def each(measure: Callable[[Truth], float]) -> dict[str, dict[Asked, float]]:
        return {name: {asked: measure(fact) for asked, fact in facts.items()} for name, facts in truths.items()}

    names = list(answers)
    steps = dict.fromkeys([*((name, names[0]) for name in names[1:]), *zip(names[1:], names, strict=False)])
    yield from by_policy("true_utility", each(lambda fact: fact.utility), unit="", steps=tuple(steps))
    yield from by_policy("readable", each(lambda fact: float(fact.readable)))
    for name, facts in truths.items():
        means = np.array([fact.attributes for fact in facts.values()]).mean(axis=0)
        values = {attribute: round(float(mean), 4) for attribute, mean in zip(ATTRIBUTES, means, strict=True)}
        for attribute, mean in values.items():
            yield Figure(name="true_attribute", value=mean, of={"attribute": attribute, "policy": name})


def _truth(drawn: Drawn) -> Truth | None:
    """Return the truth about an answer; a reply without words is an empty answer, a refused or failed call is none."""
    if drawn.ending.outcome not in ("done", "invalid"):
        return None
    return truth(last_text(drawn.draw.prompt.messages), last_text(drawn.answer.messages) if drawn.answer else "")


def _reward_against_truth(context: Context) -> Iterator[Figure]:
    """Yield how often the reward model prefers the truly better answer of held-out pairs, and how often the labels do.

    Pairs that are too long for the reward model have no score; they are left out of its share and counted. Of pairs
    that were mixed in, those of prompts outside the simulated world have no truth, and do not count.
    """
    if not context.config.part(RewardModelConfig):
        return
    pairs = context.workspace.read("dataset/test", Preference)
    with_gap = [(pair, gap) for pair in pairs if knows(last_text(pair.prompt)) and (gap := _gap(pair))]
    if not with_gap:
        return
    rows = [pair.to_json() for pair, _ in with_gap]
    scores = score_pairs(context.workspace.path("models/reward_model"), rows)
    clusters = np.array([pair.prompt_id for pair, _ in with_gap])
    sign = np.sign([gap for _, gap in with_gap])
    gaps = scores.chosen - scores.rejected
    scored = np.isfinite(gaps)
    right = share((np.sign(gaps[scored]) * sign[scored] + 1) / 2, clusters[scored].tolist())
    yield Figure(name="reward_model_against_truth", value=right, unit="share")
    yield from counted(pairs_that_the_reward_model_cannot_score=int((~scored).sum()))
    yield Figure(name="labels_against_truth", value=share((sign + 1) / 2, clusters.tolist()), unit="share")


def _gap(pair: Preference) -> float:
    prompt = last_text(pair.prompt)
    return truth(prompt, last_text(pair.chosen)).utility - truth(prompt, last_text(pair.rejected)).utility
