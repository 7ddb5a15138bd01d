"""One run in a process of its own, and what it took: `python benchmarks/whole_run.py RUN_FILE FOLDER [STAGE]`."""

from __future__ import annotations

import json
import resource
import sys
import time

from amendment.cli._app import prepare_memory
from amendment.run import Run

if __name__ == "__main__":
    prepare_memory()  # as `amendment run` does
    start = time.perf_counter()
    result = Run.from_file(sys.argv[1], folder=sys.argv[2])(until=sys.argv[3] if len(sys.argv) > 3 else "judging")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"sent": result.sent, "seconds": time.perf_counter() - start, "rss": peak}))
