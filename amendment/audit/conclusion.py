"""May the judge be used? One of four answers in one sentence, chosen from what is shown by the rules of `decide`.

What is true: the agreement of two raters is the expected share of equal choices on an item drawn from all items, where
ties and unreadable verdicts count one half. A judge must not be used if its agreement with people is `margin` or more
below theirs with each other, if its kappa with them, or theirs, is at most 0.2, or if its kappa is at most 0 in a
category with a tenth of all items. "Use" is an intersection: each part is shown one-sided at 1 %. "Do not use" is a
union: the gates and slices of a judge that fail hold together at 5 % (Holm). Both levels are divided by the number of
judges and of looks (Bonferroni). docs/audit.md has the rules as a table, and how often they are wrong.

Covered: every judge of a certificate, the best first; what is known and what would settle it where nothing can be
concluded. Not covered: whether people are right, and errors that judge and people share.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from amendment.audit.ceiling import LEAST_KAPPA, MARGIN, ColumnValue, Look, Requirements, Standing
from amendment.audit.figures import percent, rounded, short, stated
from amendment.audit.gates import Gate, GateOutcome, JudgeReport
from amendment.audit.labelled import Difference, for_all_items, labelled_differ
from amendment.statistics import Estimate
from amendment.statistics.beside import Beside
from amendment.statistics.intervals import FEWEST_ITEMS
from amendment.statistics.planning import Bar, accuracy_from_agreement, expect_figures, items_for_use, items_to_decide

Form = Literal["use", "use only where", "do not use", "no conclusion"]
FORMS: tuple[Form, ...] = ("use", "use only where", "no conclusion", "do not use")
"""The best first."""
ORDERS_AGREE = "where both orders agree"
NEARLY_ALL = 0.95
"""Share of a judge's items that people labelled, from which the labels speak of all of them."""
FAILURES = {
    "invalid": "too many of its verdicts cannot be read",
    "constant": "it prefers a stock answer that some system gives to most prompts",
    "repetition": "asked the same question again, it often changes its verdict",
    "chance": "it agrees with people hardly better than chance",
    "bar": "it agrees with the truth less often than this study asks for",
}
"""What it means that a gate fails. The worst first; `order` is absent, since asking in both orders helps, and so are
length, style and self, which people may share. Of the ceiling the figures say it."""
WITHOUT_PEOPLE = ("invalid", "constant", "repetition")
"""Gates that need no people."""


class Evidence(NamedTuple):
    """What `decide` looks at besides the outcomes of the gates."""

    contradicts: bool = False
    """The judge's two orders contradict each other, so that they may have been read the wrong way round."""
    says_one_thing: bool = False
    """Every verdict of the judge is the same."""
    disputed: int = 0
    """Items on which labels that are the truth contradict each other."""
    labels_say_one_thing: bool = False
    """Every label is the same."""
    is_guessed: bool = False
    """More than a few percent of its replies are unread by a pattern that nobody confirmed."""
    has_order: bool = True
    """A displayed order is on record."""
    both_orders: int = 0
    """Items that were read in both displayed orders."""
    labelled: int = 0
    """Items of the judge that people, or the truth, labelled; where its order sways it, those on which both orders
    choose the same answer."""
    is_truth: bool = False
    """The labels are declared as the truth."""
    has_bar: bool = False
    """The study names the agreement with the truth that it needs."""
    annotators: int = 0
    """People who set the ceiling: those under alarm do not."""
    with_two: int = 0
    """Labelled items with two of them or more."""
    is_copied: bool = False
    """Two raters look like copies of each other, and nobody is left to tell."""
    missing: tuple[str, ...] = ()
    """What is not shown of the judge where it would be used: people, chance, ceiling or bar."""
    hardly_agree: bool = False
    """The kappa of people is neither above 0.2 nor shown to be."""
    is_part: bool = False
    """These are categories in which the judge is shown above chance, and it is not in all large ones."""
    no_part: bool = False
    """The judge is not shown to be above chance in any category."""
    is_conditional: bool = False
    """It is shown under a condition alone: both orders agree, some categories, items like the labelled ones."""


class Category(NamedTuple):
    """One judge in one category."""

    name: str
    share: float
    """Of the judge's items."""
    kappa: Estimate
    """With one annotator, on all labelled items."""
    agreement: Estimate
    """With one annotator, on the items with two."""
    two_annotators: Estimate
    standing: Standing


