"""Judges and checks as reward functions: asynchronous, batch by batch, as TRL's GRPO and RLOO trainers take them.

Covered: judges of single answers, whose expected score is put on [-1, 1] (Lee et al. 2023, section 2.2, direct RLAIF),
a rubric's weighted sum likewise, and so is P(yes), or the sigmoid of a likelihood ratio; judges of pairs, who compare
each completion with a reference answer, or with others of its group, and give 2 P - 1; checks, which give 1 or -1.
Completions that are the same are asked about once. Calls go through ledger and budget as all others, so that a training
that is begun again with the same completions pays for nothing twice.

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
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from statistics import fmean
from time import monotonic
from typing import Any, NamedTuple

from pydantic import ValidationError

from amendment.errors import ConfigError, Transient
from amendment.llm.client import Calls
from amendment.llm.concurrency import STAGE
from amendment.preference.degenerate import find_flaw
from amendment.records import Candidate, Message, Messages, Prompt, last_text, user
from amendment.sync import run_in_loop
from amendment.verification.checks import Check, run_checks

LEAST = -1.0
PATIENCE = 30.0
STAGE_NAME = "reward"
"""The stage of these calls in the ledger, so that spending lists them separately."""
NO_REPLY = "missing: no reply"
REFERENCE, ANSWER = "reference", "answer"
"""The dataset's columns with the answers that completions are compared with, and with the known answers of checks."""
RIVALS = 4
"""Others of its group that a completion is compared with where there is no reference: a number of calls that grows
with the group, and not with its square."""

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


class _Reward:
    """What rewards have in common: a name, counts, and what stands for a reward that is missing."""

    def __init__(self, name: str, fallback: float | None) -> None:
        if fallback is not None and not math.isfinite(fallback):
            raise ConfigError(f"{name}: expected a finite number or None as fallback, found {fallback!r}")
        self.__name__ = name
        self.counts: Counter[str] = Counter()
        """Counts of all completions so far: `rewarded`, `missing` and why, `degenerate` and why."""
        self._fallback = fallback

    def _counted(self, rewards: Sequence[float | str], columns: Mapping[str, Any]) -> list[float | None]:
        """Rewards as the trainer gets them, from rewards and reasons why there is none. A reason for which a completion
        is degenerate costs the most. The trainer logs the share that is missing."""
        self.counts.update("rewarded" if isinstance(reward, float) else reward for reward in rewards)
        known = [LEAST if str(reward).startswith("degenerate") else reward for reward in rewards]
        if (log := columns.get("log_metric")) and rewards:
            log(f"{self.__name__}/missing", sum(isinstance(reward, str) for reward in known) / len(rewards))
        return [self._fallback if isinstance(reward, str) else reward for reward in known]


class JudgeReward(_Reward):
    """An asynchronous reward function over a judge; see `Judge.as_reward`."""

    def __init__(
        self,
        worth: Worth,
        calls: Calls,
        *,
        is_of_pairs: bool,
        name: str,
        patience: float = PATIENCE,
        fallback: float | None = None,
    ) -> None:
        super().__init__(name, fallback)
        if not patience > 0:
            raise ConfigError(f"as_reward: expected patience in seconds above 0, found {patience!r}")
        self._worth, self._calls, self._is_of_pairs, self._patience = worth, calls, is_of_pairs, patience

    async def __call__(
        self, prompts: Sequence[Text], completions: Sequence[Text], completion_ids: Any = None, **columns: Any
    ) -> list[float | None]:
        """Return the reward of each completion, in [-1, 1]; `fallback` where there is none.

        Prompts and completions are texts or lists of messages; `columns` are those of the dataset, repeated for each
        completion: `reference` and `category` are read. It can be awaited in any event loop. A call that fails ends
        nothing; BudgetReached, Paused and CredentialsError end the training with their reason, since no later call
        would succeed: what was paid for is kept.
        """
        return self._counted(await run_in_loop(self._rewards(prompts, completions, columns)), columns)

    async def _rewards(
        self, prompts: Sequence[Text], completions: Sequence[Text], columns: Mapping[str, Any]
    ) -> list[float | str]:
        """Return all rewards of a batch, or why there is none. It runs in the loop that ledger and models live in."""
        STAGE.set(STAGE_NAME)
        references = columns.get(REFERENCE)
        is_by_group = self._is_of_pairs and references is None
        categories = columns.get("category") or [None] * len(prompts)
        rows = [
            self._row(prompt, completion, reference, category, is_by_group=is_by_group)
            for prompt, completion, reference, category in zip(
                prompts, completions, references or [None] * len(prompts), categories, strict=True
            )
        ]
        questions = [row for row in rows if isinstance(row, _Question)]
        asked = _rivals(questions) if is_by_group else {question.key: [(question, 1.0)] for question in questions}
        answers = await self._answers({question.key: question for sides in asked.values() for question, _ in sides})
        group_sizes = Counter(map(repr, prompts))
        rewards: list[float | str] = []
        for prompt, row in zip(prompts, rows, strict=True):
            if not isinstance(row, _Question):
                rewards.append(row)
            elif sides := [(answers[question.key], sign) for question, sign in asked[row.key]]:
                values = [sign * answer for answer, sign in sides if isinstance(answer, float)]
                rewards.append(fmean(values) if values else sides[0][0])
            else:  # equal to all others of its group, as far as they have words, or alone
                rewards.append(0.0 if group_sizes[repr(prompt)] > 1 else "missing: no other completion of its prompt")
        return rewards

    async def _answers(self, questions: Mapping[Key, _Question]) -> dict[Key, float | str]:
        """Return the reward of each question. Once calls fail and nothing has come back for `patience` seconds, the
        questions that are still open have no reply; what is on the wire still reaches the ledger."""
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
                        "%s: no verdict for %g s (patience) while calls fail: %d of %d questions have no answer%s",
                        *(self.__name__, self._patience, len(waiting), len(tasks), last_fault),
                    )
                    break
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
        return {key: NO_REPLY if task.cancelled() else task.result() for key, task in tasks.items()}

    def _row(
        self, asked: Text, answer: Text, reference: Text | None, category: str | None, *, is_by_group: bool
    ) -> _Question | float | str:
        """Return the question about a completion, or its reward or reason where the judge need not be asked."""
        read = _read(asked, answer, category)
        if isinstance(read, str):
            return read
        prompt, completion = read
        if not self._is_of_pairs or is_by_group:
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


