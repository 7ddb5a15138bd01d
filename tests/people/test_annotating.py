"""What an annotator must not miss, in a real browser: the last question of a conversation, both answers on a phone, a
comment that was half written, a share that changes, and a page that stays where its links lead."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from amendment.audit.ceiling import Requirements
from amendment.data.store import Workspace
from amendment.people.labelling import SAMPLE
from amendment.people.samples import SampledItem
from amendment.people.store import Labels
from amendment.records import Message
from amendment.statistics.planning import expect_figures, items_for_use
from tests.people.label_browser import Site, visiting
from tests.people.label_pages import label, make_run, question, questions

pytestmark = pytest.mark.browser
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}
NAMES = ("Turns", "Tall", "Phone", "Draft", "Back")
ASKED = ("Which tide is highest?", "The spring tide.", "And when is the next one?")


@pytest.fixture(scope="module")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A long conversation of five turns that ends with a question, before everyone, and a short one."""
    turns = [
        Message(role="assistant" if place % 2 else "user", content=f"{text}\n" + "More of it.\n" * 30 * (place < 4))
        for place, text in enumerate((*ASKED, "In two weeks.", "Then what is a neap tide?"))
    ]
    long = question(0, overlap=True).model_copy(update={"prompt": tuple(turns)})
    made = Site(tmp_path_factory.mktemp("site"), [long, question(1, overlap=True)], NAMES)
    yield made
    made.kill()


def at_the_long_one(visit: Any) -> None:
    if visit.text("#prompt").startswith("Userask"):
        visit.press("s")
        visit.ready(1)


def test_a_long_conversation_shows_its_last_question_and_folds_the_turns_before(browser: Browser, site: Site) -> None:
    with visiting(browser, site, "Turns") as visit:
        at_the_long_one(visit.enter())
        page = visit.page
        expect(page.get_by_text("Then what is a neap tide?")).to_be_in_viewport()
        expect(page.get_by_text(ASKED[0])).to_be_hidden()
        expect(page.get_by_role("button", name="Show the 4 earlier turns")).to_be_visible()
        visit.press("x")
        expect(page.get_by_text(ASKED[0])).to_be_visible()
        visit.press("x")
        expect(page.get_by_text(ASKED[0])).to_be_hidden()
        visit.press("m")  # texts as they were written: the turns stay folded
        expect(page.get_by_text(ASKED[0])).to_be_hidden()


def test_no_verdict_is_given_on_a_phone_before_both_answers_were_on_the_screen(browser: Browser, site: Site) -> None:
    with visiting(browser, site, "Phone", **PHONE) as visit:
        page = visit.enter().page
        page.get_by_role("button", name="Answer 1 is better").tap()
        expect(page.locator("#second")).to_be_visible()
        expect(page.locator("#said")).to_contain_text("Answer 2 was not on the screen yet.")
        assert site.history("Phone") == []
        page.get_by_role("button", name="Answer 2 is better").tap()
        visit.ready(1)
        page.get_by_role("button", name="Skip").tap()  # says nothing of the answers
        visit.ready(2)
    assert [label.choice for label in site.history("Phone")] == ["B", "skip"]


def test_what_was_half_written_is_there_after_a_reload_and_in_the_label(browser: Browser, site: Site) -> None:
    with visiting(browser, site, "Draft") as visit:
        visit.enter().press("w", "c")
        visit.page.keyboard.type("half a thou")
        visit.page.close()
        visit.page = visit.context.new_page()
        visit.enter().press("c")
        expect(visit.page.locator("#comment")).to_have_value("half a thou")
        visit.page.keyboard.type("ght")
        visit.press("Escape", "1")
        visit.ready(1)
        expect(visit.page.locator("#comment")).to_have_value("")
        assert "half" not in visit.page.evaluate("() => JSON.stringify(localStorage)")
    (label,) = site.history("Draft")
    assert (label.comment, label.confidence) == ("half a thought", 2)


