"""`amendment show`: a table of prompts, the story of one, filters; nothing in a text reaches the terminal."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from amendment.data.store import Workspace
from amendment.preference.draws import HINTED
from amendment.preference.verified import VerifiedAnswer
from amendment.records import Candidate, Message, Preference, Prompt, PromptOrigin, user
from amendment.text import measure_width
from tests.command_line import Ended, amendment
from tests.report.folders import ANSWERS, HOSTILE, OTHER, PROMPTS, REVISION, answer, pair, write_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


def shown(*arguments: object) -> Ended:
    """What `amendment show` prints, where no terminal is; every line fits one."""
    ended = amendment("show", *arguments)
    if "--json" not in arguments:
        assert max(map(measure_width, ended.out.splitlines()), default=0) <= 80 + len(str(arguments[0]))
    return ended


def numbers(ended: Ended) -> list[int]:
    """The prompts that a table lists."""
    rows = (line.split() for line in ended.out.splitlines())
    return [int(row[0]) for row in rows if row and row[0].isdigit()]


def test_the_story_of_a_prompt_has_every_step_with_its_reason(folder: Path) -> None:
    story = shown(folder, 1).out.splitlines()
    for line in (
        f"Prompt 1 of 3 (household, train), {PROMPTS[0].id}",
        "Answer 1: draft, by small",
        "Critique of answer 1 by c/safe",
        "    Fire is dangerous.",
        "Answer 2: revision by c/safe",
        "Answers 2 and 3: disputed",
        "  second/verdict@1.0.0",
        "  strict/verdict@1.0.0",
        "    saw 2 first: 2 is better",
        "    saw 3 first: 2 is better",
        "        It helps now.",
        "  person-1 saw 3 first: 2 is better, sure",
        "  label: 2 is better, P = 0.75, both orders agree",
        "  pair: 2 chosen, 3 rejected, P = 1.00, raw 0.75, decided by person-1 (c/safe),",
    ):
        assert line in story
    assert story.index("Answer 1: draft, by small") < story.index("Critique of answer 1 by c/safe")


def test_a_hint_and_the_prompts_behind_a_generated_one_are_named(folder: Path) -> None:
    with_hint = answer(PROMPTS[1], "Wa-pa-pa.", template=HINTED)
    Workspace(folder).write("candidates/candidates", Candidate, [*ANSWERS, with_hint])
    parents = (PROMPTS[2].id, PROMPTS[0].id, "s2:left-out")
    origin = PromptOrigin(prompt_id=PROMPTS[1].id, parents=parents, model="writer", kind="similar")
    Workspace(folder).write("generate/origins", PromptOrigin, [origin])
    status = json.loads((folder / "status.json").read_text())
    (folder / "status.json").write_text(json.dumps({**status, "done": ["generate", *status["done"]]}))
    story = shown(folder, 2).out.splitlines()
    assert "  written by writer from prompts 1, 3 and 1 prompt that cleaning left out" in story
    [as_json] = map(json.loads, shown(folder, 2, "--json").out.splitlines())
    assert (as_json["parents"], as_json["parent_ids"]) == ([1, 3], list(parents))
    assert "Answer 1: candidate, by small" in story
    assert "Answer 3: candidate, by small, with the known answer as a hint" in story
    assert "written by" not in shown(folder, 1).out


def test_outcomes_of_verifiers_are_shown_and_prompts_without_an_answer_that_passes_are_listed(folder: Path) -> None:
    right, wrong, unchecked = ANSWERS[1], ANSWERS[2], ANSWERS[3]  # two answers to prompt 2, one of two to prompt 3

    def outcome(answer: Candidate, passes: bool | None, **more: Any) -> VerifiedAnswer:
        name, prompt = "verify/math", answer.prompt_id
        return VerifiedAnswer(prompt_id=prompt, candidate_id=answer.id, passes=passes, **{"verifier": name, **more})

    recorded = outcome(right, False, verifier="verify/max-words", effect="record")
    outcomes = [outcome(right, True), recorded, outcome(wrong, False), outcome(unchecked, None, reason="no number")]
    Workspace(folder).write("verify/answers", VerifiedAnswer, outcomes)
    with_answer = PROMPTS[1].model_copy(update={"answer": "wa-pa"})
    Workspace(folder).write("inputs/prompts", Prompt, [PROMPTS[0], with_answer, PROMPTS[2]])
    status = json.loads((folder / "status.json").read_text())
    (folder / "status.json").write_text(json.dumps({**status, "done": ["verify", *status["done"]]}))
    lines = shown(folder, 2).out.splitlines()
    assert "  known answer: wa-pa" in lines
    first, second = lines.index("    Ring-ding."), lines.index("    Nothing.")
    assert lines[first + 1 : first + 3] == ["  verify/math: passes", "  verify/max-words: fails (only recorded)"]
    assert lines[second + 1] == "  verify/math: fails"
    assert "verify/math: not checked: no number" in shown(folder, 3).out
    assert numbers(shown(folder, "--unsolved")) == [], "an answer that could not be checked does not fail"
    Workspace(folder).write("verify/answers", VerifiedAnswer, [outcome(right, False), *outcomes[1:]])
    assert numbers(shown(folder, "--unsolved")) == [2]
    assert numbers(shown(folder, "--unsolved", "--disputed")) == []


def test_prompts_of_mixed_in_pairs_are_not_counted_as_the_runs_own(folder: Path) -> None:
    texts = [user("Whose is it?"), *[(Message(role="assistant", content=text),) for text in ("Mine.", "Yours.")]]
    prompt, (a, b) = Prompt(messages=texts[0]), texts[1:]
    ids = [Candidate(prompt_id=prompt.id, messages=answer, kind="imported").id for answer in (a, b)]
    mixed = pair(REVISION, OTHER, 1.0, "person").model_copy(
        update={
            **{"prompt": texts[0], "chosen": a, "rejected": b, "prompt_id": prompt.id, "source": "theirs.jsonl"},
            **dict(zip(("chosen_id", "rejected_id"), ids, strict=True)),
        }
    )
    Workspace(folder).write("dataset/test", Preference, [mixed])
    assert shown(folder).out.startswith("hand: 4 prompts, 1 of them mixed in\n")
    assert shown(folder, "--flipped").out.startswith("hand: 1 of 4 prompts (flipped)\n")
    assert shown(folder, 4).out.startswith("Prompt 4, mixed in from theirs.jsonl (test), ")
    assert "Prompt 3 of 3" in shown(folder, 3).out


def test_a_comparison_without_a_label_says_why(folder: Path) -> None:
    story = shown(folder, 3).out
    assert "saw 2 first: invalid: no verdict in the reply" in story
    assert "label: none, since an order could not be read" in story
    assert "No pair of these answers is in the dataset" in story


def test_the_verdict_that_decided_a_constructed_pair_is_shown_and_the_measured_judge_is_not_used(folder: Path) -> None:
    decided = pair(REVISION, OTHER, 1.0, "judge", raters=("small/likelihood@1.0.0",))
    Workspace(folder).write("dataset/train", Preference, [decided])
    story = shown(folder, 1).out
    assert "  the judge's label, not used: 2 is better, P = 0.75, both orders agree\n" in story
    assert "  small/likelihood@1.0.0 by c/safe: 2 is better, P = 0.75\n" in story
    assert "P = 1.00, raw 0.75, decided by small/likelihood@1.0.0" in " ".join(story.split())


def test_prompts_are_listed_with_what_is_worth_a_look(folder: Path) -> None:
    table = shown(folder)
    assert numbers(table) == [1, 2, 3]
    first, second, third = (line for line in table.out.splitlines() if line.strip()[:1] in {"1", "2", "3"})
    assert first.split()[-3:] == ["3", "1", "disputed"]
    assert second.split()[-3:] == ["2", "0", "flipped"]
    assert third.split()[-1] == "invalid"


def test_filters_have_to_hold_together(folder: Path) -> None:
    assert numbers(shown(folder, "--disputed")) == [1]
    assert numbers(shown(folder, "--wrong")) == [1]  # one of its judges contradicts the one person
    assert numbers(shown(folder, "--flipped")) == [2]
    assert numbers(shown(folder, "--invalid")) == [3]
    assert numbers(shown(folder, "--flipped", "--invalid")) == []
    assert numbers(shown(folder, "--grep", "RING-ding")) == [2]
    assert numbers(shown(folder, "--grep", "it helps", "--disputed")) == [1]
    assert numbers(shown(folder, "--grep", "zebra")) == []


def test_random_prompts_are_the_same_each_time_and_are_shown_whole(folder: Path) -> None:
    one = shown(folder, "--random", 1).out
    assert one == shown(folder, "--random", 1).out
    assert one.startswith("Prompt ")
    assert all(f"Prompt {number} of 3" in shown(folder, "--random", 9).out for number in (1, 2, 3))
    assert shown(folder, "--invalid", "--random", 2).out.startswith("Prompt 3 of 3")


def test_json_has_an_object_a_line_with_the_texts_as_they_are(folder: Path) -> None:
    stories = [json.loads(line) for line in shown(folder, "--json").out.splitlines()]
    assert [story["number"] for story in stories] == [1, 2, 3]
    assert stories[2]["text"] == HOSTILE
    assert [story["disputed"] for story in stories] == [True, False, False]
    assert stories[0]["comparisons"][0]["pair"]["chosen"] == 2
    [only] = shown(folder, PROMPTS[1].id, "--json").out.splitlines()
    assert json.loads(only) == stories[1]


def test_no_text_of_a_model_or_a_file_acts_on_the_terminal(folder: Path) -> None:
    everything = [shown(folder, *more).out for more in ((), (3,), ("--grep", "\x1b[2J"), ("--json",))]
    for out in everything:
        assert not {character for character in out if unicodedata.category(character) in ("Cc", "Cf")} - {"\n"}
    assert r"\x1b[2J\u202e and [bold]that[/bold] | <script>" in everything[1].replace("\n    ", " ")


def test_an_unfinished_run_says_what_is_missing_and_what_is_out_of_date(tmp_path: Path) -> None:
    early = shown(write_run(tmp_path / "early", until="critique")).out
    assert "Not done yet: candidates, judging, labels, dataset. A stage is shown once it is done." in early
    assert "no answers yet" in early
    stale = shown(write_run(tmp_path / "stale", until="judging", stale=["judging"])).out
    assert "Left out, since settings or inputs have changed: judging" in stale
    assert "Nobody has judged" in shown(tmp_path / "stale", "--disputed").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["9"], "expected a number from 1 to 3"), (["1", "--flipped"], "leave them out and filter"), ([""], "no prompt")],
)
def test_what_is_not_there_ends_with_a_message(folder: Path, arguments: list[str], message: str) -> None:
    ended = shown(folder, *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err
