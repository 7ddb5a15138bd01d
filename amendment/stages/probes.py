"""The stage `probes`: judged comparisons put to the same judges once more, edited so that nothing should change.

Covered: a seeded sample of what the stage `judging` has judged, one comparison a prompt as far as there are prompts;
each comparison by one principle, the one by which its winner won most clearly, in the same words before and after the
edit; every question in both displayed orders; paraphrases of the prompts by a model, each asked for once, with the
reason where one is left out. Replies lie in the ledger, so that a run that was broken off goes on.
Not covered: what is edited and what the answers come to, which `audit.probes` says.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from amendment.audit.probes import (
    PARAPHRASE,
    PLAIN,
    PROBES,
    ProbeAnswers,
    ProbeQuestion,
    Subject,
    can_be_probed,
    collect_answers,
    probe_report,
    questions,
)
from amendment.audit.variants import Paraphrase, probe_json, question, unquoted, variant_agreements, why_left_out
from amendment.constitutions import Constitution, Principle
from amendment.data.sources import Name, OneOrMore
from amendment.errors import AmendmentError, ConfigError, ProviderError, Transient
from amendment.files import write_json
from amendment.hashing import content_id
from amendment.llm.concurrency import Tally, flow
from amendment.llm.model import Ending, Model, Unusable, item_ending, usable
from amendment.preference import Judge, JudgeSettings, aggregate_verdicts
from amendment.preference.readings import make_readings
from amendment.preference.settings import JudgingConfig
from amendment.records import Candidate, Comparison, Judgement, Part, Prompt, Record, Verdict, last_text
from amendment.results import Figure, Funnel, Result, by_label, counted
from amendment.stages.contract import (
    Ask,
    ConfigProblem,
    Context,
    RunSettings,
    Stage,
    StageResult,
    constitution_key,
    dump,
    judge_key,
    open_judge,
)
from amendment.stages.tables import Role, Tables
from amendment.text import plain
from amendment.yamlfile import did_you_mean

ANSWERS, PARAPHRASES, FIGURES = "probes/answers", "probes/paraphrases", "probes/figures.json"
CLEAR = 0.5
"""Least |2P - 1| by which an answer must have won for an attack to be put against it: where both answers break a
principle, one that says nothing may rightly win."""
LABELS = {"pair": ("A", "B"), "pool": ("1", "2")}
"""The names of the two answers, by what a judge's protocol shows; where it shows one, there is no place."""


ProbeName = Literal[
    "all",
    "verbosity",
    "authority",
    "format",
    "injection",
    "bandwagon",
    "sycophancy",
    "revision",
    "null-answer",
    "typing",
    "paraphrase",
]


class ProbesConfig(Part):
    """Probes of the judges: edits that do not change an answer's content, and answers without content."""

    pairs: int = Field(default=150, ge=1, le=100_000)
    """Judged comparisons to probe, drawn by the run's seed, from different prompts if possible. The gate of an attack
    can pass from 149 prompts on; attacks use only comparisons that an answer won clearly."""
    which: Annotated[tuple[ProbeName, ...], OneOrMore] = Field(default=("all",), min_length=1)
    """Names of probes, or all. An edit asks four questions per comparison and judge, a null answer or a paraphrase
    asks two."""
    paraphraser: Name | None = None
    """The model under `models` that writes each probed prompt in other words; without one there is no `paraphrase`."""
    attack_by: Annotated[tuple[str, ...], OneOrMore] = ()
    """Principles, such as helpful-honest/answer-the-question, that an answer without content cannot keep. If any are
    named, attacks are made only against answers that won by one of them: by a principle about harm, silence may rightly
    win."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the probes that are asked, in the order of the reports."""
        named = (name for name in PROBES if "all" in self.which or name in self.which)
        return tuple(name for name in named if name != PARAPHRASE or self.paraphraser)


