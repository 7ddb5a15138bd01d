"""The labelling page in a real browser: an annotator's work, what a kill or a lost session leaves, hostile texts."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import APIResponse, Browser, Route, expect

from amendment.audit.ceiling import Requirements
from amendment.audit.planning import outlook
from amendment.people.page_app import PAGE, page_html
from amendment.people.samples import PLAIN_QUESTION, LabelQuestion, PrincipleText
from amendment.records import Comparison, Message, ToolCall
from tests.people.label_browser import Site, visiting
from tests.people.label_pages import questions

pytestmark = pytest.mark.browser
CONNECTION = "net::ERR_"
NAMES = ("Ada", "Twice", "Kill", "Same tab", "Before", "Behind", "Lost", "Time", "Again")
TEXT_NAMES = ("<b onclick=alert(1)>Eve</b>", "Shown", "Help", "Phone", "Zoom", "Words", "Tab", "light", "dark")
CHOICES = {"1": "A", "2": "B", "0": "tie", "9": "both_bad", "s": "skip", "f": "flag"}


@pytest.fixture(scope="module")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Eight items that everyone sees: each test is an annotator of its own."""
    made = Site(tmp_path_factory.mktemp("site"), questions(8, overlap=8), NAMES)
    yield made
    made.kill()


@pytest.fixture
def own_site(browser: Browser, tmp_path: Path) -> Iterator[Site]:
    """One that a test may kill."""
    made = Site(tmp_path, questions(6, overlap=6), NAMES)
    yield made
    made.kill()


# An annotator's work.


def test_all_is_done_by_keyboard_alone_and_undo_brings_an_item_back(browser: Browser, site: Site) -> None:
    comment, expected = "12 09 sfu? It's kinder", []
    with visiting(browser, site, "Ada") as visit:
        visit.enter().press("w", "r", "ArrowDown", "Escape", "c")
        visit.page.keyboard.type(comment)
        expect(visit.page.locator("#comment")).to_have_value(comment)
        visit.press("Escape")
        expect(visit.page.locator("#comment-drawer")).to_be_hidden()
        assert site.history("Ada") == []  # keys were letters in the comment and in the list
        for done, key in enumerate("2109sf1"):
            expected.append((visit.ready(done).first, CHOICES[key]))
            visit.press(key)
        visit.ready(7).press("u")
        expect(visit.page.locator("#said")).to_have_text("Verdict taken back: the item is shown again.")
        assert (visit.ready(6).first, "A") == expected[-1]
        visit.press("0")
        visit.ready(7).press("q", "e", "e", "9")  # a second press of e takes it back
        visit.ready(8)
        expect(visit.page.get_by_role("heading", name="Done. Thank you.")).to_be_focused()
        expect(visit.page.locator("#done-text")).to_contain_text("all 8 items")
    labels = site.history("Ada")
    assert [(f"answer {one.shown[0][0]} of {one.shown[0][1:]}", one.choice) for one in labels[:7]] == expected
    assert [one.choice for one in labels[7:]] == ["tie", "both_bad"]
    assert (labels[0].confidence, labels[0].principle_id, labels[0].comment) == (2, "law/kind", comment)
    assert {(one.confidence, one.principle_id, one.comment) for one in labels[1:]} == {(None, None, None)}
    assert all(one.seconds is not None and one.seconds > 0 for one in labels)
    assert len(site.labels("Ada")) == 8


def test_an_answer_is_opened_again_and_a_principle_of_the_constitution_or_none_decided(
    browser: Browser, site: Site
) -> None:
    with visiting(browser, site, "Again") as visit:
        page = visit.enter().page
        assert visit.text("#guidelines .said-text") == "Take your time."
        reasons = ["not said", "kind: Be kind.", "brief: Be brief.", "something else"]
        assert page.locator("#principle option").all_text_contents() == reasons
        first = visit.first
        page.locator("#principle").select_option(label="brief: Be brief.")
        page.locator("#verdicts").focus()
        visit.press("1")
        second = visit.ready(1).first
        visit.press("h")
        expect(page.get_by_role("button", name="Answer 1 is better · ask")).to_be_focused()
        visit.press("Enter")
        expect(page.locator("#said")).to_contain_text("Your verdict was: Answer 1 is better.")
        assert visit.ready(1).first == first
        expect(page.get_by_role("button", name="Answer 1 is better", pressed=True)).to_be_visible()
        assert page.locator("#principle").input_value() == "law/brief"
        visit.press("b")
        expect(page.locator("#first .body")).to_have_text(second)
        visit.ready(1).press("h")
        page.get_by_role("button", name="Answer 1 is better · ask").click()
        expect(page.locator("#first .body")).to_have_text(first)
        visit.ready(1)
        page.locator("#principle").select_option(label="something else")
        page.locator("#verdicts").focus()
        visit.press("2")
        expect(page.locator("#first .body")).to_have_text(second)
    assert [(label.choice, label.principle_id) for label in site.labels("Again")] == [("B", "something-else")]


