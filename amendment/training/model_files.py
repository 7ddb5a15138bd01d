"""Loading what a training starts from and saving what it made: plain folders, safetensors, no remote code.

Promised: an output folder appears whole or not at all; an older result of this package is replaced, anything else in
its place is refused. Adapters are merged, so that every later stage gets a full model.
Importing this module loads torch, transformers and peft.
"""

from __future__ import annotations

import json
import logging
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

import datasets
import torch
from huggingface_hub import hf_hub_download
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, set_seed

from amendment.errors import AmendmentError, ConfigError, TrainingError
from amendment.libraries import first_line, without_bars
from amendment.llm.opening import SAFE_LOADING
from amendment.llm.packed import pack_frozen, threads_for
from amendment.llm.weights import find_weights
from amendment.training.settings import LoraSettings

RECORD = "history.json"
"""The file by which a folder is known as ours."""


def has_gpu() -> bool:
    """Return True if a CUDA device can be used. A driver that is too old warns, and then it cannot."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="CUDA initialization", category=UserWarning)
        return torch.cuda.is_available()


_ALONE = RLock()


@contextmanager
def quietly(seed: int | None = None) -> Iterator[None]:
    """Silence the libraries' progress bars and hints. On a CPU use one thread until a large model is loaded; with
    `seed` seed all random generators. All settings are restored afterwards.

    All of this, and accelerate's state, belongs to the whole process: other threads wait until the block ends.
    """
    with _ALONE, _quiet(seed):
        yield


@contextmanager
def _quiet(seed: int | None) -> Iterator[None]:
    threads = torch.get_num_threads()
    bars = datasets.are_progress_bars_disabled()
    loggers = [logging.getLogger(name) for name in ("transformers", "trl", "accelerate", "peft")]
    levels = [logger.level for logger in loggers]
    datasets.disable_progress_bars()
    for logger in loggers:
        logger.setLevel(logging.ERROR)  # their hints concern settings that we choose ourselves
    if not has_gpu():
        torch.set_num_threads(1)  # a small model is faster with one, and sums keep their order
    if seed is not None:
        set_seed(seed)
    try:
        with without_bars(), warnings.catch_warnings():  # peft reads a name that transformers has renamed
            warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")
            yield
    finally:
        torch.set_num_threads(threads)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if not bars:
            datasets.enable_progress_bars()


@contextmanager
def named_faults(message: str) -> Iterator[None]:
    """Turn a library's errors about files that are missing, damaged or out of reach into one ConfigError."""
    try:
        yield
    except AmendmentError:
        raise
    except Exception as fault:  # a folder fails in as many ways as there are libraries below
        raise ConfigError(f"{message}: {first_line(fault)}") from fault


def load_tokenizer(base: str | Path, *, revision: str | None = None) -> Any:
    """Load the tokenizer of a base, with a pad token: its own, else its unknown token, else its end token."""
    with named_faults(f"base {str(base)!r} cannot be loaded"):
        base = find_weights(str(base))
        tokenizer = AutoTokenizer.from_pretrained(base, trust_remote_code=False, **_at(base, revision))
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    return tokenizer


def load_model(
    kind: Any,
    base: str | Path,
    *,
    subject: str = "",
    may_lack: Callable[[Any, str], bool] = lambda _model, _name: False,
    revision: str | None = None,
    **loading: Any,
) -> Any:
    """Load a model by transformers' Auto class `kind`. Raises ConfigError if the files lack weights, which would be
    random numbers, unless `may_lack(model, name)`."""
    subject = subject or f"base {str(base)!r}"
    with named_faults(f"{subject} cannot be loaded"):
        base = find_weights(str(base))
        model, loading_info = kind.from_pretrained(
            base, **SAFE_LOADING, output_loading_info=True, **_at(base, revision), **loading
        )
    if absent := sorted(name for name in loading_info["missing_keys"] if not may_lack(model, name)):
        raise ConfigError(
            f"{subject}: its files lack {len(absent)} of the weights, such as {absent[0]}; copy the folder as a whole"
        )
    if not has_gpu():
        torch.set_num_threads(max(torch.get_num_threads(), threads_for(model)))
    return model


def load_causal(base: str | Path, *, dtype: str = "float32", revision: str | None = None, **loading: Any) -> Any:
    """Load a causal language model into main memory; `dtype` is float32 or bfloat16."""
    return load_model(AutoModelForCausalLM, base, revision=revision, dtype=dtype, **loading)


