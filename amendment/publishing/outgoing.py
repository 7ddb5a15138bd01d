"""What leaves a run, as others may see it: people under pseudonyms, no path of this machine, no private address.

Everything goes by its type: records, the certificate, the parts of the run file, the counts of stages. Names are looked
for in the names of files and datasets, and nowhere inside texts; and the run's own folder keeps everything as it is.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel

from amendment.data.source_rows import fact_name
from amendment.data.sources import Source
from amendment.data.verdict_files import VerdictFile
from amendment.publishing.people import MAYBE_PEOPLE, People, RaterSource
from amendment.records import Candidate, Critique, Origin, Preference, Prompt, Verdict
from amendment.run.runfile.config import RunFile
from amendment.stages.mixing import mix_labels

__all__ = ["PRIVATE", "Outgoing", "is_private", "portable", "portable_json", "shown_host"]

R = TypeVar("R", Candidate, Critique)
PRIVATE = "private-address"
"""What stands for the address of a server that nobody outside can reach."""
_ABSOLUTE = re.compile(r"^(?:/|~|\.\.(?:[\\/]|$)|[A-Za-z]:[\\/]|file:)")
_PRIVATE_NAMES = ("localhost", "local", "internal", "intranet", "private", "corp", "home", "lan", "home.arpa")
"""Endings of host names that no public name server knows."""
FURTHER = ("prompts under a further license", "answers under a further license")
"""Counts of what a second source brings under another license."""
_WORDS = ("stop",)
"""Keys of a configuration whose texts are said to models."""


def portable(text: str) -> str:
    """Of a path outside the run file's folder the last part: where it lies tells of this machine alone."""
    return re.split(r"[\\/]", text.rstrip("\\/"))[-1] if _ABSOLUTE.match(text) else text


def portable_json(value: Any) -> Any:
    """JSON values in which no text is such a path."""
    if isinstance(value, str):
        return portable(value)
    if isinstance(value, Mapping):
        return {key: one if key in _WORDS else portable_json(one) for key, one in value.items()}
    return [portable_json(one) for one in value] if isinstance(value, list) else value


def is_private(address: str) -> bool:
    """Whether a URL, or a host with port and path, leads to a private network or to this machine."""
    name = urlsplit(address if "://" in address else f"//{address}").hostname or ""
    try:
        return not ipaddress.ip_address(name).is_global
    except ValueError:
        return "." not in name or name.endswith(tuple(f".{ending}" for ending in _PRIVATE_NAMES))


def shown_host(host: str) -> str:
    """The host of a server as others may see it; of a model in this process or the simulated world it is as it is."""
    is_server = host != "lilliput" and not host.startswith("local:")
    return PRIVATE if is_server and is_private(host) else host


