"""Count how large the code is and how far a feature reaches, and compare with the numbers of `tests/size.yaml`.

    python tests/size.py            print every count, and the number it may have
    python tests/size.py --lower    write the counts that fell to tests/size.yaml

nodes, tests    nodes of the syntax trees of amendment/ and tests/, without imports, docstrings and contexts of names:
                layout and comments change nothing
density         nodes of the package for each of its statements
fields, names   properties of the run file's schema, and how many different names they have
commands        commands of the command line
arrows, chain   pairs of files of amendment/stages of which one imports the other, and the longest path along them
untyped         mappings whose values have no type
words, built    words of the pages that are written by hand, and of those that are made from code
known WORD      files of the package that name a feature: in an identifier or in a short string
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import subprocess
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
NUMBERS = ROOT / "tests" / "size.yaml"
NOT_COUNTED = (ast.Load, ast.Store, ast.Del, ast.Import, ast.ImportFrom, ast.alias)
SHARED = ("__init__", "contract", "passes", "tables")
"""Files of amendment/stages that every stage may import."""
BUILT = ("docs/api.md", "docs/commands.md", "docs/run-file.md")
LONGEST_NAME = 60
"""A longer string is prose and names nothing."""

Trees = dict[Path, ast.Module]
Counts = dict[str, float]


def files(*patterns: str) -> list[Path]:
    """Return the files that git knows or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return [ROOT / line for line in sorted(set(listed)) if (ROOT / line).is_file()]


def trees(folder: str) -> Trees:
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in files(f"{folder}/**.py")}


def is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def counted(parsed: Trees) -> list[ast.AST]:
    nodes = (node for tree in parsed.values() for node in ast.walk(tree))
    return [node for node in nodes if not isinstance(node, NOT_COUNTED) and not is_docstring(node)]


def named(tree: ast.Module) -> Iterator[str]:
    """Yield every identifier, the modules that are imported, and the short strings that are no docstrings."""
    docstrings = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and is_docstring(node):
            docstrings.add(node.value)
        if isinstance(node, ast.Constant) and node not in docstrings and len(str(node.value)) <= LONGEST_NAME:
            yield str(node.value)
        for attribute in ("id", "attr", "name", "arg", "module"):
            name = getattr(node, attribute, None)
            if isinstance(name, str):
                yield name


def words_of(names: Iterable[str]) -> str:
    """Return the words of identifiers in lower case: a line for each, with a space before and after each word."""
    split = (re.findall("[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name) for name in names)
    return "\n".join(f" {' '.join(parts)} " for parts in split).lower()


def knowing(parsed: Trees, features: Iterable[str]) -> Counts:
    """Count the files that name each feature, in singular or plural; `|` separates two words for one feature."""
    told = [
        words_of(set(named(tree))) for path, tree in parsed.items() if path.name not in ("__init__.py", "retired.py")
    ]
    wanted = {feature: [f" {word.replace('_', ' ')}" for word in feature.split("|")] for feature in features}
    return {
        feature: sum(any(f"{word} " in text or f"{word}s " in text for word in either) for text in told)
        for feature, either in wanted.items()
    }


def imports_of_stages(parsed: Trees) -> dict[str, set[str]]:
    """Return for each file of amendment/stages the others that it imports, at whatever depth."""
    stages = {path.stem: tree for path, tree in parsed.items() if path.parent == ROOT / "amendment" / "stages"}
    imported: dict[str, set[str]] = {}
    for stage, tree in stages.items():
        modules = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                modules |= {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
        names = {module.split(".")[2] for module in modules if module.startswith("amendment.stages.")}
        if stage not in SHARED:
            imported[stage] = (names & set(stages)) - {stage, *SHARED}
    return imported


def longest_chain(imported: dict[str, set[str]]) -> int:
    depth = {"": -1}
    for stage in TopologicalSorter(imported).static_order():
        depth[stage] = 1 + max((depth[other] for other in imported[stage]), default=-1)
    return max(depth.values())


def fields() -> list[str]:
    schema = json.loads((ROOT / "amendment/run/schemas/run.schema.json").read_text(encoding="utf-8"))
    return [name for part in (schema, *schema["$defs"].values()) for name in part.get("properties", {})]


def words(pages: list[Path]) -> int:
    return sum(len(page.read_text(encoding="utf-8").split()) for page in pages)


def count(features: list[str]) -> Counts:
    package = trees("amendment")
    nodes = counted(package)
    imported = imports_of_stages(package)
    texts = {path: path.read_text(encoding="utf-8") for path in package}
    commands = (text for path, text in texts.items() if path.parent == ROOT / "amendment" / "cli")
    built = files(*BUILT)
    by_hand = [page for page in files("README.md", "CONTRIBUTING.md", "AGENTS.md", "docs/*.md") if page not in built]
    return {
        "nodes": len(nodes),
        "density": round(len(nodes) / sum(isinstance(node, ast.stmt) for node in nodes), 2),
        "fields": len(fields()),
        "names": len(set(fields())),
        "commands": sum(len(re.findall(r"^@\w+\.command\(", text, re.MULTILINE)) for text in commands),
        "arrows": sum(map(len, imported.values())),
        "chain": longest_chain(imported),
        "untyped": sum(len(re.findall(r"(?:dict|Mapping)\[str, Any\]", text)) for text in texts.values()),
        "tests": len(counted(trees("tests"))),
        "words": words(by_hand),
        "built": words(built),
        **{f"known {feature}": known for feature, known in knowing(package, features).items()},
    }


def numbers() -> Counts:
    """Return what each count may be."""
    allowed: Counts = yaml.safe_load(NUMBERS.read_text(encoding="utf-8"))
    return allowed


def counts() -> Counts:
    """Return every count of today."""
    return count([name.removeprefix("known ") for name in numbers() if name.startswith("known ")])


def risen(allowed: Counts, today: Counts) -> list[str]:
    """Return a sentence about every count that is greater than its number."""
    return [
        f"{name} rose from {allowed[name]:,} to {found:,}. Make the change smaller, or remove as much elsewhere. "
        "tests/size.yaml says at its top when a number may rise."
        for name, found in today.items()
        if found > allowed[name]
    ]


def lowered(text: str, today: Counts) -> str:
    """Return the text of size.yaml with the counts that fell."""
    for name, allowed in yaml.safe_load(text).items():
        if today[name] < allowed:
            text = text.replace(f"\n{name}: {allowed}\n", f"\n{name}: {today[name]}\n")
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lower", action="store_true", help="write the counts that fell to tests/size.yaml")
    today, allowed = counts(), numbers()
    if parser.parse_args().lower:
        NUMBERS.write_text(lowered(NUMBERS.read_text(encoding="utf-8"), today), encoding="utf-8")
    for name, found in today.items():
        print(f"{name:24} {found:>10,} {allowed[name]:>10,}")


if __name__ == "__main__":
    main()
