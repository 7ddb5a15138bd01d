"""Pace the calls to a server by congestion control, in which a refused call (429, 529) is a lost packet.

The pace is calls sent a second. As in BBR it follows what gets through, which is answers a second, and not the share of
refusals alone: a server refuses calls because they come too fast (congestion), or at any pace because it is overloaded
(random loss), or for both reasons.

* Start: there is no pace until refusals exceed the tolerated share. The calls in flight are the only limit.
* Decrease: the pace falls to the answers a second since the first refusal, so that the burst that a full token bucket
  lets through does not count.
* Trial: half of that pace is tried at the first decrease, and when refusals go on after another one. If the answered
  share stays the same, the loss is random: it is tolerated from then on, and the pace before the trial returns. If it
  rises, the loss was congestion: the pace is halved again until the share rises no more.
* Increase: cubic, as in CUBIC: flat at first, twofold after CALM seconds, then ever faster. CALM doubles, up to
  MOST_CALM, each time the pace settles at the same value again.
* Silence, in which everything is refused, as when a quota of a minute is used up: afterwards the pace is the answers a
  second of the last two minutes, silence included; the last settled pace if that is far lower.
* A server whose headers name its limits may set a higher pace than the answers do, by a quarter at most.

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

_NAME = re.compile(
    r"(?:x|anthropic)-ratelimit-(?:(limit|remaining|reset)-)?(requests|tokens|input-tokens|output-tokens)"
    r"(?:-(limit|remaining|reset))?"
)
_PART = r"(\d{1,12}(?:\.\d{1,9})?)(ms|[dhms]|\Z)"
_DURATION, _PARTS = re.compile(f"(?:{_PART}){{1,5}}"), re.compile(_PART)
LONGEST_VALUE = 64
"""Characters of a header's value; a longer one names no limit."""
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}


class Allowance(NamedTuple):
    """What a reply's headers say about one of the server's limits."""

    limit: float
    remaining: float
    reset: float
    """Seconds until the whole limit is available again if nothing is sent."""


def allowances(headers: Mapping[str, str], date: datetime | None) -> dict[str, Allowance]:
    """Return the limits that a reply's headers name, by kind: `requests`, `tokens`, `input-tokens`, `output-tokens`.

    Times are measured from the reply's own `date`, so that a wrong clock does no harm.
    """
    found: dict[str, dict[str, float]] = {}
    for name, text in headers.items():
        parts = _NAME.fullmatch(name.lower())
        if parts and (value := _value(text, date)) is not None:
            found.setdefault(parts[2], {})[parts[1] or parts[3]] = value
    return {
        kind: Allowance(values["limit"], values["remaining"], values["reset"])
        for kind, values in found.items()
        if values.keys() >= set(Allowance._fields)
    }


def _value(text: str, date: datetime | None) -> float | None:
    """Return a number, the seconds of a duration such as 1m30s, or the seconds until a time."""
    if len(text) > LONGEST_VALUE:
        return None
    if _DURATION.fullmatch(text):
        return sum(float(number) * _SECONDS[unit] for number, unit in _PARTS.findall(text))
    try:
        return (datetime.fromisoformat(text) - (date or datetime.now(UTC))).total_seconds()
    except (ValueError, TypeError):
        return None


class Refill:
    """Estimate the refill rate of a token bucket: the units that are missing, over the seconds until it is full.

    The rate counts as known if recent replies agree on it while the missing units vary at least twofold. A limit that
    is counted in fixed windows, or a proxy that repeats one answer, never passes that test.
    """

    REPLIES = 400

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque(maxlen=self.REPLIES)
        self._is_low = False

    def see(self, allowance: Allowance) -> None:
        """Take in what another reply says."""
        missing = allowance.limit - allowance.remaining
        self._is_low = allowance.remaining < 0.1 * allowance.limit
        if missing > 0 and allowance.reset > 0:
            self._seen.append((missing, missing / allowance.reset))

    @property
    def rate(self) -> float | None:
        """Return units a second; None if they are unknown or more than a tenth of the limit is left."""
        if not self._is_low or not self._seen:
            return None
        missing, rates = zip(*self._seen, strict=True)
        is_plausible = max(missing) >= 2 * min(missing) and max(rates) <= 1.3 * min(rates)
        return sum(rates) / len(rates) if is_plausible else None


@dataclass(slots=True)
class Sent:
    """A call that was sent."""

    at: float
    """The departure, in seconds of the event loop's clock."""
    is_refused: bool = False
    is_counted: bool = False
    """The call has been out for longer than refusals take, so it is refused by now or as good as answered."""


class Trial(NamedTuple):
    """A lower pace that is held for some calls, to see whether a larger share of them is answered."""

    before: float
    """The pace before the whole trial, in calls a second."""
    answers: float
    """The most answers a second that the server has given so far."""
    last: float
    """Answers a second at the step before this one."""
    share: float
    """The answered share at the step before this one."""
    is_first: bool
    """The trial has been lowered only once."""


