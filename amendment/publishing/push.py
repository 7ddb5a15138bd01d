"""Sending a publication to the Hub by its own client: one commit for each repository, then the tag.

Promised: nothing is sent while a key is found in what would be sent, or while a source's license forbids it or is
unknown; a private dataset never goes to a public repository; a repository of somebody else or of another run is left
alone; each repository has its whole commit or none of it, so that a push that was cut off can be repeated; one that
changes nothing makes no commit. A commit goes only on top of the one that was looked at, so that a tag holds what this
push sent. Text written by hand around a card's generated part stays.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from amendment.errors import AmendmentError, ConfigError, CredentialsError, DataError, Problem
from amendment.publishing.card import BEGIN, CARD, card_configs, card_text, config_folder, merged_metadata, replace_body
from amendment.publishing.manifest import FORMAT, MANIFEST, SIGNATURE
from amendment.publishing.publication import Publication, look_lines, shards
from amendment.text import plain
from amendment.yamlfile import capped

BARE = {".gitattributes", CARD}
"""What a repository has that nobody has filled yet."""
MOVED = (
    "somebody else committed there during this push, so nothing was sent; check their change and run the command again"
)
AGAIN = "nothing on this machine is lost; run the command again"
_NO_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|//|@\{|^[-./]|/\.|[./]$|\.lock(?:/|$)|^(?:@|HEAD|main)?$")
"""What git refuses in the name of a tag (git check-ref-format), and names that mean a branch."""


class Pushed(NamedTuple):
    """The places of everything that was published."""

    repo: str
    commit: str
    tag: str | None
    models: dict[str, str]
    """Repositories of models by name."""


class _Remote(NamedTuple):
    """A repository as it is before a push."""

    api: Any
    repo: str
    kind: str
    files: frozenset[str]
    head: str
    """The commit on top."""
    is_private: bool

    def text(self, name: str, revision: str | None = None) -> str:
        """Read a file of that commit, or of another revision; empty if it has none of this name."""
        from huggingface_hub.errors import EntryNotFoundError

        if name not in self.files and revision is None:
            return ""
        try:
            path = self.api.hf_hub_download(self.repo, name, repo_type=self.kind, revision=revision or self.head)
        except EntryNotFoundError:
            return ""
        return Path(path).read_text(encoding="utf-8")

    def card(self, metadata: Mapping[str, Any], body: str, before: Mapping[str, Any]) -> str:
        """Return our card merged with the present one, keeping what people wrote."""
        from huggingface_hub import RepoCard

        theirs: Any = RepoCard(self.text(CARD), ignore_metadata_errors=True)
        return card_text(merged_metadata(metadata, theirs.data.to_dict(), before), replace_body(theirs.text, body))

    def commit(self, files: Mapping[str, Path | str], gone: Collection[str]) -> str:
        """Add and delete files on top of the commit that was looked at; returns the commit that has them, which is the
        same one where nothing changes. Raises AmendmentError where somebody else has committed since."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        operations: list[Any] = [
            CommitOperationAdd(name, content.encode("utf-8") if isinstance(content, str) else str(content))
            for name, content in files.items()
        ]
        operations += [CommitOperationDelete(name) for name in sorted(gone)]
        message = "Publish with amendment"
        made = self.api.create_commit(
            self.repo, operations, commit_message=message, repo_type=self.kind, parent_commit=self.head
        )
        there = self.api.repo_info(self.repo, repo_type=self.kind, revision=made.oid).siblings or ()
        if {file.rfilename for file in there} != (self.files - set(gone)) | files.keys():
            raise AmendmentError(f"{self.repo}: {MOVED}")
        return str(made.oid)


