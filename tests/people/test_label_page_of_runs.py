"""The labelling page in a browser: what was hidden is shown, long answers do not freeze it, undo forgets nothing."""

from __future__ import annotations

import random
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.command_line import called
from tests.rows import save
from tests.vendors.processes import started

pytestmark = pytest.mark.browser
LOG = """\
name: log
verdicts:
  - {path: judge.jsonl, kind: model, rater: judge, columns: {prompt: q, a: a, b: b, verdict: v}}
spot_check: {items: 9, annotators: 1, repeats: 0}
"""
JUDGED = """\
name: judged
constitution: ./rules.yaml
models: {sim: {provider: simulated}}
prompts: [{lilliput: 4}]
candidates: [{model: sim, per_prompt: 2}]
judging: {judges: [{model: sim, protocol: verdict}], ties: keep}
spot_check: {items: 4, annotators: 1}
"""
RULES = """\
id: rules
version: 1.0.0
title: Rules
license: CC0-1.0
source: {kind: original}
principles:
  - {id: brief, statement: Say it in few words., compare: [Which answer says it in fewer words?]}
"""
HIDDEN = {
    "zero\u200bwidth": "zero⟦U+200B⟧width",
    "word\u2060joiner": "word⟦U+2060⟧joiner",
    "join\u200der": "join⟦U+200D⟧er",
    "soft\u00adhyphen": "soft⟦U+00AD⟧hyphen",
    "left\u200eright\u200fmarks": "left⟦U+200E⟧right⟦U+200F⟧marks",
    "over\u202eride": "over⟦U+202E⟧ride",
    "iso\u2067late\u2069": "iso⟦U+2067⟧late⟦U+2069⟧",
    "selec\U000e0100tor": "selec⟦U+E0100⟧tor",
}
SPELLED = [
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\u2764\ufe0f",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
]
"""A joined picture, a picture's form, and a joiner that Persian spelling needs: shown as they are."""
DICE = random.Random(1)


def words(count: int) -> str:
    return " ".join(f"{DICE.choice('abcdefghij')}{DICE.randrange(10_000)}" for _ in range(count))


LONG = {
    "hidden": ("a\u200b" * 499_000, "b\u200b" * 499_000),
    "differing": (words(150_000), words(150_000)),
    "alike": ("word " * 199_000, "word " * 199_001),
}
"""Two answers of about a million characters each."""
SECONDS = 3.0
"""Of work for the page's own thread, whatever else the machine does. Marking what differs once took a minute."""


def waiting(folder: Path, text: str) -> Path:
    """A run that waits for people."""
    (folder / "run.yaml").write_text(text, encoding="utf-8")
    (folder / "rules.yaml").write_text(RULES, encoding="utf-8")
    assert called("run", str(folder / "run.yaml"), "--folder", str(folder / "run")) == 3
    return folder / "run"


def log_of(folder: Path, *answers: tuple[str, str]) -> Path:
    save(folder / "judge.jsonl", [{"q": f"question {i}", "a": a, "b": b, "v": "A"} for i, (a, b) in enumerate(answers)])
    return waiting(folder, LOG)


@contextmanager
def opened(browser: Browser, folder: Path) -> Iterator[Page]:
    """The page of a run before its one annotator."""
    command = [sys.executable, "-m", "amendment", "label", str(folder), "--rater", "Ada"]
    with started(command) as process:
        try:
            assert process.stdout is not None
            context = browser.new_context()
            page = context.new_page()
            page.set_default_timeout(60_000)
            page.goto(process.stdout.readline().strip().removeprefix("Ada: "))
            ready(page, 0)
            yield page
            context.close()
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)


def ready(page: Page, done: int) -> None:
    page.wait_for_function(
        """done => document.querySelector("#count").textContent.startsWith(done + " of ")
             && document.querySelector("#work").getAttribute("aria-busy") === "false" """,
        arg=done,
    )


def test_characters_that_cannot_be_seen_are_shown_and_spelling_is_left_alone(browser: Browser, tmp_path: Path) -> None:
    folder = log_of(tmp_path, ("\n\n".join([*HIDDEN, *SPELLED]), "plain"))
    with opened(browser, folder) as page:
        for key in ("m", "m"):  # as written, and with formatting
            texts = page.locator("#answers").inner_text()
            assert [shown for shown in HIDDEN.values() if shown not in texts] == []
            assert [text for text in SPELLED if text not in texts] == []
            page.keyboard.press(key)


@pytest.mark.parametrize(
    "texts", [pytest.param(texts, id=id, marks=[pytest.mark.long] * (id == "alike")) for id, texts in LONG.items()]
)
def test_an_answer_of_a_megabyte_does_not_freeze_the_page(
    browser: Browser, tmp_path: Path, texts: tuple[str, str]
) -> None:
    folder = log_of(tmp_path, texts)
    with opened(browser, folder) as page:
        devtools = page.context.new_cdp_session(page)
        devtools.send("Performance.enable", {"timeDomain": "threadTicks"})  # seconds of its own thread's work
        page.reload()
        ready(page, 0)
        for key in ("d", "d", "m", "d", "End"):
            page.keyboard.press(key)
            page.evaluate("() => new Promise(go => requestAnimationFrame(() => requestAnimationFrame(go)))")
        metrics = devtools.send("Performance.getMetrics")["metrics"]
        assert next(one["value"] for one in metrics if one["name"] == "TaskDuration") < SECONDS
        assert "characters left" in page.locator("#first").inner_text()
        before = len(page.locator("#first .body").inner_text())
        page.locator("#first").get_by_role("button", name="Show more").click()
        assert len(page.locator("#first .body").inner_text()) > before + 40_000


def test_undo_brings_comment_and_confidence_back_into_their_fields(browser: Browser, tmp_path: Path) -> None:
    folder = log_of(tmp_path, ("one", "two"), ("three", "four"))
    with opened(browser, folder) as page:
        page.keyboard.press("e")
        page.keyboard.press("c")
        page.keyboard.type("it is rude")
        page.keyboard.press("Escape")
        page.keyboard.press("1")
        ready(page, 1)
        expect(page.locator("#comment")).to_have_value("")
        page.keyboard.press("u")
        ready(page, 0)
        expect(page.locator("#comment")).to_have_value("it is rude")
        expect(page.get_by_role("button", name="Sure", exact=True)).to_have_attribute("aria-pressed", "true")


def test_the_page_shows_the_question_and_the_principle_that_the_judge_saw(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, waiting(tmp_path, JUDGED)) as page:
        expect(page.get_by_role("heading", level=1)).to_have_text("Which answer says it in fewer words?")
        shown = page.get_by_role("region", name="Judge by this principle only")
        expect(shown).to_be_visible()
        expect(shown).to_contain_text("Say it in few words.")
