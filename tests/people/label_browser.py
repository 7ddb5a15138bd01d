"""A labelling page in a process of its own, and a real browser before it that notes whatever should not happen."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Dialog

from amendment.people.samples import Label, LabelQuestion
from amendment.people.store import Labels
from tests.people.label_pages import make_run


class Site:
    """A run's folder, served by `amendment label`; its port and links outlive a kill."""

    def __init__(self, folder: Path, questions: Sequence[LabelQuestion], names: Sequence[str]) -> None:
        self.folder = make_run(folder / "run", questions)
        self._names = names
        self._links: dict[str, str] = {}
        self.lead = ""
        self._process: subprocess.Popen[str] | None = None
        self.start()

    @property
    def origin(self) -> str:
        return next(iter(self._links.values())).partition("/#")[0]

    def link(self, name: str) -> str:
        return self._links[name]

    def start(self) -> None:
        raters = [f"--rater={name}" for name in self._names]
        command = [sys.executable, "-m", "amendment", "label", str(self.folder), *raters]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        for _ in self._names:
            name, _, link = self._process.stdout.readline().strip().rpartition(": ")
            self._links[name] = link
        self._process.stdout.readline()
        self.lead = self._process.stdout.readline().rpartition(": ")[2].strip()

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.communicate()
            self._process = None

    def labels(self, annotator: str) -> list[Label]:
        """The current ones."""
        with Labels(self.folder / "labels.sqlite", read_only=True) as labels:
            return [label for label in labels.current() if label.annotator == annotator]

    def history(self, annotator: str) -> list[Label]:
        """All that were acknowledged, in that order."""
        with Labels(self.folder / "labels.sqlite", read_only=True) as labels:
            return [label for label in labels.history() if label.annotator == annotator]


class Visit:
    """One annotator before one site."""

    def __init__(self, context: BrowserContext, site: Site, name: str) -> None:
        self.context = context
        self.site = site
        self.name = name
        self.troubles: list[str] = []
        self.page = page = self.context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda said: self._note(said.type, f"{said.text} {said.location.get('url', '')}"))
        page.on("pageerror", lambda fault: self.troubles.append(f"exception: {fault}"))
        page.on("dialog", self._dismiss)
        page.on("request", lambda request: self._check(request.url))

    def enter(self) -> Visit:
        self.page.goto(self.site.link(self.name))
        return self.ready(0)

    def ready(self, done: int) -> Visit:
        """Waits until so many items are answered and the next one takes a verdict."""
        self.page.wait_for_function(
            """done => document.querySelector("#count").textContent.startsWith(done + " of ")
                 && (document.querySelector("#work").hidden
                     ? !document.querySelector("#done").hidden
                     : document.querySelector("#work").getAttribute("aria-busy") === "false")""",
            arg=done,
        )
        return self

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def text(self, selector: str) -> str:
        return self.page.locator(selector).text_content() or ""

    @property
    def first(self) -> str:
        return self.text("#first .body")

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.troubles.append(f"console: {text}")

    def _dismiss(self, dialog: Dialog) -> None:
        self.troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _check(self, url: str) -> None:
        if not url.startswith(self.site.origin + "/"):
            self.troubles.append(f"asked for {url[:200]}")


@contextmanager
def visiting(browser: Browser, site: Site, name: str, *, allowed: str = "\0", **settings: Any) -> Iterator[Visit]:
    """A fresh browser profile at the door; afterwards nothing untoward may have happened but what `allowed` names."""
    context = browser.new_context(**settings)
    visit = Visit(context, site, name)
    try:
        yield visit
    finally:
        context.close()
    assert [one for one in visit.troubles if allowed not in one] == []
