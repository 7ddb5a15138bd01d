"""The lead decides where people disagree: on the page in a real browser, and in the pairs of the run."""

from __future__ import annotations

import json
import shutil
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from amendment.errors import Paused
from amendment.people.samples import ADJUDICATOR
from amendment.people.store import Labels
from tests.run.spot_checked import PAGED, label_all, questions, rows, run, told
from tests.vendors.processes import started

pytestmark = pytest.mark.browser
ADJUDICATED = PAGED.replace("overlap: 70", "overlap: 70, adjudicate: true")


@contextmanager
def lead_page(browser: Browser, folder: Path) -> Iterator[Page]:
    with started([sys.executable, "-m", "amendment", "label", str(folder)]) as process:
        try:
            assert process.stdout is not None
            link = next(line for line in process.stdout if line.startswith("For the lead only")).rpartition(": ")[2]
            context = browser.new_context()
            page = context.new_page()
            page.goto(link.strip())
            yield page
            context.close()
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)


def test_the_lead_decides_with_a_reason_and_the_pairs_follow_but_no_ceiling(browser: Browser, tmp_path: Path) -> None:
    with pytest.raises(Paused, match="labels are missing"):
        run(tmp_path, ADJUDICATED)
    folder = tmp_path / "run"
    with lead_page(browser, folder) as page:
        expect(page.locator("#view")).to_be_visible()
        expect(page.locator("#decide")).to_be_hidden()  # people still answer
    with ThreadPoolExecutor(1) as thread:  # this one has the browser's loop
        thread.submit(label_all, folder).result()
    with pytest.raises(Paused, match=r"people disagree on \d+ comparisons, which wait for the lead's page"):
        run(tmp_path, ADJUDICATED)
    with lead_page(browser, folder) as page:
        disputes = page.locator(".dispute")
        expect(page.get_by_role("heading", name="To decide")).to_be_visible()
        count = disputes.count()
        assert count > 3
        first = disputes.first
        first.get_by_role("button", name="Answer 1 is better").click()
        expect(page.locator("#notice")).to_have_text("Say why before you decide.")
        for place in range(count):
            dispute = disputes.nth(place)
            dispute.get_by_label("Why").fill(f"reason {place}")
            name = {1: "Tie", 2: "Leave open"}.get(place, "Answer 1 is better")
            dispute.get_by_role("button", name=name).click()
            expect(dispute.locator(".decided")).to_contain_text(f"Decided: {name}. reason {place}")
        names = [str(each.get_attribute("id")).removeprefix("dispute-") for each in disputes.all()]
    with Labels(folder / "labels.sqlite", read_only=True) as store:
        assert [store.adjudicated()[name].comment for name in names] == [f"reason {place}" for place in range(count)]
        assert not any(label.annotator == ADJUDICATOR for label in store.history())

    shutil.copytree(folder, tmp_path / "plain/run")
    result = run(tmp_path, ADJUDICATED)
    assert result.results["labels"].count("adjudicated_labels") == count - 1
    asked, made = {question.comparison_id: question for question in questions(folder)}, rows(folder)
    for place, name in enumerate(names):
        if place in (1, 2):  # a tie, and one that stays as people left it: evenly split
            assert name not in made
        else:
            assert (made[name].chosen, made[name].raters) == (asked[name].a, (ADJUDICATOR,))
            assert made[name].decided_by == "person"

    run(tmp_path / "plain", PAGED)  # the same labels without the lead's decisions
    certificates = [told(place / "run", "certificate.json") for place in (tmp_path, tmp_path / "plain")]
    assert json.dumps(certificates[0]["people"]) == json.dumps(certificates[1]["people"])
    assert certificates[0]["conclusions"] == certificates[1]["conclusions"]
    assert not any(name in rows(tmp_path / "plain/run") for name in names)
