"""Other people's constitutions, from a user's own copy of their files: one of ours is made of them.

Covered: the prompt files of the Constitutional AI paper, Hugging Face's constitutions, plain lists of statements; told
apart by what they hold. What models read stays word for word; an export gives the files back.
Not covered: what the licence of the texts allows. It is asked for, and never guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from amendment.constitutions._cai_paper import FILES, File, Kind, gather_cai_paper, kind_of
from amendment.constitutions._foreign import Problems, check_count, check_file, problem, read_json, read_text
from amendment.constitutions._huggingface import gather_huggingface, is_huggingface
from amendment.constitutions._linter import Finding, lint
from amendment.constitutions._models import Constitution, FewShot, Source
from amendment.constitutions._naming import is_slug
from amendment.constitutions._originals import Gathered
from amendment.constitutions._statements import (
    TABLES,
    Statement,
    gather_statements,
    statements_of_list,
    statements_of_table,
    statements_of_text,
)
from amendment.errors import ConfigError, DataError, Problem

__all__ = ["ImportFormat", "Imported", "import_constitution"]

ImportFormat = Literal["cai-paper", "huggingface", "statements"]
_PLAIN = (".txt", ".md")


class Imported(NamedTuple):
    """A constitution made of foreign files."""

    constitution: Constitution
    format: ImportFormat
    notes: tuple[str, ...]
    """What was not taken over, or is kept for an export alone."""
    findings: tuple[Finding, ...]
    """What the linter doubts; no errors."""


class _File(NamedTuple):
    """A file whose format is known."""

    path: Path
    format: ImportFormat
    value: Any
    """JSON, or the text of a list of statements; nothing for a table."""


def import_constitution(
    files: Sequence[str | Path],
    *,
    id: str,
    license: str,
    format: ImportFormat | Literal["auto"] = "auto",
    title: str | None = None,
    document: str | None = None,
    column: str | None = None,
) -> Imported:
    """The constitution that the files hold together.

    `license` is the SPDX id under which the texts may be used. `title` is by default made of the id. `document` says
    where the texts come from, by default the names of the files. `column` names the statements of a table.
    Raises ConfigError for a head that no constitution can have, DataError with every problem of the files.
    """
    if not files:
        raise DataError("found no files, expected at least one")
    names = ", ".join(Path(file).name for file in files)
    shown = title or id.replace("-", " ").replace("_", " ").capitalize()
    _check_head({"id": id, "license": license, "title": shown, "document": document or names})
    read = _read_files([Path(file) for file in files], format)
    gathered = _gather(read, column)
    constitution = Constitution(
        id=id,
        version="1.0.0",
        title=shown,
        license=license,
        source=Source(kind="imported", document=document or names, originals=gathered.originals()),
        principles=tuple(gathered.principles),
        few_shot=FewShot(
            critique=tuple(gathered.critique), revise=tuple(gathered.revise), compare=tuple(gathered.compare)
        ),
    )
    return Imported(constitution, read[0].format, tuple(gathered.notes), _findings(constitution, names))


def _check_head(head: dict[str, str]) -> None:
    problems = [Problem(key, "found an empty text, expected text") for key, text in head.items() if not text.strip()]
    if not head["license"].strip():
        problems = [Problem("license", "found none, expected an SPDX id such as CC0-1.0; it is never guessed")]
    elif not is_slug(head["id"]):
        expected = "expected lower-case letters, digits and hyphens, such as our-rules"
        problems.append(Problem("id", f"found '{head['id'][:60]}', {expected}"))
    if problems:
        raise ConfigError(problems)


def _read_files(paths: Sequence[Path], format: ImportFormat | Literal["auto"]) -> list[_File]:
    problems = Problems()
    read = [problems.attempt(partial(_read, path, format)) for path in paths]
    problems.check()
    files = [file for file in read if file is not None]
    formats = dict.fromkeys(file.format for file in files)
    if len(formats) > 1:
        told = ", ".join(f"{file.path} is {file.format}" for file in files)
        raise DataError(f"found several formats, expected one: {told}; import each, and put them together by `extends`")
    return files


def _read(path: Path, format: ImportFormat | Literal["auto"]) -> _File:
    if path.suffix.lower() in TABLES and format in ("auto", "statements"):
        check_file(path)
        return _File(path, "statements", None)
    if path.suffix.lower() in (".yaml", ".yml"):
        raise problem(str(path), "this is a YAML file; a constitution is used by its path and needs no import")
    text = read_text(path)
    is_json = path.suffix.lower() not in _PLAIN and (path.suffix.lower() == ".json" or text.lstrip()[:1] in ("[", "{"))
    if format == "statements" or (format == "auto" and not is_json):
        return _File(path, "statements", read_json(text, str(path)) if is_json else text)
    value = read_json(text, str(path))
    return _File(path, _format_of(value, str(path)) if format == "auto" else format, value)


def _format_of(value: Any, name: str) -> ImportFormat:
    if is_huggingface(value):
        return "huggingface"
    if kind_of(value) is not None:
        return "cai-paper"
    if isinstance(value, list) and any(isinstance(each, str) for each in value):
        return "statements"
    if isinstance(value, dict) and "principles" in value:
        raise problem(name, f"this is a constitution already; use it by its path, such as ./{Path(name).name}")
    shapes = "prompt files of the Constitutional AI paper, {constitutions, system_chat}, or a list of statements"
    raise problem(name, f"found no shape that is known, expected {shapes}")


def _gather(files: Sequence[_File], column: str | None) -> Gathered:
    match files[0].format:
        case "cai-paper":
            return gather_cai_paper(_by_kind(files))
        case "huggingface":
            if len(files) > 1:
                raise problem(str(files[1].path), "a second file, expected one; import each for itself")
            return gather_huggingface(files[0].value, str(files[0].path))
        case "statements":
            return gather_statements([each for file in files for each in _statements(file, column)])


def _by_kind(files: Sequence[_File]) -> dict[Kind, File]:
    found: dict[Kind, File] = {}
    by_name = {name: kind for kind, name in FILES.items()}
    for file in files:
        kind = kind_of(file.value) or by_name.get(file.path.name)
        if kind is None:
            raise problem(str(file.path), f"none of the paper's files: {', '.join(FILES.values())}")
        if kind in found:
            raise problem(str(file.path), f"the same kind of file as {found[kind].name} ({FILES[kind]}); name one")
        found[kind] = File(str(file.path), file.value)
    return found


def _statements(file: _File, column: str | None) -> list[Statement]:
    if file.value is None:
        return statements_of_table(file.path, column)
    if column is not None:
        raise problem(str(file.path), "found no table, so there is no column; leave --column out")
    read = statements_of_text if isinstance(file.value, str) else statements_of_list
    return read(file.value, str(file.path))


def _findings(constitution: Constitution, names: str) -> tuple[Finding, ...]:
    check_count(len(constitution.principles), names)
    if not constitution.principles:
        known = f"{FILES['critique-requests']} or {FILES['compare-questions']}"
        raise problem(names, f"found worked examples and no principles; import {known} along with them")
    findings = lint(constitution)
    errors = [Problem(each.place, each.message) for each in findings if each.level == "error"]
    if errors:
        raise DataError(errors)
    return tuple(findings)
