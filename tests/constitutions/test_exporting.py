"""Our constitutions in other people's formats: they come back the same, and what a format cannot hold is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amendment.constitutions import (
    Constitution,
    ExportFormat,
    Principle,
    export_constitution,
    import_constitution,
    load_constitution,
    shipped,
)
from amendment.errors import ConfigError
from tests.constitutions.conftest import Files
from tests.constitutions.round_trips import TEXT, exported, through_yaml, written

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


def test_tiers_and_vetoes_are_told_where_a_format_has_no_place_for_them(tmp_path: Path) -> None:
    rich = principle("be-right", tier=2, hard=True)
    assert left_out("huggingface", tmp_path / "c.json", rich) == ["tier of 1 principle", "hard of 1 principle"]


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
