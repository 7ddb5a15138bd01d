"""Signatures of manifests: an in-toto Statement about every file, in a DSSE envelope, signed with Ed25519.

Covered: the formats that other tools read (in-toto Attestation Framework v1, DSSE v1); keys as PEM, and as OpenSSH
writes them. The statement names `manifest.json` and each file in it by SHA-256, so a reader who checks the signature
and then the files knows that both are as they were signed. A private key is read to sign, and is neither kept nor
written. Not covered: who owns a key, and when something was signed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amendment.errors import ConfigError
from amendment.files import json_text
from amendment.libraries import need
from amendment.publishing.manifest import MANIFEST, SIGNATURE

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:x-amendment:manifest:2"
PAYLOAD = "application/vnd.in-toto+json"
OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----"
MAKE_ONE = "openssl genpkey -algorithm ed25519 -out key.pem; openssl pkey -in key.pem -pubout -out key.pub"


def signed(manifest: str, key: Path) -> str:
    """Sign a manifest, given as its text, with the private key of a file; return the envelope.

    Raises ConfigError where the file holds no usable key, and MissingExtra without `cryptography`.
    """
    private = _private_key(key)
    payload = json.dumps(_statement(manifest), separators=(",", ":"), ensure_ascii=False).encode()
    signature = {"keyid": key_id(private.public_key()), "sig": _base64(private.sign(_encoded(payload)))}
    envelope = {"payload": _base64(payload), "payloadType": PAYLOAD, "signatures": [signature]}
    return json_text(envelope)


def signature_fault(folder: Path, key: Path) -> str | None:
    """Say why the folder's manifest is not proven to be signed with this public key; None if it is.

    Raises ConfigError where the file holds no public key, and MissingExtra without `cryptography`.
    """
    public = read_public_key(key)
    from cryptography.exceptions import InvalidSignature

    path = folder / SIGNATURE
    if path.exists() and not path.is_file():
        return "found something other than a file, expected a DSSE envelope"
    try:
        envelope = json.loads(path.read_bytes())
        payload = base64.b64decode(envelope["payload"], validate=True)
        kind = envelope["payloadType"]
        signatures = [str(entry["sig"]) for entry in envelope["signatures"]]
        encoded = _encoded(payload, kind=str(kind))
    except FileNotFoundError:
        return "not signed; its publisher can sign it with: amendment verify DIR --sign PRIVATE"
    except (OSError, ValueError, KeyError, TypeError, RecursionError, binascii.Error) as fault:
        return f"not a whole DSSE envelope ({type(fault).__name__}); fetch it again"
    for signature in signatures:
        try:
            public.verify(base64.b64decode(signature, validate=True), encoded)
            break
        except (InvalidSignature, binascii.Error):
            continue
    else:
        return (
            f"no signature by key {key_id(public)[:16]} fits this content: it was signed with another key, or the file "
            "has been altered"
        )
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return f"signed with this key, but for another {MANIFEST}: the folder has none"
    return _statement_fault(payload, kind, manifest.read_bytes())


def _statement_fault(payload: bytes, kind: object, manifest: bytes) -> str | None:
    """Return whether a payload whose signature holds speaks of this manifest."""
    try:
        statement = json.loads(payload)
        is_ours = (kind, statement["_type"], statement["predicateType"]) == (PAYLOAD, STATEMENT, PREDICATE)
        digests = [entry["digest"]["sha256"] for entry in statement["subject"] if entry["name"] == MANIFEST]
    except (ValueError, KeyError, TypeError, RecursionError):
        is_ours, digests = False, []
    if not is_ours:
        return "signed with this key, but not as the manifest of a dataset"
    if digests != [hashlib.sha256(manifest).hexdigest()]:
        return f"signed with this key, but for another {MANIFEST}"
    return None


def key_id(public: Ed25519PublicKey) -> str:
    """Return the SHA-256 of a public key (DER, SubjectPublicKeyInfo) in hex."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _statement(manifest: str) -> dict[str, Any]:
    """Return the in-toto Statement v1: files by hash, and as its predicate what the manifest says of their origin."""
    content = json.loads(manifest)
    files = content["published"]["files"] if "published" in content else content["files"]
    digests = {MANIFEST: hashlib.sha256(manifest.encode()).hexdigest()}
    digests |= {name: entry["sha256"] for name, entry in files.items()}
    return {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in digests.items()],
        "predicateType": PREDICATE,
        "predicate": {name: value for name, value in content.items() if name not in ("files", "published")},
    }


def _encoded(payload: bytes, kind: str = PAYLOAD) -> bytes:
    """Return DSSE's pre-authentication encoding, which is what is signed."""
    return b"DSSEv1 %d %s %d %s" % (len(kind.encode()), kind.encode(), len(payload), payload)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _private_key(path: Path) -> Ed25519PrivateKey:
    content = _key_bytes(path, "private")
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        if content.startswith(OPENSSH):
            key: object = serialization.load_ssh_private_key(content, password=None)
        else:
            key = serialization.load_pem_private_key(content, password=None)
    except TypeError:
        raise ConfigError(
            f"{path}: the key is encrypted; write a decrypted one where only you can read it: "
            "openssl pkey -in KEY -out NEW"
        ) from None
    except (ValueError, UnsupportedAlgorithm):  # their texts are not shown: nothing of a key may be
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path}: expected a private Ed25519 key in PEM or OpenSSH format. Make one with: {MAKE_ONE}")
    return key


def read_public_key(path: Path) -> Ed25519PublicKey:
    """Read the public key of a file, PEM or OpenSSH. Raises ConfigError for anything else."""
    content = _key_bytes(path, "public")
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    is_ssh = content.startswith(b"ssh-")
    try:
        key: object = (serialization.load_ssh_public_key if is_ssh else serialization.load_pem_public_key)(content)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        hint = "this is a private key, which stays with you; " if b"PRIVATE KEY" in content else ""
        raise ConfigError(f"{path}: {hint}expected a public Ed25519 key in PEM or OpenSSH format (the .pub file)")
    return key


def _key_bytes(path: Path, kind: str) -> bytes:
    need("sign", "cryptography")
    try:
        return path.read_bytes()
    except OSError as fault:
        raise ConfigError(f"{path}: cannot be read ({fault.strerror}); name the file of your {kind} key") from None
