"""OpenAI's chat protocol: a request's body, and a reply read from its raw body.

Covered: tools, refusals, first-token probabilities, answers that keep a schema; answers that are begun for the model,
and log-probabilities of given answers, in vLLM's extension of the protocol; reasoning in a field of its own, or
between `<think>` tags before the answer, as servers without a parser for it leave it. Not sent: thinking of earlier
turns. Not told apart: reasoning whose opening tag the chat template wrote, so that the reply has the closing one alone.
"""

from __future__ import annotations

import json
import math
import re
from functools import partial
from typing import Any

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
from amendment.llm.schemas import JSON_OBJECT
from amendment.llm.specs import OpenAISpec
from amendment.records import FinishReason, Message, ToolCall

TOP_LOGPROBS = 20
"""The most that the protocol gives."""
PROMPT_LOGPROBS = 1
"""Alternatives that are asked for at each token of a given answer; its own token is listed with them."""
LONGEST_TOKEN = 100
"""Characters of white space or marks that the first token of a given answer may have before it."""
NOT_LISTED = -9999.0
"""Servers write this for a token whose log-probability they do not give."""
SCHEMA_NAME = "answer"
"""The protocol requires a name for a schema."""
_CHAT_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "refusal",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
}
_THOUGHTS = re.compile(r"\s*<think>\s*(?P<thoughts>.*?)(?:</think>\s*|\Z)", re.DOTALL)
"""Thoughts before an answer; without an end they are all that there is."""

Item = dict[str, Any]


def open_openai(spec: OpenAISpec, key: str | None) -> HostedProvider:
    """Return a server that speaks OpenAI's protocol. Without a key, none of the environment is sent."""
    import openai

    options = sdk_options(openai, spec, key, ambient="OPENAI_CUSTOM_HEADERS")
    options["default_headers"] |= {"OpenAI-Organization": openai.Omit(), "OpenAI-Project": openai.Omit()}
    wire = Wire(
        kind="openai",
        path="/chat/completions",
        sdk=openai,
        body=partial(chat_body, spec=spec),
        read=read_reply,
        meter=meter_by(read_usage),
    )
    return HostedProvider(spec, key, openai.AsyncOpenAI(**options), wire)


def chat_body(request: Request, spec: OpenAISpec) -> dict[str, Any]:
    """Return the body of a chat completion call. Absent settings are not sent."""
    sampling = request.sampling
    schema = request.answer_schema
    beginning = request.prefill if request.scored is None else (request.prefill or "") + request.scored
    turns = [_chat_message(message) for message in request.messages]
    return without_none(
        {
            "model": request.model,
            "messages": turns if beginning is None else [*turns, {"role": "assistant", "content": beginning}],
            "continue_final_message": None if beginning is None else True,
            "add_generation_prompt": None if beginning is None else False,
            "prompt_logprobs": None if request.scored is None else PROMPT_LOGPROBS,
            "tools": list(request.tools) if request.tools else None,
            # servers that render templates take these; the vendor refuses what it does not know
            "chat_template_kwargs": None if spec.is_vendor else request.chat_template_kwargs,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            spec.limit_field: 1
            if request.scored is not None
            else sampling.max_tokens or (1 if request.choices else None),
            "seed": None if sampling.seed is None else sampling.seed + request.sample,
            "reasoning_effort": sampling.effort,
            "logprobs": True if request.choices else None,
            "top_logprobs": TOP_LOGPROBS if request.choices else None,
            "response_format": schema and _response_format(schema),
        }
    )


def _response_format(schema: Item) -> Item:
    if schema == JSON_OBJECT:
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": SCHEMA_NAME, "schema": schema, "strict": True}}


def _chat_message(message: Message) -> Item:
    """Return one message as the chat protocol has it: arguments of tool calls travel as a JSON string."""
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


def read_reply(raw: bytes, request: Request) -> Reply:
    """Return the reply in a raw body. Raises Transient where there is none, or an empty one, to be read."""
    return reply_by(_completion, read_usage, raw, request)


def _completion(body: Item, request: Request) -> Completion:
    """Return the first choice. A gateway may put an error into a choice, or its code, while the status is good."""
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
        thinking, content = thoughts["thoughts"].rstrip(), content[thoughts.end() :]
    calls = tuple(_tool_call(call.get("id"), call["function"]) for call in message.get("tool_calls") or ())
    finish_reason = _CHAT_FINISH.get(str(choice.get("finish_reason")), "other")
    if message.get("refusal"):
        finish_reason = "refusal"
    elif message.get("tool_calls"):
        finish_reason = "tool_calls"
    logprobs, measured = choice.get("logprobs"), Item()
    if request.choices and isinstance(logprobs, dict):
        measured = _listed_labels(logprobs.get("content"), request.choices)
    if request.scored is not None:
        measured |= _scored(body.get("prompt_logprobs"), request.scored)
    return Completion(written(content, thinking, calls), finish_reason, measured)


def _text(content: Any) -> str:
    """Return plain text, or typed parts joined; anything else counts as absent."""
    if isinstance(content, list):
        content = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return clean(content) if isinstance(content, str) else ""


def _tool_call(name: str | None, function: Item) -> ToolCall:
    arguments = read_arguments(function.get("arguments"))
    return ToolCall(id=name, function={"name": clean(str(function["name"])), "arguments": arguments})


def _listed_labels(tokens: list[Any] | None, labels: tuple[str, ...]) -> dict[str, Any]:
    """Return the fields of a Reply that say how probable each label is as the first token.

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


def _scored(prompt: Any, text: str) -> dict[str, Any]:
    """Return the fields of a Reply that say how probable the prompt's end, a given answer, is; none if its tokens do
    not come to the text, such as half a character by itself.

    Each token of the prompt is an object of alternatives by token id, the token itself among them: the one of the worst
    rank, since the others are the likeliest. The first token of a prompt has none.
    """
    logprob, tail, wanted = 0.0, "", text.strip()
    for count, alternatives in enumerate(reversed(prompt if isinstance(prompt, list) else []), 1):
        if not alternatives or len(tail) > len(text) + LONGEST_TOKEN:
            break
        token = max(alternatives.values(), key=lambda entry: entry.get("rank") or 0)
        logprob += _logprob(token.get("logprob"))
        tail = str(token.get("decoded_token")) + tail
        if tail.strip() == wanted:
            return {"scored_logprob": logprob, "scored_tokens": count}
    return {}


def _logprob(value: Any) -> float:
    """Return nan for what is no log-probability: no number, not finite, or above 0 by more than rounding."""
    is_number = isinstance(value, int | float) and math.isfinite(value) and value <= 1e-6
    return float(value) if is_number else math.nan


def _log_add(a: float, b: float) -> float:
    """log(exp(a) + exp(b))."""
    return max(a, b) + math.log1p(math.exp(-abs(a - b)))


def read_usage(usage: Any) -> Usage | None:
    """Return the usage that a chat completion reports."""
    if not isinstance(usage, dict):
        return None
    read = read_count(usage.get("prompt_tokens"))
    if read is None:
        return None
    written = read_tokens(usage, "completion_tokens")
    thought = read_tokens(usage.get("completion_tokens_details"), "reasoning_tokens")
    cached = read_tokens(usage.get("prompt_tokens_details"), "cached_tokens")
    written += thought if thought > written else 0  # some servers count thoughts apart
    return Usage(input_tokens=read, output_tokens=written, cached_tokens=min(cached, read))
