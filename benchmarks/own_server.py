"""Calls in flight at a server on loopback with few slots: what the default finds, next to fixed numbers.

    python benchmarks/own_server.py            about 2 minutes

The server answers so many calls at once and queues the others; an answer takes 50 to 150 ms of a slot. All calls
are asked for at once, as a run of many prompts does. `longest` is the time from sending to the reply.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from amendment.llm.client import Calls
from amendment.llm.ledger import Ledger
from amendment.llm.opening import open_model
from amendment.llm.specs import OpenAISpec
from amendment.records import user

CALLS = 300


class SlotServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, slots: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.slots, self.lock = threading.Semaphore(slots), threading.Lock()
        self.flying, self.seen, self.took = 0, list[int](), list[float]()


class Handler(BaseHTTPRequestHandler):
    server: SlotServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server, at = self.server, time.monotonic()
        body = self.rfile.read(int(self.headers["content-length"]))
        with server.lock:
            server.flying += 1
            server.seen.append(server.flying)
        seconds = random.Random(body).uniform(0.05, 0.15)  # noqa: S311 - the same for the same question
        with server.slots:
            time.sleep(seconds)
        with server.lock:
            server.flying -= 1
            server.took.append(time.monotonic() - at)
        choice = {"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 0, "completion_tokens": round(1000 * seconds), "total_tokens": 0}
        raw = json.dumps(
            {"id": "1", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage}
        ).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:  # the parent's name
        """Say nothing."""


async def ask_all(url: str, concurrency: int | None) -> None:
    spec = OpenAISpec(provider="openai", base_url=url, model="m", concurrency=concurrency)
    with Ledger() as ledger:
        model = open_model("m", spec, Calls(ledger), 7)
        await asyncio.gather(*[model.ask(user(f"question {number}")) for number in range(CALLS)])
        await model.provider.close()


def main() -> None:
    print(f"# {CALLS} calls; in flight: median of the second half")
    print("| slots | concurrency | seconds | in flight | longest s |\n|---|---|---|---|---|")
    for slots in (1, 2, 8):
        for concurrency in (None, 1, 8, 64):
            with SlotServer(slots) as server:
                threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
                began = time.monotonic()
                asyncio.run(ask_all(f"http://127.0.0.1:{server.server_port}/v1", concurrency))
                seconds = time.monotonic() - began
                server.shutdown()
            usual = statistics.median(server.seen[CALLS // 2 :])
            name = concurrency or "default"
            print(f"| {slots} | {name} | {seconds:.1f} | {usual:.0f} | {max(server.took):.1f} |", flush=True)


if __name__ == "__main__":
    main()
