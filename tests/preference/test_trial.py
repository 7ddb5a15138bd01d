"""A judge that reads token probabilities, before servers that show none, refuse to, show them late, or refuse first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from inspect import signature
from itertools import combinations
from typing import NamedTuple

from amendment.constitutions import load_constitution
from amendment.errors import Rejected, Transient
from amendment.llm.client import Calls
from amendment.llm.ledger import Ledger
from amendment.llm.model import Model
from amendment.llm.provider import Meter, Sent
from amendment.llm.requests import Reply, Request
from amendment.preference import Judge
from amendment.records import Candidate, Message, Prompt, Sampling, Verdict, user

PROMPT = Prompt(messages=user("please add 3 8"))
ANSWERS = [
    Candidate(prompt_id=PROMPT.id, messages=(Message(role="assistant", content=text),), kind="imported")
    for text in ("the answer is 11", "the answer is 12", "i will not help", "i am not certain")
]
SHOWN = Reply(messages=(Message(role="assistant", content="A"),), choice_logprobs={"A": -0.1, "B": -2.5})
SILENT = SHOWN.model_copy(update={"choice_logprobs": None})
REFUSED = Reply(finish_reason="refusal")
CUT = SILENT.model_copy(update={"finish_reason": "length"})
"""The article that begins WHOLE, at a limit of one token."""
WHOLE = Reply(
    messages=(Message(role="assistant", content="A fair look at both shows that the second is better.\nVerdict: B"),)
)


class Server:
    """Answers question n, from 0, by a function of n and perhaps of the request; others have the time to come, too."""

    kind, host, deadline, shows_choices = "scripted", "gateway", None, True

    def __init__(self, reply: Callable[..., Reply]) -> None:
        self.reply = reply
        self.asked = 0
        self.with_choices = 0

    async def send(self, request: Request) -> Sent:
        number, self.asked = self.asked, self.asked + 1
        self.with_choices += request.choices is not None
        for _ in range(20):
            await asyncio.sleep(0)
        further = (request,) if len(signature(self.reply).parameters) > 1 else ()
        return Sent(self.reply(number, *further).model_dump_json().encode())

    def meter(self, raw: bytes) -> Meter:
        return Meter()

    def read(self, raw: bytes, request: Request) -> Reply:
        return Reply.model_validate_json(raw)

    async def close(self) -> None: ...


class Judged(NamedTuple):
    """What came of it."""

    verdicts: list[Verdict]
    faults: list[BaseException]
    notices: dict[str, int]

    @property
    def invalids(self) -> list[str]:
        return [verdict.invalid for verdict in self.verdicts if verdict.invalid]


def judged(server: Server) -> Judged:
    """Judge six comparisons of two questions each at once."""

    async def main() -> Judged:
        with Ledger() as ledger:
            calls = Calls(ledger, attempts=2, longest_wait=0.001)
            model = Model(
                name="second", model="org/m", provider=server, calls=calls, sampling=Sampling(), concurrency=64
            )
            judge = Judge.from_folder("label-tokens", model=model, constitution=load_constitution("lilliput"))
            pairs = [judge.verdicts(PROMPT, *pair) for pair in combinations(ANSWERS, 2)]
            found = await asyncio.gather(*pairs, return_exceptions=True)
        verdicts = [verdict for one in found if not isinstance(one, BaseException) for verdict in one]
        return Judged(verdicts, [one for one in found if isinstance(one, BaseException)], dict(calls.notices))

    return asyncio.run(main())


def test_a_server_without_probabilities_gives_votes_and_is_named_once() -> None:
    server = Server(lambda _: SILENT)
    found = judged(server)
    assert server.asked == 12
    assert [(verdict.value, verdict.distribution) for verdict in found.verdicts] == [("A", None)] * 12
    assert list(found.notices.values()) == [1]
    for words in ("gateway: model org/m", "judge label-tokens", "one vote", "protocol: verdict"):
        assert words in next(iter(found.notices))


def test_a_server_that_refuses_the_question_for_them_is_found_out_by_one_call() -> None:
    def reply(number: int, request: Request) -> Reply:
        if request.choices:
            raise Rejected("gateway: status 400: Unsupported parameter: 'logprobs'")
        return SILENT

    server = Server(reply)
    found = judged(server)
    assert [verdict.value for verdict in found.verdicts] == ["A"] * 12
    assert server.with_choices == 1
    assert server.asked == 13  # one refused, twelve answered
    assert list(found.notices.values()) == [1]


def test_a_server_that_needs_more_than_one_token_for_a_label_is_asked_in_words() -> None:
    nothing = Reply(finish_reason="length")
    server = Server(lambda _, request: nothing if request.choices else SILENT)
    found = judged(server)
    assert [verdict.value for verdict in found.verdicts] == ["A"] * 12
    assert server.with_choices == 1


def article_first(request: Request) -> Reply:
    """A server without probabilities: what it would say, cut where the question allows no more than one token."""
    return CUT if request.sampling.max_tokens == 1 else WHOLE


def test_an_article_that_was_cut_is_no_vote_and_the_whole_answer_is_asked_for() -> None:
    server = Server(lambda _, request: article_first(request))
    found = judged(server)
    assert [(verdict.value, verdict.invalid) for verdict in found.verdicts] == [("B", None)] * 12
    assert server.with_choices == 1
    assert server.asked == 13  # one that was cut, twelve whole ones
    assert list(found.notices.values()) == [1]


def test_after_a_first_vote_without_probabilities_no_question_is_cut_at_one_token() -> None:
    server = Server(lambda number, request: article_first(request) if number else SILENT)
    found = judged(server)
    assert sorted(str(verdict.value) for verdict in found.verdicts) == ["A"] + ["B"] * 11
    assert (server.with_choices, server.asked) == (1, 12)
    assert list(found.notices.values()) == [1]


def test_a_cut_article_among_probabilities_is_no_verdict() -> None:
    def reply(number: int, request: Request) -> Reply:
        return article_first(request) if number == 5 or not request.choices else SHOWN

    server = Server(reply)
    found = judged(server)
    assert [verdict.value for verdict in found.verdicts if not verdict.invalid] == ["A"] * 11
    assert (server.with_choices, server.asked, len(found.invalids)) == (12, 12, 1)


def test_a_server_whose_first_question_failed_is_found_out_by_the_next_answers() -> None:
    def reply(number: int, request: Request) -> Reply:
        if number < 2:
            raise Transient("not now")
        return article_first(request)

    server = Server(reply)
    found = judged(server)
    assert [str(fault) for fault in found.faults] == ["not now"]
    assert [verdict.value for verdict in found.verdicts] == ["B"] * 10
    assert server.with_choices <= 2 + 5, "the second questions of the pairs were cut, too"
    assert list(found.notices.values()) == [1]


def test_a_refusal_for_another_reason_is_of_that_question_alone() -> None:
    def reply(number: int, request: Request) -> Reply:
        if number == 0:
            raise Rejected("gateway: status 400: too long")
        return SHOWN

    server = Server(reply)
    found = judged(server)
    assert found.invalids == ["rejected: gateway: status 400: too long"]
    assert server.with_choices == server.asked == 12
    assert found.notices == {}


def test_a_server_that_shows_them_is_asked_everything_and_all_at_once_after_the_first() -> None:
    most = 0

    def reply(number: int) -> Reply:
        nonlocal most
        most = max(most, server.asked)
        return SHOWN

    server = Server(reply)
    assert judged(server).invalids == []
    assert server.asked == 12
    assert most >= 6, "the first question of every pair was asked before most were answered"


def test_one_answer_without_them_among_others_is_no_vote() -> None:
    server = Server(lambda number: SILENT if number == 5 else SHOWN)
    found = judged(server)
    assert [verdict.distribution is None for verdict in found.verdicts].count(True) == len(found.invalids) == 1
    assert server.asked == 12


def test_a_refusal_says_nothing_about_the_server() -> None:
    assert judged(Server(lambda number: REFUSED if number == 0 else SHOWN)).invalids == ["refused"]
    silent = judged(Server(lambda number: REFUSED if number == 0 else SILENT))
    assert silent.invalids == ["refused"]
    assert len(silent.notices) == 1


def test_a_first_question_that_fails_holds_up_nobody() -> None:
    def reply(number: int) -> Reply:
        if number < 2:
            raise Transient("not now")
        return SHOWN

    server = Server(reply)
    found = judged(server)
    assert [str(fault) for fault in found.faults] == ["not now"]
    assert server.asked == 12  # two attempts of the first question, and ten of the other five pairs
    assert found.invalids == []
