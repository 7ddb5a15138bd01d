from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amendment.people.page_app import LONGEST_BODY, PAGE, Guide, create_app
from amendment.people.queue import Queue
from amendment.people.samples import PrincipleText
from amendment.people.serving import allowed_hosts
from amendment.people.store import Labels
from tests.people.label_pages import Reply, ask, label, questions

LEAD = "L" * 43
TOKENS = {name: name[0] * 43 for name in ("ann", "bob", "Zoë Doe")}
HOST = "127.0.0.1:8123"
ORIGIN = f"http://{HOST}"
JSON = ("content-type", "application/json")
WRITE = [("host", HOST), ("origin", ORIGIN), JSON]
ASKED = questions(12, overlap=4, repeated=[0, 5])
LAW = [PrincipleText(id="law/kind", statement="Be kind."), PrincipleText(id="law/brief", statement="Be brief.")]


class Page:
    """An application over labels in a file, asked as a browser would."""

    def __init__(self, path: Path) -> None:
        self.labels = Labels(path)
        self.queue = Queue(ASKED, self.labels.current(), seed=3, annotators=2, clock=lambda: 0.0)
        guide = Guide(LAW, "Take your time.")
        self.app = create_app(self.queue, self.labels, links=TOKENS, hosts=[HOST], lead=LEAD, guide=guide)

    def raw(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes = b"") -> Reply:
        return asyncio.run(ask(self.app, method, path, headers, body))

    def get(self, path: str, *headers: tuple[str, str]) -> Reply:
        return self.raw("GET", path, [("host", HOST), *headers])

    def post(self, path: str, body: Any, *headers: tuple[str, str]) -> Reply:
        return self.raw("POST", path, [*WRITE, *headers], json.dumps(body).encode())

    def enter(self, annotator: str) -> tuple[str, str]:
        reply = self.post("/session", {"token": TOKENS[annotator]})
        assert reply.json["annotator"] == annotator
        return "cookie", (reply.header("set-cookie") or "").partition(";")[0]

    def say(self, cookie: tuple[str, str], uuid: str, **more: Any) -> Reply:
        item = self.get("/next", cookie).json["item"]
        return self.post("/labels", {"uuid": uuid, "choice": "A", "item": item["id"], **more}, cookie)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    one = Page(tmp_path / "labels.sqlite")
    with one.labels:
        yield one


def headers(**changed: str | None) -> list[tuple[str, str]]:
    kept = {**dict(WRITE), **{name.replace("_", "-"): value for name, value in changed.items()}}
    return [(name, value) for name, value in kept.items() if value is not None]


@pytest.mark.parametrize("host", [None, "evil.example:8123", "127.0.0.1", "127.0.0.1:8124", f"{HOST}.evil"])
@pytest.mark.parametrize("path", ["/", "/next", "/session", "/static/page.css"])
def test_a_foreign_host_gets_nothing_wherever_it_asks(page: Page, host: str | None, path: str) -> None:
    named = [] if host is None else [("host", host)]
    for reply in (page.raw("GET", path, named), page.raw("POST", path, [*named, ("origin", f"http://{host}"), JSON])):
        assert reply.status == 421
        assert set(reply.json) == {"error"}


def test_a_browser_leaves_out_port_80_and_no_other() -> None:
    assert allowed_hosts("127.0.0.1", 80) == ["127.0.0.1", "localhost"]
    assert allowed_hosts("127.0.0.1", 8123) == [HOST, "localhost:8123"]
    assert allowed_hosts("192.168.1.20", 8123) == ["192.168.1.20:8123"]


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"origin": None}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost:8123"}, 403),
        ({"content_type": "text/plain"}, 415),
        ({"content_length": str(LONGEST_BODY + 1)}, 413),
        ({"content_length": "9" * 5000}, 413),
    ],
)
@pytest.mark.parametrize("path", ["/session", "/labels", "/undo"])
def test_writes_from_elsewhere_are_refused_before_they_are_read(
    page: Page, path: str, changed: dict[str, str | None], status: int
) -> None:
    cookie = page.enter("ann")
    before = page.labels.history()
    item = page.get("/next", cookie).json["item"]
    body = {"uuid": "12345678", "choice": "A", "item": item["id"]}
    reply = page.raw("POST", path, [*headers(**changed), cookie], json.dumps(body).encode())
    assert reply.status == status
    assert page.labels.history() == before


