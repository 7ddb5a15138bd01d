"""The protocol `label-tokens`: P(A) from the probabilities of the tokens A and B."""

from __future__ import annotations

from amendment.preference.parsers import LABELS, read_label_tokens
from amendment.preference.protocols.contract import JudgeProtocol


class LabelTokens(JudgeProtocol):
    """The probability of each label as the next token; one vote where a server shows none."""

    name = "label-tokens"
    form = "the one letter A or the one letter B, and nothing else"
    choices = LABELS
    needs_choices = True
    shot = "{}"
    parse = staticmethod(read_label_tokens)