class Outgoing:
    """How a run's parts are shown to others."""

    def __init__(self, config: RunFile, people: People) -> None:
        self._config = config
        self.people = people
        read = [source for sources in config.sources.values() for source in sources]
        own = [source for source in config.verdicts if _is_own_file(source) and source.label in people]
        self._files = {source.label: people.of(source.label) + _ending(source) for source in own}
        self._files |= {fact_name(one): self._files[one.label] + _split(one) for one in own if one.path is None}
        public = [one for one in read if not _is_own_file(one) and not isinstance(one, VerdictFile)]
        public += [one for one in config.verdicts if not _is_own_file(one) and one.label in people]
        self._public = {name for one in public for name in (one.label, fact_name(one))}
        self._local = dict(_local(config))
        own_labels = {one.label for one in own}
        self._hidden = people.hiding({one.label for one in read} - own_labels)

    def file(self, name: str) -> str:
        """The name or the path of a source, with whoever it is called after under the pseudonym.

        A file of pairs is not called after a rater: its name is the source that rows cite, and the rater's where no
        column names one. A dataset on the Hub keeps its name too, which everybody may know, unless it stands under
        `verdicts` and somebody who rated is named in it.
        """
        if name in self._public:
            return name
        return self._files.get(name) or re.sub(r"[^\\/]+", lambda part: self._hidden(part[0]), portable(name))

    def prompt(self, prompt: Prompt) -> Prompt:
        """The prompt, whose id says nothing of its source."""
        return prompt.model_copy(update={"source": self._file(prompt.source)})

    def written(self, record: R) -> R:
        """A candidate or a critique."""
        return record.model_copy(update={"origin": self.origin(record.origin)})

    def verdict(self, verdict: Verdict) -> Verdict:
        """The verdict; a model that is called like a person keeps its name."""
        rater = self.people.of(verdict.rater) if verdict.rater_kind in MAYBE_PEOPLE else verdict.rater
        return verdict.model_copy(update={"rater": rater, "origin": self.origin(verdict.origin)})

    def row(self, row: Preference) -> Preference:
        """The row of the dataset."""
        raters = tuple(map(self.people.of, row.raters)) if row.decided_by in MAYBE_PEOPLE else row.raters
        models = {name: _optional(portable, getattr(row, name)) for name in ("chosen_model", "rejected_model")}
        return row.model_copy(update={"raters": raters, "source": self._file(row.source), **models})

    def origin(self, origin: Origin) -> Origin:
        """Where a text came from."""
        update = {
            "model": _optional(portable, origin.model),
            "host": _optional(shown_host, origin.host),
            "source": self._file(origin.source),
        }
        return origin.model_copy(update=update)

    def cost(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What calls to a model have cost."""
        return {**row, "host": shown_host(row["host"]), "model": portable(row["model"])}

    def text(self, text: str) -> str:
        """A text that this toolkit wrote around the rows, such as a card or a manifest, without addresses and paths of
        this machine that one of its parts has let through."""
        for address, shown in self._local.items():
            text = re.sub(rf"(?<![\w.-]){re.escape(address)}(?![\w-])", shown.replace("\\", r"\\"), text)
        return text

    def _file(self, name: str | None) -> str | None:
        return _optional(self.file, name)

    def configuration(self) -> dict[str, Any]:
        """The resolved run file as JSON values."""
        config = self._config
        update: dict[str, Any] = {
            **{name: tuple(map(self._place, getattr(config, name))) for name in ("prompts", "candidates")},
            "pairs": tuple(map(self._source, config.pairs)),
            "verdicts": tuple(map(self._source, config.verdicts)),
            "dataset": config.dataset.model_copy(
                update={"mix": tuple(self._source(part) for part in config.dataset.mix)}
            ),
            "models": {name: _model(spec) for name, spec in config.models.items()},
            **self._helpful(),
            **self._harmless(),
        }
        shown = config.model_copy(update=update).model_dump(mode="json", by_alias=True, exclude_none=True)
        found = portable_json(shown)
        assert isinstance(found, dict)
        return found

    def _helpful(self) -> dict[str, Any]:
        """The stage sft with its files of helpful answers as others may see them; nothing where it has none."""
        sft = self._config.sft
        if sft is None or sft.helpful is None:
            return {}
        helpful = sft.helpful.model_copy(update={"files": tuple(map(self._place, sft.helpful.files))})
        return {"sft": sft.model_copy(update={"helpful": helpful})}

    def _harmless(self) -> dict[str, Any]:
        """The stage evaluate with its files of harmless prompts likewise; nothing where it has none."""
        stage = self._config.evaluate
        if stage is None or stage.over_refusal is None:
            return {}
        part = stage.over_refusal.model_copy(update={"prompts": tuple(map(self._place, stage.own_prompts))})
        return {"evaluate": stage.model_copy(update={"over_refusal": part})}

    def _place(self, source: BaseModel) -> BaseModel:
        """A part that reads a file or dataset, whose place names no person."""
        if not isinstance(source, Source):
            return source
        place = "path" if source.path is not None else "dataset"
        shown = self._files.get(source.label) or self.file(str(getattr(source, place)))
        return source.model_copy(update={place: shown})

    def _source(self, given: BaseModel) -> BaseModel:
        """A part that brings verdicts, without the names of those who gave them."""
        source = self._place(given)
        if not isinstance(source, RaterSource) or not isinstance(given, RaterSource):
            return source
        update: dict[str, Any] = {}
        if source.columns and source.columns.votes:
            votes = tuple(self._rater(source, name) for name in source.columns.votes)
            update["columns"] = source.columns.model_copy(update={"votes": votes})
        if isinstance(source, VerdictFile):
            update["columns"] = _optional_columns(update.get("columns", source.columns), self._hidden)
            update["rater"] = _optional(lambda name: self._rater(source, name), source.rater)
            fitting = [shown for pattern in source.people or () for shown in self.people.fitting(pattern)]
            update["people"] = tuple(dict.fromkeys(fitting)) or None
        return source.model_copy(update=update)

    def _rater(self, source: RaterSource, name: str) -> str:
        kind = source.kind_of(name) if isinstance(source, VerdictFile) else source.rater
        return name if kind in ("model", "verifier") else self.people.of(name)

    def stages(self, stages: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """The keys and counts of stages; those of reading, mixing and the dataset are told by file."""
        labels = {label: self._label(label, source) for label, source in mix_labels(self._config.dataset).items()}
        show: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "inputs": self._read_counts,
            "mixing": lambda counts: _renamed(counts, labels),
            "dataset": lambda counts: _dataset_counts(counts, labels),
        }
        return {
            name: {**stage, "counts": show[name](stage["counts"])} if name in show else stage
            for name, stage in stages.items()
        }

    def _label(self, label: str, source: Source) -> str:
        return self.file(source.label) + label.removeprefix(source.label)

    def _read_counts(self, counts: Mapping[str, Any]) -> dict[str, Any]:
        """Facts of each file under `source NAME`, licenses under `NAME: license`."""
        shown = {}
        for key, value in counts.items():
            name = key.removeprefix("source ")
            told = value
            if key in FURTHER and isinstance(value, Mapping):
                told = {self._licensed(one): count for one, count in value.items()}
            shown[key if name == key else f"source {self._numbered(name)}"] = told
        return shown

    def _numbered(self, name: str) -> str:
        """Of a name that stands twice, the second is numbered."""
        alone, space, number = name.rpartition(" (")
        is_second = name not in self._files and space and number.removesuffix(")").isdecimal()
        return f"{self.file(alone)}{space}{number}" if is_second else self.file(name)

    def _licensed(self, told: str) -> str:
        name, colon, license = told.rpartition(": ")
        return f"{self.file(name)}{colon}{license}"


def _dataset_counts(counts: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    shown = dict(counts)
    if "mix" in shown:
        shown["mix"] = {**shown["mix"], "sources": _renamed(shown["mix"]["sources"], labels)}
    if "diversity" in shown:
        shown["diversity"] = {
            side: {**found, "sets": _renamed(found["sets"], labels)} for side, found in shown["diversity"].items()
        }
    return shown


def _renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(name, name): one for name, one in values.items()}


def _model(spec: Any) -> Any:
    url = getattr(spec, "base_url", None)
    return spec.model_copy(update={"base_url": f"http://{PRIVATE}"}) if url and is_private(url) else spec


def _local(config: RunFile) -> Iterator[tuple[str, str]]:
    """Addresses and paths of this machine's models, and what is shown instead; longer ones first."""
    for spec in config.models.values():
        url, model = getattr(spec, "base_url", None), getattr(spec, "model", None)
        if url and is_private(url):
            yield from ((url, f"http://{PRIVATE}"), (url.split("://", 1)[-1], PRIVATE), (urlsplit(url).netloc, PRIVATE))
        if model and portable(model) != model:
            yield model, portable(model)


def _is_own_file(source: Source) -> bool:
    """Whether it is a file or folder of the user's; a dataset on the Hub has a name that everybody may know."""
    return source.path is not None or str(source.dataset).startswith((".", "/", "~"))


def _ending(source: Source) -> str:
    return PurePath(source.label).suffix if source.path is not None else ""


def _split(source: Source) -> str:
    """What a certificate and counts say of a dataset after its name."""
    return fact_name(source).removeprefix(source.label)


def _optional_columns(columns: Any, hidden: Callable[[str], str]) -> Any:
    """The columns of verdicts; one may be called after the person whose verdicts it holds."""
    if columns is None:
        return None
    named = {name: hidden(one) for name in type(columns).model_fields if isinstance(one := getattr(columns, name), str)}
    return columns.model_copy(update=named)


def _optional(show: Callable[[str], str], text: str | None) -> str | None:
    return None if text is None else show(text)
