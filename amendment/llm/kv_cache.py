"""Read prompts into a model's key/value cache: what several prompts share is read once, and kept for the next batch.

Promised: what a row sees is its own prompt and nothing else; the result is that of reading each prompt alone, up to
rounding. Not covered: models whose cache is more than keys and values of every token (sliding windows, recurrent
layers), and models that do not take position ids. They read each prompt whole, in one batch.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from amendment.llm.memory import free_bytes
from amendment.llm.rendering import common_prefix

CHUNK = 64
"""Tokens by which a growing cache grows."""
LOGITS = 2**26
"""Most logits held at once: a quarter of a gigabyte in fp32."""
DEEPEST = 4
"""Shared beginnings within shared beginnings, each with a cache of its own in memory."""


class ReadingPace(NamedTuple):
    """A device's trade between long and many forward passes."""

    overhead: int
    """About how many tokens a model reads in the time that one more forward pass costs."""
    most: int
    """Tokens that are read in one pass; more make it no faster."""


CPU, CUDA = ReadingPace(overhead=32, most=1024), ReadingPace(overhead=1024, most=16384)


class ReadBatch(NamedTuple):
    """Some of the sequences after they were read."""

    rows: list[int]
    """Which sequences, by position."""
    ids_BT: Tensor  # noqa: N815
    """The tokens of the last pass."""
    mask_BT: Tensor  # noqa: N815
    """1 where ids or cache hold a token of the row; shared tokens stand first."""
    logits_BKV: Tensor  # noqa: N815
    """Of the last K positions, K being the most that is asked for of one of the rows."""
    cache: Any


class PrefixCache:
    """What the sequences of the last batch shared, and its cache. Belongs to one model and precision."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.cache: Any = None
        self.works: bool | None = None
        """Whether the model's cache can be shared; None until it was tried."""


def no_check() -> None:
    """Do nothing: nothing stops the reading."""


