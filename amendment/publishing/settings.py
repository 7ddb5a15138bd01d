"""`publish:` in a run file: where the dataset and the models go, and under which license."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from amendment.data.sources import OneOrMore
from amendment.licenses import license_problem
from amendment.records import Part

_REPO = r"^[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9][A-Za-z0-9_.-]*$"
_LICENSE = r"^[A-Za-z0-9][A-Za-z0-9.+_-]*$"
ModelName = Annotated[str, Field(pattern=r"^(sft|dpo|reward_model|round-([2-9]|[1-9][0-9]+))$")]
"""A model of a run that can be published."""


def _repo_id(text: str) -> str:
    """Return the id of a repository on the Hub, as it is. Raises ValueError for anything but `org/name`."""
    if text.startswith("buckets/"):
        raise ValueError(f"{text!r} is a bucket, which keeps no versions and has no card; name a repository: org/name")
    is_id = re.fullmatch(_REPO, text) and len(text.rpartition("/")[2]) <= 96
    if not is_id or ".." in text or "--" in text or text.endswith((".git", "-", ".")):
        raise ValueError(
            f"found {text[:80]!r}, expected org/name: letters, digits, single - . and _ on both sides of /"
        )
    return text


def _license_id(text: str) -> str:
    """Return a license as the Hub spells it, in lower case. Raises ValueError for a sentence or nothing."""
    if not re.fullmatch(_LICENSE, text):
        raise ValueError(f"found {text[:60]!r}, expected a license as the Hub spells it, such as apache-2.0 or other")
    if problem := license_problem(text):
        raise ValueError(problem)
    return text.lower()


RepoId = Annotated[str, AfterValidator(_repo_id), WithJsonSchema({"type": "string", "pattern": _REPO})]
License = Annotated[str, AfterValidator(_license_id), WithJsonSchema({"type": "string", "pattern": _LICENSE})]


class ModelRepo(Part):
    """The repository of one model."""

    repo: RepoId
    """`org/name` on the Hub."""
    license: License | None = None
    """Of the model, if its base requires another one than the dataset's."""


class PublishSettings(Part):
    """Where `amendment publish` puts the dataset and the models."""

    repo: RepoId
    """`org/name` of the dataset on the Hub."""
    private: bool = True
    """Whether the repositories are private."""
    license: License
    """Of the dataset, as the Hub spells it. It is never guessed; `other` needs a license_name."""
    license_name: str | None = Field(default=None, min_length=1, max_length=100)
    """The name of an `other` license."""
    language: Annotated[tuple[Annotated[str, Field(pattern=r"^[a-z]{2,3}$")], ...], OneOrMore] = ()
    """Of the texts, by ISO 639 (`en`), for the card's metadata."""
    models: dict[ModelName, RepoId | ModelRepo] = Field(default={})
    """Models that are published too: sft, dpo, a later round's policy such as round-2, or reward_model, each with its
    `org/name`."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.license == "other" and not self.license_name:
            raise ValueError("license: other says nothing by itself; add license_name")
        repos = [model if isinstance(model, str) else model.repo for model in self.models.values()]
        if len(set(repos)) < len(repos):
            raise ValueError("two models cannot go into one repository; give each its own")
        return self
