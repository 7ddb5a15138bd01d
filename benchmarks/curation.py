"""Collapse over eight rounds, label errors with and without verifiers, and picking sources, all with known truth.

    python benchmarks/curation.py [--seeds 3] [--parts collapse,verifiers,mixing]

collapse: a trigram model learns 1,500 documents of people, writes 1,500, learns from those by one of five policies, and
so on. Documents are Lilliput's answers with a name out of 400 whose frequencies fall like 1 / rank, so that there is a
tail to lose. The gate compares each round with round 0, and predicts held-out documents of people.
verifiers: labels of a noisy judge on questions that have an answer, and those of which code decides what it can.
mixing: a linear reward model on hashed words, trained on pairs of one source at a time, then on the mixes that
`picked` names; all trainings of a mix have equally many pairs and steps.

Not covered: language models. A trigram model cannot generalise, and no judge selects what the next round learns.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from math import log
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
from judging_world import LEAST_GAP, WRITERS, drawn, looks, over_seeds, right, seeded, table
from judging_world import Case as JudgedCase
from numpy.typing import NDArray

from amendment.curation import collapse_gates, measure_diversity
from amendment.curation.measures import hashed_features, tail_coverage, tail_words
from amendment.simulator import ATTRIBUTES, Persona, draft, sample_prompts, truth

ROUNDS, DOCUMENTS = 8, 1500
NAMES = [f"{a}{b}{c}" for a in "bdfgklmn" for b in "aeiou" for c in "blmnprstvz"]
"""400, from the most frequent to the rarest."""
TRIGRAMS = 0.8
"""The share of words that are drawn by the two words before them; the others by one."""
SINGLE, UNIFORM = 0.05, 0.01
"""What is mixed into a model's probabilities where it is measured: of single words' shares, and of all words alike."""
POLICIES = ("replace", "keep 10 %", "fresh 25 %", "accumulate, 1,500 of all", "accumulate")
CURVES = ("distinct-2", "compression ratio", "self-repetition", "Vendi score", "tail coverage", "cross-entropy")
PAIRS, PILOT, TESTED = 800, 400, 600
NOISY = Persona(sharpness=2.0, pair_noise=2.0)


# Collapse


class Mixture:
    """A model that draws each word by the two words before it, or by one, as often as they followed."""

    def __init__(self, documents: Sequence[Sequence[str]]) -> None:
        self._after: Mapping[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        for document in documents:
            line = ["", "", *document, "\n"]
            for first, second, word in zip(line, line[1:], line[2:], strict=False):
                self._after[first, second][word] += 1
                self._after[second,][word] += 1
        self._drawn = {context: ([*counts], [*accumulate(counts.values())]) for context, counts in self._after.items()}

    def cross_entropy(self, documents: Sequence[Sequence[str]], vocabulary: int) -> float:
        """Nats a word of documents, whose different words are `vocabulary`."""
        singles: Counter[str] = Counter()
        for context, counts in self._after.items():
            if len(context) == 1:
                singles.update(counts)
        totals = {context: counts.total() for context, counts in self._after.items()}
        every, losses = singles.total(), []
        for document in documents:
            line = ["", "", *document, "\n"]
            for first, second, word in zip(line, line[1:], line[2:], strict=False):
                single = singles[word] / every
                pair = self._after[second,][word] / totals[second,] if (second,) in totals else single
                triple = self._after[first, second][word] / totals[first, second] if (first, second) in totals else pair
                drawn = TRIGRAMS * triple + (1 - TRIGRAMS) * pair
                losses.append(-log((1 - SINGLE - UNIFORM) * drawn + SINGLE * single + UNIFORM / (vocabulary + 1)))
        return fmean(losses)

    def write(self, rng: random.Random) -> list[str]:
        document: list[str] = []
        while len(document) < 60:
            context = tuple(["", "", *document][-2:])
            words, weights = self._drawn[context if rng.random() < TRIGRAMS else context[1:]]
            word = rng.choices(words, cum_weights=weights)[0]
            if word == "\n":
                break
            document.append(word)
        return document or ["nothing"]


def of_people(count: int, rng: random.Random) -> list[list[str]]:
    prompts = [prompt.text for prompt in sample_prompts(1000, 7)]
    weights = [1 / rank for rank in range(1, len(NAMES) + 1)]
    return [
        [*draft(rng.choice(prompts), persona=rng.choice(WRITERS), rng=rng).split(), "says", name]
        for name in rng.choices(NAMES, weights, k=count)
    ]


class Loop(NamedTuple):
    """What a policy came to with one seed, by round."""

    figures: list[dict[str, float]]
    gates: list[str]
    learned: list[float]
    """Cross-entropy of held-out documents of people under the model that writes the round, in nats a word."""


def collapse(seed: int, policy: str) -> Loop:
    rng = seeded(f"collapse {seed} {policy}")
    same = seeded(f"people {seed}")
    real, held_out = of_people(DOCUMENTS, same), of_people(DOCUMENTS, same)
    vocabulary = {word for document in held_out for word in document}
    learned_from, everything = real, list(real)
    written, learned = [], []
    for _ in range(ROUNDS + 1):
        model = Mixture(learned_from)
        learned.append(model.cross_entropy(held_out, len(vocabulary)))
        new = [model.write(rng) for _ in range(DOCUMENTS)]
        written.append(new)
        everything += new
        match policy:
            case "replace":
                learned_from = new
            case "keep 10 %":
                learned_from = real[: DOCUMENTS // 10] + new[DOCUMENTS // 10 :]
            case "fresh 25 %":
                learned_from = of_people(DOCUMENTS // 4, rng) + new[DOCUMENTS // 4 :]
            case "accumulate":
                learned_from = list(everything)
            case _:
                learned_from = rng.sample(everything, DOCUMENTS)
    sets = {str(number): [" ".join(document) for document in of_round] for number, of_round in enumerate(written)}
    measured = measure_diversity(sets, baseline="0", held_out=[" ".join(document) for document in held_out], seed=seed)
    assert measured is not None
    gates = collapse_gates(measured)
    figures = [{name: measured.sets[str(number)][name].value for name in CURVES} for number in range(ROUNDS + 1)]
    tail = tail_words(held_out)
    for number, of_round in enumerate(written):
        figures[number]["tail coverage of 1,500"] = tail_coverage(of_round, tail)
        said = Counter(word for document in of_round for word in document)
        figures[number]["tail mass of 1,500"] = sum(said[word] for word in tail) / said.total()
    return Loop(figures, ["", *(gates[str(number)].outcome for number in range(1, ROUNDS + 1))], learned)


def show_collapse(seeds: Sequence[int]) -> None:
    loops = {policy: [collapse(seed, policy) for seed in seeds] for policy in POLICIES}
    rows = []
    for policy, of_policy in loops.items():
        for number in (0, 1, 2, 4, 6, 8):
            figures = [loop.figures[number] for loop in of_policy]
            cells = [f"{fmean(of[name] for of in figures):.3f}" for name in figures[0]]
            outcomes = " ".join(loop.gates[number] for loop in of_policy)
            rows.append([policy, number, f"{fmean(loop.learned[number] for loop in of_policy):.3f}", *cells, outcomes])
    names = next(iter(loops.values()))[0].figures[0]
    header = ("policy", "round", "cross-entropy of the model", *names, "gate")
    table(f"Collapse, mean of {len(seeds)} seeds; gate by seed", header, rows)
    last = {policy: over_seeds([loop.learned[ROUNDS] for loop in of_policy]) for policy, of_policy in loops.items()}
    print("\ncross-entropy of people's documents after round 8:", ", ".join(f"{n} {v}" for n, v in last.items()))
    order = ["replace", "keep 10 %", "fresh 25 %", "accumulate"]
    for place, seed in enumerate(seeds):
        ends = {policy: loops[policy][place].learned[ROUNDS] for policy in order}
        print(
            f"seed {seed}: replace > keep 10 % > fresh 25 % > accumulate:",
            all(ends[worse] > ends[better] for worse, better in pairwise(order)),
        )
    fired = {policy: sum(loop.gates[ROUNDS] == "FAIL" for loop in of_policy) for policy, of_policy in loops.items()}
    quiet = sum(set(loop.gates[1:]) == {"PASS"} for loop in loops["accumulate"])
    print(f"FAIL at round {ROUNDS}, of {len(seeds)} seeds: {fired}; accumulate PASS in all rounds: {quiet}")


# Verifiers


def answerable(count: int, seed: int) -> list[JudgedCase]:
    """Comparisons on questions that have an answer, of different worth."""
    rng, cases = seeded(f"verifiers {seed}"), []
    for prompt in sample_prompts(3 * count, seed):
        if prompt.category not in ("arithmetic", "code", "physics", "facts"):
            continue
        first, second = (draft(prompt.text, persona=writer, rng=rng) for writer in rng.sample(WRITERS, 2))
        gap = truth(prompt.text, first).utility - truth(prompt.text, second).utility
        if abs(gap) > LEAST_GAP:
            cases.append(JudgedCase(prompt.text, first, second, gap > 0))
    return cases[:count]


def label_errors(seed: int) -> dict[str, float]:
    rng = seeded(f"labels {seed}")
    cases = answerable(PAIRS, seed)
    judge, verified, decided = [], [], []
    for case in cases:
        p_a = looks(case, NOISY, rng, drawn(3, seed, case.prompt)).mean
        passes = [truth(case.prompt, answer).attributes.correct == 1 for answer in (case.a, case.b)]
        is_decided = passes[0] != passes[1]
        judge.append(1 - right(p_a, case.is_a))
        verified.append(1 - right(float(passes[0]), case.is_a) if is_decided else judge[-1])
        decided.append(is_decided)
    where = [number for number, is_decided in enumerate(decided) if is_decided]
    return {
        "pairs that code decides": len(where) / len(cases),
        "error there, judge": fmean(judge[number] for number in where),
        "error there, code": fmean(verified[number] for number in where),
        "error in all, judge": fmean(judge),
        "error in all, code first": fmean(verified),
    }


def show_verifiers(seeds: Sequence[int]) -> None:
    measured = [label_errors(seed) for seed in seeds]
    rows = [[name, over_seeds([of_seed[name] for of_seed in measured])] for name in measured[0]]
    table(
        f"Label errors against the true utility, {PAIRS} pairs on questions with an answer, {len(seeds)} seeds",
        ("share", "mean ± 95 % interval"),
        rows,
    )


# Mixing


Chooser = Callable[[random.Random, str, str, str], float]


def features(prompt: str, answer: str) -> NDArray[np.float32]:
    """Words of the answer, each also with the question."""
    words, question = answer.split(), " ".join(prompt.split()[1:4])
    row: NDArray[np.float32] = hashed_features([[*words, *(f"{question}|{word}" for word in words)]])[0]
    return row


def pairs_of(choose: Chooser, count: int, name: str) -> NDArray[np.float32]:
    """Differences of features, chosen less rejected, of pairs that `choose` can tell apart."""
    rng = seeded(name)
    rows: list[NDArray[np.float32]] = []
    prompts = [prompt.text for prompt in sample_prompts(6000, 3)]
    while len(rows) < count:
        prompt = rng.choice(prompts)
        first, second = (draft(prompt, persona=writer, rng=rng) for writer in rng.sample(WRITERS, 2))
        gap = choose(rng, prompt, first, second)
        if abs(gap) > LEAST_GAP:
            rows.append((features(prompt, first) - features(prompt, second)) * (1 if gap > 0 else -1))
    return np.array(rows)


def by_attribute(name: str, flips: float = 0.0) -> Chooser:
    def gap(rng: random.Random, prompt: str, first: str, second: str) -> float:
        ours, theirs = truth(prompt, first), truth(prompt, second)
        if name == "utility":
            difference = ours.utility - theirs.utility
        else:
            difference = getattr(ours.attributes, name) - getattr(theirs.attributes, name)
        return -difference if rng.random() < flips else difference

    return gap


SOURCES: dict[str, Chooser] = {
    **{name: by_attribute(name) for name in ("correct", "harmless", "concise", "polite", "frank")},
    "everything": by_attribute("utility"),
    "everything, 30 % wrong": by_attribute("utility", 0.3),
    "coin flips": by_attribute("utility", 0.5),
}
EVALUATED = tuple(name for name in ATTRIBUTES if name != "clear")
"""Drafts here are all clear, so that no pair differs in it."""


def trained(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bradley-Terry weights: 300 steps of gradient descent on all pairs, with a penalty on their size."""
    weights = np.zeros(rows.shape[1], np.float32)
    for _ in range(300):
        p_wrong = 1 / (1 + np.exp(np.clip(rows @ weights, -30, 30)))
        weights += 4.0 * (rows.T @ p_wrong / len(rows) - 1e-4 * weights)
    return weights


