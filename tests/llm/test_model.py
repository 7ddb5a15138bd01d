"""A reply decides the outcome of its item."""

from __future__ import annotations

import asyncio

import pytest

from amendment.errors import ConfigError, CredentialsError, ProviderError, Rejected, Transient
from amendment.llm.model import Ending, Model, Unusable, item_ending
from amendment.records import user


@pytest.mark.parametrize(
    ("fault", "ending"),
    [
        (Unusable("refused", "no"), Ending("refused", "no")),
        (Transient("busy"), Ending("pending", "busy")),
        (Rejected("too long"), Ending("failed", "too long")),
    ],
)
def test_only_a_passing_fault_leaves_an_item_pending(fault: Unusable | ProviderError, ending: Ending) -> None:
    assert item_ending(fault) == ending


def test_a_key_that_is_refused_ends_no_item_but_the_run() -> None:
    with pytest.raises(CredentialsError, match="no key"):
        item_ending(CredentialsError("no key"))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"prefill": "Yes"}, "model ask: function cannot continue the beginning of an answer"),
        ({"scored": "Yes"}, "model ask: function returns no log-probability of a text"),
    ],
)
def test_what_a_provider_cannot_do_is_refused_before_it_is_asked(asked: dict[str, str], message: str) -> None:
    sent = list[object]()

    async def ask(messages: list[dict[str, object]]) -> str:
        sent.append(messages)
        return "No"

    with pytest.raises(ConfigError, match=message):
        asyncio.run(Model.from_function(ask).ask(user("Is it?"), **asked))  # type: ignore[arg-type]
    assert not sent
