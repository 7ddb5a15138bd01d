"""OpenAI's chat and responses protocols: a request's body, and a reply read from its raw body.

Covered: tools, refusals, first-token probabilities, answers that keep a schema; reasoning in a field of its own, or
between `<think>` tags before the answer, as servers without a parser for it leave it. Not sent: thinking of earlier
turns; for responses, which have no such thing, seeds and stop texts. Nothing is kept at the server (`store: false`).
Not told apart: reasoning whose opening tag the chat template wrote, so that the reply has the closing one alone.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from functools import partial
from itertools import takewhile
from typing import Any

from amendment.errors import Transient
from amendment.llm.hosted import HostedProvider, Wire, sdk_options
from amendment.llm.replies import arguments_of, body_of, clean, count_of, meter_by, model_name, without_none
from amendment.llm.requests import Reply, Request, Usage
from amendment.llm.specs import OpenAISpec
from amendment.records import FinishReason, Message, ToolCall, text_of

TOP_LOGPROBS = 20
"""The most that the protocols give."""
NOT_LISTED = -9999.0
"""What servers write for a token whose log-probability they do not give."""
LEAST_LIMIT = 16
"""Of tokens; the responses protocol takes no lower one."""
SCHEMA_NAME = "answer"
"""What a schema is called, since it has to have a name."""
_CHAT_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "refusal",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
}
_INCOMPLETE: dict[str, FinishReason] = {"max_output_tokens": "length", "content_filter": "refusal"}
_THOUGHTS = re.compile(r"\s*<think>\s*(?P<thoughts>.*?)\s*(?:</think>\s*|\Z)", re.DOTALL)
"""Thoughts before an answer; without an end they are all that there is."""

Item = dict[str, Any]


def open_openai(spec: OpenAISpec, key: str | None) -> HostedProvider:
    """A server that speaks a protocol of OpenAI's. Without a key, none of the environment is sent."""
    import openai

    options = sdk_options(openai, spec, key, ambient="OPENAI_CUSTOM_HEADERS")
    options["default_headers"] |= {"OpenAI-Organization": openai.Omit(), "OpenAI-Project": openai.Omit()}
    is_new = spec.api == "responses"
    wire = Wire(
        kind="openai",
        path="/responses" if is_new else "/chat/completions",
        sdk=openai,
        body=responses_body if is_new else partial(chat_body, spec=spec),
        read=read_reply,
        meter=meter_by(usage_of),
    )
    return HostedProvider(spec, key, openai.AsyncOpenAI(**options), wire)


def chat_body(request: Request, spec: OpenAISpec) -> dict[str, Any]:
    """The body of a chat completion call. Absent settings are not sent."""
    sampling, schema = request.sampling, request.answer_schema
    return without_none(
        {
            "model": request.model,
            "messages": [_chat_message(message) for message in request.messages],
            "tools": list(request.tools) if request.tools else None,
            # servers that render templates take these; the vendor refuses what it does not know
            "chat_template_kwargs": None if spec.is_vendor else request.chat_template_kwargs,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            spec.limit_field: sampling.max_tokens or (1 if request.choices else None),
            "stop": list(sampling.stop) if sampling.stop else None,
            "seed": None if sampling.seed is None else sampling.seed + request.sample,
            "reasoning_effort": sampling.effort,
            "logprobs": True if request.choices else None,
            "top_logprobs": TOP_LOGPROBS if request.choices else None,
            "response_format": schema
            and {"type": "json_schema", "json_schema": {"name": SCHEMA_NAME, "schema": schema, "strict": True}},
        }
    )


def _chat_message(message: Message) -> Item:
    """One message as the chat protocol has it: arguments of tool calls travel as a JSON string."""
    calls = [
        without_none(
            {"id": call.id, "type": call.type, "function": {**call.function, "arguments": _sent_arguments(call)}}
        )
        for call in message.tool_calls or ()
    ]
    content = list(message.content) if isinstance(message.content, tuple) else message.content
    named = without_none({"name": message.name, "tool_call_id": message.tool_call_id, "tool_calls": calls or None})
    return {"role": message.role, "content": content if content is not None or calls else "", **named}


