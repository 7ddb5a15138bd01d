"""A loopback server that is never the bottleneck: both vendors' protocols, answers and waits made of the request alone.

    python benchmarks/fast_server.py        prints its port, serves until its input ends

One thread, a bare `asyncio.Protocol`. What a client asks for stands in the path before the protocol's own: `/wait:50/`
waits 50 ms, `/lognormal:100:0.8/` draws from a lognormal with this median (ms) and sigma, `/faults/` refuses 5 % with
429 and fails 2 % with 500, `/storm:0.3/` fails 30 % in four ways,
`/refuse:0.4:1/` refuses 40 % at random and asks to wait a second, `/rpm:600:60/` is a
bucket of 60 that fills at 600 a minute, `/sliding:600/` takes 600 in any minute, `/minute:600/` in each minute of the
clock, `/down:5:20/` fails from second 5 to 20 of its life. Draws follow from the question's text, so a question waits
as long whoever asks it. `GET /stats` tells and forgets what was seen.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import resource
import sys
import time
import zlib
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, ClassVar

WORDS = "The tide comes twice a day because the moon pulls the sea and the earth turns under both bulges of water. "
ANSWER = (WORDS * 10).strip()[:1000]
CLOSED = -1
ERROR = b'{"error":{"message":"please wait","type":"x","code":null}}'
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
QUESTION = re.compile(rb'"(?:content|text)": ?"((?:[^"\\]|\\.)*)"')


def question_in(body: bytes) -> bytes:
    """The text of a body with one message, as JSON writes it."""
    found = QUESTION.search(body)
    return found.group(1) if found else body


def lognormal(question: bytes, median: float, sigma: float) -> float:
    """How long a question waits, in seconds; the median is in milliseconds."""
    share = (zlib.crc32(question, 7) + 0.5) / 2**32
    return median / 1000 * math.exp(sigma * NormalDist().inv_cdf(share))


def said(question: bytes) -> str:
    """The text of the answer to a question."""
    name = zlib.crc32(question)
    return f"{name:x} {ANSWER}\nVerdict: {'A' if name % 2 else 'B'}"


@dataclass
class Stats:
    """What the server saw since it was last asked."""

    requests: int = 0
    replies: int = 0
    bodies: Counter[int] = field(default_factory=Counter)
    waits: float = 0.0
    refused: list[float] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)
    cpu: float = field(default_factory=time.process_time)

    def told(self) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "replies": self.replies,
            "distinct": len(self.bodies),
            "answered again": sum(count - 1 for count in self.bodies.values()),
            "waits": self.waits,
            "refused": self.refused,
            "arrivals": self.arrivals if len(self.arrivals) <= 20_000 else self.arrivals[:20_000],
            "cpu": time.process_time() - self.cpu,
            "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }


class Bucket:
    """A token bucket: `per_minute` calls a minute, so many of them at once."""

    def __init__(self, per_minute: float, most: float) -> None:
        self.rate = per_minute / 60
        self.most = most
        self.left = self.most
        self.at = time.monotonic()

    def take(self) -> bool:
        now = time.monotonic()
        self.left = min(self.most, self.left + (now - self.at) * self.rate)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


class Sliding:
    """At most so many calls in the minute before any moment."""

    def __init__(self, per_minute: float) -> None:
        self.most = int(per_minute)
        self.times: deque[float] = deque()

    def take(self) -> bool:
        now = time.monotonic()
        while self.times and self.times[0] <= now - 60:
            self.times.popleft()
        if len(self.times) < self.most:
            self.times.append(now)
            return True
        return False


class Minute:
    """At most so many calls in each minute of the clock."""

    def __init__(self, per_minute: float) -> None:
        self.most, self.count, self.minute = int(per_minute), 0, 0

    def take(self) -> bool:
        minute = int(time.time() // 60)
        self.count = self.count + 1 if minute == self.minute else 1
        self.minute = minute
        return self.count <= self.most


LIMITS: dict[str, Callable[..., Bucket | Sliding | Minute]] = {"rpm": Bucket, "sliding": Sliding, "minute": Minute}


class Server(asyncio.Protocol):
    """One connection."""

    stats = Stats()
    seen: ClassVar[Counter[int]] = Counter()
    limits: ClassVar[dict[str, Bucket | Sliding | Minute]] = {}
    born = time.monotonic()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end]
            found = LENGTH.search(head)
            size = int(found.group(1)) if found else 0
            if len(self.buffer) < end + 4 + size:
                return
            body = self.buffer[end + 4 : end + 4 + size]
            self.buffer = self.buffer[end + 4 + size :]
            self.handle(head.split(b" ", 2)[1].decode(), body)

    def handle(self, path: str, body: bytes) -> None:
        cls = type(self)
        if path == "/stats":
            self.reply(200, json.dumps(cls.stats.told()).encode())
            cls.stats = Stats()
            return
        stats = cls.stats
        stats.requests += 1
        stats.arrivals.append(time.monotonic())
        question = question_in(body)
        name = zlib.crc32(question)
        wait = 0.0
        for wish in path.split("/"):
            kind, _, rest = wish.partition(":")
            if kind == "wait":
                wait = float(rest) / 1000
            elif kind == "lognormal":
                median, sigma = rest.split(":")
                wait = lognormal(question, float(median), float(sigma))
            elif kind == "faults" and (status := self.fault(name)):
                self.reply(status, ERROR, "retry-after-ms: 20\r\n")
                return
            elif kind == "storm" and (status := self.storm(name, float(rest))):
                if status == CLOSED:
                    self.transport.abort()
                else:
                    self.reply(status, ERROR)
                return
            elif kind == "down" and cls.is_down(*map(float, rest.split(":"))):
                stats.refused.append(time.monotonic())
                self.reply(503, ERROR)
                return
            elif asked := self.refusal(kind, rest, name):
                stats.refused.append(time.monotonic())
                self.reply(429, ERROR, f"retry-after-ms: {1000 * asked:.0f}\r\n")
                return
        stats.waits += wait
        answer = (anthropic if path.endswith("/messages") else openai)(name, said(question))
        if wait:
            asyncio.get_running_loop().call_later(wait, self.answer, name, answer)
        else:
            self.answer(name, answer)

    @classmethod
    def is_down(cls, since: float, until: float) -> bool:
        return since <= time.monotonic() - cls.born < until

    def refusal(self, kind: str, rest: str, name: int) -> float:
        """Seconds for which a refused call is asked to wait; 0 for one that is not refused."""
        if kind == "refuse":
            share, asked = map(float, rest.split(":"))
            return asked if self.draw(name) < share else 0.0
        if kind not in LIMITS:
            return 0.0
        limits = type(self).limits
        if kind not in limits:
            limits[kind] = LIMITS[kind](*map(float, rest.split(":")))
        return 0.0 if limits[kind].take() else 1.0

    def draw(self, name: int) -> float:
        """Uniform in [0, 1), another one each time that a question comes."""
        cls = type(self)
        cls.seen[name] += 1
        return zlib.crc32(b"%d %d" % (name, cls.seen[name])) / 2**32

    def fault(self, name: int) -> int:
        draw = self.draw(name)
        return 429 if draw < 0.05 else 500 if draw < 0.07 else 0

    def storm(self, name: int, share: float) -> int:
        """A fault of this attempt: refused, failed, overloaded, or a connection that is closed without a word."""
        draw = self.draw(name)
        return (429, 500, 503, CLOSED)[int(4 * draw / share)] if draw < share else 0

    def answer(self, name: int, body: bytes) -> None:
        stats = type(self).stats
        stats.replies += 1
        stats.bodies[name] += 1
        self.reply(200, body)

    def reply(self, status: int, body: bytes, further: str = "") -> None:
        if not self.transport.is_closing():
            head = (
                f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{further}content-length: {len(body)}\r\n\r\n"
            )
            self.transport.write(head.encode() + body)


def openai(name: int, text: str) -> bytes:
    return (
        b'{"id":"chatcmpl-%x","object":"chat.completion","created":0,"model":"fast-1","choices":[{"index":0,"message":'
        b'{"role":"assistant","content":%s},"finish_reason":"stop"}],"usage":{"prompt_tokens":150,'
        b'"completion_tokens":200,"total_tokens":350}}' % (name, json.dumps(text).encode())
    )


def anthropic(name: int, text: str) -> bytes:
    return (
        b'{"id":"msg_%x","type":"message","role":"assistant","model":"fast-1","content":[{"type":"text","text":%s}],'
        b'"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":150,"output_tokens":200}}'
        % (name, json.dumps(text).encode())
    )


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Server, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