def accuracies(weights: NDArray[np.float32], tests: Mapping[str, NDArray[np.float32]]) -> dict[str, float]:
    return {name: float(np.mean((rows @ weights > 0) + 0.5 * (rows @ weights == 0))) for name, rows in tests.items()}


def picked(effects: Mapping[str, Mapping[str, float]], by: str, top: int) -> dict[str, float]:
    """Equal shares of the sources that raise an attribute most (micro), or the mean over attributes (macro), as in
    SUPERNOVA (2026)."""
    attributes = [*next(iter(effects.values()))]
    scores = {name: {source: gains[name] for source, gains in effects.items()} for name in attributes}
    if by == "macro":
        scores = {"average": {source: fmean(gains.values()) for source, gains in effects.items()}}
    best = {
        source
        for gains in scores.values()
        for source in sorted(gains, key=lambda source: -gains[source])[:top]
        if gains[source] > 0
    }
    return {source: 1 / len(best) for source in effects if source in best}


def mixes(seed: int) -> dict[str, Any]:
    tests = {name: pairs_of(by_attribute(name), TESTED, f"test {seed} {name}") for name in EVALUATED}
    rows = {name: pairs_of(choose, PAIRS, f"train {seed} {name}") for name, choose in SOURCES.items()}
    effects = {
        name: {key: value - 0.5 for key, value in accuracies(trained(of[:PILOT]), tests).items()}
        for name, of in rows.items()
    }
    plans = {
        "micro, top 1": picked(effects, "micro", 1),
        "micro, top 2": picked(effects, "micro", 2),
        "macro, top 1": picked(effects, "macro", 1),
        "macro, top 3": picked(effects, "macro", 3),
        "all sources": dict.fromkeys(rows, 1 / len(rows)),
    }
    results = {}
    for name, shares in plans.items():
        mix = np.concatenate([rows[source][: round(PAIRS * share)] for source, share in shares.items()])
        of_mix = accuracies(trained(mix), tests)
        results[name] = {"sources": [*shares], "mean": fmean(of_mix.values()), "worst": min(of_mix.values())}
    return results


def show_mixing(seeds: Sequence[int]) -> None:
    measured = [mixes(seed) for seed in seeds]
    rows = [
        [
            name,
            over_seeds([of_seed[name]["mean"] for of_seed in measured]),
            over_seeds([of_seed[name]["worst"] for of_seed in measured]),
            ", ".join(measured[0][name]["sources"]),
        ]
        for name in measured[0]
    ]
    header = ("mix", "mean accuracy", "accuracy of the worst attribute", f"sources with seed {seeds[0]}")
    title = f"Reward models on {PAIRS} pairs, effects measured on {PILOT} of each source, {len(seeds)} seeds"
    table(title, header, rows)


PARTS: Mapping[str, Callable[[Sequence[int]], None]] = {
    "collapse": show_collapse,
    "verifiers": show_verifiers,
    "mixing": show_mixing,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Collapse, verifiers and mixing in the simulated world")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--parts", default=",".join(PARTS))
    asked = parser.parse_args()
    for name in asked.parts.split(","):
        began = time.monotonic()
        PARTS[name](range(asked.seeds))
        print(f"\n{name}: {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
