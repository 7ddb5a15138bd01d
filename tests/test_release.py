"""A release as a user gets it: built from the source archive, installed from its wheel away from here, and run."""

from __future__ import annotations

import json
import os
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


def test_the_citation_names_this_version_and_the_license_of_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert citation["version"] == amendment.__version__
    assert f'license = "{citation["license"]}"' in pyproject
    assert f'authors = [{{ name = "{citation["authors"][0]["name"]}" }}]' in pyproject


@pytest.mark.long
def test_a_wheel_from_the_source_archive_runs_in_an_environment_of_its_own(tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AMENDMENT_"))}

    def ran(*command: str | Path, cwd: Path = tmp_path) -> str:
        done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    ran(sys.executable, "-c", f"import hatchling.build; hatchling.build.build_sdist({str(tmp_path)!r})", cwd=ROOT)
    (source,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.glob("amendment-*/")
    assert {"CHANGELOG.md", "CITATION.cff", "LICENSE", "SECURITY.md"} <= {path.name for path in unpacked.iterdir()}
    build = f"import hatchling.build; hatchling.build.build_wheel({str(tmp_path)!r})"
    ran(sys.executable, "-c", build, cwd=unpacked)
    (wheel,) = tmp_path.glob("*.whl")
    with ZipFile(wheel) as packed:
        names = {name for name in packed.namelist() if name.startswith("amendment/")}
        (described,) = (name for name in packed.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = message_from_bytes(packed.read(described))
    package = {path for path in (ROOT / "amendment").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert names == {str(path.relative_to(ROOT)) for path in package}, "code, texts, and nothing else"
    assert (metadata["Author"], metadata["License-Expression"]) == ("The amendment authors", "Apache-2.0")

    ran(sys.executable, "-m", "venv", tmp_path / "clean")
    python, command = tmp_path / "clean/bin/python", tmp_path / "clean/bin/amendment"
    ran(python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt", wheel)
    place = ran(python, "-c", "import amendment; print(amendment.__file__)")
    assert Path(place.strip()).is_relative_to(tmp_path / "clean")
    assert "Start" in ran(command, "--help")
    ran(command, "init", "study", "--yes", "--provider", "simulated")
    study = tmp_path / "study"
    assert "no problems" in ran(command, "check", "run.yaml", cwd=study)
    assert "Diversity" in ran(command, "run", "run.yaml", cwd=study)
    assert (study / "runs/study/report.html").stat().st_size > 10_000
    ran(command, "publish", "runs/study", "--repo", "org/study", "--license", "mit", cwd=study)
    assert (study / "runs/study/publish/README.md").read_text(encoding="utf-8").startswith("---\n")
    audited = json.loads(ran(command, "audit", ROOT / "examples/audit_my_judge.yaml", "--folder", "audited", "--json"))
    assert audited["counts"]["people"] == 3
    assert (tmp_path / "audited/certificate.md").is_file()
