"""A run file from a stranger: which keys leave this machine, for which hosts, and after which question."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import ConfigError
from amendment.run import Run
from tests.chat_server import ChatServer
from tests.command_line import called

CANARY = "canary-4b1f7c"
SERVICES = {
    "HF_TOKEN": "https://huggingface.co/v1",
    "AWS_SECRET_ACCESS_KEY": None,
    "GITHUB_TOKEN": "https://models.github.ai/inference",
    "OPENAI_API_KEY": "https://api.openai.com/v1",
    "ANTHROPIC_API_KEY": "https://api.anthropic.com/v1",
    "GROQ_API_KEY": "https://api.groq.com/openai/v1",
    "STRIPE_SECRET_KEY": None,
    "AZURE_OPENAI_API_KEY": "https://our.openai.azure.com/openai/v1",
    "OPENROUTER_API_KEY": "https://openrouter.ai/api/v1",
}
"""Variables of known services, each with a host of its own where the service has models."""


@pytest.fixture
def home(tmp_path: Path, server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a configuration folder, and with a proxy that sees every connection over https."""
    for name in [*os.environ]:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in (*SERVICES, "OUR_KEY", "OUR_TOKEN", "OTHER_KEY"):
        monkeypatch.setenv(name, CANARY)
    monkeypatch.setattr(sys, "stdin", None)
    (tmp_path / "files").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


Write = Callable[..., Path]


@pytest.fixture
def written(home: Path) -> Write:
    """Writes a run file whose one model has this URL and this variable."""

    def write(base_url: str, variable: str | None, **more: Any) -> Path:
        model: dict[str, Any] = {"provider": "openai", "model": "m", "base_url": base_url, "api_key_env": variable}
        model["price"] = {"input": 0, "output": 0}
        (home / "files" / "p.jsonl").write_text('{"prompt": "question"}\n')
        run = {"name": "x", "models": {"far": model}, "prompts": [{"path": "p.jsonl"}], **more}
        path = home / "files" / "run.yaml"
        path.write_text(json.dumps({"candidates": [{"model": "far", "per_prompt": 1}], **run}))
        return path

    return write


