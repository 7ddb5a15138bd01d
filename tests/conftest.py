"""For all tests: loopback alone. For those that train: a base, a reward model, pairs of which the better says yes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from playwright.sync_api import Browser, sync_playwright

from amendment.verification.sandbox import why_unavailable
from tests.chat_server import ChatServer

# How long an example takes says nothing on a shared machine. The same examples every time, so that a change is what
# turned a test red; `make test-long` draws new ones.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("exploring", deadline=None, derandomize=False)
settings.load_profile("repeatable")

# A shell's background jobs ignore an interrupt, and so would every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

CHROMIUM = os.environ.get("AMENDMENT_CHROMIUM") or shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
NO_CHROMIUM = "found no chromium: `apt-get install chromium`, or name a browser in AMENDMENT_CHROMIUM"

CALL = {"type": "function", "function": {"name": "look", "arguments": {"n": 1}}}


def make_pair(i: int) -> dict[str, Any]:
    """Every third has a system text and several turns, every fourth thinking and a tool call."""
    prompt = [{"role": "user", "content": f"ask {i % 10} {i % 7}"}]
    if i % 3 == 0:
        prompt = [
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": "hello you"},
            *prompt,
        ]
    chosen: dict[str, Any] = {"role": "assistant", "content": f"yes indeed {i % 5}"}
    if i % 4 == 0:
        chosen |= {"thinking": "hm", "tool_calls": [CALL]}
    rejected = {"role": "assistant", "content": f"no never {i % 5}"}
    return {"prompt": prompt, "chosen": [chosen], "rejected": [rejected], "prompt_id": str(i), "category": "abc"[i % 3]}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need a missing program are skipped; long ones may take an hour."""
    missing = {"browser": None if CHROMIUM else NO_CHROMIUM, "sandbox": why_unavailable()}
    for item in items:
        for mark, reason in missing.items():
            if reason and item.get_closest_marker(mark):
                item.add_marker(pytest.mark.skip(reason=reason))
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.timeout(3600))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to any other host fails the test at once."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "0.0.0.0", "::1"):
            raise AssertionError(f"a test tried to reach {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer() as serving:
        yield serving


@pytest.fixture(scope="session")
def pairs() -> list[dict[str, Any]]:
    return [make_pair(i) for i in range(24)]


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory, pairs: list[dict[str, Any]]) -> Path:
    from amendment.training import TinyModel, build_tiny

    folder = tmp_path_factory.mktemp("base")
    texts = [m["content"] for row in pairs for side in ("prompt", "chosen", "rejected") for m in row[side]]
    build_tiny(folder, texts, TinyModel(hidden=16, layers=1, heads=2, intermediate=32, vocab=400, context=256), seed=1)
    return folder


@pytest.fixture(scope="session")
def reward_folder(base: Path, pairs: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reward model that prefers yes to no."""
    from amendment.reward_model import RewardSettings, train_reward

    out = tmp_path_factory.mktemp("reward") / "rm"
    settings = RewardSettings(steps=12, batch_size=8, learning_rate=1e-2, max_length=96, trl={"logging_steps": 6})
    train_reward(base, pairs, out, settings, seed=3)
    return out
