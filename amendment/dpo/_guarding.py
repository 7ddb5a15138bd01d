"""Guards at work: a callback of the trainer that measures, records, stops, and gives the best weights back.

Promised: measuring leaves no trace in the weights; a training that was killed and goes on has the readings and the end
that it would have had: readings travel in transformers' checkpoints, the best weights lie next to them. Trained
parameters alone are kept: of an adapter, the adapter. Not covered: several processes; there nothing is watched.
Loads torch.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

from amendment.dpo.guards import (
    GuardReading,
    Guards,
    Observed,
    Row,
    best_reading,
    figures,
    is_loop,
    violations,
)
from amendment.errors import DataError, Problem, TrainingError
from amendment.hashing import content_id
from amendment.llm.rendering import Sampled, read_answer
from amendment.training.generating import completion_logps, sample_answers
from amendment.training.model_files import load_causal
from amendment.training.workbench import Workbench

_FEWEST = 5
"""Prompts below which there is no interval."""


class GuardWatcher(TrainerCallback, ExportableState):
    """Measures before the first step, every `every` steps and at the end: the same questions, drawn by the same random
    numbers."""

    def __init__(self, bench: Workbench, guards: Guards, trainer: Any) -> None:
        self.bench, self.guards, self.settings, self.bf16 = bench, guards, guards.settings, bool(trainer.args.bf16)
        self.folder = bench.state / "guards"
        self.questions = _questions(bench, guards)
        longest = max((len(ids) for _, ids in self.questions), default=0)
        context = getattr(trainer.model.config.get_text_config(), "max_position_embeddings", None)
        self.max_tokens = min(self.settings.max_tokens, context - longest) if context else self.settings.max_tokens
        names = (content_id(["guards", bench.seed, place]) for place in range(len(self.questions)))
        self.seeds = [int(name.rpartition(":")[2][:12], 16) for name in names]
        self.readings: list[GuardReading] = []
        self.start: Observed | None = None
        self.start_messages: list[Row] = []
        self.checkpointed: int | None = None
        """The step whose weights the last checkpoint may have to go back to."""
        if len(self.questions) < _FEWEST:
            bench.notes.append(
                f"guards: {len(self.questions)} held-out prompts to answer, and at least 5 are needed: "
                "nothing was watched."
            )

    def state(self) -> dict[str, Any]:
        """Return the state that transformers writes into a checkpoint."""
        return {"args": {}, "attributes": {"readings": [reading.to_json() for reading in self.readings]}}

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any, **_: Any) -> None:
        if state.global_step:
            saved = state.stateful_callbacks[type(self).__name__]["attributes"]["readings"]
            self.readings = [GuardReading.from_json(reading) for reading in saved]
            self.checkpointed = self._best
        if len(self.questions) >= _FEWEST:
            with self._undisturbed(model), self._reference(model) as reference:
                answers = self._answers(reference)
                self.start_messages = [message for _, message in answers]
                self.start = self._observed(answers, np.zeros(len(answers)))
        if not state.global_step:
            self._keep(0, model)
            if self.start:
                self.readings.append(GuardReading(0, figures(self.start, self.start)))

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any, **_: Any) -> None:
        if state.global_step % self.settings.spacing(state.max_steps) == 0:
            self._measure(state.global_step, model, control)

    def on_train_end(self, args: Any, state: Any, control: Any, model: Any, **_: Any) -> None:
        if not any(reading.step == state.global_step for reading in self.readings):
            self._measure(state.global_step, model, control)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.checkpointed = self._best
        self._forget_all_but(self.checkpointed)

    def finish(self, model: Any, steps: int) -> None:
        """Restore the best weights into the model where a guard was violated; returns notes in words."""
        for reading in self.readings:
            for guard, over in reading.violated.items():
                figures = {name: reading.figures[name] for name in over}
                shown = (f"{name} {at.value:.3g} ({at.low:.3g} to {at.high:.3g})" for name, at in figures.items())
                limit = 0.0 if guard == "reward_judge_gap" else self.settings.limit(guard)
                self.bench.notes.append(f"guards: step {reading.step}, {guard} (limit {limit:g}): {', '.join(shown)}.")
        if not any(reading.violated for reading in self.readings):
            return
        if self.settings.on_violation == "note":
            self.bench.notes.append(f"guards: training went on to step {steps}, as on_violation: note says.")
            return
        best, score = best_reading(self.readings, self.settings)
        step = best.step if best else 0
        self._restore(step, model)
        why = {"judge": "best by the judge", "reward": "best by the reward model", "step": "last"}[score]
        ended = f"guards: training ended at step {steps}"
        self.bench.notes.append(
            f"{ended}; saved is step {step}, the {why} within all limits."
            if step
            else f"{ended}, and NOTHING THAT WAS TRAINED IS SAVED: the {why} within all limits is the start, so the "
            "policy is its reference. Lower learning_rate, raise beta or sft_weight, or measure more often (every)."
        )

    def _measure(self, step: int, model: Any, control: Any) -> None:
        if self.start is None or self._has_stopped:
            return
        with self._undisturbed(model):
            answers = self._answers(model)
            policy = self._logps(model, answers)
            with self._reference(model) as reference:
                now = self._observed(answers, policy - self._logps(reference, answers))
        estimates = figures(now, self.start)
        reading = GuardReading(step, estimates, violations(estimates, self.settings))
        self.readings.append(reading)
        if self._best == step:
            self._keep(step, model)
            self._forget_all_but(step, self.checkpointed)
        if reading.violated and self.settings.on_violation == "stop":
            control.should_training_stop = True
            control.should_save = False  # no checkpoint of a training that is over

    @property
    def _has_stopped(self) -> bool:
        return self.settings.on_violation == "stop" and any(reading.violated for reading in self.readings)

    @property
    def _best(self) -> int:
        best, _ = best_reading(self.readings, self.settings)
        return best.step if best else 0

    @contextmanager
    def _undisturbed(self, model: Any) -> Iterator[None]:
        """The model without dropout, in the training's own precision; all random generators and its mode are given back
        as they were."""
        states = (random.getstate(), np.random.get_state())
        was_training = model.training
        model.eval()
        try:
            with (
                torch.random.fork_rng(devices=[model.device] if model.device.type == "cuda" else []),
                torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=self.bf16),
            ):
                yield
        finally:
            model.train(was_training)
            random.setstate(states[0])
            np.random.set_state(states[1])

    @contextmanager
    def _reference(self, model: Any) -> Iterator[Any]:
        """Lend the model without its adapter, or the base as it lies on the disk."""
        if hasattr(model, "disable_adapter"):
            with model.disable_adapter():
                yield model
            return
        bench = self.bench
        yield load_causal(bench.base, dtype=bench.dtype_name, revision=bench.revision).to(model.device).eval()

    def _answers(self, model: Any) -> list[tuple[Sampled, Row]]:
        tokenizer = self.bench.tokenizer
        prompts = [ids for _, ids in self.questions]
        answers = sample_answers(model, tokenizer, prompts, self.seeds, max_tokens=self.max_tokens)
        return [(answer, _message(tokenizer, answer, ids)) for answer, ids in zip(answers, prompts, strict=True)]

    def _logps(self, model: Any, answers: list[tuple[Sampled, Row]]) -> NDArray[np.float64]:
        sequences = [(ids, answer.ids) for (_, ids), (answer, _) in zip(self.questions, answers, strict=True)]
        return completion_logps(model, self.bench.tokenizer, sequences)

    def _observed(self, answers: list[tuple[Sampled, Row]], log_ratio: NDArray[np.float64]) -> Observed:
        readable = self.guards.readable or (lambda _row, _text: True)
        unreadable = [
            not (message["content"].strip() or message.get("tool_calls"))
            or is_loop(answer.ids)
            or not readable(row, message["content"])
            for (row, _), (answer, message) in zip(self.questions, answers, strict=True)
        ]
        rows = [
            {**row, "completion": [message], "start": [first]}
            for (row, _), (_, message), first in zip(self.questions, answers, self.start_messages, strict=True)
        ]
        scores = {}
        for name, score in (("reward", self.guards.reward), ("judge", self.guards.judge)):
            if score is not None:
                scores[name] = np.asarray(score(rows), dtype=np.float64)
                if scores[name].shape != (len(rows),):
                    raise TrainingError(
                        f"guards: {name} gave scores of shape {scores[name].shape} for {len(rows)} answers"
                    )
        return Observed(
            log_ratio=log_ratio,
            tokens=np.array([float(len(answer.ids)) for answer, _ in answers]),
            unreadable=np.array(unreadable, dtype=np.float64),
            cut=np.array([answer.is_cut for answer, _ in answers], dtype=np.float64),
            scores=scores,
        )

    def _weights(self, step: int) -> Path:
        return self.folder / f"weights-{step}.safetensors"

    def _keep(self, step: int, model: Any) -> None:
        """Put the trained parameters of a step on the disk, where a guard may have to go back to them."""
        if self.settings.on_violation == "stop":
            self.folder.mkdir(parents=True, exist_ok=True)
            part = self.folder / "weights.part"
            save_file({name: tensor.detach().cpu().contiguous() for name, tensor in _trained(model)}, part)
            part.replace(self._weights(step))

    def _forget_all_but(self, *steps: int | None) -> None:
        kept = [self._weights(step) for step in steps if step is not None]
        for file in set(self.folder.glob("weights-*.safetensors")).difference(kept):
            file.unlink()

    def _restore(self, step: int, model: Any) -> None:
        """Raises TrainingError where the weights of the step were removed meanwhile."""
        file = self._weights(step)
        if not file.is_file():
            raise TrainingError(
                f"guards: {file} is missing, which holds the weights to restore: remove "
                f"{self.bench.state} and train again"
            )
        weights = load_file(file)
        with torch.no_grad():
            for name, parameter in _trained(model):
                parameter.copy_(weights[name])


def _trained(model: Any) -> list[tuple[str, Any]]:
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]


def _questions(bench: Workbench, guards: Guards) -> list[tuple[Row, list[int]]]:
    """Return the first prompts that leave room for an answer, in token ids. Raises DataError where `prompt` is no list
    of messages."""
    rows = [dict(row) for row in guards.prompts]
    asked = []
    for number, row in enumerate(rows):
        place = f"guards: prompt {number}"
        prompt = row.get("prompt")
        if not (isinstance(prompt, list | tuple) and prompt and all(isinstance(m, Mapping) for m in prompt)):
            shown = "no prompt" if prompt is None else "text" if isinstance(prompt, str) else f"{prompt!r:.60}"
            wanted = 'a list of messages, such as [{"role": "user", "content": "..."}]'
            raise DataError([Problem(place, f"found {shown}, expected under prompt {wanted}")])
        asked.append(bench.renderer.conversation(row, prompt, is_prompt=True, place=place))
    questions = zip(rows, bench.renderer.ids(asked), strict=True)
    return [(row, ids) for row, ids in questions if len(ids) < bench.settings.max_length][: guards.settings.prompts]


def _message(tokenizer: Any, answer: Sampled, prompt: list[int]) -> Row:
    parts = read_answer(tokenizer, answer.ids if answer.is_cut else answer.ids[:-1], prompt)
    calls = [{"type": "function", "function": call} for call in parts.calls]
    optional = {"thinking": parts.thinking, "tool_calls": calls}
    return {"role": "assistant", "content": parts.text, **{name: value for name, value in optional.items() if value}}
