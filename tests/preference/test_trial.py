"""A judge that reads token probabilities, before servers that show none, show them late, or refuse first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import combinations

import pytest

from amendment.calls import Calls, Model, Reply, Request
from amendment.constitutions import load_constitution
from amendment.errors import ConfigError, Transient
from amendment.ledger import Ledger
from amendment.preference import Judge
from amendment.records import Candidate, Message, Prompt, Sampling, user

PROMPT = Prompt(messages=user("please add 3 8"))
ANSWERS = [
    Candidate(prompt_id=PROMPT.id, messages=(Message(role="assistant", content=text),), kind="imported")
    for text in ("the answer is 11", "the answer is 12", "i will not help", "i am not certain")
]
SHOWN = Reply(messages=(Message(role="assistant", content="A"),), choice_logprobs={"A": -0.1, "B": -2.5})
SILENT = SHOWN.model_copy(update={"choice_logprobs": None})
REFUSED = Reply(finish_reason="refusal")


class Server:
    """Answers question n, from 0, by a function, after the loop has turned often enough for others to come too."""

    kind, host, deadline, shows_choices = "scripted", "gateway", None, True

    def __init__(self, reply: Callable[[int], Reply]) -> None:
        self.reply = reply
        self.asked = 0

    async def send(self, request: Request) -> bytes:
        number, self.asked = self.asked, self.asked + 1
        for _ in range(20):
            await asyncio.sleep(0)
        return self.reply(number).model_dump_json().encode()

    def read(self, raw: bytes, request: Request) -> Reply:
        return Reply.model_validate_json(raw)

    async def close(self) -> None: ...


def invalids(server: Server) -> list[str]:
    """Judge six comparisons of two questions each at once; gives why verdicts are invalid."""

    async def main() -> list[str]:
        with Ledger() as ledger:
            calls = Calls(ledger, attempts=2, longest_wait=0.001)
            model = Model(
                name="second", model="org/m", provider=server, calls=calls, sampling=Sampling(), concurrency=64
            )
            judge = Judge.from_folder("label-tokens", model=model, constitution=load_constitution("lilliput"))
            found = await asyncio.gather(*(judge.verdicts(PROMPT, *pair) for pair in combinations(ANSWERS, 2)))
        return [verdict.invalid for verdicts in found for verdict in verdicts if verdict.invalid]

    return asyncio.run(main())


def test_a_server_without_probabilities_is_asked_once_and_the_way_out_is_told() -> None:
    server = Server(lambda _: SILENT)
    with pytest.raises(ConfigError) as told:
        invalids(server)
    assert server.asked == 1
    for words in ("gateway: model org/m", "judge label-tokens", "protocol: verdict", "logprobs: false for second"):
        assert words in str(told.value)


def test_a_server_that_shows_them_is_asked_everything_and_all_at_once_after_the_first() -> None:
    most = 0

    def reply(number: int) -> Reply:
        nonlocal most
        most = max(most, server.asked)
        return SHOWN

    server = Server(reply)
    assert invalids(server) == []
    assert server.asked == 12
    assert most == 12, "the second question was answered when all others were asked, too"


def test_one_answer_without_them_among_others_is_one_invalid_verdict() -> None:
    server = Server(lambda number: SILENT if number == 5 else SHOWN)
    assert invalids(server) == ["no probabilities of A and B in the reply"]
    assert server.asked == 12


def test_a_refusal_says_nothing_about_the_server() -> None:
    assert invalids(Server(lambda number: REFUSED if number == 0 else SHOWN)) == ["refused"]
    silent = Server(lambda number: REFUSED if number == 0 else SILENT)
    with pytest.raises(ConfigError, match="protocol: verdict"):
        invalids(silent)


def test_a_first_question_that_fails_holds_up_nobody() -> None:
    def reply(number: int) -> Reply:
        if number < 2:
            raise Transient("not now")
        return SHOWN

    server = Server(reply)
    with pytest.raises(Transient):
        invalids(server)
    assert server.asked > 2