class ProbesStage(Stage):
    """Ask the judges again about comparisons whose answers were edited in ways that should not matter."""

    name = "probes"
    title = "probing the judge"
    Config = ProbesConfig
    reads = ("inputs/prompts", "judging/verdicts", "judging/judgements", Role.ANSWERS, Role.PAIRS)

    def __init__(self, settings: RunSettings) -> None:
        super().__init__(settings)
        self.part = settings.need(ProbesConfig)
        judging = settings.part(JudgingConfig)
        self.judges = judging.every_judge if judging else ()
        paraphrases = (PARAPHRASES,) if PARAPHRASE in self.part.names else ()
        self.writes = (ANSWERS, *paraphrases, "probes/endings", FIGURES)

    def key(self, context: Context) -> Mapping[str, Any]:
        """Return the probes, the judges with their texts, the model that paraphrases, and the constitutions."""
        key = {**dump(self.part), "probed": [dump(entry) for entry in self.judges], **constitution_key(context)}
        for entry in self.judges:
            key |= judge_key(context, entry)
        return {**key, **(context.model_key(self.part.paraphraser) if self.part.paraphraser else {})}

    def asks(self) -> Iterable[Ask]:
        judging = self.settings.part(JudgingConfig)
        for place, entry in judging.placed if judging else ():
            yield Ask(("judging", *place, "model"), entry.model, "judge", entry)
        if self.part.paraphraser:
            yield Ask((self.name, "paraphraser"), self.part.paraphraser)

    def problems(self) -> Iterator[ConfigProblem]:
        """Yield a paraphrase without a model, and models that cannot paraphrase or judge one."""
        part, models = self.part, self.settings.models
        if PARAPHRASE in part.which and not part.paraphraser:
            yield (self.name, "which"), "paraphrase needs a model; add paraphraser: NAME, a name under models"
        if part.paraphraser and PARAPHRASE not in part.names:
            yield (self.name, "paraphraser"), "only paraphrase uses it; add paraphrase to which, or take this line out"
        if part.paraphraser in self.settings.policies:
            yield (self.name, "paraphraser"), "a policy is trained after the probes; name a model under models"
        asked = (part.paraphraser, *(entry.model for entry in self.judges)) if part.paraphraser else ()
        if simulated := [name for name in asked if name in models and models[name].provider == "simulated"]:
            message = f"{simulated[0]} is simulated and knows only the exact prompts of Lilliput, no paraphrases"
            yield (self.name, "paraphraser"), f"{message}; remove this line, or use other models"

    def check(self, base: Path) -> Iterator[ConfigProblem]:
        """Principles that no constitution has; a constitution that cannot be read is reported where it is named."""
        try:
            rules = self.settings.constitutions_in(base)
        except ConfigError:
            return
        references = [rule.principle_reference(principle) for rule in rules for principle in rule.principles]
        for index, name in enumerate(self.part.attack_by):
            if name not in references:
                yield (self.name, "attack_by", index), f"no principle {name!r}{did_you_mean(name, references)}"

    def make(self, context: Context) -> StageResult:
        """Ask the edited questions, and make figures of the answers. Raises AmendmentError where nothing was judged."""
        # in the order given: a probe asks for either order by itself
        judges = [open_judge(context, entry, JudgeSettings(orders="first")) for entry in self.judges]
        subjects = _subjects(context, self.part, self.tables.answers)
        tasks = [_Group(judge, subject, principle) for subject, principle in subjects for judge in judges]
        names = self.part.names
        paraphrases = dict[str, Paraphrase]()
        writer = context.model(self.part.paraphraser) if self.part.paraphraser else None
        kinds: dict[str, type[Record]] = {"paraphrases": Paraphrase} if writer else {}

        async def work(task: _Group) -> _Asked:
            return await _ask_all(task, names, context, writer)

        with Tables(context.workspace, self.name, answers=ProbeAnswers, **kinds) as tables:

            def keep(asked: _Asked) -> None:
                tables.end(f"{asked.task.subject.id}/{asked.task.judge.name}", asked.ending)
                tables.add("answers", asked.answers)
                if asked.paraphrase and asked.paraphrase.parent not in paraphrases:
                    paraphrases[asked.paraphrase.parent] = asked.paraphrase
                    tables.add("paraphrases", [asked.paraphrase])

            tally = Tally(self.name, len(tasks))
            models = [*(judge.model for judge in judges), *([writer] if writer else [])]
            context.stream_bounded([tally], tasks, tally.counting(work), keep, models=models)
            tables.close()
        rows = context.workspace.read(ANSWERS, ProbeAnswers)
        variants = variant_agreements(rows)
        report = probe_report(rows)
        write_json(context.workspace.folder / FIGURES, probe_json(report, variants))
        figures = [*counted(comparisons=len(subjects))]
        for row in report:
            about = {"judge": row.judge, "probe": row.probe}
            ruling = {"gate": row.outcome, "found": row.found}
            figures += (Figure(name=name, value=value, of=about) for name, value in ruling.items())
        left_out = Counter(why.partition(":")[0] for row in paraphrases.values() if (why := row.left_out))
        usable = len(paraphrases) - left_out.total()
        written = Funnel(what="paraphrases", came_in=len(paraphrases), left_out=left_out, remained=usable)
        agreements = {row.judge: row.shown for row in variants}
        figures += by_label("the_same_verdict_under_all_variants_of_the_prompt", "judge", agreements)
        if failed := [f"{row.probe}, for {row.judge}" for row in report if row.outcome == "FAIL"]:
            figures += counted(failed_gates="; ".join(failed))
        funnels = (tables.funnel("probed comparisons"), *([written] if writer else []))
        return StageResult((*tables.artefacts, FIGURES), Result(figures=tuple(figures), funnels=funnels))