@dataclass(frozen=True)
class Conclusion:
    """What follows for one judge."""

    judge: str | None
    """None where no judge voted."""
    form: Form
    because: str
    """The rule of `decide` that applied: a gate, or what is missing."""
    sentence: str
    where: tuple[str, ...] = ()
    """The conditions of "use only where"; figures rest on the items that fulfil them."""
    margin: float = MARGIN
    agreement: Estimate | None = None
    """Of the judge with one annotator, on the items with two, or with the truth; ties and unreadable verdicts count one
    half. With one annotator, on all labelled items. None without a label."""
    two_annotators: Estimate | None = None
    """Of two annotators, on the same items; None without two, and with labels that are the truth."""
    gap: Estimate | None = None
    """agreement - two_annotators."""
    kappa: Estimate | None = None
    """Of the judge with one annotator, or with the truth, on all labelled items."""
    people_kappa: Estimate | None = None
    could_show: float | None = None
    """The gap at which such labels give "Use" in 80 % of samples; None where more than the gap is not shown."""
    people: tuple[str, ...] = ()
    """Who sets the ceiling, or knows the truth."""
    left_out: tuple[str, ...] = ()
    """Sentences on those who do not."""
    categories: tuple[Category, ...] = ()
    flips: Estimate | None = None
    """Share of the items asked in both orders whose verdict changes with the order; None where none was."""
    coverage: float = math.nan
    """Share of the items that the judge was asked about for which it, or both its orders, choose an answer."""
    labelled: float = math.nan
    """Share of the judge's items that people labelled."""
    for_all_items: Estimate | None = None
    """Agreement with one annotator, or with the truth, on all its items that could be drawn for labelling; None where
    those that people labelled were not drawn by chance."""
    labelled_differ: tuple[Difference, ...] = ()
    """How items with a label differ from those without."""


def decide(outcomes: Mapping[str, GateOutcome], evidence: Evidence) -> tuple[Form, str]:
    """Return the form of the conclusion, and what decides it; the first rule that applies."""
    order, found = outcomes["order"], evidence
    is_swayed = order in ("WARN", "FAIL")
    rules: list[tuple[bool, Form, str]] = [
        (found.contradicts, "no conclusion", "contradicting orders"),
        (found.is_guessed, "no conclusion", "guessed pattern"),
        *((outcomes[check] == "FAIL", "do not use", check) for check in WITHOUT_PEOPLE),
        (found.disputed > 0, "no conclusion", "two truths"),
        (found.labels_say_one_thing, "no conclusion", "one label"),
        (found.says_one_thing, "do not use", "one verdict"),
        (found.hardly_agree and found.with_two >= FEWEST_ITEMS, "no conclusion", "people"),
        (outcomes["rows"] == "WARN", "no conclusion", "rows"),
        (found.labelled < FEWEST_ITEMS, "no conclusion", "few labels"),
        (order == "FAIL" and found.both_orders < FEWEST_ITEMS, "do not use", "one order"),
        (is_swayed and found.both_orders < FEWEST_ITEMS, "no conclusion", "one order"),
        (order == "not measured" and found.has_order, "no conclusion", "order not measured"),
        (found.is_truth and not found.has_bar, "no conclusion", "no bar"),
        (found.is_copied, "no conclusion", "copies"),
        (not found.is_truth and found.annotators < 2, "no conclusion", "one annotator"),
        (not found.is_truth and found.with_two < FEWEST_ITEMS, "no conclusion", "few with two"),
        (found.is_part and not found.missing, "use only where", "conditions"),
        *((outcomes[check] == "FAIL", "do not use", check) for check in ("chance", "ceiling", "bar")),
        (bool(found.missing), "no conclusion", "open"),
        (found.no_part, "no conclusion", "categories"),
        (found.is_conditional, "use only where", "conditions"),
        (True, "use", "agreement"),
    ]
    return next((form, because) for applies, form, because in rules if applies)


def conclusions(
    judges: Sequence[JudgeReport],
    checked: Mapping[str, tuple[Sequence[Gate], tuple[ColumnValue, ...]]],
    looks: Mapping[str, Look],
    asked: Requirements,
) -> tuple[Conclusion, ...]:
    """Return the conclusion on each judge, the best first; one that says so where no judge voted.

    `checked` has the gates and categories of each judge by its name, `looks` what they rest on.
    """
    if not judges:
        words = sentence("no conclusion", "a judge", ["only people voted"])
        return (Conclusion(None, "no conclusion", "no judge", words),)
    drawn = [
        _conclusion(judge, {gate.check: gate for gate in gates}, parts, looks[judge.name], asked)
        for judge in judges
        for gates, parts in [checked[judge.name]]
    ]
    return tuple(sorted(drawn, key=_rank))


