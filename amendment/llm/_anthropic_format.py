"""Anthropic's messages protocol as pure functions: a request's body, and a reply read from its raw body.

Covered: system texts, tools, images, thinking and its budget, refusals, answers that keep a schema, marks for the
prefix cache. Not sent: thinking of earlier turns, seeds, temperature and top_p, which the vendor's SDK no longer takes.
System texts stand in one field there, so those from the middle of a conversation move to its beginning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from amendment.errors import Rejected, Transient
from amendment.llm._http import body_of, clean
from amendment.llm._openai_format import arguments_of, without_none
from amendment.llm._usage import anthropic_usage, model_name
from amendment.llm.requests import Reply, Request
from amendment.records import FinishReason, Message, Sampling, ToolCall, text_of

__all__ = ["body_for", "read_reply"]

_FINISH: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
}
_DATA_URL = re.compile(r"data:(?P<type>[\w/+.-]+);base64,(?P<data>.+)", re.DOTALL)

Block = dict[str, Any]


_MARK = {"cache_control": {"type": "ephemeral"}}
"""Up to here the prefix is worth keeping; the vendor takes four such marks, and there are three here at most."""


def body_for(request: Request, max_tokens: int, *, cache: bool = False) -> dict[str, Any]:
    """The body of a messages call; `max_tokens` holds where the request sets no limit.

    With `cache`, marks stand after the system text and, where the request says that its last message begins like
    others, after the turns before it and after what they share. Raises Rejected when label probabilities are asked for.
    """
    if request.choices:
        raise Rejected(f"{request.host}: this protocol shows no label probabilities; use a verdict in words")
    sampling = request.sampling
    return without_none(
        {
            "model": request.model,
            "max_tokens": sampling.max_tokens or max_tokens,
            "system": _system(request, cache=cache),
            "messages": _turns(request, cache=cache and request.shared > 0),
            "tools": [_tool(tool) for tool in request.tools] if request.tools else None,
            "stop_sequences": list(sampling.stop) if sampling.stop else None,
            "thinking": _thinking(sampling),
            "output_config": _output(request) or None,
        }
    )


def _thinking(sampling: Sampling) -> Block | None:
    """Thinking within a budget, or as long as the model sees fit; shown, which is not every model's default."""
    if sampling.thinking_budget is not None:
        return {"type": "enabled", "budget_tokens": sampling.thinking_budget, "display": "summarized"}
    return {"type": "adaptive", "display": "summarized"} if sampling.effort else None


def _output(request: Request) -> Block:
    """How much the model shall put into its answer, and the schema that this shall keep."""
    schema = request.answer_schema
    form = None if schema is None else {"type": "json_schema", "schema": schema}
    return without_none({"effort": request.sampling.effort, "format": form})


def _system(request: Request, *, cache: bool) -> str | list[Block] | None:
    system = "\n\n".join(text_of((message,)) for message in request.messages if _is_system(message))
    return [{"type": "text", "text": system, **_MARK}] if system and cache else system or None


def _is_system(message: Message) -> bool:
    return message.role in ("system", "developer")


def _turns(request: Request, *, cache: bool) -> list[dict[str, Any]]:
    """User and assistant in turn; neighbours of one role are one turn, as tool results must be."""
    turns: list[dict[str, Any]] = []
    last = request.messages[-1]
    for message in request.messages:
        if _is_system(message):
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
    parts = [_part(part, host) for part in _parts(message, shared)]
    if message.role == "tool":
        yield without_none({"type": "tool_result", "tool_use_id": message.tool_call_id, "content": parts or None})
        return
    yield from parts
    for call in message.tool_calls or ():
        name, arguments = call.function.get("name"), arguments_of(call.function.get("arguments"))
        yield without_none({"type": "tool_use", "id": call.id, "name": name, "input": arguments})


def _parts(message: Message, shared: int) -> list[Block]:
    """The typed parts of a message, a text cut where what it shares ends; the protocol refuses empty texts."""
    content = message.content
    if isinstance(content, str) and shared:
        begin, rest = content[:shared], content[shared:]
        return [{"type": "text", "text": begin, **_MARK}, *([{"type": "text", "text": rest}] if rest else ())]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())
    return [part for part in parts if part.get("type") != "text" or part.get("text")]


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
    """A function as the records describe it, in the protocol's shape; one already in that shape stays."""
    function = tool.get("function")
    if not isinstance(function, dict):
        return tool
    described = {"name": function.get("name"), "description": function.get("description")}
    return without_none({**described, "input_schema": function.get("parameters") or {"type": "object"}})


def read_reply(raw: bytes, request: Request) -> Reply:
    """The reply in a raw body. Raises Transient where there is none, or an empty one, to be read."""
    body = body_of(raw, request.host)
    try:
        reply = Reply(
            messages=_completion(body["content"]),
            finish_reason=_FINISH.get(str(body.get("stop_reason")), "other"),
            model=model_name(body.get("model")),
            usage=anthropic_usage(body.get("usage")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise Transient(f"{request.host}: the reply has no completion that can be read", kind="unreadable") from fault
    if not reply.messages and reply.finish_reason == "stop":
        raise Transient(f"{request.host}: the reply is empty", kind="empty")
    return reply


def _completion(blocks: list[Block]) -> tuple[Message, ...]:
    if not isinstance(blocks, list):
        raise TypeError("content is not a list")
    content = clean("".join(block["text"] for block in blocks if block["type"] == "text"))
    thinking = clean("".join(block["thinking"] for block in blocks if block["type"] == "thinking"))
    calls = tuple(_tool_call(block) for block in blocks if block["type"] == "tool_use")
    if not content and not thinking and not calls:
        return ()
    return (Message(role="assistant", content=content or None, thinking=thinking or None, tool_calls=calls or None),)


def _tool_call(block: Block) -> ToolCall:
    return ToolCall(id=block.get("id"), function={"name": block["name"], "arguments": block.get("input") or {}})