def _sent_arguments(call: ToolCall) -> str:
    arguments = call.function.get("arguments", {})
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def responses_body(request: Request) -> dict[str, Any]:
    """The body of a responses call. Absent settings are not sent."""
    sampling, schema = request.sampling, request.answer_schema
    limit = sampling.max_tokens or (1 if request.choices else None)
    system = list(takewhile(lambda message: message.role in ("system", "developer"), request.messages))
    return without_none(
        {
            "model": request.model,
            "instructions": "\n\n".join(text_of((message,)) for message in system) or None,
            "input": [item for message in request.messages[len(system) :] for item in _input_items(message)],
            "tools": [_responses_tool(tool) for tool in request.tools] if request.tools else None,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_output_tokens": max(limit, LEAST_LIMIT) if limit else None,
            "include": ["message.output_text.logprobs"] if request.choices else None,
            "top_logprobs": TOP_LOGPROBS if request.choices else None,
            "text": schema
            and {"format": {"type": "json_schema", "name": SCHEMA_NAME, "schema": schema, "strict": True}},
            "reasoning": {"effort": sampling.effort} if sampling.effort else None,
            "store": False,
        }
    )


def _input_items(message: Message) -> Iterator[Item]:
    if message.role == "tool":
        yield {"type": "function_call_output", "call_id": message.tool_call_id, "output": text_of((message,))}
        return
    if message.content or not message.tool_calls:
        content: str | list[Item] = message.content if isinstance(message.content, str) else ""
        if isinstance(message.content, tuple):
            said = "output_text" if message.role == "assistant" else "input_text"
            content = [_input_part(part, said) for part in message.content]
        yield {"role": message.role, "content": content}
    for call in message.tool_calls or ():
        name = call.function.get("name")
        yield {"type": "function_call", "call_id": call.id, "name": name, "arguments": _sent_arguments(call)}


def _input_part(part: Item, said: str) -> Item:
    """A part of a message as the chat protocol writes it, in the words of responses; any other is sent as it is."""
    match part:
        case {"type": "text", "text": str(text)}:
            return {"type": said, "text": text}
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return {"type": "input_image", "image_url": url}
    return part


def _responses_tool(tool: Item) -> Item:
    """A function as the records describe it; in responses its description stands beside its type."""
    function = tool.get("function")
    return {"type": "function", **function} if isinstance(function, dict) else tool


def read_reply(raw: bytes, request: Request) -> Reply:
    """The reply in a raw body of either protocol: the ledger may hold one from before an entry's `api` was changed.

    Raises Transient where there is none, or an empty one, to be read.
    """
    body = body_of(raw, request.host)
    try:
        read = _read_response if "output" in body and "choices" not in body else _read_completion
        messages, finish_reason, first_token = read(body)
        reply = Reply(
            messages=messages,
            finish_reason=finish_reason,
            model=model_name(body.get("model")),
            usage=usage_of(body.get("usage")),
            **(_listed_labels(first_token, request.choices) if request.choices else {}),
        )
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as fault:
        raise Transient(f"{request.host}: the reply has no completion that can be read", kind="unreadable") from fault
    if not reply.messages and reply.finish_reason == "stop" and not reply.choice_logprobs:
        raise Transient(f"{request.host}: the reply is empty", kind="empty")
    return reply


_Read = tuple[tuple[Message, ...], FinishReason, list[Any] | None]
"""What the model said, why it ended, and what is listed of its tokens; None where the server lists nothing."""


def _read_completion(body: Item) -> _Read:
    """The first choice. A gateway may put an error into it, or its code, while the status is good."""
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise ValueError("no choices")
    choice = choices[0]
    if choice.get("error") or choice.get("finish_reason") == "error":
        raise ValueError("an error in the place of a choice")
    message = choice["message"]
    content = _text(message.get("content")) or _text(message.get("refusal"))
    thinking = _text(message.get("reasoning_content")) or _text(message.get("reasoning"))
    if not thinking and (thoughts := _THOUGHTS.match(content)):
        thinking, content = thoughts["thoughts"], content[thoughts.end() :]
    calls = tuple(_tool_call(call.get("id"), call["function"]) for call in message.get("tool_calls") or ())
    finish_reason = _CHAT_FINISH.get(str(choice.get("finish_reason")), "other")
    if message.get("refusal"):
        finish_reason = "refusal"
    elif message.get("tool_calls"):
        finish_reason = "tool_calls"
    logprobs = choice.get("logprobs")
    return (
        _said(content, thinking, calls),
        finish_reason,
        logprobs.get("content") if isinstance(logprobs, dict) else None,
    )


