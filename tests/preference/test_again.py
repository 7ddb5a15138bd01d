"""A written verdict that cannot be read is asked for once more, and never a third time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amendment.constitutions import load_constitution
from amendment.errors import Rejected, Transient
from amendment.llm.client import Calls
from amendment.llm.ledger import Ledger
from amendment.llm.model import Model
from amendment.llm.provider import Meter, Sent
from amendment.llm.requests import Reply, Request
from amendment.preference import Compared, Judge, JudgeSettings
from amendment.records import Message, Sampling, text_of

Say = Callable[[Request], Reply]


def written(text: str, **fields: str) -> Reply:
    return Reply.model_validate({"messages": (Message(role="assistant", content=text),), **fields})


class Scripted:
    """The first answer to a question from `first`, an answer to a complaint from `second`."""

    kind, host, deadline, shows_choices = "scripted", "here", None, True

    def __init__(self, first: Reply, second: Reply | Exception) -> None:
        self.first, self.second = first, second
        self.asked: list[Request] = []

    async def send(self, request: Request) -> Sent:
        self.asked.append(request)
        reply = self.second if len(request.messages) > 1 else self.first
        if isinstance(reply, Exception):
            raise reply
        return Sent(reply.model_dump_json().encode())

    def meter(self, raw: bytes) -> Meter:
        return Meter()

    def read(self, raw: bytes, request: Request) -> Reply:
        return Reply.model_validate_json(raw)

    async def close(self) -> None: ...


def compare_once(provider: Scripted, folder: str = "verdict") -> Compared:
    with Ledger() as ledger:
        return compare(provider, ledger, folder)


def compare(provider: Scripted, ledger: Ledger, folder: str = "verdict") -> Compared:
    calls = Calls(ledger, attempts=2, longest_wait=0.001)
    judge = Judge.from_folder(
        folder,
        model=Model(name="judge-1", model="m", provider=provider, calls=calls, sampling=Sampling(temperature=1.0)),
        constitution=load_constitution("lilliput"),
        settings=JudgeSettings(orders="first"),
    )
    return judge.compare(prompt="Hi", a="good", b="bad")


@pytest.mark.parametrize(
    ("text", "complaint"), [("Both are fine.", "no verdict line"), ("Verdict: A\nVerdict: B", "2 verdict lines")]
)
def test_the_complaint_and_the_form_are_told_and_the_second_answer_counts(text: str, complaint: str) -> None:
    provider = Scripted(written(text), written("Verdict: B"))
    with Ledger() as ledger:
        made = compare(provider, ledger)
        first, second = provider.asked
        assert [message.role for message in second.messages] == ["user", "assistant", "user"]
        assert second.messages[0] == first.messages[0]
        assert second.messages[1].content == text
        said = text_of(second.messages[2:])
        assert complaint in said
        assert "Verdict: tie" in said
        (verdict,) = made.verdicts
        assert (verdict.value, verdict.invalid) == ("B", None)
        assert verdict.origin.request == second.id
        assert ledger.find(first.id) is not None
        assert ledger.find(second.id) is not None


def test_a_second_answer_that_cannot_be_read_is_the_last() -> None:
    provider = Scripted(written("Hm."), written("Well."))
    (verdict,) = compare_once(provider).verdicts
    assert (verdict.value, verdict.invalid) == (None, "no verdict line")
    assert len(provider.asked) == 2
    assert verdict.origin.request == provider.asked[1].id


@pytest.mark.parametrize("first", [written("No.", finish_reason="refusal"), Reply(), written("Verdict: A")])
def test_a_refusal_a_silence_and_a_verdict_stand(first: Reply) -> None:
    provider = Scripted(first, written("Verdict: B"))
    compare_once(provider)
    assert len(provider.asked) == 1


def test_a_refused_second_question_leaves_the_first_complaint() -> None:
    provider = Scripted(written("Hm."), Rejected("too long"))
    (verdict,) = compare_once(provider).verdicts
    assert verdict.invalid == "no verdict line"
    assert verdict.origin.request == provider.asked[0].id


def test_a_second_question_whose_faults_last_leaves_the_item_open() -> None:
    with pytest.raises(Transient, match="busy"):
        compare_once(Scripted(written("Hm."), Transient("busy")))


def test_a_vote_in_other_words_is_asked_for_again_too() -> None:
    provider = Scripted(written("I would say the first."), written("A"))
    (verdict,) = compare_once(provider, "label-tokens").verdicts
    assert (verdict.value, verdict.distribution) == ("A", None)
    assert "the one letter A or the one letter B" in text_of(provider.asked[-1].messages[-1:])


def test_probabilities_that_name_no_label_are_not_argued_with() -> None:
    shown = Reply(messages=written("The").messages, choice_logprobs={"A": -5.0, "B": -5.0})
    provider = Scripted(shown, written("A"))
    (verdict,) = compare_once(provider, "label-tokens").verdicts
    assert "of the first token" in str(verdict.invalid)
    assert len(provider.asked) == 1
