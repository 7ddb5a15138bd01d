"""A causal language model in this process behind the provider protocol: loaded at the first question, asked in batches.

Promised: the hash of the model's files, the kind of device and the precision are part of the host's name, so that a
retrained folder, or another precision, is another model to the ledger; a run whose answers are all known loads nothing.
Not covered: several GPUs, streaming, code from model repositories (never run), weights other than safetensors.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any, Literal, NamedTuple

import torch
from huggingface_hub import snapshot_download
from transformers import AutoModelForCausalLM, AutoTokenizer

from amendment.errors import ConfigError, DataError, Rejected
from amendment.hashing import HASH_PREFIX
from amendment.libraries import first_line, unreachable, without_bars
from amendment.llm.cached_models import MANIFEST
from amendment.llm.generation import BatchSettings, GenerationOptions, choose, end_tokens, sample, score
from amendment.llm.kv_cache import PrefixCache, no_check
from amendment.llm.opening import SAFE_LOADING, find_folder, folder_problems, is_folder
from amendment.llm.packed import pack_frozen, threads_for
from amendment.llm.provider import PlainProvider, RawReply, write_plain
from amendment.llm.rendering import Renderer, Sampled, common_prefix, read_answer
from amendment.llm.replies import clean, clean_tree
from amendment.llm.requests import Request
from amendment.llm.specs import LocalSpec
from amendment.llm.weights import FILES, find_weights, split_revision

NOTES = ("history.json", "reward_meta.json", MANIFEST)
"""Files that lie next to a model for readers; they do not affect its answers."""
BATCH_DELAY = 0.002
"""Seconds that a batch which is not full waits for questions that are on their way, as long as they come."""
Deliver = Callable[[int, bytes | Exception], None]
"""Gives out the reply to one of a batch's requests."""


class _Kind(NamedTuple):
    """Requests of one kind can be answered in one batch."""

    task: Literal["draw", "choose", "score"]
    drawing: GenerationOptions | None
    """Absent where nothing is written."""


class _Waiting(NamedTuple):
    """A request in the queue."""

    request: Request
    kind: _Kind
    reply: asyncio.Future[bytes]


class _Abandoned(Exception):
    """Nobody waits for the batch any more."""


