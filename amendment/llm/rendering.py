"""Convert conversations to token ids and back, for every trainer, scorer and local model.

Promised: what is trained is what is scored and sampled from, since all are rendered here; thinking goes under the key
that the chat template shows; texts cannot smuggle in control tokens (they are made harmless and counted, and the
tokenizer is tried on that once); absent keys (None, as Parquet readers write them) are absent. Answers are taken apart
by the tokenizer's description of its replies (`response_template`), else by the tags in common use; calls that cannot
be read stay text. Not covered: messages with parts other than text, which are refused; templates whose turns are marked
by ordinary words; other formats of calls, unless the tokenizer describes them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from functools import cached_property
from typing import Any, NamedTuple

from amendment.errors import DataError, Problem, TrainingError
from amendment.hashing import content_id

Json = dict[str, Any]
_MARK = "Zyx7"
_USER = {"role": "user", "content": "q"}
_ROLES = ("system", "developer", "user", "assistant", "tool")
_BREAK = "\u200b"
"""Zero-width space: invisible to people, and enough to keep a control token from being recognised."""
_MARKUP = re.compile(r"[<\[|].*[>\]|]", re.DOTALL)


class Conversation(NamedTuple):
    """The cleaned input of a chat template."""

    messages: tuple[Json, ...]
    tools: tuple[Json, ...] = ()
    options: Mapping[str, Any] = {}
    """The template's own options (`chat_template_kwargs`)."""
    is_prompt: bool = False
    """Ends with the opening of the assistant's turn."""
    prefill: str = ""
    """What the assistant's turn begins with, behind its opening."""


