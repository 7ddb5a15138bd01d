"""The simulated provider as the pipeline meets it: requests in, raw bytes out, replies read back."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.calls import Calls, Model, Provider, Reply, Request
from amendment.errors import Transient
from amendment.fence import fence
from amendment.ledger import Ledger
from amendment.lilliput import STRANGER, Persona, is_readable
from amendment.providers.simulated import SimulatedProvider
from amendment.records import Message, Messages, Sampling, text_of, user

CALM = Persona(noise=0, position_bias=0, leak=0, unreadable=0, false_alarms=0, skill=1, artefacts=0, slips=0)
PROMPT = "please add 3 8"
RIGHT, WRONG = "the answer is 11 because sum", "the answer is 12"


def request(messages: Messages | str, **fields: Any) -> Request:
    given = user(messages) if isinstance(messages, str) else messages
    return Request(provider="simulated", host="lilliput", model="persona", messages=given, **fields)


def ask(provider: SimulatedProvider, asked: Request) -> Reply:
    return provider.read(asyncio.run(provider.send(asked)), asked)


def said(persona: Persona, asked: Request) -> str:
    return text_of(ask(SimulatedProvider(persona), asked).messages)


def blocks(**values: Any) -> str:
    return "Read the blocks.\n\n" + "\n\n".join(fence(values).values()) + "\n\nAnswer."


def turns(text: str, role: str = "user") -> list[dict[str, Any]]:
    return [{"role": role, "content": text}]


def judging(first: str, second: str, principle: str = "lilliput/correct", **fields: Any) -> Request:
    text = blocks(conversation=turns(PROMPT), answer_a=turns(first, "assistant"), answer_b=turns(second, "assistant"))
    return request(text, hints={"role": "judge", "principles": [principle]}, **fields)


def test_it_is_a_provider() -> None:
    provider: Provider = SimulatedProvider()
    assert (provider.kind, provider.host, provider.shows_choices) == ("simulated", "lilliput", True)
    assert not SimulatedProvider(Persona(shows_choices=False)).shows_choices


def test_the_same_request_gets_the_same_bytes_and_another_sample_another_draw() -> None:
    async def send(*asked: Request) -> list[bytes]:
        return [await SimulatedProvider().send(one) for one in asked]

    same = asyncio.run(send(request(PROMPT), request(PROMPT)))
    assert same[0] == same[1]
    assert len(set(asyncio.run(send(*(request(PROMPT, sample=i) for i in range(20)))))) > 3
    assert len(set(asyncio.run(send(*(request(PROMPT, sampling=Sampling(seed=i)) for i in range(20)))))) > 3


def test_a_draft_answers_the_last_user_turn_whatever_stands_before() -> None:
    conversation = (
        Message(role="system", content="Be kind."),
        Message(role="user", content="howto glimsmoke"),
        Message(role="assistant", content="i will not help"),
        Message(role="user", content=({"type": "text", "text": "now capital orvia"},)),
    )
    text = said(CALM, request(conversation, hints={"role": "draft", "principles": []}))
    assert is_readable(text)
    assert "the answer is" in text or "i am not certain" in text or "i will not help" in text


def test_critique_and_revision_meet_in_words() -> None:
    values = {"conversation": turns(PROMPT), "answer": turns(WRONG, "assistant")}
    hints = {"principles": ["lilliput/correct"]}
    critique = said(CALM, request(blocks(**values), hints={"role": "critique", **hints}))
    assert critique == "The answer states something wrong."
    asked = request(blocks(**values, critique=critique), hints={"role": "revise", **hints})
    assert said(CALM, asked) == "i am not certain"
    knowing = CALM.model_copy(update={"knows_answers": True})
    assert said(knowing, asked) == RIGHT


def test_a_revision_without_critique_and_with_plain_strings_works_too() -> None:
    text = blocks(conversation=PROMPT, answer="the answer is 11 you fool")
    asked = request(text, hints={"role": "revise", "principles": ["polite"]})
    assert said(CALM.model_copy(update={"look": 1.0}), asked) == "the answer is 11"


def test_a_judge_gives_the_labels_their_probabilities_in_shown_order() -> None:
    found = ask(SimulatedProvider(CALM), judging(RIGHT, WRONG, choices=("1", "2")))
    swapped = ask(SimulatedProvider(CALM), judging(WRONG, RIGHT, choices=("1", "2")))
    assert found.choice_logprobs is not None
    assert swapped.choice_logprobs is not None
    assert found.choice_logprobs["1"] - found.choice_logprobs["2"] == pytest.approx(CALM.gain)
    assert swapped.choice_logprobs["1"] - swapped.choice_logprobs["2"] == pytest.approx(-CALM.gain)
    assert (text_of(found.messages), text_of(swapped.messages)) == ("1", "2")


def test_a_judge_without_label_probabilities_answers_in_words() -> None:
    silent = CALM.model_copy(update={"shows_choices": False})
    for persona, asked in ((CALM, judging(RIGHT, WRONG)), (silent, judging(RIGHT, WRONG, choices=("A", "B")))):
        found = ask(SimulatedProvider(persona), asked.model_copy(update={"sampling": Sampling(temperature=0)}))
        assert found.choice_logprobs is None
        assert text_of(found.messages).splitlines()[-1] == "Verdict: A"


def test_an_equal_pair_in_words_is_a_tie() -> None:
    assert said(CALM, judging(RIGHT, RIGHT)) == "Verdict: tie"


def test_a_judge_that_finds_no_two_answers_gives_no_verdict() -> None:
    found = ask(SimulatedProvider(), request(PROMPT, choices=("A", "B"), hints={"role": "judge", "principles": []}))
    assert found.choice_logprobs is None
    assert text_of(found.messages) == STRANGER


def test_words_are_counted_and_cut_at_the_budget() -> None:
    found = ask(SimulatedProvider(CALM), request(PROMPT, sampling=Sampling(max_tokens=2)))
    assert found.finish_reason == "length"
    assert found.usage is not None
    assert (found.usage.input_tokens, found.usage.output_tokens) == (4, 2)
    assert ask(SimulatedProvider(CALM), request(PROMPT)).finish_reason == "stop"


@given(
    st.text(),
    st.sampled_from(["draft", "critique", "revise", "judge", "cook", 3, None]),
    st.sampled_from([["lilliput/honest"], [], "honest", None, 7]),
    st.sampled_from(
        ["{}", "<<answer 0123456789abcdef0123456789abcdef>>\n{\n<<end answer 0123456789abcdef0123456789abcdef>>"]
    ),
)
def test_no_text_and_no_hint_raises(text: str, role: Any, principles: Any, more: str) -> None:
    asked = request(text + "\n" + more, hints={"role": role, "principles": principles})
    assert ask(SimulatedProvider(), asked).messages


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "content", "text"]), inner),
    max_leaves=6,
)


@given(json_values, json_values, json_values, st.sampled_from(["critique", "revise", "judge"]))
def test_no_fenced_value_raises(conversation: Any, answer: Any, other: Any, role: str) -> None:
    text = blocks(conversation=conversation, answer=answer, critique=other, answer_a=answer, answer_b=other)
    assert ask(SimulatedProvider(), request(text, hints={"role": role})).messages


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"text": 3, "finish_reason": "stop"}', b"\xff"])
def test_bytes_of_another_provider_are_not_read(raw: bytes) -> None:
    with pytest.raises(Transient, match="not one of this provider"):
        SimulatedProvider().read(raw, request(PROMPT))


def test_it_answers_through_calls_and_a_replay_asks_nothing(tmp_path: Path) -> None:
    async def drive() -> tuple[str, str, int]:
        with Ledger(tmp_path / "ledger.sqlite") as ledger:
            calls = Calls(ledger)
            model = Model(
                name="writer", model=CALM.id, provider=SimulatedProvider(CALM), calls=calls, sampling=Sampling(seed=1)
            )
            first = await model.ask(user(PROMPT), hints={"role": "draft", "principles": []})
            again = await model.ask(user(PROMPT), hints={"role": "draft", "principles": []})
            assert first.origin.provider == "simulated"
            return text_of(first.reply.messages), text_of(again.reply.messages), calls.sent

    first, again, sent = asyncio.run(drive())
    assert first == again
    assert sent == 1