class PrefixReader:
    """Reads sequences with one model."""

    def __init__(
        self,
        model: Any,
        pad: int,
        *,
        rows: int,
        shared: PrefixCache | None = None,
        check: Callable[[], None] = no_check,
    ) -> None:
        """Read at most `rows` sequences together. `check` runs before each forward pass and ends the work by
        raising."""
        self._model, self._pad, self._rows, self._check = model, pad, rows, check
        self._shared = shared or PrefixCache()
        self._pace = CUDA if model.device.type == "cuda" else CPU
        self._vocabulary = int(model.config.get_text_config().vocab_size)
        # as the model's own class accepts them: trainers put other functions in place of its `forward`
        bare = model.get_base_model() if hasattr(model, "get_base_model") else model
        self._arguments = inspect.signature(type(bare).forward).parameters

    def forward(self, ids_BT: Tensor, mask_BT: Tensor, cache: Any, *, keep: int = 1, use_cache: bool = True) -> Any:
        """Pass over the last tokens of rows whose other tokens are in the cache."""
        self._check()
        positions_BT = (mask_BT.cumsum(-1) - 1).clamp(min=0)[:, -ids_BT.shape[1] :]
        optional = {"position_ids": positions_BT, "logits_to_keep": keep}
        return self._model(
            input_ids=ids_BT,
            attention_mask=mask_BT,
            past_key_values=cache,
            use_cache=use_cache,
            **{name: value for name, value in optional.items() if name in self._arguments},
        )

    def read(
        self, sequences: Sequence[Sequence[int]], asked: Sequence[int], *, use_cache: bool = False
    ) -> Iterator[ReadBatch]:
        """Read all sequences once, in batches. Logits come for the last `asked` positions of each, at least one."""
        self._sequences = [list(ids) for ids in sequences]
        self._limits = [len(ids) - n for ids, n in zip(sequences, asked, strict=True)]
        self._use_cache = use_cache
        if not self._can_share():
            whole = range(len(sequences))  # in one batch where the caller needs one cache
            yield from [self._leaf(whole, 0, None)] if use_cache else self._leaves(whole, 0, None)
            return
        rows = sorted(range(len(sequences)), key=self._sequences.__getitem__)
        common = min(self._overlaps(rows), default=self._limits[rows[0]])
        start = common_prefix(self._shared.ids, self._sequences[rows[0]][:common])  # as in the last batch
        start = start if start > self._pace.overhead else 0
        yield from self._tree(rows, start, _view(self._shared.cache, 1, start) if start else None, depth=1)

    def _can_share(self) -> bool:
        if self._shared.works is None:
            ids_1T = self._tensor([self._sequences[0][:1]])
            read = self.forward(ids_1T, torch.ones_like(ids_1T), None)
            takes_positions = "position_ids" in self._arguments
            self._shared.works = takes_positions and can_be_shared(getattr(read, "past_key_values", None))
        return self._shared.works

    def _overlaps(self, rows: Sequence[int]) -> list[int]:
        """Count the tokens that each two neighbours share and that need no logits."""
        return [
            min(common_prefix(self._sequences[a], self._sequences[b]), self._limits[a], self._limits[b])
            for a, b in pairwise(rows)
        ]

    def _tree(self, rows: Sequence[int], start: int, cache: Any, *, depth: int) -> Iterator[ReadBatch]:
        """Read sequences in their order that share their first `start` tokens, which are in the cache."""
        overlaps = self._overlaps(rows)
        common = min(overlaps, default=start)
        if (len(rows) - 1) * (common - start) > self._pace.overhead:
            ids_1T = self._tensor([self._sequences[rows[0]][start:common]])
            mask_1T = torch.ones((1, common), dtype=torch.long, device=ids_1T.device)
            cache = self.forward(ids_1T, mask_1T, _view(cache, 1, start)).past_key_values
            start = common
            if depth == 1:
                self._shared.ids, self._shared.cache = self._sequences[rows[0]][:start], _view(cache, 1, start)
        runs = list[list[int]]()
        for place, row in enumerate(rows):
            if place and depth < DEEPEST and overlaps[place - 1] - start > self._pace.overhead:
                runs[-1].append(row)
            else:
                runs.append([row])
        alone = [run[0] for run in runs if len(run) == 1]
        yield from self._leaves(alone, start, cache)
        for run in runs:
            if len(run) > 1:
                yield from self._tree(run, start, cache, depth=depth + 1)

    def _leaves(self, rows: Sequence[int], start: int, cache: Any) -> Iterator[ReadBatch]:
        """Read sequences after their shared tokens, those of similar length together."""

        def is_too_much(batch: Sequence[int]) -> bool:
            lengths = [len(self._sequences[row]) - start for row in batch]
            n, longest = len(batch), lengths[-1]
            asked = max(len(self._sequences[row]) - self._limits[row] for row in batch)
            return (
                n > min(self._rows, rows_that_fit(self._model, start + longest))
                or n * longest > self._pace.most
                or n * asked * self._vocabulary > LOGITS
                or n * longest - sum(lengths) > self._pace.overhead
            )

        for batch in batches(rows, lambda row: len(self._sequences[row]), is_too_much):
            yield self._leaf(batch, start, cache)

    def _leaf(self, rows: Sequence[int], start: int, cache: Any) -> ReadBatch:
        """Pass once, with the tails padded on the left, so that all end together."""
        tails = [self._sequences[row][start:] for row in rows]
        width = max(map(len, tails))
        ids_BT = self._tensor([[self._pad] * (width - len(tail)) + tail for tail in tails])
        mask_BT = self._tensor([[1] * start + [0] * (width - len(tail)) + [1] * len(tail) for tail in tails])
        keep = max(len(self._sequences[row]) - self._limits[row] for row in rows)
        view = _view(cache, len(rows), start)
        out = self.forward(ids_BT, mask_BT, view, keep=keep, use_cache=self._use_cache or start > 0)
        return ReadBatch(list(rows), ids_BT, mask_BT, out.logits[:, -keep:], getattr(out, "past_key_values", None))

    def _tensor(self, rows: Sequence[Sequence[int]]) -> Tensor:
        return torch.tensor(rows, dtype=torch.long, device=self._model.device)


