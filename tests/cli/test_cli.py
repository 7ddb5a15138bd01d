"""The command line: light, never a traceback, an exit code for every end, and no key ever printed."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import amendment
from amendment.errors import Paused
from tests.command_line import called

HEAVY = ("torch", "trl", "transformers", "datasets", "openai", "anthropic", "matplotlib")
TINY = """\
name: tiny
constitution: lilliput
models: {sim: {provider: simulated}}
prompts: [{lilliput: 4}]
critique: {model: sim, rounds: 1}
candidates: [{from: critique, take: draft_and_last}, {model: sim, per_prompt: 2}]
judging: {judges: [{model: sim, protocol: label-tokens}], ties: keep}
dataset: {test_share: 0.5}
"""
KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HF_TOKEN")

Command = Callable[..., int]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Runs a command in this process, in an empty folder; gives its exit code."""
    monkeypatch.chdir(tmp_path)
    return called


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY, encoding="utf-8")
    return path


def loaded_by(*arguments: str, cwd: Path, names: Sequence[str] = HEAVY) -> tuple[int, list[str], str]:
    """Exit code, those of the libraries that were imported, and output of a command in a process of its own."""
    script = (
        "import sys\n"
        "from amendment.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as ended:\n"
        f"    print('loaded', *[name for name in {tuple(names)} if name in sys.modules])\n"
        "    raise\n"
    )
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=cwd, check=False)
    *output, last = done.stdout.strip().split("\n")
    assert last.startswith("loaded"), done.stderr
    return done.returncode, last.split()[1:], "\n".join(output)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["check", "."], "."),
        (["check", "gone.yaml"], "gone.yaml"),
        (["check", "/dev/null"], "/dev/null"),
        (["check", "x" * 5000], "xxx"),
        (["constitution", "show", "liliput"], "did you mean 'lilliput'"),
        (["constitution", "show", "./gone.yaml"], "gone.yaml"),
        (["judge", "show", "verdcit"], "did you mean"),
    ],
)
def test_what_is_not_there_gets_a_message_and_2(
    arguments: list[str], told: str, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*arguments) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_shows_the_commands_by_group_and_loads_no_heavy_library(flag: str, tmp_path: Path) -> None:
    code, loaded, output = loaded_by(flag, cwd=tmp_path, names=(*HEAVY, "pydantic", "numpy", "yaml"))
    assert (code, loaded) == (0, [])
    shown = re.findall(r"^╭─ (.+?) ─|^│ (\w+) ", output, re.M)
    names = [group or name for group, name in shown]
    places = [names.index(name) for name in ("Start", "run", "Judges and people", "audit", "Share", "publish", "More")]
    assert places == sorted(places)
    assert names.index("init") < names.index("check") < names.index("plan") < names.index("run") < names.index("status")
    assert "<bool>" not in output


def test_a_run_without_training_loads_what_writes_datasets_and_plots_and_the_run_after_it_nothing(
    tiny: Path, tmp_path: Path
) -> None:
    code, loaded, output = loaded_by("run", str(tiny), cwd=tmp_path)
    assert code == 0
    assert set(loaded) <= {"datasets", "matplotlib"}, "matplotlib draws the report"
    assert "ran inputs, critique, candidates, judging, audit, dataset;" in output
    assert (tmp_path / "runs/tiny/dataset/train.parquet").is_file()
    code, loaded, output = loaded_by("run", str(tiny), cwd=tmp_path)
    assert (code, loaded) == (0, [])
    assert "nothing was left to do; 0 model calls. Everything is in runs/tiny" in output
    assert "Simulated:" in output


def test_the_installed_command_is_the_same(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("amendment")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=60, cwd=tmp_path, check=True)
    assert done.stdout == f"amendment {amendment.__version__}\n"


@pytest.mark.parametrize("arguments", [["fly"], ["run"], ["run", "a", "b"], ["check", "x", "--json"], ["constitution"]])
def test_wrong_usage_ends_with_2(command: Command, arguments: list[str]) -> None:
    assert command(*arguments) == 2


def test_five_mistakes_are_five_lines_and_nothing_is_called(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.yaml").write_text(
        "name: Five Mistakes\n"
        "seeed: 7\n"
        "models:\n"
        "  writer: {provider: simulatd}\n"
        "prompts: [{lilliput: 0}]\n"
        "critique: {model: writer, rounds: many}\n"
    )
    for name in ("check", "run"):
        assert command(name, "bad.yaml") == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.strip().split("\n") == [
            "bad.yaml:1:7: name: found the text 'Five Mistakes', expected text of the form ^[a-z0-9][a-z0-9_.-]{0,79}$",
            "bad.yaml:2:1: seeed: unknown key 'seeed' (did you mean 'seed'?)",
            "bad.yaml:4:22: models.writer.provider: found 'simulatd', expected one of openai, anthropic, local, "
            "simulated, function, a registered one (did you mean 'simulated'?)",
            "bad.yaml:5:22: prompts[0].lilliput: found 0, expected at least 1",
            "bad.yaml:6:35: critique.rounds: found the text 'many', expected a whole number",
        ]
    assert not (tmp_path / "runs").exists()


