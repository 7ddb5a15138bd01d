"""Ways of judging that fit small models: an answer that is begun for them, yes or no, and likelihoods."""

from __future__ import annotations

import math
from typing import Any

import pytest

from amendment.constitutions import FewShot
from amendment.constitutions.model import CompareExample
from amendment.errors import ConfigError, Rejected
from amendment.llm.requests import Reply, Request
from amendment.preference import Judge
from amendment.preference.draws import instructed
from amendment.records import Candidate, Message, Prompt, ToolCall, Verdict, last_text, user
from tests.preference.scripted_judge import (
    Say,
    Scripted,
    compare,
    house,
    judge,
    likes_good,
    principle,
    question,
    written,
)
from tests.preference.test_reward import candidate_in, closed, rewards, said

BEGINNING = "The better answer is Answer"
SHORT = principle("short", statement="Be short.", opposite="Be long.")


class Small(Scripted):
    """A provider that continues answers and scores texts."""

    takes_prefill = scores_texts = True


def masses(p: float, held: float) -> Reply:
    """A and B hold `held` of the probability, A the share `p` of it."""
    return Reply(choice_logprobs={"A": math.log(held * p), "B": math.log(held * (1 - p))})


def verdict_of(made: Judge) -> Verdict:
    return compare(made).verdicts[0]


# Label tokens


def test_an_answer_is_begun_where_the_model_can_go_on_with_it() -> None:
    shots = FewShot(compare=(CompareExample(prompt="Hi", a="x", b="y", answer="B"),))
    for provider, prefill, shot in (
        (Small(likes_good), BEGINNING, f"{BEGINNING} B"),
        (Scripted(likes_good), None, "B"),
    ):
        made = compare(judge(provider, constitution=house(principle("kind"), few_shot=shots)))
        assert {request.prefill for request in provider.asked} == {prefill}
        assert {last_text(request.messages[:2]) for request in provider.asked} == {shot}
        assert made.p_a == pytest.approx(0.8)


def test_worked_examples_show_the_bare_label_where_no_answer_is_begun() -> None:
    shots = FewShot(compare=(CompareExample(prompt="Hi", a="x", b="y", answer="B"),))
    provider = Small(lambda request: written("The") if request.choices else written("A"))  # shows no probabilities
    made = compare(judge(provider, constitution=house(principle("kind"), few_shot=shots), orders="first"))
    assert made.p_a in (0.0, 1.0)
    assert [(request.prefill, last_text(request.messages[1:2])) for request in provider.asked] == [
        (BEGINNING, f"{BEGINNING} B"),
        (None, "B"),
    ]


def test_the_mass_of_the_labels_is_kept_and_decides_what_is_invalid() -> None:
    rejected = verdict_of(judge(Small(lambda _: masses(0.9, 0.3))))
    taken = verdict_of(judge(Small(lambda _: masses(0.9, 0.6))))
    assert rejected.label_mass == pytest.approx(0.3)
    assert taken.label_mass == pytest.approx(0.6)
    assert "30%" in str(rejected.invalid)
    assert taken.distribution == pytest.approx({"A": 0.9, "B": 0.1})


def test_a_server_that_refuses_what_its_entry_says_ends_the_run() -> None:
    def refuse(request: Request) -> Reply:
        field = "prompt_logprobs" if request.scored else "continue_final_message"
        raise Rejected(f"here: status 400: {field}: extra fields not permitted, see the schema")

    for folder, key in (("label-tokens", "prefill"), ("likelihood", "prompt_logprobs")):
        provider = Small(refuse)
        provider.kind = "openai"
        with pytest.raises(ConfigError, match=f"found {key}: true, and its server rejects"):
            compare(judge(provider, folder, constitution=house(SHORT)))


# Yes or no


def word_masses(yes: float, *, held: float = 0.8) -> Reply:
    """Both spellings of either word hold half of its probability."""
    shares = {"yes": yes, "Yes": yes, "no": 1 - yes, "No": 1 - yes}
    return Reply(choice_logprobs={word: math.log(held * share / 2) for word, share in shares.items()})


def keeps(request: Request) -> Reply:
    return word_masses(0.9 if candidate_in(request) == "good" else 0.6)


def test_two_answers_are_compared_by_the_log_odds_of_yes() -> None:
    # odds of yes are 9 and 1.5: P(good) = 9 / (9 + 1.5), asked once for each answer
    provider = Small(keeps)
    made = compare(judge(provider, "keeps"))
    assert made.p_a == pytest.approx(6 / 7)
    assert made.consistent is None
    assert len(provider.asked) == 2
    assert [verdict.label_mass for verdict in made.verdicts] == pytest.approx([0.8, 0.8])
    assert [verdict.value for verdict in made.verdicts] == [True, True]


def test_certainty_of_yes_is_no_certainty_of_a_comparison() -> None:
    made = compare(judge(Small(lambda _: Reply(choice_logprobs={"yes": 0.0, "no": -800.0})), "keeps"))
    assert made.p_a == 0.5


