"""The protocol `reasoned`: reasons first, then the line of `verdict`. Worked comparisons hold no reasons, so none is
shown."""

from __future__ import annotations

from amendment.preference.parsers import read_verdict_line
from amendment.preference.protocols.contract import JudgeProtocol
from amendment.preference.protocols.verdict import WrittenVerdict


class ReasonedVerdict(JudgeProtocol):
    """Reasons, then one line with the verdict."""

    name = "reasoned"
    parser = WrittenVerdict.parser
    form = WrittenVerdict.form
    parse = staticmethod(read_verdict_line)