class VerifierReward(_Reward):
    """Checks as an asynchronous reward function: 1 for a completion that passes all of them, -1 for one that fails.

    The dataset's column `answer` holds the known answers of checks that need one. What could not be checked, such as a
    program where there is no sandbox, has the reward `fallback`. A completion without words, or with marks of a chat
    template, fails. Checks run in threads, while a judge is asked. Raises ConfigError for no checks.
    """

    def __init__(self, checks: Sequence[Check], *, name: str = "verifier", fallback: float | None = None) -> None:
        super().__init__(name, fallback)
        if not checks:
            raise ConfigError(f"{name}: found no check, expected at least one")
        self._checks = tuple(checks)

    async def __call__(
        self, prompts: Sequence[Text], completions: Sequence[Text], completion_ids: Any = None, **columns: Any
    ) -> list[float | None]:
        """Return the reward of each completion: 1, -1, or `fallback`. Raises ConfigError where checks need the column
        `answer` and there is none."""
        answers = columns.get(ANSWER)
        needing = [check.kind for check in self._checks if check.needs_answer]
        if needing and answers is None:
            raise ConfigError(
                f"{self.__name__}: a check of kind {needing[0]} compares with the known answer of each prompt: give "
                f"the dataset a column `{ANSWER}`"
            )
        rows: list[str | tuple[str, str | None]] = []
        for prompt, completion, answer in zip(prompts, completions, answers or [None] * len(prompts), strict=True):
            read = _read(prompt, completion)
            known = None if answer is None else str(answer)
            rows.append(read if isinstance(read, str) else (last_text(read[1].messages), known))
        asked = list(dict.fromkeys(row for row in rows if not isinstance(row, str)))
        rewards = dict(zip(asked, await asyncio.gather(*(self._check(*row) for row in asked)), strict=True))
        return self._counted([row if isinstance(row, str) else rewards[row] for row in rows], columns)

    async def _check(self, text: str, answer: str | None) -> float | str:
        checked = await asyncio.to_thread(run_checks, self._checks, text, answer)
        return f"missing: {checked.reason}" if checked.is_kept is None else 1.0 if checked.is_kept else -1.0


def _rivals(questions: Sequence[_Question]) -> dict[Key, list[tuple[_Question, float]]]:
    """Comparisons of each completion with others of its prompt, with 1 where it is the first of the two, -1 where it is
    the second.

    On a circle in the order of their ids, each is compared with its `RIVALS` nearest, or with all if there are no more.
    Equal groups make equal comparisons, which the ledger knows.
    """
    groups: dict[str, list[_Question]] = defaultdict(list)
    for _, question in sorted({question.completion.id: question for question in questions}.items()):
        groups[question.prompt.id].append(question)
    sides: dict[Key, list[tuple[_Question, float]]] = {question.key: [] for question in questions}
    for group in groups.values():
        count = len(group)
        steps = range(1, min(RIVALS, count) // 2 + 1)
        pairs = {tuple(sorted((i, (i + step) % count))) for i in range(count) for step in steps}
        for i, j in sorted(pairs):
            pair = _Question(group[i].prompt, group[i].completion, group[j].completion)
            sides[group[i].key].append((pair, 1.0))
            sides[group[j].key].append((pair, -1.0))
    return sides


def _read(asked: Text, answer: Text, category: str | None = None) -> tuple[Prompt, Candidate] | str:
    """Return a prompt and its completion as records, or the reason why nothing is asked about them."""
    try:
        prompt = Prompt(messages=_messages(asked, "user"), category=category)
        completion = _candidate(prompt, answer)
        _ = completion.id  # half of a surrogate pair has no bytes
    except (ValidationError, ValueError, TypeError):
        return "missing: not a conversation"
    flaw = find_flaw(completion.messages, prompt.messages)
    return f"degenerate: {flaw}" if flaw else (prompt, completion)


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
