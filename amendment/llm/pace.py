"""Learn how many calls a second a server takes, from what it refuses and from the limits that its replies name.

A server refuses calls because they come too fast, or whatever their pace (it is overloaded), or for both reasons. What
counts is answers per second: the pace falls as long as they do not, and rises as long as they do.

* Before the first refusals there is no pace: calls in flight are the only limit.
* Refusals beyond the tolerated share let the pace fall to the answers per second since the first of them, so that what
  a server had saved up does not count.
* Where that is not enough, a trial at half of that pace tells what share is refused whatever the pace. A share that
  stays is tolerated; one that falls was due to the pace, and the trial goes on until it falls no more.
* From then on the pace rises: slowly at first, twofold after CALM seconds, and ever faster.
* After a silence, in which everything was refused, the pace is that of the two minutes before, the silence included.

Not covered: calls in flight, outages and the limits that a user names (`limits`).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from math import inf, sqrt
from typing import NamedTuple

_NAME = re.compile(r"ratelimit-(?:(limit|remaining|reset)-)?(requests|tokens|input-tokens|output-tokens)(?:-(\w+))?$")
_DURATION = re.compile(r"(?<!\d)(\d+(?:\.\d+)?)(ms|[dhms]|$)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}


class Allowance(NamedTuple):
    """What a reply says of one of the server's limits."""

    limit: float
    remaining: float
    reset: float
    """Seconds until all of it is there again, if nothing is sent."""


def allowances(headers: Mapping[str, str], date: datetime | None) -> dict[str, Allowance]:
    """The limits that a reply's headers name: of `requests`, `tokens`, `input-tokens`, `output-tokens`.

    `date` is the reply's own, against which times are measured, so that a wrong clock does no harm.
    """
    found: dict[str, dict[str, float]] = {}
    for name, text in headers.items():
        parts = _NAME.search(name.lower())
        if parts and (value := _value(text, date)) is not None:
            found.setdefault(parts[2], {})[parts[1] or parts[3]] = value
    return {
        kind: Allowance(values["limit"], values["remaining"], values["reset"])
        for kind, values in found.items()
        if values.keys() >= set(Allowance._fields)
    }


def _value(text: str, date: datetime | None) -> float | None:
    """A number, or the seconds of a duration such as 1m30s, or those until a time."""
    try:
        moment = datetime.fromisoformat(text) if "T" in text else None
        if moment:
            return (moment - (date or datetime.now(UTC))).total_seconds()
        return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(text)) if text else None
    except (ValueError, TypeError):
        return None


class Refill:
    """The units a second by which a limit refills: what is missing, over the seconds until nothing is.

    It is known where recent replies agree on it while what is missing has changed twofold. A limit that is counted
    by windows, or a proxy that always says the same, never comes to that.
    """

    REPLIES = 40

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque(maxlen=self.REPLIES)
        self._is_low = False

    def see(self, allowance: Allowance) -> None:
        missing = allowance.limit - allowance.remaining
        self._is_low = allowance.remaining < 0.1 * allowance.limit
        if missing > 0 and allowance.reset > 0:
            self._seen.append((missing, missing / allowance.reset))

    @property
    def rate(self) -> float | None:
        """Units a second; None where they are unknown, or much of the limit is left."""
        if not self._is_low or not self._seen:
            return None
        missing, rates = zip(*self._seen, strict=True)
        is_plausible = max(missing) >= 2 * min(missing) and max(rates) <= 1.3 * min(rates)
        return sum(rates) / len(rates) if is_plausible else None


@dataclass(slots=True)
class Sent:
    """A call that was sent."""

    at: float
    """Seconds of the event loop's clock."""
    is_refused: bool = False
    is_counted: bool = False


class Trial(NamedTuple):
    """A pace that is held for some calls, to see whether fewer of them are refused."""

    before: float
    """The pace before it, in calls a second."""
    answers: float
    """Answers a second that the server is known to give."""
    last: float
    """Answers a second of the pace before this one."""
    share: float
    """The share that was answered at the pace before this one."""
    is_first: bool


