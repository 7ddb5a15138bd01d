"""How a process that does nothing but a run uses its memory: for commands, since it reaches into the whole process."""

from __future__ import annotations

import gc
import os


def prepare() -> None:
    """Fewer scans for garbage, and Arrow's buffers from the system, which gets them back. Call before Arrow is loaded.

    A run holds very many small records, which the usual threshold of 700 rescans without end. Arrow's own pool keeps
    what it was given once; `ARROW_DEFAULT_MEMORY_POOL`, where the user has set it, stands.
    """
    gc.set_threshold(100_000, 20, 100)
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
