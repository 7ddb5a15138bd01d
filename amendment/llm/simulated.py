"""A provider that plays every role in the simulated world Lilliput, without network, key or cost; the same over HTTP.

Promised: replies are a pure function of the persona and of what OpenAI's protocol carries of the request, so any run
repeats byte for byte, and a run over HTTP gets the same replies as one inside this process. Temperature matters for
verdicts in words alone, and without a seed equal questions have equal answers. The server is for loopback: it takes
names of this machine alone, so that no page in a browser reaches it by a name of its own. Not covered there: streaming,
several completions of one call, keys (none is asked for, and none is read).
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from amendment.errors import ConfigError
from amendment.llm.openai import chat_body
from amendment.llm.opening import shown_name
from amendment.llm.provider import PlainProvider, RawReply, write_plain
from amendment.llm.requests import Request
from amendment.llm.specs import OpenAISpec, SimulatedSpec
from amendment.simulator.persona import Persona
from amendment.simulator.roles import Question, RoleReply, answer

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request as HttpRequest
    from starlette.responses import Response

LONGEST_BODY = 1024 * 1024
"""Bytes of a request's body."""
MOST_CONNECTIONS = 512
GRACE = 5
"""Seconds for replies on their way when the server is ended."""
FINGERPRINT = "simulated"
"""The `system_fingerprint` of replies, so that nobody takes them for a language model's."""
_WIRE = OpenAISpec(provider="openai", model="lilliput", base_url="http://127.0.0.1/v1")
"""Over which a request would go to the same world in another process."""


class SimulatedProvider(PlainProvider):
    """One persona behind the provider protocol. Give its requests `persona.id` as the model's name."""

    kind = "simulated"
    host = "lilliput"

    def __init__(self, persona: Persona | None = None) -> None:
        self.persona = persona or Persona()
        self.shows_choices = self.persona.shows_choices

    async def send(self, request: Request) -> RawReply:
        """Return the reply as compact JSON: text, finish reason, counts of words, log-probabilities if asked for."""
        role_reply = answer(Question.model_validate(chat_body(request, _WIRE)), self.persona)
        logprobs = role_reply.logprobs
        raw = write_plain(
            role_reply.text,
            finish_reason=role_reply.finish_reason,
            input_tokens=role_reply.input_tokens,
            output_tokens=role_reply.output_tokens,
            logprobs=logprobs and {label: logprobs[label] for label in request.choices or () if label in logprobs},
        )
        return RawReply(raw)


def serve_world(specs: Mapping[str, SimulatedSpec], *, port: int, ready: Callable[[str], None]) -> int:
    """Serve these models on 127.0.0.1 until SIGINT or SIGTERM; returns how many requests were answered.

    Port 0 is any free one; `ready` is called with the base URL. Call from the main thread, which gets the signals.
    Raises ConfigError where the port is taken.
    """
    import uvicorn

    world = World(specs)
    try:
        listening = socket.create_server(("127.0.0.1", port), backlog=MOST_CONNECTIONS)
    except OSError as fault:
        raise ConfigError(f"port {port} of 127.0.0.1: {fault.strerror or fault}; use another, or 0 for any") from fault
    config = uvicorn.Config(
        _app(world),
        http="h11",
        ws="none",
        lifespan="off",
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=GRACE,
    )
    server = uvicorn.Server(config)

    def end(*_: Any) -> None:
        server.should_exit = True

    # uvicorn's own handlers give way to these once it has ended, and raise the signal again
    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with listening:
            ready(f"http://127.0.0.1:{listening.getsockname()[1]}/v1")
            asyncio.run(server.serve(sockets=[listening]))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return world.answered


def model_entries(specs: Mapping[str, SimulatedSpec], base_url: str) -> str:
    """Return `models:` of a run file that asks these models over HTTP."""
    lines = [
        f"  {name}: {{provider: openai, base_url: {json.dumps(base_url)}, model: {json.dumps(shown_name(spec))}"
        + ("}" if spec.shows_choices else ", logprobs: false}")
        for name, spec in specs.items()
    ]
    return "\n".join(["models:", *lines])