# Which comparisons, and by which principle


def _subjects(context: Context, part: ProbesConfig, tables: Iterable[str]) -> list[tuple[Subject, str]]:
    """Return the comparisons that are probed, with their texts, and the principle by which each is asked about."""
    workspace = context.workspace
    seed = context.config.seed
    chosen = _chosen(workspace.rows("judging/judgements", Judgement), seed)[: part.pairs]
    prompt_ids = {judgement.prompt_id for judgement in chosen}
    prompts = {prompt.id: prompt for prompt in workspace.rows("inputs/prompts", Prompt) if prompt.id in prompt_ids}
    answer_ids = {answer_id for judgement in chosen for answer_id in (judgement.a, judgement.b)}
    answers: dict[str, Candidate] = {}
    for name in tables:
        for candidate in workspace.rows(name, Candidate):
            if candidate.id in answer_ids:
                answers.setdefault(candidate.id, candidate)
    verdicts: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in workspace.rows("judging/verdicts", Verdict):
        if verdict.prompt_id in prompt_ids:
            verdicts[verdict.prompt_id].append(verdict)
    subjects = []
    for judgement in chosen:
        p_a = judgement.p_a or 0.0
        between = Comparison(judgement.prompt_id, judgement.a, judgement.b)
        # a draw is decided by a coin, so that it can be probed as well
        a_lost = content_id(["even", seed, between.id])[-1] in "01234567" if p_a == 0.5 else p_a < 0.5
        principle = _principle(verdicts[between.prompt_id], between, a_lost=a_lost)
        is_clear = abs(2 * p_a - 1) >= CLEAR - 1e-9 and principle in (part.attack_by or (principle,))
        target, other = (between.a, between.b) if a_lost else (between.b, between.a)
        subjects.append((Subject(prompts[between.prompt_id], answers[target], answers[other], is_clear), principle))
    return subjects


def _chosen(judgements: Iterable[Judgement], seed: int) -> list[Judgement]:
    """Return all that could be read, in seeded order: decided ones first, and of each prompt one before a second of
    any."""
    readable = [judgement for judgement in judgements if judgement.p_a is not None]
    if not readable:
        raise AmendmentError("probes: the stage judging has judged nothing that could be read; see its counts")
    readable.sort(key=lambda judgement: content_id(["probes", seed, judgement.comparison_id]))
    earlier: Counter[str] = Counter()
    ranked = []
    for judgement in readable:
        ranked.append((judgement.p_a == 0.5, earlier[judgement.prompt_id], judgement))
        earlier[judgement.prompt_id] += 1
    return [judgement for *_, judgement in sorted(ranked, key=lambda ranked: ranked[:2])]


def _principle(verdicts: Iterable[Verdict], comparison: Comparison, *, a_lost: bool) -> str:
    """Return the principle by which the winner won most clearly."""
    p_winner: dict[str, list[float]] = defaultdict(list)
    for reading in make_readings(verdicts, comparison):
        if reading.p_a is not None:
            p_winner[reading.principle].append(1 - reading.p_a if a_lost else reading.p_a)
    return max(sorted(p_winner), key=lambda name: fmean(p_winner[name]))


