"""Guards: figures and limits by hand; in real trainings they leave no trace, stop, keep the best weights, and outlive a
kill."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amendment.dpo import DpoSettings, GuardReading, Guards, GuardSettings, train_dpo
from amendment.dpo.guards import Observed, best_reading, figures, is_loop, violations
from amendment.errors import TrainingError
from amendment.statistics import Estimate
from amendment.training import LoraSettings

Rows = list[dict[str, Any]]
OFF = dict.fromkeys(("kl_per_token", "length_ratio"))


def observed(
    *, log_ratio: Sequence[float], tokens: Sequence[float], unreadable: Sequence[float], **scores: Sequence[float]
) -> Observed:
    """One answer to each prompt, none of them cut."""
    return Observed(
        log_ratio=np.array(log_ratio, dtype=float),
        tokens=np.array(tokens, dtype=float),
        unreadable=np.array(unreadable, dtype=float),
        cut=np.zeros(len(log_ratio)),
        scores={name: np.array(values, dtype=float) for name, values in scores.items()},
    )


START = observed(log_ratio=[0] * 5, tokens=[4, 6, 5, 5, 5], unreadable=[0, 0, 0, 0, 1])


def test_figures_and_violations_by_hand() -> None:
    # log-ratios 1 2 3 4 5: mean 3; sd sqrt(10 / 4) = 1.5811, se 1.5811 / sqrt 5 = 0.7071, t(4) = 2.7764: 3 +- 1.9632
    # over 50 tokens 15 nats: 0.3 a token; each of ten tokens, so that its interval is that of kl over ten
    # tokens 50 over 25: ratio 2; unreadable 3/5 - 1/5 = 0.4
    found = figures(observed(log_ratio=[1, 2, 3, 4, 5], tokens=[10] * 5, unreadable=[1, 1, 0, 0, 1]), START)
    assert found["kl"][:3] == pytest.approx((3, 1.0368, 4.9632), abs=1e-4)
    assert found["kl_per_token"][:2] == pytest.approx((0.3, 0.10368), abs=1e-5)
    assert found["unreadable"].value == pytest.approx(0.4)
    # rows of the ratio: 10 - 2 x (4 6 5 5 5) = 2 -2 0 0 0, over 25: sum of squares 8 / 625; x 5 / 4: se 0.12649
    assert found["length_ratio"][:3] == pytest.approx((2, 2 - 2.7764 * 0.12649, 2 + 2.7764 * 0.12649), abs=1e-4)
    assert violations(found, GuardSettings(kl_per_token=0.1, length_ratio=1.6)).keys() == {
        "kl_per_token",
        "length_ratio",
    }
    assert violations(found, GuardSettings(kl_per_token=0.11, length_ratio=1.7)) == {}, (
        "its whole interval has to be over"
    )
    assert violations(found, GuardSettings(kl_per_token=0.1, length_ratio=None)) == {"kl_per_token": ("kl_per_token",)}


def test_a_gap_of_reward_and_judge_needs_a_rise_and_a_fall_beyond_noise() -> None:
    def violated(reward: Sequence[float], judge: Sequence[float]) -> list[str]:
        n = len(reward)
        same: dict[str, Any] = {"log_ratio": [0] * n, "tokens": [5] * n, "unreadable": [0] * n}
        start = observed(**same, reward=[0] * n, judge=[0.5] * n)
        return [*violations(figures(observed(**same, reward=reward, judge=judge), start), GuardSettings())]

    up, down, noise = [1.0, 1.2, 0.8, 1.1, 0.9, 1.0], [0.2, 0.3, 0.25, 0.2, 0.3, 0.2], [0.1, 0.9, 0.2, 0.8, 0.4, 0.5]
    assert violated(up, down) == ["reward_judge_gap"]
    assert violated(up, noise) == violated([-value for value in up], down) == []
    assert violated([*up[:-1], math.nan], down) == ["reward_judge_gap"], "an answer without a score is left out"


def test_answers_that_run_in_a_loop() -> None:
    # 1 2 3 4 three times: nine 4-grams, of which 1234 2341 3412 4123 differ: 1 - 4/9 is more than half
    assert is_loop([1, 2, 3, 4] * 3)
    assert not is_loop(([1, 2, 3, 4] * 3)[:10]), "seven 4-grams are too few to say"
    assert not is_loop(list(range(40)))


def reading(step: int, *violated: str, kl: float = 1.0, **scores: float) -> GuardReading:
    sure = dict.fromkeys(("length_ratio", "unreadable", "cut"), Estimate(0.0, math.nan, math.nan, 5, 5))
    found = {**sure, "kl_per_token": Estimate(kl, kl - 5, kl + 5, 5, 5)}
    return GuardReading(
        step, found | {k: Estimate(v, v - 1, v + 1, 5, 5) for k, v in scores.items()}, {one: (one,) for one in violated}
    )


def test_the_best_reading_is_of_before_the_first_violation_and_within_all_limits() -> None:
    def best(*readings: GuardReading) -> int | None:
        found, _ = best_reading(readings, GuardSettings(kl_per_token=10))
        return found.step if found else None

    assert best(reading(0), reading(2), reading(4, "kl_per_token"), reading(6)) == 2
    assert best(reading(0), reading(2, kl=11.0), reading(4, "kl_per_token")) == 0, (
        "11 (6 to 16) violates nothing, and is over 10"
    )
    assert (
        best(reading(0, reward=0), reading(2, reward=1), reading(4, reward=1), reading(6, "kl_per_token", reward=9))
        == 4
    )
    assert best() is None


# In trainings.

SETTINGS = DpoSettings(steps=8, batch_size=8, learning_rate=1e-2, max_length=128, trl={"logging_steps": 3})
WATCHED = GuardSettings(max_tokens=12, **OFF)
PROMPTS = [{"prompt": [{"role": "user", "content": f"ask {i % 10} {i % 7}"}], "number": i} for i in range(100, 120)]


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_watching_leaves_no_trace_in_the_weights(base: Path, pairs: Rows, tmp_path: Path) -> None:
    """Nor does a violation that is noted only."""
    train_dpo(base, pairs, tmp_path / "off", SETTINGS, guards=None)
    noted = WATCHED.model_copy(update={"unreadable": 0.05, "on_violation": "note"})
    guards = Guards(settings=noted, prompts=PROMPTS, readable=unreadable_later())
    result = train_dpo(base, pairs, tmp_path / "on", SETTINGS, guards=guards)
    assert weights(tmp_path / "on") == weights(tmp_path / "off")
    assert [one.step for one in result.guards] == list(range(9))
    assert (result.guards[0].figures["kl"].value, result.guards[0].figures["length_ratio"].value) == (0, 1)
    assert result.guards[-1].figures["kl"].value != 0
    assert result.notes[-1] == "guards: training went on to step 8, as on_violation: note says."
    record = json.loads((tmp_path / "on/history.json").read_text())["guards"]
    assert record == [one.to_json() for one in result.guards]


def unreadable_later() -> Callable[[dict[str, Any], str], bool]:
    seen: dict[int, int] = {}

    def readable(row: dict[str, Any], text: str) -> bool:
        seen[row["number"]] = seen.get(row["number"], 0) + 1
        return seen[row["number"]] == 1

    return readable


def by_step(values: Sequence[float]) -> Any:
    """A score for all answers of a measurement, the n-th of `values` the n-th time, with a little noise."""
    left = list(values)

    def score(rows: Sequence[dict[str, Any]]) -> Any:
        assert all(row["completion"][0]["role"] == row["start"][0]["role"] == "assistant" for row in rows)
        value = left.pop(0)
        return np.array([value + 0.001 * row["number"] * value for row in rows])

    return score


@pytest.mark.parametrize("lora", [None, pytest.param(LoraSettings(r=4), marks=pytest.mark.long)])
def test_a_violation_stops_and_the_best_weights_of_before_are_saved(
    base: Path, pairs: Rows, tmp_path: Path, lora: LoraSettings | None
) -> None:
    """Measured at 0, 2, 4, 6: reward 0 1 2 3, judge .5 .7 .6 .2: a gap at 6, and step 2 is the best. The second
    training is told to stop at step 4."""
    settings = SETTINGS.model_copy(update={"lora": lora})
    watched = WATCHED.model_copy(update={"every": 2})
    results = []
    for name, reward, judge in (
        ("out", [0, 1, 2, 3], [0.5, 0.7, 0.6, 0.2]),
        ("again", [0, 1, 3], [0.5, 0.7, 0.2]),
    ):
        guards = Guards(settings=watched, prompts=PROMPTS, reward=by_step(reward), judge=by_step(judge))
        results.append(train_dpo(base, pairs, tmp_path / name, settings, guards=guards))
    first, again = results
    assert (first.steps, again.steps) == (6, 4)
    assert [[*one.violated] for one in first.guards] == [[], [], [], ["reward_judge_gap"]]
    assert first.notes[0].startswith("guards: step 6, reward_judge_gap (limit 0): reward_change 3")
    ending = "guards: training ended at step 6; saved is step 2, the best by the judge within all limits."
    assert first.notes[1] == ending
    assert weights(tmp_path / "again") == weights(tmp_path / "out")


def test_where_nothing_is_better_than_the_start_the_start_is_saved_and_that_is_said_loudly(
    base: Path, pairs: Rows, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    watched = WATCHED.model_copy(update={"unreadable": 0.05})
    guards = Guards(settings=watched, prompts=PROMPTS, readable=unreadable_later())
    result = train_dpo(base, pairs, tmp_path / "out", SETTINGS, guards=guards)
    assert result.steps == 1
    assert "NOTHING THAT WAS TRAINED IS SAVED" in result.notes[-1]
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (tmp_path / "out", base))
    assert all((ours[name] == theirs[name]).all() for name in theirs)


def test_what_cannot_be_watched_is_told(base: Path, pairs: Rows, tmp_path: Path) -> None:
    short, out = SETTINGS.model_copy(update={"steps": 1}), tmp_path / "out"
    long = {"prompt": [{"role": "user", "content": "ask 1 " * 100}], "number": 99}
    result = train_dpo(base, pairs, out, short, guards=Guards(prompts=[long, *PROMPTS[:4]]))
    assert result.guards == ()
    assert result.notes[0].startswith("guards: 4 held-out prompts to answer, and at least 5 are needed")
    guards = Guards(settings=WATCHED, prompts=PROMPTS, reward=lambda rows: [0.0])
    with pytest.raises(TrainingError, match=r"reward gave scores of shape \(1,\) for 20 answers"):
        train_dpo(base, pairs, out, short, guards=guards)


class Killed(BaseException):
    pass


def test_a_training_that_was_killed_ends_as_it_would_have(base: Path, pairs: Rows, tmp_path: Path) -> None:
    """The reward falls, so that the best is of before the last checkpoint."""

    def unchanged(rows: Sequence[dict[str, Any]]) -> Any:
        return np.array([float(row["completion"] == row["start"]) for row in rows])

    settings = SETTINGS.model_copy(update={"learning_rate": 3e-2, "trl": {"save_steps": 3, "logging_steps": 1}})
    watched = WATCHED.model_copy(update={"every": 1, "kl_per_token": 0.05})
    guards = Guards(settings=watched, prompts=PROMPTS, reward=unchanged)
    whole = train_dpo(base, pairs, tmp_path / "whole", settings, guards=guards)
    assert whole.steps > 4
    assert whole.guards[-1].violated == {"kl_per_token": ("kl_per_token",)}

    def kill(step: int, *_: Any) -> None:
        if step == 5:
            raise Killed

    with pytest.raises(Killed):
        train_dpo(base, pairs, tmp_path / "out", settings, guards=guards, progress=kill)
    reached = list[int]()
    again = train_dpo(
        base, pairs, tmp_path / "out", settings, guards=guards, progress=lambda step, *_: reached.append(step)
    )
    assert reached[0] == 4, "it went on from its checkpoint"
    assert weights(tmp_path / "out") == weights(tmp_path / "whole")
    assert [one.to_json() for one in again.guards] == [one.to_json() for one in whole.guards]
    assert again.notes == whole.notes
    assert not (tmp_path / "out.state").exists()
