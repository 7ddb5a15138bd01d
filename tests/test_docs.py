"""What the docs say holds: generated pages are fresh, examples pass the checks, README's snippets are real."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from amendment.constitutions import lint_file
from amendment.pipeline import load_run_file

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_generated_pages_say_what_the_code_says() -> None:
    checked = subprocess.run(
        [sys.executable, ROOT / "docs" / "build.py", "--check"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_passes_the_check(example: Path) -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "amendment", "check", example], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("number", range(len(blocks("yaml"))))
def test_every_run_file_of_the_readme_has_the_right_shape(number: int, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(blocks("yaml")[number], encoding="utf-8")
    assert load_run_file(path).config.name


def test_the_constitution_of_the_docs_lints_clean(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "constitution.md").read_text(encoding="utf-8")
    path = tmp_path / "our-rules.yaml"
    path.write_text(re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)[0], encoding="utf-8")
    assert lint_file(path) == []


def test_the_python_of_the_readme_names_what_exists() -> None:
    for block in blocks("python"):
        compile(block, "README.md", "exec")
        for module, names in re.findall(r"^from (amendment\S*) import (.+)$", block, flags=re.MULTILINE):
            found = __import__(module, fromlist=["_"])
            assert all(hasattr(found, name.strip()) for name in names.split(","))


def test_links_of_the_docs_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#][^)]*)\)", page.read_text(encoding="utf-8")):
            if "://" not in link:
                assert (page.parent / link.split("#")[0]).exists(), f"{page.name}: {link}"
