"""Which requests may stand in a ledger, kept in memory, so that a new question costs no look at the disk.

A Bloom filter (Bloom 1970): what was added is always found, and of what was not, a few in ten thousand up to half a
million requests, a quarter at five million. Those are then looked for in vain, which is all the harm.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Seen"]

BITS = 2**24
"""Two megabytes."""


class Seen:
    """A set of names that forgets none and takes the same room however many there are."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._bits = bytearray(BITS // 8)
        for name in names:
            self.add(name)

    def add(self, name: str) -> None:
        """From now on this name may be there."""
        bits = self._bits
        for place in _places(name):
            bits[place >> 3] |= 1 << (place & 7)

    def __contains__(self, name: str) -> bool:
        """Whether the name was added; a yes may be wrong."""
        bits = self._bits
        a, b, c, d = _places(name)
        return bool(
            bits[a >> 3] >> (a & 7) & bits[b >> 3] >> (b & 7) & bits[c >> 3] >> (c & 7) & bits[d >> 3] >> (d & 7) & 1
        )


def _places(name: str) -> tuple[int, int, int, int]:
    place = hash(name)
    step = (place >> 24) | 1
    return place % BITS, (place + step) % BITS, (place + 2 * step) % BITS, (place + 3 * step) % BITS
