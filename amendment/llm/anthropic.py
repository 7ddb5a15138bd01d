"""Anthropic's messages protocol: a request's body, and a reply read from its raw body. It has no label probabilities.

Covered: system texts, tools, images, thinking and its budget, refusals, answers that keep a schema, marks for the
prefix cache. Not sent: thinking of earlier turns, seeds, and the temperature, which the vendor's SDK no longer takes.
System texts stand in one field there, so those from the middle of a conversation move to its beginning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from amendment.errors import Rejected
from amendment.llm.hosted import HostedProvider, Wire, sdk_options
from amendment.llm.replies import (
    Completion,
    clean,
    meter_by,
    read_arguments,
    read_count,
    read_tokens,
    reply_by,
    without_none,
    written,
)
from amendment.llm.requests import Reply, Request, Usage
from amendment.llm.specs import AnthropicSpec
from amendment.records import FinishReason, Message, ToolCall, last_text

_FINISH: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
}
_DATA_URL = re.compile(r"data:(?P<type>[\w/+.-]+);base64,(?P<data>.+)", re.DOTALL)
_MARK = {"cache_control": {"type": "ephemeral"}}
"""Up to here the prefix is worth keeping; the vendor takes four such marks, and there are three here at most."""
_SYSTEM = ("system", "developer")

Block = dict[str, Any]


def open_anthropic(spec: AnthropicSpec, key: str | None) -> HostedProvider:
    """Open a server that speaks Anthropic's messages protocol. Without a key, neither environment nor profile is
    used."""
    import anthropic

    wire = Wire(
        kind="anthropic",
        path="/v1/messages",
        sdk=anthropic,
        body=partial(body_for, max_tokens=spec.max_tokens, cache=True),
        read=read_reply,
        meter=meter_by(read_usage),
    )
    options = sdk_options(anthropic, spec, key, ambient="ANTHROPIC_CUSTOM_HEADERS")
    return HostedProvider(spec, key, anthropic.AsyncAnthropic(open_telemetry=False, **options), wire)


def body_for(request: Request, max_tokens: int, *, cache: bool = False) -> dict[str, Any]:
    """Return the body of a messages call; `max_tokens` is used if the request sets no limit.

    With `cache`, marks stand after the system text and, where the request says that its last message begins like
    others, after the turns before it and after what they share. Raises Rejected when label probabilities are asked for.
    """
    if request.choices:
        raise Rejected(f"{request.host}: this protocol shows no label probabilities; use a verdict in words")
    sampling = request.sampling
    schema = request.answer_schema
    thinking: Block | None = {"type": "adaptive", "display": "summarized"} if sampling.effort else None
    system = "\n\n".join(last_text((message,)) for message in request.messages if message.role in _SYSTEM)
    output = {"effort": sampling.effort, "format": schema and {"type": "json_schema", "schema": schema}}
    return without_none(
        {
            "model": request.model,
            "max_tokens": sampling.max_tokens or max_tokens,
            "system": [{"type": "text", "text": system, **_MARK}] if system and cache else system or None,
            "messages": _turns(request, cache=cache and request.shared > 0),
            "tools": [_tool(tool) for tool in request.tools] if request.tools else None,
            "thinking": thinking,
            "output_config": without_none(output) or None,
        }
    )


def _turns(request: Request, *, cache: bool) -> list[dict[str, Any]]:
    """Alternate user and assistant; neighbours of one role are one turn, as tool results must be."""
    turns: list[dict[str, Any]] = []
    last = request.messages[-1]
    for message in request.messages:
        if message.role in _SYSTEM:
            continue
        role = "assistant" if message.role == "assistant" else "user"
        blocks = list(_blocks(message, request.host, shared=request.shared if cache and message is last else 0))
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    if cache and len(turns) > 1 and turns[-2]["content"]:
        turns[-2]["content"][-1].update(_MARK)
    return turns


def _blocks(message: Message, host: str, *, shared: int) -> Iterator[Block]:
    """Return the typed parts of a message, its text split where the shared part ends; the protocol refuses empty
    texts."""
    content = message.content
    if isinstance(content, str):
        content = ({"type": "text", "text": content},)
        if shared and (text := content[0]["text"]):
            content = ({"type": "text", "text": text[:shared], **_MARK}, {"type": "text", "text": text[shared:]})
    parts = [_part(part, host) for part in content or () if part.get("type") != "text" or part.get("text")]
    if message.role == "tool":
        yield without_none({"type": "tool_result", "tool_use_id": message.tool_call_id, "content": parts or None})
        return
    yield from parts
    for call in message.tool_calls or ():
        name = call.function.get("name")
        arguments = read_arguments(call.function.get("arguments"))
        yield without_none({"type": "tool_use", "id": call.id, "name": name, "input": arguments})


def _part(part: Block, host: str) -> Block:
    match part:
        case {"type": "text"}:
            return {"type": "text", "text": str(part["text"]), **{key: part[key] for key in _MARK if key in part}}
        case {"type": "image_url", "image_url": {"url": str(url)}} if data := _DATA_URL.fullmatch(url):
            return {"type": "image", "source": {"type": "base64", "media_type": data["type"], "data": data["data"]}}
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return {"type": "image", "source": {"type": "url", "url": url}}
        case {"type": "image", "source": dict()}:
            return part
    raise Rejected(f"{host}: a part of type {part.get('type')!r} cannot be sent; known are text, image_url and image")


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    """Return a function of the records in the protocol's shape; one already in that shape stays."""
    function = tool.get("function")
    if not isinstance(function, dict):
        return tool
    described = {"name": function.get("name"), "description": function.get("description")}
    return without_none({**described, "input_schema": function.get("parameters") or {"type": "object"}})


def read_reply(raw: bytes, request: Request) -> Reply:
    """Read the reply in a raw body. Raises Transient if there is none, or an empty one."""
    return reply_by(_completion, read_usage, raw, request)


def _completion(body: Block, request: Request) -> Completion:
    blocks = body["content"]
    if not isinstance(blocks, list):
        raise TypeError("content is not a list")
    content = clean("".join(block["text"] for block in blocks if block["type"] == "text"))
    thinking = clean("".join(block["thinking"] for block in blocks if block["type"] == "thinking"))
    calls = tuple(
        ToolCall(id=block.get("id"), function={"name": block["name"], "arguments": block.get("input") or {}})
        for block in blocks
        if block["type"] == "tool_use"
    )
    return Completion(written(content, thinking, calls), _FINISH.get(str(body.get("stop_reason")), "other"))


def read_usage(usage: Any) -> Usage | None:
    """Read the usage of a message. Anthropic counts cached tokens apart from the input; here the input includes
    them."""
    if not isinstance(usage, dict):
        return None
    fresh = read_count(usage.get("input_tokens"))
    if fresh is None:
        return None
    cached = read_tokens(usage, "cache_read_input_tokens")
    kept = read_tokens(usage, "cache_creation_input_tokens")
    written = read_tokens(usage, "output_tokens")
    return Usage(input_tokens=fresh + cached + kept, output_tokens=written, cached_tokens=cached, written_tokens=kept)
