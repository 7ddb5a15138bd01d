"""A provider that plays every role in the simulated world Lilliput: no network, no key, no cost.

Covered: replies are a pure function of the persona and of what OpenAI's protocol would carry of the request, so any
run repeats byte for byte, and a run over HTTP (see `serving`) gets the same replies; text outside the world gets
a plain sentence, never an exception. Not covered: prose (see `_scenes`). Temperature matters for verdicts in words
alone, and without a seed equal questions have equal answers.
"""

from __future__ import annotations

from amendment.llm._question import Question
from amendment.llm._scenes import answer
from amendment.llm.openai import chat_body
from amendment.llm.provider import Meter, Sent, meter_plain, read_plain, write_plain
from amendment.llm.requests import Reply, Request
from amendment.llm.specs import OpenAISpec
from amendment.simulator import Persona

__all__ = ["SimulatedProvider"]

_WIRE = OpenAISpec(provider="openai", model="lilliput", base_url="http://127.0.0.1/v1")
"""Over which a request would go to the same world in another process."""


class SimulatedProvider:
    """One persona behind the provider protocol. Give its requests `persona.id` as the model's name."""

    kind = "simulated"
    host = "lilliput"
    deadline = None

    def __init__(self, persona: Persona | None = None) -> None:
        self.persona = persona or Persona()
        self.shows_choices = self.persona.shows_choices

    async def send(self, request: Request) -> Sent:
        """The reply as compact JSON: text, finish reason, counts of words, log-probabilities if asked for."""
        said = answer(Question.model_validate(chat_body(request, _WIRE)), self.persona)
        logprobs = said.logprobs
        raw = write_plain(
            said.text,
            finish_reason=said.finish_reason,
            input_tokens=said.input_tokens,
            output_tokens=said.output_tokens,
            logprobs=logprobs and {label: logprobs[label] for label in request.choices or () if label in logprobs},
        )
        return Sent(raw)

    def meter(self, raw: bytes) -> Meter:
        """Words, counted as tokens."""
        return meter_plain(raw)

    def read(self, raw: bytes, request: Request) -> Reply:
        """The inverse of `send`. Raises Transient for bytes that it did not write."""
        return read_plain(raw, request)

    async def close(self) -> None:
        """Nothing is open."""
