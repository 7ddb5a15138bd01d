"""The JSON Schema of a model, with the docstring under each field as its description.

Read from the source when a schema is made. Pydantic's own `use_attribute_docstrings` does so whenever a class is made,
which takes a sixth of the time of a short command.
"""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from itertools import pairwise
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from amendment.records import Named


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the model's JSON Schema."""
    return model.model_json_schema(schema_generator=_Described)


class _Described(GenerateJsonSchema):
    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        model = schema["cls"]
        for name, text in _docstrings(model).items():
            key = model.model_fields[name].alias or name
            made["properties"][key].setdefault("description", text)
        if issubclass(model, Named):
            return _mapping(made)
        shared = [base for base in model.__mro__ if vars(base).get("is_shared")]
        return self._sharing(made, model, shared) if shared else made

    def _sharing(self, made: JsonSchemaValue, model: type[BaseModel], shared: list[type[BaseModel]]) -> JsonSchemaValue:
        """Return the schema of a part that takes the keys of shared parts as they are: it refers to them."""
        above = [base for base in shared if base is not model]
        nearest = [base for base in above if not any(other is not base and issubclass(other, base) for other in above)]
        for base in nearest:
            for name, field in base.model_fields.items():
                if _is_inherited(model, base, name):
                    made["properties"].pop(field.alias or name, None)
        if nearest:
            made["allOf"] = [self.generate_inner(base.__pydantic_core_schema__) for base in nearest]
        del made["additionalProperties"]
        if model in shared:
            made.pop("required", None)  # a part may have a default of its own
        else:
            made["unevaluatedProperties"] = False
        return made


def _is_inherited(model: type[BaseModel], base: type[BaseModel], name: str) -> bool:
    """Return True if no class between a model and its base says another thing of a field."""
    nearer = model.__mro__[: model.__mro__.index(base)]
    return not any(name in inspect.get_annotations(kind) for kind in nearer)


def _mapping(schema: JsonSchemaValue) -> JsonSchemaValue:
    """Return the schema of a mapping from known names, which its description explains."""
    parts = schema["properties"]
    texts = [schema["description"], *(f"{name}: {part.get('description', '')}" for name, part in parts.items())]
    kinds = list({json.dumps(_kind(part), sort_keys=True): _kind(part) for part in parts.values()}.values())
    return {
        "type": "object",
        "description": "\n".join(texts),
        "propertyNames": {"enum": [*parts]},
        "additionalProperties": {"anyOf": kinds},
    }


def _kind(schema: JsonSchemaValue) -> JsonSchemaValue:
    """Return the type of a field without what belongs to the field alone."""
    return {key: value for key, value in schema.items() if key not in ("description", "default", "title")}


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Return the texts under the fields of a model, those that it inherits included."""
    texts: dict[str, str] = {}
    for kind in reversed(model.__mro__[: model.__mro__.index(BaseModel)]):
        own = inspect.get_annotations(kind)
        texts = {name: text for name, text in texts.items() if name not in own} | _own_docstrings(kind)
    return {name: text for name, text in texts.items() if name in model.model_fields}


def _own_docstrings(kind: type) -> dict[str, str]:
    try:
        source = textwrap.dedent(inspect.getsource(kind))
    except (OSError, TypeError):  # a class that was made while the program ran
        return {}
    [body] = (node.body for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    texts = {}
    for field, below in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            match below:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    texts[field.target.id] = inspect.cleandoc(text)
    return texts
