"""What a server of OpenAI's chat protocol sees of a question, for a model whose answer is a function of it.

Covered: both ways to the simulated world, inside this process and over HTTP, are read here from the same body,
so an answer cannot depend on anything that the protocol does not carry. What would change an answer elsewhere
and means nothing in this world is refused, never ignored in silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from amendment.hashing import content_id
from amendment.text import read_fenced

_ROLES = ("system", "developer", "user", "assistant", "tool")


def _turn(message: dict[str, Any]) -> dict[str, Any]:
    if message.get("role") not in _ROLES:
        raise ValueError(f"a message needs a role: {', '.join(_ROLES)}")
    if not isinstance(message.get("content"), str | list | None):
        raise ValueError("a message's content is a text or a list of parts")
    return message


def _only(value: Any, *neutral: Any) -> Any:
    if value not in neutral:
        raise ValueError("the simulated world has no such thing; leave it out")
    return value


def _format(value: dict[str, Any] | None) -> dict[str, Any] | None:
    """A wish for JSON that keeps a schema; any other form means nothing here."""
    if value is None:
        return None
    named = value.get("json_schema")
    if value.get("type") != "json_schema" or not isinstance(named, dict) or not isinstance(named.get("schema"), dict):
        raise ValueError("the simulated world answers by a schema (`json_schema`) or in plain words; leave it out")
    return value


class Question(BaseModel):
    """The body of a chat completion call, by the protocol's names. A body that is none raises ValidationError."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    model: str = Field(min_length=1)
    messages: list[Annotated[dict[str, Any], AfterValidator(_turn)]] = Field(min_length=1)
    tools: list[dict[str, Any]] | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    temperature: float | None = Field(default=None, ge=0, le=5, allow_inf_nan=False)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    stop: Annotated[str, Field(min_length=1)] | list[Annotated[str, Field(min_length=1)]] | None = None
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    response_format: Annotated[dict[str, Any] | None, AfterValidator(_format)] = None
    n: Annotated[int | None, AfterValidator(lambda value: _only(value, None, 1))] = None
    stream: Annotated[bool | None, AfterValidator(lambda value: _only(value, None, False))] = None

    @cached_property
    def id(self) -> str:
        """The content hash of all that changes the answer; every draw follows from it."""
        sampling = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.budget,
            "stop": self.stops or None,
            "seed": self.seed,
            "logprobs": self.logprobs or None,
            "response_format": self.response_format,
        }
        asked = {"model": self.model, "messages": self.messages, "tools": self.tools}
        whole = {**asked, "chat_template_kwargs": self.chat_template_kwargs, **sampling}
        return content_id({name: value for name, value in whole.items() if value is not None})

    @property
    def budget(self) -> int | None:
        """The longest answer, in tokens, by either name."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def stops(self) -> list[str]:
        """Texts that end the answer."""
        return [self.stop] if isinstance(self.stop, str) else self.stop or []

    @property
    def answer_schema(self) -> dict[str, Any] | None:
        """The JSON schema that the answer shall keep."""
        return self.response_format["json_schema"]["schema"] if self.response_format else None

    @cached_property
    def asked(self) -> str:
        """What the last user turn with blocks says, or else the last one: one that asks once more for a verdict has no
        blocks."""
        turns = [said_in(message.get("content")) for message in self.messages if message["role"] == "user"] or [""]
        return next((turn for turn in reversed(turns) if read_fenced(turn)), turns[-1])


def said_in(content: Any) -> str:
    """The text of a message's content: itself, or its text parts joined."""
    if isinstance(content, str):
        return content
    parts: Sequence[Any] = content if isinstance(content, list) else ()
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))
