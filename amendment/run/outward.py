"""What a run sends where and which files it reads elsewhere: shown by a plan, and by a run before its first call.

Covered: hosts of models, each with the variable of its key, the Hub where datasets are read, and files outside the
folder of the run file. Not covered: whether a key may go there, which `providers.Trust` decides.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from amendment.data.hub_rows import dataset_folder
from amendment.llm.specs import AnthropicSpec, OpenAISpec
from amendment.records import Record
from amendment.run.runfile.config import RunFile
from amendment.terminal import plain
from amendment.yamlfile import texts

PATHS = ("base", "constitution", "dataset", "model", "path", "prices", "protocol")
"""Keys of a run file whose value can be the path of a file or a folder."""


class Contact(Record):
    """A host that the run will talk to."""

    host: str
    models: tuple[str, ...]
    """Those that are asked there; none where data is read."""
    key: str | None
    """The environment variable that the key is read from; absent where none is sent."""


def contacts(config: RunFile, base: Path, asked: Collection[str], standing: Collection[str]) -> tuple[Contact, ...]:
    """The hosts of the models that are asked, and the Hub where stages that are not `standing` read data from it."""
    hosts: dict[tuple[str, str | None], list[str]] = {}
    for name in asked:
        spec = config.models.get(name)
        if isinstance(spec, OpenAISpec | AnthropicSpec):
            names = hosts.setdefault((spec.host, spec.api_key_env), [])
            names += [name] if name not in names else []
    reached = [Contact(host=host, models=tuple(names), key=key) for (host, key), names in hosts.items()]
    read = [source for stage, sources in config.sources.items() if stage not in standing for source in sources]
    if any(source.dataset and dataset_folder(source, base) is None for source in read):
        endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
        reached.append(Contact(host=endpoint.split("://", 1)[-1].rstrip("/"), models=(), key="HF_TOKEN"))
    return tuple(reached)


def contact_lines(reached: Iterable[Contact]) -> Iterator[str]:
    """A line for each host."""
    for contact in reached:
        purpose = ", ".join(map(plain, contact.models)) or "data"
        if contact.key:
            yield f"sends {plain(contact.key)} to {plain(contact.host)} ({purpose})"
        else:
            yield f"talks to {plain(contact.host)} ({purpose}; without a key)"


def outside_files(config: RunFile, base: Path) -> tuple[str, ...]:
    """Files and folders that the run file names and that lie outside its own folder, links followed."""
    home = base.resolve()
    paths: dict[str, None] = {}
    for loc, name in texts(config.model_dump(mode="json")):
        if next((key for key in reversed(loc) if isinstance(key, str)), "") not in PATHS:
            continue
        try:
            path = (home / os.path.expanduser(name)).resolve()  # noqa: PTH111 - Path.expanduser raises without a home
            if path.exists() and not path.is_relative_to(home):
                paths[str(path)] = None
        except (OSError, RuntimeError, ValueError):  # no path, or a circle of links: reading it reports that
            continue
    return tuple(paths)


def file_lines(paths: Iterable[str]) -> Iterator[str]:
    """A line for each file."""
    yield from (f"reads {plain(path, longest=500)}, outside the folder of the run file" for path in paths)