class Renderer:
    """A tokenizer's chat template, and what it shows of a conversation."""

    def __init__(self, tokenizer: Any) -> None:
        """Raise TrainingError when the tokenizer has no chat template, or reads control tokens that are broken up."""
        if not tokenizer.chat_template:
            name = tokenizer.name_or_path
            raise TrainingError(f"{name}: its tokenizer has no chat template; use an instruction-tuned base")
        self.tokenizer = tokenizer
        self.control_texts = 0
        """Texts in which control tokens were found and made harmless."""
        control = _control_tokens(tokenizer)
        spellings = sorted(control.values(), key=lambda spelling: (-len(spelling), spelling))
        self._control = re.compile("|".join(map(re.escape, spellings)) or "(?!)")
        self._check_breaks(control.keys() - {tokenizer.unk_token_id}, spellings)  # unknown signs steer nothing

    def _check_breaks(self, steering: Set[int], spellings: Sequence[str]) -> None:
        if not spellings:
            return
        broken = self.tokenizer([self.harmless(spelling) for spelling in spellings], add_special_tokens=False)[
            "input_ids"
        ]
        for spelling, ids in zip(spellings, broken, strict=True):
            if steering & set(ids):
                name = self.tokenizer.name_or_path
                raise TrainingError(f"{name}: the tokenizer reads {spelling!r} in texts even when it is broken up")

    @property
    def template_id(self) -> str:
        """Return the content hash of the chat template."""
        return content_id(self.tokenizer.chat_template)

    @cached_property
    def thinking_key(self) -> str | None:
        """Return the key under which the template shows thinking, or None where it shows none."""
        for key in ("reasoning_content", "thinking", "reasoning"):
            if self._shows({"role": "assistant", "content": "a", key: _MARK}):
                return key
        return None

    @cached_property
    def shows_calls(self) -> bool:
        """Return True if the template shows the assistant's tool calls."""
        call = {"type": "function", "function": {"name": _MARK, "arguments": {"x": 1}}}
        return self._shows({"role": "assistant", "content": "", "tool_calls": [call]})

    @cached_property
    def shows_tools(self) -> bool:
        """Return True if the template shows the definitions of tools."""
        parameters = {"type": "object", "properties": {"x": {"type": "integer", "description": "x"}}}
        function = {"name": _MARK, "description": "d", "parameters": parameters}
        return self._shows(_USER, tools=[{"type": "function", "function": function}])

    @cached_property
    def has_mask(self) -> bool:
        """Return True if the template marks which tokens the assistant wrote."""
        return "generation" in str(self.tokenizer.chat_template) and bool(
            re.search(r"\{%-?\s*generation\s*-?%\}", str(self.tokenizer.chat_template))
        )

    @cached_property
    def _knows_developer(self) -> bool:
        return self._shows({"role": "developer", "content": _MARK}, _USER)

    def _shows(self, *messages: Json, tools: list[Json] | None = None) -> bool:
        opening = [] if messages[0]["role"] in ("developer", "user") else [_USER]
        try:
            text = self.tokenizer.apply_chat_template([*opening, *messages], tools=tools, tokenize=False)
        except Exception:  # a template may raise anything at what it does not know, and then it does not show it
            return False
        return _MARK in text

    def conversation(
        self, row: Mapping[str, Any], messages: Sequence[Any], *, is_prompt: bool, place: str, prefill: str = ""
    ) -> Conversation:
        """Return the cleaned conversation of a row; `messages` are JSON objects, and `prefill` is the beginning of the
        answer to a prompt. Raises DataError naming the place."""
        tools = tuple(self._harmless(tool) for tool in _listed(row.get("tools"), f"{place}: tools"))
        options = {k: v for k, v in (row.get("chat_template_kwargs") or {}).items() if v is not None}
        cleaned = tuple(self._message(message, place) for message in messages)
        _check_texts((cleaned, tools, options, prefill), place)
        return Conversation(cleaned, tools, options, is_prompt, self._harmless(prefill))

    def _message(self, message: Any, place: str) -> Json:
        kept = {k: v for k, v in _object(message, place).items() if v is not None}
        if kept.get("role") not in _ROLES:
            expected = ", ".join(_ROLES)
            raise DataError([Problem(place, f"a message's role is one of {expected}, found {kept.get('role')!r}")])
        if kept["role"] == "developer" and not self._knows_developer:
            kept["role"] = "system"
        if "thinking" in kept and self.thinking_key:
            kept[self.thinking_key] = kept.pop("thinking")
        kept["content"] = _text(kept.get("content"), place)
        if calls := kept.get("tool_calls"):
            kept["tool_calls"] = [{k: v for k, v in _object(c, place).items() if v is not None} for c in calls]
        else:
            kept.pop("tool_calls", None)
        return {k: v if k == "role" else self._harmless(v) for k, v in kept.items()}

    def harmless(self, text: str) -> str:
        """Return the text without any spelling of a control token."""
        n = 1
        while n:  # what is left after a break may spell another one
            text, n = self._control.subn(_broken, text)
        return text

    def _harmless(self, value: Any) -> Any:
        """Return the value with every control token in its texts broken by a zero-width space."""
        if isinstance(value, str):
            text = self.harmless(value)
            self.control_texts += text != value
            return text
        if isinstance(value, Mapping):
            return {self._harmless(k): self._harmless(v) for k, v in value.items()}
        return [self._harmless(v) for v in value] if isinstance(value, list | tuple) else value

    def text(self, conversation: Conversation) -> str:
        """Return the conversation as the model reads it. Raises DataError where the template refuses it."""
        messages, tools, options, is_prompt, prefill = conversation
        try:
            rendered = self.tokenizer.apply_chat_template(
                list(messages), tools=list(tools) or None, tokenize=False, add_generation_prompt=is_prompt, **options
            )
            return f"{rendered}{prefill}"
        except Exception as error:  # templates raise jinja's, Python's and their own errors
            roles = " ".join(m["role"] for m in messages)
            raise DataError(f"the chat template refuses a conversation with the roles {roles}: {error}") from error

    def ids(self, conversations: Iterable[Conversation]) -> list[list[int]]:
        """Return token ids of each conversation, in order; equal conversations are rendered once."""
        texts, first = dict[str, str](), dict[str, int]()
        places = []
        for conversation in conversations:
            key = repr(conversation)
            if key not in texts:
                texts[key] = self.text(conversation)
            places.append(first.setdefault(texts[key], len(first)))
        encoded: list[list[int]] = self.tokenizer(list(first), add_special_tokens=False)["input_ids"] if first else []
        return [encoded[place] for place in places]

    def mask(self, conversation: Conversation) -> list[int]:
        """Return 1 for each token that the assistant wrote, else 0. Needs `has_mask`."""
        messages, tools, options, *_ = conversation
        rendered = self.tokenizer.apply_chat_template(
            list(messages), tools=list(tools) or None, return_dict=True, return_assistant_tokens_mask=True, **options
        )
        return list(rendered["assistant_masks"])


def common_prefix(ids: Sequence[int], others: Sequence[int]) -> int:
    """Return the number of leading tokens that two sequences share."""
    for place, (a, b) in enumerate(zip(ids, others, strict=False)):
        if a != b:
            return place
    return min(len(ids), len(others))


def _control_tokens(tokenizer: Any) -> dict[int, str]:
    """Return added tokens that steer: the special ones, and those that look like markup and belong to the template.

    Tags such as `<table>`, which some tokenizers hold as plain tokens, are text.
    """
    template = str(tokenizer.chat_template)
    return {
        number: token.content
        for number, token in tokenizer.added_tokens_decoder.items()
        if token.content.strip() and (token.special or _is_markup(token.content, template))
    }


def _is_markup(spelling: str, template: str) -> bool:
    return bool(_MARKUP.fullmatch(spelling)) and ("|" in spelling or spelling in template)


def _broken(match: re.Match[str]) -> str:
    spelling = match[0]
    return spelling[0] + _BREAK + spelling[1:] if len(spelling) > 1 else "\ufffd"


