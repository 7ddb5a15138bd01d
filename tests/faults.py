"""Put each fault of faults.yaml into a copy of the package, and say whether the tests catch it.

python tests/faults.py [--only N ...]        exit code 1 when one is missed or its line is gone
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = (".git", ".venv", "runs", "audits", ".*_cache", ".hypothesis", "__pycache__")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=int, nargs="+", metavar="N", help="numbers of faults, from 1")
    parser.add_argument("--places", action="store_true", help="say what is gone, and run nothing")
    given = parser.parse_args()
    faults = yaml.safe_load((ROOT / "tests" / "faults.yaml").read_text(encoding="utf-8"))
    chosen = [(number, fault) for number, fault in enumerate(faults, 1) if not given.only or number in given.only]
    good = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = ROOT if given.places else Path(folder) / "project"
        if not given.places:
            shutil.copytree(ROOT, copy, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT))
        for number, fault in chosen:
            begun = time.monotonic()
            try:
                path, tests = place_of(copy, fault), tests_of(copy, fault)
                outcome = f"in {path.relative_to(copy)}" if given.places else tried(copy, fault, path, tests)
                good += outcome.startswith(("in ", "caught"))
            except LookupError as gone:
                outcome = str(gone.args[0])
            print(f"{number:3} {outcome} ({time.monotonic() - begun:.0f} s): {fault['name']}", flush=True)
    print(f"{good} of {len(chosen)} {'found' if given.places else 'caught'}")
    return 0 if good == len(chosen) else 1


def place_of(copy: Path, fault: dict[str, Any]) -> Path:
    """The file with the line: the one that is named, or the only other one of the package. LookupError without one."""
    named, line = copy / str(fault["file"]), str(fault["before"])
    if named.is_file() and named.read_text(encoding="utf-8").count(line) == 1:
        return named
    others = [
        path for path in (copy / "amendment").rglob("*.py") if fault["before"] in path.read_text(encoding="utf-8")
    ]
    if len(others) != 1 or others[0].read_text(encoding="utf-8").count(line) != 1:
        raise LookupError(f"NO SUCH LINE in {fault['file']}, and {len(others)} other files have it")
    return others[0]


def tests_of(copy: Path, fault: dict[str, Any]) -> list[str]:
    """The test files, by their path or else by their name. LookupError where one is gone."""
    found = []
    for name in fault["tests"]:
        paths = [copy / name] if (copy / name).exists() else sorted((copy / "tests").rglob(Path(name).name))
        if not paths:
            raise LookupError(f"NO SUCH TEST {name}")
        found.append(str(paths[0].relative_to(copy)))
    return found


def tried(copy: Path, fault: dict[str, Any], path: Path, tests: list[str]) -> str:
    """What became of one fault; the copy is as it was afterwards."""
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(fault["before"], fault["after"]), encoding="utf-8")
    try:
        failed = first_failure(copy, tests)
    finally:
        path.write_text(text, encoding="utf-8")
    if failed is None:
        return f"MISSED by {', '.join(tests)}"
    if first_failure(copy, [failed]):
        return f"NOT TOLD: {failed} fails without the fault"
    return f"caught by {failed}"


def first_failure(copy: Path, tests: list[str]) -> str | None:
    """The first test that fails, by its name; the first file where pytest could not say, None where all pass."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-m", "not long", "-p", "no:cacheprovider", *tests]
    # No bytecode: a fault and its removal can share size and second.
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode == 0:
        return None
    told = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", ran.stdout, re.MULTILINE)
    return told[1] if told else tests[0]


if __name__ == "__main__":
    sys.exit(main())
