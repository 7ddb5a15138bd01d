"""One attempt from its money to its reply in the ledger: what a call that is broken off leaves behind."""

from __future__ import annotations

import asyncio

from amendment.llm.budget import Budget
from amendment.llm.ledger import Ledger
from amendment.llm.limits import Endpoint, Limits
from amendment.llm.prices import Price
from amendment.llm.requests import Request
from amendment.llm.transport import Online
from amendment.records import user
from tests.llm.scripted import Scripted, until


def test_a_call_that_is_broken_off_on_the_wire_counts_as_paid_and_stays_open_in_the_ledger() -> None:
    price = Price(input=1.0, output=1.0)

    async def main() -> None:
        with Ledger() as ledger:
            budget = Budget()
            provider = Scripted()
            provider.gate.clear()
            carrier = Online(provider, Endpoint(Limits(1)), ledger, budget, price)
            request = Request(provider="simulated", host="here", model="m", messages=user("Hi"))
            sending = asyncio.ensure_future(carrier.carry(request))
            await until(lambda: bool(provider.asked))
            held = budget.reserved
            sending.cancel()
            await asyncio.wait([sending])
            assert (budget.reserved, budget.spent, budget.possibly_paid) == (0.0, held, held)
            assert held > 0
            assert [one.request for one in ledger.open_attempts()] == [request.id]

    asyncio.run(main())
