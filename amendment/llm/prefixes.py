"""How much of a run's input stands in prefixes that an earlier request had too, and so may come from a vendor's cache.

Texts are taken in the order in which a model reads them, four characters to a token, and compared block by block;
what is remembered of a block is one hash of all the text up to its end. Covered: any number of models; memory that
stays bounded, since prefixes that were not met for long are forgotten. Not covered: whether the vendor still has a
prefix when the next request comes (caches live for minutes, and a request is counted as if all earlier ones had been
answered), and whether the vendor's cache is on: the vendor's own count of cached tokens says that.
"""

from __future__ import annotations

from typing import NamedTuple

from amendment.llm.requests import Request
from amendment.llm.tokens import CHARACTERS_PER_TOKEN, prompt_texts

__all__ = ["PrefixMeter", "Share"]


class Share(NamedTuple):
    """Input tokens of some requests, roughly counted, and how many of them an earlier request began with too."""

    cacheable: int
    """In prefixes that are long enough for the vendor, cut at the vendor's steps."""
    reachable: int
    """In prefixes of any length: what a prefix tree over the same requests would share."""
    total: int

    @property
    def of_total(self) -> float:
        """The cacheable share of all input; 0 where there was none."""
        return self.cacheable / self.total if self.total else 0.0


class PrefixMeter:
    """Counts requests in the order of their sending."""

    def __init__(self, *, minimum: int = 1024, step: int = 128, grain: int = 32, most_blocks: int = 25_000) -> None:
        """Tokens all of them: the shortest prefix that a cache keeps and the steps by which it grows (the defaults are
        OpenAI's as documented), and the size of the blocks that are compared, of which `most_blocks` are remembered at
        most (about 70 bytes each).
        """
        self._minimum = minimum
        self._step = max(step, 1)
        self._grain = grain
        self._half = most_blocks // 2
        self._recent: set[int] = set()
        self._older: set[int] = set()
        self._cacheable = self._reachable = self._total = 0

    @property
    def share(self) -> Share:
        """Of all requests so far."""
        return Share(self._cacheable, self._reachable, self._total)

    @property
    def blocks(self) -> int:
        """Prefixes that are remembered."""
        return len(self._recent) + len(self._older)

    def add(self, request: Request) -> Share:
        """Count one request; returns its own share."""
        text = "".join(prompt_texts(request))
        known = self._grain * self._known_blocks(hash((request.host, request.model)), text)
        cacheable = known - known % self._step if known >= self._minimum else 0
        total = -(-len(text) // CHARACTERS_PER_TOKEN)
        self._cacheable += cacheable
        self._reachable += known
        self._total += total
        return Share(cacheable, known, total)

    def _known_blocks(self, prefix: int, text: str) -> int:
        """How many whole blocks at the beginning are known; all blocks are known from now on."""
        size = self._grain * CHARACTERS_PER_TOKEN
        known, unbroken = 0, True
        for end in range(size, len(text) + 1, size):
            prefix = hash((prefix, text[end - size : end]))
            unbroken = unbroken and (prefix in self._recent or prefix in self._older)
            known += unbroken
            self._recent.add(prefix)
        if len(self._recent) > self._half:
            self._older, self._recent = self._recent, set()
        return known
