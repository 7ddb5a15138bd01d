"""Which requests may stand in a ledger, kept in memory, so that a new question costs no look at the disk.

A Bloom filter (Bloom 1970): what was added is always found, and of what was not, a few in ten thousand up to half a
million requests, a quarter at five million. Those are then looked for in vain, which is all the harm.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

__all__ = ["Seen"]

BITS = 2**24
"""Two megabytes."""
PROBES = 4


class Seen:
    """A set of names that forgets none and takes the same room however many there are."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._bits = bytearray(BITS // 8)
        for name in names:
            self.add(name)

    def add(self, name: str) -> None:
        """From now on this name may be there."""
        for place in _places(name):
            self._bits[place >> 3] |= 1 << (place & 7)

    def __contains__(self, name: str) -> bool:
        """Whether the name was added; a yes may be wrong."""
        bits = self._bits
        return all(bits[place >> 3] >> (place & 7) & 1 for place in _places(name))


def _places(name: str) -> Iterator[int]:
    start = hash(name)
    step = (start >> 24) | 1
    return ((start + probe * step) % BITS for probe in range(PROBES))
