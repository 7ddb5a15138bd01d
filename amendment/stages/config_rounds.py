"""`rounds:` in a run file: how often the last policy answers, is judged and is trained on, and on which pairs.

Covered: the settings, and what the stages and policies of a round are called. Not covered: what a round is made of; see
`pipeline.rounds`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import BeforeValidator, Field

from amendment.data.sources import Part

__all__ = ["RoundDraws", "RoundStep", "Rounds", "RoundsStage", "in_round", "policy_of", "round_step", "stage_of"]

RoundStep = Literal["candidates", "judging", "dataset", "dpo"]
"""What each round after the first goes through, by the stage of the first that does the same."""
_STAGE = re.compile(r"round-(\d+)(?:-(\w+))?")
_OWN_TABLES = ("candidates", "judging")
"""Stages of which a round has all tables for itself."""
_OWN = ("inputs/prompts", "inputs/candidates", "dataset/train", "dataset/pairs", "calibration/probabilities")
"""Other tables that a round has for itself; what else it reads is the run's."""


class RoundDraws(Part):
    """How the last policy is asked."""

    per_prompt: int = Field(default=4, ge=2, le=256)
    """Answers drawn for each prompt."""
    take: int | None = Field(default=None, ge=1)
    """Only for the first so many prompts that are not held out."""
    temperature: float = Field(default=1.0, ge=0, le=5)
    """Of these draws."""
    max_tokens: int = Field(default=512, ge=1)
    """Of one answer."""
    batch_size: int = Field(default=32, ge=1, le=4096)
    """Answers generated together."""


class RoundsStage(Part):
    """Rounds on the policy's own answers. The first is the run as it stands, up to dpo; in each further one the last
    policy answers, its answers are judged, and DPO trains on."""

    n: int = Field(ge=1, le=50)
    """Rounds, the first among them."""
    data: Literal["replace", "accumulate"] = "accumulate"
    """What a further round trains on. replace: its own pairs; accumulate: those of all rounds so far, each comparison
    once."""
    keep_human: float | None = Field(default=None, ge=0, lt=1)
    """The share of pairs that people decided in what each further round trains on, drawn anew in each from those of the
    run; the rest follows `data`. Where there are too few the summary says which share was reached. null: as many as
    `data` brings along."""
    from_: Literal["last", "start"] = Field(default="last", alias="from")
    """Where a further round starts from, which is also its reference. last: the policy of the round before; start: the
    base of dpo, each time."""
    candidates: RoundDraws | None = None
    """How the last policy is asked. null: as the last of the run's own policies under `candidates` is."""

    @property
    def further(self) -> range:
        """The rounds after the first."""
        return range(2, self.n + 1)

    @property
    def policies(self) -> tuple[str, ...]:
        """What the policies of the rounds after the first are called."""
        return tuple(map(policy_of, self.further))


def _spelled_out(value: Any) -> Any:
    return {"n": value} if isinstance(value, int) and not isinstance(value, bool) else value


Rounds = Annotated[RoundsStage, BeforeValidator(_spelled_out, json_schema_input_type=int | RoundsStage)]
"""A number alone says how many."""


class _Place(NamedTuple):
    number: int
    step: RoundStep


def policy_of(number: int) -> str:
    """The policy that a round ends with."""
    return "dpo" if number == 1 else f"round-{number}"


def stage_of(number: int, step: RoundStep) -> str:
    """The stage of a round after the first; the one that trains has the name of its policy."""
    return f"round-{number}" if step == "dpo" else f"round-{number}-{step}"


def round_step(stage: str) -> _Place | None:
    """Which step of which round a stage is; None for the stages of the first."""
    found = _STAGE.fullmatch(stage)
    if found is None or (found[2] or "dpo") not in get_args(RoundStep):
        return None
    return _Place(int(found[1]), found[2] or "dpo")  # type: ignore[arg-type]


def in_round(number: int, artefact: str, step: RoundStep = "judging") -> str:
    """The name that an artefact of the first round has in a further one: its own, or the same where all share it. A
    training has its pairs for itself, and all prompts, since it may be watched on those that are held out."""
    is_own = artefact in _OWN or artefact.partition("/")[0] in _OWN_TABLES
    if step == "dpo":
        is_own = artefact == "dataset/train"
    return f"rounds/{number}/{artefact}" if is_own else artefact
