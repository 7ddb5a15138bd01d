"""What the tries of the stage `construct` came to, by the principle or the entry that they were drawn by.

Covered: tries, pairs and the reasons why others are none; what made no pair at all; what helps where answers are cut in
more than a fifth of the tries. A try is two answers. Not covered: why single answers have no reply, see the stage's
endings.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

from amendment.curation.contrast import CUT_OFF
from amendment.records import Pair
from amendment.report.before_use import OFTEN_CUT
from amendment.results import Figure, Funnel, Result, by_label
from amendment.text import plain

NOTHING = "-"
"""In place of a principle, for tries of prompts to which none applies."""
CHECK = "check"
"""What confirms the pairs of a principle that has a check."""


class Tries:
    """Counts of tries, one by one."""

    def __init__(self, names: Iterable[str], own: Collection[str] = ()) -> None:
        """`names` are the principles and entries that tries may be drawn by; the models of the judges in `own` write
        the answers too."""
        self._own = own
        self._pairs = Counter(dict.fromkeys(names, 0))
        self._losses: dict[str, Counter[str]] = {name: Counter() for name in self._pairs}
        self._cut: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._confirmed: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def add(self, name: str, reason: str | None, cut: Iterable[str], pair: Pair | None) -> None:
        """Count a try; `reason` says why it is no pair, and `cut` names the models whose answers were cut."""
        losses = self._losses.setdefault(name, Counter())
        self._pairs[name] += reason is None
        if reason is not None:
            losses[reason] += 1
            self._cut[name].update(cut if reason == CUT_OFF else ())
        elif pair and pair.decided_by != "construction":
            self._confirmed[name][", ".join(pair.raters) or CHECK] += 1

    def result(self, max_tokens: Mapping[str, int | None]) -> Result:
        """Return how many tries became pairs and why the others did not, together and by what they were drawn by;
        `max_tokens` is the limit of each model of the run file."""
        losses = sum(self._losses.values(), Counter[str]())
        pairs = self._pairs.total()
        funnel = Funnel(
            what="constructed pairs",
            came_in=pairs + losses.total(),
            left_out=dict(losses.most_common()),
            remained=pairs,
        )
        return Result(
            figures=tuple(self._figures()),
            funnels=(funnel,),
            notes=tuple(self._advice(max_tokens)),
            warnings=tuple(self._warnings()),
        )

    def _tried(self, name: str) -> int:
        return self._pairs[name] + self._losses[name].total()

    def _figures(self) -> Iterator[Figure]:
        yield from by_label("tries", "drawn_by", {name: self._tried(name) for name in self._losses})
        yield from by_label("pairs", "drawn_by", {name: self._pairs[name] for name in self._losses})
        for name, by_reason in self._losses.items():
            yield from by_label("no_pair", "reason", by_reason, drawn_by=name)
        for name, by_rater in self._confirmed.items():
            yield from by_label("confirmed", "by", by_rater, drawn_by=name)

    def _advice(self, max_tokens: Mapping[str, int | None]) -> Iterator[str]:
        """Say what never made a pair, and which limit to raise where more than a fifth of the tries are cut off."""
        empty = [name for name in self._losses if self._tried(name) and not self._pairs[name] and name != NOTHING]
        if empty:
            yield f"no pair by {', '.join(map(plain, empty))}"
        if undrawn := [name for name in self._losses if not self._tried(name)]:
            yield f"never drawn: {', '.join(map(plain, undrawn))}"
        if cut := [name for name, lost in self._losses.items() if lost[CUT_OFF] > OFTEN_CUT * self._tried(name)]:
            tries = [f"{self._losses[name][CUT_OFF]:,} of {self._tried(name):,} tries by {plain(name)}" for name in cut]
            models = dict.fromkeys(model for name in cut for model in self._cut[name])
            limits = [plain(name) + (f" ({limit})" if (limit := max_tokens.get(name)) else "") for name in models]
            of_models = f" of {' and '.join(limits)}" if limits else ""
            yield f"{' and '.join(tries)} are cut off: raise `max_tokens`{of_models}"

    def _warnings(self) -> Iterator[str]:
        """Yield a sentence without a full stop for each judge that alone confirmed pairs."""
        judged: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for name, confirmed in self._confirmed.items():
            for judge, count in confirmed.items():
                judged[judge][name] = count
        for judge, by_name in judged.items():
            if judge != CHECK:
                number = sum(by_name.values())
                names = ", ".join(map(plain, by_name))
                wrote = ", whose model wrote both answers" if judge in self._own else ""
                verb = f"pair{'s' * (number != 1)} by {names} {'have' if number != 1 else 'has'}"
                yield f"{number:,} constructed {verb} no check: the judge {plain(judge)} decided{wrote}"
