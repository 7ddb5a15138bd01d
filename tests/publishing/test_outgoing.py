"""What others never see of a run: the name of anybody who rated, a path of this machine, a private address."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from amendment.data.pseudonyms import Outgoing, Pseudonyms, is_private
from amendment.errors import DataError
from amendment.publishing.finished import FinishedRun
from amendment.publishing.formats import FORMATS, export_run
from amendment.publishing.manifest import read_manifest
from amendment.publishing.publication import plan_lines, prepare, write_preview
from amendment.run import Run
from tests.publishing.conftest import CHAIN, PEOPLE
from tests.rows import save


def published_texts(folder: Path, tmp_path: Path) -> str:
    """Every text that would leave a run's folder: rows, files, cards with their heads, the plan, all exports."""
    ready = prepare(folder, repo=PEOPLE, license="mit")
    rows = [row for splits in ready.configs.values() for split in splits.values() for row in split]
    cards = [path.read_text() for path in write_preview(ready).rglob("*.md")]
    texts = [json.dumps(rows, ensure_ascii=False), *ready.files.values(), *cards, *plan_lines(ready)]
    for format in FORMATS:
        for path in export_run(folder, format, tmp_path / "exports" / format).files:
            is_table = path.suffix == ".parquet"
            texts.append(json.dumps(pq.read_table(path).to_pylist()) if is_table else path.read_text())
    return "\n".join(texts)


LONG = "Maximiliane von und zu Hohenfels-Wartenstein und der langen Namensreihe"
NAMES = ("Anna Schmidt", "Ben*K", LONG, "judge", "clara.csv", "dora*")
RATED = f"""\
name: rated
seed: 1
verdicts:
  - {{path: clara.csv, kind: person, columns: {{prompt: q, a: x, b: y, verdict: v}}}}
  - {{path: labels.csv, people: ["Anna*", "Ben[*]K", "{LONG[:12]}*", judge],
      columns: {{prompt: q, a: x, b: y, votes: [Anna Schmidt, "Ben*K", "{LONG}", judge, bot]}}}}
  - {{path: more.csv, people: "dora*", columns: {{item: id, verdict: v, rater: who}}}}
dataset:
  test_share: 0.25
  mix:
    - {{source: run, share: 0.5}}
    - {{path: mixed.csv, share: 0.5, license: mit,
        columns: {{prompt: q, a: x, b: y, votes: [Erik Late, Anna Schmidt]}}}}
"""


def pairs_of(word: str, count: int = 12) -> list[dict[str, str]]:
    return [{"q": f"{word} is {i}", "x": f"{word} it is {i}", "y": f"who knows {word} {i}"} for i in range(count)]