def test_a_model_that_shows_no_probabilities_cannot_compare_by_yes_and_no() -> None:
    with pytest.raises(ConfigError, match="reads token probabilities"):
        judge(Scripted(keeps, shows_choices=False), "keeps")


def test_the_chance_of_a_yes_is_a_reward() -> None:
    made = judge(Small(keeps), "keeps")
    assert rewards(made.as_reward(), said("good"), said("bad")) == pytest.approx([0.8, 0.2])  # 2 * 0.9 - 1, 2 * 0.6 - 1
    closed(made)


# Likelihoods


def likelier_short(request: Request) -> Reply:
    """log p by the principle is -2 and by its opposite -3 for the good answer; -5 and -4 for another."""
    by_principle, by_opposite = (-2.0, -3.0) if request.scored == "good" else (-5.0, -4.0)
    logprob = by_principle if "Be short." in question(request) else by_opposite
    return Reply(scored_logprob=logprob, scored_tokens=2)


def by_likelihood(say: Say = likelier_short, **fields: Any) -> Judge:
    return judge(Small(say), "likelihood", constitution=house(SHORT), **fields)


def test_likelihood_compares_what_a_principle_adds_to_each_answer() -> None:
    # ratios 1 and -1: P(good) = sigmoid(2)
    made = by_likelihood()
    result = compare(made, prompt="Say hi.")
    assert result.p_a == pytest.approx(1 / (1 + math.exp(-2)))
    assert [verdict.value for verdict in result.verdicts] == [1.0, -1.0]
    assert result.consistent is None
    asked = made.model.provider.asked  # type: ignore[attr-defined]
    assert {last_text(request.messages).partition("\n\n")[0] for request in asked} == {"Say hi."}
    assert sum("Be long." in question(request) for request in asked) == 2


def test_a_ratio_is_a_reward_as_the_chance_that_the_principle_was_given() -> None:
    made = by_likelihood()
    sigmoid = 1 / (1 + math.exp(-1))
    assert rewards(made.as_reward(), said("good"), said("bad")) == pytest.approx([2 * sigmoid - 1, 1 - 2 * sigmoid])
    closed(made)


def test_an_answer_whose_likelihood_is_unknown_is_invalid_and_not_asked_again() -> None:
    made = by_likelihood(lambda _: written("The"))  # the one token that servers write to a prompt they score
    result = compare(made)
    assert result.p_a is None
    assert {verdict.invalid for verdict in result.verdicts} == {"the reply has no log-probability of the answer"}
    assert len(made.model.provider.asked) == 4  # type: ignore[attr-defined]


def test_an_answer_without_text_is_invalid_and_not_asked_about() -> None:
    made = by_likelihood()
    prompt = Prompt(messages=user("Hi"))
    call = Message(role="assistant", tool_calls=(ToolCall(function={"name": "f", "arguments": {}}),))
    a, b = (
        Candidate(prompt_id=prompt.id, messages=(message,), kind="imported")
        for message in (call, Message(role="assistant", content="good"))
    )
    result = compare(made, a, b, prompt)
    assert [verdict.invalid for verdict in result.verdicts] == [
        "rejected: found an answer without text; only a text has a likelihood",
        None,
    ]
    assert {request.scored for request in made.model.provider.asked} == {"good"}  # type: ignore[attr-defined]


def test_likelihood_needs_an_opposite_and_a_model_that_scores_texts() -> None:
    with pytest.raises(ConfigError, match="house/kind has none"):
        judge(Small(likelier_short), "likelihood", constitution=house(SHORT, principle("kind")))
    with pytest.raises(ConfigError, match="returns none"):
        judge(Scripted(likelier_short), "likelihood", constitution=house(SHORT))
    with pytest.raises(ConfigError, match="found 3, expected 1"):
        by_likelihood(samples=3)


@pytest.mark.parametrize(
    ("turns", "roles", "place"),
    [
        (user("Hi"), "user", 0),
        ((*user("Hi"), Message(role="assistant", content="Yes?"), *user("Go on")), "user assistant user", 2),
        ((Message(role="system", content="Hi"),), "system user", 1),
        ((*user("Hi"), Message(role="tool", content="7")), "user tool", 0),
    ],
)
def test_an_instruction_stands_in_the_last_turn_of_the_user(turns: Any, roles: str, place: int) -> None:
    made = instructed(turns, "Be short.\n")
    assert " ".join(turn.role for turn in made) == roles
    assert [number for number, turn in enumerate(made) if "Be short." in str(turn.content)] == [place]
    assert str(made[place].content).endswith("Be short.")


def test_an_instruction_after_typed_parts_is_a_part() -> None:
    (made,) = instructed((Message(role="user", content=({"type": "text", "text": "Hi"},)),), "Be short.")
    assert last_text((made,)) == "Hi\n\nBe short."
