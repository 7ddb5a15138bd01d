"""The stage `sft`: supervised fine-tuning on revisions or chosen answers, and on helpful answers next to them.

As in Constitutional AI, where samples of the helpful-only model were mixed in so that the policy stays helpful (Bai et
al. 2022, section 3.2). Helpful answers are drawn by a seeded hash. Promised: none twice, none to a held-out prompt of
the run, and no other row is given up for the share. Not covered: prompts that only files under `dataset.mix` have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from amendment.data.inputs import Inputs, read_inputs
from amendment.data.source_rows import source_state
from amendment.data.sources import FileSource, Source
from amendment.dpo import SftSettings, train_sft
from amendment.errors import TrainingError
from amendment.hashing import content_id
from amendment.records import Candidate, Part
from amendment.stages.contract import ConfigProblem, Context, RunSettings, StageResult
from amendment.stages.gate import refuse_failed_gate
from amendment.stages.trained import (
    CHAINS,
    PROMPTS,
    Rows,
    TrainingStage,
    candidate_rows,
    chosen_rows,
    pair_tables,
    sft_row,
    training_counts,
    training_progress,
)
from amendment.stages.verify import ANSWERS, Verifier, answer_tables, verified_answers


class HelpfulAnswers(Part):
    """Sources of helpful answers: files, or drafts of this run."""

    files: tuple[FileSource, ...] = ()
    """Files or datasets with prompts and their answers, as under `candidates`. Answers to held-out prompts of the run
    are left out."""
    drafts_of: tuple[str, ...] = ()
    """Categories of harmless prompts: their drafts, as they were before critique and revision."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if bool(self.files) == bool(self.drafts_of):
            raise ValueError("name either files, or drafts_of with the categories of harmless prompts")
        return self


class SftConfig(SftSettings):
    """Supervised fine-tuning."""

    base: str
    """`base`, or a model as `provider: local` takes it (folder, Hub id, GGUF file, `smollm2-135m-instruct`)."""
    on: Literal["all_revisions", "last_revision", "chosen", "verified"] = "all_revisions"
    """The answers it learns from; all_revisions as in Constitutional AI. verified: every different candidate that
    passes `verify` (rejection sampling)."""
    helpful_share: float = Field(default=0.0, ge=0, lt=1)
    """Share of the rows that are helpful answers from `helpful`, added to all others. If there are too few, the other
    rows stay, and the summary states the share that was reached."""
    helpful: HelpfulAnswers | None = None
    """The sources of these answers."""

    @model_validator(mode="after")
    def _share_and_source(self) -> Self:
        if self.helpful_share and self.helpful is None:
            raise ValueError("helpful_share needs answers to take: set helpful.files, or helpful.drafts_of")
        if self.helpful is not None and not self.helpful_share:
            raise ValueError("helpful names answers, and none is taken: set helpful_share above 0")
        return self


class SftStage(TrainingStage):
    """Fine-tune on revisions or on chosen answers."""

    name = "sft"
    title = "fine-tuning the policy"
    model_title = "fine-tuned"
    Config = SftConfig

    def __init__(self, settings: RunSettings) -> None:
        super().__init__(settings)
        rows = pair_tables(settings) if self.config.on == "chosen" else CHAINS
        rows = (*PROMPTS, *answer_tables(settings), ANSWERS) if self.config.on == "verified" else rows
        helpful = (CHAINS if self.config.helpful.drafts_of else PROMPTS) if self.config.helpful else ()
        self.reads = (*self.base_reads, *dict.fromkeys((*rows, *helpful)))

    def key(self, context: Context) -> Mapping[str, Any]:
        """The settings, and the files of the base and of helpful answers."""
        states = [source_state(source, context.base) for source in helpful_files(self.settings)]
        return {**super().key(context), **({"helpful files": states} if states else {})}

    def problems(self) -> Iterator[ConfigProblem]:
        yield from super().problems()
        if self.config.on == "verified" and not self.settings.parts(Verifier):
            yield ("sft", "on"), "nothing verifies answers; add verify:, or train on chosen"

    def sources(self) -> Sequence[Source]:
        return helpful_files(self.settings)

    def categories(self) -> Iterator[ConfigProblem]:
        for index, name in enumerate(self.config.helpful.drafts_of if self.config.helpful else ()):
            yield ("sft", "helpful", "drafts_of", index), name

    def check(self, base: Path) -> Iterator[ConfigProblem]:
        yield from super().check(base)
        if self.sources():
            read_helpful(self.settings, base, glimpse=True)

    def make(self, context: Context) -> StageResult:
        if self.config.on == "chosen":
            refuse_failed_gate(context.workspace, context.config)
            rows = chosen_rows(context)
        elif self.config.on == "verified":
            rows = verified_rows(context)
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
        counts = training_counts(result)
        return StageResult(self.writes, {**counts, **helpful.counts, "notes": [*counts["notes"], *helpful.notes]})


def verified_rows(context: Context) -> Rows:
    """Answers to train prompts that pass the run's verifiers; truncated ones are left out."""
    test = context.held_out()
    return [
        sft_row(prompt, answer)
        for prompt, answer in verified_answers(context)
        if prompt.id not in test and not answer.is_truncated
    ]


class HelpfulRows(NamedTuple):
    """Rows for supervised fine-tuning, and what the summary says of them."""

    rows: Rows
    counts: dict[str, Any]
    notes: list[str]


def helpful_files(settings: RunSettings) -> tuple[FileSource, ...]:
    config = settings.part(SftConfig)
    return config.helpful.files if config and config.helpful else ()


def read_helpful(settings: RunSettings, base: Path, *, glimpse: bool = False) -> Inputs:
    """Everything in these files. Raises DataError with the problems of all of them.

    `glimpse` reads only the first rows of each source, for a check.
    """
    return read_inputs(settings.bare(candidates=helpful_files(settings)), base, glimpse=glimpse)


def helpful_rows(context: Context, config: SftConfig, *, others: int) -> HelpfulRows:
    """As many helpful answers as make up the share next to so many other rows, h / (h + others) = share, one at least.
    Raises TrainingError where there is none."""
    if config.helpful is None or not others:  # what has nothing else to learn from fails as it does without a share
        return HelpfulRows([], {}, [])
    share, seed, test = config.helpful_share, context.config.seed, context.held_out()
    answers: Iterable[Candidate]
    if config.helpful.files:
        helpful = read_helpful(context.config, context.base)
        prompts, answers = helpful.prompts, helpful.candidates.values()
    else:
        prompts, answers = context.prompts(), context.workspace.rows("critique/candidates", Candidate)
        answers = [
            answer
            for answer in answers
            if answer.kind == "draft" and prompts[answer.prompt_id].category in config.helpful.drafts_of
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
    counts = {"asked": share, "got": round(reached, 4), "rows": len(rows), "of": len(taken)}
    few = f"Of the rows {reached:.1%} are helpful answers, not {share:.1%}: there are only {len(taken)}."
    return HelpfulRows(rows, {"helpful": counts}, [few] if len(rows) < wanted else [])
