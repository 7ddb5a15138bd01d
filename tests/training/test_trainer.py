"""The order of rows, the watched loss, batches for scoring, and the seams of the libraries that we lean on."""

from __future__ import annotations

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
    [short, long] = padded_batches([[1] * 9, [2], [3] * 9, [4]], pad=0, tokens=18)
    assert (short.rows, long.rows) == ([1, 3], [0, 2])


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
