"""The work of an annotator on the labelling page, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import APIResponse, Browser, Route, expect

from tests.calibration.label_browser import Site, chromium, visiting
from tests.calibration.label_pages import questions

CONNECTION = "net::ERR_"
NAMES = (
    *("Ada", "Beside", "Undo", "Twice", "Kill", "Away", "Same tab", "Before", "Behind", "Lost", "Resume", "Blind"),
    "Time",
)
CHOICES = {"1": "A", "2": "B", "0": "tie", "9": "both_bad", "s": "skip", "f": "flag"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Twenty items that everyone sees: each test is an annotator of its own."""
    made = Site(tmp_path_factory.mktemp("site"), questions(20, overlap=20), NAMES)
    yield made
    made.kill()


@pytest.fixture
def own_site(browser: Browser, tmp_path: Path) -> Iterator[Site]:
    """One that a test may kill."""
    made = Site(tmp_path, questions(6, overlap=6), NAMES)
    yield made
    made.kill()


def test_twenty_items_are_labelled_by_keyboard_alone(browser: Browser, site: Site) -> None:
    keys = "1209s12f102120911211"
    expected = []
    with visiting(browser, site, "Ada") as visit:
        visit.enter()
        for done, key in enumerate(keys):
            visit.ready(done)
            if done == 18:
                visit.press("e")
            expected.append((visit.first, CHOICES[key]))
            visit.press(key)
        visit.ready(20)
        expect(visit.page.get_by_role("heading", name="Done. Thank you.")).to_be_focused()
        expect(visit.page.locator("#done-text")).to_contain_text("all 20 items")
    found = site.history("Ada")
    assert [(f"answer {label.shown[0][0]} of {label.shown[0][1:]}", label.choice) for label in found] == expected
    assert [label.confidence for label in found] == [None] * 18 + [3, None]
    assert len({label.comparison_id for label in found}) == len({label.uuid for label in found}) == 20
    assert all(label.seconds is not None and label.seconds > 0 for label in found)


def test_what_is_said_beside_the_verdict_is_kept_with_it_and_not_with_the_next_one(
    browser: Browser, site: Site
) -> None:
    with visiting(browser, site, "Beside") as visit:
        visit.enter().press("w", "r", "ArrowDown", "Escape", "c")
        visit.page.keyboard.type("12 09 sfu? It's kinder")
        expect(visit.page.locator("#comment")).to_have_value("12 09 sfu? It's kinder")
        visit.press("Escape")
        assert site.history("Beside") == []  # keys were letters in the comment and in the list
        expect(visit.page.locator("#comment-drawer")).to_be_hidden()
        visit.press("2")
        visit.ready(1).press("q", "e", "e", "1")  # a second press of e takes it back
        visit.ready(2)
    first, second = site.history("Beside")
    assert (first.choice, first.confidence, first.principle_id) == ("B", 2, "law/kind")
    assert first.comment == "12 09 sfu? It's kinder"
    assert (second.choice, second.confidence, second.principle_id, second.comment) == ("A", None, None, None)


def test_undo_brings_the_item_back_and_only_the_second_verdict_counts(browser: Browser, site: Site) -> None:
    with visiting(browser, site, "Undo") as visit:
        visit.enter().press("1")
        visit.ready(1)
        shown = visit.first
        visit.press("2")
        visit.ready(2).press("u")
        visit.ready(1)
        assert visit.first == shown
        expect(visit.page.locator("#said")).to_have_text("Taken back: here it is again.")
        visit.press("0")
        visit.ready(2).press("u")
        visit.ready(1).press("u")
        visit.ready(0).press("u")
        expect(visit.page.locator("#said")).to_have_text("There is nothing to take back.")
        visit.ready(0).press("9")
        visit.ready(1)
    assert [label.choice for label in site.history("Undo")] == ["A", "B", "tie", "both_bad"]
    assert [label.choice for label in site.labels("Undo")] == ["both_bad"]


def test_double_clicks_held_keys_and_hasty_keys_count_once(browser: Browser, site: Site) -> None:
    with visiting(browser, site, "Twice") as visit:
        visit.enter().page.get_by_role("button", name="Answer 1 is better").dblclick()
        visit.ready(1).page.keyboard.down("2")
        for _ in range(5):
            visit.page.keyboard.down("2")  # the browser's own repetition of a key that is held
        visit.page.keyboard.up("2")
        visit.ready(2)
        visit.page.evaluate(
            """() => { for (let i = 0; i < 4; i += 1) document.querySelector("[data-value=tie]").click() }"""
        )
        visit.ready(3)
    assert [label.choice for label in site.history("Twice")] == ["A", "B", "tie"]


