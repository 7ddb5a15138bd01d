"""What the pipeline's tests share: runs, small, undisturbed or to be published; inputs; and a loopback server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amendment.data.inputs import Inputs, read_inputs
from amendment.errors import DataError, Paused
from amendment.run import Run, RunResult, load_run_file
from tests.run import spot_checked
from tests.run.small_runs import replies
from tests.vendors.runs import dataset_of

SMALL = """\
name: small
seed: 7
constitution: lilliput
models:
  writer: {provider: simulated, writer: helpful-only}
  second: {provider: simulated}
prompts: [{lilliput: 12}]
critique: {model: writer, rounds: 2}
candidates:
  - {from: critique, take: last}
  - {model: writer, per_prompt: 2}
judging:
  judges: [{model: second, protocol: label-tokens}]
  principles_per_pair: 2
dataset: {test_share: 0.25}
"""


@pytest.fixture
def run_file(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a run file and gives its path."""

    def write(text: str = SMALL) -> Path:
        path = tmp_path / "run.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Writes a run file that may ask `URL`, and its prompts; gives its path."""

    def write(text: str, *, prompts: int = 4, url: str = "http://127.0.0.1:1/v1") -> Path:
        rows = (json.dumps({"prompt": f"question {number:04}"}) for number in range(prompts))
        (tmp_path / "p.jsonl").write_text("\n".join(rows) + "\n")
        path = tmp_path / "run.yaml"
        path.write_text(text.replace("URL", url))
        return path

    return write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a run goes; not made yet."""
    return tmp_path / "run"


@pytest.fixture
def small(run_file: Callable[[str], Path]) -> Path:
    """The small run: 12 prompts of the simulated world, a critique, two sources of candidates, one judge."""
    return run_file(SMALL)


class Undisturbed:
    """A run that was never killed, and the bytes of its dataset."""

    def __init__(self, result: RunResult) -> None:
        self.result = result
        self.dataset = dataset_of(result.folder)
        self.replies = replies(result.folder)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "run.yaml").write_text(SMALL, encoding="utf-8")
    return Undisturbed(Run.from_file(folder / "run.yaml", folder=folder / "run")())


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str], Inputs]:
    """Reads the inputs of a run file of these lines."""

    def reading(text: str) -> Inputs:
        path = tmp_path / "run.yaml"
        path.write_text("name: t\n" + text, encoding="utf-8")
        return read_inputs(load_run_file(path).config, tmp_path)

    return reading


@pytest.fixture
def refused(read: Callable[[str], Inputs], tmp_path: Path) -> Callable[[str], list[str]]:
    """The lines that name what is wrong with the inputs, without the folder."""

    def reading(text: str) -> list[str]:
        with pytest.raises(DataError) as told:
            read(text)
        return [str(problem).replace(str(tmp_path) + "/", "") for problem in told.value.problems]

    return reading


@pytest.fixture
def chain(undisturbed: Any, tmp_path: Path) -> Path:
    """A copy of the small run: a chain, two sources of candidates, one judge."""
    return Path(shutil.copytree(undisturbed.result.folder, tmp_path / "chain"))


@pytest.fixture(scope="session")
def waiting_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a spot-checked run that waits for labels; copy it before you write there."""
    folder = tmp_path_factory.mktemp("waiting")
    with pytest.raises(Paused):
        spot_checked.run(folder, spot_checked.PAGED)
    return folder


@pytest.fixture(scope="session")
def labelled_folder(waiting_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same; all labels are there, and the run has not read them."""
    folder = Path(shutil.copytree(waiting_folder, tmp_path_factory.mktemp("labelled") / "run"))
    spot_checked.label_all(folder / "run")
    return folder


@pytest.fixture(scope="session")
def finished_folder(labelled_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, finished."""
    folder = Path(shutil.copytree(labelled_folder, tmp_path_factory.mktemp("finished") / "run"))
    spot_checked.run(folder, spot_checked.PAGED)
    return folder
