"""Progress of a run: live lines on a terminal, a plain line now and then elsewhere, or a function.

Covered: calls done of planned, their rate, the time left, spending, retries, rate limits, timeouts, refusals, and what
is waited for. Shown in the thread that called the run. Not covered: what a stage found; see `summary`.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from amendment.text import plain

if TYPE_CHECKING:
    from rich.console import Group

    from amendment.llm.client import Calls
    from amendment.llm.concurrency import Tally

SECONDS_BETWEEN_LINES = 60.0
SHARE_BETWEEN_LINES = 0.1
LONGEST_SILENCE = 3600.0
"""The most seconds between two lines of a stage in which nothing ends, and between two reports of faults; they begin
with SECONDS_BETWEEN_LINES, and double."""
SECONDS_OF_RATE = 60.0
"""A rate is that of the last so many seconds."""
SECONDS_OF_FAULT = 30.0
"""How long the last fault is shown."""
MOST_WAITS = 3
"""Lines about what is waited for that are shown at once."""
WIDEST_TITLE, WIDEST_BAR = 28, 30


@dataclass(frozen=True, kw_only=True, slots=True)
class ProgressEvent:
    """What a run says while it works."""

    kind: Literal["calls", "training", "message"]
    """calls: how a stage that asks models stands; training: a step of a trainer; message: a line for people."""
    stage: str = ""
    done: int = 0
    """Items (mostly prompts) that have ended, or steps of the training."""
    total: int = 0
    calls: int = 0
    """Calls that were answered, those answered from the ledger included."""
    cached: int = 0
    """Calls that were answered from the ledger."""
    planned: int | None = None
    """Calls for all items, by those that have ended; None before the first."""
    per_second: float = 0.0
    """Calls answered in a second by models, over the last minute."""
    seconds_left: float | None = None
    usd: float = 0.0
    """Spent by the whole run."""
    budget: float | None = None
    """USD; None where the run has no budget."""
    retries: int = 0
    """Attempts that were made again, whatever the reason."""
    rate_limits: int = 0
    """Attempts that a server refused for their pace (429, 529)."""
    timeouts: int = 0
    refusals: int = 0
    """Replies in which the model refuses to answer."""
    waits: tuple[str, ...] = ()
    """What is waited for, and the last fault, a sentence each."""
    message: str = ""

    def __str__(self) -> str:
        match self.kind:
            case "calls":
                return f"{self.stage}: {self.done:,} of {self.total:,}; {', '.join([*_counts(self), *self.waits])}"
            case "training":
                return ", ".join(filter(None, [f"{self.stage}: step {self.done:,} of {self.total:,}", self.message]))
        return self.message


class QuietProgress:
    """Says nothing; the base of those that do."""

    def say(self, line: str) -> None:
        """Show a line."""

    def training(self, title: str, step: int, steps: int, metrics: str) -> None:
        """Show a step of a trainer."""

    @contextmanager
    def watch(self, tallies: Sequence[Tally], calls: Calls) -> Iterator[Callable[[], None]]:
        """Show these counts while the block lasts; yields a function to be called several times a second."""
        yield lambda: None


Progress = QuietProgress


class _View:
    """A tally as events; it remembers the last minute."""

    def __init__(self, tally: Tally, calls: Calls) -> None:
        self.tally = tally
        self._calls = calls
        self.began = time.monotonic()
        self._answered = deque([(self.began, 0)])

    def event(self) -> ProgressEvent:
        """Return how it stands now."""
        now, tally = time.monotonic(), self.tally
        fresh = tally.calls - tally.cached
        planned = tally.planned
        while len(self._answered) > 1 and self._answered[1][0] < now - SECONDS_OF_RATE:
            self._answered.popleft()
        since, before = self._answered[0]
        rate = (fresh - before) / max(now - since, 1e-3)
        if now - self._answered[-1][0] >= 1.0:
            self._answered.append((now, fresh))
        left = 0.0
        if planned is not None and planned > tally.calls and rate:
            left = (planned - tally.calls) / rate
        elif planned == 0:  # its items need no calls
            left = (now - self.began) * (tally.total - tally.done) / tally.done
        return ProgressEvent(
            kind="calls",
            stage=plain(tally.title, longest=100),
            done=tally.done,
            total=tally.total,
            calls=tally.calls,
            cached=tally.cached,
            planned=planned,
            per_second=rate,
            seconds_left=left if round(left) else None,
            usd=self._calls.budget.spent,
            budget=self._calls.budget.usd,
            retries=tally.retries,
            rate_limits=tally.rate_limits,
            timeouts=tally.timeouts,
            refusals=tally.refusals,
            waits=tuple(plain(wait, longest=300) for wait in self._waits(now)),
        )

    def _waits(self, now: float) -> Iterator[str]:
        yield from self._calls.troubles()
        if (fault := self._calls.last_fault) and now - fault[0] < SECONDS_OF_FAULT:
            yield f"last fault: {fault[1]}"

    def ending(self) -> str:
        """Return a line about the whole, once it is done."""
        tally = self.tally
        seconds = _time(time.monotonic() - self.began)
        cached = [f"{tally.cached:,} from the ledger"] if tally.cached else []
        calls = ", ".join([f"{tally.calls:,} calls", *cached, *_faults(tally)])
        return f"  {plain(tally.title)}: {tally.done:,} of {tally.total:,} in {seconds}; {calls}"


class LineProgress(QuietProgress):
    """Plain lines on standard error: for each stage one at every tenth or minute, whichever is later. While nothing
    ends there are ever fewer, which say what is waited for; faults are reported at once, and then ever more rarely."""

    def __init__(self, seconds: float = SECONDS_BETWEEN_LINES) -> None:
        """`seconds` lie between two lines of a stage."""
        self._seconds = seconds
        self._training: _Pace | None = None
        self._trained = ""

    def say(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - this is what it is for

    def training(self, title: str, step: int, steps: int, metrics: str) -> None:
        if self._training is None or self._trained != title:
            self._training, self._trained = _Pace(self._seconds), title
        if self._training.is_due(step, steps):
            self.say(f"  {ProgressEvent(kind='training', stage=title, done=step, total=steps, message=metrics)}")

    @contextmanager
    def watch(self, tallies: Sequence[Tally], calls: Calls) -> Iterator[Callable[[], None]]:
        views = [(_View(tally, calls), _Pace(self._seconds)) for tally in tallies]
        retries_due, silence = 0.0, self._seconds

        def show() -> None:
            nonlocal retries_due, silence
            for view, pace in views:
                event = view.event()
                if pace.is_due(event.done, event.total):
                    self.say(f"  {event}")
            if (now := time.monotonic()) >= retries_due and self._say_retries(calls):
                retries_due, silence = now + silence, min(2 * silence, LONGEST_SILENCE)

        with self._closing([view for view, _ in views], calls):
            yield show

    @contextmanager
    def _closing(self, views: Sequence[_View], calls: Calls) -> Iterator[None]:
        """Says how it ended, however it ends."""
        try:
            yield
        finally:
            self._say_retries(calls)
            for view in views:
                self.say(view.ending())

    def _say_retries(self, calls: Calls) -> bool:
        lines = calls.retries()
        for line in lines:
            self.say(f"  {plain(line, longest=300)}")
        return bool(lines)


class _Pace:
    """Decides when the next line is due."""

    def __init__(self, seconds: float) -> None:
        self._seconds = self._silence = seconds
        self._shown, self._shown_at = 0, time.monotonic()
        self._done, self._changed_at = 0, self._shown_at

    def is_due(self, done: int, total: int) -> bool:
        """Return True when a line should be shown now; it then counts as shown."""
        now = time.monotonic()
        if done != self._done:
            self._done, self._changed_at = done, now
        is_further = done - self._shown >= max(1, SHARE_BETWEEN_LINES * total)
        is_silent = now - max(self._changed_at, self._shown_at) >= self._silence
        if not is_silent and not (is_further and now - self._shown_at >= self._seconds):
            return False
        self._silence = min(2 * self._silence, LONGEST_SILENCE) if is_silent else self._seconds
        self._shown, self._shown_at = done, now
        return True


class LiveProgress(LineProgress):
    """Lines that change in place at the end of a terminal, one for each active stage; nothing is wider than it."""

    def __init__(self) -> None:
        from rich.console import Console

        super().__init__()
        self._console = Console(stderr=True, highlight=False)

    def say(self, line: str) -> None:
        self._console.print(line, markup=False, emoji=False, overflow="fold")

    @contextmanager
    def watch(self, tallies: Sequence[Tally], calls: Calls) -> Iterator[Callable[[], None]]:
        from rich.live import Live

        views = [_View(tally, calls) for tally in tallies]
        is_screen = sys.stdout.isatty()  # otherwise a program's own output is on its way to a file
        with (
            self._closing(views, calls),
            Live(_frame(views), console=self._console, transient=True, redirect_stdout=is_screen) as live,
        ):
            yield lambda: live.update(_frame(views))


class CallbackProgress(QuietProgress):
    """Hands every event to a function, in the thread that called the run. What it raises ends the run."""

    def __init__(self, function: Callable[[ProgressEvent], None]) -> None:
        self._function = function

    def say(self, line: str) -> None:
        self._function(ProgressEvent(kind="message", message=line))

    def training(self, title: str, step: int, steps: int, metrics: str) -> None:
        self._function(ProgressEvent(kind="training", stage=title, done=step, total=steps, message=metrics))

    @contextmanager
    def watch(self, tallies: Sequence[Tally], calls: Calls) -> Iterator[Callable[[], None]]:
        views = [_View(tally, calls) for tally in tallies]

        def show() -> None:
            for view in views:
                self._function(view.event())

        show()
        yield show
        show()


def open_progress(function: Callable[[ProgressEvent], None] | None = None) -> Progress:
    """Return the progress for this place: the function, if given; live lines on a terminal, else lines."""
    if function:
        return CallbackProgress(function)
    can_move = os.environ.get("TERM", "").lower() not in ("dumb", "unknown")
    return LiveProgress() if sys.stderr.isatty() and can_move else LineProgress()


def _frame(views: Sequence[_View]) -> Group:
    """Return a header with the spending, a line for each stage, and what is waited for. Faults get columns as they
    come."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    events = [view.event() for view in views]
    columns = {
        "calls": [_share(event) for event in events],
        "rate": [_rate(event.per_second) if event.calls > event.cached else "" for event in events],
        "left": ["" if event.seconds_left is None else _time(event.seconds_left) for event in events],
        "retries": [f"{event.retries:,}" for event in events],
        "429s": [f"{event.rate_limits:,}" for event in events],
        "timeouts": [f"{event.timeouts:,}" for event in events],
        "refusals": [f"{event.refusals:,}" for event in events],
    }
    shown = {head: cells for head, cells in columns.items() if head in ("calls", "rate", "left") or set(cells) != {"0"}}
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(max_width=WIDEST_TITLE)
    table.add_column(max_width=WIDEST_BAR)
    for _ in shown:
        table.add_column(justify="right", no_wrap=True)
    texts = [_spending(events[0]), *(event.stage for event in events)]
    head, *titles = (Text(text, "bold", no_wrap=True, overflow="ellipsis") for text in texts)
    table.add_row(head, "", *shown)
    for title, event, *cells in zip(titles, events, *shown.values(), strict=True):
        table.add_row(title, ProgressBar(total=event.total or 1, completed=event.done), *cells)
    waits = list(dict.fromkeys(wait for event in events for wait in event.waits))[:MOST_WAITS]
    return Group(table, *[Text(wait, "yellow", no_wrap=True, overflow="ellipsis") for wait in waits])


