"""A release as a user gets it: built from the source archive, installed from its wheel away from here, and run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
from email import message_from_bytes
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml

import amendment

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
VERSIONS = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', PYPROJECT)


def ran(*command: str | Path, cwd: Path) -> str:
    """What a command prints in an environment without this checkout; it must succeed."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AMENDMENT_"))}
    done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_citation_names_this_version_and_the_license_of_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == amendment.__version__
    assert f'license = "{citation["license"]}"' in PYPROJECT
    assert f'authors = [{{ name = "{citation["authors"][0]["name"]}" }}]' in PYPROJECT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the unpacked source archive."""
    folder = tmp_path_factory.mktemp("built")
    ran(sys.executable, "-c", f"import hatchling.build; hatchling.build.build_sdist({str(folder)!r})", cwd=ROOT)
    (source,) = folder.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        archive.extractall(folder, filter="data")
    (unpacked,) = folder.glob("amendment-*/")
    assert {"CHANGELOG.md", "CITATION.cff", "LICENSE", "SECURITY.md"} <= {path.name for path in unpacked.iterdir()}
    build = f"import hatchling.build; hatchling.build.build_wheel({str(folder)!r})"
    ran(sys.executable, "-c", build, cwd=unpacked)
    return next(folder.glob("*.whl"))


@pytest.mark.long
def test_the_wheel_holds_the_whole_package_and_says_whose_it_is(wheel: Path) -> None:
    with ZipFile(wheel) as packed:
        names = {name for name in packed.namelist() if name.startswith("amendment/")}
        (described,) = (name for name in packed.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = message_from_bytes(packed.read(described))
    package = {path for path in (ROOT / "amendment").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert names == {str(path.relative_to(ROOT)) for path in package}, "code, texts, and nothing else"
    assert (metadata["Author"], metadata["License-Expression"]) == ("The amendment authors", "Apache-2.0")


@pytest.mark.long
@pytest.mark.parametrize("version", VERSIONS)
def test_an_installed_wheel_makes_a_dataset_a_report_a_card_and_a_certificate(
    wheel: Path, version: str, tmp_path: Path
) -> None:
    interpreter = f"python{version}"
    try:
        ran(interpreter, "-m", "venv", tmp_path / "clean", cwd=tmp_path)
    except (OSError, AssertionError) as missing:
        if version == f"{sys.version_info[0]}.{sys.version_info[1]}":
            raise
        pytest.skip(f"{interpreter} is not here: {missing}")
    python, command = tmp_path / "clean/bin/python", tmp_path / "clean/bin/amendment"
    constraints = ROOT / "constraints.txt"
    ran(python, "-m", "pip", "install", "--quiet", "--constraint", constraints, wheel, cwd=tmp_path)
    place = ran(python, "-c", "import amendment; print(amendment.__file__)", cwd=tmp_path)
    assert Path(place.strip()).is_relative_to(tmp_path / "clean")
    assert "Start" in ran(command, "--help", cwd=tmp_path)
    ran(command, "init", "study", "--yes", "--provider", "simulated", cwd=tmp_path)
    study = tmp_path / "study"
    assert "no problems" in ran(command, "check", "run.yaml", cwd=study)
    assert "Diversity" in ran(command, "run", "run.yaml", cwd=study)
    assert (study / "runs/study/report.html").stat().st_size > 10_000
    ran(command, "publish", "runs/study", "--repo", "org/study", "--license", "mit", cwd=study)
    assert (study / "runs/study/publish/README.md").read_text(encoding="utf-8").startswith("---\n")
    audited = ran(command, "audit", ROOT / "examples/audit_my_judge.yaml", "--folder", "a", "--json", cwd=tmp_path)
    assert json.loads(audited)["counts"]["people"] == 3
    assert (tmp_path / "a/certificate.md").is_file()
