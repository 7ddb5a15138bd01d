"""The protocol `score`: one answer from 1 to 10, as the expected value over score tokens, else as a written number."""

from __future__ import annotations

from amendment.llm.requests import Reply
from amendment.preference.parsers import SCORES, is_split, read_score
from amendment.preference.protocols.contract import JudgeProtocol


class AnswerScore(JudgeProtocol):
    """A score for one answer."""

    name = "score"
    form = 'one line and nothing else, "Score: N", where N is a whole number from 1 to 10'
    unit = "answer"
    scale = "score"
    templates = ("tokens", "written")
    choices = SCORES
    parse = staticmethod(read_score)

    def needs_plain(self, reply: Reply) -> bool:
        return is_split(reply)