def push(
    publication: Publication,
    *,
    tag: str | None = None,
    allow_secrets: bool = False,
    allow_licenses: Collection[str] = (),
    replace: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Pushed:
    """Send a publication. All checks run before the first change on the Hub.

    `allow_secrets` goes on where texts look like keys, and never where they hold a value of this machine's
    environment; `allow_licenses` names licenses of sources that do not stop the push; `replace` overwrites what another
    run has published. Raises DataError for secrets, CredentialsError for tokens and permissions, ConfigError for a
    license that the Hub does not know, a source's license that forbids this or is unknown, a tag that git does not
    take, a repository or tag that is somebody else's or taken, AmendmentError when the Hub cannot be reached or
    somebody else commits meanwhile.
    """
    _check_secrets(publication, allow_secrets=allow_secrets)
    _check_names(publication, tag)
    _check_licenses(publication, {license.lower() for license in allow_licenses})
    for line in look_lines(publication):
        say(line)
    api, settings = _client(), publication.settings
    look = {"private": settings.private, "run": json.loads(publication.files[MANIFEST])["name"], "replace": replace}
    with _asking(settings.repo):
        remote = _look(api, settings.repo, "dataset", **look)
        is_tagged = bool(tag and remote and _has_tag(remote, tag, publication.files[MANIFEST]))
    existing = [remote]
    for model in publication.models:
        with _asking(model.repo):
            existing.append(_look(api, model.repo, "model", **look))
    for there in existing:
        if there and there.is_private and not settings.private:
            say(f"{there.repo}: stays private, as it is on the Hub; to make it public, change its settings there")
    with _asking(settings.repo):
        api.create_repo(settings.repo, repo_type="dataset", private=settings.private, exist_ok=True)
        remote = remote or _look(api, settings.repo, "dataset", **look)
        assert remote is not None, "it was made a moment ago"
        before = _published(remote.text(MANIFEST))
        say(f"{len(publication.sizes)} files of data to {settings.repo}")
        commit = _push_dataset(remote, publication, before)
        if tag and not is_tagged:
            _tag(remote, tag, commit)
    for model in publication.models:
        say(f"model {model.name} to {model.repo}")
        with _asking(model.repo):
            api.create_repo(model.repo, private=settings.private, exist_ok=True)
            there = _look(api, model.repo, "model", **look)
            assert there is not None, "it was made a moment ago"
            card = there.card(model.metadata, model.body, before.get("metadata", {}).get(model.name, {}))
            old = {name for name in there.files if ".safetensors" in name} - model.files.keys()
            there.commit({**model.files, CARD: card}, old)
    return Pushed(settings.repo, commit, tag, {model.name: model.repo for model in publication.models})


def _check_secrets(publication: Publication, *, allow_secrets: bool) -> None:
    """Raise DataError with every find that stops the push."""
    secrets = [secret for secret in publication.secrets if secret.is_value or not allow_secrets]
    if not secrets:
        return
    way = "check each; if they are examples and not keys, pass --allow-secrets"
    if any(secret.is_value for secret in secrets):
        way = "remove them at their source, and replace these keys if the folder was shared"
    problems = capped([Problem(secret.place, secret.kind) for secret in secrets])
    raise DataError([*problems, Problem("", f"nothing was sent: {len(secrets)} texts contain keys; {way}")])


def _check_names(publication: Publication, tag: str | None) -> None:
    """Raise ConfigError for a license that the Hub would refuse, or a tag that it would, after everything was sent."""
    problems = [Problem("publish", fault) for fault in publication.license_faults]
    if tag is not None and _NO_REF.search(tag):
        expected = "which git does not accept as a tag; expected a name such as v1.0, without spaces"
        problems.append(Problem("--tag", f"found {tag[:80]!r}, {expected}"))
    if problems:
        raise ConfigError([*problems, Problem("", "nothing was sent")])


def _check_licenses(publication: Publication, allowed: Collection[str]) -> None:
    """Raise ConfigError for every source whose license forbids what would be published, or is unknown."""
    conflicts = [conflict for conflict in publication.conflicts if conflict.license.lower() not in allowed]
    if not conflicts:
        return
    names = " ".join(f"--allow-license {name!r}" for name in dict.fromkeys(conflict.license for conflict in conflicts))
    way = (
        "nothing was sent. Publish under a license that all sources allow, leave these sources out, or, if you have "
        f"the right to publish, pass {names}"
    )
    raise ConfigError([*capped([Problem("license", str(conflict)) for conflict in conflicts]), Problem("", way)])


def _client() -> Any:
    """Return a client that has a token. Raises ConfigError offline and CredentialsError without one; sends nothing."""
    import huggingface_hub.utils as of_hub
    from huggingface_hub import HfApi, constants, get_token

    offline = (os.environ.get(name, "").upper() for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"))
    if constants.HF_HUB_OFFLINE or any(value in ("1", "ON", "YES", "TRUE") for value in offline):
        raise ConfigError("HF_HUB_OFFLINE or HF_DATASETS_OFFLINE is set, so nothing can be sent; unset it to publish")
    if not get_token():
        raise CredentialsError("no token for the Hub: set HF_TOKEN, or sign in with: hf auth login")
    utils: Any = of_hub  # it does not say which names it hands on
    utils.logging.set_verbosity_error()
    if not sys.stderr.isatty():
        utils.disable_progress_bars()
    return HfApi(library_name="amendment")


@contextmanager
def _asking(repo: str) -> Iterator[None]:
    """Translate the client's errors about a repository: what happened, whether anything was lost, what to do."""
    from huggingface_hub import errors

    try:
        yield
    except AmendmentError:
        raise
    except Exception as fault:
        first = next((line.strip()[:300] for line in str(fault).splitlines() if line.strip()), type(fault).__name__)
        status = getattr(getattr(fault, "response", None), "status_code", None)
        if isinstance(fault, errors.LocalTokenNotFoundError | errors.OIDCError):
            raise CredentialsError(f"no token for the Hub ({first}); sign in with: hf auth login") from fault
        if status in (401, 403, 404):
            hint = "check that the token may write there (hf auth whoami) and that the organisation exists"
            raise CredentialsError(f"{repo}: the Hub refuses this token ({status}: {first}); {hint}") from fault
        if status == 412:
            raise AmendmentError(f"{repo}: {MOVED}") from fault
        if status == 400 or (isinstance(fault, ValueError) and status is None):
            raise AmendmentError(f"{repo}: the Hub refuses what was sent ({first})") from fault
        if status is not None:
            raise AmendmentError(f"{repo}: the Hub answered {status} ({first}); {AGAIN}") from fault
        if isinstance(fault, OSError) or type(fault).__module__.startswith(("httpx", "httpcore")):
            raise AmendmentError(f"{repo}: the Hub cannot be reached ({first}); {AGAIN}") from fault
        raise


def _look(api: Any, repo: str, kind: str, *, private: bool, run: str, replace: bool) -> _Remote | None:
    """Return the present repository; None if there is none, or none that this token may see. Raises ConfigError if it
    is public and must not be, or holds what this run may not overwrite."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = api.repo_info(repo, repo_type=kind)
    except RepositoryNotFoundError:
        return None
    remote = _Remote(
        api, repo, kind, frozenset(file.rfilename for file in info.siblings or ()), str(info.sha), info.private
    )
    if private and not info.private:
        raise ConfigError(
            f"{repo}: is public on the Hub, and this run publishes privately; nothing was sent. Make it private in "
            "its settings, or publish publicly: --public, or publish.private: false"
        )
    title = remote.text(CARD).partition(BEGIN)[2].strip().partition("\n")[0]
    if kind == "dataset" and _published(remote.text(MANIFEST)).get("repo") != repo:
        title = ""
    if not title and not remote.files <= BARE:
        some = ", ".join(sorted(remote.files - BARE)[:3])
        raise ConfigError(
            f"{repo}: contains files that amendment did not publish ({some}); nothing was changed. Choose "
            "another repo, or empty this one"
        )
    there = title.removeprefix("# ").partition(": ")[0]
    if title and there != run and not replace:
        raise ConfigError(
            f"{repo}: was published by the run {plain(there)}, and this is the run {plain(run)}; nothing was "
            "changed. Choose another repo, or overwrite it with --replace (its tags remain)"
        )
    return remote


def _published(manifest: str) -> dict[str, Any]:
    """Return the `published` part of a manifest on the Hub; empty for a file of somebody else."""
    try:
        value = json.loads(manifest or "{}")
    except ValueError:
        return {}
    published = value.get("published") if isinstance(value, dict) and value.get("format") == FORMAT else None
    return published if isinstance(published, dict) else {}


def _has_tag(remote: _Remote, tag: str, manifest: str) -> bool:
    """Return whether the tag is on this very content already. Raises ConfigError where it is on another: a tag names
    one content for ever."""
    tags = [ref.name for ref in remote.api.list_repo_refs(remote.repo, repo_type="dataset").tags]
    if tag in tags and remote.text(MANIFEST, revision=tag) != manifest:
        message = f"the tag {tag} already names other content; choose another. Existing tags: {tags}"
        raise ConfigError(f"{remote.repo}: {message}")
    return tag in tags


def _tag(remote: _Remote, tag: str, commit: str) -> None:
    """Tag the commit, and check the tag. Raises AmendmentError if somebody else was faster."""
    remote.api.create_tag(remote.repo, tag=tag, revision=commit, repo_type="dataset", exist_ok=True)
    refs = remote.api.list_repo_refs(remote.repo, repo_type="dataset").tags
    named = {ref.name: ref.target_commit for ref in refs}.get(tag, "nothing")
    if named != commit:
        raise AmendmentError(
            f"{remote.repo}: the data is published at {commit}, but the tag {tag} names {named}; "
            "somebody else created it meanwhile. Run the command again with another --tag"
        )


def _push_dataset(remote: _Remote, publication: Publication, before: Mapping[str, Any]) -> str:
    """Push everything in one commit, and return the commit that has it."""
    metadata = {**publication.metadata, "configs": card_configs(publication.configs)}
    card = remote.card(metadata, publication.body, before.get("metadata", {}).get("dataset", {}))
    files: dict[str, Path | str] = {**publication.files, CARD: card}
    with tempfile.TemporaryDirectory() as scratch:
        for number, (name, content) in enumerate(shards(publication.configs)):
            path = Path(scratch) / f"{number}.parquet"
            path.write_bytes(content)
            files[name] = path
        folders = tuple(f"{config_folder(name)}/" for name in {*before.get("configs", {}), *publication.configs})
        ours = {
            name for name in remote.files if name.startswith(folders) or name in (*before.get("files", {}), SIGNATURE)
        }
        return remote.commit(files, ours - files.keys())