@pytest.fixture(scope="module")
def rated_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on verdicts of five people and a bot, with an audit; one file holds no texts, one is mixed in."""
    folder = tmp_path_factory.mktemp("rated")
    texts = pairs_of("what")
    voters = ("Anna Schmidt", "Ben*K", LONG, "judge", "bot")
    votes = [{name: "ab"[(i * k) % 5 < 2] for k, name in enumerate(voters, start=1)} for i in range(12)]
    save(folder / "labels.csv", [{**text, **vote} for text, vote in zip(texts, votes, strict=True)])
    save(folder / "clara.csv", [{**text, "v": "a"} for text in texts])
    doras = ("dora*", "dorabot")
    save(folder / "more.csv", [{"id": f"item {i}", "v": "ab"[i % 2], "who": who} for i in range(6) for who in doras])
    save(folder / "mixed.csv", [{**text, "Erik Late": "a", "Anna Schmidt": ""} for text in pairs_of("why")])
    (folder / "run.yaml").write_text(RATED)
    return Run.from_file(folder / "run.yaml", folder=folder / "run")().folder


@pytest.fixture
def rated(rated_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(rated_folder, tmp_path / "rated"))


def test_no_name_of_a_rater_leaves_in_any_file_row_card_or_export(rated: Path, tmp_path: Path) -> None:
    own = (rated / "certificate.json").read_text() + (rated / "manifest.json").read_text()
    assert all(name in own for name in NAMES), "at home everybody stands under their name"
    published = re.sub(r'"head": \[[^\]]*\]', "", published_texts(rated, tmp_path))
    for name in ("Anna", "Schmidt", "Ben*", "Ben\\*", "Ben[", LONG[:20], "clara", "dora", "Erik"):
        assert name not in published, name
    for place in ('"rater": "judge"', '"name": "judge"', '"judge"]', '"judge",', "| judge  "):
        assert place not in published, "a word that is also somebody's name"
    assert {f"person-{number}" for number in range(1, 9)} <= set(re.findall(r"person-[0-9]+", published))


def test_a_pseudonym_means_the_same_person_in_rows_and_certificate(rated: Path) -> None:
    ready = prepare(rated, repo=PEOPLE, license="mit")
    certificate = json.loads(ready.files["certificate.json"])
    own = json.loads((rated / "certificate.json").read_text())
    votes = Counter(row["rater"] for rows in ready.configs["verdicts"].values() for row in rows)
    shown = {rater["name"]: rater["votes"] for rater in certificate["counts"]["raters"]}
    # 12 votes of each of five people and the bot are rows; of the 6 votes of either dora there are no texts. Erik's are
    # rows (6 were taken at most) that the audit, made of the run's own files, has not seen.
    assert {name: shown[name] for name in shown if name in votes} == {
        name: count for name, count in votes.items() if name in shown
    }
    assert sorted(shown.values()) == [6, 6, 12, 12, 12, 12, 12, 12]
    assert len(set(votes) - set(shown)) == 1
    by_name = {rater["name"]: rater for rater in own["counts"]["raters"]}
    mapping = FinishedRun(rated).people.by_name
    for name in NAMES:
        (there,) = [rater for rater in certificate["counts"]["raters"] if rater["name"] == mapping[name]]
        assert {**there, "name": name} == by_name[name]
    names = [rater["name"] for rater in certificate["counts"]["raters"]]
    assert names == [*(f"person-{number}" for number in range(1, 8)), "bot"], "in an order that tells no alphabet"


def test_only_a_certificate_that_the_audit_made_and_that_stands_is_published(people: Path, rated: Path) -> None:
    for name in ("certificate.json", "certificate.md"):
        (people / name).write_text("{}")
        (people / "audit").mkdir(exist_ok=True)
        (people / "audit" / name).write_text("{}")
    ready = prepare(people)
    assert not [name for name in ready.files if name.startswith("certificate")], "nobody's run has made it"
    assert "Agreement between a judge and people was not measured." in ready.body
    ready = prepare(rated, repo=PEOPLE, license="mit")
    assert "about bot: " in ready.body, "the conclusion"
    assert "[certificate.md](certificate.md)" in ready.body
    assert json.loads(ready.files["certificate.json"])["files"][0]["name"].startswith("person-")
    (rated / "audit/certificate.md").write_text("# Audit\n\nAll is well.\n")
    with pytest.raises(DataError, match=r"audit/certificate.md: changed since the run made it"):
        prepare(rated, repo=PEOPLE, license="mit")


def test_who_rated_is_told_apart_by_kind_and_not_by_how_the_name_is_spelled(rated: Path) -> None:
    configuration = FinishedRun(rated).outgoing.configuration()
    votes = configuration["verdicts"][1]["columns"]["votes"]
    assert [name.startswith("person-") for name in votes] == [True, True, True, True, False]
    assert set(configuration["verdicts"][1]["people"]) == set(votes[:4])
    assert re.fullmatch(r"person-[0-9]\.csv", configuration["verdicts"][0]["path"])
    assert configuration["verdicts"][2]["path"] == "more.csv"
    assert read_manifest(rated)["configuration"]["verdicts"][0]["path"] == "clara.csv"


def test_no_path_and_no_private_address_of_this_machine_leaves(mixed_answers: Path, tmp_path: Path) -> None:
    published = published_texts(mixed_answers, tmp_path)
    for secret in ("anna.berg", "secret-project", "127.0.0.1"):
        assert secret not in published, secret
    ready = prepare(mixed_answers, repo=CHAIN, license="mit")
    assert json.loads(ready.files["manifest.json"])["configuration"]["models"]["far"]["model"] == "llama"
    assert "private-address" in "\n".join(plan_lines(ready))


@pytest.mark.parametrize(
    ("address", "is_hidden"),
    [
        ("127.0.0.1:8000/v1", True),
        ("http://10.1.2.3/v1", True),
        ("http://0.0.0.0:8000/v1", True),
        ("[::1]:8000/v1", True),
        ("gpu17:8000/v1", True),
        ("https://models.corp.internal/v1", True),
        ("api.openai.com/v1", False),
        ("https://openrouter.ai/api/v1", False),
        ("8.8.8.8/v1", False),
    ],
)
def test_addresses_that_nobody_outside_can_reach_are_private(address: str, is_hidden: bool) -> None:
    assert is_private(address) is is_hidden


CALLED = """\
name: called
seed: 1
prompts: [{path: asked/ottokar-and-friends.csv, column: q}, {path: oskar.csv, column: q}]
verdicts:
  - {dataset: ./Irmtraud, kind: person, columns: {prompt: q, a: x, b: y, verdict: v}}
  - {path: Hildegard/labels.csv, kind: person, rater: Hildegard, columns: {prompt: q, a: x, b: y, verdict: Hildegard}}
  - {path: OTTOKAR.csv, kind: person, columns: {prompt: q, a: x, b: y, verdict: v, rater: who}}
