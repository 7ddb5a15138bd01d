"""The certificate of a spot-checked run, and what leaves it: every figure, and nobody's name or words."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from amendment.calibration.store import Labels
from amendment.errors import ConfigError, Paused
from amendment.publishing.publication import prepare, write_preview
from amendment.run import Run
from tests.publishing.test_outgoing import published_texts
from tests.run.spot_checked import ANNA, BERT, COMMENT, PAGED, contents, sample, told

WORDS = (*ANNA.split(), *BERT.replace("-", " ").split(), "Wilhelmine", COMMENT)
REPO = "org/checked"


@pytest.fixture
def finished(finished_folder: Path) -> Path:
    return finished_folder / "run"


@pytest.fixture
def own(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        for one in value.values():
            yield from numbers(one)
    elif isinstance(value, list):
        for one in value:
            yield from numbers(one)
    elif isinstance(value, float):
        yield value


def names_in(texts: str) -> list[str]:
    return [word for word in WORDS if word.lower() in texts.lower()]


def test_the_certificate_has_every_figure_of_the_spot_check(finished: Path) -> None:
    found = told(finished, "certificate.json")["spot_check"]
    assert (found["purpose"], found["items"], found["basis"], found["opened"]) == ("estimate", 80, "sealed", 1)
    assert found["population"] == told(finished, "summary.json")["stages"]["spot_check"]["comparisons"]
    items = sample(finished)
    assert found["sealed"] == sum(item.is_sealed for item in items)
    for figure in ("agreement", "orders_disagree"):
        assert 0 <= found[figure]["low"] <= found[figure]["value"] <= found[figure]["high"] <= 1
        assert found[figure]["n"] > 0
    assert found["beside"]["items"] > 0
    apart = found["beside"]["judge"] - found["beside"]["people"]["value"]
    assert apart == pytest.approx(found["beside"]["difference"]["value"])
    assert 0 <= found["accuracy"]["estimate"]["value"] <= 1
    assert found["accuracy"]["labels_saved"] > 0
    for report in (found["raw"], found["calibrated"]):
        assert report["n"] == found["sealed"]
        for figure in ("brier", "log_loss", "ece"):
            assert report[figure]["low"] <= report[figure]["high"]
    assert {gate["check"] for gate in found["gates"]} == {"people", "orders"}
    assert all(math.isfinite(one) for one in numbers(told(finished, "certificate.json")))


def test_nobodys_name_and_nobodys_words_leave_in_rows_cards_and_exports(own: Path, tmp_path: Path) -> None:
    texts = published_texts(own, tmp_path)
    assert names_in(texts) == []
    assert "person-1" in texts
    ready = prepare(own, repo=REPO, license="mit")
    verdicts = [row for rows in ready.configs["verdicts"].values() for row in rows]
    people = {row["rater"] for row in verdicts if row["rater_kind"] == "person"}
    assert people == {"person-1", "person-2"}
    published = b"".join(path.read_bytes() for path in write_preview(ready).rglob("*") if path.is_file())
    assert names_in(published.decode("utf-8", "replace")) == []


def test_what_people_wrote_beside_a_verdict_stays_in_the_labels(finished: Path) -> None:
    for path in finished.rglob("*"):
        if path.is_file() and not path.name.startswith("labels.sqlite"):
            held = path.read_bytes()
            if path.suffix == ".parquet":
                held += json.dumps(pq.read_table(path).to_pylist(), default=str).encode()
            assert b"Wilhelmine" not in held, path
    assert any(b"Wilhelmine" in path.read_bytes() for path in finished.glob("labels.sqlite*"))


def test_a_pseudonym_is_one_person_in_certificate_and_verdicts(own: Path) -> None:
    ready = prepare(own, repo=REPO, license="mit")
    shown = {one["votes"]: one["name"] for one in json.loads(ready.files["certificate.json"])["counts"]["raters"]}
    called = {one["name"]: shown[one["votes"]] for one in told(own, "certificate.json")["counts"]["raters"]}
    assert len(called) == len(shown) == 3  # nobody has cast as many votes as another one
    unsealed = Counter(row["rater"] for row in pq.read_table(own / "labels" / "open.parquet").to_pylist())
    published = [row for rows in ready.configs["verdicts"].values() for row in rows if row["rater_kind"] == "person"]
    assert Counter(row["rater"] for row in published) == {called[name]: votes for name, votes in unsealed.items()}
    exported = [row for path in (own / "export").glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    named = {name for row in exported if row["decided_by"] == "person" for name in row["raters"]}
    assert named == {called[ANNA], called[BERT]}


def test_a_run_that_waits_for_people_is_not_published(own: Path) -> None:
    with Labels(own / "labels.sqlite") as labels:
        while (one := labels.undo(ANNA, f"undo-{len(labels.current())}-of-anna")) and one.showing:
            pass
    file = write_run_file(own)
    with pytest.raises(Paused):
        Run.from_file(file, folder=own)()
    with pytest.raises(ConfigError, match="out of date"):
        prepare(own, repo=REPO, license="mit")


def test_clocks_and_the_order_in_which_labels_came_stand_in_no_artefact(own: Path) -> None:
    with Labels(own / "labels.sqlite", read_only=True) as labels:
        said = labels.history()
    for file in own.glob("labels.sqlite*"):
        file.unlink()
    with Labels(own / "labels.sqlite") as labels:
        for number, one in enumerate(reversed(said)):
            later = {"uuid": f"said-later-{number}", "at": "2031-01-01T00:00:00Z", "seconds": 99.0}
            labels.add(one.model_copy(update=later))
    before = contents(own, "labels", "dataset", "certificate.json")
    shutil.rmtree(own / "labels")
    assert Run.from_file(write_run_file(own), folder=own)().ran == ("labels",)
    assert contents(own, "labels", "dataset", "certificate.json") == before


def write_run_file(folder: Path) -> Path:
    (folder.parent / "run.yaml").write_text(PAGED)
    return folder.parent / "run.yaml"
