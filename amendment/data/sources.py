"""The sources of a run file: prompts, pairs and candidates, each with its place and its columns."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from amendment.licenses import license_problem
from amendment.records import Named, Part, RaterKind, VoteValue
from amendment.verification.tasks import Family

OPEN = "?"
"""A mark in a printed run file that the user has to replace with an answer; see `guesses`."""


def _listed(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


OneOrMore = BeforeValidator(_listed, json_schema_input_type=str | list[str])
"""A single text stands for a list of one."""


def _known(text: str) -> str:
    if problem := license_problem(text):
        raise ValueError(problem)
    return text


KnownLicense = Annotated[str, AfterValidator(_known)]
"""The name of a license that SPDX or the Hub knows."""


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,79}$")]
"""A short name that can be a folder's."""


def _tell_editors(schema: dict[str, Any]) -> None:
    """Tell editors that a source has either a path or a dataset."""
    schema["oneOf"] = [{"required": ["path"]}, {"required": ["dataset"]}]


def dataset_parts(dataset: str) -> tuple[str, str | None]:
    """Return the name of a dataset and its revision, which a folder does not have."""
    name, _, revision = dataset.partition("@")
    if not revision or dataset.startswith((".", "/", "~")):
        return dataset, None
    return name, revision


class Source(Part):
    """Rows of a file, or of a dataset on the Hugging Face Hub."""

    is_shared = True

    model_config = ConfigDict(json_schema_extra=_tell_editors)

    path: str | None = None
    """A file: JSONL, JSON, CSV or TSV (each also as .gz) or Parquet, relative to the run file."""
    dataset: str | None = None
    """Instead of `path`: a dataset on the Hugging Face Hub (`org/name`, or `org/name@revision` with a branch, a tag or,
    to be exact, a commit), read as a stream, or a local folder (`./name`) of files that `datasets` reads."""
    split: str | None = None
    """The split of the dataset, train by default; of a dataset with several configurations `CONFIG/SPLIT`, as its page
    on the Hub shows it."""
    license: KnownLicense | None = None
    """License of these rows: an SPDX id or a Hub license id."""
    take: int | None = Field(default=None, ge=1)
    """Only this many rows from the start."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.path is None) == (self.dataset is None):
            raise ValueError("name either a path (a file) or a dataset (on the Hub, or a local folder)")
        if self.path is not None and self.split:
            raise ValueError("split is that of a dataset, and this is a path")
        return self

    @property
    def config_name(self) -> str | None:
        """Return the configuration of the dataset."""
        return (self.split or "").rpartition("/")[0] or None

    @property
    def split_name(self) -> str:
        """Return the split without the configuration."""
        return (self.split or "").rpartition("/")[2] or "train"

    @property
    def name(self) -> str:
        """Return the dataset without its revision."""
        return dataset_parts(str(self.dataset))[0]

    @property
    def revision(self) -> str | None:
        """Return the revision of a dataset on the Hub; a folder has none."""
        return dataset_parts(str(self.dataset))[1]

    @property
    def label(self) -> str:
        """Return the source as rows cite it: the file's name, or the dataset's."""
        return Path(self.path).name if self.path is not None else self.name


class PromptColumns(Named):
    """The columns of a prompt, besides the one with its text."""

    category: str | None = None
    tags: str | None = None
    tools: str | None = None
    criteria: str | None = None
    answer: str | None = None


class PromptFile(Source):
    """Your own prompts."""

    column: Annotated[tuple[str, ...], OneOrMore] | None = Field(default=None, min_length=1)
    """The column that holds the prompt: text, or a list of messages; or several columns of text that are joined by an
    empty line, empty cells left out. By default `prompt`, or the column of a recognised layout."""
    category: str | None = None
    """Category of all these prompts, or of those whose cell under `columns.category` is empty."""
    columns: PromptColumns = PromptColumns()
    """Further columns of a prompt. category; tags, to which a principle's `applies_when` refers: a list, or words
    separated by commas; tools: those that the prompt offers, as JSON schemas; criteria: the prompt's own, by which
    judges of protocol rubric rate its answers, a list of objects with `id`, `text` and optionally `choices`, `values`,
    `meanings` and `weight`; answer: the known one, for checks that compare answers with it (`verify`), which models do
    not see."""


class LilliputPrompts(Part):
    """Prompts of the simulated world."""

    lilliput: int = Field(ge=1, le=100_000)
    """The number of different prompts."""


class TaskPrompts(Part):
    """Tasks with known answers; those that are solved without their key fact are dropped and counted."""

    tasks: Family
    """Their kind, and their category. arithmetic and algebra: verified by kind math; programs: small Python functions,
    by tests; mechanics: by number, with formulas in the category mechanics-symbolic, by math."""
    take: int = Field(ge=1, le=100_000)
    """The number of different tasks."""


def have_known_answers(prompts: Iterable[Any]) -> bool:
    """Return whether a source of prompts brings their known answers."""
    return any(
        isinstance(source, TaskPrompts) or (isinstance(source, PromptFile) and source.columns.answer is not None)
        for source in prompts
    )


class PairColumns(Named):
    """The columns of a pair. Either `chosen` and `rejected`, or `a` and `b` with `votes` or with `p`."""

    prompt: Annotated[tuple[str, ...], OneOrMore] = Field(default=("prompt",), min_length=1)
    """One column, or several that are joined by an empty line; empty cells are left out."""
    chosen: str | None = None
    """Column with the better answer."""
    rejected: str | None = None
    """Column with the worse answer."""
    a: str | None = None
    """Column with the first answer."""
    b: str | None = None
    """Column with the second answer."""
    votes: Annotated[tuple[str, ...], OneOrMore] | None = Field(default=None, min_length=1)
    """A column for each rater; an empty cell is a rater who did not vote."""
    p: str | None = None
    """Column with P(the chosen answer is better), between 0 and 1, or of `a` and `b` P(a is better). By default the
    column `p_chosen`, if there is one next to `chosen` and `rejected`; empty cells say 1. Below 0.5 the two answers
    change places, which is counted, and 0.5 is a tie."""
    weight: str | None = None
    """Column with how much each pair counts in training, 0 or more. By default the column `weight` if there is one;
    empty cells mean 1. Rows about the same two answers make one pair of their mean weight."""
    category: str | None = None
    """Column with each pair's category."""

    @model_validator(mode="after")
    def _one_shape(self) -> Self:
        decided = self.chosen is not None and self.rejected is not None
        voted = self.a is not None and self.b is not None and (self.votes is None) != (self.p is None)
        halves = any(part is not None for part in (self.chosen, self.rejected)) and any(
            part is not None for part in (self.a, self.b, self.votes)
        )
        if decided == voted or halves:
            raise ValueError(
                "name either the columns chosen and rejected, or the columns a, b and votes, or the columns a, b and p"
            )
        return self


