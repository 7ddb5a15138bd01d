"""From an id or a path to a constitution: parents, circles, and every problem of every file."""

from __future__ import annotations

from pathlib import Path

import pytest

from amendment.constitutions import load_constitution, shipped
from amendment.errors import ConfigError

HEAD = "id: {}\nversion: 1.0.0\ntitle: A test\nlicense: CC0-1.0\n"
RULE = "  - id: {0}\n    statement: {1}\n    critique: [c]\n    revise: [r]\n    compare: [Which does better at {0}?]\n"


def write(folder: Path, name: str, *principles: str, extends: str = "", more: str = "") -> Path:
    """A file with principles, each an id and perhaps its statement behind an equals sign."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    rules = (one.split("=") if "=" in one else (one, f"Statement about {one} alone.") for one in principles)
    parents = f"extends: [{extends}]\n" if extends else ""
    path.write_text(HEAD.format(path.stem) + parents + "principles:\n" + "".join(RULE.format(*r) for r in rules) + more)
    return path


def ids(path: Path) -> list[str]:
    return [principle.id for principle in load_constitution(str(path)).principles]


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_constitution(str(path))
    return [str(problem) for problem in caught.value.problems]


def test_an_unknown_id_names_the_nearest_and_all() -> None:
    with pytest.raises(ConfigError) as caught:
        load_constitution("harmless-and-fran")
    assert str(caught.value) == (
        "there is no constitution 'harmless-and-fran' (did you mean 'harmless-and-frank'?); shipped are "
        f"{', '.join(shipped())}; a file is named by its path, such as ./harmless-and-fran.yaml"
    )


def test_paths_are_relative_to_the_folder_of_the_run_file(tmp_path: Path) -> None:
    write(tmp_path / "rules", "ours.yaml", "a")
    assert load_constitution("rules/ours.yaml", base=tmp_path).id == "ours"
    assert load_constitution("./ours.yaml", base=tmp_path / "rules").id == "ours"
    assert load_constitution(str(tmp_path / "rules" / "ours.yaml"), base=Path("elsewhere")).id == "ours"
    with pytest.raises(ConfigError, match="there is no such file"):
        load_constitution("ours.yaml", base=tmp_path)


def test_parents_come_first_and_a_child_takes_the_place_of_its_parents_principle(tmp_path: Path) -> None:
    write(tmp_path, "parent.yaml", "a", "b=Old words about b.", "c")
    child = write(tmp_path, "child.yaml", "d", "b=New words about b.", extends="./parent.yaml")
    assert ids(child) == ["a", "b", "c", "d"]
    assert load_constitution(str(child)).principle("b").statement == "New words about b."
    assert load_constitution(str(child)).id == "child"


def test_a_shipped_one_can_be_extended_and_few_shots_are_inherited(tmp_path: Path) -> None:
    more = "few_shot: {critique: [{prompt: p, response: r, critique: c}]}\n"
    child = write(tmp_path, "child.yaml", "our-own", extends="harmless-and-frank", more=more)
    parent = load_constitution("harmless-and-frank")
    assert ids(child) == [*(principle.id for principle in parent.principles), "our-own"]
    shots = load_constitution(str(child)).few_shot
    assert (len(shots.critique), shots.compare) == (len(parent.few_shot.critique) + 1, parent.few_shot.compare)


def test_the_hash_is_of_what_is_said_not_of_how_it_is_spread_over_files(tmp_path: Path) -> None:
    write(tmp_path / "deep", "parent.yaml", "a")
    spread = write(tmp_path, "one.yaml", "b", extends="deep/parent.yaml")
    flat = write(tmp_path / "flat", "one.yaml", "a", "b")
    assert load_constitution(str(spread)).reference == load_constitution(str(flat)).reference


def test_a_circle_is_named_whole(tmp_path: Path) -> None:
    write(tmp_path, "b.yaml", "b", extends="./c.yaml")
    write(tmp_path, "c.yaml", "c", extends="./a.yaml")
    start = write(tmp_path, "a.yaml", "a", extends="./b.yaml")
    a, b, c = (str(tmp_path / name) for name in ("a.yaml", "b.yaml", "c.yaml"))
    assert problems(start) == [
        f"{c}:5:11: extends[0]: the constitutions extend each other in a circle: {a} -> {b} -> {c} -> {a}"
    ]


def test_problems_of_all_files_come_together_each_at_its_place(tmp_path: Path) -> None:
    parent = write(tmp_path, "parent.yaml", "a", "a=Other words entirely here.")
    child = write(tmp_path, "child.yaml", "b", extends="parent.yaml, missing.yaml, helpful-honst", more="titel: x\n")
    assert problems(child) == [f"{child}:12:1: titel: unknown key 'titel' (did you mean 'title'?)"]
    child.write_text(child.read_text().replace("titel: x\n", ""))
    assert [line.split(";")[0] for line in problems(child)] == [
        f"{parent}:11:9: principles[1].id: the id 'a' appears twice, first as principles[0]",
        f"{child}:5:24: extends[1]: there is no file 'missing.yaml' in the folder of this one",
        f"{child}:5:38: extends[2]: there is no constitution 'helpful-honst' (did you mean 'helpful-honest'?)",
    ]
