"""Lilliput: a simulated world with known truth, so that every method is tried against what is so."""

from amendment.lilliput.dice import dice
from amendment.lilliput.judge import label_logprobs, prefer, word_verdict
from amendment.lilliput.people import panel
from amendment.lilliput.persona import Persona
from amendment.lilliput.principles import PRINCIPLES
from amendment.lilliput.reviser import criticise, revise
from amendment.lilliput.truth import ATTRIBUTES, TRUTHS, Attributes, Truth, is_readable, truth
from amendment.lilliput.world import BANNER, FAMILIES, WorldPrompt, knows, sample_prompts
from amendment.lilliput.writer import STRANGER, draft

__all__ = [
    "ATTRIBUTES",
    "BANNER",
    "FAMILIES",
    "PRINCIPLES",
    "STRANGER",
    "TRUTHS",
    "Attributes",
    "Persona",
    "Truth",
    "WorldPrompt",
    "criticise",
    "dice",
    "draft",
    "is_readable",
    "knows",
    "label_logprobs",
    "panel",
    "prefer",
    "revise",
    "sample_prompts",
    "truth",
    "word_verdict",
]
