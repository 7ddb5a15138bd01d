"""Other people's files become a constitution, word for word: the paper's, Hugging Face's, lists of statements."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from amendment.constitutions import lint
from amendment.constitutions._naming import Names, slug
from tests.constitutions.conftest import Files, imported, problems

# The Constitutional AI paper's files.


def test_requests_for_critique_and_revision_are_principles_under_their_keys(write: Any, paper: Files) -> None:
    made = imported(write("any-name.json", paper["CritiqueRevisionInstructions.json"]))
    first, second = made.constitution.principles
    assert made.format == "cai-paper"
    assert (first.id, first.critique, first.revise) == (
        "kind0",
        ("Say where the answer is rude.",),
        ("Rewrite the answer politely.",),
    )
    assert (second.id, second.critique) == ("kind-1", ("Is anything in it wrong?", "Which claim is weakest?"))
    assert second.statement == "Correct what is wrong: all of it."
    assert second.compare == ()


def test_instructions_for_comparing_are_principles_of_their_own(write: Any, paper: Files) -> None:
    one = imported(write("q.json", paper["RLMadisonInstructions.json"])).constitution
    assert [principle.compare for principle in one.principles] == [
        ("Which answer is more polite?",),
        ("Which answer is more polite?",),
        ("Choose the answer that a good host would give.",),
    ]
    assert len({principle.id for principle in one.principles}) == 3
    assert one.principles[2].id == "choose-the-answer-that-a-good-host-would-give"


def test_all_files_of_the_paper_together_are_one_constitution_in_any_order(write: Any, paper: Files) -> None:
    files = [write(name, content) for name, content in paper.items()]
    made, again = imported(*files, document="the paper"), imported(*reversed(files), document="the paper")
    assert made.constitution == again.constitution
    shots = made.constitution.few_shot
    assert (len(made.constitution.principles), len(shots.critique), len(shots.revise), len(shots.compare)) == (
        5,
        2,
        2,
        5,
    )
    assert made.constitution.source.document == "the paper"
    assert [finding.level for finding in made.findings] == ["warning"] * 6
    assert made.notes == (
        f"{files[4]}: the reasoning of 2 worked comparisons is kept for an export alone: no judge is shown it",
    )


def test_a_talk_is_a_critique_and_a_revision_about_the_principle_whose_request_it_holds(
    write: Any, paper: Files
) -> None:
    one = imported(*(write(name, paper[name]) for name in list(paper)[:3])).constitution
    (first, second), (revised, corrected) = one.few_shot.critique, one.few_shot.revise
    assert (first.prompt, first.response, first.critique) == ("How do I say no?", "Just leave.", "It is curt.")
    assert (first.principle, revised.principle, revised.revision) == ("kind0", "kind0", "Thank them, and decline.")
    assert second.prompt == "Human: Hello.\n\nAssistant: Yes?\n\nHuman: Is 7 even?"
    assert (second.critique, second.principle) == ("No,\n\nwith a gap.", None)
    assert corrected.revision == "It is odd."


def test_worked_comparisons_show_the_better_answer_first_and_second_by_turns(write: Any, paper: Files) -> None:
    names = ["RLMadisonInstructions.json", "RLMadisonFewShotPrompts.json", "RLMadisonPrecogFewShotPrompts.json"]
    shots = imported(*(write(name, paper[name]) for name in names)).constitution.few_shot.compare
    assert [(shot.a, shot.b, shot.answer) for shot in shots] == [
        ("It is ten.", "Buy a watch.", "A"),
        ("No.", "La la.", "B"),
        ("yes", "no", "A"),
        ("Look outside.", "It is ten\nat night.", "B"),
        ("La.", "No.", "A"),
    ]
    assert shots[3].prompt == "Human: Is it late?\n\nAssistant: No.\n\nHuman: Sure?"
    assert shots[4].prompt == "SING"


# Hugging Face's.


def test_pairs_of_requests_are_principles_and_chats_worked_examples(write: Any, huggingface: Files) -> None:
    made = imported(write("c.json", huggingface))
    one = made.constitution
    assert made.format == "huggingface"
    assert [(each.statement, each.critique, each.revise) for each in one.principles][:2] == [
        ("Make it polite.", ("Is the answer rude?",), ("Make it polite.",)),
        ("Make it true.", ("Is it true?",), ("Make it true.",)),
    ]
    assert [each.id for each in one.principles][:2] == ["make-it-polite", "make-it-true"]
    assert one.few_shot.critique[0].principle == "make-it-true"
    assert one.few_shot.revise[1].revision == "La la la."
    assert one.few_shot.compare == ()


def test_keys_that_nobody_knows_are_told(write: Any, huggingface: Files) -> None:
    path = write("c.json", huggingface | {"made_by": "us"})
    assert imported(path).notes == (f"{path}: the key 'made_by' is not taken over",)


# Statements.


def test_lines_of_text_are_statements_without_bullets_numbers_and_comments(write: Any) -> None:
    path = write(
        "s.txt", "# ours\n\n- Be kind.\r\n* Be brief\n  12) Say why.\n\u2022 - Dashes: stay.\n3.5 is no number here.\n"
    )
    one = imported(path).constitution
    assert [principle.statement for principle in one.principles] == [
        "Be kind.",
        "Be brief",
        "Say why.",
        "- Dashes: stay.",
        "3.5 is no number here.",
    ]
    assert all(principle.critique and principle.revise and principle.compare for principle in one.principles)
    assert [finding.level for finding in lint(one)] == []


def test_a_list_in_json_is_taken_word_for_word(write: Any) -> None:
    one = imported(write("s.json", ["- Be kind.", "# Be brief: no, really."])).constitution
    assert [principle.statement for principle in one.principles] == ["- Be kind.", "# Be brief: no, really."]


def test_a_table_gives_statements_and_where_it_has_them_ids_and_weights(write: Any) -> None:
    path = write("s.csv", 'id,Statement,weight,agrees\nkind,"Be kind, always.",2.5,90\nNo 2,\'=1+1 is two.,,10\n')
    one = imported(path).constitution
    assert [(each.id, each.statement, each.weight) for each in one.principles] == [
        ("kind", "Be kind, always.", 2.5),
        ("no-2", "=1+1 is two.", 1.0),
    ]


def test_the_column_of_statements_can_be_named(write: Any) -> None:
    path = write("s.tsv", "who\twhat they said\nann\tBe kind.\n")
    assert problems(path)[0].startswith("s.tsv: found the columns who, what they said, expected one of statement,")
    assert imported(path, column="what they said").constitution.principles[0].statement == "Be kind."
    assert problems(path, column="x") == ["s.tsv: there is no column 'x'; the columns are who, what they said"]


def test_several_lists_are_put_together(write: Any) -> None:
    one = imported(write("a.txt", "Be kind."), write("b.json", ["Be brief."])).constitution
    assert [principle.id for principle in one.principles] == ["be-kind", "be-brief"]


# Ids.


def test_ids_are_made_of_the_first_words_and_stay_when_statements_are_added() -> None:
    long = "Please choose the answer that is as kind, as brief and as correct as an answer can be"
    names = Names()
    first = [names.take(text) for text in (long, f"{long}, and more", "Don't lie!", "", "漢字")]
    assert first[0] == "please-choose-the-answer-that-is-as-kind-as"
    assert first[1].startswith("please-choose-the-answer-that-is-as-kind-as-")
    assert first[2] == "dont-lie"
    names = Names()
    assert [names.take(text) for text in (long, f"{long}, and more", "Don't lie!", "", "漢字", "More")][:5] == first


@given(st.lists(st.text(max_size=80)))
def test_ids_are_unique_and_can_stand_in_a_file(texts: list[str]) -> None:
    names = Names()
    ids = [names.take(text) for text in texts]
    assert len(set(ids)) == len(ids)
    assert all(slug(id) == id or len(id) > 48 for id in ids)
