"""Lilliput: a simulated world with known truth, so that every method is tried against what is so."""

from amendment.simulator.judge import evades, is_nudge, panel, prefer, violates
from amendment.simulator.persona import Persona, dice
from amendment.simulator.truth import ATTRIBUTES, PRINCIPLES, TRUTHS, Attributes, Truth, is_readable, truth
from amendment.simulator.world import SIMULATED_PERSON, banner, knows, sample_prompts
from amendment.simulator.writing import draft, revise

__all__ = [
    "ATTRIBUTES",
    "PRINCIPLES",
    "SIMULATED_PERSON",
    "TRUTHS",
    "Attributes",
    "Persona",
    "Truth",
    "banner",
    "dice",
    "draft",
    "evades",
    "is_nudge",
    "is_readable",
    "knows",
    "panel",
    "prefer",
    "revise",
    "sample_prompts",
    "truth",
    "violates",
]