# Asking


class _Group(NamedTuple):
    judge: Judge
    subject: Subject
    principle: str
    """Reference of the one it is judged by."""


class _Asked(NamedTuple):
    task: _Group
    answers: list[ProbeAnswers]
    ending: Ending
    paraphrase: Paraphrase | None = None


async def _ask_all(task: _Group, probes: Sequence[str], context: Context, writer: Model | None) -> _Asked:
    """Ask everything that the probes ask about one comparison; `writer` paraphrases its prompt."""
    subject, paraphrase = task.subject, None
    if not (can_be_probed(subject.target) and can_be_probed(subject.other)):
        return _Asked(task, [], Ending("invalid", "one of the answers is no text that could be edited"))
    constitutions = [_silenced(constitution, task.principle) for constitution in task.judge.constitutions]
    judge = replace(task.judge, constitutions=constitutions)

    async def ask(question: ProbeQuestion) -> list[float | None]:
        return await _ask(judge, question)

    try:
        if writer and isinstance(subject.prompt.messages[-1].content, str):
            paraphrase = await _paraphrase(writer, subject.prompt)
            subject = subject._replace(paraphrase=_in_other_words(subject.prompt, paraphrase))
        asked = list(questions(subject, probes, labels=LABELS.get(judge.folder.unit), seed=context.config.seed))
        replies = await flow(asked, ask, window=max(1, len(asked)))
    except Transient as fault:
        return _Asked(task, [], item_ending(fault))
    of_questions = zip(asked, replies, strict=True)
    answers = collect_answers(subject, probes, of_questions, judge=judge.name, principle=task.principle)
    is_readable = not replies or any(p is not None for drawn in replies for p in drawn)
    ending = Ending("done") if is_readable else Ending("invalid", "no verdict could be read")
    return _Asked(task, answers, ending, paraphrase)


async def _paraphrase(writer: Model, prompt: Prompt) -> Paraphrase:
    """Return the prompt's last turn in other words. Raises Transient and CredentialsError."""
    asked = last_text(prompt.messages[-1:])
    try:
        answer = await writer.ask(question(asked))
        text = unquoted(last_text(usable(answer, "paraphrase")))
    except Transient:
        raise
    except (Unusable, ProviderError) as fault:
        outcome, reason = item_ending(fault)
        why = {"refused": "a refusal", "invalid": "empty"}.get(outcome, f"the call failed: {plain(str(reason))}")
        return Paraphrase(parent=prompt.id, text="", left_out=why, model=writer.name)
    request = answer.origin.request
    doubt = "cut" if answer.reply.finish_reason == "length" else why_left_out(asked, text)
    return Paraphrase(parent=prompt.id, text=text, left_out=doubt, model=writer.name, request=request)


def _in_other_words(prompt: Prompt, paraphrase: Paraphrase) -> Prompt | None:
    if paraphrase.left_out:
        return None
    *before, last = prompt.messages
    return prompt.model_copy(update={"messages": (*before, last.model_copy(update={"content": paraphrase.text}))})


def _silenced(constitution: Constitution, reference: str) -> Constitution:
    """Return the constitution in which this principle alone has a question, and that always in the same words; the
    worked examples stay as they are."""

    def asks(principle: Principle) -> tuple[str, ...]:
        return principle.compare[:1] if constitution.principle_reference(principle) == reference else ()

    kept = tuple(principle.model_copy(update={"compare": asks(principle)}) for principle in constitution.principles)
    return constitution.model_copy(update={"principles": kept})


async def _ask(judge: Judge, question: ProbeQuestion) -> list[float | None]:
    """P(the target is better) by draw: two of the plain question where the judge draws its verdicts, otherwise one."""
    samples = min(2, judge.samples) if question.probe == PLAIN else 1
    verdicts = await replace(judge, samples=samples).verdicts(question.prompt, *question.shown)
    between = Comparison.between(*question.shown)
    drawn: list[float | None] = []
    for sample in sorted({verdict.sample for verdict in verdicts}):
        own = [verdict for verdict in verdicts if verdict.sample == sample]
        p = aggregate_verdicts(own, orders="first", disagreement="mean", comparison=between).p_a
        drawn.append(1 - p if p is not None and between.a != question.target.id else p)
    return drawn