def _counts(event: ProgressEvent) -> list[str]:
    """Return the counts of an event in words."""
    parts = [f"{_share(event)} calls", *([f"{event.cached:,} from the ledger"] if event.cached else [])]
    parts += [_rate(event.per_second)] if event.per_second else []
    parts += [spending] if (spending := _spending(event)) else []
    parts += [] if event.seconds_left is None else [f"{_time(event.seconds_left)} left"]
    return [*parts, *_faults(event)]


def _faults(of: ProgressEvent | Tally) -> list[str]:
    counts = {"retries": of.retries, "rate limits": of.rate_limits, "timeouts": of.timeouts, "refusals": of.refusals}
    singular = {"retries": "retry"}
    return [
        f"{count:,} {noun if count > 1 else singular.get(noun, noun[:-1])}" for noun, count in counts.items() if count
    ]


def _share(event: ProgressEvent) -> str:
    """Calls done of planned; the plan is an estimate until all items have ended."""
    if not event.planned:
        return f"{event.calls:,}"
    return f"{event.calls:,}/{'' if event.done == event.total else '~'}{event.planned:,}"


def _spending(event: ProgressEvent) -> str:
    if event.budget is not None:
        return f"${event.usd:,.2f} of ${event.budget:,.2f}"
    return f"${event.usd:,.2f}" if event.usd else ""


def _rate(per_second: float) -> str:
    return f"{per_second:,.1f}/s" if per_second >= 1 else f"{60 * per_second:.1f}/min"


def _time(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
