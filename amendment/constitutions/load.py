"""Loads a constitution by id or path, merges its parents' principles, and writes one to a file.

Covered: shipped constitutions by id, files by path, parents of parents; a cycle is named; every problem of
every file involved is reported at once.
A file that is written reads back as the same constitution; what is left at its default is left out, and parents are
merged in, so that it stands alone.
Not covered: matters of taste. Only the linter's errors refuse a file, its warnings do not.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import BaseModel

from amendment.constitutions.linter import Finding, lint
from amendment.constitutions.model import Constitution, FewShot, Principle
from amendment.errors import ConfigError, Problem
from amendment.files import write_text
from amendment.simulator.roles import CONSTITUTION
from amendment.yamlfile import Document, did_you_mean, parse_yaml, read_yaml, validate

MAX_PARENTS = 20
"""Generations of parents that are followed."""

_LIBRARY = {path.stem: path for path in [*(Path(__file__).parent / "library").glob("*.yaml"), CONSTITUTION]}
"""Shipped constitutions by their ids, that of the simulated world among them."""


def shipped() -> tuple[str, ...]:
    """Return ids of the constitutions that come with the package, sorted."""
    return tuple(sorted(_LIBRARY))


def load_constitution(ref: str | Path, *, base: Path | None = None) -> Constitution:
    """Return a constitution with its parents' principles first.

    `ref` is the id of a shipped constitution, or a path: it contains a `/` or ends in .yaml, .yml or .json, and is
    relative to the folder `base`. Raises ConfigError with every problem of the file and its parents.
    """
    reader = _ConstitutionReader()
    name = str(ref)
    path = _find_path(name, base)
    if path is None:
        raise ConfigError([Problem("", _unknown(name))])
    reader.read(path)
    if reader.problems:
        raise ConfigError(reader.problems)
    return reader.merged()


def lint_file(path: str | Path, *, categories: Iterable[str] | None = None) -> list[Finding]:
    """Return everything wrong or doubtful in a file (or a shipped constitution), with places.

    Bad content is a finding, never an exception. `categories` are those of the prompts, where they are known.
    """
    reader = _ConstitutionReader(categories=categories)
    shipped_path = _find_path(str(path), None)
    if shipped_path is None and not _exists(Path(path)):
        return [Finding("error", "", _unknown(str(path)))]
    reader.read(shipped_path or Path(path))
    errors = [Finding("error", problem.place, problem.message) for problem in reader.problems]
    return [error for error in errors if error not in reader.findings] + reader.findings


def _find_path(ref: str, base: Path | None) -> Path | None:
    """Find a file or a shipped constitution; None for an id that is not shipped."""
    if "/" in ref or ref.endswith((".yaml", ".yml", ".json")):
        return (base or Path()) / ref
    return _LIBRARY.get(ref)


def _unknown(ref: str) -> str:
    ids = shipped()
    if _exists(Path(ref)):
        problem = f"'{ref}' is a file that ends in neither .yaml nor .json"
        return f"{problem}; amendment constitution import makes a constitution of it"
    return (
        f"there is no constitution '{ref}'{did_you_mean(ref, ids)}; shipped are {', '.join(ids)}; "
        f"a file is named by its path, such as ./{ref}.yaml"
    )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


class _Part(NamedTuple):
    document: Document
    constitution: Constitution


class _ConstitutionReader:
    """Reads a file and its parents, each once, parents first."""

    def __init__(self, categories: Iterable[str] | None = None) -> None:
        self.problems: list[Problem] = []
        self.findings: list[Finding] = []
        """Findings about the requested file; for parents only errors are reported."""
        self._categories = None if categories is None else tuple(categories)
        self._parts: list[_Part] = []
        self._done: set[Path] = set()
        self._open: list[Path] = []

    def read(self, path: Path) -> None:
        """Add the file and its parents; what is wrong is kept in `problems`."""
        try:
            document = read_yaml(path)
            constitution = validate(document, Constitution)
        except ConfigError as error:
            self.problems += error.problems
            return
        self._open.append(path)
        for index, ref in enumerate(constitution.extends):
            self._read_parent(document, index, ref, path)
        self._open.pop()
        self._check(document, constitution)
        self._parts.append(_Part(document, constitution))
        self._done.add(path.resolve())

    def _read_parent(self, document: Document, index: int, ref: str, child: Path) -> None:
        path = _find_path(ref, child.parent)
        refusal = _unknown(ref) if path is None else self._refusal(path, ref)
        if refusal is not None:
            self.problems.append(document.problem(("extends", index), refusal))
        elif path is not None and path.resolve() not in self._done:
            self.read(path)

    def _refusal(self, path: Path, ref: str) -> str | None:
        if not _exists(path):
            return f"there is no file '{ref}' in the folder of this one"
        opened = [each.resolve() for each in self._open]
        if path.resolve() in opened:
            circle = [str(each) for each in self._open[opened.index(path.resolve()) :]]
            return f"the constitutions extend each other in a circle: {' -> '.join([*circle, circle[0]])}"
        if len(opened) >= MAX_PARENTS:
            return f"found more than {MAX_PARENTS} generations of parents, expected at most {MAX_PARENTS}"
        return None

    def _check(self, document: Document, constitution: Constitution) -> None:
        inherited = tuple(_merge_principles(part.constitution for part in self._parts))
        findings = lint(constitution, document, categories=self._categories, inherited=inherited)
        self.problems += [Problem(each.place, each.message) for each in findings if each.level == "error"]
        self.findings = findings

    def merged(self) -> Constitution:
        """Return the file that was asked for, with what its parents say before what it says."""
        own = self._parts[-1].constitution
        if not own.extends:
            return own
        everything = [part.constitution for part in self._parts]
        return own.model_copy(
            update={"principles": tuple(_merge_principles(everything)), "few_shot": _merge_few_shot(everything)}
        )


def _merge_principles(constitutions: Iterable[Constitution]) -> Iterable[Principle]:
    merged: dict[str, Principle] = {}
    for constitution in constitutions:
        merged |= {principle.id: principle for principle in constitution.principles}
    return merged.values()


def _merge_few_shot(constitutions: Iterable[Constitution]) -> FewShot:
    shots = [constitution.few_shot for constitution in constitutions]
    return FewShot(
        critique=tuple(example for shot in shots for example in shot.critique),
        revise=tuple(example for shot in shots for example in shot.revise),
        compare=tuple(example for shot in shots for example in shot.compare),
    )


# Writing.

WIDTH = 118
_NUMBER = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?|0[xo]\w+")
"""Matches numbers of YAML 1.2 that may be text in YAML 1.1, whose rules decide where PyYAML puts quotes."""
_SCHEMA = Path(__file__).parent / "schemas" / "constitution.schema.json"


def write_constitution(constitution: Constitution, path: str | Path, *, replace: bool = False) -> None:
    """Write the constitution to a YAML file that `load_constitution` reads back as it is.

    Raises ConfigError, and leaves what is there, where a file exists and `replace` is not set, and where
    no file can hold the constitution: control characters, more than 1 MB.
    """
    path = Path(path)
    if path.exists() and not replace:
        raise ConfigError([Problem(str(path), "already exists; name another file, or replace it with --force")])
    schema = Path(os.path.relpath(_SCHEMA, path.resolve().parent)).as_posix()
    text = f"# yaml-language-server: $schema={schema}\n\n{constitution_yaml(constitution)}"
    parse_yaml(text, str(path))
    write_text(path, text)


def constitution_yaml(part: BaseModel) -> str:
    """Return a constitution, or a part of one, as YAML text; parents are merged in already."""
    content = part.model_dump(exclude={"extends"}, exclude_none=True, exclude_defaults=True)
    text = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH)
    text = re.sub(r"^(?=principles:|few_shot:)", "\n", text, flags=re.MULTILINE)
    return re.sub(r"(?<!principles:)\n(?=  - id: )", "\n\n", text)


class _Dumper(yaml.SafeDumper):
    """Writes what readers of YAML 1.1 and of 1.2 take for the same texts."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = None
    if not text.replace("\n", "").isprintable() or _NUMBER.fullmatch(text):
        style = '"'
    elif "\n" in text:
        style = "|"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


def _represent_list(dumper: yaml.SafeDumper, values: Any) -> yaml.Node:
    is_words = all(isinstance(value, str) and re.fullmatch("[a-z-]{1,20}", value) for value in values)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=is_words)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(tuple, _represent_list)
