"""The protocol `verdict` with `structured: true`: one JSON object, held to a schema where the provider can do that."""

from __future__ import annotations

from dataclasses import replace

from amendment.preference.parsers import VERDICT_SCHEMA, read_verdict_json
from amendment.preference.protocols.contract import JudgeProtocol, JudgeRequest
from amendment.preference.protocols.question import JudgeQuestion


class StructuredVerdict(JudgeProtocol):
    """One JSON object with reasons and a verdict. A worked comparison has no reasons, so none is shown."""

    name = "verdict"
    parser = "verdict-json"
    form = 'one JSON object and nothing else, with the keys "reasoning" and "verdict" (A, B or tie)'
    parse = staticmethod(read_verdict_json)

    def build(self, question: JudgeQuestion) -> JudgeRequest:
        return replace(super().build(question), schema=VERDICT_SCHEMA)
