"""OpenAI's chat protocol as pure functions: a request's body, and a reply read from its raw body.

Covered: tools, refusals, first-token probabilities; reasoning in a field of its own, or between `<think>` tags before
the answer, as servers without a parser for it leave it. Not sent: thinking of earlier turns. Not told apart: reasoning
whose opening tag the chat template wrote, so that the reply has the closing one alone.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from amendment.errors import Transient
from amendment.hashing import canonical_json
from amendment.llm._http import body_of, clean
from amendment.llm._usage import model_name, openai_usage
from amendment.llm.requests import Reply, Request
from amendment.llm.specs import OpenAISpec
from amendment.records import FinishReason, Message, ToolCall

__all__ = [
    "SCHEMA_NAME",
    "TOP_LOGPROBS",
    "arguments_of",
    "body_for",
    "listed_labels",
    "read_reply",
    "sent_arguments",
    "without_none",
]

TOP_LOGPROBS = 20
NOT_LISTED = -9999.0
"""What servers write for a token whose log-probability they do not give."""
"""The most that the protocol gives."""
SCHEMA_NAME = "answer"
"""What a schema is called, where one has to have a name."""

_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "refusal",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
}
_THOUGHTS = re.compile(r"\s*<think>\s*(?P<thoughts>.*?)\s*(?:</think>\s*|\Z)", re.DOTALL)
"""Thoughts before an answer; without an end they are all that there is."""


def body_for(request: Request, spec: OpenAISpec) -> dict[str, Any]:
    """The body of a chat completion call. Absent settings are not sent."""
    sampling = request.sampling
    limit = sampling.max_tokens or (1 if request.choices else None)
    return without_none(
        {
            "model": request.model,
            "messages": [_sent(message) for message in request.messages],
            "tools": list(request.tools) if request.tools else None,
            # servers that render templates take these; the vendor refuses what it does not know
            "chat_template_kwargs": None if spec.is_vendor else request.chat_template_kwargs,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            spec.limit_field: limit,
            "stop": list(sampling.stop) if sampling.stop else None,
            "seed": None if sampling.seed is None else sampling.seed + request.sample,
            "reasoning_effort": sampling.effort,
            "logprobs": True if request.choices else None,
            "top_logprobs": TOP_LOGPROBS if request.choices else None,
            "response_format": _format(request.answer_schema),
        }
    )


def _format(schema: dict[str, Any] | None) -> dict[str, Any] | None:
    """The wish for an answer that keeps a schema."""
    if schema is None:
        return None
    return {"type": "json_schema", "json_schema": {"name": SCHEMA_NAME, "schema": schema, "strict": True}}


def without_none(values: dict[str, Any]) -> dict[str, Any]:
    """The entries that have a value."""
    return {key: value for key, value in values.items() if value is not None}


def _sent(message: Message) -> dict[str, Any]:
    """One message as the protocol has it: arguments of tool calls travel as a JSON string."""
    calls = [
        without_none({"id": call.id, "type": call.type, "function": _sent_function(call.function)})
        for call in message.tool_calls or ()
    ]
    content = list(message.content) if isinstance(message.content, tuple) else message.content
    sent = without_none({"name": message.name, "tool_call_id": message.tool_call_id, "tool_calls": calls or None})
    return {"role": message.role, "content": content if content is not None or calls else "", **sent}


def _sent_function(function: dict[str, Any]) -> dict[str, Any]:
    return {**function, "arguments": sent_arguments(function)}


def sent_arguments(function: dict[str, Any]) -> str:
    """A tool call's arguments as both protocols of the vendor send them."""
    arguments = function.get("arguments", {})
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def read_reply(raw: bytes, request: Request) -> Reply:
    """The reply in a raw body. Raises Transient where there is none, or an empty one, to be read."""
    body = body_of(raw, request.host)
    try:
        choice = _first(body.get("choices"))
        message = choice["message"]
        reply = Reply(
            messages=_completion(message),
            finish_reason=_finish(choice, message),
            model=model_name(body.get("model")),
            usage=openai_usage(body.get("usage")),
            **(listed_labels(_first_token(choice), request.choices) if request.choices else {}),
        )
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as fault:
        raise Transient(f"{request.host}: the reply has no completion that can be read", kind="unreadable") from fault
    if not reply.messages and reply.finish_reason == "stop" and not reply.choice_logprobs:
        raise Transient(f"{request.host}: the reply is empty", kind="empty")
    return reply