def test_reads_for_a_page_of_another_site_are_refused_but_a_link_to_the_page_works(page: Page) -> None:
    cookie = page.enter("ann")
    for site in ("cross-site", "same-site"):
        assert page.get("/next", cookie, ("sec-fetch-site", site)).status == 403
        assert page.get("/static/page.css", ("sec-fetch-site", site)).status == 403
        assert page.get("/", ("sec-fetch-site", site)).status == 200
    assert page.get("/next", cookie, ("sec-fetch-site", "same-origin")).status == 200


@pytest.mark.parametrize("token", ["", "c" * 43, "a" * 42, "a" * 44, "é", "ann"])
def test_a_wrong_token_opens_nothing(page: Page, token: str) -> None:
    reply = page.post("/session", {"token": token})
    assert reply.status == 403
    assert reply.header("set-cookie") is None


def test_without_a_session_or_with_a_made_up_one_nothing_is_told_or_taken(page: Page) -> None:
    name, _, value = page.enter("ann")[1].partition("=")
    forged = ["", "x", "ann", value[:-1], f"{value}a", f"é{value}", value.upper()]
    for cookies in ([], *([("cookie", f"{name}={one}")] for one in forged)):
        assert page.get("/next", *cookies).status == 401
        assert page.post("/labels", {"uuid": "12345678"}, *cookies).status == 401
        assert page.post("/undo", {"uuid": "12345678"}, *cookies).status == 401


def test_a_session_is_for_this_page_alone_outlives_a_restart_and_ends_with_its_link(page: Page) -> None:
    cookie = page.enter("ann")
    sent = (page.post("/session", {"token": TOKENS["ann"]}).header("set-cookie") or "").lower()
    assert sent.startswith("amendment-label-8123=")
    assert "httponly" in sent
    assert "samesite=strict" in sent
    page.app = create_app(page.queue, page.labels, links=TOKENS, hosts=[HOST])
    assert page.get("/session", cookie).json["annotator"] == "ann"
    page.app = create_app(page.queue, page.labels, links={"ann": "c" * 43}, hosts=[HOST])
    assert page.get("/session", cookie).status == page.get("/next", cookie).status == 401


@pytest.mark.parametrize(
    "path",
    ["/static/../index.html", "/static//etc/passwd", "/static/%2e%2e/index.html", "/index.html"],
)
def test_nothing_but_the_pages_own_files_is_served(page: Page, path: str) -> None:
    assert page.get(path).status == 404
    script = page.get("/static/main.js")
    assert (script.status, script.body) == (200, (PAGE / "static" / "main.js").read_bytes())
    assert (script.header("content-type") or "").startswith("text/javascript")


def test_every_reply_says_what_a_browser_may_do_with_it(page: Page) -> None:
    cookie = page.enter("ann")
    replies = [page.get("/"), page.get("/next", cookie), page.get("/next"), page.get("/static/none"), page.get("/x")]
    replies += [page.raw("GET", "/", []), page.post("/session", {}), page.raw("DELETE", "/labels", WRITE)]
    for reply in replies:
        policy = reply.header("content-security-policy") or ""
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert reply.header("x-content-type-options") == "nosniff"
        assert reply.header("referrer-policy") == "no-referrer"
        assert reply.header("cache-control") == "no-store"
    assert [reply.status for reply in replies] == [200, 200, 401, 404, 404, 421, 400, 405]


def test_the_page_itself_holds_no_item_no_name_and_no_token(page: Page) -> None:
    page.enter("Zoë Doe")
    text = page.get("/").body.decode()
    assert "http" not in text.replace("http-equiv", "")
    assert not any(word in text for word in ("ask 1", "Zoë", TOKENS["Zoë Doe"], ASKED[0].comparison_id))


