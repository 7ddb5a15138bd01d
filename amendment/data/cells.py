"""One cell of a user's file as what it has to be: text, messages, tools. Wrong ones are named by place; and two
conversations told apart where they begin alike."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from pydantic import ValidationError

from amendment.errors import DataError, Problem
from amendment.records import Message, Messages, Prompt, ToolCall, parse_criteria, user
from amendment.tables import MAX_CELL, Row


@contextmanager
def bad_cells_to(problems: list[Problem], row: Row) -> Iterator[None]:
    """Add what is wrong with the cells of a row to `problems`, in place of an exception."""
    try:
        yield
    except DataError as fault:
        problems += fault.problems
    except (ValueError, RecursionError, TypeError) as fault:  # cannot be stored, in a place where only a hash looks
        problems.append(Problem(row.place, f"holds something that no file can store ({fault})"))


def is_silent(row: Row, column: str) -> bool:
    """Return True if a cell has no words. Such an answer tells something about its writer, but cannot be trained on."""
    value = row.values[column]
    return value is None or (isinstance(value, str) and not value.strip())


def optional_text(row: Row, column: str | None) -> str | None:
    """Return the value of a cell that may be empty, or whose column is not named."""
    if column is None:
        return None
    value = row.values[column]
    if value is None or value == "":
        return None
    if isinstance(value, list | dict):
        raise DataError([row.problem(column, f"expected a word, found {_kind(value)}")])
    return _sendable(row, column, str(value))


def text_in(row: Row, column: str) -> str:
    """Return the cell's text. It must not be empty, and must be encodable."""
    value = row.values[column]
    if not isinstance(value, str):
        raise DataError([row.problem(column, f"expected text, found {_kind(value)}")])
    if not value.strip():
        raise DataError([row.problem(column, "is empty; fill it in or take the row out")])
    if len(value) > MAX_CELL:
        raise DataError([row.problem(column, f"holds {len(value):,} characters, expected at most {MAX_CELL:,}")])
    return _sendable(row, column, value)


def _sendable(row: Row, column: str, text: str) -> str:
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise DataError([row.problem(column, "holds a NUL or half a surrogate pair, which cannot be sent to a model")])
    return text


def joined_prompt(row: Row, columns: Iterable[str]) -> Messages:
    """Return one column as it is, or join several texts by empty lines, without empty ones."""
    names = list(columns)
    if len(names) == 1:
        return _question_in(row, names[0])
    texts = [text_in(row, name).strip() for name in names if not is_silent(row, name)]
    if not texts:
        raise DataError([row.problem(" + ".join(names), "are all empty; expected a prompt")])
    return user("\n\n".join(texts))


def _question_in(row: Row, column: str) -> Messages:
    """Return a prompt: messages that end before the assistant's answer."""
    messages = _messages(row, column, "user")
    last = messages[-1]
    if isinstance(last.content, str):  # white space around a question makes no other question of it
        messages = (*messages[:-1], last.model_copy(update={"content": last.content.strip()}))
    if messages[-1].role == "assistant":
        raise DataError([row.problem(column, "ends with an assistant turn; a prompt ends before the answer")])
    return messages


def answer_in(row: Row, column: str, prompt: Prompt) -> Messages:
    """Return an answer without the prompt that many files repeat before it."""
    messages = _messages(row, column, "assistant")
    if messages[: len(prompt.messages)] == prompt.messages:
        messages = messages[len(prompt.messages) :]
    roles = [message.role for message in messages]
    if "assistant" not in roles[:1] or "assistant" not in roles[-1:]:
        turns = f"found turns of {', '.join(roles) or 'nobody'}"
        raise DataError([row.problem(column, f"expected the assistant's answer to the prompt, {turns}")])
    return messages


def tools_in(row: Row, column: str) -> tuple[dict[str, Any], ...] | None:
    """Return tool schemas, from a list or the JSON text of one."""
    return _objects_in(row, column, "tool schemas")


def criteria_in(row: Row, column: str) -> tuple[dict[str, Any], ...]:
    """Return a prompt's own criteria, from a list or the JSON text of one; none if the cell is empty."""
    criteria = _objects_in(row, column, "criteria with `id` and `text`") or ()
    given = [{name: part for name, part in criterion.items() if part is not None} for criterion in criteria]
    try:
        parse_criteria(given)
    except ValidationError as fault:
        first = fault.errors()[0]
        where = ".".join(map(str, first["loc"])) or "criterion"
        part = first["msg"].removeprefix("Value error, ")
        raise DataError([row.problem(column, f"{where}: {part}")]) from fault
    except ValueError as fault:
        raise DataError([row.problem(column, str(fault))]) from fault
    return tuple(given)


def _objects_in(row: Row, column: str, of: str) -> tuple[dict[str, Any], ...] | None:
    value = row.values[column]
    if value is None or value == "":
        return None
    value = from_json(value)
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise DataError([row.problem(column, f"expected a list of {of}, found {_kind(value)}")])
    return tuple(value)


