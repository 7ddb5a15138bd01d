"""Progress of a run: a bar on a terminal, a plain line every so often elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from amendment.text import plain

if TYPE_CHECKING:
    from amendment.llm.client import Calls

SECONDS_BETWEEN_LINES = 15.0
SECONDS_BETWEEN_FAULTS = 5.0
"""The least time between two reports of calls that failed and are asked again."""


class QuietProgress:
    """Says nothing; the base of those that do."""

    @contextmanager
    def stage(self, title: str, total: int, calls: Calls | None = None) -> Iterator[Callable[[], None]]:
        """Yields a function that is called after each item."""
        yield lambda: None

    def training(self, title: str, step: int, steps: int, metrics: str) -> None:
        """Show a step of a trainer."""

    def say(self, line: str) -> None:
        """Print a line."""


Progress = QuietProgress


class _Tally:
    """The counts of one stage so far, in words."""

    def __init__(self, calls: Calls | None) -> None:
        self._calls = calls
        self._began = time.monotonic()
        self._sent, self._cached = (calls.sent, calls.cached) if calls else (0, 0)

    def text(self) -> str:
        """Calls and their rate, money, and a server that does not answer."""
        parts: list[str] = []
        if self._calls:
            sent, cached = self._calls.sent - self._sent, self._calls.cached - self._cached
            seconds = max(time.monotonic() - self._began, 1e-3)
            rate = f"{sent / seconds:.1f}/s" if sent >= seconds else f"{60 * sent / seconds:.1f}/min"
            parts += [f"{sent} calls", f"{cached} from the ledger", rate]
            if self._calls.budget.spent:
                parts.append(f"${self._calls.budget.spent:.2f}")
            parts += [plain(trouble) for trouble in self._calls.troubles()]
        return f" ({', '.join(parts)})" if parts else ""


class LineProgress(QuietProgress):
    """Plain lines on standard error, also while nothing ends: a run that waits says for what."""

    def __init__(self, seconds: float = SECONDS_BETWEEN_LINES) -> None:
        """`seconds` lie between two lines."""
        self._seconds = seconds
        self._last = time.monotonic()

    def training(self, title: str, step: int, steps: int, metrics: str) -> None:
        if time.monotonic() - self._last >= self._seconds:
            self._last = time.monotonic()
            self.say(f"  {title}: step {step} of {steps}, {metrics}")

    def say(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - this is what it is for

    @contextmanager
    def stage(self, title: str, total: int, calls: Calls | None = None) -> Iterator[Callable[[], None]]:
        tally, done = _Tally(calls), 0

        def step() -> None:
            nonlocal done
            done += 1

        with (
            _every(self._seconds, lambda: self.say(f"  {title}: {done} of {total}{tally.text()}")),
            self._faults(calls, self.say),
        ):
            yield step

    @contextmanager
    def _faults(self, calls: Calls | None, say: Callable[[str], None]) -> Iterator[None]:
        """Report the calls that failed and are asked again, while the block lasts and at its end."""

        def report() -> None:
            for line in calls.retries() if calls else ():
                say(f"  {plain(line, longest=300)}")

        with _every(min(self._seconds, SECONDS_BETWEEN_FAULTS), report):
            yield
        report()


@contextmanager
def _every(seconds: float, act: Callable[[], None]) -> Iterator[None]:
    """Act now and then while the block lasts, from a thread of its own; not once after it."""
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(seconds):
            act()

    thread = threading.Thread(target=work, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class BarProgress(LineProgress):
    """A bar with calls sent, replies from the ledger, cost, what is waited for, and the time left."""

    @contextmanager
    def stage(self, title: str, total: int, calls: Calls | None = None) -> Iterator[Callable[[], None]]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar
        from rich.text import Text

        tally = _Tally(calls)

        class TallyColumn(ProgressColumn):
            """The tally as it is at each drawing of the bar; its text is no markup."""

            def render(self, task: Any) -> Text:
                return Text(tally.text().strip())

        columns = (
            TextColumn("  {task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TallyColumn(),
            TimeRemainingColumn(),
        )
        with (
            Bar(*columns, console=Console(stderr=True), transient=True) as bar,
            self._faults(calls, lambda line: bar.console.print(line, markup=False, highlight=False)),
        ):
            task = bar.add_task(title, total=total)
            yield lambda: bar.advance(task)


def open_progress() -> Progress:
    """A bar if standard error is a terminal, else lines."""
    return BarProgress() if sys.stderr.isatty() else LineProgress()
