"""Questions with a schema at servers that keep schemas, any JSON object, or neither: found out once, and paid once."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import Rejected, Transient
from amendment.llm.client import Calls
from amendment.llm.ledger import Ledger
from amendment.llm.model import Model
from amendment.llm.requests import Reply, Request
from amendment.llm.schemas import JSON_OBJECT
from amendment.records import Message, Sampling, last_text, user
from tests.preference.scripted_judge import Scripted

SCHEMA = {"type": "object", "properties": {"verdict": {"enum": ["A", "B"]}}}
FORMS = [SCHEMA, JSON_OBJECT, None]
REFUSED = Rejected("here: status 500: 1 validation error: ('body', 'response_format', 'type')")
Say = Callable[[Request], Reply]


def keeping(*schemas: dict[str, Any] | None) -> Say:
    """A server that answers in these forms."""

    def say(request: Request) -> Reply:
        if request.answer_schema not in schemas:
            raise REFUSED
        return Reply(messages=(Message(role="assistant", content=f"to {last_text(request.messages)}"),))

    return say


def ask(provider: Scripted, ledger: Path | None = None, *, names: tuple[str, ...] = ("j",), number: int = 6) -> Any:
    """The answers to some questions, asked at once by each of the entries, and what the user is shown."""

    async def main() -> Any:
        with Ledger(ledger) as opened:
            calls = Calls(opened, attempts=1)
            models = [
                Model(name=name, model="m", provider=provider, calls=calls, sampling=Sampling()) for name in names
            ]
            asked = [
                model.ask(user(f"{model.name} {n}"), answer_schema=SCHEMA) for n in range(number) for model in models
            ]
            found = await asyncio.gather(*asked, return_exceptions=True)
            return found, dict(calls.notices)

    return asyncio.run(main())


@pytest.mark.parametrize("form", [0, 1, 2])
def test_the_form_that_a_server_keeps_is_found_once_for_all_entries_and_said_once(form: int) -> None:
    provider = Scripted(keeping(*FORMS[form:]))
    found, notices = ask(provider, names=("j", "k"))
    assert len({last_text(answer.reply.messages) for answer in found}) == 12
    sent = [FORMS.index(request.answer_schema) for request in provider.asked]
    assert sent == [*range(form), *[form] * 12]
    assert list(notices.values()) == [1] * bool(form)
    assert all("here: model m " in notice and " JSON schemas" in notice for notice in notices)


@pytest.mark.parametrize("form", [0, 2])
def test_a_resumed_run_asks_nothing_of_a_server_that_takes_no_calls_and_the_ledger_has_what_was_sent(
    form: int, tmp_path: Path
) -> None:
    first = Scripted(keeping(*FORMS[form:]))
    found, _ = ask(first, tmp_path / "ledger.sqlite")

    def refuse(request: Request) -> Reply:
        raise Transient("here: away")

    again = Scripted(refuse)
    resumed, _ = ask(again, tmp_path / "ledger.sqlite")
    assert again.asked == []
    assert resumed == found
    rows = sqlite3.connect(tmp_path / "ledger.sqlite").execute(
        "SELECT q.id, q.body FROM request q JOIN attempt a ON a.request = q.id JOIN reply r ON r.attempt = a.number"
    )
    stored = {name: json.loads(body).get("answer_schema") for name, body in rows}
    assert stored == {answer.origin.request: FORMS[form] for answer in found}


@pytest.mark.parametrize(
    ("fault", "form"),
    [(Rejected("here: status 400: too long: 'Explain this database schema ...'"), 0), (Transient("here: away"), 1)],
    ids=["a rejection that quotes its question", "a first question that fails"],
)
def test_a_fault_of_one_question_holds_up_nobody_and_does_not_change_the_form(fault: Exception, form: int) -> None:
    def say(request: Request) -> Reply:
        if last_text(request.messages) == "j 0":
            raise fault
        return keeping(FORMS[form])(request)

    (failed, *others), notices = ask(Scripted(say))
    assert type(failed) is type(fault)
    assert [last_text(answer.reply.messages) for answer in others] == [f"to j {n}" for n in range(1, 6)]
    assert list(notices.values()) == [1] * form
