"""How the labelling page shows texts, in a real browser: hostile ones inert, differences marked, phones, colours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from amendment.calibration.samples import LabelQuestion, PrincipleText
from amendment.records import Comparison, Message, ToolCall
from tests.calibration.label_browser import Site, Visit, chromium, visiting

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
NAMES = (
    *("<b onclick=alert(1)>Eve</b>", "Format", "Diff", "Words", "Help", "Scroll", "Fold", "Phone", "Tab"),
    *("Colour light", "Colour dark"),
)
UNSEEN = "before\x00\x07\x1b[31m\u202eesrever\u2066\ufeff\u2028after \U000e0041"
SHOWN = "before␀␇␛[31m⟦U+202E⟧esrever⟦U+2066⟧⟦U+FEFF⟧⟦U+2028⟧after ⟦U+E0041⟧"
LONG = "a line of a very long answer, again and again\n" * 4_800  # 220,000 characters, more than are shown at once


def said(text: str) -> tuple[Message, ...]:
    return (Message(role="assistant", content=text),)


def question(name: str, a: tuple[Message, ...], b: tuple[Message, ...], **more: Any) -> LabelQuestion:
    asked = Comparison(name, f"a-{name}", f"b-{name}")
    given = {"prompt": (Message(role="user", content=name),), **more}
    return LabelQuestion(
        comparison_id=asked.id,
        prompt_id=asked.prompt_id,
        a_id=asked.a,
        b_id=asked.b,
        a=a,
        b=b,
        in_overlap=True,
        **given,
    )


def only(tmp_path_factory: pytest.TempPathFactory, *questions: LabelQuestion) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"), questions, NAMES)
    yield site
    site.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


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
    principles = tuple(PrincipleText(id=f"law/<b>{i}", statement=text) for i, text in enumerate(HOSTILE))
    yield from only(
        tmp_path_factory, question("bad", said(everything), said(UNSEEN + LONG), prompt=prompt, principles=principles)
    )


FIRST = "You **can**, and only with the power off.\n\n1. Turn it off.\n2. Take a picture.\n\nCall an electrician."
SECOND = "You can, and only with the power off.\n\n1. Turn it off.\n2. Take a photograph.\n\nCall an electrician."
LAW = PrincipleText(id="law/kind", statement="Choose the kinder answer.")


@pytest.fixture(scope="module")
def plain(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    asked = (Message(role="system", content="Be brief."), Message(role="user", content="May I?\n" * 60))
    yield from only(
        tmp_path_factory,
        question("one", said(FIRST), said(SECOND), principles=(LAW,), prompt=asked),
        question("two", said("one line\n" * 80), said("one line\n" * 160)),
    )


def on(visit: Visit, name: str) -> Visit:
    """Goes on to the item of this name: there are two."""
    visit.enter()
    if visit.text("#prompt").endswith("two") != (name == "two"):
        visit.press("s")
        visit.ready(1)
    return visit


def test_hostile_texts_are_shown_and_do_nothing(browser: Browser, hostile: Site) -> None:
    with visiting(browser, hostile, "<b onclick=alert(1)>Eve</b>") as visit:
        page = visit.enter().page
        for key in ("m", "p", "d"):  # as written, with the principles, with differences
            texts = [visit.text("#first"), visit.text("#second"), visit.text("#prompt")]
            for text in HOSTILE[:10] + HOSTILE[12:]:
                assert sum(text in one for one in texts) == 2
            assert sum(SHOWN in one for one in texts) == 2
            assert any(LONG[:90_000] in one for one in texts)
            assert (
                page.locator("main :is(script, img, iframe, svg, style, link, base, form:not(#signin-form))").count()
                == 0
            )
            assert page.locator("#work :is(a, object, embed, video, [src], [href], [onclick], [onerror])").count() == 0
            visit.press(key)
        assert page.get_by_role("button", name="Answer 1 is better").count() == 1
        assert HOSTILE[1] in visit.text("#principles")
        expect(page.locator(".tool-call")).to_contain_text("Calls the tool <b>look</b>")
        assert "Eve" in visit.text("#who")
        page.locator("summary", has_text="image_url").click()
        visit.press("Escape", "1")
        visit.ready(1)
        assert page.evaluate("() => window.hacked") is None


def test_formatting_makes_lists_and_code_and_can_be_switched_off(browser: Browser, plain: Site) -> None:
    with visiting(browser, plain, "Format") as visit:
        on(visit, "one")
        assert sorted(visit.page.locator("#answers li").all_text_contents())[2:] == ["Turn it off.", "Turn it off."]
        assert visit.page.locator("#answers strong").all_text_contents() == ["can"]
        visit.press("m")
        assert sorted(visit.page.locator("#answers .body").all_text_contents()) == sorted([FIRST, SECOND])
        visit.page.reload()
        visit.page.wait_for_selector("#work")
        assert sorted(visit.page.locator("#answers .body").all_text_contents()) == sorted([FIRST, SECOND])


def test_differing_words_are_marked_on_request_and_the_marks_come_off(browser: Browser, plain: Site) -> None:
    with visiting(browser, plain, "Diff") as visit:
        on(visit, "one")
        before = visit.page.locator("#answers").inner_html()
        assert visit.page.locator("mark").count() == 0
        visit.press("d")
        assert sorted(visit.page.locator("mark").all_text_contents()) == ["photograph", "picture"]
        expect(visit.page.locator("#said")).to_have_text("Differences are marked in 2 places.")
        expect(visit.page.get_by_role("button", name="Differences")).to_have_attribute("aria-pressed", "true")
        visit.press("d")
        assert visit.page.locator("#answers").inner_html() == before


def test_help_lists_every_key_and_nothing_is_answered_behind_it(browser: Browser, plain: Site) -> None:
    with visiting(browser, plain, "Help") as visit:
        page = on(visit, "one").page
        visit.press("?")
        expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
        listed = set(page.locator("#help dt").all_text_contents())
        keys = page.evaluate("() => [...document.querySelectorAll('[data-key]')].map(one => one.dataset.key)")
        assert listed == set(keys) | {"Esc"} == {*"1209sfuqwercpdlm?", "Esc"}
        done = len(plain.history("Help"))
        visit.press("1", "2", "p", "Escape")
        expect(page.locator("#help")).to_be_hidden()
        visit.press("?", "?")
        expect(page.locator("#help")).to_be_hidden()
        assert len(plain.history("Help")) == done
        visit.press("?")
        page.get_by_label("Single keys are on").uncheck()
        visit.press("Escape", "1", "p")
        expect(page.locator("#principles")).to_be_visible()
        expect(page.locator("#principles")).to_contain_text(LAW.statement)
        page.get_by_role("button", name="Help ?").click()
        page.get_by_label("Single keys are on").check()
        visit.press("Escape", "p")
        expect(page.locator("#principles")).to_be_hidden()
        visit.press("p")
        expect(page.locator("#principles")).to_be_visible()
        assert len(plain.history("Help")) == done


def test_a_phone_has_one_column_and_buttons_for_thumbs(browser: Browser, plain: Site) -> None:
    phone: dict[str, Any] = {
        "viewport": {"width": 390, "height": 780},
        "has_touch": True,
        "is_mobile": True,
        "device_scale_factor": 2,
    }
    with visiting(browser, plain, "Phone", **phone) as visit:
        page = on(visit, "one").page
        first, second = (page.locator(name).bounding_box() for name in ("#first", "#second"))
        assert first is not None
        assert second is not None
        assert second["y"] >= first["y"] + first["height"]
        assert page.evaluate("() => document.documentElement.scrollWidth") == 390
        for button in page.locator("#verdicts button").all():
            box = button.bounding_box()
            assert box is not None
            assert box["height"] >= 44
            assert box["width"] >= 44
            assert box["y"] + box["height"] <= 780  # in reach without scrolling
        before = len(plain.history("Phone"))
        page.get_by_role("button", name="Answer 2 is better").tap()
        visit.ready(before + 1)
        assert [label.choice for label in plain.history("Phone")][before:] == ["B"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_system_and_can_be_read(browser: Browser, plain: Site, scheme: str) -> None:
    with visiting(browser, plain, f"Colour {scheme}", color_scheme=scheme, reduced_motion="reduce") as visit:
        page = on(visit, "one").page
        visit.press("d", "e")
        ratios = page.evaluate(
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
    paper, *contrasts = ratios
    assert (paper > 0.5) == (scheme == "light")
    assert len(contrasts) > 30
    assert min(contrasts) >= 4.5  # WCAG 2.2, 1.4.3


def test_tab_and_enter_do_everything_that_the_mouse_does(browser: Browser, plain: Site) -> None:
    with visiting(browser, plain, "Tab") as visit:
        page = on(visit, "one").page
        done = len(plain.history("Tab"))
        nameless = page.evaluate(
            """() => [...document.querySelectorAll("button, select, textarea, input")]
                 .map(node => node.ariaLabel || node.textContent || node.labels?.[0]?.textContent || "")
                 .filter(name => !name.trim()).length"""
        )
        assert nameless == 0
        for _ in range(40):
            visit.press("Tab")
            ring = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
            assert ring == "solid"
            if page.evaluate("() => document.activeElement.dataset.value") == "tie":
                break
        visit.press("Enter")
        visit.ready(done + 1)
        assert plain.history("Tab")[-1].choice == "tie"
        assert visit.text("#status") == "Saved: tie."  # what a screen reader hears
