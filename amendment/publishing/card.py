"""Cards: what a reader has to know before building on a dataset or a model, written from the run by a template.

What is generated is between two marks; text around them is the publisher's and survives the next push, and so does
metadata that somebody changed on the Hub.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from amendment.audit.figures import percent
from amendment.constitutions import Constitution
from amendment.data.pseudonyms import sources_in
from amendment.llm.weights import ON_THE_HUB, published_name
from amendment.publishing.configs import CONFIGS, ORIGIN
from amendment.publishing.finished import FinishedRun
from amendment.publishing.license_terms import source_licenses, writers
from amendment.publishing.settings import PublishSettings
from amendment.records import last_text
from amendment.report.before_use import before_use, pair_facts
from amendment.report.document import Rule, Written
from amendment.report.first_screen import first_lines
from amendment.statistics import Estimate
from amendment.text import cell, plain, visible

if TYPE_CHECKING:
    from datasets import DatasetDict

CARD = "README.md"
# a push finds its part of a card by these lines, so they never change
BEGIN = "<!-- amendment: generated from here; text above stays, text in between is written anew with each push -->"
END = "<!-- amendment: generated up to here; text below stays -->"
SIZES = ((3, "n<1K"), (4, "1K<n<10K"), (5, "10K<n<100K"), (6, "100K<n<1M"), (7, "1M<n<10M"), (8, "10M<n<100M"))
OURS = ("license", "license_name", "size_categories", "configs", "dataset_info")
"""Keys that follow from the run file and the rows alone, whatever the card on the Hub says."""
MOST, CUT, ROWS, FEWEST_ROWS = 5, 100, 3, 20
"""Entries of a list, characters of a text, and rows on a card; its files have all. Rows from which a training is
shown."""


def render(template: str, **values: Any) -> str:
    """Fill the template of a card's body. Foreign text goes through `code`, `fenced` or `cell`, which contain any
    text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(  # noqa: S701 - Markdown, in which HTML's escapes would be read as they are
        loader=FileSystemLoader(Path(__file__).with_name("templates")), undefined=StrictUndefined
    )
    environment.filters |= {"code": code, "fenced": fenced, "cell": cell, "figure": figure, "published": published_name}
    return environment.get_template(f"{template}.md.jinja").render(begin=BEGIN, end=END, **values)


def fenced(text: str, kind: str = "text") -> str:
    """Return a block that shows other people's text as it is; no line of it can close the block."""
    fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", text)), default=0))
    return f"{fence}{kind}\n{visible(text)}\n{fence}"


def code(text: str, longest: int = 80) -> str:
    """Return a short text as code within a line or a table."""
    shown = plain(text, longest=longest) or " "
    fence = "`" * (1 + max(map(len, re.findall(r"`+", shown)), default=0))
    space = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{space}{shown}{space}{fence}"


def figure(estimate: Mapping[str, Any]) -> str:
    """Return a share of the certificate with its interval."""
    values: dict[str, Any] = {name: math.nan if value is None else value for name, value in estimate.items()}
    return percent(Estimate(**values))


def dataset_body(
    run: FinishedRun,
    settings: PublishSettings,
    configs: Mapping[str, DatasetDict],
    constitutions: list[Constitution],
    certificate: Mapping[str, Any] | None,
) -> str:
    """Write the generated part of the dataset's card, with its marks: at most 900 words with texts of common length.
    `certificate` is the content of certificate.json, without names of people."""
    written = Written(run.folder)
    by_prompt = list({row.prompt_id: row for row in run.every_row}.values())
    return render(
        "dataset",
        run=run,
        settings=settings,
        lines=[(question, run.outgoing.report(answer)) for question, answer in first_lines(written)],
        are_people_simulated=written.pairs.are_people_simulated,
        facts=[run.outgoing.report(fact) for fact in before_use(written)],
        rules=[
            Rule.of(constitution.id, principle.model_dump(mode="json"))
            for constitution in constitutions
            for principle in constitution.principles
        ],
        fewest=FEWEST_ROWS,
        most=MOST,
        cut=CUT,
        rows=[[last_text(text) for text in (row.prompt, row.chosen, row.rejected)] for row in by_prompt[:ROWS]],
        model=ON_THE_HUB,
        configs=configs,
        meanings=CONFIGS,
        origin=ORIGIN.split(),
        constitutions=constitutions,
        certificate=certificate or {"conclusions": (), "gates": ()},
        writers=writers(run),
        sources=source_licenses(run),
        gate=run.result("audit").totals.get("gate"),
        left_out=pairs.left_out if (pairs := run.result("dataset").funnel("pairs")) else {},
        written=run.result("dataset"),
    )


