"""The records that stages hand to each other: typed, frozen, named by their content.

Covered: several turns, system texts, tool calls and thinking; verdicts of every scale; comparisons that
do not know who won. Not covered: where records are stored (see `data.store`), nor any clock: nothing that
differs between two equal runs stands in a record.

Absent values are absent: they are not written, and they do not count in a name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from reprlib import Repr
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from amendment.hashing import content_id

Role = Literal["system", "developer", "user", "assistant", "tool"]
Outcome = Literal["done", "refused", "invalid", "failed", "pending"]
Scale = Literal["pair", "binary", "ordinal", "score", "log_odds"]
RaterKind = Literal["person", "model", "verifier", "truth", "unknown"]
LABELLERS: tuple[RaterKind, ...] = ("truth", "person")
"""Kinds of raters whose labels a judge is compared with; the truth is not under dispute."""
DecidedBy = Literal["judge", "verifier", "person", "truth", "construction", "unknown"]
VoteValue = Literal["A", "B", "tie", "both_bad", "invalid"]
"""A vote on two answers; invalid if it could not be read."""
FinishReason = Literal["stop", "length", "refusal", "tool_calls", "other"]


_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 80
_SHORT.maxtuple = _SHORT.maxlist = _SHORT.maxdict = 3
_LONGEST_REPR = 240


def short_repr(model: BaseModel) -> str:
    """Return the fields that differ from their defaults, with long values cut, in about 300 characters."""
    shown, room = [], _LONGEST_REPR
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if value == field.get_default(call_default_factory=True):
            continue
        if room <= 0:
            shown.append("...")
            break
        shown.append(f"{name}={_SHORT.repr(value)}")
        room -= len(shown[-1])
    return f"{type(model).__name__}({', '.join(shown)})"


_GIVEN: dict[frozenset[str], set[str]] = {}
"""Sets of field names, each once. Nobody changes them: records are frozen, and a copy of a record copies its set."""


class Record(BaseModel):
    """Base of all records: frozen, no unknown fields, JSON without absent keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    __repr__ = short_repr

    def model_post_init(self, _: Any, /) -> None:
        """Share the set of the fields that were given: one of its own is a third of a record's memory."""
        given = self.__pydantic_fields_set__
        object.__setattr__(self, "__pydantic_fields_set__", _GIVEN.setdefault(frozenset(given), given))

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON values; a key whose value is absent is left out."""
        return self.model_dump(mode="json", exclude_none=True)

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the inverse of `to_json`."""
        return cls.model_validate(value)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy as pydantic does, without the cached names of the original."""
        copied = super().model_copy(update=update, deep=deep)
        for name in set(vars(copied)) - set(type(self).model_fields):
            del vars(copied)[name]
        copied.model_post_init(None)
        return copied


class Part(BaseModel):
    """Base of what users write in YAML: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    __repr__ = short_repr
    is_shared: ClassVar[bool] = False
    """Set by a class whose keys several parts have: the schema of a run file says them once."""


class Named(Part):
    """Base of a mapping from a few known names to the words or the columns of a file. The schema of a run file shows it
    as a mapping."""


class ToolCall(Record):
    """One call of a tool by the assistant, in the shape chat templates expect."""

    type: Literal["function"] = "function"
    id: str | None = None
    function: dict[str, Any]
    """`name` and `arguments` (an object, not a JSON string)."""


class Message(Record):
    """One turn of a conversation."""

    role: Role
    content: str | tuple[dict[str, Any], ...] | None = None
    """Text, or typed parts such as `{"type": "text", "text": ...}`; absent with tool calls."""
    thinking: str | None = None
    """Reasoning that the model showed before its answer."""
    tool_calls: tuple[ToolCall, ...] | None = None
    name: str | None = None
    """The name of the tool, in a tool's answer."""
    tool_call_id: str | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.content is None and not self.tool_calls and self.thinking is None:
            raise ValueError("a message needs content, thinking or tool calls")
        return self


Messages = tuple[Message, ...]


def user(text: str) -> Messages:
    """Return a conversation of one user turn."""
    return (Message(role="user", content=text),)


def last_text(messages: Messages) -> str:
    """Return the last message's text, its text parts joined; empty if it only calls tools."""
    content = messages[-1].content if messages else None
    if isinstance(content, tuple):
        return "".join(str(part.get("text", "")) for part in content)
    return content or ""


