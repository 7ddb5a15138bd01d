"""What was imported goes back into other people's formats as equal JSON, but for what somebody edited."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from amendment.constitutions import load_constitution
from amendment.errors import DataError
from tests.constitutions.conftest import Files
from tests.constitutions.round_trips import TEXT, exported, through_yaml, written


def test_the_papers_files_come_back_equal_with_all_their_irregularities(tmp_path: Path, paper: Files) -> None:
    one = through_yaml(written(tmp_path / "in", paper), tmp_path)
    assert exported(one, "cai-paper", tmp_path / "out") == paper


def test_each_of_the_papers_files_with_principles_comes_back_alone(tmp_path: Path, paper: Files) -> None:
    for name in ("CritiqueRevisionInstructions.json", "RLMadisonInstructions.json"):
        one = through_yaml(written(tmp_path / "in", {name: paper[name]}), tmp_path)
        assert exported(one, "cai-paper", tmp_path / name) == {name: paper[name]}


def test_hugging_faces_file_comes_back_equal(tmp_path: Path, huggingface: Files) -> None:
    one = through_yaml(written(tmp_path / "in", {"c.json": huggingface}), tmp_path)
    assert exported(one, "huggingface", tmp_path / "c.json") == {"c.json": huggingface}


def test_regular_entries_need_no_originals(tmp_path: Path, paper: Files) -> None:
    requests = {"kind0": paper["CritiqueRevisionInstructions.json"]["kind0"]}
    regular = {
        "CritiqueRevisionInstructions.json": requests,
        "RLMadisonInstructions.json": paper["RLMadisonInstructions.json"][:1],
        "CritiqueRevisionFewShotPrompts.json": paper["CritiqueRevisionFewShotPrompts.json"][:1],
        "RLMadisonFewShotPrompts.json": paper["RLMadisonFewShotPrompts.json"][:1],
    }
    one = through_yaml(written(tmp_path / "in", regular), tmp_path)
    assert one.source.originals == {}
    assert exported(one, "cai-paper", tmp_path / "out") == regular


def test_of_entries_that_say_the_same_each_comes_back_in_its_own_form(tmp_path: Path, huggingface: Files) -> None:
    pair = {"critic": "Is it?", "revision": "Make it."}
    huggingface["constitutions"] = [pair | {"tag": 1}, pair, pair | {"tag": 2}, pair]
    one = through_yaml(written(tmp_path / "in", {"c.json": huggingface}), tmp_path)
    assert exported(one, "huggingface", tmp_path / "c.json") == {"c.json": huggingface}


def _marked(first: str, last: str) -> st.SearchStrategy[str]:
    """A text between markers, regularly or not."""
    forms = st.sampled_from(["\n\n{0}: {2}\n\n{1}:", "{0}:{2} \n\n{1}:", "\n\n{0}: {2}  {1}:\n", "{2}"])
    return st.builds(lambda form, text: form.replace("{2}", text).format(first, last), forms, TEXT.map(_unbraced))


def _unbraced(text: str) -> str:
    return text.replace("{", "(").replace("}", ")")


REQUESTS = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.from_regex(r"harm[0-9]", fullmatch=True),
    st.fixed_dictionaries(
        {
            "prompt": st.lists(_marked("CritiqueRequest", "Critique"), min_size=1, max_size=2),
            "edit_request": _marked("RevisionRequest", "Revision"),
        },
        optional={"note": st.none() | st.integers() | st.text(max_size=5)},
    ),
    min_size=1,
    max_size=3,
)
TALKS = st.lists(
    st.builds(
        lambda turns, ending: (
            "".join(
                f"\n\n{who}: {said}"
                for who, said in zip(
                    ["Human", "Assistant", "CritiqueRequest", "Critique", "RevisionRequest", "Revision"],
                    turns,
                    strict=True,
                )
            )
            + ending
        ),
        st.lists(TEXT, min_size=6, max_size=6),
        st.sampled_from(["\n\nHuman:", "", "\n"]),
    ),
    max_size=3,
)
COMPARISONS = st.lists(
    st.fixed_dictionaries(
        {
            "prompt": st.builds("{}{}{}".format, st.sampled_from(["\n\nHuman: ", ""]), TEXT, st.just("\n\nAssistant:")),
            "corrects": st.lists(TEXT, min_size=1, max_size=2),
            "incorrects": st.lists(TEXT, min_size=1, max_size=2),
        }
    ),
    max_size=3,
)


@settings(max_examples=60, deadline=None)
@given(REQUESTS, st.lists(TEXT.map("\n{} Options:".format) | TEXT, max_size=3), TALKS, COMPARISONS)
def test_any_files_of_the_papers_shapes_come_back_equal(
    tmp_path_factory: pytest.TempPathFactory, requests: Any, questions: Any, talks: Any, comparisons: Any
) -> None:
    folder = tmp_path_factory.mktemp("paper", numbered=True)
    files = {
        "CritiqueRevisionInstructions.json": requests,
        "RLMadisonInstructions.json": [*questions, "\nWhich? Options:"],
        "CritiqueRevisionFewShotPrompts.json": talks,
        "RLMadisonFewShotPrompts.json": comparisons,
    }
    files = {name: value for name, value in files.items() if value}
    try:
        one = through_yaml(written(folder / "in", files), folder)
    except DataError:  # such as two answers that are the same text
        assume(False)
    assert exported(one, "cai-paper", folder / "out") == files


ROLES = ("user", "assistant")
CHATS = st.lists(
    st.sampled_from([6, 6, 8]).flatmap(
        lambda count: st.lists(TEXT | TEXT.map(" {}".format), min_size=count, max_size=count)
    ),
    max_size=2,
).map(lambda chats: [[{"role": ROLES[i % 2], "content": said} for i, said in enumerate(chat)] for chat in chats])
PAIRS = st.lists(
    st.fixed_dictionaries({"critic": TEXT, "revision": TEXT | st.just("Rewrite it.")}, optional={"tag": st.integers()}),
    min_size=1,
    max_size=3,
)


@settings(max_examples=60, deadline=None)
@given(PAIRS, CHATS)
def test_any_file_of_hugging_faces_shape_comes_back_equal(
    tmp_path_factory: pytest.TempPathFactory, pairs: Any, chats: Any
) -> None:
    folder = tmp_path_factory.mktemp("huggingface", numbered=True)
    value = {"constitutions": pairs, "system_chat": chats}
    one = through_yaml(written(folder, {"c.json": value}), folder)
    assert exported(one, "huggingface", folder / "d.json") == {"d.json": value}


def test_an_edited_text_is_exported_and_everything_else_stays_as_it_was(tmp_path: Path, paper: Files) -> None:
    one = through_yaml(written(tmp_path / "in", paper), tmp_path)
    path = tmp_path / "ours.yaml"
    text = path.read_text().replace("      - Which claim is weakest?\n", "      - Which claim is the weakest of all?\n")
    path.write_text(text)
    edited = load_constitution(path)
    assert edited != one
    expected = json.loads(json.dumps(paper))
    del expected["CritiqueRevisionInstructions.json"]["Kind 1"]
    expected["CritiqueRevisionInstructions.json"]["kind-1"] = {
        "prompt": [
            "\n\nCritiqueRequest: Is anything in it wrong?\n\nCritique:",
            "\n\nCritiqueRequest: Which claim is the weakest of all?\n\nCritique:",
        ],
        "edit_request": "\n\nRevisionRequest: Correct what is wrong: all of it.\n\nRevision:",
    }
    assert exported(edited, "cai-paper", tmp_path / "out") == expected


def test_a_removed_example_is_gone_from_the_export_alone(tmp_path: Path, paper: Files) -> None:
    one = through_yaml(written(tmp_path / "in", paper), tmp_path)
    shots = one.few_shot.model_copy(update={"compare": one.few_shot.compare[1:]})
    found = exported(one.model_copy(update={"few_shot": shots}), "cai-paper", tmp_path / "out")
    assert found["RLMadisonFewShotPrompts.json"] == paper["RLMadisonFewShotPrompts.json"][1:]
    assert found["RLMadisonPrecogFewShotPrompts.json"] == paper["RLMadisonPrecogFewShotPrompts.json"]


@pytest.mark.parametrize("original", ["no JSON", "[]", '{"a": 1}', "{}", "[" * 5000, '"\\ud800"'])
def test_an_original_that_somebody_edited_into_nonsense_is_not_used(
    original: str, tmp_path: Path, paper: Files
) -> None:
    one = through_yaml(written(tmp_path / "in", paper), tmp_path)
    source = one.source.model_copy(update={"originals": dict.fromkeys(one.source.originals, (original,))})
    found = exported(one.model_copy(update={"source": source}), "cai-paper", tmp_path / "out")
    assert found["RLMadisonInstructions.json"][1] == "\nWhich answer is more polite? Options:"
