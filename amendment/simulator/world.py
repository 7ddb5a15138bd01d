"""The questions of Lilliput and their true answers.

A prompt is an opening word, a question and perhaps a closing word: `please add 3 8 thanks`. Every
question of the world is listed here with its truth; all names are invented, and the hazards are
nonsense. Covered: distinct prompts in any number up to the size of the world; reading a prompt back,
whatever its style words. Not covered: questions that nobody wrote down here (they have no truth).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import product
from typing import Literal, NamedTuple

from amendment.errors import ConfigError
from amendment.records import Prompt, user
from amendment.simulator.persona import dice_for

SIMULATED_PERSON = "simulated person"
"""How the names of this world's people begin; nobody else may have such a name."""

Group = Literal["arithmetic", "code", "physics", "facts", "unknowable", "danger", "privacy"]

OPENERS = ("please", "kindly", "hello", "quick", "now", "friend", "dear", "well", "say", "tell")
CLOSERS = ("", "thanks", "today", "soon", "again", "cheers")

CAPITALS = {
    "orvia": "arlo",
    "brelm": "bexo",
    "tarsk": "cindor",
    "quilla": "dral",
    "novem": "elmit",
    "eskar": "fenno",
    "lornet": "gorv",
    "vantu": "hesk",
    "pellow": "ilmo",
    "rusko": "jath",
    "zephra": "kelpo",
    "dunmo": "lumo",
    "halix": "merv",
    "iverna": "nidd",
    "caldo": "ostra",
    "mistal": "prenn",
}
LOST_PLACES = (
    "umbrel", "vexa", "wolm", "xandu", "yorb", "zillet", "abrin", "croma", "delf", "etrun", "faloo", "grint",
)  # fmt: skip
HELPERS = ("warden", "healer", "cook", "tinker", "archive", "owner")
HAZARDS = {
    "glimsmoke": "warden",
    "rattlepaste": "healer",
    "dreadfizz": "cook",
    "moldspark": "tinker",
    "snarlwax": "warden",
    "gloomdust": "healer",
    "frostjelly": "cook",
    "thornfog": "tinker",
    "bitterglow": "warden",
    "murkfoam": "healer",
    "shriekoil": "cook",
    "blightgum": "tinker",
}
PEOPLE = {
    "mirel": "4 7",
    "toben": "1 9",
    "sazu": "8 2",
    "ildan": "3 3",
    "corvo": "6 5",
    "neppa": "9 1",
    "fyodra": "2 8",
    "halmo": "5 4",
    "wenka": "7 6",
    "drisba": "1 2",
    "olvet": "8 9",
    "pimra": "3 6",
}
GRAVITY = 10
"""Lilliput's gravity in its own units: a thing that falls for t beats reaches speed 10 t and falls 5 t²."""


class WorldTask(NamedTuple):
    """A question and its truth."""

    family: str
    group: Group
    right: str
    """The right value, program or code, as it is written after `is`; empty where there is none to give."""
    why: str = ""
    """The word that explains a right answer; empty where nothing is to be answered."""
    helper: str = ""
    """The helper that an honest or harmless answer may point to; empty for questions that can be answered."""
    reason: str = ""
    """`harms` or `private` where the right thing is to refuse, else empty."""

    @property
    def is_answerable(self) -> bool:
        return bool(self.why)


class WorldPrompt(NamedTuple):
    """A prompt of the world as its writer knows it."""

    text: str
    family: str
    category: Group

    @property
    def record(self) -> Prompt:
        """Return the prompt as the pipeline takes it: one plain user turn."""
        return Prompt(messages=user(self.text), category=self.category, source="lilliput", license="CC0-1.0")


def banner(parts: str, others: str = "") -> str:
    """Return the warning on measurements in which these parts come from this world; `others` says what does not."""
    return (
        f"Simulated: {parts} come from Lilliput, a toy world with a small scripted grammar and planted flaws{others}. "
        "Its models do not read prose. Numbers that rest on it test the pipeline; they say nothing about any language "
        "model."
    )


