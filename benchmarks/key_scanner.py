"""How often the key scanner takes an ordinary text for a key, and how fast it reads.

    python benchmarks/key_scanner.py FILE... [--files 4000]

FILEs hold answers: JSON (a list of objects) or JSONL, each also as .gz; every text in them counts. Code is every 60
lines of Python files of this environment, drawn with a fixed seed. Hashes are lines of MD5, SHA-1, SHA-256, base64,
URL-safe base64 and a timestamp with a SHA-1. Each text with at least one finding counts once. Look at the kinds: a key
that somebody left in a source file is not a mistake of the scanner.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import hashlib
import json
import random
import sysconfig
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from amendment.keys import find_keys
from amendment.text import table


def texts_of(path: Path) -> Iterator[str]:
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    is_lines = ".jsonl" in path.suffixes
    for row in map(json.loads, raw.splitlines()) if is_lines else json.loads(raw):
        yield from _texts(row)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


def code(count: int) -> Iterator[str]:
    files = sorted(Path(sysconfig.get_path("purelib")).rglob("*.py"))
    random.Random(0).shuffle(files)  # noqa: S311 - a fixed draw
    for path in files[:count]:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
        yield from ("\n".join(lines[start : start + 60]) for start in range(0, len(lines), 60))


def hashes(count: int) -> Iterator[str]:
    rng = random.Random(1)  # noqa: S311 - made-up hashes
    for _ in range(count):
        raw = rng.randbytes(32)
        named = [hashlib.new(name, raw).hexdigest() for name in ("md5", "sha1", "sha256")]
        long, safe = base64.b64encode(raw * 4).decode(), base64.urlsafe_b64encode(raw).decode()
        yield " ".join([*named, long, safe, f"{rng.randrange(10**9, 2 * 10**9)}:{named[1]}"])


def measured(name: str, texts: Sequence[str]) -> list[str]:
    began = time.perf_counter()
    kinds = [sorted({found.kind for found in find_keys(text)}) for text in texts]
    seconds = time.perf_counter() - began
    hits = sum(map(bool, kinds))
    characters = sum(map(len, texts))
    told = ", ".join(f"{kind} {count}" for kind, count in Counter(kind for one in kinds for kind in one).items())
    rate = f"{1000 * hits / len(texts):.2f}"
    return [
        name,
        f"{len(texts):,}",
        f"{characters / 1e6:.1f}",
        str(hits),
        rate,
        told,
        f"{characters / 1e6 / seconds:.1f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("answers", type=Path, nargs="+")
    parser.add_argument("--files", type=int, default=4000)
    parser.add_argument("--hashes", type=int, default=20_000)
    chosen = parser.parse_args()
    find_keys("")
    sets = {
        "answers": [text for path in chosen.answers for text in texts_of(path)],
        "code": list(code(chosen.files)),
        "hashes": list(hashes(chosen.hashes)),
    }
    head = [
        "texts",
        "count",
        "million characters",
        "with a finding",
        "in 1,000",
        "kinds",
        "million characters a second",
    ]
    print("\n".join(table([head, *(measured(name, texts) for name, texts in sets.items())])))


if __name__ == "__main__":
    main()