def test_back_from_an_answer_that_was_opened_again_says_so_no_longer(browser: Browser, site: Site) -> None:
    with visiting(browser, site, "Back") as visit:
        visit.enter().press("1")
        visit.ready(1).press("h")
        expect(visit.page.locator("#history li button")).to_be_focused()  # it asks the server first
        visit.press("Enter")
        expect(visit.page.locator("#said")).to_contain_text("Opened again.")
        visit.ready(1).press("b")
        expect(visit.page.locator("#said")).to_have_text("")


def test_a_share_that_changes_says_what_it_was(browser: Browser, tmp_path: Path) -> None:
    site = Site(tmp_path, questions(6), ("Ada", "Bo"))  # each item goes to one of two
    try:
        with visiting(browser, site, "Ada") as ada, visiting(browser, site, "Bo") as bo:
            ada.enter()
            bo.enter()
            for done, _ in enumerate(range(4), start=1):
                bo.press("1")
                bo.ready(done)
            before = int(ada.text("#count").split(" of ")[1])
            ada.press("1")
            total = int(ada.ready(1).text("#count").split(" of ")[1])
            assert total < before
            expect(ada.page.locator("#moved")).to_contain_text(f"was {before}")
    finally:
        site.kill()


def test_the_leads_page_says_who_where_people_disagree_and_what_the_gate_would_say(
    browser: Browser, tmp_path: Path
) -> None:
    asked = questions(40, overlap=40)
    site = Site(tmp_path, asked, ("Ada", "Bo"))
    try:
        with visiting(browser, site, "Ada") as visit:
            page = visit.page
            page.goto(site.lead)
            expect(page.get_by_role("heading", level=1)).to_have_text("Spot check: progress")
            expect(page.locator("#gate")).to_contain_text("of samples of 40 items labelled by two people")
            expect(page.locator("#disputed-none")).to_be_visible()
            site.kill()
            drawn = [
                SampledItem(prompt_id=q.prompt_id, a=q.a_id, b=q.b_id, p_a=0.9, stratum="all", inclusion=1)
                for q in asked
            ]
            Workspace(site.folder).write(SAMPLE, SampledItem, drawn)
            with Labels(site.folder / "labels.sqlite") as store:
                for place, each in enumerate(asked):  # they agree on 36 of 40
                    store.add(label(each, "Ada", "A"))
                    store.add(label(each, "Bo", "B" if place < 4 else "A"))
            site.start()
            page.reload()
            expect(page.locator("#disputed tbody tr")).to_have_count(4)
            expect(page.locator("#disputed")).to_contain_text("1 : 1")
            # two agree on 0.9 if people are right on 0.947: as many items as the planner says for such people
            right = (1 + 0.8**0.5) / 2
            needed = items_for_use(expect_figures(right, right, 2), Requirements().bar(1))
            assert needed
            expect(page.locator("#outlook")).to_contain_text(f"samples of {needed} such items: {needed - 40} more")
            expect(page.locator("#gates")).to_contain_text("people")
            expect(page.locator("#gates")).to_contain_text("orders: share of comparisons")
            expect(page.locator("#people tbody tr").first).to_contain_text("40 of 40")
    finally:
        site.kill()


def served(folder: Path, *options: str) -> tuple[int, str]:
    """The port of Ada's link, and the warnings, of a page that is served and ended at once."""
    command = [sys.executable, "-m", "amendment", "label", str(folder), "--rater", "Ada", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        link = process.stdout.readline()
        process.stdout.readline()
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, warnings = process.communicate(timeout=30)
    return int(link.partition("127.0.0.1:")[2].partition("/")[0]), warnings


def free_ports(count: int) -> Sequence[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def test_a_port_that_was_given_once_is_kept_and_a_change_is_said(tmp_path: Path) -> None:
    folder, (first, second) = make_run(tmp_path / "run", questions(2)), free_ports(2)
    assert served(folder, "--port", str(first)) == (first, "")
    assert served(folder) == (first, "")
    with closing(socket.create_server(("127.0.0.1", first))):
        other, warning = served(folder)
    assert other != first
    assert f"start again with --port {first}" in warning
    assert served(folder) == (first, "")
    moved, warning = served(folder, "--port", str(second))
    assert moved == second
    assert f"earlier links have port {first}" in warning
    assert served(folder) == (second, "")
