"""The tools around a trainer of TRL, from the base's folder to the result's.

A method brings its trainer and data; what every training needs is here: pinned threads and seeds, quiet
libraries, checked configurations, batches of like length, a watched loop, a folder that appears whole.
Checkpoints are transformers' own. They lie in a folder that is named by all that the weights depend on, so that a
training that was killed goes on from the last one and ends with the same weights and the same history, bit for bit on
an equal machine, and no other training ever reads from it.
Importing this module loads torch, transformers and TRL.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.utils.data import Sampler
from transformers import PrinterCallback, TrainerCallback
from transformers.integrations import unset_hf_deepspeed_config
from transformers.trainer_callback import ExportableState

import amendment
from amendment.errors import ConfigError, Problem, TrainingError
from amendment.files import file_hash, read_json
from amendment.llm.packed import cores, packed
from amendment.llm.rendering import Renderer
from amendment.llm.weights import find_weights, split_revision
from amendment.training import model_files
from amendment.training.bases import check_base
from amendment.training.losses import use_dense_head
from amendment.training.model_files import has_gpu, quietly
from amendment.training.settings import ProgressCallback, Report, TrainerSettings, TrainResult, missing_trackers

_POOL = 8
"""Batches that are filled together from rows sorted by length: little padding, and still a random order."""
_NO_MATTER = {"report_to", "save_strategy", "save_steps"}
"""Fields under `trl` that change no weight: who sets one after a kill goes on."""
_CLOCK = ("train_runtime", "train_samples_per_second", "train_steps_per_second", "total_flos")
"""Metrics that differ between equal runs, or say nothing."""


class Fitted(NamedTuple):
    history: tuple[dict[str, float], ...]
    steps: int
    kind: type[Any]
    """The class of the model, below an adapter, before several processes shared it."""


@contextmanager
def workbench(
    base: str | Path,
    out: Path,
    settings: TrainerSettings,
    seed: int,
    progress: ProgressCallback | None = None,
    *,
    rows: Sequence[Any] = (),
    depends: Any = None,
) -> Iterator[Workbench]:
    """Open a workbench for a training on `rows`, as they were given; `depends` is what else its weights depend on, as
    JSON values.

    Raises ConfigError (no such base, or a setting that this machine cannot obey) or TrainingError (`out` is in use).
    """
    check_base(base)
    name, revision = split_revision(str(base))
    if missing := list(missing_trackers(settings)):
        raise ConfigError([Problem("trl", message) for message in missing])
    model_files.check_out(out)
    logs = {"TENSORBOARD_LOGGING_DIR": str(out.with_name(f"{out.name}.logs"))} if settings.trl.get("report_to") else {}
    added = {name: value for name, value in logs.items() if name not in os.environ}
    os.environ.update(added)  # else it writes into the folder of checkpoints
    try:
        with quietly(seed), tempfile.TemporaryDirectory() as scratch:
            bench = Workbench(find_weights(name), revision, out, settings, seed, progress, rows, depends, scratch)
            for other in bench.state.parent.glob("*"):
                if other != bench.state:
                    shutil.rmtree(other, ignore_errors=True)
            yield bench
    finally:
        for name in added:
            os.environ.pop(name, None)


@dataclass
class Workbench:
    """An open workbench; use it inside `with workbench(...)`."""

    base: str
    pinned: str | None
    """The revision of a base on the Hub that `org/name@revision` names."""
    out: Path
    settings: TrainerSettings
    seed: int
    progress: ProgressCallback | None
    rows: Sequence[Any]
    depends: Any
    scratch: str
    """A folder that goes when the workbench closes."""
    notes: list[str] = field(default_factory=list)
    """Sentences for the result."""
    record: dict[str, Any] = field(default_factory=dict)
    """What the caller adds to `history.json`."""

    @cached_property
    def commit(self) -> str | None:
        """Return the commit of a base on the Hub, looked up once so that all parts are of one; None for a folder."""
        return model_files.read_commit(self.base, self.pinned)

    @property
    def revision(self) -> str | None:
        """Return the commit by which parts of a base on the Hub are requested."""
        return self.commit or self.pinned

    @property
    def origin(self) -> dict[str, str]:
        """Return the base as records name it: its name and, on the Hub, its commit; never the path of a folder."""
        folder = Path(self.base).expanduser()
        name = folder.resolve().name if folder.is_dir() else self.base
        return {"base": name, **({"base_commit": self.commit} if self.commit else {})}

    @cached_property
    def state(self) -> Path:
        """Return the folder of exactly this training in `<out name>.state` next to `out`: it survives a kill, is made
        by its first writer, and is removed by `finish`. A training with another base, other rows, settings, seed or
        libraries has another; for other processes and threads see `resumable`."""
        trl = {name: value for name, value in self.settings.trl.items() if name not in _NO_MATTER}
        depends = {
            "base": self.commit or _hash_files(Path(self.base).expanduser()),
            "rows": _digest(self.rows),
            "settings": [type(self.settings).__name__, {**self.settings.model_dump(mode="json"), "trl": trl}],
            "seed": self.seed,
            "depends": _digest([self.depends]),
            "versions": {"amendment": amendment.__version__, **self.versions},
        }
        return self.out.with_name(f"{self.out.name}.state") / _digest([depends])[:16]

    @cached_property
    def tokenizer(self) -> Any:
        return model_files.load_tokenizer(self.base, revision=self.revision)

    @cached_property
    def renderer(self) -> Renderer:
        return Renderer(self.tokenizer)

    @property
    def dtype_name(self) -> str:
        """Return the precision of the weights: frozen ones under an adapter may be in bf16, trained ones are in
        fp32."""
        return "bfloat16" if self.settings.lora and _uses_bf16(self.settings) else "float32"

    @property
    def versions(self) -> dict[str, str]:
        return {name: version(name) for name in ("torch", "transformers", "trl", "peft", "accelerate", "tokenizers")}

    def causal_model(self) -> Any:
        return model_files.load_causal(self.base, revision=self.revision, dtype=self.dtype_name)

    def adapter(self, task: str) -> Any:
        """Return PEFT's configuration for `CAUSAL_LM` or `SEQ_CLS`, or None if no adapter is asked for."""
        lora = self.settings.lora
        has_half = lora is not None and lora.layers != "all"
        blocks = model_files.count_blocks(self.base, revision=self.revision) if has_half else 0
        return model_files.lora_config(lora, task, blocks=blocks)

    def configure(self, kind: type[Any], **own: Any) -> Any:
        """Make a configuration of TRL for this machine; `own` are fields of the calling trainer."""
        return configure(kind, self.settings, seed=self.seed, folder=self.scratch, **own)

    def order(self, lengths: Sequence[int], args: Any) -> list[int]:
        """Return the rows of these lengths in the order of a trainer's first epoch with this configuration."""
        return list(LengthPools(lengths, _global_batch(args), args.seed))  # as the trainer's own sampler is made

    def seen(self, lengths: Sequence[int], args: Any) -> list[int]:
        """Return the rows, among those of these lengths, that a trainer with this configuration draws at least once."""
        return self.order(lengths, args)[: drawn(args)] if args.max_steps > 0 else list(range(len(lengths)))

    def fit(self, trainer: Any, lengths: Sequence[int], *watchers: TrainerCallback) -> Fitted:
        """Train to the end, without a word on stdout; `lengths` are tokens per row."""
        use_dense_head(trainer.model)
        watch = Watch(trainer, self.progress)
        trainer.lengths = lengths
        trainer.args.output_dir = str(self.state)
        trainer.remove_callback(PrinterCallback)  # it prints to stdout
        for watcher in (watch, *watchers):
            trainer.add_callback(watcher)
        kind = type(model_files.bare(trainer.model))
        sharded = {"FSDP": trainer.is_fsdp_enabled, "DeepSpeed": trainer.is_deepspeed_enabled}
        watch.launch = {
            "processes": _processes(),
            "threads": None if has_gpu() else cores(),
            "sharding": next((name for name, is_on in sharded.items() if is_on), "whole copies"),
        }
        checkpoint = self.resumable(watch.launch)
        with packed(trainer.model):
            trainer.train(resume_from_checkpoint=checkpoint)
        return Fitted(tuple(watch.history), trainer.state.global_step, kind)

    def resumable(self, launch: Mapping[str, Any]) -> str | None:
        """Return the newest whole checkpoint, with a note if another number of processes or threads wrote it.

        Raises TrainingError for a checkpoint that `launch`, the way in which this training is launched, cannot read.
        """
        if (checkpoint := last_checkpoint(self.state)) is None:
            return None
        state = read_json(Path(checkpoint, "trainer_state.json"))
        wrote = state["stateful_callbacks"][Watch.__name__]["attributes"]["launch"]
        if launch == wrote:
            return checkpoint
        is_fixed = wrote["sharding"] == "DeepSpeed" or self.depends  # guards watch in one process alone
        if launch["sharding"] != wrote["sharding"] or (is_fixed and launch["processes"] != wrote["processes"]):
            before, now = (f"{way['processes']} ({way['sharding']})" for way in (wrote, launch))
            guarded = " with guards" if self.depends else ""
            raise TrainingError(
                f"{checkpoint}: processes that wrote it: {before}; processes now: {now}. A training{guarded} cannot "
                f"resume from it; launch as before, or remove {self.state.parent} to start over"
            )
        before, now = (
            f"{way['processes']} process{'es' * (way['processes'] > 1)}"
            + (f" of {way['threads']} thread{'s' * (way['threads'] > 1)}" if way["threads"] else "")
            for way in (wrote, launch)
        )
        self.notes.append(
            f"Resumed in {now} from a checkpoint of {before}: the weights are those of an uninterrupted training up to "
            "rounding."
        )
        return checkpoint

    def finish(self, trainer: Any, report: Report, fitted: Fitted, **files: Mapping[str, Any]) -> TrainResult:
        """Merge, save and describe what was trained; `files` are JSON by stem."""
        machine = {
            "device": torch.cuda.get_device_name(0) if has_gpu() else "cpu",
            "bf16": _uses_bf16(self.settings),
            "threads": torch.get_num_threads(),
            "processes": _processes(),
            "versions": self.versions,
        }
        record = {
            "trainer": report.trainer,
            **self.origin,
            "seed": self.seed,
            "settings": self.settings.model_dump(mode="json", exclude_none=True),
            "machine": machine,
            "preflight": report.to_json(),
            "notes": self.notes,
            "steps": fitted.steps,
            "history": fitted.history,
            **self.record,
        }
        if model := model_files.gathered(trainer, fitted.kind):
            model_files.save(model, self.tokenizer, self.out, record, **files)
            shutil.rmtree(self.state.parent, ignore_errors=True)
        trainer.accelerator.wait_for_everyone()
        return TrainResult(
            folder=self.out,
            report=report,
            history=fitted.history,
            steps=fitted.steps,
            machine=machine,
            notes=tuple(self.notes),
        )


