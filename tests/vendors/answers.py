"""What the models behind the vendors' servers say: a pure function of the body that was asked.

The answers are those of the simulated world, so that whole runs have critiques, revisions and verdicts to work with,
and a question from outside the world gets a plain sentence. Both shapes are made of the same answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from amendment.llm.opening import shown_name
from amendment.llm.specs import SimulatedSpec
from amendment.simulator import Persona
from amendment.simulator.roles import Question, RoleReply, answer, said_in

DEFAULT = SimulatedSpec(provider="simulated")
_STOP = {"stop": "end_turn", "length": "max_tokens"}
_TAKEN = ("temperature", "max_tokens", "max_completion_tokens", "stop", "seed", "logprobs", "top_logprobs")

Body = dict[str, Any]


class World:
    """Personas by the model's name; a name that is not among them gets the default one."""

    def __init__(self, *specs: SimulatedSpec) -> None:
        self._personas: Mapping[str, Persona] = {shown_name(spec): spec.persona() for spec in (DEFAULT, *specs)}

    def by_path(self, path: str) -> Callable[[Body], Body]:
        """What answers at a path: lines of a batch name theirs, too. Raises KeyError for another path."""
        return {"/v1/chat/completions": self.chat, "/v1/messages": self.messages}[path]

    def models(self) -> Body:
        """The list of models, as OpenAI words it."""
        rows = [{"id": name, "object": "model", "created": 0, "owned_by": "lilliput"} for name in self._personas]
        return {"object": "list", "data": rows}

    def chat(self, body: Body) -> Body:
        """OpenAI's chat completion."""
        question = _question(body, body["messages"])
        said = self._said(question, _schema(body.get("response_format"), "json_schema"))
        tokens = _tokens(said, question)
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": said.text, "refusal": None},
            "logprobs": {"content": tokens, "refusal": None} if tokens else None,
            "finish_reason": said.finish_reason,
        }
        usage = {
            "prompt_tokens": said.input_tokens,
            "completion_tokens": said.output_tokens,
            "total_tokens": said.input_tokens + said.output_tokens,
            "prompt_tokens_details": {"cached_tokens": 0},
        }
        made = {"id": f"chatcmpl-{_short(question)}", "object": "chat.completion", "created": 0}
        return {**made, "model": question.model, "choices": [choice], "usage": usage}

    def messages(self, body: Body) -> Body:
        """Anthropic's message."""
        system = [{"role": "system", "content": said_in(body["system"])}] if body.get("system") else []
        turns = [{"role": turn["role"], "content": said_in(turn["content"])} for turn in body["messages"]]
        question = _question({**body, "stop": body.get("stop_sequences")}, [*system, *turns])
        wanted = (body.get("output_config") or {}).get("format") or body.get("output_format")
        said = self._said(question, _schema(wanted))
        usage = {
            "input_tokens": said.input_tokens,
            "output_tokens": said.output_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        }
        return {
            "id": f"msg_{_short(question)}",
            "type": "message",
            "role": "assistant",
            "model": question.model,
            "content": [{"type": "text", "text": said.text}],
            "stop_reason": _STOP[said.finish_reason],
            "stop_sequence": None,
            "usage": usage,
        }

    def _said(self, question: Question, schema: Mapping[str, Any] | None) -> RoleReply:
        persona = self._personas.get(question.model) or DEFAULT.persona()
        said = answer(question, persona)
        return said if schema is None else said._replace(text=json.dumps(_shaped(said.text, schema)))


def _question(body: Mapping[str, Any], messages: list[Body]) -> Question:
    taken = {name: body[name] for name in _TAKEN if body.get(name) is not None}
    return Question.model_validate({"model": body["model"], "messages": messages, **taken})


def _short(question: Question) -> str:
    return question.id.partition(":")[2][:24]


def _schema(wanted: Any, inside: str | None = None) -> Mapping[str, Any] | None:
    """The schema that an answer is held to, or None."""
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        return None
    schema: Mapping[str, Any] = (wanted[inside] if inside else wanted)["schema"]
    return schema


def _shaped(text: str, schema: Mapping[str, Any]) -> Any:
    """The answer as a value of a schema: of words to choose from the last that stands in it, else all of it."""
    if "enum" in schema:
        words = [word for word in re.findall(r"\w+", text) if word in schema["enum"]]
        return words[-1] if words else schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {name: _shaped(text, inner) for name, inner in schema.get("properties", {}).items()}
        case "array":
            return [_shaped(text, schema["items"])]
        case "integer" | "number":
            return 1
        case "boolean":
            return True
    return text


def _tokens(said: RoleReply, question: Question) -> list[Body]:
    """Those of a label answer, whose one token has a probability; no other answer shows any."""
    if not said.logprobs:
        return []
    shown = sorted(said.logprobs.items(), key=lambda one: -one[1])
    tokens = [{"token": token, "logprob": value, "bytes": list(token.encode())} for token, value in shown]
    return [{**tokens[0], "top_logprobs": tokens[: question.top_logprobs or 0]}]