def known_answer_in(row: Row, column: str) -> str | None:
    """Return a prompt's known answer: a text or a number as it is, a list or an object as JSON; None if the cell is
    empty."""
    value = row.values[column]
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False)
    return None if value is None or value == "" else _sendable(row, column, str(value))


def words_in(row: Row, column: str) -> tuple[str, ...]:
    """Return a list of words, from a list, its JSON text or a text with commas; each once, as written."""
    value = row.values[column]
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = from_json(value)
    words = value.split(",") if isinstance(value, str) else [] if value is None else value
    others = [word for word in words if not isinstance(word, str)] if isinstance(words, list) else [words]
    if others:
        raise DataError([row.problem(column, f"expected a list of words, found {_kind(others[0])}")])
    return tuple(dict.fromkeys(_sendable(row, column, word.strip()) for word in words if word.strip()))


def _messages(row: Row, column: str, role: str) -> Messages:
    """Return a cell as messages: from a list, the JSON text of one, or a text as one message of `role`."""
    value = row.values[column]
    if isinstance(value, str) and value.lstrip().startswith('[{"'):
        value = from_json(value)
    if not isinstance(value, list):
        return (Message.model_validate({"role": role, "content": text_in(row, column)}),)
    try:
        messages = tuple(_message(message) for message in value)
    except (ValidationError, AttributeError, TypeError) as fault:
        first = fault.errors()[0]["msg"] if isinstance(fault, ValidationError) else "expected objects"
        raise DataError([row.problem(column, f"not a list of messages with role and content ({first})")]) from fault
    if not messages:
        raise DataError([row.problem(column, "is an empty list; expected at least one message")])
    return messages


def from_json(cell: Any) -> Any:
    """Parse the object or the list that a JSON text holds; return any other cell as it is."""
    if isinstance(cell, str) and cell.lstrip().startswith(("{", "[")):
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            return cell  # prose that happens to begin like a list
    return cell


def _message(value: Any) -> Message:
    """Parse a message of a file: absent keys may be null, and arguments of tool calls a JSON text."""
    message = Message.from_json({key: part for key, part in value.items() if part is not None})
    if not message.tool_calls:
        return message
    return message.model_copy(update={"tool_calls": tuple(map(_with_arguments, message.tool_calls))})


def _with_arguments(call: ToolCall) -> ToolCall:
    arguments = call.function.get("arguments")
    if not isinstance(arguments, str):
        return call
    try:
        return call.model_copy(update={"function": {**call.function, "arguments": json.loads(arguments)}})
    except (ValueError, RecursionError):
        return call


def _kind(value: Any) -> str:
    return "nothing" if value is None else type(value).__name__


# Conversations, and two that begin alike.


Turns = list[dict[str, Any]]


class Parted(NamedTuple):
    """The common beginning up to the first answer, and the two ways on from there; each a list of turns."""

    prompt: Turns
    a: Turns
    b: Turns


def turns_in(cell: Any) -> Turns | None:
    """Return a cell as turns with role and content, from a list or its JSON text; None for anything else."""
    cell = from_json(cell)
    if not isinstance(cell, list) or not cell:
        return None
    if not all(isinstance(turn, dict) and "role" in turn for turn in cell):
        return None
    return [_plain(turn) for turn in cell]


def _plain(turn: dict[str, Any]) -> dict[str, Any]:
    """Return a turn without empty keys; content with a single text part becomes the text."""
    kept = {key: value for key, value in turn.items() if value is not None}
    parts = kept.get("content")
    if isinstance(parts, list) and len(parts) == 1 and isinstance(parts[0], dict) and parts[0].get("type") == "text":
        kept["content"] = str(parts[0].get("text") or "")
    return {key: kept[key] for key in ("role", "content", "tool_calls", "name", "tool_call_id") if key in kept}


def part(a: Sequence[dict[str, Any]], b: Sequence[dict[str, Any]]) -> Parted | None:
    """Split both conversations at the first turn in which they differ; None if they do not begin with the same
    question."""
    same = 0
    while same < min(len(a), len(b)) and a[same] == b[same]:
        same += 1
    while same and a[same - 1]["role"] == "assistant":  # an answer that both gave belongs to both
        same -= 1
    if same == min(len(a), len(b)):  # one holds nothing else: all after the last question is its answer
        same = max((i for i in range(same) if a[i]["role"] != "assistant"), default=-1) + 1
    if not same:
        return None
    return Parted(list(a[:same]), list(a[same:]), list(b[same:]))


def alternating(questions: Any, answers: Any) -> Turns | None:
    """Interleave lists of questions and of answers, or their JSON texts, to the turns of one conversation."""
    asked = _texts_in(questions)
    answered = _texts_in(answers)
    if asked is None or answered is None or len(asked) != len(answered):
        return None
    return [
        turn
        for question, answer in zip(asked, answered, strict=True)
        for turn in ({"role": "user", "content": question}, {"role": "assistant", "content": answer})
    ]


def _texts_in(cell: Any) -> list[str] | None:
    if isinstance(cell, str) and cell.lstrip().startswith('["'):
        cell = from_json(cell)
    if isinstance(cell, list) and cell and all(isinstance(text, str) for text in cell):
        return cell
    return None
