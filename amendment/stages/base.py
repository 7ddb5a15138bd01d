"""The stage `base`: a small model made by the run, for runs without a pretrained one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from amendment.critique import ChainSettings
from amendment.dpo import SftSettings, train_sft
from amendment.people.gate import GATE
from amendment.results import Result, counted
from amendment.stages.contract import Context, RunSettings, StageResult, dump
from amendment.stages.training import (
    CHAINS,
    PAIRS,
    Rows,
    TrainingStage,
    candidate_rows,
    chosen_rows,
    pair_rows,
    training_progress,
    training_result,
)
from amendment.training import TinyModel, build_tiny


class BaseConfig(SftSettings):
    """A small model made by the run, for runs without a pretrained one."""

    hidden: int = Field(default=64, ge=8, multiple_of=8)
    """Width of the residual stream; two blocks of four heads, and 512 tokens that it can attend to."""
    vocab: int = Field(default=1024, ge=320)
    """Upper bound of the vocabulary; the tokenizer is trained on the run's own text."""
    on: Literal["drafts", "chosen", "nothing"] = "drafts"
    """What it is trained on before any other stage sees it."""


class BaseStage(TrainingStage):
    """A small model made by this run, for dry runs and tests; a pretrained one needs no stage."""

    name = "base"
    title = "training a small base model"
    Config = BaseConfig

    def __init__(self, settings: RunSettings) -> None:
        super().__init__(settings)
        self.reads_drafts = self.config.on == "drafts" or (
            self.config.on == "nothing" and settings.part(ChainSettings) is not None
        )
        self.reads = CHAINS if self.reads_drafts else PAIRS
        if self.config.on == "chosen":
            self.may_read = (GATE,)

    def key(self, context: Context) -> Mapping[str, Any]:
        return dump(self.config)

    def make(self, context: Context) -> StageResult:
        """Train a tokenizer on the run's own text, and the model on drafts, on chosen answers, or not at all."""
        if self.config.on == "chosen":
            self.refuse_failed_gate(context)
        rows = self._rows(context)
        folder = context.workspace.path("models/base")
        seed = context.config.seed
        untrained = folder.with_name("base.untrained")
        shape = TinyModel(hidden=self.config.hidden, intermediate=3 * self.config.hidden, vocab=self.config.vocab)
        build_tiny(untrained, _texts(rows), shape, seed)
        if self.config.on == "nothing":
            _put_in_place(untrained, folder)
            return StageResult(self.writes, Result(figures=counted(steps=0)))
        progress = training_progress(context, "base")
        result = train_sft(untrained, rows, folder, self.config, seed=seed, progress=progress)
        shutil.rmtree(untrained)
        return StageResult(self.writes, training_result(result))

    def _rows(self, context: Context) -> Rows:
        """Return what the base learns from; with `on: nothing` its tokenizer alone, from drafts where the run has
        any."""
        if self.reads_drafts:
            return candidate_rows(context, "draft")
        return pair_rows(context, "train") if self.config.on == "nothing" else chosen_rows(context)


def _put_in_place(untrained: Path, folder: Path) -> None:
    """With the file by which trainers know a folder that they may replace."""
    (untrained / "history.json").write_text(json.dumps({"steps": 0, "history": []}) + "\n", encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    untrained.rename(folder)


def _texts(rows: Rows) -> Iterator[str]:
    """Yield what the tokenizer learns from: all words of prompts and answers."""
    for row in rows:
        for part in ("prompt", "completion", "chosen", "rejected"):
            for message in row.get(part, ()):
                yield from (text for text in (message.get("content"), message.get("thinking")) if isinstance(text, str))
