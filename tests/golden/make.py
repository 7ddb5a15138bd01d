"""Freeze or check the golden files.

    python tests/golden/make.py --check [NAME ...]     compare; without a name the quick ones
    python tests/golden/make.py NAME ...               make them anew, and print what is different

Making a file anew may drop sections and rename keys, and refuses to change a figure unless --figures says that the
change is meant.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.golden.subjects import FOLDER, SUBJECTS

Content = dict[str, Any]
ABSENT = object()
FLOAT = 1e-9
"""Relative difference that numbers may have."""
LOSS = 1e-6
"""And what a training came to."""
ELSEWHERE = 1e-3
"""First losses on another processor or with another torch, and the demonstration."""
DRAWN = ("simulated.reward_model.", "simulated.dpo.")
"""Losses on texts that a trained model drew, which are others there."""


class Difference(NamedTuple):
    """One place where old and new disagree."""

    path: str
    old: Any
    new: Any

    @property
    def changes_figure(self) -> bool:
        """Whether a number, a digest or a word changed: no section came or went, and no sentence was reworded."""
        if ABSENT in (self.old, self.new):
            return False
        are_prose = all(isinstance(value, str) and " " in value for value in (self.old, self.new))
        return not are_prose or re.findall(r"\d", self.old) != re.findall(r"\d", self.new)

    def __str__(self) -> str:
        return f"{self.path}: {short(self.old)} -> {short(self.new)}"


def short(value: Any) -> str:
    if value is ABSENT:
        return "(absent)"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}... ({len(text)} characters)"


def differences(old: Any, new: Any, *, tolerance: float = FLOAT, path: str = "") -> Iterator[Difference]:
    """Field by field; numbers within the relative tolerance are equal."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            place = f"{path}.{key}" if path else str(key)
            yield from differences(old.get(key, ABSENT), new.get(key, ABSENT), tolerance=tolerance, path=place)
    elif isinstance(old, list) and isinstance(new, list):
        for i in range(max(len(old), len(new))):
            parts = [values[i] if i < len(values) else ABSENT for values in (old, new)]
            yield from differences(*parts, tolerance=tolerance, path=f"{path}[{i}]")
    elif not are_equal(old, new, tolerance):
        yield Difference(path, old, new)


def are_equal(old: Any, new: Any, tolerance: float) -> bool:
    numbers = [isinstance(value, int | float) and not isinstance(value, bool) for value in (old, new)]
    if all(numbers) and float in (type(old), type(new)):
        return math.isclose(old, new, rel_tol=tolerance, abs_tol=1e-12) or (math.isnan(old) and math.isnan(new))
    return type(old) is type(new) and bool(old == new)


def machine() -> Content:
    """What trained numbers depend on beside the code."""
    import torch

    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = [platform.processor()]
    # the same instructions are not enough: kernels are chosen by family and model
    kind = sorted({line for line in lines if line.startswith(("vendor_id", "cpu family", "model", "stepping"))})
    return {"torch": torch.__version__, "cpu": [" ".join(line.split()) for line in kind or lines]}


def is_same_machine(golden: Content) -> bool:
    return bool(golden.get("machine") == machine())


def read(name: str) -> Content:
    content: Content = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return content


def made(name: str) -> Content:
    """The content of today, as JSON keeps it."""
    with tempfile.TemporaryDirectory() as folder:
        content: Content = json.loads(json.dumps(SUBJECTS[name].make(Path(folder))))
    return content


def differences_of(name: str, golden: Content, content: Content) -> list[Difference]:
    """What is not as it was frozen, but for what the golden file lists under `dropped`."""
    tolerance = FLOAT
    if SUBJECTS[name].trains:
        tolerance = LOSS if is_same_machine(golden) and name != "demo" else ELSEWHERE
    found = differences(golden["content"], content, tolerance=tolerance)
    if tolerance == ELSEWHERE:
        found = (one for one in found if not one.path.startswith(DRAWN))
    return [one for one in found if not (one.new is ABSENT and is_dropped(one.path, golden["dropped"]))]


def is_dropped(path: str, dropped: Sequence[str]) -> bool:
    """Whether the path, or a section around it, is listed; `*` stands for anything."""
    return any(fnmatchcase(path, pattern) or fnmatchcase(path, f"{pattern}.*") for pattern in dropped)


def freeze(name: str, *, figures: bool) -> bool:
    """Write the golden file; False when a figure has changed that should not."""
    path = FOLDER / f"{name}.json"
    golden: Content = read(name) if path.is_file() else {"dropped": [], "content": None}
    content = made(name)
    found = differences_of(name, golden, content) if golden["content"] is not None else []
    print_all(name, found)
    if any(one.changes_figure for one in found) and not figures:
        print(f"{name}: not frozen, because figures changed. If that is meant, say so with --figures.")
        return False
    about = {"machine": machine()} if SUBJECTS[name].trains else {}
    text = json.dumps({**about, "dropped": golden["dropped"], "content": content}, ensure_ascii=False, indent=1)
    path.write_text(text + "\n", encoding="utf-8")
    return True


def check(name: str) -> bool:
    found = differences_of(name, read(name), made(name))
    print_all(name, found)
    return not found


def print_all(name: str, found: Sequence[Difference], most: int = 60) -> None:
    for one in found[:most]:
        print(f"  {one}")
    if len(found) > most:
        print(f"  and {len(found) - most} more")
    print(f"{name}: {f'{len(found)} differences' if found else 'as frozen'}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*SUBJECTS, []], metavar="NAME")
    parser.add_argument("--check", action="store_true", help="compare only")
    parser.add_argument("--figures", action="store_true", help="the figures are meant to change")
    given = parser.parse_args()
    if not given.names and not given.check:
        parser.error(f"expected names: {', '.join(SUBJECTS)}")
    names = given.names or [name for name, subject in SUBJECTS.items() if subject.is_quick]
    done = [check(name) if given.check else freeze(name, figures=given.figures) for name in names]
    return 0 if all(done) else 1


if __name__ == "__main__":
    sys.exit(main())
