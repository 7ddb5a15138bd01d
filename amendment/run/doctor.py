"""What this machine can do: libraries, keys, accelerators. Of keys it shows only whether they are set."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

from amendment import __version__
from amendment.libraries import installed_versions
from amendment.llm.weights import EMBEDDED, INSTALL, conversion_problems, embedded_folder, needs_the_hub

LIBRARIES = ("openai", "anthropic", "datasets", "pyarrow", "torch", "transformers", "trl", "peft", "accelerate", "gguf")
KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HF_TOKEN")
LOCAL = ("torch", "transformers")
TRAINING = (*LOCAL, "trl", "peft", "accelerate")


def examine(environ: Mapping[str, str]) -> dict[str, Any]:
    """Versions of libraries (null where absent), which keys are set, and what would work."""
    libraries = dict.fromkeys(LIBRARIES) | installed_versions(LIBRARIES)
    keys = {name: bool(environ.get(name)) for name in KEYS}
    runs, trains = (all(libraries[name] for name in names) for names in (LOCAL, TRAINING))
    return {
        "amendment": __version__,
        "python": platform.python_version(),
        "libraries": libraries,
        "keys set": keys,
        "embedded model": str(folder) if (folder := embedded_folder()) else None,
        "accelerator": _accelerator() if libraries["torch"] else None,
        "works": {
            "simulated models": True,
            "OpenAI": keys["OPENAI_API_KEY"],
            "Anthropic": keys["ANTHROPIC_API_KEY"],
            "other servers that speak OpenAI's protocol": True,
            "local models": runs,
            f"the embedded {EMBEDDED}": runs and not needs_the_hub() and not conversion_problems(EMBEDDED),
            "training": trains,
        },
    }


def _accelerator() -> str | None:
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else None


def doctor_lines(machine: Mapping[str, Any]) -> list[str]:
    lines = [f"amendment {machine['amendment']} on Python {machine['python']}", "", "libraries"]
    lines += [f"  {name:14} {number or 'not installed'}" for name, number in machine["libraries"].items()]
    lines += ["", f"accelerator: {machine['accelerator'] or 'none, models run on the CPU'}", "", "keys"]
    lines += [f"  {name:18} {'set' if is_set else 'not set'}" for name, is_set in machine["keys set"].items()]
    lines += ["", "what would work"]
    lines += [f"  {name:44} {'yes' if works else 'no'}" for name, works in machine["works"].items()]
    if folder := machine["embedded model"]:
        lines += ["", f"folder of {EMBEDDED}: {folder}"]
    missing = {
        "for training and local models: pip install 'amendment[train]'": not machine["works"]["training"],
        f"for the embedded model: {INSTALL}": needs_the_hub(),
    }
    return [*lines, *[""][: sum(missing.values())], *(line for line, is_missing in missing.items() if is_missing)]
