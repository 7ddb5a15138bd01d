"""A provider that plays every role in the simulated world Lilliput: no network, no key, no cost.

Covered: replies are a pure function of persona and request, so any run repeats byte for byte; text
outside the world gets a plain sentence, never an exception. Not covered: prose; role and principle
come from `request.hints`, and what else a message says is not read. Temperature matters for verdicts
in words alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from amendment.calls import Reply, Request
from amendment.fence import read_fenced
from amendment.lilliput import STRANGER, Persona, criticise, dice, draft, label_logprobs, prefer, revise, word_verdict
from amendment.providers._plain_format import read_plain, write_plain
from amendment.records import Messages, text_of

__all__ = ["SimulatedProvider"]


class SimulatedProvider:
    """One persona behind the provider protocol. Give its requests `persona.id` as the model's name."""

    kind = "simulated"
    host = "lilliput"
    deadline = None

    def __init__(self, persona: Persona | None = None) -> None:
        self.persona = persona or Persona()
        self.shows_choices = self.persona.shows_choices

    async def send(self, request: Request) -> bytes:
        """The reply as compact JSON: text, finish reason, counts of words, log-probabilities if asked for."""
        rng = dice(request.id)
        said = self._act(request, rng)
        text, finish_reason = _cut(said.text, request.sampling.max_tokens)
        return write_plain(
            text,
            finish_reason=finish_reason,
            input_tokens=sum(_n_words(text_of((message,))) for message in request.messages),
            output_tokens=_n_words(text),
            logprobs=said.logprobs,
        )

    def read(self, raw: bytes, request: Request) -> Reply:
        """The inverse of `send`. Raises Transient for bytes that it did not write."""
        return read_plain(raw, request)

    async def close(self) -> None:
        """Nothing is open."""

    def _act(self, request: Request, rng: random.Random) -> _Said:
        hints = request.hints or {}
        play = _ROLES.get(str(hints.get("role")), _draft)
        return play(_Scene(request, _principles(hints.get("principles")), self.persona, rng))


class _Said(NamedTuple):
    text: str
    logprobs: dict[str, float] | None = None


class _Scene(NamedTuple):
    request: Request
    principles: tuple[str, ...]
    persona: Persona
    rng: random.Random


def _draft(scene: _Scene) -> _Said:
    return _Said(draft(_last_user(scene.request.messages), persona=scene.persona, rng=scene.rng))


def _critique(scene: _Scene) -> _Said:
    blocks = _blocks(scene.request.messages)
    prompt, answer = _prompt_in(blocks), _text_in(blocks.get("answer"))
    return _Said(criticise(prompt, answer, principles=scene.principles, persona=scene.persona, rng=scene.rng))


def _revise(scene: _Scene) -> _Said:
    blocks = _blocks(scene.request.messages)
    critique = _text_in(blocks["critique"]) if "critique" in blocks else None
    answer = revise(
        _prompt_in(blocks),
        _text_in(blocks.get("answer")),
        critique=critique,
        principles=scene.principles,
        persona=scene.persona,
        rng=scene.rng,
    )
    return _Said(answer)


def _judge(scene: _Scene) -> _Said:
    blocks = _blocks(scene.request.messages)
    if not blocks.keys() >= {"answer_a", "answer_b"}:
        return _Said(STRANGER)
    first, second = _text_in(blocks["answer_a"]), _text_in(blocks["answer_b"])
    log_odds = prefer(
        _prompt_in(blocks), first, second, principles=scene.principles, persona=scene.persona, rng=scene.rng
    )
    labels = scene.request.choices
    if labels and scene.persona.shows_choices:
        logprobs = label_logprobs(log_odds, labels)
        return _Said(max(logprobs, key=logprobs.__getitem__), logprobs)
    temperature = scene.request.sampling.temperature
    return _Said(
        word_verdict(
            log_odds, temperature=1.0 if temperature is None else temperature, persona=scene.persona, rng=scene.rng
        )
    )


_ROLES: Mapping[str, Callable[[_Scene], _Said]] = {
    "draft": _draft,
    "critique": _critique,
    "revise": _revise,
    "judge": _judge,
}


def _principles(hint: Any) -> tuple[str, ...]:
    return tuple(map(str, hint)) if isinstance(hint, list | tuple) else ()


def _last_user(messages: Messages) -> str:
    return next((text_of((message,)) for message in reversed(messages) if message.role == "user"), "")


def _blocks(messages: Messages) -> dict[str, Any]:
    return read_fenced(_last_user(messages))


def _prompt_in(blocks: Mapping[str, Any]) -> str:
    """What the conversation's last user turn says."""
    conversation = blocks.get("conversation")
    if isinstance(conversation, list):
        turns = [turn for turn in conversation if isinstance(turn, dict) and turn.get("role") == "user"]
        return _text_in(turns[-1:])
    return _text_in(conversation)


def _text_in(value: Any) -> str:
    """The text of a fenced value: itself, or what its last message says."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list) or not value or not isinstance(value[-1], dict):
        return ""
    content = value[-1].get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _cut(text: str, max_tokens: int | None) -> tuple[str, str]:
    """The text within its budget (one word, one token), and why it ended."""
    if max_tokens is None or _n_words(text) <= max_tokens:
        return text, "stop"
    return " ".join(text.split()[:max_tokens]), "length"


def _n_words(text: str) -> int:
    return len(text.split())
