"""Which models are of one family, by their names: a judge and a writer of one family may prefer their own.

Covered: the names under which vendors and the Hugging Face Hub know the larger families, and models made from them that
keep the name. Not covered: models that hide what they were made from.
"""

from __future__ import annotations

import re

_FAMILIES = {
    "gpt": "openai",
    "chatgpt": "openai",
    "davinci": "openai",
    "claude": "anthropic",
    "gemini": "google",
    "gemma": "google",
    "palm": "google",
    "llama": "llama",
    "vicuna": "llama",
    "alpaca": "llama",
    "tulu": "llama",
    "qwen": "qwen",
    "qwq": "qwen",
    "mistral": "mistral",
    "mixtral": "mistral",
    "ministral": "mistral",
    "magistral": "mistral",
    "codestral": "mistral",
    "zephyr": "mistral",
    "deepseek": "deepseek",
    "phi": "phi",
    "command": "cohere",
    "aya": "cohere",
    "grok": "xai",
    "glm": "glm",
    "chatglm": "glm",
    "yi": "yi",
    "olmo": "olmo",
    "falcon": "falcon",
    "nova": "amazon",
    "granite": "granite",
    "kimi": "moonshot",
    "pythia": "pythia",
    "smollm": "smollm",
    "internlm": "internlm",
    "baichuan": "baichuan",
}
"""By the letters that a part of a name begins with."""
_NUMBERED = re.compile(r"o\d\b")
"""OpenAI's models o1, o3, o4-mini."""


def family_of(model: str) -> str | None:
    """The family of a model by its name, such as `llama` for `meta-llama/Llama-3.1-8B-Instruct`; None for a name that
    says nothing. The model's own name decides before that of its owner, and its first part before later ones."""
    for part in reversed(model.lower().split("/")):
        for word in re.findall(r"[a-z]+", part):
            found = _FAMILIES.get(word)
            if found:
                return found
        if _NUMBERED.match(part):
            return "openai"
    return None


def are_related(first: str, second: str) -> bool:
    """Whether two models are of one family by their names; equal names are, whatever they say."""
    family = family_of(first)
    return first == second or (family is not None and family == family_of(second))