def test_double_clicks_held_keys_and_hasty_keys_count_once(browser: Browser, site: Site) -> None:
    with visiting(browser, site, "Twice") as visit:
        visit.enter().page.get_by_role("button", name="Answer 1 is better").dblclick()
        visit.ready(1)
        for _ in range(6):
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
        visit.ready(1)
        own_site.kill()
        visit.press("0")
        expect(visit.page.locator("#notice")).to_contain_text("Your last verdict is kept in this browser")
        kept = visit.page.evaluate("() => JSON.stringify(localStorage)")
        assert "tie" in kept
        assert not any(text in kept for text in ("answer", "ask "))
        expect(visit.page.get_by_role("button", name="Answer 2 is better")).to_be_disabled()
        own_site.start()
        # not a click of the mouse: the page may have tried by itself meanwhile, and the button be gone
        visit.page.locator("#try-now").evaluate("button => button.click()")
        visit.ready(2)
        expect(visit.page.locator("#notice")).to_be_hidden()
        visit.page.reload()
        visit.ready(2).press("9")
        visit.ready(3)
        assert "verdict" not in visit.page.evaluate("() => Object.keys(localStorage).join()")
    assert [label.choice for label in own_site.history("Kill")] == ["A", "tie", "both_bad"]


def test_a_lost_session_keeps_the_verdict_until_the_link_is_opened_again(browser: Browser, own_site: Site) -> None:
    with visiting(browser, own_site, "Same tab", allowed="Failed to load resource") as visit:
        visit.enter().context.clear_cookies()
        visit.page.evaluate("() => sessionStorage.clear()")
        visit.press("1")
        expect(visit.page.locator("#notice")).to_contain_text("Open the link that you were sent")
        visit.page.goto(own_site.link("Same tab"))  # nothing but the fragment differs
        visit.ready(1)
    assert [label.choice for label in own_site.history("Same tab")] == ["A"]


def test_a_verdict_on_its_way_is_not_taken_for_the_next_annotators(browser: Browser, site: Site) -> None:
    def sign_in(name: str) -> None:
        visit.page.get_by_role("button", name="change link").click()
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


