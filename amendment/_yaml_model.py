"""Which types a pydantic model expects at a place of a file: the model, walked by keys and indices.

Covered: unions, annotations, aliases of types, lists, tuples, sets, mappings, root models, keys by alias.
Not covered: TypedDict and dataclasses, below which nothing is known.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from pydantic import AliasChoices, BaseModel, RootModel
from pydantic.fields import FieldInfo

from amendment._yaml_document import Key

__all__ = ["flatten", "known_keys", "narrow", "step"]


def flatten(annotations: Iterable[Any]) -> Iterator[Any]:
    """The plain types behind unions, annotations and aliases."""
    for annotation in annotations:
        if isinstance(annotation, typing.TypeAliasType if hasattr(typing, "TypeAliasType") else ()):
            yield from flatten([annotation.__value__])
            continue
        origin = typing.get_origin(annotation)
        if origin is typing.Annotated:
            yield from flatten(typing.get_args(annotation)[:1])
        elif origin in (typing.Union, types.UnionType):
            yield from flatten(typing.get_args(annotation))
        elif isinstance(annotation, type) and origin is None and issubclass(annotation, RootModel):
            yield from flatten([annotation.model_fields["root"].annotation])
        else:
            yield annotation


def _models(annotations: Iterable[Any]) -> list[type[BaseModel]]:
    flat = flatten(annotations)
    return [each for each in flat if isinstance(each, type) and _is_subclass(each, BaseModel)]


def _is_subclass(candidate: Any, base: type) -> bool:
    try:
        return issubclass(candidate, base)
    except TypeError:
        return False


def step(annotations: Iterable[Any], part: Key) -> tuple[Any, ...]:
    """The types of what stands under a key or an index."""
    inner: list[Any] = []
    for annotation in flatten(annotations):
        origin, args = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is None and _is_subclass(annotation, BaseModel):
            inner += [info.annotation for name, info in _fields(annotation) if part in _names(name, info, annotation)]
        elif _is_subclass(origin, Mapping) and len(args) == 2:
            inner.append(args[1])
        elif origin is tuple and isinstance(part, int) and args and args[-1] is not Ellipsis:
            inner += args[part : part + 1]
        elif _is_subclass(origin, Sequence) or _is_subclass(origin, AbstractSet):
            inner += args[:1]
    return tuple(inner)


def _fields(model: type[BaseModel]) -> Iterable[tuple[str, FieldInfo]]:
    return model.model_fields.items()


def _names(name: str, info: FieldInfo, model: type[BaseModel]) -> list[str]:
    """The keys under which a field may stand in a file."""
    alias = info.validation_alias
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    names = [choice for choice in choices if isinstance(choice, str)]
    by_name = model.model_config.get("validate_by_name") or model.model_config.get("populate_by_name")
    return [*names, name] if by_name or not names else names


def known_keys(annotations: Iterable[Any]) -> tuple[str, ...]:
    """The keys that the models among these types take."""
    models = _models(annotations)
    keys = [key for model in models for name, info in _fields(model) for key in _names(name, info, model)]
    return tuple(dict.fromkeys(keys))


def narrow(annotations: tuple[Any, ...], label: str) -> tuple[Any, ...]:
    """The members of a union that a label of pydantic's speaks of; all of them when it names none."""
    words = re.findall(r"\w+", label)  # such as Model, or function-after[check(), Model]
    meant = [model for model in _models(annotations) if model.__name__ in words or label in _tags(model)]
    return tuple(meant) or annotations


def _tags(model: type[BaseModel]) -> list[str]:
    literals = [info.annotation for _, info in _fields(model) if typing.get_origin(info.annotation) is typing.Literal]
    return [str(tag) for literal in literals for tag in typing.get_args(literal)]
