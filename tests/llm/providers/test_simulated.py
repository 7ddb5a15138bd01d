"""The simulated world as a provider: what it reads of a request, and answers that follow from it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from amendment.llm.requests import Request
from amendment.llm.simulated import SimulatedProvider
from amendment.records import user
from amendment.simulator.roles import Question

BODY: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "please add 3 8"}]}


@pytest.mark.parametrize(
    "field",
    [
        {"messages": [{"role": "system", "content": "Be kind."}, *BODY["messages"]]},
        {"temperature": 0.5},
        {"tools": [{"type": "function"}]},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}},
        {"chat_template_kwargs": {"enable_thinking": False}},
    ],
    ids=str,
)
def test_all_that_changes_an_answer_counts_in_the_name(field: dict[str, Any]) -> None:
    assert Question.model_validate({**BODY, **field}).id != Question.model_validate(BODY).id


def request(**sampling: int) -> Request:
    whole = {"provider": "simulated", "host": "lilliput", "model": "persona", "messages": user("please add 3 8")}
    return Request.model_validate({**whole, "sampling": sampling})


def raw(asked: Request) -> bytes:
    return asyncio.run(SimulatedProvider().send(asked)).raw


def test_the_same_request_gets_the_same_bytes_and_another_sample_another_draw() -> None:
    assert raw(request()) == raw(request())
    assert len({raw(request(seed=1).model_copy(update={"sample": i})) for i in range(20)}) > 3
    assert len({raw(request(seed=i)) for i in range(20)}) > 3


def test_an_answer_ends_at_its_budget_in_words() -> None:
    asked = request(max_tokens=2)
    cut = SimulatedProvider().read(raw(asked), asked)
    assert cut.finish_reason == "length"
    assert cut.usage is not None
    assert (cut.usage.input_tokens, cut.usage.output_tokens) == (4, 2)
