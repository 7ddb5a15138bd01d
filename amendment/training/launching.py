"""Trainings on several devices: the training function again, in processes of `accelerate launch`.

Promised: only the training runs in several processes, never the run around it; progress and errors come through
as from one process; when this process ends, however it ends, the others end. How the devices share the work
(copies, DeepSpeed, FSDP) is set by a configuration of accelerate.
Not covered: several machines; arguments that are code, which no other process can be given.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import pickle
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import amendment
from amendment.errors import ConfigError, DataError, TrainingError
from amendment.files import replacing
from amendment.training.settings import LaunchSettings, Progress, TrainResult, check_demands

Given = ParamSpec("Given")
_MARK = "amendment: "
"""Opens a line of a child's output that is progress: a JSON list of step, steps and metrics."""
_LINES = 20
"""Last lines of output that an error shows."""
_PATIENCE = 10.0
"""Seconds that a child has to end by itself once its standard input has ended."""


def launchable(train: Callable[Given, TrainResult]) -> Callable[Given, TrainResult]:
    """Let a training function with `settings`, `out` and `progress` obey `settings.launch`.

    Raises TrainingError with the last lines of a process that ended early, and ConfigError for an argument that cannot
    be handed on, and what `train` raises.
    """

    @wraps(train)
    def either(*args: Given.args, **kwargs: Given.kwargs) -> TrainResult:
        given = inspect.signature(train).bind(*args, **kwargs).arguments
        launch: LaunchSettings | None = given["settings"].launch
        if launch is None:
            return train(*args, **kwargs)
        check_demands(given["settings"])
        progress = given.pop("progress", None)
        rows = next(name for name in ("rows", "pairs") if name in given)
        given[rows] = list(given[rows])
        try:
            job = pickle.dumps((f"{train.__module__}:{train.__qualname__}", given))
        except Exception as error:  # functions, open files and more, each with its own error
            raise ConfigError(
                f"launch: {rows} and settings have to be plain data for other processes: {error}"
            ) from None
        _run(job, launch, progress)
        return TrainResult.read(Path(given["out"]))

    return either


def _run(job: bytes, launch: LaunchSettings, progress: Progress | None) -> None:
    """Run the job to its end."""
    with tempfile.TemporaryDirectory() as folder:
        path, last = Path(folder) / "job.pickle", deque[str](maxlen=_LINES)
        path.write_bytes(job)
        with _child(_command(launch, path)) as child:
            assert child.stdout
            for line in child.stdout:
                if not line.startswith(_MARK):
                    last.append(line.rstrip())
                elif progress:
                    progress(*json.loads(line.removeprefix(_MARK)))
            code = child.wait()
        for error in path.parent.glob("*.error"):
            raise pickle.loads(error.read_bytes())  # noqa: S301 - written below, into a folder of ours
    if code:
        output = "\n".join(last) or "no output"
        raise TrainingError(f"launch: a process of the training ended with code {code}; its last lines:\n{output}")


def _command(launch: LaunchSettings, job: Path) -> list[str]:
    config = Path(launch.config).expanduser().resolve() if launch.config else job.with_name("accelerate.json")
    if launch.config is None:
        copies = {
            "compute_environment": "LOCAL_MACHINE",
            "distributed_type": "MULTI_GPU",  # by which accelerate starts several processes; on a CPU too
            "num_machines": 1,
            "num_processes": launch.processes,
            "mixed_precision": "no",  # the trainer's own setting decides
            "use_cpu": False,
        }
        config.write_text(json.dumps(copies), encoding="utf-8")
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(config)]
    own = ["--num_processes", str(launch.processes), "--main_process_port", "0"]
    return [*launcher, *own, "--module", "amendment.training.launching", str(job)]


@contextmanager
def _child(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """The launcher, whose processes end with this block and with this process: their stdin is a pipe from here."""
    package = str(Path(amendment.__file__).resolve().parents[1])
    paths = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    child = subprocess.Popen(  # noqa: S603 - this interpreter, and no words of anyone's
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert child.stdin
    assert child.stdout
    try:
        yield child
    finally:
        child.stdin.close()
        try:
            child.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        child.stdout.close()


def main(job: Path) -> int:
    """One of the processes that train together; the exit code is 1 where an error was left for the parent."""
    if stat.S_ISFIFO(os.fstat(0).st_mode):  # the parent holds its other end and writes nothing
        threading.Thread(target=lambda: (os.read(0, 1), os._exit(1)), daemon=True).start()
    name, arguments = pickle.loads(job.read_bytes())  # noqa: S301 - written by `_run`, into a folder of its own
    module, _, function = name.partition(":")
    train = getattr(importlib.import_module(module), function).__wrapped__
    try:
        train(**arguments, progress=_tell)
    except (ConfigError, DataError, TrainingError) as error:
        with replacing(job.with_name(f"{os.getpid()}.error")) as file:
            file.write_bytes(pickle.dumps(error))
        return 1
    import torch.distributed

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()  # of which torch otherwise complains
    return 0


def _tell(*news: Any) -> None:
    """One line, written at once, so that lines of several processes do not mix."""
    os.write(1, f"{_MARK}{json.dumps(news)}\n".encode())


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
