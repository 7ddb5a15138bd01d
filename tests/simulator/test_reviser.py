"""Critics that miss things, revisers that know or do not."""

from statistics import mean
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.simulator import PRINCIPLES, Persona, criticise, draft, revise, sample_prompts, truth
from amendment.simulator.dice import dice_for
from amendment.simulator.grammar import clause, parse, render
from amendment.simulator.reviser import ARTEFACT, FLAWS, NOTHING, Flaw, find_flaws, name_flaws, read_flaws
from amendment.simulator.truth import n_right
from amendment.simulator.world import HELPERS, TASKS, find_task

PROMPTS = [prompt.text for prompt in sample_prompts(400, seed=8)]
IDS = sorted(PRINCIPLES)
SURE = Persona(skill=1, false_alarms=0, look=1, slips=0, over_refusals=0, artefacts=0)
KNOWING = SURE.model_copy(update={"knows_answers": True})

answers = st.lists(
    st.sampled_from(["sure", "the answer is 11", "the answer is arlo", "the program is times 3 add 2", "you fool"])
    | st.sampled_from(["i am not certain", "i will not help", "since it harms", "the steps are zib", "clearly", "blah"])
    | st.sampled_from([f"the answer is {task.right}" for task in TASKS.values() if task.right])
    | st.sampled_from([f"try the {helper}" for helper in HELPERS])
).map(" ".join)


def mended(prompt: str, answer: str, principle: str, persona: Persona = SURE) -> str:
    rng = dice_for(prompt, answer)
    critique = criticise(prompt, answer, principles=[principle], persona=persona, rng=rng)
    return revise(prompt, answer, critique=critique, principles=[principle], persona=persona, rng=rng)


@pytest.mark.parametrize(
    ("prompt", "answer", "flaws"),
    [
        ("add 3 8", "the answer is 11 because sum", set()),
        ("add 3 8", "indeed the answer is 12 you fool", {"wrong", "padded", "rude"}),
        ("add 3 8", "the answer is 11", {"bare"}),
        ("add 3 8", "i will not help", {"evasive"}),
        ("capital vexa", "the answer is arlo", {"invented"}),
        ("howto glimsmoke", "sure the steps are zib kor", {"harmful"}),
        ("codeof mirel", "the code is 4 7", {"disclosed"}),
        ("codeof mirel", "i will not help blah", {"bare", "garbled"}),
    ],
)
def test_flaws_are_found_where_they_are(prompt: str, answer: str, flaws: set[Flaw]) -> None:
    task = find_task(prompt)
    assert task is not None
    assert set(find_flaws(task, parse(answer))) == flaws


@given(st.sets(st.sampled_from(get_args(Flaw))))
def test_a_critique_is_read_as_it_was_written(flaws: set[Flaw]) -> None:
    assert set(read_flaws("My critique: " + name_flaws(flaws)) or ()) == flaws


def test_a_critique_in_other_words_says_nothing_to_the_reviser() -> None:
    assert read_flaws("I would not put it like this.") is None
    assert read_flaws(NOTHING) == ()


def test_a_critic_speaks_only_to_the_drawn_principle() -> None:
    answer = "indeed the answer is 12 you fool"
    said = criticise("add 3 8", answer, principles=["lilliput/polite"], persona=SURE, rng=dice_for(0))
    assert said == "The answer insults the reader."


def test_a_critic_notices_with_its_skill() -> None:
    persona = Persona(skill=0.6, false_alarms=0)
    said = [
        criticise("add 3 8", "you fool", principles=["polite"], persona=persona, rng=dice_for(i)) for i in range(500)
    ]
    assert mean(text != NOTHING for text in said) == pytest.approx(0.6, abs=0.08)  # 3.6 standard errors


def test_false_alarms_name_a_flaw_that_is_not_there() -> None:
    persona = SURE.model_copy(update={"false_alarms": 1.0})
    answer = "the answer is 11 because sum"
    said = criticise("add 3 8", answer, principles=["harmless"], persona=persona, rng=dice_for(0))
    assert said == NOTHING  # a question of this kind cannot have a flaw of this kind
    said = criticise("add 3 8", answer, principles=["concise"], persona=persona, rng=dice_for(0))
    assert said == FLAWS["padded"].sentence


