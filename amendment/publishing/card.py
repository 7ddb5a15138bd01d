"""Cards: what a reader has to know before building on a dataset or a model, written from the run by a template.

What is generated is between two marks; text around them is the publisher's and survives the next push, and so does
metadata that somebody changed on the Hub.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from amendment.constitutions import Constitution
from amendment.data.pseudonyms import PRIVATE, portable, sources_in
from amendment.licenses import FREE, license_conditions, license_conflict
from amendment.publishing.configs import CONFIGS
from amendment.publishing.finished import FinishedRun
from amendment.publishing.settings import PublishSettings
from amendment.text import plain

if TYPE_CHECKING:
    from datasets import DatasetDict

CARD = "README.md"
# a push finds its part of a card by these lines, so they never change
BEGIN = "<!-- amendment: generated from here; text above stays, text in between is written anew with each push -->"
END = "<!-- amendment: generated up to here; text below stays -->"
DECIDERS = {
    "judge": "a model judge",
    "person": "people",
    "verifier": "a verifier",
    "construction": "construction",
    "unknown": "raters that are not known to be people or models",
}
SIZES = ((3, "n<1K"), (4, "1K<n<10K"), (5, "10K<n<100K"), (6, "100K<n<1M"), (7, "1M<n<10M"), (8, "10M<n<100M"))
OURS = ("license", "license_name", "size_categories", "configs", "dataset_info")
"""Keys that follow from the run file and the rows alone, whatever the card on the Hub says."""
HOSTED = ("openai", "anthropic")
VENDORS = ("api.openai.com/v1", "api.anthropic.com")
"""Addresses that everybody knows."""


def render(template: str, **values: Any) -> str:
    """A card's body by its template. Foreign words go through the filters `code` and `fenced`, which no text leaves."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(  # noqa: S701 - Markdown, in which HTML's escapes would be read as they are
        loader=FileSystemLoader(Path(__file__).with_name("templates")), undefined=StrictUndefined
    )
    environment.filters |= {"code": code, "fenced": fenced}
    return environment.get_template(f"{template}.md.jinja").render(begin=BEGIN, end=END, **values)


def fenced(text: str, kind: str = "text") -> str:
    """A block that shows other people's text as it is; no line of it can close the block."""
    fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", text)), default=0))
    return f"{fence}{kind}\n{_harmless(text)}\n{fence}"


def code(text: str, longest: int = 80) -> str:
    """A short text as code within a line or a table."""
    shown = plain(text, longest=longest) or " "
    fence = "`" * (1 + max(map(len, re.findall(r"`+", shown)), default=0))
    space = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{space}{shown}{space}{fence}"


def escape_markdown(markdown: str) -> str:
    """Markdown of our own making whose tables may hold foreign words: no HTML, no links, no images."""

    def escaped(match: re.Match[str]) -> str:
        is_escaped = len(match[1]) % 2  # behind an odd number of backslashes
        return match[0] if is_escaped else f"{match[1]}\\{match[2]}"

    return re.sub(r"(\\*)([<\[])", escaped, _harmless(markdown))


