"""A judge is a folder of text: `judge.yaml` and its templates. It names no model, so one folder serves all, and two
judges can be diffed. Its protocol says by name what is shown, on which scale its verdicts are, and how they are read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field, field_validator

from amendment.errors import ConfigError, Problem
from amendment.files import write_text
from amendment.hashing import content_id
from amendment.plugins import source_key
from amendment.preference.protocols import PROTOCOLS, JudgeProtocol
from amendment.preference.protocols.contract import Unit
from amendment.preference.protocols.question import Sees
from amendment.records import Criterion, Part, Scale
from amendment.text import Template
from amendment.yamlfile import Document, did_you_mean, read_yaml, validate

_LIBRARY = Path(str(files("amendment.preference"))) / "judges"

MOST_BYTES = 1_000_000
"""The limit of a template, which is part of every question."""

FileName = Annotated[str, Field(pattern=r"^[\w.-]+$")]
RETIRED = {
    "structured": "protocol: verdict with structured: true",
    "reasoned-tokens": "reasoned, or label-tokens",
    "listwise": "verdict; judging.ranking: adaptive spares comparisons",
}
"""Replacements of removed protocols and judges."""


class _JudgeFile(Part):
    """The content of `judge.yaml`."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)
    version: str = Field(pattern=r"^[A-Za-z0-9.+-]+$", max_length=64)
    protocol: str
    structured: bool = False
    sees: Sees = "answer"
    shots: bool | None = None
    prefill: str | None = Field(default=None, pattern=r"\S$", max_length=1000)
    template: FileName | None = None
    templates: dict[str, FileName] = Field(default={})
    criteria: tuple[Criterion, ...] = ()

    @field_validator("protocol")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name in RETIRED:
            raise ValueError(f"there is no protocol {name} any more; use {RETIRED[name]}")
        if name not in PROTOCOLS:
            raise ValueError(f"found {name!r}, expected one of {', '.join(PROTOCOLS)}")
        return name


class JudgeFolder(NamedTuple):
    """A judge's texts, ready to be filled."""

    id: str
    version: str
    protocol: JudgeProtocol
    """How it asks, and how its replies are read."""
    sees: Sees
    shots: bool
    """The constitution's worked comparisons are shown before the question."""
    prefill: str | None
    """Text that the answer begins with, where the model can continue it; the label comes next."""
    templates: Mapping[str, Template]
    """Templates by their use, in the order of the protocol."""
    criteria: tuple[Criterion, ...]
    """The folder's own criteria, for a rubric."""
    hash: str
    """The hash of the folder's content, without comments and path."""

    @property
    def unit(self) -> Unit:
        return self.protocol.unit

    @property
    def scale(self) -> Scale:
        return self.protocol.scale

    @property
    def compares(self) -> bool:
        """Return True where verdicts say which of two answers is better; a written yes or no about one answer does
        not."""
        return self.scale != "binary" or self.protocol.needs_choices

    @property
    def has_principle(self) -> bool:
        """Return True where the text contains the principle; a text without one asks the same of every answer."""
        return "{principle}" in self.template.text

    @property
    def asks_by_principle(self) -> bool:
        """Return True where each question is asked by a principle of a constitution."""
        return self.compares or self.has_principle

    @property
    def template(self) -> Template:
        """Return the text that shows what is judged."""
        return next(iter(self.templates.values()))


def shipped_judges() -> tuple[str, ...]:
    """Return the ids of the judges that come with the package."""
    return tuple(sorted(folder.name for folder in _LIBRARY.iterdir() if (folder / "judge.yaml").is_file()))


def load_judge_folder(name: str | Path, *, base: Path | None = None) -> JudgeFolder:
    """Return a shipped judge by its id, or a folder of one's own by its path (relative to `base`).

    Raises ConfigError when there is no such judge or its texts are wrong.
    """
    folder = _find(name, base)
    document = read_yaml(folder / "judge.yaml")
    spec = validate(document, _JudgeFile)
    protocol = PROTOCOLS[spec.protocol]
    if spec.structured and protocol.structured:
        protocol = protocol.structured
    problems = [Problem(document.place(loc), message) for loc, message in _misfits(spec, protocol)]
    if problems:
        raise ConfigError(problems)
    templates = _templates(folder, document, spec, protocol)
    shots = protocol.shot is not None if spec.shots is None else spec.shots
    content: dict[str, Any] = {
        **spec.model_dump(mode="json", exclude={"template", "templates"}, exclude_defaults=True),
        "scale": protocol.scale,
        "parser": protocol.parser_name,
        "shots": shots,
        "texts": {use: template.text for use, template in templates.items()},
        **source_key(type(protocol)),
    }
    return JudgeFolder(
        spec.id,
        spec.version,
        protocol,
        spec.sees,
        shots,
        spec.prefill,
        templates,
        spec.criteria,
        content_id(content),
    )


def copy_judge_folder(name: str | Path, target: Path, *, base: Path | None = None) -> list[Path]:
    """Copy a judge (a shipped id, or a path) to a new or empty folder, to be edited; returns the files.

    The copy's id is the new folder's name, so that verdicts of the two stay apart. Raises ConfigError when there is no
    such judge, or when something is in the way.
    """
    judge = load_judge_folder(name, base=base)
    folder = _find(name, base)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{target}: found something here, expected a new or empty folder; choose another")
    id = re.sub(r"[^a-z0-9]+", "-", target.absolute().name.lower()).strip("-")[:64]
    if not id or id == judge.id or id in shipped_judges():
        id = f"our-{judge.id}"[:64]
    spec = validate(read_yaml(folder / "judge.yaml"), _JudgeFile)
    written = []
    for file in ("judge.yaml", *dict.fromkeys([*([spec.template] if spec.template else []), *spec.templates.values()])):
        text = (folder / file).read_text(encoding="utf-8")
        if file == "judge.yaml":
            text = re.sub(r"^id:.*$", f"id: {id}", text, count=1, flags=re.MULTILINE)
        write_text(target / file, text)
        written.append(target / file)
    return written


