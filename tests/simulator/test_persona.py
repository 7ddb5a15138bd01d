"""Personas refuse what they do not know and are named by what they are."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from amendment.simulator import ATTRIBUTES, BANNER, PRINCIPLES, Persona
from amendment.simulator.persona import LATER
from amendment.simulator.truth import targets


@pytest.mark.parametrize("wrong", [{"skil": 1}, {"skill": 1.5}, {"noise": -1}, {"writer": "rude"}, {"gain": "inf"}])
def test_a_persona_refuses_what_is_wrong(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Persona.model_validate(wrong)


def test_every_field_is_described() -> None:
    assert all(field.description for field in Persona.model_fields.values())


def test_a_persona_is_named_by_its_fields() -> None:
    assert Persona().id == Persona().id
    assert Persona(noise=0.5).id != Persona().id
    assert Persona().id.startswith("persona-")


def test_principles_and_attributes_bear_the_same_names() -> None:
    assert set(PRINCIPLES) == set(ATTRIBUTES)
    assert all(set(shares) <= set(ATTRIBUTES) for shares in PRINCIPLES.values())


@pytest.mark.parametrize("drawn", [(), ("polite",), ("lilliput/polite", "house/x"), ("x",)])
def test_attention_sums_to_one(drawn: tuple[str, ...]) -> None:
    assert sum(targets(drawn)) == pytest.approx(1)


def test_the_banner_says_that_the_world_is_a_toy() -> None:
    assert BANNER.startswith("Simulated")
    assert "does not read prose" in BANNER


def test_the_world_imports_nothing_heavy() -> None:
    code = (
        "import sys, amendment.simulator, amendment.llm.simulated; "
        "print([m for m in ('torch', 'transformers', 'datasets', 'openai', 'anthropic', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_names_of_older_personas_stand_beside_new_fields() -> None:
    # as they were before the fields of LATER existed
    assert Persona().id == "persona-f4582641"
    assert Persona(noise=0.5, position_bias=0.0).id == "persona-90528724"
    assert all(Persona.model_fields[name].default == 0 for name in LATER)
    assert all(Persona.model_validate({name: 0.1}).id != Persona().id for name in LATER)
