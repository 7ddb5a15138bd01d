"""From an id or a path to a constitution: parents, circles, and every problem of every file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from amendment.constitutions import lint_file, load_constitution, shipped
from amendment.errors import ConfigError


def write(folder: Path, name: str, *principles: str, extends: str = "", more: str = "") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"id: {path.stem}", "version: 1.0.0", "title: A test", "license: CC0-1.0"]
    lines += [f"extends: [{extends}]"] if extends else []
    lines += ["principles:"] if principles else []
    for principle in principles:
        id, _, statement = principle.partition("=")
        statement = statement or f"Statement about {id} alone."
        lines += [f"  - id: {id}", f"    statement: {statement}"]
        lines += ["    critique: [c]", "    revise: [r]", f"    compare: [Which does better at {id}?]"]
    path.write_text("\n".join(lines) + "\n" + more)
    return path


def ids(path: Path) -> list[str]:
    return [principle.id for principle in load_constitution(str(path)).principles]


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_constitution(str(path))
    return [str(problem) for problem in caught.value.problems]


def test_shipped_ones_are_found_by_id() -> None:
    assert shipped() == (
        "childrens-tutor",
        "code-review",
        "general-one",
        "harmless-and-frank",
        "helpful-honest",
        "lilliput",
        "medical-caution",
        "privacy-first",
        "rights-inspired",
    )
    assert [load_constitution(id).id for id in shipped()] == list(shipped())


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


def test_a_json_file_may_be_named_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = load_constitution("helpful-honest")
    (tmp_path / "hh.json").write_text(own.model_dump_json(exclude_none=True), encoding="utf-8")
    assert load_constitution("hh.json").principles == load_constitution("./hh.json").principles == own.principles
    assert not [found for found in lint_file("hh.json") if found.level == "error"]
    with pytest.raises(ConfigError, match=r"gone\.json: there is no such file"):
        load_constitution("gone.json")


def test_parents_come_first_and_a_child_takes_the_place_of_its_parents_principle(tmp_path: Path) -> None:
    write(tmp_path, "parent.yaml", "a", "b=Old words about b.", "c")
    child = write(tmp_path, "child.yaml", "d", "b=New words about b.", extends="./parent.yaml")
    assert ids(child) == ["a", "b", "c", "d"]
    assert load_constitution(str(child)).principle("b").statement == "New words about b."
    assert load_constitution(str(child)).id == "child"


def test_a_common_grandparent_does_not_undo_what_a_parent_replaced(tmp_path: Path) -> None:
    write(tmp_path, "root.yaml", "a=Words of the root.", "b")
    write(tmp_path, "left.yaml", "a=Words of the left.", extends="root.yaml")
    write(tmp_path, "right.yaml", "c", extends="root.yaml")
    child = write(tmp_path, "child.yaml", extends="left.yaml, right.yaml")
    assert ids(child) == ["a", "b", "c"]
    assert load_constitution(str(child)).principle("a").statement == "Words of the left."


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
    itself = write(tmp_path, "self.yaml", "a", extends="self.yaml")
    assert problems(itself)[0].endswith(f"circle: {itself} -> {itself}")


def test_a_chain_of_parents_ends_somewhere(tmp_path: Path) -> None:
    write(tmp_path, "c0.yaml", "p")
    for index in range(1, 30):
        write(tmp_path, f"c{index}.yaml", extends=f"c{index - 1}.yaml")
    assert "more than 20 generations of parents" in problems(tmp_path / "c29.yaml")[0]
    assert ids(tmp_path / "c19.yaml") == ["p"]


def test_problems_of_all_files_come_together_each_at_its_place(tmp_path: Path) -> None:
    parent = write(tmp_path, "parent.yaml", "a", "a=Other words entirely here.")
    child = write(tmp_path, "child.yaml", "b", extends="parent.yaml, missing.yaml, helpful-honst", more="titel: x\n")
    assert problems(child) == [f"{child}:12:1: titel: unknown key 'titel' (did you mean 'title'?)"]
    child.write_text(child.read_text().replace("titel: x\n", ""))
    assert [line.split(";")[0] for line in problems(child)] == [
        f"{parent}:11:9: principles[1].id: the id 'a' stands twice, first as principles[0]",
        f"{child}:5:24: extends[1]: there is no file 'missing.yaml' beside this one",
        f"{child}:5:38: extends[2]: there is no constitution 'helpful-honst' (did you mean 'helpful-honest'?)",
    ]


def test_a_principle_that_no_stage_can_use_refuses_the_file_and_a_warning_does_not(tmp_path: Path) -> None:
    path = write(tmp_path, "c.yaml", "a")
    path.write_text(path.read_text().replace("    critique: [c]\n    revise: [r]\n", ""))
    assert ids(path) == ["a"]
    path.write_text(path.read_text().replace("    compare: [Which does better at a?]\n", ""))
    (line,) = problems(path)
    assert line == f"{path}:6:5: principles[0]: 'a' can be used nowhere; give it `compare`, or `critique` and `revise`"


def test_a_constitution_without_principles_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "c.yaml")
    assert problems(path) == [f"{path}:1:1: principles: found no principles, expected at least one"]


def test_importing_the_room_loads_nothing_heavy() -> None:
    code = "import amendment.constitutions, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "numpy", "trl", "transformers", "datasets", "openai", "anthropic", "scipy", "pyarrow"}
    assert not heavy & set(done.stdout.split())
    assert done.stderr == ""