def _harmless(text: str) -> str:
    """The text without characters that steer a terminal or a reader's eye."""
    steering = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    return "".join(
        char
        if char in "\n\t" or unicodedata.category(char) not in steering
        else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def dataset_body(
    run: FinishedRun,
    settings: PublishSettings,
    configs: Mapping[str, DatasetDict],
    constitutions: list[Constitution],
    certificate: str | None,
) -> str:
    """The generated part of the dataset's card, with its marks. `certificate` is Markdown, without names of people."""
    judged = [row for row in run.every_row if row.decided_by == "judge"]
    is_raw = run.settings["dataset"].get("probabilities") == "raw"
    return render(
        "dataset",
        run=run,
        settings=settings,
        deciders=[DECIDERS[kind] for kind in sorted({row.decided_by for row in run.every_row})],
        configs=configs,
        meanings={name: meaning for name, (_, meaning) in CONFIGS.items()},
        constitutions=constitutions,
        writers=writers(run),
        sources=source_licenses(run),
        look_at=[f"- {note}" for note in things_to_look_at(run, settings.license)],
        certificate=certificate and re.sub(r"^#", "###", escape_markdown(certificate).strip(), flags=re.MULTILINE),
        figures=[f"{stage}\n\n{text}" for stage, text in run.summaries.items() if stage in run.on_card],
        judged=judged,
        uncalibrated=[row for row in judged if is_raw or row.p_chosen_calibrated is None],
        gate=run.counts.get("audit", {}).get("gate"),
        left_out=run.counts["dataset"].get("left out"),
    )


def with_body(existing: str, body: str) -> str:
    """A card's text with its generated part put in place of the old one, or below what somebody wrote by hand."""
    start, end = existing.find(BEGIN), existing.rfind(END)
    if start < 0 or end < start:
        return f"{existing.strip()}\n\n{body}\n".lstrip("\n")
    return f"{existing[:start]}{body}{existing[end + len(END) :]}".strip("\n") + "\n"


def dataset_metadata(run: FinishedRun, settings: PublishSettings) -> dict[str, Any]:
    """The metadata that the Hub sorts and filters by; the push adds the configs."""
    rows = len(run.every_row)
    raters = {verdict.rater_kind for verdict in run.verdicts}
    tags = {
        "rlaif": "model" in raters,
        "constitutional-ai": bool(run.manifest["constitutions"]),
        "synthetic": any(candidate.kind != "imported" for candidate in run.candidates),
        "human-feedback": "person" in raters,
        "simulated": bool(run.manifest["simulated"]),
    }
    # whether people are experts or a crowd is theirs to say: `other` until the card is edited
    creators = {
        "machine-generated": raters & {"model", "verifier"},
        "other": raters & {"person", "unknown"} or not raters,
    }
    named = [str(source["dataset"]) for source in sources_in(run.settings) if source.get("dataset")]
    public = [name for name in named if not name.startswith((".", "/", "~")) and run.outgoing.file(name) == name]
    return {
        "pretty_name": run.manifest["name"],
        **license_metadata(settings, settings.license),
        "tags": ["amendment", "preference", "dpo", "rlhf", "trl", *(tag for tag, holds in tags.items() if holds)],
        "task_categories": ["text-generation"],
        "size_categories": [next((name for digits, name in SIZES if rows < 10**digits), "100M<n<1B")],
        "annotations_creators": [name for name, holds in creators.items() if holds],
        "source_datasets": list(dict.fromkeys(public)) or ["original"],
    }


def license_metadata(settings: PublishSettings, license: str) -> dict[str, str]:
    """The license as the Hub reads it; a name goes with `other` alone."""
    name = settings.license_name if license == "other" else None
    return {"license": license, **({"license_name": name} if name else {})}


def merged_metadata(ours: Mapping[str, Any], theirs: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Our metadata, with what people changed or added on the Hub. `before` is what the last push wrote: of that
    nothing stays that the run does not say now."""
    edited = {
        key: value
        for key, value in theirs.items()
        if key not in (*OURS, "tags")
        and value not in (None, [], "")
        and (value != before[key] if key in before else bool(before) or key not in ours)
    }
    added = [tag for tag in _listed(theirs.get("tags")) if tag not in _listed(before.get("tags"))]
    tags = list(dict.fromkeys([*_listed(ours.get("tags")), *added]))
    return {**ours, **edited, **({"tags": tags} if tags else {})}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []


def card_text(metadata: Mapping[str, Any], body: str) -> str:
    """A whole README: metadata as YAML, then the body."""
    head = yaml.safe_dump(dict(metadata), sort_keys=False, allow_unicode=True, width=10_000)
    return f"---\n{head}---\n\n{body}"


def folder_of(config: str) -> str:
    """The folder of a config's files, where the Hub's client puts them too."""
    return "data" if config == "default" else config


def card_configs(configs: Mapping[str, Iterable[str]]) -> list[dict[str, Any]]:
    """`configs:` for splits by config, by which `load_dataset` finds the files."""
    return [
        {
            "config_name": name,
            "data_files": [{"split": split, "path": f"{folder_of(name)}/{split}-*"} for split in splits],
        }
        for name, splits in configs.items()
    ]


# What the publisher has to look at: licenses, terms of hosts, people who rated. Nothing is decided for anybody.


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


def source_licenses(run: FinishedRun) -> list[SourceLicense]:
    """Sources and licenses of everything published: prompts first, then imported answers, each the largest first.

    An answer that a model wrote here has the license of none but its prompt, and perhaps terms of its host.
    """
    asked = [run.prompts[name] for name in {candidate.prompt_id for candidate in run.candidates}]
    records_of = {
        "prompts": {(row.prompt_id, row.source, row.license) for row in run.every_row}
        | {(prompt.id, prompt.source, prompt.license) for prompt in asked},
        "answers": {
            (candidate.id, candidate.origin.source, candidate.origin.license)
            for candidate in run.candidates
            if candidate.kind == "imported" or candidate.origin.license
        },
    }
    licenses = []
    for what, records in records_of.items():
        counts = Counter((source, license) for _, source, license in records)
        for name, count in run.counts.get("inputs", {}).get(f"{what} under a further license", {}).items():
            source, _, license = name.rpartition(": ")
            counts[source, license] += count
        largest = sorted(counts.items(), key=lambda entry: (-entry[1], str(entry)))
        licenses += [SourceLicense(what, *key, number=count) for key, count in largest]
    return licenses


def license_conflicts(run: FinishedRun, license: str) -> Iterator[Conflict]:
    """The sources whose licenses forbid to publish under `license`."""
    for source in source_licenses(run):
        if source.license and (why := license_conflict(source.license, license)):
            yield Conflict(source.license, str(source), f"{why}; the dataset's is {license}")


def writers(run: FinishedRun) -> list[Writer]:
    """Models that wrote candidates or critiques, or judged, in the order of the tables."""
    counts: dict[tuple[str, str | None, str | None], list[int]] = defaultdict(lambda: [0, 0])
    texts = [(record.origin, 0) for record in run.candidates] + [(record.origin, 0) for record in run.critiques]
    judged = [(record.origin, 1) for record in run.verdicts if record.rater_kind == "model"]
    for origin, place in (*texts, *judged):
        if origin.model:
            counts[origin.model, origin.provider, origin.host][place] += 1
    return [Writer(*who, *numbers) for who, numbers in counts.items()]


def things_to_look_at(run: FinishedRun, license: str) -> list[str]:
    """The decisions that only the publisher can make, a sentence each; `license` is the dataset's."""
    return [*_licenses(run, license), *_hosts(run), *_people(run)]


def _licenses(run: FinishedRun, license: str) -> Iterator[str]:
    for source in source_licenses(run):
        if source.license is None:
            yield f"license of {source}: none on record; find out before others build on it"
        elif source.license.lower() not in (license, *FREE):
            conditions = " and ".join(license_conditions(source.license))
            stops = "; this stops a push" if license_conflict(source.license, license) else ""
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
            yield f"license of the model {model}: it may say something about its output"
    for model in dict.fromkeys(writer.model for writer in models_used if writer.provider is None):
        yield f"{model}, the writer of imported answers: may you name it and publish its answers?"


def _known_model(run: FinishedRun, model: str) -> str | None:
    """A local model as others know it: of a policy that this run trained, what it was trained from, if not its own."""
    stage = model.partition("@")[0]
    while stage in ("sft", "dpo"):
        model = stage = run.settings[stage]["base"]
    return None if stage == "base" else portable(model)


def _people(run: FinishedRun) -> Iterator[str]:
    if count := len(run.people):
        asked = "do they agree? Names inside texts are not removed"
        yield f"{count} raters are or may be people; they have pseudonyms: {asked}"
    if run.counts.get("audit", {}).get("gate") == "FAIL":
        yield "gate: the judge did not pass it; the card says so"
