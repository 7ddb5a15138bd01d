"""What a spot check says before anybody labels, and how it grows."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from amendment.errors import Paused
from amendment.people.labelling import open_sample
from amendment.people.lead import Standing
from amendment.people.page_app import create_app
from amendment.people.queue import Queue
from amendment.people.store import Labels
from tests.command_line import amendment
from tests.people.label_pages import ask
from tests.run.spot_checked import CHECKED, label_all, run, sample


def test_check_plan_and_the_leads_page_say_what_the_sample_can_decide(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(CHECKED + "spot_check: {items: 200}\n", encoding="utf-8")
    said = (
        'If people are right on 90 % of the items, a judge as good as they are gets "Use" in 26 % of samples of '
        "200 items labelled by two people; with 590 items, in 80 %."
    )
    for command in ("check", "plan"):
        assert said in amendment(command, path).out.splitlines()
    drawn = open_sample(run(tmp_path, f"{CHECKED}spot_check: {{items: 30, overlap: 8}}\n", until="spot_check").folder)
    assert "of samples of 8 items labelled by two people" in drawn.outlook()
    with Labels(tmp_path / "labels.sqlite") as labels:
        queue = Queue(drawn.questions, seed=4, annotators=2, clock=lambda: 0.0)
        app = create_app(
            queue, labels, links={}, hosts=["here"], lead="L" * 43, standing=lambda _: Standing(drawn.outlook())
        )
        headers = [("host", "here"), ("origin", "http://here"), ("content-type", "application/json")]
        body = json.dumps({"token": "L" * 43}).encode()
        assert asyncio.run(ask(app, "POST", "/lead", headers, body)).json["outlook"] == drawn.outlook()


def test_the_default_sample_gives_a_good_judge_use_in_four_of_five(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    for part, sentence in {
        "{}": 'If people are right on 90 % of the items, a judge as good as they are gets "Use" in 81 % of samples of '
        "600 items labelled by two people.",
        "{annotators: 1}": 'No item is labelled by two people: no judge can get "Use" from this sample: set '
        "`annotators: 2` and `overlap`.",
        "{items: 200, gate: {max_gap_to_human: 0.1}}": (
            'If people are right on 90 % of the items, a judge as good as they are gets "Use" with a margin of '
            "10 points in 90 % of samples of 200 items labelled by two people."
        ),
    }.items():
        path.write_text(f"{CHECKED}spot_check: {part}\n", encoding="utf-8")
        assert sentence in amendment("check", path).out.splitlines()


def test_a_sample_of_an_earlier_default_grows_and_nothing_is_labelled_twice(tmp_path: Path) -> None:
    folder = run(tmp_path, CHECKED + "spot_check: {items: 80, overlap: 20}\n", until="spot_check").folder
    earlier = {item.comparison_id for item in sample(folder)}
    label_all(folder)
    with pytest.raises(Paused, match="labels are missing"):
        run(tmp_path, CHECKED + "spot_check: {}\n")
    assert earlier <= {item.comparison_id for item in sample(folder)}
    label_all(folder)
    with Labels(folder / "labels.sqlite") as labels:
        given = [(label.annotator, label.comparison_id, label.showing) for label in labels.history()]
    assert len(given) == len(set(given))
    assert {name for _, name, _ in given} == {item.comparison_id for item in sample(folder)}
    assert "audit" in run(tmp_path, CHECKED + "spot_check: {}\n").ran