def configure(kind: type[Any], settings: TrainerSettings, *, seed: int, folder: str, **own: Any) -> Any:
    """Make a configuration of TRL: the machine's settings, then ours, then what the user's `trl:` names."""
    on_gpu, processes = has_gpu(), _processes()
    if settings.batch_size % processes:
        raise ConfigError(f"batch_size {settings.batch_size} cannot be split evenly over {processes} processes")
    arguments = {
        "use_cpu": not on_gpu,
        "bf16": _uses_bf16(settings),
        "gradient_checkpointing": on_gpu,
        "dataloader_pin_memory": on_gpu,
        "disable_tqdm": True,
        "report_to": "none",
        "save_strategy": "steps",
        "save_steps": 500,
        "save_total_limit": 1,
        "push_to_hub": False,
        "trust_remote_code": False,
        "learning_rate": settings.learning_rate,
        "per_device_train_batch_size": settings.batch_size // processes,
        "num_train_epochs": settings.epochs or 1.0,
        "max_steps": settings.steps or -1,
        "logging_steps": 10,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,  # otherwise a loss that is nan is logged as a number
        "max_length": None,  # preflight has cut and dropped by our rule
        "seed": seed,
        "data_seed": seed,
        "output_dir": folder,
        **own,
        **settings.trl,
    }
    names = {entry.name for entry in fields(kind)}
    if "activation_checkpointing" in names:  # the later name, which the earlier one only warns of
        arguments["activation_checkpointing"] = arguments.pop("gradient_checkpointing")
    if unknown := sorted(set(arguments) - names):
        raise ConfigError(f"the installed trl has no {', '.join(unknown)} in {kind.__name__}; see constraints.txt")
    try:
        config = kind(**arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{kind.__name__} refuses its settings: {error}") from error
    unset_hf_deepspeed_config()  # else ZeRO-3 splits every model that is loaded from now on, DPO's reference too
    if config.n_gpu > 1:  # DataParallel would make every batch as many times larger as there are GPUs
        config._n_gpu = 1  # asking for `n_gpu` has set it, and it is not set again
    return config


def _processes() -> int:
    """Return the number of processes under `accelerate launch`, one for each device."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def drawn(args: Any) -> int:
    """Count the rows that a training with `max_steps` draws in all its processes."""
    return int(args.max_steps * args.gradient_accumulation_steps * _global_batch(args))


def _global_batch(args: Any) -> int:
    """Count the rows of one batch over all processes, which take turns in it: any number of processes draws the same
    rows."""
    return int(args.train_batch_size * args.world_size)


def _uses_bf16(settings: TrainerSettings) -> bool:
    """Return True for bf16 arithmetic: on a GPU that has it unless refused, on a CPU only when asked for."""
    if "bf16" in settings.trl:
        return bool(settings.trl["bf16"])
    return has_gpu() and torch.cuda.is_bf16_supported(including_emulation=False)  # emulated, it is slower than fp32


class LengthPools(Sampler[int]):
    """Row numbers of one epoch in random order, rows of like length in one batch.

    Rows are shuffled, cut into pools of `_POOL` batches, sorted by length within the pool, and the
    pool's batches are shuffled. Seeded: the n-th epoch, which `epoch` tells from 0, is the same in every run.
    """

    def __init__(self, lengths: Sequence[int], batch: int, seed: int, epoch: Callable[[], int] = int) -> None:
        self.lengths, self.batch, self.seed, self.epoch = lengths, batch, seed, epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        random = torch.Generator().manual_seed(self.seed + self.epoch())
        order = torch.randperm(len(self.lengths), generator=random).tolist()
        for start in range(0, len(order), _POOL * self.batch):
            pool = sorted(order[start : start + _POOL * self.batch], key=lambda row: self.lengths[row])
            batches = [pool[i : i + self.batch] for i in range(0, len(pool), self.batch)]
            full = len(pool) // self.batch  # an incomplete batch can only stand at the end
            for place in [*torch.randperm(full, generator=random).tolist(), *range(full, len(batches))]:
                yield from batches[place]


class Steady:
    """Put before a trainer of TRL, for rows in token ids with their reference log-probabilities: TRL's own class would
    tokenise them again. `lengths` (tokens of each row) has to be set before `train`."""

    lengths: Sequence[int] = ()
    args: Any
    state: Any

    def _send_telemetry(self) -> None:
        """Send nothing: TRL reports each start to its makers' server, and a user of this package has not agreed to
        that."""

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        return dataset

    def _precompute_ref_logps(self, dataset: Any, *_: Any) -> Any:
        return dataset

    def _get_train_sampler(self, train_dataset: Any = None) -> LengthPools:
        # The epoch is asked for, not counted: a training that goes on begins in the midst of a later one.
        return LengthPools(self.lengths, _global_batch(self.args), self.args.seed, lambda: int(self.state.epoch or 0))


def steady(kind: type[Any]) -> type[Any]:
    """Return a trainer class of TRL with batches of similar length and without telemetry."""
    return type(f"Steady{kind.__name__}", (Steady, kind), {})


class Watch(TrainerCallback, ExportableState):
    """Keeps the history, tells progress, stops a run whose loss is no number, and logs where a checkpoint is written:
    what trainers sum up between two entries is in no checkpoint."""

    def __init__(self, trainer: Any, progress: ProgressCallback | None) -> None:
        self.trainer, self.progress, self.history = trainer, progress, list[dict[str, float]]()
        self.launch = dict[str, Any]()

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps of this."""
        return {"args": {}, "attributes": {"launch": self.launch}}

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.history = [_entry(logs["step"], logs) for logs in state.log_history]  # of the part before a kill
        if self.history and "num_tokens" in self.history[-1]:
            self.trainer._total_train_tokens = self.history[-1]["num_tokens"]  # TRL counts from 0 again

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step >= state.max_steps:
            control.should_save = False  # the model itself is saved
        control.should_log = control.should_log or control.should_save

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
        if "train_loss" in logs:
            return  # of the whole training, of which a process that goes on knows a part
        entry = _entry(state.global_step, logs)
        if not all(math.isfinite(entry.get(name, 0.0)) for name in ("loss", "grad_norm")):
            values = f"loss {entry.get('loss')}, gradient norm {entry.get('grad_norm')}"
            raise TrainingError(
                f"loss or gradient norm became NaN or infinite at step {state.global_step} ({values}); "
                "lower learning_rate"
            )
        self.history.append(entry)
        if self.progress and state.is_world_process_zero:
            self.progress(state.global_step, state.max_steps, entry)


def _entry(step: int, logs: Mapping[str, float]) -> dict[str, float]:
    return {"step": step} | {name: value for name, value in sorted(logs.items()) if name not in (*_CLOCK, "step")}


def last_checkpoint(state: Path) -> str | None:
    """Return the newest whole checkpoint: transformers writes `trainer_state.json` last."""
    for folder in sorted(state.glob("checkpoint-*"), key=lambda path: -int(path.name.rpartition("-")[2])):
        try:
            read_json(folder / "trainer_state.json")
        except (OSError, ValueError):
            continue
        return str(folder)
    return None


def _digest(values: Iterable[Any]) -> str:
    digest = hashlib.sha256()
    for value in values:
        text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
        digest.update(text.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()


def _hash_files(folder: Path) -> dict[str, str]:
    """Hash each file of a model's folder with SHA-256."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return {path.name: file_hash(path) for path in files}
