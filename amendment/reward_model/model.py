"""Load a trained reward model and score answers with it, as they were rendered in training.

Not covered: what a score means. Scores order answers to one prompt; across prompts and across models
they do not compare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amendment.errors import ConfigError, DataError, Problem
from amendment.reward_model.settings import RewardMeta, read_meta
from amendment.training import check_base, need_training
from amendment.training.preflight import rows_in

Floats = NDArray[np.float64]
Row = Mapping[str, Any]
Turns = str | Sequence[Mapping[str, Any]]
_OPENING = "Judge the assistant's answer by these principles:"


class RewardScores(NamedTuple):
    """Scores of n rows by K members; nan where a row has none.

    The deviation is no error bar of the score: members share data and base, so that they can be wrong together.
    """

    mean: Floats
    """Shape (n,)."""
    deviation: Floats
    """Shape (n,): the standard deviation among members (K - 1 below); nan for a model that is no ensemble."""
    members: Floats
    """Shape (K, n)."""

    @classmethod
    def of(cls, members: Floats) -> RewardScores:
        """Of scores by member."""
        alone = np.full(members.shape[1], np.nan)
        return cls(members.mean(axis=0), members.std(axis=0, ddof=1) if len(members) > 1 else alone, members)

    def agreement(self, other: RewardScores) -> Floats:
        """With the scores of the other sides of pairs: the share of members that prefer the side that the mean prefers.

        A tie agrees with a tie alone. Shape (n,); nan where a side has no score.
        """
        sides, mean = np.sign(self.members - other.members), np.sign(self.mean - other.mean)
        return np.asarray(np.where(np.isnan(mean), np.nan, (sides == mean).mean(axis=0)))


class RewardModel:
    """A reward model, or an ensemble of them, ready to score. Make it with `load`."""

    def __init__(self, folder: Path, meta: RewardMeta, score: Callable[[Sequence[Row]], Floats]) -> None:
        """`score` gives scores by member and row."""
        self.folder, self.meta, self._score = folder, meta, score

    @classmethod
    def load(cls, folder: str | Path, *, hold: bool = False) -> Self:
        """Load a folder that `train_reward` wrote. Raises ConfigError for another one, or a changed template.

        Of an ensemble one member at a time is in memory, read anew for each call of `score`; with `hold`, all of them
        stay there.
        """
        need_training()
        path = Path(folder)
        check_base(path)
        meta = read_meta(path)
        from amendment.reward_model._scoring import Scorer

        return cls(path, meta, Scorer(path, meta, hold=hold).score)

    @staticmethod
    def describe(folder: str | Path) -> RewardMeta:
        """What a score of the model in this folder depends on; nothing heavy is loaded. Raises ConfigError."""
        return read_meta(Path(folder))

    def score(self, rows: Iterable[Row], *, principles: Sequence[str] | None = None) -> Floats:
        """One reward per row, in the order given; of an ensemble the mean of its members.

        A row has `prompt` and `completion` (lists of messages as JSON objects) and where needed `tools` and
        `chat_template_kwargs`. A row over `max_length` has nan, or is cut where training cut. A conditioned model
        scores by the row's `principles` (a list of statements), or by those given here where a row has none. Scores
        do not depend on the other rows, up to rounding. Raises DataError for a row that cannot be read, ConfigError
        for principles that the model does not read.
        """
        return self.scores(rows, principles=principles).mean

    def scores(self, rows: Iterable[Row], *, principles: Sequence[str] | None = None) -> RewardScores:
        """The mean, the deviation and the scores of each member, for rows as `score` takes them."""
        given = rows_in(rows)
        if self.meta.conditioned:
            given = conditioned_rows(given, principles)
        elif principles is not None:
            raise ConfigError(
                f"{self.folder}: the model was not trained with conditioned: true, and reads no principles"
            )
        return RewardScores.of(self._score(given))

    def probability(self, chosen_scores: ArrayLike, rejected_scores: ArrayLike) -> Floats:
        """P(the first answer is better) of pairs of scores, by the fitted temperature where it surely helps, else 1."""
        return preference_probability(chosen_scores, rejected_scores, self.meta.temperature_used)

    def as_reward(
        self, *, principles: Sequence[str] | None = None, fallback: float | None = None
    ) -> Callable[..., list[float | None]]:
        """A reward function for TRL's online trainers (`reward_funcs`), which call it with lists of equal length.

        Prompts and completions are messages, or plain texts, which are read as one turn of the user and one of the
        assistant; of the dataset's columns `tools`, `chat_template_kwargs` and `principles` are read. A completion
        without a score has the reward `fallback`. TRL leaves None out only where every reward function says None, and
        beside other functions' rewards counts it as 0.
        """

        def reward(prompts: Sequence[Turns], completions: Sequence[Turns], **columns: Any) -> list[float | None]:
            rows = [
                {"prompt": _turns(prompt, "user"), "completion": _turns(completion, "assistant")}
                for prompt, completion in zip(prompts, completions, strict=True)
            ]
            for name in ("tools", "chat_template_kwargs", "principles"):
                for row, value in zip(rows, columns.get(name) or (), strict=False):
                    row[name] = value
            scores = self.score(rows, principles=principles).tolist()
            return [fallback if np.isnan(score) else score for score in scores]

        reward.__name__ = self.folder.name  # by which TRL logs it
        return reward


def _turns(value: Turns, role: str) -> Any:
    return [{"role": role, "content": value}] if isinstance(value, str) else list(value)


def preference_probability(chosen: ArrayLike, rejected: ArrayLike, temperature: float = 1.0) -> Floats:
    """P(the first is better) of each pair of scores, 1 / (1 + exp(-(r - r') / T)) (Bradley and Terry 1952); nan where
    one of them has none."""
    difference = np.asarray(chosen, np.float64) - np.asarray(rejected, np.float64)
    return np.asarray(0.5 * (1 + np.tanh(difference / temperature / 2)))  # never overflows


def conditioned_rows(rows: Iterable[Row], default: Sequence[str] | None = None) -> list[Row]:
    """Each row with its `principles` (a list of statements), or the `default`, at the head of its prompt, for a reward
    model that scores by principles (SALMON, Sun et al. 2023). Training and scoring share this wording.

    Raises DataError naming each row (from 1) that has none.
    """
    led, problems = list[Row](), list[Problem]()
    for number, row in enumerate(rows, start=1):
        value = row.get("principles")
        statements = default if value is None else value
        is_list = isinstance(statements, list | tuple) and bool(statements)
        if is_list and all(isinstance(statement, str) and statement.strip() for statement in statements or ()):
            led.append(_led(row, "\n".join([_OPENING, *(f"- {statement}" for statement in statements or ())])))
            continue
        shown = "none" if value is None else repr(value)[:80]
        problems.append(
            Problem(f"row {number}: principles", f"expected a list of statements to score by, found {shown}")
        )
    if problems:
        raise DataError(problems)
    return led


def _led(row: Row, text: str) -> Row:
    """The principles lead the system text, so that templates that know one system text alone can show them."""
    prompt = row.get("prompt")
    if not isinstance(prompt, list | tuple):
        return row  # an error is raised where the messages are read
    first = prompt[0] if prompt else None
    if not isinstance(first, Mapping) or first.get("role") not in ("system", "developer"):
        return {**row, "prompt": [{"role": "system", "content": text}, *prompt]}
    content = first.get("content") or ""
    whole = f"{text}\n\n{content}" if isinstance(content, str) else [{"type": "text", "text": f"{text}\n\n"}, *content]
    return {**row, "prompt": [{**first, "content": whole}, *prompt[1:]]}
