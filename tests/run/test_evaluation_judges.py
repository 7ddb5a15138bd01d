"""Who judges an evaluation: the judge that made the labels is named loudly, a relative too, another one calmly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from amendment.run import Run
from amendment.run.evaluation_wording import judged_lines
from amendment.run.runfile.config import RunFile
from amendment.stages.contract import JudgeEntry
from amendment.stages.kinship import independence

HERE, THERE = "http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1"
LABELS = """\
name: labels
constitution: lilliput
models:
  quillfeather: {provider: simulated, writer: careless}
  inkwell: {provider: simulated, writer: verbose}
  gavelmouth: {provider: simulated, noise: 0.5}
  namesake: {provider: simulated, noise: 0.5}
  stranger: {provider: simulated, noise: 0.4}
prompts: [{lilliput: 12}]
candidates: [{model: inkwell, per_prompt: 2}]
judging: {judges: [{model: gavelmouth, protocol: label-tokens}]}
dataset: {test_share: 0.5}
evaluate: {policies: [quillfeather, inkwell], judge: {model: JUDGE, protocol: label-tokens}}
"""


def standing(first: dict[str, Any], second: dict[str, Any], protocol: str = "verdict", **more: Any) -> dict[str, str]:
    """Of the second model, where the first made the labels."""
    hosted = {"provider": "openai", "base_url": HERE, "api_key_env": None}
    models = {"maker": {**hosted, **first}, "asked": {**hosted, **second}, "writer": {**hosted, "model": "w"}}
    text = yaml.safe_dump(
        {
            "name": "x",
            "constitution": "helpful-honest",
            "models": models,
            "prompts": [{"path": "p.jsonl"}],
            "candidates": [{"model": "writer", "per_prompt": 2}],
            "judging": {"judges": [{"model": "maker"}], **more},
        }
    )
    config = RunFile.model_validate(yaml.safe_load(text))
    return independence(config, JudgeEntry(model="asked", protocol=protocol), Path())


def test_the_same_model_at_the_same_host_is_the_same_judge_whatever_it_is_called() -> None:
    found = standing({"model": "gpt-5.4"}, {"model": "gpt-5.4"})
    assert found["standing"] == "same judge"
    assert found["why"] == "maker (gpt-5.4) also made the labels"


def test_asking_it_by_another_protocol_does_not_make_it_another_judge() -> None:
    found = standing({"model": "gpt-5.4"}, {"model": "gpt-5.4"}, "reasoned")
    assert (found["standing"], found["protocol"]) == ("same judge", "reasoned")
    assert found["why"].endswith("also made the labels, there by protocol verdict")


@pytest.mark.parametrize(
    ("maker", "asked", "expected"),
    [
        ({"model": "gpt-5.4"}, {"model": "o3"}, "related judge"),
        ({"model": "house-7b"}, {"model": "house-7b", "base_url": THERE}, "related judge"),
        ({"model": "gpt-5.4"}, {"model": "claude-haiku-5-5"}, "another judge"),
        ({"model": "house-7b"}, {"model": "other-7b"}, "another judge"),
    ],
)
def test_a_relative_is_told_from_another_judge(maker: Any, asked: Any, expected: str) -> None:
    assert standing(maker, asked)["standing"] == expected


def test_a_judge_of_the_cascade_made_labels_too() -> None:
    found = standing({"model": "gpt-5.4"}, {"model": "qwen3"}, cascade={"then": [{"model": "asked"}]})
    assert found["standing"] == "same judge"


@pytest.mark.parametrize(
    ("judge", "expected", "shown"),
    [
        ("gavelmouth", "same judge", "- **SAME JUDGE** for win rates: gavelmouth (label-tokens); gavelmouth also made"),
        ("namesake", "same judge", "- **SAME JUDGE** for win rates: namesake (label-tokens); gavelmouth also made"),
        (
            "stranger",
            "another judge",
            "- win rates by stranger (label-tokens), another judge: labels were made by gavel",
        ),
    ],
)
def test_the_summary_says_who_judged(judge: str, expected: str, shown: str, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(LABELS.replace("JUDGE", judge))
    result = Run.from_file(tmp_path / "run.yaml", folder=tmp_path / "run")()
    assert result.summary["stages"]["evaluate"]["judge"]["standing"] == expected
    assert shown in (tmp_path / "run/summary.md").read_text()


def test_a_relative_is_loud_too() -> None:
    judge = {
        "model": "m",
        "protocol": "verdict",
        "standing": "related judge",
        "why": "k, of the same family, made labels",
    }
    [line] = judged_lines({"judge": judge}, {})
    assert line.startswith("- **RELATED JUDGE** for win rates: m (verdict); k, of the same family, made labels: ")
