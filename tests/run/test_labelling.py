"""The page of a run's folder as a process: 20 annotators at once, a kill between, ports, signals, what is told."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from amendment.calibration.labelling import EVALUATION, SPOT_CHECK, open_sample, serve_labelling
from amendment.calibration.samples import LabelQuestion
from amendment.calibration.store import Labels
from amendment.data.workspace import Workspace
from amendment.errors import ConfigError
from tests.calibration.answering import Answer, answer_all
from tests.calibration.label_pages import questions

ANNOTATORS, VERDICTS = 20, 200
KILL_AFTER = ANNOTATORS * VERDICTS // 3
Serve = Callable[..., tuple[subprocess.Popen[str], str]]


def make_run(folder: Path, n: int = 12, overlap: int = 4, annotators: int = 2) -> Path:
    config = {"name": "tried", "seed": 4, "spot_check": {"annotators": annotators}}
    folder.mkdir(parents=True)
    (folder / "run.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    Workspace(folder).write(SPOT_CHECK.questions, LabelQuestion, questions(n, overlap=overlap))
    return folder


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts `amendment label` and gives its process and the first annotator's link."""
    with contextlib.ExitStack() as stack:

        def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
            command = [sys.executable, "-m", "amendment", "label", *arguments]
            pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            page = stack.enter_context(subprocess.Popen(command, text=True, **pipes))
            stack.callback(page.kill)
            assert page.stdout is not None
            return page, page.stdout.readline().strip().removeprefix("ann: ")

        yield start


def rate(annotator: str, item: dict[str, Any], skips: Collection[str] = ()) -> Answer:
    return Answer("skip" if item["prompt"][0]["content"] in skips else "A", seconds=2.0)


def test_annotators_label_a_run_over_a_socket_and_the_page_tells_what_is_left(serve: Serve, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "runs" / "tried")
    page, url = serve(str(folder), "--rater", "ann", "--rater", "bob")
    assert url.startswith("http://127.0.0.1:")
    assert len(url.partition("#token=")[2]) == 43  # 256 bits
    # one of two annotators: 4 of the overlap, and all 8 others, since nobody else comes
    assert asyncio.run(answer_all({"ann": url}, rate)) == 12
    assert open_sample(folder).missing() == 4  # read beside the page: the overlap waits for a second annotator
    page.send_signal(signal.SIGINT)
    out, err = page.communicate(timeout=20)
    assert (page.returncode, err) == (0, "")
    assert f"4 labels are missing; go on with: amendment label {folder}" in out

    page, again = serve(str(folder))
    assert again == url  # and what a browser keeps belongs to its port
    assert page.stdout is not None
    bob = page.stdout.readline().strip().removeprefix("bob: ")
    assert asyncio.run(answer_all({"ann": again, "bob": bob}, rate, in_turn=False)) == 4
    page.send_signal(signal.SIGTERM)
    out, _ = page.communicate(timeout=20)
    assert page.returncode == 0
    assert "all labels are there" in out
    assert open_sample(folder).missing() == 0


def test_the_page_of_an_evaluation_has_questions_and_labels_of_its_own(serve: Serve, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "tried")
    planned = {"name": "tried", "seed": 4, "spot_check": {"annotators": 2}, "evaluate": {"people": {"annotators": 2}}}
    (folder / "run.yaml").write_text(yaml.safe_dump(planned), encoding="utf-8")
    Workspace(folder).write(EVALUATION.questions, LabelQuestion, questions(3))
    both = [serve(str(folder), "--rater", "ann", *option) for option in ([], ["--stage", "evaluate"])]  # at once
    (spot_check, first), (page, second) = both
    assert first.partition("#")[0] != second.partition("#")[0]
    skips = ["ask 0"]  # which then waits for the other annotator
    assert asyncio.run(answer_all({"ann": second}, lambda who, item: rate(who, item, skips))) == 3
    page.send_signal(signal.SIGINT)
    said = page.communicate(timeout=20)[0]
    assert f"1 label is missing; go on with: amendment label {folder} --stage evaluate" in said
    spot_check.send_signal(signal.SIGINT)
    assert f"16 labels are missing; go on with: amendment label {folder}\n" in spot_check.communicate(timeout=20)[0]
    assert (open_sample(folder, EVALUATION).missing(), open_sample(folder).missing()) == (1, 2 * 4 + 8)


def test_a_port_that_is_taken_is_passed_over_or_said(serve: Serve, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "tried")
    page, url = serve(str(folder), "--rater", "ann")
    usual = int(url.partition("#")[0].rpartition(":")[2].rstrip("/"))
    page.kill()
    page.wait()
    with socket.create_server(("127.0.0.1", usual)):
        with pytest.raises(ConfigError, match=f"127.0.0.1:{usual}: cannot be listened on"):
            serve_labelling(folder, port=usual, ready=lambda links, cautions: pytest.fail("served"))
        _, other = serve(str(folder))
        assert other.startswith("http://127.0.0.1:")
        assert f":{usual}/" not in other


def test_requests_as_they_stand_on_the_wire_are_checked(serve: Serve, tmp_path: Path) -> None:
    _, url = serve(str(make_run(tmp_path / "tried")), "--rater", "ann")
    host = url.split("/")[2]
    port = int(host.rpartition(":")[2])

    def status(request: str, headers: str = f"Host: {host}\r\n", body: bytes = b"") -> int:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
            wire.sendall(f"{request} HTTP/1.1\r\n{headers}\r\n".encode() + body)
            return int(wire.recv(4096).split()[1])

    assert status("GET /") == 200
    for path in ("/static/../_app.py", "/static/%2e%2e/_app.py", "/static/..%2f..%2fstore.py", "http://evil/"):
        assert status(f"GET {path}") == 404
    assert status("GET /", "Host: evil\r\n") == status("GET /", f"Host: localhost.evil:{port}\r\n") == 421
    assert status("GET /", "") == 400
    page = f"Host: {host}\r\nOrigin: http://{host}\r\nContent-Type: application/json\r\n"
    chunked = b"12000\r\n" + bytes(0x12000) + b"\r\n0\r\n\r\n"  # 72 KB, announced by no length
    assert status("POST /session", f"{page}Transfer-Encoding: chunked\r\n", chunked) == 413


