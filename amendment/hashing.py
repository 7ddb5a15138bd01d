"""Names made of content: one canonical JSON, one hash, one prefix.

The canonical form is a contract. Object keys are sorted, no spaces, text as UTF-8, NaN and infinity
refused. A key whose value is absent does not take part, so a later version may add optional fields
without renaming what exists.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

HASH_PREFIX = "s2:"
"""SHA-256, cut to 128 bits, of the canonical JSON."""


def canonical_json(value: Any) -> bytes:
    """Return the one byte string of a JSON value. Raises ValueError for NaN, infinity and lone surrogates."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def content_id(value: Any) -> str:
    """Return the name of a JSON value: equal values have equal names on any machine."""
    return hash_name(canonical_json(value))


def hash_name(canonical: bytes) -> str:
    """Return the name of a JSON value whose canonical form is at hand."""
    return HASH_PREFIX + hashlib.sha256(canonical).hexdigest()[:32]
