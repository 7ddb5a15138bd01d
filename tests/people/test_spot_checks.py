"""People check a judge: an imported log, what they see and what they must not see, and what leaves a run."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.parquet as pq
import pytest

from amendment.results import read_summary
from tests.command_line import amendment, called
from tests.people.other_tools import import_answers, questions_of
from tests.rows import save
from tests.vendors.processes import started

LOG = """\
name: imported
seed: 3
verdicts:
  - path: judge.jsonl
    kind: model
    rater: our-judge
    columns: {prompt: question, a: alpha, b: beta, verdict: verdict, order: order}
    coordinates: content
dataset: {test_share: 0.1}
spot_check: {items: 100, overlap: 40, repeats: 0, sealed: 0, calibration: none}
"""
ITEMS = 40


def write_log(folder: Path) -> None:
    """A judge that prefers the answer in column `alpha` in both orders, whatever the prompt."""
    texts = [{"question": f"Question {i}?", "alpha": f"Alpha {i}.", "beta": f"Beta {i}."} for i in range(ITEMS)]
    save(folder / "judge.jsonl", [{**row, "order": order, "verdict": "A"} for row in texts for order in ("ab", "ba")])


def labelled_log(folder: Path, **says: Callable[[int], bool | None]) -> Path:
    """A run of an imported log that people have labelled: for alpha, against it, or None for a tie."""
    write_log(folder)
    (folder / "run.yaml").write_text(LOG, encoding="utf-8")
    command = ("run", folder / "run.yaml", "--folder", folder / "run")
    assert called("check", folder / "run.yaml") == 0
    assert called(*command) == 3  # labels are missing
    questions = questions_of(folder / "run")
    for name, prefers_alpha in says.items():
        rows = []
        for row in questions:
            is_alpha = prefers_alpha(int(row["prompt"].removeprefix("Question ").removesuffix("?")))
            is_alpha_first = row["answer_a"].startswith("Alpha")
            rows.append({**row, "choice": "tie" if is_alpha is None else "A" if is_alpha_first == is_alpha else "B"})
        assert import_answers(folder / "run", rows, "--rater", name).code == 0
    assert called(*command) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of such a run; two people agree with the judge on three of four prompts, and one of them calls
    one a tie."""
    people = {"Ada Berg": lambda i: i % 4 > 0, "Bo Oetker": lambda i: i % 4 > 0 if i else None}
    return labelled_log(tmp_path_factory.mktemp("imported"), **people)


