"""What a check says of price tables and of answers that no budget can hold, before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from amendment.errors import ConfigError
from amendment.run import Run

FAR = "provider: openai, base_url: 'https://shop.example/v1', api_key_env: null, model: m"
PRICED = "price: {input: 1, output: 2}"
BOUND = "the budget needs a bound: set max_tokens for writer, or max_output in its price"


@pytest.fixture
def checked(run_file: Callable[[str], Path], tmp_path: Path) -> Callable[..., list[str]]:
    """Checks a run in which a writer with this entry revises and a judge judges; gives the complaints."""

    def check(
        writer: str, *, judge: str = "provider: simulated", protocol: str = "label-tokens", more: str = ""
    ) -> list[str]:
        (tmp_path / "p.jsonl").write_text(json.dumps({"prompt": "question"}) + "\n")
        path = run_file(
            "name: t\nconstitution: helpful-honest\nprompts: [{path: p.jsonl}]\nbudget: {usd: 1}\n"
            f"models:\n  writer: {{{writer}}}\n  judge: {{{judge}}}\n"
            "critique: {model: writer}\ncandidates: [{from: critique, take: all}]\n"
            f"judging: {{judges: [{{model: judge, protocol: {protocol}}}]}}\n{more}"
        )
        try:
            Run.from_file(path, folder=tmp_path / "run").check()
        except ConfigError as fault:
            return [str(problem).replace(f"{tmp_path}/", "") for problem in fault.problems]
        return []

    return check


def test_an_answer_without_a_bound_is_told_where_there_is_a_budget(checked: Callable[..., list[str]]) -> None:
    assert checked(f"{FAR}, {PRICED}") == [f"run.yaml:6:11: models.writer: {BOUND}"]


@pytest.mark.parametrize(
    "writer",
    [
        f"{FAR}, {PRICED}, max_tokens: 10",
        f"{FAR}, price: {{input: 1, output: 2, max_output: 99}}",
        f"{FAR}, price: {{input: 0, output: 0}}",
        FAR.replace("https://shop.example", "http://localhost:1"),
        f"{FAR.replace('openai', 'anthropic').replace('/v1', '')}, {PRICED}",  # the protocol has a limit
    ],
)
def test_what_is_bounded_or_free_needs_no_bound(writer: str, checked: Callable[..., list[str]]) -> None:
    assert checked(writer) == []


def test_a_model_without_a_price_is_a_finding_at_its_name(checked: Callable[..., list[str]]) -> None:
    (line,) = checked(FAR)
    assert line.startswith("run.yaml:6:")
    assert "models.writer.model: no known price for writer" in line


def test_a_judge_that_names_a_letter_is_bounded_and_one_that_writes_is_not(checked: Callable[..., list[str]]) -> None:
    writer = f"{FAR}, {PRICED}, max_tokens: 10"
    assert checked(writer, judge=f"{FAR}, {PRICED}") == []
    (line,) = checked(writer, judge=f"{FAR}, {PRICED}", protocol="verdict")
    assert "set max_tokens for judge" in line


def test_everything_wrong_with_a_price_table_is_told_with_its_place(
    checked: Callable[..., list[str]], tmp_path: Path
) -> None:
    (tmp_path / "ours.yaml").write_text("prices:\n  - host: shop.example/v1\n    models: {m: {input: -1, output: x}}\n")
    first, second = checked(f"{FAR}, max_tokens: 9", more="prices: ours.yaml\n")
    assert first.startswith("ours.yaml:3:25: prices[0].models.m.input: found -1")
    assert second.startswith("ours.yaml:3:37: prices[0].models.m.output: found the text 'x'")
    (line,) = checked(f"{FAR}, max_tokens: 9", more="prices: gone.yaml\n")
    assert line.startswith("run.yaml:11:9: prices: gone.yaml: ")


def test_run_and_plan_say_the_same_before_any_stage_begins(checked: Callable[..., list[str]], tmp_path: Path) -> None:
    checked(f"{FAR}, {PRICED}")
    run = Run.from_file(tmp_path / "run.yaml", folder=tmp_path / "run")
    with pytest.raises(ConfigError, match="set max_tokens for writer"):
        run()
    with pytest.raises(ConfigError, match="set max_tokens for writer"):
        run.plan()
    assert not (tmp_path / "run").exists()
