"""Keys of earlier versions are refused with what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from amendment.errors import ConfigError
from amendment.run.checks import load_run_file
from amendment.run.runfile.retired import RETIRED


def test_a_retired_key_and_a_retired_value_are_refused_at_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RETIRED, "models.*.pace", "is gone; take the line out")
    monkeypatch.setitem(RETIRED, "judging.jury=oldest", "is gone; use jury: mean")
    file = tmp_path / "run.yaml"
    file.write_text("name: x\nmodels:\n  a: {pace: 3}\njudging:\n  jury: oldest\n", encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_run_file(file)
    places = [(problem.place.removeprefix(str(tmp_path)), problem.message) for problem in refused.value.problems]
    assert ("/run.yaml:3:13: models.a.pace", "is gone; take the line out") in places
    assert ("/run.yaml:5:9: judging.jury", "is gone; use jury: mean") in places
