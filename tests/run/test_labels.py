"""People's labels: the page of a run's folder, files to and from other tools, and what they make of pairs."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from amendment.calibration.exchange import export_labels, export_questions, import_labels
from amendment.calibration.label import Label
from amendment.calibration.labelling import EVALUATION, SPOT_CHECK, open_sample
from amendment.calibration.queue import labels_missing
from amendment.calibration.samples import LabelQuestion, SampledItem
from amendment.calibration.serving import serve_page
from amendment.calibration.store import Labels
from amendment.data.store import Workspace
from amendment.errors import ConfigError, DataError
from amendment.records import Pair, user
from amendment.stages.dataset import calibrated_pairs, labelled_pairs
from amendment.stages.labels import SIMULATED
from tests.calibration.answering import Answer, answer_all
from tests.calibration.exchanged import KIND, question_of
from tests.calibration.label_pages import questions
from tests.command_line import called

QUESTIONS = [
    question_of(user(f"ask {i}"), (f"yes {i}", f"no {i}"), principles=(KIND,), in_overlap=i < 2, is_repeated=i == 0)
    for i in range(6)
]


def label(one: LabelQuestion, annotator: str, choice: Any = "A", *, day: int = 1, **more: Any) -> Label:
    ids = (one.a_id, one.b_id)
    return Label(
        uuid=f"{annotator}-{one.prompt_id[-8:]}-{choice}-{more.get('showing', 0)}",
        comparison_id=one.comparison_id,
        prompt_id=one.prompt_id,
        shown=ids[::-1] if more.get("showing") else ids,
        annotator=annotator,
        choice=choice,
        at=f"2026-04-0{day}T09:00:00+00:00",
        **more,
    )


LABELS = [
    *(label(one, "Ada Lovelace", choice) for one, choice in zip(QUESTIONS, "ABABAB", strict=True)),
    label(QUESTIONS[0], "Ada Lovelace", "B", showing=1, confidence=3),
    label(QUESTIONS[0], "bo@example.org", "tie", comment="As Ada Lovelace said.", seconds=2.5),
    label(QUESTIONS[1], "bo@example.org", "skip"),
]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Path]:
    def made(name: str = "run", labels: Sequence[Label] = ()) -> Path:
        """A run's folder after the stage spot_check, with labels."""
        place = Workspace(tmp_path / name)
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.yaml").write_text("name: sent\nseed: 3\nspot_check: {annotators: 2}\n")
        place.write(SPOT_CHECK.questions, LabelQuestion, QUESTIONS)
        drawn = {"p_a": 0.5, "stratum": "all", "inclusion": 1}
        sealed = [{"prompt_id": one.prompt_id, "a": one.a_id, "b": one.b_id, **drawn} for one in QUESTIONS]
        items = [SampledItem.model_validate({**item, "is_sealed": n == 5}) for n, item in enumerate(sealed)]
        place.write("spot_check/sample", SampledItem, items)
        with Labels(tmp_path / name / "labels.sqlite") as store:
            for one in labels:
                store.add(one)
        return tmp_path / name

    return made


def current(folder: Path) -> list[Label]:
    with Labels(folder / "labels.sqlite", read_only=True) as store:
        return store.current()


def facts(labels: list[Label], *left_out: str) -> list[Any]:
    named = [one.model_dump(exclude={"uuid", *left_out}) for one in labels]
    return sorted(named, key=lambda one: (one["comparison_id"], one["showing"], one["choice"]))


@pytest.mark.parametrize("file", ["x.csv", "x.jsonl"])
def test_labels_move_to_another_machine(run: Callable[..., Path], tmp_path: Path, file: str) -> None:
    here, there, path = run("here", LABELS), run("there"), tmp_path / file
    sent = export_labels(here, path, comments=True)
    assert (sent.lines, sent.people, sent.left_out, sent.with_sealed) == (9, 2, 0, True)
    for name in ("Lovelace", "bo@example"):
        assert name not in path.read_text()
    taken = import_labels(there, path)
    assert (taken.new, taken.people, taken.known, taken.older) == (9, 2, 0, 0)
    assert taken.missing == labels_missing(QUESTIONS, current(there), annotators=2) == 0
    clockless = ("at", "seconds", "annotator", "comment")
    assert facts(current(there), *clockless) == facts(LABELS, *clockless)
    assert {one.annotator for one in current(there)} == {"person-1", "person-2"}
    said = next(one.comment for one in current(there) if one.comment)
    assert said.replace("person-2", "person-1") == "As person-1 said."
    before = current(there)
    again = import_labels(there, path)
    assert (again.new, again.known) == (0, 9)
    assert current(there) == before


