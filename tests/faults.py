"""Put each fault of faults.yaml into a copy of the package, and say whether the tests catch it.

python tests/faults.py [--only N ...]        exit code 1 when one is missed, or its line or a test file is gone
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = (".git", ".venv", "runs", "audits", ".*_cache", ".hypothesis", "__pycache__")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=int, nargs="+", metavar="N", help="numbers of faults, from 1")
    parser.add_argument("--places", action="store_true", help="look for lines and test files, and run nothing")
    given = parser.parse_args()
    faults = yaml.safe_load((ROOT / "tests" / "faults.yaml").read_text(encoding="utf-8"))
    chosen = given.only or range(1, len(faults) + 1)
    good = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        shutil.copytree(ROOT, copy, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT))
        for number in chosen:
            fault, begun = faults[number - 1], cpu_seconds()
            try:
                path = place_of(copy, fault)
                outcome = f"in {path.relative_to(copy)}" if given.places else try_fault(copy, path, fault)
                good += 1
            except LookupError as problem:
                outcome = str(problem.args[0])
            print(f"{number:3} {outcome} ({cpu_seconds() - begun:.0f} s of CPU): {fault['name']}", flush=True)
    print(f"{good} of {len(chosen)} {'found' if given.places else 'caught'}")
    return 0 if good == len(chosen) else 1


def place_of(copy: Path, fault: dict[str, Any]) -> Path:
    """The one file of the package that has the line. Raises LookupError without one, or without a test file."""
    paths = {path: path.read_text(encoding="utf-8") for path in (copy / "amendment").rglob("*.py")}
    places = [path for path, text in paths.items() for _ in range(text.count(fault["before"]))]
    if len(places) != 1:
        raise LookupError(f"NO ONE PLACE: the line is at {len(places)} places of the package")
    for name in fault["tests"]:
        if not (copy / name.partition("::")[0]).exists():
            raise LookupError(f"NO SUCH TEST {name}")
    return places[0]


def try_fault(copy: Path, path: Path, fault: dict[str, Any]) -> str:
    """The test that catches the fault; the copy is afterwards as it was. Raises LookupError where no test does."""
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(fault["before"], fault["after"]), encoding="utf-8")
    try:
        failed = first_failure(copy, fault["tests"])
    finally:
        path.write_text(text, encoding="utf-8")
    if failed is None:
        raise LookupError(f"MISSED by {', '.join(fault['tests'])}")
    if first_failure(copy, [failed]):
        raise LookupError(f"NOT TOLD: {failed} fails without the fault")
    return f"caught by {failed}"


def first_failure(copy: Path, tests: list[str]) -> str | None:
    """The first test that fails, by its name; the first file where pytest could not say, None where all pass."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-m", "not long", "-p", "no:cacheprovider", *tests]
    # No bytecode: a fault and its removal can share size and second.
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode == 0:
        return None
    name = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", ran.stdout, re.MULTILINE)
    return name[1] if name else tests[0]


def cpu_seconds() -> float:
    """CPU seconds of all processes that this one has waited for."""
    times = os.times()
    return times.children_user + times.children_system


if __name__ == "__main__":
    sys.exit(main())