class LocalProvider(PlainProvider):
    """One local model. Use from one event loop; heavy work happens in one thread of its own."""

    kind = "local"
    shows_choices = takes_prefill = scores_texts = True

    def __init__(self, spec: LocalSpec) -> None:
        """Find the model's folder; fetch it from the Hub if it is not on this machine.

        Raises ConfigError where there is none, or where it holds no chat model.
        """
        self._spec = spec
        source = find_weights(spec.model)
        self._folder = _find_folder(spec, source)
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._dtype = "auto"
        if self._device == "cpu":
            self._dtype = "float32"
        elif torch.cuda.is_bf16_supported(including_emulation=False):
            self._dtype = "bfloat16"
        precision = "saved" if self._dtype == "auto" else self._dtype
        self.host = f"local:{fingerprint(self._folder)}/{self._device}/{precision}"
        # the Hub's cache names a snapshot by its commit
        self._name = None if is_folder(source) else f"{split_revision(source)[0]}@{self._folder.name}"
        self._model: LocalModel | None = None
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="local-model")
        self._is_closed = Event()
        self._queue: deque[_Waiting] = deque()
        self._running: asyncio.Task[None] | None = None

    async def send(self, request: Request) -> RawReply:
        """Return the answer as JSON. Raises Rejected for a conversation that the model cannot take."""
        reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(request, _classify(request), reply))
        if self._running is None:
            self._running = asyncio.ensure_future(self._run())
        return RawReply(await reply)

    async def close(self) -> None:
        """Stop, and cancel those who still wait."""
        self._is_closed.set()  # a batch ends with its next token
        if self._running is not None:
            self._running.cancel()
        while self._queue:
            self._queue.popleft().reply.cancel()
        self._worker.shutdown(wait=True, cancel_futures=True)
        self._model = None

    async def _run(self) -> None:
        """Answer batch after batch until the queue is empty."""
        try:
            while self._queue:
                seen = 0
                while seen < len(self._queue) < self._spec.batch_size:
                    seen = len(self._queue)
                    await asyncio.sleep(BATCH_DELAY)
                if batch := self._next():
                    await self._finish(batch)
        finally:
            self._running = None

    def _next(self) -> list[_Waiting]:
        """Return the oldest request and those of its kind that are most like it in length. Requests that write nothing
        are all taken, so that more of them share what they begin with. What nobody waits for any more is dropped."""
        waiting = [waiting for waiting in self._queue if not waiting.reply.done()]
        kind = waiting[0].kind if waiting else None
        batch = [row for row in waiting if row.kind == kind]
        if kind and kind.task == "draw":
            first = len(batch[0].request.body)
            batch = sorted(batch, key=lambda row: abs(len(row.request.body) - first))[: self._spec.batch_size]
        taken = set(map(id, batch))
        self._queue = deque(row for row in waiting if id(row) not in taken)
        return batch

    async def _finish(self, batch: Sequence[_Waiting]) -> None:
        """Answer a batch; each reply is given out as it comes."""
        loop = asyncio.get_running_loop()

        def deliver(place: int, reply: bytes | Exception) -> None:
            loop.call_soon_threadsafe(_settle, batch[place].reply, reply)

        def check() -> None:
            if self._is_closed.is_set() or all(waiting.reply.done() for waiting in batch):
                raise _Abandoned

        fault: Exception
        try:
            await loop.run_in_executor(self._worker, self._answer, [row.request for row in batch], deliver, check)
            return
        except asyncio.CancelledError:  # closed while the worker is busy: nobody is left waiting
            self._is_closed.set()
            for waiting in batch:
                waiting.reply.cancel()
            raise
        except Exception as raised:
            fault = raised
        for waiting in batch:
            _settle(waiting.reply, fault)

    def _answer(self, requests: Sequence[Request], deliver: Deliver, check: Callable[[], None]) -> None:
        """Put one reply or error into each request of a batch of one kind. Runs in the worker thread."""
        if self._model is None:
            try:
                self._model = LocalModel(self._folder, self._device, self._dtype)
            except ConfigError:
                raise
            except Exception as fault:  # a damaged folder fails in as many ways as there are libraries below
                raise ConfigError(f"{self._spec.model}: the model cannot be loaded: {first_line(fault)}") from fault
        encoded: dict[int, Encoded] = {}
        for place, request in enumerate(requests):
            check()
            try:
                encoded[place] = self._model.encode(request)
            except Rejected as fault:
                deliver(place, Rejected(f"{self._spec.model}: {fault}"))
        parts = [list(encoded)] if encoded else []
        while parts:
            part = parts.pop()
            left = self._answer_part(part, requests, encoded, deliver, check)
            if left and len(part) == 1:
                problem = "out of memory with this request alone; lower max_tokens or shorten the prompt"
                deliver(part[0], Rejected(f"{self._spec.model}: {problem}"))
            elif left:
                half = (len(left) + 1) // 2
                parts += [half_part for half_part in (left[half:], left[:half]) if half_part]

    def _answer_part(
        self,
        part: Sequence[int],
        requests: Sequence[Request],
        encoded: dict[int, Encoded],
        deliver: Deliver,
        check: Callable[[], None],
    ) -> list[int]:
        """Answer some of the requests; those that are left when the memory is used up."""
        assert self._model
        left = dict.fromkeys(part)
        try:
            for place, body in self._model.answer(
                [requests[place] for place in part], [encoded[place] for place in part], self._spec.batch_size, check
            ):
                row = part[place]
                read = len(encoded[row].prompt) + len(encoded[row].answer)
                deliver(row, write_plain(**body, input_tokens=read, model=self._name))
                del left[row]
        except (MemoryError, RuntimeError) as fault:
            if not _is_out_of_memory(fault):
                raise
        return list(left)


