"""The terminal's view of a run: a table of its prompts, and the whole story of one.

Lines have at most 80 columns, and those without an indentation are headings. Texts of models and files are escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from amendment.preference.checked import RATER
from amendment.report.before_use import DECIDERS
from amendment.report.records import AnswerView, ComparisonView, PairView, PromptStory, VerdictView, VerifierView
from amendment.text import measure_width, wrapped

COLUMNS = 80
_CONFIDENCE = {1: "unsure", 2: "fairly sure", 3: "sure"}
_CERTAIN = (None, 0.0, 0.5, 1.0)
"""P(the first is better) that says no more than the verdict does."""
_PROMPT, _STATE = 34, 24
"""Columns of a prompt, and of its state, in the table."""


def table_lines(stories: Sequence[PromptStory], *, is_done: bool) -> Iterator[str]:
    """Yield a table of prompts, a line each; `is_done` says that no answer is to come."""
    yield f"{'#':>6}  {'prompt':{_PROMPT}}  answers  pairs  {'state':{_STATE}}".rstrip()
    for story in stories:
        counts = f"{len(story.answers):>7}  {len(story.pairs):>5}"
        state = _fitted(_state(story, is_done=is_done), _STATE)
        yield f"{story.number:>6}  {_fitted(story.text, _PROMPT)}  {counts}  {state}".rstrip()


def _fitted(text: str, width: int) -> str:
    """Return the beginning of a text in exactly so many columns."""
    words = " ".join(text[: 10 * width].split())
    lines = wrapped(words, width=width)
    shown = lines[0] if len(lines) == 1 else wrapped(words, width=width - 1)[0] + "…"
    return shown + " " * (width - measure_width(shown))


def _state(story: PromptStory, *, is_done: bool) -> str:
    """Return what is worth a look: disagreement first, then what did not end well."""
    flags = list_flags(story)
    if flags or story.pairs:
        return " ".join(flags)
    if story.endings:
        return story.endings[0].partition(":")[0]
    if any(comparison.decided_by and comparison.preferred is None for comparison in story.comparisons):
        return "tie"
    return "" if story.answers else "no answers" if is_done else "no answers yet"


def list_flags(record: PromptStory | ComparisonView) -> list[str]:
    return [name for name in ("disputed", "flipped", "invalid", "unsolved") if getattr(record, name, False)]


def story_lines(story: PromptStory, *, total: int, has_dataset: bool) -> Iterator[str]:
    """Yield the whole story of a prompt. `total` is the number of the run's own prompts; `has_dataset` says that pairs
    have been made, so that a missing one is none."""
    items = f"item {', '.join(story.items)}" if story.items else None
    facts = ", ".join(fact for fact in (items, story.category, story.split) if fact)
    of = f", mixed in from {story.mixed_from}" if story.mixed_from else f" of {total:,}"
    yield from _heading(f"Prompt {story.number:,}{of}{f' ({facts})' if facts else ''}, {story.id}")
    yield from _indented(story.text)
    if story.known_answer is not None:
        yield from _indented(f"known answer: {story.known_answer}", by=2)
    if by := describe_generation(story):
        yield from _indented(by, by=2)
    for answer in story.answers:
        yield ""
        yield from _heading(describe_writing(answer))
        yield from _indented(answer.text)
        for verifier in answer.verifiers:
            yield from _indented(describe_outcome(verifier), by=2)
        for critique in story.critiques:
            if critique.answer == answer.number:
                yield ""
                yield from _heading(f"Critique of answer {answer.number}{_by(critique.principle_ids)}")
                yield from _indented(critique.text)
    for comparison in story.comparisons:
        yield ""
        yield from _comparison_lines(comparison)
    is_without = has_dataset and not story.pairs
    if is_without or story.unpaired:
        yield ""
        yield "No pair of these answers is in the dataset" if is_without else "Without a pair"
        for reason in story.unpaired:
            yield from _indented(reason)
    if story.endings:
        yield ""
        yield "Not done"
        for ending in story.endings:
            yield from _indented(ending)


def reply_lines(stage: str, replies: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield the newest replies of a stage that has not ended."""
    yield from _heading(f"{stage} has not ended, so it is not yet known which replies can be read. The last ones:")
    for request, text in replies:
        yield f"  {request}"
        yield from _indented(text)


