"""List what only the publisher can decide: licenses of sources, terms of hosts, people who rated. Nothing is decided
here; a dry run shows the list to the publisher, and the card does not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple, cast

from amendment.data.pseudonyms import PRIVATE, portable
from amendment.licenses import FREE, license_conditions, license_conflict
from amendment.publishing.finished import FinishedRun

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

    def __str__(self) -> str:
        return f"{self.source or 'no source on record'} ({self.number} {self.what})"


class Writer(NamedTuple):
    """A model that wrote published texts or judged them, and the host that it ran on."""

    model: str
    provider: str | None
    host: str | None
    texts: int
    judged: int
    judges: tuple[str, ...]
    """The names of the judges that it is asked as."""


def source_licenses(run: FinishedRun) -> list[SourceLicense]:
    """List sources and licenses of everything published: prompts first, then imported answers, each the largest first.

    An answer that a model wrote here has the license of none but its prompt, and perhaps terms of its host.
    """
    asked = [run.prompts[name] for name in {candidate.prompt_id for candidate in run.candidates}]
    records_by_kind = {
        "prompts": {(row.prompt_id, row.source, row.license) for row in run.every_row}
        | {(prompt.id, prompt.source, prompt.license) for prompt in asked},
        "answers": {
            (candidate.id, candidate.origin.source, candidate.origin.license)
            for candidate in run.candidates
            if candidate.kind == "imported"
        },
    }
    licenses = []
    for what, records in records_by_kind.items():
        counts = Counter((source, license) for _, source, license in records)
        for figure in run.result("inputs").where("under_a_further_license", kind=what):
            counts[figure.of["source"], figure.of["license"]] += cast(int, figure.value)
        largest = sorted(counts.items(), key=lambda entry: (-entry[1], str(entry)))
        licenses += [SourceLicense(what, *key, number=count) for key, count in largest]
    return licenses


def license_conflicts(run: FinishedRun, license: str) -> Iterator[Conflict]:
    """List the sources whose licenses forbid to publish under `license`."""
    for source in source_licenses(run):
        if source.license and (why := license_conflict(source.license, license)):
            yield Conflict(source.license, str(source), f"{why}; the dataset's is {license}")


def writers(run: FinishedRun) -> list[Writer]:
    """List models that wrote candidates or critiques, or judged, in the order of the tables."""
    counts: dict[tuple[str, str | None, str | None], list[int]] = defaultdict(lambda: [0, 0])
    written = [(record.origin, 0) for record in run.candidates] + [(record.origin, 0) for record in run.critiques]
    asked = [(record.origin, 1) for record in run.verdicts if record.rater_kind == "model"]
    for origin, place in (*written, *asked):
        if origin.model:
            counts[origin.model, origin.provider, origin.host][place] += 1
    names: dict[tuple[str | None, str | None, str | None], dict[str, None]] = defaultdict(dict)
    for verdict in run.verdicts:
        if verdict.rater_kind == "model":
            names[verdict.origin.model, verdict.origin.provider, verdict.origin.host][verdict.rater] = None
    return [Writer(*who, texts, judged, tuple(names[who])) for who, (texts, judged) in counts.items()]


def things_to_look_at(run: FinishedRun, license: str) -> list[str]:
    """List the decisions that only the publisher can make, a sentence each; `license` is the dataset's."""
    return [*_licenses(run, license), *_hosts(run), *_people(run)]


def _licenses(run: FinishedRun, license: str) -> Iterator[str]:
    for source in source_licenses(run):
        if source.license is None:
            yield f"license of {source}: none on record; find out before others build on it"
        elif source.license.lower() not in (license, *FREE):
            conditions = " and ".join(license_conditions(source.license))
            stops = (
                "; this stops a push, unless --allow-license names it"
                if license_conflict(source.license, license)
                else ""
            )
            which = f", which {conditions}" if conditions else ""
            yield f"license of {source}: {source.license}{which}; the dataset's is {license}{stops}"


def _hosts(run: FinishedRun) -> Iterator[str]:
    models_used = writers(run)
    for host in dict.fromkeys(writer.host for writer in models_used if writer.provider in HOSTED):
        models = ", ".join(dict.fromkeys(writer.model for writer in models_used if writer.host == host))
        yield f"terms of {host} ({models}): they may limit what its output may be used to train"
        if host not in VENDORS:
            shown = "its own is not published" if host == PRIVATE else "may others know of it?"
            yield f"address {host}, in rows, card and manifest: {shown}"
    for model in dict.fromkeys(_known_model(run, writer.model) for writer in models_used if writer.provider == "local"):
        if model:
            yield f"license of the model {model}: it may have terms for its output"
    for model in dict.fromkeys(writer.model for writer in models_used if writer.provider is None):
        yield f"{model}, the writer of imported answers: may you name it and publish its answers?"


def _known_model(run: FinishedRun, model: str) -> str | None:
    """Name a local model as others know it: a policy that this run trained by its base, unless that is the run's
    own."""
    stage = model.partition("@")[0]
    while stage in ("sft", "dpo"):
        model = stage = run.settings[stage]["base"]
    return None if stage == "base" else portable(model)


def _people(run: FinishedRun) -> Iterator[str]:
    if count := len(run.people):
        raters = "1 rater is or may be a person, shown under a pseudonym"
        if count > 1:
            raters = f"{count} raters are or may be people, shown under pseudonyms"
        yield f"{raters}. Have they agreed to publication? Names inside texts are not removed"
    if run.result("audit").totals.get("gate") == "FAIL":
        yield "gate: the judge did not pass it; the card says so"
