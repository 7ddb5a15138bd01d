"""SmolLM2 from its GGUF into an empty cache, and behind a server: the same model wherever it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from amendment.data.store import read_records
from amendment.files import file_hash
from amendment.llm.local import fingerprint
from amendment.llm.weights import EMBEDDED, find_weights
from amendment.records import Candidate, last_text
from amendment.run import Run
from tests.model_server import serving
from tests.test_real_weights import is_english
from tests.test_real_weights import pytestmark as marks

pytestmark = [*marks, pytest.mark.long]
RUN = """\
name: served
seed: 7
models: {{smollm: {model}}}
prompts: [{{path: prompts.jsonl}}]
candidates: [{{model: smollm, per_prompt: 1}}]
"""


def test_the_conversion_gives_the_same_files_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights by a hash taken on another machine: by it a ledger is carried from one to another."""
    kept = Path(find_weights(EMBEDDED))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = Path(find_weights(EMBEDDED))
    assert tmp_path in made.parents
    assert fingerprint(made) == fingerprint(kept)
    sha256 = "a672150fb4f99d7c8f4168cecdd464069c0ef3a37d8113f22ddb9d48031d03cd"
    assert file_hash(made / "model.safetensors") == sha256


def test_a_server_on_loopback_writes_what_the_process_writes(tmp_path: Path) -> None:
    folder = Path(find_weights(EMBEDDED))
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "How do I keep bread fresh for longer?"}\n', encoding="utf-8")
    greedy = "max_tokens: 24, temperature: 0}"
    here = written(tmp_path, "here", f"{{provider: local, model: {EMBEDDED}, {greedy}")
    with serving(folder, tmp_path / "log") as url:
        served = written(tmp_path, "served", f'{{provider: openai, base_url: "{url}", model: "{folder}", {greedy}')
    assert is_english(served)
    assert served == here


def written(place: Path, name: str, model: str) -> str:
    """The one answer of a run with this entry of `models`."""
    (place / f"{name}.yaml").write_text(RUN.format(model=model), encoding="utf-8")
    result = Run.from_file(place / f"{name}.yaml", folder=place / name)(until="candidates")
    [answer] = read_records(result.folder / "candidates/candidates.parquet", Candidate)
    return last_text(answer.messages)