JUDGED = """\
name: judged
seed: 4
constitution: ./rules.yaml
models: {writer: {provider: simulated}, gavel: {provider: simulated, noise: 0.5}}
prompts: [{lilliput: 30}]
candidates: [{model: writer, per_prompt: 2}]
judging: {judges: [{model: gavel, protocol: verdict}], orders: both, principles_per_pair: 1}
dataset: {test_share: 0.2}
spot_check: {items: 12, overlap: 12, annotators: 2, repeats: 1, sealed: 0.5, calibration: none}
publish: {repo: org/judged, license: mit}
"""
RULES = """\
id: rules
version: 1.0.0
title: Rules
license: CC0-1.0
source: {kind: original}
principles:
  - {id: brief, statement: Say it in few words., compare: [Which answer says it in fewer words?]}
  - {id: polite, statement: Be polite., text: "Please and thank you.\\n", compare: [Which answer is more polite?]}
"""
QUESTIONS = {
    "Which answer says it in fewer words?": ["Say it in few words."],
    "Which answer is more polite?": ["Be polite.\nPlease and thank you."],
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that waits for people; its judge was asked by one of two principles a comparison."""
    return _waiting(tmp_path_factory.mktemp("judged"), JUDGED)


def _waiting(folder: Path, text: str) -> Path:
    (folder / "run.yaml").write_text(text, encoding="utf-8")
    (folder / "rules.yaml").write_text(RULES, encoding="utf-8")
    assert called("run", str(folder / "run.yaml"), "--folder", str(folder / "run")) == 3
    return folder / "run"


@pytest.fixture
def own(judged: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(judged.parent, tmp_path / "own")) / "run"


class Browser:
    """One annotator's, with the cookie that its link was exchanged for."""

    def __init__(self, link: str) -> None:
        address = urlsplit(link)
        self._host = address.netloc
        self._cookie = ""
        self.greeting = self.ask("POST", "/session", {"token": address.fragment.removeprefix("token=")})

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(self._host, timeout=20)
        headers = {"Origin": f"http://{self._host}", "Content-Type": "application/json", "Cookie": self._cookie}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        reply = connection.getresponse()
        self._cookie = (reply.getheader("set-cookie") or self._cookie).partition(";")[0]
        found = reply.status, json.loads(reply.read() or b"null")
        connection.close()
        return found

    def next(self) -> Any:
        return self.ask("GET", "/next")[1]

    def say(self, item: dict[str, Any], uuid: str, **more: Any) -> tuple[int, Any]:
        return self.ask("POST", "/labels", {"uuid": uuid, "item": item["id"], "choice": "A", **more})


@contextmanager
def page(folder: Path, *options: str, people: int = 2) -> Iterator[dict[str, str]]:
    """`amendment label` as a process; the links that it prints, by annotator."""
    command = [sys.executable, "-m", "amendment", "label", str(folder), *options]
    with started(command) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline().strip() for _ in range(people)]
            yield dict(tuple(line.split(": ", 1)) for line in lines)  # type: ignore[misc]
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))


def rows(path: Path) -> list[dict[str, Any]]:
    return list(pq.read_table(path).to_pylist())


def test_people_check_an_imported_judge_log_without_prompts_candidates_or_judging(imported: Path) -> None:
    found = read(imported, "certificate.json")
    assert (found["spot_check"]["population"], found["spot_check"]["items"]) == (ITEMS, ITEMS)
    assert found["spot_check"]["agreement"]["value"] == pytest.approx(0.75)
    # the ceiling is 1: two people agree on all that both decide, and with the judge on 30 of these 39
    assert found["spot_check"]["beside"]["gap"]["value"] == pytest.approx(-9 / 39)
    assert found["gate"]["outcome"] == "FAIL"
    raters = {rater["name"]: (rater["kind"], rater["votes"]) for rater in found["counts"]["raters"]}
    assert raters == {
        "our-judge": ("model", 2 * ITEMS),
        "Ada Berg": ("person", ITEMS),
        "Bo Oetker": ("person", ITEMS),
    }


def test_open_labels_decide_the_comparisons_of_an_imported_log(imported: Path) -> None:
    pairs = [row for path in (imported / "export").glob("*.parquet") for row in rows(path)]
    assert len(pairs) == ITEMS - 1  # one answer and a tie decide nothing
    assert {row["decided_by"] for row in pairs} == {"person"}
    assert sum(row["chosen"][0]["content"].startswith("Alpha") for row in pairs) == 30


def test_a_failed_gate_of_an_imported_log_stops_training(imported: Path, base: Path, tmp_path: Path) -> None:
    text = LOG + f"reward_model: {{base: {base}}}\n"
    file = imported.parent / "trained.yaml"
    file.write_text(text, encoding="utf-8")
    assert called("run", str(file), "--folder", str(imported)) == 5
    assert not (imported / "models").exists()


def test_a_log_without_texts_cannot_be_shown_to_people_and_check_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_log(tmp_path)
    text = LOG.replace("prompt: question, a: alpha, b: beta,", "item: question,")
    (tmp_path / "run.yaml").write_text(text, encoding="utf-8")
    ended = amendment("check", "run.yaml")
    assert ended.code == 2
    assert "run.yaml" in ended.said
    assert "spot_check" in ended.said


