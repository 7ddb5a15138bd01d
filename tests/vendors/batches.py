"""Both vendors' batch services on top of the fault server, as badly behaved as they are in the field.

A batch goes on by being polled: so many polls until it begins, so many until it ends. How each line ends is a plan of
its own. Faults of HTTP (resets, 500s, cut files) come from the server's plan. The books count what a vendor would
bill: every line that was answered, by the hash of what it asked, whatever became of the batch.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from amendment.hashing import content_id
from tests.vendors.server import FaultServer
from tests.vendors.troubles import error
from tests.vendors.wire import Answer, Ask

Body = dict[str, Any]
Ending = Literal["done", "expired", "missing", "rate", "server", "invalid", "no credit"]
"""How one line ends. missing: no file says a word of it."""
Behaviour = Callable[[str, int], Ending]
"""By the hash of what a line asks, and how many times it has come in a batch."""

_LINE_ERRORS: dict[str, tuple[int, str, str]] = {
    "rate": (429, "rate_limit_exceeded", "slow down"),
    "server": (500, "server_error", "it broke"),
    "invalid": (400, "invalid_value", "no such field"),
    "no credit": (429, "insufficient_quota", "You exceeded your current quota"),
}
_TYPES = {"rate": "rate_limit_error", "server": "api_error"}
"""Anthropic's words; what is not here is an invalid_request_error."""


def nicely(_key: str, _nth: int) -> Ending:
    """Every line is answered."""
    return "done"


@dataclass
class Made:
    """One batch at the vendor."""

    remote: str
    lines: list[Body]
    is_openai: bool
    shard: str | None
    ends_as: str
    polls: int = 0
    at: float = field(default_factory=time.time)
    endings: dict[str, Ending] = field(default_factory=dict)
    """By custom id, once it has ended."""
    replies: dict[str, Body] = field(default_factory=dict)

    @property
    def has_ended(self) -> bool:
        return bool(self.endings)


