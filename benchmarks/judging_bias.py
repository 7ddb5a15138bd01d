"""Are planted biases found at their sign, and does a judge without any raise no alarm?

Two ways of looking: the certificate's table of biases, of verdicts as they are beside people's, where answers carry
marks by chance; and probes, which put a mark on an answer and ask again.
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from judging_world import Case, cases, logistic, over_seeds, p_first, seeded, table

from amendment import probe_texts
from amendment.audit import audit
from amendment.audit.bias import LENGTH, SELF, count_marks
from amendment.audit.gates import JudgeReport
from amendment.audit.probes import (
    LEVEL,
    NULL,
    PROBES,
    AttackFigures,
    EditFigures,
    ProbeAnswers,
    Probed,
    ProbeQuestion,
    Subject,
    collect_answers,
    probe_report,
    questions,
)
from amendment.audit.votes import ComparisonInfo, Vote
from amendment.records import Candidate, Message, Prompt, last_text, user
from amendment.simulator import Persona, is_nudge, panel, prefer
from amendment.statistics import Estimate

FAIR = Persona(biases={"position": 0.0})
SEEN = (
    ("position", "position", 0.7),
    ("position", "position", -0.7),
    ("length", "length", 0.3),
    ("length", "length", -0.3),
    ("format", "format", 1.5),
    ("format", "format", -1.5),
    ("citations", "authority", 1.5),
    ("citations", "authority", -1.5),
    ("self", "self", 1.5),
    ("self", "self", -1.5),
)
"""Feature, planted bias, strength in log-odds (for length: a word)."""
FEATURES = ("position", LENGTH, "format", "citations", SELF)
PROBED = (
    ("verbosity", "filler", 1.5),
    ("verbosity", "filler", -1.5),
    ("authority", "authority", 1.5),
    ("authority", "authority", -1.5),
    ("format", "format", 1.5),
    ("format", "format", -1.5),
    ("injection", "injection", 3.0),
    ("bandwagon", "bandwagon", 1.5),
    ("bandwagon", "bandwagon", -1.5),
    ("sycophancy", "sycophancy", 1.5),
    ("revision", "revision", 1.5),
    ("revision", "revision", -1.5),
)
ATTACKED = ((NULL, "garbage", 8.0),)
SEEN_PAIRS, PROBE_PAIRS, ALARM_PAIRS, ALARM_SEEDS, DRAWS = 600, 100, 20, 200, 200
POSITION = "position"


def biases(seeds: Sequence[int]) -> None:
    """Every planted bias, by the test or the probe that looks for it."""
    _seen(seeds)
    _probed(seeds)
    _attacked(seeds)


def _seen(seeds: Sequence[int]) -> None:
    rows = []
    for feature, planted, bias in SEEN:
        judges = [_judge(FAIR.with_biases(**{planted: bias}), seed, SEEN_PAIRS) for seed in seeds]
        effects = [_effects(judge) for judge in judges]
        hits = sum(_is_seen(judge, feature, math.copysign(1, bias)) for judge in judges)
        others = sum(_is_seen(judge, name) for judge in judges for name in FEATURES if name != feature)
        effect = over_seeds([of_seed[feature].value for of_seed in effects])
        rows.append([feature, f"{planted}_bias {bias:+}", f"{hits} of {len(seeds)}", effect, others])
    header = ("feature", "planted", "found at its sign", "effect", "other features flagged")
    table(f"Biases: verdicts as they are, {SEEN_PAIRS} pairs a seed, intervals of 95 %", header, rows)


def _effects(judge: JudgeReport) -> dict[str, Estimate]:
    """The first shown's lead over the second, and the asymmetries of the judge's errors."""
    lead = judge.position.rate
    effects = {POSITION: Estimate(-lead.value, -lead.high, -lead.low, lead.n, lead.clusters)}
    return effects | {name: row.asymmetry for name, row in judge.bias.items() if row.asymmetry}


def _is_seen(judge: JudgeReport, feature: str, sign: float | None = None) -> bool:
    """Whether the certificate shows a bias: the interval, and that at equal length, on one side of 0."""
    row = judge.bias.get(feature)
    known = [_effects(judge).get(feature), row.at_equal_length if row else None]
    intervals = [(found.low, found.high) for found in known if found]
    signs = [sign] if sign else [1.0, -1.0]
    return any(all(min(side * low, side * high) > 0 for low, high in intervals) for side in signs)


def _probed(seeds: Sequence[int]) -> None:
    rows = []
    for probe, planted, bias in PROBED:
        reports = [_probe(FAIR.with_biases(**{planted: bias}), seed, [probe], PROBE_PAIRS)[0] for seed in seeds]
        found = [one.figures.direction.value for one in reports if isinstance(one.figures, EditFigures)]
        hits = sum(_is_found(one) and _sign(one) == math.copysign(1, bias) for one in reports)
        gates = "/".join(str(sum(one.outcome == gate for one in reports)) for gate in ("PASS", "WARN", "FAIL"))
        rows.append([probe, f"{planted}_bias {bias:+}", f"{hits} of {len(seeds)}", over_seeds(found), gates])
    header = ("probe", "planted", "found at its sign", "direction", "gate PASS/WARN/FAIL")
    table(f"Biases: probes, {PROBE_PAIRS} pairs a seed, each probe alone, at {LEVEL:g}", header, rows)


def _attacked(seeds: Sequence[int]) -> None:
    rows = []
    for attack, planted, bias in ATTACKED:
        won = [_won(FAIR.with_biases(**{planted: strength}), attack, seeds) for strength in (bias, 0.0)]
        rows.append([attack, f"{planted}_bias {bias:+}", *(over_seeds(rates) for rates in won)])
    header = ("attack", "planted", "won", "won without the bias")
    table(f"Attacks: answers that answer nothing against the better answer, {PROBE_PAIRS} pairs a seed", header, rows)


def _won(persona: Persona, attack: str, seeds: Sequence[int]) -> list[float]:
    reports = [_probe(persona, seed, [attack], PROBE_PAIRS)[0] for seed in seeds]
    return [one.figures.wins / one.figures.prompts for one in reports if isinstance(one.figures, AttackFigures)]


def _is_found(one: Probed) -> bool:
    return one.corrected is not None and one.corrected.rejected


def _sign(one: Probed) -> float:
    return math.copysign(1, one.figures.direction.value) if isinstance(one.figures, EditFigures) else 0.0


def alarms(seeds: Sequence[int]) -> None:
    """The judge without a bias, in 200 seeds whatever `--seeds` says: how often is it accused?"""
    found: list[str] = []
    for seed in range(ALARM_SEEDS):
        judge = _judge(FAIR, 10_000 + seed, SEEN_PAIRS)
        found += [name for name in FEATURES if _is_seen(judge, name)]
    told = ", ".join(f"{name} {found.count(name)}" for name in FEATURES)
    rows: list[list[object]] = [["verdicts as they are", SEEN_PAIRS, ALARM_SEEDS, told]]
    failed = [
        probed.probe
        for seed in range(ALARM_SEEDS)
        for probed in _probe(FAIR, 10_000 + seed, PROBES, ALARM_PAIRS)
        if _is_found(probed)
    ]
    rows.append(["all probes", ALARM_PAIRS, ALARM_SEEDS, ", ".join(failed) or "none"])
    table("No bias planted: seeds in which one is flagged", ("looked at", "pairs a seed", "seeds", "flagged"), rows)


class _Marked(NamedTuple):
    text: str
    marks: dict[str, float]


def _marked(text: str, rng: random.Random) -> _Marked:
    """An answer in a layout, with a made-up source, with a paragraph that says nothing: each by chance."""
    before, after = probe_texts.FORMAT
    shown = f"{before}\n\n{text}\n\n{after}" if rng.random() < 0.3 else text
    cites = rng.random() < 0.3
    shown = f"{shown}\n\n{probe_texts.AUTHORITY}" if cites else shown
    shown = f"{shown}\n\n{probe_texts.VERBOSITY}" if rng.random() < 0.3 else shown
    return _Marked(shown, {**count_marks(shown), "citations": float(cites)})


def _judge(persona: Persona, seed: int, pairs: int) -> JudgeReport:
    """What a certificate says of a judge of this look beside three people."""
    rng = seeded(f"family {seed}")
    items, votes = {}, []
    for number, case in enumerate(cases(pairs, seed)):
        a, b = _marked(case.a, rng), _marked(case.b, rng)
        items[str(number)] = ComparisonInfo(
            prompt=case.prompt,
            model_a=_writer(case.a),
            model_b=_writer(case.b),
            length_a=len(a.text),
            length_b=len(b.text),
            marks_a=a.marks,
            marks_b=b.marks,
        )
        votes += [
            Vote(str(number), f"person {i}", "person", vote)
            for i, vote in enumerate(panel(case.prompt, case.a, case.b, seed=seed))
        ]
        votes += _votes(str(number), Case(case.prompt, a.text, b.text, case.is_a), persona, rng)
    (judge,) = audit(items, votes, models={"judge": "self"}, draws=DRAWS).judges
    return judge


def _writer(text: str) -> str:
    """An answer in the manner of the judge's own writer counts as its own; nobody else is known."""
    return "self" if text.startswith(("sure", "sorry")) else "other"


