"""What refusals (429) teach: to pause now, and, where they come from the pace, to go slower than before.

Covered: whether refusals come together or are thin among accepted calls; a pause of the whole endpoint, by the server's
word or by growing back-off; a pace learned from what was accepted. Not covered: limits that the user names or headers
tell, see `pacing`.
"""

from __future__ import annotations

from collections import deque
from math import exp, inf
from random import Random
from typing import NamedTuple

__all__ = ["Ceiling", "Crush", "Pause"]

WEIGHT, WARY = 5, 10
"""Calls that outweigh one refusal: up to one in five is thin. Where more than a learned pace is tried, one in ten."""
TOGETHER = 12
"""Balance from which refusals come together: three in a row of a lone caller."""
SHORTEST, LONGEST = 0.25, 60.0
"""Seconds of the first and of the longest pause that no server asked for; each is twice the one before."""
CALM = 5
"""Accepted calls after which back-off begins anew."""


class Crush:
    """Whether refusals come together, as they do where a server has given all it had, or are thin among other calls.

    A cumulative sum (Page 1954): each call that leaves counts against, each refusal for it. A call in flight passes for
    accepted until it is refused, since refusals are back sooner than answers, and so a burst leaves credit for what
    is in flight; more does not last, so that what went well long ago does not hide what goes wrong now.
    """

    def __init__(self) -> None:
        self._balance = 0

    @property
    def is_on(self) -> bool:
        """Whether refusals come together."""
        return self._balance >= TOGETHER

    def depart(self, flying: int) -> None:
        """A call goes, with which so many are in flight."""
        self._balance = max(self._balance - 1, -flying)

    def refused(self, *, is_wary: bool) -> None:
        """A call was refused, perhaps while more was tried than is known to be borne."""
        self._balance += WARY if is_wary else WEIGHT

    def over(self) -> None:
        """What was refused so far has had its consequences."""
        self._balance = 0


class Pause:
    """While it lasts nothing goes. One that the server asked for at a lone refusal then simply ends.

    After refusals that came together one call goes as a probe, and the rest when it was not refused. A server refuses
    in less time than it answers, so a probe that is out for much longer than refusals take was accepted, and nobody
    waits for the whole of its answer.
    """

    def __init__(self, rng: Random) -> None:
        self.since: float | None = None
        """When it began; None while calls go."""
        self.is_strict = False
        """Whether it ends with a probe only."""
        self.until = 0.0
        self._rng = rng
        self._length = SHORTEST
        self._accepted = CALM
        self._is_probing = False
        self._slowest = 0.0

    def delay(self, now: float) -> float:
        """Seconds until a call may go."""
        return 0.0 if self.since is None else max(0.0, self.until - now)

    def depart(self, now: float) -> bool:
        """A call goes; whether it ends a strict pause. The first after such is the probe, and goes while it lasts; one
        after that found that the probe was not refused."""
        was_probing = self._is_probing
        if was_probing or not self.is_strict:
            self._over()
        else:
            self._is_probing = True
            self.until = now + 1.0 + 2.0 * self._slowest
        return was_probing

    def refused(self, now: float, asked: float | None, took: float, *, is_late: bool, begins: bool) -> None:
        """A call was refused that had been out for `took` seconds; the server asked for a pause of so many, or none.

        `is_late` is a call that left before the strict pause began: it asks for what it asks for, no more. `begins` is
        the refusal with which a strict pause begins.
        """
        self._slowest = max(took, 0.9 * self._slowest)
        if self.since is None and (begins or asked is not None):
            self.since = now
        if begins:
            self.is_strict = True
            if self._accepted >= CALM:
                self._length = SHORTEST
            self._accepted = 0
        if self.is_strict and not is_late:
            self._is_probing = False
        if asked is not None:
            spread = min(1.0, 0.1 + 0.1 * asked) * self._rng.random() if self.is_strict else 0.0
            self.until = max(self.until, now + asked + spread)
        elif self.is_strict and not is_late:
            self.until = now + self._length * (0.5 + 0.5 * self._rng.random())
            self._length = min(LONGEST, 2 * self._length)

    def accepted(self) -> bool:
        """A call that left since the strict pause began, or outside of any, was accepted; whether it ends one."""
        self._accepted += 1
        was_strict = self.is_strict
        if was_strict:
            self._over()
        return was_strict

    def undecided(self, now: float) -> None:
        """The probe came back and said nothing: another may go."""
        if self._is_probing:
            self._is_probing = False
            self.until = now

    def _over(self) -> None:
        """All calls go."""
        self.since = None
        self.is_strict = self._is_probing = False


ROOM = 0.95
"""Share of the learned ceiling that is used while it is trusted."""
TRUST, MOST_TRUST = 30.0, 480.0
"""Seconds, or refusals' times out, for which a ceiling is trusted; twice as long each time that it held so long,
up to the most."""
TRIAL, GROWTH = 1.1, 120.0
"""Past a ceiling no longer trusted the pace is at once so many times as high, since refusals that are too thin tell
nothing; from there it grows e-fold in so many seconds, or refusals' times out."""
HELD = 0.8
"""Share of the pace at which calls were at last refused that a ceiling which held so long is thought to be at least;
it rises by no more than to where it was used in full, since a server may have had calls saved up."""
SPAN = 60.0
"""Seconds between the refusals that a ceiling is measured between, where there are such."""
FIRM = 20.0
"""Seconds of measuring from which on a ceiling falls in steps of LOWER and no faster."""
LOWER = 0.85
DEAD = 10.0
"""Seconds without a single accepted call after which a server is thought to count by the minute."""
UNSURE = 2
"""Calls by which a count between two refusals may be too small."""
DOUBLING = 5.0
"""Seconds, or refusals' times out, in which the pace doubles on its way back to the ceiling."""
LEAST = 0.1
"""Calls per second that are always tried."""
FAR = 20.0
"""A pace so many times a ceiling has nothing to do with it any more, and ends."""
AT_ONCE = 0.02
"""Seconds by which a call may be early, so that a late timer costs nothing."""
ENOUGH = 8
"""Refusals from which a first ceiling is guessed."""
CHANCE = 3
"""Accepted calls to a refused one, after refusals came together, from which that was chance."""
STRIKES, REFUSED = 12, 1 / 12
"""After so many pauses a ceiling is given up if such a share of the calls between them was refused: then they are
refused for something else than their pace."""
APART = 600.0
"""Seconds for which none is learned then."""