def refused(concluded: Iterable[Conclusion], gates: Iterable[Gate]) -> tuple[Conclusion, ...]:
    """Return the same where a run's own gate of people fails: people disagree with the labels, so no judge of the run
    is to be used, whatever the figures of its single verdicts are."""
    found = next((gate.found for gate in gates if gate.check == "people" and gate.outcome == "FAIL"), None)
    if found is None:
        return tuple(concluded)
    words = f"people disagree with the labels of this run: {found}"
    return tuple(
        replace(
            conclusion,
            form="do not use",
            because="people's labels",
            sentence=sentence("do not use", conclusion.judge, [words]),
        )
        if conclusion.judge and conclusion.form != "do not use"
        else conclusion
        for conclusion in concluded
    )


def _rank(conclusion: Conclusion) -> tuple[int, float, str]:
    """Agreement decides; between judges with conditions, the number of items on which they agree."""
    agreement = conclusion.agreement
    merit = 0.0 if agreement is None or math.isnan(agreement.value) else agreement.value
    if agreement and conclusion.form == "use only where":
        merit *= agreement.n
    return FORMS.index(conclusion.form), -merit, conclusion.judge or ""


def _conclusion(
    judge: JudgeReport, gates: Mapping[str, Gate], parts: tuple[ColumnValue, ...], look: Look, asked: Requirements
) -> Conclusion:
    position = judge.position
    above = tuple(part for part in parts if part.standing == "above chance")
    is_part = bool(above) and len(above) < len(parts) and gates["categories"].outcome != "PASS"
    narrowed = look.within(above, len(parts)) if is_part else look
    where = tuple(_conditions(look, above if is_part else ()))
    evidence = Evidence(
        contradicts=position.contradicts,
        says_one_thing=look.says_one_thing,
        disputed=look.disputed,
        labels_say_one_thing=look.labels_say_one_thing,
        is_guessed=judge.name in asked.guessed,
        has_order=bool(position.prefers_first.n),
        both_orders=position.pairs,
        labelled=look.with_labels.items,
        is_truth=look.is_truth,
        has_bar=asked.min_agreement is not None,
        annotators=len(look.people),
        with_two=look.figures.people.items,
        is_copied=look.copied is not None,
        missing=narrowed.missing,
        is_part=is_part,
        hardly_agree="people" in look.missing and not look.figures.people_kappa.value > LEAST_KAPPA,
        no_part=bool(parts) and not above and gates["categories"].outcome != "PASS",
        is_conditional=bool(where),
    )
    form, because = decide({check: gate.outcome for check, gate in gates.items()}, evidence)
    used = narrowed if form == "use only where" else look
    level, figures = 1 - 5 * look.bar.p, used.figures
    has_two = figures.people.items > 0 and not look.is_truth
    same = position.consistency
    conclusion = Conclusion(
        judge=judge.name,
        form=form,
        because=because,
        sentence="",
        where=where if form == "use only where" else (),
        margin=asked.margin,
        agreement=(figures.judge if has_two else used.with_labels).estimate(level) if used.with_labels.items else None,
        two_annotators=figures.people.estimate(level) if has_two else None,
        gap=figures.gap.estimate(level) if has_two else None,
        kappa=used.kappa.estimate(level) if used.kappa.items else None,
        people_kappa=figures.people_kappa.estimate(level) if has_two else None,
        could_show=look.bar.could_show(figures.gap) if has_two and set(used.missing) <= {"ceiling"} else None,
        people=look.people,
        left_out=look.left_out,
        categories=tuple(_category(part, level) for part in parts),
        flips=same._replace(value=1 - same.value, low=1 - same.high, high=1 - same.low) if position.pairs else None,
        coverage=used.coverage,
        labelled=used.labelled,
        for_all_items=for_all_items(used) if for_all_items(look) else None,
        labelled_differ=labelled_differ(look) if look.labelled < NEARLY_ALL else (),
    )
    return replace(conclusion, sentence=sentence(form, judge.name, _reasons(conclusion, judge, gates, used), where))


def sentence(form: Form, judge: str, reasons: Iterable[str], where: Sequence[str] = ()) -> str:
    """Return the conclusion in words; `where` are the conditions of "use only where"."""
    name = short(judge)
    beginning = {
        "use": f"Use {name}",
        "use only where": f"Use {name} only {' and '.join(where)}",
        "do not use": f"Do not use {name}",
        "no conclusion": f"Nothing can be concluded about {name}",
    }[form]
    return f"{beginning}: {'; '.join(filter(None, reasons))}."


def _category(part: ColumnValue, level: float) -> Category:
    kappa, judge, people = (shown.estimate(level) for shown in (part.kappa, part.figures.judge, part.figures.people))
    return Category(part.name, part.share, kappa, judge, people, part.standing)


