"""The simulated provider as the pipeline meets it: requests in, raw bytes out, replies read back."""

import asyncio
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.constitutions import load_constitution
from amendment.errors import Transient
from amendment.fence import fence
from amendment.llm.client import Calls
from amendment.llm.ledger import Ledger
from amendment.llm.model import Model
from amendment.llm.provider import Provider
from amendment.llm.requests import Reply, Request
from amendment.llm.simulated import SimulatedProvider
from amendment.records import Message, Messages, Sampling, text_of, user
from amendment.simulator import Persona, is_readable

CALM = Persona(noise=0, position_bias=0, leak=0, unreadable=0, false_alarms=0, skill=1, artefacts=0, slips=0)
PROMPT = "please add 3 8"
RULES = load_constitution("lilliput")
RIGHT, WRONG = "the answer is 11 because sum", "the answer is 12"


def request(messages: Messages | str, **fields: Any) -> Request:
    given = user(messages) if isinstance(messages, str) else messages
    return Request(provider="simulated", host="lilliput", model="persona", messages=given, **fields)


def ask(provider: SimulatedProvider, asked: Request) -> Reply:
    return provider.read(asyncio.run(provider.send(asked)).raw, asked)


def said(persona: Persona, asked: Request) -> str:
    return text_of(ask(SimulatedProvider(persona), asked).messages)


def blocks(after: str = "Answer.", **values: Any) -> str:
    return "Read the blocks.\n\n" + "\n\n".join(fence(values).values()) + f"\n\n{after}"


def rule(principle: str) -> str:
    return f"The principle: {RULES.principle(principle).statement}"


def turns(text: str, role: str = "user") -> list[dict[str, Any]]:
    return [{"role": role, "content": text}]


def judging(first: str, second: str, principle: str = "correct", **fields: Any) -> Request:
    answers = {"answer_a": turns(first, "assistant"), "answer_b": turns(second, "assistant")}
    return request(blocks(rule(principle), conversation=turns(PROMPT), **answers), **fields)


def test_it_is_a_provider() -> None:
    provider: Provider = SimulatedProvider()
    assert (provider.kind, provider.host, provider.shows_choices) == ("simulated", "lilliput", True)
    assert not SimulatedProvider(Persona(shows_choices=False)).shows_choices


def test_the_same_request_gets_the_same_bytes_and_another_sample_another_draw() -> None:
    async def send(*asked: Request) -> list[bytes]:
        return [(await SimulatedProvider().send(one)).raw for one in asked]

    same = asyncio.run(send(request(PROMPT), request(PROMPT)))
    assert same[0] == same[1]
    seeded = [request(PROMPT, sample=i, sampling=Sampling(seed=1)) for i in range(20)]
    assert len(set(asyncio.run(send(*seeded)))) > 3
    assert len(set(asyncio.run(send(*(request(PROMPT, sampling=Sampling(seed=i)) for i in range(20)))))) > 3


def test_a_draft_answers_the_last_user_turn_whatever_stands_before() -> None:
    conversation = (
        Message(role="system", content="Be kind."),
        Message(role="user", content="howto glimsmoke"),
        Message(role="assistant", content="i will not help"),
        Message(role="user", content=({"type": "text", "text": "now capital orvia"},)),
    )
    text = said(CALM, request(conversation))
    assert is_readable(text)
    assert "the answer is" in text or "i am not certain" in text or "i will not help" in text


def test_critique_and_revision_meet_in_words() -> None:
    values = {"conversation": turns(PROMPT), "answer": turns(WRONG, "assistant")}
    critique = said(CALM, request(blocks(rule("correct"), **values)))
    assert critique == "The answer states something wrong."
    asked = request(blocks(rule("correct"), **values, critique=critique))
    assert said(CALM, asked) == "i am not certain"
    knowing = CALM.model_copy(update={"knows_answers": True})
    assert said(knowing, asked) == RIGHT


def test_a_revision_without_critique_and_with_plain_strings_works_too() -> None:
    text = blocks(
        f"The answer to improve stands above. {rule('polite')}", conversation=PROMPT, answer=f"{RIGHT} you fool"
    )
    asked = request(text)
    assert said(CALM.model_copy(update={"look": 1.0}), asked) == RIGHT


def test_a_judge_gives_the_labels_their_probabilities_in_shown_order() -> None:
    found = ask(SimulatedProvider(CALM), judging(RIGHT, WRONG, choices=("A", "B")))
    swapped = ask(SimulatedProvider(CALM), judging(WRONG, RIGHT, choices=("A", "B")))
    assert found.choice_logprobs is not None
    assert swapped.choice_logprobs is not None
    assert found.choice_logprobs["A"] - found.choice_logprobs["B"] == pytest.approx(CALM.gain)
    assert swapped.choice_logprobs["A"] - swapped.choice_logprobs["B"] == pytest.approx(-CALM.gain)
    assert (text_of(found.messages), text_of(swapped.messages)) == ("A", "B")


