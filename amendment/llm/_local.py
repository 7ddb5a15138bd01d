"""A model of this machine behind the provider protocol: loaded at the first question, asked in batches.

Covered: the hash of the model's files, the kind of device and the precision are part of the host's name, so that
a retrained folder, or another precision, is another model to the ledger; a run whose answers are all known loads
nothing. Not covered: several GPUs, streaming.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import torch
from huggingface_hub import snapshot_download

from amendment.errors import ConfigError, Rejected
from amendment.hashing import HASH_PREFIX
from amendment.llm._batches import Batches
from amendment.llm._http import clean, clean_tree
from amendment.llm._local_model import Completion, Drawing, LocalModel, device_of, precision_of
from amendment.llm._plain_format import meter_plain, read_plain, write_plain
from amendment.llm.opening import folder_of, folder_problems, is_folder
from amendment.llm.provider import Meter, Sent
from amendment.llm.requests import Reply, Request
from amendment.llm.specs import LocalSpec
from amendment.llm.weights import unreachable

__all__ = ["LocalProvider"]

FILES = ("*.safetensors", "*.json", "*.jinja", "tokenizer.model", "merges.txt", "vocab.txt")
"""What makes a model: weights, settings, tokenizer, templates. Nothing else is fetched, hashed or read."""

NOTES = ("history.json", "reward_meta.json")
"""What trainings leave beside a model for readers; it changes no answer."""


class _Job(NamedTuple):
    request: Request
    prompt: list[int]
    labels: dict[str, set[int]]


class LocalProvider:
    """One local model. Use from one event loop; heavy work happens in one thread of its own."""

    kind = "local"
    shows_choices = True
    deadline = None  # a batch takes as long as it takes; asking again would only make it take longer

    def __init__(self, spec: LocalSpec) -> None:
        """Finds the model's folder, fetching it from the Hub where it is not on this machine.

        Raises ConfigError where there is none, or where it holds no chat model.
        """
        self._spec = spec
        self._folder = _folder_of(spec)
        device = device_of(spec)
        self.host = f"local:{_fingerprint(self._folder)}/{device}/{precision_of(spec, device)}"
        self._name = _name_of(spec, self._folder)
        self._model: LocalModel | None = None
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="local-model", initializer=_one_thread)
        self._batches = Batches(self._answer, size=spec.batch_size, worker=self._worker)

    async def send(self, request: Request) -> Sent:
        """The answer as JSON. Raises Rejected for a conversation that the model cannot take."""
        return Sent(await self._batches.do(request, (bool(request.choices), _drawing(request))))

    def meter(self, raw: bytes) -> Meter:
        """Tokens of the model's own tokenizer."""
        return meter_plain(raw)

    def read(self, raw: bytes, request: Request) -> Reply:
        """The inverse of what `send` writes. Raises Transient for bytes that no local model wrote."""
        return read_plain(raw, request)

    async def close(self) -> None:
        self._batches.close()
        self._worker.shutdown(wait=True, cancel_futures=True)
        self._model = None

    def _answer(self, requests: Sequence[Request]) -> list[bytes | Exception]:
        """In the worker thread: one reply or error for each request of a batch."""
        model = self._loaded()
        jobs = [self._job(model, request) for request in requests]
        good = [job for job in jobs if isinstance(job, _Job)]
        try:
            replies = iter(self._replies(model, good) if good else ())
        except torch.OutOfMemoryError as fault:
            raise Rejected(f"{self._spec.model}: out of memory; lower batch_size or max_tokens") from fault
        return [next(replies) if isinstance(job, _Job) else job for job in jobs]

    def _loaded(self) -> LocalModel:
        """The model, loaded at the first call. Raises ConfigError, which stops the run, where it cannot be."""
        if self._model is None:
            try:
                self._model = LocalModel(self._folder, self._spec)
            except ConfigError:
                raise
            except Exception as fault:  # a damaged folder fails in as many ways as there are libraries below
                raise ConfigError(f"{self._spec.model}: the model cannot be loaded: {_first_line(fault)}") from fault
        return self._model

    def _job(self, model: LocalModel, request: Request) -> _Job | Rejected:
        try:
            prompt = model.encoder.encode(request)
            self._check_length(model, prompt, request)
            return _Job(request, prompt, _labels(model, request.choices or ()))
        except Rejected as fault:
            return Rejected(f"{self._spec.model}: {fault}")

    def _check_length(self, model: LocalModel, prompt: list[int], request: Request) -> None:
        needed = len(prompt) + (1 if request.choices else _drawing(request).max_tokens)
        if model.context is not None and needed > model.context:
            raise Rejected(
                f"a prompt of {len(prompt)} tokens needs {needed} with its answer, the model takes {model.context}. "
                "Shorten the prompt or lower max_tokens"
            )

    def _replies(self, model: LocalModel, jobs: Sequence[_Job]) -> list[bytes]:
        prompts = [job.prompt for job in jobs]
        if jobs[0].request.choices:
            found = model.choose(prompts, [job.labels for job in jobs])
            return [self._chosen(job, logprobs) for job, logprobs in zip(jobs, found, strict=True)]
        seeds = [_seed(job.request) for job in jobs]
        completions = model.complete(prompts, seeds, _drawing(jobs[0].request))
        return [self._said(job, completion) for job, completion in zip(jobs, completions, strict=True)]

    def _chosen(self, job: _Job, logprobs: dict[str, float]) -> bytes:
        return write_plain(
            max(logprobs, key=logprobs.__getitem__),
            finish_reason="stop",
            input_tokens=len(job.prompt),
            output_tokens=1,
            logprobs=logprobs,
            model=self._name,
        )

    def _said(self, job: _Job, completion: Completion) -> bytes:
        text, thinking, calls = completion.parts
        finish_reason = "tool_calls" if calls and completion.finish_reason == "stop" else completion.finish_reason
        return write_plain(
            clean(text),
            finish_reason=finish_reason,
            input_tokens=len(job.prompt),
            output_tokens=completion.n_tokens,
            thinking=clean(thinking) if thinking else None,
            calls=[clean_tree(call) for call in calls],
            model=self._name,
        )


