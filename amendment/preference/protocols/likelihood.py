"""The protocol `likelihood`: how much likelier an answer is by a principle than by its opposite.

log p(answer | prompt, principle) - log p(answer | prompt, opposite) is the evidence that the answer gives for the
principle over its opposite; the answer with more evidence is better (Liu et al. 2024, "Direct Large Language
Model Alignment Through Self-Rewarding Contrastive Prompt Distillation", arXiv 2402.11907). No label is parsed, and no
order can matter.

Covered: one answer's last text, after any turns before it. Not covered: tools of the prompt; thinking. Other properties
that the opposite makes likely count too, above all length: before you trust the judge, look at how often the longer
answer is right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from amendment.constitutions import Constitution
from amendment.llm.requests import Reply
from amendment.preference.draws import instructed
from amendment.preference.parsers import Parsed
from amendment.preference.protocols.contract import JudgeProtocol, JudgeRequest
from amendment.preference.protocols.question import JudgeQuestion
from amendment.records import last_text

MOST_LACKING = 5
"""Principles without an opposite that a message names."""


class LikelihoodRatio(JudgeProtocol):
    """The log-probability of a given answer by a principle, less that by its opposite."""

    name = "likelihood"
    form = "an answer with its log-probability"
    unit = "answer"
    scale = "log_odds"
    needed = ("principle",)
    optional = ()
    needs_scores = True

    def build(self, question: JudgeQuestion) -> JudgeRequest:
        """Return the prompt as asked, with the principle and with its opposite, and the answer that is scored."""
        assert question.drawn is not None, "judges of this protocol have principles"
        principle, [candidate] = question.drawn.principle, question.shown
        before = (*question.prompt.messages, *candidate.messages[:-1])
        by_principle, by_opposite = (
            instructed(before, question.setup.template.fill({"principle": rule}))
            for rule in (principle.rule, principle.opposite or "")
        )
        scored = last_text(candidate.messages)
        return JudgeRequest(question=question, messages=by_principle, opposite=by_opposite, scored=scored)

    @staticmethod
    def parse(reply: Reply) -> Parsed:
        """Return the ratio of the whole answer, in natural logs: means over tokens differ so little that P stays close
        to one half. It stands in place of the reply's log-probability."""
        if reply.scored_logprob is None or not math.isfinite(reply.scored_logprob):
            return Parsed(invalid="the reply has no log-probability of the answer")
        return Parsed(reply.scored_logprob)

    def misfit(self, constitutions: Sequence[Constitution]) -> str | None:
        """Name the principles that answers can be compared by and that have no opposite."""
        lacking = [
            constitution.principle_reference(principle)
            for constitution in constitutions
            for principle in constitution.principles
            if principle.compare and principle.opposite is None
        ]
        if not lacking:
            return None
        more = f" and {len(lacking) - MOST_LACKING} more" if len(lacking) > MOST_LACKING else ""
        verb = "has" if len(lacking) == 1 else "have"
        return (
            f"asks by each principle and its opposite, and {', '.join(lacking[:MOST_LACKING])}{more} {verb} none; "
            "write `opposite:` there, or use another protocol"
        )
