"""Sending a publication to the Hub by its own client: one commit for each repository, then the tag.

Promised: nothing is sent while a key is found in what would be sent, or while a source's license forbids it; a private
dataset never goes to a public repository; a repository of somebody else or of another run is left alone; a push that
was cut off leaves nothing and can be repeated, and one that changes nothing makes no commit. A commit goes on top of
the one that was looked at or nowhere, so that a tag holds what this push sent. Text written by hand around a card's
generated part stays.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from amendment.errors import AmendmentError, ConfigError, DataError, Problem
from amendment.files import write_text
from amendment.publishing.card import BEGIN, with_body
from amendment.publishing.card_configs import card_configs, place_of
from amendment.publishing.hub import MOVED, asking, connect
from amendment.publishing.manifest import FORMAT, MANIFEST
from amendment.publishing.metadata import card_text, merged_metadata
from amendment.publishing.models import ModelPublication
from amendment.publishing.publication import Publication
from amendment.terminal import plain
from amendment.yamlfile import capped

if TYPE_CHECKING:
    from datasets import DatasetDict

__all__ = ["Pushed", "push"]

README = "README.md"
BARE = {".gitattributes", README}
"""What a repository has that nobody has filled yet."""
SHARD = 500_000_000
"""Bytes of a split in memory that make one file."""


class Pushed(NamedTuple):
    """Where everything is now."""

    repo: str
    commit: str
    tag: str | None
    models: dict[str, str]
    """Repositories of models by name."""

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        return self._asdict()


class _Remote(NamedTuple):
    """A repository as it is before a push."""

    api: Any
    repo: str
    kind: str
    files: frozenset[str]
    is_private: bool
    head: str
    """The commit on top."""

    def text(self, name: str) -> str:
        """A file of that commit; empty where it has none of this name."""
        if name not in self.files:
            return ""
        return _text(self.api, self.repo, self.kind, name, revision=self.head)

    def card(self, metadata: Mapping[str, Any], body: str, before: Mapping[str, Any]) -> str:
        """Our card over the one that is there, keeping what people wrote."""
        from huggingface_hub import RepoCard

        theirs: Any = RepoCard(self.text(README), ignore_metadata_errors=True)
        return card_text(merged_metadata(metadata, theirs.data.to_dict(), before), with_body(theirs.text, body))

    def commit(self, files: Mapping[str, str | bytes], gone: Collection[str], message: str) -> str:
        """Add and delete files on top of the commit that was looked at; returns the commit that has them, which is the
        same one where nothing changes. Raises AmendmentError where somebody else has committed since."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        operations: list[Any] = [CommitOperationAdd(name, content) for name, content in files.items()]
        operations += [CommitOperationDelete(name) for name in sorted(gone)]
        made = self.api.create_commit(
            self.repo, operations, commit_message=message, repo_type=self.kind, parent_commit=self.head
        )
        there = self.api.repo_info(self.repo, repo_type=self.kind, revision=made.oid).siblings or ()
        if {one.rfilename for one in there} != (self.files - set(gone)) | files.keys():
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
    license that the Hub does not know or a source's license forbids, a tag that git does not take, a repository or tag
    that is somebody else's or taken, AmendmentError when the Hub cannot be reached or somebody else commits meanwhile.
    """
    _check_secrets(publication, allow_secrets=allow_secrets)
    _check_names(publication, tag)
    _check_licenses(publication, {one.lower() for one in allow_licenses})
    api = connect()
    settings = publication.settings
    with _quiet(), asking(settings.repo):
        remote = _look_at_dataset(api, publication, replace=replace)
        is_tagged = _check_tag(api, publication, tag, remote)
    for model in publication.models:
        with asking(model.repo):
            _look_at_model(api, model, publication, replace=replace)
    with _quiet(), asking(settings.repo):
        api.create_repo(settings.repo, repo_type="dataset", private=settings.private, exist_ok=True)
        there = remote or _look_at_dataset(api, publication, replace=replace)
        assert there is not None, "it was made a moment ago"
        before = _published(there.text(MANIFEST))
        commit = _push_dataset(there, publication, before, say)
        if tag and not is_tagged:
            _tag(api, settings.repo, tag, commit)
    for model in publication.models:
        say(f"model {model.name} to {model.repo}")
        with _quiet(), asking(model.repo):
            _push_model(api, model, before.get("metadata", {}).get(model.name, {}), private=settings.private)
    pushed = Pushed(settings.repo, commit, tag, {model.name: model.repo for model in publication.models})
    write_text(publication.folder / "publish" / "pushed.json", json.dumps(pushed.to_json(), indent=1) + "\n")
    return pushed


def _check_secrets(publication: Publication, *, allow_secrets: bool) -> None:
    """Raise DataError with every find that stops the push."""
    found = [one for one in publication.secrets if one.is_value or not allow_secrets]
    if not found:
        return
    problems = [Problem(one.place, one.kind) for one in found]
    if any(one.is_value for one in found):
        way = "remove them at their source, and replace these keys if the folder was shared"
    else:
        way = "check each; if they are examples and not keys, pass --allow-secrets"
    raise DataError([*capped(problems), Problem("", f"nothing was sent: {len(found)} texts contain keys; {way}")])


_NO_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|//|@\{|^[-./]|/\.|[./]$|\.lock(?:/|$)|^(?:@|HEAD|main)?$")
"""What git refuses in the name of a tag (git check-ref-format), and names that mean a branch."""


def _check_names(publication: Publication, tag: str | None) -> None:
    """Raise ConfigError for a license that the Hub would refuse, or a tag that it would, after everything was sent."""
    problems = [Problem("publish", one) for one in publication.license_faults]
    if tag is not None and _NO_REF.search(tag):
        problems.append(
            Problem(
                "--tag",
                f"found {tag[:80]!r}, which git does not accept as a tag; expected a name such as v1.0, without spaces",
            )
        )
    if problems:
        raise ConfigError([*problems, Problem("", "nothing was sent")])


def _check_licenses(publication: Publication, allowed: Collection[str]) -> None:
    """Raise ConfigError for every source whose license forbids what would be published."""
    conflicts = [one for one in publication.conflicts if one.license.lower() not in allowed]
    if not conflicts:
        return
    names = " ".join(f"--allow-license {name!r}" for name in dict.fromkeys(one.license for one in conflicts))
    way = (
        "nothing was sent. Publish under a license that all sources allow, leave these sources out, or, if you have "
        f"the right to publish, pass {names}"
    )
    raise ConfigError([*capped([Problem("license", str(one)) for one in conflicts]), Problem("", way)])


@contextmanager
def _quiet() -> Iterator[None]:
    """The libraries' remarks stay out of the output, and their progress bars where nobody watches."""
    import datasets.utils.logging as of_datasets
    import huggingface_hub.utils
    from huggingface_hub.utils import logging as of_client

    of_hub: Any = huggingface_hub.utils  # it does not say which names it hands on
    levels = of_datasets.get_verbosity(), of_client.get_verbosity()
    of_datasets.set_verbosity(logging.ERROR)
    of_client.set_verbosity(logging.ERROR)
    bars = sys.stderr.isatty()
    if not bars:
        of_hub.disable_progress_bars()
        of_datasets.disable_progress_bar()
    try:
        yield
    finally:
        of_datasets.set_verbosity(levels[0])
        of_client.set_verbosity(levels[1])
        if not bars:
            of_hub.enable_progress_bars()
            of_datasets.enable_progress_bar()