def count_blocks(base: str | Path, *, revision: str | None = None) -> int:
    """Count the transformer blocks of the base in a folder, or on the Hub."""
    with named_faults(f"base {str(base)!r} cannot be loaded"):
        config = AutoConfig.from_pretrained(str(base), trust_remote_code=False, **_at(base, revision))
    return int(config.get_text_config().num_hidden_layers)


def placed(model: Any) -> Any:
    """Prepare the model for scoring only: on the GPU if there is one, frozen, without dropout."""
    model.to("cuda" if has_gpu() else "cpu").eval().requires_grad_(False)
    pack_frozen(model)
    return model


def read_commit(base: str | Path, revision: str | None) -> str | None:
    """Return the commit of a Hub base; None for a folder."""
    if Path(base).is_dir():
        return None
    with named_faults(f"base {str(base)!r} cannot be loaded"):
        file = hf_hub_download(str(base), "config.json", revision=revision)
    return Path(file).parent.name  # the Hub's cache names a snapshot by its commit


def lora_config(lora: LoraSettings | None, task: str, *, blocks: int = 0) -> Any:
    """Return PEFT's configuration for `CAUSAL_LM` or `SEQ_CLS`, or None without an adapter; `blocks` is how many
    transformer blocks the model has."""
    if lora is None:
        return None
    lower = "|".join(map(str, range(blocks // 2))) if lora.layers == "upper_half" else ""
    left_out = {"exclude_modules": rf"[^0-9]*\.({lower})\..*"} if lower else {}
    return LoraConfig(task_type=task, r=lora.r, lora_alpha=2 * lora.r, target_modules="all-linear", **left_out)


def bare(model: Any) -> Any:
    """Return the model below an adapter."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def merged(model: Any) -> Any:
    """Return the full model: an adapter added to its weights, or the model as it is."""
    return model.merge_and_unload() if hasattr(model, "merge_and_unload") else model


def gathered(trainer: Any, kind: type[Any]) -> Any | None:
    """Return the trained model, its adapter merged, on the main process, and None on others; all processes have to call
    this.

    Where FSDP or DeepSpeed share the weights, accelerate gathers them, and `kind`, the class of the bare model before
    training, makes the model again.
    """
    is_main = trainer.accelerator.is_main_process
    if not (trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled):
        return merged(trainer.model) if is_main else None
    sharded = trainer.deepspeed if trainer.is_deepspeed_enabled else trainer.model  # as transformers saves them
    weights = trainer.accelerator.get_state_dict(sharded)
    return merged(rebuilt(kind, trainer.accelerator.unwrap_model(trainer.model), weights)) if is_main else None


def rebuilt(kind: type[Any], model: Any, weights: Mapping[str, torch.Tensor]) -> Any:
    """Make a model in main memory with the shape of `model`, its adapter, if any, and these weights."""
    with torch.device("meta"):  # all its memory is that of the weights
        made = kind(bare(model).config)
        if hasattr(model, "peft_config"):
            made = get_peft_model(made, model.peft_config["default"])
    made.load_state_dict({name: tensor.cpu() for name, tensor in weights.items()}, strict=False, assign=True)
    bare(made).tie_weights()
    if empty := [name for name, parameter in made.named_parameters() if parameter.is_meta]:
        raise RuntimeError(f"accelerate gathered no weights for {', '.join(empty[:3])}")
    return made


def check_out(out: Path) -> None:
    """Raise TrainingError when `out` holds something that this package did not write."""
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / RECORD).is_file()):
        raise TrainingError(f"{out} exists and is not a trained model of this package: choose another folder")


def save(model: Any, tokenizer: Any, out: Path, record: Mapping[str, Any], **files: Mapping[str, Any]) -> None:
    """Write weights, tokenizer, `history.json` and other JSON files (by stem), then move the folder to `out`."""
    part = out.with_name(f"{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    model.save_pretrained(part, safe_serialization=True)
    tokenizer.save_pretrained(part)
    for stem, value in {"history": record, **files}.items():
        text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, default=str)
        (part / f"{stem}.json").write_text(text + "\n", encoding="utf-8")
    if out.exists():
        shutil.rmtree(out)
    part.rename(out)


def _at(base: str | Path, revision: str | None) -> dict[str, str]:
    """Return keywords of `from_pretrained` for this revision; a folder has none."""
    return {"revision": revision} if revision and not Path(base).is_dir() else {}
