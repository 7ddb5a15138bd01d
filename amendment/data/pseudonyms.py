"""Prepares what leaves a run: people under pseudonyms, no path of this machine, no private address.

A rater is `person-1`, `person-2` ... in rows, certificate, card and manifest alike. People in the certificate are
numbered first, so that it has the same numbers although it is written before anybody else is known.

A run file is taken here as the run has resolved it, in JSON values. Records go by their types; names are looked for in
the names of files and datasets, and not inside texts. The run's own folder keeps everything as it is.

Not covered: nicknames, and names inside prompts, answers and reasons, which only a reader can find. A pseudonym hides a
name from others, not from somebody who knows who rated what.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import Any, TypeVar
from urllib.parse import urlsplit

from amendment.data.sources import dataset_parts
from amendment.data.store import iter_records
from amendment.errors import ConfigError
from amendment.files import read_json
from amendment.hashing import content_id
from amendment.llm.prices import is_own_server
from amendment.records import LABELLERS, Candidate, Critique, Origin, Pair, Preference, Prompt, Verdict

R = TypeVar("R", Candidate, Critique)
MAYBE_PEOPLE = (*LABELLERS, "unknown")
"""Kinds of raters whose names are nobody's business; unknown ones may be people."""
PRIVATE = "private-address"
"""Replaces the address of a server that nobody outside can reach."""
SHORTEST = 3
"""Letters of a name that is looked for in the names of files; a shorter one stands in many words by chance."""
_DATA = re.compile(r"(?:\.(?:csv|tsv|jsonl|json|parquet|gz)){1,9}$", re.IGNORECASE)
"""Endings of files that a rater may be called after."""
_ABSOLUTE = re.compile(r"^(?:/|~|\.\.(?:[\\/]|$)|[A-Za-z]:[\\/]|file:)")
_SPOKEN = ("stop",)
"""Keys of a configuration whose texts are said to models."""


class Pseudonyms:
    """The pseudonyms of people, by name."""

    def __init__(self, audited: Iterable[str], others: Iterable[str] = ()) -> None:
        """Number the people of the certificate, then all others, so that neither file nor alphabet shows in the
        order."""
        names = dict.fromkeys([*_shuffled(audited), *_shuffled(others)])
        self.by_name = {name: f"person-{number}" for number, name in enumerate(names, start=1)}

    def __len__(self) -> int:
        return len(self.by_name)

    def __contains__(self, name: object) -> bool:
        return name in self.by_name

    def of(self, name: str) -> str:
        """Return the pseudonym of a rater who is a person; an unknown name stays."""
        return self.by_name.get(name, name)

    def hiding(self, kept: Collection[str] = ()) -> Callable[[str], str]:
        """Return a function that shows a part of a path, or the name of a dataset, with the pseudonym in place of
        every whole name. Names in `kept` may stay. Longer names are replaced first, so that Anna Berg is not taken
        for Anna."""
        by_words = {
            words: pseudonym
            for name, pseudonym in self.by_name.items()
            if name not in kept
            for words in _name_words(name)
        }
        ordered = sorted(by_words, key=lambda words: (-len("".join(words)), words))
        between = r"[\W_]*"  # whatever is between the words, and not as a part of a longer one
        spelled = [rf"((?<![^\W_]){between.join(words)}(?![^\W_]))" for words in ordered]
        pattern = re.compile("|".join(spelled) or "(?!)", re.IGNORECASE)
        return lambda part: pattern.sub(lambda hit: by_words[ordered[(hit.lastindex or 1) - 1]], part)

    def matching(self, pattern: str) -> list[str]:
        """Return the pseudonyms of those whom a pattern of raters means; if none is known, one that means them all."""
        return [shown for name, shown in self.by_name.items() if fnmatchcase(name, pattern)] or ["person-*"]


def _name_words(name: str) -> Iterator[tuple[str, ...]]:
    """Split a person's name into words: of a file or folder its whole name, of an address the part before the @."""
    own = _DATA.sub("", PurePath(name).name)
    for called in (own, own.partition("@")[0]):
        if sum(map(str.isalpha, called)) >= SHORTEST:
            yield tuple(re.findall(r"[^\W_]+", called))


def _shuffled(names: Iterable[str]) -> list[str]:
    return sorted(set(names), key=lambda name: content_id(["rater", name]))


def run_pseudonyms(folder: Path, configuration: Mapping[str, Any], rows: Iterable[Pair | Preference]) -> Pseudonyms:
    """Return the pseudonyms of everybody who rated in a run's audit, its verdicts or the rows of its dataset, and of
    raters in its run file without a verdict. The dataset and all before it must be there."""
    is_audited = any(configuration.get(part) for part in ("judging", "spot_check", "verdicts"))
    audited = certificate_people(folder / "certificate.json") if is_audited else []
    tables = ["inputs/verdicts"]
    tables += ["mixing/verdicts"] if len(configuration["dataset"]["mix"]) > 1 else []
    tables += ["labels/open"] if configuration.get("spot_check") else []  # people behind sealed labels were audited
    verdicts = (verdict for table in tables for verdict in iter_records(folder / f"{table}.parquet", Verdict))
    others = {verdict.rater for verdict in verdicts if verdict.rater_kind in MAYBE_PEOPLE}.union(
        _raters_named(configuration)
    )
    return Pseudonyms(audited, others.union(*(row.raters for row in rows if row.decided_by in MAYBE_PEOPLE)))