class Replied(NamedTuple):
    """A status and a JSON value."""

    status: int
    body: dict[str, Any]


class World:
    """Personas by the names under which they are served: those that records of a run in one process show, too."""

    def __init__(self, specs: Mapping[str, SimulatedSpec]) -> None:
        self.personas: dict[str, Persona] = {shown_name(spec): spec.persona() for spec in specs.values()}
        self.answered = 0
        """Requests that had a reply, whatever it said."""

    def models(self) -> Replied:
        listed = [{"id": name, "object": "model", "created": 0, "owned_by": "lilliput"} for name in self.personas]
        return Replied(200, {"object": "list", "data": listed})

    def complete(self, body: bytes) -> Replied:
        """Return the reply to a chat completion call; whatever is wrong with it becomes an error body, as the
        vendor's."""
        try:
            question = Question.model_validate(json.loads(body))
            persona = self.personas.get(question.model)
            if persona is None:
                known = ", ".join(self.personas)
                return _error(404, f"no model of this name; there are {known}", "model", "model_not_found")
            return Replied(200, _completion(question, answer(question, persona)))
        except ValidationError as fault:
            first = fault.errors(include_url=False, include_input=False)[0]
            field = ".".join(str(part) for part in first["loc"])[:200]
            if first["type"] == "extra_forbidden":
                return _error(400, f"{field}: the simulated world has no such setting; leave it out", field)
            return _error(400, f"{field or 'body'}: {first['msg']}", field)
        except (ValueError, RecursionError):
            return _error(400, "expected one JSON object in UTF-8, not too deep, with finite numbers alone")


def _app(world: World) -> Starlette:
    """Return OpenAI's protocol as far as this world speaks it: models, and chat completions with label
    probabilities."""
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.responses import Response
    from starlette.routing import Route

    def response(replied: Replied) -> Response:
        world.answered += 1
        body = json.dumps(replied.body, separators=(",", ":"))
        return Response(body, replied.status, media_type="application/json")

    async def models(_: HttpRequest) -> Response:
        return response(world.models())

    async def completions(request: HttpRequest) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > LONGEST_BODY:
                return response(_error(413, f"the body is longer than {LONGEST_BODY} bytes"))
        return response(world.complete(bytes(body)))

    async def refused(_: HttpRequest, fault: Exception) -> Response:
        status = fault.status_code if isinstance(fault, HTTPException) else 500
        return response(_error(status, "expected GET /v1/models or POST /v1/chat/completions"))

    return Starlette(
        routes=[Route("/v1/models", models), Route("/v1/chat/completions", completions, methods=["POST"])],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"], www_redirect=False)],
        exception_handlers={HTTPException: refused},
    )


def _error(status: int, message: str, param: str | None = None, code: str | None = None) -> Replied:
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return Replied(status, {"error": error})


def _completion(question: Question, role_reply: RoleReply) -> dict[str, Any]:
    """Return a chat completion; its name is the question's, and it was made at no time, so equal calls have equal
    bodies."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": role_reply.text, "refusal": None},
        "logprobs": _logprobs(role_reply, question.top_logprobs or 0),
        "finish_reason": role_reply.finish_reason,
    }
    usage = {
        "prompt_tokens": role_reply.input_tokens,
        "completion_tokens": role_reply.output_tokens,
        "total_tokens": role_reply.input_tokens + role_reply.output_tokens,
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


def _logprobs(role_reply: RoleReply, top: int) -> dict[str, Any] | None:
    """Return the log-probabilities of a label answer's one token; absent for all other answers, whose words have
    none."""
    if not role_reply.logprobs:
        return None
    tokens = [
        {"token": token, "logprob": logprob, "bytes": list(token.encode())}
        for token, logprob in sorted(role_reply.logprobs.items(), key=lambda item: -item[1])
    ]
    return {"content": [{**tokens[0], "top_logprobs": tokens[:top]}], "refusal": None}
