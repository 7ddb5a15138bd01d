"""Back into other people's formats: equal JSON for what was imported, and by name whatever a format cannot hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from amendment.constitutions import (
    Constitution,
    ExportFormat,
    Principle,
    export_constitution,
    import_constitution,
    load_constitution,
    shipped,
    write_constitution,
)
from amendment.errors import ConfigError, DataError

Files = dict[str, Any]
HARD = [
    "no",
    "- a: b # c",
    "two\nlines",
    "a gap\n\n\nb ",
    "tab\there\r\n",
    "\u2028nel\x85",
    "\ufeff",
    "\U0001f600 漢字",
    "=1",
    "'=1",
    "#x",
]
MARKED = [
    "Human: a\n\nAssistant: b\n\nHuman: c",
    "x\n\nHuman: y",
    "Critique: z",
    "Assistant:",
    "{} (A)",
    "Options:",
    "1. a",
]
LETTERS = st.characters(exclude_categories=["Cs", "Cc", "Cn"], include_characters="\n\t")
TEXT = (st.sampled_from([*HARD, *MARKED]) | st.text("ab :\n", max_size=9) | st.text(LETTERS, max_size=9)).filter(
    str.strip
)
"""Texts that are hard to write, to read, and to tell from the markers of a format."""


def through_yaml(files: list[Path], folder: Path) -> Constitution:
    """The files as a constitution that was written and read again, as a user would do it."""
    made = import_constitution(files, id="ours", license="CC0-1.0")
    write_constitution(made.constitution, folder / "ours.yaml", replace=True)
    return load_constitution(folder / "ours.yaml")


def written(folder: Path, files: Files) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / name).write_text(json.dumps(value), encoding="utf-8")
    return [folder / name for name in files]


def exported(one: Constitution, format: ExportFormat, out: Path) -> Files:
    done = export_constitution(one, format, out)
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in done.files}


# What was imported comes back.


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


# What is ours goes out, comes back, and goes out the same.


@pytest.mark.parametrize("id", shipped())
@pytest.mark.parametrize(
    ("format", "name"),
    [
        ("cai-paper", "folder"),
        ("huggingface", "c.json"),
        ("statements", "s.txt"),
        ("statements", "s.json"),
        ("statements", "s.csv"),
        ("statements", "s.tsv"),
    ],
)
def test_an_export_of_an_import_of_an_export_is_the_same(
    id: str, format: ExportFormat, name: str, tmp_path: Path
) -> None:
    first = export_constitution(load_constitution(id), format, tmp_path / "first" / name)
    again = export_constitution(through_yaml(list(first.files), tmp_path), format, tmp_path / "second" / name)
    assert [path.name for path in first.files] == [path.name for path in again.files]
    assert [path.read_bytes() for path in first.files] == [path.read_bytes() for path in again.files]


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXT.map(str.strip), min_size=1, max_size=4, unique_by=lambda text: " ".join(text.split())))
def test_statements_survive_every_kind_of_file(tmp_path_factory: pytest.TempPathFactory, statements: list[str]) -> None:
    folder = tmp_path_factory.mktemp("statements", numbered=True)
    made = Constitution(
        id="ours",
        version="1.0.0",
        title="t",
        license="CC0-1.0",
        principles=tuple(
            Principle(id=f"p{n}", statement=text, compare=("q",), weight=n + 0.5) for n, text in enumerate(statements)
        ),
    )
    for ending in ("csv", "tsv", "json", "txt"):
        (path,) = export_constitution(made, "statements", folder / f"s.{ending}").files
        back = import_constitution([path], id="ours", license="CC0-1.0", format="statements").constitution
        expected = [" ".join(text.split()) for text in statements] if ending == "txt" else statements
        assert [principle.statement for principle in back.principles] == expected
        if ending in ("csv", "tsv"):
            assert [(one.id, one.weight) for one in back.principles] == [
                (one.id, one.weight) for one in made.principles
            ]


def test_cells_that_a_spreadsheet_would_run_are_marked_as_text(tmp_path: Path) -> None:
    principle = Principle(id="p", statement="=HYPERLINK(1)", compare=("q",))
    one = Constitution(id="c", version="1.0.0", title="t", license="CC0-1.0", principles=(principle,))
    (path,) = export_constitution(one, "statements", tmp_path / "s.csv").files
    assert path.read_text() == "id,statement,weight\np,'=HYPERLINK(1),1.0\n"


@settings(max_examples=40, deadline=None)
@given(st.from_type(Constitution))
def test_json_holds_everything(tmp_path_factory: pytest.TempPathFactory, one: Constitution) -> None:
    done = export_constitution(one, "json", tmp_path_factory.mktemp("json", numbered=True) / "c.json")
    assert done.left_out == ()
    assert Constitution.model_validate_json(done.files[0].read_bytes()) == one


def test_json_of_ours_is_used_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    export_constitution(load_constitution("helpful-honest"), "json", path)
    assert load_constitution(path) == load_constitution("helpful-honest")


# What a format cannot hold.


def principle(id: str, **fields: Any) -> Principle:
    texts = {"statement": "Be right.", "critique": ("Wrong?",), "revise": ("Be right.",), "compare": ()}
    return Principle(**{"id": id} | texts | fields)


def left_out(format: ExportFormat, out: Path, *principles: Principle, **fields: Any) -> list[str]:
    head = {"id": "c", "version": "1.0.0", "title": "t", "license": "CC0-1.0"}
    one = Constitution(**head | {"principles": principles} | fields)
    first, *rest = export_constitution(one, format, out).left_out
    assert first == "id, version, title, license and source of the constitution"
    return rest


def test_nothing_but_the_header_is_left_out_of_what_a_format_can_hold(tmp_path: Path) -> None:
    asks = principle(
        "which-is-right", critique=(), revise=(), compare=("Which is right?",), statement="Which is right?"
    )
    assert left_out("cai-paper", tmp_path / "out", principle("any-id"), asks) == []
    assert left_out("huggingface", tmp_path / "c.json", principle("be-right")) == []


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    rich = principle("rich", statement="Other.", compare=("q",), weight=2, rationale="r", tags=("t",))
    half = principle("half", critique=(), compare=("q",))
    none = principle("none", critique=())
    assert left_out("cai-paper", tmp_path / "out", rich, half, none) == [
        "1 principle without the texts that the format needs: none",
        "a critique or a revision alone of 1 principle",
        "statement of 1 principle",
        "id of 1 principle",
        "grouping of the texts of 1 principle",
        "rationale of 1 principle",
        "weight of 1 principle",
        "tags of 1 principle",
    ]
    assert left_out("huggingface", tmp_path / "c.json", rich, half, none) == [
        "2 principles without the texts that the format needs: half, none",
        "compare of 1 principle",
        "statement of 1 principle",
        "id of 1 principle",
        "rationale of 1 principle",
        "weight of 1 principle",
        "tags of 1 principle",
    ]
    assert left_out("statements", tmp_path / "s.csv", rich, principle("two", statement="Two\nlines.")) == [
        "critique of 2 principles",
        "revise of 2 principles",
        "compare of 2 principles",
        "rationale of 1 principle",
        "tags of 1 principle",
    ]
    assert left_out("statements", tmp_path / "s.txt", principle("two", statement="Two\nlines.", weight=2))[:2] == [
        "id of 1 principle",
        "line breaks of 1 principle",
    ]


def test_worked_examples_that_do_not_fit_are_counted(tmp_path: Path) -> None:
    seen = {"prompt": "p", "response": "r"}
    shots = {
        "critique": [seen | {"critique": "c"}, seen | {"critique": "alone"}],
        "revise": [seen | {"critique": "c", "revision": "v", "principle": "b"}, seen | {"revision": "v"}],
        "compare": [{"prompt": "p", "a": "x", "b": "y", "answer": "B", "principle": "a"}],
    }
    twins = principle("a"), principle("b")
    assert left_out("cai-paper", tmp_path / "out", *twins, few_shot=shots) == [
        "1 worked critique without a revision",
        "1 worked revision without a critique",
        "principle of 1 worked revision",
        "principle of 1 worked comparison",
        "order of the answers in 1 worked comparison",
    ]
    assert left_out("huggingface", tmp_path / "c.json", *twins, few_shot=shots) == [
        "id of 2 principles",
        "1 worked critique without a revision",
        "1 worked revision without a critique",
        "principle of 1 worked revision",
        "1 worked comparison",
    ]


def test_standard_requests_are_exported_with_the_statement_that_they_speak_about(tmp_path: Path) -> None:
    (tmp_path / "s.txt").write_text("Be kind.")
    one = through_yaml([tmp_path / "s.txt"], tmp_path)
    pair = exported(one, "huggingface", tmp_path / "c.json")["c.json"]["constitutions"][0]
    assert pair["revision"] == f"Be kind. {one.principles[0].revise[0]}"
    again = through_yaml([tmp_path / "c.json"], tmp_path)
    assert exported(again, "huggingface", tmp_path / "d.json")["d.json"]["constitutions"] == [pair]
    found = exported(one, "cai-paper", tmp_path / "out")
    assert found["RLMadisonInstructions.json"] == [f"\nBe kind. {one.principles[0].compare[0]} Options:"]
    assert found["CritiqueRevisionInstructions.json"]["be-kind"]["edit_request"].startswith(
        "\n\nRevisionRequest: Be kind."
    )


def test_a_file_that_holds_our_standard_requests_comes_back_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "s.txt").write_text("Be kind.")
    asks = through_yaml([tmp_path / "s.txt"], tmp_path).principles[0]
    value = {"constitutions": [{"critic": asks.critique[0], "revision": asks.revise[0]}], "system_chat": []}
    one = through_yaml(written(tmp_path, {"c.json": value}), tmp_path)
    assert exported(one, "huggingface", tmp_path / "d.json") == {"d.json": value}


def test_a_renamed_principle_takes_no_other_ones_place(tmp_path: Path, paper: Files) -> None:
    requests = paper["CritiqueRevisionInstructions.json"]
    same = {"CritiqueRevisionInstructions.json": {"b": requests["kind0"], "a": requests["kind0"] | {"note": 1}}}
    one = through_yaml(written(tmp_path / "in", same), tmp_path)
    first, second = one.principles
    swapped = (first.model_copy(update={"id": "a"}), second.model_copy(update={"id": "b"}))
    found = exported(one.model_copy(update={"principles": swapped}), "cai-paper", tmp_path / "out")
    assert sorted(found["CritiqueRevisionInstructions.json"]) == ["a", "b"]


def test_every_request_of_a_principle_is_exported(tmp_path: Path) -> None:
    one = Constitution(
        id="c",
        version="1.0.0",
        title="t",
        license="CC0-1.0",
        principles=(principle("a", critique=("c1", "c2", "c3"), revise=("r1", "r2")), principle("a-2")),
    )
    pairs = exported(one, "huggingface", tmp_path / "c.json")["c.json"]["constitutions"][:3]
    assert [(pair["critic"], pair["revision"]) for pair in pairs] == [("c1", "r1"), ("c2", "r2"), ("c3", "r1")]
    requests = exported(one, "cai-paper", tmp_path / "out")["CritiqueRevisionInstructions.json"]
    assert {key: len(value["prompt"]) for key, value in requests.items()} == {"a": 2, "a-2-2": 1, "a-2": 1}
    assert requests["a-2-2"]["edit_request"] == "\n\nRevisionRequest: r2\n\nRevision:"


def test_what_a_format_can_hold_nothing_of_is_refused(tmp_path: Path) -> None:
    one = Constitution(id="c", version="1.0.0", title="t", license="x", principles=(principle("a", critique=()),))
    for format in ("cai-paper", "huggingface"):
        with pytest.raises(ConfigError, match=f"{format} can hold nothing of c: no principle has the texts"):
            export_constitution(one, format, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_replaced_unless_it_is_said(tmp_path: Path) -> None:
    one = load_constitution("helpful-honest")
    (tmp_path / "RLMadisonInstructions.json").write_text("mine")
    with pytest.raises(ConfigError, match=r"RLMadisonInstructions\.json: stands already"):
        export_constitution(one, "cai-paper", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["RLMadisonInstructions.json"]
    assert len(export_constitution(one, "cai-paper", tmp_path, replace=True).files) == 4