class Pace:
    """The calls a second that a server takes, for all models that share its limit."""

    LEAST, CALM, MOST_CALM, MEMORY, SILENCE = 0.1, 20.0, 80.0, 120.0, 3.0
    SLACK = 0.02
    """Seconds that a call may go before its time, so that a late timer does not lower the pace."""

    def __init__(self) -> None:
        self.rate = inf
        self._since, self._steady, self._due = 0.0, 0.0, -inf
        self._calls: deque[Sent] = deque()
        self._counted = self._n = self._refused = 0
        self._slowest = 0.0  # seconds after which a call that is not refused is as good as answered
        self._tolerated, self._reference, self._calm = 0.0, 0.0, self.CALM
        self._trial: Trial | None = None
        self._answered, self._eased = inf, 0
        self.silence: float | None = None
        """The moment since when everything is refused; None where answers come."""
        self.named: float | None = None
        """The calls a second for which the server's headers say that there is room."""

    @property
    def share(self) -> float:
        """The share of recent calls that was refused."""
        return self._refused / max(8, self._n)

    def delay(self, now: float) -> float:
        """Seconds until the next call may go."""
        return 0.0 if self.rate == inf else self._due - now

    def current(self, now: float) -> float:
        """Calls a second at this moment."""
        if self.rate == inf or self._trial:
            return self.rate
        calm = self._calm / 2 if self._tolerated else max(self._calm, min(40.0, 40 / self.rate))
        return self.rate * (1 + ((now - self._since) / calm) ** 3)

    def depart(self, now: float) -> Sent:
        """A call goes."""
        call = Sent(now)
        self._answered = min(self._answered, now)
        self._calls.append(call)
        while self._calls[0].at < now - self.MEMORY and self._counted:
            self._calls.popleft()
            self._counted -= 1
        if self.rate < inf:
            self._due = max(self._due, now - self.SLACK) + 1 / self.current(now)
        self._eased += 1
        return call

    def returned(self, call: Sent, now: float, *, refused: bool) -> None:
        """A call came back."""
        if refused:
            call.is_refused = True
            self._slowest = max(now - call.at, 0.98 * self._slowest)
            self._refused += call.is_counted and call.at >= self._since
            if len(self._calls) >= 16 and all(sent.is_refused for sent in islice(reversed(self._calls), 16)):
                self.silence = self._answered
        else:
            if call.at - self._answered >= self.SILENCE and self.rate < inf:
                self._end_silence(call, now)
            self._answered, self.silence = max(self._answered, call.at), None
        horizon = now - self._slowest
        for sent in islice(self._calls, self._counted, None):
            if sent.at > horizon:
                break
            sent.is_counted = True
            self._counted += 1
            self._n += sent.at >= self._since
            self._refused += sent.is_refused and sent.at >= self._since
        if self._trial:
            self._judge_trial(self._trial, now, horizon)
        elif self._refused:
            self._judge(now, horizon)

    def _end_silence(self, call: Sent, now: float) -> None:
        """Go back to the pace before a silence, if everything was refused since the last answer."""
        between = [sent.is_refused for sent in self._calls if self._answered < sent.at < call.at]
        if len(between) >= (8 if self._tolerated else 4) and all(between):
            average = sum(not sent.is_refused for sent in self._calls) / max(1.0, now - self._calls[0].at)
            self._steady, self._trial = now, None
            self._settle(now, average if average >= 0.7 * self._reference else self._reference)

    def _judge(self, now: float, horizon: float) -> None:
        """Let the pace fall, or try a lower one, where more is refused than is tolerated."""
        n, refused, tolerated = self._n, self._refused, self._tolerated
        if n >= 100 and tolerated:
            self._tolerated = tolerated = min(tolerated, refused / n + 2 * sqrt(tolerated / n))
        margin = 0.15 if tolerated else 0.02
        was_eased = self._eased < 30
        is_known = self.rate < inf
        if refused <= (tolerated + margin) * n + 0.5 + 1.5 * sqrt(n * tolerated):
            return
        if refused < 3 and (was_eased or not is_known):
            return
        start = max(self._steady, horizon - 60.0)
        if not is_known:
            start = next(call.at for call in self._calls if call.is_refused and call.at >= self._since)
        window = [call for call in self._calls if start <= call.at <= horizon]
        if len(window) < 8:
            return
        seconds = max(horizon - start, 0.05)
        answers = sum(not call.is_refused for call in window) / seconds
        share = 1 - refused / n if is_known else answers * seconds / len(window)
        if self.named and self.named <= 1.25 * answers:  # refusals outrank what headers promise
            answers = self.named
        self._steady = max(self._steady, start) if is_known else now
        if refused >= 3 and (not (is_known or self.named) or was_eased or share < 0.5 * (1 - tolerated)):
            self._trial = Trial(self.current(now), answers, answers, share, is_first=True)
            self._begin(now, max(0.25, answers / 2, 0.2 * min(len(window) / seconds, self._trial.before)))
        else:
            self._eased = 0
            self._settle(now, self._pace_for(answers))

    def _judge_trial(self, trial: Trial, now: float, horizon: float) -> None:
        """End a trial once enough calls are in, or go on at a lower pace."""
        n, refused = self._n, self._refused
        wanted = max(8 if refused == 0 or refused >= 3 else 16, min(24, 3 * self.rate))
        is_closed = refused == n >= 4 and self._tolerated**n < 0.02
        if n < wanted and not is_closed:
            return
        share = 1 - refused / n
        level = share * n / max(horizon - self._since, 0.05)
        answers = max(level, trial.last if share > 1.2 * trial.share and trial.last else trial.answers)
        rises = self.rate > 1 and share >= 1.4 * trial.share
        if refused >= 3 and (share < 0.3 or rises):
            self._trial = Trial(trial.before, answers, level, share, is_first=False)
            self._begin(now, max(0.25, self.rate / 2) if share else self.rate / 5)
            return
        self._steady, self._trial = now, None
        self._tolerated = 0.0 if refused < 3 else 1 - (share + trial.share) / 2
        if refused >= 3 and trial.is_first:
            self._begin(now, trial.before)  # pace was not the reason
        else:
            self._settle(now, self._pace_for(answers))

    def _pace_for(self, answers: float) -> float:
        """The pace that brings so many answers a second."""
        return (1.25 if self._tolerated else 0.98) * answers / (1 - min(0.95, self._tolerated))

    def _settle(self, now: float, rate: float) -> None:
        """Take a pace as the one that the server takes; where it was that before, calm grows."""
        is_confirmed = 0.85 * self._reference < rate < 1.15 * self._reference
        self._calm = min(self.MOST_CALM, 2 * self._calm) if is_confirmed else self.CALM
        self._reference = rate
        self._begin(now, rate)

    def _begin(self, now: float, rate: float) -> None:
        self.rate, self._since, self._n, self._refused = max(self.LEAST, rate), now, 0, 0
        self._due = min(self._due, now + 1 / self.rate) if self.rate < inf else -inf