def certificate_people(path: Path) -> list[str]:
    """Read the people in a run's certificate. Raises ConfigError for one that no run has written."""
    try:
        raters = read_json(path)["counts"]["raters"]
        return [str(rater["name"]) for rater in raters if rater["kind"] in LABELLERS]
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise ConfigError(f"{path}: not as the run wrote it ({fault}); run again to rebuild it") from None


def _raters_named(configuration: Mapping[str, Any]) -> Iterator[str]:
    for source in configuration["verdicts"]:
        columns = source.get("columns") or {}
        names = list(columns.get("votes") or ())
        if not names and (source.get("rater") or (columns and not columns.get("rater"))):
            names = [source.get("rater") or source_label(source)]  # the one rater of a file without a column of raters
        yield from (name for name in names if _is_person(source, name))
    for source in _pair_sources(configuration):
        if source.get("kind") in (None, *MAYBE_PEOPLE):
            yield from (source.get("columns") or {}).get("votes") or ()


def _pair_sources(configuration: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [*configuration["pairs"], *(part for part in configuration["dataset"]["mix"] if source_label(part))]


def _is_person(source: Mapping[str, Any], rater: str) -> bool:
    """Return True if an entry under `verdicts` says that a rater is a person."""
    if source.get("people") is not None:
        return any(fnmatchcase(rater, pattern) for pattern in source["people"])
    return source.get("kind") in LABELLERS


def sources_in(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every part of a run file that reads a file or a dataset."""
    if isinstance(value, Mapping):
        if source_label(value):
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from sources_in(inner)


def source_label(part: Mapping[str, Any]) -> str | None:
    """Return the source as rows cite it: the file's name, or the dataset's; None for a part that reads neither."""
    path, dataset = part.get("path"), part.get("dataset")
    if isinstance(path, str):
        return Path(path).name
    if isinstance(dataset, str):
        return dataset_parts(dataset)[0]
    return None


def _source_names(source: Mapping[str, Any]) -> tuple[str, str]:
    """Return the label, and the name of the source in a certificate and in counts."""
    label = str(source_label(source))
    if source.get("path"):
        return label, label
    split = (source.get("split") or "").rpartition("/")[2]
    return label, f"{label}[{split or 'train'}]"


def _is_local(source: Mapping[str, Any]) -> bool:
    """Return True for a file or folder of the user's; the name of a dataset on the Hub is public."""
    return bool(source.get("path")) or str(source.get("dataset")).startswith((".", "/", "~"))


def portable(text: str) -> str:
    """Return the last part of a path outside the run file's folder: the rest describes this machine alone."""
    return re.split(r"[\\/]", text.rstrip("\\/"))[-1] if _ABSOLUTE.match(text) else text


def portable_json(value: Any) -> Any:
    """Return JSON values in which every path is `portable`."""
    if isinstance(value, str):
        return portable(value)
    if isinstance(value, Mapping):
        return {key: inner if key in _SPOKEN else portable_json(inner) for key, inner in value.items()}
    return [portable_json(inner) for inner in value] if isinstance(value, list) else value


def is_private(address: str) -> bool:
    """Return True if a URL, or a host with port and path, leads to a private network or to this machine."""
    host = address.rpartition("://")[2]
    return is_own_server(host) or host.startswith(("0.0.0.0", "[::]"))  # noqa: S104 - nothing is bound


def _shown_host(host: str) -> str:
    """Return a server's host as others may see it; of a model in this process or the simulated world as it is."""
    is_server = host != "lilliput" and not host.startswith("local:")
    return PRIVATE if is_server and is_private(host) else host


class Outgoing:
    """Rewrites parts of a run for others."""

    def __init__(self, configuration: Mapping[str, Any], people: Pseudonyms) -> None:
        self.people = people
        self._configuration = configuration
        sources = list(sources_in(configuration))
        self._shown: dict[str, str] = {}
        """Files that are called after their rater, and datasets that everybody may know, by all their names."""
        for source in sources:
            label, fact_name = _source_names(source)
            is_rater = source in configuration["verdicts"] and label in people
            if _is_local(source) and is_rater:
                shown = people.of(label) + (PurePath(label).suffix if source.get("path") else "")
            elif not _is_local(source) and (is_rater or source not in configuration["verdicts"]):
                shown = label
            else:
                continue
            self._shown |= {label: shown, fact_name: shown + fact_name.removeprefix(label)}
        labels = {str(source_label(source)) for source in sources}
        self._hidden = people.hiding({label for label in labels if self._shown.get(label, label) == label})
        names = sorted({name for source in sources for name in _source_names(source)}, key=len, reverse=True)
        self._names = "|".join(map(re.escape, names)) or "(?!)"

    def file(self, name: str) -> str:
        """Return the name or the path of a source, with the pseudonym of a rater in its name.

        A file of pairs is not called after a rater: its name is the source that rows cite, and the rater's where no
        column names one. A dataset on the Hub keeps its name too, which everybody may know, unless it stands under
        `verdicts` and somebody who rated is named in it.
        """
        return self._shown.get(name) or re.sub(r"[^\\/]+", lambda part: self._hidden(part[0]), portable(name))

    def prompt(self, prompt: Prompt) -> Prompt:
        """Return the prompt, whose id tells nothing of its source."""
        return prompt.model_copy(update={"source": _optional(self.file, prompt.source)})

    def written(self, record: R) -> R:
        """Return a candidate or a critique."""
        return record.model_copy(update={"origin": self._origin(record.origin)})

    def verdict(self, verdict: Verdict) -> Verdict:
        """Return the verdict; a model with the name of a person keeps its name."""
        rater = self.people.of(verdict.rater) if verdict.rater_kind in MAYBE_PEOPLE else verdict.rater
        return verdict.model_copy(update={"rater": rater, "origin": self._origin(verdict.origin)})

    def row(self, row: Preference) -> Preference:
        raters = tuple(map(self.people.of, row.raters)) if row.decided_by in MAYBE_PEOPLE else row.raters
        models = {name: _optional(portable, getattr(row, name)) for name in ("chosen_model", "rejected_model")}
        return row.model_copy(update={"raters": raters, "source": _optional(self.file, row.source), **models})

    def _origin(self, origin: Origin) -> Origin:
        update = {
            "model": _optional(portable, origin.model),
            "host": _optional(_shown_host, origin.host),
            "source": _optional(self.file, origin.source),
        }
        return origin.model_copy(update=update)

    def cost(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the cost of calls to a model."""
        return {**row, "host": _shown_host(row["host"]), "model": portable(row["model"])}

    def text(self, text: str) -> str:
        """Return a text that this toolkit wrote around the rows, such as a card or a manifest, without addresses and
        paths of this machine that remain in it."""
        for spec in self._configuration["models"].values():
            url = spec.get("base_url")
            model = spec.get("model") or ""
            places = {model: portable(model)} if portable(model) != model else {}
            if url and is_private(url):
                places |= {url: f"http://{PRIVATE}", url.split("://", 1)[-1]: PRIVATE, urlsplit(url).netloc: PRIVATE}
            for place, shown in places.items():
                text = re.sub(rf"(?<![\w.-]){re.escape(place)}(?![\w-])", shown.replace("\\", r"\\"), text)
        return text

    def counts(self, value: Any) -> Any:
        """Return the results of stages with pseudonyms for the files that name some of them, perhaps with a number."""
        if isinstance(value, Mapping):
            return {self.counts(name): self.counts(inner) for name, inner in value.items()}
        if isinstance(value, str):
            match = re.fullmatch(rf"({self._names})((?: \(\d+\))?)", value)
            return f"{self.file(match[1])}{match[2]}" if match else value
        return [self.counts(inner) for inner in value] if isinstance(value, list) else value

    def report(self, text: str) -> str:
        """Return a report of stages with pseudonyms for the files that name some of its figures."""
        named = re.compile(rf"(?<![\w.-])({self._names})(?![\w-])")
        return self.text(named.sub(lambda name: self.file(name[1]), text))

    def configuration(self) -> dict[str, Any]:
        """Return the resolved run file as JSON values."""
        shown: dict[str, Any] = self._places(self._configuration)
        for part in [*shown["verdicts"], *_pair_sources(shown)]:
            columns = part.get("columns") or {}
            columns |= {"votes": [self.people.of(name) for name in columns["votes"]]} if columns.get("votes") else {}
        for part in shown["verdicts"]:
            columns = part.get("columns") or {}  # one may be called after the person whose verdicts it holds
            columns |= {name: self._hidden(column) for name, column in columns.items() if isinstance(column, str)}
            if part.get("rater"):
                part["rater"] = self.people.of(part["rater"])
            if part.get("people") is not None:
                matching = (person for pattern in part["people"] for person in self.people.matching(pattern))
                part["people"] = list(dict.fromkeys(matching))
        for spec in shown["models"].values():
            if spec.get("base_url") and is_private(spec["base_url"]):
                spec["base_url"] = f"http://{PRIVATE}"
        return dict(portable_json(shown))

    def _places(self, value: Any) -> Any:
        """Return a copy in which no path of a file or dataset names a person."""
        if isinstance(value, list):
            return [self._places(inner) for inner in value]
        if not isinstance(value, Mapping):
            return value
        copy = {name: self._places(inner) for name, inner in value.items()}
        if label := source_label(value):
            place = "path" if value.get("path") else "dataset"
            shown = self._shown.get(label)
            if shown not in (None, label):
                copy[place] = shown
            elif shown is None or place == "path":
                copy[place] = self.file(value[place])
        return copy


def _optional(show: Callable[[str], str], text: str | None) -> str | None:
    return None if text is None else show(text)