Word = str | bool | int | float


def _words(value: Any) -> Any:
    return [] if value is None else _listed(value)


Words = Annotated[tuple[Word, ...], BeforeValidator(_words, json_schema_input_type=Word | list[Word] | None)]
"""One word or several that mean the same; null for none."""


def parse_number(value: Any) -> float | None:
    """Return a cell as a number; None for anything else, such as N/A, NaN or a truth value."""
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def parse_word(value: Any) -> str:
    """Return a cell as a word. Whole numbers lose the `.0` that tools add in a column with gaps, true and false are in
    small letters, and a gap is empty."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    text = str(value).strip()
    if text in ("True", "False", "TRUE", "FALSE"):
        return text.lower()
    return text[:-2] if text.endswith(".0") and text[:-2].lstrip("-").isdecimal() else text


class VerdictWords(Named):
    """The file's words for verdicts: for each meaning a word or a list of words."""

    a: Words = ("a", "A")
    """The first answer is better."""
    b: Words = ("b", "B")
    """The second answer is better."""
    tie: Words = ("tie",)
    """Both are equally good."""
    both_bad: Words = ("both_bad",)
    """Neither is any good."""
    invalid: Words = ("invalid",)
    """No verdict could be read: counted, never a tie."""

    @model_validator(mode="after")
    def _all_different(self) -> Self:
        refuse_questions(self, ("a", "b", "tie", "both_bad"))
        words = [
            parse_word(word) for words in (self.a, self.b, self.tie, self.both_bad, self.invalid) for word in words
        ]
        twice = sorted({word for word in words if words.count(word) > 1})
        if twice:
            raise ValueError(f"each word has one meaning, and {', '.join(map(repr, twice))} is here twice")
        return self

    def meanings(self) -> dict[str, VoteValue]:
        """Return the meaning of each word."""
        meant: list[tuple[VoteValue, tuple[Word, ...]]] = [
            ("A", self.a),
            ("B", self.b),
            ("tie", self.tie),
            ("both_bad", self.both_bad),
            ("invalid", self.invalid),
        ]
        return {parse_word(word): value for value, words in meant for word in words}


