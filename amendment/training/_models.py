"""Loading what a stage starts from and saving what it made: plain folders, safetensors, no remote code.

Promised: the output folder appears whole or not at all; an older result of this package is replaced,
anything else in its place is refused. Adapters are merged, so that every later stage gets a full model.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer

from amendment.errors import ConfigError, TrainingError
from amendment.llm.weights import SAFE_LOADING
from amendment.training._machine import has_gpu
from amendment.training.settings import LoraSettings

RECORD = "history.json"
"""The file by which a folder is known as ours."""


def load_tokenizer(base: str | Path, *, revision: str | None = None) -> Any:
    """The tokenizer of a base, with a pad token: its own, else its unknown token, else its end token."""
    with _named(base):
        tokenizer = AutoTokenizer.from_pretrained(str(base), trust_remote_code=False, **_of_hub(base, revision))
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    return tokenizer


def load_causal(base: str | Path, *, dtype: str = "float32", revision: str | None = None, **loading: str) -> Any:
    """A causal language model in main memory; `dtype` is float32 or bfloat16, `loading` more of `from_pretrained`."""
    with _named(base):
        model, told = AutoModelForCausalLM.from_pretrained(
            str(base),
            dtype=dtype,
            **SAFE_LOADING,
            output_loading_info=True,
            **_of_hub(base, revision),
            **loading,
        )
    if absent := sorted(told["missing_keys"]):  # else they would be random numbers
        raise ConfigError(f"base {str(base)!r}: its files lack {len(absent)} of the weights, such as {absent[0]}")
    return model


def commit_of(base: str | Path, revision: str | None) -> str | None:
    """The commit that a Hub base stands at; None for a folder."""
    if Path(base).is_dir():
        return None
    with _named(base):
        file = hf_hub_download(str(base), "config.json", revision=revision)
    return Path(file).parent.name  # the Hub's cache names a snapshot by its commit


def _of_hub(base: str | Path, revision: str | None) -> dict[str, str]:
    """Keywords of `from_pretrained` for this revision; a folder has none."""
    return {"revision": revision} if revision and not Path(base).is_dir() else {}


@contextmanager
def _named(base: str | Path) -> Iterator[None]:
    """What a library says of files that are missing, damaged or out of reach becomes one sentence with the base."""
    try:
        yield
    except Exception as fault:  # a base fails in as many ways as there are libraries below
        first = (str(fault).strip() or type(fault).__name__).splitlines()[0]
        raise ConfigError(f"base {str(base)!r} cannot be loaded: {first}") from fault


def placed(model: Any) -> Any:
    """The model ready to score: on the GPU where there is one, without dropout."""
    return model.to("cuda" if has_gpu() else "cpu").eval()


def lora_config(lora: LoraSettings | None, task: str) -> Any:
    """PEFT's configuration, or None without an adapter. `task` is CAUSAL_LM or SEQ_CLS."""
    if lora is None:
        return None
    alpha = lora.alpha or 2 * lora.r
    return LoraConfig(
        task_type=task, r=lora.r, lora_alpha=alpha, lora_dropout=lora.dropout, target_modules="all-linear"
    )


def check_out(out: Path) -> None:
    """Raise TrainingError when `out` holds something that this package did not write."""
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / RECORD).is_file()):
        raise TrainingError(f"{out} exists and is not a trained model of this package: choose another folder")


def save(model: Any, tokenizer: Any, out: Path, record: Mapping[str, Any], **files: Mapping[str, Any] | Path) -> None:
    """Write weights, tokenizer, `history.json`, further JSON files (by stem) and copies of folders (by name), then
    move the folder to `out`."""
    part = out.with_name(f"{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    model.save_pretrained(part, safe_serialization=True)
    tokenizer.save_pretrained(part)
    for stem, value in {"history": record, **files}.items():
        if isinstance(value, Path):
            shutil.copytree(value, part / stem)
            continue
        text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, default=str)
        (part / f"{stem}.json").write_text(text + "\n", encoding="utf-8")
    if out.exists():
        shutil.rmtree(out)
    part.rename(out)


def merged(model: Any) -> Any:
    """The full model: an adapter added to its weights, or the model as it is."""
    return model.merge_and_unload() if hasattr(model, "merge_and_unload") else model
