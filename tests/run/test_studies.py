"""From foreign files to a certificate: several files of one study, what is guessed of them, and what is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from amendment.audit.inputs import read_votes
from amendment.cli._people import audit_path
from amendment.data.inputs import read_inputs
from amendment.errors import ConfigError, DataError
from amendment.report import RunReader
from amendment.report.show import story_lines
from amendment.run import Run, RunFile
from tests.rows import save

PEOPLE = ("Jürgen", "Zoë", "Änne")


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def files() -> tuple[Path, Path]:
    """Three people in a spreadsheet of a German Windows, and the raw log of a judge that was asked in both orders.

    Of 40 items the better answer is alternately A and B, and all people say so, but Zoë, who calls every tenth a tie.
    The judge is right on 30 items in both orders, and takes the first shown on 10; one of its replies has two verdicts.
    """
    table, log = ["Vorgang;Frage;Antwort A;Antwort B;Jürgen;Zoë;Änne"], []
    for n in range(40):
        better = "AB"[n % 2]
        votes = [better, "gleich" if n % 10 == 0 else better, better]
        table.append(
            f'V{n};Wie spät ist es, Nr. {n}?;"Es ist {n} Uhr; genau.";Schöne Frage – etwa {n} €;{";".join(votes)}'
        )
        for order in ("AB", "BA"):
            letter = "A" if n < 10 else "AB"[order.index(better)]
            reply = f"The other answer drifts, {letter} does not.\n\nMy verdict: [[{letter}]]"
            reply = f"{reply} or [[C]]" if (n, order) == (39, "BA") else reply
            log.append({"ts": 1_700_000_000 + n, "vorgang": f"V{n}", "reihenfolge": order, "reply": reply})
    Path("menschen.csv").write_bytes("\r\n".join(table).encode("cp1252"))
    return Path("menschen.csv"), save(Path("richter.jsonl"), sorted(log, key=lambda row: str(row["reply"])))


def figures(document: dict[str, Any]) -> Any:
    """A certificate without what may differ between two ways to name the same files."""
    return {name: value for name, value in document.items() if name not in ("conclusion", "title", "date", "name")}


def test_two_messy_files_come_to_a_right_certificate_and_their_description_gives_the_same(
    files: tuple[Path, Path],
) -> None:
    first = audit_path(*files, people=PEOPLE, written=Path("study.yaml")).document
    judge = first["judges"][0]
    # 39 items were read in both orders, 10 of them as the first shown both times: consistent on 29 of 39
    assert judge["position"]["consistency"]["value"] == pytest.approx(29 / 39)
    assert judge["label"]["by_rule"]["no_ties"]["value"] == 1.0
    assert judge["label"]["items"] == 39  # without the one of two verdicts
    assert first["people"]["among"]["raters"] == 3
    assert first["read"]["replies without exactly one verdict, which are invalid"] == 1
    assert [file["encoding"] for file in first["files"]] == ["cp1252", None]
    assert figures(audit_path(Path("study.yaml"), folder=Path("again")).document) == figures(first)
    unwritten = audit_path(*files, people=PEOPLE, folder=Path("unwritten"))
    assert (figures(unwritten.document), unwritten.guessed) == (figures(first), ("menschen.csv", "richter.jsonl"))
    with pytest.raises(ConfigError, match=r"study\.yaml: exists already"):
        audit_path(*files, people=PEOPLE, written=Path("study.yaml"))


def test_what_the_files_do_not_determine_is_asked_in_the_description(files: tuple[Path, Path]) -> None:
    with pytest.raises(DataError, match=r"written to study\.yaml\. Replace each") as asked:
        audit_path(*files, people=["menschen.csv"], written=Path("study.yaml"))
    assert "richter.jsonl" not in str(asked.value)  # nothing about it is open
    study = yaml.safe_load(Path("study.yaml").read_text(encoding="utf-8"))
    people, judge = study["verdicts"]
    assert (people["kind"], judge["kind"], judge["pattern"]) == ("person", "model", "brackets")
    assert people["columns"].pop("verdict") == "?"  # each column may be a rater's, or one of them says all
    people["columns"]["votes"] = list(PEOPLE)
    Path("study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    assert audit_path(Path("study.yaml")).document["judges"][0]["label"]["items"] == 39
    with pytest.raises(DataError, match=r"(?s)menschen\.csv: .*Save these lines as study\.yaml.*kind: "):
        audit_path(*files)
    assert not Path("audits/menschen-richter").exists()
    with pytest.raises(ConfigError, match="--people ann: no rater and no file fits"):
        audit_path(*files, people=[*PEOPLE, "ann"])


def test_a_file_of_people_is_named_by_its_path_however_it_is_written(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    paths = [Path("..") / file for file in files]
    for number, pattern in enumerate(("../menschen.csv", str(tmp_path / "menschen.csv"), "../m*.csv")):
        with pytest.raises(DataError, match="written to"):
            audit_path(*paths, people=[pattern], written=Path(f"{number}.yaml"))
        study = yaml.safe_load(Path(f"{number}.yaml").read_text(encoding="utf-8"))["verdicts"]
        assert [(file["kind"], file.get("people")) for file in study] == [("person", None), ("model", None)]


def test_a_judges_log_with_ids_of_its_own_is_joined_by_its_texts_and_the_rest_is_counted() -> None:
    texts = [{"prompt": f"Why {n}?", "a": f"So {n}.", "b": f"Or {n}."} for n in range(12)]
    save(Path("people.csv"), [{"item": f"k{n}", **text, "verdict": "a"} for n, text in enumerate(texts[:10])])
    calls = [
        {"item": f"call-{n}-{first}", **text, "verdict": "Nearer the question.\nVerdict: A"}
        for n, text in enumerate(texts)
        for first, text in (("a", text), ("b", {**text, "a": text["b"], "b": text["a"]}))
    ]
    save(Path("judge.jsonl"), calls)
    audited = audit_path(Path("people.csv"), Path("judge.jsonl"), people=["people.csv"])
    judge = audited.document["judges"][0]
    assert judge["label"]["items"] == 10  # of 12 items that it was asked about in both orders
    assert judge["position"]["pairs"] == 12
    assert judge["position"]["index"]["value"] == -1.0  # it takes the first shown each time
    [sentence] = audited.document["unjoined"]
    assert sentence.startswith("2 of 12 items of judge.jsonl are in no other file, such as ")
    assert sentence in "\n".join(audited.lines)


def test_items_that_no_file_has_texts_of_are_counted_by_an_audit_and_refused_by_a_run() -> None:
    save(
        Path("texts.csv"), [{"item": f"a-{n}", "prompt": "q", "a": f"x{n}", "b": "y", "verdict": "a"} for n in range(2)]
    )
    save(Path("log.csv"), [{"item": item, "verdict": "b"} for item in ("a-1", "a-5", "a-6")])
    sources = [{"path": "texts.csv", "kind": "person"}, {"path": "log.csv", "kind": "model"}]
    config = RunFile.model_validate({"name": "t", "verdicts": sources})
    assert read_votes(config, Path()).unjoined == [
        "1 of 2 items of texts.csv are in no other file, such as 'a-0' (texts.csv: row 2).",
        "2 of 3 items of log.csv are in no other file, such as 'a-5' (log.csv: row 3).",
    ]
    with pytest.raises(DataError, match=r"log\.csv: row 3: item: items 'a-5', 'a-6' are in no file with texts"):
        read_inputs(config, Path())


def test_the_lines_for_a_run_describe_each_column_of_votes_too() -> None:
    rows = [{"qid": n, "human_judge": "AB"[n % 2], "reply": f"In short, for number {n}: [[A]]"} for n in range(12)]
    save(Path("log.jsonl"), rows)
    config = RunFile.model_validate({"name": "t", "verdicts": [{"path": "log.jsonl"}]})
    with pytest.raises(DataError) as asked:
        read_votes(config, Path())
    parts = str(asked.value).split("path:\n")[1:]
    entries = [yaml.safe_load(part.rpartition("\n  In one more")[0] or part) for part in parts]
    assert [entry["columns"]["votes"] for entry in entries] == ["human_judge", "reply"]
    assert [entry.get("pattern") for entry in entries] == [None, "brackets"]


def test_names_that_would_move_the_cursor_stay_names_in_the_description() -> None:
    path = save(Path("evil\u202e.jsonl"), [{"item": n, "verdict": "ab"[n % 2]} for n in range(12)])
    assert audit_path(path, people=[path.name], written=Path("study.yaml")).document["counts"]["people"] == 1
    assert Path("study.yaml").read_text(encoding="utf-8").replace("\n", "").isprintable()
    assert audit_path(Path("study.yaml")).document["counts"]["items"] == 12


def test_a_run_of_a_study_can_be_looked_at_by_the_users_own_items_and_by_the_judges_mistakes(tmp_path: Path) -> None:
    """All people say a. The judge names b in both orders of k1, the first shown of k2, and two verdicts of k3."""
    texts = [{"item": f"k{n}", "prompt": f"Why {n}?", "a": f"So {n}.", "b": f"Or {n}."} for n in range(4)]
    save(Path("people.csv"), [{**row, "ann": "a", "bo": "a"} for row in texts])
    said = {"k0": "AB", "k1": "BA", "k2": "AA", "k3": "AB"}
    calls = [
        {**row, "a": a, "b": b, "reply": f"Thought.\x1b[2J [[{letter}]]" + " [[C]]" * (row["item"] == "k3")}
        for row in texts
        for letter, a, b in zip(said[row["item"]], (row["a"], row["b"]), (row["b"], row["a"]), strict=True)
    ]
    save(Path("log.jsonl"), calls)
    columns = {name: name for name in ("item", "prompt", "a", "b")}
    config = {
        "name": "study",
        "verdicts": [
            {"path": "people.csv", "kind": "person", "columns": {**columns, "votes": ["ann", "bo"]}},
            {
                **{"path": "log.jsonl", "kind": "model", "columns": {**columns, "verdict": "reply"}},
                **{"pattern": "brackets", "coordinates": "displayed"},
            },
        ],
        "dataset": {"test_share": 0},
    }
    folder = Run.from_dict(config, folder=tmp_path / "run")().folder
    reader = RunReader(folder)
    assert reader.find("k2") == reader.find("3")
    stories = reader.prompts()
    assert [(story.items, story.wrong, story.flipped) for story in stories] == [
        *[(("k0",), False, False), (("k1",), True, False)],
        *[(("k2",), False, True), (("k3",), False, False)],
    ]
    assert [story.items for story in stories if story.mentions("K1")] == [("k1",)]
    shown = "\n".join(story_lines(stories[3], total=4, has_dataset=True))
    assert "Prompt 4 of 4 (item k3, train)" in shown
    assert r"Thought.\x1b[2J [[A]] [[C]]" in shown  # of a verdict that could not be read
    (tmp_path / "run/status.json").unlink()
    with pytest.raises(ConfigError, match=r"an audit's folder.* amendment run"):
        RunReader(folder)