@pytest.fixture
def amendment(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Runs a command in this process; gives its exit code and all that it printed."""

    def run(*arguments: object) -> tuple[int, str]:
        code, captured = called(*arguments), capsys.readouterr()
        assert CANARY not in captured.out + captured.err
        return code, captured.out + captured.err

    return run


@contextmanager
def on_a_terminal(answers: str) -> Iterator[None]:
    """Standard input is a terminal at which these lines were typed."""
    master, slave = os.openpty()
    os.write(master, answers.encode())
    before = sys.stdin
    with os.fdopen(slave, "r") as terminal:
        sys.stdin = terminal
        try:
            yield
        finally:
            sys.stdin = before
            os.close(master)


@pytest.mark.parametrize("command", ["run", "plan", "check"])
@pytest.mark.parametrize(
    "base_url",
    ["https://gateway.example.org/v1", "http://127.0.0.1:PORT/v1", "https://api.openai.com.example.org/v1"],
)
def test_variables_of_known_services_and_those_that_are_no_keys_go_to_no_other_host(
    written: Write, amendment: Any, server: ChatServer, command: str, base_url: str
) -> None:
    for variable in (*SERVICES, "HOME", "PATH", "USER"):
        path = written(base_url.replace("PORT", str(server.server_port)), variable)
        code, said = amendment(command, path, *(["--yes"] if command == "run" else []))
        assert code == 2
        assert "api_key_env" in said
    assert (server.keys, server.hosts) == ([], [])


def test_a_services_variable_goes_to_its_own_host_without_a_question(
    written: Write, amendment: Any, server: ChatServer
) -> None:
    homes = {variable: url for variable, url in SERVICES.items() if url}
    for number, (variable, url) in enumerate(homes.items()):
        code, said = amendment("run", written(url, variable), "--folder", f"r{number}", "--max-wait", 0)
        assert code == 3, "the proxy refuses every connection, so the run pauses"
        host = url.split("/")[2]
        assert f"sends {variable} to {host}" in said
        assert server.hosts[-1] == f"{host}:443"


def test_a_key_goes_over_http_to_this_machine_only_and_to_a_private_address_after_a_yes(
    written: Write, amendment: Any, server: ChatServer, home: Path
) -> None:
    for url in ("http://gateway.example.org/v1", "http://8.8.8.8/v1", "http://127.0.0.1.example.org/v1"):
        assert amendment("run", written(url, "OUR_KEY"), "--yes")[0] == 2
    assert amendment("run", written(server.url, "OUR_KEY"), "--folder", "near")[0] == 0
    assert server.keys == [f"Bearer {CANARY}"]
    private = written(
        f"http://0.0.0.0:{server.server_port}/v1", "OUR_KEY"
    )  # leads to this machine, and is not loopback
    code, said = amendment("run", private, "--folder", "far")
    assert (code, len(server.keys)) == (2, 1)
    assert "--yes" in said
    (refused,) = [line for line in said.splitlines() if "Nothing was sent: OUR_KEY" in line]
    assert refused.count("without encryption") == 1
    assert amendment("run", private, "--folder", "far", "--yes")[0] == 0
    assert len(server.keys) == 2
    assert amendment("run", private, "--folder", "again")[0] == 0, "the answer was kept"
    (kept,) = (path for path in (home / "config" / "amendment").iterdir())
    kept.unlink()
    assert amendment("run", private, "--folder", "after")[0] == 2


def test_a_host_that_is_nobodys_is_asked_about_once_and_the_answer_is_kept(
    written: Write, amendment: Any, server: ChatServer
) -> None:
    path = written("https://gateway.example.org/v1", "OUR_TOKEN")
    start = ("run", path, "--max-wait", 0)
    code, said = amendment(*start)
    assert (code, server.hosts) == (2, [])
    assert "Nothing was sent: OUR_TOKEN would go to gateway.example.org" in said
    with on_a_terminal("n\n"):
        assert (amendment(*start)[0], server.hosts) == (2, [])
    with on_a_terminal("y\n"):
        assert amendment(*start)[0] == 3, "the proxy refuses the connection, so the run pauses"
    assert set(server.hosts) == {"gateway.example.org:443"}
    assert amendment(*start)[0] == 3, "nothing is asked again"
    other_host = written("https://gateway.example.net/v1", "OUR_TOKEN")
    assert amendment("run", other_host, "--folder", "other")[0] == 2
    other_key = written("https://gateway.example.org/v1", "OTHER_KEY")
    assert amendment("run", other_key, "--folder", "key")[0] == 2


@pytest.mark.parametrize(
    "variable",
    [
        *(
            "MY_OPENAI_API_KEY",
            "PROD_AWS_SECRET_ACCESS_KEY",
            "HOMEBREW_GITHUB_API_TOKEN",
            "OUR_CLAUDE_KEY",
            "my_qwen_key",
        ),
        *("OP_SERVICE_ACCOUNT_TOKEN", "ARM_ACCESS_KEY", "CIRCLE_TOKEN", "AWS_BEARER_TOKEN_BEDROCK"),
    ],
)
def test_a_variable_with_a_services_name_anywhere_in_it_goes_to_no_stranger(
    written: Write, amendment: Any, server: ChatServer, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, CANARY)
    code, said = amendment("run", written("https://gateway.example.org/v1", variable), "--yes")
    assert (code, server.hosts) == (2, [])
    assert "api_key_env" in said


@pytest.mark.parametrize(
    "variable",
    [
        *("OUR_SERVER_KEY", "VLLM_API_KEY", "GATEWAY_TOKEN", "OUR_CI_KEY", "ROBOT_ARM_KEY", "CO_OP_TOKEN"),
        *("OPENAIRE_KEY", "HFX_TOKEN", "ARMY_KEY"),
    ],
)
def test_a_variable_of_ones_own_goes_where_its_user_says(
    written: Write, amendment: Any, server: ChatServer, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, CANARY)
    assert amendment("run", written("https://gateway.example.org/v1", variable), "--yes", "--max-wait", 0)[0] == 3
    assert set(server.hosts) == {"gateway.example.org:443"}


@pytest.mark.parametrize(
    "model",
    [
        ("https://evil.openai.azure.com/v1", "OUR_KEY"),
        ("https://evil.openai.azure.com/v1", "AZURE_GITHUB_TOKEN"),
        ("https://evil.cloud.databricks.com/v1", "OUR_KEY"),
        ("https://evil.azuredatabricks.net/v1", "OUR_KEY"),
        ("https://api.openai.com/v1", "OUR_KEY"),
        ("https://api.openai.com:8443/v1", "OPENAI_API_KEY"),
    ],
)
def test_a_key_that_is_not_the_hosts_own_and_an_unusual_port_are_asked_about_once(
    written: Write, amendment: Any, server: ChatServer, model: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(model[1], CANARY)
    start = ("run", written(*model), "--max-wait", 0)
    assert (amendment(*start)[0], server.hosts) == (2, [])
    with on_a_terminal("y\n"):
        assert amendment(*start)[0] == 3, "the proxy refuses the connection, so the run pauses"
    assert amendment(*start)[0] == 3, "nothing is asked again"


@pytest.mark.parametrize("host", ["192.0.2.1", "203.0.113.4", "240.0.0.1", "[2001:db8::1]"])
def test_documentation_and_reserved_addresses_are_not_private(written: Write, amendment: Any, host: str) -> None:
    assert amendment("check", written(f"http://{host}/v1", "OUR_KEY"))[0] == 2


@pytest.mark.parametrize("host", ["10.0.0.5", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.1.1", "[fc00::1]"])
def test_addresses_of_ones_own_network_are_private(written: Write, amendment: Any, host: str) -> None:
    assert amendment("check", written(f"http://{host}/v1", "OUR_KEY"))[0] == 0


def test_python_names_the_hosts_that_it_trusts_and_a_model_looked_up_sends_no_key_elsewhere(
    written: Write, server: ChatServer, home: Path
) -> None:
    path = written(f"http://0.0.0.0:{server.server_port}/v1", "OUR_KEY")
    with pytest.raises(ConfigError), Run.from_file(path, folder=home / "a") as run:
        run.models["far"]
    with pytest.raises(ConfigError):
        Run.from_file(path, folder=home / "a")()
    with pytest.raises(ConfigError):
        Run.from_file(path, folder=home / "a", trust_hosts=["gateway.example.org"])()
    assert server.keys == []
    Run.from_file(path, folder=home / "b", trust_hosts=["0.0.0.0"])()
    assert len(server.keys) == 1
    assert not (home / "config/amendment").exists(), "what a program says is not kept for others"


def test_a_resumed_run_and_a_run_by_batch_ask_too(written: Write, amendment: Any, server: ChatServer) -> None:
    assert amendment("run", written(server.url, "OUR_KEY"))[0] == 0
    moved = written("https://gateway.example.org/v1", "OUR_KEY")
    assert amendment("run", moved, "--accept-changes")[0] == 2
    assert amendment("run", moved, "--folder", "batch", "--set", "models.far.mode=batch")[0] == 2
    assert server.hosts == []


@pytest.mark.parametrize("url", ["https://evil.example\\.api.openai.com/v1", "https://evil.example%2f.api.openai.com"])
def test_a_url_that_two_programs_read_differently_is_refused(written: Write, amendment: Any, url: str) -> None:
    assert amendment("check", written(url, "OPENAI_API_KEY"))[0] == 2


def test_plan_and_run_say_which_key_goes_where_and_which_files_lie_elsewhere(
    written: Write, amendment: Any, server: ChatServer, home: Path
) -> None:
    (home / "diary.jsonl").write_text('{"prompt": "a secret"}\n')
    (home / "files" / "link.jsonl").symlink_to(home / "diary.jsonl")
    prompts = [{"path": "p.jsonl"}, {"path": "link.jsonl"}]
    path = written(server.url, "OUR_KEY", prompts=prompts)
    code, planned = amendment("plan", path)
    assert code == 0
    code, said = amendment("run", path)
    assert code == 0
    for text in (planned, said):
        assert f"sends OUR_KEY to 127.0.0.1:{server.server_port}" in text
        assert f"reads {(home / 'diary.jsonl').resolve()}" in text
        assert "p.jsonl," not in text.replace("diary.jsonl,", "")


@pytest.mark.parametrize("name", ["vllm", "ollama", "azure", "openrouter", "openai", "anthropic"])
def test_the_examples_for_servers_of_others_need_no_question(amendment: Any, home: Path, name: str) -> None:
    code, said = amendment("plan", Path(__file__).parents[2] / "examples" / f"{name}.yaml", "--limit", 2)
    assert code == 0, said