def test_everything_under_export_has_pseudonyms(imported: Path) -> None:
    raters = {name for path in (imported / "export").glob("*.parquet") for row in rows(path) for name in row["raters"]}
    assert raters == {"person-1", "person-2"}
    for path in (imported / "export").rglob("*"):
        assert not any(word in path.read_bytes() for word in (b"Ada", b"Oetker"))


def test_each_annotator_has_a_link_that_stays_valid_and_lets_nobody_in_under_another_name(own: Path) -> None:
    before = os.umask(0o022)
    try:
        with page(own, "--rater", "Ada", "--rater", "Bo") as links:
            assert list(links) == ["Ada", "Bo"]
            ada, bo = Browser(links["Ada"]), Browser(links["Bo"])
            assert [browser.greeting[0] for browser in (ada, bo)] == [200, 200]
            assert [browser.greeting[1]["annotator"] for browser in (ada, bo)] == ["Ada", "Bo"]
            assert Browser(links["Ada"][:-1]).greeting[0] == 403
            token = urlsplit(links["Ada"]).fragment.removeprefix("token=")
            assert ada.ask("POST", "/session", {"token": token, "annotator": "Bo"})[0] == 400  # no name is taken
            item = ada.next()["item"]
            assert bo.say(item, "not-for-bo")[0] == 404
            assert ada.say(item, "adas-own-label") == (200, {"stored": True})
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in own.glob("labels.sqlite*")}
        assert set(modes.values()) == {0o600}
    finally:
        os.umask(before)
    with page(own) as again:
        assert again == links
        assert Browser(again["Ada"]).next()["progress"]["done"] == 1
    assert called("label", str(own), "--rater", "ada") == 2  # she would count twice


def test_the_reply_does_not_reveal_what_was_drawn_how_or_whether_it_was_seen_before(own: Path) -> None:
    with page(own, "--rater", "Ada", people=1) as links:
        ada = Browser(links["Ada"])
        shown: dict[tuple[str, ...], list[Any]] = {}
        replies, names = [], []
        while not (reply := ada.next())["done"]:
            item = reply["item"]
            replies.append(json.dumps(reply))
            names.append(item["id"])
            texts = sorted(json.dumps(item[side]) for side in ("first", "second"))
            shown.setdefault((json.dumps(item["prompt"]), *texts), []).append(item)
            assert ada.say(item, f"label-of-{len(names):03}")[0] == 200
    assert {len(items) for items in shown.values()} == {2}  # each came twice, sides exchanged
    assert all(one["first"] == two["second"] for one, two in shown.values())
    assert len(set(names)) == len(names) == 24
    assert {frozenset(item) for items in shown.values() for item in items} == {
        frozenset({"id", "question", "prompt", "first", "second", "principles", "said"})
    }
    hashes = {
        value
        for row in rows(own / "spot_check" / "questions.parquet")
        for value in row.values()
        if isinstance(value, str) and value.startswith("s2:")
    }
    assert len(hashes) > 12
    for reply in replies:
        assert not any(
            word in reply for word in ("showing", "stratum", "sealed", "p_a", "verdict", "overlap", "repeat")
        )
        assert not any(name in reply for name in hashes)


def test_people_see_the_question_and_the_principle_that_the_judge_saw(own: Path) -> None:
    asked = {row["id"]: row for row in rows(own / "judging" / "verdicts.parquet")}
    assert asked
    with page(own, "--rater", "Ada", people=1) as links:
        ada = Browser(links["Ada"])
        seen = set()
        for number in range(12):
            item = ada.next()["item"]
            assert [one["statement"] for one in item["principles"]] == QUESTIONS[item["question"]]
            seen.add(item["question"])
            ada.say(item, f"label-of-{number:03}")
    assert seen == set(QUESTIONS)


def test_other_tools_are_sent_the_question_too(own: Path) -> None:
    assert {row["question"] for row in questions_of(own)} == set(QUESTIONS)