class Sampling(Record):
    """Sampling settings. Absent fields are left to the provider."""

    temperature: float | None = Field(default=None, ge=0)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    seed: int | None = None
    effort: str | None = None
    """The thinking effort, in the vendor's words."""
    thinking_budget: int | None = Field(default=None, ge=1)
    """The most tokens that it thinks; they count into `max_tokens`."""


class Origin(Record):
    """The origin of a text: enough to request it again, without times or attempts."""

    model: str | None = None
    provider: str | None = None
    """`openai`, `anthropic`, `local` or `simulated`; absent for imported texts."""
    host: str | None = None
    sampling: Sampling | None = None
    template: str | None = None
    """Content hash of the prompt template."""
    request: str | None = None
    """Content hash of the request; the ledger holds it under this name."""
    constitution: str | None = None
    """`id@version#hash`."""
    principle_ids: tuple[str, ...] | None = None
    parents: tuple[str, ...] | None = None
    source: str | None = None
    license: str | None = None
    """The license of the source prompt."""
    toolkit: str | None = None


NO_YES = ("no", "yes")
MOST_WEIGHT = 1e6

ChoiceName = Annotated[str, Field(pattern=r"^-?[A-Za-z0-9](?:[A-Za-z0-9 _-]{0,38}[A-Za-z0-9])?$")]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Criterion(Part):
    """One thing that an answer is looked at for."""

    id: str = Field(pattern=r"^[a-z0-9]+([-_][a-z0-9]+)*$")
    """The name that the judge answers by."""
    text: str = Field(min_length=1)
    """The question about the answer."""
    choices: tuple[ChoiceName, ...] = Field(default=NO_YES, min_length=2, max_length=20)
    """The possible answers from the least to the most."""
    values: tuple[Share, ...] = ()
    """The value of each choice, from 0 to 1 and rising; evenly spaced by default."""
    meanings: tuple[str, ...] = ()
    """The meaning of each choice in words; empty if the choice is clear."""
    weight: float = Field(default=1.0, ge=-MOST_WEIGHT, le=MOST_WEIGHT, allow_inf_nan=False)
    """The weight, a million at most; negative for what an answer must not do."""

    @model_validator(mode="after")
    def _fits(self) -> Criterion:
        if len({choice.lower() for choice in self.choices}) < len(self.choices):
            raise ValueError("found a choice twice, expected different choices")
        if not self.text.strip():
            raise ValueError("found a blank text, expected what is asked about the answer")
        if self.weight == 0:
            raise ValueError("found weight 0, expected a positive or a negative number")
        for name, given in (("values", self.values), ("meanings", self.meanings)):
            if given and len(given) != len(self.choices):
                raise ValueError(f"found {len(given)} {name} for {len(self.choices)} choices, expected one for each")
        if self.values and (list(self.values) != sorted(self.values) or (self.values[0], self.values[-1]) != (0, 1)):
            raise ValueError("expected values that rise from 0 to 1")
        return self

    @property
    def is_binary(self) -> bool:
        return self.choices == NO_YES

    def read_value(self, choice: str) -> float:
        """Return the value of a choice, 0 to 1."""
        place = self.choices.index(choice)
        return self.values[place] if self.values else place / (len(self.choices) - 1)

    def shown(self) -> dict[str, Any]:
        """Return the criterion as a judge sees it, without the weight."""
        meanings = dict(zip(self.choices, self.meanings, strict=True)) if self.meanings else None
        seen = {"id": self.id, "text": self.text, "choices": list(self.choices)}
        return {**seen, "meanings": meanings} if meanings else seen


def parse_criteria(given: Iterable[Mapping[str, Any]]) -> tuple[Criterion, ...]:
    """Return criteria as a prompt carries them. Raises ValueError for one that is wrong and for two of one id."""
    criteria = tuple(map(Criterion.model_validate, given))
    if len({criterion.id for criterion in criteria}) < len(criteria):
        raise ValueError("found two criteria of one id, expected different ids")
    return criteria


class Prompt(Record):
    """The input of a model: a conversation that ends before the assistant's answer."""

    messages: Messages = Field(min_length=1)
    tools: tuple[dict[str, Any], ...] | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    category: str | None = None
    tags: tuple[str, ...] = ()
    """Free words, by which a principle may say for which prompts it speaks."""
    criteria: tuple[dict[str, Any], ...] = ()
    """Criteria of its own, by which rubric judges look at its answers: each has an `id`, a `text` and what else it
    needs."""
    answer: str | None = None
    """The known answer, against which checks of kind math, number and tests verify; no model sees it."""
    source: str | None = None
    license: str | None = None

    @cached_property
    def id(self) -> str:
        """Return a hash of what the model sees; category, tags, criteria, answer, source and license do not count."""
        seen = {"messages", "tools", "chat_template_kwargs"}
        return content_id(self.model_dump(mode="json", exclude_none=True, include=seen))


