"""The dataset's rows and its split."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from amendment.preference.pairs import held_out, preference_row
from amendment.records import Candidate, Message, Origin, Pair, Prompt, ToolCall, user

IDS = st.sets(st.text("abcdef", min_size=1, max_size=4), max_size=30).map(sorted)


@given(IDS, st.floats(0, 1), st.integers(0, 5))
def test_the_split_has_its_size_and_depends_on_no_order(ids: list[str], share: float, seed: int) -> None:
    test = held_out(ids, share, seed=seed)
    assert test <= set(ids)
    assert test == held_out([*reversed(ids), *ids], share, seed=seed)  # nor on repeated prompts
    many = [str(number) for number in range(40)]
    assert held_out(many, 0.25, seed=seed) != held_out(many, 0.25, seed=seed + 1)
    if share > 0 and len(ids) > 1:
        assert len(test) == min(max(round(share * len(ids)), 1), len(ids) - 1)
        assert 0 < len(test) < len(ids)


CALL = Message(role="assistant", tool_calls=(ToolCall(function={"name": "look", "arguments": {"up": "vet"}}),))
RESULT = Message(role="tool", content="Vet: 555", name="look")
PROMPT = Prompt(
    messages=(Message(role="system", content="Be brief."), *user("My dog ate chocolate.")),
    tools=({"type": "function", "function": {"name": "look"}},),
    chat_template_kwargs={"enable_thinking": True},
    category="pets",
    source="mail",
    license="CC-BY-4.0",
)


def candidate(text: str, model: str, *before: Message, thinking: str | None = None) -> Candidate:
    last = Message(role="assistant", content=text, thinking=thinking)
    return Candidate(prompt_id=PROMPT.id, messages=(*before, last), kind="policy", origin=Origin(model=model))


GOOD = candidate("Call the vet.", "big", CALL, RESULT, thinking="It is poison.")
BAD = candidate("Wait.", "small")
PAIR = Pair(
    prompt_id=PROMPT.id,
    chosen_id=GOOD.id,
    rejected_id=BAD.id,
    p_chosen=0.8,
    p_chosen_raw=0.9,
    p_chosen_calibrated=0.8,
    decided_by="judge",
    weight=0.5,
    raters=("judge-1", "judge-2"),
    principle_ids=("house/kind",),
    decisive="house/kind",
)


REFERENCES = {"house": "house@1.0.0#s2:0", "unasked": "unasked@1.0.0#s2:1"}
"""The run's constitutions; a row names only those that its principles come from."""


def test_a_row_holds_the_texts_as_they_are_and_all_that_is_known_of_them() -> None:
    row = preference_row(PAIR, {PROMPT.id: PROMPT}, {one.id: one for one in (GOOD, BAD)}, REFERENCES)
    assert row.to_json() == {
        "prompt": [message.to_json() for message in PROMPT.messages],
        "chosen": [
            CALL.to_json(),
            RESULT.to_json(),
            {"role": "assistant", "content": "Call the vet.", "thinking": "It is poison."},
        ],
        "rejected": [{"role": "assistant", "content": "Wait."}],
        "tools": [{"type": "function", "function": {"name": "look"}}],
        "chat_template_kwargs": {"enable_thinking": True},
        "p_chosen": 0.8,
        "p_chosen_raw": 0.9,
        "p_chosen_calibrated": 0.8,
        "decided_by": "judge",
        "weight": 0.5,
        "comparison_id": PAIR.comparison_id,
        "prompt_id": PROMPT.id,
        "chosen_id": GOOD.id,
        "rejected_id": BAD.id,
        "chosen_model": "big",
        "rejected_model": "small",
        "raters": ["judge-1", "judge-2"],
        "principle_ids": ["house/kind"],
        "decisive": "house/kind",
        "constitutions": ["house@1.0.0#s2:0"],
        "category": "pets",
        "source": "mail",
        "license": "CC-BY-4.0",
    }


def test_a_row_leads_back_to_the_records_it_came_from() -> None:
    row = preference_row(PAIR, {PROMPT.id: PROMPT}, {one.id: one for one in (GOOD, BAD)}, REFERENCES)
    again = Prompt(messages=row.prompt, tools=row.tools, chat_template_kwargs=row.chat_template_kwargs)
    assert again.id == row.prompt_id
    sides = [Candidate(prompt_id=again.id, messages=side, kind="imported") for side in (row.chosen, row.rejected)]
    assert [side.id for side in sides] == [row.chosen_id, row.rejected_id]