class Encoded(NamedTuple):
    """A request in token ids."""

    prompt: list[int]
    """The conversation up to where the model goes on: behind the opening of the assistant's turn, or the prefill."""
    answer: list[int]
    """Of the text to score; else empty."""
    labels: dict[str, set[int]]
    """The tokens of each choice."""


class LocalModel:
    """A loaded model with its tokenizer. Not for several threads at once."""

    def __init__(self, folder: Path, device: str, dtype: str) -> None:
        """Raise ConfigError if weights are missing, such as the head of a model that writes no text."""
        self.tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        self._renderer = Renderer(self.tokenizer)
        with without_bars():
            self.model, loading = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype="auto" if dtype == "auto" else getattr(torch, dtype),
                output_loading_info=True,
                **SAFE_LOADING,
            )
        if absent := sorted(loading["missing_keys"]):  # the library fills them with random numbers
            raise ConfigError(
                f"{folder}: expected all weights of a model that writes text, {len(absent)} are missing, such as "
                f"{absent[0]}; it may be a model of another kind, or incomplete"
            )
        self.model.to(device).eval().requires_grad_(False)
        pack_frozen(self.model)
        if device == "cpu":
            torch.set_num_threads(threads_for(self.model))
        self._shared = {"draw": PrefixCache(), "choose": PrefixCache(), "score": PrefixCache()}
        self._context = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)

    def encode(self, request: Request) -> Encoded:
        """Return a request as the model reads it. Raises Rejected where that fails, or leaves no room for an answer."""
        row = {"tools": request.tools, "chat_template_kwargs": request.chat_template_kwargs}
        messages = [message.to_json() for message in request.messages]
        prefill = request.prefill or ""
        try:
            prompt, *wholes = self._renderer.ids(
                self._renderer.conversation(row, messages, is_prompt=True, place="the conversation", prefill=text)
                for text in (prefill, *([] if request.scored is None else [prefill + request.scored]))
            )
        except DataError as fault:
            raise Rejected(str(fault)) from fault
        answer = list[int]()
        for whole in wholes:  # the text is tokenised together with what stands before it, as the model would see it
            shared = common_prefix(prompt, whole)
            prompt, answer = whole[:shared], whole[shared:]
        if not prompt:
            raise Rejected("the chat template turns this conversation into an empty text")
        if wholes and not answer:
            raise Rejected("the text to score is empty")
        room = len(answer) if wholes else 1 if request.choices else _drawing(request).max_tokens
        needed = len(prompt) + room
        if self._context is not None and needed > self._context:
            raise Rejected(
                f"a prompt of {len(prompt)} tokens needs {needed} with its answer, the model takes {self._context}. "
                f"Shorten the prompt or {'the answer' if wholes else 'lower max_tokens'}"
            )
        return Encoded(prompt, answer, self._labels(request.choices or ()))

    def answer(
        self, requests: Sequence[Request], encoded: Sequence[Encoded], rows: int, check: Callable[[], None] = no_check
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the position of each request, all being of one kind, and the arguments of `write_plain` for its reply
        without the prompt's tokens and the model's name, as replies come. `check` ends the work between tokens by
        raising."""
        prompts = [row.prompt for row in encoded]
        kind = _classify(requests[0])
        work = BatchSettings(rows, self._shared[kind.task], check)
        if kind.task == "score":
            answers = [row.answer for row in encoded]
            for place, logprob in score(self.model, self.tokenizer, prompts, answers, work):
                scored = logprob, len(answers[place])
                yield place, {"text": "", "finish_reason": "stop", "output_tokens": 0, "scored": scored}
        elif kind.task == "choose":
            for place, logprobs in choose(self.model, self.tokenizer, prompts, [row.labels for row in encoded], work):
                likeliest = max(logprobs, key=logprobs.__getitem__)
                yield place, {"text": likeliest, "finish_reason": "stop", "output_tokens": 1, "logprobs": logprobs}
        else:
            # of the request's name, in which the run's seed and the number of the draw count
            seeds = [int(request.id.removeprefix(HASH_PREFIX)[:15], 16) for request in requests]
            drawing = _drawing(requests[0])
            for place, sampled in sample(self.model, self.tokenizer, prompts, seeds, drawing, work=work):
                yield place, self.read(sampled, prompts[place])

    def read(self, sampled: Sampled, prompt: list[int]) -> dict[str, Any]:
        """Return an answer up to its end token, taken apart."""
        has_end = bool(sampled.ids) and sampled.ids[-1] in end_tokens(self.model, self.tokenizer)
        ids = sampled.ids[:-1] if has_end else sampled.ids
        parts = read_answer(self.tokenizer, ids, prompt)
        return {
            "text": clean(parts.text),
            "finish_reason": "length" if sampled.is_cut else "tool_calls" if parts.calls else "stop",
            "output_tokens": len(sampled.ids),
            "thinking": clean(parts.thinking) if parts.thinking else None,
            "calls": clean_tree(list(parts.calls)),
        }

    def _labels(self, labels: tuple[str, ...]) -> dict[str, set[int]]:
        """Return the first tokens of each label: its own, and, where it is one token, the one after a space. Raises
        Rejected where a label has none, or shares one with another."""
        ids = {}
        for label in labels:
            alone, spaced = (
                self.tokenizer(text, add_special_tokens=False)["input_ids"] for text in (label, f" {label}")
            )
            ids[label] = {*alone[:1], *(spaced if len(spaced) == 1 else ())}
        if not all(ids.values()) or len(set.union(set(), *ids.values())) < sum(map(len, ids.values())):
            raise Rejected(f"the labels {', '.join(labels)} do not begin with different tokens; use single letters")
        return ids


def _settle(waiting: asyncio.Future[bytes], reply: bytes | Exception) -> None:
    """Give a reply, or what came in its place, to the caller, if it still waits."""
    if waiting.done():
        return
    if isinstance(reply, _Abandoned):
        waiting.cancel()
    elif isinstance(reply, Exception):
        waiting.set_exception(reply)
    else:
        waiting.set_result(reply)


def _is_out_of_memory(fault: Exception) -> bool:
    """Return True also for a CPU's error, which has no special type."""
    texts = ("can't allocate memory", "not enough memory")
    return isinstance(fault, MemoryError | torch.OutOfMemoryError) or any(text in str(fault) for text in texts)


def _classify(request: Request) -> _Kind:
    if request.scored is not None:
        return _Kind("score", None)
    return _Kind("choose", None) if request.choices else _Kind("draw", _drawing(request))


def _drawing(request: Request) -> GenerationOptions:
    sampling = request.sampling
    temperature = 1.0 if sampling.temperature is None else sampling.temperature
    return GenerationOptions(sampling.max_tokens or 256, temperature, sampling.top_p or 1.0)


def _find_folder(spec: LocalSpec, source: str) -> Path:
    """Return the folder of an entry's model; that of a Hub repository from this machine's cache, fetched where need
    be."""
    if is_folder(source):
        folder = find_folder(source)
    else:
        try:
            name, revision = split_revision(source)
            folder = Path(snapshot_download(name, revision=revision, allow_patterns=list(FILES)))
        except unreachable() as fault:
            problem = f"neither a folder nor a model that could be fetched ({first_line(fault)})"
            raise ConfigError(f"{spec.model}: {problem}") from fault
    if problems := folder_problems(folder):
        raise ConfigError("\n".join(problems))
    return folder


def fingerprint(folder: Path) -> str:
    """Return 16 hex digits of everything that changes an answer: names and contents of the model's files."""
    digest = hashlib.sha256()
    paths = {path for pattern in FILES for path in folder.glob(pattern)} - {folder / name for name in NOTES}
    for path in sorted(paths):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").digest()
        digest.update(os.fsencode(path.name) + b"\0" + content)
    return digest.hexdigest()[:16]
