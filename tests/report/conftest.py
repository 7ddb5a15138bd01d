"""A small run of the simulated world, made once for all tests of what people see of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from amendment.run import Run


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small run of the simulated world: a chain, candidates, one judge."""
    from tests.run.conftest import SMALL

    folder = tmp_path_factory.mktemp("small")
    (folder / "run.yaml").write_text(SMALL, encoding="utf-8")
    return Run.from_file(folder / "run.yaml", folder=folder / "run")().folder
