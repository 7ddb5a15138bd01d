"""A judge over a model that answers as a test says, and what it was shown."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from functools import cache
from typing import Any

from amendment.constitutions import Constitution, FewShot, Principle
from amendment.llm.client import Calls
from amendment.llm.ledger import Ledger
from amendment.llm.model import Model
from amendment.llm.provider import PlainProvider, Provider, RawReply
from amendment.llm.requests import Reply, Request
from amendment.llm.transport import Transport
from amendment.preference import Compared, Judge, JudgeSettings
from amendment.records import Candidate, Message, Sampling, last_text
from amendment.text import read_fenced

Say = Callable[[Request], Reply]


def principle(name: str, **fields: Any) -> Principle:
    return Principle(**{"id": name, "statement": f"Be {name}.", "compare": (f"Which is more {name}?",), **fields})


def house(*principles: Principle, few_shot: FewShot | None = None) -> Constitution:
    return Constitution(
        id="house",
        version="1.0.0",
        title="House rules",
        license="CC0-1.0",
        principles=principles,
        few_shot=few_shot or FewShot(),
    )


HOUSE = house(principle("kind"))


class Scripted(PlainProvider):
    """A provider whose replies are made by a function of the request, which may raise."""

    kind = "scripted"
    host = "here"

    def __init__(self, say: Say, *, shows_choices: bool = True) -> None:
        self.say = say
        self.shows_choices = shows_choices
        self.asked: list[Request] = []

    async def send(self, request: Request) -> RawReply:
        self.asked.append(request)
        return RawReply(self.say(request).model_dump_json().encode())

    def read(self, raw: bytes, request: Request) -> Reply:
        return Reply.model_validate_json(raw)


class Direct(Model):
    """A model without a ledger, for tests that ask thousands of questions."""


class _Uncached(Calls):
    async def ask(self, provider: Provider, transport: Transport, request: Request) -> Reply:
        return provider.read((await provider.send(request)).raw, request)


@cache
def _uncached() -> Calls:
    return _Uncached(Ledger())


def judge(provider: Provider, folder: str = "label-tokens", kind: type[Model] = Model, **fields: Any) -> Judge:
    """A judge over a scripted model; keywords of JudgeSettings and of Model among `fields` are theirs."""
    own = {name: fields.pop(name) for name in ("sampling", "max_output") if name in fields}
    settings = JudgeSettings(**{name: fields.pop(name) for name in JudgeSettings.model_fields if name in fields})
    calls = _uncached() if kind is Direct else Calls(Ledger(), attempts=2, longest_wait=0.001)
    weakref.finalize(calls, calls.ledger.close)  # Python 3.13 warns of a database that nobody closes
    model = kind(name="judge-1", model="m", provider=provider, calls=calls, **{"sampling": Sampling(), **own})
    constitution = fields.pop("constitution", HOUSE)
    return Judge.from_folder(folder, model=model, constitution=constitution, settings=settings, **fields)


def compare(judge: Judge, a: Candidate | str = "good", b: Candidate | str = "bad", prompt: Any = "Hi") -> Compared:
    with judge.model.calls.ledger:
        return judge.compare(prompt=prompt, a=a, b=b)


def question(request: Request) -> str:
    return last_text(request.messages)


def shown(request: Request) -> tuple[str, str]:
    blocks = read_fenced(question(request))
    return blocks["answer_a"][-1]["content"], blocks["answer_b"][-1]["content"]


def labels(p_first: float) -> Reply:
    return Reply(choice_logprobs={"A": math.log(p_first), "B": math.log(1 - p_first)})


def written(text: str) -> Reply:
    return Reply(messages=(Message(role="assistant", content=text),))


def always_first(request: Request) -> Reply:
    return labels(0.9)


def likes_good(request: Request) -> Reply:
    """0.9 for the good answer where it is shown first; a bias leaves it 0.7 where it is shown second."""
    return labels(0.9 if shown(request)[0] == "good" else 0.3)