def _conditions(look: Look, above: Sequence[ColumnValue]) -> Iterator[str]:
    if look.orders_agree:
        yield ORDERS_AGREE
    if above:
        yield f"for {_listed([part.name for part in above])}"
    if look.labelled < NEARLY_ALL and for_all_items(look) is None:
        yield f"on items like the {rounded(look.labelled)} that people labelled"


def _reasons(  # noqa: PLR0912 - a branch for each rule of `decide`
    conclusion: Conclusion, judge: JudgeReport, gates: Mapping[str, Gate], look: Look
) -> Iterator[str]:
    """Yield what is known, why it decides, and what would settle it."""
    because, position, known = conclusion.because, judge.position, _known(conclusion, look)
    match because:
        case "contradicting orders":
            turned = (
                f"on {rounded(position.turned)} of the items it prefers the other answer when the answers change places"
            )
            yield f"{turned}. Check coordinates and orders in the entry of its file"
        case "guessed pattern":
            yield f"unreadable by a guessed pattern: {gates['invalid'].found}"
            yield "save the description with --write FILE.yaml, correct or confirm its pattern, and audit that file"
        case "two truths":
            yield f"labels of kind: truth contradict each other on {look.disputed} items; keep those that are the truth"
        case "one label":
            yield "every label chooses the same answer, so it cannot be told from a judge that always does"
            yield "let the two answers change places in half of the rows"
        case "one verdict":
            yield "every verdict is the same"
        case "rows":
            yield f"check first how the files were joined ({gates['rows'].found})"
        case "one order":
            yield f"{gates['order'].found}. Ask it in both orders and audit it again"
        case "order not measured":
            yield f"its position bias is not measured. Ask it in both orders on {FEWEST_ITEMS} items"
        case "few labels":
            where = " on which both orders agree" if look.orders_agree else ""
            labelled = len(look.sides.judge) or "none"
            yield f"people labelled {labelled} of its items{where}, and {FEWEST_ITEMS} are needed"
        case "no bar":
            yield f"{known}. Set min_agreement to the agreement that you need"
        case "copies":
            yield from (known, _copied(look))
        case "one annotator" | "few with two":
            yield from (known, *conclusion.left_out, f"a second person has to label {_for_use(look)} items")
        case "people":
            chance = f"kappa {stated(conclusion.people_kappa, '.2f')}"
            yield f"people agree with each other hardly better than chance ({chance})"
            yield "no judge can be measured on these labels"
            yield from (known, *conclusion.left_out)
        case "open":
            yield known
            yield from (*(_open(look) if look.missing else _elsewhere(conclusion)), *conclusion.left_out)
        case "categories":
            yield from (known, "it is not shown to agree with people better than chance in any category")
        case "agreement" | "conditions":
            yield known
            yield from _covered(conclusion, look)
            yield from (*_elsewhere(conclusion), *conclusion.left_out)
        case "invalid" | "constant" | "repetition":
            yield f"{FAILURES[because]} ({gates[because].found})"
        case _:
            yield from (FAILURES.get(because, ""), known, *_by_chance(because, look), *conclusion.left_out)


def not_shown(parts: Iterable[str], measure: str = "kappa") -> str:
    """Return in words what the data do not show of a judge."""
    words = {
        "people": f"that people agree with each other better than chance ({measure} above {LEAST_KAPPA})",
        "chance": f"that it agrees with people better than chance ({measure} above {LEAST_KAPPA})",
        "ceiling": "that it is within the margin",
        "bar": "that it reaches min_agreement",
    }
    return f"the labels do not show {' and '.join(words[part] for part in parts)}"


def _open(look: Look) -> Iterator[str]:
    """Yield what is not shown, and how many items would show it."""
    yield f"{not_shown(look.missing)}{_at_least(look)}"
    yield "" if look.is_truth else settled(look.figures, look.bar, look.bar.p)


def _by_chance(because: str, look: Look) -> Iterator[str]:
    """Yield the kappa of a judge that fails `chance`, and what may be the cause where it lies below 0."""
    if because == "chance":
        yield f"kappa {stated(look.kappa.estimate(1 - 5 * look.bar.p), '.2f')}"
        if look.kappa.p_below(0) < look.bar.p:
            yield "less than chance would give: check words, orders and coordinates"


