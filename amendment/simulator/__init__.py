"""Lilliput: a simulated world with known truth, so that every method is tried against what is so."""

from amendment.simulator.dice import dice
from amendment.simulator.grades import (
    SCORES,
    choice_of,
    evades,
    grade,
    refusal_odds,
    refuses,
    score_logprobs,
    violates,
    word_check,
    word_score,
)
from amendment.simulator.judge import is_nudge, label_logprobs, prefer, rationale, word_verdict
from amendment.simulator.people import Preferred, panel, propose_attributes
from amendment.simulator.persona import Persona
from amendment.simulator.reviser import criticise, revise
from amendment.simulator.truth import ATTRIBUTES, PRINCIPLES, TRUTHS, Attributes, Truth, is_readable, truth
from amendment.simulator.world import BANNER, FAMILIES, WorldPrompt, knows, sample_prompts
from amendment.simulator.writer import STRANGER, draft

__all__ = [
    "ATTRIBUTES",
    "BANNER",
    "FAMILIES",
    "PRINCIPLES",
    "SCORES",
    "STRANGER",
    "TRUTHS",
    "Attributes",
    "Persona",
    "Preferred",
    "Truth",
    "WorldPrompt",
    "choice_of",
    "criticise",
    "dice",
    "draft",
    "evades",
    "grade",
    "is_nudge",
    "is_readable",
    "knows",
    "label_logprobs",
    "panel",
    "prefer",
    "propose_attributes",
    "rationale",
    "refusal_odds",
    "refuses",
    "revise",
    "sample_prompts",
    "score_logprobs",
    "truth",
    "violates",
    "word_check",
    "word_score",
    "word_verdict",
]
