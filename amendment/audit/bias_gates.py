"""Gates about what sways a judge: length, what answers carry, its own answers, itself, and its reasoning."""

from __future__ import annotations

import math
from collections.abc import Iterator

from amendment.audit._regression import NO_BIAS
from amendment.audit.bias import Bias
from amendment.audit.family import LEVEL, Family, Tested
from amendment.audit.length import Length
from amendment.audit.rationales import Rationales
from amendment.audit.repetition import Repetition
from amendment.audit.rulings import Gate, Outcome
from amendment.statistics import bounds
from amendment.statistics.misclassification import FEWEST_SHARED

__all__ = ["BIAS_RULES", "FEWEST", "bias_gates"]

FEWEST = 30
MOST_SWAY = 0.2
"""Change of P from which a bias that is there fails its judge."""
WIDEST = 1.0
"""Width of an interval, in P, beyond which a test that finds nothing has told nothing."""
STABLE, HARDLY_STABLE = 0.9, 0.75
CONTRADICTING, OFTEN_CONTRADICTING = 0.02, 0.1
TESTS = ("style", "self")
"""Gates that rest on tests of the family; style has all those of marks."""
BIAS_RULES = {
    "repetition": (
        f"share of the same verdict where one order was asked repeatedly: from {STABLE} PASS, from {HARDLY_STABLE} "
        f"WARN, below FAIL; needs {FEWEST} items asked twice in one order"
    ),
    "length": (
        "whether the judge errs towards the longer answer more often than towards the shorter, or the reverse: PASS "
        "if the interval of the difference contains 0, otherwise WARN, and FAIL if all of it lies beyond "
        f"{100 * MOST_SWAY:g} points either way; needs votes of two people on {FEWEST_SHARED} items whose answers "
        f"differ in length; not measured if the interval contains 0 and is wider than {100 * WIDEST:g} points"
    ),
    "style": (
        "whether format (headers, lists, bold), citations or another mark of the answers changes the judge's P(better) "
        f"beyond what people's votes, length and the other marks explain, by more than {NO_BIAS}: PASS if its test "
        f"is not rejected at {LEVEL} after Holm's correction over all tests of the judge, otherwise WARN, and FAIL "
        f"if its whole interval lies beyond {MOST_SWAY} either way; the worst mark counts; needs votes of two people "
        "on "
        f"{FEWEST} items, and {FEWEST} items whose answers differ in the mark; not measured if nothing is found and "
        f"the interval is wider than {100 * WIDEST:g} points"
    ),
    "self": (
        "the same for answers that the judge's own model wrote; needs votes of two people, and "
        f"{FEWEST} items with one of them"
    ),
    "rationale": (
        "share of verdicts whose own reasoning plainly calls the other answer the better one: up to "
        f"{100 * CONTRADICTING:g} % PASS, up to {100 * OFTEN_CONTRADICTING:g} % WARN, above FAIL; needs {FEWEST} "
        "verdicts with such reasoning"
    ),
}
"""What each of them asks."""


def bias_gates(judge: str, bias: Bias, length: Length | None) -> Iterator[Gate]:
    """All of one judge."""
    yield Gate(judge, "repetition", *_repetition(bias.repetition))
    yield Gate(judge, "length", *_length(length))
    for check in TESTS:
        yield Gate(judge, check, *_tested(bias.family, check))
    yield Gate(judge, "rationale", *_rationale(bias.rationales))


def _repetition(found: Repetition | None) -> tuple[Outcome, str]:
    if found is None or found.groups < FEWEST:
        return "not measured", f"{found.groups if found else 0} items asked twice in one order"
    stable = found.stability.value
    told = f"{100 * stable:.1f} % of repeated draws agree"
    if stable >= STABLE:
        return "PASS", told
    if stable >= HARDLY_STABLE:
        return "WARN", f"{told}, below {100 * STABLE:g} %"
    return "FAIL", f"{told}, below {100 * HARDLY_STABLE:g} %"


def _length(found: Length | None) -> tuple[Outcome, str]:
    if found is None or found.asymmetry is None:
        return "not measured", "needs two annotators, and the lengths of the answers"
    asymmetry, known = found.asymmetry, bounds(found.asymmetry)
    if known is None:
        return "not measured", asymmetry.note
    low, high = known
    shown = (
        f"errors towards the longer answer {100 * asymmetry.value:+.1f} ({100 * low:+.1f} to {100 * high:+.1f}) points"
    )
    if low <= 0 <= high:
        return ("not measured", f"{shown}: too wide to tell") if high - low > WIDEST else ("PASS", shown)
    return "FAIL" if low > MOST_SWAY or high < -MOST_SWAY else "WARN", shown


def _tested(family: Family, check: str) -> tuple[Outcome, str]:
    """The worst outcome of the tests that a gate rests on; nothing where none of them could be made."""
    own = [one for one in family.tests if check == _gate_of(one.name)]
    made = [one for one in own if _tells(one)]
    if not made:
        return "not measured", "; ".join(f"{one.name}: {_why_not(one)}" for one in own) or "nothing to compare"
    found = [(_outcome(one), one) for one in made]
    worst: Outcome = next(outcome for outcome in ("FAIL", "WARN", "PASS") if any(one == outcome for one, _ in found))
    return worst, "; ".join(_told(one) for outcome, one in found if outcome == worst)


def _tells(tested: Tested) -> bool:
    """Whether something was found, or could have been."""
    if math.isnan(tested.p):
        return False
    return tested.rejected or not tested.effect.high - tested.effect.low > WIDEST


def _why_not(tested: Tested) -> str:
    return tested.effect.note if math.isnan(tested.p) else f"{_told(tested)}: too wide to tell"


def _gate_of(test: str) -> str:
    return {"position": "order", "length": "length", "self": "self"}.get(test, "style")


def _outcome(tested: Tested) -> Outcome:
    if not tested.rejected:
        return "PASS"
    known = bounds(tested.effect)
    beyond = known is not None and (known[0] > MOST_SWAY or known[1] < -MOST_SWAY)
    return "FAIL" if beyond else "WARN"


def _told(tested: Tested) -> str:
    low, high = (100 * bound for bound in (tested.effect.low, tested.effect.high))
    around = "" if math.isnan(low) else f" ({low:+.1f} to {high:+.1f})"
    return f"{tested.name} {100 * tested.effect.value:+.1f}{around} points, adjusted p {tested.adjusted:.2g}"


def _rationale(found: Rationales | None) -> tuple[Outcome, str]:
    if found is None or found.share.n < FEWEST:
        return "not measured", f"{found.share.n if found else 0} verdicts whose reasoning says which answer is better"
    told = f"{found.contradicting} of {found.share.n} argue for the other answer"
    bad = found.share.value
    outcome: Outcome = "PASS" if bad <= CONTRADICTING else "WARN" if bad <= OFTEN_CONTRADICTING else "FAIL"
    return outcome, told