def _check_texts(value: Any, place: str) -> None:
    """Raise DataError for a text that no tokenizer can read."""
    if isinstance(value, str):
        if not _is_whole(value):
            half = "a text holds half a surrogate pair, which no tokenizer can read; fix the text, or leave the row out"
            raise DataError([Problem(place, half)])
    elif isinstance(value, Mapping):
        for part in (*value.keys(), *value.values()):
            _check_texts(part, place)
    elif isinstance(value, list | tuple):
        for part in value:
            _check_texts(part, place)


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _object(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise DataError([Problem(place, f"expected an object, found {type(value).__name__}")])
    return value


def _listed(value: Any, place: str) -> Sequence[Any]:
    """Return a list, also where it is written as JSON text or absent."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise DataError([Problem(place, f"expected a list or its JSON, found text: {error}")]) from None
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise DataError([Problem(place, f"expected a list, found {type(value).__name__}")])
    return value


def _text(content: Any, place: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    parts = [_object(part, place) for part in _listed(content, place)]
    if other := next((part for part in parts if part.get("type", "text") != "text"), None):
        raise DataError([Problem(place, f"only text can be read, found a part of type {other['type']!r}")])
    return "".join(str(part.get("text") or "") for part in parts)


THINKING = (("<|think|>", "<|/think|>"), ("<think>", "</think>"), ("[THINK]", "[/THINK]"))
"""Markers around thinking; the first pair is the tiny template's."""
CALLS = (("<|call|>", ""), ("<tool_call>", "</tool_call>"))
"""Markers around each tool call; the tiny template has no end marker."""
_TAIL = 8
"""Tokens at a prompt's end in which the opening of thinking is looked for."""


class Sampled(NamedTuple):
    """One generated answer in token ids."""

    ids: list[int]
    """The end token included, where there is one."""
    is_cut: bool
    """It had not ended when the tokens were used up."""


class AnswerParts(NamedTuple):
    """One answer taken apart."""

    text: str
    thinking: str | None = None
    calls: tuple[Json, ...] = ()
    """Each with `name` and `arguments`, an object."""


def read_answer(tokenizer: Any, ids: Sequence[int], prompt: Sequence[int]) -> AnswerParts:
    """Return the parts of generated ids (without the end token).

    Thinking that never ends leaves no text, since no answer was given.
    """
    raw = str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))
    described = _described(tokenizer, raw, prompt)
    if described is not None:
        return described
    opened = str(tokenizer.decode(prompt[-_TAIL:], skip_special_tokens=False)).rstrip()
    thinking, rest = _thinking(raw, opened)
    text, calls = _calls(rest)
    return AnswerParts(_plain(tokenizer, text), _plain(tokenizer, thinking) or None, calls)


def _described(tokenizer: Any, raw: str, prompt: Sequence[int]) -> AnswerParts | None:
    """Return the parts by the tokenizer's own response schema; None without one, or where the reply does not match
    it."""
    if not getattr(tokenizer, "response_template", None):
        return None
    try:
        message = tokenizer.parse_response(raw, prefix=tokenizer.decode(prompt))
    except Exception:  # a description may fail in any way at a reply that was cut or is malformed
        return None
    read = [_call(call.get("function")) for call in message.get("tool_calls") or ()]
    calls = tuple(call for call in read if call)
    if len(calls) < len(read):
        return None
    thinking = message.get("reasoning_content") or message.get("thinking")
    return AnswerParts(_plain(tokenizer, message.get("content") or ""), thinking or None, calls)


def _thinking(raw: str, before: str) -> tuple[str, str]:
    """Return thinking at the start of an answer and what follows; `before` is how the prompt ends, which may open
    it."""
    for opening, closing in THINKING:
        is_open = before.endswith(opening)
        if is_open or raw.lstrip().startswith(opening):
            inner = raw if is_open else raw.lstrip().removeprefix(opening)
            thinking, _, rest = inner.partition(closing)
            return (thinking, rest) if opening == THINKING[0][0] else (thinking.strip(), rest.lstrip("\n"))
    return "", raw


def _calls(text: str) -> tuple[str, tuple[Json, ...]]:
    """Return the text before calls, and the calls; all of it as text where one cannot be read."""
    for opening, closing in CALLS:
        before, *parts = text.split(opening)
        read = [_read_call(part, closing) for part in parts]
        calls = tuple(call for call in read if call)
        if parts and len(calls) == len(read):
            return (before.rstrip("\n") if closing else before), calls
    return text, ()


def _read_call(part: str, closing: str) -> Json | None:
    try:
        return _call(json.loads(part.strip().removesuffix(closing)))
    except (ValueError, RecursionError):
        return None


def _call(value: Any) -> Json | None:
    """Return a call with a name and an object of arguments that can be stored, or None."""
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        return None
    arguments = value.get("arguments")
    if not isinstance(arguments, dict):
        return None
    try:
        json.dumps(arguments, allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError):
        return None
    return {"name": value["name"], "arguments": arguments}


def _plain(tokenizer: Any, text: str) -> str:
    """Return the text without the spellings of special tokens, which the model wrote as tokens."""
    for token in tokenizer.added_tokens_decoder.values():
        if token.special and token.content in text:
            text = text.replace(token.content, "")
    return text