def _labels(model: LocalModel, labels: tuple[str, ...]) -> dict[str, set[int]]:
    """The tokens of each label. Raises Rejected where a label has none, or shares one with another."""
    ids = {label: model.encoder.label_ids(label) for label in labels}
    if not all(ids.values()) or len(set.union(set(), *ids.values())) < sum(map(len, ids.values())):
        raise Rejected(f"the labels {', '.join(labels)} do not begin with different tokens; use single letters")
    return ids


def _drawing(request: Request) -> Drawing:
    sampling = request.sampling
    return Drawing(
        temperature=1.0 if sampling.temperature is None else sampling.temperature,
        top_p=sampling.top_p or 1.0,
        max_tokens=sampling.max_tokens or 256,
        stop=sampling.stop or (),
    )


def _seed(request: Request) -> int:
    """Of the request's name, in which the run's seed and the number of the draw count."""
    return int(request.id.removeprefix(HASH_PREFIX)[:15], 16)


def _one_thread() -> None:
    """Small models lose time, and sums their order, when a batch is split over threads."""
    if not torch.cuda.is_available():
        torch.set_num_threads(1)


def _folder_of(spec: LocalSpec) -> Path:
    folder = folder_of(spec.model) if is_folder(spec.model) else _fetched(spec)
    problems = folder_problems(folder)
    if problems:
        raise ConfigError("\n".join(problems))
    return folder


def _fetched(spec: LocalSpec) -> Path:
    """The folder of a Hub repository, from this machine's cache where the Hub cannot be reached."""
    try:
        return Path(snapshot_download(spec.model, revision=spec.revision, allow_patterns=list(FILES)))
    except unreachable() as fault:
        problem = f"neither a folder nor a model that could be fetched ({_first_line(fault)})"
        raise ConfigError(f"{spec.model}: {problem}") from fault


def _name_of(spec: LocalSpec, folder: Path) -> str | None:
    """What replies say of a Hub model: its id and the commit that was fetched; None for a folder."""
    if is_folder(spec.model):
        return None
    return f"{spec.model}@{folder.name}"  # the Hub's cache names a snapshot by its commit


def _first_line(fault: Exception) -> str:
    return (str(fault).strip() or type(fault).__name__).splitlines()[0]


def _fingerprint(folder: Path) -> str:
    """16 hex digits of everything that changes an answer: names and contents of the model's files."""
    digest = hashlib.sha256()
    for path in sorted(
        {path for pattern in FILES for path in folder.glob(pattern)} - {folder / name for name in NOTES}
    ):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").digest()
        digest.update(os.fsencode(path.name) + b"\0" + content)
    return digest.hexdigest()[:16]