def replace_body(existing: str, body: str) -> str:
    """Replace the generated part of a card, or add it below a text that was written by hand."""
    start, end = existing.find(BEGIN), existing.rfind(END)
    if start < 0 or end < start:
        return f"{existing.strip()}\n\n{body}\n".lstrip("\n")
    return f"{existing[:start]}{body}{existing[end + len(END) :]}".strip("\n") + "\n"


def dataset_metadata(run: FinishedRun, settings: PublishSettings) -> dict[str, Any]:
    """Return the metadata that the Hub sorts and filters by; the push adds the configs."""
    rows = len(run.every_row)
    raters = {verdict.rater_kind for verdict in run.verdicts}
    facts = pair_facts(run.folder, run.manifest["stages"])
    tags = {
        "rlaif": "judge" in facts.decided_by,
        "constitutional-ai": bool(run.manifest["constitutions"]),
        "synthetic": any(candidate.kind != "imported" for candidate in run.candidates),
        **dict.fromkeys(("human-feedback", "rlhf"), "person" in facts.decided_by and not facts.are_people_simulated),
        "simulated": bool(run.manifest["simulated"]),
    }
    # whether people are experts or a crowd is theirs to say: `other` until the card is edited
    creators = {
        "machine-generated": raters & {"model", "verifier"},
        "other": raters & {"person", "truth", "unknown"} or not raters,
    }
    named = [str(source["dataset"]).partition("@")[0] for source in sources_in(run.settings) if source.get("dataset")]
    public = [name for name in named if not name.startswith((".", "/", "~")) and run.outgoing.file(name) == name]
    return {
        "pretty_name": run.manifest["name"],
        **license_metadata(settings, settings.license),
        **({"language": list(settings.language)} if settings.language else {}),
        "tags": ["amendment", "preference", "dpo", "trl", *(tag for tag, holds in tags.items() if holds)],
        "task_categories": ["text-generation"],
        "size_categories": [next((name for digits, name in SIZES if rows < 10**digits), "100M<n<1B")],
        "annotations_creators": [name for name, holds in creators.items() if holds],
        "source_datasets": list(dict.fromkeys(public)) or ["original"],
    }


def license_metadata(settings: PublishSettings, license: str) -> dict[str, str]:
    """Return the license as the Hub reads it; only `other` has a name."""
    name = settings.license_name if license == "other" else None
    return {"license": license, **({"license_name": name} if name else {})}


def merged_metadata(ours: Mapping[str, Any], theirs: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Merge our metadata with what people changed or added on the Hub. `before` is what the last push wrote: of that
    only what the run still says is kept."""
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
    """Return a whole README: metadata as YAML, then the body."""
    head = yaml.safe_dump(dict(metadata), sort_keys=False, allow_unicode=True, width=10_000)
    return f"---\n{head}---\n\n{body}"


def config_folder(config: str) -> str:
    """Return the folder of a config's files, which is also the one of the Hub's client."""
    return "data" if config == "default" else config


def card_configs(configs: Mapping[str, Iterable[str]]) -> list[dict[str, Any]]:
    """Return `configs:` for splits by config, by which `load_dataset` finds the files."""
    return [
        {
            "config_name": name,
            "data_files": [{"split": split, "path": f"{config_folder(name)}/{split}-*"} for split in splits],
        }
        for name, splits in configs.items()
    ]
