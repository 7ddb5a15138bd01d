"""People's labels: the page of a run's folder, and what they make of pairs."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from amendment.data.store import Workspace
from amendment.errors import ConfigError
from amendment.people.labelling import EVALUATION, open_sample
from amendment.people.samples import LabelQuestion
from amendment.people.serving import serve_page
from amendment.people.store import Labels
from amendment.preference.deciding import Decided, calibrate_pairs, label_pairs
from amendment.records import Pair
from tests.people.answering import Answer, answer_all
from tests.people.label_pages import make_run, questions
from tests.vendors.processes import started

VERDICTS = 60
Serve = Callable[..., tuple[subprocess.Popen[str], str]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts `amendment label` and gives its process and the first annotator's link."""
    with contextlib.ExitStack() as stack:

        def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
            command = [sys.executable, "-m", "amendment", "label", *arguments]
            page = stack.enter_context(started(command))
            assert page.stdout is not None
            return page, page.stdout.readline().strip().removeprefix("ann: ")

        yield start


def rate(annotator: str, item: dict[str, Any], skips: Collection[str] = ()) -> Answer:
    return Answer("skip" if item["prompt"][0]["content"] in skips else "A", seconds=2.0)


def test_annotators_label_a_run_over_a_socket_and_the_page_tells_what_is_left(serve: Serve, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "runs" / "tried", questions(12, overlap=4))
    page, url = serve(str(folder), "--rater", "ann", "--rater", "bob")
    assert url.startswith("http://127.0.0.1:")
    assert len(url.partition("#token=")[2]) == 43  # 256 bits
    # one of two annotators: 4 of the overlap, and all 8 others, since nobody else comes
    assert asyncio.run(answer_all({"ann": url}, rate)) == 12
    assert open_sample(folder).missing() == 4  # read while the page is open: the overlap waits for a second annotator
    page.send_signal(signal.SIGINT)
    out, err = page.communicate(timeout=20)
    assert (page.returncode, err) == (0, "")
    assert f"4 labels are missing. Resume with: amendment label {folder}" in out

    page, again = serve(str(folder))
    assert again == url  # and what a browser keeps belongs to its port
    assert page.stdout is not None
    bob = page.stdout.readline().strip().removeprefix("bob: ")
    assert asyncio.run(answer_all({"ann": again, "bob": bob}, rate, in_turn=False)) == 4
    page.send_signal(signal.SIGTERM)
    out, _ = page.communicate(timeout=20)
    assert page.returncode == 0
    assert "No labels are missing. Resume with: amendment run FILE" in out
    assert open_sample(folder).missing() == 0


def test_the_page_of_an_evaluation_has_questions_and_labels_of_its_own(serve: Serve, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "tried", questions(12, overlap=4))
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
    assert f"1 label is missing. Resume with: amendment label {folder} --stage evaluate" in said
    spot_check.send_signal(signal.SIGINT)
    assert f"16 labels are missing. Resume with: amendment label {folder}\n" in spot_check.communicate(timeout=20)[0]
    assert (open_sample(folder, EVALUATION).missing(), open_sample(folder).missing()) == (1, 2 * 4 + 8)


def test_a_port_that_is_taken_is_passed_over_or_said(serve: Serve, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "tried", questions(12, overlap=4))
    page, url = serve(str(folder), "--rater", "ann")
    usual = int(url.partition("#")[0].rpartition(":")[2].rstrip("/"))
    page.kill()
    page.wait()
    with socket.create_server(("127.0.0.1", usual)):
        with pytest.raises(ConfigError, match=f"127.0.0.1:{usual}: cannot listen here"):
            serve_page(folder, port=usual, ready=lambda links, lead, cautions: pytest.fail("served"))
        _, other = serve(str(folder))
        assert other.startswith("http://127.0.0.1:")
        assert f":{usual}/" not in other


