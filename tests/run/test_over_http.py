"""Whole runs over HTTP: a process that serves, the vendor's SDK in between, and a run in one process beside it."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from amendment.data.store import read_records
from amendment.errors import AmendmentError
from amendment.records import Candidate, Critique, Preference, Record, Verdict, last_text
from amendment.run import Run, RunResult
from amendment.yamlfile import read_yaml
from tests.model_server import serving
from tests.run.small_runs import made, replies
from tests.vendors.processes import started
from tests.vendors.runs import dataset_of

ROOT = Path(__file__).resolve().parents[2]
CHAIN = """\
name: chain
seed: 7
constitution: lilliput
models:
  writer: {provider: simulated, writer: careless}
  judge: {provider: simulated, biases: {position: 0.7}}
  reader: {provider: simulated, logprobs: false, noise: 2.0}
prompts: [{lilliput: 12}]
critique: {model: writer, rounds: 2}
candidates:
  - {from: critique, take: draft_and_last}
  - {model: writer, per_prompt: 2}
judging:
  judges: [{model: judge, protocol: label-tokens}, {model: reader, protocol: verdict, samples: 3}]
  orders: both
  principles_per_pair: 3
dataset: {test_share: 0.25}
"""
ELSEWHERE = {"provider", "host", "request"}
"""What an origin says of the way over which an answer came."""


@contextmanager
def served(run_file: Path) -> Iterator[Mapping[str, Any]]:
    """The simulated models of a run file behind HTTP, as the entries that the command prints for a run file."""
    command = [sys.executable, "-m", "amendment", "lilliput", "serve", str(run_file), "--port", "0"]
    models = read_yaml(run_file).data["models"]
    with started(command) as process:
        assert process.stdout is not None
        printed = [process.stdout.readline() for _ in range(4 + len(models))]
        assert printed[0].startswith("http://127.0.0.1:")
        try:
            yield yaml.safe_load("".join(printed[2:]))["models"]
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def with_models(run_file: Path, models: Mapping[str, Any]) -> str:
    """The run file with other models; JSON is YAML."""
    return json.dumps({**read_yaml(run_file).data, "models": dict(models)})


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunResult, RunResult]:
    """The chain in one process, and the same over HTTP."""
    return runs(tmp_path_factory.mktemp("http"), CHAIN)


def runs(folder: Path, text: str) -> tuple[RunResult, RunResult]:
    inside, outside = folder / "inside.yaml", folder / "outside.yaml"
    inside.write_text(text)
    with served(inside) as models:
        outside.write_text(with_models(inside, models))
        assert {entry["provider"] for entry in models.values()} == {"openai"}
        over_http = Run.from_file(outside, folder=folder / "outside")()
    return Run.from_file(inside, folder=folder / "inside")(), over_http


def rows(result: RunResult, table: str, kind: type[Record]) -> list[dict[str, Any]]:
    """A table's records, but for the way over which their texts came."""
    found = [record.to_json() for record in read_records(result.folder / f"{table}.parquet", kind)]
    for row in found:
        row["origin"] = {key: value for key, value in row["origin"].items() if key not in ELSEWHERE}
    return found


def test_the_dataset_over_http_is_the_one_of_a_run_in_one_process_byte_for_byte(
    both: tuple[RunResult, RunResult],
) -> None:
    inside, outside = (dataset_of(one.folder) for one in both)
    assert set(inside) == {"train.parquet", "test.parquet"}
    assert inside == outside
    found = read_records(both[1].folder / "dataset/train.parquet", Preference)
    assert len(found) > 15
    assert len({row.p_chosen for row in found}) > 12


@pytest.mark.parametrize(
    ("table", "kind", "least"),
    [
        ("critique/candidates", Candidate, 36),  # 12 prompts, each with a draft and two revisions
        ("critique/critiques", Critique, 24),
        ("candidates/candidates", Candidate, 24),
        ("judging/verdicts", Verdict, 500),
    ],
)
def test_every_text_and_probability_is_the_same_row_by_row(
    both: tuple[RunResult, RunResult], table: str, kind: type[Record], least: int
) -> None:
    inside, outside = (rows(one, table, kind) for one in both)
    assert len(inside) >= least
    assert inside == outside


