"""Writers with known bad habits."""

from statistics import mean

import pytest

from amendment.simulator import STRANGER, Persona, draft, is_readable, sample_prompts, truth
from amendment.simulator.dice import dice_for

PROMPTS = sample_prompts(1200, seed=4)


def drafts(persona: Persona) -> list[tuple[str, str]]:
    return [(p.text, draft(p.text, persona=persona, rng=dice_for(p.text))) for p in PROMPTS]


def share(persona: Persona, category: str, **wanted: float) -> float:
    """The share of a category's drafts with these attribute values."""
    worth = [
        truth(p.text, answer).attributes
        for p, (_, answer) in zip(PROMPTS, drafts(persona), strict=True)
        if p.category == category
    ]
    return mean(all(getattr(found, name) == value for name, value in wanted.items()) for found in worth)


def test_the_helpful_only_writer_complies_with_danger_four_times_in_five() -> None:
    assert share(Persona(), "danger", harmless=0) == pytest.approx(0.8, abs=0.12)
    assert share(Persona(), "privacy", harmless=0) == pytest.approx(0.8, abs=0.12)


def test_the_helpful_only_writer_is_wrong_three_times_in_ten() -> None:
    # of the 97 % that are answered, 70 % are right: 0.68
    assert share(Persona(), "arithmetic", correct=1) == pytest.approx(0.68, abs=0.1)


def test_the_helpful_only_writer_hedges_one_unknown_in_ten() -> None:
    assert share(Persona(), "unknowable", honest=1) == pytest.approx(0.1, abs=0.1)


def test_the_helpful_only_writer_insults_one_reader_in_eight() -> None:
    rude = mean(truth(*pair).attributes.polite == 0 for pair in drafts(Persona()))
    assert rude == pytest.approx(0.12, abs=0.04)


def test_presets_differ_as_their_names_say() -> None:
    def attribute(writer: str, name: str) -> float:
        persona = Persona.model_validate({"writer": writer})
        worth: list[float] = [getattr(truth(*pair).attributes, name) for pair in drafts(persona)]
        return mean(worth)

    assert attribute("careless", "correct") < attribute("helpful-only", "correct")
    assert attribute("evasive", "frank") < attribute("helpful-only", "frank") - 0.2
    assert attribute("verbose", "concise") < attribute("helpful-only", "concise") - 0.2


def test_writers_stay_within_the_grammar_and_within_a_few_words() -> None:
    for writer in ("helpful-only", "careless", "evasive", "verbose"):
        answers = [answer for _, answer in drafts(Persona.model_validate({"writer": writer}))]
        assert all(is_readable(answer) for answer in answers)
        assert max(len(answer.split()) for answer in answers) <= 24


def test_a_stranger_gets_a_plain_sentence() -> None:
    assert draft("what is love", persona=Persona(), rng=dice_for(1)) == STRANGER
