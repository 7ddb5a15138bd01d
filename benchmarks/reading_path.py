"""How much code one prompt meets on its way to `train.parquet`, and one reply on its way to the certificate.

Counted with `sys.setprofile` in all threads, modules loaded before: the files of the package that are entered, their
functions, and how often the way leaves one file for another. The reply's way begins where it is first read.

    python benchmarks/reading_path.py [--list]
"""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import amendment
from amendment.run import Run

ROOT = Path(amendment.__file__).parent
RUN = """
name: path
constitution: lilliput
models:
  writer: {provider: simulated}
  judge: {provider: simulated}
prompts: [{lilliput: 1}]
critique: {model: writer}
candidates: [{from: critique, take: draft_and_last}, {model: writer, per_prompt: 3}]
judging: {judges: [{model: judge}], ties: keep}
dataset: {test_share: 0}
"""


class Entered:
    """The functions of the package that are entered once a function named `begins` has been."""

    def __init__(self, begins: str | None = None) -> None:
        self.functions: dict[tuple[str, str], None] = {}
        self.changes = 0
        self._begins, self._last = begins, ""

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Take note of a call."""
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(str(ROOT)):
            return
        if self._begins and code.co_name != self._begins:
            return
        self._begins = None
        file = str(Path(code.co_filename).relative_to(ROOT))
        self.functions[file, code.co_qualname] = None
        self.changes += file != self._last
        self._last = file

    @property
    def files(self) -> list[str]:
        """In the order in which they are first entered."""
        return list(dict.fromkeys(file for file, _ in self.functions))


def traced(work: Callable[[], Any], begins: str | None = None) -> Entered:
    """What is entered while the work is done."""
    entered = Entered(begins)
    threading.setprofile(entered)
    sys.setprofile(entered)
    try:
        work()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return entered


def main() -> None:
    """Print both ways."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.yaml"
        path.write_text(RUN)
        Run.from_file(path, folder=Path(folder) / "warm")()  # what is loaded and cached once does not count
        ways = {
            "prompt to train.parquet": traced(lambda: Run.from_file(path, folder=Path(folder) / "a")(until="dataset")),
            "reply to certificate": traced(
                lambda: Run.from_file(path, folder=Path(folder) / "b")(until="audit"), begins="read"
            ),
        }
    print(f"{'':24} {'files':>6} {'functions':>10} {'changes of file':>16}")
    for name, entered in ways.items():
        print(f"{name:24} {len(entered.files):>6} {len(entered.functions):>10} {entered.changes:>16}")
        if "--list" in sys.argv:
            print(*(f"  {file}" for file in entered.files), sep="\n")


if __name__ == "__main__":
    main()
