"""A judge as a reward function: asynchronous, batch by batch, as TRL's GRPO and RLOO trainers take one.

Covered: judges of single answers, whose expected score is put on [-1, 1] (Lee et al. 2023, section 2.2, direct RLAIF),
a rubric's weighted sum likewise, and so is P(yes), or the sigmoid of a likelihood ratio; judges of pairs, who compare
each completion with a reference answer and give 2 P - 1. Completions that are the same are asked about once. Calls go
through ledger and budget as all others, so that a training that is begun again with the same completions pays for
nothing twice.

What cannot be read has no reward, and neither has what is still open when calls fail and no verdict has come back for
`patience` seconds. Its reward is `fallback`, by default None: TRL leaves a completion out for which every reward
function says None, and with another function's number it counts None as 0. A completion without words, or with marks
of a chat template, is not shown to the judge: it has the least reward there is, since a policy finds out soon what a
judge is weak against.

Not covered: whether the judge is right, and a policy that learns to please it. Measure the judge before and after.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import monotonic
from typing import Any, NamedTuple

from pydantic import ValidationError

from amendment.errors import ConfigError, Transient
from amendment.llm.client import Calls
from amendment.llm.concurrency import STAGE
from amendment.preference.degenerate import flaw_of
from amendment.records import Candidate, Message, Messages, Prompt, user
from amendment.sync import run_in_loop

LEAST = -1.0
PATIENCE = 30.0
STAGE_NAME = "reward"
"""The stage of these calls in the ledger, so that spending lists them separately."""
NO_REPLY = "missing: no reply"
REFERENCE = "reference"
"""The dataset's column with the answers that completions are compared with."""

_LOG = logging.getLogger(__name__)

Text = str | Sequence[Mapping[str, Any]]
"""A text, or messages."""


Key = tuple[str, str | None]
"""A completion and what it is compared with, by their ids."""
Worth = Callable[[Prompt, Candidate, Candidate | None], Awaitable[float | None]]
"""P(the completion is better than the reference), or its score from 0 to 1 where there is none; None where no verdict
could be read."""


class _Question(NamedTuple):
    """One completion that the judge is asked about, and what it is compared with."""

    prompt: Prompt
    completion: Candidate
    reference: Candidate | None

    @property
    def key(self) -> Key:
        return self.completion.id, self.reference.id if self.reference else None


