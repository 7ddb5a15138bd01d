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
from amendment.llm.provider import RawReply
from amendment.llm.requests import Reply, Request
from amendment.llm.schemas import JSON_OBJECT
from amendment.records import Message, Sampling, text_of, user
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
        return Reply(messages=(Message(role="assistant", content=f"to {text_of(request.messages)}"),))

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
    assert len({text_of(answer.reply.messages) for answer in found}) == 12
    sent = [FORMS.index(request.answer_schema) for request in provider.asked]
    assert sent == [*range(form), *[form] * 12]
    assert list(notices.values()) == [1] * bool(form)
    assert all("here: model m " in notice and " JSON schemas" in notice for notice in notices)


@pytest.mark.parametrize("form", [0, 1, 2])
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


def test_a_page_that_the_ledger_keeps_in_place_of_a_reply_does_not_settle_the_form(tmp_path: Path) -> None:
    class Paging(Scripted):
        sends_pages = True

        async def send(self, request: Request) -> RawReply:
            is_page = self.sends_pages and request.answer_schema
            return RawReply(b"<html>") if is_page else await super().send(request)

        def read(self, raw: bytes, request: Request) -> Reply:
            if raw == b"<html>":
                raise Transient("here: expected JSON", kind="unreadable")
            return super().read(raw, request)

    provider = Paging(keeping(None))
    found, _ = ask(provider, tmp_path / "ledger.sqlite")
    assert all(isinstance(fault, Transient) for fault in found)
    provider.sends_pages = False
    found, notices = ask(provider, tmp_path / "ledger.sqlite")
    assert [text_of(answer.reply.messages) for answer in found] == [f"to j {n}" for n in range(6)]
    assert list(notices.values()) == [1]


def test_a_longer_resumed_run_goes_on_in_the_form_that_its_ledger_shows(tmp_path: Path) -> None:
    ask(Scripted(keeping(None)), tmp_path / "ledger.sqlite")
    longer = Scripted(keeping(None))
    found, _ = ask(longer, tmp_path / "ledger.sqlite", number=8)
    assert len(found) == 8
    assert [request.answer_schema for request in longer.asked] == [None, None]


def test_a_rejection_that_quotes_its_question_changes_the_form_of_no_other() -> None:
    def say(request: Request) -> Reply:
        if text_of(request.messages) == "j 0":
            raise Rejected("here: status 400: too long: 'Explain this database schema ...'")
        return keeping(SCHEMA)(request)

    provider = Scripted(say)
    (fault, *others), notices = ask(provider)
    assert isinstance(fault, Rejected)
    assert len({text_of(answer.reply.messages) for answer in others}) == 5
    assert notices == {}


def test_a_first_question_that_fails_holds_up_nobody_and_does_not_change_the_form() -> None:
    def say(request: Request) -> Reply:
        if text_of(request.messages) == "j 0":
            raise Transient("here: away")
        return keeping(JSON_OBJECT)(request)

    provider = Scripted(say)
    (fault, *others), notices = ask(provider)
    assert isinstance(fault, Transient)
    assert [text_of(answer.reply.messages) for answer in others] == [f"to j {n}" for n in range(1, 6)]
    assert list(notices.values()) == [1]
