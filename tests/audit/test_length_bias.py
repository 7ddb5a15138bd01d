"""Length bias, win rates at equal lengths and bootstrap bounds, by the command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from tests.audit.conftest import Certificate

Audit = Callable[..., Certificate]


def panel(raters: Sequence[str]) -> dict[str, Any]:
    """The settings of a file with a column for each rater; the first is the judge."""
    columns = {"item": "id", "prompt": "q", "a": "a", "b": "b", "votes": list(raters)}
    return {"people": list(raters[1:]), "columns": columns}


def world(
    n: int, annotators: int, longer_wrong: float, shorter_wrong: float, *, seed: int, per_prompt: int = 1
) -> list[dict[str, Any]]:
    """Items whose longer answer is better in 70 %, annotators who err in 25 %, and a judge that picks the longer with
    `longer_wrong` where the shorter is better, the shorter with `shorter_wrong` where the longer is."""
    random = np.random.default_rng(seed)
    longer_better, longer_is_a = random.random(n) < 0.7, random.random(n) < 0.5
    errs = random.random((annotators, n)) < 0.25
    judge_errs = random.random(n) < np.where(longer_better, shorter_wrong, longer_wrong)
    sides = {
        "judge": longer_better ^ judge_errs,
        **{name: longer_better ^ wrong for name, wrong in zip(("ann", "bo", "cy"), errs, strict=False)},
    }
    return [
        {
            "id": i,
            "q": f"question {i // per_prompt}",
            "a": f"{i:04}" + " word" * (9 if longer_is_a[i] else 5),
            "b": f"{i:04}" + " word" * (5 if longer_is_a[i] else 9),
            **{name: "A" if says_longer[i] == longer_is_a[i] else "B" for name, says_longer in sides.items()},
        }
        for i in range(n)
    ]


def test_with_one_annotator_the_length_bias_is_not_measured_and_no_gate_claims_it(audit: Audit) -> None:
    certificate = audit([(world(1000, 1, 0.0, 0.0, seed=1), panel(["judge", "ann"]))])
    assert certificate.gate("length") == ("not measured", "needs two annotators")
    assert certificate.judge["bias"]["length"]["asymmetry"]["value"] is None


@pytest.mark.parametrize("annotators", [2, 3])
def test_a_judge_that_never_errs_has_no_length_bias_though_the_annotators_err(audit: Audit, annotators: int) -> None:
    raters = ["judge", "ann", "bo", "cy"][: annotators + 1]
    certificate = audit([(world(1000, annotators, 0.0, 0.0, seed=2), panel(raters))])
    length = certificate.judge["bias"]["length"]
    assert certificate.gate("length")[0] == "PASS"
    assert "it errs towards" not in certificate.text
    assert length["asymmetry"]["value"] < 0.08  # against the majority it is about 0.3
    assert length["annotator_error"] == pytest.approx(0.25, abs=0.04)


def test_a_judge_that_errs_towards_the_longer_answer_is_flagged(audit: Audit) -> None:
    certificate = audit([(world(1000, 3, 0.25, 0.05, seed=3), panel(["judge", "ann", "bo", "cy"]))])
    low, high = (certificate.judge["bias"]["length"]["asymmetry"][bound] for bound in ("low", "high"))
    assert 0 < low < 0.2 < high
    assert certificate.gate("length")[0] == "WARN"


def leaderboard(systems: int, prompts: int, seed: int) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Systems against one opponent, judged with probabilities by a judge that likes long answers; the opponent writes
    more on hard prompts. The second value is each system's true win rate at equal lengths."""
    random = np.random.default_rng(seed)
    long = random.normal(size=prompts)
    hard = 0.5 * long + 0.75**0.5 * random.normal(size=prompts)
    opponent = np.exp(5.2 + 0.5 * long).astype(int) + 20
    theta, words = random.normal(-1.5, 1.3, systems), np.exp(random.normal(4.9, 0.5, systems))
    rows, truth = [], {}
    for number in range(systems):
        length = (words[number] * np.exp(0.2 * long + 0.35 * random.normal(size=prompts))).astype(int) + 20
        worth, apart = theta[number] - 1.5 * hard, length - opponent
        mean = 1 / (1 + np.exp(-worth - 1.6 * np.tanh(apart / apart.std())))
        p = random.beta(mean, 1 - mean)
        truth[f"system {number}"] = float((1 / (1 + np.exp(-worth))).mean())
        rows += [
            {
                "q": f"question {i}",
                "a": "x" * length[i],
                "b": "y" * opponent[i],
                "one": f"system {number}",
                "other": "the opponent",
                "p": round(float(p[i]), 6),
                "says": "A" if p[i] > 0.5 else "B",
            }
            for i in range(prompts)
        ]
    return [{"id": i, **row} for i, row in enumerate(rows)], truth


LEADERBOARD = {
    "kind": "model",
    "rater": "judge",
    "columns": {
        "item": "id",
        "prompt": "q",
        "a": "a",
        "b": "b",
        "model_a": "one",
        "model_b": "other",
        "verdict": "says",
        "p": "p",
    },
}


def ranks(values: Any) -> Any:
    return np.argsort(np.argsort(values))


def test_win_rates_at_equal_lengths_are_nearer_to_the_truth_than_raw_ones_and_all_systems_are_listed(
    audit: Audit,
) -> None:
    rows, truth = leaderboard(45, 100, seed=1)
    certificate = audit([(rows, LEADERBOARD)])
    found = {system["model"]: system for system in certificate.document["controlled"]}
    assert set(found) == set(truth)
    assert all(name in certificate.text for name in truth)
    raw, even = (np.array([found[name][figure]["value"] for name in truth]) for figure in ("raw", "controlled"))
    true = np.array(list(truth.values()))
    soft = [np.mean([row["p"] for row in rows if row["one"] == name]) for name in truth]
    assert raw == pytest.approx(soft)  # the probabilities, and not the verdicts, are what is fitted
    assert np.abs(even - true).mean() < 0.7 * np.abs(raw - true).mean()
    correlation = [np.corrcoef(ranks(rate), ranks(true))[0, 1] for rate in (raw, even)]
    assert correlation[1] > max(0.96, correlation[0])
