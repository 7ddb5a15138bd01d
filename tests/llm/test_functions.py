"""Functions as models: plain and async ones, what they are given, what they may return, and their errors by name."""

from __future__ import annotations

import asyncio
import math
import threading
from functools import partial
from typing import Any

import pytest

from amendment.errors import AmendmentError, ConfigError
from amendment.llm.functions import ModelFunction
from amendment.llm.model import Model
from amendment.llm.requests import Reply
from amendment.records import last_text, user

Messages = list[dict[str, Any]]


def reply_of(function: ModelFunction, **asked: Any) -> Reply:
    return asyncio.run(Model.from_function(function).ask(user("Which?"), **asked)).reply


async def awaited(messages: Messages) -> str:
    return f"{messages[-1]['content']} This."


class Answering:
    def __call__(self, messages: Messages) -> str:
        return f"{messages[-1]['content']} This."


@pytest.mark.parametrize(
    "function",
    [awaited, Answering(), partial(awaited)],
    ids=["async", "plain object", "partial"],
)
def test_any_function_from_messages_to_text_answers(function: ModelFunction) -> None:
    assert last_text(reply_of(function).messages) == "Which? This."


def test_a_function_gets_what_its_parameters_name() -> None:
    seen = []

    def ask(messages: Messages, sampling: dict[str, Any], *, sample: int = 0) -> str:
        seen.append((sampling, sample))
        return "ok"

    reply_of(ask, sample=3, sampling={"temperature": 0.5, "max_tokens": 7})
    assert seen == [({"temperature": 0.5, "max_tokens": 7}, 3)]


def test_a_function_of_labels_returns_their_probabilities() -> None:
    def ask(messages: Messages, labels: tuple[str, ...] | None = None) -> str | dict[str, float]:
        return {"A": 0.75, "B": 0.0} if labels else "no labels"

    assert Model.from_function(ask).shows_choices
    reply = reply_of(ask, choices=("A", "B"))
    assert reply.choice_logprobs == {"A": math.log(0.75)}, "a label without probability has none"
    assert last_text(reply_of(ask).messages) == "no labels"
    assert not Model.from_function(awaited).shows_choices


@pytest.mark.parametrize("answer", [{"C": 0.1}, {"A": 0.7, "B": 0.7}, {"A": "much"}])
def test_what_are_no_probabilities_of_the_labels_is_refused(answer: dict[str, Any]) -> None:
    def ask(messages: Messages, labels: tuple[str, ...]) -> dict[str, Any]:
        return answer

    with pytest.raises(ConfigError, match=r"^function ask returned \{.*expected probabilities of A, B that sum to"):
        reply_of(ask, choices=("A", "B"))


async def broken_later(messages: Messages) -> str:
    await asyncio.sleep(0)
    return str(messages[0]["kontent"])


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (broken_later, "function broken_later raised KeyError: 'kontent'"),
        (lambda messages: exec("raise SystemExit(3)"), "function <lambda> raised SystemExit: 3"),
    ],
)
def test_an_error_of_a_function_is_its_own_with_name_and_line(function: ModelFunction, complaint: str) -> None:
    with pytest.raises(AmendmentError) as caught:
        reply_of(function)
    message = str(caught.value)
    assert message.startswith(f"{complaint} ({__file__}:")
    assert caught.value.__cause__ is not None, "with its traceback"


def test_plain_functions_wait_in_threads_of_their_own() -> None:
    """All eight are waiting at once, or the barrier would break."""
    barrier = threading.Barrier(8, timeout=20)

    def ask(messages: Messages) -> str:
        barrier.wait()
        return "ok"

    async def all_of_them(model: Model) -> None:
        await asyncio.gather(*(model.ask(user(f"Question {number}")) for number in range(8)))

    asyncio.run(all_of_them(Model.from_function(ask)))
