"""Simulated models behind OpenAI's chat protocol on loopback, so that the way over HTTP can be tried whole.

It stands among the providers, since it speaks the protocol that they speak from the other side: a question is read
and answered by the same functions as inside this process, and the replies are equal. Covered: models, chat
completions with label probabilities, usage and error bodies as the vendor words them. Not covered: streaming,
several completions of one call, keys (none is asked for, and none is read).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from amendment.errors import ConfigError
from amendment.llm._loopback import Asked, Replied, serve_loopback
from amendment.llm._question import Question
from amendment.llm._scenes import Said, answer
from amendment.llm.opening import shown_name
from amendment.llm.specs import SimulatedSpec
from amendment.simulator import Persona

__all__ = ["World", "model_entries", "serve_world"]

FINGERPRINT = "simulated"
"""What replies say under `system_fingerprint`, so that nobody takes them for a language model's."""


def serve_world(specs: Mapping[str, SimulatedSpec], *, port: int, ready: Callable[[str], None]) -> int:
    """Serve these models on 127.0.0.1 until SIGINT or SIGTERM; returns how many requests were answered.

    Port 0 takes any that is free; `ready` is told the base URL. Call from the main thread, which gets the signals.
    Raises ConfigError where the port cannot be had.
    """
    world = World(specs)

    async def main() -> int:
        try:
            return await serve_loopback(
                world.answer,
                _error,
                port=port,
                ready=lambda found: ready(f"http://127.0.0.1:{found}/v1"),
            )
        except BrokenPipeError:  # nobody reads what `ready` prints
            raise
        except OSError as fault:
            raise ConfigError(
                f"port {port} of 127.0.0.1: {fault.strerror or fault}; take another, or 0 for any"
            ) from fault

    return asyncio.run(main())


def model_entries(specs: Mapping[str, SimulatedSpec], base_url: str) -> str:
    """`models:` of a run file that asks these models over HTTP."""
    lines = [
        f"  {name}: {{provider: openai, base_url: {json.dumps(base_url)}, model: {json.dumps(shown_name(spec))}"
        + ("}" if spec.shows_choices else ", logprobs: false}")
        for name, spec in specs.items()
    ]
    return "\n".join(["models:", *lines])


class World:
    """Personas by the names under which they are served: those that records of a run in one process show, too."""

    def __init__(self, specs: Mapping[str, SimulatedSpec]) -> None:
        self.personas: dict[str, Persona] = {shown_name(spec): spec.persona() for spec in specs.values()}

    def answer(self, asked: Asked) -> Replied:
        """The reply to any request; whatever is wrong with it becomes an error body."""
        match asked.method, asked.path.partition("?")[0]:
            case "GET", "/v1/models":
                return Replied(200, _json({"object": "list", "data": [_listed(name) for name in self.personas]}))
            case "POST", "/v1/chat/completions":
                return self._complete(asked.body)
            case _, "/v1/models" | "/v1/chat/completions":
                return Replied(405, _error(f"{asked.method} is not taken here"))
        return Replied(404, _error("there are GET /v1/models and POST /v1/chat/completions"))

    def _complete(self, body: bytes) -> Replied:
        try:
            question = Question.model_validate(json.loads(body))
            persona = self.personas.get(question.model)
            if persona is None:
                known = ", ".join(self.personas)
                return Replied(404, _error(f"no model of this name; there are {known}", "model", "model_not_found"))
            return Replied(200, _json(_completion(question, answer(question, persona))))
        except ValidationError as fault:
            return Replied(400, _error(*_told(fault)))
        except (ValueError, RecursionError):
            return Replied(400, _error("expected one JSON object in UTF-8, not too deep, with finite numbers alone"))


def _told(fault: ValidationError) -> tuple[str, str]:
    """What is wrong with a body, and the field that is."""
    first = fault.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])[:200]
    if first["type"] == "extra_forbidden":
        return f"{field}: the simulated world has no such setting; leave it out", field
    return f"{field or 'body'}: {first['msg']}", field


def _error(message: str, param: str | None = None, code: str | None = None) -> bytes:
    return _json({"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}})


def _listed(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "lilliput"}


def _completion(question: Question, said: Said) -> dict[str, Any]:
    """A chat completion; its name is the question's, and it was made at no time, so equal calls have equal bodies."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": said.text, "refusal": None},
        "logprobs": _logprobs(said, question.top_logprobs or 0),
        "finish_reason": said.finish_reason,
    }
    usage = {
        "prompt_tokens": said.input_tokens,
        "completion_tokens": said.output_tokens,
        "total_tokens": said.input_tokens + said.output_tokens,
    }
    return {
        "id": f"chatcmpl-{question.id.partition(':')[2]}",
        "object": "chat.completion",
        "created": 0,
        "model": question.model,
        "system_fingerprint": FINGERPRINT,
        "choices": [choice],
        "usage": usage,
    }


def _logprobs(said: Said, top: int) -> dict[str, Any] | None:
    """Those of the one token of a label answer; absent for all other answers, whose words have none."""
    if not said.logprobs:
        return None
    shown = [_token(*one) for one in sorted(said.logprobs.items(), key=lambda one: -one[1])]
    return {"content": [{**shown[0], "top_logprobs": shown[:top]}], "refusal": None}


def _token(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