def test_time_counts_only_while_the_page_is_in_view(browser: Browser, site: Site) -> None:
    turn = """hidden => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    with visiting(browser, site, "Time") as visit:
        visit.page.clock.install()
        visit.enter()
        visit.page.clock.fast_forward(10_000)
        visit.page.evaluate(turn, True)
        visit.page.clock.fast_forward(600_000)
        visit.page.evaluate(turn, False)
        visit.page.clock.fast_forward(5_000)
        visit.press("1")
        visit.ready(1)
    (label,) = site.history("Time")
    assert label.seconds is not None
    assert 15 <= label.seconds < 60  # 10 s and 5 s in view, 600 s not; the rest is how long this machine took


# How texts are shown.

HOSTILE = [
    "<script>alert(1); window.hacked = 1</script>",
    "</script><script src=//evil.example/x.js></script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "![p](http://evil.example/p.png) [go](javascript:alert(1)) <javascript:alert(1)>",
    "<iframe srcdoc='<script>parent.hacked=1</script>'></iframe><style>*{display:none}</style>",
    "</p></section></main><form action=http://evil.example><button>Answer 1 is better</button></form>",
    "<base href=http://evil.example/><link rel=stylesheet href=http://evil.example/a.css>",
    "{{ 7 * 7 }} {% raw %} ${7*7} #{7*7} <%= 7 %> {{ config }}",
    "&lt;b&gt; &#60;script&#62; \\u003cscript\\u003e",
    "```html\n<script>alert(1)</script>\n```",
    "- **<b onclick=alert(1)>bold</b>**\n- `</code><script>alert(1)</script>`",
    "__proto__ constructor <details ontoggle=alert(1) open>",
]
UNSEEN = "before\x00\x07\x1b[31m\u202eesrever\u2066\ufeff\u2028after \U000e0041"
SHOWN = "before␀␇␛[31m⟦U+202E⟧esrever⟦U+2066⟧⟦U+FEFF⟧⟦U+2028⟧after ⟦U+E0041⟧"
LONG = "a line of a very long answer, again and again\n" * 4_800  # 220,000 characters, more than are shown at once
BOTH = (
    f"| wire | goes to |\n|:--|--:|\n| live | `L` \\| L1 |\n\n```\n{'wide ' * 99}\n```\n\n"
    "|a|b|\n|-|-|\n|1|2|3|\n\nCall an electrician."
)
FIRST = f"You **can**, and only with the power off.\n\n1. Turn it off.\n2. Take a picture.\n\n{BOTH}"
SECOND = f"You can, and only with the power off.\n\n1. Turn it off.\n2. Take a photograph.\n\n{BOTH}"
LAW = PrincipleText(id="law/kind", statement="Choose the kinder answer.")


def question(prompt: tuple[Message, ...], a: str, b: str, *principles: PrincipleText) -> LabelQuestion:
    asked = Comparison("asked", "a-asked", "b-asked")
    first, second = ((Message(role="assistant", content=text),) for text in (a, b))
    ids = {"comparison_id": asked.id, "prompt_id": asked.prompt_id, "a_id": asked.a, "b_id": asked.b}
    return LabelQuestion(prompt=prompt, a=first, b=second, principles=principles, in_overlap=True, **ids)


@pytest.fixture(scope="module")
def hostile(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    everything = "\n\n".join(HOSTILE)
    call = ToolCall(function={"name": "<b>look</b>", "arguments": {"at": HOSTILE[0]}})
    parts = ({"type": "text", "text": HOSTILE[2]}, {"type": "image_url", "image_url": {"url": "http://evil.example/i"}})
    prompt = (
        Message(role="system", content=everything),
        Message(role="user", content=parts),
        Message(role="assistant", thinking=HOSTILE[0], tool_calls=(call,)),
        Message(role="tool", name="<i>look</i>", content=UNSEEN),
        Message(role="user", content=HOSTILE[0]),
    )
    principles = [PrincipleText(id=f"law/<b>{i}", statement=text) for i, text in enumerate(HOSTILE)]
    asked = question(prompt, everything, UNSEEN + LONG, *principles)
    site = Site(tmp_path_factory.mktemp("hostile"), [asked], TEXT_NAMES)
    yield site
    site.kill()


@pytest.fixture(scope="module")
def plain(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    prompt = (Message(role="system", content="Be brief."), Message(role="user", content="May I?\n" * 60))
    site = Site(tmp_path_factory.mktemp("plain"), [question(prompt, FIRST, SECOND, LAW)], TEXT_NAMES)
    yield site
    site.kill()


def test_hostile_texts_are_shown_and_do_nothing(browser: Browser, hostile: Site) -> None:
    with visiting(browser, hostile, TEXT_NAMES[0]) as visit:
        page = visit.enter().page
        for key in ("m", "p", "d"):  # as written, with the principles, with differences
            texts = [visit.text("#first"), visit.text("#second"), visit.text("#prompt")]
            for text in HOSTILE[:10] + HOSTILE[12:]:
                assert sum(text in one for one in texts) == 2
            assert sum(SHOWN in one for one in texts) == 2
            assert any(LONG[:90_000] in one for one in texts)
            foreign = "main :is(script, img, iframe, svg, style, link, base, form:not(#signin-form))"
            assert page.locator(foreign).count() == 0
            assert page.locator("#work :is(a, object, embed, video, [src], [href], [onclick], [onerror])").count() == 0
            visit.press(key)
        assert page.get_by_role("button", name="Answer 1 is better").count() == 1
        assert HOSTILE[1] in visit.text("#principles")
        expect(page.locator(".tool-call")).to_contain_text("Calls the tool <b>look</b>")
        assert "Eve" in visit.text("#who")
        page.locator("#whole-prompt").click()  # the part stands in an earlier turn, which is folded
        page.locator("summary", has_text="image_url").click()
        visit.press("Escape", "c")
        page.locator("#comment").fill(HOSTILE[0])
        visit.press("Escape", "f")
        visit.ready(1)
        assert page.evaluate("() => window.hacked") is None
        page.goto(hostile.lead)
        expect(page.locator("#notes article")).to_contain_text(HOSTILE[0])
        expect(page.locator("#people")).to_contain_text(TEXT_NAMES[0])
        assert page.locator("#view :is(script, img, a, form, b b)").count() == 0
        assert page.evaluate("() => window.hacked") is None


def test_every_text_of_the_interface_comes_from_one_file(browser: Browser, plain: Site) -> None:
    english: dict[str, str] = json.loads((PAGE / "en.json").read_text(encoding="utf-8"))
    marked = {name: text if name == "lang" else f"«{text}»" for name, text in english.items()}
    data = " ".join(
        (
            FIRST,
            SECOND,
            PLAIN_QUESTION,
            "May I? " * 60,
            "kind",
            LAW.statement,
            "brief Be brief. Take your time.",
            *TEXT_NAMES,
            outlook(1, 2, judges=1, asked=Requirements()),  # of the sample, as `check` has it
        )
    )
    foreign = """() => [...document.querySelectorAll("body, body *:not(script, noscript)")].flatMap(node => [
      ...[...node.childNodes].filter(child => child.nodeType === 3 && node.tagName !== "KBD").map(child => child.data),
      node.ariaLabel, node.title, node.placeholder])"""

    def words_of(text: str) -> str:
        return " ".join(re.findall(r"[^\W\d]+", text))

    def answer(route: Route, html: str) -> None:
        if route.request.method == "GET":
            route.fulfill(body=html, content_type="text/html")
        else:
            route.continue_()

    def check() -> None:
        texts = [text for text in page.evaluate(foreign) if text]
        assert len(texts) > 50
        for text in texts:
            rest = text
            while rest != (rest := re.sub("«[^«»]*»", "", rest)):
                pass
            assert words_of(rest) in words_of(data), text

    with visiting(browser, plain, "Words") as visit:
        for path, name in (("/", "index.html"), ("/lead", "lead.html")):
            visit.page.route(plain.origin + path, functools.partial(answer, html=page_html(name, marked)))
        page = visit.page
        page.goto(plain.link("Words"))
        page.wait_for_function("() => document.querySelector('#work').getAttribute('aria-busy') === 'false'")
        for keys in (["p", "g", "x"], ["d", "d", "m", "c"], ["Escape", "h"], ["Escape", "?"]):
            visit.press(*keys)
            if "h" in keys:
                expect(page.locator("#history")).to_be_visible()  # it asks the server first
            check()
        visit.press("Escape")
        page.get_by_role("button", name="Tie").click()
        expect(page.locator("#done h1")).to_have_text("«Done. Thank you.»")
        check()
        visit.press("h")
        expect(page.locator("#history li")).to_have_count(1)
        check()
        page.goto(plain.lead)
        expect(page.locator("#view")).to_be_visible()
        check()


def test_formatting_can_be_switched_off_and_differences_on(browser: Browser, plain: Site) -> None:
    with visiting(browser, plain, "Shown") as visit:
        bodies = visit.enter().page.locator("#answers .body")
        assert visit.page.locator("#answers li").all_text_contents().count("Turn it off.") == 2
        assert visit.page.locator("#answers strong").all_text_contents() == ["can"]
        cells = visit.page.locator("#first table :is(th, td)")
        assert cells.all_text_contents() == ["wire", "goes to", "live", "L | L1"]
        code, ragged = visit.page.locator("#first pre").all()
        expect(code).to_have_class("cut-right")  # it fades where it is cut, and scrolls by keyboard
        expect(code).to_have_attribute("tabindex", "0")
        expect(ragged).to_have_text("|a|b|\n|-|-|\n|1|2|3|")  # no column for the 3, so it stays as it is written
        before = visit.page.locator("#answers").inner_html()
        visit.press("d")
        assert sorted(visit.page.locator("mark").all_text_contents()) == ["photograph", "picture"]
        expect(visit.page.locator("#said")).to_have_text("Differences are marked in 2 places.")
        visit.press("d")
        assert visit.page.locator("#answers").inner_html() == before
        visit.press("m")
        assert sorted(bodies.all_text_contents()) == sorted([FIRST, SECOND])
        visit.page.reload()
        visit.ready(0)
        assert sorted(bodies.all_text_contents()) == sorted([FIRST, SECOND])


def test_help_lists_every_key_and_nothing_is_answered_behind_it(browser: Browser, plain: Site) -> None:
    with visiting(browser, plain, "Help") as visit:
        page = visit.enter().page
        visit.press("?")
        expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
        keys = page.evaluate("() => [...document.querySelectorAll('[data-key]')].map(one => one.dataset.key)")
        known = {*keys, "n", "Esc"} - {""}  # n: of the button after the first part of a very long text
        assert {*page.locator("#help dt").all_text_contents()} == known == {*"1209sfuqwerchbpgdlmxnvkat?", "Esc"}
        visit.press("1", "2", "p", "Escape")
        expect(page.locator("#help")).to_be_hidden()
        visit.press("?")
        page.get_by_label("Use single-key shortcuts").uncheck()
        visit.press("Escape", "1", "p")
        expect(page.locator("#principles")).to_contain_text(LAW.statement)
        assert plain.history("Help") == []


def test_a_phone_shows_one_answer_at_a_time_and_buttons_for_thumbs(browser: Browser, plain: Site) -> None:
    phone: dict[str, Any] = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}
    with visiting(browser, plain, "Phone", **phone) as visit:
        page = visit.enter().page
        for number, side, other in ((2, "#second", "#first"), (1, "#first", "#second")):
            page.get_by_role("button", name=f"Answer {number}", exact=True).tap()
            expect(page.locator(side)).to_be_visible()
            expect(page.locator(other)).to_be_hidden()
        assert page.evaluate("() => document.documentElement.scrollWidth") == 390
        for button in page.locator("#verdicts button").all():
            box = button.bounding_box()
            assert box is not None
            assert min(box["height"], box["width"]) >= 44
            assert box["y"] + box["height"] <= 780  # in reach without scrolling
        page.get_by_role("button", name="Answer 2 is better").tap()
        visit.ready(1)
    assert [label.choice for label in plain.history("Phone")] == ["B"]


def test_at_200_percent_the_texts_keep_two_thirds_of_the_window(browser: Browser, plain: Site) -> None:
    with visiting(browser, plain, "Zoom", viewport={"width": 640, "height": 360}) as visit:
        header, verdicts = (visit.enter().page.locator(name).bounding_box() for name in (".top", "#verdicts"))
        assert header is not None
        assert verdicts is not None
        assert verdicts["y"] - header["height"] >= 2 / 3 * 360
        assert verdicts["y"] + verdicts["height"] <= 360
        assert visit.page.evaluate("() => document.documentElement.scrollWidth") == 640
        visit.press("v")  # the key of the answer that is not shown
        expect(visit.page.locator("#second")).to_be_visible()
        visit.press("v")
        expect(visit.page.locator("#first")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_system_and_can_be_read(browser: Browser, plain: Site, scheme: str) -> None:
    with visiting(browser, plain, scheme, color_scheme=scheme, reduced_motion="reduce") as visit:
        visit.enter().press("d", "e")
        paper, *contrasts = visit.page.evaluate(
            """() => {
              const light = css => {
                const [r, g, b] = css.match(/[\\d.]+/g).map(Number).map(c => c / 255)
                  .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
              };
              const ground = node => {
                const colour = getComputedStyle(node).backgroundColor;
                return colour === "rgba(0, 0, 0, 0)" ? ground(node.parentElement) : colour;
              };
              const shown = [...document.querySelectorAll("button, p, h1, h2, kbd, mark, label, select, li, summary")]
                .filter(node => node.textContent.trim() && node.getClientRects().length);
              return [light(getComputedStyle(document.documentElement).backgroundColor), ...shown.map(node => {
                const both = [light(getComputedStyle(node).color), light(ground(node))].sort((x, y) => y - x);
                return (both[0] + 0.05) / (both[1] + 0.05);
              })];
            }"""
        )
    assert (paper > 0.5) == (scheme == "light")
    assert len(contrasts) > 30
    assert min(contrasts) >= 4.5  # WCAG 2.2, 1.4.3


def test_tab_and_enter_do_everything_that_the_mouse_does(browser: Browser, plain: Site) -> None:
    with visiting(browser, plain, "Tab") as visit:
        page = visit.enter().page
        nameless = page.evaluate(
            """() => [...document.querySelectorAll("button, select, textarea, input")]
                 .map(node => node.ariaLabel || node.textContent || node.labels?.[0]?.textContent || "")
                 .filter(name => !name.trim()).length"""
        )
        assert nameless == 0
        seen = page.evaluate(  # without the hints of keys, which have names of their own for screen readers
            """() => [...document.querySelectorAll("main:not([hidden]) button, header button")]
                 .filter(node => node.getClientRects().length)
                 .map(node => [...node.childNodes].filter(child => child.nodeName !== "KBD")
                   .map(child => child.textContent).join("").trim())"""
        )
        assert [name for name in seen if page.get_by_role("button", name=name, exact=True).count() == 0] == []
        for _ in range(40):
            visit.press("Tab")
            assert page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle") == "solid"
            if page.evaluate("() => document.activeElement.dataset.value") == "tie":
                break
        visit.press("Enter")
        visit.ready(1)
        assert visit.text("#status") == "Saved: tie."  # what a screen reader hears
    assert [label.choice for label in plain.history("Tab")] == ["tie"]
