"""The order of rows, the watched loss, batches for scoring, and the seams of the libraries that we lean on."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.errors import ConfigError, TrainingError
from amendment.training import TrainerSettings

SETTINGS = TrainerSettings(learning_rate=0.1, steps=3, batch_size=4)


@given(st.lists(st.integers(1, 50), max_size=200), st.integers(1, 9), st.integers(0, 99))
def test_an_epoch_draws_every_row_once_and_depends_on_seed_and_epoch_alone(
    lengths: list[int], batch: int, seed: int
) -> None:
    from amendment.training.workbench import LengthPools

    first, second = LengthPools(lengths, batch, seed), LengthPools(lengths, batch, seed, lambda: 1)
    epochs = [list(first), list(second)]
    assert all(sorted(epoch) == list(range(len(lengths))) for epoch in epochs)
    assert epochs == [list(first), list(second)]


def test_rows_of_like_length_share_a_batch() -> None:
    from amendment.training.generating import padded_batches
    from amendment.training.workbench import LengthPools

    lengths = [i % 8 for i in range(64)]  # one pool of eight batches of eight rows: each batch has one length
    drawn = [lengths[row] for row in LengthPools(lengths, 8, 0)]
    assert all(len(set(drawn[i : i + 8])) == 1 for i in range(0, 64, 8))
    assert drawn != sorted(drawn)
    batches = list(padded_batches([[1] * 9, [2], [3] * 9, [4]], pad=0, tokens=18))
    assert [batch.rows for batch in batches] == [[1, 3], [0, 2]]


@given(st.lists(st.lists(st.integers(1, 9), max_size=30), max_size=30), st.integers(1, 100))
def test_batches_for_scoring_hold_every_sequence_once(sequences: list[list[int]], tokens: int) -> None:
    from amendment.training.generating import padded_batches

    found: dict[int, list[int]] = {}
    for rows, ids, mask in padded_batches(sequences, pad=0, tokens=tokens):
        assert ids.numel() <= max(tokens, ids.shape[1])
        for row, numbers, marks in zip(rows, ids.tolist(), mask.tolist(), strict=True):
            assert row not in found
            found[row] = numbers[: sum(marks)]
            assert not any(numbers[sum(marks) :])
    assert found == dict(enumerate(sequences))


def test_the_telemetry_of_trl_is_where_we_switch_it_off() -> None:
    from trl import SFTTrainer

    from amendment.training.workbench import steady

    assert "_send_telemetry" in dir(SFTTrainer)
    assert steady(SFTTrainer)._send_telemetry.__qualname__ == "Steady._send_telemetry"


@pytest.mark.parametrize("name", ["loss", "grad_norm"])
def test_a_loss_that_is_no_number_stops_the_run(name: str) -> None:
    from amendment.training.workbench import Watch

    state = SimpleNamespace(global_step=7, max_steps=9)
    with pytest.raises(TrainingError, match=r"at step 7 .*lower learning_rate"):
        Watch(None, None).on_log(None, state, None, {"loss": 1.0, "grad_norm": 1.0, name: float("nan")})


def test_a_configuration_is_that_of_this_machine_and_reaches_nobody() -> None:
    from trl import SFTConfig

    from amendment.training.workbench import configure

    made = configure(SFTConfig, SETTINGS, seed=5, folder="x")
    assert (made.seed, made.max_steps, made.learning_rate) == (5, 3, 0.1)
    assert (made.push_to_hub, made.report_to, made.max_length) == (False, [], None)
    with pytest.raises(ConfigError, match="has no beta in SFTConfig"):
        configure(SFTConfig, SETTINGS, seed=0, folder="x", beta=1)


def test_the_rows_that_will_be_drawn_are_those_of_the_trainers_own_batches(base: Path, tmp_path: Path) -> None:
    """On two devices of DataParallel a batch is twice as large, and so is everything that is counted in batches."""
    from trl import SFTConfig

    from amendment.training.workbench import LengthPools, workbench

    lengths = [(7 * i) % 31 for i in range(100)]
    with workbench(base, tmp_path / "out", SETTINGS, 5) as bench:
        args = bench.configure(SFTConfig)
        assert bench.seen(lengths, args) == list(LengthPools(lengths, 4, 5))[:12]
        args._n_gpu = 2
        assert args.train_batch_size == 8
        assert bench.seen(lengths, args) == list(LengthPools(lengths, 8, 5))[:24]


def test_a_tracker_that_is_not_installed_is_named_before_training(base: Path, tmp_path: Path) -> None:
    from amendment.training.workbench import workbench

    for name in ("trackio", "mlflow", "wandb", "tensorboard"):
        if find_spec(name) is None:
            settings = TrainerSettings.model_validate({"learning_rate": 0.1, "trl": {"report_to": [name]}})
            message = f"report_to: {name} is not installed; pip install {name}"
            with pytest.raises(ConfigError, match=message), workbench(base, tmp_path / "out", settings, 5):
                pass
    assert list(tmp_path.iterdir()) == []
