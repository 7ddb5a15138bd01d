"""How much unequal rows tell."""

from __future__ import annotations

import pytest

from amendment.statistics.weights import effective_rows


def test_equal_rows_count_as_they_are_and_one_heavy_row_nearly_alone() -> None:
    assert effective_rows([3.0] * 7) == pytest.approx(7)
    # 9 of weight 1 and one of 100: 109^2 / (9 + 10000)
    assert effective_rows([1.0] * 9 + [100.0]) == pytest.approx(11881 / 10009)
    assert effective_rows([]) == 0
