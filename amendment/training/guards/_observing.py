"""What a policy says to the held-out prompts, and what can be counted about it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from amendment.errors import DataError, Problem, TrainingError
from amendment.hashing import content_id
from amendment.llm.rendering import Renderer, Sampled, read_answer
from amendment.training._models import load_causal
from amendment.training.generating import completion_logps, sample_answers
from amendment.training.guards.degenerate import is_loop
from amendment.training.guards.readings import Guards, Row
from amendment.training.guards.rules import Observed

FEWEST = 5
"""Prompts below which there is no interval."""


class Question(NamedTuple):
    """A prompt that is put to the policy, `samples` times."""

    row: Row
    ids: list[int]
    number: int
    seed: int


class Said(NamedTuple):
    """An answer and what it reads as."""

    sampled: Sampled
    message: dict[str, Any]


class Observer:
    """Asks a policy the same questions with the same random numbers, each time it is asked to."""

    def __init__(self, bench: Any, guards: Guards, trainer: Any) -> None:
        """`bench` is an open workbench, and `trainer` trains on it. Prompts without room for an answer are left out."""
        self.bench, self.guards, self.settings, self.bf16 = bench, guards, guards.settings, bool(trainer.args.bf16)
        self.questions, longest = _questions(bench, guards)
        context = getattr(trainer.model.config.get_text_config(), "max_position_embeddings", None)
        self.max_tokens = min(self.settings.max_tokens, context - longest) if context else self.settings.max_tokens
        self.start: list[Said] = []

    @property
    def has_enough(self) -> bool:
        return len({one.number for one in self.questions}) >= FEWEST

    def observe_start(self, model: Any) -> Observed:
        """The reference: its own answers, which later ones are compared with."""
        with self._undisturbed(model), self._reference(model) as reference:
            self.start = self._answers(reference)
            return self._counted(self.start, np.zeros(len(self.questions)))

    def observe(self, model: Any) -> Observed:
        """The policy as it is now."""
        with self._undisturbed(model):
            said = self._answers(model)
            policy = self._logps(model, said)
            with self._reference(model) as reference:
                return self._counted(said, policy - self._logps(reference, said))

    @contextmanager
    def _undisturbed(self, model: Any) -> Iterator[None]:
        """As `undisturbed`, policy and reference computing in the training's own precision."""
        with undisturbed(model), torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            yield

    @contextmanager
    def _reference(self, model: Any) -> Iterator[Any]:
        """The model without its adapter, or the base as it lies on the disk."""
        if hasattr(model, "disable_adapter"):
            with model.disable_adapter():
                yield model
            return
        yield (
            load_causal(self.bench.base, dtype=self.bench.dtype_name, revision=self.bench.revision)
            .to(model.device)
            .eval()
        )

    def _answers(self, model: Any) -> list[Said]:
        tokenizer = self.bench.tokenizer
        sampled = sample_answers(
            model,
            tokenizer,
            [one.ids for one in self.questions],
            [one.seed for one in self.questions],
            max_tokens=self.max_tokens,
            temperature=self.settings.temperature,
        )
        return [Said(one, _message(tokenizer, one, asked)) for one, asked in zip(sampled, self.questions, strict=True)]

    def _logps(self, model: Any, said: Sequence[Said]) -> NDArray[np.float64]:
        sequences = [(asked.ids, one.sampled.ids) for asked, one in zip(self.questions, said, strict=True)]
        return completion_logps(
            model, sequences, self.bench.tokenizer.pad_token_id, temperature=self.settings.temperature
        )

    def _counted(self, said: Sequence[Said], log_ratio: NDArray[np.float64]) -> Observed:
        readable = self.guards.scores.readable
        unreadable = [
            _is_empty(one.message)
            or is_loop(one.sampled.ids)
            or (readable is not None and not readable(asked.row, one.message["content"]))
            for asked, one in zip(self.questions, said, strict=True)
        ]
        return Observed(
            prompts=np.array([one.number for one in self.questions]),
            log_ratio=log_ratio,
            tokens=np.array([float(len(one.sampled.ids)) for one in said]),
            unreadable=np.array(unreadable, dtype=np.float64),
            cut=np.array([one.sampled.is_cut for one in said], dtype=np.float64),
            scores=self._scores(said),
        )

    def _scores(self, said: Sequence[Said]) -> dict[str, NDArray[np.float64]]:
        rows = [
            {**asked.row, "completion": [one.message], "start": [first.message]}
            for asked, one, first in zip(self.questions, said, self.start, strict=True)
        ]
        scores = self.guards.scores
        found = {
            name: np.asarray(score(rows), dtype=np.float64)
            for name, score in (("reward", scores.reward), ("judge", scores.judge))
            if score is not None
        }
        for name, values in found.items():
            if values.shape != (len(rows),):
                raise TrainingError(f"guards: {name} gave scores of shape {values.shape} for {len(rows)} answers")
        return found


def _questions(bench: Any, guards: Guards) -> tuple[list[Question], int]:
    """The first prompts that leave room for an answer, each as often as it is asked; and the longest one's tokens."""
    renderer, settings = Renderer(bench.tokenizer), guards.settings
    rows = [dict(row) for row in guards.prompts]
    asked = [
        renderer.conversation(row, _messages(row, number), is_prompt=True, place=f"guards: prompt {number}")
        for number, row in enumerate(rows)
    ]
    ids = renderer.ids(asked)
    fits = [number for number, one in enumerate(ids) if len(one) < bench.settings.max_length][: settings.prompts]
    found = [
        Question(rows[number], ids[number], number, _seed(bench.seed, number, sample))
        for number in fits
        for sample in range(settings.samples)
    ]
    return found, max((len(one.ids) for one in found), default=0)


def _messages(row: dict[str, Any], number: int) -> Sequence[Any]:
    """The messages of a prompt. Raises DataError where `prompt` is no list of them, such as a bare text."""
    found = row.get("prompt")
    if isinstance(found, list | tuple) and found and all(isinstance(one, Mapping) for one in found):
        return found
    told = "no prompt" if found is None else "text" if isinstance(found, str) else f"{found!r:.60}"
    wanted = 'a list of messages, such as [{"role": "user", "content": "..."}]'
    raise DataError([Problem(f"guards: prompt {number}", f"found {told}, expected under prompt {wanted}")])


def _seed(seed: int, number: int, sample: int) -> int:
    return int(content_id(["guards", seed, number, sample]).rpartition(":")[2][:12], 16)


def _message(tokenizer: Any, said: Sampled, asked: Question) -> dict[str, Any]:
    ids = said.ids if said.is_cut else said.ids[:-1]
    parts = read_answer(tokenizer, ids, asked.ids)
    calls = [{"type": "function", "function": call} for call in parts.calls]
    further = {"thinking": parts.thinking, "tool_calls": calls}
    return {"role": "assistant", "content": parts.text, **{name: one for name, one in further.items() if one}}


def _is_empty(message: dict[str, Any]) -> bool:
    return not message["content"].strip() and not message.get("tool_calls")


@contextmanager
def undisturbed(model: Any) -> Iterator[None]:
    """The model without dropout; all random generators and its mode are given back as they were."""
    states, was_training = (random.getstate(), np.random.get_state()), model.training
    devices = [model.device] if model.device.type == "cuda" else []
    model.eval()
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        model.train(was_training)
        random.setstate(states[0])
        np.random.set_state(states[1])
