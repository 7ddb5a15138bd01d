"""A judge is a folder of text: `judge.yaml` and its templates. It names no model, so one folder serves all, and two
judges can be diffed. Its protocol says by name what is shown, on which scale its verdicts are, and how they are read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, field_validator

from amendment.errors import ConfigError, Problem
from amendment.files import write_text
from amendment.hashing import content_id
from amendment.llm.requests import Reply
from amendment.preference.parsers import LABELS, PARSERS, SCORES, YES_NO, Parsed, Parser
from amendment.records import Criterion, Part, Scale
from amendment.text import Template
from amendment.yamlfile import Document, did_you_mean, read_yaml, validate

_LIBRARY = Path(str(files("amendment.preference"))) / "judges"

MOST_BYTES = 1_000_000
"""The limit of a template, which is part of every question."""

Unit = Literal["pair", "answer"]
"""pair: two answers side by side; answer: one by itself."""
FileName = Annotated[str, Field(pattern=r"^[\w.-]+$")]
Sees = Literal["answer", "trace"]


class Protocol(NamedTuple):
    """The properties of a protocol that its folder's texts do not change."""

    unit: Unit
    scale: Scale
    parser: str
    needed: tuple[str, ...]
    """Placeholders without which a text would not show what is judged."""
    templates: tuple[str, ...] = ("ask",)
    """Names of its texts; where it is one, `template` in judge.yaml names the file."""
    choices: tuple[str, ...] = ()
    """Words whose probabilities as the next token are read."""
    needs_choices: bool = False
    """The model must show them; otherwise a written verdict takes their place."""
    is_likelihood: bool = False
    """The model must return the log-probability of a given answer, and every principle needs an opposite."""
    takes_shots: bool = False
    """Worked comparisons, which hold a verdict and no reasoning, can stand before the question."""


RETIRED = {
    "structured": "protocol: verdict with structured: true",
    "reasoned-tokens": "reasoned, or label-tokens",
    "listwise": "verdict; judging.ranking: adaptive spares comparisons",
}
"""Replacements of removed protocols and judges."""

_PAIR = ("conversation", "answer_a", "answer_b")
_ALONE = ("conversation", "candidate")

PROTOCOLS: dict[str, Protocol] = {
    "verdict": Protocol("pair", "pair", "verdict-line", _PAIR, takes_shots=True),
    "reasoned": Protocol("pair", "pair", "verdict-line", _PAIR),
    "label-tokens": Protocol(
        "pair", "pair", "label-tokens", _PAIR, choices=LABELS, needs_choices=True, takes_shots=True
    ),
    "score": Protocol("answer", "score", "score", _ALONE, ("tokens", "written"), choices=SCORES),
    "rubric": Protocol("answer", "ordinal", "rubric-lines", (*_ALONE, "criteria")),
    "yes-no": Protocol("answer", "binary", "yes-no-line", _ALONE),
    "yes-no-tokens": Protocol("answer", "binary", "yes-no-tokens", _ALONE, choices=YES_NO, needs_choices=True),
    "likelihood": Protocol("answer", "log_odds", "likelihood", ("principle",), is_likelihood=True),
}


def register_protocol(
    name: str, read: Callable[[Reply], Parsed], *, form: str, unit: Unit = "pair", scale: Scale = "pair"
) -> None:
    """Let judges have a protocol of one's own: `read` makes a value of a reply, or says why there is none.

    `form` is the expected form of a reply, quoted to the model once when one could not be read. Values are those of
    `scale`: of pair "A", "B" or "tie", of score 1 to 10, of binary a truth, of log_odds any number. Raises
    ValueError for a name that is taken.
    """
    if name in PROTOCOLS or name in PARSERS:
        raise ValueError(f"there is a protocol {name} already; choose another name")
    PARSERS[name] = Parser(read, form)
    PROTOCOLS[name] = Protocol(unit, scale, name, _PAIR if unit == "pair" else _ALONE)


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
    protocol: str
    is_structured: bool
    """The verdict is one JSON object, held to a schema where the provider can do that."""
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
        return PROTOCOLS[self.protocol].unit

    @property
    def scale(self) -> Scale:
        return PROTOCOLS[self.protocol].scale

    @property
    def parser(self) -> str:
        return "verdict-json" if self.is_structured else PROTOCOLS[self.protocol].parser

    @property
    def needs_choices(self) -> bool:
        """True where the model must return the probabilities of label tokens."""
        return PROTOCOLS[self.protocol].needs_choices

    @property
    def is_likelihood(self) -> bool:
        """True where the model must return the log-probability of a given answer, by a principle and its opposite."""
        return PROTOCOLS[self.protocol].is_likelihood

    @property
    def compares(self) -> bool:
        """True where verdicts say which of two answers is better; a written yes or no about one answer does not."""
        return self.scale != "binary" or self.needs_choices

    @property
    def has_principle(self) -> bool:
        """True where the text contains the principle; a text without one asks the same of every answer."""
        return "{principle}" in self.template.text

    @property
    def asks_by_principle(self) -> bool:
        """True where each question is asked by a principle of a constitution."""
        return self.compares or self.has_principle

    def choices(self, *, shown: bool) -> tuple[str, ...]:
        """Words whose probabilities are read, for a model that returns them (`shown`) or not; empty for a judge that
        reads none."""
        return PROTOCOLS[self.protocol].choices if self.needs_choices or shown else ()

    @property
    def template(self) -> Template:
        """The text that shows what is judged."""
        return next(iter(self.templates.values()))


