"""Values of a column as Arrow's buffers, made by hand.

`pyarrow.array` loads pandas, where it is installed, before it looks at its first value: tens of megabytes that writing
a table has no use for.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["column_of"]

_CODES = {"int64": "q", "float64": "d"}


def column_of(values: Sequence[Any], kind: str) -> pa.Array:
    """Values of `kind` (string, int64, float64 or bool_), absent ones as null. Raises ValueError for half a surrogate
    pair."""
    import pyarrow as pa

    absent = values.count(None)
    present = pa.py_buffer(_bits([value is not None for value in values])) if absent else None
    buffers = [present, *(pa.py_buffer(part) for part in _parts(values, kind))]
    return pa.Array.from_buffers(getattr(pa, kind)(), len(values), buffers, absent)


def _parts(values: Sequence[Any], kind: str) -> list[bytes]:
    if kind == "string":
        texts = [(value or "").encode("utf-8") for value in values]
        return [array("i", accumulate(map(len, texts), initial=0)).tobytes(), b"".join(texts)]
    if kind == "bool_":
        return [_bits([bool(value) for value in values])]
    return [array(_CODES[kind], (value or 0 for value in values)).tobytes()]


def _bits(flags: Sequence[bool]) -> bytes:
    """Eight flags a byte, the first in the lowest bit."""
    found = bytearray(-(-len(flags) // 8))
    for index, flag in enumerate(flags):
        found[index >> 3] |= flag << (index & 7)
    return bytes(found)
