"""Rows and files of shapes that are known, and what a run and an audit read from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from amendment.audit.inputs import AuditInputs, read_votes
from amendment.data.inputs import Inputs, read_inputs
from amendment.data.verdict_files import VerdictFile
from amendment.run import RunFile


def ask(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def say(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def audited(path: Path, **who: Any) -> AuditInputs:
    return read_votes(RunFile(name="t", verdicts=(VerdictFile(path=str(path), **who),)), Path())


def inputs(path: Path, part: str, **settings: Any) -> Inputs:
    return read_inputs(RunFile.model_validate({"name": "t", part: [{"path": str(path), **settings}]}), Path())


def battle(winner: str, **more: Any) -> dict[str, Any]:
    talk = {"conversation_a": [ask("hi"), say("yes")], "conversation_b": [ask("hi"), say("no")]}
    return {"question_id": 7, "model_a": "one", "model_b": "two", "winner": winner, **talk, **more}


def rated(model: str, whole: float, **aspects: Any) -> dict[str, Any]:
    told = {name: {"Rating": rating, "Rationale": "..."} for name, rating in aspects.items()}
    return {"model": model, "response": f"by {model}", "annotations": told, "overall_score": whole}