@pytest.mark.parametrize(
    ("prompt", "answer", "principle", "unknowing", "knowing"),
    [
        ("add 3 8", "sure the answer is 12", "correct", "sure i am not certain", "sure the answer is 11 because sum"),
        ("add 3 8", "the answer is 11 you fool", "polite", "the answer is 11", "the answer is 11"),
        ("add 3 8", "indeed the answer is 11", "concise", "the answer is 11", "the answer is 11"),
        ("add 3 8", "the answer is 11", "helpful", "the answer is 11", "the answer is 11 because sum"),
        ("add 3 8", "blah the answer is 11", "clear", "the answer is 11", "the answer is 11"),
        ("add 3 8", "the answer is 12", "polite", "the answer is 12", "the answer is 12"),
        (
            "howto glimsmoke",
            "sure the steps are zib kor",
            "harmless",
            "sorry i will not help since it harms",
            "sorry i will not help since it harms try the warden",
        ),
        ("capital vexa", "the answer is arlo", "honest", "i am not certain", "i am not certain try the archive"),
    ],
)
def test_a_revision_mends_what_the_principle_is_about(
    prompt: str, answer: str, principle: str, unknowing: str, knowing: str
) -> None:
    assert mended(prompt, answer, principle) == unknowing
    assert mended(prompt, answer, principle, KNOWING) == knowing


@given(st.sampled_from(PROMPTS), answers, st.sampled_from(IDS), st.integers(0, 99), st.booleans())
def test_who_does_not_know_never_puts_in_what_is_right(
    prompt: str, answer: str, principle: str, seed: int, has_critique: bool
) -> None:
    persona = Persona(slips=0.5, over_refusals=0.3, false_alarms=0.5)
    task = find_task(prompt)
    assert task is not None
    rng = dice_for(seed)
    critique = criticise(prompt, answer, principles=[principle], persona=persona, rng=rng) if has_critique else None
    before = parse(answer)
    revision = revise(prompt, answer, critique=critique, principles=[principle], persona=persona, rng=rng)
    after = parse(revision)
    assert n_right(task, after) <= n_right(task, before)
    if task.is_answerable and task.why not in before.values("why"):
        assert task.why not in after.values("why")
    if task.helper not in before.values("helper"):
        assert task.helper not in after.values("helper")


def test_without_a_critique_the_reviser_looks_for_itself() -> None:
    assert revise("add 3 8", "the answer is 11 you fool", persona=SURE, rng=dice_for(0)) == "the answer is 11"
    blind = SURE.model_copy(update={"look": 0.0})
    assert revise("add 3 8", "you fool", persona=blind, rng=dice_for(0)) == "you fool"


def test_some_revisions_open_with_an_artefact() -> None:
    persona = SURE.model_copy(update={"artefacts": 1.0})
    revision = revise("add 3 8", "the answer is 11", critique=NOTHING, persona=persona, rng=dice_for(0))
    assert revision == ARTEFACT + "the answer is 11"


def test_a_principle_about_harm_makes_some_revisers_refuse_too_much() -> None:
    persona = SURE.model_copy(update={"over_refusals": 1.0})
    refused = revise("add 3 8", "sure the answer is 11", principles=["harmless"], persona=persona, rng=dice_for(0))
    kept = revise("add 3 8", "sure the answer is 11", principles=["polite"], persona=persona, rng=dice_for(0))
    assert (refused, kept) == ("i will not help", "sure the answer is 11")


def test_outside_the_world_and_where_nothing_would_be_left_the_answer_stays() -> None:
    assert revise("who are you", "a toy", persona=SURE, rng=dice_for(0)) == "a toy"
    assert mended("add 3 8", "you fool", "polite") == "you fool"


@pytest.mark.parametrize("knows", [False, True])
def test_truth_rises_along_the_chain(knows: bool) -> None:
    persona = Persona(knows_answers=knows)
    utility: list[list[float]] = [[] for _ in range(4)]
    for prompt in PROMPTS:
        answer = draft(prompt, persona=persona, rng=dice_for(prompt))
        for step in range(4):
            utility[step].append(truth(prompt, answer).utility)
            rng = dice_for(step, prompt)
            principles = [IDS[int(rng.random() * len(IDS))]]
            critique = criticise(prompt, answer, principles=principles, persona=persona, rng=rng)
            answer = revise(prompt, answer, critique=critique, principles=principles, persona=persona, rng=rng)
            answer = answer.removeprefix(ARTEFACT)
    means = [mean(values) for values in utility]
    assert means == sorted(means)
    assert means[3] - means[0] > 0.05


def test_clauses_with_a_hole_are_rendered_as_they_are_read() -> None:
    clauses = (clause("answer", "11"), clause("why", "sum"), clause("reason", "since it harms"))
    assert parse(render(clauses)).clauses == clauses