def _read_response(body: Item) -> _Read:
    """A finished response. Raises ValueError for one that is not an answer: failed, cancelled, still on its way."""
    items = [item for item in body["output"] if isinstance(item, dict)]
    parts = [part for item in items if item.get("type") == "message" for part in _dicts(item.get("content"))]
    spoken = [part for part in parts if part.get("type") == "output_text"]
    refusals = [part for part in parts if part.get("type") == "refusal"]
    content = "".join(str(part.get("text") or "") for part in spoken)
    content = content or "".join(str(part.get("refusal") or "") for part in refusals)
    reasoning = [item.get("content") or item.get("summary") for item in items if item.get("type") == "reasoning"]
    thoughts = [str(part.get("text") or "") for shown in reasoning for part in _dicts(shown)]
    thinking = "\n\n".join(text for text in thoughts if text)
    calls = tuple(_tool_call(item.get("call_id"), item) for item in items if item.get("type") == "function_call")
    first_token = spoken[0].get("logprobs") if spoken else None
    status = body.get("status", "completed")
    finish_reason: FinishReason = "refusal" if refusals else "tool_calls" if calls else "stop"
    if status == "incomplete" and not refusals:
        finish_reason = _INCOMPLETE.get(str((body.get("incomplete_details") or {}).get("reason")), "other")
    elif status != "completed" and not refusals:
        raise ValueError("no finished response")
    return _said(clean(content), clean(thinking), calls), finish_reason, first_token


def _dicts(value: Any) -> list[Item]:
    return [part for part in value or () if isinstance(part, dict)]


def _text(content: Any) -> str:
    """Plain text, or typed parts joined; anything else counts as absent."""
    if isinstance(content, list):
        content = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return clean(content) if isinstance(content, str) else ""


def _tool_call(name: str | None, function: Item) -> ToolCall:
    arguments = arguments_of(function.get("arguments"))
    return ToolCall(id=name, function={"name": clean(str(function["name"])), "arguments": arguments})


def _said(content: str, thinking: str, calls: tuple[ToolCall, ...]) -> tuple[Message, ...]:
    """What the model said, as one message; nothing where it said nothing."""
    if not content and not thinking and not calls:
        return ()
    return (Message(role="assistant", content=content or None, thinking=thinking or None, tool_calls=calls or None),)


def _listed_labels(tokens: list[Any] | None, labels: tuple[str, ...]) -> dict[str, Any]:
    """The fields of a Reply that say how probable each label is as the first token.

    Spellings that differ in white space are added up. An alternative without a finite log-probability makes all of
    them nan. A label that is not listed is left out; where the list has as many alternatives as were asked for, its
    least log-probability is an upper bound.
    """
    if tokens is None:
        return {}
    alternatives = (tokens[0].get("top_logprobs") or ()) if tokens else ()
    logprobs = {str(entry["token"]): _logprob(entry.get("logprob")) for entry in (*tokens[:1], *alternatives)}
    if any(map(math.isnan, logprobs.values())):
        return {"choice_logprobs": dict.fromkeys(labels, math.nan)}
    logprobs = {token: logprob for token, logprob in logprobs.items() if logprob > NOT_LISTED}
    sums: dict[str, float] = {}
    for token, logprob in logprobs.items():
        label = token.strip()
        if label in labels:
            sums[label] = _log_add(sums[label], logprob) if label in sums else logprob
    listed = [logprobs[name] for entry in alternatives if (name := str(entry["token"])) in logprobs]
    return {
        "choice_logprobs": {label: min(sums[label], 0.0) for label in labels if label in sums},
        "least_logprob": min(listed, default=None) if len(alternatives) >= TOP_LOGPROBS else None,
    }


def _logprob(value: Any) -> float:
    """nan for what is no log-probability: no number, not finite, or above 0 by more than rounding."""
    is_number = isinstance(value, int | float) and math.isfinite(value) and value <= 1e-6
    return float(value) if is_number else math.nan


def _log_add(a: float, b: float) -> float:
    """log(exp(a) + exp(b))."""
    return max(a, b) + math.log1p(math.exp(-abs(a - b)))


def usage_of(usage: Any) -> Usage | None:
    """Of a chat completion or of a response, which have other names for the same."""
    if not isinstance(usage, dict):
        return None
    read = count_of(usage.get("prompt_tokens", usage.get("input_tokens")))
    if read is None:
        return None
    written = count_of(usage.get("completion_tokens", usage.get("output_tokens"))) or 0
    details = usage.get("prompt_tokens_details", usage.get("input_tokens_details"))
    cached = count_of(details.get("cached_tokens")) if isinstance(details, dict) else None
    return Usage(input_tokens=read, output_tokens=written, cached_tokens=min(cached or 0, read))
