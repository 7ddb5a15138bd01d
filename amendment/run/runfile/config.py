"""The run file: the sources of a run, its models, and a part for each stage that has one.

Every part is optional, every mistake is named at once, and nothing is called until all is right. Covered: the shape of
the file. Not covered: references between its parts and what lies outside it; see `checks`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field, create_model, field_validator, model_validator
from pydantic.fields import FieldInfo

from amendment.data.sources import Source
from amendment.errors import ConfigError
from amendment.llm.specs import FUNCTION, REGISTERED, SHIPPED
from amendment.publishing.settings import PublishSettings
from amendment.records import Part
from amendment.run.chain import STAGES, list_stages
from amendment.run.runfile.overrides import override
from amendment.run.runfile.retired import retired_settings
from amendment.schema import json_schema
from amendment.stages.contract import POLICY_STAGES, RunSettings
from amendment.yamlfile import read_yaml, validate


def _parts() -> dict[str, tuple[Any, FieldInfo]]:
    """Return the parts of all stages, by attribute; one whose name pydantic has for itself gets an underscore behind
    it, and names its key as its alias."""
    parts: dict[str, tuple[Any, FieldInfo]] = {}
    for kind in STAGES:
        if part := kind.field():
            parts[f"{kind.name}_" if hasattr(BaseModel, kind.name) else kind.name] = part
    return parts


if TYPE_CHECKING:

    class _WithStages(RunSettings):
        """The parts of the stages are known when the program runs; stages read theirs by `part`, with its type."""

        def __init__(self, **parts: Any) -> None: ...

        def __getattr__(self, name: str) -> Any: ...
else:
    _WithStages = create_model("_WithStages", __base__=RunSettings, **_parts())


class EnginePart(Part):
    """Make data with the workers of a Ray cluster, or of this machine where no cluster runs."""

    name: Literal["ray"]
    workers: int | None = Field(default=None, ge=1, le=1024)
    """Processes that share the prompts; by default one for each CPU of the cluster, or with `gpus` as its GPUs
    allow."""
    gpus: float = Field(default=0, ge=0, le=64)
    """GPUs of each worker, for `provider: local`."""

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class RunFile(_WithStages):
    """A whole run."""

    engine: EnginePart | None = None
    """Where data is made: in this process or, with `engine: ray`, in several. The same replies give the same
    dataset."""

    publish: PublishSettings | None = None
    """Where `amendment publish` puts the dataset and the models; a run itself sends nothing there."""

    @property
    def policies(self) -> tuple[str, ...]:
        """Return the names of all policies that the stages of a run file can make."""
        return (*POLICY_STAGES, *(name for kind in STAGES for name in kind.policies(self)))

    @property
    def sources(self) -> dict[str, list[Source]]:
        """Return every part that reads a file or a dataset, by the stage that reads it."""
        return {stage.name: list(stage.sources()) for stage in list_stages(self)}

    @property
    def key_variables(self) -> list[str]:
        """Return the environment variables that the models' keys are read from."""
        return [name for spec in self.models.values() if (name := getattr(spec, "api_key_env", None))]


class _WithoutPlugins(RunFile, extra="ignore"):
    """A run file whose plugins are not imported: what their stages would read is ignored, and models of their providers
    are functions that nobody has handed over."""

    @field_validator("models", mode="before")
    @classmethod
    def _have_known_providers(cls, models: Any) -> Any:
        for entry in models.values() if isinstance(models, dict) else ():
            if isinstance(entry, dict) and entry.get("provider") not in (*SHIPPED, *REGISTERED):
                entry["provider"] = FUNCTION
        return models


def run_file_model() -> type[RunFile]:
    """Return the model of a run file, with the parts of registered stages."""
    parts: Any = {name: part for name, part in _parts().items() if name not in RunFile.model_fields}
    return create_model("RunFile", __base__=RunFile, **parts) if parts else RunFile


def read_resolved(folder: Path, overrides: Sequence[str] = ()) -> RunFile:
    """Return the run file that a folder's run followed, without importing its plugins. Raises ConfigError where it
    cannot be read, and where another version wrote it."""
    document = read_yaml(folder / "run.yaml")
    for text in overrides:
        document = override(document, text)
    has_plugins = isinstance(document.data, dict) and document.data.get("plugins")
    try:
        return validate(document, _WithoutPlugins if has_plugins else RunFile)
    except ConfigError as fault:
        if next(retired_settings(document.data), None):
            raise ConfigError(f"{folder}: another version of amendment wrote its run.yaml; run it again") from fault
        raise


def run_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a run file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **json_schema(RunFile)}


def schema_text() -> str:
    return json.dumps(run_schema(), indent=2, ensure_ascii=False) + "\n"