def _first(choices: Any) -> dict[str, Any]:
    """The first choice. A gateway may put an error into it, or its code, while the status is good."""
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise ValueError("no choices")
    choice = choices[0]
    if choice.get("error") or choice.get("finish_reason") == "error":
        raise ValueError("an error in the place of a choice")
    return choice


def _completion(message: dict[str, Any]) -> tuple[Message, ...]:
    """What the model said, as one message; nothing where it said nothing."""
    content = _text(message.get("content")) or _text(message.get("refusal"))
    thinking = _text(message.get("reasoning_content")) or _text(message.get("reasoning"))
    if not thinking and (found := _THOUGHTS.match(content)):
        thinking, content = found["thoughts"], content[found.end() :]
    calls = tuple(_tool_call(call) for call in message.get("tool_calls") or ())
    if not content and not thinking and not calls:
        return ()
    said = content if content or not calls else None
    return (Message(role="assistant", content=said or None, thinking=thinking or None, tool_calls=calls or None),)


def _text(content: Any) -> str:
    """Plain text, or typed parts joined; anything else counts as absent."""
    if isinstance(content, list):
        content = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return clean(content) if isinstance(content, str) else ""


def _tool_call(call: dict[str, Any]) -> ToolCall:
    function = call["function"]
    arguments = arguments_of(function.get("arguments"))
    return ToolCall(id=call.get("id"), function={"name": clean(str(function["name"])), "arguments": arguments})


def arguments_of(text: Any) -> dict[str, Any]:
    """A tool call's arguments as an object; what a model wrote that is no object is kept under `_raw`."""
    if isinstance(text, dict):
        return text
    if not text:
        return {}
    try:
        arguments = json.loads(clean(text), parse_constant=_no_constant)
        canonical_json(arguments)  # refuses what could not be stored: an escaped lone surrogate, 1e999
    except (ValueError, RecursionError):
        return {"_raw": clean(str(text))}
    return arguments if isinstance(arguments, dict) else {"_raw": clean(str(text))}


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finish(choice: dict[str, Any], message: dict[str, Any]) -> FinishReason:
    if message.get("refusal"):
        return "refusal"
    if message.get("tool_calls"):
        return "tool_calls"
    return _FINISH.get(str(choice.get("finish_reason")), "other")


def _first_token(choice: dict[str, Any]) -> list[Any] | None:
    """What is listed of the answer's tokens; None where the server lists nothing."""
    shown = choice.get("logprobs")
    return shown.get("content") if isinstance(shown, dict) else None


def listed_labels(tokens: list[Any] | None, labels: tuple[str, ...]) -> dict[str, Any]:
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
    found: dict[str, float] = {}
    for token, logprob in logprobs.items():
        label = token.strip()
        if label in labels:
            found[label] = _log_add(found[label], logprob) if label in found else logprob
    is_full = len(alternatives) >= TOP_LOGPROBS
    listed = [logprobs[name] for entry in alternatives if (name := str(entry["token"])) in logprobs]
    return {
        "choice_logprobs": {label: min(found[label], 0.0) for label in labels if label in found},
        "least_logprob": min(listed, default=None) if is_full else None,
    }


def _logprob(value: Any) -> float:
    """nan for what is no log-probability: no number, not finite, or above 0 by more than rounding."""
    is_number = isinstance(value, int | float) and math.isfinite(value) and value <= 1e-6
    return float(value) if is_number else math.nan


def _log_add(a: float, b: float) -> float:
    """log(exp(a) + exp(b))."""
    return max(a, b) + math.log1p(math.exp(-abs(a - b)))
