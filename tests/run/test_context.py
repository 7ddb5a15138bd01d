"""Models are found from the run file's folder or from home, and trained ones are let go when they have answered."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from amendment.errors import Rejected
from amendment.llm.specs import LocalSpec, SimulatedSpec, located
from amendment.records import user
from amendment.run import Run
from amendment.run.context import RunContext
from amendment.run.engine import RunFolder, RunStage, assemble
from amendment.run.progress import QuietProgress
from amendment.stages.contract import Stage, StageResult
from amendment.sync import run_sync
from amendment.training import TinyModel, build_tiny

LOCAL = """\
name: local
constitution: lilliput
models: {writer: {provider: local, model: MODEL}}
prompts: [{lilliput: 4}]
critique: {model: writer}
"""
SHAPE = TinyModel(hidden=16, layers=1, heads=2, intermediate=32, vocab=400, context=64)


class Trained(Stage):
    """A policy that nothing has to be read for."""

    name = "sft"
    writes = ("models/sft",)


def workers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("local-model")]


def context_of(path: Path, folder: Path) -> RunContext:
    return RunContext(Run.from_file(path, folder=folder).config, path.parent, RunFolder(folder), QuietProgress())


def test_a_trained_policy_is_let_go_when_its_answers_are_in(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(LOCAL.replace("MODEL", "org/name"))
    context = context_of(path, tmp_path / "run")
    build_tiny(context.workspace.path("models/sft"), ["some words"] * 4, SHAPE)
    made = RunStage(Trained(context.config), context, {})
    RunFolder(tmp_path / "run").close(made, StageResult(("models/sft",)))
    before = workers()
    with context.policy("sft", temperature=1.0, max_tokens=4, batch_size=2) as model:
        assert run_sync(model.ask(user("hello"))).reply.messages
        assert len(workers()) == len(before) + 1
    assert workers() == before
    with pytest.raises(Rejected), context.policy("sft", temperature=1, max_tokens=4, batch_size=2) as model:
        run_sync(model.ask(user("too long " * 100)))
    assert workers() == before
    context.close()


def test_a_folder_is_found_beside_the_run_file_and_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for folder in (tmp_path / "home" / "model", tmp_path / "runs" / "own"):
        folder.mkdir(parents=True)

    def found(model: str) -> str:
        spec = located(LocalSpec(provider="local", model=model), tmp_path / "runs")
        assert isinstance(spec, LocalSpec)
        return spec.model

    assert found("~/model") == str(tmp_path / "home" / "model")
    assert found("own") == str(tmp_path / "runs" / "own")
    assert found("org/name") == "org/name"
    assert found("~/absent") == "~/absent"
    simulated = SimulatedSpec(provider="simulated")
    assert located(simulated, tmp_path) is simulated


def test_a_changed_model_at_home_makes_its_stages_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    path = tmp_path / "run.yaml"
    path.write_text(LOCAL.replace("MODEL", "~/model"))

    def settings() -> object:
        stages = {stage.name: stage for stage in assemble(context_of(path, tmp_path / "run"))}
        return stages["critique"].settings

    first = settings()
    (tmp_path / "model" / "config.json").write_text('{"changed": 1}')
    assert settings() != first