def test_after_a_kill_the_page_goes_on_and_every_verdict_is_there_once(browser: Browser, own_site: Site) -> None:
    with visiting(browser, own_site, "Kill", allowed=CONNECTION) as visit:
        visit.enter().press("1")
        visit.ready(1).press("2")
        visit.ready(2)
        own_site.kill()
        visit.press("0")
        expect(visit.page.locator("#notice")).to_contain_text("Your last verdict is kept in this browser")
        kept = visit.page.evaluate("() => JSON.stringify(localStorage)")
        assert "tie" in kept
        assert "answer" not in kept
        assert "ask " not in kept
        expect(visit.page.get_by_role("button", name="Answer 2 is better")).to_be_disabled()
        own_site.start()
        # not a click of the mouse: the page may have tried by itself meanwhile, and the button be gone
        visit.page.locator("#try-now").evaluate("button => button.click()")
        visit.ready(3)
        expect(visit.page.locator("#notice")).to_be_hidden()
        visit.page.reload()
        visit.ready(3).press("9")
        visit.ready(4)
        assert "verdict" not in visit.page.evaluate("() => Object.keys(localStorage).join()")
    assert [label.choice for label in own_site.history("Kill")] == ["A", "B", "tie", "both_bad"]
    assert len(own_site.labels("Kill")) == 4


def test_a_lost_session_keeps_the_verdict_until_the_link_is_opened_again(browser: Browser, own_site: Site) -> None:
    with visiting(browser, own_site, "Same tab", allowed="Failed to load resource") as visit:
        visit.enter().context.clear_cookies()
        visit.page.evaluate("() => sessionStorage.clear()")
        visit.press("1")
        expect(visit.page.locator("#notice")).to_contain_text("Open the link that amendment label printed for you")
        visit.page.goto(own_site.link("Same tab"))  # nothing but the fragment differs
        visit.ready(1)
    assert [label.choice for label in own_site.history("Same tab")] == ["A"]


def test_a_verdict_on_its_way_is_not_taken_for_the_next_annotators(browser: Browser, site: Site) -> None:
    def sign_in(name: str) -> None:
        visit.page.get_by_role("button", name="Open another link").click()
        visit.page.get_by_label("The link that").fill(site.link(name))
        visit.press("Enter")

    with visiting(browser, site, "Before", allowed=CONNECTION) as visit:
        visit.enter().page.route("**/labels", lambda route: route.abort())
        visit.press("1")
        expect(visit.page.locator("#notice")).to_contain_text("kept in this browser")
        sign_in("Behind")
        visit.ready(0).page.unroute("**/labels")
        visit.page.evaluate("() => dispatchEvent(new Event('online'))")  # what waits is tried at once
        visit.press("2")
        visit.ready(1)
        assert [label.choice for label in site.history("Behind")] == ["B"]
        assert site.history("Before") == []
        sign_in("Before")
        visit.ready(1)
    assert [label.choice for label in site.history("Before")] == ["A"]


def test_a_verdict_whose_acknowledgement_is_lost_is_stored_once(browser: Browser, site: Site) -> None:
    lost: list[APIResponse] = []

    def lose_the_first(route: Route) -> None:
        if lost:
            route.continue_()
            return
        lost.append(route.fetch())
        route.abort()

    with visiting(browser, site, "Lost", allowed=CONNECTION) as visit:
        visit.enter().page.route("**/labels", lose_the_first)
        visit.press("1")
        visit.ready(1).press("2")
        visit.ready(2)
    assert [reply.status for reply in lost] == [200]
    assert [label.choice for label in site.history("Lost")] == ["A", "B"]


def test_nothing_that_could_sway_anyone_reaches_the_browser(browser: Browser, site: Site) -> None:
    with visiting(browser, site, "Blind") as visit:
        visit.enter()
        for done in range(6):
            visit.ready(done).press("1" if done % 2 else "0")
        visit.ready(6).press("u")
        visit.ready(5)
        bodies = visit.bodies
    replies = [json.loads(body) for path in ("/next", "/undo") for body in bodies[path]]
    shown = [reply.get("item") or reply["undone"] for reply in replies]
    assert {frozenset(one) for one in shown} == {
        frozenset({"id", "question", "prompt", "first", "second", "principles", "said"})
    }
    assert {frozenset(turn) for one in shown for side in ("first", "second") for turn in one[side]} == {
        frozenset({"role", "content"})
    }
    assert {one["first"][0]["content"].split()[1] for one in shown} == {"a", "b"}  # sides change
    assert set(bodies["/labels"]) == {'{"stored":true}'}
    everything = " ".join(body for path, all_of in bodies.items() for body in all_of if not path.endswith(".css"))
    for word in (
        "p_a",
        "p_chosen",
        "probabilit",
        "inclusion",
        "stratum",
        "sealed",
        "overlap",
        "chosen",
        "gpt",
        "claude",
    ):
        assert word not in everything.lower()
    assert "answer a of" not in bodies["/"][0]


def test_time_counts_only_while_the_page_is_in_view(browser: Browser, site: Site) -> None:
    turn = """hidden => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    with visiting(browser, site, "Time") as visit:
        visit.page.clock.install()
        visit.enter()
        before = visit.page.evaluate("() => performance.now()")
        visit.page.clock.fast_forward(10_000)
        visit.page.evaluate(turn, True)
        visit.page.clock.fast_forward(600_000)
        visit.page.evaluate(turn, False)
        visit.page.clock.fast_forward(5_000)
        visit.press("1")
        visit.ready(1)
        assert visit.page.evaluate("() => performance.now()") - before > 615_000
    (label,) = site.history("Time")
    assert label.seconds is not None
    assert 15 <= label.seconds < 60  # 10 s and 5 s in view, 600 s not; the rest is how long this machine took