def shipped_judges() -> tuple[str, ...]:
    """The ids of the judges that come with the package."""
    return tuple(sorted(folder.name for folder in _LIBRARY.iterdir() if (folder / "judge.yaml").is_file()))


def load_judge_folder(name: str | Path, *, base: Path | None = None) -> JudgeFolder:
    """A shipped judge by its id, or a folder of one's own by its path (relative to `base`).

    Raises ConfigError when there is no such judge or its texts are wrong.
    """
    folder = _find(name, base)
    document = read_yaml(folder / "judge.yaml")
    spec = validate(document, _JudgeFile)
    protocol = PROTOCOLS[spec.protocol]
    problems = [Problem(document.place(loc), message) for loc, message in _misfits(spec, protocol)]
    if problems:
        raise ConfigError(problems)
    templates = _templates(folder, document, spec, protocol)
    shots = protocol.takes_shots and not spec.structured if spec.shots is None else spec.shots
    content: dict[str, Any] = {
        **spec.model_dump(mode="json", exclude={"template", "templates"}, exclude_defaults=True),
        "scale": protocol.scale,
        "parser": "verdict-json" if spec.structured else protocol.parser,
        "shots": shots,
        "texts": {use: template.text for use, template in templates.items()},
    }
    return JudgeFolder(
        spec.id,
        spec.version,
        spec.protocol,
        spec.structured,
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
    judge, folder = load_judge_folder(name, base=base), _find(name, base)
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


def _misfits(spec: _JudgeFile, protocol: Protocol) -> Iterator[tuple[tuple[str, ...], str]]:
    """Settings that contradict each other, each with its place and the reason."""
    name = spec.protocol
    if spec.structured and name != "verdict":
        yield ("structured",), f"found true in protocol {name}, expected it in protocol verdict alone"
    if spec.shots and (spec.structured or not protocol.takes_shots):
        reason = "worked comparisons hold a verdict and nothing else, and would teach this judge to say no more"
        yield ("shots",), f"found true, expected false for protocol {name}: {reason}"
    if spec.prefill and not protocol.choices:
        yield ("prefill",), f"found a text in protocol {name}, expected it where the label that follows is a token"
    if spec.criteria and name != "rubric":
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


def _templates(folder: Path, document: Document, spec: _JudgeFile, protocol: Protocol) -> dict[str, Template]:
    shared = () if protocol.is_likelihood else ("conversation", "principle", "question")
    placeholders = frozenset({*shared, *protocol.needed})
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


def _template_text(folder: Path, name: str, protocol: Protocol) -> str:
    """The template's text. Raises ValueError; the text goes to providers, so a link must not fetch another file."""
    path = folder / name
    if not path.is_file():
        raise ValueError(f"no file {name} in {folder}")
    if path.resolve().parent != folder.resolve():
        raise ValueError(f"{name} is a link that leaves {folder}; put a copy of the file there")
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise ValueError(f"{name} has {size:,} bytes, expected {MOST_BYTES:,} at most; every question sends it along")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as fault:
        raise ValueError(f"{name} is not UTF-8 text (byte {fault.start}); save the file as UTF-8") from fault
    is_by_principle = protocol.scale == "binary" and "{question}" in text
    needed = (*protocol.needed, "principle") if is_by_principle else protocol.needed
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
        hint, listed = did_you_mean(str(name), known), ", ".join(known)
        raise ConfigError(f"no judge {str(name)!r}{hint}; shipped are {listed}, or name a folder with a judge.yaml")
    return folder


_HEADS = ("id", "version", "protocol", "unit", "scale", "parser", "sees", "shots", "prefill")


def judge_values(folder: JudgeFolder) -> dict[str, Any]:
    """A judge's content as JSON values, with its hash."""
    return {
        **{name: getattr(folder, name) for name in _HEADS},
        "criteria": [criterion.model_dump(mode="json") for criterion in folder.criteria],
        "templates": {use: template.text for use, template in folder.templates.items()},
        "hash": folder.hash,
    }


def judge_lines(folder: JudgeFolder) -> list[str]:
    """A judge described for people: its keys, its hash, its criteria and its texts."""
    lines = [f"{name}: {json.dumps(getattr(folder, name)).strip(chr(34))}" for name in _HEADS]
    lines += [
        f"criterion {criterion.id}: {criterion.model_dump(mode='json', exclude={'id'})}"
        for criterion in folder.criteria
    ]
    lines.append(f"hash: {folder.hash}")
    for use, template in folder.templates.items():
        lines += ["", f"--- {use}", *template.text.splitlines()]
    return lines
