"""Who says which rule people seem to follow."""

from amendment.simulator import ATTRIBUTES, Persona, Preferred, propose_attributes
from amendment.simulator.dice import dice_for

KEEN = Persona(skill=1.0, false_alarms=0.0, noise=0.0)
POLITE = Preferred("add 3 8", "the answer is 11", "the answer is 11 you fool")
RIGHT = Preferred("add 3 8", "the answer is 11", "the answer is 12")


def test_what_separates_the_answers_is_named() -> None:
    assert propose_attributes([POLITE] * 4, persona=KEEN, rng=dice_for(1)) == ("polite",)


def test_the_clearest_comes_first_and_only_so_many() -> None:
    # three pairs in four differ in what is right, one in manners
    found = propose_attributes([RIGHT, RIGHT, RIGHT, POLITE], most=9, persona=KEEN, rng=dice_for(1))
    assert found[-1] == "polite"
    assert "correct" in found
    assert propose_attributes([RIGHT, RIGHT, RIGHT, POLITE], most=1, persona=KEEN, rng=dice_for(1)) == found[:1]


def test_what_stands_already_is_left_out_by_who_notices() -> None:
    assert propose_attributes([POLITE] * 4, known=["polite"], persona=KEEN, rng=dice_for(1)) == ()
    careless = KEEN.model_copy(update={"skill": 0.5})
    said = [propose_attributes([POLITE] * 8, known=["polite"], persona=careless, rng=dice_for(n)) for n in range(400)]
    assert 150 < sum(one == ("polite",) for one in said) < 250


def test_pairs_of_another_world_say_nothing() -> None:
    assert propose_attributes([Preferred("What is love?", "Baby", "Don't")] * 9, persona=KEEN, rng=dice_for(1)) == ()


def test_a_false_alarm_names_what_nothing_speaks_for() -> None:
    alarmed = KEEN.model_copy(update={"false_alarms": 1.0})
    [wrong, right] = propose_attributes([POLITE] * 4, persona=alarmed, rng=dice_for(3))
    assert right == "polite"
    assert wrong in set(ATTRIBUTES) - {"polite"}


def test_equal_questions_have_equal_answers() -> None:
    noisy = Persona(noise=3.0)
    first = [propose_attributes([POLITE, RIGHT], persona=noisy, rng=dice_for(n)) for n in range(20)]
    assert first == [propose_attributes([POLITE, RIGHT], persona=noisy, rng=dice_for(n)) for n in range(20)]
    assert len(set(first)) > 1
