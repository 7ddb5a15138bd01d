"""A judge and a writer of one family are named before the run, at its start, and in its summary."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

from amendment.cli import main
from amendment.errors import AmendmentError
from amendment.run import Run, load_run_file
from amendment.run.context import Patience
from amendment.run.progress import QuietProgress
from amendment.run.runfile.config import RunFile
from amendment.run.terms import Terms
from amendment.stages.kinship import kinship_warnings

OPENAI = "{provider: openai, base_url: 'http://127.0.0.1:1/v1', api_key_env: null, model: MODEL}"


def text_of(writer: str, judge: str, *, second: str | None = None) -> str:
    models = {"writer": writer, "judge": judge, **({"second": second} if second else {})}
    entries = "".join(f"  {name}: {OPENAI.replace('MODEL', model)}\n" for name, model in models.items())
    then = "  cascade: {then: [{model: second}]}\n" if second else ""
    return (
        f"name: kin\nconstitution: helpful-honest\nmodels:\n{entries}prompts: [{{path: p.jsonl}}]\n"
        f"candidates: [{{model: writer, per_prompt: 2}}]\njudging:\n  judges: [{{model: judge}}]\n{then}"
    )


def config(text: str) -> RunFile:
    return RunFile.model_validate(yaml.safe_load(text))


def test_judge_and_writer_of_one_family_are_both_named() -> None:
    [warning] = kinship_warnings(config(text_of("gpt-5.4-mini", "o3")))
    assert "judge judge (o3) and writer writer (gpt-5.4-mini) are both of the family openai" in warning
    assert "cannot be told from quality" in warning


def test_one_model_is_certainly_its_own_family() -> None:
    [warning] = kinship_warnings(config(text_of("house-7b", "house-7b")))
    assert "are one model" in warning


def test_judges_of_a_cascade_count_too() -> None:
    warnings = kinship_warnings(config(text_of("Qwen/Qwen3-8B", "gpt-5.4", second="qwen2.5:7b")))
    assert len(warnings) == 1
    assert "judge second (qwen2.5:7b)" in warnings[0]


@pytest.mark.parametrize(("writer", "judge"), [("gpt-5.4-mini", "claude-haiku-5-5"), ("house-7b", "other-7b")])
def test_other_families_and_names_that_say_nothing_are_not_warned_of(writer: str, judge: str) -> None:
    assert kinship_warnings(config(text_of(writer, judge))) == []


def test_the_simulated_world_knows_the_truth_and_warns_of_nothing(small: Path) -> None:
    assert kinship_warnings(load_run_file(small).config) == []


def test_a_policy_of_the_run_is_of_the_family_of_its_base() -> None:
    text = text_of("unused-1b", "Qwen/Qwen3-32B").replace("model: writer, per", "model: sft, per")
    text += "critique: {model: writer}\nsft: {base: Qwen/Qwen2.5-0.5B}\n"
    [warning] = kinship_warnings(config(text))
    assert "writer sft (Qwen/Qwen2.5-0.5B)" in warning


class Told(QuietProgress):
    """What a run says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def test_the_warning_is_said_by_check_at_the_start_and_in_the_summary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, folder, told = tmp_path / "run.yaml", tmp_path / "run", Told()
    file.write_text(text_of("gpt-5.4-mini", "gpt-5.4-mini"))
    (tmp_path / "p.jsonl").write_text('{"prompt": "hello"}\n')
    monkeypatch.setattr(sys, "argv", ["amendment", "check", str(file)])
    with pytest.raises(SystemExit):
        main()
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("warning: judge judge (gpt-5.4-mini) and writer writer (gpt-5.4-mini) are one model")
    assert shown[-1].endswith("all is well")
    run = Run.from_file(
        file, folder=folder, progress=told, patience=Patience(1, 0, 0), terms=Terms(allow_unpriced=True)
    )
    with pytest.raises(AmendmentError):  # nobody answers at that port
        run()
    warnings = kinship_warnings(run.config)
    assert [line for line in told.lines if line in warnings] == warnings
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["warnings"] == warnings
    assert f"> {warnings[0]}" in (folder / "summary.md").read_text()


def test_labels_that_are_to_be_judged_and_are_not_there_are_warned_of() -> None:
    text = text_of("house-7b", "other-7b") + "  judge_labelled: true\n"
    [warning] = kinship_warnings(config(text))
    assert warning.startswith("judging.judge_labelled: true changes nothing")
    assert kinship_warnings(config(text + "pairs: [{path: mine.jsonl}]\n")) == []