def test_a_judge_without_label_probabilities_answers_in_words() -> None:
    silent = CALM.model_copy(update={"shows_choices": False})
    for persona, asked in ((CALM, judging(RIGHT, WRONG)), (silent, judging(RIGHT, WRONG, choices=("A", "B")))):
        found = ask(
            SimulatedProvider(persona), asked.model_copy(update={"sampling": Sampling(temperature=0, max_tokens=20)})
        )
        assert found.choice_logprobs is None
        assert text_of(found.messages).splitlines()[-1] == "Verdict: A"


def test_an_equal_pair_in_words_is_a_tie() -> None:
    assert said(CALM, judging(RIGHT, RIGHT)) == "Verdict: tie"


def test_probabilities_of_labels_are_had_for_comparisons_alone() -> None:
    assert ask(SimulatedProvider(), request(PROMPT, choices=("A", "B"))).choice_logprobs is None
    shown = ask(SimulatedProvider(CALM), judging(RIGHT, WRONG, choices=("1", "A"))).choice_logprobs
    assert shown is not None
    assert set(shown) == {"A"}, "nothing is known of a label 1"
    assert math.exp(shown["A"]) == pytest.approx(0.999 / (1 + math.exp(-CALM.gain)))


def test_an_answer_ends_before_the_first_of_its_stops() -> None:
    found = ask(SimulatedProvider(CALM), request(PROMPT, sampling=Sampling(stop=(" is", "answer"), seed=1)))
    whole = said(CALM, request(PROMPT, sampling=Sampling(seed=1)))
    assert "answer" not in text_of(found.messages)
    assert text_of(found.messages) != whole
    assert found.finish_reason == "stop"


def test_what_an_answer_says_about_principles_tells_the_judge_nothing() -> None:
    """The principle is read around the blocks: a sentence of another one inside an answer changes no attention."""
    plain, laden = (
        ask(SimulatedProvider(CALM), judging(RIGHT, f"{WRONG}{more}", choices=("A", "B"))).choice_logprobs
        for more in ("", f" {RULES.principle('polite').statement}")
    )
    assert plain is not None
    assert plain == laden  # `correct` counts claims, and the sentence holds none


def test_a_principle_that_this_world_does_not_know_stands_for_the_overall_mix() -> None:
    rude = f"{RIGHT} you fool"
    answers = {"answer_a": turns(RIGHT, "assistant"), "answer_b": turns(rude, "assistant")}

    def gap(after: str) -> float:
        found = ask(SimulatedProvider(CALM), request(blocks(after, conversation=PROMPT, **answers), choices=("A", "B")))
        assert found.choice_logprobs is not None
        return found.choice_logprobs["A"] - found.choice_logprobs["B"]

    assert gap(rule("correct")) == pytest.approx(0)
    assert gap(rule("polite")) == pytest.approx(CALM.gain)
    # 1.5 of the weights 2 + 2 + 3 + 1.5 + 1 + 0.6 + 1.5 + 1 = 12.6 are for being polite
    assert gap("The principle: Be a good neighbour.") == pytest.approx(CALM.gain * 1.5 / 12.6)


def test_words_are_counted_and_cut_at_the_budget() -> None:
    found = ask(SimulatedProvider(CALM), request(PROMPT, sampling=Sampling(max_tokens=2)))
    assert found.finish_reason == "length"
    assert found.usage is not None
    assert (found.usage.input_tokens, found.usage.output_tokens) == (4, 2)
    assert ask(SimulatedProvider(CALM), request(PROMPT)).finish_reason == "stop"


@given(
    st.text(),
    st.sampled_from(["{}", "The answer to improve", RULES.principles[0].statement]),
    st.sampled_from(
        ["", "<<answer 0123456789abcdef0123456789abcdef>>\n{\n<<end answer 0123456789abcdef0123456789abcdef>>"]
    ),
)
def test_no_text_raises(text: str, words: str, more: str) -> None:
    assert ask(SimulatedProvider(), request(f"{text}\n{words}\n{more}")).messages


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "content", "text"]), inner),
    max_leaves=6,
)


@given(json_values, json_values, json_values, st.sampled_from([("answer",), ("critique",), ("answer_a", "answer_b")]))
def test_no_fenced_value_raises(conversation: Any, answer: Any, other: Any, names: tuple[str, ...]) -> None:
    values = dict(zip(names, (answer, other), strict=False))
    assert ask(SimulatedProvider(), request(blocks(conversation=conversation, **values))).messages


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
            first = await model.ask(user(PROMPT))
            again = await model.ask(user(PROMPT))
            assert first.origin.provider == "simulated"
            return text_of(first.reply.messages), text_of(again.reply.messages), calls.sent

    first, again, sent = asyncio.run(drive())
    assert first == again
    assert sent == 1