def test_requests_as_they_stand_on_the_wire_are_checked(serve: Serve, tmp_path: Path) -> None:
    _, url = serve(str(make_run(tmp_path / "tried", questions(12, overlap=4))), "--rater", "ann")
    host = url.split("/")[2]

    def status(request: str, headers: str = f"Host: {host}\r\n", body: bytes = b"") -> int:
        with socket.create_connection(("127.0.0.1", int(host.rpartition(":")[2])), timeout=10) as wire:
            wire.sendall(f"{request} HTTP/1.1\r\n{headers}\r\n".encode() + body)
            return int(wire.recv(4096).split()[1])

    assert (status("GET /"), status("GET /static/../_app.py"), status("GET http://evil/")) == (200, 404, 404)
    assert (status("GET /", "Host: evil\r\n"), status("GET /", "")) == (421, 400)
    page = f"Host: {host}\r\nOrigin: http://{host}\r\nContent-Type: application/json\r\n"
    chunked = b"12000\r\n" + bytes(0x12000) + b"\r\n0\r\n\r\n"  # 72 KB, announced by no length
    assert status("POST /session", f"{page}Transfer-Encoding: chunked\r\n", chunked) == 413


def test_half_open_connections_keep_no_annotator_out(serve: Serve, tmp_path: Path) -> None:
    page, url = serve(str(make_run(tmp_path / "tried", questions(6))), "--rater", "ann")
    host = url.split("/")[2]
    head = f"POST /session HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nContent-Type: application/json\r\n"
    begun = [b"", b"GET / HTT", f"{head}Content-Length: 100\r\n\r\n{{".encode()]
    with contextlib.ExitStack() as stack:
        for number in range(900):
            wire = stack.enter_context(socket.create_connection(("127.0.0.1", int(host.rpartition(":")[2]))))
            wire.sendall(begun[number % len(begun)])
            if number % 300 == 299:
                assert asyncio.run(answer_all({"ann": url}, rate)) == (6 if number == 299 else 0)
    page.send_signal(signal.SIGINT)
    _, err = page.communicate(timeout=20)
    assert (page.returncode, "Traceback" in err) == (0, False), err


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
    folder = make_run(tmp_path / "tried", questions(12, overlap=4))
    with pytest.raises(ConfigError, match=said):
        serve_page(folder, host=host, allow_network=allowed, ready=lambda links, lead, cautions: pytest.fail("served"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (" Simulated  PERSON\u200b\t12", "reserved for simulated people; expected another name"),
        ("ｓimulatedperson1", "reserved for simulated people; expected another name"),
        ("\u200b\x00", "expected a name of 1 to 120 characters"),
        ("x" * 121, "expected a name of 1 to 120 characters"),
    ],
)
def test_a_name_that_nobody_may_have_gets_no_link(tmp_path: Path, name: str, message: str) -> None:
    folder = make_run(tmp_path / "tried", questions(12, overlap=4))
    with pytest.raises(ConfigError, match=message):
        serve_page(folder, names=[name], ready=lambda links, lead, cautions: pytest.fail("served"))


@pytest.mark.slow
def test_every_acknowledged_verdict_of_twenty_annotators_survives_a_kill(serve: Serve, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "tried", questions(VERDICTS, overlap=VERDICTS), annotators=20)
    page, first = serve(str(folder), "--rater=ann", *(f"--rater=person-{n:02}" for n in range(19)))
    assert page.stdout is not None
    rest = [page.stdout.readline().strip().split(": ", 1) for _ in range(19)]
    links = {"ann": first, **dict(rest)}
    asked = 0

    def until_killed(annotator: str, item: dict[str, Any]) -> Answer:
        nonlocal asked
        asked += 1
        if asked == 300:
            page.kill()
            page.wait()
        return rate(annotator, item)

    with pytest.raises(httpx2.TransportError):
        asyncio.run(answer_all(links, until_killed))
    with Labels(folder / "labels.sqlite", read_only=True) as labels:
        assert len(labels.history()) == 299, "each is acknowledged before the next is asked for"
    serve(str(folder))
    asyncio.run(answer_all(links, rate, in_turn=False))
    with Labels(folder / "labels.sqlite", read_only=True) as labels:
        assert len(labels.current()) == len(labels.history()) == 20 * VERDICTS
    assert open_sample(folder).missing() == 0


