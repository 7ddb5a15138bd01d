"""A constitution in other people's formats, with what each of them cannot hold named.

Covered: the prompt files of the Constitutional AI paper, Hugging Face's constitutions, statements as text, JSON or a
table, and our own content as JSON. What was imported comes back as it was, where nobody changed it since.
Not covered: a place for what a format has no place for; it is left out, and told.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from amendment.constitutions._cai_paper import FILES, paper_values
from amendment.constitutions._huggingface import huggingface_value
from amendment.constitutions._left_out import ExportFormat, left_out
from amendment.constitutions._models import Constitution
from amendment.constitutions._statements import written
from amendment.constitutions._writing import constitution_json, json_text, refuse_to_replace
from amendment.errors import ConfigError
from amendment.files import write_text

__all__ = ["ExportFormat", "Exported", "export_constitution"]


class Exported(NamedTuple):
    """What an export wrote."""

    files: tuple[Path, ...]
    left_out: tuple[str, ...]
    """What the format cannot hold, such as `rationale of 12 principles`."""


def export_constitution(
    constitution: Constitution, format: ExportFormat, out: str | Path, *, replace: bool = False
) -> Exported:
    """Write the constitution in a format; `out` is the folder of the paper's files, else the file.

    Statements are a table where `out` ends in .csv or .tsv, a JSON list for .json, else lines of text.
    Raises ConfigError where the format can hold nothing of the constitution, and where a file stands already and
    `replace` is not set.
    """
    out = Path(out)
    texts = _texts(constitution, format, out)
    if not texts:
        raise ConfigError(f"{format} can hold nothing of {constitution.id}: no principle has the texts that it needs")
    refuse_to_replace(() if replace else texts)
    for path, text in texts.items():
        write_text(path, text)
    return Exported(tuple(texts), left_out(constitution, format, ending=out.suffix.lower()))


def _texts(constitution: Constitution, format: ExportFormat, out: Path) -> dict[Path, str]:
    match format:
        case "cai-paper":
            values = paper_values(constitution)
            has_principles = {FILES["critique-requests"], FILES["compare-questions"]} & values.keys()
            return {out / name: json_text(value) for name, value in values.items()} if has_principles else {}
        case "huggingface":
            value = huggingface_value(constitution)
            return {out: json_text(value)} if value["constitutions"] else {}
        case "statements":
            return {out: written(constitution, out.suffix.lower())}
        case "json":
            return {out: constitution_json(constitution)}
