"""What to do with a pair whose two orders disagree, by the held-out accuracy of what is trained on the labels.

    python benchmarks/disagreement.py rules [DATA] [--seeds 20] [--cache FOLDER]
    python benchmarks/disagreement.py gate

rules: every rule gets the same pairs of the same judge, asked in both orders, so all cost the same calls; a rule that
drops pairs trains on fewer. What is trained is a linear head with a ridge that five folds of its own labels choose. In
the simulator the pairs are new with each seed and the truth decides who is right; a head there counts words. In PandaLM
and LLMBar people decide, each seed is another split by prompt (two thirds train), and the head reads length and
sentence embeddings of all-minilm-l6-v2. Intervals are 95 %, Student's t over seeds, of the difference from `mean,
hard`; splits of the same pairs overlap, so that theirs are too narrow for a claim about other data.

Judges of it: simulated ones with a growing position bias, by P of label tokens and by three written verdicts an order;
GPT-3.5's verdicts on PandaLM, which are on record in one order, so that a position bias and noise of each look are
added to them; and the recorded judges of LLMBar in both orders, P being the share of their ways of asking.

DATA holds the folders `pandalm` (data of WeOpenML/PandaLM, Apache-2.0) and `llmbar` (the adversarial sets and
verdicts.csv.gz of princeton-nlp/LLMBar, MIT); without it only the simulator is measured.

gate: how often the certificate's gate `order` fails simulated judges, by position bias and the number of comparisons
that were asked in both orders. A judge that fails it trains no model unless the run file says so.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from judging_recorded import read_runs
from judging_world import Case, Looks, cases, drawn, looks, over_seeds, right, seeded, table
from real_text_data import TextPair, load_pairs, split_by_group
from real_text_features import cached
from real_text_heads import Floats, Labelled, components, fit_head

from amendment.audit.gates import order_ruling
from amendment.audit.position import position
from amendment.audit.votes import ComparisonInfo, Vote, audit_data
from amendment.llm.embeddings import SENTENCE_MODEL, Embeddings
from amendment.simulator import Persona, banner
from amendment.statistics import Resampling

TRAIN, TEST = 400, 1000
"""Pairs of a seed of the simulator."""
COMPONENTS = 64
SAMPLES = 3
"""Written verdicts of an order."""
BIASES = (0.0, 1.0, 2.0, 6.0)
"""Of a judge, in log-odds for the answer shown first."""
SURE = 2.0
"""Log-odds of GPT-3.5's recorded verdict, before position bias and noise."""
MARGIN = 0.1
LENGTH = "#"
SIZES = (30, 60, 150, 500)
"""Comparisons that were asked in both orders."""
RUNS = 200
TODAY = "mean, hard"


class Judged(NamedTuple):
    """Pairs, what a judge says of them, and who is right."""

    x: Floats
    """Features of a less those of b; the first is length."""
    a_first: Floats
    """P(a is better) with a shown first."""
    b_first: Floats
    is_a: Floats
    """1 where a is better, 0 where b is."""
    groups: Sequence[str]
    train: int
    """Pairs that train, the first ones; the rest measures."""

    @property
    def agree(self) -> Floats:
        return np.sign(self.a_first - 0.5) == np.sign(self.b_first - 0.5)

    @property
    def mean(self) -> Floats:
        return np.round((self.a_first + self.b_first) / 2, 12)  # sums of shares come to one half


class Rule(NamedTuple):
    """Which pairs are trained on, and how."""

    is_kept: Callable[[Judged], Any]
    target: Callable[[Floats], Floats]
    weight: Callable[[Floats], Floats] = np.ones_like


def _hard(p: Floats) -> Floats:
    return (p > 0.5).astype(np.float64)


def _soft(p: Floats) -> Floats:
    return p


def _margin(p: Floats) -> Floats:
    return np.abs(2 * p - 1)


def _decided(judged: Judged) -> Any:
    return judged.mean != 0.5