def test_a_pseudonym_that_may_be_somebody_here_is_asked_for(run: Callable[..., Path], tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    export_labels(run("there", [label(QUESTIONS[3], "Cy", "tie")]), path)
    folder = run("here", LABELS)
    with pytest.raises(DataError, match=r"x.csv: person-1: a pseudonym, and perhaps .* \(--rater person-1=NAME\)"):
        import_labels(folder, path)
    assert len(current(folder)) == 9
    assert import_labels(folder, path, raters=["person-1= Cy\u200b "]).new == 1
    assert {one.annotator for one in current(folder)} == {"Ada Lovelace", "bo@example.org", "Cy"}
    with pytest.raises(ConfigError, match=r"--rater person-7=Di: .* has no such labels; annotators: person-1"):
        import_labels(folder, path, raters=["person-7=Di"])
    for bad in (["Cy", "Di"], ["person-1="], [""]):
        with pytest.raises(ConfigError, match="expected NAME at most once"):
            import_labels(folder, path, raters=bad)


def test_whoever_has_answered_anew_since_keeps_the_new_answer(run: Callable[..., Path], tmp_path: Path) -> None:
    first = label(QUESTIONS[3], "Ada", "A")
    anew = label(QUESTIONS[3], "Ada", "B", day=2)
    path = tmp_path / "older.csv"
    export_labels(run("old", [first]), path)
    folder = run("new", [anew])
    assert import_labels(folder, path, raters=["person-1=Ada"]).older == 1
    export_labels(run("newer", [anew]), path)
    folder = run("behind", [first])
    assert import_labels(folder, path, raters=["person-1=Ada"]).new == 1
    assert [one.choice for one in current(folder)] == ["B"]


def test_a_spreadsheet_is_sent_answered_and_taken_in(run: Callable[..., Path], tmp_path: Path) -> None:
    folder, path = run(), tmp_path / "ask.csv"
    assert export_questions(folder, path).lines == 7  # six, and one of them twice
    text = path.read_text(encoding="utf-8-sig")
    for one in QUESTIONS:
        assert one.comparison_id not in text
        assert one.a_id not in text
    rows = list(csv.DictReader(text.splitlines()))
    for row in rows:
        row["choice"] = "A" if row["answer_a"].startswith("yes") else "B"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    taken = import_labels(folder, path, raters=["Ada"])
    assert (taken.new, taken.missing) == (7, 2)  # the overlap of two waits for somebody else
    yes = {one.a_id if str(one.a[0].content).startswith("yes") else one.b_id for one in QUESTIONS}
    assert {one.shown["AB".index(one.choice)] for one in current(folder)} == yes
    assert len({row["item"] for row in rows}) == 7


@pytest.mark.parametrize("name", [f"{SIMULATED} 1", f"{SIMULATED} 2".title()])
def test_a_file_brings_no_simulated_people(run: Callable[..., Path], tmp_path: Path, name: str) -> None:
    file, folder = tmp_path / "x.csv", run()
    export_questions(folder, file)
    item = next(csv.DictReader(file.read_text(encoding="utf-8-sig").splitlines()))["item"]
    file.write_text(f"item,choice,annotator\n{item},A,{name}\n")
    with pytest.raises(DataError, match=rf"{name} is a name kept for simulated people; say who it is \(--rater"):
        import_labels(folder, file)
    with pytest.raises(ConfigError, match=rf"--rater .*: {name} is a name kept for simulated people"):
        import_labels(folder, file, raters=[f"Ada={name}"])
    assert current(folder) == []
    assert import_labels(folder, file, raters=[f"{name}=Ada"]).new == 1


def test_the_command_sends_and_takes_in(
    run: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = run("here", LABELS), run("there")
    path = tmp_path / "x.jsonl"
    assert called("label", str(here), "--export", str(path)) == 0
    told = capsys.readouterr()
    assert "9 labels of 2 people under pseudonyms, without comments (--comments writes them too)." in told.out
    assert "opening the seal" in told.err
    assert called("label", str(there), "--import", str(path)) == 0
    assert "9 new labels of 2 people.\nall labels are there; go on with: amendment run FILE" in capsys.readouterr().out
    assert called("label", str(there), "--import", str(path)) == 0
    assert "0 new labels, 9 here already." in capsys.readouterr().out
    questions = ("--export", str(tmp_path / "q.json"), "--questions", "--format", "label-studio")
    assert called("label", str(there), *questions) == 0
    assert "q.json: 7 items without labels." in capsys.readouterr().out
    assert (tmp_path / "q-interface.xml").read_text().startswith("<View>")


WRONG: list[tuple[list[str], str]] = [
    (["--export", "x.csv"], "nobody has labelled yet; to send the questions away, add --questions"),
    (["--export", "x.json", "--questions"], "or .json with --format argilla or --format label-studio"),
    (["--export", "x.json", "--format", "argilla"], "labels are written as CSV or JSONL"),
    (["--export", "x.csv", "--import", "x.csv"], "--export and --import: one at a time"),
    (["--export", "x.csv", "--rater", "Ada"], "--rater works with the page or with --import FILE"),
    (["--export", "x.csv", "--port", "8000"], "--annotators belong to the page, which is not served"),
    (["--import", "other.csv"], "expected the columns as they were exported, found prompt, verdict"),
    (["--export", "run.yaml/x.csv", "--questions"], "cannot be written"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_what_cannot_be_done_is_said(
    run: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    folder = run()
    monkeypatch.chdir(folder)
    (folder / "other.csv").write_text("prompt,verdict\nx,A\n")
    assert called("label", str(folder), *options) == 2
    assert message in " ".join(capsys.readouterr().err.split())


VERDICTS = 60
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
            serve_page(folder, port=usual, ready=lambda links, cautions: pytest.fail("served"))
        _, other = serve(str(folder))
        assert other.startswith("http://127.0.0.1:")
        assert f":{usual}/" not in other


def test_requests_as_they_stand_on_the_wire_are_checked(serve: Serve, tmp_path: Path) -> None:
    _, url = serve(str(make_run(tmp_path / "tried")), "--rater", "ann")
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
        serve_page(folder, host=host, allow_network=allowed, ready=lambda links, cautions: pytest.fail("served"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (" Simulated  PERSON\u200b\t12", "kept for simulated people; expected another name"),
        ("ｓimulatedperson1", "kept for simulated people; expected another name"),
        ("\u200b\x00", "expected a name of 1 to 120 characters"),
        ("x" * 121, "expected a name of 1 to 120 characters"),
    ],
)
def test_a_name_that_nobody_may_have_gets_no_link(tmp_path: Path, name: str, message: str) -> None:
    folder = make_run(tmp_path / "tried")
    with pytest.raises(ConfigError, match=message):
        serve_page(folder, names=[name], ready=lambda links, cautions: pytest.fail("served"))


@pytest.mark.slow
def test_every_acknowledged_verdict_of_twenty_annotators_survives_a_kill(serve: Serve, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "tried", n=VERDICTS, overlap=VERDICTS, annotators=20)
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
    found = calibrated_pairs([pair], {NAME: p_a}, is_used=is_used)
    [made] = found.pairs
    assert (made.chosen_id, made.p_chosen_raw) == ("b", pair.p_chosen_raw)
    assert (made.p_chosen, made.p_chosen_calibrated) == pytest.approx((p_chosen, p_calibrated))
    assert found.counts == ({"calibration says the opposite": 1} if p_calibrated < 0.5 else {})


def test_what_people_decided_no_calibration_undoes() -> None:
    # people are with the judge, who chose b; calibration would have it the other way round: P(a) = 0.6
    decided = labelled_pairs([PAIR], {NAME: {"Anna": 0.0}}, ties="drop").pairs
    found = calibrated_pairs(decided, {NAME: 0.6}, is_used=True)
    [made] = found.pairs
    assert made.chosen_id == "b"
    assert (made.p_chosen, made.p_chosen_calibrated) == pytest.approx((1.0, 0.4))
    assert not found.counts + found.left_out


def test_people_decide_the_comparisons_that_they_labelled() -> None:
    # two of three people say a, and the judge had chosen b
    found = labelled_pairs([PAIR], {NAME: {"Anna": 1.0, "Bert": 1.0, "Cleo": 0.0}}, ties="drop")
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
    found = labelled_pairs([PAIR], {NAME: votes}, ties=ties)  # type: ignore[arg-type]
    assert [(one.chosen_id, one.p_chosen) for one in found.pairs] == left
    assert [one.decisive for one in found.pairs] == [None] * len(left)  # no principle decides a tie
    assert found.counts == {reason: 1}
    assert found.left_out.total() == (ties == "drop")