def _remote(api: Any, repo: str, kind: str) -> _Remote | None:
    """The repository as it is; None where there is none, or none that this token may see."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = api.repo_info(repo, repo_type=kind)
    except RepositoryNotFoundError:
        return None
    files = frozenset(one.rfilename for one in info.siblings or ())
    return _Remote(api, repo, kind, files, bool(info.private), str(info.sha))


def _text(api: Any, repo: str, kind: str, name: str, *, revision: str) -> str:
    path = Path(api.hf_hub_download(repo, name, repo_type=kind, revision=revision))
    return path.read_text(encoding="utf-8")


def _look_at_dataset(api: Any, publication: Publication, *, replace: bool) -> _Remote | None:
    settings = publication.settings
    remote = _remote(api, settings.repo, "dataset")
    if remote is None:
        return None
    _check_visible(settings.repo, remote, private=settings.private)
    manifest = remote.text(MANIFEST)
    if _published(manifest).get("repo") != settings.repo and not remote.files <= BARE:
        some = ", ".join(sorted(remote.files - BARE)[:3])
        raise ConfigError(
            f"{settings.repo}: contains files that amendment did not publish ({some}); nothing was changed. Choose "
            "another repo, or empty this one"
        )
    if _published(manifest):
        _check_run(settings.repo, json.loads(manifest).get("name"), publication, replace=replace)
    return remote


def _check_run(repo: str, there: str | None, publication: Publication, *, replace: bool) -> None:
    """Raise ConfigError where another run has filled the repository."""
    own = json.loads(publication.manifest)["name"]
    if there != own and not replace:
        raise ConfigError(
            f"{repo}: was published by the run {plain(str(there))}, and this is the run {plain(own)}; nothing was "
            "changed. Choose another repo, or overwrite it with --replace (its tags remain)"
        )


def _look_at_model(api: Any, model: ModelPublication, publication: Publication, *, replace: bool) -> None:
    remote = _remote(api, model.repo, "model")
    if remote is None:
        return
    _check_visible(model.repo, remote, private=publication.settings.private)
    card = remote.text(README)
    if BEGIN in card:
        title = card.partition(BEGIN)[2].strip().partition("\n")[0].removeprefix("# ")
        _check_run(model.repo, title.rpartition(": ")[0], publication, replace=replace)
    elif not remote.files <= BARE:
        raise ConfigError(
            f"{model.repo}: contains a model that amendment did not publish; nothing was changed. Name another "
            f"repository under publish.models.{model.name}"
        )


def _check_visible(repo: str, remote: _Remote, *, private: bool) -> None:
    if private and not remote.is_private:
        raise ConfigError(
            f"{repo}: is public on the Hub, and this run publishes privately; nothing was sent. Make it private in "
            "its settings, or publish publicly: --public, or publish.private: false"
        )


def _check_tag(api: Any, publication: Publication, tag: str | None, remote: _Remote | None) -> bool:
    """Whether the tag stands on this very content already. Raises ConfigError where it stands on another: a tag names
    one content for ever."""
    if tag is None or remote is None:
        return False
    repo = publication.settings.repo
    tags = [one.name for one in api.list_repo_refs(repo, repo_type="dataset").tags]
    if tag in tags and _tagged_manifest(api, repo, tag) != publication.manifest:
        raise ConfigError(f"{repo}: the tag {tag} already names other content; choose another. Existing tags: {tags}")
    return tag in tags


def _tag(api: Any, repo: str, tag: str, commit: str) -> None:
    """Tag the commit, and look whether the tag is there. Raises AmendmentError where somebody else was faster."""
    api.create_tag(repo, tag=tag, revision=commit, repo_type="dataset", exist_ok=True)
    tags = {one.name: one.target_commit for one in api.list_repo_refs(repo, repo_type="dataset").tags}
    if tags.get(tag) != commit:
        raise AmendmentError(
            f"{repo}: the data is published at {commit}, but the tag {tag} names {tags.get(tag, 'nothing')}; "
            "somebody else created it meanwhile. Run the command again with another --tag"
        )


def _tagged_manifest(api: Any, repo: str, tag: str) -> str | None:
    """The manifest that the tag stands on; None where there is none."""
    from huggingface_hub.errors import EntryNotFoundError

    try:
        return _text(api, repo, "dataset", MANIFEST, revision=tag)
    except EntryNotFoundError:
        return None


def _published(manifest: str) -> dict[str, Any]:
    """What a manifest on the Hub says was published; nothing for a file of somebody else."""
    try:
        value = json.loads(manifest or "{}")
    except ValueError:
        return {}
    found = value.get("published") if isinstance(value, dict) and value.get("format") == FORMAT else None
    return found if isinstance(found, dict) else {}


def _push_dataset(
    there: _Remote, publication: Publication, before: Mapping[str, Any], say: Callable[[str], None]
) -> str:
    """Everything in one commit; returns the commit that has it."""
    metadata = {**publication.metadata, "configs": card_configs(publication.configs)}
    card = there.card(metadata, publication.body, before.get("metadata", {}).get("dataset", {}))
    with tempfile.TemporaryDirectory() as scratch:
        shards = _write_shards(publication.configs, Path(scratch))
        say(f"{len(shards)} files of data to {there.repo}")
        folders = tuple(f"{place_of(name)}/" for name in {*before.get("configs", {}), *publication.configs})
        ours = {name for name in there.files if name.startswith(folders) or name in before.get("files", {})}
        files: dict[str, str | bytes] = {name: str(path) for name, path in shards.items()}
        files |= {name: text.encode("utf-8") for name, text in {README: card, **publication.files}.items()}
        return there.commit(files, ours - files.keys(), "Publish with amendment")


def _write_shards(configs: Mapping[str, DatasetDict], folder: Path) -> dict[str, Path]:
    """The rows as Parquet, by their places in the repository."""
    written = {}
    for config, splits in configs.items():
        for split, rows in splits.items():
            count = 1 + int(rows.data.nbytes) // SHARD
            for number in range(count):
                name = f"{place_of(config)}/{split}-{number:05}-of-{count:05}.parquet"
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                rows.shard(count, number, contiguous=True).to_parquet(folder / name)
                written[name] = folder / name
    return written


def _push_model(api: Any, model: ModelPublication, before: Mapping[str, Any], *, private: bool) -> None:
    """One commit with weights, tokenizer and card; weights of an earlier push that are not among them go."""
    api.create_repo(model.repo, private=private, exist_ok=True)
    there = _remote(api, model.repo, "model")
    assert there is not None, "it was made a moment ago"
    card = there.card(model.metadata, model.body, before)
    files: dict[str, str | bytes] = {
        name: model.texts[name].encode("utf-8") if name in model.texts else str(model.folder / name)
        for name in model.files
    }
    files[README] = card.encode("utf-8")
    old = {name for name in there.files if ".safetensors" in name} - files.keys()
    there.commit(files, old, f"Publish {model.name} with amendment")
