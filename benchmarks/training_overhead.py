"""CPU seconds of a training step: our trainers against TRL's own, steps taken in turn within one process.

    python benchmarks/training_overhead.py [--steps 30] [--lora]

One thread. Each training runs as a user would start it, in a thread that only moves while the others wait: a step of
TRL's, a step of ours, a step of ours without the dense head for small vocabularies, and so on. The ratio is the median
of the ratios of steps that were taken one after the other. The goal is 1.10 at most.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from training_arms import Kind, Task, Tell, make, ours, stock

from amendment.training import LoraSettings, TinyModel, losses

SHAPE = TinyModel(hidden=128, layers=4, heads=4, intermediate=384, vocab=1024, context=512)
WARM = 3
"""First steps that do not count: memory is taken, caches fill."""


class Arm(threading.Thread):
    """One training. It takes a step when its turn comes."""

    def __init__(self, name: str, train: Callable[[Tell], None]) -> None:
        super().__init__(name=name)
        self.train, self.seconds, self.tokens = train, list[float](), list[float]()
        self.mine, self.done = threading.Semaphore(0), threading.Semaphore(0)
        self.fault: BaseException | None = None

    def step(self) -> None:
        """Let it take its next step, or what is left after the last."""
        self.mine.release()
        self.done.acquire()
        if self.fault:
            raise self.fault

    def run(self) -> None:
        self.mine.acquire()
        self.since = time.thread_time()
        try:
            self.train(self._tell)
        except BaseException as fault:
            self.fault = fault
        self.done.release()

    def _tell(self, entry: Mapping[str, float]) -> None:
        now = time.thread_time()  # time spent waiting is none of it
        self.seconds.append(now - self.since)
        self.tokens.append(entry["num_tokens"])
        self.done.release()
        self.mine.acquire()
        self.since = time.thread_time()


def measure(task: Task, folder: Path) -> list[Arm]:
    """Run the arms of a task to their end, in turns."""

    largest = losses._VOCAB  # up to which the head is used; read before step 1

    def without_head(tell: Tell) -> None:
        def tell_and_restore(entry: Mapping[str, float]) -> None:
            losses._VOCAB = largest
            tell(entry)

        losses._VOCAB = 0
        ours(task, folder / "plain", tell_and_restore)

    arms = [
        Arm("TRL", lambda tell: stock(task, folder / "stock", tell)),
        Arm("ours", lambda tell: ours(task, folder / "ours", tell)),
    ]
    if task.kind != "reward":  # a reward model has no such head
        arms.append(Arm("ours, without the dense head", without_head))
    for arm in arms:
        arm.start()
    for _ in range(task.steps + 1):
        for arm in arms:
            arm.step()
    return arms


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--steps", type=int, default=30)
    options.add_argument("--lora", action="store_true", help="adapters instead of all weights")
    given = options.parse_args()
    lora = LoraSettings(r=8) if given.lora else None
    kinds: tuple[Kind, ...] = ("sft", "reward", "dpo")
    print("| trainer | arm | CPU ms a step | tokens a CPU second | against TRL |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        rows = make(Path(folder) / "base", SHAPE, pairs=8 * 16, words=90)
        for kind in kinds:
            batch = 8 if kind == "sft" else 4
            task = Task(kind, Path(folder) / "base", rows, given.steps, batch, lora)
            arms = measure(task, Path(folder) / kind)
            for arm in arms:
                print(_row(kind, arm, arms[0]), flush=True)


def _row(kind: str, arm: Arm, stock: Arm) -> str:
    seconds, theirs = arm.seconds[WARM:], stock.seconds[WARM:]
    speed = (arm.tokens[-1] - arm.tokens[WARM - 1]) / sum(seconds)
    ratio = statistics.median(a / b for a, b in zip(seconds, theirs, strict=True))
    return f"| {kind} | {arm.name} | {1e3 * statistics.median(seconds):.0f} | {speed:.0f} | {ratio:.2f} |"


if __name__ == "__main__":
    main()
