"""Systems at equal lengths, in a certificate."""

from __future__ import annotations

import numpy as np

from amendment.audit.certificate import audit
from amendment.audit.text import certificate_lines
from amendment.audit.votes import Item, Vote


def compared(*, slope: float, extra: int, n: int = 400) -> tuple[dict[str, Item], list[Vote]]:
    """Two equally good systems, one `extra` characters longer in the mean; a judge with a taste for length."""
    random = np.random.default_rng(1)
    items, votes = {}, []
    for i in range(n):
        apart = int(random.normal(extra, 100))
        is_a = i % 2 == 0
        wins = random.random() < 1 / (1 + np.exp(-slope * np.tanh(apart / 100)))
        one = Item(f"p{i}", None, "wordy", "terse", 1000 + apart, 1000)
        items[f"i{i}"] = one if is_a else Item(f"p{i}", None, "terse", "wordy", 1000, 1000 + apart)
        votes.append(Vote(f"i{i}", "j", "model", "A" if wins == is_a else "B"))
    return items, votes


def test_a_win_that_is_only_length_is_less_than_half_of_it_at_equal_lengths() -> None:
    certificate = audit(*compared(slope=2.0, extra=80), draws=300)
    by_model = {one.model: one for one in certificate.controlled}
    wordy, terse = by_model["wordy"], by_model["terse"]
    assert wordy.raw.low > 0.5
    assert 0.5 < wordy.controlled.value < 0.5 + (wordy.raw.value - 0.5) / 2  # the ridge leaves some of it
    assert wordy.slope > 0.8
    assert wordy.raw.value + terse.raw.value == 1.0
    assert abs(wordy.controlled.value + terse.controlled.value - 1) < 1e-6
    assert "## Who wins at equal lengths" in certificate_lines(certificate)


def test_a_system_that_is_always_longer_is_told_with_caution() -> None:
    certificate = audit(*compared(slope=0.5, extra=900), draws=50)
    assert all("lengths hardly overlap" in one.warning for one in certificate.controlled)


def test_without_lengths_or_with_few_items_there_is_no_figure() -> None:
    items, votes = compared(slope=1.0, extra=0, n=40)
    assert audit({name: one._replace(length_a=None) for name, one in items.items()}, votes).controlled == ()
    assert audit(items, votes[:29]).controlled == ()
