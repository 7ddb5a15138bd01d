"""The protocol `yes-no`: a written yes or no about one answer, which compares nothing."""

from __future__ import annotations

from amendment.preference.parsers import read_yes_no
from amendment.preference.protocols.contract import JudgeProtocol


class YesNo(JudgeProtocol):
    """One line `Verdict: yes` or `Verdict: no`."""

    name = "yes-no"
    parser = "yes-no-line"
    form = 'one line and nothing else, "Verdict: yes" or "Verdict: no"'
    unit = "answer"
    scale = "binary"
    parse = staticmethod(read_yes_no)