class Pace:
    """The congestion controller of one host and key: one pace for all models that share a limit."""

    LEAST, CALM, MOST_CALM, MEMORY, SILENCE = 0.1, 20.0, 80.0, 120.0, 3.0
    """The lowest pace; seconds in which it doubles, at first and at most; seconds that calls are remembered; the
    shortest silence."""
    SLACK = 0.02
    """Seconds that a call may depart early, so that late timers do not lower the pace."""

    def __init__(self) -> None:
        self.rate = inf
        self._since, self._steady, self._due = 0.0, 0.0, -inf
        self._calls: deque[Sent] = deque()
        self._counted = self._n = self._refused = 0
        self._slowest = 0.0  # seconds that a refusal takes: an older call that is not refused is as good as answered
        self._tolerated, self._reference, self._calm = 0.0, 0.0, self.CALM
        self._trial: Trial | None = None
        self._answered, self._eased = inf, 0
        self.silence: float | None = None
        """The time since which everything is refused; None while answers come."""
        self.named: float | None = None
        """The calls a second that the server's headers allow; None if they do not say."""

    def risk(self, call: Sent) -> float:
        """Return the refused share of the calls since the pace last changed; 0 for a call that was sent before."""
        return self._refused / max(8, self._n) if call.at >= self._since else 0.0

    def delay(self, now: float) -> float:
        """Return the seconds until the next call may depart; 0 or less if it may depart now."""
        return 0.0 if self.rate == inf else self._due - now

    def current(self, now: float) -> float:
        """Return the pace at this moment: the settled one, grown by the cubic; during a trial it stays constant."""
        if self.rate == inf or self._trial:
            return self.rate
        calm = self._calm / 2 if self._tolerated else max(self._calm, min(40.0, 40 / self.rate))
        return self.rate * (1 + ((now - self._since) / calm) ** 3)

    def depart(self, now: float) -> Sent:
        """Record that a call departs, and when the next one may."""
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
        """Record that a call came back answered or refused, and change the pace where that calls for it."""
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
        """Set the pace after a silence, if everything between two answers was refused."""
        between = [sent.is_refused for sent in self._calls if self._answered < sent.at < call.at]
        if len(between) >= (8 if self._tolerated else 4) and all(between):
            average = sum(not sent.is_refused for sent in self._calls) / max(1.0, now - self._calls[0].at)
            self._steady, self._trial = now, None
            self._settle(now, average if average >= 0.7 * self._reference else self._reference)

    def _judge(self, now: float, horizon: float) -> None:
        """Lower the pace to the answers a second, or begin a trial, if more is refused than is tolerated."""
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
        if self.named and self.named <= 1.25 * answers + 2 / seconds:  # refusals outrank what headers promise
            answers = self.named
        self._steady = max(self._steady, start) if is_known else now
        if refused >= 3 and (not (is_known or self.named) or was_eased or share < 0.5 * (1 - tolerated)):
            self._trial = Trial(self.current(now), answers, answers, share, is_first=True)
            self._begin(now, max(0.25, answers / 2, 0.2 * min(len(window) / seconds, self._trial.before)))
        else:
            self._eased = 0
            self._settle(now, self._pace_for(answers))

    def _judge_trial(self, trial: Trial, now: float, horizon: float) -> None:
        """End the trial or halve its pace again, once enough calls are counted."""
        n, refused = self._n, self._refused
        wanted = max(8 if refused == 0 or refused >= 3 else 16, min(24, 3 * self.rate))
        is_closed = refused == n >= 4 and self._tolerated**n < 0.02
        if n < wanted and not is_closed:
            return
        share = 1 - refused / n
        level = share * n / max(horizon - self._since, 0.05)
        answers = max(level, trial.last if share > 1.2 * trial.share and trial.last else trial.answers)
        rises = self.rate > 1 and share >= 1.4 * trial.share
        falls = share < 0.6 * trial.share  # as after a burst that the server had saved up for
        if refused >= 3 and (share < 0.3 or rises or falls):
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
        """Return the pace that gets so many answers a second through, given the share that is lost at any pace."""
        return (1.25 if self._tolerated else 0.98) * answers / (1 - min(0.95, self._tolerated))

    def _settle(self, now: float, rate: float) -> None:
        """Take a pace as the server's capacity. If it confirms the last one, the next increase takes twice as long."""
        is_confirmed = 0.85 * self._reference < rate < 1.15 * self._reference
        self._calm = min(self.MOST_CALM, 2 * self._calm) if is_confirmed else self.CALM
        self._reference = rate
        self._begin(now, rate)

    def _begin(self, now: float, rate: float) -> None:
        """Start to count calls at a new pace."""
        self.rate, self._since, self._n, self._refused = max(self.LEAST, rate), now, 0, 0
        self._due = min(self._due, now + 1 / self.rate) if self.rate < inf else -inf
