"""The provider of docs/extending.md, registered by a script: what it cannot do, and what goes wrong with one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import AmendmentError, ConfigError
from amendment.llm import register_provider
from amendment.llm.specs import REGISTERED
from amendment.run import Run

PAGE = (Path(__file__).parents[1] / "docs/extending.md").read_text(encoding="utf-8").partition("## A provider")[2]


def block(language: str, number: int = 1) -> str:
    return PAGE.split(f"```{language}\n")[number].partition("```")[0]


@pytest.fixture
def run_file(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "hello"}\n{"prompt": "good bye"}\n')
    path = tmp_path / "run.yaml"
    path.write_text(block("yaml").replace("plugins: [parrot.py]\n", ""))
    exec(block("python"), {"__name__": "page"})
    yield path
    REGISTERED.clear()


def test_a_provider_that_shows_no_probabilities_is_refused_as_a_judge_by_them(run_file: Path, tmp_path: Path) -> None:
    judged = "constitution: helpful-honest\njudging: {judges: [{model: writer, protocol: label-tokens}]}\n"
    run_file.write_text(run_file.read_text().replace("per_prompt: 1", "per_prompt: 2") + judged)
    with pytest.raises(ConfigError, match="reads token probabilities, and model writer shows none"):
        Run.from_file(run_file, folder=tmp_path / "run")()


def test_a_provider_may_confirm_contrast_pairs_and_is_refused_before_a_call_where_it_scores_no_text(
    run_file: Path, tmp_path: Path
) -> None:
    rules = "id: ours\nversion: 1.0.0\ntitle: Ours\nlicense: CC0-1.0\nprinciples: [{id: kind, statement: Be kind., "
    (tmp_path / "rules.yaml").write_text(rules + "opposite: Be rude.}]\n")
    contrast = "constitution: ./rules.yaml\nconstruct: [{kind: contrast, model: writer}]\n"
    run_file.write_text(run_file.read_text() + contrast)
    run = Run.from_file(run_file, folder=tmp_path / "run")
    run.check()  # only the provider knows what it can do
    with pytest.raises(ConfigError, match="reads the log-probability of a given answer, and model writer returns none"):
        run()


def test_a_lost_connection_is_tried_again(run_file: Path, tmp_path: Path) -> None:
    failing = [ConnectionError("lost")]

    async def ask(messages: list[dict[str, str]]) -> str:
        if failing:
            raise failing.pop()
        return "here"

    register_provider("parrot", lambda spec: ask)
    assert Run.from_file(run_file, folder=tmp_path / "run")().sent == 3


async def _echo(messages: list[dict[str, str]]) -> str:
    return str(messages)


def _opens_a_missing_file(spec: Any) -> Any:
    return Path("/nowhere/port").read_text()


@pytest.mark.parametrize(
    ("factory", "complaint"),
    [
        (_opens_a_missing_file, "No such file"),
        (_echo, "expected a Provider, or a function"),  # the function itself, without a factory around it
        (lambda spec: None, "returned None, expected a Provider"),
        (lambda spec: str, "expected a Provider, or a function"),
    ],
)
def test_what_opens_no_provider_is_named_with_its_model(
    factory: Any, complaint: str, run_file: Path, tmp_path: Path
) -> None:
    register_provider("parrot", factory)
    with pytest.raises(ConfigError, match=f"parrot.*{complaint}"):
        Run.from_file(run_file, folder=tmp_path / "run")()


@pytest.mark.parametrize(("reply", "outcome"), [(None, ConfigError), (5, ConfigError), ("a\ud800b", AmendmentError)])
def test_what_is_no_text_is_no_reply(reply: Any, outcome: type[Exception], run_file: Path, tmp_path: Path) -> None:
    async def ask(messages: list[dict[str, str]]) -> Any:
        return reply

    register_provider("parrot", lambda spec: ask)
    with pytest.raises(outcome, match="parrot"):
        Run.from_file(run_file, folder=tmp_path / "run")()


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        (
            "{provider: parrot, model: p, lound: yes}",
            r"\w+: unknown key.* known keys are .*provider, model, concurrency, options, price$",
        ),
        ("{provider: parrot, model: p, optionz: {}}", r"optionz: unknown key 'optionz' \(did you mean 'options'\?\)"),
        ("{provider: openai, model: m, optionz: {}}", r"optionz: unknown key 'optionz'; known keys are (?!.*options)"),
        ("{provider: openai, model: m, temperature: true}", "temperature: found true, expected a number"),
    ],
)
def test_a_wrong_key_of_a_model_is_told_with_the_keys_of_its_provider(
    entry: str, complaint: str, run_file: Path
) -> None:
    run_file.write_text(f"name: x\nmodels: {{a: {entry}}}\nprompts: [{{path: prompts.jsonl}}]\n")
    with pytest.raises(ConfigError, match=rf"(?m)models\.a\.{complaint}"):
        Run.from_file(run_file)


def test_the_name_of_a_shipped_provider_is_taken() -> None:
    with pytest.raises(ConfigError, match="another name"):
        register_provider("openai", lambda spec: spec)  # type: ignore[arg-type,return-value]