def test_overrides_reach_the_run(command: Command, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("run", str(tiny), "--set", "judging.min_margin=2") == 2
    assert "judging.min_margin: found 2, expected at most 1" in capsys.readouterr().err
    assert command("run", str(tiny), "--set", "prompts.0.lilliput=3", "--until", "inputs") == 0
    assert "- prompts: 3" in capsys.readouterr().out
    assert command("run", str(tiny), "--limit", "2", "--until", "inputs", "--folder", "other") == 0
    assert "- prompts: 2" in capsys.readouterr().out
    assert command("run", str(tiny), "--until", "judgin") == 2
    assert "no stage 'judgin' in this run (did you mean 'judging'?)" in capsys.readouterr().err


def test_status_tells_what_is_done_and_what_is_next(
    command: Command, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("run", str(tiny), "--until", "critique") == 0
    capsys.readouterr()
    assert command("status", "runs/tiny") == 0
    lines = capsys.readouterr().out.strip().split("\n")
    assert lines[0] == "tiny"
    assert lines[1].split()[:4] == ["inputs", "done", "prompts", "4,"]
    assert lines[2].split()[:2] == ["critique", "done"]
    assert ", drafts 4, " in lines[2]
    assert lines[3].split() == ["candidates", "to", "do"]
    assert lines[-1] == "next: candidates"
    assert command("status", "runs/tiny", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["done"] == ["inputs", "critique"]
    assert told["running"] is None
    assert told["counts"]["critique"]["drafts"] == 4


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '{"name": 1}'])
def test_status_of_what_is_no_run(
    text: str | None, command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (tmp_path / "status.json").write_text(text)
    assert command("status", ".") == 2
    assert "status.json" in capsys.readouterr().err


def test_doctor_never_prints_a_key(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in KEYS:
        monkeypatch.setenv(name, "canary-3f5d")
    assert command("doctor") == 0
    out = capsys.readouterr().out
    assert "OPENAI_API_KEY" in out
    assert "canary" not in out
    monkeypatch.delenv("HF_TOKEN")
    assert command("doctor", "--json") == 0
    out = capsys.readouterr().out
    assert "canary" not in out
    told = json.loads(out)
    assert told["keys set"] == {"OPENAI_API_KEY": True, "ANTHROPIC_API_KEY": True, "HF_TOKEN": False}
    assert told["amendment"] == amendment.__version__
    folder = told["embedded model"]
    assert folder is None or (Path(folder) / "generation_config.json").is_file()


def test_a_linted_file_has_places(command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rules.yaml").write_text("id: rules\nversion: 1.0.0\ntitel: x\nprinciples: []\n")
    assert command("check", "rules.yaml") == 2
    assert "error: rules.yaml:3:1: titel: unknown key 'titel' (did you mean 'title'?)" in capsys.readouterr().out


RENAMED = {
    "sign runs/x": "verify DIR --sign PRIVATE",
    "constitution lint x.yaml": "check FILE",
    "judge copy verdict x": "judge show NAME --copy DIR",
    "ledger verify runs/x": "ledger show DIR --verify",
}


@pytest.mark.parametrize("old", RENAMED)
def test_a_command_that_is_gone_names_the_new_one(
    old: str, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*old.split()) == 2
    assert f"write amendment {RENAMED[old]}" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_ends_with_1(
    command: Command, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("run", str(tiny), "--folder", "/dev/null/run") == 1
    assert "cannot be written" in capsys.readouterr().err


def test_a_damaged_table_is_rebuilt_and_a_damaged_ledger_is_told(
    command: Command, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("run", str(tiny)) == 0
    (tmp_path / "runs/tiny/inputs/prompts.parquet").write_bytes(b"?")
    assert command("run", str(tiny)) == 0
    (tmp_path / "runs/tiny/ledger.sqlite").write_bytes(b"scribble" * 1000)
    (tmp_path / "runs/tiny/dataset/train.parquet").unlink()
    capsys.readouterr()
    assert command("run", str(tiny)) == 1
    said = capsys.readouterr().err
    assert "not a ledger of amendment" in said
    assert ".recover | sqlite3 saved.sqlite" in said, "a command to paste into a shell"
    spending = (tmp_path / "runs/tiny/spending.json").read_bytes()
    (tmp_path / "runs/tiny/ledger.sqlite").unlink()
    assert command("run", str(tiny)) == 1, "what was paid is not forgotten, and not paid again unasked"
    assert "put ledger.sqlite back, or move spending.json away" in " ".join(capsys.readouterr().err.split())
    assert (tmp_path / "runs/tiny/spending.json").read_bytes() == spending


HOSTILE = {
    "binary": bytes(range(256)) * 40,
    "nothing": b"",
    "huge": b"name: " + b"x" * 1_100_000,
    "deep": b"name: " + b"[" * 5000,
    "deep mapping": b"".join(b" " * i + b"a:\n" for i in range(400)),
    "long list": b"prompts: [" + b"{lilliput: 1}, " * 20_000 + b"]",
    "aliases": b"a: &a [x]\nb: *a\n",
    "tag": b"name: !!python/object/apply:os.system [ls]\n",
    "UTF-16": "name: t\n".encode("utf-16"),
    "long path": b"name: t\nprompts: [{path: " + b"y" * 5000 + b".jsonl}]\n",
    "NUL path": b'name: t\nprompts: [{path: "a\\0b.jsonl"}]\n',
    "folder": b"name: t\nprompts: [{path: .}]\n",
    "long constitution": b"name: t\nprompts: [{lilliput: 1}]\nconstitution: ./" + b"y" * 5000 + b".yaml\n",
    "long base": b"name: t\nprompts: [{lilliput: 1}]\nsft: {base: ./" + b"y" * 5000 + b", on: chosen}\n",
    "terminal codes": b'"\\e[31mred": 1\n',
}

REFUSED_BY_THE_SYSTEM = ("long base",)


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_gets_a_message_and_no_traceback(
    kind: str, command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run.yaml").write_bytes(HOSTILE[kind])
    for name in ("check", "run"):
        assert command(name, "run.yaml") == (1 if kind in REFUSED_BY_THE_SYSTEM else 2)
        told = capsys.readouterr().err
        assert told.strip()
        assert "\x1b" not in told
        assert len(told) < 50_000
    assert not (tmp_path / "runs").exists()


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | st.just("sim"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
EVERY_KEY = {
    **yaml.safe_load(TINY),
    "pairs": [{"path": "p.jsonl", "columns": {"a": "a", "b": "b", "votes": ["v"]}, "words": {"tie": None}}],
    "base": {"on": "nothing", "steps": 1, "hidden": 16},
    "sft": {"base": "base", "on": "chosen", "trl": {"warmup_steps": 1}},
    "reward_model": {"base": "base", "lora": {"r": 2}},
    "dpo": {"base": "sft"},
    "evaluate": {"policies": ["base", "dpo"], "judge": {"model": "sim"}},
    "seed": 3,
}


def places(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in a tree of mappings and lists."""
    inner: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [(*at, part) for part, _ in inner] + [place for part, one in inner for place in places(one, (*at, part))]


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(place=st.sampled_from(places(EVERY_KEY)), value=junk)
def test_junk_at_any_place_of_a_run_file_is_told_and_never_a_traceback(
    place: tuple[str | int, ...], value: Any, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    data = json.loads(json.dumps(EVERY_KEY))
    inside = data
    for part in place[:-1]:
        inside = inside[part]
    inside[place[-1]] = value
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    assert command("check", str(path)) in (0, 2)


@pytest.mark.parametrize("key", sorted(EVERY_KEY))
@pytest.mark.parametrize("value", [-1.5, [{}]])
def test_the_wrong_type_at_every_top_level_key_is_told(
    key: str, value: Any, command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump({**EVERY_KEY, key: value}))
    assert command("check", "run.yaml") == 2
    told = capsys.readouterr().err.strip()
    assert all(line.startswith(("run.yaml:", str(tmp_path))) for line in told.split("\n") if line), told


def test_ctrl_c_in_a_command_that_keeps_nothing_says_so(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("amendment.run.auditing.audit_data_files", interrupted)
    before = signal.getsignal(signal.SIGINT)
    assert command("audit", "labels.csv") == 130
    assert capsys.readouterr().err == "interrupted. No file is half written; run the command again.\n"
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("ending", ["a paused server", "Ctrl-C"])
def test_amend_gives_one_advice_that_repeats_the_whole_command(
    ending: str, command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*arguments: object, **options: object) -> None:
        if ending == "Ctrl-C":
            signal.raise_signal(signal.SIGINT)
        raise Paused("amend: the server is away")

    monkeypatch.setattr("amendment.run.amending.amend_run", stopped)
    arguments = ("amend", "runs/my run", "--model", "writer", "--proposals", "2", "--set", "seed=1", "--allow-unpriced")
    assert command(*arguments) == (130 if ending == "Ctrl-C" else 3)
    said = capsys.readouterr().err
    assert said.endswith(f"Resume with: amendment {shlex.join(arguments)}\n")
    assert said.count("amendment amend") == 1