class _Mark(NamedTuple):
    """The moment from which refusals came together, and how many calls had been accepted and refused."""

    at: float
    accepted: int
    refusals: int


class Ceiling:
    """The pace that a server bears, in calls per second, learned where nobody named it.

    Only refusals that come together speak of pace. At the first of them the server has given all it had, so what it
    accepted between two such moments, over the time between them, is what it gives, whichever way it counts. Before
    the second there is a guess: what it accepted from the first call until it accepted again. The pace begins below
    the ceiling, returns to a little less than it, stays there, then tries more. Where calls go on being refused in
    numbers, they are refused for something else, and the ceiling is given up.
    """

    def __init__(self) -> None:
        self.rate = inf
        self._due = -inf
        self._ceiling = inf
        self._base = inf
        self._trust = TRUST
        self._is_firm = False
        self._took = 1.0
        self._resumed = 0.0
        self._began: float | None = None
        self._accepted = 0
        self._refusals = 0
        self._strikes = 0
        self._before = (0, 0)
        self._deaf_until = -inf
        self._marks: deque[_Mark] = deque()

    def is_tried(self, now: float) -> bool:
        """Whether there is a ceiling and calls go faster than is known to be borne."""
        return self._ceiling < inf and (not self._is_firm or now - self._resumed > self._trust)

    def delay(self, now: float) -> float:
        """Seconds until a call may go."""
        return 0.0 if self.rate == inf else self._due - AT_ONCE - now

    def depart(self, now: float) -> None:
        """A call goes."""
        if self._began is None:
            self._began = self._resumed = now
        if self.rate < inf:
            self._advance(now)
            self._due = max(self._due, now) + 1 / self.rate

    def accepted(self) -> None:
        """A call was not refused."""
        self._accepted += 1

    def refused(self, now: float, took: float, *, is_first: bool) -> None:
        """A call was refused after so many seconds: the one that showed that refusals come together, or another."""
        self._refusals += 1
        if is_first and now >= self._deaf_until:
            self._took = max(1.0, took)
            mark = _Mark(now, self._accepted, self._refusals)
            if self._marks:
                self._measure(mark)
            if now >= self._deaf_until:
                self._marks.append(mark)

    def resumed(self, now: float) -> None:
        """Calls go again."""
        if self._ceiling == inf and self._marks and self._was_chance(self._marks[-1]):
            self._marks.clear()
        if self._ceiling == inf and len(self._marks) == 1 and self._refusals >= ENOUGH and self._began is not None:
            if now - self._marks[0].at - self._took > DEAD:
                self._is_firm = True
            self._lower(self._accepted / max(0.1, now - self._began))
        self._base = self._ceiling * (0.5 if now - self._resumed < self._trust else 0.9)
        self._resumed = now

    def _was_chance(self, mark: _Mark) -> bool:
        """Whether most of the calls that were out at that moment were accepted, so that nothing was used up."""
        return self._accepted - mark.accepted > CHANCE * (1 + self._refusals - mark.refusals)

    def _measure(self, mark: _Mark) -> None:
        """The ceiling between this refusal and one a minute before, or the earliest there is."""
        while len(self._marks) > 1 and self._marks[1].at <= mark.at - SPAN:
            self._marks.popleft()
        start = self._marks[0]
        span = max(0.1, mark.at - start.at)
        found = (mark.accepted - start.accepted + UNSURE) / span
        held = mark.at - self._resumed
        if held > self._trust:
            found = max(found, min(HELD * self.rate, self._ceiling / ROOM))
            self._trust = min(MOST_TRUST, 2 * self._trust)
        elif self._is_firm:
            found = max(found, LOWER * self._ceiling)
        if self._is_disproved():
            self._forget()
            self._deaf_until = mark.at + APART
            return
        self._is_firm = self._is_firm or span >= FIRM
        self._lower(found)

    def _is_disproved(self) -> bool:
        """Whether calls are refused at any pace, so that pace is not what they are refused for."""
        if self._strikes == 0:
            self._before = (self._accepted, self._refusals)
        self._strikes = (self._strikes + 1) % STRIKES
        accepted, refused = self._accepted - self._before[0], self._refusals - self._before[1]
        return self._strikes == 0 and refused >= REFUSED * (accepted + refused)

    def _forget(self) -> None:
        self.rate = self._ceiling = inf
        self._trust = TRUST
        self._strikes = 0
        self._is_firm = False
        self._marks.clear()

    def _lower(self, found: float) -> None:
        if self._ceiling == inf:
            self._trust = TRUST * self._took
        self._ceiling = max(LEAST, found)
        self.rate = min(self.rate, ROOM * self._ceiling)

    def _advance(self, now: float) -> None:
        passed = now - self._resumed
        top = ROOM * self._ceiling
        self.rate = min(top, self._base * 2.0 ** min(60.0, passed / (DOUBLING * self._took)))
        if passed > self._trust:
            self.rate = top * TRIAL * exp(min(9.0, (passed - self._trust) / (GROWTH * self._took)))
            if self.rate > FAR * self._ceiling:
                self._forget()
