"""Results of a long benchmark, one line of JSON per cell: a killed run goes on with the cells that are missing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

Cell = dict[str, Any]


class Cells(NamedTuple):
    """The lines of a file; a cell is named by all its values."""

    file: Path

    def do(self, cell: Cell, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The result of `cell`, measured and appended where the file has none."""
        for known, result in self._lines():
            if known == cell:
                return result
        start = time.perf_counter()
        result = measure()
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a", encoding="utf-8") as lines:  # a line that was cut by a kill ends here
            lines.write("\n" + json.dumps({"cell": cell, "result": result}) + "\n")
        print(f"{', '.join(map(str, cell.values()))}: {time.perf_counter() - start:.0f} s", flush=True)
        return result

    def results(self, part: str) -> Iterator[tuple[Cell, dict[str, Any]]]:
        """Cells and results of one part of the benchmark, in the order in which they were measured."""
        return ((cell, result) for cell, result in self._lines() if cell["part"] == part)

    def _lines(self) -> Iterator[tuple[Cell, dict[str, Any]]]:
        if not self.file.exists():
            return
        for line in self.file.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue  # an empty line, or one that a killed run did not finish
            yield row["cell"], row["result"]