class Candidate(Record):
    """A list of messages that takes part in a comparison."""

    prompt_id: str
    messages: Messages = Field(min_length=1)
    kind: Literal["draft", "revision", "policy", "imported"]
    finish_reason: FinishReason = "stop"
    origin: Origin = Origin()

    @cached_property
    def id(self) -> str:
        """Return a hash of the prompt and the words: the same answer by two writers is one candidate."""
        return content_id([self.prompt_id, [message.to_json() for message in self.messages]])

    @property
    def is_truncated(self) -> bool:
        return self.finish_reason == "length"


class Critique(Record):
    """A model's critique of an answer before the revision."""

    prompt_id: str
    candidate_id: str
    """The answer it speaks of."""
    principle_ids: tuple[str, ...]
    text: str
    origin: Origin = Origin()

    @property
    def id(self) -> str:
        return content_id([self.prompt_id, self.candidate_id, list(self.principle_ids), self.text])


class Comparison(NamedTuple):
    """Two candidates of one prompt in canonical order (by id), so that nobody has won yet."""

    prompt_id: str
    a: str
    b: str

    @classmethod
    def between(cls, first: Candidate, second: Candidate) -> Comparison:
        """Return the comparison of two different candidates of one prompt, whichever is named first."""
        if first.prompt_id != second.prompt_id:
            raise ValueError("candidates of two prompts cannot be compared")
        a, b = sorted((first.id, second.id))
        if a == b:
            raise ValueError("a candidate cannot be compared with itself")
        return cls(first.prompt_id, a, b)

    @property
    def id(self) -> str:
        """Return the id that joins labels; it does not depend on who won or who was shown first."""
        return content_id([self.prompt_id, self.a, self.b])


class Verdict(Record):
    """One rater's answer about one candidate or two by one principle; or invalid.

    `shown` is the displayed order and `value` speaks of it: for scale `pair` it is "A" (the first shown),
    "B", "tie" or "both_bad"; for `binary` yes or no; for `ordinal` one of the labels; for `score` a number; for
    `log_odds` a number of any sign, whose difference between two answers is the log-odds that the first is better.
    An invalid verdict has no value and says why.
    """

    scale: Scale
    prompt_id: str
    shown: tuple[str, ...] = Field(min_length=1)
    """Candidate ids in the order in which the rater saw them."""
    order: Literal["unknown"] | None = None
    """unknown: nobody put on record which candidate was displayed first, and `shown` is in the order of their ids."""
    value: str | bool | float | None = None
    distribution: dict[str, float] | None = None
    """Probability by label, where the rater gives one."""
    bounded: tuple[str, ...] | None = None
    """Labels whose probability is an upper bound, since the provider did not list them."""
    label_mass: float | None = Field(default=None, ge=0, le=1)
    """Probability that all labels held together before it was divided among them; absent for written verdicts."""
    reasoning: str | None = None
    confidence: float | None = Field(default=None, ge=0, le=1)
    """The rater's stated confidence, if asked: for people 1/3, 2/3 or 1."""
    principle_id: str | None = None
    criterion: str | None = None
    rater: str
    rater_kind: RaterKind = "model"
    sample: int = 0
    invalid: str | None = None
    """Why there is no value: unreadable, refused, two verdicts."""
    origin: Origin = Origin()

    @model_validator(mode="after")
    def _value_or_reason(self) -> Self:
        if (self.value is None) == (self.invalid is None):
            raise ValueError("a verdict has either a value or a reason why it is invalid")
        return self

    @cached_property
    def id(self) -> str:
        return content_id(self.to_json())

    def p_first(self) -> float | None:
        """Return P(the first shown is better) of a pair verdict: 1, 0, 0.5 where neither is, or its distribution's."""
        if self.scale != "pair" or self.invalid is not None:
            return None
        if self.distribution is not None:
            return self.distribution.get("A", 0.0) + 0.5 * self.distribution.get("tie", 0.0)
        return {"A": 1.0, "B": 0.0, "tie": 0.5, "both_bad": 0.5}[str(self.value)]


