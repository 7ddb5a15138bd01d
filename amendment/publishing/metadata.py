"""The YAML at the head of a card: what the Hub sorts and filters by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from amendment.data.sources import Source
from amendment.publishing.tables import Tables
from amendment.run.runfile.publish import PublishSettings

__all__ = ["card_text", "dataset_metadata", "license_metadata", "merged_metadata"]

SIZES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"),
)
OURS = ("license", "license_name", "license_link", "size_categories", "configs", "dataset_info")
"""Keys that follow from the run file and the rows alone, whatever the card on the Hub says."""


def dataset_metadata(tables: Tables, settings: PublishSettings) -> dict[str, Any]:
    """Metadata of the dataset's card; the push adds its configs."""
    rows = sum(len(found) for found in tables.preferences.values())
    return {
        "pretty_name": tables.config.name,
        **license_metadata(settings.license, settings.license_name, settings.license_link),
        "tags": list(_tags(tables)),
        "task_categories": ["text-generation"],
        "size_categories": [next((name for limit, name in SIZES if rows < limit), "100M<n<1B")],
        "annotations_creators": list(_annotators(tables)),
        "source_datasets": _sources(tables) or ["original"],
    }


def license_metadata(license: str, name: str | None, link: str | None) -> dict[str, str]:
    """The license as the Hub reads it; a name and a link go with `other` alone."""
    given = {"license": license, "license_name": name, "license_link": link}
    return {key: value for key, value in given.items() if value and (license == "other" or key == "license")}


def merged_metadata(ours: Mapping[str, Any], theirs: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """What the run says, with what people changed or added on the Hub. `before` is what the last push wrote: of that
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


def _tags(tables: Tables) -> Iterator[str]:
    yield from ("amendment", "preference", "dpo", "rlhf", "trl")
    kinds = {verdict.rater_kind for verdict in tables.verdicts}
    if "model" in kinds:
        yield "rlaif"
    if tables.manifest["constitutions"]:
        yield "constitutional-ai"
    if any(candidate.kind != "imported" for candidate in tables.candidates):
        yield "synthetic"
    if "person" in kinds:
        yield "human-feedback"
    if tables.manifest["simulated"]:
        yield "simulated"


def _annotators(tables: Tables) -> Iterator[str]:
    """Whether people are experts or a crowd is theirs to say: `other` until the card is edited."""
    kinds = {verdict.rater_kind for verdict in tables.verdicts}
    if kinds & {"model", "verifier"}:
        yield "machine-generated"
    if kinds & {"person", "unknown"} or not kinds:
        yield "other"


def _sources(tables: Tables) -> list[str]:
    """Ids of datasets on the Hub that the run file names; a local folder has no name there, nor has a hidden one."""
    config = tables.config
    parts = (*config.prompts, *config.candidates, *config.pairs, *config.verdicts, *config.dataset.mix)
    named = [part.dataset for part in parts if isinstance(part, Source) and part.dataset is not None]
    public = [name for name in named if not name.startswith((".", "/", "~"))]
    return list(dict.fromkeys(name for name in public if tables.outgoing.file(name) == name))


def card_text(metadata: Mapping[str, Any], body: str) -> str:
    """A whole README: metadata as YAML, then the body."""
    head = yaml.safe_dump(dict(metadata), sort_keys=False, allow_unicode=True, width=10_000)
    return f"---\n{head}---\n\n{body}"
