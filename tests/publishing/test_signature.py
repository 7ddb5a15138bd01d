"""Signed manifests: made with our command, checked by ours and by securesystemslib; every way of tampering is named."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption as Encrypted
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer._key import SSlibKey

from amendment.errors import ConfigError
from amendment.publishing.manifest import MANIFEST, SIGNATURE, read_manifest
from amendment.publishing.publication import prepare
from amendment.publishing.signature import key_id, read_public_key, signed
from amendment.publishing.verify import verify
from tests.command_line import amendment
from tests.publishing.test_verify import again, rewrite, swap

PEM = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def keys(folder: Path, name: str) -> tuple[Path, Path]:
    """A private key and its public one, as files."""
    key = Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(key.private_bytes(*PEM))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


@pytest.fixture
def ours(tmp_path: Path) -> tuple[Path, Path]:
    return keys(tmp_path, "ours")


@pytest.fixture
def sealed(chain: Path, ours: tuple[Path, Path]) -> Path:
    """A run's folder, signed with our key."""
    ended = amendment("verify", chain, "--sign", ours[0])
    assert ended.code == 0, ended.err
    return chain


def faults(folder: Path, public: Path) -> set[tuple[str, str]]:
    return {(finding.kind, finding.place) for finding in verify(folder, key=public).findings}


def test_another_projects_library_reads_the_envelope_and_finds_every_file_in_it(
    sealed: Path, ours: tuple[Path, Path], tmp_path: Path
) -> None:
    envelope = Envelope.from_dict(json.loads((sealed / SIGNATURE).read_text()))
    public = read_public_key(ours[1])
    assert envelope.verify([SSlibKey.from_crypto(public, keyid=key_id(public))], 1)
    stranger = read_public_key(keys(tmp_path, "stranger")[1])
    with pytest.raises(VerificationError):
        envelope.verify([SSlibKey.from_crypto(stranger, keyid=key_id(public))], 1)
    statement = json.loads(envelope.payload)
    assert (statement["_type"], envelope.payload_type) == (
        "https://in-toto.io/Statement/v1",
        "application/vnd.in-toto+json",
    )
    subjects = {entry["name"]: entry["digest"]["sha256"] for entry in statement["subject"]}
    manifest = read_manifest(sealed)
    assert subjects.keys() == {MANIFEST, *manifest["files"]}
    for name, digest in subjects.items():
        assert hashlib.sha256((sealed / name).read_bytes()).hexdigest() == digest
    assert statement["predicate"]["seed"] == manifest["seed"]


def test_the_command_checks_the_signature_and_says_where_it_did_not(sealed: Path, ours: tuple[Path, Path]) -> None:
    ended = amendment("verify", sealed, "--key", ours[1])
    assert (ended.code, "signature checked" in ended.out) == (0, True)
    assert "signature not checked (add --key PUBLIC)" in amendment("verify", sealed).out
    (sealed / SIGNATURE).unlink()
    ended = amendment("verify", sealed, "--key", ours[1])
    assert (ended.code, "not signed" in ended.out) == (1, True)


