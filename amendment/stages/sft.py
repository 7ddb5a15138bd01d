"""The stage `sft`: supervised fine-tuning on revisions or chosen answers, and on helpful answers next to them.

As in Constitutional AI, where samples of the helpful-only model were mixed in so that the policy stays helpful (Bai et
al. 2022, section 3.2). Helpful answers are drawn by a seeded hash. Promised: none twice, none to a held-out prompt of
the run, and no other row is given up for the share. Not covered: prompts that only files under `dataset.mix` have.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from amendment.data.source_rows import source_state
from amendment.data.sources import Source
from amendment.dpo import train_sft
from amendment.dpo.settings import SftConfig, helpful_files, read_helpful
from amendment.errors import TrainingError
from amendment.hashing import content_id
from amendment.people.gate import GATE
from amendment.preference.verified import ANSWERS, DECISIVE, VerifiedAnswer, Verifier, passes_all
from amendment.records import Candidate
from amendment.results import Result, by_label, counted
from amendment.stages.contract import ConfigProblem, Context, RunSettings, StageResult
from amendment.stages.tables import PROMPTS, Role
from amendment.stages.training import (
    CHAINS,
    PAIRS,
    Rows,
    TrainingStage,
    candidate_rows,
    chosen_rows,
    sft_row,
    training_progress,
    training_result,
)

_LEARNS_FROM: dict[str, tuple[str, ...]] = {"chosen": PAIRS, "verified": (*PROMPTS, Role.ANSWERS, ANSWERS)}
"""What it reads by `on`, where that is not the revisions of chains."""


class SftStage(TrainingStage):
    """Fine-tune on revisions or on chosen answers."""

    name = "sft"
    title = "fine-tuning the policy"
    model_title = "fine-tuned"
    Config = SftConfig

    def __init__(self, settings: RunSettings) -> None:
        super().__init__(settings)
        self.reads = (*self.base_reads, *_LEARNS_FROM.get(self.config.on, CHAINS))
        if self.config.on == "chosen":
            self.may_read = (GATE,)
        if self.config.helpful:
            self.reads += CHAINS if self.config.drafts_of else PROMPTS

    def key(self, context: Context) -> Mapping[str, Any]:
        """Return the settings, and the files of the base and of helpful answers."""
        states = [source_state(source, context.base) for source in helpful_files(self.config)]
        return {**super().key(context), **({"helpful files": states} if states else {})}

    def problems(self) -> Iterator[ConfigProblem]:
        yield from super().problems()
        if self.config.on == "verified" and not self.settings.parts(Verifier):
            yield ("sft", "on"), "nothing verifies answers; add verify:, or train on chosen"

    def sources(self) -> Sequence[Source]:
        return helpful_files(self.config)

    def categories(self) -> Iterator[ConfigProblem]:
        for index, name in enumerate(self.config.drafts_of):
            yield ("sft", "helpful", "drafts_of", index), name

    def check(self, base: Path) -> Iterator[ConfigProblem]:
        yield from super().check(base)
        if self.sources():
            read_helpful(helpful_files(self.config), base, glimpse=True)

    def make(self, context: Context) -> StageResult:
        if self.config.on == "chosen":
            self.refuse_failed_gate(context)
            rows = chosen_rows(context)
        elif self.config.on == "verified":
            rows = verified_rows(context, self.tables.of(Role.ANSWERS))
        else:
            rows = candidate_rows(context, "revision", last=self.config.on == "last_revision")
        helpful = helpful_rows(context, self.config, others=len(rows))
        result = train_sft(
            context.trained_base(self.config.base),
            [*rows, *helpful.rows],
            context.workspace.path("models/sft"),
            self.config,
            seed=context.config.seed,
            progress=training_progress(context, "sft"),
        )
        return StageResult(self.writes, training_result(result) + helpful.result)


def verified_rows(context: Context, tables: Iterable[str]) -> Rows:
    """Return the different answers of these tables to train prompts that pass every verifier that decides or vetoes,
    prompt by prompt; truncated ones are left out."""
    outcomes: dict[str, list[VerifiedAnswer]] = defaultdict(list)
    for row in context.workspace.rows(ANSWERS, VerifiedAnswer):
        outcomes[row.candidate_id].append(row)
    prompts, test = context.prompts(), context.held_out()
    by_prompt: dict[str, dict[str, Candidate]] = {name: {} for name in prompts if name not in test}
    for answer in context.candidates(tables):
        if answer.prompt_id in by_prompt and passes_all(outcomes[answer.id], *DECISIVE):
            by_prompt[answer.prompt_id][answer.id] = answer
    return [
        sft_row(prompts[name], answer)
        for name, answers in by_prompt.items()
        for answer in answers.values()
        if not answer.is_truncated
    ]


class HelpfulRows(NamedTuple):
    """Rows for supervised fine-tuning, and what the summary has of them."""

    rows: Rows
    result: Result


def helpful_rows(context: Context, config: SftConfig, *, others: int) -> HelpfulRows:
    """As many helpful answers as make up the share next to so many other rows, h / (h + others) = share, one at least.
    Raises TrainingError where there is none."""
    if not config.helpful or not others:  # what has nothing else to learn from fails as it does without a share
        return HelpfulRows([], Result())
    share, seed, test = config.helpful_share, context.config.seed, context.held_out()
    answers: Iterable[Candidate]
    if not config.drafts_of:
        helpful = read_helpful(helpful_files(config), context.base)
        prompts = helpful.prompts
        answers = helpful.candidates.values()
    else:
        prompts = context.prompts()
        answers = context.workspace.rows("critique/candidates", Candidate)
        answers = [
            answer
            for answer in answers
            if answer.kind == "draft" and prompts[answer.prompt_id].category in config.drafts_of
        ]
    taken = {answer.id: answer for answer in answers if answer.prompt_id not in test and not answer.is_truncated}
    if not taken:
        raise TrainingError(
            f"sft: helpful_share is {share:g}, and there is no helpful answer to a prompt that is not held out: name "
            "other files or categories under sft.helpful, or leave both out"
        )
    wanted = max(1, round(share / (1 - share) * others))
    drawn = sorted(taken, key=lambda name: content_id(["helpful", seed, name]))[:wanted]
    rows = [sft_row(prompts[taken[name].prompt_id], taken[name]) for name in drawn]
    reached = len(rows) / (len(rows) + others)
    figures = counted(helpful_rows=len(rows), helpful_answers=len(taken))
    shares = {"asked": share, "reached": reached}
    few = f"Of the rows {reached:.1%} are helpful answers, not {share:.1%}: there are only {len(taken)}."
    notes = (few,) if len(rows) < wanted else ()
    figures += tuple(by_label("helpful_share", "share", shares, unit="share"))
    return HelpfulRows(rows, Result(figures=figures, notes=notes))
