"""A server on loopback that speaks OpenAI's and Anthropic's protocols, well or badly, in a thread of its own.

Its good answers are a pure function of the body (`answers`), its faults come from a plan (`troubles`). It keeps the
books that a bill would be made from: what came in, what was billed, and what of that was lost on the way. Further
routes are added with `route`. Not covered: streaming, TLS, any other address than 127.0.0.1.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, Self, TypeVar

from tests.vendors.answers import World
from tests.vendors.troubles import Fault, Plan, error, never
from tests.vendors.wire import LONGEST_HEAD, Answer, Ask, cut, drip, give, read_ask, reset

PAUSE = 0.4
"""Seconds between two bytes of an answer that drips."""
Handler = Callable[[Ask], Answer]
"""Answers one request. It runs in the server's loop and must not wait."""
T = TypeVar("T")


class Arrival(NamedTuple):
    """One line of the server's log."""

    at: float
    """Seconds by the monotonic clock."""
    path: str
    key: str
    fault: str | None


class FaultServer:
    """Use as a context manager. `plan`, `latency` and `world` may be changed at any time."""

    def __init__(self, plan: Plan = never, *, latency: float = 0.0, world: World | None = None) -> None:
        """`latency`: seconds before each reply."""
        self.plan = plan
        self.latency = latency
        self.world = world or World()
        self.received: Counter[str] = Counter()
        """By request key: how often it came."""
        self.paid: Counter[str] = Counter()
        """By request key: how often an answer was made that the vendor bills."""
        self.lost: Counter[str] = Counter()
        """By request key: how many of the billed answers did not reach the asker in a state to be used."""
        self.log: list[Arrival] = []
        self.asks: dict[str, Ask] = {}
        """By request key: the request, as it came last."""
        self.most_at_once = 0
        self.port = 0
        self._at_once = 0
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._listener: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-server", daemon=True)
        self.route("GET", "/v1/models", lambda _: Answer.of(self.world.models()))
        for path in ("/v1/chat/completions", "/v1/messages"):
            self.route("POST", path, self._answer)

    def __enter__(self) -> Self:
        self._thread.start()
        self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        """`base_url` of an OpenAI entry."""
        return f"{self.origin}/v1"

    @property
    def origin(self) -> str:
        """`base_url` of an Anthropic entry."""
        return f"http://127.0.0.1:{self.port}"

    def route(self, method: str, pattern: str, handler: Handler) -> None:
        """Answer a path that matches a regular expression whole; its named groups are the ask's `parts`."""
        self._routes.append((method, re.compile(pattern), handler))

    def listen(self) -> None:
        """Take connections: at a free port at first, and at the same one from then on."""
        self._in_loop(self._listen())

    def refuse(self) -> None:
        """Take no connections and reset those that are open, until `listen`."""
        self._in_loop(self._refuse())

    def forget(self) -> None:
        """Empty books and log."""
        for book in (self.received, self.paid, self.lost, self.log, self.asks):
            book.clear()
        self.most_at_once = self._at_once

    def settle(self, seconds: float = 20.0) -> None:
        """Wait until no request is being answered, so that the books are closed."""
        ends = time.monotonic() + seconds
        while self._at_once:
            assert time.monotonic() < ends, f"{self._at_once} requests are still being answered"
            time.sleep(0.001)

    def _in_loop(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(
            self._meet, "127.0.0.1", self.port, limit=LONGEST_HEAD, backlog=1024, reuse_address=True
        )
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _refuse(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        own = asyncio.current_task()
        others = [task for task in self._open if task is not own]
        for task in others:
            reset(self._open[task])
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._talk(reader, writer))
        self._open[task] = writer
        task.add_done_callback(lambda done: self._open.pop(done, None))

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not writer.is_closing() and (ask := await read_ask(reader)):
                await self._exchange(ask, reader, writer)
        except (asyncio.CancelledError, OSError):
            pass  # the server is ending, or whoever asked has left
        finally:
            writer.close()

    async def _exchange(self, ask: Ask, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.received[ask.key] += 1
        ask.at, ask.nth = time.monotonic(), self.received[ask.key]
        self.asks[ask.key] = ask
        fault = self.plan(ask)
        self.log.append(Arrival(ask.at, ask.path, ask.key, fault.name if fault else None))
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await asyncio.sleep(self.latency)
            await self._reply(ask, fault, reader, writer)
        finally:
            self._at_once -= 1

    async def _reply(
        self, ask: Ask, fault: Fault | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        answer = self._made(ask, fault)
        self.paid[ask.key] += answer.paid
        arrived = False
        try:
            arrived = not reader.at_eof() and await self._give(fault, answer, reader, writer)
        finally:
            self.lost[ask.key] += answer.paid and not arrived

    def _made(self, ask: Ask, fault: Fault | None) -> Answer:
        if fault and fault.instead:
            return fault.instead(ask)
        good = self._routed(ask)
        return fault.spoil(good, ask) if fault and fault.spoil and good.paid else good

    async def _give(
        self, fault: Fault | None, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Put an answer on the wire as its fault wants it; whether it can be used at the other end."""
        match fault.on_wire if fault else "whole":
            case "whole":
                await give(writer, answer)
                return not (fault and fault.ruins)
            case "reset":
                reset(writer)
            case "cut":
                await cut(writer, answer)
            case "drip":
                await drip(reader, writer, answer, PAUSE)
            case "hang":
                await reader.read(1)
        return False

    def _routed(self, ask: Ask) -> Answer:
        for method, pattern, handler in self._routes:
            match = pattern.fullmatch(ask.path)
            if match and method == ask.method:
                ask.parts = match.groupdict()
                return handler(ask)
        return error(ask, 404, f"{ask.method} {ask.path}: no such address", code="not_found")

    def _answer(self, ask: Ask) -> Answer:
        try:
            return Answer.of(self.world.by_path(ask.path)(ask.json), paid=True)
        except (KeyError, ValueError) as fault:
            return error(ask, 400, f"no question: {type(fault).__name__}: {str(fault)[:300]}")


class ScriptedServer(FaultServer):
    """A server that answers from a list, in order, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(self._next)
        self.answers: list[Fault] = []
        """Those that are still to come."""
        self.asked: list[dict[str, Any]] = []
        """Path, headers and JSON body of each request."""

    @property
    def url(self) -> str:
        """The same for both protocols; a test adds the path."""
        return self.origin

    def will_say(
        self, body: Any, *, status: int = 200, headers: dict[str, str] | None = None, cut: bool = False
    ) -> None:
        """Queue an answer, of bytes or of a JSON value, perhaps with the connection cut in the middle of it."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = Answer(status, raw, headers or {})
        self.answers.append(Fault("scripted", instead=lambda _: answer, on_wire="cut" if cut else "whole"))

    def _next(self, ask: Ask) -> Fault:
        self.asked.append({"path": ask.path, "headers": dict(ask.headers), "body": ask.json})
        return self.answers.pop(0)