def test_flipped_bytes_a_wrong_key_a_swapped_file_and_a_cut_envelope_are_named(
    sealed: Path, ours: tuple[Path, Path], tmp_path: Path
) -> None:
    _, public = ours
    assert faults(sealed, keys(tmp_path, "stranger")[1]) == {("signature", SIGNATURE)}
    whole = (sealed / SIGNATURE).read_bytes()
    envelope = json.loads(whole)

    def with_flipped(name: str) -> bytes:
        part = envelope if name == "payload" else envelope["signatures"][0]
        raw = bytearray(base64.b64decode(part[name]))
        raw[len(raw) // 2] ^= 1
        flipped = base64.b64encode(raw).decode()
        return whole.replace(part[name].encode(), flipped.encode())

    no_text = json.dumps({**envelope, "payloadType": "\ud800"}).encode()
    for damaged in (with_flipped("sig"), with_flipped("payload"), whole[: len(whole) // 2], b"[]", b"", no_text):
        (sealed / SIGNATURE).write_bytes(damaged)
        assert faults(sealed, public) == {("signature", SIGNATURE)}
    (sealed / SIGNATURE).unlink()
    os.mkfifo(sealed / SIGNATURE)
    assert faults(sealed, public) == {("signature", SIGNATURE)}, "nobody waits for a pipe"
    (sealed / SIGNATURE).unlink()
    (sealed / SIGNATURE).write_bytes(whole)
    assert faults(sealed, public) == set()
    rewrite(sealed, "export/train.parquet", swap)
    found = faults(sealed, public)
    assert ("signature", SIGNATURE) in found, "whoever swaps a file and covers it in the manifest cannot sign that"
    assert next(finding.message for finding in verify(sealed, key=public).findings).endswith("another manifest.json")


def test_a_statement_about_something_else_is_no_signature_of_a_dataset(sealed: Path, ours: tuple[Path, Path]) -> None:
    from amendment.publishing import signature

    private = Ed25519PrivateKey.generate()
    ours[1].write_bytes(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    for payload in (b'{"_type": "https://in-toto.io/Statement/v1", "predicateType": "x", "subject": []}', b"{", b"[]"):
        pae = b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(payload), payload)
        entry = {"keyid": "", "sig": base64.b64encode(private.sign(pae)).decode()}
        content = {"payload": base64.b64encode(payload).decode(), "payloadType": signature.PAYLOAD}
        (sealed / SIGNATURE).write_text(json.dumps({**content, "signatures": [entry]}))
        [finding] = verify(sealed, key=ours[1]).findings
        assert "not as the manifest of a dataset" in finding.message


def test_no_byte_of_the_private_key_is_written_or_printed(chain: Path, ours: tuple[Path, Path]) -> None:
    private = ours[0].read_text()
    ended = amendment("verify", chain, "--sign", ours[0])
    body = private.splitlines()[1]
    raw = base64.b64decode(body)[-32:]
    for path in (path for path in chain.rglob("*") if path.is_file()):
        content = path.read_bytes()
        assert body.encode() not in content
        assert raw not in content
    assert body not in ended.out + ended.err
    ours[0].write_text(private.replace(body, body[:-6]))
    ended = amendment("verify", chain, "--sign", ours[0])
    assert (ended.code, body[:20] in ended.err) == (2, False)


@pytest.mark.parametrize("kind", ["rsa", "encrypted", "absent", "public"])
def test_a_key_that_cannot_sign_is_an_error_that_says_what_to_do(tmp_path: Path, kind: str) -> None:
    private, public = keys(tmp_path, "ours")
    if kind == "rsa":
        private.write_bytes(generate_private_key(65537, 2048).private_bytes(*PEM))
    elif kind == "encrypted":
        key = Ed25519PrivateKey.generate()
        private.write_bytes(key.private_bytes(*PEM[:2], Encrypted(b"word")))
    elif kind == "absent":
        private.unlink()
    expected = {"encrypted": "openssl pkey", "absent": "cannot be read"}.get(kind, "openssl genpkey")
    with pytest.raises(ConfigError, match=expected):
        signed('{"files": {}}', public if kind == "public" else private)


def test_keys_of_ssh_keygen_sign_and_check(chain: Path, tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    private, public = tmp_path / "id_ed25519", tmp_path / "id_ed25519.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))
    assert amendment("verify", chain, "--sign", private).code == 0
    assert amendment("verify", chain, "--key", public).code == 0
    ended = amendment("verify", chain, "--key", private)
    assert (ended.code, "private key, which stays with you" in ended.err) == (2, True)


def test_a_folder_that_is_not_as_its_manifest_says_is_not_signed(chain: Path, ours: tuple[Path, Path]) -> None:
    (chain / "summary.md").write_text("other\n")
    ended = amendment("verify", chain, "--sign", ours[0])
    assert (ended.code != 0, "nothing was signed" in ended.err) == (True, True)
    assert not (chain / SIGNATURE).exists()


def test_a_run_that_is_not_finished_is_not_signed(chain: Path, ours: tuple[Path, Path]) -> None:
    again(chain, "dataset.test_share=0.5", until="inputs")
    ended = amendment("verify", chain, "--sign", ours[0])
    assert ended.code != 0
    assert "not finished; still to do: dataset. Nothing was signed" in " ".join(ended.err.split())
    assert not (chain / SIGNATURE).exists()


def test_a_run_that_changes_its_manifest_removes_the_signature(sealed: Path, ours: tuple[Path, Path]) -> None:
    again(sealed)
    assert faults(sealed, ours[1]) == set(), "the same manifest again"
    again(sealed, "dataset.test_share=0.5")
    assert not (sealed / SIGNATURE).exists()


def test_a_publication_is_signed_as_it_is_sent_and_a_signed_run_that_is_not_says_so(
    sealed: Path, ours: tuple[Path, Path]
) -> None:
    assert "--sign PRIVATE" in " ".join(prepare(sealed, repo="org/x", license="mit", environ={}).look_at)
    ready = prepare(sealed, repo="org/x", license="mit", key=ours[0], environ={})
    assert "--sign PRIVATE" not in " ".join(ready.look_at)
    statement = json.loads(base64.b64decode(json.loads(ready.files[SIGNATURE])["payload"]))
    subjects = {entry["name"]: entry["digest"]["sha256"] for entry in statement["subject"]}
    assert subjects[MANIFEST] == hashlib.sha256(ready.files[MANIFEST].encode()).hexdigest()
    assert {"data/train-00000-of-00001.parquet", "certificate.md"} <= subjects.keys()


def test_a_kept_manifest_takes_the_place_of_the_folders_own(chain: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    kept.write_bytes((chain / MANIFEST).read_bytes())
    assert verify(chain, against=kept).is_clean
    rewrite(chain, "export/train.parquet", swap)
    rewrite(chain, "export/train.parquet", lambda rows: rows.reverse())
    places = {finding.place for finding in verify(chain, against=kept).findings}
    assert {MANIFEST, "export/train.parquet"} <= places
    (chain / MANIFEST).unlink()
    assert ("missing", MANIFEST) in {finding[:2] for finding in verify(chain, against=kept).findings}
    assert amendment("verify", chain, "--against", kept).code == 1


def test_a_signature_without_its_manifest_is_named_and_the_next_start_goes_on(
    sealed: Path, ours: tuple[Path, Path], tmp_path: Path
) -> None:
    kept = tmp_path / "kept.json"
    (sealed / MANIFEST).rename(kept)
    found = {(finding.kind, finding.place) for finding in verify(sealed, key=ours[1], against=kept).findings}
    assert {("missing", MANIFEST), ("signature", SIGNATURE)} <= found
    again(sealed)
    assert (sealed / MANIFEST).is_file()
    assert not (sealed / SIGNATURE).exists()


def test_a_broken_signature_next_to_a_good_one_does_no_harm(sealed: Path, ours: tuple[Path, Path]) -> None:
    envelope = json.loads((sealed / SIGNATURE).read_text())
    envelope["signatures"].insert(0, {"keyid": "", "sig": "%%%"})
    (sealed / SIGNATURE).write_text(json.dumps(envelope))
    assert faults(sealed, ours[1]) == set()