PAIR = Pair(
    prompt_id="x",
    chosen_id="b",
    rejected_id="a",
    p_chosen=0.9,
    p_chosen_raw=0.9,
    decided_by="judge",
    raters=("judge",),
    decisive="house/honest",
)
TIE = PAIR.model_copy(update={"p_chosen": 0.5, "p_chosen_raw": 0.55})
NAME = PAIR.comparison_id


@pytest.mark.parametrize(
    ("pair", "p_a", "is_used", "p_chosen", "p_calibrated"),
    [
        (PAIR, 0.3, False, 0.9, 0.7),  # P(a) = 0.3 and b was chosen: P(chosen) = 0.7
        (PAIR, 0.3, True, 0.7, 0.7),
        (PAIR, 0.6, True, 0.4, 0.4),  # calibration says the opposite: chosen stays chosen
        (TIE, 0.4, True, 0.5, 0.6),  # a tie stays a tie
    ],
)
def test_a_calibrated_probability_stands_beside_the_raw_one(
    pair: Pair, p_a: float, is_used: bool, p_chosen: float, p_calibrated: float
) -> None:
    found = calibrate_pairs(Decided([pair]), {NAME: p_a}, is_used=is_used)
    [made] = found.pairs
    assert (made.chosen_id, made.p_chosen_raw) == ("b", pair.p_chosen_raw)
    assert (made.p_chosen, made.p_chosen_calibrated) == pytest.approx((p_chosen, p_calibrated))
    assert found.counts == ({"calibration says the opposite": 1} if p_calibrated < 0.5 else {})


def test_what_people_decided_no_calibration_undoes() -> None:
    # people are with the judge, who chose b; calibration would have it the other way round: P(a) = 0.6
    decided = label_pairs(Decided([PAIR]), {NAME: {"Anna": 0.0}}, ties="drop")
    found = calibrate_pairs(decided, {NAME: 0.6}, is_used=True)
    [made] = found.pairs
    assert made.chosen_id == "b"
    assert (made.p_chosen, made.p_chosen_calibrated) == pytest.approx((1.0, 0.4))
    assert found.counts == decided.counts


def test_people_decide_the_comparisons_that_they_labelled() -> None:
    # two of three people say a, and the judge had chosen b
    found = label_pairs(Decided([PAIR]), {NAME: {"Anna": 1.0, "Bert": 1.0, "Cleo": 0.0}}, ties="drop")
    [made] = found.pairs
    assert (made.chosen_id, made.decided_by, made.raters) == ("a", "person", ("Anna", "Bert", "Cleo"))
    assert made.p_chosen == pytest.approx(2 / 3)
    assert made.p_chosen_raw == pytest.approx(0.1)
    assert found.counts == {"decided by people": 1, "people disagree with the judge": 1}


@pytest.mark.parametrize(("ties", "left"), [("drop", []), ("keep", [("b", 0.5)])])
@pytest.mark.parametrize(
    ("votes", "reason"),
    [
        ({"Anna": 1.0, "Bert": 0.0}, "people disagree with each other"),
        ({"Anna": 0.5, "Bert": 0.5}, "people call it a tie"),
    ],
)
def test_pairs_that_people_leave_undecided_are_ties(
    ties: str, left: list[tuple[str, float]], votes: dict[str, float], reason: str
) -> None:
    found = label_pairs(Decided([PAIR]), {NAME: votes}, ties=ties)  # type: ignore[arg-type]
    assert [(one.chosen_id, one.p_chosen) for one in found.pairs] == left
    assert [one.decisive for one in found.pairs] == [None] * len(left)  # no principle decides a tie
    assert found.counts == {reason: 1}
    assert found.left_out.total() == (ties == "drop")
