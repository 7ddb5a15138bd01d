"""Get answers that follow a JSON schema from servers that support schemas, only JSON objects, or neither.

No server announces which, so an endpoint's first question with a schema is sent alone. If it is rejected because of the
schema, the same question is sent in the next form: it asks for any JSON object, then for text. The endpoint keeps the
first form that gets a reply. Each form is a request of its own, so the ledger has what was sent, and a question with a
reply in any form is not sent again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from amendment.errors import Rejected, Transient
from amendment.llm.requests import Reply, Request

JSON_OBJECT: dict[str, Any] = {"type": "object"}
"""The schema of any object. OpenAI's protocol has its own form for it, which more servers know."""
_REFUSED = re.compile(r"response_format|json_schema|json_object|output_config|schema", re.IGNORECASE)
"""Found in the rejection of a question: the server does not offer what was asked of the answer."""
_NOTICES = (
    "",
    "does not support JSON schemas; it is asked for any JSON object",
    "supports neither JSON schemas nor JSON objects; JSON is read from its text",
)
"""By form."""
Send = Callable[[Request], Awaitable[Reply]]
Asked = tuple[Request, Reply]


class AnswerForms:
    """The form in which one endpoint answers questions with a schema."""

    def __init__(self, notice: Callable[[str], None]) -> None:
        self._notice = notice
        self._alone = asyncio.Lock()
        self._form = 0
        """0 for the schema itself, 1 for any object, 2 for text."""
        self._has_replied = False
        self._is_asked_by_all = False
        """The others no longer wait for the first question."""

    async def ask(self, request: Request, *, send: Send, find: Callable[[str], bytes | None]) -> Asked:
        """Return the reply to a request with a schema, and the request in the form in which it was sent. Raises as
        `send`. `find` looks in the ledger for the reply to a request by its id."""
        schemas = (request.answer_schema, JSON_OBJECT, None)
        forms = [request.model_copy(update={"answer_schema": schema}) for schema in schemas]
        stored = [number for number, form in enumerate(forms) if find(form.id)]
        if stored:
            self._take(forms[stored[-1]], stored[-1])
            return await self._sent(forms, send, stored[-1])
        if not self._is_asked_by_all:
            async with self._alone:
                if not self._is_asked_by_all:
                    return await self._sent(forms, send, self._form)
        return await self._sent(forms, send, self._form)

    async def _sent(self, forms: Sequence[Request], send: Send, number: int) -> Asked:
        """Return the reply in the first form, from this number on, that is not rejected."""
        form = forms[number]
        try:
            reply = await send(form)
        except Transient:
            self._is_asked_by_all = True
            raise
        except Rejected as fault:
            is_of_question = self._has_replied and number >= self._form
            if is_of_question or form.answer_schema is None or not _REFUSED.search(str(fault)):
                raise
            return await self._sent(forms, send, number + 1)
        self._has_replied = True
        self._take(form, number)
        return form, reply

    def _take(self, form: Request, number: int) -> None:
        """Send later questions in this form."""
        self._is_asked_by_all = True
        if number > self._form:
            self._form = number
            self._notice(f"{form.host}: model {form.model} {_NOTICES[number]}")