def test_the_records_of_the_run_over_http_say_where_their_texts_came_from(both: tuple[RunResult, RunResult]) -> None:
    origins = [one.origin for one in read_records(both[1].folder / "critique/candidates.parquet", Candidate)]
    assert {one.provider for one in origins} == {"openai"}
    assert all((one.host or "").startswith("127.0.0.1:") for one in origins)
    assert all((one.model or "").startswith("lilliput/persona-") for one in origins)
    assert both[0].sent == both[1].sent
    assert "Simulated:" in str(both[1].summary["simulated"])


@pytest.mark.long
def test_the_whole_simulated_example_over_http_makes_the_same_dataset_and_the_same_models(tmp_path: Path) -> None:
    inside, outside = runs(tmp_path, (ROOT / "examples" / "simulated.yaml").read_text())
    assert dataset_of(inside.folder) == dataset_of(outside.folder)
    for name in ("sft", "reward_model", "dpo"):
        weights = [one.folder / f"models/{name}/model.safetensors" for one in (inside, outside)]
        assert weights[0].read_bytes() == weights[1].read_bytes()
    assert inside.summary["stages"]["evaluate"] == outside.summary["stages"]["evaluate"]


POLICY = """\
name: policy
seed: 3
constitution: lilliput
models:
  policy: {{provider: openai, base_url: "{url}", model: "{model}", max_tokens: 24, concurrency: 2}}
  writer: {{provider: simulated, writer: careless}}
prompts: [{{lilliput: 4}}]
candidates: [{{model: {writer}, per_prompt: 3}}]
judging: {{judges: [{{model: policy, protocol: {protocol}}}]}}
"""


TRAINED = """\
name: trained
seed: 7
constitution: lilliput
models: {writer: {provider: simulated}}
prompts: [{lilliput: 200}]
critique: {model: writer, rounds: 1}
base: {on: drafts, steps: 80, batch_size: 32, learning_rate: 5.0e-3, max_length: 64,
  hidden: 32, vocab: 400}
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny policy that was trained by a run of its own."""
    return made(tmp_path_factory.mktemp("trained"), TRAINED).folder / "models/base"


@pytest.fixture(scope="module")
def transformers_serve(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of `transformers serve` with a trained folder."""
    with serving(trained, tmp_path_factory.mktemp("serve") / "log") as url:
        yield url


@pytest.mark.long
def test_a_trained_policy_behind_transformers_serve_writes_candidates_and_judges_by_votes(
    transformers_serve: str, trained: Path, tmp_path: Path
) -> None:
    written = POLICY.format(url=transformers_serve, model=trained, writer="policy", protocol="verdict")
    result = made(tmp_path / "writes", written, until="candidates")
    assert result.results["candidates"].totals["sampled answers"] == 12
    found = read_records(result.folder / "candidates/candidates.parquet", Candidate)
    assert all(last_text(answer.messages) for answer in found)
    assert {(answer.origin.provider, answer.origin.model) for answer in found} == {("openai", "base@main")}

    # it ignores logprobs, so that a judge of label tokens asks for votes, and writes no verdict that can be read
    judged = POLICY.format(url=transformers_serve, model=trained, writer="writer", protocol="label-tokens")
    with pytest.raises(AmendmentError, match="none of the first 10 verdicts"):
        made(tmp_path / "judges", judged)
    folder = tmp_path / "judges" / "run"
    assert replies(folder, like='%"choices"%') == 1
    notices = json.loads((folder / "spending.json").read_text())["notices"]
    assert [count for text, count in notices.items() if "votes" in text] == [1], "which is said once"
    assert "judging" in json.loads((folder / "summary.json").read_text())["missing"]