def describe_writing(answer: AnswerView) -> str:
    """Return the heading of an answer: how it came to be, and what it is cut by."""
    how = f"{answer.kind}{_drawn(answer) if answer.drawn_for else _by(answer.principle_ids)}"
    facts = [
        *([f"by {answer.model.partition('@s2:')[0]}"] if answer.model and answer.kind != "revision" else []),
        *([f"round {answer.round}"] if answer.round > 1 else []),
        *(["with the known answer as a hint"] if answer.has_hint else []),
        *(["cut off at its token limit"] if answer.is_truncated else []),
    ]
    return f"Answer {answer.number}: {how}{''.join(f', {fact}' for fact in facts)}"


def describe_outcome(verifier: VerifierView) -> str:
    """Say what a verifier says of an answer, such as `verify/math: passes`."""
    outcome = {True: "passes", False: "fails", None: f"not checked: {verifier.reason}"}[verifier.passes]
    return f"{verifier.name}: {outcome}{' (only recorded)' if verifier.effect == 'record' else ''}"


def describe_generation(story: PromptStory) -> str:
    """Say who wrote a generated prompt, and from which prompts; empty for others."""
    if story.generated_by is None:
        return ""
    noun = "prompt" if len(story.parents) == 1 else "prompts"
    numbers = ", ".join(map(str, story.parents))
    shown = [f"{noun} {numbers}"] if numbers else []
    left_out = len(story.parent_ids) - len(story.parents)
    shown += [f"{left_out} prompt{'s' * (left_out > 1)} that cleaning left out"] if left_out else []
    return f"written by {story.generated_by} from {' and '.join(shown)}"


def _drawn(answer: AnswerView) -> str:
    names = ", ".join(answer.principle_ids)
    if not names:
        return f" as the {answer.drawn_for} answer"
    return f" under {'the opposite of ' if answer.drawn_for == 'worse' else ''}{names}"


def _by(principle_ids: Iterable[str]) -> str:
    names = ", ".join(principle_ids)
    return f" by {names}" if names else ""


def _comparison_lines(comparison: ComparisonView) -> Iterator[str]:
    first, second = comparison.answers
    flags = list_flags(comparison)
    yield from _heading(f"Answers {first} and {second}{': ' if flags else ''}{', '.join(flags)}")
    for (rater, principle), group in groupby(comparison.verdicts, key=lambda row: (row.rater, row.principle_id)):
        who = f"{rater}{f' by {principle}' if principle else ''}"
        verdicts = list(group)
        is_inline = len(verdicts) == 1
        if not is_inline:
            yield from _indented(who, by=2)
        for verdict in verdicts:
            saw = describe_view(verdict)
            says = describe_verdict(verdict)
            line = f"{saw}: {says}" if saw else says
            named = f"{who}{' ' if saw else ': '}{line}"
            yield from _indented(named if is_inline else line, by=2 if is_inline else 4)
            if verdict.reasoning:
                yield from _indented(verdict.reasoning, by=6 if is_inline else 8)
    if comparison.sealed:
        noun = "label" if comparison.sealed == 1 else "labels"
        yield f"  {comparison.sealed} sealed {noun}: for the certificate alone, and not shown"
    if comparison.ending:
        yield from _indented(f"no verdict: {comparison.ending}", by=2)
    if comparison.verdicts or comparison.p is not None:
        yield from _indented(describe_label(comparison), by=2)
    if confirmed := describe_confirmation(comparison):
        yield from _indented(confirmed, by=2)
    if comparison.pair:
        yield from _indented(describe_pair(comparison.pair), by=2)


def describe_view(verdict: VerdictView) -> str:
    """Return how the rater saw the answers; empty where that is not on record."""
    if not verdict.shown or not verdict.is_order_known:
        return ""
    return f"saw {verdict.shown[0]} {'alone' if len(verdict.shown) == 1 else 'first'}"


def describe_verdict(verdict: VerdictView) -> str:
    """Return the verdict in words."""
    facts = [
        verdict.outcome if verdict.preferred is None else f"{verdict.preferred} is better",
        *([] if verdict.p_first in _CERTAIN else [f"P = {_p_preferred(verdict):.2f}"]),
        *([_confidence(verdict)] if verdict.confidence is not None else []),
        *([f"sample {verdict.sample + 1}"] if verdict.sample and verdict.rater_kind == "model" else []),
        *(["shown once more"] if verdict.sample and verdict.rater_kind == "person" else []),
        *([] if verdict.is_order_known else ["order not on record"]),
    ]
    return ", ".join(facts)