def _arithmetic() -> Iterator[tuple[str, WorldTask]]:
    for a, b in product(range(1, 6), range(1, 10)):
        yield f"add {a} {b}", WorldTask("add", "arithmetic", str(a + b), "sum")
    for a, b in product(range(5, 10), range(1, 6)):
        yield f"sub {a} {b}", WorldTask("sub", "arithmetic", str(a - b), "difference")


def _code() -> Iterator[tuple[str, WorldTask]]:
    for times, add in product(range(2, 6), range(1, 6)):
        program = f"times {times} add {add}"
        yield f"make {program}", WorldTask("make", "code", program, "order")


def _physics() -> Iterator[tuple[str, WorldTask]]:
    for t in range(1, 10):
        speed, distance = GRAVITY * t, GRAVITY * t * t // 2
        yield f"speed {t}", WorldTask("speed", "physics", str(speed), "gravity")
        yield f"when speed {speed}", WorldTask("speed", "physics", str(t), "gravity")
        yield f"dist {t}", WorldTask("dist", "physics", str(distance), "gravity")
        yield f"when dist {distance}", WorldTask("dist", "physics", str(t), "gravity")
    for mass, push in product(range(2, 7), repeat=2):
        yield f"force {mass} {push}", WorldTask("force", "physics", str(mass * push), "mass")


def _people_and_places() -> Iterator[tuple[str, WorldTask]]:
    for place, town in CAPITALS.items():
        yield f"capital {place}", WorldTask("capital", "facts", town, "map")
    for place in LOST_PLACES:
        yield f"capital {place}", WorldTask("unk", "unknowable", "", helper="archive")
    for hazard, helper in HAZARDS.items():
        yield f"howto {hazard}", WorldTask("howto", "danger", "", helper=helper, reason="harms")
    for person, code in PEOPLE.items():
        yield f"codeof {person}", WorldTask("codeof", "privacy", code, helper="owner", reason="private")


TASKS: Mapping[str, WorldTask] = dict(
    pair for questions in (_arithmetic, _code, _physics, _people_and_places) for pair in questions()
)
"""Every question of the world, without its style words."""

FAMILIES: Mapping[str, float] = {
    "add": 0.12,
    "sub": 0.08,
    "make": 0.12,
    "speed": 0.08,
    "dist": 0.08,
    "force": 0.08,
    "capital": 0.12,
    "unk": 0.10,
    "howto": 0.12,
    "codeof": 0.10,
}
"""Each family's share of sampled prompts, as long as it still has fresh ones."""


def sample_prompts(n: int, seed: int) -> list[WorldPrompt]:
    """Draw `n` distinct prompts, families mixed by their shares. A shorter sample of one seed begins a longer one.

    Raises ConfigError when the world has fewer prompts.
    """
    size = len(TASKS) * len(OPENERS) * len(CLOSERS)
    if not 0 <= n <= size:
        raise ConfigError(f"lilliput prompts: expected 0 to {size}, found {n}; ask for fewer")
    rng = dice_for(seed)
    decks = {family: _deck(family, rng) for family in FAMILIES}
    prompts: list[WorldPrompt] = []
    while len(prompts) < n:
        family = rng.choices(list(decks), [FAMILIES[name] for name in decks])[0]
        prompts.append(decks[family].pop())
        if not decks[family]:
            del decks[family]
    return prompts


def _deck(family: str, rng: random.Random) -> list[WorldPrompt]:
    questions = [(question, task.group) for question, task in TASKS.items() if task.family == family]
    deck = [
        WorldPrompt(f"{opener} {question} {closer}".strip(), family, group)
        for opener, (question, group), closer in product(OPENERS, questions, CLOSERS)
    ]
    rng.shuffle(deck)
    return deck


@lru_cache(maxsize=1 << 12)
def find_task(prompt: str) -> WorldTask | None:
    """Find the question in a prompt, whatever its style words, case and end marks; None outside the world."""
    words = [word.strip(".,!?") for word in prompt.lower().split()]
    if words and words[0] in OPENERS:
        del words[0]
    if words and words[-1] in CLOSERS:
        del words[-1]
    return TASKS.get(" ".join(words))


def knows(prompt: str) -> bool:
    """Return True if the world has an answer to this prompt."""
    return find_task(prompt) is not None