"""


def test_files_and_folders_that_are_called_after_a_rater_are_shown_under_the_pseudonym(tmp_path: Path) -> None:
    texts = pairs_of("what", 8)
    for name in ("Irmtraud", "Hildegard", "asked"):
        (tmp_path / name).mkdir()
    save(tmp_path / "Irmtraud/a.csv", [{**text, "v": "a"} for text in texts])
    save(tmp_path / "Hildegard/labels.csv", [{**text, "Hildegard": "a"} for text in texts])
    save(tmp_path / "OTTOKAR.csv", [{**text, "v": "b", "who": "Ottokar"} for text in texts])
    for name in ("asked/ottokar-and-friends.csv", "oskar.csv"):
        save(tmp_path / name, [{"q": f"{name} {i}"} for i in range(3)])
    (tmp_path / "run.yaml").write_text(CALLED)
    folder = Run.from_file(tmp_path / "run.yaml", folder=tmp_path / "run")().folder
    published = published_texts(folder, tmp_path)
    # The texts of the prompts file itself hold its name: nobody looks inside texts.
    shown = re.sub(r"asked/ottokar-and-friends\.csv [0-9]", "", published)
    for name in ("irmtraud", "hildegard", "ottokar"):
        assert name not in shown.lower(), name
    pseudonyms = FinishedRun(folder).people.by_name
    configuration = FinishedRun(folder).outgoing.configuration()
    first, second, third = configuration["verdicts"]
    assert first["dataset"] == pseudonyms["./Irmtraud"]
    assert second["path"] == f"{pseudonyms['Hildegard']}/labels.csv"
    assert third["path"] == f"{pseudonyms['Ottokar']}.csv"
    assert [source["path"] for source in configuration["prompts"]] == [
        f"asked/{pseudonyms['Ottokar']}-and-friends.csv",
        "oskar.csv",
    ]


def test_a_file_that_is_no_ones_name_keeps_its_own(tmp_path: Path) -> None:
    people = Pseudonyms(["Anna", "Anna Berg", "bo", "ben@example.org", "clara.csv", ".csv"], ["Person"])
    shown, hidden = people.by_name, people.hiding({"clara.csv"})
    assert hidden("ANNA_berg-2.csv") == f"{shown['Anna Berg']}-2.csv", "the longer name first"
    assert hidden("anna.csv") == f"{shown['Anna']}.csv"
    assert hidden("ben.csv") == f"{shown['ben@example.org']}.csv"
    assert hidden("person.csv") == f"{shown['Person']}.csv", "and a pseudonym is not hidden again"
    for name in ("annales.csv", "bo.csv", "clara.csv", "susanna.csv", "labels.csv"):
        assert hidden(name) == name, name


def test_files_of_every_stage_are_shown_under_the_pseudonym_in_settings_and_counts() -> None:
    settings = {
        "models": {},
        "pairs": [],
        "verdicts": [{"path": "anna.berg.csv", "kind": "person", "rater": "anna.berg"}],
        "dataset": {"mix": []},
        "sft": {"base": "base", "helpful": {"files": [{"path": "/data/for-anna-berg.jsonl"}]}},
        "evaluate": {"over_refusal": {"prompts": [{"dataset": "org/anna-berg"}, {"path": "ANNA_BERG/x.csv"}]}},
    }
    outgoing = Outgoing(settings, Pseudonyms(["anna.berg"]))
    shown = outgoing.configuration()
    assert shown["sft"]["helpful"]["files"] == [{"path": "for-person-1.jsonl"}]
    prompts = [{"dataset": "org/anna-berg"}, {"path": "person-1/x.csv"}]  # everybody knows a dataset on the Hub
    assert shown["evaluate"]["over_refusal"]["prompts"] == prompts
    assert shown["verdicts"] == [{"path": "person-1.csv", "kind": "person", "rater": "person-1"}]
    counts = {"rows": [["anna.berg.csv", 2]], "by": {"for-anna-berg.jsonl (2)": 1}}
    assert outgoing.counts(counts) == {"rows": [["person-1.csv", 2]], "by": {"for-person-1.jsonl (2)": 1}}
    assert outgoing.report("- source anna.berg.csv: 0.5") == "- source person-1.csv: 0.5"
