"""Base models: check that one is there, with safetensors, or build a tiny one from scratch.

Promised: a check loads no weights and downloads none. Not covered: whether the architecture fits.

The tiny model has random weights, a chat template, and a byte-level BPE tokenizer learned from the run's own text:
frequent words become single tokens, and any other text is spelled in bytes, without loss. Equal texts, shape and seed
give equal files. Not covered: any claim that such a model understands language.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from amendment.errors import ConfigError
from amendment.libraries import need
from amendment.llm.opening import hub_problem, is_folder, weights_problem
from amendment.llm.weights import (
    COMMIT,
    EMBEDDED,
    ON_THE_HUB,
    conversion_problems,
    embedded_missing,
    is_gguf,
    needs_the_hub,
)
from amendment.training.settings import TinyModel

PAD, BOS, EOS = "<|pad|>", "<|bos|>", "<|end|>"
_MARKERS = ("system", "user", "assistant", "tool", "tools", "think", "/think", "call")

# One token per role, none between a turn and the next; only the assistant's turn has an end, since only the
# assistant has to learn to stop. Thinking comes before the answer, calls after it.
CHAT_TEMPLATE = """
{%- macro text(content) -%}
{%- if content is string -%}{{ content }}
{%- elif content -%}{%- for part in content -%}{{ part.text or '' }}{%- endfor -%}{%- endif -%}
{%- endmacro -%}
{%- if tools -%}<|tools|>{{ tools | tojson }}{%- endif -%}
{%- for message in messages -%}
{%- if message.role == 'assistant' -%}
<|assistant|>{%- generation -%}
{%- if message.reasoning_content -%}<|think|>{{ message.reasoning_content }}<|/think|>{%- endif -%}
{{ text(message.content) }}
{%- for call in message.tool_calls or [] -%}<|call|>{{ call.function | tojson }}{%- endfor -%}
<|end|>{%- endgeneration -%}
{%- elif message.role == 'user' -%}<|user|>{{ text(message.content) }}
{%- elif message.role == 'tool' -%}<|tool|>{{ text(message.content) }}
{%- elif message.role in ('system', 'developer') -%}<|system|>{{ text(message.content) }}
{%- else -%}{{ raise_exception('unknown role ' ~ message.role) }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}
"""


def need_training() -> None:
    """Raise MissingExtra naming the first library of the `train` extra that is not installed."""
    need("train", "torch", "transformers", "trl", "peft", "accelerate")


def check_base(base: str | Path) -> None:
    """Raise ConfigError in one sentence when `base` is neither a model folder nor a model of the Hub.

    A name that is no folder is looked up on the Hub, or offline (`HF_HUB_OFFLINE`) in the local cache. Of a GGUF file
    and the embedded model it is known whether they can be converted.
    """
    folder, name = Path(base), str(base)
    if name == EMBEDDED or is_gguf(name):
        if problems := conversion_problems(name):
            raise ConfigError(f"base {name!r}: {problems[0]}")
        if name == EMBEDDED and needs_the_hub() and hub_problem(f"{ON_THE_HUB}@{COMMIT}"):
            raise ConfigError(f"base {name!r}: {embedded_missing()}")
    elif folder.is_dir():
        _check_folder(folder)
    elif isinstance(base, Path) or is_folder(base):
        raise ConfigError(f"base {str(base)!r}: no such folder; expected a model's folder or a Hub id such as org/name")
    elif problem := hub_problem(name):
        raise ConfigError(f"base {problem}")


def check_weights(folder: Path) -> None:
    """Raise ConfigError unless the weights in a folder are safetensors."""
    if problem := weights_problem(folder):
        raise ConfigError(problem)


def build_tiny(folder: Path, texts: Iterable[str], config: TinyModel | None = None, seed: int = 0) -> None:
    """Write a random causal language model and a tokenizer learned from `texts` to `folder`.

    Equal arguments give equal files. Weights are random: train it before use. Raises MissingExtra.
    """
    need_training()
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from amendment.training.model_files import quietly

    folder.mkdir(parents=True, exist_ok=True)
    shape = config or TinyModel()
    tokenizer = _tokenizer(texts, shape)
    architecture = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=shape.context,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    with quietly(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        LlamaForCausalLM(architecture).save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def _check_folder(folder: Path) -> None:
    if (folder / "adapter_config.json").is_file():
        raise ConfigError(f"base {str(folder)!r}: this is an adapter, not a base; merge it into its base first")
    absent = [name for name in ("config.json", "tokenizer_config.json") if not (folder / name).is_file()]
    if absent:
        raise ConfigError(f"base {str(folder)!r}: the folder lacks {', '.join(absent)}")
    check_weights(folder)


def _tokenizer(texts: Iterable[str], shape: TinyModel) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    control = [PAD, BOS, EOS, *(f"<|{name}|>" for name in _MARKERS)]
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=shape.vocab,
        min_frequency=2,
        special_tokens=control,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        extra_special_tokens=[f"<|{name}|>" for name in _MARKERS],
        chat_template=CHAT_TEMPLATE,
        model_max_length=shape.context,
        clean_up_tokenization_spaces=False,
    )
