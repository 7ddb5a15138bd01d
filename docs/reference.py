"""The page of the public names: signatures and docstrings, read from the source without importing it.

Covered: what each subpackage lists in `__all__`, and all classes of `amendment.errors`, `.records` and `.results`.
A name without a docstring is an error. Not covered: what a class inherits; it is with the base that its line names.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from html import escape
from inspect import cleandoc
from pathlib import Path
from textwrap import indent
from typing import NamedTuple

PACKAGE = Path(__file__).resolve().parent.parent / "amendment"
MODULES = ("errors", "records", "results")
"""Base modules that users import from."""
WIDEST = 100
"""Characters of a signature on one line."""
Node = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Assign | ast.AnnAssign
_PROPERTY = {"property", "cached_property"}


class Public(NamedTuple):
    """A public name, where it is defined, and what its docstring says."""

    name: str
    node: Node
    text: str


def public_names() -> dict[str, list[Public]]:
    """The public names of each subpackage and base module, by its full name, in the order of the page."""
    found = {}
    for module in MODULES:
        tree = _tree(PACKAGE / f"{module}.py")
        names = [node.name for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
        found[f"amendment.{module}"] = [_public(f"amendment.{module}", name) for name in names]
    for path in sorted(PACKAGE.glob("*/__init__.py")):
        module = f"amendment.{path.parent.name}"
        lists = [node for node in _tree(path).body if isinstance(node, ast.Assign) and _targets(node) == ["__all__"]]
        if lists:
            found[module] = [_public(module, name) for name in ast.literal_eval(lists[0].value)]
    return found


def api_page() -> str:
    """The page as Markdown."""
    parts = [
        "# API",
        "Made from docstrings by `make docs`. What is listed here is public; every other name may change.\n"
        "[Python](python.md) shows how the parts work together.",
    ]
    for module, names in public_names().items():
        links = ", ".join(f"[{public.name}](#{module}.{public.name})" for public in names)
        parts += [f"## {module}", (ast.get_docstring(_tree(_path(module))) or "").partition("\n\n")[0], links]
        for public in names:
            parts += [f'### <a id="{module}.{public.name}"></a>{public.name}', *_described(public)]
    return "\n\n".join(parts) + "\n"


def _described(public: Public) -> Iterator[str]:
    node = public.node
    if isinstance(node, ast.Assign | ast.AnnAssign):
        shown = ast.unparse(node)
        yield _code(shown if len(shown) <= 2 * WIDEST else f"{public.name} = ...")
        yield _prose(public.text)
        return
    if not isinstance(node, ast.ClassDef):
        yield _code(_signature(node, node.name))
        yield _prose(public.text)
        return
    functions = [inner for inner in node.body if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)]
    made = next((inner for inner in functions if inner.name == "__init__"), None)
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    yield _code(_signature(made, f"class {node.name}") if made else f"class {node.name}({bases})".replace("()", ""))
    yield _prose(public.text)
    if made and (text := ast.get_docstring(made)):
        yield _prose(text)
    if rows := [*_fields(node)]:
        yield "\n".join(["| field | type | default | meaning |", "|---|---|---|---|", *rows])
    if methods := [*filter(None, map(_method, functions))]:
        yield "\n".join(methods)


def _method(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """An item of a list; empty for what is not public or has no docstring."""
    text = ast.get_docstring(function)
    if not text or (function.name.startswith("_") and function.name != "__call__"):
        return ""
    if {ast.unparse(decorator) for decorator in function.decorator_list} & _PROPERTY:
        shown = f"{function.name}: {ast.unparse(function.returns)}" if function.returns else function.name
    else:
        shown = " ".join(_signature(function, function.name).replace("(\n    ", "(").replace(",\n)", ")").split())
    return f"- `{shown}`\n" + indent(f"\n{_prose(text)}\n", "  ")


def _fields(node: ast.ClassDef) -> Iterator[str]:
    """A row for each annotated attribute of a class."""
    for attribute, follower in zip(node.body, [*node.body[1:], None], strict=True):
        if not isinstance(attribute, ast.AnnAssign) or not isinstance(attribute.target, ast.Name):
            continue
        kind, name = attribute.annotation, attribute.target.id
        if name.startswith("_") or ast.unparse(kind).startswith("ClassVar"):
            continue
        if isinstance(kind, ast.Subscript) and ast.unparse(kind.value) == "Annotated":
            kind = kind.slice.elts[0] if isinstance(kind.slice, ast.Tuple) else kind
        meaning = " ".join(_string(follower).split())
        cells = (_cell(name), _cell(ast.unparse(kind)), _cell(_default(attribute.value)), meaning.replace("|", "\\|"))
        yield f"| {' | '.join(cells)} |"


def _cell(code: str) -> str:
    """Code in a table; a pipe in backticks would end the cell in one renderer and show its backslash in another."""
    return (
        f"<code>{escape(code, quote=False).replace('|', '&#124;')}</code>"
        if "|" in code
        else f"`{code}`"
        if code
        else ""
    )


def _default(value: ast.expr | None) -> str:
    if isinstance(value, ast.Call) and ast.unparse(value.func) in ("Field", "field", "PrivateAttr"):
        given = {keyword.arg: keyword.value for keyword in value.keywords}
        value = given.get("default") or (value.args[0] if value.args else None)
        if "default_factory" in given:
            return f"{ast.unparse(given['default_factory'])}()"
    text = ast.unparse(value) if value else ""
    return "" if text == "..." else text


def _signature(function: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> str:
    """`name(parameters) -> type`, on one line where it fits, without `self`."""
    given = function.args
    first = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(first) - len(given.defaults)) + [*given.defaults]
    shown = [_parameter(*pair) for pair in zip(first, defaults, strict=True) if pair[0].arg not in ("self", "cls")]
    if given.vararg or given.kwonlyargs:
        shown.append(f"*{ast.unparse(given.vararg)}" if given.vararg else "*")
    shown += [_parameter(*pair) for pair in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    shown += [f"**{ast.unparse(given.kwarg)}"] if given.kwarg else []
    prefix = "async " if isinstance(function, ast.AsyncFunctionDef) else ""
    end = f" -> {ast.unparse(function.returns)}" if function.returns and function.name != "__init__" else ""
    line = f"{prefix}{name}({', '.join(shown)}){end}"
    if len(line) <= WIDEST:
        return line
    return "\n".join([f"{prefix}{name}(", *(f"    {parameter}," for parameter in shown), f"){end}"])


def _parameter(argument: ast.arg, default: ast.expr | None) -> str:
    return ast.unparse(argument) + (f" = {ast.unparse(default)}" if default else "")


def _code(text: str) -> str:
    return f"```python\n{text}\n```"


def _prose(text: str) -> str:
    """A docstring as Markdown, with its examples as code."""
    parts = text.split("\n\n")
    return "\n\n".join(_code(part) if part.lstrip().startswith(">>>") else part for part in parts)


def _public(module: str, name: str) -> Public:
    """Follow a name to its definition. Raises LookupError where there is none, or no docstring."""
    tree = _tree(_path(module))
    for node, follower in zip(tree.body, [*tree.body[1:], None], strict=True):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            text = ast.get_docstring(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and name in _targets(node):
            text = cleandoc(_string(follower))
        else:
            continue
        if not text:
            raise LookupError(f"{module}.{name} has no docstring")
        return Public(name, node, text)
    for imported in ast.walk(tree):
        if isinstance(imported, ast.ImportFrom) and name in {alias.name for alias in imported.names}:
            return _public(str(imported.module), name)
    raise LookupError(f"{module}.{name} is defined in no module")


def _targets(node: ast.Assign | ast.AnnAssign) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _string(node: ast.stmt | None) -> str:
    """The text of a statement that is nothing but a text."""
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return str(node.value.value) if is_text else ""  # type: ignore[union-attr]


def _path(module: str) -> Path:
    path = PACKAGE.parent / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
