"""The sections of a certificate that set judges and people beside single people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from amendment.audit._figures import number, percent
from amendment.audit.certificate import Certificate, Judge
from amendment.audit.groups import MOST_LISTED
from amendment.audit.labels_apart import LabelsApart
from amendment.audit.standing_in import EPSILONS, AgainstPerson, StandIn
from amendment.markdown import cell

__all__ = ["beside_people_sections"]

Rows = Sequence[Sequence[str]]
Cut = Callable[[Rows], Iterator[str]]
"""Makes lines of rows."""


def _stand_ins(certificate: Certificate) -> Rows:
    head = ("judge", "person", "items", "as good", *(f"epsilon {name}" for name in EPSILONS))
    rows = [row for judge in certificate.judges if judge.stand_in for row in _stand_in(judge, judge.stand_in)]
    return [head, *rows]


def _stand_in(judge: Judge, test: StandIn) -> Iterator[Sequence[str]]:
    """The judge as a whole, then against each of the people where these are few."""
    omegas = (
        f"omega {rate:.2f}{', passes' if test.passes[epsilon] else ''}" for epsilon, rate in test.winning_rate.items()
    )
    who = f"all {test.tested}" + (f" ({test.note})" if test.note else "")
    yield cell(judge.name), who, str(test.items), f"rho {percent(test.advantage)}", *omegas
    if test.tested <= MOST_LISTED:
        yield from (_against(judge, one) for one in test.people)


def _against(judge: Judge, one: AgainstPerson) -> Sequence[str]:
    values = (f"p {_p(p)}{', won' if one.won[epsilon] else ''}" for epsilon, p in one.p.items())
    return cell(judge.name), cell(one.person), str(one.items), percent(one.advantage), *values


def _p(value: float) -> str:
    return "below 0.001" if value < 0.001 else number(value, ".3f")


def _not_tested(certificate: Certificate) -> Iterator[str]:
    """Judges that people labelled beside, and that were not tested, by reason."""
    reasons = defaultdict(list)
    for judge in certificate.judges:
        if certificate.people and judge.label and not judge.stand_in:
            reasons[judge.stand_in_note].append(cell(judge.name))
    for reason, names in reasons.items():
        who = ", ".join(names) if len(names) <= MOST_LISTED else f"{len(names)} judges"
        yield f"- not measured: {reason} ({who})"
    for judge in certificate.judges:
        skipped = judge.stand_in.not_measured if judge.stand_in else {}
        if len(skipped) > MOST_LISTED:
            yield f"- not measured: {len(skipped)} people with too few items (for {cell(judge.name)})"
        else:
            yield from (f"- not measured: {why} ({cell(who)}, for {cell(judge.name)})" for who, why in skipped.items())


def _labels(certificate: Certificate) -> Rows:
    """Annotators one by one where they are few."""
    is_crowd = len(certificate.persons) > MOST_LISTED
    head = ("by", "name", "with", "labels", "agreement, no ties")
    rows = [_label(one) for one in certificate.labels if one.by != "annotator" or not is_crowd]
    return [head, *rows]


def _label(one: LabelsApart) -> Sequence[str]:
    beside = "other people" if one.judge is None else cell(one.judge)
    return one.by, cell(one.name), beside, str(one.labels), percent(one.agreement["no_ties"])


def _again(certificate: Certificate) -> Rows:
    head = ("person", "shown once more", "same verdict")
    again = certificate.people.again if certificate.people else None
    if again is None:
        return [head]
    listed = again.people if len(again.people) <= MOST_LISTED else ()
    rows = [(cell(one.person), str(one.same.n), percent(one.same)) for one in listed]
    together = [] if len(rows) == 1 else [(f"all {len(again.people)}", str(again.same.n), percent(again.same))]
    return [head, *together, *rows]


def beside_people_sections(cut: Cut) -> dict[str, Callable[[Certificate], Iterator[str]]]:
    """Titles and what stands under them."""

    def tested(certificate: Certificate) -> Iterator[str]:
        rows, reasons = _stand_ins(certificate), list(_not_tested(certificate))
        yield from cut(rows)
        yield from [""] if len(rows) > 1 and reasons else []
        yield from reasons

    return {
        "Alternative annotator test": tested,
        "People's labels by annotator and confidence": lambda certificate: cut(_labels(certificate)),
        "People shown an item once more": lambda certificate: cut(_again(certificate)),
    }