def test_an_item_is_told_in_the_order_of_its_annotator_and_nothing_else_is(page: Page) -> None:
    reply = page.get("/next", page.enter("ann")).json
    shown = page.queue.next("ann")
    assert shown is not None
    assert set(reply) == {"done", "item", "progress"}
    item = reply["item"]
    assert set(item) == {"id", "question", "prompt", "first", "second", "principles", "said"}
    texts = {shown.question.a_id: shown.question.a, shown.question.b_id: shown.question.b}
    for side, name in zip(("first", "second"), shown.ids, strict=True):
        assert item[side] == [turn.to_json() for turn in texts[name]]
    hashes = (shown.question.comparison_id, shown.question.prompt_id, *shown.ids)
    assert not any(f'"{one}"' in json.dumps(reply) for one in hashes)
    assert reply["progress"] == {"done": 0, "total": 9, "seconds_left": None}  # 4, 1 of them again, 8 / 2


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"uuid": "short"}, "uuid"),
        ({"uuid": "x" * 65}, "uuid"),
        ({"choice": "C"}, "choice"),
        ({"item": 7}, "item"),
        ({"confidence": 4}, "confidence"),
        ({"comment": "x" * 10_001}, "comment"),
        ({"seconds": float("inf")}, "seconds"),
        ({"principle_id": "law/other"}, "principle_id"),
        ({"shown": ["b", "a"]}, "shown"),
    ],
)
def test_a_label_that_is_none_is_refused_with_the_field_that_is_wrong(
    page: Page, changed: dict[str, Any], word: str
) -> None:
    reply = page.say(page.enter("ann"), **{"uuid": "12345678", **changed})
    assert reply.status == 400
    assert word in reply.json["error"]
    assert page.labels.history() == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"uuid": "\\ud800_______"}', b"\xff\xfe", b"[" * 60_000])
def test_a_body_that_is_no_json_object_is_refused(page: Page, body: bytes) -> None:
    cookie = page.enter("ann")
    for path in ("/labels", "/undo", "/session"):
        assert page.raw("POST", path, [*WRITE, cookie], body).status == 400


def test_a_label_of_whoever_sat_here_before_is_not_taken_for_this_annotators(page: Page) -> None:
    ann = page.enter("ann")
    assert page.say(ann, "12345678", annotator="bob").status == 401
    assert page.labels.history() == []
    assert page.say(ann, "12345678", annotator="ann").json == {"stored": True}
    assert page.post("/undo", {"uuid": "undo-one", "annotator": "bob"}, ann).status == 401
    assert len(page.labels.current()) == 1


def test_a_verdict_of_sides_that_stand_the_other_way_round_is_not_taken(page: Page) -> None:
    cookie = page.enter("ann")
    item = page.get("/next", cookie).json["item"]
    by_prompt = {one.prompt[0].content: one.comparison_id for one in ASKED}
    name = by_prompt[item["prompt"][0]["content"]]
    for seed in range(4, 30):
        page.queue = Queue(ASKED, [], seed=seed, annotators=2, clock=lambda: 0.0)
        page.app = create_app(page.queue, page.labels, links=TOKENS, hosts=[HOST])
        is_turned = page.queue.shown("ann", name, 0).ids[0][0] != item["first"][0]["content"].split()[1]
        reply = page.post("/labels", {"uuid": f"seed-{seed:04}", "choice": "A", "item": item["id"]}, cookie)
        assert reply.status == (404 if is_turned else 200)


