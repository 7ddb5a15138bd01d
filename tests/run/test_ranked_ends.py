"""What a ranking's best and worst come to where the judge saw no difference: no pair, whatever the schedule."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from amendment.data.store import read_records
from amendment.errors import AmendmentError
from amendment.preference.ranking import Ranking
from amendment.records import Judgement
from amendment.run import Run

RUN = """\
name: even
constitution: lilliput
prompts: [{lilliput: 6}]
models:
  writer: {provider: simulated}
  even: {provider: simulated, gain: 0, noise: 0, biases: {position: 0}}
candidates: [{model: writer, per_prompt: PER_PROMPT}]
judging:
  judges: [{model: even, protocol: verdict}]
  ranking: KIND
  pairs: PAIRS
  ties: keep
"""


def even(run_file: Callable[[str], Path], kind: str, pairs: str, per_prompt: int) -> Path:
    """A run whose judge says tie to every two answers."""
    text = RUN.replace("KIND", kind).replace("PAIRS", pairs).replace("PER_PROMPT", str(per_prompt))
    return run_file(text)


@pytest.mark.parametrize(
    ("kind", "pairs"),
    [
        ("all_pairs", "best_worst"),
        ("adaptive", "all"),
    ],
)
def test_pools_in_which_all_answers_tie_give_no_pair_under_any_schedule(
    run_file: Callable[[str], Path], folder: Path, kind: str, pairs: str
) -> None:
    with pytest.raises(AmendmentError, match="no pair is left") as caught:
        Run.from_file(even(run_file, kind, pairs, 4), folder=folder)(until="dataset")
    judgements = list(read_records(folder / "judging/judgements.parquet", Judgement))
    assert {one.p_a for one in judgements} == {0.5}
    assert f"left out: {len(judgements)} all answers tied)" in str(caught.value)
    assert "a judge that tells these answers apart" in str(caught.value)
    if kind != "all_pairs":
        rankings = list(read_records(folder / "judging/rankings.parquet", Ranking))
        assert {(one.best, one.worst, one.order, one.notes) for one in rankings} == {(None, None, None, ("all tied",))}
