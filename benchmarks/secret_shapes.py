"""Expand templates of secret shapes into texts with random, well-formed (and worthless) secrets."""

import base64
import random
import re
import string
import uuid

ALPHABETS = {
    "alnum": string.ascii_letters + string.digits,
    "alpha": string.ascii_letters,
    "hex": "0123456789abcdef",
    "HEX": "0123456789ABCDEF",
    "digits": string.digits,
    "lower": string.ascii_lowercase,
    "upper": string.ascii_uppercase,
    "lowernum": string.ascii_lowercase + string.digits,
    "uppernum": string.ascii_uppercase + string.digits,
    "base32": string.ascii_uppercase + "234567",
    "BECH32": "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
}
TOKEN = re.compile(r"\{\{|\{(b64(?:url)?of):|\{(\w+):?(\d*)\}|\}|[^{}]+")


def _random(kind: str, n: int, rng: random.Random) -> str:
    """Return n random characters of the kind, or a UUID."""
    if kind == "uuid":
        return str(uuid.UUID(int=rng.getrandbits(128), version=4))
    if kind in ("base64", "base64url"):  # encoded random bytes, cut before any padding
        alt = b"-_" if kind == "base64url" else b"+/"
        return base64.b64encode(rng.randbytes(n * 3 // 4 + (n % 4 == 1)), alt).decode()[:n]
    return "".join(rng.choices(ALPHABETS[kind], k=n))


def expand(template: str, rng: random.Random) -> str:
    """Replace each placeholder: {kind:n}, {uuid}, {b64of:...}, {b64urlof:...} (no padding; nests).

    {{ and }} are literal braces; those inside a {b64of:...} must be balanced there.
    """
    stack: list[tuple[str, list[str]]] = [("", [])]
    literals = [0]  # "{{" still open at each level: only then is a nested "}}" a literal brace
    at = 0
    while at < len(template):
        match = TOKEN.match(template, at)
        assert match, template[at:]
        piece, at = match[0], match.end()
        double = piece == "}" and template[at : at + 1] == "}"
        if piece == "{{" or (double and (literals[-1] > 0 or len(stack) == 1)):
            at += piece == "}"
            literals[-1] += 1 if piece == "{{" else -1
            piece = piece[0]
        elif match[1]:
            stack.append((match[1], []))
            literals.append(0)
            continue
        elif piece == "}":
            kind, inner = stack.pop()
            literals.pop()
            alt = b"-_" if kind == "b64urlof" else b"+/"
            piece = base64.b64encode("".join(inner).encode(), alt).decode()
            piece = piece.rstrip("=") if kind == "b64urlof" else piece
        elif match[2]:
            piece = _random(match[2], int(match[3] or 0), rng)
        stack[-1][1].append(piece)
    assert len(stack) == 1, f"unclosed placeholder: {template}"
    return "".join(stack[0][1])
