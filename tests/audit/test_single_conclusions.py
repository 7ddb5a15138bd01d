"""What the certificate of labels of single answers concludes, through `amendment audit`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.conclusions_scores import WORLDS, run
from tests.command_line import amendment
from tests.rows import save

Labels = NDArray[np.int64]


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def noisy(truth: Labels, right: float, seed: int) -> Labels:
    """Labels from 1 to 5 that are true with this chance, and else drawn at random."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(truth.size) < right, truth, rng.integers(1, 6, truth.size))


def drawn(items: int) -> Labels:
    return np.random.default_rng(0).integers(1, 6, items)


def concluded(people: dict[str, Labels], judges: dict[str, Labels], scale: str = "ordinal") -> list[dict[str, Any]]:
    """The conclusions of `amendment audit`, the best first; each is in the certificate."""
    raters = {**people, **judges}
    items = range(len(next(iter(raters.values()))))
    for name, labels in raters.items():
        save(Path(f"{name}.csv"), [{"id": f"i{n}", "label": int(labels[n])} for n in items if labels[n] > 0])
    files = [
        {
            "path": f"{name}.csv",
            "kind": "person" if name in people else "model",
            "rater": name,
            "scale": scale,
            "columns": {"item": "id", "verdict": "label"},
        }
        for name in raters
    ]
    Path("study.yaml").write_text(json.dumps({"name": "t", "verdicts": files}), encoding="utf-8")
    ended = amendment("audit", "study.yaml")
    assert ended.code == 0, ended.said
    document = json.loads(Path("audits/t/certificate.json").read_text(encoding="utf-8"))
    assert document["format"] == "single-2"
    lines = Path("audits/t/certificate.md").read_text(encoding="utf-8").splitlines()
    found: list[dict[str, Any]] = document["conclusion"]
    assert [f"- {conclusion['sentence']}" for conclusion in found] == lines[4 : 4 + len(found)]
    return found


@pytest.mark.parametrize("scale", ["ordinal", "interval"])
def test_a_judge_that_always_says_the_middle_is_not_used(scale: str) -> None:
    truth = drawn(200)
    people = {"ann": noisy(truth, 0.7, 1), "bo": noisy(truth, 0.7, 2)}
    judges = {"always": np.full(200, 3), "coin": np.random.default_rng(3).choice([3, 3, 3, 4], 200)}
    for conclusion in concluded(people, judges, scale):
        assert (conclusion["form"], conclusion["because"]) == ("do not use", "chance")
        begin = f"Do not use {conclusion['judge']}: it agrees with people hardly better than chance; its ordinal alpha"
        assert conclusion["sentence"].startswith(begin)


def test_a_judge_as_good_as_people_is_used_where_enough_items_have_labels_of_two() -> None:
    truth = drawn(1000)
    people = {name: noisy(truth, 0.95, seed) for seed, name in enumerate(("ann", "bo", "cy"))}
    good, worse = noisy(truth, 0.95, 4), noisy(truth, 0.7, 5)
    best, worst = concluded(people, {"good": good, "worse": worse})
    assert (best["judge"], best["form"]) == ("good", "use")
    assert (worst["judge"], worst["form"], worst["because"]) == ("worse", "do not use", "ceiling")
    known = (
        r"Use good: its ordinal alpha with an annotator is 0\.\d\d on 1000 items, that of two annotators is 0\.\d\d; "
    )
    assert re.match(known + r"the difference is [+-]0\.\d\d \(.* to .*\), and the margin is 0\.05\.$", best["sentence"])


def test_too_few_items_say_what_is_known_and_how_many_would_decide() -> None:
    truth = drawn(60)
    people = {"ann": noisy(truth, 0.9, 1), "bo": noisy(truth, 0.9, 2)}
    [conclusion] = concluded(people, {"judge": noisy(truth, 0.9, 3)})
    assert (conclusion["form"], conclusion["because"]) == ("no conclusion", "open")
    assert conclusion["could_show"] > -0.05
    assert re.search(r"about [0-9,]+ items labelled by two people would show", conclusion["sentence"])


def test_one_person_sets_no_ceiling() -> None:
    truth = drawn(400)
    [conclusion] = concluded({"ann": truth}, {"judge": noisy(truth, 0.98, 1)})
    assert (conclusion["form"], conclusion["because"]) == ("no conclusion", "one annotator")
    assert re.search(
        r"its ordinal alpha with the annotator ann is 0\.9\d .* on 400 items; "
        r"a second person has to label about [0-9,]+ items",
        conclusion["sentence"],
    )
    second = np.where(np.arange(400) < 20, truth, 0)  # a label of 20 items
    [conclusion] = concluded({"ann": truth, "bo": second}, {"judge": noisy(truth, 0.98, 1)})
    assert conclusion["because"] == "few with two"


def test_people_who_hardly_agree_measure_no_judge() -> None:
    truth = drawn(400)
    people = {"ann": noisy(truth, 0.1, 1), "bo": noisy(truth, 0.1, 2)}
    [conclusion] = concluded(people, {"judge": truth})
    assert (conclusion["form"], conclusion["because"]) == ("no conclusion", "people")
    assert "people agree with each other hardly better than chance (ordinal alpha" in conclusion["sentence"]


def test_a_file_of_people_alone_has_their_alpha() -> None:
    assert concluded({"ann": np.array([1, 1, 2, 2] * 10), "bo": np.array([1, 1, 2, 2] * 10)}, {}) == []
    document = json.loads(Path("audits/t/certificate.json").read_text(encoding="utf-8"))
    assert document["people"]["alpha"]["value"] == pytest.approx(1)


@pytest.mark.parametrize("name", ["0.05 below, errors at random, 500 items", "0.05 below, classes 97 : 3, 200 items"])
def test_a_judge_that_is_worse_by_the_margin_hardly_ever_gets_use(name: str) -> None:
    [world] = [world for world in WORLDS if world.name == name]
    # at a rate of 2 % more than three in forty come in 1 of 100 such tests
    assert sum(run(world, seed).is_wrong for seed in range(40)) <= 3