class Judgement(Record):
    """The verdicts of one comparison put together over orders, principles and samples."""

    prompt_id: str
    a: str
    b: str
    """Candidate ids in canonical order."""
    p_a: float | None = Field(default=None, ge=0, le=1)
    """P(a is better); absent when no verdict could be read."""
    consistent: bool | None = None
    """Both displayed orders prefer the same candidate; absent where only one order was read."""
    principle_ids: tuple[str, ...] = ()
    raters: tuple[str, ...] = ()
    rater_kind: RaterKind = "model"
    verdict_ids: tuple[str, ...] = ()
    n_valid: int = 0
    n_invalid: int = 0
    decisive: str | None = None
    """Reference of the principle that decided; absent for ties, and where no principle is on record."""
    conflict: tuple[str, ...] | None = None
    """Hard principles that contradict each other, which makes the comparison a tie; absent where there are none."""
    weight: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """The training weight of the pair, if the user's own file has one; absent for 1."""
    first: str | None = None
    """The candidate that stands first in the user's own file, where its place there says nothing of which is better."""

    @property
    def comparison_id(self) -> str:
        return Comparison(self.prompt_id, self.a, self.b).id


class Pair(Record):
    """A comparison oriented last, when everything is known."""

    prompt_id: str
    chosen_id: str
    rejected_id: str
    p_chosen: float = Field(ge=0, le=1)
    """P(chosen is better) as used in training."""
    p_chosen_raw: float = Field(ge=0, le=1)
    p_chosen_calibrated: float | None = Field(default=None, ge=0, le=1)
    decided_by: DecidedBy
    weight: float = Field(default=1.0, ge=0)
    raters: tuple[str, ...] = ()
    principle_ids: tuple[str, ...] = ()
    decisive: str | None = None
    """Reference of the principle that decided."""
    orders_agree: bool | None = None
    """Of a judge's pair; see `Judgement.consistent`."""
    first_id: str | None = None
    """The candidate that stood first in the user's own file; see `Judgement.first`."""

    @property
    def comparison_id(self) -> str:
        a, b = sorted((self.chosen_id, self.rejected_id))
        return Comparison(self.prompt_id, a, b).id


class Preference(Record):
    """A row of the dataset: a pair with its texts and provenance, as TRL's trainers take it."""

    prompt: Messages = Field(min_length=1)
    chosen: Messages = Field(min_length=1)
    rejected: Messages = Field(min_length=1)
    tools: tuple[dict[str, Any], ...] | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    p_chosen: float = Field(ge=0, le=1)
    p_chosen_raw: float = Field(ge=0, le=1)
    p_chosen_calibrated: float | None = Field(default=None, ge=0, le=1)
    decided_by: DecidedBy
    weight: float = Field(default=1.0, ge=0)
    comparison_id: str
    prompt_id: str
    chosen_id: str
    rejected_id: str
    chosen_model: str | None = None
    rejected_model: str | None = None
    raters: tuple[str, ...] = ()
    principle_ids: tuple[str, ...] = ()
    decisive: str | None = None
    """Reference of the principle that decided, where one did."""
    orders_agree: bool | None = None
    """Both displayed orders of the judge choose this side; absent where a judge did not decide, or saw one order."""
    first: Literal["chosen", "rejected"] | None = None
    """The side that stood first in the file it comes from; absent where nothing is known of an order."""
    constitutions: tuple[str, ...] = ()
    category: str | None = None
    source: str | None = None
    license: str | None = None


class Try(Record):
    """Two answers that the stage `construct` drew for one pair."""

    prompt_id: str
    better_id: str | None = None
    """The answer that was drawn to be chosen; absent where the model gave none."""
    worse_id: str | None = None
    reason: str | None = None
    """Why they are no pair; absent where they are one."""


class PromptOrigin(Record):
    """Where a prompt of the stage `generate` comes from."""

    prompt_id: str
    parents: tuple[str, ...]
    """The ids of the seed prompts that its question showed."""
    model: str
    kind: Literal["similar", "red_team"]
    principle: str | None = None
    """The principle that it aims at; absent where it aims at a category, or at nothing."""
    request: str | None = None
    """The id of the question, as in the ledger."""


class ItemEnding(Record):
    """How one item of a stage ended; there is exactly one for each item."""

    item_id: str
    """The prompt's id, for draws with what was asked behind a slash; in `judging` the comparison's id."""
    outcome: Outcome
    reason: str | None = None