class BatchVendor:
    """Adds the routes to a server. Its fields may be changed at any time."""

    def __init__(
        self,
        server: FaultServer,
        *,
        seed: int = 0,
        behaviour: Behaviour = nicely,
        ends_as: Sequence[str] = ("completed",),
    ) -> None:
        """`ends_as`: OpenAI's last status of the first batch, the second, and so on, the last word being that of all
        further ones: completed, expired or cancelled; failed refuses a batch as a whole."""
        self.behaviour = behaviour
        self.ends_as = ends_as
        self.polls_to_end = 2
        self.failure: Body = {"code": "token_limit_exceeded", "message": "Enqueued token limit reached"}
        self.paid: Counter[str] = Counter()
        """By the hash of what a line asks: how often the vendor bills it."""
        self.asked: Counter[str] = Counter()
        """By the same hash: in how many batches it came."""
        self.violations: list[str] = []
        """What a careful client never does."""
        self.made: dict[str, Made] = {}
        self._files: dict[str, bytes] = {}
        self._server = server
        self._random = random.Random(seed)
        for method, pattern, handler in (
            ("POST", "/v1/files", self._upload),
            ("GET", "/v1/files/(?P<file>[^/]+)/content", self._content),
            ("POST", "/v1/batches", self._create_openai),
            ("GET", "/v1/batches", self._list),
            ("GET", "/v1/batches/(?P<batch>[^/]+)", self._poll),
            ("POST", "/v1/messages/batches", self._create_anthropic),
            ("GET", "/v1/messages/batches", self._list),
            ("GET", "/v1/messages/batches/(?P<batch>[^/]+)", self._poll),
            ("GET", "/v1/messages/batches/(?P<batch>[^/]+)/results", self._results),
        ):
            server.route(method, pattern, handler)

    def is_polled(self) -> bool:
        """Whether somebody waits for a batch."""
        return any(made.polls for made in list(self.made.values()))

    def live(self) -> Counter[str]:
        """By the hash of what a line asks: in how many batches it is just now that have not ended."""
        return Counter(key_of(line) for made in self.made.values() if not made.has_ended for line in made.lines)

    def _upload(self, ask: Ask) -> Answer:
        boundary = ask.headers["content-type"].partition("boundary=")[2].strip('"').encode()
        parts = [part for part in ask.body.split(b"--" + boundary) if b'name="file"' in part]
        if not parts or b'name="purpose"' not in ask.body:
            return error(ask, 400, "no file")
        name = f"file-{len(self._files)}"
        self._files[name] = parts[0].partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
        return Answer.of({"id": name, "object": "file", "purpose": "batch"})

    def _create_openai(self, ask: Ask) -> Answer:
        wanted = ask.json
        content = self._files.get(wanted["input_file_id"])
        if content is None or wanted["completion_window"] != "24h":
            return error(ask, 400, "no such file")
        lines = [json.loads(line) for line in content.split(b"\n") if line]
        if any(line["url"] != wanted["endpoint"] or line["method"] != "POST" for line in lines):
            return error(ask, 400, "a line goes elsewhere")
        made = self._make(lines, "batch", (wanted.get("metadata") or {}).get("shard"))
        return Answer.of(self._shown(made))

    def _create_anthropic(self, ask: Ask) -> Answer:
        return Answer.of(self._shown(self._make(ask.json["requests"], "msgbatch", None)))

    def _make(self, lines: list[Body], kind: str, shard: str | None) -> Made:
        names = [line["custom_id"] for line in lines]
        if len(set(names)) != len(names):
            self.violations.append("two lines of one name in one batch")
        live = self.live()
        made = Made(f"{kind}_{len(self.made)}", lines, kind == "batch", shard, self._ends_as(len(self.made)))
        for line in lines:
            if live[key_of(line)]:
                self.violations.append("one request in two live batches")
            self.asked[key_of(line)] += 1
        self.made[made.remote] = made
        return made

    def _ends_as(self, nth: int) -> str:
        return self.ends_as[min(nth, len(self.ends_as) - 1)]

    def _end(self, made: Made) -> None:
        """Answer the lines: this is what is paid for."""
        for line in made.lines:
            ending = self.behaviour(key_of(line), self.asked[key_of(line)])
            if made.is_openai and made.ends_as == "failed":
                ending = "missing"
            made.endings[line["custom_id"]] = ending
            if ending == "done":
                self.paid[key_of(line)] += 1
                path = line["url"] if made.is_openai else "/v1/messages"
                made.replies[line["custom_id"]] = self._server.world.by_path(path)(_asked(line))

    def _polled(self, made: Made) -> None:
        made.polls += 1
        if made.polls >= self.polls_to_end and not made.has_ended:
            self._end(made)

    def _list(self, ask: Ask) -> Answer:
        """Newest first, two to a page, whatever is asked for."""
        ours = [made for made in reversed(self.made.values()) if made.is_openai != ask.is_anthropic]
        query = dict(pair.split("=") for pair in ask.query.split("&") if pair)
        names, after = [made.remote for made in ours], query.get("after_id" if ask.is_anthropic else "after")
        start = names.index(after) + 1 if after else 0
        for made in ours:
            self._polled(made)
        return Answer.of({"data": [*map(self._shown, ours[start : start + 2])], "has_more": len(ours) > start + 2})

    def _poll(self, ask: Ask) -> Answer:
        made = self.made.get(ask.parts["batch"])
        if made is None:
            return error(ask, 404, "No batch found")
        self._polled(made)
        return Answer.of(self._shown(made))

    def _shown(self, made: Made) -> Body:
        return self._shown_openai(made) if made.is_openai else self._shown_anthropic(made)

    def _shown_openai(self, made: Made) -> Body:
        shown: Body = {"id": made.remote, "object": "batch", "created_at": int(made.at)}
        shown |= {"metadata": {"shard": made.shard}, "status": "in_progress" if made.polls else "validating"}
        shown |= {"request_counts": {"total": len(made.lines), "completed": 0, "failed": 0}}
        if made.has_ended:
            shown["status"] = made.ends_as
            good = [name for name, ending in made.endings.items() if ending == "done"]
            bad = [name for name, ending in made.endings.items() if ending not in ("done", "missing")]
            shown["output_file_id"] = f"out-{made.remote}" if good else None
            shown["error_file_id"] = f"err-{made.remote}" if bad else None
        if shown["status"] == "failed":
            shown["errors"] = {"object": "list", "data": [self.failure]}
        return shown

    def _content(self, ask: Ask) -> Answer:
        kind, _, remote = ask.parts["file"].partition("-")
        made = self.made[remote]
        wanted = [name for name, how in made.endings.items() if (how == "done") == (kind == "out") and how != "missing"]
        return self._jsonl([self._openai_line(made, name) for name in wanted])

    def _openai_line(self, made: Made, name: str) -> Body:
        ending = made.endings[name]
        line: Body = {"id": f"batch_req_{name}", "custom_id": name, "response": None, "error": None}
        if ending == "expired":
            return {**line, "error": {"code": "batch_expired", "message": "not executed before the window ended"}}
        if ending == "done":
            return {**line, "response": {"status_code": 200, "request_id": f"r-{name}", "body": made.replies[name]}}
        status, code, words = _LINE_ERRORS[ending]
        said = {"error": {"code": code, "type": code, "message": words}}
        return {**line, "response": {"status_code": status, "request_id": "r", "body": said}}

    def _shown_anthropic(self, made: Made) -> Body:
        names = ("succeeded", "errored", "expired", "canceled")
        counts = dict.fromkeys(("processing", *names), 0)
        counts["processing"] = 0 if made.has_ended else len(made.lines)
        for ending in made.endings.values():
            counts["succeeded" if ending == "done" else "expired" if ending == "expired" else "errored"] += 1
        at = datetime.fromtimestamp(made.at, UTC).isoformat().replace("+00:00", "Z")
        status = "ended" if made.has_ended else "in_progress"
        url = "http://elsewhere.invalid/results" if made.has_ended else None
        shown = {"id": made.remote, "type": "message_batch", "processing_status": status, "request_counts": counts}
        return {**shown, "created_at": at, "results_url": url, "archived_at": None}

    def _results(self, ask: Ask) -> Answer:
        made = self.made[ask.parts["batch"]]
        shown = [name for name, ending in made.endings.items() if ending != "missing"]
        return self._jsonl([{"custom_id": name, "result": _anthropic_result(made, name)} for name in shown])

    def _jsonl(self, lines: list[Body]) -> Answer:
        self._random.shuffle(lines)
        raw = b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)
        return Answer(200, raw, {"content-type": "application/jsonl"})


def _asked(line: Body) -> Body:
    return dict(line["body"] if "body" in line else line["params"])


def key_of(line: Body) -> str:
    """What a line asks, whatever it is called."""
    return content_id(_asked(line))


def _anthropic_result(made: Made, name: str) -> Body:
    ending = made.endings[name]
    if ending == "done":
        return {"type": "succeeded", "message": made.replies[name]}
    if ending == "expired":
        return {"type": "expired"}
    words = "Your credit balance is too low" if ending == "no credit" else _LINE_ERRORS[ending][2]
    kind = _TYPES.get(ending, "invalid_request_error")
    return {"type": "errored", "error": {"type": "error", "error": {"type": kind, "message": words}}}
