"""Judge protocols, one file each. `PROTOCOLS` lists them by name."""

from amendment.errors import ConfigError
from amendment.preference.protocols.contract import JudgeProtocol, JudgeRequest
from amendment.preference.protocols.label_tokens import LabelTokens
from amendment.preference.protocols.likelihood import LikelihoodRatio
from amendment.preference.protocols.question import JudgeQuestion
from amendment.preference.protocols.reasoned import ReasonedVerdict
from amendment.preference.protocols.rubric import Rubric
from amendment.preference.protocols.score import AnswerScore
from amendment.preference.protocols.verdict import WrittenVerdict
from amendment.preference.protocols.yes_no import YesNo
from amendment.preference.protocols.yes_no_tokens import YesNoTokens

__all__ = ["PROTOCOLS", "JudgeProtocol", "JudgeQuestion", "JudgeRequest", "register_protocol"]

_SHIPPED: tuple[JudgeProtocol, ...] = (
    WrittenVerdict(),
    ReasonedVerdict(),
    LabelTokens(),
    AnswerScore(),
    Rubric(),
    YesNo(),
    YesNoTokens(),
    LikelihoodRatio(),
)
PROTOCOLS: dict[str, JudgeProtocol] = {protocol.name: protocol for protocol in _SHIPPED}
"""Adding a protocol is a file of this subpackage and an object here."""


def register_protocol(protocol: JudgeProtocol) -> None:
    """Let judges' folders name this protocol. Raises ConfigError for what is no protocol, and for a name that is
    taken."""
    if not isinstance(protocol, JudgeProtocol):
        raise ConfigError(
            f"register_protocol: found {protocol!r:.80}, expected an object of a subclass of JudgeProtocol"
        )
    if protocol.name in PROTOCOLS:
        raise ConfigError(f"there is a protocol {protocol.name} already; choose another name")
    PROTOCOLS[protocol.name] = protocol