def batches(
    rows: Iterable[int], length: Callable[[int], int], is_too_much: Callable[[Sequence[int]], bool]
) -> Iterator[list[int]]:
    """Group rows of similar length, the shortest first; only a single row may exceed the limit."""
    batch: list[int] = []
    for row in sorted(rows, key=length):
        if batch and is_too_much([*batch, row]):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def can_be_shared(cache: Any) -> bool:
    """Return True for a cache that holds only keys and values of every token."""
    return type(cache) is DynamicCache and all(type(layer) is DynamicLayer for layer in cache.layers)


def _view(cache: Any, rows: int, length: int) -> Any:
    """Repeat the cache of one row for several, cut to its first tokens; the original stays as it is."""
    if cache is None:
        return None
    viewed = copy.copy(cache)
    viewed.layers = [copy.copy(layer) for layer in cache.layers]
    for layer in viewed.layers:
        layer.keys = layer.keys[:, :, :length].expand(rows, -1, -1, -1)
        layer.values = layer.values[:, :, :length].expand(rows, -1, -1, -1)
    return viewed


class GrowingCache(DynamicCache):  # type: ignore[misc]
    """A cache in which the steps of generating write in place, filled from several batches."""

    def __init__(self, rows: int, width: int, like: Any) -> None:
        super().__init__()
        self.layers = [_GrowingLayer(rows, width, layer) for layer in like.layers]

    def fill(self, rows: Sequence[int], cache: Any) -> None:
        """Take over what a batch has read, as the last tokens of these rows."""
        for layer, read in zip(self.layers, cache.layers, strict=True):
            layer.fill(rows, read)

    def select(self, rows: Sequence[int]) -> None:
        for layer in self.layers:
            layer.batch_select_indices(torch.tensor(rows, device=layer.keys.device))


class _GrowingLayer(DynamicLayer):  # type: ignore[misc]
    """Keys and values in the first part of larger buffers of shape (rows, heads, room, size of a head)."""

    def __init__(self, rows: int, width: int, like: Any) -> None:
        super().__init__()
        self.lazy_initialization(like.keys, like.values)
        self._buffers = [_room(states, rows, width) for states in (like.keys, like.values)]
        self._show(width)

    def _show(self, length: int) -> None:
        self.keys, self.values = (buffer[:, :, :length] for buffer in self._buffers)

    def fill(self, rows: Sequence[int], read: Any) -> None:
        width = read.keys.shape[2]
        for shown, states in ((self.keys, read.keys), (self.values, read.values)):
            shown[rows, :, -width:] = states

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        start = self.keys.shape[2]
        end = start + key_states.shape[2]
        if end > self._buffers[0].shape[2]:
            wider = [_room(buffer, len(buffer), end) for buffer in self._buffers]
            for new, old in zip(wider, (self.keys, self.values), strict=True):
                new[:, :, :start] = old
            self._buffers = wider
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:, :, start:end] = states
        self._show(end)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        length = self.keys.shape[2]
        self._buffers = [buffer[indices] for buffer in self._buffers]
        self._show(length)


def _room(states: Tensor, rows: int, width: int) -> Tensor:
    """Return zeros for so many rows and tokens, and some to come."""
    _, heads, _, size = states.shape
    return torch.zeros((rows, heads, width + CHUNK, size), dtype=states.dtype, device=states.device)


def rows_that_fit(model: Any, tokens: int) -> int:
    """Estimate how many answers, each of at most so many tokens with its prompt, can be generated together in half of
    the free memory. The model's configuration gives keys and values of each token, and logits and the probabilities
    that are drawn from, in double precision."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or getattr(config, "num_attention_heads", 1)
    size = getattr(config, "head_dim", None) or config.hidden_size // getattr(config, "num_attention_heads", 1)
    cache = 2 * config.num_hidden_layers * heads * size * model.dtype.itemsize * (tokens + CHUNK)
    return max(1, int(free_bytes(model.device) // 2 // (2 * cache + 40 * config.vocab_size)))
