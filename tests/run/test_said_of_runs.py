"""What a check says of licenses, categories and budgets, and what the end of a run says was lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from amendment.run.permissions import Terms
from tests.chat_server import ChatServer
from tests.command_line import amendment
from tests.rows import save
from tests.run.small_runs import complaints, run_of, served


def test_a_license_is_one_that_spdx_or_the_hub_knows(tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": "q"}])
    unknown = ["apache2", "CC-BY-5.0", "see the readme"]
    known = ["mit", "Apache-2.0", "MIT OR Apache-2.0", "llama3.1", "other"]
    sources = "".join(f"  - {{path: p.jsonl, license: {one}}}\n" for one in [*unknown, *known])
    lines = complaints(tmp_path, f"name: x\nprompts:\n{sources}")
    assert [line.split(": ")[1] for line in lines] == [f"prompts[{i}].license" for i in range(len(unknown))]


RULES = """\
id: ours
version: 1.0.0
title: Ours
license: CC0-1.0
principles:
  - {id: prices, statement: Say what it costs., applies_when: {categories: [cost]}, compare: [Which says its cost?]}
  - {id: polite, statement: Be polite., compare: [Which answer is more polite?]}
"""


def test_principles_that_no_prompt_selects_and_categories_that_none_names_are_warned_of(tmp_path: Path) -> None:
    (tmp_path / "ours.yaml").write_text(RULES)
    save(tmp_path / "p.jsonl", [{"prompt": "q", "category": "costs"}])
    save(tmp_path / "a.jsonl", [{"prompt": "q", "candidate": text} for text in "xy"])
    text = (
        "name: x\nconstitution: ours.yaml\nmodels: {judge: {provider: simulated}}\n"
        "prompts: [{path: p.jsonl, columns: {category: category}}]\n"
        "candidates: [{path: a.jsonl}]\njudging: {judges: [{model: judge, protocol: verdict}]}\n"
    )
    warnings = run_of(tmp_path, text).check()
    (principle,) = [line for line in warnings if "no prompt selects principle ours/prices" in line]
    assert "did you mean 'costs'?" in principle
    (category,) = [line for line in warnings if "no principle names the category 'costs'" in line]
    assert "did you mean 'cost'?" in category


def test_the_end_of_a_run_states_what_was_lost(server: ChatServer, tmp_path: Path) -> None:
    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        match int(body["messages"][-1]["content"]) % 3:
            case 0:
                return 200, {"content": None, "refusal": "I will not."}
            case 1:
                return 400, {}
        return 200, {"content": "an answer"}

    server.answer = answer
    save(tmp_path / "p.jsonl", [{"prompt": str(i)} for i in range(12)])
    text = "models: {m: {FAR, model: m}}\nprompts: [{path: p.jsonl}]\ncandidates: [{model: m, per_prompt: 1}]\n"
    run_of(tmp_path, served("name: x\n" + text, server.url))
    for _ in range(2):  # and again where nothing is left to do
        ended = amendment("run", tmp_path / "run.yaml", "--folder", tmp_path / "run")
        assert ended.code == 0, ended.said
        assert "4 done, 4 refused, 4 failed" in "".join(ended.said.splitlines()[-3:])


def test_a_budget_is_said_not_to_cover_a_model_without_a_price(tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": "q"}])
    text = (
        "name: x\nmodels: {far: {FAR, model: m}}\nprompts: [{path: p.jsonl}]\n"
        "candidates: [{model: far, per_prompt: 1}]\nbudget: {usd: 5}\n"
    )
    # leads to this machine, and does not count as it: what lies there may cost something
    run = run_of(tmp_path, served(text, "http://0.0.0.0:9/v1"), terms=Terms(allow_unpriced=True))
    assert [line for line in run.check() if "the budget does not cover far" in line]
