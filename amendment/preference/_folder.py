"""A judge is a folder of text: `judge.yaml` and its template. It names no model, so one folder serves all."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from amendment.errors import ConfigError, Problem
from amendment.preference.parsers import PARSERS
from amendment.templates import Template
from amendment.yamlfile import did_you_mean, read_yaml, validate

__all__ = ["JudgeFolder", "load_judge_folder", "shipped_judges"]

_HOLES = frozenset({"conversation", "answer_a", "answer_b", "principle", "question"})
_NEEDED = ("answer_a", "answer_b")
_LIBRARY = Path(str(files("amendment.preference"))) / "judges"


class _JudgeFile(BaseModel):
    """The content of `judge.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    version: str
    protocol: Literal["compare"]
    scale: Literal["pair"]
    parser: Literal["label-tokens", "verdict-line"]
    sees: Literal["answer", "trace"] = "answer"
    template: str = Field(pattern=r"^[\w.-]+$")


class JudgeFolder(NamedTuple):
    """A judge's texts, ready to be filled."""

    id: str
    version: str
    parser: str
    sees: Literal["answer", "trace"]
    template: Template

    @property
    def needs_choices(self) -> bool:
        """Whether the model must show the probabilities of label tokens."""
        return PARSERS[self.parser].needs_choices


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
    try:
        text = _template_text(folder, spec.template)
    except ValueError as fault:
        raise ConfigError([Problem(document.place(("template",)), str(fault))]) from fault
    template = Template(text, holes=_HOLES, place=str(folder / spec.template))
    return JudgeFolder(spec.id, spec.version, spec.parser, spec.sees, template)


def _template_text(folder: Path, name: str) -> str:
    """The template's text. Raises ValueError; the text goes to providers, so a link must not fetch another file."""
    path = folder / name
    if not path.is_file():
        raise ValueError(f"no file {name} in {folder}")
    if path.resolve().parent != folder.resolve():
        raise ValueError(f"{name} is a link that leaves {folder}; put a copy of the file there")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as fault:
        raise ValueError(f"{name} is not UTF-8 text (byte {fault.start}); save the file as UTF-8") from fault
    absent = [hole for hole in _NEEDED if f"{{{hole}}}" not in text]
    if absent:
        raise ValueError(f"{name} lacks the hole {{{absent[0]}}}; a judge must see both answers")
    return text


def _find(name: str | Path, base: Path | None) -> Path:
    if str(name) in shipped_judges():
        return _LIBRARY / str(name)
    folder = (base or Path()) / name
    if not (folder / "judge.yaml").is_file():
        known = shipped_judges()
        hint = did_you_mean(str(name), known)
        listed = ", ".join(known)
        raise ConfigError(f"no judge {str(name)!r}{hint}; shipped are {listed}, or name a folder with a judge.yaml")
    return folder
