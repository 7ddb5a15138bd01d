"""Processes that are killed while a batch is on its way: `python -m tests.llm.killed_batches ORIGIN FOLDER STEP ...`.

The libraries are loaded once; each death is that of a forked process, which kills itself with SIGKILL at its step.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from amendment.llm import batching
from amendment.llm.batch_vendors import BatchService, OpenAIBatches
from amendment.llm.batching import Batching
from amendment.llm.ledger import Ledger
from tests.vendors.askers import ask_batched

PROTOCOLS = ("chat", "messages")
N_QUESTIONS = 5
STEPS: dict[str, tuple[type, str, int, bool]] = {
    "written down": (Ledger, "open_batch", 1, True),
    "before the file": (OpenAIBatches, "upload", 1, False),
    "uploaded": (OpenAIBatches, "upload", 1, True),
    "before it is made": (BatchService, "create_batch", 1, False),
    "made": (BatchService, "create_batch", 1, True),
    "named": (Ledger, "name_batch", 1, True),
    "ended": (Batching, "_read", 1, False),
    "half read": (Batching, "_take", 3, True),
    "read": (Ledger, "close_batch", 1, False),
    "closed": (Ledger, "close_batch", 1, True),
}
"""The place where a process is killed: in a method, at its n-th call, before it begins or after it has ended."""


def questions_of(protocol: str, step: str) -> list[str]:
    """No two deaths share a question, so that the vendor's books tell them apart."""
    return [f"{protocol}, {step}: what is {number} and one?" for number in range(N_QUESTIONS)]


def killing(method: Callable[..., Any], at: int, *, afterwards: bool) -> Callable[..., Any]:
    """The method, whose n-th call is the last thing that the process does."""
    calls = 0

    async def deadly(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at and not afterwards:
            os.kill(os.getpid(), signal.SIGKILL)
        result = await method(*given, **named)
        if afterwards and calls >= at:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return deadly


class _Server:
    """The data of a server in another process that a client needs."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.url = f"{origin}/v1"


def die(origin: str, folder: Path, protocol: str, step: str) -> None:
    """Ask until the step is reached; does not return."""
    batching.CHUNK = 2  # so that there is a half of five replies
    owner, name, at, afterwards = STEPS[step]
    setattr(owner, name, killing(getattr(owner, name), at, afterwards=afterwards))
    ledger = folder / f"{protocol} {step}" / "ledger.sqlite"
    ask_batched(_Server(origin), protocol, questions_of(protocol, step), ledger=ledger)  # type: ignore[arg-type]
    os._exit(3)  # the step was never reached


def main(origin: str, folder: Path, steps: list[str]) -> int:
    """One death after another; how many did not come about."""
    for vendor in ("openai", "anthropic"):  # loaded when first asked for, which each child would do for itself
        import_module(vendor)
    missed = 0
    for protocol in PROTOCOLS:
        for step in steps:
            child = os.fork()
            if not child:
                die(origin, folder, protocol, step)
            _, ended = os.waitpid(child, 0)
            if not os.WIFSIGNALED(ended) and not (protocol == "messages" and STEPS[step][1] == "upload"):
                sys.stderr.write(f"{protocol}, {step}: ended with {ended}\n")
                missed += 1
    return missed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:]))
