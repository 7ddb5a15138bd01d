"""Licenses and terms that the publisher has to look at: told from what the run knows, never decided for anybody."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from amendment.publishing.outgoing import PRIVATE, portable
from amendment.publishing.tables import Tables
from amendment.records import Origin
from amendment.stages.configs import POLICY_STAGES

__all__ = ["Conflict", "Writer", "license_conflicts", "source_licenses", "things_to_look_at", "writers"]

CONDITIONS = {
    "llama": "has its own conditions",
    "gemma": "has its own conditions",
    "rail": "has its own conditions",
    "other": "has its own conditions",
}
"""Parts of a license's name, and what they say; see `_terms` for those that can stop a push."""
TERMS = {
    "nc": "requires non-commercial use",
    "nd": "forbids adapted versions",
    "sa": "requires the same license",
}
FREE = ("cc0-1.0", "pddl", "unlicense", "wtfpl")
"""Licenses that ask for nothing."""

HOSTED = ("openai", "anthropic")
VENDORS = ("api.openai.com/v1", "api.anthropic.com")
"""Addresses that everybody knows."""


class Conflict(NamedTuple):
    """A source whose license forbids what would be published."""

    license: str
    """The whole of it, as it is on record."""
    source: str
    why: str

    def __str__(self) -> str:
        return f"{self.source}: {self.license}, which {self.why}"


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
    if tables.sealed_count:
        yield f"seal: the verdicts include {tables.sealed_count} sealed labels (publish.sealed), which opens the seal"
    if tables.counts("audit").get("gate") == "FAIL":
        yield "gate: the judge did not pass it; the card says so"


def _licenses(tables: Tables, license: str) -> Iterator[str]:
    for what, source, found, count in source_licenses(tables):
        name = _named(what, source, count)
        if found is None:
            yield f"license of {name}: none on record; find out before others build on it"
        elif found.lower() not in (license, *FREE):
            said = dict.fromkeys(meaning for one in _parts(found) for meaning in _conditions(one))
            why = f", which {' and '.join(said)}" if said else ""
            stops = "; this stops a push" if _conflict(found, license) else ""
            yield f"license of {name}: {found}{why}; the dataset's is {license}{stops}"


def _named(what: str, source: str | None, count: int) -> str:
    return f"{source or 'no source on record'} ({count} {what})"


def license_conflicts(tables: Tables, license: str) -> Iterator[Conflict]:
    """The sources whose licenses forbid to publish under `license`."""
    for what, source, found, count in source_licenses(tables):
        why = _conflict(found, license) if found else None
        if found and why:
            yield Conflict(found, _named(what, source, count), f"{why}; the dataset's is {license}")


def _conflict(license: str, dataset: str) -> str | None:
    """Why data under a license cannot be published under the dataset's; None where nothing is known against it.

    Of licenses joined by OR one is enough, of all others each counts. NonCommercial stays NonCommercial, NoDerivatives
    allows nothing but itself, and ShareAlike asks for its own family.
    """
    parts = _parts(license)
    found = [why for one in parts if (why := _forbidden(one, dataset))]
    is_choice = re.search(r"\bor\b", license, re.IGNORECASE) and not re.search(r"\band\b", license, re.IGNORECASE)
    if is_choice and len(found) < len(parts):
        return None
    return " and ".join(dict.fromkeys(found)) or None


def _parts(license: str) -> list[str]:
    """The licenses that an expression joins, as the Hub would spell them.

    In a name that somebody made up, NC and ND count wherever they are.
    """
    spaced = re.sub(r"(?i:licenseref-)[\w.-]+", lambda name: re.sub("N[CD]", r"-\g<0>-", name[0]), license)
    joined = re.sub(r"[()]", " ", spaced.lower())
    return [
        re.sub(r"[\s_]+", "-", one.strip()) for one in re.split(r"\s+(?:and|or|with)\s+|[,;/]", joined) if one.strip()
    ]


def _terms(license: str) -> dict[str, str]:
    """What a license asks for, by its term."""
    words = set(re.split(r"[-.+]", license))
    terms = {
        "nc": words & {"nc", "noncommercial", "research", "amlr", "deepfloyd", "aladdin"}
        or "non-commercial" in license,
        "nd": words & {"nd", "noderivatives", "noderivs"},
        "sa": words & {"sa", "sharealike", "gpl", "agpl", "lgpl", "odbl", "gfdl", "osl", "sspl", "eupl", "sharing"},
    }
    return {term: TERMS[term] for term, holds in terms.items() if holds}


def _conditions(license: str) -> list[str]:
    return [*_terms(license).values(), *(meaning for part, meaning in CONDITIONS.items() if part in license)]


def _forbidden(license: str, dataset: str) -> str | None:
    own, theirs = _terms(dataset), _terms(license)
    has_only_this_version = license.endswith("-only") and license.removesuffix("-only") != dataset.removesuffix("-only")
    broken = {
        "nc": "nc" in theirs and "nc" not in own,
        "nd": "nd" in theirs and dataset != license,
        "sa": "sa" in theirs and (has_only_this_version or _family(dataset) != _family(license)),
    }
    return " and ".join(TERMS[term] for term, is_broken in broken.items() if is_broken) or None


def _family(license: str) -> str:
    """A license without its version: a later one may take the place of an earlier one, unless it says only."""
    return re.sub(r"-v?\d[\d.]*(?:\+|-or-later|-only)?$", "", license)


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
        yield f"{model}, the writer of imported answers: may you name it and publish its answers?"


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
        asked = "do they agree? Names inside texts are not removed"
        yield f"{count} raters are or may be people; they have pseudonyms: {asked}"
