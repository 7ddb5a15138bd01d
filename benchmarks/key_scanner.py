"""How many shapes of keys the scanner finds, how often it takes an ordinary text for a key, and how fast it reads.

    python -m benchmarks.key_scanner [FILE...] [--shapes benchmarks/secret_shapes.yaml...] [--files 4000]

Shapes are templates by vendor (`benchmarks/secret_shapes.py`), filled in with each of ten seeds; a text counts as found
if there is any finding in it. FILEs hold ordinary texts or answers: JSON (a list of texts or objects) or JSONL, each
also as .gz; every text in them counts. Code is every 60 lines of Python files of this environment, drawn with a fixed
seed. Hashes are lines of MD5, SHA-1, SHA-256, base64, URL-safe base64 and a timestamp with a SHA-1. Made up are UUIDs,
pictures in base64, lock files and prose about keys. Kept back are 1,000 texts of 55 kinds by somebody who
had not seen the patterns. Each text with at least one finding counts once. Look at the kinds:
a key that somebody left in a source file is not a mistake of the scanner.
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
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from amendment.keys import find_keys
from amendment.text import table
from amendment.yamlfile import read_yaml
from benchmarks.ordinary_texts import ordinary
from benchmarks.secret_shapes import expand

SEEDS = range(10)
PROSE = """\
An API key is a secret that identifies a program. Keep it in a variable such as OPENAI_API_KEY, never in the source.
Rotate the access token every 90 days; store only its SHA-256, such as {sha256}.
The cache key is {md5}, and the ETag is "{md5}".
Set `api_key=os.environ["SERVICE_API_KEY"]` and run `export SERVICE_API_KEY=<your key>`.
The idempotency key is {uuid}; send it again with each retry. Primary key: {uuid}.
Your token budget is 4096 tokens, of which 1024 go to the answer. max_token_length: 512, pad_token_id: 50256
password: must contain 8 characters, one digit and one capital letter
The public key's fingerprint is SHA256:{base64} (ED25519).
ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{base64} jane@laptop
Commit {sha1} fixes the refresh of tokens; git checkout {sha1} and try again.
export API_KEY=your_api_key_here; curl -H "Authorization: Bearer $API_KEY" https://api.example.com/v1
Use `Authorization: Bearer <token>` or `Authorization: Basic <base64 of user:password>`.
postgres://user:password@localhost:5432/app is what a connection string looks like.
docker pull acme/api@sha256:{sha256}
const token = await getAccessToken2(clientId, clientSecret); password = getpass.getpass("Password 1: ")
{{"next_page_token": "{base64}", "access_token": "<redacted>", "token_type": "Bearer"}}
<meta name="csrf-token" content="{base64}"><script integrity="sha384-{base64}" crossorigin="anonymous"></script>
pip install --hash=sha256:{sha256} mistralai==1.2.3; the md5 of twilio-python 8.2.0 is {md5}
etag: W/"{md5}" x-request-id: {uuid} trace_id={md5} token_count=512
The Redis key user:{uuid}:profile holds JSON; the session {uuid} is in the log.
The Mistral weights are of revision {sha1}, and the checksum of the wandb run is {sha1}.
arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf, secretName: db-credentials, key: password-2024
""".splitlines()


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


def made_up(count: int) -> Iterator[str]:
    rng = random.Random(2)  # noqa: S311 - made-up texts
    for number in range(count):
        raw = rng.randbytes(32)
        parts = {name: hashlib.new(name, raw).hexdigest() for name in ("md5", "sha1", "sha256", "sha512")}
        parts |= {"uuid": str(uuid.UUID(bytes=raw[:16], version=4)), "base64": base64.b64encode(raw).decode()[:43]}
        name = rng.choice(
            ["keyv", "jsonwebtoken", "secret-stack", "algoliasearch", "twilio", "mistralai", "tokenizers"]
        )
        picture = base64.b64encode(rng.randbytes(rng.randrange(300, 6000))).decode()
        address = f"https://example.org/packages/{parts['sha512'][:60]}/{name}-0.1.tar.gz"
        lock = {name: {"resolved": address, "integrity": f"sha512-{picture[:86]}=="}, "checksum": parts["sha256"]}
        yield [
            " ".join(rng.choices(PROSE, k=2)).format(**parts),
            f"- {parts['uuid']}\n- {parts['uuid'].upper()}",
            f"![A picture](data:image/png;base64,{picture})",
            json.dumps({"packages": lock}, indent=rng.choice([None, 2])),
            f'[[package]]\nname = "{name}"\nsdist = {{ url = "{address}", hash = "sha256:{parts["sha256"]}" }}',
        ][number % 5]


def missed(shapes: Path, seed: int) -> list[str]:
    """The names of the shapes that are not found with this seed."""
    texts = {
        shape["name"]: expand(shape["template"], random.Random(f"{seed} {shape['name']}"))  # noqa: S311
        for shape in read_yaml(shapes).data
    }
    return [name for name, text in texts.items() if not any(find_keys(text))]


def found(shapes: Path) -> Iterator[list[str]]:
    """A row for each seed: the share found, and what is missed."""
    count = len(read_yaml(shapes).data)
    for seed in SEEDS:
        names = missed(shapes, seed)
        yield [shapes.name, f"{seed}", f"{count}", f"{100 - 100 * len(names) / count:.1f} %", ", ".join(names)]


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
    parser.add_argument("texts", type=Path, nargs="*")
    parser.add_argument("--shapes", type=Path, nargs="*", default=[])
    parser.add_argument("--files", type=int, default=4000)
    parser.add_argument("--hashes", type=int, default=20_000)
    parser.add_argument("--made-up", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="of the ordinary texts that were kept back")
    chosen = parser.parse_args()
    find_keys("")
    if chosen.shapes:
        rows = [row for path in chosen.shapes for row in found(path)]
        print("\n".join(table([["shapes", "seed", "count", "found", "missed"], *rows])), end="\n\n")
    sets = {
        **{path.name: list(texts_of(path)) for path in chosen.texts},
        "code": list(code(chosen.files)),
        "hashes": list(hashes(chosen.hashes)),
        "made up": list(made_up(chosen.made_up)),
        "kept back": list(ordinary(random.Random(chosen.seed))),  # noqa: S311 - a fixed draw
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
    print("\n".join(table([head, *(measured(name, texts) for name, texts in sets.items() if texts)])))


if __name__ == "__main__":
    main()
