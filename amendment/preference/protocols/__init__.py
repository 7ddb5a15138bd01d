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
    """Let judges' folders name this protocol. One that is registered again replaces the one of its name. Raises
    ConfigError for the name of a shipped one."""
    if protocol.name in [shipped.name for shipped in _SHIPPED]:
        raise ConfigError(f"protocol {protocol.name} is shipped; register yours under another name")
    PROTOCOLS[protocol.name] = protocol