@pytest.mark.parametrize(
    ("host", "allowed", "said"),
    [
        ("192.168.1.20", False, "--allow-network"),
        ("0.0.0.0", True, "every address"),
        ("::1", True, "IPv4"),
        ("example.org", True, "IPv4"),
    ],
)
def test_hosts_that_are_not_loopback_are_refused(tmp_path: Path, host: str, allowed: bool, said: str) -> None:
    folder = make_run(tmp_path / "tried")
    with pytest.raises(ConfigError, match=said):
        serve_labelling(folder, host=host, allow_network=allowed, ready=lambda links, cautions: pytest.fail("served"))


def test_what_is_no_run_or_has_no_sample_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a run's folder"):
        open_sample(tmp_path)
    folder = make_run(tmp_path / "tried")
    (folder / "spot_check" / "questions.parquet").unlink()
    with pytest.raises(ConfigError, match="amendment run FILE --until spot_check"):
        open_sample(folder)
    (folder / "run.yaml").write_text("name: tried\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="no `spot_check:`"):
        open_sample(folder)
    (folder / "run.yaml").write_text("name: tried\nspot_check: {annotators: none}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"spot_check\.annotators"):
        open_sample(folder)
    assert not (folder / "labels.sqlite").exists()


class Crowd:
    """Annotators who keep a verdict until it is acknowledged, whatever becomes of the page."""

    def __init__(self, links: dict[str, str]) -> None:
        self.links = links
        self.acknowledged: list[str] = []
        self.kept: dict[str, dict[str, Any]] = {}
        """By annotator: a verdict that was sent and not acknowledged."""
        self.at_kill = asyncio.Event()
        self.back = asyncio.Event()
        self.back.set()

    async def be(self, annotator: str) -> None:
        while True:
            await self.back.wait()
            jar = aiohttp.CookieJar(unsafe=True)  # cookies of an address, not of a name
            async with aiohttp.ClientSession(cookie_jar=jar, headers=self.headers(annotator)) as client:
                with contextlib.suppress(aiohttp.ClientError, OSError):
                    return await self._label(client, annotator)
            await asyncio.sleep(0.01)  # the page is away

    def headers(self, annotator: str) -> dict[str, str]:
        return {"origin": self.links[annotator].partition("/#")[0]}

    async def _label(self, client: aiohttp.ClientSession, annotator: str) -> None:
        base, _, token = self.links[annotator].partition("/#token=")
        async with client.post(f"{base}/session", json={"token": token}) as reply:
            assert await reply.json() == {"annotator": annotator}
        while True:
            if annotator not in self.kept:
                async with client.get(f"{base}/next") as reply:
                    told = await reply.json()
                if told["done"]:
                    return
                item = told["item"]
                uuid = f"{annotator}-{item['prompt'][0]['content']}"
                self.kept[annotator] = {"uuid": uuid, "choice": "B", "item": item["id"]}
            for _ in range(2 if len(self.acknowledged) % 10 == 0 else 1):  # every tenth click is a double one
                async with client.post(f"{base}/labels", json=self.kept[annotator]) as reply:
                    assert await reply.json() == {"stored": True}
            self.acknowledged.append(self.kept.pop(annotator)["uuid"])
            if len(self.acknowledged) >= KILL_AFTER:
                self.at_kill.set()


def _links(page: subprocess.Popen[str], first: str) -> dict[str, str]:
    """Of all annotators, by name."""
    assert page.stdout is not None
    lines = [first, *(page.stdout.readline().strip() for _ in range(ANNOTATORS - 1))]
    return dict(tuple(line.split(": ", 1)) for line in lines)  # type: ignore[misc]


@pytest.mark.slow
def test_every_acknowledged_verdict_of_twenty_annotators_survives_a_kill(serve: Serve, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "tried", n=VERDICTS, overlap=VERDICTS, annotators=ANNOTATORS)
    names = [f"person-{n:02}" for n in range(ANNOTATORS)]
    page, first = serve(str(folder), *(f"--rater={name}" for name in names))
    crowd = Crowd(_links(page, first))
    path = folder / "labels.sqlite"

    async def label_all() -> None:
        async with asyncio.timeout(120), asyncio.TaskGroup() as people:
            for name in names:
                people.create_task(crowd.be(name))
            await crowd.at_kill.wait()
            os.kill(page.pid, signal.SIGKILL)
            crowd.back.clear()
            await asyncio.to_thread(page.wait)
            with Labels(path, read_only=True) as labels:
                assert set(crowd.acknowledged) <= {one.uuid for one in labels.history()}
            assert _links(*await asyncio.to_thread(serve, str(folder))) == crowd.links
            crowd.back.set()

    asyncio.run(label_all())
    with Labels(path, read_only=True) as labels:
        kept = [one.uuid for one in labels.history()]
        assert len(labels.current()) == ANNOTATORS * VERDICTS
    assert len(kept) == len(set(kept)) == len(crowd.acknowledged) == ANNOTATORS * VERDICTS
    assert set(kept) ^ set(crowd.acknowledged) == set()
    assert open_sample(folder).missing() == 0