def _at_least(look: Look) -> str:
    """Return the bound of the difference that "Use" needs above the margin, and what it assumes."""
    if "ceiling" not in look.missing:
        return ""
    bounds = {assumed: gap.at_least(look.bar.p) for assumed, gap in look.gaps.items()}
    assumed = next(words for words, bound in bounds.items() if not bound > -look.bar.margin)
    if math.isnan(bounds[assumed]):
        return ""
    condition = f" if {assumed}" if assumed else ""
    return f" (at {100 * (1 - look.bar.p):.4g} % it is {100 * bounds[assumed]:+.1f} points or better{condition})"


def _known(conclusion: Conclusion, look: Look) -> str:
    """Both figures and their difference, on the same items; or the one there is."""
    agreement, two, gap = conclusion.agreement, conclusion.two_annotators, conclusion.gap
    if agreement is None:
        return ""
    items = f"{agreement.n} items" + (" where both orders agree" if look.orders_agree else "")
    if two is not None and gap is not None:
        return (
            f"it agrees with an annotator on {100 * agreement.value:.1f} % of {items}, and two annotators agree on "
            f"{100 * two.value:.1f} %; the difference is {stated(gap, '+.1f', 100)} points, and the margin is "
            f"{100 * conclusion.margin:g}"
        )
    with_whom = "the truth" if look.is_truth else "an annotator"
    if len(look.people) == 1 and not look.is_truth:
        with_whom = f"the annotator {short(look.people[0])}"
    bar = look.asked.min_agreement if look.is_truth else None
    asked = f", and the study asks for {100 * bar:g} %" if bar is not None else ""
    return f"it agrees with {with_whom} on {percent(agreement)} of {items}{asked}"


def _covered(conclusion: Conclusion, look: Look) -> Iterator[str]:
    """On how many of its items the judge chooses an answer, and how many people labelled."""
    if look.orders_agree and conclusion.flips:
        yield f"the order changes its verdict on {rounded(conclusion.flips.value)} of its items"
        if conclusion.form == "use only where":
            yield "judging.disagreement: drop keeps no other pairs, and orders_agree marks them in the rows"
    if conclusion.where:
        yield f"these are {rounded(conclusion.coverage)} of its items"
    elif conclusion.coverage < 1:
        yield f"it chooses an answer on {rounded(conclusion.coverage)} of its items"
    if conclusion.labelled < NEARLY_ALL:
        yield f"people labelled {rounded(conclusion.labelled)} of them{_extended(conclusion, look)}"


def _extended(conclusion: Conclusion, look: Look) -> str:
    """Return what the labels say of the items without one."""
    if conclusion.for_all_items:
        return (
            f", drawn by chance; on all that could be drawn, the agreement would be {percent(conclusion.for_all_items)}"
        )
    why = "they do not look drawn at random" if look.asked.drawn else "drawn: random is not declared"
    unlike = [
        f"{differ.what} {rounded(differ.labelled)} against {rounded(differ.others)}"
        for differ in conclusion.labelled_differ
    ]
    told = f"; labelled and other items differ: {', '.join(unlike)}" if unlike else ""
    return f"; this cannot be extended to the others: {why}{told}"


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(map(short, names[:-1])), short(names[-1]))))


def _elsewhere(conclusion: Conclusion) -> Iterator[str]:
    """Yield the categories where the judge is not shown to be above chance."""
    parts = conclusion.categories
    below = [f"{part.name} (kappa {part.kappa.value:.2f})" for part in parts if part.standing == "below chance"]
    few = [part.name for part in parts if part.standing == "too few labels"]
    if below:
        yield f"do not use it for {_listed(below)}"
    if few:
        yield f"there are too few labels for {_listed(few)}"


def _copied(look: Look) -> str:
    pair = look.copied
    if pair is None:
        return ""
    return (
        f"{short(pair.first)} and {short(pair.second)} agree on {100 * pair.agreement.value:.1f} %, more than their "
        "agreement with the other annotator explains. A third person would tell whether one copied the other; "
        "if neither did, write despite: [copies]"
    )


def _for_use(look: Look) -> str:
    """Items that two people have to label for a judge that is as good as they are, by its agreement with one."""
    agreement = look.with_labels.value
    right = accuracy_from_agreement(0.5 if math.isnan(agreement) else agreement)
    needed = items_for_use(expect_figures(right, right, 2), look.bar)
    return f"about {needed:,}" if needed else "very many"


def settled(figures: Beside, bar: Bar, p: float, labelled: str = "labelled like these") -> str:
    """Return how many items would decide, if the figures stay as they are; empty where a million would not."""
    decided = items_to_decide(figures, bar, p)
    if not decided:
        return ""
    form, needed = decided
    shown = "it is" if form == "Use" else "it is not"
    return (
        f"about {needed:,} items {labelled} would show in 80 % of samples that {shown}, if the figures stay as they are"
    )