RULES: Mapping[str, Rule] = {
    TODAY: Rule(_decided, _hard),
    "mean, soft": Rule(_decided, _soft),
    "mean, soft, ties kept": Rule(lambda judged: judged.mean == judged.mean, _soft),
    "mean, hard, weight 2P - 1": Rule(_decided, _hard, _margin),
    f"min_margin {MARGIN}, hard": Rule(lambda judged: _margin(judged.mean) >= MARGIN, _hard),
    "tie or drop, hard": Rule(lambda judged: _decided(judged) & judged.agree, _hard),
    "tie or drop, soft": Rule(lambda judged: _decided(judged) & judged.agree, _soft),
}
"""By `disagreement` and `labels`; a tie is dropped unless the name says otherwise."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["rules", "gate"])
    parser.add_argument("data", type=Path, metavar="DATA", nargs="?")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "amendment" / "real-text")
    options = parser.parse_args()
    print(f"> {banner('all prompts, answers and labels')}")
    if options.part == "gate":
        _gate()
        return
    judges = dict(_simulated())
    if options.data:
        judges |= dict([*_pandalm(options.data, options.cache), *_llmbar(options.data, options.cache)])
    found = {name: [_measured(judged(seed), seed) for seed in range(options.seeds)] for name, judged in judges.items()}
    _show(found, options.seeds)


def _measured(judged: Judged, seed: int) -> dict[str, float]:
    """The held-out accuracy of each rule; a rule that keeps no pair is a coin."""
    train, rest = slice(0, judged.train), slice(judged.train, None)
    mean, agree = judged.mean[train], judged.agree[train]
    length, texts = judged.x[:, :1], judged.x[:, 1:]
    x = np.hstack([length / length[train].std(), components(texts, range(judged.train), COMPONENTS)])
    right = np.where(mean == 0.5, 0.5, (mean > 0.5) == judged.is_a[train])
    found = {"orders agree": float(agree.mean()), "right": float(right.mean())}
    for name, rule in RULES.items():
        kept = np.flatnonzero(rule.is_kept(judged)[train]).tolist()
        found[name] = 0.5
        if len(kept) > COMPONENTS // 10:
            p = judged.mean[kept]
            labelled = Labelled(x[kept], rule.target(p), rule.weight(p) / rule.weight(p).mean())
            head = fit_head(None, labelled, [judged.groups[row] for row in kept], seed).head
            found[name] = float(((x[rest] @ head.weights > 0) == judged.is_a[rest]).mean())
    return found


def _show(found: Mapping[str, Sequence[Mapping[str, float]]], seeds: int) -> None:
    others = [name for name in RULES if name != TODAY]
    rows = []
    for judge, values in found.items():
        shown = [f"{np.mean([one[name] for one in values]):.2f}" for name in ("orders agree", "right")]
        gains = [over_seeds([one[name] - one[TODAY] for one in values]) for name in others]
        rows.append([judge, *shown, over_seeds([one[TODAY] for one in values]), *gains])
    head = ("judge", "orders agree", "labels right", f"accuracy: {TODAY}", *others)
    table(f"Held-out accuracy, and how far other rules lie from {TODAY}; {seeds} seeds", head, rows)


# The simulator

Judges = Iterator[tuple[str, Callable[[int], Judged]]]


def _simulated() -> Judges:
    for bias in BIASES:
        persona = Persona(biases={"position": bias}, pair_noise=1.0, sharpness=2.0 if bias < BIASES[-1] else 1.0)
        for is_written in (False, True):
            name = f"simulator, bias {bias:g}, {f'{SAMPLES} verdicts' if is_written else 'P of labels'}"
            yield name, partial(_of_world, persona, is_written)


def _of_world(persona: Persona, is_written: bool, seed: int) -> Judged:
    found, rng = cases(TRAIN + TEST, seed), seeded(f"disagreement {seed}")
    seen = [looks(case, persona, rng, drawn(1, seed, i)) for i, case in enumerate(found[:TRAIN])]
    sides = (np.array([getattr(one, side) for one in seen] + [0.5] * TEST) for side in ("a_first", "b_first"))
    a_first, b_first = (_written(p, seed) if is_written else p for p in sides)
    is_a = np.array([case.is_a for case in found], np.float64)
    return Judged(_words(found), a_first, b_first, is_a, [case.prompt for case in found], TRAIN)


def _words(found: Sequence[Case]) -> Floats:
    """How many words a has more than b, how many of each, and how many of them the prompt says too."""
    counts = []
    for case in found:
        one: Counter[str] = Counter()
        for text, sign in ((case.a, 1), (case.b, -1)):
            words = text.split()
            for word in [*words, *(LENGTH for _ in words), *("in prompt" for word in words if word in case.prompt)]:
                one[word] += sign
        counts.append(one)
    often = Counter(word for one in counts for word in one)
    names = [LENGTH, *sorted(word for word, count in often.items() if count >= 10 and word != LENGTH)]
    return np.array([[float(one[name]) for name in names] for one in counts])


def _written(p: Floats, seed: int) -> Floats:
    """The share of so many written verdicts."""
    shares: Floats = np.random.default_rng(seed).binomial(SAMPLES, p) / SAMPLES
    return shares


# People's labels


def _pandalm(data: Path, cache: Path) -> Judges:
    pairs, rows = load_pairs("pandalm", data), json.loads((data / "pandalm" / "testset-v1.json").read_text("utf-8"))
    said = {
        one["idx"]: one["gpt_result"]
        for one in json.loads((data / "pandalm" / "gpt-3.5-turbo-testset-v1.json").read_text("utf-8"))
    }
    x = _embedded("pandalm", pairs, cache)
    sides = {(str(row["response1"]) or " ", str(row["response2"]) or " "): said[row["idx"]] for row in rows}
    prefers = [_for_chosen(pair, sides) for pair in pairs]
    for bias in BIASES[1:]:
        for is_written in (False, True):
            name = f"PandaLM, GPT-3.5 with bias {bias:g}, {f'{SAMPLES} verdicts' if is_written else 'P of labels'}"

            def judged(seed: int, bias: float = bias, is_written: bool = is_written) -> Judged:
                rng = np.random.default_rng(seed)
                p = [
                    1 / (1 + np.exp(-(SURE * np.array(prefers) + way * bias + rng.normal(size=len(pairs)))))
                    for way in (1, -1)
                ]
                a_first, b_first = (_written(one, seed) if is_written else one for one in p)
                return _split(pairs, x, a_first, b_first, seed)

            yield name, judged


def _for_chosen(pair: TextPair, sides: Mapping[tuple[str, str], str]) -> float:
    """1 where the recorded judge prefers the answer that people prefer, -1 where the other, else 0."""
    for shown, way in (((pair.chosen, pair.rejected), 1.0), ((pair.rejected, pair.chosen), -1.0)):
        if shown in sides:
            return way * {"1": 1.0, "2": -1.0}.get(sides[shown], 0.0)
    raise SystemExit("PandaLM: a pair without a recorded verdict")


def _llmbar(data: Path, cache: Path) -> Judges:
    pairs, (runs, subsets) = load_pairs("llmbar", data), read_runs(data / "llmbar" / "verdicts.csv.gz")
    has_text = np.array(["Adversarial" in subset for subset in subsets])
    if int(has_text.sum()) != len(pairs):
        raise SystemExit(f"LLMBar: {len(pairs)} pairs with text, {int(has_text.sum())} with verdicts")
    x = _embedded("llmbar", pairs, cache)
    for model in sorted({run.model for run in runs}):
        own = [run for run in runs if run.model == model]
        one, other = (np.mean([getattr(run, order)[has_text] for run in own], 0) for order in ("one", "other"))
        yield f"LLMBar, {model}, {len(own)} ways", partial(_split, pairs, x, one, other)


def _split(pairs: Sequence[TextPair], x: Floats, a_first: Floats, b_first: Floats, seed: int) -> Judged:
    """Two thirds train, the rest measures; which answer is called a is drawn."""
    train, rest = split_by_group([pair.group for pair in pairs], (round(len(pairs) * 2 / 3),), seed)
    rows = np.array([*train, *rest])
    is_a = np.random.default_rng(seed).integers(0, 2, len(rows)).astype(np.float64)
    sign = 2 * is_a - 1
    first, second = (np.where(is_a == 1, p[rows], 1 - p[rows]) for p in (a_first, b_first))
    return Judged(x[rows] * sign[:, None], first, second, is_a, [pairs[row].group for row in rows], len(train))


def _embedded(dataset: str, pairs: Sequence[TextPair], cache: Path) -> Floats:
    """Chosen less rejected: log length, embeddings, and the same times the prompt's."""
    loaded: list[Embeddings] = []

    def compute(part: Sequence[TextPair]) -> Any:
        model = loaded[0] if loaded else Embeddings.load(SENTENCE_MODEL)
        loaded[:] = [model]
        prompts = model.embed([pair.group for pair in part])
        sides = [[getattr(pair, side) or " " for pair in part] for side in ("chosen", "rejected")]
        (one, other), lengths = map(model.embed, sides), [np.log([[len(text)] for text in side]) for side in sides]
        return np.hstack([lengths[0] - lengths[1], one - other, prompts * (one - other)])

    return np.asarray(cached(cache / f"{dataset}-{SENTENCE_MODEL}.npy", pairs, compute), np.float64)


