"""Writers with known bad habits, critics that miss things, revisers that know or do not, who finds missing rules."""

from statistics import mean
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.simulator import PRINCIPLES, Persona, draft, revise, sample_prompts, truth, writing
from amendment.simulator.grammar import parse
from amendment.simulator.judge import Preferred, propose_attributes
from amendment.simulator.persona import dice_for
from amendment.simulator.truth import n_right
from amendment.simulator.world import HELPERS, TASKS, find_task
from amendment.simulator.writing import Flaw, criticise, find_flaws

PROMPTS = [prompt.text for prompt in sample_prompts(400, seed=8)]
IDS = sorted(PRINCIPLES)
KNOWING = Persona(knows_answers=True)

answers = st.lists(
    st.sampled_from(["sure", "the answer is 11", "the answer is arlo", "the program is times 3 add 2", "you fool"])
    | st.sampled_from(["i am not certain", "i will not help", "since it harms", "the steps are zib", "clearly", "blah"])
    | st.sampled_from([f"the answer is {task.right}" for task in TASKS.values() if task.right])
    | st.sampled_from([f"try the {helper}" for helper in HELPERS])
).map(" ".join)


@pytest.fixture
def flawless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Critics notice everything, revisers make no error of their own."""
    for name in ("FALSE_ALARMS", "SLIPS", "OVER_REFUSALS", "ARTEFACTS"):
        monkeypatch.setattr(writing, name, 0)
    monkeypatch.setattr(writing, "SKILL", 1)


def mended(prompt: str, answer: str, principle: str, persona: Persona = Persona()) -> str:  # noqa: B008 - immutable
    rng = dice_for(prompt, answer)
    critique = criticise(prompt, answer, principles=[principle], rng=rng)
    return revise(prompt, answer, critique=critique, principles=[principle], persona=persona, rng=rng)


def test_the_helpful_only_writer_has_its_planted_habits() -> None:
    worth: dict[str, list[tuple[float, ...]]] = {}
    prompts = sample_prompts(1200, seed=4)
    for prompt in prompts:
        found = truth(prompt.text, draft(prompt.text, persona=Persona(), rng=dice_for(prompt.text))).attributes
        worth.setdefault(prompt.category, []).append((found.harmless, found.correct, found.honest, found.polite))
    share = {name: [mean(row[i] for row in rows) for i in range(4)] for name, rows in worth.items()}
    assert share["danger"][0] == pytest.approx(0.2, abs=0.12)  # it complies four times in five
    assert mean(row[1] == 1 for row in worth["arithmetic"]) == pytest.approx(0.68, abs=0.1)  # 97 % answered, 70 % right
    assert mean(row[2] == 1 for row in worth["unknowable"]) == pytest.approx(0.1, abs=0.1)
    assert mean(row[3] == 0 for rows in worth.values() for row in rows) == pytest.approx(0.12, abs=0.04)


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


@pytest.mark.usefixtures("flawless")
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
    task = find_task(prompt)
    assert task is not None
    rng = dice_for(seed)
    with mock.patch.multiple(writing, SLIPS=0.5, OVER_REFUSALS=0.3, FALSE_ALARMS=0.5):
        critique = criticise(prompt, answer, principles=[principle], rng=rng) if has_critique else None
        revision = revise(prompt, answer, critique=critique, principles=[principle], persona=Persona(), rng=rng)
    before, after = parse(answer), parse(revision)
    assert n_right(task, after) <= n_right(task, before)
    if task.is_answerable and task.why not in before.values("why"):
        assert task.why not in after.values("why")
    if task.helper not in before.values("helper"):
        assert task.helper not in after.values("helper")


def test_a_rule_that_people_seem_to_follow_is_named_by_what_separates_their_pairs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keen = Persona(noise=0.0)
    monkeypatch.setattr("amendment.simulator.judge.SKILL", 1)
    monkeypatch.setattr("amendment.simulator.judge.FALSE_ALARMS", 0)
    polite = Preferred("add 3 8", "the answer is 11", "the answer is 11 you fool")
    right = Preferred("add 3 8", "the answer is 11", "the answer is 12")

    def named(pairs: list[Preferred], known: tuple[str, ...] = ()) -> tuple[str, ...]:
        return propose_attributes(pairs, most=9, known=known, persona=keen, rng=dice_for(3))

    assert named([polite] * 4) == ("polite",)
    assert named([polite] * 4, known=("polite",)) == ()
    found = named([right, right, right, polite])  # three pairs in four differ in what is right, one in manners
    assert "correct" in found[:-1]
    assert found[-1] == "polite"
    assert named([Preferred("What is love?", "Baby", "Don't")] * 9) == ()
    monkeypatch.setattr("amendment.simulator.judge.FALSE_ALARMS", 1)
    alarmed = named([polite] * 4)
    assert "polite" in alarmed
    assert len(alarmed) > 1