def test_a_disk_that_takes_nothing_acknowledges_nothing(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    cookie = page.enter("ann")
    page.get("/next", cookie)
    page.labels._db.execute("PRAGMA query_only = 1")  # type: ignore[union-attr]
    assert page.say(cookie, "12345678").status == 503
    page.labels._db.execute("PRAGMA query_only = 0")  # type: ignore[union-attr]
    assert page.say(cookie, "12345678").json == {"stored": True}


def test_an_annotators_own_answers_are_listed_and_one_is_opened_again_and_replaced(page: Page) -> None:
    ann, bob = page.enter("ann"), page.enter("bob")
    page.say(ann, "label-one", principle_id="something-else", comment="both odd", confidence=1)
    page.say(ann, "label-two", principle_id="law/brief", choice="tie")
    page.say(bob, "label-bob", comment="of bob")
    latest, first = page.get("/history", ann).json["history"]
    assert (latest["choice"], first["choice"]) == ("tie", "A")
    item = page.get(f"/items/{first['item']}", ann).json["item"]
    assert first["prompt"] == item["prompt"][0]["content"]
    assert item["said"] == {"choice": "A", "confidence": 1, "principle_id": "something-else", "comment": "both odd"}
    assert page.get(f"/items/{first['item']}", bob).status == 404  # nobody else's
    before = page.get("/next", ann).json
    body = {"uuid": "label-three", "choice": "B", "item": item["id"]}
    assert page.post("/labels", body, ann).json == {"stored": True}
    assert [one["choice"] for one in page.get("/history", ann).json["history"]] == ["B", "tie"]
    assert page.get("/next", ann).json == before
    assert "of bob" not in page.get("/history", ann).body.decode()


def test_whoever_sees_a_hidden_repeat_cannot_look_up_their_first_answer(page: Page) -> None:
    cookie, repeats = page.enter("ann"), 0
    while (shown := page.queue.next("ann")) is not None:
        prompts = [one["prompt"] for one in page.get("/history", cookie).json["history"]]
        if shown.showing == 1:
            repeats += 1
            assert shown.question.prompt[0].content not in prompts
        page.say(cookie, f"answer-{len(prompts):04}-{repeats}")
    assert repeats == 2
    assert len(page.get("/history", cookie).json["history"]) == 12 + 2


def test_an_imported_answer_is_opened_as_its_sides_stand_on_the_page(page: Page) -> None:
    shown = page.queue.shown("ann", ASKED[0].comparison_id, 0)
    page.labels.add(label(ASKED[0], "ann", "A").model_copy(update={"shown": (shown.ids[1], shown.ids[0])}))
    (answer,) = page.get("/history", page.enter("ann")).json["history"]
    assert answer["choice"] == "B"  # A was the answer that now stands second


@pytest.mark.parametrize("token", ["", TOKENS["ann"], LEAD[:-1]])
def test_only_the_leads_link_opens_the_leads_page_and_it_opens_nothing_else(page: Page, token: str) -> None:
    assert page.post("/lead", {"token": token}).status == 403
    assert page.post("/session", {"token": LEAD}).status == 403
    assert page.post("/lead", {"token": LEAD}).status == 200
    page.app = create_app(page.queue, page.labels, links=TOKENS, hosts=[HOST])
    assert page.post("/lead", {"token": token}).status == 403


def test_the_lead_sees_progress_notes_and_agreement_of_people_and_no_choice(page: Page) -> None:
    given = {"ann": ["A", "B", "A", "flag"], "bob": ["A", "B", "B", "A"]}
    for name, choices in given.items():
        for i, choice in enumerate(choices):
            more = {"comment": "<b>odd</b>"} if choice == "flag" else {}
            one = label(ASKED[i], name, choice, at=i, seconds=10.0 + i, **more)  # type: ignore[arg-type]
            page.labels.add(one)
            page.queue.add(one)
    one = label(ASKED[0], "ann", "A", showing=1)
    turned = one.model_copy(update={"shown": one.shown[::-1]})  # the other answer than the first time
    page.labels.add(turned)
    page.queue.add(turned)
    view = page.post("/lead", {"token": LEAD}).json
    assert (view["labels"], view["missing"]) == (9, 8)
    # the fourth item was flagged by one; of the other three they agree on two
    assert (view["agreement"]["n"], round(view["agreement"]["value"], 3)) == (3, 0.667)
    assert view["pairs"] == [{"people": ["ann", "bob"], "items": 3, "agree": pytest.approx(2 / 3)}]
    ann = view["people"][-2]
    assert [person["annotator"] for person in view["people"]] == ["Zoë Doe", "ann", "bob"]
    assert (ann["done"], ann["flag"], ann["comments"], ann["seconds"]) == (5, 1, 1, 11.5)
    assert (ann["repeats"], ann["repeats_same"]) == (1, 0)
    (note,) = view["notes"]
    assert (note["annotator"], note["kind"], note["comment"], note["prompt"]) == ("ann", "flag", "<b>odd</b>", "ask 3")
    text = page.post("/lead", {"token": LEAD}).body.decode()
    assert not any(word in text for word in ("choice", "shown", "answer a", '"A"', '"B"'))
