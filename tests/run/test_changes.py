"""A changed configuration on resume: what is asked again is said and needs a yes, and nothing else does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import ConfigError
from amendment.hashing import content_id
from amendment.run import Patience, Paused, Run, Terms, load_run_file
from amendment.run.changes import asked_again, refuse_changes
from amendment.run.differences import Change, changes
from amendment.run.plan import Asks

CHAIN = """\
name: chain
constitution: rules.yaml
prompts: [{path: p.jsonl}]
models:
  writer: {provider: openai, base_url: URL, model: w, max_tokens: 40, price: {input: 0, output: 1000}}
critique: {model: writer, rounds: 1}
candidates: [{model: writer, per_prompt: 2}]
"""
RULES = """\
id: rules
version: 1.0.0
title: Rules
license: CC0-1.0
principles:
  - id: kind
    statement: Be kind.
    critique: [Say how the answer is unkind.]
    revise: [Make the answer kind.]
"""
QUICK = Patience(attempts=1, longest_wait=0.01)


def distinct(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return 200, {"role": "assistant", "content": f"about {content_id(body)}"}


@pytest.fixture
def chain(tmp_path: Path, server: Any) -> Path:
    """Three prompts, drafted, criticised and revised once by the server, and each answered once more."""
    server.answer = distinct
    (tmp_path / "p.jsonl").write_text("".join(json.dumps({"prompt": f"question {i}"}) + "\n" for i in range(3)))
    (tmp_path / "rules.yaml").write_text(RULES)
    path = tmp_path / "run.yaml"
    path.write_text(CHAIN.replace("URL", server.url))
    return path


def made(path: Path, folder: Path, overrides: Sequence[str] = (), until: str | None = None) -> int:
    """Make the run, whatever has changed; returns the calls sent."""
    terms = Terms(accept_changes=True, allow_unpriced=True)
    return Run.from_file(path, folder=folder, overrides=overrides, patience=QUICK, terms=terms)(until=until).sent


def again(path: Path, folder: Path, *overrides: str) -> list[Asks]:
    return asked_again(load_run_file(path, overrides), folder)


def test_a_finished_stage_with_another_setting_is_asked_about_with_its_calls_and_their_cost(
    chain: Path, folder: Path
) -> None:
    assert made(chain, folder) == 3 * 3 + 3
    loaded = load_run_file(chain, ["critique.rounds=2"])
    # a second round: a critique and a revision of each of 3 prompts; all else is in the ledger. Six answers of 40
    # tokens, at 1000 USD for a million: 6 x 40 x 0.001 = 0.24
    (found,) = asked_again(loaded, folder)
    assert (found.stage, found.model, found.calls) == ("critique", "writer", 6)
    assert found.usd == pytest.approx(0.24)
    with pytest.raises(ConfigError) as refused:
        refuse_changes(loaded, folder)
    for words in ("critique.rounds: was 1, is 2", "critique: 6 calls to writer", "0.24 USD", "--accept-changes"):
        assert words in str(refused.value)
    refuse_changes(loaded, folder, accepted=True)


def test_what_was_accepted_and_then_interrupted_goes_on_without_another_question(
    chain: Path, folder: Path, server: Any
) -> None:
    made(chain, folder)
    loaded = load_run_file(chain, ["critique.rounds=2"])
    server.answer = lambda body: (500, {}) if "question 1" in json.dumps(body) else distinct(body)
    with pytest.raises(Paused):
        made(chain, folder, ["critique.rounds=2"])
    assert asked_again(loaded, folder) == []


def test_an_unchanged_run_goes_on_without_a_question_done_or_half_done(chain: Path, folder: Path, server: Any) -> None:
    refuse_changes(load_run_file(chain), folder)
    server.answer = lambda body: (500, {}) if "question 1" in json.dumps(body) else distinct(body)
    with pytest.raises(Paused):
        made(chain, folder)
    refuse_changes(load_run_file(chain), folder)
    server.answer = distinct
    made(chain, folder)
    refuse_changes(load_run_file(chain), folder)


@pytest.mark.parametrize(
    "override",
    [
        "models.writer.timeout=5",
        "models.writer.concurrency=2",
        "models.writer.price={input: 1, output: 1}",
        "budget.usd=3",
        "calls.order=early",
        "dataset.test_share=0.5",
        "candidates=[{model: writer, per_prompt: 1}]",
    ],
)
def test_a_change_after_which_nothing_is_asked_needs_no_yes(chain: Path, folder: Path, override: str) -> None:
    made(chain, folder)
    assert again(chain, folder, override) == []


def test_a_stage_that_was_not_begun_may_change_freely(chain: Path, folder: Path) -> None:
    made(chain, folder, until="critique")
    assert again(chain, folder, "candidates=[{model: writer, per_prompt: 5}]") == []


def test_of_a_stage_half_done_all_calls_that_are_left_count(chain: Path, folder: Path, server: Any) -> None:
    server.answer = lambda body: (500, {}) if "question 1" in json.dumps(body) else distinct(body)
    with pytest.raises(Paused):
        made(chain, folder, until="critique")
    # two prompts have 3 replies each, one has none: its 3 calls are left, and a second round adds 2 each
    assert [(one.stage, one.calls) for one in again(chain, folder, "critique.rounds=2")] == [("critique", 9)]


def test_an_edited_principle_is_a_change_too_although_the_run_file_is_the_same(chain: Path, folder: Path) -> None:
    made(chain, folder)
    chain.with_name("rules.yaml").write_text(RULES.replace("Be kind.", "Be brief."))
    # drafts and candidates stay, and 3 critiques and 3 revisions are asked for anew
    assert [(one.stage, one.calls) for one in again(chain, folder)] == [("critique", 6)]
    with pytest.raises(ConfigError, match="constitution"):
        refuse_changes(load_run_file(chain), folder)


def test_a_rehearsal_with_simulated_models_is_made_anew_without_a_question(small: Path, folder: Path) -> None:
    overrides = ["prompts=[{lilliput: 4}]"]
    made(small, folder, overrides, until="judging")
    assert again(small, folder, *overrides, "critique.rounds=1", "judging.principles_per_pair=1") == []


def test_a_folder_that_remembers_nothing_is_told_by_its_run_file(chain: Path, folder: Path) -> None:
    made(chain, folder)
    (folder / "settings.json").unlink()
    assert again(chain, folder) == []
    assert [(one.stage, one.calls) for one in again(chain, folder, "critique.rounds=2")] == [("critique", 6)]


def test_what_was_not_made_again_is_still_asked_about_later(chain: Path, folder: Path) -> None:
    made(chain, folder)
    changed = ["critique.rounds=2", "models.writer.max_tokens=50"]
    # with max_tokens 50 every question is another one: 3 x (1 + 2 x 2) of the chain, and one further draw each
    assert [(one.stage, one.calls) for one in again(chain, folder, *changed)] == [("critique", 15), ("candidates", 3)]
    made(chain, folder, changed, until="critique")
    assert [(one.stage, one.calls) for one in again(chain, folder, *changed)] == [("candidates", 3)]


def test_differences_are_told_by_their_paths_and_presentation_is_none(chain: Path, folder: Path) -> None:
    made(chain, folder, until="inputs")
    config = load_run_file(chain, ["models.writer.max_tokens=50", "models.writer.timeout=5", "critique.critique=false"])
    assert changes(config.config, folder) == [
        Change(path="models.writer.max_tokens", was=40, now=50),
        Change(path="critique.critique", was=True, now=False),
    ]
    assert str(changes(config.config, folder)[0]) == "models.writer.max_tokens: was 40, is 50"


def test_no_text_of_a_run_file_steers_a_terminal() -> None:
    shown = str(Change(path="prompts.0.path", was="\x1b[31m", now="\u202ep"))
    assert "\x1b" not in shown
    assert "\u202e" not in shown
