"""A folder to start from: its files pass at once, run at once, and touch nothing that was there."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import sys
from importlib.resources import files
from itertools import product
from pathlib import Path

import pytest

from amendment.errors import AmendmentError, ConfigError
from amendment.run import Run, load_run_file
from amendment.run.checks import check_run_file
from amendment.run.starting import DEFAULT_MODELS, PROVIDERS, name_for, start
from tests.command_line import amendment
from tests.vendors.processes import started

FILES = {"run.yaml", "constitution.yaml", "prompts.jsonl", "run.schema.json", "constitution.schema.json"}
KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in KEYS.values():
        monkeypatch.delenv(key, raising=False)


def test_the_first_folder_passes_its_check_and_makes_a_dataset_without_a_key(tmp_path: Path) -> None:
    written = start(tmp_path / "house")
    assert {path.name for path in written} == FILES == {path.name for path in (tmp_path / "house").iterdir()}
    run = Run.from_file(tmp_path / "house/run.yaml", folder=tmp_path / "run")
    run.check()
    assert run.config.name == "house"
    result = run()
    assert {"inputs", "critique", "candidates", "judging", "dataset"} <= set(result.ran)
    assert len(result.dataset["train"]) > 30
    assert len(result.dataset["test"]) > 3


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_hosted_folder_lacks_the_key_and_nothing_else(provider: str, tmp_path: Path) -> None:
    start(tmp_path, provider=provider)
    loaded = load_run_file(tmp_path / "run.yaml")
    with pytest.raises(ConfigError) as caught:
        check_run_file(loaded, {})
    assert len(caught.value.problems) == 2, "of the writer and of the judge"
    assert all(f"{KEYS[provider]} is not set" in problem.message for problem in caught.value.problems)
    check_run_file(loaded, {KEYS[provider]: "sk-for-tests"})
    assert {spec.provider for spec in loaded.config.models.values()} == {provider}
    assert {getattr(spec, "model") for spec in loaded.config.models.values()} == {DEFAULT_MODELS[provider]}  # noqa: B009


@pytest.mark.parametrize("row", [None, {"prompt": "How are you?"}])
def test_prompts_without_categories_take_the_place_of_those_to_start_from(row: object, tmp_path: Path) -> None:
    start(tmp_path, provider="openai")
    if row:
        (tmp_path / "prompts.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    warnings = check_run_file(load_run_file(tmp_path / "run.yaml"), {KEYS["openai"]: "sk-for-tests"})
    assert not [warning for warning in warnings if "principle" in warning]


def test_the_rehearsal_says_how_to_put_a_real_model_in_its_place(tmp_path: Path) -> None:
    """The commented lines at the end, put where they belong, are a run file with the constitution and the prompts."""
    start(tmp_path, name="swapped")
    text = (tmp_path / "run.yaml").read_text(encoding="utf-8")
    told = text[text.index("# constitution: ./") :]
    swap = "\n".join(line.removeprefix("# ").removeprefix("#") for line in told.splitlines())
    kept = re.sub(r"(?m)^(constitution|models|prompts):.*\n(?:  .*\n)*", "", text)
    (tmp_path / "run.yaml").write_text(f"{kept}\n{swap.replace('MODEL', 'some-model')}\n", encoding="utf-8")
    loaded = load_run_file(tmp_path / "run.yaml")
    check_run_file(loaded, {"ANTHROPIC_API_KEY": "sk-for-tests"})
    assert loaded.config.constitution == ("./constitution.yaml",)
    assert {spec.provider for spec in loaded.config.models.values()} == {"openai", "anthropic"}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_mix_that_the_comments_show_is_one_that_works(provider: str, tmp_path: Path) -> None:
    start(tmp_path, provider=provider)
    text = (tmp_path / "run.yaml").read_text(encoding="utf-8")
    head, shown = text.split("  # mix:\n")
    lines = shown.splitlines()
    mix = [line.replace("  # ", "  ", 1) for line in lines[:2]]
    (tmp_path / "run.yaml").write_text("\n".join([head + "  mix:", *mix, *lines[2:]]) + "\n", encoding="utf-8")
    config = load_run_file(tmp_path / "run.yaml").config
    assert [part.share for part in config.dataset.mix] == [0.8, 0.2]


@pytest.mark.parametrize("file", ["run.yaml", "constitution.yaml"])
def test_the_first_line_leads_an_editor_to_the_schema_that_is_shipped(file: str, tmp_path: Path) -> None:
    start(tmp_path)
    first = (tmp_path / file).read_text(encoding="utf-8").splitlines()[0]
    match = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert match
    schema = tmp_path / match.group(1)
    room = "amendment.run" if file == "run.yaml" else "amendment.constitutions"
    assert schema.read_bytes() == files(room).joinpath("schemas", match.group(1)).read_bytes()
    assert json.loads(schema.read_text(encoding="utf-8"))["$schema"].startswith("https://json-schema.org/")


FOLDERS = ["two words", "it's", "\u00fcn\u00efcode", "a;b$(c)", "...", "1e5", "x" * 200, "line\nbreak"]
MODELS = ['say "hi"', "a: b # c", "{name}", "org/model:latest", "\u043c\u043e\u0434\u0435\u043b\u044c", "back\\slash"]


@pytest.mark.parametrize(("folder", "model"), [*product(FOLDERS, MODELS[:1]), *product(FOLDERS[:1], MODELS[1:])])
def test_a_folder_and_models_of_any_name_get_a_run_file_that_can_be_read(
    folder: str, model: str, tmp_path: Path
) -> None:
    start(tmp_path / folder, provider="openai", model=model)
    config = load_run_file(tmp_path / folder / "run.yaml").config
    assert config.name == name_for(tmp_path / folder)
    assert re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,79}", config.name)
    assert [getattr(spec, "model") for spec in config.models.values()] == [model, model]  # noqa: B009


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ({"name": "Two Words"}, "found the name 'Two Words', expected at most 80 characters"),
        ({"provider": "openai", "model": "two\nlines"}, "expected a name as the provider knows it"),
        ({"provider": "openai", "model": " "}, "expected a name as the provider knows it"),
        ({"provider": "azure"}, "expected one of simulated, openai, anthropic, local"),
        ({"model": "gpt"}, "the simulated provider takes no model"),
        (
            {"provider": "openai", "base_url": "http://localhost:1/v1"},
            "add --model with the name that the server gives",
        ),
        ({"provider": "openai", "base_url": "localhost", "model": "m"}, "found the base URL 'localhost': "),
        ({"provider": "local", "base_url": "http://localhost:1/v1"}, "found a base URL for local"),
    ],
)
def test_a_choice_that_cannot_be_taken_writes_nothing(choices: dict[str, str], expected: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(expected)):
        start(tmp_path / "new", **choices)
    assert not (tmp_path / "new").exists()


def test_files_in_the_way_are_all_named_and_none_is_touched(tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text("mine", encoding="utf-8")
    (tmp_path / "run.yaml").symlink_to(tmp_path / "gone")
    with pytest.raises(ConfigError) as caught:
        start(tmp_path)
    files = [str(tmp_path / name) for name in ("run.yaml", "prompts.jsonl")]
    assert [problem.place for problem in caught.value.problems] == files
    with pytest.raises(AmendmentError, match=r"prompts\.jsonl: is a file, expected a folder"):
        start(tmp_path / "prompts.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["prompts.jsonl", "run.yaml"]
    assert (tmp_path / "prompts.jsonl").read_text(encoding="utf-8") == "mine"


def test_a_disk_that_fills_up_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace, calls = Path.replace, []

    def full(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(AmendmentError, match="the disk is full"):
        start(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_the_commands_that_are_printed_work_as_they_stand_and_without_a_terminal_nothing_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = amendment("init", "--yes", "--", "-it's here")
    assert (done.code, done.err) == (0, "")
    told = [line.split(": ", 1)[1].strip() for line in done.out.splitlines() if ": " in line and "amendment" in line]
    assert [shlex.split(line)[:2] for line in told] == [["amendment", "check"], ["amendment", "run"]]
    assert amendment(*shlex.split(told[0])[1:]).code == 0
    done = amendment("init", "new")
    assert (done.code, done.out) == (2, "")
    assert "cannot ask questions without a terminal" in done.err
    assert not (tmp_path / "new").exists()


def on_terminal(answers: str, *arguments: str, cwd: Path) -> tuple[int, str]:
    """The command on a terminal of its own, on which the answers are typed; its exit code and all that it shows."""
    ours, its = pty.openpty()
    command = [sys.executable, "-m", "amendment", *arguments]
    with started(command, cwd=cwd, stdin=its, stdout=its, stderr=its) as process:
        os.close(its)
        os.write(ours, answers.encode())
        shown = b""
        try:
            while chunk := os.read(ours, 4096):
                shown += chunk
        except OSError:  # the other end is closed
            pass
        code = process.wait(timeout=60)
    os.close(ours)
    return code, shown.decode()


def test_a_server_of_ones_own_is_named_by_options_or_on_a_terminal(tmp_path: Path) -> None:
    url = "http://localhost:8000/v1"
    done = amendment("init", tmp_path / "a", "--base-url", url, "--model", "our-7b")
    assert done.code == 0, done.said
    code, shown = on_terminal(f"openai\n{url}\nour-7b\n\n", "init", "b", cwd=tmp_path)
    assert code == 0, shown
    for folder in ("a", "b"):
        loaded = load_run_file(tmp_path / folder / "run.yaml")
        check_run_file(loaded, {})  # no key is needed
        assert {(getattr(spec, "base_url"), getattr(spec, "model")) for spec in loaded.config.models.values()} == {  # noqa: B009
            (url, "our-7b")
        }


def test_on_a_terminal_it_asks_for_provider_model_and_name(tmp_path: Path) -> None:
    code, shown = on_terminal("azure\nanthropic\n\nours\n", "init", "new", cwd=tmp_path)
    assert code == 0, shown
    assert "expected one of simulated, openai, anthropic, local" in shown
    assert f"Which model? [{DEFAULT_MODELS['anthropic']}]" in shown
    config = load_run_file(tmp_path / "new/run.yaml").config
    assert config.name == "ours"
    assert {spec.provider for spec in config.models.values()} == {"anthropic"}