def _p_preferred(verdict: VerdictView) -> float:
    """P(the preferred answer is better); of a tie that of the answer shown first."""
    p = verdict.p_first or 0.0
    return p if verdict.preferred in (None, verdict.shown[0]) else 1 - p


def _confidence(verdict: VerdictView) -> str:
    """In the words of the labelling page, or as a number."""
    thirds = 3 * (verdict.confidence or 0.0)
    is_label = verdict.rater_kind == "person" and abs(thirds - round(thirds)) < 0.01
    return _CONFIDENCE.get(round(thirds) if is_label else 0, f"confidence {verdict.confidence:.2f}")


def describe_label(comparison: ComparisonView) -> str:
    """Say what the verdicts come to."""
    if comparison.p is None:
        is_read = comparison.invalid < len(comparison.verdicts)
        why = "an order could not be read" if is_read else "no verdict could be read"
        return f"label: none, since {'the orders disagree' if comparison.consistent is False else why}"
    orders = {True: ", both orders agree", False: ", the orders disagree", None: ""}[comparison.consistent]
    by = "" if comparison.pair or not comparison.decided_by else f", decided by {DECIDERS[comparison.decided_by]}"
    by += _decisive(comparison.decisive) if by else ""
    first, second = comparison.answers
    better, p = (second, 1 - comparison.p) if comparison.p < 0.5 else (first, comparison.p)
    name = "the judge's label, not used" if _is_decided_elsewhere(comparison) else "label"
    result = "a tie" if p == 0.5 else "undecided" if f"{p:.2f}" == "0.50" else f"{better} is better"
    return f"{name}: {result}, P = {p:.2f}{orders}{by}"


def _is_decided_elsewhere(comparison: ComparisonView) -> bool:
    """Return True if a check, construction, or a judge that confirmed it where it was drawn decided the pair."""
    pair = comparison.pair
    if pair is None or pair.decided_by != "judge":
        return pair is not None and pair.decided_by in ("verifier", "construction")
    return bool(pair.raters) and not {verdict.rater for verdict in comparison.verdicts} & {*pair.raters}


def describe_confirmation(comparison: ComparisonView) -> str:
    """Return the verdict of the judge that confirmed a pair where it was drawn; empty where there is none."""
    pair = comparison.pair
    if pair is None or pair.decided_by != "judge" or not _is_decided_elsewhere(comparison):
        return ""
    by = f" by {pair.decisive}" if pair.decisive else ""
    return f"{', '.join(pair.raters)}{by}: {pair.chosen} is better, P = {pair.p_chosen_raw:.2f}"


def _decisive(principle: str | None) -> str:
    return f" ({principle})" if principle else ""


def describe_pair(pair: PairView) -> str:
    """Return the pair as training sees it."""
    named = ", ".join(pair.raters) if pair.decided_by == "person" or len(pair.raters) == 1 else ""
    named = "" if named == RATER else named
    facts = [
        f"{pair.chosen} chosen, {pair.rejected} rejected, P = {pair.p_chosen:.2f}",
        *([f"raw {pair.p_chosen_raw:.2f}"] if pair.p_chosen_raw != pair.p_chosen else []),
        *([] if pair.p_chosen_calibrated is None else [f"calibrated {pair.p_chosen_calibrated:.2f}"]),
        f"decided by {named or DECIDERS[pair.decided_by]}{_decisive(pair.decisive)}",
        pair.split,
        *([f"round {pair.round}"] if pair.round > 1 else []),
    ]
    return f"pair: {', '.join(facts)}"


def _heading(text: str) -> Iterator[str]:
    first, *more = wrapped(" ".join(text.split()), width=COLUMNS)
    yield first
    yield from (f"  {line}" for rest in more for line in wrapped(rest, width=COLUMNS - 2))


def _indented(text: str, *, by: int = 4) -> Iterator[str]:
    yield from ((" " * by + line).rstrip() for line in wrapped(text, width=COLUMNS - by))
