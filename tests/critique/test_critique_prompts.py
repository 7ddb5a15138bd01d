"""The prompts of critic and reviser: worked examples look exactly like the question after them."""

from __future__ import annotations

from amendment.constitutions import Constitution, CritiqueExample, DrawnPrinciple, FewShot, Principle, ReviseExample
from amendment.critique.texts import critique_messages, revise_messages
from amendment.records import Message, Messages, last_text, user
from amendment.text import read_fenced

KIND = Principle(id="kind", statement="Be kind.", critique=("Speak.",), revise=("Mend.",))
EXAMPLES = FewShot(
    critique=(CritiqueExample(prompt="p1", response="r1", critique="c1", principle="kind"),),
    revise=(
        ReviseExample(prompt="p2", response="r2", critique="c2", revision="better", principle="kind"),
        ReviseExample(prompt="p3", response="r3", revision="fine"),
    ),
)
RULES = Constitution(
    id="house", version="1.0.0", title="House rules", license="CC0-1.0", principles=(KIND,), few_shot=EXAMPLES
)
DRAWN = DrawnPrinciple(RULES, KIND)
BARE = DrawnPrinciple(RULES.model_copy(update={"few_shot": FewShot()}), KIND)
CRITIC_REQUEST = "Say how the answer keeps or breaks the principle."
REVISER_REQUEST = "Rewrite the answer so that it keeps the principle."


def answer(text: str) -> Messages:
    return (Message(role="assistant", content=text),)


def test_an_example_has_the_very_form_of_a_question() -> None:
    asked = critique_messages(user("p"), answer("r"), DRAWN, "Speak.")
    assert asked[:1] == critique_messages(user("p1"), answer("r1"), BARE, CRITIC_REQUEST)
    revised = revise_messages(user("p"), answer("r"), "c", DRAWN, "Mend.")
    assert revised[:1] == revise_messages(user("p2"), answer("r2"), "c2", BARE, REVISER_REQUEST)


def test_where_critiques_are_skipped_examples_go_without_theirs() -> None:
    revised = revise_messages(user("p"), answer("r"), None, DRAWN, "Mend.")
    for turn in revised[::2]:
        assert read_fenced(last_text((turn,))).keys() == {"conversation", "answer"}
        assert "reader" not in last_text((turn,))