def _misfits(spec: _JudgeFile, protocol: JudgeProtocol) -> Iterator[tuple[tuple[str, ...], str]]:
    """Settings that contradict each other, each with its place and the reason."""
    name = spec.protocol
    if spec.structured and protocol is PROTOCOLS[name]:
        yield ("structured",), f"found true in protocol {name}, expected it in protocol verdict alone"
    if spec.shots and not protocol.shot:
        reason = "worked comparisons hold a verdict and nothing else, and would teach this judge to say no more"
        yield ("shots",), f"found true, expected false for protocol {name}: {reason}"
    if spec.prefill and not protocol.choices:
        yield ("prefill",), f"found a text in protocol {name}, expected it where the label that follows is a token"
    if spec.criteria and not protocol.takes_criteria:
        yield ("criteria",), f"found criteria in protocol {name}, expected them in protocol rubric alone"
    if len({criterion.id for criterion in spec.criteria}) < len(spec.criteria):
        yield ("criteria",), "found two criteria of one id, expected different ids"
    wanted = ", ".join(protocol.templates)
    if len(protocol.templates) == 1 and spec.templates:
        yield ("templates",), f"protocol {name} has one text: name its file under template"
    elif len(protocol.templates) == 1 and spec.template is None:
        yield (), "found no template, expected the name of a file in this folder"
    elif len(protocol.templates) > 1 and spec.template is not None:
        yield ("template",), f"protocol {name} has several texts: name files under templates, for {wanted}"
    elif len(protocol.templates) > 1 and set(spec.templates) != set(protocol.templates):
        given = ", ".join(spec.templates) or "none"
        yield ("templates",) if spec.templates else (), f"found templates {given}, expected {wanted}"


def _templates(folder: Path, document: Document, spec: _JudgeFile, protocol: JudgeProtocol) -> dict[str, Template]:
    placeholders = frozenset({*protocol.optional, *protocol.placeholders})
    templates: dict[str, Template] = {}
    for use in protocol.templates:
        loc = ("template",) if spec.template else ("templates", use)
        name = spec.template or spec.templates[use]
        try:
            text = _template_text(folder, name, protocol)
        except ValueError as fault:
            raise ConfigError([Problem(document.place(loc), str(fault))]) from fault
        templates[use] = Template(text, placeholders=placeholders, place=str(folder / name))
    return templates


def _template_text(folder: Path, name: str, protocol: JudgeProtocol) -> str:
    """Return the template's text. Raises ValueError; the text goes to providers, so a link must not fetch another
    file."""
    path = folder / name
    if not path.is_file():
        raise ValueError(f"no file {name} in {folder}")
    if path.resolve().parent != folder.resolve():
        raise ValueError(f"{name} is a link that leaves {folder}; put a copy of the file there")
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise ValueError(f"{name} has {size:,} bytes, expected {MOST_BYTES:,} at most; it is sent with every question")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as fault:
        raise ValueError(f"{name} is not UTF-8 text (byte {fault.start}); save the file as UTF-8") from fault
    is_by_principle = protocol.scale == "binary" and "{question}" in text
    needed = (*protocol.placeholders, "principle") if is_by_principle else protocol.placeholders
    absent = [placeholder for placeholder in needed if f"{{{placeholder}}}" not in text]
    if absent:
        raise ValueError(f"{name} lacks the placeholder {{{absent[0]}}}; a judge must see what it judges")
    return text


def _find(name: str | Path, base: Path | None) -> Path:
    known = shipped_judges()
    if str(name) in known:
        return _LIBRARY / str(name)
    folder = (base or Path()) / name
    if not (folder / "judge.yaml").is_file():
        if str(name) in RETIRED:
            raise ConfigError(f"judge {name} is no longer shipped; use {RETIRED[str(name)]}")
        hint = did_you_mean(str(name), known)
        listed = ", ".join(known)
        raise ConfigError(f"no judge {str(name)!r}{hint}; shipped are {listed}, or name a folder with a judge.yaml")
    return folder


def judge_values(folder: JudgeFolder) -> dict[str, Any]:
    """Return a judge's content as JSON values, with its hash."""
    return {
        **_heads(folder),
        "criteria": [criterion.model_dump(mode="json") for criterion in folder.criteria],
        "templates": {use: template.text for use, template in folder.templates.items()},
        "hash": folder.hash,
    }


def judge_lines(folder: JudgeFolder) -> list[str]:
    """Return a judge described for people: its keys, its hash, its criteria and its texts."""
    lines = [f"{name}: {json.dumps(value).strip(chr(34))}" for name, value in _heads(folder).items()]
    lines += [
        f"criterion {criterion.id}: {criterion.model_dump(mode='json', exclude={'id'})}"
        for criterion in folder.criteria
    ]
    lines.append(f"hash: {folder.hash}")
    for use, template in folder.templates.items():
        lines += ["", f"--- {use}", *template.text.splitlines()]
    return lines


def _heads(folder: JudgeFolder) -> dict[str, Any]:
    protocol = folder.protocol
    return {
        "id": folder.id,
        "version": folder.version,
        "protocol": protocol.name,
        "unit": protocol.unit,
        "scale": protocol.scale,
        "parser": protocol.parser_name,
        "sees": folder.sees,
        "shots": folder.shots,
        "prefill": folder.prefill,
    }
