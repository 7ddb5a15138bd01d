"""Other people's files become a constitution, word for word, and what is lost is listed; every fault has its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import ConfigError, DataError
from tests.constitutions.conftest import PAPER, SWARM, Write, imported


def problems(*files: Path, **options: Any) -> list[str]:
    """What an import of the files complains about, without the folder."""
    with pytest.raises((DataError, ConfigError)) as caught:
        imported(*files, **options)
    return [str(problem).replace(f"{files[0].parent}/", "") for problem in caught.value.problems]


def test_all_files_of_the_paper_are_one_constitution_in_any_order_and_the_loss_is_listed(write: Write) -> None:
    files = [write(name, content) for name, content in PAPER.items()]
    made, again = imported(*files, document="the paper"), imported(*reversed(files), document="the paper")
    assert made.constitution == again.constitution
    polite, correct, *questions = made.constitution.principles
    assert (polite.id, polite.critique) == ("kind0", ("Say where the answer is rude.",))
    assert polite.statement == polite.revise[0] == "Rewrite the answer politely."
    assert correct.critique == ("Is anything in it wrong?", "Which claim is weakest?")
    assert questions[2].compare[0] == "Choose the answer that a good host would give."
    assert [question.id for question in questions] == [
        "which-answer-is-more-polite",
        "which-answer-is-more-polite-2",
        "choose-the-answer-that-a-good-host-would-give",
    ]
    source = made.constitution.source
    assert (source.kind, source.document) == ("imported", "the paper")
    assert [part.removeprefix(f"{files[0].parent}/") for part in made.not_taken] == [
        "RLMadisonFewShotPrompts.json: [1]: 1 further answers",
        "RLMadisonPrecogFewShotPrompts.json: 2 worked comparisons with reasoning, which no judge is shown",
    ]


def test_worked_examples_name_their_principle_and_answers_change_places(write: Write) -> None:
    shots = imported(*(write(name, content) for name, content in PAPER.items())).constitution.few_shot
    (first, second), (revised, corrected) = shots.critique, shots.revise
    assert (first.prompt, first.response, first.critique) == ("How do I say no?", "Just leave.", "It is curt.")
    assert (first.principle, revised.principle, revised.revision) == ("kind0", "kind0", "Thank them, and decline.")
    assert second.prompt == "Human: Hello.\n\nAssistant: Yes?\n\nHuman: Is 7 even?"
    assert (second.critique, second.principle, corrected.revision) == ("No,\n\nwith a gap.", None, "It is odd.")
    assert [(shot.a, shot.b, shot.answer) for shot in shots.compare] == [
        ("It is ten.", "Buy a watch.", "A"),
        ("No.", "La la.", "B"),
        ("yes", "no", "A"),
    ]


def test_pairs_and_chats_of_llm_swarm_are_principles_and_worked_examples(write: Write) -> None:
    path = write("c.json", SWARM)
    made = imported(path, id="house-rules", title="Ours")
    assert [f"{one.id}: {one.critique[0]} {one.revise[0]}" for one in made.constitution.principles] == [
        "make-it-polite: Is the answer rude? Make it polite.",
        "make-it-true: Is it true? Make it true.",
        "make-it-polite-2: Is it short? Make it polite.",
    ]
    (example,) = made.constitution.few_shot.revise
    assert (example.principle, example.revision) == ("make-it-true", "7 is odd.")
    assert made.not_taken == ()
    assert made.constitution.title == "Ours"
    assert imported(path, id="house-rules").constitution.title == "House rules"


def test_all_faults_of_all_files_come_in_one_pass(write: Write) -> None:
    talk = "\n\nHuman: a\n\nAssistant: b\n\nCritiqueRequest: c\n\nCritique: d"
    requests = {"a": {"prompt": [7, "x"], "edit_request": " "}, "b": 1}
    chats = {"constitutions": [{"critic": "c"}], "system_chat": [[{"role": "user", "content": "x"}] * 5]}
    files = {"r.json": requests, "t.json": [talk], "p.json": [{"prompt": "p", "corrects": []}], "c.json": chats}
    told = problems(*(write(name, content) for name, content in files.items()))
    places = "r.json: a.prompt[0] | r.json: a.edit_request | r.json: b | c.json: constitutions[0].revision"
    places += " | c.json: system_chat[0] | t.json: [0] | p.json: [0].corrects | p.json: [0].incorrects"
    assert " | ".join(": ".join(line.split(": ")[:2]) for line in told) == places


def test_the_head_is_checked_and_the_license_asked_for(write: Write) -> None:
    path = write("c.json", SWARM)
    assert problems(path, license=" ")[0].startswith("license: found none, expected an SPDX id")
    assert problems(path, id="Our Rules")[0].startswith("id: ")
    assert "found no principles" in problems(write("t.json", PAPER["RLMadisonFewShotPrompts.json"]))[0]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('["\u00e9"]'.encode("latin-1"), "cannot be read as JSON"),
        ("[" * 100_000, "too many levels of nesting"),
        ('{"a": {"edit_request": "x", "edit_request": "y"}}', "the key 'edit_request' appears twice in one object"),
        ("[]", "no known shape"),
        (json.dumps(["\n\nCritiqueRequest:" * 40_000]), "found no worked critique"),
    ],
)
def test_a_hostile_file_gets_a_message(content: Any, told: str, write: Write) -> None:
    assert told in problems(write("x.json", content))[0]