def refuse_questions(words: Part, keys: Iterable[str]) -> None:
    for key in keys:
        if OPEN in getattr(words, key):
            raise ValueError(f"{key} is still a question ({OPEN}): write the word that the file uses")


class PairFile(Source):
    """Your own preference pairs."""

    columns: PairColumns | None = None
    """The columns of the parts: `prompt`, `chosen` and `rejected`, or those of a recognised layout. Columns
    `p_chosen` and `weight`, as in a run's own `export/`, are read without being named."""
    words: VerdictWords = VerdictWords()
    """The words for votes in the columns of votes."""
    kind: RaterKind | None = None
    """Who decided the pairs. If neither this nor a recognised format says so, it is published as unknown."""
    share: float | None = Field(default=None, gt=0, le=1)
    """Under `dataset.mix`, their share of the pairs for training. If one entry has a share, all have."""
    floor: float | None = Field(default=None, gt=0, lt=1)
    """Under `dataset.mix`, instead of shares: never less than this share of the pairs for training. Every other source
    gives all that the floors leave room for."""


class ModelSource(Part):
    """Candidates drawn from a model or from a policy that this run trains."""

    model: str
    """A name under `models`, or base, sft or dpo."""
    per_prompt: int = Field(default=4, ge=1, le=256)
    """Answers drawn for each prompt. For the model that drafts, the first of them is the draft itself."""
    take: int | None = Field(default=None, ge=1)
    """Only this many prompts from the start."""
    hint: bool = False
    """For prompts with a known answer that no answer of this model passes `verify` with: draw as many again with the
    known answer as a hint (STaR), which the dataset does not show."""
    max_tokens: int = Field(default=512, ge=1)
    """The most tokens of a trained policy's answer, at temperature 1; models under `models` have their own."""


class ChainSource(Part):
    """Candidates from the critique chain."""

    from_: Literal["critique"] = Field(alias="from")
    """The stage that made them."""
    take: Literal["all", "last", "draft", "draft_and_last"] = "last"
    """The answers of each chain that take part."""


class CandidateColumns(Named):
    """The columns of a candidate."""

    prompt: Annotated[tuple[str, ...], OneOrMore] = Field(default=("prompt",), min_length=1)
    """Text, or a list of messages; or several columns of text that are joined by an empty line, empty cells left
    out."""
    candidate: str = "candidate"
    """The answer: text, or a list of messages."""
    model: str | None = None
    """The column with the writer."""


class FileSource(Source):
    """Your own candidates."""

    columns: CandidateColumns | None = None
    """The columns of the parts: `prompt` and `candidate`, or those of a recognised layout."""


CandidateSource = ModelSource | ChainSource | FileSource
