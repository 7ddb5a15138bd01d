"""The card of a dataset: licenses, counts and constitutions on it, and what no foreign word does to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import ConfigError
from amendment.publishing.card import BEGIN, END, card_body, with_body
from amendment.publishing.preview import plan_json, plan_lines
from amendment.publishing.publication import prepare
from amendment.publishing.push import push
from amendment.publishing.tables import Tables
from amendment.publishing.text import code, fenced, tame
from tests.run.conftest import CHAIN, HOSTILE


def test_licenses_of_answers_are_told_beside_those_of_prompts(mixed_answers: Path) -> None:
    ready = prepare(mixed_answers, repo=CHAIN, license="mit")
    noted = "\n".join(ready.look_at)
    assert "license of asked.jsonl (4 prompts): cc-by-4.0; the dataset's is mit" in noted
    told = "license of theirs.jsonl (8 answers): cc-by-nc-4.0, which requires non-commercial use; the dataset's is mit"
    assert told in noted
    assert told in ready.body
    table = [row for row in ready.body.split("\n") if "cc-by-" in row and row.startswith("| ")]
    assert [[cell.strip() for cell in row.split("|")[1:-1]] for row in table[:3]] == [
        ["prompts", "`asked.jsonl`", "`cc-by-4.0`", "4"],
        ["prompts", "`theirs.jsonl`", "`cc-by-nc-4.0`", "4"],
        ["answers", "`theirs.jsonl`", "`cc-by-nc-4.0`", "8"],
    ]
    whole = [row for rows in ready.configs["sft"].values() for row in rows]
    assert {row["license"] for row in whole if row["source"] == "theirs.jsonl"} == {"cc-by-nc-4.0"}
    assert {row["prompt_license"] for row in whole} == {"cc-by-4.0"}


def test_the_card_counts_only_comparisons_that_were_read_in_both_orders(chain: Path, mixed_answers: Path) -> None:
    tables = Tables.of_run(chain)
    settings = prepare(chain, repo=CHAIN, license="mit").settings
    kept = tables.judgements[:3]
    both = [one.model_copy(update={"consistent": read}) for one, read in zip(kept, (True, False, None), strict=True)]
    tables.__dict__["judgements"] = both
    body = card_body(tables, settings, {}, [], None)
    assert "Of 3 comparisons 2 were read in both displayed orders, which agree on the winner in 50.0% of them" in body
    drawn = prepare(mixed_answers, repo=CHAIN, license="mit").body
    # Three answers to each of 4 prompts are 3 * 4 comparisons, each shown once.
    assert "Each of 12 comparisons was shown in one order, drawn at random: over 12 readable verdicts" in drawn
    assert "nothing is known of a preference" not in drawn


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "no repo and no license to publish under; a license is never guessed"),
        ({"repo": CHAIN}, "no license to publish under"),
        ({"repo": "buckets/org/name", "license": "mit"}, "which keeps no versions"),
        ({"repo": "name", "license": "mit"}, "expected org/name"),
        ({"repo": CHAIN, "license": "do what you want"}, "as the Hub spells it"),
        ({"repo": CHAIN, "license": "other"}, "add license_name"),
    ],
)
def test_repository_and_license_have_to_be_given(chain: Path, given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        prepare(chain, **given)


def test_a_constitution_stands_on_the_card_word_for_word_and_closes_no_block(chain: Path) -> None:
    body = prepare(chain, repo=CHAIN, license="mit").body
    constitution = json.loads((chain / "constitutions/lilliput.json").read_text())
    assert all(principle["statement"] in body for principle in constitution["principles"])
    lines = fenced("```\n<script>\n````\n\x1b[31m|a|")
    assert lines[0] == lines[-1] + "text"
    assert lines[-1] == "`" * 5
    assert lines[4] == "\\x1b[31m|a|"


def test_foreign_words_cannot_steer_a_card() -> None:
    assert code("a`b``c") == "``` a`b``c ```".replace(" a", "a").replace("c ", "c")
    assert code("`x") == "`` `x ``"
    assert tame("<img src=x> [a](b) \\<i> \\\\<i>") == "\\<img src=x> \\[a](b) \\<i> \\\\\\<i>"


def test_the_name_of_a_file_is_shown_as_code_in_its_table(people: Path) -> None:
    prompts, answers = [line for line in prepare(people).body.split("\n") if "votes" in line]
    assert prompts.startswith(f"| prompts | {code(HOSTILE)} | `cc-by-4.0` | 8 ")
    assert answers.startswith(f"| answers | {code(HOSTILE)} | `cc-by-4.0` | 16 ")
    assert code(HOSTILE) == "``votes `<b>\\|.csv``"


def test_a_card_is_written_anew_between_its_marks_only() -> None:
    body = f"{BEGIN}\nnew\n{END}"
    assert with_body("", body) == f"{body}\n"
    assert with_body("mine", body) == f"mine\n\n{body}\n"
    assert with_body(f"above\n{BEGIN}\nold\n{END}\nbelow\n", body) == f"above\n{body}\nbelow\n"


def test_a_license_that_the_hub_does_not_know_is_told_and_then_refused(
    chain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(ConfigError, match=r"did you mean 'cc-by-4\.0'"):
        prepare(chain, repo=CHAIN, license="cc-by-40")
    ready = prepare(chain, repo=CHAIN, license="MIT-0")  # which SPDX knows
    told = "license mit-0 of the dataset: not among the names of the Hub known here"
    assert told in "\n".join(plan_lines(ready))
    assert plan_json(ready)["look at"][0].startswith(told)
    with pytest.raises(ConfigError, match=r"mit-0 of the dataset(.|\n)*nothing was sent"):
        push(ready)
    assert not prepare(chain, repo=CHAIN, license="CC-BY-4.0").license_faults
