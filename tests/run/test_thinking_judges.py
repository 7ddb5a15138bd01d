"""Judges that think: a limit that thinking used up costs a second call, not the verdict; an old folder pays nothing."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from amendment.data.store import read_records
from amendment.llm.ledger import Ledger
from amendment.llm.ledger_reading import CUT_UNTIL, Reader
from amendment.records import Verdict
from amendment.run import Paused, Run, RunResult, load_run_file, plan_run
from tests.run.small_runs import QUICK
from tests.vendors.runs import fixtures, write_run
from tests.vendors.server import FaultServer
from tests.vendors.troubles import Fault, always, never
from tests.vendors.wire import Answer, Ask

JUDGES = {"judges": [{"model": name, "protocol": "verdict"} for name in ("judge", "reader")]}
"""The first speaks OpenAI's protocol, the second Anthropic's; 200 tokens are the limit of both."""
LENGTH = {"finish_reason": "length"}
STOP = {"finish_reason": "stop"}


def is_judging(ask: Ask) -> bool:
    return b"answer_b" in ask.body


def needs(tokens: int, judges: str = "judge reader", how: dict[str, str] = LENGTH, text: str = "") -> Fault:
    """A verdict takes so many tokens; a lower limit goes to thinking, or to `text`."""

    def spoil(good: Answer, ask: Ask) -> Answer:
        body, limit = good.json, ask.json["max_tokens"]
        judge = "reader" if ask.path == "/v1/messages" else "judge"
        if not is_judging(ask) or limit >= tokens or judge not in judges:
            return good
        if judge == "reader":
            said = [{"type": "text", "text": text}] if text else []
            body["content"] = [{"type": "thinking", "thinking": "First", "signature": "s"}, *said]
            body["stop_reason"] = "max_tokens"
            body["usage"]["output_tokens"] = limit
        else:
            body["choices"][0] |= {"message": {"role": "assistant", "content": text}, **how}
            body["usage"] |= {"completion_tokens": limit, "completion_tokens_details": {"reasoning_tokens": limit}}
        return Answer.of(body, paid=True)

    return Fault("thinks", spoil=spoil)


def absent(ask: Ask) -> Fault | None:
    """No verdict of more than 200 tokens is given; what is asked for with less goes to thinking."""
    is_longer = is_judging(ask) and ask.json["max_tokens"] > 200
    return Fault("down", instead=lambda _: Answer(503, b"{}")) if is_longer else needs(400)


one_server, undisturbed, server = fixtures(prompts=4, judging=JUDGES)


@pytest.fixture
def run(server: FaultServer, tmp_path: Path) -> Callable[[], Run]:
    path = write_run(tmp_path, server, prompts=4, judging=JUDGES)

    return lambda: Run.from_file(path, folder=tmp_path / "run", patience=QUICK)


def verdicts(run: Run | RunResult) -> list[Verdict]:
    return read_records(run.folder / "judging/verdicts.parquet", Verdict)


def judged(server: FaultServer) -> Counter[int]:
    """Judges' requests by their limit."""
    return Counter(ask.json["max_tokens"] for ask in server.asks.values() if is_judging(ask))


def invalid(run: Run) -> Counter[str | None]:
    return Counter(verdict.invalid for verdict in verdicts(run))


@pytest.mark.parametrize("how", [LENGTH, STOP], ids=["cut", "called a stop"])
def test_what_thinking_leaves_empty_is_asked_with_twice_the_limit_within_the_plan(
    how: dict[str, str], server: FaultServer, run: Callable[[], Run], tmp_path: Path
) -> None:
    server.plan = always(needs(400, how=how))
    loaded = load_run_file(tmp_path / "run.yaml")
    planned = plan_run(loaded, tmp_path / "run", until="judging")
    result = run()(until="judging")
    assert invalid(run()) == {None: 12}
    assert judged(server) == {200: 12, 400: 12}
    asked = {row.model: (row.calls, row.most_calls) for row in planned.asks if row.stage == "judging"}
    assert asked == {"judge": (8, 16), "reader": (8, 16)}, "at most counts the second call"
    after = plan_run(loaded, tmp_path / "run", until="judging")
    assert (after.total.calls, after.total.paid) == (0, result.sent)
    with Reader(tmp_path / "run/ledger.sqlite") as ledger:
        spent = sum(row.usd for row in ledger.spending())
    assert planned.total.most_usd is not None
    assert 0 < spent <= planned.total.most_usd
    assert run()(until="judging").sent == 0


def test_a_verdict_that_is_cut_twice_is_invalid_by_its_thinking_and_final(
    server: FaultServer, run: Callable[[], Run]
) -> None:
    server.plan = always(needs(10**6, judges="reader"))
    run()(until="judging")
    assert invalid(run()) == {None: 6, "cut while thinking, at 400 tokens": 6}
    assert judged(server) == {200: 12, 400: 6}
    server.plan = never
    assert run()(until="judging").sent == 0


def test_a_second_call_that_fails_in_passing_is_made_by_the_next_start_alone(
    server: FaultServer, run: Callable[[], Run], tmp_path: Path
) -> None:
    server.plan = absent
    with pytest.raises(Paused):
        run()(until="judging")
    server.plan = always(needs(400))
    run()(until="judging")
    assert invalid(run()) == {None: 12}
    assert set(server.paid.values()) <= {0, 1}, "no reply was paid twice"
    undisturbed = Run.from_file(tmp_path / "run.yaml", folder=tmp_path / "undisturbed")(until="judging")
    assert [verdict.id for verdict in verdicts(run())] == [verdict.id for verdict in verdicts(undisturbed)]


@pytest.mark.parametrize(("text", "asked"), [("", 12), ("At first sight, A", 18)], ids=["silent", "with a complaint"])
def test_what_a_folder_of_an_earlier_version_recorded_as_cut_is_not_asked_again(
    text: str, asked: int, server: FaultServer, run: Callable[[], Run]
) -> None:
    server.plan = always(needs(10**6, judges="reader", text=text))
    folder = run().folder
    Ledger(folder / "ledger.sqlite").close()
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as db, db:
        db.execute("UPDATE meta SET value = 1000000 WHERE key = ?", (CUT_UNTIL,))
    run()(until="judging")
    recorded = [verdict.id for verdict in verdicts(run())]
    assert judged(server) == {200: asked}
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as db, db:
        db.execute("DELETE FROM meta WHERE key = ?", (CUT_UNTIL,))  # as those versions left it
    (folder / "stages/judging.json").unlink()
    server.plan = always(Fault("down", instead=lambda _: Answer(503, b"{}")))
    assert plan_run(load_run_file(folder.parent / "run.yaml"), folder, until="judging").total.calls == 0
    assert run()(until="judging").sent == 0
    assert [verdict.id for verdict in verdicts(run())] == recorded