class JudgeReward:
    """An asynchronous reward function over a judge; see `Judge.as_reward`."""

    def __init__(
        self,
        worth: Worth,
        calls: Calls,
        *,
        needs_reference: bool,
        name: str,
        patience: float = PATIENCE,
        fallback: float | None = None,
    ) -> None:
        if not patience > 0:
            raise ConfigError(f"as_reward: expected patience in seconds above 0, found {patience!r}")
        if fallback is not None and not math.isfinite(fallback):
            raise ConfigError(f"as_reward: expected a finite number or None as fallback, found {fallback!r}")
        self.__name__ = name
        self.counts: Counter[str] = Counter()
        """Counts of all completions so far: `rewarded`, `missing` and why, `degenerate` and why."""
        self._worth, self._calls, self._needs_reference = worth, calls, needs_reference
        self._patience, self._fallback = patience, fallback

    async def __call__(
        self, prompts: Sequence[Text], completions: Sequence[Text], completion_ids: Any = None, **columns: Any
    ) -> list[float | None]:
        """The reward of each completion, in [-1, 1]; `fallback` where there is none.

        Prompts and completions are texts or lists of messages; `columns` are those of the dataset, repeated for each
        completion: `reference` and `category` are read. It can be awaited in any event loop. Raises ConfigError where
        a reference is needed and there is none at all, and BudgetReached, Paused and CredentialsError as they come,
        which end the training with their reason: what was paid for is kept.
        """
        rewards = await run_in_loop(self._rewards(prompts, completions, columns))
        log = columns.get("log_metric")
        if log and rewards:
            log(f"{self.__name__}/missing", sum(reward is None for reward in rewards) / len(rewards))
        return [self._fallback if reward is None else reward for reward in rewards]

    async def _rewards(
        self, prompts: Sequence[Text], completions: Sequence[Text], columns: Mapping[str, Any]
    ) -> list[float | None]:
        """All rewards of a batch, each question once. It runs in the loop that ledger and models live in."""
        STAGE.set(STAGE_NAME)
        references = self._references(len(prompts), columns)
        categories = columns.get("category") or [None] * len(prompts)
        rows = [
            self._row(prompt, completion, reference, category)
            for prompt, completion, reference, category in zip(
                prompts, completions, references, categories, strict=True
            )
        ]
        questions = {row.key: row for row in rows if isinstance(row, _Question)}
        rewards = await self._answers(questions)
        return [self._counted(rewards[row.key] if isinstance(row, _Question) else row) for row in rows]

    async def _answers(self, questions: Mapping[Key, _Question]) -> dict[Key, float | str]:
        """The reward of each question. Once calls fail and nothing has come back for `patience` seconds, the questions
        that are still open have no reply; what is on the wire still reaches the ledger."""
        calls, begun = self._calls, monotonic()
        tasks = {key: asyncio.ensure_future(self._ask(question)) for key, question in questions.items()}
        waiting, since = set(tasks.values()), begun
        try:
            while waiting:
                done, waiting = await asyncio.wait(
                    waiting, timeout=min(1.0, self._patience), return_when=asyncio.FIRST_COMPLETED
                )
                if any(task.result() != NO_REPLY for task in done):
                    since = monotonic()
                fault = calls.last_fault
                is_failing = bool(calls.troubles()) or (fault is not None and fault[0] >= begun)
                if waiting and is_failing and monotonic() - since >= self._patience:
                    last_fault = f"; the last fault: {fault[1]}" if fault else ""
                    _LOG.warning(
                        "%s: no verdict for %g s (patience) while calls fail: %d of %d completions have no reward%s",
                        *(self.__name__, self._patience, len(waiting), len(tasks), last_fault),
                    )
                    break
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
        return {key: NO_REPLY if task.cancelled() else task.result() for key, task in tasks.items()}

    def _counted(self, reward: float | str | None) -> float | None:
        """A reward, or the reason why there is none; a reason with which a completion is degenerate costs the most."""
        if isinstance(reward, float):
            self.counts["rewarded"] += 1
            return reward
        self.counts[str(reward)] += 1
        return LEAST if str(reward).startswith("degenerate") else None

    def _references(self, count: int, columns: Mapping[str, Any]) -> Sequence[Text | None]:
        if not self._needs_reference:
            return [None] * count
        if columns.get(REFERENCE) is None:
            raise ConfigError(
                f"{self.__name__}: the judge looks at pairs, so that each completion needs an answer to be compared "
                f"with: give the dataset a column `{REFERENCE}`, or use a judge of "
                "single answers (protocol: score, rubric, keeps or likelihood)"
            )
        return list(columns[REFERENCE])

    def _row(self, asked: Text, answer: Text, reference: Text | None, category: str | None) -> _Question | float | str:
        """The question about a completion, or its reward or reason where the judge need not be asked."""
        try:
            prompt = Prompt(messages=_messages(asked, "user"), category=category)
            completion = _candidate(prompt, answer)
        except (ValidationError, ValueError, TypeError):
            return "missing: not a conversation"
        flaw = flaw_of(completion.messages, prompt.messages)
        if flaw:
            return f"degenerate: {flaw}"
        if not self._needs_reference:
            return _Question(prompt, completion, None)
        if not reference:
            return "missing: no reference"
        other = _candidate(prompt, reference)
        return 0.0 if other.id == completion.id else _Question(prompt, completion, other)

    async def _ask(self, question: _Question) -> float | str:
        try:
            worth = await self._worth(*question)
        except Transient:
            return NO_REPLY
        return "missing: no verdict" if worth is None or not math.isfinite(worth) else 2 * worth - 1


def _candidate(prompt: Prompt, answer: Text) -> Candidate:
    return Candidate(prompt_id=prompt.id, messages=_messages(answer, "assistant"), kind="policy")


def _messages(given: Text, role: str) -> Messages:
    """Messages as records; a text is one message of that role. Raises ValueError for what is none."""
    if isinstance(given, str):
        return user(given) if role == "user" else (Message(role="assistant", content=given),)
    known = Message.model_fields
    kept = [
        {name: value for name, value in message.items() if name in known and value is not None} for message in given
    ]
    return tuple(Message.model_validate(message) for message in kept)
