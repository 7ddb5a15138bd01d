"""Three ways to count ties in agreement, by name, as weights of a 3 x 3 table of A, tie and B."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from amendment.audit._panel import Panel
from amendment.audit._table import INVALID, Codes, Numbers
from amendment.statistics import Estimate, Resampling, cohen_kappa, gwet_ac1, share

__all__ = ["RULES", "Rule", "ac1", "agreement", "kappa", "paired_shares"]

DECIDED = np.array([1.0, 0.0, 1.0])
PLACES = np.arange(3)


class Rule(NamedTuple):
    """How two verdicts count."""

    score: Numbers
    """How much two classes agree, from 0 to 1."""
    weight: Numbers
    """1 where two classes take part, 0 where the pair is dropped."""


RULES = {
    "strict": Rule(np.eye(3), np.ones((3, 3))),
    "no_ties": Rule(np.eye(3), np.outer(DECIDED, DECIDED)),
    "half": Rule(1 - np.abs(PLACES[:, None] - PLACES) / 2, np.ones((3, 3))),
}
"""strict: a tie is a class. no_ties: what either calls a tie is dropped. half: a tie against a decision scores 0.5."""


def agreement(
    panel: Panel, item: Codes, one: Codes, other: Codes, draws: Resampling, *, invalid_is_wrong: bool = False
) -> dict[str, Estimate]:
    """The share of agreement by each rule, of verdicts `one` and `other` on `item`, clustered by prompt.

    Rows in which `other` is absent or unreadable are left out; so are those in which `one` is unreadable, unless that
    counts as wrong.
    """
    known = (other < INVALID) & ((one < INVALID) | ((one == INVALID) & invalid_is_wrong))
    item, one, other = item[known], one[known], other[known]
    readable = one < INVALID
    row = np.where(readable, one, 0)
    found = {}
    for name, rule in RULES.items():
        # an unreadable verdict is wrong wherever the other side alone would let the row take part
        takes_part = np.where(readable, rule.weight[row, other], rule.weight.max(axis=0)[other]) > 0
        score = np.where(readable, rule.score[row, other], 0.0)
        found[name] = share(score[takes_part], panel.prompts(item[takes_part]), draws.level)
    return found


def kappa(panel: Panel, item: Codes, one: Codes, other: Codes, draws: Resampling) -> Estimate:
    """Cohen's kappa over A, tie and B, where both could be read."""
    known = (one < INVALID) & (other < INVALID)
    return cohen_kappa(one[known], other[known], panel.prompts(item[known]), classes=3, resampling=draws)


def ac1(panel: Panel, item: Codes, one: Codes, other: Codes, draws: Resampling) -> Estimate:
    """Gwet's AC1 over A, tie and B, where both could be read."""
    known = (one < INVALID) & (other < INVALID)
    counts = np.eye(3)[one[known]] + np.eye(3)[other[known]]
    return gwet_ac1(counts, panel.prompts(item[known]), resampling=draws)


def paired_shares(one: Codes, other: Codes, rule: Rule, *, same: bool = False) -> tuple[Numbers, Numbers]:
    """Sums over all pairs of one verdict from each side: score and number of pairs, per item.

    `one` and `other` count verdicts: a row per item, columns A, tie and B. With `same` both are the same people, and
    nobody is paired with themselves.
    """
    own = np.einsum("ik,k->i", one, np.diag(rule.score * rule.weight)) if same else 0.0
    alone = np.einsum("ik,k->i", one, np.diag(rule.weight)) if same else 0.0
    scores = np.einsum("ik,kl,il->i", one, rule.score * rule.weight, other)
    return scores - own, np.einsum("ik,kl,il->i", one, rule.weight, other) - alone
