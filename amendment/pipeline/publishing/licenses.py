"""Licenses and terms that the publisher has to look at: told from what the run knows, never decided for anybody."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from amendment.pipeline.publishing.outgoing import PRIVATE, portable
from amendment.pipeline.publishing.tables import Tables
from amendment.pipeline.runfile.config import POLICY_STAGES
from amendment.records import Origin

__all__ = ["Writer", "source_licenses", "things_to_look_at", "writers"]

CONDITIONS = {
    "-nc": "asks for non-commercial use",
    "-nd": "allows no adapted versions",
    "-sa": "asks for the same license",
    "gpl": "asks for the same license",
    "odbl": "asks for the same license",
    "llama": "has conditions of its own",
    "gemma": "has conditions of its own",
    "rail": "has conditions of its own",
    "other": "has conditions of its own",
}
"""Parts of a license's name, and what they say."""
FREE = ("cc0-1.0", "pddl", "unlicense", "wtfpl")
"""Licenses that ask for nothing."""

HOSTED = ("openai", "anthropic")
VENDORS = ("api.openai.com/v1", "api.anthropic.com")
"""Addresses that everybody knows."""


class SourceLicense(NamedTuple):
    """A source of prompts or of answers, the license on record for it, and how many it has."""

    what: str
    """prompts or answers."""
    source: str | None
    license: str | None
    number: int


class Writer(NamedTuple):
    """Who wrote texts that are published, and where it ran."""

    model: str
    provider: str | None
    host: str | None
    texts: int
    judged: int


def source_licenses(tables: Tables) -> list[SourceLicense]:
    """Sources and licenses of everything published: prompts first, then imported answers, each the largest first.

    An answer that a model wrote here has the license of none but its prompt, and perhaps terms of its host.
    """
    rows = [row for found in tables.preferences.values() for row in found]
    asked = [tables.prompts[name] for name in dict.fromkeys(one.prompt_id for one in tables.candidates)]
    prompts = {(row.prompt_id, row.source, row.license) for row in rows}
    prompts |= {(one.id, one.source, one.license) for one in asked}
    answers = {
        (one.id, one.origin.source, one.origin.license)
        for one in tables.candidates
        if one.kind == "imported" or one.origin.license
    }
    return [*_counted(tables, "prompts", prompts), *_counted(tables, "answers", answers)]


def _counted(tables: Tables, what: str, found: Iterable[tuple[str, str | None, str | None]]) -> list[SourceLicense]:
    counts = Counter((source, license) for _, source, license in found)
    for told, count in tables.counts("inputs").get(f"{what} under a further license", {}).items():
        source, _, license = told.rpartition(": ")
        counts[source, license] += count
    largest = sorted(counts.items(), key=lambda one: (-one[1], str(one)))
    return [SourceLicense(what, *key, number=count) for key, count in largest]


def writers(tables: Tables) -> list[Writer]:
    """Models that wrote candidates or critiques, or judged, in the order of the tables."""
    counts: dict[tuple[str, str | None, str | None], list[int]] = defaultdict(lambda: [0, 0])
    for origin in (one.origin for records in (tables.candidates, tables.critiques) for one in records):
        if key := _writer(origin):
            counts[key][0] += 1
    for verdict in tables.verdicts:
        if verdict.rater_kind == "model" and (key := _writer(verdict.origin)):
            counts[key][1] += 1
    return [Writer(*key, texts=texts, judged=judged) for key, (texts, judged) in counts.items()]


def _writer(origin: Origin) -> tuple[str, str | None, str | None] | None:
    return (origin.model, origin.provider, origin.host) if origin.model else None


def things_to_look_at(tables: Tables, license: str) -> list[str]:
    """What only the publisher can decide, a sentence each; `license` is the dataset's."""
    return [*_licenses(tables, license), *_hosts(tables), *_people(tables), *_gate(tables)]


def _gate(tables: Tables) -> Iterator[str]:
    if tables.counts("audit").get("gate") == "FAIL":
        yield "gate: the judge did not pass it; the card says so"


def _licenses(tables: Tables, license: str) -> Iterator[str]:
    for what, source, found, count in source_licenses(tables):
        name = f"{source or 'no source on record'} ({count} {what})"
        if found is None:
            yield f"license of {name}: none on record; find it out before others build on it"
        elif found.lower() not in (license, *FREE):
            said = [meaning for part, meaning in CONDITIONS.items() if part in found.lower()]
            why = f", which {said[0]}" if said else ""
            yield f"license of {name}: {found}{why}; the dataset's is {license}"


def _hosts(tables: Tables) -> Iterator[str]:
    found = writers(tables)
    for host in dict.fromkeys(one.host for one in found if one.provider in HOSTED):
        models = ", ".join(dict.fromkeys(one.model for one in found if one.host == host))
        yield f"terms of {host} ({models}): they may limit what its output may be used to train"
        if host not in VENDORS:
            shown = "its own stands nowhere in what is published" if host == PRIVATE else "may others know of it?"
            yield f"address {host}, in rows, card and manifest: {shown}"
    for model in dict.fromkeys(_known_model(tables, one.model) for one in found if one.provider == "local"):
        if model:
            yield f"license of the model {model}: it may say something about its output"
    for model in dict.fromkeys(one.model for one in found if one.provider is None):
        yield f"{model}, named as writer of imported answers: may it be named, and may its answers be published?"


def _known_model(tables: Tables, model: str) -> str | None:
    """A local model as others know it: of a policy that this run trained, what it was trained from, if not its own."""
    stage = model.partition("@")[0]
    while stage in POLICY_STAGES and stage != "base":
        stage = getattr(tables.config, stage).base
        model = stage
    return None if stage == "base" else portable(model)


def _people(tables: Tables) -> Iterator[str]:
    if len(tables.people):
        count = len(tables.people)
        yield f"{count} raters are people, under pseudonyms: have they agreed? Names inside texts are not looked for"
