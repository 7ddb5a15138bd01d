"""OpenAI's responses protocol as pure functions: a request's body, and a reply read from its raw body.

Covered: system texts, tools, reasoning, refusals, answers that are cut or filtered, first-token probabilities, answers
that keep a schema. Nothing is kept at the server (`store: false`). Not sent, since the protocol has no such thing:
seeds and stop texts. Not sent either: thinking of earlier turns.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from amendment.errors import Transient
from amendment.llm._http import body_of, clean
from amendment.llm._openai_format import (
    SCHEMA_NAME,
    TOP_LOGPROBS,
    arguments_of,
    listed_labels,
    sent_arguments,
    without_none,
)
from amendment.llm._usage import model_name, openai_usage
from amendment.llm.requests import Reply, Request
from amendment.records import FinishReason, Message, ToolCall, text_of

__all__ = ["body_for", "read_reply"]

LEAST_LIMIT = 16
"""The protocol takes no lower limit of tokens."""

_INCOMPLETE: dict[str, FinishReason] = {"max_output_tokens": "length", "content_filter": "refusal"}

Item = dict[str, Any]


def body_for(request: Request) -> dict[str, Any]:
    """The body of a responses call. Absent settings are not sent."""
    sampling = request.sampling
    limit = sampling.max_tokens or (1 if request.choices else None)
    system = list(_leading_system(request))
    return without_none(
        {
            "model": request.model,
            "instructions": "\n\n".join(text_of((message,)) for message in system) or None,
            "input": [item for message in request.messages[len(system) :] for item in _items(message)],
            "tools": [_tool(tool) for tool in request.tools] if request.tools else None,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_output_tokens": max(limit, LEAST_LIMIT) if limit else None,
            "include": ["message.output_text.logprobs"] if request.choices else None,
            "top_logprobs": TOP_LOGPROBS if request.choices else None,
            "text": _format(request.answer_schema),
            "reasoning": {"effort": sampling.effort} if sampling.effort else None,
            "store": False,
        }
    )


def _leading_system(request: Request) -> Iterator[Message]:
    for message in request.messages:
        if message.role not in ("system", "developer"):
            return
        yield message


def _format(schema: dict[str, Any] | None) -> Item | None:
    if schema is None:
        return None
    return {"format": {"type": "json_schema", "name": SCHEMA_NAME, "schema": schema, "strict": True}}


def _items(message: Message) -> Iterator[Item]:
    if message.role == "tool":
        yield {"type": "function_call_output", "call_id": message.tool_call_id, "output": text_of((message,))}
        return
    if message.content or not message.tool_calls:
        yield {"role": message.role, "content": _content(message)}
    for call in message.tool_calls or ():
        name = call.function.get("name")
        yield {"type": "function_call", "call_id": call.id, "name": name, "arguments": sent_arguments(call.function)}


def _content(message: Message) -> str | list[Item]:
    if not isinstance(message.content, tuple):
        return message.content or ""
    said = "output_text" if message.role == "assistant" else "input_text"
    return [_part(part, said) for part in message.content]


def _part(part: Item, said: str) -> Item:
    """A part of a message as the chat protocol writes it, in this one's words; any other is sent as it is."""
    match part:
        case {"type": "text", "text": str(text)}:
            return {"type": said, "text": text}
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return {"type": "input_image", "image_url": url}
    return part


def _tool(tool: Item) -> Item:
    """A function as the records describe it; here its description stands beside its type."""
    function = tool.get("function")
    return {"type": "function", **function} if isinstance(function, dict) else tool


def read_reply(raw: bytes, request: Request) -> Reply:
    """The reply in a raw body. Raises Transient where there is none, or an empty one, to be read."""
    body = body_of(raw, request.host)
    try:
        items = [item for item in body["output"] if isinstance(item, dict)]
        reply = Reply(
            messages=_completion(items),
            finish_reason=_finish(body, items),
            model=model_name(body.get("model")),
            usage=openai_usage(body.get("usage")),
            **(listed_labels(_first_token(items), request.choices) if request.choices else {}),
        )
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as fault:
        raise Transient(f"{request.host}: the reply has no output that can be read", kind="unreadable") from fault
    if not reply.messages and reply.finish_reason == "stop" and not reply.choice_logprobs:
        raise Transient(f"{request.host}: the reply is empty", kind="empty")
    return reply


def _spoken(items: list[Item]) -> Iterator[Item]:
    """The parts of what the model says aloud."""
    for item in items:
        if item.get("type") == "message":
            yield from (part for part in item.get("content") or () if isinstance(part, dict))


def _completion(items: list[Item]) -> tuple[Message, ...]:
    parts = list(_spoken(items))
    said = "".join(str(part.get("text") or "") for part in parts if part.get("type") == "output_text")
    refusal = "".join(str(part.get("refusal") or "") for part in parts if part.get("type") == "refusal")
    content, thinking = clean(said or refusal), clean(_thinking(items))
    calls = tuple(_tool_call(item) for item in items if item.get("type") == "function_call")
    if not content and not thinking and not calls:
        return ()
    return (Message(role="assistant", content=content or None, thinking=thinking or None, tool_calls=calls or None),)


def _thinking(items: list[Item]) -> str:
    """The reasoning where the server shows it, else its summary."""
    texts = []
    for item in items:
        if item.get("type") == "reasoning":
            shown = item.get("content") or item.get("summary") or ()
            texts += [str(part.get("text") or "") for part in shown if isinstance(part, dict)]
    return "\n\n".join(text for text in texts if text)


def _tool_call(item: Item) -> ToolCall:
    function = {"name": clean(str(item["name"])), "arguments": arguments_of(item.get("arguments"))}
    return ToolCall(id=item.get("call_id"), function=function)


def _finish(body: dict[str, Any], items: list[Item]) -> FinishReason:
    """Why it ended. Raises ValueError for a response that is not an answer: failed, cancelled, still on its way."""
    if any(part.get("type") == "refusal" for part in _spoken(items)):
        return "refusal"
    match body.get("status", "completed"):
        case "completed":
            return "tool_calls" if any(item.get("type") == "function_call" for item in items) else "stop"
        case "incomplete":
            reason = (body.get("incomplete_details") or {}).get("reason")
            return _INCOMPLETE.get(str(reason), "other")
    raise ValueError("no finished response")


def _first_token(items: list[Item]) -> list[Any] | None:
    """What is listed of the tokens that are spoken; None where the server lists nothing."""
    parts = (part for part in _spoken(items) if part.get("type") == "output_text")
    return next((part.get("logprobs") for part in parts), None)