def test_where_the_judge_is_asked_by_several_principles_people_see_all_of_them(tmp_path: Path) -> None:
    folder = _waiting(tmp_path, JUDGED.replace("principles_per_pair: 1", "principles_per_pair: 2"))
    with page(folder, "--rater", "Ada", people=1) as links:
        item = Browser(links["Ada"]).next()["item"]
    assert [one["statement"] for one in item["principles"]] == [text for one in QUESTIONS.values() for text in one]
    assert item["question"] not in QUESTIONS


def test_the_certificate_states_what_the_judge_was_asked_and_what_people_were(imported: Path, finished: Path) -> None:
    log, ours = (read(folder, "certificate.json")["spot_check"]["asked"] for folder in (imported, finished))
    assert "not on record" in log["judge"]
    assert "Which answer is better?" in log["people"]
    assert (log["same"], ours["same"]) == (None, True)
    assert "asked different questions" not in (imported / "certificate.md").read_text(encoding="utf-8")
    assert any(question in ours["judge"] for question in QUESTIONS)
    for folder, asked in ((imported, log), (finished, ours)):
        text = (folder / "certificate.md").read_text(encoding="utf-8")
        assert asked["judge"] in text
        assert asked["people"] in text


@pytest.fixture(scope="module")
def finished(judged: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run, labelled by two people and finished."""
    folder = Path(shutil.copytree(judged.parent, tmp_path_factory.mktemp("finished") / "own"))
    first, *others = [{**row, "choice": "A"} for row in questions_of(folder / "run")]
    for name, choice in (("Ada Berg", "A"), ("Bo Oetker", "tie")):  # of one mind but once
        rows = [{**first, "choice": choice}, *others]
        assert import_answers(folder / "run", rows, "--rater", name).code == 0
    assert called("run", str(folder / "run.yaml"), "--folder", str(folder / "run")) == 0
    return folder / "run"


def test_sealed_labels_are_not_published(finished: Path) -> None:
    sides = {side: len(rows(finished / "labels" / f"{side}.parquet")) for side in ("open", "sealed")}
    assert min(sides.values()) > 0
    sizes = json.loads(amendment("publish", finished, "--json").out)["configs"]["verdicts"].values()
    judged = len(rows(finished / "judging" / "verdicts.parquet"))
    assert sum(size["rows"] for size in sizes) == judged + sides["open"]


def test_a_dataset_tells_ties_of_people_from_their_disagreements(tmp_path: Path) -> None:
    # of 40 items, both people call 10 a tie, one prefers alpha and the other beta on 20, and both prefer alpha on 10
    people: dict[str, Callable[[int], bool | None]] = {
        "Ada Berg": lambda i: None if i % 4 == 0 else True,
        "Bo Oetker": lambda i: None if i % 4 == 0 else i % 4 == 1,
    }
    dataset = read_summary(labelled_log(tmp_path, **people)).of("dataset")
    assert dataset.count("decided", how="decided by people") == 10
    assert dataset.funnels[0].left_out == {"people call it a tie": 10, "people disagree with each other": 20}


def test_the_last_screen_of_a_run_names_every_failed_gate_of_the_certificate(
    tmp_path: Path,
) -> None:
    text = JUDGED.replace("noise: 0.5", "biases: {position: 3}").replace("items: 12,", "items: 12, people: simulated,")
    (tmp_path / "run.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "rules.yaml").write_text(RULES, encoding="utf-8")
    ended = amendment("run", tmp_path / "run.yaml", "--folder", tmp_path / "run")
    assert ended.code == 0
    certificate = read(tmp_path / "run", "certificate.json")
    failed = {
        f"{gate['check']}, for {gate['judge']}"
        for gate in (*certificate["gates"], *certificate["gate"]["checks"])
        if gate["outcome"] == "FAIL"
    }
    assert "order, for gavel/verdict@2.0.0" in failed
    (line,) = [line for line in ended.out.splitlines() if line.startswith("Gates that failed: ")]
    assert all(name in line for name in failed)
