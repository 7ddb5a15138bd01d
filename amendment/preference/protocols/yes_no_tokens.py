"""The protocol `yes-no-tokens`: P(yes) about one answer, from the probabilities of the words yes and no."""

from __future__ import annotations

from amendment.preference.parsers import YES_NO, read_yes_no_tokens
from amendment.preference.protocols.contract import JudgeProtocol


class YesNoTokens(JudgeProtocol):
    """The probability of yes as the next token; two answers are compared by their log-odds."""

    name = "yes-no-tokens"
    form = "the one word yes or the one word no, and nothing else"
    unit = "answer"
    scale = "binary"
    choices = YES_NO
    needs_choices = True
    parse = staticmethod(read_yes_no_tokens)
