"""The protocol `verdict`: which of two answers is better, as one written line, with or without reasons before it."""

from __future__ import annotations

from amendment.preference.parsers import read_verdict_line
from amendment.preference.protocols.contract import JudgeProtocol
from amendment.preference.protocols.structured import StructuredVerdict


class WrittenVerdict(JudgeProtocol):
    """One line `Verdict: A`, `Verdict: B` or `Verdict: tie`."""

    name = "verdict"
    parser = "verdict-line"
    form = 'one line and nothing else, "Verdict: A", "Verdict: B" or "Verdict: tie"'
    shot = "Verdict: {}"
    structured = StructuredVerdict()
    parse = staticmethod(read_verdict_line)