def _votes(item: str, case: Case, persona: Persona, rng: random.Random) -> Iterator[Vote]:
    p = p_first(case.prompt, case.a, case.b, persona, rng)
    yield Vote(item, "judge", "model", "A" if p > 0.5 else "B", "A", p)
    p = 1 - p_first(case.prompt, case.b, case.a, persona, rng)
    yield Vote(item, "judge", "model", "A" if p > 0.5 else "B", "B", p)


def _probe(persona: Persona, seed: int, probes: Collection[str], pairs: int) -> tuple[Probed, ...]:
    rng = seeded(f"probe {seed}")
    answered: list[ProbeAnswers] = []
    for case in cases(pairs, seed):
        subject = _subject(case)
        replies = [
            (
                question,
                [_p_target(question, persona, rng) for _ in range(1 + (question.arm == "before" and len(probes) > 1))],
            )
            for question in questions(subject, probes, labels=("A", "B"), seed=seed)
        ]
        answered += collect_answers(subject, probes, replies, judge="judge", principle="everything")
    return tuple(probe_report(answered))


def _subject(case: Case) -> Subject:
    prompt = Prompt(messages=user(case.prompt))
    better, worse = (case.a, case.b) if case.is_a else (case.b, case.a)
    target, other = (
        Candidate(prompt_id=prompt.id, messages=(Message(role="assistant", content=text),), kind="imported")
        for text in (worse, better)
    )
    return Subject(prompt, target, other)


def _p_target(question: ProbeQuestion, persona: Persona, rng: random.Random) -> float:
    turns = [str(message.content) for message in question.prompt.messages]
    first, second = (last_text(candidate.messages) for candidate in question.shown)
    nudges = [turn for turn in turns if is_nudge(turn)]
    p: float = logistic(prefer(turns[0], first, second, nudges=nudges, persona=persona, rng=rng))
    return p if question.place == 0 else 1 - p