# The gate


def _gate() -> None:
    """The share of runs whose judge fails `order`, and how often its orders agree in the long run."""
    rows = []
    for bias in (0.0, 0.5, 1.0, 2.0):
        for noise in (0.5, 1.0, 2.0):
            persona, rng = Persona(biases={"position": bias}, noise=noise), seeded(f"gate {bias} {noise}")
            found = cases(4 * max(SIZES), 0)
            seen = [looks(case, persona, rng, drawn(1, 0, i)) for i, case in enumerate(found)]
            hits = np.mean([right(one.mean, case.is_a) for one, case in zip(seen, found, strict=True)])
            agree = np.mean([one.is_consistent for one in seen])
            failed = [np.mean([_fails(rng.sample(seen, size)) for _ in range(RUNS)]) for size in SIZES]
            rows.append([bias, noise, f"{agree:.2f}", f"{hits:.2f}", *(f"{100 * share:.1f} %" for share in failed)])
    head = ("position bias", "noise of a look", "orders agree", "labels right", *(f"fails, {n}" for n in SIZES))
    table(f"How often the gate `order` fails, {RUNS} runs each, by the number of comparisons", head, rows)


def _fails(seen: Sequence[Looks]) -> bool:
    votes = [
        vote
        for i, one in enumerate(seen)
        for vote in (
            Vote(str(i), "judge", "model", "A" if one.a_first > 0.5 else "B", "A", one.a_first),
            Vote(str(i), "judge", "model", "A" if one.b_first > 0.5 else "B", "B", one.b_first),
        )
    ]
    data = audit_data({str(i): ComparisonInfo(prompt=str(i)) for i in range(len(seen))}, votes)
    ((judge, _),) = data.judges
    outcome, _ = order_ruling(position(data, data.calls.of(judge), Resampling(draws=1)))
    return outcome == "FAIL"


if __name__ == "__main__":
    main()
